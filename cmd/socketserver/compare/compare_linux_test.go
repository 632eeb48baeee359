package compare

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/cmd/socketserver/compare/load"
	"github.com/go-socketserver/socketserver/cmd/socketserver/compare/progress"
	"github.com/go-socketserver/socketserver/cmd/socketserver/compare/render"
	"github.com/go-socketserver/socketserver/cmd/socketserver/compare/result"
	"github.com/go-socketserver/socketserver/cmd/socketserver/compare/subject"
	"github.com/go-socketserver/socketserver/cmd/socketserver/config"
	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/framework/frameworktest"
	"github.com/go-socketserver/socketserver/framework/plugin"
)

// The test binary is the command, with all that it becomes in a comparison.
// long has tests repeat what costs much.
var long = os.Getenv("SOCKETSERVER_LONG_TESTS") != ""

func TestMain(m *testing.M) {
	os.Setenv("GORACE", "atexit_sleep_ms=0") // every child would sleep a second
	subject.Become(func(hclog.Logger) *framework.Program { return nil })
	if len(os.Args) == 3 && os.Args[1] == "limited" {
		limited(os.Args[2])
	}
	os.Exit(m.Run())
}

// options are those of a short comparison of a handler.
func options(handler, network string, strategies ...string) Options {
	s := &config.Server{
		Name: handler, Transports: []config.Transport{{Network: network}},
		Concurrency: config.DefaultConcurrency("threading"), Handler: config.Handler{Kind: "handler", Name: handler},
		Limits: config.Limits{Connections: 1000}, Timeouts: framework.Timeouts{Drain: time.Second},
	}
	return Options{Base: s, Strategies: strategies, Settings: result.Settings{
		Clients: 2, Duration: 450 * time.Millisecond, Rounds: 3, Timeout: 20 * time.Second, Message: DefaultMessage, Answer: load.Line,
	}}
}

func quiet() *progress.Progress { return progress.New(io.Discard, false, true) }

func run(t *testing.T, o Options) *result.Report {
	t.Helper()
	directory := temporary(t)
	for late := time.Now().Add(frameworktest.Patience); ; o.Duration *= 2 {
		c, err := New(o)
		require.NoError(t, err)
		require.NoError(t, c.Check())
		r, err := c.Run(t.Context(), quiet())
		require.NoError(t, err)
		requireNothing(t, directory, nil)
		if time.Now().After(late) || !tooShort(r) {
			return r
		}
	}
}

// tooShort reports whether a round was too short for this machine, as one is that is loaded.
func tooShort(r *result.Report) bool {
	return slices.ContainsFunc(r.Loads, func(l result.Load) bool {
		return slices.ContainsFunc(l.Results, func(m result.Measured) bool { return strings.Contains(m.Problem, "use a longer --duration") })
	})
}

// temporary is the directory of all that is temporary in this test. Its path is so short that
// subjects take it too.
func temporary(t *testing.T) string {
	t.Helper()
	directory, err := os.MkdirTemp("/tmp", "c")
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(directory) })
	t.Setenv("TMPDIR", directory)
	return directory
}

// requireNothing requires that no process is left, as orphans become children of this one, no
// file of a subject and no address where one listened.
func requireNothing(t *testing.T, directory string, addresses []string) {
	t.Helper()
	require.Empty(t, frameworktest.Children(t, os.Getpid()))
	left, err := os.ReadDir(directory)
	require.NoError(t, err)
	require.Empty(t, left)
	for _, address := range addresses {
		_, err := net.Dial("tcp", address)
		require.ErrorIs(t, err, syscall.ECONNREFUSED)
	}
}

// listeners are the addresses where the children of this process listen by tcp.
func listeners(t *testing.T) []string {
	t.Helper()
	sockets := map[string]string{} // addresses
	table, err := os.ReadFile("/proc/net/tcp")
	require.NoError(t, err)
	for line := range strings.Lines(string(table)) {
		if fields := strings.Fields(line); len(fields) > 9 && fields[3] == "0A" {
			_, port, _ := strings.Cut(fields[1], ":")
			n, _ := strconv.ParseUint(port, 16, 16)
			sockets["socket:["+fields[9]+"]"] = fmt.Sprintf("127.0.0.1:%d", n)
		}
	}
	var all []string
	for pid := range frameworktest.Children(t, os.Getpid()) {
		open, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
		for _, path := range open {
			name, _ := os.Readlink(path)
			if address := sockets[name]; address != "" {
				all = append(all, address)
			}
		}
	}
	return all
}

