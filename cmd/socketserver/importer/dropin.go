package importer

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/go-socketserver/socketserver/cmd/socketserver/config"
)

// loadPaths are the directories of systemd.unit(5) in their order, of the system's manager and of a user's: a
// file hides those of its name in the directories behind its own.
var loadPaths = [][]string{
	{
		"etc/systemd/system.control", "run/systemd/system.control", "run/systemd/transient", "run/systemd/generator.early",
		"etc/systemd/system", "etc/systemd/system.attached", "run/systemd/system", "run/systemd/system.attached", "run/systemd/generator",
		"usr/local/lib/systemd/system", "usr/lib/systemd/system", "lib/systemd/system", "run/systemd/generator.late",
	},
	{
		"$XDG_CONFIG_HOME/systemd/user.control", "$XDG_RUNTIME_DIR/systemd/user.control", "$XDG_RUNTIME_DIR/systemd/transient",
		"$XDG_RUNTIME_DIR/systemd/generator.early", "$XDG_CONFIG_HOME/systemd/user", "etc/xdg/systemd/user", "etc/systemd/user",
		"$XDG_RUNTIME_DIR/systemd/user", "run/systemd/user", "$XDG_RUNTIME_DIR/systemd/generator", "$XDG_DATA_HOME/systemd/user",
		"usr/local/share/systemd/user", "usr/share/systemd/user", "usr/local/lib/systemd/user", "usr/lib/systemd/user", "lib/systemd/user",
		"$XDG_RUNTIME_DIR/systemd/generator.late",
	},
}

// loadPath returns the directories in which systemd looks for units, where directory is one of them, in a
// copy of the file system, too. Another directory is the only one.
func loadPath(directory string) []string {
	absolute, err := filepath.Abs(directory)
	if err != nil {
		return []string{directory}
	}
	user := userDirectories(absolute)
	var paths, copies [][]string
	for _, path := range loadPaths {
		paths = append(paths, below("/", path, user))
		for _, d := range path {
			if root, ok := strings.CutSuffix(filepath.ToSlash(absolute), "/"+d); ok {
				copies = append(copies, below(root+"/", path, nil))
				break // lib is the end of usr/lib, too
			}
		}
	}
	for _, path := range append(paths, copies...) {
		if i := slices.Index(path, absolute); i >= 0 {
			path[i] = directory // as it was named
			return path
		}
	}
	if filepath.Base(absolute) == "user" && filepath.Base(filepath.Dir(absolute)) == "systemd" { // of a user with other variables
		return append([]string{directory}, below("/", loadPaths[1], nil)...)
	}
	return []string{directory}
}

// below returns the directories of a load path in the file system at root. Those of a user are there as far
// as the variables are known.
func below(root string, path []string, user map[string]string) (all []string) {
	for _, d := range path {
		if name, rest, _ := strings.Cut(d, "/"); name[0] != '$' {
			all = append(all, filepath.Join(root, d))
		} else if user[name] != "" {
			all = append(all, filepath.Join(user[name], rest))
		}
	}
	return all
}

// userDirectories returns the variables in a user's load path. They are those of the environment, unless
// directory lies in the home of another user.
func userDirectories(directory string) map[string]string {
	home, _ := os.UserHomeDir()
	for _, d := range []string{".config/systemd/user.control", ".config/systemd/user", ".local/share/systemd/user"} {
		other, ok := strings.CutSuffix(filepath.ToSlash(directory), "/"+d)
		if ok && !sameFile(other, home) {
			return map[string]string{"$XDG_CONFIG_HOME": other + "/.config", "$XDG_DATA_HOME": other + "/.local/share"}
		}
	}
	known := map[string]string{"$XDG_RUNTIME_DIR": os.Getenv("XDG_RUNTIME_DIR")}
	for name, d := range map[string]string{"XDG_CONFIG_HOME": ".config", "XDG_DATA_HOME": ".local/share"} {
		if known["$"+name] = os.Getenv(name); known["$"+name] == "" && home != "" {
			known["$"+name] = filepath.Join(home, d)
		}
	}
	return known
}

