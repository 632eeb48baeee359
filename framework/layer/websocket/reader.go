package websocket

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"io"
	"unicode/utf8"

	"github.com/gobwas/ws"
)

// A reader takes messages apart. A deadline may end each of its steps, and the next read goes on there.
type reader struct {
	from *bufio.Reader

	header  ws.Header
	left    int64 // bytes of the frame that have not been read
	at      int   // of the mask
	message bool  // one has begun and not ended
	op      ws.OpCode
	control []byte // of the control frame that is being read
	newline bool   // is due: the end of a line of text
	ended   byte   // the last byte of the message
	rune    []byte // the beginning of one that a frame or a read has cut
	err     error  // after which there is nothing
}

// Read implements [net.Conn].
func (c *Conn) Read(p []byte) (int, error) {
	c.write.flushLine(c) // the peer may wait for it
	c.reading.Lock()
	defer c.reading.Unlock()
	r := &c.read
	n := 0
	for {
		switch {
		case len(p) == n:
			return n, nil
		case r.newline:
			r.newline = false
			p[n] = '\n'
			return n + 1, nil
		case r.err != nil:
			if n > 0 {
				return n, nil
			}
			return 0, r.err
		}
		if r.left == 0 {
			whole, err := c.nextFrame()
			if whole && n > 0 && !r.newline {
				return n, nil
			}
			if err != nil {
				if n > 0 {
					return n, nil // the error comes again
				}
				return 0, err
			}
			continue
		}
		m, err := c.payload(p[n:])
		n += m
		if err != nil && n == 0 {
			return 0, err
		}
		if err != nil || r.left == 0 && r.endFrame(c) && !r.newline {
			return n, nil
		}
	}
}

// payload reads of the current frame, which is one of data.
func (c *Conn) payload(p []byte) (int, error) {
	r := &c.read
	n, err := r.from.Read(p[:min(int64(len(p)), r.left)])
	if n > 0 {
		data := p[:n]
		if r.header.Masked {
			ws.Cipher(data, r.header.Mask, r.at)
		}
		r.at, r.left, r.ended = r.at+n, r.left-int64(n), data[n-1]
		if r.op == ws.OpText && !r.validate(data) {
			return 0, c.fail(ws.StatusInvalidFramePayloadData, "text that is not UTF-8")
		}
		return n, nil
	}
	return 0, c.lost(err)
}

// lost explains an error of the connection, which is the end of it, or a deadline.
func (c *Conn) lost(err error) error {
	if errors.Is(err, io.EOF) {
		c.read.err = errNoClose
		return errNoClose
	}
	return err
}

// validate checks the next bytes of a text, of which runes may be cut.
func (r *reader) validate(data []byte) bool {
	for len(r.rune) > 0 && len(data) > 0 {
		r.rune = append(r.rune, data[0])
		data = data[1:]
		if utf8.FullRune(r.rune) {
			if c, _ := utf8.DecodeRune(r.rune); c == utf8.RuneError && string(r.rune) != "\uFFFD" {
				return false
			}
			r.rune = r.rune[:0]
		}
	}
	if utf8.Valid(data) {
		return true
	}
	cut := cutRune(data)
	if cut == 0 || !utf8.Valid(data[:len(data)-cut]) {
		return false
	}
	r.rune = append(r.rune[:0], data[len(data)-cut:]...)
	return true
}

// cutRune returns the number of bytes at the end that are the beginning of a rune.
func cutRune(p []byte) int {
	for n := 1; n <= min(len(p), utf8.UTFMax-1); n++ {
		if last := p[len(p)-n:]; utf8.RuneStart(last[0]) {
			if utf8.FullRune(last) {
				return 0
			}
			return n
		}
	}
	return 0
}

