package worker

import (
	"context"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework/internal/handoff"
)

// A process that sends anything is alive, though its channel is full of what it has not read. One that
// sends nothing is not.
func TestBusyProcessAnswersPings(t *testing.T) {
	channel, theirs, err := handoff.Pair()
	require.NoError(t, err)
	fd, err := syscall.Dup(int(theirs.Fd()))
	require.NoError(t, err)
	require.NoError(t, theirs.Close())
	other, err := handoff.FromDescriptor(fd)
	require.NoError(t, err)
	p := NewProcess(channel, 1, hclog.NewNullLogger(), func() error { return nil }, func() {}, func() {}, nil)
	for err = nil; err == nil; err = channel.TrySend(&handoff.Frame{Kind: handoff.Ping}) {
	}
	require.ErrorIs(t, err, handoff.ErrFull)
	say := func(k handoff.Kind) { require.NoError(t, other.Send(&handoff.Frame{Kind: k}, nil)) }
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	answered := make(chan error, 1)
	go func() { answered <- p.Ping(ctx) }()
	say(handoff.Wake)
	require.NoError(t, <-answered)

	say(handoff.Pong) // a late one
	eventually(t, func() bool { return len(p.answered) == 1 }, "it was not heard")
	over, end := context.WithCancel(t.Context())
	end()
	require.NoError(t, p.Ping(over))
	require.ErrorIs(t, p.Ping(over), context.Canceled)
	require.NoError(t, other.Close())
	<-p.Gone()
}
