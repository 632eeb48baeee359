package plugin

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/go-socketserver/socketserver/internal/text"
)

// Names returns the names of what may be a plugin in dir, sorted, whether or not it can be used. A
// directory that does not exist has none.
func Names(dir string) []string {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	var names []string
	for _, e := range entries {
		if isName(e.Name()) && isCandidate(filepath.Join(dir, e.Name())) {
			names = append(names, e.Name())
		}
	}
	return names
}

// Find looks up a plugin in dir, or where d says, without building it: the path of one that is source is
// its directory.
func Find(dir, name string, d Definition) (Definition, error) {
	f := find(dir, name, d)
	return f.Definition, f.err
}

// Files returns patterns of the paths of what a plugin is made of: its file, or source. Where none is found
// by the name they are those of all that could be it.
func Files(dir, name string, d Definition) []string {
	d.Lock = nil
	f := find(dir, name, d)
	var all []string
	switch {
	case d.Path != "":
		all = []string{d.Path}
	case f.err != nil:
		all = []string{filepath.Join(dir, name), filepath.Join(dir, name+".*")}
	default: // not name.*: it may write files of its own there
		for _, entry := range named(dir, name) {
			all = append(all, filepath.Join(dir, entry))
		}
	}
	if f.source {
		_ = filepath.WalkDir(f.from, func(path string, e fs.DirEntry, err error) error {
			if err == nil && e.IsDir() {
				for _, end := range compiled {
					all = append(all, filepath.Join(path, "*"+end))
				}
			}
			return nil
		})
	}
	return all
}

// Has reports whether there is something that name may mean in dir: Prepare returns the plugin, or
// why it is none.
func Has(dir, name string) bool { return isName(name) && len(named(dir, name)) > 0 }

func isName(name string) bool {
	return name != "" && !strings.HasPrefix(name, ".") && !strings.HasSuffix(name, "~") && !strings.ContainsAny(name, "/\x00")
}

// isCandidate reports whether what lies at path may be a plugin: source, an executable, or a file
// that is run by a program which needs no permission for it.
func isCandidate(path string) bool {
	info, err := os.Stat(path)
	if err != nil {
		return false
	}
	return isSource(path) || info.Mode().IsRegular() && (info.Mode()&0o111 != 0 || kindOf(path, false).isRead())
}

func isSource(dir string) bool {
	return exists(filepath.Join(dir, "main.go")) || exists(filepath.Join(dir, "go.mod"))
}

// named returns what name may mean in dir: the entry of that name, and those that have an extension
// more, without a loose Go file. Where some of them can be plugins it is only those.
func named(dir, name string) []string {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	var all, candidates []string
	for _, e := range entries {
		extended := strings.HasPrefix(e.Name(), name+".") && !strings.HasSuffix(e.Name(), ".go")
		if e.Name() != name && (!extended || !isName(e.Name())) {
			continue
		}
		all = append(all, e.Name())
		if isCandidate(filepath.Join(dir, e.Name())) {
			candidates = append(candidates, e.Name())
		}
	}
	if len(candidates) > 0 {
		return candidates
	}
	return all
}

// found is a plugin that was looked up.
type found struct {
	name string
	Definition
	dir    string // of plugins
	source bool   // Path was a directory, which is to be built
	from   string // the path of the file or source, absolute, without symbolic links
	entry  string // the name of that in dir; empty: the definition has a path

	err error // why it cannot be used
}

// find looks up a plugin. The error is one line with the next step.
func find(dir, name string, d Definition) *found {
	f := &found{name: name, Definition: d, dir: dir}
	if f.err = f.look(); f.err == nil {
		f.err = f.requireSum()
	}
	return f
}

func (f *found) look() error {
	if f.Path != "" {
		return f.lookAt(f.Path)
	}
	entry, err := f.named()
	if err != nil {
		return err
	}
	home, path, err := resolve(f.dir, filepath.Join(f.dir, entry))
	if err != nil {
		return err
	}
	f.from, f.Path, f.entry = path, path, filepath.Base(path)
	return errors.Join(f.identify(), checkTree(path, home))
}

