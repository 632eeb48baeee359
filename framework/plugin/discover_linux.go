package plugin

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// Names are the plugins that lie in dir, whether or not they can be used; sorted. What is
// not there is no plugin: that is no error.
func Names(dir string) []string {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	var names []string
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		info, err := os.Stat(path)
		if err != nil || !isName(e.Name()) {
			continue
		}
		if isSource(path) || info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			names = append(names, e.Name())
		}
	}
	return names
}

func isName(name string) bool {
	return name != "" && !strings.HasPrefix(name, ".") && !strings.ContainsAny(name, "/\x00")
}

func isSource(dir string) bool {
	return exists(filepath.Join(dir, "main.go")) || exists(filepath.Join(dir, "go.mod"))
}

// found is a plugin in the directory of plugins.
type found struct {
	name   string
	path   string // absolute, without symbolic links
	source bool   // a directory to be built
}

// find looks a name up. The error is one line that says what to do.
func find(dir, name string) (*found, error) {
	if !isName(name) {
		return nil, fmt.Errorf("%q is no name of a plugin: it is that of a file or directory in %s", name, dir)
	}
	path := filepath.Join(dir, name)
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		return nil, notThere(dir, name)
	}
	real, err := resolve(dir, path)
	if err != nil {
		return nil, err
	}
	info, err := os.Stat(real)
	if err != nil {
		return nil, err
	}
	switch mode := info.Mode(); {
	case mode.IsDir():
		return findSource(name, real)
	case strings.HasSuffix(name, ".go"):
		return nil, looseFile(path)
	case !mode.IsRegular():
		return nil, fmt.Errorf("%s is a %s; a plugin is a program or a directory with its source", path, kind(mode))
	case mode&0o111 == 0:
		return nil, fmt.Errorf("%s is not executable; run: chmod +x %s", path, path)
	}
	if err := errors.Join(checkInterpreter(real), checkTree(real, false)); err != nil {
		return nil, err
	}
	return &found{name: name, path: real}, nil
}

// resolve follows symbolic links, which may not lead out of dir.
func resolve(dir, path string) (string, error) {
	home, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return "", err
	}
	if home, err = filepath.Abs(home); err != nil {
		return "", err
	}
	real, err := filepath.EvalSymlinks(path)
	if errors.Is(err, fs.ErrNotExist) {
		target, _ := os.Readlink(path)
		return "", fmt.Errorf("%s is a symbolic link to %s, which does not exist; correct or remove it", path, target)
	}
	if err != nil {
		return "", err
	}
	if real, err = filepath.Abs(real); err != nil {
		return "", err
	}
	if !strings.HasPrefix(real, home+"/") {
		return "", fmt.Errorf("%s is a symbolic link to %s, out of the directory of plugins; put the program itself there", path, real)
	}
	return real, nil
}

func notThere(dir, name string) error {
	if file := filepath.Join(dir, strings.TrimSuffix(name, ".go")+".go"); exists(file) {
		return looseFile(file)
	}
	if !exists(dir) {
		return fmt.Errorf("there is no directory %s; create it and put the plugin there", dir)
	}
	if names := Names(dir); len(names) > 0 {
		return fmt.Errorf("there is none in %s; there are %s", dir, strings.Join(names, ", "))
	}
	return fmt.Errorf("there is none in %s, which is empty; put a program or a directory with its source there", dir)
}

func looseFile(file string) error {
	dir := strings.TrimSuffix(file, ".go")
	return fmt.Errorf("%s is a Go file of its own, and a plugin is a directory; run: mkdir %s && mv %s %s/main.go", file, dir, file, dir)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func findSource(name, path string) (*found, error) {
	if !isSource(path) {
		return nil, fmt.Errorf("%s has no main.go; put the plugin's main there", path)
	}
	if err := checkTree(path, true); err != nil {
		return nil, err
	}
	return &found{name: name, path: path, source: true}, nil
}

func kind(mode fs.FileMode) string {
	switch mode.Type() {
	case fs.ModeNamedPipe:
		return "named pipe"
	case fs.ModeSocket:
		return "socket"
	}
	return "device"
}

// checkInterpreter says whether a script names an interpreter that is there: the system's
// own error would name the script.
func checkInterpreter(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	line, _ := bufio.NewReaderSize(f, 256).ReadString('\n')
	fields := strings.Fields(strings.TrimPrefix(line, "#!"))
	if !strings.HasPrefix(line, "#!") || len(fields) == 0 {
		return nil
	}
	if !exists(fields[0]) {
		return fmt.Errorf("%s is a script for %s, which is not installed", path, fields[0])
	}
	return nil
}

// checkTree refuses what others can write where a privileged user would run it: path,
// what is in it where inside is set, and the directories that it lies in.
func checkTree(path string, inside bool) error {
	if os.Geteuid() != 0 {
		return nil
	}
	if inside {
		if err := filepath.WalkDir(path, func(path string, _ fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			return checkWritable(path)
		}); err != nil {
			return err
		}
	}
	for ; ; path = filepath.Dir(path) {
		if err := checkWritable(path); err != nil {
			return err
		}
		if path == filepath.Dir(path) {
			return nil
		}
	}
}

func checkWritable(path string) error {
	info, err := os.Lstat(path)
	if err != nil {
		return err
	}
	mode := info.Mode()
	switch {
	case mode&fs.ModeSymlink != 0, mode.IsDir() && mode&fs.ModeSticky != 0:
		return nil
	case mode.Perm()&0o002 != 0:
		return fmt.Errorf("%s has mode %#o, so that others can write it, and a privileged user would run it; run: chmod o-w %s", path, mode.Perm(), path)
	case mode.Perm()&0o020 != 0 && !isPrivateGroup(info.Sys().(*syscall.Stat_t)):
		return fmt.Errorf("%s has mode %#o, so that its group can write it, and a privileged user would run it; run: chmod g-w %s", path, mode.Perm(), path)
	}
	return nil
}

// isPrivateGroup says whether the group is the owner's own, named like him.
func isPrivateGroup(s *syscall.Stat_t) bool {
	if s.Uid == 0 && s.Gid == 0 {
		return true
	}
	owner, err := user.LookupId(strconv.Itoa(int(s.Uid)))
	if err != nil {
		return false
	}
	group, err := user.LookupGroupId(strconv.Itoa(int(s.Gid)))
	return err == nil && owner.Username == group.Name
}
