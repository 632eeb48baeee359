// Package framing cuts what a client sends into messages. A connection is a stream of
// bytes without borders; clients and handlers have to agree on where a message ends.
package framing

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/go-socketserver/socketserver/framework"
)

// A Kind says what is one message. It is the type of the handlers' option framing.
type Kind string

const (
	// Line: a message ends with a newline, and its answer with the ending that was
	// received, \n or \r\n. What is left when the client ends is a message too.
	Line Kind = "line"
	// Chunk: what one read brings, at most [MaxChunk] bytes, is one message. On a
	// transport of datagrams each datagram is one, however long and also an empty one.
	Chunk Kind = "chunk"
	// Auto: a chunk is split at its newlines, which are taken off, and what is left when
	// the read ends is a message too. It serves those who type lines and those who do not.
	Auto Kind = "auto"
)

const (
	// MaxLine is how long a line may be, in bytes, its ending not counted.
	MaxLine = 8 << 10
	// MaxChunk is how much one read of a connection brings, in bytes.
	MaxChunk = 1024
)

// ErrTooLong is what [Reader.Next] returns for a line of more than [MaxLine] bytes.
// Nothing can be read after it.
var ErrTooLong = errors.New("framing: line too long")

// Check returns a [framework.OptionError] unless k is one of the kinds that a handler
// knows.
func (k Kind) Check(known ...Kind) error {
	if slices.Contains(known, k) {
		return nil
	}
	var names []string
	for _, k := range known {
		names = append(names, fmt.Sprintf("%q", string(k)))
	}
	return &framework.OptionError{
		Option:  "framing",
		Problem: fmt.Sprintf("there is no framing %q here; choose one of %s", string(k), strings.Join(names, ", ")),
	}
}

// A Message is one message of a client. It is valid until the next one is read.
type Message struct {
	Data   []byte // without the ending, where the framing knows one
	Ending string // what the answer is to end with; it may be empty
}

// A Reader reads the messages of one request. It keeps no more than one message in
// memory, and in most cases only the reader's own buffer.
type Reader struct {
	rfile    *bufio.Reader
	kind     Kind
	datagram bool

	started bool
	rest    []byte // Auto: of the chunk, not yet returned
	buf     []byte // what rfile's buffer is too small for
}

// NewReader makes a Reader over the rfile of req.
func NewReader(kind Kind, req *framework.Request, rfile *bufio.Reader) *Reader {
	return &Reader{rfile: rfile, kind: kind, datagram: req.IsDatagram()}
}

// Wait waits until there is something of the next message. Next does so by itself; a handler
// whose clients are idle for long calls this first, from as near to Handle as it can: what
// stands between is kept on the stack for every one of them.
func (r *Reader) Wait() error {
	if r.datagram || len(r.rest) > 0 {
		return nil
	}
	_, err := r.rfile.Peek(1)
	return err
}

// Next returns the next message, io.EOF after the last one, or another error of rfile.
func (r *Reader) Next() (Message, error) {
	switch r.kind {
	case Line:
		return r.line()
	case Auto:
		return r.part()
	default:
		chunk, err := r.chunk()
		return Message{Data: chunk}, err
	}
}

// Refuse tells the client why its message is not served, if err is [ErrTooLong], and
// returns the error that the handler is to end with.
func Refuse(wfile io.Writer, err error) error {
	if errors.Is(err, ErrTooLong) {
		_, err = fmt.Fprintf(wfile, "line too long: send at most %d bytes before a newline\n", MaxLine)
	}
	return err
}

// line joins what does not arrive at once. It does not wait for a buffer to fill, so a
// line is refused as soon as it is too long.
func (r *Reader) line() (Message, error) {
	r.buf = r.buf[:0]
	for {
		if _, err := r.rfile.Peek(1); err != nil {
			if err == io.EOF && len(r.buf) > 0 {
				return Message{Data: r.buf}, nil
			}
			return Message{}, err
		}
		data, _ := r.rfile.Peek(r.rfile.Buffered())
		end := bytes.IndexByte(data, '\n') + 1
		if end > 0 {
			data = data[:end]
		}
		_, _ = r.rfile.Discard(len(data))
		if end == 0 || len(r.buf) > 0 {
			r.buf = append(r.buf, data...)
			data = r.buf
		}
		m := split(data)
		if len(m.Data) > MaxLine {
			return Message{}, ErrTooLong
		}
		if end > 0 {
			return m, nil
		}
	}
}

// split takes the ending off, a carriage return also where its newline is not there yet.
func split(line []byte) Message {
	if data, ended := bytes.CutSuffix(line, []byte("\r\n")); ended {
		return Message{Data: data, Ending: "\r\n"}
	}
	if data, ended := bytes.CutSuffix(line, []byte("\n")); ended {
		return Message{Data: data, Ending: "\n"}
	}
	return Message{Data: bytes.TrimSuffix(line, []byte("\r"))}
}

// chunk returns what one read brings, from rfile's buffer where that is large enough.
func (r *Reader) chunk() ([]byte, error) {
	if r.datagram {
		return r.wholeDatagram()
	}
	if r.rfile.Size() < MaxChunk {
		if r.buf == nil {
			r.buf = make([]byte, MaxChunk)
		}
		n, err := r.rfile.Read(r.buf) // reads past a buffer that is smaller
		return r.buf[:n], err
	}
	if _, err := r.rfile.Peek(1); err != nil {
		return nil, err
	}
	data, _ := r.rfile.Peek(min(r.rfile.Buffered(), MaxChunk))
	_, _ = r.rfile.Discard(len(data))
	return data, nil
}

func (r *Reader) wholeDatagram() ([]byte, error) {
	if r.started {
		return nil, io.EOF
	}
	r.started = true
	return io.ReadAll(r.rfile)
}

// part returns the next part of the chunk, or of the next chunk.
func (r *Reader) part() (Message, error) {
	if len(r.rest) == 0 {
		var err error
		if r.rest, err = r.chunk(); err != nil {
			return Message{}, err
		}
	}
	line, rest, _ := bytes.Cut(r.rest, []byte("\n"))
	r.rest = rest
	return Message{Data: bytes.TrimSuffix(line, []byte("\r"))}, nil
}