// Every strategy is measured, with its cost.
func TestRun(t *testing.T) {
	r := run(t, options("timestamp", "tcp", "threading", reused, "preforking", "plugin threading"))
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
	require.EqualValues(t, 1, started["plugin threading"])
	require.Greater(t, started[reused], int64(1))
	require.Equal(t, "concurrency \"forking\" {\n  max_requests = 100\n  spares       = 4\n}", r.Subjects[1].Concurrency)
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

// A Python script runs beside CPython's own servers with its handler.
func TestScript(t *testing.T) {
	path := filepath.Join(t.TempDir(), "greet.py")
	require.NoError(t, os.WriteFile(path, []byte(`import socketserver

class Greet(socketserver.StreamRequestHandler):
    def handle(self):
        for line in self.rfile:
            self.wfile.write(b"hello, " + line)

with socketserver.TCPServer(("localhost", 9), Greet) as server:
    server.serve_forever()
`), 0o600))
	o := options("greet", "tcp")
	o.Base.Handler.Kind, o.Plugin = "plugin", plugin.Definition{Kind: plugin.Python, Path: path}
	o.Loads, o.Clients, o.Rounds, o.Duration, o.Expect = []string{result.Conversations}, 1, 1, 100*time.Millisecond, "hello, hello\n"
	o.Assert = []string{"preforking.rate>0*CPython ThreadingTCPServer.rate"}
	r := run(t, o)
	var text bytes.Buffer
	require.NoError(t, render.Write(&text, r, "text", render.Options{}))
	var got []string
	for _, m := range r.Loads[0].Results {
		require.Empty(t, m.Problem, m.Subject)
		require.Contains(t, text.String(), "\n"+m.Subject+" ")
		got = append(got, m.Subject)
	}
	require.Equal(t, []string{"threading", "forking", "preforking", "CPython ThreadingTCPServer", "CPython ForkingTCPServer"}, got)
	require.True(t, r.Assertions[0].Held, r.Assertions[0].Found)
	require.EqualValues(t, -1, r.Loads[0].Results[1].Cost.Started, "its forks are not counted")
}

// A module cannot misbehave on request, which is reported.
func TestModuleHasNoMishaps(t *testing.T) {
	o := options("module", "tcp")
	o.Base.Handler.Kind, o.Plugin.Kind, o.Mishaps = "plugin", plugin.Wasm, true
	c, err := New(o)
	require.NoError(t, err)
	require.False(t, c.Mishaps)
	require.Contains(t, c.warnings()[0], "so these mishaps are left out: slow, counter, ")
	o.Assert = []string{"threading.exit.lived==yes"}
	_, err = New(o)
	require.ErrorContains(t, err, "needs the mishaps, which are left out")
}

// A handler that never answers has a row with the reason, without a wait if it is known.
func TestNeverAnswers(t *testing.T) {
	for _, handler := range []string{"sink", "chat"} {
		r := run(t, options(handler, "tcp", "threading"))
		for _, l := range r.Loads {
			require.Equal(t, silent(config.Handler{Kind: "handler", Name: handler}, []byte(DefaultMessage)), l.Results[0].Problem)
			require.Empty(t, l.Results[0].Rounds)
		}
	}
}

// The reason for a missing answer shows what arrived.
func TestUnanswered(t *testing.T) {
	o := options("timestamp", "tcp", "threading", "forking")
	o.Base.Handler.Options = []byte(`{"framing": "chunk", "format": "no newline"}`)
	o.Loads, o.Timeout = []string{result.Connections}, 4*time.Second
	r := run(t, o)
	for _, m := range r.Loads[0].Results {
		require.Equal(t, `no line came back for "hello\n" within 4s; what arrived: "no newline"; `+
			`its answers may have no newline: add --answer chunk; or it may want another --message`, m.Problem)
	}
	o.Answer = load.Chunk
	require.Empty(t, run(t, o).Loads[0].Results[0].Problem)
}

// Each missing answer has a next step.
func TestReasons(t *testing.T) {
	for want, u := range map[string]load.Unanswered{
		`nothing came back for "hello\n" within 20s; it may want another --message`:                            {Kind: load.Timeout},
		`the connection was closed without an answer to "hello\n"; it may want another --message`:              {Kind: load.ClosedEarly},
		`before the connection was closed; what arrived: "bye"; add --answer chunk`:                            {Kind: load.ClosedEarly, Got: []byte("bye")},
		`does not contain "x"; what arrived: "y\n"; change --expect or --message`:                              {Kind: load.WrongAnswer, Got: []byte("y\n")},
		`is more than one line; what arrived: "x\ny\n"; add --answer chunk, or --loads connections`:            {Kind: load.WrongAnswer, Got: []byte("x\ny\n")},
		`it ends the connection after one answer, so there are no long conversations; add --loads connections`: {Kind: load.Ended},
		"the first request was not answered: refused":                                                          {Kind: load.Refused},
		`what arrived: "` + strings.Repeat("z", 60) + `"...; its answers may have no newline`:                  {Kind: load.Timeout, Got: bytes.Repeat([]byte("z"), 100)},
	} {
		p := load.Plan{Message: []byte("hello\n"), Answer: load.Line, Timeout: 20 * time.Second, Contains: []byte("x")}
		require.Contains(t, unanswered(p, &u), want)
	}
	p := load.Plan{Message: []byte("m"), Answer: load.EOF, Timeout: time.Second}
	require.Equal(t, `the answer to "m" had not ended within 1s; what arrived: "a"; add --answer line or --answer chunk`,
		unanswered(p, &load.Unanswered{Kind: load.Timeout, Got: []byte("a")}))
}

// What command answers has no newline.
func TestAsk(t *testing.T) {
	o := options("command", "tcp", "threading")
	message, answer := Ask(o.Base.Handler)
	o.Message, o.Answer = message, answer
	require.Empty(t, run(t, o).Loads[0].Results[0].Problem)
	message, answer = Ask(config.Handler{Kind: "plugin", Name: "command"})
	require.Equal(t, []string{"hello\n", load.Line}, []string{message, answer})
}

// A server that cannot be started has a row with the reason.
func TestDoesNotStart(t *testing.T) {
	o := options("timestamp", "tcp", "threading")
	o.Base.Handler.Options = []byte(`{"quit": "never"}`)
	r := run(t, o)
	require.Contains(t, r.Loads[0].Results[0].Problem, "quit")
}

// A server that ends while it is measured has a row with the reason.
func TestEndsInTheMiddle(t *testing.T) {
	o := options("timestamp", "tcp", "threading")
	o.Base.Handler.Options = []byte(`{"quit": "server"}`)
	o.Message = "quit\n"
	o.Answer = load.Chunk
	o.Timeout = time.Second
	r := run(t, o)
	require.NotEmpty(t, r.Loads[0].Results[0].Problem)
}

// A lack of descriptors is reported before anything is started.
func TestTooManyClients(t *testing.T) {
	for _, strategy := range []string{"threading", "forking", "preforking", "plugin forking"} {
		require.Regexp(t, `^a process needs \d+ descriptors with 16 clients, and the limit is 90: raise it, as with ulimit -n \d+, or use fewer clients$`,
			underLimit(t, 90, strategy))
	}
}

// A limit that the error recommends is enough.
func TestEnoughDescriptors(t *testing.T) {
	strategies := "plugin forking"
	if long {
		strategies = "threading,forking,preforking,plugin forking"
	}
	needed := regexp.MustCompile(`ulimit -n (\d+)`).FindStringSubmatch(underLimit(t, 90, strategies))
	require.NotNil(t, needed)
	limit, err := strconv.Atoi(needed[1])
	require.NoError(t, err)
	require.Equal(t, "fine", underLimit(t, limit, strategies))
}

// underLimit runs a comparison in a process with a limit of descriptors, and returns its output.
func underLimit(t *testing.T, limit int, strategies string) string {
	t.Helper()
	t.Setenv("COMPARE_TEST_DESCRIPTORS", strconv.Itoa(limit))
	temporary(t)
	command := exec.Command(os.Args[0], "limited", strategies)
	command.Stderr = os.Stderr
	output, err := command.Output()
	require.NoError(t, err)
	return string(output)
}

// limited is that process.
func limited(strategies string) {
	fail := func(err any) {
		fmt.Print(err)
		os.Exit(0)
	}
	limit, err := strconv.ParseUint(os.Getenv("COMPARE_TEST_DESCRIPTORS"), 10, 32)
	if err == nil {
		err = syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: limit, Max: limit})
	}
	if err != nil {
		fail(err)
	}
	o := options("echo", "tcp", strings.Split(strategies, ",")...)
	o.Clients, o.Loads, o.Rounds, o.Duration = 16, []string{result.Conversations}, 1, 5*time.Second
	c, err := New(o)
	if err != nil {
		fail(err)
	}
	if err := c.Check(); err != nil {
		fail(err)
	}
	r, err := c.Run(context.Background(), quiet())
	if err != nil {
		fail(err)
	}
	for _, l := range r.Loads {
		for _, m := range l.Results {
			if m.Problem != "" || len(m.Errors) > 0 {
				fail(fmt.Sprint(m.Subject, ": ", m.Problem, m.Errors))
			}
		}
	}
	fail("fine")
}

