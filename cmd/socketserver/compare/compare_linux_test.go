package compare

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/cmd/socketserver/compare/load"
	"github.com/go-socketserver/socketserver/cmd/socketserver/compare/progress"
	"github.com/go-socketserver/socketserver/cmd/socketserver/compare/result"
	"github.com/go-socketserver/socketserver/cmd/socketserver/compare/subject"
	"github.com/go-socketserver/socketserver/cmd/socketserver/config"
	"github.com/go-socketserver/socketserver/framework"
)

// The test binary is the command, with all that it becomes in a comparison.
func TestMain(m *testing.M) {
	os.Setenv("GORACE", "atexit_sleep_ms=0") // every child would sleep a second
	subject.Become(func(hclog.Logger) *framework.Program { return nil })
	os.Exit(m.Run())
}

// options are those of a short comparison of a handler.
func options(handler, network string, strategies ...string) Options {
	s := &config.Server{
		Name: handler, Transports: []config.Transport{{Network: network}},
		Concurrency: config.DefaultConcurrency("threading"), Handler: config.Handler{Kind: "handler", Name: handler},
		Limits: config.Limits{Connections: 1000}, Timeouts: framework.Timeouts{Drain: time.Second},
	}
	return Options{
		Server: s, Strategies: strategies, Clients: 2, Duration: 450 * time.Millisecond, Rounds: 3,
		Timeout: 20 * time.Second, Message: []byte("hello\n"), Answer: load.Line,
	}
}

func quiet() progress.Progress { return progress.New(os.Stderr, false, true) }

func run(t *testing.T, o Options) *result.Report {
	t.Helper()
	t.Setenv("TMPDIR", t.TempDir())
	c, err := New(o)
	require.NoError(t, err)
	require.NoError(t, c.Check())
	r, err := c.Run(t.Context(), quiet())
	require.NoError(t, err)
	requireNothing(t)
	return r
}

// requireNothing requires that no process is left: orphans become children of this one.
func requireNothing(t *testing.T) {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	require.NoError(t, err)
	for _, path := range stats {
		text, _ := os.ReadFile(path) // it may have gone
		_, after, _ := strings.Cut(string(text), ") ")
		if fields := strings.Fields(after); len(fields) > 1 {
			require.NotEqual(t, strconv.Itoa(os.Getpid()), fields[1], string(text))
		}
	}
}

// Every strategy is measured, and what it costs.
func TestRun(t *testing.T) {
	r := run(t, options("timestamp", "tcp", "threading", "forking-reuse", "preforking", "plugin-threading"))
	require.Equal(t, []string{result.Connections, result.Conversations}, []string{r.Loads[0].Kind, r.Loads[1].Kind})
	for _, l := range r.Loads {
		require.Len(t, l.Results, 4)
		for _, m := range l.Results {
			require.Empty(t, m.Problem, m.Subject)
			require.Len(t, m.Rounds, 3)
			var requests int64 // one round may go by with nothing on a machine that is busy
			for _, round := range m.Rounds {
				requests += round.Requests
			}
			require.Positive(t, requests)
			require.NotEmpty(t, m.Buckets)
			require.Positive(t, m.Cost.Proportional)
			require.Positive(t, m.Cost.Switches)
			require.Positive(t, m.Cost.Threads)
		}
	}
	started := map[string]int64{}
	for _, m := range r.Loads[0].Results {
		started[m.Subject] = m.Cost.Started
	}
	require.Zero(t, started["threading"])
	require.EqualValues(t, 1, started["plugin-threading"])
	require.Greater(t, started["forking-reuse"], int64(1))
	require.Equal(t, "forking { max_children = 40, spares = 4, max_requests = 100 }", r.Subjects[1].Concurrency)
	require.NotEmpty(t, r.Environment.Kernel)
}

func TestDatagrams(t *testing.T) {
	for _, network := range []string{"udp", "unixgram"} {
		r := run(t, options("echo", network, "synchronous", "preforking"))
		require.Len(t, r.Loads, 1)
		require.Equal(t, result.Datagrams, r.Loads[0].Kind)
		for _, m := range r.Loads[0].Results {
			require.Empty(t, m.Problem, m.Subject)
			require.NotEmpty(t, m.Buckets)
		}
	}
}

// A handler that never answers is a row with its reason, and the others are measured.
func TestNeverAnswers(t *testing.T) {
	o := options("sink", "tcp", "threading")
	o.Timeout = 50 * time.Millisecond
	r := run(t, o)
	for _, l := range r.Loads {
		require.Equal(t, "the first request was not answered: timeout", l.Results[0].Problem)
		require.Empty(t, l.Results[0].Rounds)
	}
}

// So is a server that can not be started.
func TestDoesNotStart(t *testing.T) {
	o := options("timestamp", "tcp", "threading")
	o.Server.Handler.Options = []byte(`{"quit": "never"}`)
	r := run(t, o)
	require.Contains(t, r.Loads[0].Results[0].Problem, "quit")
}

// And one that ends while it is measured: the first request of timestamp stops it.
func TestEndsInTheMiddle(t *testing.T) {
	o := options("timestamp", "tcp", "threading")
	o.Server.Handler.Options = []byte(`{"quit": "server"}`)
	o.Message = []byte("quit\n")
	o.Answer = load.Chunk
	o.Timeout = time.Second
	r := run(t, o)
	require.NotEmpty(t, r.Loads[0].Results[0].Problem)
}

// What the system can not lend is said before anything is started.
func TestTooManyClients(t *testing.T) {
	o := options("timestamp", "tcp", "threading")
	o.Clients = 60000
	_, limit := load.Descriptors()
	if limit > 2*o.Clients {
		t.Skip("the limit of descriptors is high enough for all clients")
	}
	c, err := New(o)
	require.NoError(t, err)
	require.Error(t, c.Check())
}

// Nothing is left behind by a comparison that is interrupted, whatever it is doing.
func TestInterrupted(t *testing.T) {
	for _, when := range []string{"starting forking for connections", "forking, connections, round 2", "conversations, round 1"} {
		t.Run(when, func(t *testing.T) {
			t.Setenv("TMPDIR", t.TempDir())
			c, err := New(options("timestamp", "tcp", "forking", "plugin-forking"))
			require.NoError(t, err)
			ctx, cancel := context.WithCancel(t.Context())
			_, err = c.Run(ctx, &trigger{Progress: quiet(), when: when, then: cancel})
			require.ErrorIs(t, err, context.Canceled)
			requireNothing(t)
		})
	}
}

// trigger does something once, when something begins.
type trigger struct {
	progress.Progress
	when string
	then func()
	once sync.Once
}

func (p *trigger) Doing(what string) {
	if strings.Contains(what, p.when) {
		p.once.Do(p.then)
	}
}
