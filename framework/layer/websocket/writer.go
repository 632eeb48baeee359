package websocket

import (
	"bytes"
	"crypto/rand"
	"net"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/gobwas/ws"
)

const (
	// lineTime is how long the beginning of a line waits for the rest before it is a message.
	lineTime = 20 * time.Millisecond
	// openTime is that where a part of the line has been sent: a long write is under way.
	openTime = 2 * time.Second
	// maxRest is the size in bytes of the beginning of a line that is sent without its end, in a frame
	// of its own; the line stays one message.
	maxRest = 64 << 10
	// together is the size in bytes of a frame that is sent with one write.
	together = 16 << 10
)

// A writer sends frames.
type writer struct {
	mu     sync.Mutex
	err    error // the first one of a write; nothing follows it
	lines  lines
	buffer []byte

	closed atomic.Bool  // a close frame was sent, or what follows is not sent
	code   atomic.Int32 // of the peer's close frame, StatusNoStatusRcvd if that has none; 0: there is no frame
}

// lines is what has been written of a line that is not whole.
type lines struct {
	rest  []byte // of a line
	open  bool   // a part of the line has been sent, of a message that is not whole
	begun bool   // the line's beginning has been sent as a message of its own
	timer *time.Timer
}

// Write implements [net.Conn].
func (c *Conn) Write(p []byte) (int, error) {
	w := &c.write
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.usable(); err != nil {
		return 0, err
	}
	if !c.text {
		if len(p) == 0 {
			return 0, nil
		}
		w.err = w.frame(c, ws.OpBinary, true, p)
	} else {
		w.err = w.text(c, p)
	}
	if w.err != nil {
		return 0, w.err
	}
	return len(p), nil
}

func (w *writer) usable() error {
	if w.err == nil && w.closed.Load() {
		return net.ErrClosed
	}
	return w.err
}

// text sends the lines in p, and keeps what follows the last one for a while.
func (w *writer) text(c *Conn, p []byte) error {
	l := &w.lines
	for {
		i := bytes.IndexByte(p, '\n')
		if i < 0 {
			break
		}
		line := p[:i]
		if len(l.rest) > 0 {
			line = append(l.rest, line...)
		}
		if err := w.endLine(c, line); err != nil {
			return err
		}
		l.rest = nil
		p = p[i+1:]
	}
	if len(p) == 0 {
		return nil
	}
	l.rest = append(l.rest, p...)
	if cut := len(l.rest) - cutOff(l.rest); cut >= maxRest {
		if err := w.line(c, l.rest[:cut], false); err != nil {
			return err
		}
		l.rest = bytes.Clone(l.rest[cut:])
	}
	if l.timer == nil {
		l.timer = time.AfterFunc(time.Hour, func() {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.flushUsable(c)
		})
	}
	wait := lineTime
	if l.open {
		wait = openTime
	}
	l.timer.Reset(wait)
	return nil
}

// cutOff returns the number of bytes at the end that say nothing without what follows: the beginning of a
// rune, or of the end of a line.
func cutOff(p []byte) int {
	if bytes.HasSuffix(p, []byte("\r")) {
		return 1
	}
	return cutRune(p)
}

// endLine sends the rest of a line. There may be none of one whose beginning was a message.
func (w *writer) endLine(c *Conn, rest []byte) error {
	l := &w.lines
	rest = bytes.TrimSuffix(rest, []byte("\r"))
	sent := len(rest) == 0 && l.begun && !l.open
	l.begun = false
	if sent {
		return nil
	}
	return w.line(c, rest, true)
}

// line sends a line, or a part of it that others follow.
func (w *writer) line(c *Conn, p []byte, whole bool) error {
	op := ws.OpText
	if w.lines.open {
		op = ws.OpContinuation
	}
	w.lines.open = !whole
	if !utf8.Valid(p) { // a browser would end the connection
		p = bytes.ToValidUTF8(p, []byte("\uFFFD"))
	}
	return w.frame(c, op, whole, p)
}

// flushLine sends what waits for the rest of its line, unless a write blocks: a reader that waited
// for that would deadlock a full-duplex copy.
func (w *writer) flushLine(c *Conn) {
	if !c.text || !w.mu.TryLock() {
		return
	}
	defer w.mu.Unlock()
	w.flushUsable(c)
}

func (w *writer) flushUsable(c *Conn) {
	if w.usable() == nil {
		w.err = w.flushLocked(c)
	}
}

// flushLocked sends the beginning of a line as a message, but for what is cut off at its end.
func (w *writer) flushLocked(c *Conn) error {
	l := &w.lines
	cut := len(l.rest) - cutOff(l.rest)
	if cut == 0 && !l.open {
		return nil
	}
	l.timer.Stop()
	rest := l.rest
	l.rest, l.begun = bytes.Clone(rest[cut:]), true
	c.extendDeadline()
	defer c.restoreDeadline()
	return w.line(c, rest[:cut], true)
}

// close sends a close frame after all that was written, with the peer's code if it has sent one. The
// caller holds mu.
func (w *writer) close(c *Conn, code ws.StatusCode) error {
	if w.closed.Swap(true) {
		return w.err
	}
	if l := &w.lines; w.err == nil && (len(l.rest) > 0 || l.open) {
		l.timer.Stop()
		w.err = w.endLine(c, l.rest)
	}
	if w.err != nil {
		return w.err
	}
	if theirs := ws.StatusCode(w.code.Load()); theirs != 0 {
		code = theirs
	}
	var body []byte
	if code != ws.StatusNoStatusRcvd {
		body = ws.NewCloseFrameBody(code, "")
	}
	w.err = w.frame(c, ws.OpClose, true, body)
	return w.err
}

// frame sends a frame. A client masks it.
func (w *writer) frame(c *Conn, op ws.OpCode, fin bool, payload []byte) error {
	h := ws.Header{Fin: fin, OpCode: op, Length: int64(len(payload))}
	head := bytes.NewBuffer(w.buffer[:0])
	if c.client {
		h.Masked = true
		if _, err := rand.Read(h.Mask[:]); err != nil {
			return err
		}
		payload = bytes.Clone(payload)
		ws.Cipher(payload, h.Mask, 0)
	}
	if err := ws.WriteHeader(head, h); err != nil {
		return err
	}
	if len(payload) <= together {
		head.Write(payload)
		payload = nil
	}
	_, err := c.Conn.Write(head.Bytes())
	if err == nil && len(payload) > 0 {
		_, err = c.Conn.Write(payload)
	}
	if w.buffer = head.Bytes()[:0]; cap(w.buffer) > keptBuffer {
		w.buffer = nil
	}
	return err
}

// keptBuffer is the size in bytes of the buffer that a connection keeps between frames.
const keptBuffer = 1 << 10
