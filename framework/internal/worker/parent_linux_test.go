package worker

import (
	"syscall"
	"testing"

	"github.com/hashicorp/go-hclog"
	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework/internal/handoff"
)

// An outcome that is too large for a frame fails the task, with its reason.
func TestOutcomeTooLargeForAFrame(t *testing.T) {
	channel, theirs, err := handoff.Pair()
	require.NoError(t, err)
	fd, err := syscall.Dup(int(theirs.Fd()))
	require.NoError(t, err)
	require.NoError(t, theirs.Close())
	parent, err := NewParent(fd)
	require.NoError(t, err)
	p := NewProcess(channel, 1, hclog.NewNullLogger(), func() error { return nil }, func() {}, func() {}, nil)
	served := make(chan error, 1)
	go func() {
		served <- parent.Next(func(f *handoff.Frame, _ *handoff.Descriptor) error {
			parent.Finish(&handoff.Frame{Kind: handoff.Outcome, ID: f.ID, Body: make([]byte, handoff.MaxFrame)})
			return nil
		})
	}()
	require.ErrorContains(t, p.Do(task(t)), "send outcome: frame of")
	require.NoError(t, <-served)
	require.NoError(t, parent.channel.Close())
	<-p.Gone()
}
