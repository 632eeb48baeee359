package load

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/cmd/socketserver/compare/result"
	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/handlers/echo"
)

// Every kind of load, over every network, with every end of an answer.
func TestLoads(t *testing.T) {
	for _, network := range []string{"tcp", "unix"} {
		for kind, answers := range map[string][]string{
			result.Connections:   {Line, Chunk, EOF},
			result.Conversations: {Line, Chunk},
		} {
			for _, answer := range answers {
				t.Run(network+" "+kind+" "+answer, func(t *testing.T) {
					p := plan(network, serveEcho(t, network), kind)
					p.Answer = answer
					requireServed(t, p)
				})
			}
		}
	}
	for _, network := range []string{"udp", "unixgram"} {
		t.Run(network, func(t *testing.T) {
			t.Setenv("TMPDIR", t.TempDir())
			requireServed(t, plan(network, serveEcho(t, network), result.Datagrams))
			left, err := os.ReadDir(os.TempDir())
			require.NoError(t, err)
			require.Empty(t, left)
		})
	}
}

func requireServed(t *testing.T, p Plan) {
	t.Helper()
	r := run(t, p)
	require.Empty(t, r.Errors)
	require.Positive(t, r.Answered)
	require.GreaterOrEqual(t, r.Latencies.TotalCount(), r.Answered)
	require.LessOrEqual(t, r.Latencies.TotalCount(), r.Answered+int64(p.Clients))
	require.Equal(t, p.Duration, r.Elapsed)
	require.Positive(t, r.CPU)
}

// One request tells how long an answer takes, or why there is none.
func TestTry(t *testing.T) {
	for _, network := range []string{"tcp", "unix", "udp", "unixgram"} {
		kind := result.Connections
		if network == "udp" || network == "unixgram" {
			kind = result.Datagrams
		}
		took, err := Try(t.Context(), plan(network, serveEcho(t, network), kind))
		require.NoError(t, err)
		require.Positive(t, took)
	}
	p := plan("tcp", serveEcho(t, "tcp"), result.Connections)
	p.Contains = []byte("something else")
	_, err := Try(t.Context(), p)
	require.EqualError(t, err, WrongAnswer)
	p.Message, p.Timeout = []byte("no end of a line"), 20*time.Millisecond
	_, err = Try(t.Context(), p)
	require.EqualError(t, err, Timeout)
}

// The warm-up is not counted, and both hooks are called with the clients at work.
func TestWarmup(t *testing.T) {
	var begun, ended, asked int64
	var mu sync.Mutex
	p := conversations(serveFunc(t, "tcp", func(rfile *bufio.Reader, wfile io.Writer) error {
		for {
			line, err := rfile.ReadString('\n')
			if err != nil {
				return err
			}
			mu.Lock()
			asked++
			mu.Unlock()
			if _, err := io.WriteString(wfile, line); err != nil {
				return err
			}
		}
	}))
	look := func(at *int64) func() {
		return func() {
			mu.Lock()
			defer mu.Unlock()
			*at = asked
		}
	}
	p.Warmup, p.Begin, p.End = p.Duration, look(&begun), look(&ended)
	r := run(t, p)
	require.Positive(t, begun)
	require.Greater(t, ended, begun)
	require.Less(t, r.Answered, ended)
	require.Positive(t, r.Answered)
}

// What ends in the warm-up is not counted, be it an answer or an error.
func TestNotCounted(t *testing.T) {
	c := newTestClient(t, conversations("127.0.0.1:1"))
	c.now = c.begin.Add(-1)
	c.count(nil)
	c.count(errWrongAnswer)
	require.Zero(t, c.answered)
	require.Empty(t, c.errors)
	c.now = c.begin
	c.count(nil)
	c.count(errWrongAnswer)
	require.Equal(t, int64(1), c.answered)
	require.Equal(t, map[string]int64{WrongAnswer: 1}, c.errors)
}