// dropIns reads the drop-ins of a unit that is a file, in the order in which they count. What cannot be
// read is among them.
func dropIns(path string) []file {
	if !isUnit(path) {
		return nil
	}
	found := map[string]file{}
	all := dropInNames(path)
	last := len(all) - 1
	for _, group := range [][]string{all[:last], all[last:]} { // those of the type come after all others
		for _, directory := range loadPath(filepath.Dir(path)) {
			for _, name := range group {
				findDropIns(found, filepath.Join(directory, name+".d"))
			}
		}
	}
	var files []file
	for _, name := range names(found) {
		f := found[name]
		f.of = path
		files = append(files, f)
	}
	return files
}

// findDropIns adds the drop-ins in a directory to those that were found before, which hide others of their name.
func findDropIns(found map[string]file, directory string) {
	entries, err := os.ReadDir(directory)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		found[directory] = file{path: directory, unread: config.PathError(directory, err)}
	}
	for _, e := range entries {
		if _, hidden := found[e.Name()]; !hidden && isDropIn(e.Name()) {
			found[e.Name()] = readDropIn(filepath.Join(directory, e.Name()))
		}
	}
}

func isUnit(path string) bool {
	ext := filepath.Ext(path)
	return ext == ".socket" || ext == ".service"
}

func isDropIn(name string) bool {
	return filepath.Ext(name) == ".conf" && !strings.HasPrefix(name, ".")
}

// readDropIn reads a drop-in. A link to /dev/null hides others and says nothing.
func readDropIn(path string) file {
	if target, err := os.Readlink(path); err == nil && target == os.DevNull {
		return file{path: path}
	}
	f, err := readFile(path)
	if err != nil {
		return file{path: path, unread: err}
	}
	return f
}

// dropInNames returns the names of the directories of a unit's drop-ins, without .d: for a-b@.service
// these are a-b@.service, a-.service and service, and those of the unit that it is a link to. The type is the last.
func dropInNames(path string) []string {
	units := []string{filepath.Base(path)}
	if target, err := filepath.EvalSymlinks(path); err == nil && filepath.Base(target) != units[0] && isUnit(target) {
		units = append(units, filepath.Base(target))
	}
	var all []string
	for _, unit := range units {
		all = append(all, unit)
		ext := filepath.Ext(unit)
		name, _, template := strings.Cut(strings.TrimSuffix(unit, ext), "@")
		if template && !strings.HasSuffix(unit, "@"+ext) { // an instance
			all = append(all, name+"@"+ext)
		}
		for i := strings.LastIndexByte(strings.TrimRight(name, "-"), '-'); i > 0; i = strings.LastIndexByte(name[:i], '-') {
			if template {
				all = append(all, name[:i+1]+"@"+ext)
			}
			all = append(all, name[:i+1]+ext)
		}
	}
	return append(all, strings.TrimPrefix(filepath.Ext(path), "."))
}

// unitFile returns the file that systemd takes as the unit of a name, for a unit at path; empty: there is none.
func unitFile(path, name string) string {
	for _, directory := range loadPath(filepath.Dir(path)) {
		at := filepath.Join(directory, name)
		if _, err := os.Lstat(at); err == nil {
			return at
		}
	}
	return ""
}

// isWanted reports whether a unit of a load path is enabled: another unit wants or requires it. One that lies elsewhere is.
func isWanted(path string) bool {
	directories := loadPath(filepath.Dir(path))
	for _, d := range directories {
		entries, _ := os.ReadDir(d)
		for _, e := range entries {
			if ext := filepath.Ext(e.Name()); ext != ".wants" && ext != ".requires" && ext != ".upholds" {
				continue
			}
			if _, err := os.Lstat(filepath.Join(d, e.Name(), filepath.Base(path))); err == nil {
				return true
			}
		}
	}
	return len(directories) == 1
}

// sameFile reports whether two paths lead to one file. A link that leads nowhere is a file of its own.
func sameFile(a, b string) bool {
	stat := func(path string) os.FileInfo {
		info, err := os.Stat(path)
		if err != nil {
			info, _ = os.Lstat(path)
		}
		return info
	}
	return os.SameFile(stat(a), stat(b))
}
