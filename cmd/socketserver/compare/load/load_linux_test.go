package load

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/cmd/socketserver/compare/result"
	"github.com/go-socketserver/socketserver/framework/frameworktest"
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
	p = long(p)
	r := run(t, p)
	require.Empty(t, r.Errors)
	require.Positive(t, r.Requests)
	require.GreaterOrEqual(t, r.Latencies.TotalCount(), r.Requests)
	require.LessOrEqual(t, r.Latencies.TotalCount(), r.Requests+int64(p.Clients))
	require.Equal(t, p.Duration, r.Elapsed)
	require.Positive(t, r.Own)
	require.Positive(t, r.Generator)
}

// Try returns the latency of one request, or why there is no answer.
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
	require.Equal(t, &Unanswered{WrongAnswer, p.Message}, err)
	p.Message, p.Timeout = []byte("no end of a line"), 200*time.Millisecond
	_, err = Try(t.Context(), p)
	require.Equal(t, &Unanswered{Timeout, p.Message}, err)
}

// The warm-up is not counted, and both hooks are called with the clients at work.
func TestWarmup(t *testing.T) {
	var begun, ended, asked int64
	var mu sync.Mutex
	p := long(conversations(serveFunc(t, "tcp", func(rfile *bufio.Reader, wfile io.Writer) error {
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
	})))
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
	require.Less(t, r.Requests, ended)
	require.Positive(t, r.Requests)
}

// An open loop sends as many requests as it is to, and no more.
func TestRate(t *testing.T) {
	p := connections(serveEcho(t, "tcp"))
	p.Rate, p.Duration = 200, 200*time.Millisecond
	r := run(t, p)
	require.Empty(t, r.Errors)
	require.LessOrEqual(t, r.Requests, int64(40))
	require.GreaterOrEqual(t, r.Requests, int64(20))
}

// What was due while the server stalled shows, although each client had only one request
// under way.
func TestOpenLoopShowsStall(t *testing.T) {
	const stall = time.Second
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
	p.Rate, p.Warmup, p.Duration = 200, 50*time.Millisecond, 2*stall
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
	require.Zero(t, r.Requests)
	require.Empty(t, r.Errors)
	require.Equal(t, p.Clients, r.Unserved)
	require.Equal(t, int64(100), r.Latencies.TotalCount())
	require.InDelta(t, int64(p.Duration/2), r.Latencies.ValueAtPercentile(50), float64(p.Duration/50))
}

// Whoever cancels gets an error at once.
func TestCancel(t *testing.T) {
	ctx, cancel := context.WithCancelCause(context.Background())
	p := conversations(serveSilence(t, "tcp"))
	p.Duration, p.Begin = time.Hour, func() { cancel(errors.New("enough")) }
	start := time.Now()
	_, err := Run(ctx, p)
	require.ErrorIs(t, err, context.Canceled)
	require.Less(t, time.Since(start), frameworktest.Patience)
}
