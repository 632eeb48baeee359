package framework_test

import (
	"net"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/framework/frameworktest"
)

// hold makes a connection whose handler waits.
func hold(t *testing.T, s *framework.BaseServer) net.Conn {
	t.Helper()
	conn := frameworktest.Dial(t, s)
	frameworktest.Send(t, conn, "hold\n")
	frameworktest.Expect(t, conn, "holding\n")
	return conn
}

// requireSilent expects that nothing is said to conn for now.
func requireSilent(t *testing.T, conn net.Conn) {
	t.Helper()
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(30*time.Millisecond)))
	_, err := conn.Read(make([]byte, 1))
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(frameworktest.Patience)))
}

// The next connection waits for its turn, and Shutdown does not wait with it.
func TestLimitWaits(t *testing.T) {
	bounds := map[string]func(s *framework.BaseServer){
		"connections": func(s *framework.BaseServer) {
			s.Strategy, s.Limits = &framework.Threading{}, &framework.Limits{Connections: 2}
		},
		"max_threads":  func(s *framework.BaseServer) { s.Strategy = &framework.Threading{MaxThreads: 2} },
		"max_children": func(s *framework.BaseServer) { s.Strategy = &framework.Forking{MaxChildren: 2} },
		"synchronous":  func(*framework.BaseServer) {},
	}
	for name, set := range bounds {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newServer["tcp"](t, class(t, act))
			set(s)
			served := start(t, s)
			conn := hold(t, s)
			if name != "synchronous" {
				hold(t, s)
			}
			waiting := frameworktest.Dial(t, s)
			frameworktest.Send(t, waiting, "hold\n")
			requireSilent(t, waiting)
			frameworktest.Send(t, conn, "go\n")
			frameworktest.Expect(t, conn, "released go\n")
			frameworktest.Expect(t, waiting, "holding\n") // it has its place
			waiting = frameworktest.Dial(t, s)
			frameworktest.Send(t, waiting, "echo never\n")
			requireSilent(t, waiting)
			require.NoError(t, s.Close())
			require.ErrorIs(t, frameworktest.Await(t, served), framework.ErrServerClosed)
			frameworktest.ExpectEnd(t, waiting)
		})
	}
}

// A client that asks when it has been answered is one, however soon it does.
func TestLimitOfDatagrams(t *testing.T) {
	for name, strategy := range hooked() {
		for network, refusing := range map[string]*framework.Limits{
			"udp":      {PerSource: 1},
			"unixgram": {Connections: 1, Refuse: true},
		} {
			t.Run(name+"/"+network, func(t *testing.T) {
				t.Parallel()
				s := newServer[network](t, class(t, echo))
				s.Strategy, s.Limits = strategy(), refusing
				frameworktest.Serve(t, s)
				conn := frameworktest.Dial(t, s)
				for range 50 {
					frameworktest.Send(t, conn, "hello\n")
					frameworktest.Expect(t, conn, "hello\n")
				}
			})
		}
	}
}

// Or it is refused and told so.
func TestLimitRefuses(t *testing.T) {
	s := newServer["tcp"](t, class(t, act))
	s.Strategy = &framework.Threading{}
	s.Limits = &framework.Limits{Connections: 1, Refuse: true, Banner: "full, try later\n"}
	book := logOf(s)
	frameworktest.Serve(t, s)
	conn := hold(t, s)
	began := time.Now()
	for range 10 {
		refused := frameworktest.Dial(t, s)
		frameworktest.Send(t, refused, "what it says does not matter\n")
		frameworktest.Expect(t, refused, "full, try later\n")
		frameworktest.ExpectEnd(t, refused)
	}
	require.Contains(t, book.Await(t, "client refused"), "limit=connections")
	require.LessOrEqual(t, book.Count("client refused"), 2+int(time.Since(began)/time.Second), "one line a second")
	frameworktest.Send(t, conn, "go\n")
	frameworktest.Expect(t, conn, "released go\n")
	frameworktest.ExpectEnd(t, conn)
	eventually(t, func() bool { return s.Active() == 0 }, "the place is not given back")
	require.Equal(t, "hello\n", ask(t, s, "echo hello\n"))
}

