//go:build !linux

package conn

import (
	"context"
	"errors"
	"net"
	"time"

	"github.com/go-socketserver/socketserver/framework/internal/slots"
)

// AwaitClient is for workers, which exist on Linux only.
func AwaitClient(context.Context, net.Conn, time.Duration, *slots.Semaphore, int) (func(), error) {
	return nil, errors.ErrUnsupported
}
