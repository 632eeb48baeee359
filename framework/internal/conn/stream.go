// Package conn is rfile and wfile over a connection or a datagram, the deadlines that bound
// them, and connections that are only a descriptor.
package conn

import (
	"bufio"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
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
