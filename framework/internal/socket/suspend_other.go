//go:build !linux

package socket

import (
	"os"

	"github.com/go-socketserver/socketserver/framework/internal/handoff"
)

// Suspend needs Linux.
func (*Kept) Suspend() error { return handoff.ErrUnsupported }

// Resume has nothing to undo.
func (*Kept) Resume() error { return nil }

func isSuspended(error) bool        { return false }
func awaitListening(*os.File) error { return handoff.ErrUnsupported }
