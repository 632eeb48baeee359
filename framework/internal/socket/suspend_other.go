//go:build !linux

package socket

import (
	"os"

	"github.com/go-socketserver/socketserver/framework/internal/handoff"
)

// Suspend and Resume need Linux.
func (*Kept) Suspend() error { return handoff.ErrUnsupported }
func (*Kept) Resume() error  { return handoff.ErrUnsupported }

func isSuspended(error) bool        { return false }
func awaitListening(*os.File) error { return handoff.ErrUnsupported }
