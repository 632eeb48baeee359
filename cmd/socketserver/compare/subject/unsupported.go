//go:build !linux

package subject

import (
	"context"
	"errors"
	"os"

	"github.com/hashicorp/go-hclog"

	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/handlers"
)

// Become is handlers.ServeWorker: servers are compared on Linux only.
func Become(func(hclog.Logger) *framework.Program) { handlers.ServeWorker() }

// A Subject is a server under test that runs.
type Subject struct {
	network, address string
	process          *os.Process
	ended            chan struct{}
	journal          *journal
}

var errUnsupported = errors.New("servers are compared on Linux only")

// Start fails.
func Start(context.Context, Spec, Options) (*Subject, error) { return nil, errUnsupported }

// FindPython fails.
func FindPython(context.Context) (Python, error) { return Python{}, errUnsupported }

// Tidy does nothing.
func Tidy() error { return nil }

func (*Subject) Kill()      {}
func (*Subject) Stop() Exit { return Exit{} }
