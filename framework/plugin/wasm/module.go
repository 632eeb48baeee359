package wasm

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync/atomic"

	"github.com/hashicorp/go-hclog"
	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"

	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/framework/internal/life"
	"github.com/go-socketserver/socketserver/framework/internal/logline"
)

const (
	pageSize  = 64 << 10
	maxMemory = 1 << 32
)

// A module is a compiled one and what its instances run in.
type module struct {
	runtime  wazero.Runtime
	cache    wazero.CompilationCache // nil: none
	compiled wazero.CompiledModule
}

// compile compiles code, or takes from the cache what it was compiled to, and checks that it can be
// served. An error is a phrase about the file. inspect keeps what isGo looks at.
func compile(ctx context.Context, code []byte, o *Options, inspect bool) (m *module, err error) {
	if component := "\x00asm\x0d\x00\x01\x00"; strings.HasPrefix(string(code), component) {
		return nil, errors.New("is a component of WASI preview 2; build a command of preview 1, as by the target wasm32-wasip1")
	}
	m = &module{}
	defer func() {
		if err != nil {
			err = errors.Join(err, m.close(ctx))
		}
	}()
	config := wazero.NewRuntimeConfig().WithCloseOnContextDone(true).WithCustomSections(inspect).
		WithMemoryLimitPages(uint32(o.Memory / pageSize)) //nolint:gosec // at most maxMemory, see newClass
	if o.Cache != "" {
		if m.cache, err = wazero.NewCompilationCacheWithDir(string(o.Cache)); err != nil {
			return m, fmt.Errorf("cannot be compiled: open cache: %w", err)
		}
		config = config.WithCompilationCache(m.cache)
	}
	m.runtime = wazero.NewRuntimeWithConfig(ctx, config)
	if _, err = wasi_snapshot_preview1.Instantiate(ctx, m.runtime); err != nil {
		return m, err
	}
	if m.compiled, err = m.runtime.CompileModule(ctx, code); err != nil {
		if strings.Contains(err.Error(), "section memory") || strings.Contains(err.Error(), "memory limit") {
			return m, fmt.Errorf("cannot be compiled with %d KiB of memory: %w", o.Memory>>10, err)
		}
		return m, fmt.Errorf("is damaged, or no WebAssembly of version 1; build or copy it again: %w", err)
	}
	return m, m.check()
}

// check reports why no instance of the module could serve.
func (m *module) check() error {
	for _, f := range m.compiled.ImportedFunctions() {
		from, name, _ := f.Import()
		if host := m.runtime.Module(from); host == nil || host.ExportedFunctionDefinitions()[name] == nil {
			return fmt.Errorf("imports the function %s.%s, which is none of WASI preview 1", from, name)
		}
	}
	if m.compiled.ExportedFunctions()["_start"] == nil {
		return errors.New("has no function _start; build it as a command, with a main function")
	}
	return nil
}

// isGo reports whether the module was built by Go itself.
func (m *module) isGo() bool {
	for _, s := range m.compiled.CustomSections() {
		if s.Name() == "go:buildid" {
			return true
		}
	}
	return false
}

func (m *module) close(ctx context.Context) error {
	var errs []error
	if m.runtime != nil {
		errs = append(errs, m.runtime.Close(ctx))
	}
	if m.cache != nil {
		errs = append(errs, m.cache.Close(ctx))
	}
	return errors.Join(errs...)
}

// A class has what the requests of a handler class share.
type class struct {
	options Options
	printed logline.Budget

	opened atomic.Bool
	users  life.Refcount       // the class while it is open, and its instances
	module *module             // while there are users
	config wazero.ModuleConfig // of an instance, without what is the request's
}

// load compiles the file of the class.
func (c *class) load(ctx context.Context) (*module, error) {
	code, err := os.ReadFile(string(c.options.Module))
	if err != nil {
		return nil, err
	}
	m, err := compile(ctx, code, &c.options, false)
	if err != nil {
		return nil, fmt.Errorf("%s %w", c.options.Module, err)
	}
	return m, nil
}

// open is HandlerClass.Open.
func (c *class) open(string, hclog.Logger) error {
	if c.opened.Swap(true) {
		return nil
	}
	args := append([]string{c.options.Name}, c.options.Args...)
	c.config = withEnvironment(wazero.NewModuleConfig(), c.options.Environment).
		WithName(""). // none, as a name can be taken once
		WithArgs(args...).WithSysWalltime().WithSysNanotime().WithRandSource(rand.Reader)
	err := c.users.Acquire(func() (err error) {
		c.module, err = c.load(context.Background())
		return err
	})
	c.opened.Store(err == nil)
	return err
}

func withEnvironment(config wazero.ModuleConfig, variables []string) wazero.ModuleConfig {
	for _, variable := range variables {
		name, value, _ := strings.Cut(variable, "=")
		config = config.WithEnv(name, value)
	}
	return config
}

// acquire keeps the module for an instance, until release.
func (c *class) acquire() error {
	return c.users.Acquire(func() error { return framework.ErrServerClosed })
}

func (c *class) release() error {
	return c.users.Release(func() error {
		c.printed.Flush()
		return c.module.close(context.Background())
	})
}

// check is HandlerClass.Check.
func (c *class) check() error {
	m, err := c.load(context.Background())
	if err != nil {
		return err
	}
	return m.close(context.Background())
}

// close is HandlerClass.Close. Instances may go on: their code goes with the last one.
func (c *class) close() error {
	if !c.opened.Swap(false) {
		return nil
	}
	return c.release()
}
