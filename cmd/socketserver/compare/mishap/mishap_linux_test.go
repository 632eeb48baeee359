package mishap

import (
	"context"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/go-socketserver/socketserver/cmd/socketserver/compare/result"
	"github.com/go-socketserver/socketserver/cmd/socketserver/compare/subject"
	"github.com/go-socketserver/socketserver/cmd/socketserver/config"
	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/framework/frameworktest"
	"github.com/go-socketserver/socketserver/framework/plugin"
)

// The test binary is the command, with all that it becomes in a comparison.
func TestMain(m *testing.M) {
	os.Setenv("GORACE", "atexit_sleep_ms=0") // every child would sleep a second
	subject.Become(func(hclog.Logger) *framework.Program { return nil })
	goleak.VerifyTestMain(m)
}

// subjects are those with different observations.
var subjects = map[string]subject.Spec{
	"synchronous":      spec(result.Compiled, "synchronous"),
	"threading":        spec(result.Compiled, "threading"),
	"forking":          spec(result.Compiled, "forking"),
	"forking-reuse":    reuse(spec(result.Compiled, "forking")),
	"preforking":       spec(result.Compiled, "preforking"),
	"plugin-threading": spec(result.Plugin, "threading"),
	"python-threading": spec(result.Python, "threading"),
	"python-forking":   spec(result.Python, "forking"),
	"script-threading": ofKind(plugin.Python, spec(result.Plugin, "threading")),
	"script-forking":   ofKind(plugin.Python, spec(result.Plugin, "forking")),
	"program-forking":  ofKind(plugin.Stdio, spec(result.Plugin, "forking")),
}

func spec(form, kind string) subject.Spec {
	c := config.DefaultConcurrency(kind)
	if kind == "preforking" {
		c.Workers = 2
	}
	return subject.Spec{Name: form + " " + kind, Form: form, Server: config.Server{Name: "test", Concurrency: c}}
}

// ofKind returns the spec of a plugin of that kind.
func ofKind(k plugin.Kind, s subject.Spec) subject.Spec {
	s.Name, s.Plugin.Kind = string(k)+" "+s.Name, k
	return s
}

func reuse(s subject.Spec) subject.Spec {
	s.Server.Concurrency.MaxRequests, s.Server.Concurrency.Spares = 100, 4
	return s
}

// observed are the words of observations: finding, noticed, cut off, lived, left.
var observed = []struct{ mishap, subject, words string }{
	{"slow", "synchronous", "the second waited for the first | the client | nobody | yes | nothing"},
	{"slow", "threading", "both were served at once | nobody | nobody | yes | nothing"},
	{"slow", "forking", "both were served at once | nobody | nobody | yes | nothing"},
	{"counter", "synchronous", "one for all requests | nobody | nobody | yes | nothing"},
	{"counter", "threading", "one for all requests | nobody | nobody | yes | nothing"},
	{"counter", "forking", "every request had a new one | nobody | nobody | yes | nothing"},
	{"counter", "forking-reuse", "each process had its own | nobody | nobody | yes | nothing"},
	{"counter", "preforking", "each process had its own | nobody | nobody | yes | nothing"},
	{"counter", "program-forking", "every request had a new one | nobody | nobody | yes | nothing"},
	{"directory", "threading", "every later request saw it | nobody | nobody | yes | nothing"},
	{"directory", "forking", "no later request saw it | nobody | nobody | yes | nothing"},
	{"environment", "forking-reuse", "later requests in its process saw it | nobody | nobody | yes | nothing"},
	{"environment", "preforking", "later requests in its process saw it | nobody | nobody | yes | nothing"},
	{"panic", "threading", "only that request failed | the client, the log | that client | yes | nothing"},
	{"panic", "python-threading", "only that request failed | the client, the log | that client | yes | nothing"},
	{"exit", "synchronous", "the server ended | the client | every client | no: exit status 3 | nothing"},
	{"exit", "forking", "only that request failed | the client, the log | that client | yes | nothing"},
	{"exit", "preforking", "its process ended, and all requests in it | the client, the log | clients of its process | yes | nothing"},
	{"exit", "plugin-threading", "its process ended, and all requests in it | the client, the log | every client | yes | nothing"},
	{"exit", "script-forking", "only that request failed | the client, the log | that client | yes | nothing"},
	{"fatal", "threading", "the server ended | the client, the log | every client | no: exit status 2 | nothing"},
	{"fatal", "python-forking", "only that request failed | the client | that client | yes | nothing"},
	{"memory", "threading", "kept by its process | nobody | nobody | yes | nothing"},
	{"memory", "forking", "given back when it was over | nobody | nobody | yes | nothing"},
	{"hang", "synchronous", "nothing ended it | the client, the log | every client | no: answers no client | nothing"},
	{"hang", "threading", "nothing ended it | the client, the log | nobody | yes | nothing"},
	{"hang", "forking", "the request timeout ended it | the client, the log | that client | yes | nothing"},
	{"hang", "python-forking", "nothing ended it, and the server had to be killed | the client | nobody | yes | 1 process, a port that is taken"},
	{"full", "threading", "the next client waited for its turn | the client | nobody | yes | nothing"},
	{"full", "preforking", "the next client waited for its turn | the client | nobody | yes | nothing"},
	{"full", "python-threading", "there was no limit | nobody | nobody | yes | nothing"},
	{"shutdown", "threading", "it was answered all the same | nobody | nobody | no: exit status 0 | nothing"},
	{"kill", "threading", "it was cut off | the client | every client | no: signal: killed | nothing"},
	{"kill", "script-threading", "it was cut off | the client | every client | no: signal: killed | nothing"},
	{"kill", "forking", "it was answered all the same | nobody | nobody | no: signal: killed | nothing"},
	{"kill", "plugin-threading", "it was cut off | the client | every client | no: signal: killed | a socket file"},
}

