package framework_test

import (
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/framework/frameworktest"
)

// fakeTransport returns what a test puts into it.
type fakeTransport struct {
	requests chan *framework.Request
	errs     chan error
	fail     func() error // where it is set, what GetRequest returns for as long as it is not nil
	calls    atomic.Int64

	once     sync.Once
	closed   chan struct{}
	deadline chan time.Time
}

func newFakeTransport() *fakeTransport {
	return &fakeTransport{
		requests: make(chan *framework.Request), errs: make(chan error),
		closed: make(chan struct{}), deadline: make(chan time.Time, 10),
	}
}

func (*fakeTransport) Network() string { return "tcp" }
func (*fakeTransport) Open() error     { return nil }
func (*fakeTransport) Addr() net.Addr  { return &net.TCPAddr{} }

func (f *fakeTransport) SetDeadline(t time.Time) error {
	f.deadline <- t
	return nil
}

func (f *fakeTransport) Close() error {
	f.once.Do(func() { close(f.closed) })
	return nil
}

func (f *fakeTransport) GetRequest() (*framework.Request, error) {
	f.calls.Add(1)
	if f.fail != nil {
		if err := f.fail(); err != nil {
			return nil, err
		}
	}
	select {
	case r := <-f.requests:
		return r, nil
	case err := <-f.errs:
		return nil, err
	case <-f.closed:
		return nil, net.ErrClosed
	}
}

// countingConn counts what is done to a connection.
type countingConn struct {
	net.Conn
	writes, closes atomic.Int64
}

func (c *countingConn) Write(p []byte) (int, error) {
	c.writes.Add(1)
	return c.Conn.Write(p)
}

func (c *countingConn) Close() error {
	c.closes.Add(1)
	return c.Conn.Close()
}

func (c *countingConn) CloseWrite() error { return c.Conn.(*net.TCPConn).CloseWrite() }

// tcpPair is a connection of the loopback interface.
func tcpPair(t *testing.T) (server, client net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	client, err = net.Dial("tcp", l.Addr().String())
	require.NoError(t, err)
	server, err = l.Accept()
	require.NoError(t, err)
	t.Cleanup(func() { server.Close() })
	return server, frameworktest.Adopt(t, client)
}

// stayingClients makes a transport's clients stay until leave is closed: once the server has
// closed its half it waits for them, and no deadline of its own ends that.
type stayingClients struct {
	framework.Transport
	leave chan struct{}
}

func (c *stayingClients) GetRequest() (*framework.Request, error) {
	r, err := c.Transport.GetRequest()
	if err != nil {
		return nil, err
	}
	return framework.NewStreamRequest("tcp", &stayingConn{TCPConn: r.Conn().(*net.TCPConn), leave: c.leave}), nil
}

type stayingConn struct {
	*net.TCPConn
	leave  chan struct{}
	closed atomic.Bool // the server's half
}

func (c *stayingConn) CloseWrite() error {
	c.closed.Store(true)
	return c.TCPConn.CloseWrite()
}

func (c *stayingConn) Read(p []byte) (int, error) {
	if c.closed.Load() {
		<-c.leave
	}
	return c.TCPConn.Read(p)
}