// endFrame is called at the end of a frame of data, and reports whether its message is whole.
func (r *reader) endFrame(c *Conn) bool {
	if !r.header.Fin {
		return false
	}
	r.message = false
	if r.op == ws.OpText {
		if len(r.rune) > 0 {
			_ = c.fail(ws.StatusInvalidFramePayloadData, "text that ends within a character of UTF-8")
			return true
		}
		r.newline = c.text && r.ended != '\n'
	}
	return true
}

// nextFrame reads the header of a frame, and all of one of control. It reports whether that made
// a message whole, which is so for one without bytes.
func (c *Conn) nextFrame() (whole bool, err error) {
	r := &c.read
	if r.control == nil {
		if err := r.readHeader(); err != nil {
			return false, c.lost(err)
		}
		state := ws.StateServerSide
		if c.client {
			state = ws.StateClientSide
		}
		if r.message {
			state = state.Set(ws.StateFragmented)
		}
		if err := ws.CheckHeader(r.header, state); err != nil {
			return false, c.fail(ws.StatusProtocolError, err.Error())
		}
		if !r.header.OpCode.IsControl() {
			r.left, r.at = r.header.Length, 0
			if r.header.OpCode != ws.OpContinuation {
				r.op, r.message, r.ended = r.header.OpCode, true, 0
			}
			return r.left == 0 && r.endFrame(c), nil
		}
		r.control = make([]byte, 0, r.header.Length)
	}
	for len(r.control) < cap(r.control) {
		n, err := r.from.Read(r.control[len(r.control):cap(r.control)])
		r.control = r.control[:len(r.control)+n]
		if n == 0 {
			return false, c.lost(err)
		}
	}
	payload := r.control
	r.control = nil
	if r.header.Masked {
		ws.Cipher(payload, r.header.Mask, 0)
	}
	switch r.header.OpCode {
	case ws.OpPing:
		c.control(ws.OpPong, payload)
	case ws.OpClose:
		return false, c.end(payload)
	}
	return false, nil
}

// readHeader reads a header once all of it is there.
func (r *reader) readHeader() error {
	head, err := r.from.Peek(2)
	if err != nil {
		return err
	}
	size := 2
	switch head[1] & 0x7f {
	case 126:
		size += 2
	case 127:
		size += 8
	}
	if head[1]&0x80 != 0 {
		size += 4
	}
	if head, err = r.from.Peek(size); err != nil {
		return err
	}
	if r.header, err = ws.ReadHeader(bytes.NewReader(head)); err != nil {
		r.header = ws.Header{Rsv: 7} // of no use: the check refuses it
	}
	_, err = r.from.Discard(size)
	return err
}

// end takes a close frame.
func (c *Conn) end(payload []byte) error {
	code, reason := ws.ParseCloseFrameData(payload)
	switch {
	case !utf8.ValidString(reason):
		return c.fail(ws.StatusInvalidFramePayloadData, "a reason to close that is not UTF-8")
	case len(payload) > 0 && !isCloseCode(code):
		return c.fail(ws.StatusProtocolError, "a close frame that is none")
	}
	c.write.code.Store(int32(cmp.Or(code, ws.StatusNoStatusRcvd)))
	c.read.err = io.EOF
	if c.client && code > ws.StatusGoingAway && code < 3000 && code != ws.StatusNoStatusRcvd { // others are the application's
		c.read.err = &CloseError{code}
	}
	return c.read.err
}

// isCloseCode reports whether a close frame may have the code: RFC 6455 or the registry of IANA knows it, or it is
// an application's.
func isCloseCode(code ws.StatusCode) bool {
	return code >= 1000 && code <= 1003 || code >= 1007 && code <= 1014 || code >= 3000 && code <= 4999
}

// fail ends the conversation with a peer that does not keep to the protocol.
func (c *Conn) fail(code ws.StatusCode, what string) error {
	c.read.err = &ProtocolError{code, what}
	c.control(ws.OpClose, ws.NewCloseFrameBody(code, ""))
	c.write.closed.Store(true)
	return c.read.err
}
