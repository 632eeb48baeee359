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
	// Answer answers what a process asks, soon.
	Answer func(question []byte) ([]byte, error)
}

// layers are those that a process has.
type layers struct {
	describing sync.Mutex // held while one is sent
	mu         sync.Mutex
	known      map[uint64]known
	asked      []handoff.Frame // questions that wait for their answer
	answering  bool            // one of them is being answered
}

const (
	// maxQuestions is the number of questions of a process that are not answered yet; the next one waits there.
	maxQuestions = 1024
	// maxQuestion is the largest of them, in bytes.
	maxQuestion = 8 << 10
)

// known is a layer as a process has it.
type known struct {
	*Layer
	changed <-chan struct{} // closed when that is out of date
}

// get returns a layer that the process has and that is not over.
func (l *layers) get(id uint64) (k known, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	k, ok = l.known[id]
	return k, ok && !k.isOver()
}

// set reports whether the process did not have the layer.
func (l *layers) set(k known) (added bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.known == nil {
		l.known = map[uint64]known{}
	}
	_, had := l.known[k.ID]
	l.known[k.ID] = k
	return !had
}

func (l *layers) remove(id uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.known, id)
}

func (l *Layer) isOver() bool { return l.Over != nil && life.Closed(l.Over) }

// part is the number of bytes of a description that one frame has.
const part = handoff.MaxFrame / 2

// describe makes sure that the process has l as it is now, before what is sent after this. It returns
// a channel that is closed when l has changed.
func (p *Process) describe(l *Layer) (changed <-chan struct{}, err error) {
	p.layers.describing.Lock()
	defer p.layers.describing.Unlock()
	if l.isOver() { // it has been forgotten, or is about to be
		return nil, ErrServerClosed
	}
	description, changed := l.Describe()
	if k, ok := p.layers.get(l.ID); ok && k.changed == changed {
		return changed, nil
	}
	if p.layers.set(known{l, changed}) && l.Over != nil { // it may ask as soon as it has it
		go p.forgetLayer(l)
	}
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

// forgetLayer waits until l is over. A process may outlive the servers that it has layers of, and what is known of those
// are private keys.
func (p *Process) forgetLayer(l *Layer) {
	select {
	case <-l.Over:
	case <-p.gone:
		return
	}
	p.layers.describing.Lock()
	defer p.layers.describing.Unlock()
	p.layers.remove(l.ID)
	_ = p.channel.Send(&handoff.Frame{Kind: handoff.Layer, ID: l.ID}, nil) // or the process ends
}

// ask has a question of the process answered, beside what else it sends: an answer may take milliseconds.
func (p *Process) ask(f *handoff.Frame) error {
	if len(f.Body) > maxQuestion {
		return fmt.Errorf("a question of %d bytes", len(f.Body))
	}
	l := &p.layers
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.asked) == maxQuestions {
		return fmt.Errorf("asks though %d of its questions wait", maxQuestions)
	}
	l.asked = append(l.asked, handoff.Frame{ID: f.ID, Number: f.Number, Body: bytes.Clone(f.Body)})
	if !l.answering {
		l.answering = true
		go p.answer()
	}
	return nil
}

// answer answers one question after the other until there is none, so that a process has no more of this process's
// time than it could use itself, nor more than one reply that waits for room in the channel.
func (p *Process) answer() {
	l := &p.layers
	for {
		l.mu.Lock()
		if len(l.asked) == 0 || life.Closed(p.gone) {
			l.asked, l.answering = nil, false
			l.mu.Unlock()
			return
		}
		f := l.asked[0]
		l.asked = l.asked[1:]
		l.mu.Unlock()
		reply := &handoff.Frame{Kind: handoff.Reply, ID: f.ID}
		if k, ok := l.get(f.Number); !ok {
			reply.Text = "the server has ended"
		} else if body, err := k.Answer(f.Body); err != nil {
			reply.Text = err.Error()
		} else {
			reply.Body = body
		}
		if err := p.channel.Send(reply, nil); err != nil { // it is too long, or the process has gone
			_ = p.channel.Send(&handoff.Frame{Kind: handoff.Reply, ID: f.ID, Text: "send the answer: " + err.Error()}, nil)
		}
	}
}

// questions are what a process has asked its server.
type questions struct {
	room slots.Semaphore // for those that are open
	mu   sync.Mutex
	last uint64
	open map[uint64]chan reply // without a reply, also where nothing waits for it any more
	over bool                  // there are no more replies
}

type reply struct {
	body []byte
	err  error
}

// Ask has the server answer a question about a layer that it has described, and waits for that until ctx is done.
func (p *Parent) Ask(ctx context.Context, layer uint64, question []byte) ([]byte, error) {
	if len(question) > maxQuestion {
		return nil, fmt.Errorf("ask the server: a question of %d bytes; at most %d are answered", len(question), maxQuestion)
	}
	id, replied, err := p.questions.begin(ctx)
	if err != nil {
		return nil, err
	}
	if err := p.Send(&handoff.Frame{Kind: handoff.Ask, ID: id, Number: layer, Body: question}); err != nil {
		p.questions.take(id)
		return nil, fmt.Errorf("ask the server: %w", err)
	}
	select {
	case r := <-replied:
		return r.body, r.err
	case <-ctx.Done():
		return nil, fmt.Errorf("ask the server: %w", context.Cause(ctx))
	}
}

// begin makes a question, once there is room for it.
func (q *questions) begin(ctx context.Context) (id uint64, replied chan reply, err error) {
	if !q.room.Acquire(maxQuestions, ctx.Done()) {
		return 0, nil, fmt.Errorf("ask the server: %w", context.Cause(ctx))
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.over {
		q.room.Release()
		return 0, nil, errServerGone
	}
	if q.open == nil {
		q.open = map[uint64]chan reply{}
	}
	q.last++
	replied = make(chan reply, 1)
	q.open[q.last] = replied
	return q.last, replied, nil
}

var errServerGone = errors.New("the server has gone")

// take ends a question and returns what its reply is for; nil: it was not open.
func (q *questions) take(id uint64) chan reply {
	q.mu.Lock()
	defer q.mu.Unlock()
	replied := q.open[id]
	if replied != nil {
		delete(q.open, id)
		q.room.Release()
	}
	return replied
}

// reply passes the answer to a question on.
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
		q.room.Release()
	}
	q.open = nil
}
