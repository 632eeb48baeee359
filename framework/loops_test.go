package framework_test

import (
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/framework/frameworktest"
)

// counted is a server of datagrams whose socket can also send what a forged source would.
type counted struct {
	*framework.BaseServer
	conn   *net.UDPConn
	served atomic.Int64
}

func newCounted(t *testing.T, address string, strategy framework.Strategy) *counted {
	t.Helper()
	at, err := net.ResolveUDPAddr("udp", address)
	require.NoError(t, err)
	conn, err := net.ListenUDP("udp", at)
	if err != nil {
		t.Skip("needs IPv6:", err)
	}
	s := &counted{conn: conn}
	s.BaseServer = &framework.BaseServer{
		Transport: framework.PacketConn("udp", conn), Class: class(t, echo), Strategy: strategy,
		Trace: &framework.Trace{Started: func(*framework.Request, framework.Place, int) { s.served.Add(1) }},
	}
	return s
}

// reach is an address that leads to s, also where it listens at a wildcard.
func (s *counted) reach(host string) string {
	_, port, _ := net.SplitHostPort(s.conn.LocalAddr().String())
	return net.JoinHostPort(host, port)
}

// A datagram that comes from a server, as a forged one seems to, is not answered: the two would
// answer each other for ever.
func TestServersDoNotAnswerEachOther(t *testing.T) {
	for name, at := range map[string]struct{ one, other, host string }{
		"two servers":       {"127.0.0.1:0", "127.0.0.1:0", "127.0.0.1"},
		"itself":            {"127.0.0.1:0", "", "127.0.0.1"},
		"wildcard":          {"0.0.0.0:0", "127.0.0.1:0", "127.0.0.1"},
		"two wildcards":     {"0.0.0.0:0", "0.0.0.0:0", "127.0.0.7"},
		"itself, wildcard":  {"0.0.0.0:0", "", "127.0.0.1"},
		"IPv6":              {"[::1]:0", "[::1]:0", "::1"},
		"common wildcard":   {":0", "127.0.0.1:0", "127.0.0.1"},
		"common wildcard 6": {":0", "[::1]:0", "::1"},
	} {
		for strategy, make := range newStrategy {
			if name != "two servers" && strategy != "synchronous" && strategy != "preforking" {
				continue // the server answers, as under synchronous
			}
			t.Run(name+"/"+strategy, func(t *testing.T) {
				one := newCounted(t, at.one, make())
				other := one
				if at.other != "" {
					other = newCounted(t, at.other, make())
				}
				target, err := net.ResolveUDPAddr("udp", other.reach(at.host))
				require.NoError(t, err)
				_, err = one.conn.WriteTo([]byte("loop\n"), target)
				require.NoError(t, err)
				book := logOf(other.BaseServer)
				frameworktest.Serve(t, one.BaseServer)
				if other != one {
					frameworktest.Serve(t, other.BaseServer)
				}
				book.Await(t, "datagram not answered")
				client, err := net.Dial("udp", other.reach(at.host))
				require.NoError(t, err)
				frameworktest.Adopt(t, client)
				for range 5 {
					frameworktest.Send(t, client, "hello\n")
					frameworktest.Expect(t, client, "hello\n")
				}
				require.LessOrEqual(t, max(one.served.Load(), other.served.Load()), int64(5+3))
			})
		}
	}
}

// serverSocket is bound to a port that systems do not choose for a client.
func serverSocket(t *testing.T) *net.UDPConn {
	t.Helper()
	for port := 20000; ; port++ {
		conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port})
		if !errors.Is(err, syscall.EADDRINUSE) {
			require.NoError(t, err)
			return conn
		}
	}
}

// A server of another program, to which a forged datagram has led, is answered a bounded number of times.
// Then no datagram is on its way any more.
func TestLoopWithUnknownServerEnds(t *testing.T) {
	s := newCounted(t, "127.0.0.1:0", &framework.Synchronous{})
	s.Limits = &framework.Limits{Answers: 64 << 10}
	other := serverSocket(t)
	book := logOf(s.BaseServer)
	frameworktest.Serve(t, s.BaseServer)
	var echo sync.WaitGroup
	t.Cleanup(func() { _ = other.Close(); echo.Wait() })
	_, err := other.WriteTo([]byte("loop\n"), s.Addr())
	require.NoError(t, err)
	echo.Go(func() {
		buf := make([]byte, 100)
		for {
			n, from, err := other.ReadFrom(buf)
			if err != nil {
				return
			}
			_, _ = other.WriteTo(buf[:n], from)
		}
	})
	book.Await(t, "answer dropped: equal datagrams keep coming")
	conn := frameworktest.Dial(t, s.BaseServer)
	rounds := func(n int) {
		for range n {
			frameworktest.Send(t, conn, "loop\n")
			frameworktest.Expect(t, conn, "loop\n")
		}
	}
	rounds(1)
	served := s.served.Load()
	require.GreaterOrEqual(t, served, int64(10_000))
	rounds(10)
	require.Equal(t, served+10, s.served.Load(), "the loop has ended")
	_, err = other.WriteTo([]byte("another\n"), s.Addr())
	require.NoError(t, err)
	rounds(1)
	require.Greater(t, s.served.Load(), served+11, "of another datagram the source gets answers")
}

