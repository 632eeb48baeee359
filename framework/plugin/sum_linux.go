package plugin

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/framework/internal/process"
)

// Identify returns what a [Lock] has of a plugin as it is now. The sum of source is that of a text with
// a line "SHA-256  path" for each file that the go command compiles, sorted by path.
func Identify(dir, name string, d Definition) (Locked, error) {
	d.Lock = nil
	f := find(dir, name, d)
	if f.err != nil {
		return Locked{}, f.err
	}
	sum, err := f.sum()
	return Locked{sum, f.Kind, f.lockName()}, err
}

// lockName returns the name of the plugin in a Lock.
func (f *found) lockName() string {
	if f.entry == "" {
		return f.name
	}
	return f.entry
}

func (f *found) sum() (string, error) {
	if f.source {
		return sumOfSource(f.from)
	}
	return sumOf(f.Path)
}

// requireSum finds out which sum the plugin must have.
func (f *found) requireSum() error {
	if f.Lock == nil || f.Sum != "" {
		return nil
	}
	f.Sum, f.Locked = f.Lock.Sum(f.lockName()), true
	if f.Sum == "" {
		return fmt.Errorf("%s has no line for it; if it is what it should be, run: socketserver plugin lock %s", LockFile, f.name)
	}
	return nil
}

// checkSum returns an error unless what is at path has the sum that it must have.
func (d *Definition) checkSum(name, path, sum string) error {
	if d.Sum == "" || d.Sum == sum {
		return nil
	}
	where, next := "sha256 is", fmt.Sprintf("correct sha256 in plugin %q", name)
	if d.Locked {
		where, next = LockFile+" has", "run: socketserver plugin lock "+name
	}
	return fmt.Errorf("%s has the sum %s, and %s %s; if it is what it should be, %s", path, sum[:8], where, d.Sum[:8], next)
}

// checkSource is checkSum of a directory with source.
func (f *found) checkSource() error {
	if f.Sum == "" {
		return nil
	}
	sum, err := sumOfSource(f.from)
	if err != nil {
		return err
	}
	return f.checkSum(f.name, f.from, sum)
}

// compiled are the endings of names of what the go command compiles or is told by.
var compiled = []string{".go", ".s", ".h", ".syso", "go.mod", "go.sum"}

// sumOfSource returns the sum of a directory, see Identify.
func sumOfSource(dir string) (string, error) {
	var paths []string
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() && slices.ContainsFunc(compiled, func(end string) bool { return strings.HasSuffix(path, end) }) {
			paths = append(paths, path)
		}
		return err
	})
	slices.Sort(paths) // WalkDir has a directory before a file of its name
	all := sha256.New()
	for _, path := range paths {
		sum, failed := sumOf(path)
		err = errors.Join(err, failed)
		fmt.Fprintf(all, "%s  %s\n", sum, strings.TrimPrefix(path, dir+"/"))
	}
	return hex.EncodeToString(all.Sum(nil)), err
}

// Digest tells what [Prepare] has found from anything else: what would run, and how.
func (d Definition) Digest() (string, error) {
	sum, err := sumOf(d.Path)
	if err != nil {
		return "", err
	}
	all := sha256.New()
	fmt.Fprintln(all, sum)
	err = json.NewEncoder(all).Encode(d)
	return hex.EncodeToString(all.Sum(nil)), err
}

func sumOf(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	sum := sha256.New()
	_, err = io.Copy(sum, f)
	return hex.EncodeToString(sum.Sum(nil)), err
}

// seal checks the file of a plugin that must have a sum. What is run from then on, however often, is
// what was checked, until release is called.
func (s *Settings) seal() (release func(), err error) {
	if s.Sum == "" {
		return func() {}, nil
	}
	image, sum, sealed, err := process.Seal(s.Path)
	if err != nil {
		return nil, err
	}
	release = sync.OnceFunc(func() { _ = image.Close() })
	if err := s.checkSum(s.Name, s.Path, sum); err != nil {
		release()
		return nil, err
	}
	if s.sealed = image.Path(); !sealed && s.Log != nil {
		s.Log.Warn("the sum of a plugin is checked when its server opens, and not each time that it is started, as the system does not let memory be executed",
			"plugin", s.Name, "next", "set vm.memfd_noexec to 0 or 1")
	}
	return release, nil
}

// openSealed is open for a plugin that must have a sum.
func openSealed(s Settings, open func(Settings) (*framework.HandlerClass, error)) (*framework.HandlerClass, error) {
	release, err := s.seal()
	if err != nil {
		return nil, fmt.Errorf("plugin %q: %w", s.Name, err)
	}
	class, err := open(s)
	if err != nil {
		release()
		return nil, err
	}
	end := class.Close
	class.Close = func() error {
		defer release()
		if end == nil {
			return nil
		}
		return end()
	}
	return class, nil
}
