//go:build !linux

package plugin

import (
	"context"

	"github.com/hashicorp/go-hclog"

	"github.com/go-socketserver/socketserver/framework"
)

// Open returns [framework.ErrNotSupported]: only Linux hands sockets over.
func Open(context.Context, Settings) (*framework.HandlerClass, error) {
	return nil, framework.ErrNotSupported
}

// Describe returns [framework.ErrNotSupported].
func Describe(context.Context, Settings) (*Description, error) { return nil, framework.ErrNotSupported }

// Prepare returns [framework.ErrNotSupported] for every name.
func Prepare(_ context.Context, _ string, names []string, _ hclog.Logger) (map[string]string, map[string]error) {
	errs := map[string]error{}
	for _, name := range names {
		errs[name] = framework.ErrNotSupported
	}
	return map[string]string{}, errs
}

// Names returns nothing.
func Names(string) []string { return nil }
