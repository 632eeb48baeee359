//go:build !linux

package vsock

import (
	"context"
	"errors"
	"net"
	"os"
)

var errUnsupported = errors.New("VSOCK is there on Linux only")

// Check returns why there is no VSOCK here.
func Check() error { return errUnsupported }

// A Listener is not made.
type Listener struct{ net.Listener }

// Listen fails, as the next two do.
func Listen(*Addr, int) (*Listener, error) { return nil, errUnsupported }

func FileListener(*os.File) (*Listener, error) { return nil, errUnsupported }

func Dial(context.Context, *Addr) (net.Conn, error) { return nil, errUnsupported }

// FileConn is not called, as there is no listener.
func FileConn(_ *os.File, _, _ net.Addr) net.Conn { return nil }
