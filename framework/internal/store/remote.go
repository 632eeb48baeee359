package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/go-socketserver/socketserver/framework/internal/handoff"
)

// A Remote is the State of a worker: its server has it.
type Remote[E entry] struct {
	send func(*handoff.Frame) error

	mu      sync.Mutex
	last    uint64
	calls   map[uint64]chan<- handoff.Frame // each has room for its answer
	watches map[uint64]chan E
	gone    chan struct{} // closed when the server has gone
}

func NewRemote[E entry](send func(*handoff.Frame) error) *Remote[E] {
	return &Remote[E]{send: send, calls: map[uint64]chan<- handoff.Frame{}, watches: map[uint64]chan E{}, gone: make(chan struct{})}
}

func (r *Remote[E]) Get(ctx context.Context, key string) ([]byte, uint64, error) {
	answer, err := r.call(ctx, handoff.Frame{Flags: handoff.Get, Key: key})
	return answer.Body, answer.Number, err
}

func (r *Remote[E]) Create(ctx context.Context, key string, value []byte) (uint64, error) {
	answer, err := r.call(ctx, handoff.Frame{Flags: handoff.Create, Key: key, Body: value})
	return answer.Number, err
}

func (r *Remote[E]) Update(ctx context.Context, key string, value []byte, revision uint64) (uint64, error) {
	answer, err := r.call(ctx, handoff.Frame{Flags: handoff.Update, Key: key, Number: revision, Body: value})
	return answer.Number, err
}

func (r *Remote[E]) Delete(ctx context.Context, key string) error {
	_, err := r.call(ctx, handoff.Frame{Flags: handoff.Delete, Key: key})
	return err
}

func (r *Remote[E]) Add(ctx context.Context, key string, n int64) (int64, error) {
	answer, err := r.call(ctx, handoff.Frame{Flags: handoff.Add, Key: key, Number: uint64(n)})
	return int64(answer.Number), err
}

func (r *Remote[E]) Watch(ctx context.Context, key string) (<-chan E, error) {
	c := make(chan E, 1)
	id, answered := r.register(c)
	if _, err := r.ask(ctx, handoff.Frame{ID: id, Flags: handoff.Watch, Key: key}, answered); err != nil {
		r.unwatch(id)
		return nil, err
	}
	context.AfterFunc(ctx, func() { r.unwatch(id) })
	return c, nil
}

// unwatch ends a watch, unless it has ended.
func (r *Remote[E]) unwatch(id uint64) {
	if r.end(id) {
		_ = r.send(&handoff.Frame{Kind: handoff.State, ID: id, Flags: handoff.Unwatch})
	}
}

func (r *Remote[E]) end(id uint64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	c, ok := r.watches[id]
	if ok {
		delete(r.watches, id)
		close(c)
	}
	return ok
}

// register returns the number of a call and where its answer comes. watch, if it is not nil, gets what follows.
func (r *Remote[E]) register(watch chan E) (uint64, <-chan handoff.Frame) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last++
	answered := make(chan handoff.Frame, 1)
	r.calls[r.last] = answered
	if watch != nil {
		r.watches[r.last] = watch
	}
	return r.last, answered
}

func (r *Remote[E]) call(ctx context.Context, f handoff.Frame) (handoff.Frame, error) {
	id, answered := r.register(nil)
	f.ID = id
	return r.ask(ctx, f, answered)
}

// ask sends f and waits for its answer.
func (r *Remote[E]) ask(ctx context.Context, f handoff.Frame, answered <-chan handoff.Frame) (handoff.Frame, error) {
	f.Kind = handoff.State
	err := ctx.Err()
	if err == nil {
		if err = r.send(&f); err != nil {
			err = fmt.Errorf("framework: ask the server for the state: %w", err)
		}
	}
	if err == nil {
		select {
		case answer := <-answered:
			return answer, errorOf(&answer)
		case <-ctx.Done():
			err = ctx.Err()
		case <-r.gone:
			err = errGone
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.calls, f.ID)
	return handoff.Frame{}, err
}

var errGone = errors.New("framework: the server, which has the state, has gone")

// Take takes an answer. It keeps nothing of f.
func (r *Remote[E]) Take(f *handoff.Frame) {
	if f.Flags&handoff.Over != 0 {
		r.end(f.ID)
		return
	}
	value := bytes.Clone(f.Body)
	r.mu.Lock()
	defer r.mu.Unlock()
	if f.Flags&handoff.Changed != 0 {
		if c := r.watches[f.ID]; c != nil {
			replace(c, Entry{Value: value, Revision: f.Number, Deleted: f.Flags&handoff.Deleted != 0})
		}
		return
	}
	if answered := r.calls[f.ID]; answered != nil { // else it is not waited for any more
		answer := *f
		answer.Body = value
		answered <- answer
		delete(r.calls, f.ID)
	}
}

// Close fails what is under way: the server has gone.
func (r *Remote[E]) Close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	close(r.gone)
	for id, c := range r.watches {
		delete(r.watches, id)
		close(c)
	}
}