// What one source may have is for itself alone.
func TestLimitPerSource(t *testing.T) {
	s := newServer["tcp"](t, class(t, act))
	s.Strategy = &framework.Threading{}
	s.Limits = &framework.Limits{PerSource: 2}
	frameworktest.Serve(t, s)
	for _, host := range []string{"127.0.0.2", "127.0.0.3"} {
		for range 2 {
			conn := dialFrom(t, s, host)
			frameworktest.Send(t, conn, "hold\n")
			frameworktest.Expect(t, conn, "holding\n")
		}
		frameworktest.ExpectEnd(t, dialFrom(t, s, host))
	}
}

// What was refused for another reason does not count against its source.
func TestLimitRefusedDoesNotCount(t *testing.T) {
	s := newServer["tcp"](t, class(t, act))
	s.Strategy = &framework.Threading{}
	s.Limits = &framework.Limits{Connections: 1, PerSource: 1, Refuse: true}
	frameworktest.Serve(t, s)
	conn := dialFrom(t, s, "127.0.0.2")
	frameworktest.Send(t, conn, "hold\n")
	frameworktest.Expect(t, conn, "holding\n")
	frameworktest.ExpectEnd(t, frameworktest.Dial(t, s))
	frameworktest.Send(t, conn, "go\n")
	frameworktest.Expect(t, conn, "released go\n")
	frameworktest.ExpectEnd(t, conn)
	eventually(t, func() bool { return s.Active() == 0 }, "the place is not given back")
	require.Equal(t, "hello\n", ask(t, s, "echo hello\n"))
}

// dialFrom connects from another address of this machine.
func dialFrom(t *testing.T, s *framework.BaseServer, host string) net.Conn {
	t.Helper()
	conn, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(host)}}).Dial("tcp", s.Addr().String())
	if err != nil {
		t.Skip("needs other addresses of 127.0.0.0/8:", err)
	}
	return frameworktest.Adopt(t, conn)
}

// Servers that share limits share the places.
func TestLimitShared(t *testing.T) {
	limits := &framework.Limits{Connections: 1, Refuse: true}
	one, two := newServer["tcp"](t, class(t, act)), newServer["unix"](t, class(t, act))
	for _, s := range []*framework.BaseServer{one, two} {
		s.Strategy, s.Limits = &framework.Threading{}, limits
		frameworktest.Serve(t, s)
	}
	hold(t, one)
	frameworktest.ExpectEnd(t, frameworktest.Dial(t, two))
}

// Datagrams count too, and give their place back.
func TestLimitDatagrams(t *testing.T) {
	s := newServer["udp"](t, class(t, act))
	s.Strategy, s.Limits = &framework.Threading{}, &framework.Limits{Connections: 1, PerSource: 1}
	frameworktest.Serve(t, s)
	for range 20 {
		require.Equal(t, "hello\n", ask(t, s, "echo hello\n"))
		eventually(t, func() bool { return s.Active() == 0 }, "the place is not given back")
	}
}

// The timeout of HandleRequest bounds it also where there is no room.
func TestLimitAndTimeout(t *testing.T) {
	limits := &framework.Limits{Connections: 1}
	busy, s := newServer["tcp"](t, class(t, act)), newServer["tcp"](t, class(t, act))
	busy.Strategy, busy.Limits = &framework.Threading{}, limits
	s.Strategy, s.Limits, s.Timeout = &framework.Threading{}, limits, 10*time.Millisecond
	timedOut := make(chan struct{}, 1)
	s.HandleTimeout = func() { timedOut <- struct{}{} }
	frameworktest.Serve(t, busy)
	hold(t, busy)
	require.NoError(t, s.HandleRequest())
	frameworktest.Await(t, timedOut)
	require.NoError(t, s.Close())
}

// One source cannot take all places, however many it may have.
func TestLimitPerSourceIsHalf(t *testing.T) {
	for _, limits := range []*framework.Limits{
		{Connections: 4, PerSource: 64}, {Connections: 4, PerSource: 4}, {Connections: 5, PerSource: 3}, {Connections: 4, PerSource: 3, Refuse: true},
	} {
		s := newServer["tcp"](t, class(t, act))
		s.Strategy, s.Limits = &framework.Threading{}, limits
		book := logOf(s)
		frameworktest.Serve(t, s)
		for range 2 {
			frameworktest.Send(t, dialFrom(t, s, "127.0.0.2"), "hold\n")
		}
		frameworktest.ExpectEnd(t, dialFrom(t, s, "127.0.0.2"))
		require.Contains(t, book.Await(t, "client refused"), "raise limits.connections")
		conn := dialFrom(t, s, "127.0.0.3")
		frameworktest.Send(t, conn, "echo hello\n")
		frameworktest.Expect(t, conn, "hello\n")
	}
}
