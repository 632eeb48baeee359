package client

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
)

// maxMessage is the maximum size of a message, in bytes. Longer lines of a stream are sent in
// parts. No datagram is this long.
const maxMessage = 64 << 10

// messages splits the input. A goroutine reads one message ahead, so that the conversation can
// wait for the input and for other events at the same time.
type messages struct {
	*Settings
	in   *bufio.Reader
	read chan message
}

// A message with err is the last one, and has no text.
type message struct {
	text []byte
	err  error
}

// newMessages reads until ctx is done. A Read in flight then goes on.
func newMessages(ctx context.Context, s *Settings) *messages {
	m := &messages{s, bufio.NewReaderSize(s.Input, maxMessage), make(chan message)}
	s.spawn(func() { m.pump(ctx, m.next()) })
	return m
}

// await returns the next message, io.EOF after the last one.
func (m *messages) await(ctx context.Context) ([]byte, error) {
	select {
	case next := <-m.read:
		return next.text, next.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (m *messages) pump(ctx context.Context, next func() ([]byte, error)) {
	for {
		text, err := next()
		if err != nil && !errors.Is(err, io.EOF) {
			err = fmt.Errorf("read the input: %w", err)
		}
		for _, one := range []message{{text: text}, {err: err}} {
			if len(one.text) == 0 && one.err == nil {
				continue
			}
			select {
			case m.read <- one:
			case <-ctx.Done():
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// next returns the function that splits the input. The function returns a new slice, which may
// be empty and may come with an error.
func (m *messages) next() func() ([]byte, error) {
	switch {
	case m.Mode == Once && (m.Address.datagrams() || m.Framing == Chunk):
		return m.whole
	case !m.Address.datagrams() && (m.Mode == Duplex || m.Mode == Once) && m.Framing == Line && !m.CRLF:
		return m.block
	}
	return m.line
}

// block returns the bytes of one read, unchanged.
func (m *messages) block() ([]byte, error) {
	text := make([]byte, maxMessage/2)
	n, err := m.in.Read(text)
	return text[:n], err
}

// whole returns the whole input as one message.
func (m *messages) whole() ([]byte, error) {
	in := io.Reader(m.in)
	if m.Address.datagrams() {
		in = io.LimitReader(in, maxMessage)
	}
	text, err := io.ReadAll(in)
	if err == nil {
		err = io.EOF
	}
	if m.Address.datagrams() && len(text) == maxMessage {
		return nil, errors.New("it is longer than a datagram can be; send less, or several lines with --mode ask")
	}
	body, newline := bytes.CutSuffix(text, []byte("\n"))
	return m.framed(body, newline), err
}

// line returns a line in the configured framing.
func (m *messages) line() ([]byte, error) {
	text, err := m.in.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		if m.Address.datagrams() {
			return nil, errors.New("a line is longer than a datagram can be; send shorter ones")
		}
		return bytes.Clone(text), nil
	}
	body, newline := bytes.CutSuffix(text, []byte("\n"))
	if len(body) > 0 && (m.Mode == Ask || m.Mode == Each) {
		newline = true // the server may wait for one before it answers
	}
	return m.framed(body, newline), err
}

func (m *messages) framed(body []byte, newline bool) []byte {
	body = bytes.Clone(body)
	switch {
	case !newline || m.Framing == Chunk:
		return body
	case m.CRLF:
		return append(bytes.TrimSuffix(body, []byte("\r")), "\r\n"...)
	}
	return append(body, '\n')
}