// Clients beyond the limit of the server are reported before the run.
func TestWarnings(t *testing.T) {
	o := options("echo", "tcp", "threading")
	o.Base.Limits = config.Limits{Connections: 1000, PerSource: 64}
	for clients, want := range map[int][]string{
		64: nil,
		65: {"limits.per_source = 64 is not applied, as all clients have one address"},
		1200: {
			"limits.per_source = 64 is not applied, as all clients have one address",
			"limits.connections = 1000: 200 of 1200 clients wait until others leave, which those in a conversation never do; use fewer, or a configuration that raises it",
		},
	} {
		o.Clients = clients
		c, err := New(o)
		require.NoError(t, err)
		require.Equal(t, want, c.warnings())
		require.Equal(t, 1000, c.Connections)
	}
	o.Base.Limits, o.Clients = config.Limits{Connections: 3, Refuse: true}, 4
	o.Base.Class = &framework.HandlerClass{Stateful: "the visits"}
	c, err := New(o)
	require.NoError(t, err)
	require.Equal(t, "the visits", c.Stateful)
	require.Equal(t, []string{"limits.connections = 3: 1 of 4 clients are refused; use fewer, or a configuration that raises it"}, c.warnings())
}

// Nothing is left behind by a comparison that is interrupted, whatever it is doing.
func TestInterrupted(t *testing.T) {
	moments := []string{
		"starting forking for connections", "starting plugin forking for", "forking, connections, round 2",
		"conversations, round 1", "slow: forking", "environment: plugin forking",
	}
	if !long {
		moments = moments[1:4]
	}
	for _, when := range moments {
		t.Run(when, func(t *testing.T) {
			directory := temporary(t)
			o := options("timestamp", "tcp", "forking", "plugin forking")
			o.Mishaps, o.Loads = true, []string{result.Connections, result.Conversations}
			if strings.Contains(when, ":") {
				o.Loads, o.Duration, o.Rounds = o.Loads[:1], 20*time.Millisecond, 1
			}
			c, err := New(o)
			require.NoError(t, err)
			ctx, cancel := context.WithCancel(t.Context())
			var addresses []string
			shown := progress.New(&trigger{when: when, then: func() {
				addresses = listeners(t)
				cancel()
			}}, true, false)
			defer shown.Close()
			r, err := c.Run(ctx, shown)
			require.Equal(t, ErrInterrupted, err)
			if strings.HasPrefix(when, "starting") {
				require.Nil(t, r, "no round was done")
			} else {
				requireRounds(t, r, o.Rounds*len(o.Loads))
			}
			if !strings.Contains(when, " forking") { // when nothing has been started yet
				require.NotEmpty(t, addresses)
			}
			requireNothing(t, directory, addresses)
		})
	}
}

// requireRounds requires that a report has the rounds that were done, and nothing that the
// interruption brought about.
func requireRounds(t *testing.T, r *result.Report, planned int) {
	t.Helper()
	done := 0
	for _, l := range r.Loads {
		rounds := len(l.Results[0].Rounds)
		for _, m := range l.Results {
			require.NotRegexp(t, "ended|context|interrupted", m.Problem, m.Subject)
			rounds = min(rounds, len(m.Rounds))
		}
		require.Positive(t, rounds)
		done += rounds
	}
	require.Empty(t, r.Mishaps)
	require.NotEmpty(t, r.Advice)
	require.Contains(t, r.Warnings, fmt.Sprintf("interrupted after %d of %d rounds", done, planned))
}

// trigger does something once, when something is shown.
type trigger struct {
	when string
	then func()
	once sync.Once
}

func (w *trigger) Write(p []byte) (int, error) {
	if bytes.Contains(p, []byte(w.when)) {
		w.once.Do(w.then)
	}
	return len(p), nil
}