// lookAt looks at a path that a definition has. Symbolic links stay in it: programs find what
// belongs to them by it.
func (f *found) lookAt(path string) error {
	path, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	real, err := filepath.EvalSymlinks(path)
	if errors.Is(err, fs.ErrNotExist) {
		return f.notAt(path)
	}
	if err != nil {
		return err
	}
	if f.from, f.Path = real, path; isSource(real) {
		f.Path = real
	}
	if err := f.identify(); err != nil {
		return err
	}
	return errors.Join(checkTree(real, filepath.Dir(real)), checkWay(path))
}

// notAt returns an error with the next step where there is nothing at path. A command that is a bare word
// may be meant to be looked for.
func (f *found) notAt(path string) error {
	next := ""
	if f.Command != "" && filepath.Base(f.Command) == f.Command {
		if program, err := exec.LookPath(f.Command); err == nil {
			next = fmt.Sprintf("; write %q", program)
		}
	}
	return fmt.Errorf("there is no %s; a path is relative to the file that names it, and is not looked for in PATH%s", path, next)
}

// named returns the name of the one entry that the plugin's name means.
func (f *found) named() (string, error) {
	if !isName(f.name) {
		return "", fmt.Errorf("%q is no name of a plugin, which is that of a file or directory in %s", f.name, f.dir)
	}
	switch names := named(f.dir, f.name); len(names) {
	case 0:
		return "", notThere(f.dir, f.name)
	case 1:
		return names[0], nil
	default:
		return "", fmt.Errorf("it may be any of %s in %s; rename or remove all but one, or write the whole name", strings.Join(names, " and "), f.dir)
	}
}

// identify sets the kind of what lies at Path, and returns an error if it cannot be run.
func (f *found) identify() error {
	info, err := os.Stat(f.Path)
	if err != nil {
		return err
	}
	switch mode := info.Mode(); {
	case mode.IsDir() && !isSource(f.Path):
		return fmt.Errorf("%s has no main.go; put the plugin's main there", f.Path)
	case mode.IsDir():
		f.source = true
		return f.settle(looked{Go, "a directory with Go source"})
	case filepath.Ext(f.Path) == ".go":
		return looseFile(f.Path)
	case !mode.IsRegular():
		return fmt.Errorf("%s is a %s; a plugin is a program or a directory with its source", f.Path, fileType(mode))
	default:
		at := kindOf(f.Path, mode&0o111 != 0)
		if err := f.settle(at); err != nil || f.Kind == Wasm {
			return err
		}
		if mode&0o111 == 0 && f.Kind != Python {
			return fmt.Errorf("%s is not executable; if it is a program, run: chmod +x %s", f.Path, text.ShellWord(f.Path))
		}
		return f.checkInterpreter()
	}
}

// settle sets the kind, unless the definition has.
func (f *found) settle(l looked) error {
	switch {
	case f.Kind == "" && f.Command != "" && l.kind == Python: // the interpreter is run, or its file is a command itself
		f.Kind, f.Why = Stdio, "its command is given"
	case f.Kind == "":
		f.Kind, f.Why = l.kind, l.why
	case f.source && f.Kind != Go:
		return fmt.Errorf("%s is a directory with Go source, whose kind is \"go\" and not %q; leave kind out", f.Path, f.Kind)
	default:
		f.Why = "its kind is given"
	}
	if f.Kind == Go && (f.Declared != nil || f.WorkingDirectory != "" && f.Command == "") {
		return errors.New("it is of the kind \"go\", which says itself what options it has, and runs in the server's directory; remove option and directory")
	}
	return nil
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
		return fmt.Errorf("there is none in %s; %s", dir, Hint(name, names))
	}
	return fmt.Errorf("there is none in %s, which is empty; put a program or a directory with its source there", dir)
}

func looseFile(file string) error {
	dir := strings.TrimSuffix(file, ".go")
	return fmt.Errorf("%s is a Go file of its own, and a plugin is a directory; run: mkdir %[2]s && mv %[3]s %[2]s/main.go", file, text.ShellWord(dir), text.ShellWord(file))
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func fileType(mode fs.FileMode) string {
	switch mode.Type() {
	case fs.ModeNamedPipe:
		return "named pipe"
	case fs.ModeSocket:
		return "socket"
	}
	return "device"
}
