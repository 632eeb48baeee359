package framework

import (
	"bufio"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// stream is rfile and wfile of a connection. They are one object, so that a read
// that is about to block can flush what was written before it.
//
// A write while another goroutine is blocked in a read goes out at once, or what a
// room sends to its members would wait for the member's next word. The reader only
// tries the lock: it must not wait behind a write to a client that does not read,
// or a full-duplex copy deadlocks. Whoever holds the lock looks again after
// unlocking it (settle), so nothing is left behind.
type stream struct {
	conn     net.Conn
	rfile    *bufio.Reader
	clock    clock
	buffered bool // a write buffer is set
	closed   bool // guarded by mu
	reading  atomic.Bool

	mu     sync.Mutex
	size   int // of the write buffer
	room   int // bytes that the system is going to take without waiting
	buf    *[]byte
	err    error         // the first failed write; part of it may be out, so nothing may follow
	direct *socketWriter // of TryWrite; nil: not used yet
}

// alwaysTaken is how many bytes of a socket the system takes whether or not the client
// reads. Arming a deadline for them would be a twentieth of a short request.
const alwaysTaken = 4096

func newStream(conn net.Conn, t *Timeouts, readBuffer, writeBuffer int) *stream {
	s := &stream{conn: conn, size: writeBuffer, buffered: writeBuffer > 0}
	if _, ok := conn.(syscall.Conn); ok {
		s.room = alwaysTaken
	}
	s.clock.start(conn, t)
	s.rfile = bufio.NewReaderSize((*streamReader)(s), readBuffer)
	return s
}

func (s *stream) open() (*bufio.Reader, io.Writer) { return s.rfile, s }

// Write is wfile's.
func (s *stream) Write(p []byte) (int, error) {
	s.mu.Lock()
	n, err := s.write(p)
	s.mu.Unlock()
	s.settle()
	return n, err
}

func (s *stream) write(p []byte) (int, error) {
	if s.closed {
		return 0, errOver
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

func (s *stream) flush() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.flushLocked()
}

// flushLocked gives the buffer back, so that an idle connection holds none.
func (s *stream) flushLocked() error {
	if s.err != nil || s.buf == nil {
		return s.err
	}
	_, err := s.send(*s.buf)
	writeBuffers.put(s.buf)
	s.buf = nil
	return err
}

func (s *stream) send(p []byte) (int, error) {
	if s.room -= len(p); s.room < 0 {
		s.clock.beforeWrite()
	}
	n, err := s.conn.Write(p)
	s.clock.active()
	if err != nil {
		s.err = peerError(s.clock.writeError(err))
	}
	return n, s.err
}

// settle flushes for a reader that is blocked or about to be.
func (s *stream) settle() {
	for s.buffered && s.reading.Load() {
		if !s.mu.TryLock() {
			return // who holds it settles after unlocking
		}
		empty := s.buf == nil
		_ = s.flushLocked() // the error stays in s.err
		s.mu.Unlock()
		if empty {
			return
		}
	}
}

func (s *stream) close() error {
	s.mu.Lock()
	err := s.flushLocked()
	s.closed = true
	s.mu.Unlock()
	return err
}

// streamReader is what rfile reads from.
type streamReader stream

// Read flushes what was written, then waits for the client.
func (r *streamReader) Read(p []byte) (int, error) {
	s := (*stream)(r)
	s.reading.Store(true)
	s.settle()
	n, err := s.read(p)
	s.reading.Store(false)
	if err != nil {
		err = peerError(err)
	}
	return n, err
}

func (s *stream) read(p []byte) (int, error) {
	for began := now(); ; {
		s.clock.beforeRead(began)
		n, err := s.conn.Read(p)
		if err != nil && n == 0 && errors.Is(err, os.ErrDeadlineExceeded) && s.clock.early(began) {
			continue // something was written meanwhile: the connection is not idle
		}
		if err != nil {
			err = s.clock.readError(began, err)
		}
		return n, err
	}
}

// WriteTo makes io.Copy(wfile, rfile) as fast as between two connections: bufio
// looks for it. While the client sends in bulk the system moves the bytes without a
// copy; otherwise this is a loop of reads and writes.
//
// It reads into the buffer of rfile, which is empty: bufio has written what was in it.
func (r *streamReader) WriteTo(w io.Writer) (total int64, err error) {
	for err == nil {
		_, err = r.rfile.Peek(1) // an idle client keeps this on the stack, and no more
		var n int64
		n, err = r.moveOn(w, err)
		total += n
	}
	if isEnd(err) {
		err = nil
	}
	return total, err
}

// moveOn writes what has been read before err, and goes on while there is more.
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
	to, spliced := w.(*stream)
	if err != nil || !spliced || n < r.rfile.Size() {
		return int64(n), err
	}
	moved, err := to.splice((*stream)(r))
	return int64(n) + moved, err
}

// splice moves what from sends until it pauses or ends. It goes in steps that a slow
// reader manages within the write timeout, and waits for the sender only so long that
// a write deadline can not pass during that wait: bytes would be lost.
func (s *stream) splice(from *stream) (int64, error) {
	const step, pause = 128 << 10, 100 * time.Millisecond
	from.reading.Store(true)
	defer from.reading.Store(false)
	for total := int64(0); ; {
		if err := s.flush(); err != nil {
			return total, err
		}
		from.clock.readWithin(min(pause, s.armWrite()/2))
		writeBy := s.clock.writeBy.Load()
		part := &io.LimitedReader{R: wholeConn(from.conn), N: step}
		n, err := io.Copy(wholeConn(s.conn), part)
		total += n
		from.clock.active()
		s.clock.active()
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded) && now() < writeBy: // the sender's
			return total, nil
		case err != nil:
			return total, s.fail(s.clock.writeError(err))
		case part.N > 0:
			return total, nil
		}
	}
}

// fail notes an error after which nothing may be written: some of what was taken from the
// sender may be lost.
func (s *stream) fail(err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		s.err = peerError(err)
	}
	return s.err
}

// armWrite returns how long a write may take.
func (s *stream) armWrite() time.Duration {
	s.mu.Lock()
	wait := s.clock.beforeWrite()
	s.mu.Unlock()
	s.settle()
	return wait
}

// writeBuffers keeps the write buffers of connections that have none to send. Handlers
// never hold one; rfile, which they might keep, is made anew for each connection.
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
