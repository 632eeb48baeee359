package chat

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"slices"
	"sync"

	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/framework/hub"
)

// errTooMuch cuts a client off that talks while nobody listens.
var errTooMuch = errors.New("chat: more was said than can wait")

// A caller is a client of a line. What it says is read as it comes, so that its end is seen
// while it waits. Its fields are guarded by the line.
type caller struct {
	*hub.Member
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
		if why := cutOff(c.Member); why != nil { // of which listen knows nothing while it does not read
			return why
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

// A lineHandler serves a client.
type lineHandler struct {
	framework.StreamRequestHandler
	line *line
}

func (h *lineHandler) Handle(rfile *bufio.Reader, wfile io.Writer) error {
	l := h.line
	m, stop := newMember(h.Request, wfile, l.options)
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
