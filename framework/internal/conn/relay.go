package conn

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-socketserver/socketserver/framework/internal/handoff"
)

// A Relay copies between a connection and a socketpair, whose other end goes to a process
// that cannot be handed the connection: it has no descriptor, or bytes of it pass through a
// layer of this process. It costs two goroutines and two buffers of 32 KiB.
type Relay struct {
	conn *Client
	pair net.Conn

	down   sync.WaitGroup // process to client
	ending atomic.Bool    // the process is done: what it has written is in pair
	cut    atomic.Bool    // the client's end was no regular one
}

// NewRelay starts a relay and returns the descriptor for the process, which the caller
// closes. conn stays the caller's.
func NewRelay(conn net.Conn, write time.Duration) (*Relay, *handoff.Descriptor, error) {
	pair, theirs, err := handoff.StreamPair()
	if err != nil {
		return nil, nil, err
	}
	r := &Relay{conn: NewClient(conn, write), pair: pair}
	go r.toProcess()
	r.down.Go(r.toClient)
	return r, theirs, nil
}

// toProcess passes the client's end of stream on. A connection that was cut off has ended for the
// process, too, as a socketpair can say no more. Where the process reads no more the rest
// stays unread in conn.
func (r *Relay) toProcess() {
	_, _ = io.Copy(r.pair, r.conn)
	r.cut.Store(errors.Is(r.conn.Ended(), ErrPeerGone))
	closeWrite(r.pair)
}

// toClient passes the process's end of stream on. A client that takes nothing within the
// write timeout is cut off: the process then fails to write.
func (r *Relay) toClient() {
	buf := make([]byte, 32<<10)
	for quiet := false; ; {
		n, err := r.pair.Read(buf)
		if n > 0 {
			quiet = false
			if _, err := r.conn.Write(buf[:n]); err != nil {
				_ = r.pair.Close()
				return
			}
		}
		switch {
		case err == nil:
		case errors.Is(err, io.EOF):
			r.conn.CloseWrite()
			return
		case !r.ending.Load() || quiet || !errors.Is(err, os.ErrDeadlineExceeded):
			return
		default: // a deadline that passed during a write says nothing of what is in pair
			quiet = true
			_ = r.pair.SetReadDeadline(time.Now().Add(settling))
		}
	}
}

// settling is how long a process that is done, or has left its end to another one, may be
// silent before the relay ends.
const settling = 100 * time.Millisecond

// Finish waits until what the process wrote has been passed on, and ends the relay. It is called
// when the process is done with its end, and returns ErrPeerGone if the client was cut off. A read
// of conn that takes no notice of its deadline ends when the caller closes conn.
func (r *Relay) Finish() error {
	r.ending.Store(true)
	_ = r.pair.SetReadDeadline(time.Now().Add(settling))
	r.down.Wait()
	_ = r.conn.SetReadDeadline(past)
	_ = r.pair.Close()
	if r.cut.Load() {
		return ErrPeerGone
	}
	return nil
}

// Abort ends the relay at once; Finish still has to be called.
func (r *Relay) Abort() {
	_ = r.conn.SetDeadline(past)
	_ = r.pair.Close()
}

var past = time.Unix(1, 0)
