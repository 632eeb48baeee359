package framework

import (
	"context"
	"errors"

	"github.com/go-socketserver/socketserver/framework/internal/handoff"
	"github.com/go-socketserver/socketserver/framework/internal/store"
	"github.com/go-socketserver/socketserver/framework/internal/worker"
)

// State is what handlers keep between requests: the same under every strategy, in every process, and on every
// machine that shares it. It has values by their keys, and counters. A key has letters, digits and -/_=. and at
// most [MaxStateKey] bytes; a value at most [MaxStateValue]. A value and a counter may have the same key, and have
// nothing to do with each other. Methods may be called at any time from any goroutine. Where ctx is done first
// what was asked for may have happened.
type State interface {
	// Get returns a value and its revision, or [ErrNoKey].
	Get(ctx context.Context, key string) (value []byte, revision uint64, err error)
	// Create sets the value of a key that has none, or returns [ErrExists].
	Create(ctx context.Context, key string, value []byte) (revision uint64, err error)
	// Update replaces the value that has the revision, or returns [ErrConflict].
	Update(ctx context.Context, key string, value []byte, revision uint64) (uint64, error)
	// Delete removes the value and the counter of a key. It is no error where there are none. A counter that others add
	// to at the same time may go on, where the state is on several machines.
	Delete(ctx context.Context, key string) error
	// Add adds n to a counter, which begins at 0, and returns the sum. With 0 it reads the counter. A sum beyond 64 bits is an
	// error, and the counter stays as it was; where the state is on several machines others may see such a sum for a moment.
	Add(ctx context.Context, key string, n int64) (int64, error)
	// Watch returns a channel that has the value of the key, if there is one, and then what becomes of it. A
	// slow reader gets only the latest change. The channel is closed when ctx is done, and when the
	// state cannot be watched any more.
	Watch(ctx context.Context, key string) (<-chan Entry, error)
}

// An Entry is a value that is watched.
type Entry struct {
	Value    []byte
	Revision uint64
	Deleted  bool // there is none any more; Value and Revision are empty
}

// The sizes of keys and values of a [State], in bytes.
const (
	MaxStateKey   = store.MaxKey
	MaxStateValue = store.MaxValue
)

// NewMemory returns a State in the memory of this process. All of its keys and values have 64 MiB.
func NewMemory() State { return store.NewMemory[Entry]() }

// State is the server's state, wherever the handler runs. The class of the handler has UsesState.
func (r *Request) State() State { return r.server.sharedState() }

// sharedState returns the State of s, or the memory that its class has.
func (s *BaseServer) sharedState() store.Checked[Entry] {
	c := s.Class
	switch {
	case !c.UsesState:
		return store.Checked[Entry]{Err: errors.New("framework: the handler class does not say that it uses the state; set UsesState in it")}
	case s.State != nil:
		return store.Checked[Entry]{State: s.State}
	}
	c.state.Do(func() { c.memory = NewMemory() })
	return store.Checked[Entry]{State: c.memory}
}

// callsOf answers what workers ask of the state of the server that uses them.
func callsOf(server func() *BaseServer) worker.NewCalls {
	return func(send func(f *handoff.Frame, wait bool) error) worker.Calls {
		return store.NewService(func() store.Checked[Entry] {
			if s := server(); s != nil {
				return s.sharedState()
			}
			return store.Checked[Entry]{Err: errors.New("framework: a process has the state from its first request on")}
		}, send)
	}
}
