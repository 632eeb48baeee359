package conn

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"time"
)

// Handshake calls shake, which reads and writes c, with a context that is done after timeout;
// 0 bounds nothing. As that does not end a read, a deadline of c does. The error is that of a
// timeout, [net.ErrClosed] where ctx was cancelled, or else that of shake.
func Handshake(ctx context.Context, c net.Conn, timeout time.Duration, shake func(ctx context.Context) error) error {
	cancel := func() {}
	if timeout > 0 {
		ctx, cancel = context.WithTimeout(ctx, timeout)
	}
	defer cancel()
	interrupt := context.AfterFunc(ctx, func() { _ = c.SetDeadline(past) })
	err := shake(ctx)
	if interrupt() {
		_ = c.SetDeadline(time.Time{})
		return err
	}
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) && !errors.Is(err, net.ErrClosed) {
		return err // it came before the end of ctx
	}
	if ctx.Err() == context.DeadlineExceeded {
		return fmt.Errorf("timeouts.handshake of %s has passed: %w", timeout, os.ErrDeadlineExceeded)
	}
	return net.ErrClosed
}