func TestObservations(t *testing.T) {
	var jobs []func()
	var mu sync.Mutex
	for _, o := range observed {
		e := experiments[slices.IndexFunc(experiments, func(e experiment) bool { return e.name == o.mishap })]
		jobs = append(jobs, func() {
			row := observe(t.Context(), e, subjects[o.subject])
			words := strings.Join([]string{row.Finding, row.Noticed, row.CutOff, row.Lived, row.Left}, " | ")
			mu.Lock()
			defer mu.Unlock()
			assert.Empty(t, row.Problem, "%s: %s", o.mishap, o.subject)
			assert.Equal(t, o.words, words, "%s: %s", o.mishap, o.subject)
		})
	}
	work(jobs)
}

func TestRun(t *testing.T) {
	const unknown = "no Python counterpart of distributed"
	var begun atomic.Int64
	mishaps := Run(t.Context(), []subject.Spec{spec(result.Python, "distributed")}, func(string) { begun.Add(1) })
	require.Len(t, mishaps, len(experiments))
	require.EqualValues(t, len(experiments), begun.Load())
	for i, m := range mishaps {
		require.Equal(t, experiments[i].name, m.Name)
		require.NotEmpty(t, m.Title)
		require.Equal(t, []result.Observation{{Subject: "python distributed", Problem: unknown}}, m.Rows)
	}
}

// What is cut off in the middle leaves nothing behind.
func TestInterrupted(t *testing.T) {
	dir, err := os.MkdirTemp("/tmp", "m")
	require.NoError(t, err)
	defer os.RemoveAll(dir)
	t.Setenv("TMPDIR", dir)
	for _, name := range []string{"threading", "forking", "preforking", "plugin-threading", "python-forking"} {
		for _, word := range []string{"hang", "wait"} {
			ctx, cancel := context.WithCancel(t.Context())
			e := experiment{name: word, try: func(s *scene) {
				one := s.hold(word)
				cancel()
				_, _ = one.release(patience)
			}}
			require.Equal(t, result.Observation{Subject: subjects[name].Name, Problem: "interrupted"}, observe(ctx, e, subjects[name]))
		}
	}
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, entries)
	require.Empty(t, frameworktest.Children(t, os.Getpid()))
}

// A slow server is not taken for one that does not answer.
func TestLivedSlowly(t *testing.T) {
	slow := subjects["threading"]
	slow.Server = prepare(slow.Server)
	s, err := open(t.Context(), slow)
	require.NoError(t, err)
	defer s.close()
	pid := s.subject.Pid()
	require.NoError(t, syscall.Kill(pid, syscall.SIGSTOP))
	time.AfterFunc(leastSilence+100*time.Millisecond, func() { _ = syscall.Kill(pid, syscall.SIGCONT) })
	require.Equal(t, "yes", s.lived())
}

func TestSilence(t *testing.T) {
	require.Equal(t, leastSilence, silenceOf(time.Millisecond))
	require.Equal(t, 4*time.Second, silenceOf(200*time.Millisecond))
	require.Equal(t, patience, silenceOf(time.Hour))
}
