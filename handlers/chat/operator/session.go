package operator

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"slices"
	"sync"

	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/handlers/chat/client"
)

// errTooMuch cuts off a client with too many pending messages.
var errTooMuch = errors.New("chat: too many messages wait for the operator")

// A session is a client of a queue. A goroutine of its own reads from it, so that its end is
// noticed while it waits. Its fields are guarded by the queue.
type session struct {
	*client.Client
	name    string
	changed *sync.Cond
	waited  bool     // it was not the first when it came
	pending [][]byte // messages that the consoles have not shown yet
	size    int      // memory of pending in bytes
	end     error    // of its input; nil: more may come
	ending  string   // line ending of its last message, and of the answers
	last    speaker
}

const (
	maxPending  = 64 << 10 // bytes of memory
	pendingSize = 32       // of a message, in addition to its text
)

// A speaker is the side that has spoken last.
type speaker int

const (
	fromNobody speaker = iota
	fromClient
	fromOperator
)

// read queues the messages of s until its input ends.
func (q *queue) read(s *session) {
	for {
		text, err := s.NextPaced()
		if !q.push(s, text, err) {
			return
		}
	}
}

// push queues a message of s, and reports whether to read on. With too much pending it blocks
// while the consoles show messages of s. If they do not, s is cut off, as the end of its input
// cannot be noticed behind data that is not read.
func (q *queue) push(s *session, text []byte, err error) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if err != nil {
		s.end = err
		s.changed.Broadcast()
		return false
	}
	s.pending = append(s.pending, bytes.Clone(text))
	s.size += len(text) + pendingSize
	s.changed.Broadcast()
	for s.size > maxPending && q.ready(s) {
		s.changed.Wait()
	}
	if s.size > maxPending && s.Err() == nil {
		s.Send([]byte("-- too many of your messages wait; call again\n"))
		s.Cut(errTooMuch)
	}
	return true
}

// isFirst reports whether it is the turn of s among the sessions.
func (q *queue) isFirst(s *session) bool { return len(q.sessions) > 0 && q.sessions[0] == s }

// ready reports whether the consoles can show a message of s now. A client that has ended its
// input is not kept waiting for an answer.
func (q *queue) ready(s *session) bool {
	return q.isFirst(s) && q.attached > 0 && s.Err() == nil && (!q.options.HalfDuplex || s.last != fromClient || s.end != nil)
}

// pop waits until s has a pending message and the consoles can show it, and shows it. It returns
// the end of the input of s, or an error if s was cut off meanwhile.
func (q *queue) pop(s *session) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	for notified := false; len(s.pending) == 0 || !q.ready(s); {
		if s.end != nil {
			return s.end
		}
		if why := s.CutOff(); why != nil { // not seen by read while push blocks
			return why
		}
		if len(s.pending) > 0 && q.isFirst(s) && q.attached == 0 && !notified {
			notified = true
			s.Send([]byte("-- no operator is here; your messages wait for one\n"))
		}
		s.changed.Wait()
	}
	text := s.pending[0]
	s.pending = slices.Delete(s.pending, 0, 1)
	s.size -= len(text) + pendingSize
	s.changed.Broadcast()
	s.last, s.ending = fromClient, ending(text)
	for line := range bytes.Lines(text) {
		line = bytes.TrimRight(line, "\r\n")
		q.notify("%s%s", q.prefix(line), line)
	}
	return nil
}

// prefix precedes a line of a client, so that it cannot be taken for a notice, or for a line of
// another operator.
func (q *queue) prefix(line []byte) string {
	visible := bytes.TrimLeftFunc(line, client.IsInvisible)
	for _, notice := range []string{"-- ", "connected by  ", "to: "} {
		if q.options.HalfDuplex || bytes.HasPrefix(visible, []byte(notice)) {
			return "from: "
		}
	}
	return ""
}

// ending returns the line ending of a message, if it has one.
func ending(text []byte) string {
	switch {
	case bytes.HasSuffix(text, []byte("\r\n")):
		return "\r\n"
	case bytes.HasSuffix(text, []byte("\n")):
		return "\n"
	}
	return ""
}

// A handler serves a client.
type handler struct {
	framework.StreamRequestHandler
	queue *queue
}

func (h *handler) Handle(rfile *bufio.Reader, wfile io.Writer) error {
	q := h.queue
	s := q.newSession(h.Request, rfile, wfile)
	defer s.Close()
	var reading sync.WaitGroup
	defer reading.Wait() // the input of s has ended, or s was cut off
	q.enter(s)
	defer q.leave(s)
	reading.Go(func() { q.read(s) })
	for {
		err := q.pop(s)
		if errors.Is(err, errHungUp) || errors.Is(err, errTooMuch) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (q *queue) newSession(r *framework.Request, rfile *bufio.Reader, wfile io.Writer) *session {
	return &session{
		Client: client.New(r, rfile, wfile, &q.options.Options), name: client.Name(r.ClientAddress), changed: sync.NewCond(&q.mu),
	}
}
