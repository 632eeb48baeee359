// Package wasm serves requests with WebAssembly modules: commands of WASI preview 1, which C, Rust,
// Zig and TinyGo compile to. A module is compiled once. Each request has an instance of its own,
// whose standard input and output are the client, and which has neither files nor a network.
//
// It is a package of its own as it links a compiler. A program whose [Constructor] is to run in
// workers gives it to [framework.ServeWorker].
package wasm

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/hashicorp/go-hclog"

	"github.com/go-socketserver/socketserver/framework"
)

// Options are those of a class.
type Options struct {
	Module framework.Path `json:"module" doc:"the file of the module"`
	Name   string         `json:"name" doc:"argument 0 of the module"`
	Args   []string       `json:"args" doc:"its other arguments"`
	Memory int64          `json:"memory" doc:"limit of the memory of each instance, in bytes"`
	// Cache is a directory for compiled modules, which are machine code: only its owner may write
	// to it. Where it is empty each worker compiles the module.
	Cache       framework.Path `json:"cache" doc:"directory for compiled modules"`
	Environment []string       `json:"environment" doc:"variables of the module beside those of the request, as NAME=VALUE"`
}

// DefaultMemory is the memory of an instance unless Options has another limit.
const DefaultMemory = 16 << 20

// Constructor makes classes from Options.
var Constructor = framework.Define(Options{Memory: DefaultMemory}, newClass)

func newClass(o Options) (*framework.HandlerClass, error) {
	if o.Memory < pageSize || o.Memory > maxMemory {
		return nil, &framework.OptionError{Option: "memory", Problem: fmt.Sprintf("is %d, and may be %d to %d bytes", o.Memory, pageSize, int64(maxMemory))}
	}
	c := &class{options: o}
	return &framework.HandlerClass{
		New:  func() framework.Handler { return &handler{class: c} },
		Open: c.open, Check: c.check, Close: c.close,
		OwnProgram: true, Foreign: true, Reads: []string{string(cmp.Or(o.Cache, o.Module))}, // the module is there, too, see Open
	}, nil
}

// Open makes a class of the module as it is now: replacing the file does not change what workers
// run. An error says why the module cannot be served. Properties of the module that are a
// reason not to use it are logged.
func Open(ctx context.Context, o Options, log hclog.Logger) (*framework.HandlerClass, error) {
	code, err := os.ReadFile(string(o.Module))
	if err != nil {
		return nil, err
	}
	m, err := compile(ctx, code, &o, true)
	if err != nil {
		return nil, fmt.Errorf("%s %w", o.Module, err)
	}
	if m.isGo() {
		log.Warn("module was built by Go, whose instances take 5 MB and 3 to 7 ms each, more than a process; build it by TinyGo, or make it a Go plugin", "module", o.Module)
	}
	if err := m.close(ctx); err != nil {
		return nil, err
	}
	if o.Cache != "" {
		if o.Module, err = keep(code, string(o.Cache)); err != nil {
			return nil, err
		}
	}
	options, err := json.Marshal(o)
	if err != nil {
		return nil, err
	}
	return Constructor.Class(options)
}

// keep writes the module to a directory, under a name that no other module has. A file of that name may have lost its content with
// the power.
func keep(code []byte, directory string) (framework.Path, error) {
	path := filepath.Join(directory, fmt.Sprintf("%x.wasm", sha256.Sum256(code)))
	if kept, err := os.ReadFile(path); err == nil && bytes.Equal(kept, code) {
		return framework.Path(path), nil
	}
	f, err := os.CreateTemp(directory, "*.tmp")
	if err != nil {
		return "", fmt.Errorf("keep module: %w", err)
	}
	_, err = f.Write(code)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return "", errors.Join(fmt.Errorf("keep module: %w", err), os.Remove(f.Name()))
	}
	return framework.Path(path), nil
}