// An open loop sends as many requests as it is to, and no more.
func TestRate(t *testing.T) {
	p := connections(serveEcho(t, "tcp"))
	p.Rate, p.Duration = 200, 200*time.Millisecond
	r := run(t, p)
	require.Empty(t, r.Errors)
	require.LessOrEqual(t, r.Answered, int64(40))
	require.GreaterOrEqual(t, r.Answered, int64(20))
}

// What was due while the server stalled shows, although each client had only one request
// under way.
func TestOpenLoopShowsStall(t *testing.T) {
	const stall = 150 * time.Millisecond
	var begin sync.Once
	stalled := make(chan struct{}) // closed while the server does not stall
	close(stalled)
	var mu sync.Mutex
	p := conversations(serveFunc(t, "tcp", func(rfile *bufio.Reader, wfile io.Writer) error {
		for {
			line, err := rfile.ReadString('\n')
			if err != nil {
				return err
			}
			mu.Lock()
			wait := stalled
			mu.Unlock()
			<-wait
			if _, err := io.WriteString(wfile, line); err != nil {
				return err
			}
		}
	}))
	p.Rate, p.Warmup, p.Duration = 1000, 50*time.Millisecond, 2*stall
	p.Begin = func() {
		begin.Do(func() {
			mu.Lock()
			defer mu.Unlock()
			stalled = make(chan struct{})
			time.AfterFunc(stall, func() { close(stalled) })
		})
	}
	r := run(t, p)
	require.Empty(t, r.Errors)
	// Half of the requests were due in the stall, at any time of it.
	require.Greater(t, r.Latencies.ValueAtPercentile(90), int64(stall/2))
	require.Less(t, r.Latencies.ValueAtPercentile(10), int64(stall/2))
	require.Greater(t, r.Latencies.TotalCount(), int64(250))
}

// A stall that the round does not see the end of shows too.
func TestOpenLoopShowsStallAtEnd(t *testing.T) {
	p := conversations(serveSilence(t, "tcp"))
	p.Rate = 1000
	r := run(t, p)
	require.Zero(t, r.Answered)
	require.Empty(t, r.Errors)
	require.Equal(t, p.Clients, r.Unserved)
	require.Equal(t, int64(100), r.Latencies.TotalCount())
	require.InDelta(t, int64(p.Duration/2), r.Latencies.ValueAtPercentile(50), float64(p.Duration/50))
}

// serveSilence takes what it is sent and never answers.
func serveSilence(t *testing.T, network string) string {
	t.Helper()
	return serveFunc(t, network, func(rfile *bufio.Reader, _ io.Writer) error {
		_, err := io.Copy(io.Discard, rfile)
		return err
	})
}

// A wait that the end of the round cut short counts where it was longer than usual.
func TestUsual(t *testing.T) {
	c := newTestClient(t, conversations("127.0.0.1:1"))
	for range 100 {
		c.shard.record(10 * time.Millisecond)
	}
	c.waiting, c.since = true, c.end.Add(-5*time.Millisecond)
	require.Equal(t, int64(100), c.sum([]*client{c}, 0).Latencies.TotalCount())
	c.since = c.end.Add(-20 * time.Millisecond)
	sum := c.sum([]*client{c}, 0)
	require.Equal(t, int64(101), sum.Latencies.TotalCount())
	require.Equal(t, 1, sum.Unserved)
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
					require.Zero(t, r.Answered)
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
	p := conversations(serve(t, "tcp", classOf(t, echo.Constructor), &framework.Synchronous{}))
	r := run(t, p)
	require.Positive(t, r.Answered)
	require.Empty(t, r.Errors)
	require.Equal(t, p.Clients-1, r.Unserved)
	require.GreaterOrEqual(t, r.Latencies.Max(), int64(p.Duration*9/10))
}

// A server that dies in the middle.
func TestDies(t *testing.T) {
	p := conversations(mortal(t))
	p.Duration = 300 * time.Millisecond
	r := run(t, p)
	require.LessOrEqual(t, r.Answered, int64(19))
	require.Positive(t, r.Answered)
	require.Positive(t, r.Errors[ClosedEarly]+r.Errors[Reset])
	require.Positive(t, r.Errors[Refused])
}

