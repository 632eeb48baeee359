package store

import (
	"context"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework/internal/handoff"
)

// pair returns a state as a worker sees it, whose frames are passed on in their wire form, and the worker's service.
func pair(t *testing.T, state State[Entry]) (*Remote[Entry], *Service[Entry]) {
	t.Helper()
	var remote *Remote[Entry]
	service := NewService(func() Checked[Entry] { return Checked[Entry]{State: state} }, func(f *handoff.Frame, _ bool) error {
		answer, err := handoff.Parse(f.Append(nil))
		require.NoError(t, err)
		remote.Take(&answer)
		return nil
	})
	remote = NewRemote[Entry](func(f *handoff.Frame) error {
		call, err := handoff.Parse(f.Append(nil))
		require.NoError(t, err)
		return service.Take(&call)
	})
	t.Cleanup(service.Close)
	return remote, service
}

func TestWatchHasLastChange(t *testing.T) {
	memory := NewMemory[Entry]()
	remote, _ := pair(t, memory)
	for name, state := range map[string]State[Entry]{"memory": memory, "remote": remote} {
		ctx, cancel := context.WithCancel(t.Context())
		entries, err := state.Watch(ctx, name)
		require.NoError(t, err)
		revision, err := memory.Create(ctx, name, []byte("0"))
		require.NoError(t, err)
		for range 100 {
			revision, err = memory.Update(ctx, name, []byte("more"), revision)
			require.NoError(t, err)
		}
		e := <-entries
		for e.Revision < revision { // the last one comes, however few of the others do
			e = <-entries
		}
		require.Equal(t, Entry{Value: []byte("more"), Revision: revision}, e)
		require.NoError(t, memory.Delete(ctx, name))
		require.Equal(t, Entry{Deleted: true}, withoutEmpty(<-entries))
		cancel()
		_, open := <-entries
		require.False(t, open)
	}
	require.Empty(t, remote.watches)
}

// withoutEmpty returns e with no value in place of an empty one, which a frame does not tell apart.
func withoutEmpty(e Entry) Entry {
	if len(e.Value) == 0 {
		e.Value = nil
	}
	return e
}

// Calls that are under way fail when the server has gone, and those that come later.
func TestServerGone(t *testing.T) {
	remote := NewRemote[Entry](func(*handoff.Frame) error { return nil })
	failed := make(chan error)
	go func() { _, err := remote.Add(context.Background(), "a", 1); failed <- err }()
	remote.Close()
	require.ErrorIs(t, <-failed, errGone)
	_, err := remote.Add(context.Background(), "a", 1)
	require.ErrorIs(t, err, errGone)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err = remote.Watch(ctx, "a")
	require.ErrorIs(t, err, context.Canceled)
	require.Empty(t, remote.calls)
	require.Empty(t, remote.watches)
}

// A worker has a bounded number of calls under way, and a watch that it ends makes room.
func TestCallsAreBounded(t *testing.T) {
	remote, service := pair(t, NewMemory[Entry]())
	for range maxCalls - 1 {
		require.True(t, service.room.Try(maxCalls))
	}
	ctx, cancel := context.WithCancel(t.Context())
	_, err := remote.Watch(ctx, "a")
	require.NoError(t, err)
	_, err = remote.Watch(t.Context(), "a")
	require.ErrorContains(t, err, "this process has 1024 calls and watches of the state under way")
	require.Len(t, service.watches, 1)
	cancel()
	for err != nil {
		_, err = remote.Watch(t.Context(), "a")
	}
}

func TestMemoryIsBounded(t *testing.T) {
	m := NewMemory[Entry]()
	value := []byte(strings.Repeat("x", MaxValue))
	_, err := m.Create(t.Context(), "a", value)
	require.NoError(t, err)
	used := m.size
	m.size = maxMemory - used
	revision, err := m.Create(t.Context(), "b", value)
	require.NoError(t, err)
	_, err = m.Create(t.Context(), "c", nil)
	require.ErrorIs(t, err, errFull)
	_, err = m.Add(t.Context(), "n", 1)
	require.ErrorIs(t, err, errFull)
	_, err = m.Update(t.Context(), "b", value[1:], revision)
	require.NoError(t, err)
	require.NoError(t, m.Delete(t.Context(), "a"))
	_, err = m.Add(t.Context(), "n", 1)
	require.NoError(t, err)
	for _, key := range []string{"b", "n", "absent"} {
		require.NoError(t, m.Delete(t.Context(), key))
	}
	require.Empty(t, m.values)
	require.Empty(t, m.counters)
	require.Equal(t, maxMemory-2*used, m.size)
}

func TestCounterOverflows(t *testing.T) {
	m := NewMemory[Entry]()
	for _, n := range []int64{math.MaxInt64, math.MinInt64} {
		_, err := m.Add(t.Context(), "n", n)
		require.NoError(t, err)
		_, err = m.Add(t.Context(), "n", n)
		require.ErrorContains(t, err, "beyond 64 bits")
		require.NoError(t, m.Delete(t.Context(), "n"))
	}
}

// What a worker sends that is no call is refused, which ends the worker.
func TestUnknownCall(t *testing.T) {
	_, service := pair(t, NewMemory[Entry]())
	require.Error(t, service.Take(&handoff.Frame{Kind: handoff.State, Flags: 8}))
	require.NoError(t, service.Take(&handoff.Frame{Kind: handoff.State, Flags: handoff.Unwatch}))
}
