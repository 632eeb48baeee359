package load

import (
	"bufio"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/cmd/socketserver/compare/result"
	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/framework/frameworktest"
	"github.com/go-socketserver/socketserver/handlers/echo"
)

// serveSilence reads requests and never answers.
func serveSilence(t *testing.T, network string) string {
	t.Helper()
	return serveFunc(t, network, func(rfile *bufio.Reader, _ io.Writer) error {
		_, err := io.Copy(io.Discard, rfile)
		return err
	})
}

// A server that never answers ends the round in time, whatever the timeout is.
func TestNeverAnswers(t *testing.T) {
	for network, kinds := range map[string][]string{
		"tcp": {result.Connections, result.Conversations}, "udp": {result.Datagrams}, "unixgram": {result.Datagrams},
	} {
		for _, kind := range kinds {
			t.Run(network+" "+kind, func(t *testing.T) {
				address := serveSilence(t, network)
				for _, timeout := range []time.Duration{10 * time.Millisecond, time.Hour} {
					p := plan(network, address, kind)
					p.Timeout = timeout
					r := run(t, p)
					require.Zero(t, r.Requests)
					require.Equal(t, p.Clients, r.Unserved)
					if timeout > p.Duration {
						require.Empty(t, r.Errors)
						require.Equal(t, int64(p.Clients), r.Latencies.TotalCount())
						require.GreaterOrEqual(t, r.Latencies.Min(), int64(p.Duration*9/10))
						continue
					}
					require.Equal(t, []string{Timeout}, kindsOf(r))
					require.GreaterOrEqual(t, r.Latencies.Min(), int64(timeout*99/100))
				}
			})
		}
	}
}

func kindsOf(r *Round) []string {
	var all []string
	for kind := range r.Errors {
		all = append(all, kind)
	}
	return all
}

// One client of a synchronous server has a conversation; the others are shown as unserved.
func TestStarved(t *testing.T) {
	p := long(conversations(serve(t, "tcp", frameworktest.Class(t, echo.Constructor, ""), &framework.Synchronous{})))
	r := run(t, p)
	require.Positive(t, r.Requests)
	require.Empty(t, r.Errors)
	require.Equal(t, p.Clients-1, r.Unserved)
	require.GreaterOrEqual(t, r.Latencies.Max(), int64(p.Duration*9/10))
}

// A server that dies in the middle.
func TestDies(t *testing.T) {
	p := conversations(mortal(t))
	p.Duration = 3 * time.Second
	r := run(t, p)
	require.LessOrEqual(t, r.Requests, int64(19))
	require.Positive(t, r.Requests)
	require.Positive(t, r.Errors[ClosedEarly]+r.Errors[Reset])
	require.Positive(t, r.Errors[Refused])
}

// What refuses is not hammered.
func TestRefused(t *testing.T) {
	nobody := frameworktest.Address(t, "tcp")
	for _, rate := range []float64{0, 100_000} {
		p := connections(nobody)
		p.Rate = rate
		r := run(t, p)
		require.Equal(t, []string{Refused}, kindsOf(r))
		require.Equal(t, p.Clients, r.Unserved)
		require.LessOrEqual(t, r.Errors[Refused], int64(10*p.Clients))
	}
}

// What goes wrong is counted by its kind.
func TestErrors(t *testing.T) {
	for kind, misbehave := range map[string]func(net.Conn){
		ClosedEarly: func(conn net.Conn) {
			readLine(conn)
			_, _ = io.WriteString(conn, "half a")
		},
		Reset: func(conn net.Conn) {
			readLine(conn)
			_ = conn.(*net.TCPConn).SetLinger(0)
		},
		WrongAnswer: func(conn net.Conn) {
			readLine(conn)
			_, _ = io.WriteString(conn, "what the clients did not say\n")
			readLine(conn)
		},
	} {
		t.Run(kind, func(t *testing.T) {
			r := run(t, long(conversations(accept(t, misbehave))))
			require.Zero(t, r.Requests)
			require.Equal(t, []string{kind}, kindsOf(r))
		})
	}
	t.Run("more than was asked for", func(t *testing.T) {
		r := run(t, long(conversations(accept(t, func(conn net.Conn) {
			readLine(conn)
			_, _ = io.WriteString(conn, "what the clients say\nand more\n")
			readLine(conn)
		}))))
		require.Equal(t, []string{WrongAnswer}, kindsOf(r))
	})
	t.Run("no socket", func(t *testing.T) {
		r := run(t, long(plan("unix", t.TempDir()+"/none", result.Connections)))
		require.Equal(t, []string{"no such file or directory"}, kindsOf(r))
	})
}

// An answer without an end is a wrong one.
func TestEndlessAnswer(t *testing.T) {
	c := newTestClient(t, connections(serveFunc(t, "tcp", func(_ *bufio.Reader, wfile io.Writer) error {
		for {
			if _, err := wfile.Write(make([]byte, 64<<10)); err != nil {
				return err
			}
		}
	})))
	defer c.close()
	require.ErrorIs(t, c.request(), errWrongAnswer)
}

// A queue that is full is neither a timeout nor hammered.
func TestQueueFull(t *testing.T) {
	path := t.TempDir() + "/s"
	l, err := net.Listen("unix", path)
	require.NoError(t, err)
	defer l.Close()
	require.Equal(t, QueueFull, fillQueue(t, path))
}

// fillQueue connects until the listener's queue is full, and returns the kind of error.
func fillQueue(t *testing.T, path string) string {
	t.Helper()
	for {
		conn, err := net.DialTimeout("unix", path, frameworktest.Patience)
		if err != nil {
			return kind(err)
		}
		defer conn.Close()
	}
}

// A datagram that is lost is a timeout, and the others are answered.
func TestLostDatagrams(t *testing.T) {
	var mu sync.Mutex
	var received int
	p := plan("udp", serveFunc(t, "udp", func(rfile *bufio.Reader, wfile io.Writer) error {
		mu.Lock()
		received++
		lost := received%2 == 0
		mu.Unlock()
		if lost {
			return nil
		}
		_, err := io.Copy(wfile, rfile)
		return err
	}), result.Datagrams)
	p.Timeout, p.Duration = 10*time.Millisecond, 200*time.Millisecond
	r := run(t, p)
	require.Positive(t, r.Requests)
	require.Positive(t, r.Errors[Timeout])
}

// An answer that comes too late is not taken for that of the next request.
func TestLateDatagrams(t *testing.T) {
	for _, network := range []string{"udp", "unixgram"} {
		t.Run(network, func(t *testing.T) {
			held := make(chan struct{})
			var mu sync.Mutex
			address := serveFunc(t, network, func(rfile *bufio.Reader, wfile io.Writer) error {
				mu.Lock()
				before, own := held, make(chan struct{})
				held = own
				mu.Unlock()
				close(before) // the answer to the one before
				<-own
				_, err := io.Copy(wfile, rfile)
				return err
			})
			defer func() {
				mu.Lock()
				defer mu.Unlock()
				close(held)
			}()
			p := plan(network, address, result.Datagrams)
			p.Clients, p.Timeout = 1, 10*time.Millisecond
			r := run(t, p)
			require.Zero(t, r.Requests)
			require.Equal(t, []string{Timeout}, kindsOf(r))
		})
	}
}
