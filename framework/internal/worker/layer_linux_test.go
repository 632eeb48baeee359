package worker

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

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

// A process asks about the layers that it has been described. A question without an answer returns the reason. Ask
// does not wait longer than its context, nor after the server has gone.
func TestAsk(t *testing.T) {
	p, parent, _ := pairOf(t)
	asked, released := make(chan struct{}), make(chan struct{})
	layer := &Layer{
		ID:       7,
		Describe: func() ([]byte, <-chan struct{}) { return make([]byte, 2*part+1), nil },
		Answer: func(question []byte) ([]byte, error) {
			switch string(question) {
			case "why":
				return nil, errors.New("because")
			case "slow":
				close(asked)
				<-released
			case "end":
				p.Close() // before it is answered
			}
			return append(question, '!'), nil
		},
	}
	described := make(chan int, 1)
	parent.Layer = func(id uint64, description []byte) error { described <- int(id) + len(description); return nil }
	go func() {
		for parent.Next(nil) == nil {
		}
	}()
	_, err := p.describe(layer)
	require.NoError(t, err)
	require.Equal(t, 7+2*part+1, <-described)
	answer, err := parent.Ask(t.Context(), 7, []byte("hello"))
	require.NoError(t, err)
	require.Equal(t, "hello!", string(answer))
	_, err = parent.Ask(t.Context(), 7, []byte("why"))
	require.EqualError(t, err, "because")
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-asked; cancel() }()
	_, err = parent.Ask(ctx, 7, []byte("slow"))
	require.ErrorIs(t, err, context.Canceled)
	close(released)
	_, err = parent.Ask(t.Context(), 7, []byte("again")) // the late answer was not for this
	require.NoError(t, err)
	for range 2 {
		_, err = parent.Ask(t.Context(), 7, []byte("end"))
		require.ErrorIs(t, err, errServerGone)
	}
}

// A process that outlives the server that has lent it a layer is told to forget that, and gets no answer about it from the
// moment the server is over. Another question about the layer, or about one that it never had, ends nothing.
func TestLayerIsForgotten(t *testing.T) {
	p, parent, _ := pairOf(t)
	has := &Inherited{Restore: func(uint64, []byte) (Wrapper, error) { return &inherited{}, nil }}
	described := make(chan uint64, 4)
	parent.Layer = func(id uint64, text []byte) error { described <- id; return has.Describe(id, text) }
	go func() {
		for parent.Next(nil) == nil {
		}
		close(described)
	}()
	over := make(chan struct{})
	text := func() ([]byte, <-chan struct{}) { return []byte("text"), nil }
	sign := func([]byte) ([]byte, error) { return []byte("signed"), nil }
	first := &Layer{ID: 1, Over: over, Describe: text, Answer: sign}
	for _, l := range []*Layer{first, {ID: 2, Over: make(chan struct{}), Describe: text, Answer: sign}} {
		_, err := p.describe(l)
		require.NoError(t, err)
		require.Equal(t, l.ID, <-described)
		answer, err := parent.Ask(t.Context(), l.ID, nil)
		require.NoError(t, err)
		require.Equal(t, "signed", string(answer))
	}
	p.layers.describing.Lock() // it cannot be forgotten yet
	close(over)
	_, err := parent.Ask(t.Context(), 1, nil)
	require.EqualError(t, err, "the server has ended")
	p.layers.describing.Unlock()
	require.EqualValues(t, 1, <-described)
	_, err = p.describe(first)
	require.ErrorIs(t, err, ErrServerClosed)
	for _, id := range []uint64{1, 7} {
		_, err = parent.Ask(t.Context(), id, nil)
		require.EqualError(t, err, "the server has ended")
	}
	_, err = parent.Ask(t.Context(), 2, nil)
	require.NoError(t, err)
	p.Close()
	_, more := <-described
	require.False(t, more)
	require.Equal(t, []uint64{2}, slices.Sorted(maps.Keys(has.all)))
	require.Equal(t, []uint64{2}, slices.Sorted(maps.Keys(p.layers.known)))
}

