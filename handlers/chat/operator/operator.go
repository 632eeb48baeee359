// Package operator is the mode of chat in which clients talk with the server's operator, one at
// a time.
package operator

import (
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/framework/hub"
	"github.com/go-socketserver/socketserver/handlers/chat/client"
)

// errHungUp cuts off a client when the operator hangs up.
var errHungUp = errors.New("chat: the operator has hung up")

// Options are those of a server.
type Options struct {
	client.Options
	Mode       string // as the configuration has it, for notices
	HalfDuplex bool   // client and operator take turns
	Socket     string // path of the operator's socket; empty: see [Find]
}

// Class makes the handler class.
func Class(o *Options) *framework.HandlerClass {
	q := &queue{options: o, release: func() {}}
	return &framework.HandlerClass{
		New:      func() framework.Handler { return &handler{queue: q} },
		Stateful: "the conversations with its operator", Open: q.open, Check: q.check, Close: q.close,
	}
}

// A queue is the clients of a server, the first of which talks with the operator. The operator
// is at one or more consoles, or absent; messages of the client then wait.
type queue struct {
	options *Options
	name    string // of the server, from open on
	socket  *framework.BaseServer
	release func() // of what Keep has returned

	hub hub.Hub // of the consoles

	mu       sync.Mutex
	attached int // consoles
	sessions []*session
}

// enter appends s, whose turn it may be at once.
func (q *queue) enter(s *session) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.sessions = append(q.sessions, s)
	if len(q.sessions) == 1 {
		q.announce()
		return
	}
	s.waited = true
	s.Send(fmt.Appendf(nil, "-- the line is busy; you are number %d in the queue\n", len(q.sessions)-1))
	q.notify("-- %s waits", s.name)
}

func (q *queue) leave(s *session) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.remove(s)
	s.changed.Broadcast()
}

// remove removes s, unless that has been done, and lets the next session begin.
func (q *queue) remove(s *session) {
	at := slices.Index(q.sessions, s)
	if at < 0 {
		return
	}
	q.sessions = slices.Delete(q.sessions, at, at+1)
	q.notify("-- %s has left", s.name)
	if at > 0 || len(q.sessions) == 0 {
		return
	}
	next := q.sessions[0]
	if next.waited && !s.Stopping() {
		next.Send([]byte("-- you are connected\n"))
	}
	q.announce()
	next.changed.Broadcast()
}

// announce tells the consoles which client is connected.
func (q *queue) announce() { q.notify("connected by  %s", q.sessions[0].name) }

func (q *queue) notify(format string, args ...any) {
	q.hub.Broadcast(nil, fmt.Appendf(nil, format+"\n", args...))
}

// send sends a line of the operator to the connected client, and shows it at the other consoles.
// An empty line hangs up.
func (q *queue) send(console *hub.Member, text string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	refuse := func(reason string) { q.hub.Send(console, []byte("-- "+reason+"\n")) }
	if len(q.sessions) == 0 {
		refuse("nobody is connected")
		return
	}
	s := q.sessions[0]
	switch {
	case text == "":
		s.Cut(errHungUp)
		q.remove(s)
	case q.options.HalfDuplex && s.last == fromOperator:
		refuse("it is the client's turn; an empty line hangs up")
		return
	default:
		s.last = fromOperator
		s.Send([]byte(text + s.ending))
		q.hub.Broadcast(console, []byte("to: "+text+"\n"))
	}
	s.changed.Broadcast()
}

// attach adds a console.
func (q *queue) attach(console *hub.Member) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.hub.Join(console)
	q.attached++
	state := "nobody is connected"
	if n := len(q.sessions); n > 1 {
		state = fmt.Sprintf("%d in the queue", n-1)
	} else if n == 1 {
		state = "nobody else waits"
	}
	q.hub.Send(console, fmt.Appendf(nil, "-- you are the operator of %s, %s; an empty line hangs up; %s\n", q.name, q.options.Mode, state))
	if len(q.sessions) > 0 {
		q.hub.Send(console, fmt.Appendf(nil, "connected by  %s\n", q.sessions[0].name))
		q.sessions[0].changed.Broadcast()
	}
}

func (q *queue) detach(console *hub.Member) {
	q.mu.Lock()
	q.attached--
	if len(q.sessions) > 0 {
		q.sessions[0].changed.Broadcast()
	}
	q.mu.Unlock()
	q.hub.Leave(console)
}