// What refuses is not hammered.
func TestRefused(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, l.Close())
	for _, rate := range []float64{0, 100_000} {
		p := connections(l.Addr().String())
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
			r := run(t, conversations(accept(t, misbehave)))
			require.Zero(t, r.Answered)
			require.Equal(t, []string{kind}, kindsOf(r))
		})
	}
	t.Run("more than was asked for", func(t *testing.T) {
		r := run(t, conversations(accept(t, func(conn net.Conn) {
			readLine(conn)
			_, _ = io.WriteString(conn, "what the clients say\nand more\n")
			readLine(conn)
		})))
		require.Equal(t, []string{WrongAnswer}, kindsOf(r))
	})
	t.Run("no socket", func(t *testing.T) {
		r := run(t, plan("unix", t.TempDir()+"/none", result.Connections))
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
		conn, err := net.DialTimeout("unix", path, patience)
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
	require.Positive(t, r.Answered)
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
			require.Zero(t, r.Answered)
			require.Equal(t, []string{Timeout}, kindsOf(r))
		})
	}
}

// Whoever cancels gets an error at once.
func TestCancel(t *testing.T) {
	ctx, cancel := context.WithCancelCause(context.Background())
	p := conversations(serveSilence(t, "tcp"))
	p.Duration, p.Begin = time.Hour, func() { cancel(errors.New("enough")) }
	start := time.Now()
	_, err := Run(ctx, p)
	require.ErrorIs(t, err, context.Canceled)
	require.Less(t, time.Since(start), patience)
}

// A connection that is closed while ports are short leaves none waiting: it is reset.
func TestPortsShort(t *testing.T) {
	for _, short := range []bool{false, true} {
		ends := make(chan error, 1)
		address := accept(t, func(conn net.Conn) {
			readLine(conn)
			_, _ = io.WriteString(conn, "what the clients say\n")
			_, err := conn.Read([]byte{0})
			ends <- err
		})
		c := newTestClient(t, connections(address))
		if short {
			c.ports.burst, c.ports.again = 0, 0
		}
		require.NoError(t, c.request())
		c.close()
		if short {
			require.Equal(t, Reset, kind(<-ends))
		} else {
			require.Equal(t, io.EOF, <-ends)
		}
	}
}

// Ports that are lent again are spent at the pace of that.
func TestPorts(t *testing.T) {
	start := time.Now()
	p := ports{burst: 2, again: 2, start: start}
	require.True(t, p.spare(start))
	require.True(t, p.spare(start))
	require.False(t, p.spare(start))
	require.True(t, p.spare(start.Add(time.Second)))
	require.False(t, p.spare(start.Add(time.Second)))
	p = ports{burst: -1, start: start}
	require.True(t, p.spare(start))
}

// newTestClient is a client of p that is not run.
func newTestClient(t *testing.T, p Plan) *client {
	t.Helper()
	now := time.Now()
	p.Duration = patience
	r := &round{Plan: p, ctx: t.Context(), begin: now, end: now.Add(p.Duration), shards: newShards(1)}
	r.ports.lendFrom(now)
	return newClient(r, 0, now)
}

// A request in a conversation costs no memory.
func TestNoAllocations(t *testing.T) {
	c := newTestClient(t, conversations(accept(t, func(conn net.Conn) {
		buffer := make([]byte, 100)
		for {
			n, err := conn.Read(buffer)
			if err != nil {
				return
			}
			_, _ = conn.Write(buffer[:n])
		}
	})))
	defer c.close()
	require.Zero(t, testing.AllocsPerRun(1000, func() {
		if !c.next(c.ctx) {
			panic("the round is over")
		}
		err := c.request()
		c.now = time.Now()
		c.count(err)
		c.settled(err)
	}))
	require.Equal(t, int64(1001), c.answered)
}
