package main

import (
	"cmp"
	"context"

	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/framework/plugin"
	"github.com/go-socketserver/socketserver/framework/plugin/wasm"
)

// openModule makes the class of a plugin that is a WebAssembly module.
func openModule(ctx context.Context, s plugin.Settings) (*framework.HandlerClass, error) {
	cache := s.Cache
	if cache == "" {
		var err error
		if cache, err = plugin.CacheDirectory("wasm"); err != nil {
			s.Log.Warn("each worker compiles the module, as what was compiled cannot be kept", "error", err)
		}
	}
	return wasm.Open(ctx, wasm.Options{
		Module: framework.Path(s.File()), Name: cmp.Or(s.Command, s.Name), Args: s.Args,
		Memory: cmp.Or(s.Limits.Memory, wasm.DefaultMemory), Cache: framework.Path(cache), Environment: s.Environment,
	}, s.Log)
}
