package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/go-socketserver/socketserver/framework/internal/handoff"
	"github.com/go-socketserver/socketserver/framework/internal/slots"
)

// maxCalls bounds the calls and watches of one worker that are under way.
const maxCalls = 1024

// A Service answers what one worker asks of a state.
type Service[E entry] struct {
	of   func() Checked[E]
	send func(f *handoff.Frame, wait bool) error

	ctx    context.Context // done when the worker has gone
	cancel context.CancelFunc

	room    slots.Semaphore
	mu      sync.Mutex
	watches map[uint64]context.CancelFunc
}

// NewService returns the service of a worker that send leads to. With wait it waits for room. of returns the state.
func NewService[E entry](of func() Checked[E], send func(f *handoff.Frame, wait bool) error) *Service[E] {
	s := &Service[E]{of: of, send: send, watches: map[uint64]context.CancelFunc{}}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s
}

// Close ends all calls: the worker has gone.
func (s *Service[E]) Close() { s.cancel() }

// Take answers a call, now or later. It does not wait, and keeps nothing of f. An error means that f is none.
func (s *Service[E]) Take(f *handoff.Frame) error {
	switch f.Flags {
	case handoff.Get, handoff.Create, handoff.Update, handoff.Delete, handoff.Add, handoff.Watch:
	case handoff.Unwatch:
		s.unwatch(f.ID)
		return nil
	default:
		return fmt.Errorf("operation %d of a state", f.Flags)
	}
	state := s.of()
	if _, ok := state.State.(*Memory[E]); ok && f.Flags != handoff.Watch {
		answer := do(s.ctx, state, f)
		if err := s.send(answer, false); !errors.Is(err, handoff.ErrFull) {
			return nil //nolint:nilerr // it has gone, which the end of its channel says
		}
		s.begin(f.ID, func() *handoff.Frame { return answer })
		return nil
	}
	call := *f
	call.Body = bytes.Clone(f.Body)
	if call.Flags == handoff.Watch {
		ctx := s.watched(call.ID)
		s.begin(call.ID, func() *handoff.Frame { return s.watch(ctx, state, &call) })
		return nil
	}
	s.begin(call.ID, func() *handoff.Frame { return do(s.ctx, state, &call) })
	return nil
}

// watched returns the context of a watch, which unwatch ends.
func (s *Service[E]) watched(id uint64) context.Context {
	ctx, cancel := context.WithCancel(s.ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.watches[id] = cancel
	return ctx
}

// begin has a goroutine make an answer and send it.
func (s *Service[E]) begin(id uint64, answer func() *handoff.Frame) {
	if !s.room.Try(maxCalls) {
		s.unwatch(id)
		full := &handoff.Frame{Kind: handoff.Answer, ID: id}
		setError(full, fmt.Errorf("framework: this process has %d calls and watches of the state under way", maxCalls))
		_ = s.send(full, false) // one that does not read gets none
		return
	}
	go func() {
		defer s.room.Release()
		if f := answer(); f != nil {
			_ = s.send(f, true)
		}
	}()
}

// do calls the state and makes the answer.
func do[E entry](ctx context.Context, state Checked[E], f *handoff.Frame) *handoff.Frame {
	answer := &handoff.Frame{Kind: handoff.Answer, ID: f.ID}
	var err error
	switch f.Flags {
	case handoff.Get:
		answer.Body, answer.Number, err = state.Get(ctx, f.Key)
	case handoff.Create:
		answer.Number, err = state.Create(ctx, f.Key, f.Body)
	case handoff.Update:
		answer.Number, err = state.Update(ctx, f.Key, f.Body, f.Number)
	case handoff.Delete:
		err = state.Delete(ctx, f.Key)
	case handoff.Add:
		var n int64
		n, err = state.Add(ctx, f.Key, int64(f.Number))
		answer.Number = uint64(n)
	}
	setError(answer, err)
	return answer
}

// watch sends the entries of a key until the worker has enough of them, or has gone. It returns an answer that is
// still to be sent, if there is one.
func (s *Service[E]) watch(ctx context.Context, state Checked[E], f *handoff.Frame) *handoff.Frame {
	defer s.unwatch(f.ID)
	answer := &handoff.Frame{Kind: handoff.Answer, ID: f.ID}
	entries, err := state.Watch(ctx, f.Key)
	if setError(answer, err); err != nil {
		return answer
	}
	_ = s.send(answer, true)
	for e := range entries {
		e := Entry(e)
		next := &handoff.Frame{Kind: handoff.Answer, ID: f.ID, Flags: handoff.Changed, Number: e.Revision, Body: e.Value}
		if e.Deleted {
			next.Flags |= handoff.Deleted
		}
		_ = s.send(next, true)
	}
	if ctx.Err() != nil {
		return nil
	}
	return &handoff.Frame{Kind: handoff.Answer, ID: f.ID, Flags: handoff.Over}
}

func (s *Service[E]) unwatch(id uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if cancel := s.watches[id]; cancel != nil {
		cancel()
		delete(s.watches, id)
	}
}

// statuses are the errors that cross a process by a status of their own.
var statuses = map[handoff.Status]error{
	handoff.NoKey: ErrNoKey, handoff.Exists: ErrExists, handoff.Conflict: ErrConflict, handoff.TimedOut: context.DeadlineExceeded,
}

func setError(f *handoff.Frame, err error) {
	if err == nil {
		return
	}
	f.Status, f.Text = handoff.Failed, err.Error()
	for status, kind := range statuses {
		if errors.Is(err, kind) {
			f.Status = status
		}
	}
}

// errorOf is the inverse of setError.
func errorOf(f *handoff.Frame) error {
	kind := statuses[f.Status]
	switch {
	case f.Status == handoff.OK:
		return nil
	case kind == nil:
		return errors.New(f.Text)
	case f.Text == "" || f.Text == kind.Error():
		return kind
	}
	return &handoff.RemoteError{Text: f.Text, Kind: kind}
}
