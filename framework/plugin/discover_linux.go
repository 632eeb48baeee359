package plugin

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Names returns the names of the plugins in dir, sorted, whether or not they can be used. A
// directory that does not exist has none.
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

	program string // its executable
	err     error  // why there is none
}

// find looks up a name. The error is one line with the next step.
func find(dir, name string) *found {
	f := &found{name: name}
	f.err = f.look(dir)
	return f
}

func (f *found) look(dir string) error {
	if !isName(f.name) {
		return fmt.Errorf("%q is no name of a plugin, which is that of a file or directory in %s", f.name, dir)
	}
	path := filepath.Join(dir, f.name)
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		return notThere(dir, f.name)
	}
	home, real, err := resolve(dir, path)
	if err != nil {
		return err
	}
	info, err := os.Stat(real)
	if err != nil {
		return err
	}
	f.path, f.program = real, real
	switch mode := info.Mode(); {
	case mode.IsDir() && !isSource(real):
		return fmt.Errorf("%s has no main.go; put the plugin's main there", real)
	case mode.IsDir():
		f.source = true
	case strings.HasSuffix(f.name, ".go"):
		return looseFile(path)
	case !mode.IsRegular():
		return fmt.Errorf("%s is a %s; a plugin is a program or a directory with its source", path, kind(mode))
	case mode&0o111 == 0:
		return fmt.Errorf("%s is not executable; run: chmod +x %s", path, path)
	default:
		err = checkInterpreter(real)
	}
	return errors.Join(err, checkTree(real, home))
}

// resolve returns dir and path without symbolic links, which must not lead out of dir.
func resolve(dir, path string) (home, real string, err error) {
	if home, err = filepath.Abs(dir); err == nil {
		home, err = filepath.EvalSymlinks(home)
	}
	if err != nil {
		return "", "", err
	}
	real, err = filepath.EvalSymlinks(filepath.Join(home, filepath.Base(path)))
	if errors.Is(err, fs.ErrNotExist) {
		target, _ := os.Readlink(path)
		err = fmt.Errorf("%s is a symbolic link to %s, which does not exist; correct or remove it", path, target)
	}
	if err == nil && !strings.HasPrefix(real, home+"/") {
		err = fmt.Errorf("%s is a symbolic link to %s, out of the directory of plugins; put the program itself there", path, real)
	}
	return home, real, err
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

func kind(mode fs.FileMode) string {
	switch mode.Type() {
	case fs.ModeNamedPipe:
		return "named pipe"
	case fs.ModeSocket:
		return "socket"
	}
	return "device"
}

// checkInterpreter returns an error if the interpreter of a script is missing. The system's
// own error would name the script.
func checkInterpreter(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	line, _ := bufio.NewReaderSize(f, 256).ReadString('\n')
	line, script := strings.CutPrefix(line, "#!")
	if fields := strings.Fields(line); script && len(fields) > 0 && !exists(fields[0]) {
		return fmt.Errorf("%s is a script for %s, which is not installed", path, fields[0])
	}
	return nil
}
