package conn

import (
	"context"
	"net"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework/internal/slots"
)

// A connection that cannot be looked at waits for a slot, until its timeout or the end.
func TestAwaitClientWithoutADescriptor(t *testing.T) {
	c, other := net.Pipe()
	defer c.Close()
	defer other.Close()
	var silent slots.Semaphore
	release, err := AwaitClient(context.Background(), c, 0, &silent, 1)
	require.NoError(t, err)
	require.False(t, silent.Try(1), "it has the slot")

	_, err = AwaitClient(context.Background(), c, time.Millisecond, &silent, 1)
	require.EqualError(t, err, "timeouts.idle of 1ms has passed")
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)

	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() {
		_, err := AwaitClient(ctx, c, time.Hour, &silent, 1)
		ended <- err
	}()
	cancel()
	require.ErrorIs(t, <-ended, net.ErrClosed)

	go func() {
		release, err := AwaitClient(context.Background(), c, time.Hour, &silent, 1)
		if err == nil {
			release()
		}
		ended <- err
	}()
	release()
	require.NoError(t, <-ended)
	require.True(t, silent.Try(1), "it has given the slot back")
}
