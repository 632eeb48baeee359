package admin

import (
	"errors"
	"net"
	"os"
	"sync"
	"syscall"

	"github.com/go-socketserver/socketserver/framework"
)

// A listener accepts at most maxConnections at once; more wait. It keeps a descriptor in reserve,
// so that it accepts one client where the process has no other descriptor left.
type listener struct {
	socket    *framework.Socket
	transport framework.Transport
	slots     chan struct{}
	closed    chan struct{}
	once      sync.Once

	mu      sync.Mutex
	reserve *os.File // nil: in use
}

// listen listens on the socket.
func listen(socket *framework.Socket) (*listener, error) {
	l := &listener{socket: socket, transport: socket.Transport(), slots: make(chan struct{}, maxConnections), closed: make(chan struct{})}
	if err := l.transport.Open(); err != nil {
		return nil, err
	}
	l.hold()
	return l, nil
}

// Accept returns the next connection.
func (l *listener) Accept() (net.Conn, error) {
	select {
	case l.slots <- struct{}{}:
	case <-l.closed:
		return nil, net.ErrClosed
	}
	r, err := l.transport.GetRequest()
	if errors.Is(err, syscall.EMFILE) && l.spend() {
		r, err = l.transport.GetRequest()
	}
	if err != nil {
		<-l.slots
		l.hold()
		return nil, err
	}
	return &connection{Conn: r.Conn(), listener: l}, nil
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
	listener *listener
	once     sync.Once
}

// Close closes the connection.
func (c *connection) Close() error {
	err := c.Conn.Close()
	c.once.Do(func() {
		c.listener.hold()
		<-c.listener.slots
	})
	return err
}
