// Package framing splits the input of a client into messages. A connection is a stream of bytes
// without boundaries; client and handler have to agree on where a message ends.
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

// A Kind defines a message. It is the type of the handlers' option framing.
type Kind string

const (
	// Line: a message ends with a newline, and its answer with the same ending, \n or
	// \r\n. The rest at the end of the input is a message too.
	Line Kind = "line"
	// Chunk: the result of one read, at most [MaxChunk] bytes, is a message. A datagram of
	// any length is a message, including an empty one.
	Chunk Kind = "chunk"
	// Auto: a chunk is split at its newlines, which are removed, and its rest is a message
	// too. It is for clients with and without newlines.
	Auto Kind = "auto"
)

const (
	// MaxLine is the maximum length of a line in bytes, without its ending.
	MaxLine = 8 << 10
	// MaxChunk is the maximum size of a chunk in bytes.
	MaxChunk = 1024
)

// ErrTooLong is returned by [Reader.Next] for a line of more than [MaxLine] bytes. Nothing can
// be read after it.
var ErrTooLong = errors.New("framing: line too long")

// Check returns a [framework.OptionError] unless k is a kind that the handler knows.
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

// A Message is a message of a client. It is valid until the next one is read.
type Message struct {
	Data   []byte // without its ending, if the framing has one
	Ending string // of the answer; may be empty
}

// A Reader reads the messages of one request. It keeps at most one message in memory, and
// usually none beside the buffer of rfile.
type Reader struct {
	rfile    *bufio.Reader
	kind     Kind
	datagram bool

	started bool
	rest    []byte // Auto: the rest of the chunk
	buf     []byte // for messages that exceed rfile's buffer
}

// NewReader makes a Reader over the rfile of req.
func NewReader(kind Kind, req *framework.Request, rfile *bufio.Reader) *Reader {
	return &Reader{rfile: rfile, kind: kind, datagram: req.IsDatagram()}
}

// Wait waits for the beginning of the next message, as Next does too. A handler of many idle
// clients calls it first, directly from Handle, to keep the stack shallow: every idle connection
// pays for the frames above Handle.
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

// Refuse answers a line that is too long, if err is [ErrTooLong], and returns the error for the
// handler to return.
func Refuse(wfile io.Writer, err error) error {
	if errors.Is(err, ErrTooLong) {
		_, err = fmt.Fprintf(wfile, "line too long: send at most %d bytes before a newline\n", MaxLine)
	}
	return err
}

// line waits for a line. What there is of it stays in rfile as long as that has room, so that a read timeout
// is for all of it; a longer line has that time again for each further buffer. It is refused as soon as it is too long.
func (r *Reader) line() (Message, error) {
	r.buf = r.buf[:0]
	for seen := 0; ; {
		_, err := r.rfile.Peek(seen + 1)
		data, _ := r.rfile.Peek(r.rfile.Buffered())
		end := bytes.IndexByte(data, '\n') + 1
		if end == 0 && err == nil && len(data) < r.rfile.Size() && len(r.buf)+len(data) <= MaxLine {
			seen = len(data)
			continue
		}
		if end > 0 {
			data = data[:end]
		}
		_, _ = r.rfile.Discard(len(data))
		if end == 0 || len(r.buf) > 0 {
			r.buf = append(r.buf, data...)
			data = r.buf
		}
		m := split(data)
		switch {
		case len(m.Data) > MaxLine:
			return Message{}, ErrTooLong
		case end > 0:
			return m, nil
		case err == io.EOF && len(r.buf) > 0:
			return Message{Data: r.buf}, nil
		case err != nil:
			return Message{}, err
		}
		seen = 0
	}
}

// split removes the ending, and a carriage return whose newline has not arrived yet.
func split(line []byte) Message {
	if data, ended := bytes.CutSuffix(line, []byte("\r\n")); ended {
		return Message{Data: data, Ending: "\r\n"}
	}
	if data, ended := bytes.CutSuffix(line, []byte("\n")); ended {
		return Message{Data: data, Ending: "\n"}
	}
	return Message{Data: bytes.TrimSuffix(line, []byte("\r"))}
}

// chunk returns the result of one read, in rfile's buffer if that is large enough.
func (r *Reader) chunk() ([]byte, error) {
	if r.datagram {
		return r.wholeDatagram()
	}
	if r.rfile.Size() < MaxChunk {
		if r.buf == nil {
			r.buf = make([]byte, MaxChunk)
		}
		n, err := r.rfile.Read(r.buf) // bypasses a smaller buffer
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
