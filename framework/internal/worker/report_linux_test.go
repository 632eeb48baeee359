package worker

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework/internal/handoff"
	"github.com/go-socketserver/socketserver/framework/internal/journal"
)

// Events that find no room wait for it, so that none overtakes another one or is lost, however late
// the server reads.
func TestEventsStayInOrder(t *testing.T) {
	reader, file, err := journal.New()
	require.NoError(t, err)
	defer reader.Close()
	writer, err := journal.Open(file)
	require.NoError(t, err)
	channel, theirs, err := handoff.Pair()
	require.NoError(t, err)
	defer channel.Close()
	defer theirs.Close()
	child, err := handoff.FromDescriptor(int(theirs.Fd()))
	require.NoError(t, err)
	parent := &Parent{channel: child, journal: writer}
	const events = 20_000 // several times what there is room for
	failed := make(chan error, 1)
	go func() {
		for n := range events {
			if err := parent.Report(&handoff.Frame{Kind: handoff.Event, Request: uint64(n), Network: "tcp", Client: "127.0.0.1:1", Local: "127.0.0.1:2"}); err != nil {
				failed <- err
				return
			}
		}
		failed <- nil
	}()
	next := uint64(0)
	for next < events {
		require.NoError(t, channel.Receive(func(f handoff.Frame) error {
			require.Equal(t, handoff.Wake, f.Kind, "an event was sent beside the journal")
			return nil
		}))
		for {
			_, err := reader.Read(func(record []byte) error {
				f, err := handoff.Parse(record)
				require.NoError(t, err)
				require.Equal(t, next, f.Request)
				next++
				return nil
			})
			require.NoError(t, err)
			if next == events || reader.Sleep() {
				break
			}
		}
	}
	require.NoError(t, <-failed)
}
