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
func Prepare(_ context.Context, _ string, plugins map[string]Definition, _ hclog.Logger) (map[string]Definition, map[string]error) {
	errs := map[string]error{}
	for name := range plugins {
		errs[name] = framework.ErrNotSupported
	}
	return map[string]Definition{}, errs
}

// Names returns nothing.
func Names(string) []string { return nil }

// Find returns [framework.ErrNotSupported].
func Find(string, string, Definition) (Definition, error) {
	return Definition{}, framework.ErrNotSupported
}

// Identify returns [framework.ErrNotSupported].
func Identify(string, string, Definition) (Locked, error) { return Locked{}, framework.ErrNotSupported }

// Digest returns [framework.ErrNotSupported].
func (Definition) Digest() (string, error) { return "", framework.ErrNotSupported }

// Files returns nothing.
func Files(string, string, Definition) []string { return nil }

// CheckModule returns nil: nothing is built.
func CheckModule(string, string) error { return nil }

// Has returns false.
func Has(string, string) bool { return false }

// checkAround returns nil: nothing is known of who may change a file.
func checkAround(string, string) error { return nil }
