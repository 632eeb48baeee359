//go:build !linux

package conn

import (
	"context"
	"errors"
	"net"
	"time"

	"github.com/go-socketserver/socketserver/framework/internal/slots"
)

// Arrived and AwaitClient are for workers, which exist on Linux only.
func Arrived(net.Conn) (arrived, ok bool) { return false, false }

// AwaitClient returns an error.
func AwaitClient(context.Context, net.Conn, time.Duration, time.Duration, *slots.Semaphore, int) (func(), error) {
	return nil, errors.ErrUnsupported
}
