package conn

import (
	"cmp"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/go-socketserver/socketserver/framework/internal/handoff"
	"github.com/go-socketserver/socketserver/framework/internal/life"
	"github.com/go-socketserver/socketserver/framework/internal/rawsock"
)

// A Relay copies between a connection and a socketpair, whose other end goes to a process
// that cannot be handed the connection: it has no descriptor, or bytes of it pass through a
// layer of this process. It costs two goroutines, a buffer, and another one while the process writes.
type Relay struct {
	conn *Client
	pair *os.File
	raw  syscall.RawConn // of pair

	begin  sync.Once      // by Start, or by Finish where that has not been
	up     chan struct{}  // closed when nothing is read of conn any more
	down   sync.WaitGroup // process to client
	ending chan struct{}  // closed when the process is done: what it has written is in pair
	ended  atomic.Bool    // the client's end has been passed on, or is about to be
	cut    atomic.Bool    // the client's end was no regular one
}

// NewRelay makes a relay and returns the descriptor for the process, which the caller
// closes. conn stays the caller's, and is not touched before Start.
func NewRelay(conn net.Conn, write time.Duration) (*Relay, *handoff.Descriptor, error) {
	pair, theirs, err := handoff.StreamPair()
	if err != nil {
		return nil, nil, err
	}
	raw, err := pair.SyscallConn()
	if err != nil {
		return nil, nil, errors.Join(err, pair.Close(), theirs.Close())
	}
	return &Relay{conn: NewClient(conn, write), pair: pair, raw: raw, up: make(chan struct{}), ending: make(chan struct{})}, theirs, nil
}

// Start begins to copy, once: there is a process that has its end, or is going to. A start that is tried again calls it again.
func (r *Relay) Start() {
	r.begin.Do(func() {
		go r.toProcess()
		r.down.Go(r.toClient)
	})
}

// relayBuffers hold what is being copied; a record of TLS fits into one.
var relayBuffers = sync.Pool{New: func() any { return new([16 << 10]byte) }}

// toProcess passes the client's end of stream on. A connection that was cut off has ended for the
// process, too, as a socketpair can say no more. Where the process reads no more the rest
// stays unread in conn.
func (r *Relay) toProcess() {
	defer close(r.up)
	buf := relayBuffers.Get().(*[16 << 10]byte)
	defer relayBuffers.Put(buf)
	_, _ = io.CopyBuffer(struct{ io.Writer }{r.pair}, r.conn, buf[:]) // a file would take a buffer of its own
	r.cut.Store(errors.Is(r.conn.Ended(), ErrPeerGone))
	r.ended.Store(true)
	_ = r.raw.Control(func(fd uintptr) { _ = shutdownWrite(fd) })
}

// toClient passes the process's end of stream on. A client that takes nothing within the
// write timeout is cut off: the process then fails to write.
func (r *Relay) toClient() {
	for quiet := false; ; {
		buf, n, err := r.receive()
		if n > 0 {
			quiet = false
			_, failed := r.conn.Write(buf[:n])
			relayBuffers.Put(buf)
			if failed != nil {
				_ = r.pair.Close()
				return
			}
		}
		switch {
		case err == nil:
		case errors.Is(err, io.EOF):
			if !r.isLeft() {
				r.conn.CloseWrite()
			}
			return
		case !life.Closed(r.ending) || quiet || !errors.Is(err, os.ErrDeadlineExceeded):
			return
		default: // a deadline that passed during a write says nothing of what is in pair
			quiet = true
			_ = r.pair.SetReadDeadline(time.Now().Add(settling))
		}
	}
}

// isLeft reports whether telling the client of the end is left to who closes conn and knows how the request has ended.
// That is where the client can be told, and the process has not only ended its output but left, or does so within a moment.
// Once the client has ended, too, the system does not tell one from the other: that the process is done does.
func (r *Relay) isLeft() (left bool) {
	if _, tells := asFailer(r.conn.Conn); !tells {
		return false
	}
	_ = r.pair.SetReadDeadline(time.Now().Add(settling))
	_ = r.raw.Read(func(fd uintptr) bool {
		left = hungUp(fd)
		return left
	})
	if !left || !r.ended.Load() {
		return left
	}
	select {
	case <-r.ending:
		return true
	case <-time.After(settling):
		return false
	}
}

// receive waits for what the process writes. The buffer is taken for each attempt, so that a relay that
// waits holds none; it is the caller's if n > 0.
func (r *Relay) receive() (buf *[16 << 10]byte, n int, err error) {
	var failed error
	err = r.raw.Read(func(fd uintptr) bool {
		buf = relayBuffers.Get().(*[16 << 10]byte)
		if n, failed = rawsock.Receive(fd, buf[:]); n == 0 {
			relayBuffers.Put(buf)
		}
		return !errors.Is(failed, syscall.EAGAIN)
	})
	if err = cmp.Or(err, failed); err == nil && n == 0 {
		err = io.EOF
	}
	return buf, n, err
}

// settling is how long a process that is done, or has left its end to another one, may be
// silent before the relay ends, and how long after the end of its output it may leave.
const settling = 100 * time.Millisecond

// deadlinePatience is what a read may take to notice its deadline, on a loaded machine too.
const deadlinePatience = 5 * time.Second

// Finish waits until what the process wrote has been passed on, and ends the relay: nothing reads conn
// then. It is called when the process is done with its end, and returns ErrPeerGone if the client was cut
// off. A conn whose reads take no notice of a deadline is closed.
func (r *Relay) Finish() error {
	started := true
	r.begin.Do(func() { started = false })
	if !started {
		_ = r.pair.Close()
		return nil
	}
	close(r.ending)
	_ = r.pair.SetReadDeadline(time.Now().Add(settling))
	r.down.Wait()
	if r.conn.SetReadDeadline(past) != nil {
		_ = r.conn.Close()
	}
	_ = r.pair.Close()
	select {
	case <-r.up:
	case <-time.After(deadlinePatience):
		_ = r.conn.Close()
	}
	if r.cut.Load() {
		return ErrPeerGone
	}
	return nil
}

// Bytes returns the number of bytes that were read of the client and written to it.
func (r *Relay) Bytes() (in, out int64) { return r.conn.in.Load(), r.conn.out.Load() }

// Abort ends the relay at once; Finish still has to be called.
func (r *Relay) Abort() {
	_ = r.conn.SetDeadline(past)
	_ = r.pair.Close()
}

var past = time.Unix(1, 0)
