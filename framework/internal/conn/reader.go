package conn

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"github.com/go-socketserver/socketserver/framework/internal/slots"
)

// streamReader is what rfile reads from.
type streamReader Stream

// Read flushes what was written, then waits for the client.
func (r *streamReader) Read(p []byte) (int, error) {
	s := (*Stream)(r)
	if err := s.nextPart(len(p)); err != nil { // it keeps what it finds out off this stack
		return 0, err
	}
	s.reading.Store(true)
	s.settle()
	n, err := s.read(p[:s.part])
	s.reading.Store(false)
	if err != nil {
		err = PeerError(err)
	}
	return n, err
}

// nextPart sets how much of a buffer of n bytes is read into: of rfile's, behind the bytes that it
// holds, or of a larger one of the handler. It is the bound of line methods, of which bufio knows none. They
// alone fill the buffer up while they leave everything in it, and then begin with an empty one;
// other readers have taken bytes before they ask for more. The two are told apart by the buffer's
// last byte, which the first read of a buffer never fills.
//
//go:noinline
func (s *Stream) nextPart(n int) error {
	size := s.rfile.Size()
	held := size - n
	s.before, s.part = held, n
	if held == 0 || held != s.held { // the handler has taken what there was, or some of it
		s.clock.asked = Now()
	}
	if s.maxLine == 0 {
		return nil
	}
	switch {
	case held <= 1 && s.held == size && s.leftOnlyReturn(held):
		s.line += size - held
	case held <= 0 || held != s.held:
		s.line = 0
	}
	if held == 0 && s.line >= s.maxLine {
		s.line, s.held = 0, 0
		return fmt.Errorf("%w: it has more than %d bytes; read it in pieces, or raise limits.line", ErrLineTooLong, s.maxLine)
	}
	if held == 0 {
		s.part = min(size-1, n)
	}
	return nil
}

// leftOnlyReturn reports whether rfile holds nothing, or the carriage return at the end of a full
// buffer, which ReadLine leaves there.
func (s *Stream) leftOnlyReturn(held int) bool {
	last, _ := s.rfile.Peek(max(held, 0))
	return held == 0 || held == 1 && last[0] == '\r'
}

// ErrLineTooLong is exported by package framework.
var ErrLineTooLong = errors.New("framework: line too long")

// filled records what rfile holds after a read into p.
//
//go:noinline
func (s *Stream) filled(p []byte) {
	held := s.before
	if s.held = held + len(p); held < 0 {
		s.held = 0 // p is the handler's
	}
	if s.maxLine == 0 || held <= 0 || s.held < s.rfile.Size() {
		return
	}
	if before, _ := s.rfile.Peek(held); endsLine(before, p) {
		s.held = -1
	}
}

// endsLine reports whether a reader of lines takes a full buffer, as p ends a line that began before. One
// that has left a newline before has another delimiter, which can be the last byte alone.
func endsLine(before, p []byte) bool {
	if bytes.IndexByte(before, '\n') < 0 {
		return bytes.IndexByte(p, '\n') >= 0
	}
	last := p[len(p)-1]
	return bytes.IndexByte(before, last) < 0 && bytes.IndexByte(p, last) == len(p)-1
}

// CloseRead ends what is read: what has arrived is, and then the end. A read that waits returns. below is the connection
// below all layers, whose end is theirs, too. Where it has none but its peer's, what has not been read is given up.
func (s *Stream) CloseRead(below net.Conn) {
	s.clock.endReads()
	if half, ok := NetConn(below).(interface{ CloseRead() error }); !ok || half.CloseRead() != nil {
		_ = s.conn.SetReadDeadline(past)
	}
}

func (s *Stream) read(p []byte) (int, error) {
	for began := Now(); ; {
		s.clock.beforeRead(began)
		n, err := s.conn.Read(p)
		s.in.Add(int64(n))
		s.filled(p[:n])
		if err != nil && s.clock.hasEnded() {
			return n, io.EOF
		}
		if err != nil && n == 0 && errors.Is(err, os.ErrDeadlineExceeded) && s.clock.early(began) {
			continue // something was written meanwhile: the connection is not idle
		}
		if err != nil {
			err = s.clock.readError(began, err)
		}
		return n, err
	}
}

// WriteTo makes io.Copy(wfile, rfile) as fast as between two connections; bufio looks for
// it. While the client sends in bulk the kernel moves the bytes without a copy to user
// space; otherwise this is a loop of reads and writes.
//
// It reads into rfile's buffer, which is empty: bufio has written its contents.
func (r *streamReader) WriteTo(w io.Writer) (total int64, err error) {
	for err == nil {
		_, err = r.rfile.Peek(1) // an idle client keeps this frame on the stack, and no more
		var n int64
		n, err = r.moveOn(w, err)
		total += n
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return total, err
}

// moveOn writes what was read before err, and goes on while there is more.
func (r *streamReader) moveOn(w io.Writer, err error) (int64, error) {
	part, _ := r.rfile.Peek(r.rfile.Buffered())
	if len(part) == 0 {
		return 0, err
	}
	n, failed := w.Write(part)
	_, _ = r.rfile.Discard(n)
	if failed != nil {
		return int64(n), failed
	}
	to, spliced := w.(*Stream)
	if err != nil || !spliced || n < r.rfile.Size()-1 || hasMessages(r.conn) || !splices.Try(maxSplices) {
		return int64(n), err
	}
	defer splices.Release()
	moved, err := to.splice((*Stream)(r))
	return int64(n) + moved, err
}

// maxSplices bounds the connections of this process whose bytes the kernel moves at the same
// time. Each takes the two descriptors of a pipe, which package net keeps for the next one; so
// a connection takes one descriptor, and pipes a fixed number.
const maxSplices = 16

var splices slots.Semaphore

// splice moves what from sends until it pauses or ends. A step is what a slow reader takes
// within the write timeout. The wait for the sender is short enough that a write deadline
// cannot pass during it, which would lose bytes.
func (s *Stream) splice(from *Stream) (int64, error) {
	const step, pause = 128 << 10, 100 * time.Millisecond
	from.reading.Store(true)
	defer from.reading.Store(false)
	for total := int64(0); ; {
		if err := s.Flush(); err != nil {
			return total, err
		}
		from.clock.readWithin(min(pause, s.armWrite()/2))
		writeBy := s.clock.writeBy.Load()
		part := &io.LimitedReader{R: NetConn(from.conn), N: step}
		n, err := io.Copy(NetConn(s.conn), part)
		total += n
		from.in.Add(n)
		s.out.Add(n)
		from.clock.active()
		s.clock.active()
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded) && Now() < writeBy: // the sender's
			return total, nil
		case err != nil:
			return total, s.fail(s.clock.writeError(err))
		case part.N > 0:
			return total, nil
		}
	}
}
