// Package conn is rfile and wfile over a connection or a datagram, the deadlines that bound
// them, and connections that are only a descriptor.
package conn

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/go-socketserver/socketserver/framework/internal/slots"
)

// Stream is rfile and wfile of a connection. They are one object, so that a read that is
// about to block can flush what was written before it.
//
// A write while another goroutine blocks in a read is flushed at once, or a message to the
// members of a room would wait for the member's next line. The reader only tries the lock:
// if it waited behind a write to a client that does not read, a full-duplex copy would
// deadlock. The holder of the lock looks again after unlocking it (settle), so nothing is
// left in the buffer.
type Stream struct {
	conn     net.Conn
	rfile    *bufio.Reader
	clock    clock
	buffered bool // a write buffer is set
	reading  atomic.Bool
	held     int          // bytes in rfile after the last read
	before   int          // and before the one that runs
	part     int          // bytes that it may read
	maxLine  int          // bytes; 0: no limit
	line     int          // bytes of a line that has filled rfile, see nextPart
	in, out  atomic.Int64 // bytes

	mu     sync.Mutex
	size   int // of the write buffer
	room   int // bytes that the socket buffer takes without blocking
	buf    *[]byte
	try    *socketWriter // of TryWrite; nil: not used yet
	err    error         // the first failed write; it may be partial, so nothing may follow
	closed bool
}

// alwaysTaken is the number of bytes that an empty socket buffer takes whether or not the
// client reads. Arming a deadline for them would cost a twentieth of a short request.
const alwaysTaken = 4096

// NewStream returns a Stream over conn, which stays the caller's to close. t must not change
// while the stream is in use. maxLine bounds the lines of rfile that its buffer cannot
// hold; 0 means no limit. firstRead is what [ArmFirstRead] returned; 0 means that no deadline is
// armed.
func NewStream(conn net.Conn, t *Timeouts, readBuffer, writeBuffer, maxLine int, firstRead int64) *Stream {
	s := &Stream{conn: conn, size: writeBuffer, buffered: writeBuffer > 0, maxLine: maxLine}
	if _, ok := conn.(syscall.Conn); ok {
		s.room = alwaysTaken
	}
	s.clock.start(conn, t)
	if firstRead != 0 {
		s.clock.readBy = firstRead
	}
	s.rfile = bufio.NewReaderSize((*streamReader)(s), readBuffer)
	return s
}

// Open returns rfile and wfile.
func (s *Stream) Open() (*bufio.Reader, io.Writer) { return s.rfile, s }

// Bytes returns the bytes read and written so far.
func (s *Stream) Bytes() (in, out int64) { return s.in.Load(), s.out.Load() }

// Write is wfile's.
func (s *Stream) Write(p []byte) (int, error) {
	s.mu.Lock()
	n, err := s.write(p)
	s.mu.Unlock()
	s.settle()
	return n, err
}

func (s *Stream) write(p []byte) (int, error) {
	if s.closed {
		return 0, errUsedLate
	}
	if s.err != nil {
		return 0, s.err
	}
	if s.buf != nil && len(*s.buf)+len(p) > s.size {
		if err := s.flushLocked(); err != nil {
			return 0, err
		}
	}
	if len(p) >= s.size {
		return s.send(p)
	}
	if s.buf == nil {
		s.buf = writeBuffers.get(s.size)
	}
	*s.buf = append(*s.buf, p...)
	return len(p), nil
}

var errUsedLate = errors.New("framework: wfile used after the request was over")

// Flush sends the write buffer.
func (s *Stream) Flush() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.flushLocked()
}

// flushLocked returns the buffer to the pool, so that an idle connection holds none.
func (s *Stream) flushLocked() error {
	if s.err != nil || s.buf == nil {
		return s.err
	}
	_, err := s.send(*s.buf)
	writeBuffers.put(s.buf)
	s.buf = nil
	return err
}

func (s *Stream) send(p []byte) (int, error) {
	if s.room -= len(p); s.room < 0 {
		s.clock.beforeWrite()
	}
	n, err := s.conn.Write(p)
	s.out.Add(int64(n))
	s.clock.active()
	if err != nil {
		s.err = PeerError(s.clock.writeError(err))
	}
	return n, s.err
}

// settle flushes for a reader that blocks or is about to.
func (s *Stream) settle() {
	for s.buffered && s.reading.Load() {
		if !s.mu.TryLock() {
			return // the holder settles after unlocking
		}
		empty := s.buf == nil || s.err != nil // after an error nothing is sent
		_ = s.flushLocked()                   // the error stays in s.err
		s.mu.Unlock()
		if empty {
			return
		}
	}
}

// TryWrite writes what the socket buffer takes without blocking, in order with Write. It
// writes nothing while a Write blocks or the write buffer holds something.
func (s *Stream) TryWrite(p []byte) (int, error) {
	if !s.mu.TryLock() {
		return 0, nil
	}
	n, err := s.tryWrite(p)
	s.mu.Unlock()
	s.settle()
	return n, err
}

func (s *Stream) tryWrite(p []byte) (int, error) {
	if s.closed {
		return 0, errUsedLate
	}
	if s.try == nil {
		s.try = newSocketWriter(s.conn)
	}
	if s.err != nil || s.buf != nil || !s.try.ready() {
		return 0, s.err
	}
	n, err := s.try.write(p)
	s.room -= n
	s.out.Add(int64(n))
	if s.clock.timeouts.Idle > 0 {
		s.clock.active()
	}
	s.err = PeerError(err)
	return n, s.err
}

// Close flushes; neither file may be used afterwards. The connection stays open.
func (s *Stream) Close() error {
	s.mu.Lock()
	err := s.flushLocked()
	s.closed = true
	s.mu.Unlock()
	return err
}

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

// filled records what rfile holds after a read into p. A full buffer that has a newline in it is
// taken by whoever reads lines.
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
	before, _ := s.rfile.Peek(held)
	if bytes.IndexByte(before, '\n') >= 0 || bytes.IndexByte(p, '\n') >= 0 {
		s.held = -1
	}
}

func (s *Stream) read(p []byte) (int, error) {
	for began := Now(); ; {
		s.clock.beforeRead(began)
		n, err := s.conn.Read(p)
		s.in.Add(int64(n))
		s.filled(p[:n])
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
	if err != nil || !spliced || n < r.rfile.Size()-1 || !splices.Try(maxSplices) {
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

// fail keeps an error after which nothing may be written: bytes taken from the sender may
// be lost.
func (s *Stream) fail(err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		s.err = PeerError(err)
	}
	return s.err
}

// armWrite returns how long a write may take.
func (s *Stream) armWrite() time.Duration {
	s.mu.Lock()
	wait := s.clock.beforeWrite()
	s.mu.Unlock()
	s.settle()
	return wait
}

// writeBuffers holds the write buffers of connections that have nothing to send. Handlers
// never hold one; rfile, which they may keep, is made for each connection.
var writeBuffers bufferPool

type bufferPool struct{ sync.Pool }

func (p *bufferPool) get(size int) *[]byte {
	if b, ok := p.Get().(*[]byte); ok && cap(*b) >= size {
		return b
	}
	b := make([]byte, 0, size)
	return &b
}

func (p *bufferPool) put(b *[]byte) {
	*b = (*b)[:0]
	p.Put(b)
}
