package worker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/go-socketserver/socketserver/framework/internal/handoff"
	"github.com/go-socketserver/socketserver/framework/internal/life"
	"github.com/go-socketserver/socketserver/framework/internal/rawsock"
	"github.com/go-socketserver/socketserver/framework/internal/slots"
)

// A Layer is what connections pass in the processes that have tasks with it.
type Layer struct {
	// ID stands for it in frames; it is not 0.
	ID uint64
	// Over is closed when no task has it any more; nil: that is not known.
	Over <-chan struct{}
	// Describe returns what a process makes it of, and a channel that is closed when that has changed; nil: it does not.
	Describe func() (description []byte, changed <-chan struct{})
	// Answer answers what a process asks, soon. It must not keep the question.
	Answer func(question []byte) ([]byte, error)
}

// layers are those that a process has.
type layers struct {
	describing sync.Mutex // held while one is sent
	mu         sync.Mutex
	known      map[uint64]known
	unread     slots.Semaphore // replies that wait for room in the channel
}

// maxUnread is more than a process that reads its replies ever leaves unread.
const maxUnread = 1024

// known is a layer as a process has it.
type known struct {
	*Layer
	changed <-chan struct{} // closed when that is out of date
}

func (l *layers) get(id uint64) known {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.known[id]
}

func (l *layers) set(k known) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.known == nil {
		l.known = map[uint64]known{}
	}
	l.known[k.ID] = k
}

// forget removes those that are over, and returns their ids: a process may outlive the servers that it has them of.
func (l *layers) forget() (over []uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for id, k := range l.known {
		if k.Over != nil && life.Closed(k.Over) {
			over = append(over, id)
			delete(l.known, id)
		}
	}
	return over
}

// part is the number of bytes of a description that one frame has.
const part = handoff.MaxFrame / 2

// describe makes sure that the process has l as it is now, before what is sent after this. It returns
// a channel that is closed when l has changed.
func (p *Process) describe(l *Layer) (changed <-chan struct{}, err error) {
	p.layers.describing.Lock()
	defer p.layers.describing.Unlock()
	description, changed := l.Describe()
	if k := p.layers.get(l.ID); k.Layer != nil && k.changed == changed {
		return changed, nil
	}
	for _, id := range p.layers.forget() {
		if err := p.channel.Send(&handoff.Frame{Kind: handoff.Layer, ID: id}, nil); err != nil {
			return nil, err
		}
	}
	p.layers.set(known{l, changed}) // it may ask as soon as it has it
	for more := true; more; {
		f := &handoff.Frame{Kind: handoff.Layer, ID: l.ID, Body: description[:min(len(description), part)]}
		description = description[len(f.Body):]
		if more = len(description) > 0; more {
			f.Flags = handoff.More
		}
		if err := p.channel.Send(f, nil); err != nil {
			if !channelEnded(err) {
				p.kill() // it may have a part of the description
			}
			return nil, err
		}
	}
	return changed, nil
}

// followLayer describes l to the process whenever that has changed, until over is closed.
func (p *Process) followLayer(l *Layer, over <-chan struct{}) {
	for {
		changed, err := p.describe(l)
		if err != nil {
			return // the process ends
		}
		select {
		case <-changed:
		case <-over:
			return
		}
	}
}

// answer answers a question of the process, which gets no other answer meanwhile: it has no more of this
// process's time than it could use itself.
func (p *Process) answer(f *handoff.Frame) error {
	l := p.layers.get(f.Number)
	if l.Layer == nil {
		return fmt.Errorf("a question about layer %d, which it does not have", f.Number)
	}
	reply := &handoff.Frame{Kind: handoff.Reply, ID: f.ID}
	body, err := l.Answer(f.Body)
	if err != nil {
		reply.Text = err.Error()
	} else {
		reply.Body = body
	}
	if err := p.channel.TrySend(reply); !errors.Is(err, handoff.ErrFull) {
		return nil //nolint:nilerr // it has gone, which the end of its channel says
	}
	if !p.layers.unread.Try(maxUnread) {
		return fmt.Errorf("asks, and has not read %d replies", maxUnread)
	}
	go func() { // ends with the process at the latest
		defer p.layers.unread.Release()
		_ = p.channel.Send(reply, nil)
	}()
	return nil
}

// questions are what a process has asked its server.
type questions struct {
	mu   sync.Mutex
	last uint64
	open map[uint64]chan reply
	over bool // there are no more replies
}

type reply struct {
	body []byte
	err  error
}

// Ask has the server answer a question about a layer that it has described, and waits for that until ctx is done.
func (p *Parent) Ask(ctx context.Context, layer uint64, question []byte) ([]byte, error) {
	q := &p.questions
	replied := make(chan reply, 1)
	q.mu.Lock()
	if q.over {
		q.mu.Unlock()
		return nil, errServerGone
	}
	if q.open == nil {
		q.open = map[uint64]chan reply{}
	}
	q.last++
	id := q.last
	q.open[id] = replied
	q.mu.Unlock()
	if err := p.Send(&handoff.Frame{Kind: handoff.Ask, ID: id, Number: layer, Body: question}); err != nil {
		q.take(id)
		return nil, fmt.Errorf("ask the server: %w", err)
	}
	select {
	case r := <-replied:
		return r.body, r.err
	case <-ctx.Done():
		q.take(id)
		return nil, fmt.Errorf("ask the server: %w", context.Cause(ctx))
	}
}

var errServerGone = errors.New("the server has gone")

// take returns what waits for the reply to a question; nil: nothing does.
func (q *questions) take(id uint64) chan reply {
	q.mu.Lock()
	defer q.mu.Unlock()
	replied := q.open[id]
	delete(q.open, id)
	return replied
}

// reply passes the answer to a question on, if that still waits.
func (q *questions) reply(f *handoff.Frame) error {
	replied := q.take(f.ID)
	if replied == nil {
		return nil
	}
	rawsock.Monitor() // a handshake goes on
	r := reply{body: bytes.Clone(f.Body)}
	if f.Text != "" {
		r.err = errors.New(f.Text)
	}
	replied <- r
	return nil
}

// end ends what waits: the channel has ended.
func (q *questions) end() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.over = true
	for _, replied := range q.open {
		replied <- reply{err: errServerGone}
	}
	q.open = nil
}
