package framework_test

import (
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/framework/frameworktest"
)

// Nothing written is no answer, unlike in socketserver.
func TestSilentDatagram(t *testing.T) {
	for _, network := range []string{"udp", "unixgram"} {
		underEach(t, newStrategy, network, act, func(t *testing.T, s *framework.BaseServer) {
			frameworktest.Serve(t, s)
			conn := frameworktest.Dial(t, s)
			frameworktest.Send(t, conn, "silent\n")
			requireSilent(t, conn)
			frameworktest.Send(t, conn, "echo one datagram\n")
			frameworktest.Expect(t, conn, "one datagram\n")
		})
	}
}

// What was written before an error or a panic is sent, as it is on a connection.
func TestDatagramSizes(t *testing.T) {
	for name, strategy := range newStrategy {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := framework.NewUDPServer("127.0.0.1:0", class(t, echo))
			s.Strategy = strategy()
			s.MaxPacketSize = 60000
			book := logOf(&s.BaseServer)
			frameworktest.Serve(t, &s.BaseServer)
			conn := frameworktest.Dial(t, &s.BaseServer)
			for _, size := range []int{1, 1500, 8193, 59999} {
				text := strings.Repeat("x", size) + "\n"
				frameworktest.Send(t, conn, text)
				answer := make([]byte, 1<<16)
				n, err := conn.Read(answer)
				require.NoError(t, err)
				require.Equal(t, text, string(answer[:n]), "in one datagram")
			}
			frameworktest.Send(t, conn, strings.Repeat("x", 60001)) // dropped, as it would be cut
			book.Await(t, "longer than max_packet_size")
			frameworktest.Send(t, conn, "hello\n")
			frameworktest.Expect(t, conn, "hello\n")
		})
	}
}

// An empty datagram is a request whose rfile is at its end.
func TestEmptyDatagram(t *testing.T) {
	underEach(t, newStrategy, "udp", echo, func(t *testing.T, s *framework.BaseServer) {
		frameworktest.Serve(t, s)
		conn := frameworktest.Dial(t, s)
		_, err := conn.Write(nil)
		require.NoError(t, err)
		frameworktest.Send(t, conn, "hello\n")
		frameworktest.Expect(t, conn, "hello\n")
	})
}

// An answer to a client that has gone disturbs nobody.
func TestDatagramClientGone(t *testing.T) {
	for _, network := range []string{"udp", "unixgram"} {
		s := newServer[network](t, class(t, act))
		s.Strategy = &framework.Threading{}
		frameworktest.Serve(t, s)
		for range 10 {
			conn := frameworktest.Dial(t, s)
			frameworktest.Send(t, conn, "echo hello\n")
			require.NoError(t, conn.Close())
		}
		require.Equal(t, "hello\n", ask(t, s, "echo hello\n"))
	}
}

// Stop lets the answers out that are under way.
func TestDatagramStop(t *testing.T) {
	for network, server := range newServer {
		if network != "udp" && network != "unixgram" {
			continue
		}
		for name, strategy := range hooked() {
			t.Run(network+"/"+name, func(t *testing.T) {
				t.Parallel()
				s := server(t, class(t, act))
				s.Strategy = strategy()
				began := make(chan struct{}, 1)
				s.VerifyRequest = func(*framework.Request) bool { began <- struct{}{}; return true }
				served := start(t, s)
				conn := frameworktest.Dial(t, s)
				frameworktest.Send(t, conn, "wait\n")
				frameworktest.Await(t, began)
				frameworktest.Shutdown(t, s)
				answer, err := io.ReadAll(io.LimitReader(conn, int64(len("waiting\ncancelled\n"))))
				require.NoError(t, err)
				require.Equal(t, "waiting\ncancelled\n", string(answer))
				require.ErrorIs(t, frameworktest.Await(t, served), framework.ErrServerClosed)
			})
		}
	}
}

// Addresses are those of the client, of IPv4 also where the socket is one of IPv6.
func TestUDPAddresses(t *testing.T) {
	for name, at := range map[string]struct{ server, asked string }{
		"IPv4":                      {"127.0.0.1", "127.0.0.1"},
		"IPv6":                      {"::1", "::1"},
		"IPv4 at the wildcard":      {"0.0.0.0", "127.0.0.1"},
		"IPv4 at a common wildcard": {"", "127.0.0.1"},
		"IPv6 at the wildcard":      {"", "::1"},
	} {
		t.Run(name, func(t *testing.T) {
			s := framework.NewUDPServer(net.JoinHostPort(at.server, "0"), class(t, echo))
			requests := make(chan *framework.Request, 1)
			s.VerifyRequest = func(r *framework.Request) bool { requests <- r; return true }
			if c, err := net.ListenPacket("udp", net.JoinHostPort(at.asked, "0")); err != nil {
				t.Skip("needs IPv6:", err)
			} else {
				require.NoError(t, c.Close())
			}
			frameworktest.Serve(t, &s.BaseServer)
			conn := dialUDP(t, &s.BaseServer, at.asked)
			frameworktest.Send(t, conn, "hello\n")
			frameworktest.Expect(t, conn, "hello\n")
			r := frameworktest.Await(t, requests)
			require.Equal(t, conn.LocalAddr().String(), r.ClientAddress.String())
			if at.server == at.asked || runtime.GOOS == "linux" {
				require.Equal(t, conn.RemoteAddr().String(), r.LocalAddress.String())
			}
		})
	}
}

// dialUDP makes a client that takes answers from host alone.
func dialUDP(t *testing.T, s *framework.BaseServer, host string) net.Conn {
	t.Helper()
	_, port, err := net.SplitHostPort(s.Addr().String())
	require.NoError(t, err)
	conn, err := net.Dial("udp", net.JoinHostPort(host, port))
	require.NoError(t, err)
	return frameworktest.Adopt(t, conn)
}

// Datagrams that are dropped do not put off the end of HandleRequest.
func TestHandleRequestOfLongDatagrams(t *testing.T) {
	s := framework.NewUDPServer("127.0.0.1:0", class(t, echo))
	s.MaxPacketSize, s.Timeout = 10, 1
	late, served := 0, 0
	s.HandleTimeout = func() { late++ }
	s.VerifyRequest = func(*framework.Request) bool { served++; return true }
	require.NoError(t, s.Listen())
	defer s.Close()
	conn := frameworktest.Dial(t, &s.BaseServer)
	for range 10 {
		frameworktest.Send(t, conn, "this is too long\n")
	}
	frameworktest.Send(t, conn, "hello\n")
	require.NoError(t, s.HandleRequest())
	require.Equal(t, 1, late)
	require.Zero(t, served)
}

// An answer that no datagram can hold is an error of its request and not sent, also where the handler does not look at errors of
// its writes.
func TestAnswerTooLong(t *testing.T) {
	const most = 65507
	for _, network := range []string{"udp", "unixgram"} {
		underEach(t, hooked(), network, act, func(t *testing.T, s *framework.BaseServer) {
			failed := make(chan error, 1)
			s.HandleError = func(_ *framework.Request, err error) { failed <- err }
			frameworktest.Serve(t, s)
			conn := frameworktest.Dial(t, s)
			for _, verb := range []string{"flood", "drip"} {
				frameworktest.Send(t, conn, fmt.Sprintln(verb, most+1))
				require.ErrorContains(t, frameworktest.Await(t, failed), "the answer is longer than 65507 bytes")
				frameworktest.Send(t, conn, fmt.Sprintln(verb, most))
				answer := make([]byte, 1<<17)
				n, err := conn.Read(answer)
				require.NoError(t, err)
				require.Equal(t, most, n)
			}
		})
	}
}