// A client of this machine whose port is that of a socket at another address is answered, and so
// is one whose port a server has had.
func TestClientWithThePortOfAServer(t *testing.T) {
	s := newCounted(t, "127.0.0.1:0", nil)
	frameworktest.Serve(t, s.BaseServer)
	other := newCounted(t, "127.0.0.1:0", nil)
	require.NoError(t, other.Listen())
	port := other.Addr().(*net.UDPAddr).Port
	neighbour, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 9), Port: port})
	if err != nil {
		t.Skip("needs other addresses of 127.0.0.0/8:", err)
	}
	frameworktest.Adopt(t, neighbour)
	require.NoError(t, other.Close())
	successor, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port})
	require.NoError(t, err)
	frameworktest.Adopt(t, successor)
	for _, client := range []*net.UDPConn{neighbour, successor} {
		_, err = client.WriteTo([]byte("hello\n"), s.Addr())
		require.NoError(t, err)
		frameworktest.Expect(t, client, "hello\n")
	}
}

// What a source gets beyond what it sends is bounded, whatever the strategy.
func TestAnswersAreBounded(t *testing.T) {
	for _, network := range []string{"udp", "unixgram"} {
		underEach(t, newStrategy, network, act, func(t *testing.T, s *framework.BaseServer) {
			s.Limits = &framework.Limits{Answers: 1}
			book := logOf(s)
			frameworktest.Serve(t, s)
			conn := frameworktest.Dial(t, s)
			for range 3 { // one of two workers gets two of them
				frameworktest.Send(t, conn, "flood 5000\n")
			}
			book.Await(t, "answer dropped: limit reached")
			require.Contains(t, book.String(), "limit=answers")
			require.Contains(t, book.String(), "value=1")
		})
	}
}

// A source whose answers were dropped has at once what a reload gives it.
func TestAnswersAfterARaise(t *testing.T) {
	s := newServer["udp"](t, class(t, act))
	s.Limits = &framework.Limits{Answers: 1}
	book := logOf(s)
	frameworktest.Serve(t, s)
	conn := frameworktest.Dial(t, s)
	answered := func() {
		frameworktest.Send(t, conn, "flood 5000\n")
		n, err := conn.Read(make([]byte, 10000))
		require.NoError(t, err)
		require.Equal(t, 5000, n)
	}
	answered() // which it pays for in an hour
	frameworktest.Send(t, conn, "flood 5000\n")
	book.Await(t, "answer dropped: limit reached")
	s.Limits.Change(&framework.Limits{Answers: 64 << 10})
	answered()
}

// Answers that are no longer than what was sent are not counted, and a client may send equal datagrams
// for long.
func TestEchoIsNotBounded(t *testing.T) {
	s := newServer["udp"](t, class(t, echo))
	s.Limits = &framework.Limits{Answers: 1}
	frameworktest.Serve(t, s)
	conn := frameworktest.Dial(t, s)
	for range 300 { // of 40 at once
		for range 40 {
			frameworktest.Send(t, conn, "hello\n")
		}
		for range 40 {
			frameworktest.Expect(t, conn, "hello\n")
		}
	}
}

// An error of a handler that wrote nothing is no answer.
func TestErrorIsNotAnswered(t *testing.T) {
	underEach(t, hooked(), "udp", act, func(t *testing.T, s *framework.BaseServer) {
		failed := errorsOf(s)
		frameworktest.Serve(t, s)
		conn := frameworktest.Dial(t, s)
		for _, verb := range []string{"error", "panic", "unknown"} {
			frameworktest.Send(t, conn, verb+" for a client\n")
			frameworktest.Await(t, failed)
		}
		frameworktest.Send(t, conn, "echo hello\n")
		frameworktest.Expect(t, conn, "hello\n")
	})
}

// namedPackets is a transport of datagrams whose clients have names for addresses.
type namedPackets struct {
	net.PacketConn
	from    chan name
	answers chan name
}

type name string

func (n name) Network() string { return "names" }
func (n name) String() string  { return string(n) }

func (p *namedPackets) ReadFrom(b []byte) (int, net.Addr, error) {
	from, ok := <-p.from
	if !ok {
		return 0, nil, net.ErrClosed
	}
	return copy(b, "flood 5000\n"), from, nil
}

func (p *namedPackets) WriteTo(b []byte, to net.Addr) (int, error) {
	p.answers <- to.(name)
	return len(b), nil
}

// Each source has answers of its own, whatever its address is.
func TestAnswersToNames(t *testing.T) {
	local, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	p := &namedPackets{local, make(chan name, 2), make(chan name, 2)}
	s := &framework.BaseServer{
		Transport: framework.PacketConn("names", p), Class: class(t, act), Strategy: &framework.Synchronous{}, Limits: &framework.Limits{Answers: 1},
	}
	served := start(t, s)
	p.from <- "a"
	require.Equal(t, name("a"), frameworktest.Await(t, p.answers))
	p.from <- "b"
	require.Equal(t, name("b"), frameworktest.Await(t, p.answers))
	s.Stop()
	close(p.from)
	require.ErrorIs(t, frameworktest.Await(t, served), framework.ErrServerClosed)
}
