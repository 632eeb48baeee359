package chat

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/go-socketserver/socketserver/framework"
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

	hub framework.Hub // of the consoles

	mu       sync.Mutex
	changed  *sync.Cond
	consoles int
	callers  []*caller // the first one talks
}

// A caller is a client of a line. Its fields are guarded by the line.
type caller struct {
	*framework.Member
	name   string
	ending string  // what its last message ended with, and so does what it is sent
	last   speaker // who spoke last
}

// A speaker is who has had a turn.
type speaker int

const (
	nobody speaker = iota
	client
	operator
)

func newLine(o *Options) *line {
	l := &line{options: o}
	l.changed = sync.NewCond(&l.mu)
	return l
}

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
	c.Send(fmt.Appendf(nil, "-- the line is busy; you are number %d of those who wait\n", len(l.callers)-1))
	l.tellConsoles("-- %s waits", c.name)
}

// leave lets the next one talk.
func (l *line) leave(c *caller) {
	l.mu.Lock()
	defer l.mu.Unlock()
	talked := l.callers[0] == c
	for i, other := range l.callers {
		if other == c {
			l.callers = append(l.callers[:i:i], l.callers[i+1:]...)
		}
	}
	l.tellConsoles("-- %s has left", c.name)
	if talked && len(l.callers) > 0 {
		l.announce()
	}
	l.changed.Broadcast()
}

// announce tells the consoles who talks.
func (l *line) announce() { l.tellConsoles("connected by  %s", l.callers[0].name) }

func (l *line) tellConsoles(format string, args ...any) {
	l.hub.Broadcast(nil, fmt.Appendf(nil, format+"\n", args...))
}

// wake lets those who wait see that they have been cut off.
func (l *line) wake() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.changed.Broadcast()
}

// hear waits until c may talk and there is a console, and shows what it says.
func (l *line) hear(c *caller, text []byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for told := false; l.callers[0] != c || l.consoles == 0 || l.half() && c.last == client; {
		if why := c.Err(); why != nil {
			return why
		}
		if l.callers[0] == c && l.consoles == 0 && !told {
			told = true
			c.Send([]byte("-- no operator is here; what you said waits for one\n"))
		}
		l.changed.Wait()
	}
	c.last = client
	c.ending = ending(text)
	prefix := ""
	if l.half() {
		prefix = "from: "
	}
	for said := range bytes.Lines(text) {
		l.tellConsoles("%s%s", prefix, bytes.TrimRight(said, "\r\n"))
	}
	return nil
}

// ending is the line ending of a message, if it has one.
func ending(text []byte) string {
	switch {
	case bytes.HasSuffix(text, []byte("\r\n")):
		return "\r\n"
	case bytes.HasSuffix(text, []byte("\n")):
		return "\n"
	}
	return ""
}

// say sends what the operator says at a console to who talks; nothing hangs up. The other
// consoles see it, too.
func (l *line) say(console *framework.Member, text string) {
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
	case l.half() && c.last == operator:
		refuse("it is the client's turn; an empty line hangs up")
		return
	default:
		c.last = operator
		c.Send([]byte(text + c.ending))
		l.hub.Broadcast(console, []byte("to: "+text+"\n"))
	}
	l.changed.Broadcast()
}

// attach adds a console.
func (l *line) attach(console *framework.Member) {
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
	}
	l.changed.Broadcast()
}

func (l *line) detach(console *framework.Member) {
	l.mu.Lock()
	l.consoles--
	l.mu.Unlock()
	l.hub.Leave(console)
}

// A lineHandler serves a client.
type lineHandler struct {
	framework.StreamRequestHandler
	line *line
}

func (h *lineHandler) Handle(rfile *bufio.Reader, _ io.Writer) error {
	l := h.line
	m, stop := newMember(h.Request, l.options)
	defer m.Close()
	defer stop()
	defer context.AfterFunc(h.Context(), func() { m.Cut(errStopping); l.wake() })()
	c := &caller{Member: m, name: tuple(h.ClientAddress)}
	l.enter(c)
	defer l.leave(c)
	in := newInput(m, h.Request, rfile, l.options)
	for {
		text, err := in.next()
		if err == nil {
			err = l.hear(c, text)
		}
		if errors.Is(err, errHungUp) || errors.Is(err, errStopping) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// A consoleHandler serves a console.
type consoleHandler struct {
	framework.StreamRequestHandler
	line *line
}

func (h *consoleHandler) Handle(rfile *bufio.Reader, _ io.Writer) error {
	m, stop := newMember(h.Request, h.line.options)
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
