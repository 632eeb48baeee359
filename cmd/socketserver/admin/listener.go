package admin

import (
	"errors"
	"net"
	"os"
	"sync"
	"syscall"

	"github.com/go-socketserver/socketserver/cmd/socketserver/web"
	"github.com/go-socketserver/socketserver/framework"
)

// A listener accepts at most maxConnections at once; more wait. Clients that are not permitted have a
// few slots of their own, to be told so, and commands that wait for something have others. It keeps a descriptor in reserve, so that it accepts one client
// where the process has no other descriptor left.
type listener struct {
	socket    *framework.Socket
	transport framework.Transport
	allow     []string
	slots     chan struct{}
	strangers chan struct{}
	waiting   chan struct{}
	closed    chan struct{}
	once      sync.Once

	mu      sync.Mutex
	reserve *os.File // nil: in use
}

// listen listens on the socket.
func listen(socket *framework.Socket, allow []string) (*listener, error) {
	l := &listener{
		socket: socket, transport: socket.Transport(), allow: allow,
		slots: make(chan struct{}, maxConnections), strangers: make(chan struct{}, 4), waiting: make(chan struct{}, maxWaiting), closed: make(chan struct{}),
	}
	if err := l.transport.Open(); err != nil {
		return nil, err
	}
	l.hold()
	return l, nil
}

// Accept returns the next connection.
func (l *listener) Accept() (net.Conn, error) {
	for {
		c, err := l.accept()
		if err != nil {
			return nil, err
		}
		own := &connection{Conn: c, peer: peerAt(c), listener: l, slots: l.slots}
		if !own.peer.permitted(l.allow) {
			own.slots = l.strangers
			select {
			case own.slots <- struct{}{}:
				return own, nil
			default:
				_ = c.Close()
				l.hold()
				continue
			}
		}
		select {
		case own.slots <- struct{}{}:
			return own, nil
		case <-l.closed:
			_ = c.Close()
			return nil, net.ErrClosed
		}
	}
}

func (l *listener) accept() (net.Conn, error) {
	r, err := l.transport.GetRequest()
	if (errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE)) && l.spend() {
		r, err = l.transport.GetRequest()
	}
	if err == nil {
		return r.Conn(), nil
	}
	if !errors.Is(err, net.ErrClosed) {
		l.hold()
	}
	return nil, web.Passing(err)
}

// hold opens the reserve.
func (l *listener) hold() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.reserve == nil {
		l.reserve, _ = os.Open(os.DevNull)
	}
}

// spend closes the reserve, and reports whether there was one.
func (l *listener) spend() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.reserve == nil {
		return false
	}
	_ = l.reserve.Close()
	l.reserve = nil
	return true
}

// Close stops accepting.
func (l *listener) Close() (err error) {
	l.once.Do(func() {
		close(l.closed)
		err = l.transport.Close()
	})
	return err
}

// Addr returns the path.
func (l *listener) Addr() net.Addr { return l.socket.Addr() }

// A connection has a slot of its listener until it is closed.
type connection struct {
	net.Conn
	peer     peer
	listener *listener
	once     sync.Once

	mu    sync.Mutex
	slots chan struct{} // nil: it is closed
}

// wait exchanges the slot for one of those that wait, and reports whether there was one.
func (c *connection) wait() bool {
	select {
	case c.listener.waiting <- struct{}{}:
	default:
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.slots == nil {
		<-c.listener.waiting
		return true
	}
	<-c.slots
	c.slots = c.listener.waiting
	return true
}

// Close closes the connection.
func (c *connection) Close() error {
	err := c.Conn.Close()
	c.once.Do(func() {
		c.listener.hold()
		c.mu.Lock()
		defer c.mu.Unlock()
		<-c.slots
		c.slots = nil
	})
	return err
}
