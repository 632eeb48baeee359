//go:build !linux

package subject

import (
	"github.com/hashicorp/go-hclog"

	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/handlers"
)

// Become is handlers.ServeWorker: servers are compared on Linux only.
func Become(func(hclog.Logger) *framework.Program) { handlers.ServeWorker() }
