package plugin

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/go-socketserver/socketserver/framework"
)

// openWasm makes the class of a module, which has its options as a program has.
func openWasm(ctx context.Context, s Settings) (*framework.HandlerClass, error) {
	if OpenWasm == nil {
		return nil, fmt.Errorf("plugin %q: %w", s.Name, errors.New("this program does not run WebAssembly modules"))
	}
	env, err := s.optionEnvironment()
	if err != nil {
		return nil, fmt.Errorf("plugin %q: %w", s.Name, err)
	}
	s.Environment = slices.Concat(s.Environment, env)
	open := OpenWasm
	if s.Workers.AsUser && int(s.Workers.UID) != os.Geteuid() {
		open = openForUser
	}
	class, err := open(ctx, s)
	if err != nil {
		return nil, fmt.Errorf("plugin %q: %w", s.Name, err)
	}
	return class, nil
}

// openForUser is OpenWasm for workers of another user, who may not look into this one's cache. They read the module, and
// what was compiled, in a directory that lasts as long as the class, and that only this user can change.
func openForUser(ctx context.Context, s Settings) (*framework.HandlerClass, error) {
	dir, err := makeRuntimeDir(&s.Workers)
	if err != nil {
		return nil, err
	}
	s.Cache = dir.path
	class, err := OpenWasm(ctx, s)
	if err != nil {
		dir.remove()
		return nil, err
	}
	if err := openToAll(dir.path); err != nil {
		return nil, errors.Join(err, class.Close(), os.RemoveAll(dir.path))
	}
	end := class.Close
	class.Close = func() error {
		defer dir.remove()
		return end()
	}
	return class, nil
}

// openToAll lets everybody read what is in dir, by its name.
func openToAll(dir string) error {
	return filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		mode := fs.FileMode(0o444)
		if err == nil && e.IsDir() {
			mode = 0o711
		}
		return errors.Join(err, os.Chmod(path, mode))
	})
}

// describeWasm returns an error for a module that cannot be served.
func describeWasm(ctx context.Context, s Settings) (*Description, error) {
	class, err := openWasm(ctx, s)
	if err != nil {
		return nil, err
	}
	return &Description{Options: s.Declared, Networks: class.Serves()}, class.Close()
}
