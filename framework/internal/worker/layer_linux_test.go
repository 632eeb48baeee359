package worker

import (
	"errors"
	"syscall"
	"testing"

	"github.com/hashicorp/go-hclog"
	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework/internal/handoff"
)

// pairOf returns both sides of a process. killed is closed when the server trusts it no more.
func pairOf(t *testing.T) (p *Process, parent *Parent, killed chan struct{}) {
	t.Helper()
	channel, theirs, err := handoff.Pair()
	require.NoError(t, err)
	fd, err := syscall.Dup(int(theirs.Fd()))
	require.NoError(t, err)
	require.NoError(t, theirs.Close())
	parent, err = NewParent(fd)
	require.NoError(t, err)
	killed = make(chan struct{})
	p = NewProcess(channel, 1, hclog.NewNullLogger(), func() error { return nil }, func() { close(killed) }, func() {}, nil)
	t.Cleanup(func() { _ = parent.channel.Close(); <-p.Gone() })
	return p, parent, killed
}

// A process asks about the layers that it has been described. A question that has no answer gets the reason, and
// when the server has gone none waits.
func TestAsk(t *testing.T) {
	p, parent, _ := pairOf(t)
	layer := &Layer{
		ID:       7,
		Describe: func() ([]byte, <-chan struct{}) { return make([]byte, 2*part+1), nil },
		Answer: func(question []byte) ([]byte, error) {
			switch string(question) {
			case "why":
				return nil, errors.New("because")
			case "end":
				p.Close() // before it is answered
			}
			return append(question, '!'), nil
		},
	}
	described := make(chan int, 1)
	parent.Layer = func(id uint64, description []byte) { described <- int(id) + len(description) }
	go func() {
		for parent.Next(nil) == nil {
		}
	}()
	_, err := p.describe(layer)
	require.NoError(t, err)
	require.Equal(t, 7+2*part+1, <-described)
	answer, err := parent.Ask(7, []byte("hello"))
	require.NoError(t, err)
	require.Equal(t, "hello!", string(answer))
	_, err = parent.Ask(7, []byte("why"))
	require.EqualError(t, err, "because")
	for range 2 {
		_, err = parent.Ask(7, []byte("end"))
		require.ErrorIs(t, err, errServerGone)
	}
}

// One that asks about another layer does not keep to the protocol.
func TestAskAboutAnotherLayer(t *testing.T) {
	_, parent, killed := pairOf(t)
	require.NoError(t, parent.Send(&handoff.Frame{Kind: handoff.Ask, ID: 1, Number: 7}))
	<-killed
}
