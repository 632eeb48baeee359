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
)

var (
	// errHungUp cuts a client off that the operator has had enough of.
	errHungUp = errors.New("chat: the operator has hung up")
	// errTooMuch cuts a client off that talks while nobody listens.
	errTooMuch = errors.New("chat: more was said than can wait")
)

// A line is where clients talk with the operator, one at a time; the others wait their
// turn. The operator is whoever is at a console, of which there may be several or none;
// what a client says waits for one.
type line struct {
	options *Options
	name    string // of the server, from open on
	socket  *framework.BaseServer

	hub framework.Hub // of the consoles

	mu       sync.Mutex
	consoles int
	callers  []*caller // the first one talks
}

// A caller is a client of a line. What it says is read as it comes, so that its end is seen
// while it waits. Its fields are guarded by the line.
type caller struct {
	*framework.Member
	name    string
	changed *sync.Cond // of what it waits for
	waited  bool       // it has been told that it waits
	said    [][]byte   // what nobody has heard yet
	size    int        // of said, in bytes of memory
	end     error      // why nothing more comes; nil: more may come
	ending  string     // what its last message ended with, and so does what it is sent
	last    speaker    // who spoke last
}

const (
	maxUnheard  = 64 << 10 // bytes of memory
	unheardSize = 32       // of a message, beside its text
)

// A speaker is who has had a turn.
type speaker int

const (
	nobody speaker = iota
	client
	operator
)

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

// listen takes in what c says until it ends.
func (l *line) listen(c *caller, in *input) {
	for {
		text, err := in.next()
		if !l.take(c, text, err) {
			return
		}
	}
}

// take keeps what c says until it is heard, and says whether to go on. Who talks to the
// operator waits where that is too much; who waits for the operator is cut off, as its end
// could not be seen behind what is not read.
func (l *line) take(c *caller, text []byte, err error) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		c.end = err
		c.changed.Broadcast()
		return false
	}
	c.said = append(c.said, bytes.Clone(text))
	c.size += len(text) + unheardSize
	c.changed.Broadcast()
	for c.size > maxUnheard && l.heard(c) {
		c.changed.Wait()
	}
	if c.size > maxUnheard && c.Err() == nil {
		c.Send([]byte("-- you have said more than can wait; call again\n"))
		c.Cut(errTooMuch)
	}
	return true
}

// talks says whether it is c's turn among the callers.
func (l *line) talks(c *caller) bool { return len(l.callers) > 0 && l.callers[0] == c }

// heard says whether what c says is heard now. Who has ended need not wait for an answer.
func (l *line) heard(c *caller) bool {
	return l.talks(c) && l.consoles > 0 && c.Err() == nil && (!l.half() || c.last != client || c.end != nil)
}

// await waits until c has said something, or returns why it says nothing more.
func (l *line) await(c *caller) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(c.said) == 0 && c.end == nil {
		c.changed.Wait()
	}
	if len(c.said) == 0 {
		return c.end
	}
	return nil
}

// show waits until c may talk and there is a console, and shows what it said first. Nothing
// is waited for when c has ended.
func (l *line) show(c *caller) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for told := false; !l.heard(c); {
		if c.end != nil {
			return c.end
		}
		if l.talks(c) && l.consoles == 0 && !told {
			told = true
			c.Send([]byte("-- no operator is here; what you said waits for one\n"))
		}
		c.changed.Wait()
	}
	text := c.said[0]
	c.said = slices.Delete(c.said, 0, 1)
	c.size -= len(text) + unheardSize
	c.changed.Broadcast()
	c.last = client
	c.ending = ending(text)
	for said := range bytes.Lines(text) {
		said = bytes.TrimRight(said, "\r\n")
		l.tellConsoles("%s%s", l.prefix(said), said)
	}
	return nil
}

// prefix is what stands before what a client says: nobody takes that for a notice of the
// line, or for what another operator said.
func (l *line) prefix(said []byte) string {
	plain := bytes.TrimLeftFunc(said, isInvisible)
	for _, notice := range []string{"-- ", "connected by  ", "to: "} {
		if l.half() || bytes.HasPrefix(plain, []byte(notice)) {
			return "from: "
		}
	}
	return ""
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
		l.remove(c)
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
		l.callers[0].changed.Broadcast()
	}
}

func (l *line) detach(console *framework.Member) {
	l.mu.Lock()
	l.consoles--
	if len(l.callers) > 0 {
		l.callers[0].changed.Broadcast()
	}
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
	c := &caller{Member: m, name: tuple(h.ClientAddress), changed: sync.NewCond(&l.mu)}
	in := newInput(m, h.Request, rfile, l.options)
	var listening sync.WaitGroup
	defer listening.Wait() // c has ended or was cut off
	l.enter(c)
	defer l.leave(c)
	listening.Go(func() { l.listen(c, in) })
	for {
		err := l.await(c)
		if err == nil {
			err = in.pace()
		}
		if err == nil {
			err = l.show(c)
		}
		if errors.Is(err, errHungUp) || errors.Is(err, errTooMuch) {
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
