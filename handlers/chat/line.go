package chat

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/framework/hub"
)

// errHungUp cuts a client off that the operator has had enough of.
var errHungUp = errors.New("chat: the operator has hung up")

// A line is where clients talk with the operator, one at a time; the others wait their
// turn. The operator is whoever is at a console, of which there may be several or none;
// what a client says waits for one.
type line struct {
	options *Options
	name    string // of the server, from open on
	socket  *framework.BaseServer

	hub hub.Hub // of the consoles

	mu       sync.Mutex
	consoles int
	callers  []*caller // the first one talks
}

func newLine(o *Options) *line { return &line{options: o} }

// half says whether client and operator take turns.
func (l *line) half() bool { return l.options.Mode == HalfDuplex }

// enter lets c wait for its turn, which may have come.
func (l *line) enter(c *caller) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.callers = append(l.callers, c)
	if len(l.callers) == 1 {
		l.announce()
		return
	}
	c.waited = true
	c.Send(fmt.Appendf(nil, "-- the line is busy; you are number %d of those who wait\n", len(l.callers)-1))
	l.tellConsoles("-- %s waits", c.name)
}

// leave lets the next one talk.
func (l *line) leave(c *caller) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.remove(c)
	c.changed.Broadcast()
}

// remove takes c out, unless that has been done already.
func (l *line) remove(c *caller) {
	at := slices.Index(l.callers, c)
	if at < 0 {
		return
	}
	l.callers = slices.Delete(l.callers, at, at+1)
	l.tellConsoles("-- %s has left", c.name)
	if at > 0 || len(l.callers) == 0 {
		return
	}
	next := l.callers[0]
	if next.waited && !errors.Is(c.Err(), errStopping) {
		next.Send([]byte("-- you are connected\n"))
	}
	l.announce()
	next.changed.Broadcast()
}

// announce tells the consoles who talks.
func (l *line) announce() { l.tellConsoles("connected by  %s", l.callers[0].name) }

func (l *line) tellConsoles(format string, args ...any) {
	l.hub.Broadcast(nil, fmt.Appendf(nil, format+"\n", args...))
}

// say sends what the operator says at a console to who talks; nothing hangs up. The other
// consoles see it, too.
func (l *line) say(console *hub.Member, text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	refuse := func(why string) { l.hub.Send(console, []byte("-- "+why+"\n")) }
	if len(l.callers) == 0 {
		refuse("nobody is connected")
		return
	}
	c := l.callers[0]
	switch {
	case text == "":
		c.Cut(errHungUp)
		l.remove(c)
		c.changed.Broadcast()
	case l.half() && c.last == operator:
		refuse("it is the client's turn; an empty line hangs up")
		return
	default:
		c.last = operator
		c.Send([]byte(text + c.ending))
		l.hub.Broadcast(console, []byte("to: "+text+"\n"))
		c.changed.Broadcast()
	}
}

// attach adds a console.
func (l *line) attach(console *hub.Member) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.hub.Join(console)
	l.consoles++
	state := "nobody is connected"
	if n := len(l.callers); n > 1 {
		state = fmt.Sprintf("%d wait", n-1)
	} else if n == 1 {
		state = "nobody else waits"
	}
	l.hub.Send(console, fmt.Appendf(nil, "-- you are the operator of %s, %s; an empty line hangs up; %s\n", l.name, l.options.Mode, state))
	if len(l.callers) > 0 {
		l.hub.Send(console, fmt.Appendf(nil, "connected by  %s\n", l.callers[0].name))
		l.callers[0].changed.Broadcast()
	}
}

func (l *line) detach(console *hub.Member) {
	l.mu.Lock()
	l.consoles--
	if len(l.callers) > 0 {
		l.callers[0].changed.Broadcast()
	}
	l.mu.Unlock()
	l.hub.Leave(console)
}

// A consoleHandler serves a console.
type consoleHandler struct {
	framework.StreamRequestHandler
	line *line
}

func (h *consoleHandler) Handle(rfile *bufio.Reader, wfile io.Writer) error {
	m, stop := newMember(h.Request, wfile, h.line.options)
	defer m.Close()
	defer stop()
	h.line.attach(m)
	defer h.line.detach(m)
	in := newInput(m, h.Request, rfile, &Options{Raw: h.line.options.Raw})
	var typed []byte
	for {
		text, err := in.next()
		if errors.Is(err, io.EOF) && len(typed) > 0 {
			h.line.say(m, string(typed))
		}
		if err != nil {
			return err
		}
		typed = append(typed, text...)
		for line, rest, ended := bytes.Cut(typed, []byte("\n")); ended; line, rest, ended = bytes.Cut(typed, []byte("\n")) {
			h.line.say(m, string(bytes.TrimSuffix(line, []byte("\r"))))
			typed = rest
		}
		if len(typed) > maxTyped {
			h.line.hub.Send(m, fmt.Appendf(nil, "-- a line has at most %d bytes; this one was not sent\n", maxTyped))
			return nil
		}
	}
}

// maxTyped is how long a line of the operator may be, in bytes.
const maxTyped = 8 << 10