// What a process sends besides is not held up by its questions, of which a fair one has no more open than the server keeps, nor
// by one that is too long.
func TestAnswersHoldNothingUp(t *testing.T) {
	p, parent, killed := pairOf(t)
	released := make(chan struct{})
	layer := &Layer{
		ID:       1,
		Describe: func() ([]byte, <-chan struct{}) { return nil, nil },
		Answer:   func(question []byte) ([]byte, error) { <-released; return question, nil },
	}
	parent.Layer = func(uint64, []byte) error { return nil }
	go func() {
		for parent.Next(nil) == nil {
		}
	}()
	_, err := p.describe(layer)
	require.NoError(t, err)
	_, err = parent.Ask(t.Context(), 1, make([]byte, maxQuestion+1))
	require.ErrorContains(t, err, "at most 8192 are answered")
	ctx, give := context.WithCancel(t.Context())
	var all sync.WaitGroup
	for range 2 * maxQuestions {
		all.Go(func() { _, _ = parent.Ask(ctx, 1, []byte("sign")) })
	}
	eventually(t, func() bool {
		p.layers.mu.Lock()
		defer p.layers.mu.Unlock()
		return len(p.layers.asked) == maxQuestions-1
	}, "the questions arrive")
	give()
	all.Wait() // nothing waits for the answers any more, and they are open
	for range 3 {
		soon, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		_, err = parent.Ask(soon, 1, []byte("one more"))
		cancel()
		require.ErrorIs(t, err, context.DeadlineExceeded)
	}
	task := &Task{Conclude: ErrorOf}
	id, h, err := p.register(task)
	require.NoError(t, err)
	go parent.Finish(&handoff.Frame{Kind: handoff.Outcome, ID: id})
	require.NoError(t, p.await(task, id, h))
	close(released)
	answer, err := parent.Ask(t.Context(), 1, []byte("again"))
	require.NoError(t, err)
	require.Equal(t, "again", string(answer))
	require.Empty(t, killed)
}

// A process that asks and does not read the replies is ended, as they would fill the memory of the server.
func TestProcessThatReadsNoReplies(t *testing.T) {
	p, parent, killed := pairOf(t)
	layer := &Layer{
		ID:       1,
		Describe: func() ([]byte, <-chan struct{}) { return nil, nil },
		Answer:   func(question []byte) ([]byte, error) { return bytes.Clone(question), nil },
	}
	_, err := p.describe(layer)
	require.NoError(t, err)
	for n := 0; err == nil && n < 10_000; n++ {
		err = parent.Send(&handoff.Frame{Kind: handoff.Ask, ID: uint64(n), Number: 1, Body: make([]byte, 512)})
	}
	require.True(t, channelEnded(err), err)
	<-killed
}

// A process that may have got a part of a description would put the next one behind that, so it is ended.
func TestDescriptionThatCannotBeSent(t *testing.T) {
	p, _, killed := pairOf(t)
	for p.channel.TrySend(&handoff.Frame{Kind: handoff.Wake}) == nil {
	}
	var was syscall.Rlimit
	require.NoError(t, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &was))
	require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: 1, Max: was.Max})) // to wait for room takes a descriptor
	_, err := p.describe(&Layer{ID: 1, Describe: func() ([]byte, <-chan struct{}) { return nil, nil }})
	require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &was))
	require.ErrorIs(t, err, syscall.EMFILE)
	<-killed
}

// The outcome of a socket does not wait for a process that has no room for its new layer.
func TestLayerOfAProcessThatDoesNotRead(t *testing.T) {
	p, parent, _ := pairOf(t)
	described := make(chan struct{}, 1)
	task := &Task{
		Frame:    handoff.Frame{Kind: handoff.Listen},
		Layer:    &Layer{ID: 1, Describe: func() ([]byte, <-chan struct{}) { described <- struct{}{}; return nil, nil }},
		Conclude: func(*handoff.Frame) error { return errors.New("concluded") },
	}
	id, h, err := p.register(task)
	require.NoError(t, err)
	for p.channel.TrySend(&handoff.Frame{Kind: handoff.Wake}) == nil {
	}
	over := make(chan error, 1)
	go func() { over <- p.await(task, id, h) }()
	<-described
	parent.Finish(&handoff.Frame{Kind: handoff.Outcome, ID: id})
	require.EqualError(t, <-over, "concluded")
}
