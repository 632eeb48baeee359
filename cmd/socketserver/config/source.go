package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/go-socketserver/socketserver/internal/regular"
)

// source is a parsed file.
type source struct {
	name    string
	body    *hclsyntax.Body
	context *hcl.EvalContext // the functions of its expressions
}

// beside resolves a path against the file's directory.
func (s *source) beside(path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(filepath.Dir(s.name), path)
}

// load reads a file or the files of a directory.
func (r *reader) load(path string) {
	files := []string{path}
	info, err := os.Stat(path)
	if err == nil && info.IsDir() {
		files, err = Files(path)
	}
	if err == nil && info.IsDir() {
		r.config.Sources = append(r.config.Sources, filepath.Join(path, "*.hcl"))
	} else {
		r.config.Sources = append(r.config.Sources, path)
	}
	switch {
	case err != nil:
		f := pathFault(err)
		if errors.Is(err, fs.ErrNotExist) {
			f.next = "check the path, or write one to begin with: socketserver init"
		}
		r.add(hcl.Range{Filename: path}, f)
		return
	case len(files) == 0:
		r.add(hcl.Range{Filename: path}, faultf("write one, or name another directory", "there is no .hcl file in this directory"))
	}
	for _, name := range files {
		if !r.isRead(name, r.names()) { // one of them has included it
			r.loadFile(name)
		}
	}
}

// Files returns the paths of the .hcl files in a directory, sorted and without hidden ones.
func Files(directory string) ([]string, error) {
	entries, err := os.ReadDir(directory)
	var files []string
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), ".") && filepath.Ext(e.Name()) == ".hcl" {
			files = append(files, filepath.Join(directory, e.Name()))
		}
	}
	return files, err
}

func (r *reader) loadFile(name string) {
	src, err := regular.Read(name, maxSource+1)
	if err != nil {
		r.add(hcl.Range{Filename: name}, pathFault(err))
		return
	}
	r.texts[name] = src
	r.parse(name, src)
}

func (r *reader) parse(name string, src []byte) {
	s := &source{name: name}
	if _, s.body = r.syntax(name, src, &r.guard); s.body == nil {
		r.broken = true
		return
	}
	_ = hclsyntax.Walk(s.body, meter{&r.guard}) // which has no complaints
	s.context = &hcl.EvalContext{Functions: functions(s, &r.guard)}
	r.files = append(r.files, s)
	r.include(s)
}

// PathError describes an error of the system about path in the words of Load.
func PathError(path string, err error) error {
	var p problems
	p.add(hcl.Range{Filename: path}, pathFault(err))
	return p.err()
}

// pathFault describes an error about a path that the error's place names already.
func pathFault(err error) *fault {
	var path *fs.PathError
	switch {
	case errors.Is(err, regular.ErrNotRegular):
		return faultf("name a file that has its text, or move this one elsewhere", "%s", regular.ErrNotRegular)
	case errors.Is(err, fs.ErrNotExist):
		return faultf("check the path, or write the file", "there is no such file or directory")
	case errors.Is(err, fs.ErrPermission):
		return faultf("allow this user to read it", "permission denied")
	case errors.As(err, &path):
		return faultf("check the path", "%s: %v", path.Op, path.Err)
	}
	return &fault{fmt.Sprint(err), "check the path"}
}
