package theatre

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/cmd/socketserver/compare/mishap/experiment"
	"github.com/go-socketserver/socketserver/cmd/socketserver/compare/result"
	"github.com/go-socketserver/socketserver/cmd/socketserver/compare/subject"
	"github.com/go-socketserver/socketserver/cmd/socketserver/config"
	"github.com/go-socketserver/socketserver/cmd/socketserver/page/feed"
	"github.com/go-socketserver/socketserver/framework"
)

func TestMain(m *testing.M) {
	os.Setenv("GORACE", "atexit_sleep_ms=0") // every child would sleep a second
	subject.Become(func(hclog.Logger) *framework.Program { return nil })
	os.Exit(m.Run())
}

// A show is a theatre whose frames a test reads.
type show struct {
	*Theatre
	frames *bufio.Scanner
	last   feed.Frame
	events []feed.Event // all so far
}

func open(t *testing.T, kinds ...string) *show {
	t.Helper()
	var specs []subject.Spec
	for _, kind := range kinds {
		specs = append(specs, subject.Spec{Name: kind, Form: result.Compiled, Server: config.Server{
			Name: kind, Transports: []config.Transport{{Network: "tcp"}}, Concurrency: config.DefaultConcurrency(kind),
			Handler: config.Handler{Kind: "handler", Name: experiment.Name},
		}})
	}
	ctx, cancel := context.WithCancel(t.Context())
	s := &show{Theatre: New(ctx, specs, "hello\n")}
	s.pace = 0.3
	r, w := io.Pipe()
	recorded := make(chan struct{})
	t.Cleanup(func() {
		cancel()
		r.Close()
		<-recorded
		s.Close()
	})
	go func() { defer close(recorded); _ = s.Feed.Record(ctx, w) }()
	require.NoError(t, s.Start())
	s.frames = bufio.NewScanner(r)
	s.frames.Buffer(nil, 1<<20)
	return s
}

// do runs a command of the page.
func (s *show) do(t *testing.T, name, body string) {
	t.Helper()
	require.NoError(t, s.Commands()[name](httptest.NewRequest(http.MethodPost, "/"+name, strings.NewReader(body))))
}

// await reads frames until one is wanted.
func (s *show) await(t *testing.T, what string, wanted func(feed.Frame) bool) {
	t.Helper()
	for s.frames.Scan() {
		s.last = feed.Frame{}
		require.NoError(t, json.Unmarshal(s.frames.Bytes(), &s.last))
		s.events = append(s.events, s.last.Events...)
		if wanted(s.last) {
			return
		}
	}
	t.Fatalf("no frame has %s", what)
}

func (s *show) find(server, kind string, more ...func(feed.Event) bool) int {
	return slices.IndexFunc(s.events, func(e feed.Event) bool {
		return e.S == "theatre/"+server && e.K == kind && (len(more) == 0 || more[0](e))
	})
}

// awaitVerdict returns the answer to what a mishap has done to others.
func (s *show) awaitVerdict(t *testing.T, server, kind string) int {
	t.Helper()
	is := func(e feed.Event) bool { return e.Kind == kind }
	if s.find(server, "verdict", is) < 0 {
		s.await(t, "the verdict of "+server, func(feed.Frame) bool { return s.find(server, "verdict", is) >= 0 })
	}
	return *s.events[s.find(server, "verdict", is)].Answer
}

// The same mishap ends all of a server of threads and one child of a forking one, both of which are
// processes that have really ended. The figures are those of the servers.
func TestExitEndsAllThreadsAndOneChild(t *testing.T) {
	s := open(t, "threading", "forking")
	s.do(t, "theatre/clients", `{"kind": "exit", "n": 1}`)
	require.Equal(t, allCut, s.awaitVerdict(t, "threading", "exit"))
	require.Equal(t, goOn, s.awaitVerdict(t, "forking", "exit"))

	for _, server := range []string{"threading", "forking"} {
		died := s.find(server, "died", func(e feed.Event) bool { return e.Cause == "os.Exit(3)" })
		require.GreaterOrEqual(t, died, 0)
		require.Less(t, died, s.find(server, "ended", func(e feed.Event) bool { return e.Outcome == "cut" }), "its clients end after it")
		require.NoDirExists(t, fmt.Sprint("/proc/", s.events[died].Pid))
	}
	s.await(t, "the end of the others", func(f feed.Frame) bool { return f.Servers[1].Answered == bystanders })
	threads, forks := s.last.Servers[0], s.last.Servers[1]
	require.Equal(t, []any{"failed", "os.Exit(3)", int64(bystanders + 1)}, []any{threads.State, threads.Cause, threads.Answered + threads.Cut})
	require.Equal(t, []any{"serving", int64(1), int64(bystanders + 1)}, []any{forks.State, forks.Cut, forks.Accepted})
	require.EqualValues(t, bystanders+2, forks.Started)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	_ = s.sides[1].subject.Frames(ctx, func(f feed.Frame) error {
		own := f.Servers[0]
		require.Equal(t, []int64{own.Accepted, own.Answered, own.Cut, own.Started + 1}, []int64{forks.Accepted, forks.Answered, forks.Cut, forks.Started})
		cancel()
		return nil
	})

	errs := make(chan error, 2) // of two clicks, of which one starts it
	for range cap(errs) {
		go func() {
			errs <- s.Commands()["theatre/start"](httptest.NewRequest(http.MethodPost, "/theatre/start", strings.NewReader(`{"server": "theatre/threading"}`)))
		}()
	}
	require.EqualError(t, errors.Join(<-errs, <-errs), "theatre/threading runs already")
	s.await(t, "a server that serves again", func(f feed.Frame) bool { return f.Servers[0].State == "serving" })
	require.Equal(t, []int64{threads.Cut, 2}, []int64{s.last.Servers[0].Cut, s.last.Servers[0].Started})
	require.NotEqual(t, threads.Pid, s.last.Servers[0].Pid)
}

// A client reads the clock while the first reader comes.
func TestClock(t *testing.T) {
	theatre := New(t.Context(), nil, "")
	defer theatre.Close()
	came := make(chan struct{})
	go func() { defer close(came); theatre.Feed.Read(0).Close() }()
	require.GreaterOrEqual(t, theatre.now(), 0.0)
	<-came
	require.Equal(t, 1500.1, theatre.Feed.Clock(theatre.Feed.Epoch().Add(1500149*time.Microsecond)))
}

func TestVerdicts(t *testing.T) {
	for name, c := range map[string]struct {
		trial  trial
		memory float64
		answer int
	}{
		"a panic":                        {trial{kind: "panic", others: 5}, 0, goOn},
		"the server has died":            {trial{kind: "exit", others: 5, died: true}, 0, allCut},
		"the only process has died":      {trial{kind: "exit", others: 5, cut: 5}, 0, allCut},
		"one process of several":         {trial{kind: "sigkill", others: 5, cut: 2}, 0, someCut},
		"memory that was given back":     {trial{kind: "leak", memory: 30}, 31, goOn},
		"memory that is kept":            {trial{kind: "leak", memory: 30}, 79, stays},
		"memory is not looked at always": {trial{kind: "panic", memory: 30}, 79, goOn},
		"a request that has not ended":   {trial{kind: "hang", survived: true}, 0, stays},
	} {
		require.Equal(t, c.answer, c.trial.answer(c.memory), name)
	}
}
