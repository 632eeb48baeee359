package plugin_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/framework/frameworktest"
	"github.com/go-socketserver/socketserver/framework/plugin"
)

// shell is a server of a program that sh runs for each request.
type shell struct {
	*framework.BaseServer
	log *frameworktest.Log
}

func newShell(t *testing.T, network, script string) shell {
	t.Helper()
	return newProgram(t, network, "/bin/sh", "-c", script)
}

func newProgram(t *testing.T, network, path string, args ...string) shell {
	t.Helper()
	class := open(t, plugin.Settings{Name: "x", Definition: plugin.Definition{Kind: plugin.Stdio, Path: path, Args: args}})
	s := shell{frameworktest.NewServer(t, network, class), frameworktest.NewLog()}
	s.Name, s.Log = "test", s.log.Logger()
	return s
}

func (s shell) serve(t *testing.T) shell {
	t.Helper()
	frameworktest.Serve(t, s.BaseServer)
	return s
}

// awaitGone waits until a process has gone.
func awaitGone(t *testing.T, pid string) {
	t.Helper()
	number, err := strconv.Atoi(pid)
	require.NoError(t, err)
	frameworktest.AwaitEnd(t, number)
}

func line(t *testing.T, conn net.Conn) string {
	t.Helper()
	var text []byte
	for b := make([]byte, 1); ; text = append(text, b[0]) {
		_, err := conn.Read(b)
		require.NoError(t, err, "after %q", text)
		if b[0] == '\n' {
			return string(text)
		}
	}
}

func TestStdioUnderEveryStrategyAndTransport(t *testing.T) {
	for _, network := range frameworktest.Networks {
		for name, strategy := range map[string]framework.Strategy{
			"synchronous": &framework.Synchronous{}, "threading": &framework.Threading{}, "forking": &framework.Forking{},
		} {
			t.Run(network+"/"+name, func(t *testing.T) {
				t.Parallel()
				s := newShell(t, network, "read line; echo $PROTO $line; echo noted >&2")
				s.Strategy = strategy
				s.serve(t)
				protocol := map[string]string{"tcp": "TCP", "udp": "UDP"}[network]
				if protocol == "" {
					protocol = "UNIX"
				}
				conn := frameworktest.Dial(t, s.BaseServer)
				require.Equal(t, protocol+" hello\n", frameworktest.Ask(t, conn, "hello\n"))
				s.log.Await(t, "noted: client=")
				s.log.Await(t, "plugin=x")
			})
		}
	}
}

func TestStdioIsWhatAProgramExpects(t *testing.T) {
	t.Setenv("SECRET", "x")
	class := open(t, plugin.Settings{Name: "x", Definition: plugin.Definition{
		Kind: plugin.Stdio, Path: "/bin/sh", Args: []string{"-c", `
			echo $REMOTE_ADDR $REMOTE_PORT $TCPREMOTEIP $TCPREMOTEPORT $TCPLOCALIP $TCPLOCALPORT $SERVER $EXTRA $SECRET
			pwd; cut -d' ' -f5 /proc/$$/stat; echo $$; ls -d /proc/self/fd/[0-9]* | wc -l; env | grep -c ^PATH=
			grep -E 'Sig(Blk|Ign)|NoNewPrivs' /proc/self/status | tr -d '\t'`},
		Environment: []string{"EXTRA=1", "EXTRA=2", "PATH=/usr/bin:/bin"}, WorkingDirectory: "/",
	}})
	s := frameworktest.NewServer(t, "tcp", class)
	s.Name = "test"
	frameworktest.Serve(t, s)
	conn := frameworktest.Dial(t, s)
	answer := strings.Split(frameworktest.End(t, conn), "\n")
	client, port, err := net.SplitHostPort(conn.LocalAddr().String())
	require.NoError(t, err)
	_, local, err := net.SplitHostPort(s.Addr().String())
	require.NoError(t, err)
	require.Equal(t, fmt.Sprintf("%[1]s %[2]s %[1]s %[2]s 127.0.0.1 %[3]s test 2", client, port, local), answer[0])
	require.Equal(t, "/", answer[1])
	require.Equal(t, answer[2], answer[3], "it leads its process group")
	require.Equal(t, "3", answer[4], "0, 1 and 2")
	require.Equal(t, "1", answer[5])
	require.ElementsMatch(t, []string{"NoNewPrivs:1", "SigBlk:0000000000000000", "SigIgn:0000000000000000"}, []string{answer[6], answer[7], answer[8]})
}

// The answer arrives though the client has sent what nobody has read.
func TestStdioAnswerIsNotLostToUnreadBytes(t *testing.T) {
	t.Parallel()
	s := newShell(t, "tcp", "read line; echo answer").serve(t)
	for range 20 {
		conn := frameworktest.Dial(t, s.BaseServer)
		frameworktest.Send(t, conn, "x\n"+strings.Repeat("y", 60000))
		text, err := io.ReadAll(conn)
		require.NoError(t, err)
		require.Equal(t, "answer\n", string(text))
	}
}

// A client is let go when its program has ended, whatever else holds the connection, and what is
// left of the group ends.
func TestStdioLeavesNothing(t *testing.T) {
	t.Parallel()
	s := newShell(t, "tcp", "sleep 600 & echo $!; setsid sleep 600 & echo $!").serve(t)
	conn := frameworktest.Dial(t, s.BaseServer)
	text, err := io.ReadAll(conn)
	require.NoError(t, err)
	pids := strings.Fields(string(text))
	awaitGone(t, pids[0])
	pid, err := strconv.Atoi(pids[1])
	require.NoError(t, err)
	require.NoError(t, syscall.Kill(pid, syscall.SIGKILL), "it has left the group")
}

func TestStdioTimeouts(t *testing.T) {
	busy := "while :; do echo x; sleep 0.05; done"
	for name, c := range map[string]struct {
		script   string
		timeouts framework.Timeouts
		log      string
	}{
		"idle, a program that reads":      {"echo $$; exec cat", framework.Timeouts{Idle: 200 * time.Millisecond}, "timeouts.idle of 200ms has passed"},
		"idle, one that does not":         {"echo $$; sleep 600 & wait", framework.Timeouts{Idle: 200 * time.Millisecond}, "timeouts.idle of 200ms has passed"},
		"idle, one that ignores SIGTERM":  {"trap '' TERM; echo $$; while :; do sleep 600; done", framework.Timeouts{Idle: 100 * time.Millisecond}, "timeouts.idle of 100ms has passed"},
		"request":                         {"echo $$; " + busy, framework.Timeouts{Request: 300 * time.Millisecond, Idle: 10 * time.Second}, "timeouts.request of 300ms has passed"},
		"read":                            {"echo $$; exec cat", framework.Timeouts{Read: 100 * time.Millisecond}, "exit status 1: cat"},
		"write, with client not reading":  {"echo $$; exec yes", framework.Timeouts{Write: 200 * time.Millisecond}, "exit status 1: yes"},
		"idle, with a client not reading": {"echo $$; exec yes", framework.Timeouts{Idle: 200 * time.Millisecond}, "timeouts.idle of 200ms has passed"},
	} {
		for _, network := range []string{"tcp", "unix"} {
			t.Run(name+"/"+network, func(t *testing.T) {
				t.Parallel()
				s := newShell(t, network, c.script)
				s.Timeouts = c.timeouts
				s.serve(t)
				conn := frameworktest.Dial(t, s.BaseServer)
				pid := line(t, conn)
				s.log.Await(t, c.log)
				awaitGone(t, pid)
			})
		}
	}
}

// Who talks is not idle, in either direction, whoever of a pipeline reads and writes.
func TestStdioThatIsNotIdle(t *testing.T) {
	const talk = "for i in 1 2 3 4 5 6 7 8; do sleep 0.1; echo $i; done; echo end"
	for network, script := range map[string]string{"tcp": talk, "unix": "(" + talk + ") | cat"} {
		t.Run(network, func(t *testing.T) {
			t.Parallel()
			s := newShell(t, network, script)
			s.Timeouts.Idle = 600 * time.Millisecond
			s.serve(t)
			text, err := io.ReadAll(frameworktest.Dial(t, s.BaseServer))
			require.NoError(t, err)
			require.Contains(t, string(text), "8\nend\n")
		})
	}
}

func TestStdioErrorsHaveTheReason(t *testing.T) {
	t.Parallel()
	for script, want := range map[string]string{
		"echo first >&2; echo last >&2; exit 3": `error="exit status 3: last"`,
		"exit 4":                                `error="exit status 4"`,
		"echo bad >&2; kill -SEGV $$":           `error="killed by signal segmentation fault: bad"`,
	} {
		s := newShell(t, "tcp", script).serve(t)
		frameworktest.ExpectEnd(t, frameworktest.Dial(t, s.BaseServer))
		s.log.Await(t, "[ERROR] request failed")
		s.log.Await(t, want)
	}
	file := filepath.Join(t.TempDir(), "broken")
	require.NoError(t, os.WriteFile(file, []byte("\x7fELFnothing"), 0o755))
	s := newProgram(t, "tcp", file).serve(t)
	frameworktest.ExpectEnd(t, frameworktest.Dial(t, s.BaseServer))
	s.log.Await(t, "it is no program for linux/")
}

// A client that has reset the connection is no error, whatever the program makes of it.
func TestStdioClientThatLeaves(t *testing.T) {
	for _, network := range []string{"tcp", "unix"} {
		for _, script := range []string{"echo; cat >/dev/null; echo x; sleep 0.1; echo y; exit 3", "echo; exec yes"} {
			t.Run(network, func(t *testing.T) {
				t.Parallel()
				s := newShell(t, network, script)
				ended := make(chan framework.Outcome, 1)
				s.Trace = &framework.Trace{Ended: func(_ *framework.Request, o framework.Outcome) { ended <- o }}
				s.serve(t)
				conn := frameworktest.Dial(t, s.BaseServer)
				line(t, conn)
				if tcp, ok := conn.(*net.TCPConn); ok {
					require.NoError(t, tcp.SetLinger(0))
				}
				require.NoError(t, conn.Close())
				o := frameworktest.Await(t, ended)
				require.NotZero(t, o.Pid)
				require.NotContains(t, s.log.String(), "request failed")
			})
		}
	}
}

func TestStdioDatagrams(t *testing.T) {
	for _, network := range []string{"udp", "unixgram"} {
		t.Run(network, func(t *testing.T) {
			t.Parallel()
			s := newShell(t, network, `n=$(wc -c); case $n in 1) ;; 2) head -c 70000 /dev/zero;; *) echo $n;; esac`).serve(t)
			conn := frameworktest.Dial(t, s.BaseServer)
			frameworktest.Send(t, conn, "a") // no answer
			frameworktest.Send(t, conn, "ab")
			s.log.Await(t, "the answer is longer than 65507 bytes")
			require.Equal(t, "8192\n", frameworktest.Ask(t, conn, strings.Repeat("x", 8192)))
		})
	}
}

// The input of a program ends when its server stops; it answers what was in flight. SIGTERM comes
// later, and SIGKILL at the end.
func TestStdioDrains(t *testing.T) {
	t.Parallel()
	s := newProgram(t, "tcp", "/bin/cat")
	require.NoError(t, s.Listen())
	go func() { _ = s.ServeForever() }()
	var clients []net.Conn
	for i := range 10 {
		conn := frameworktest.Dial(t, s.BaseServer)
		require.Equal(t, "a", frameworktest.Ask(t, conn, "a"))
		if i%2 == 0 {
			frameworktest.Send(t, conn, "in flight")
		}
		clients = append(clients, conn)
	}
	frameworktest.Shutdown(t, s.BaseServer)
	for i, conn := range clients {
		text, err := io.ReadAll(conn)
		require.NoError(t, err)
		require.Equal(t, []string{"in flight", ""}[i%2], string(text))
	}
	require.NotContains(t, s.log.String(), "ERROR")

	for script, drain := range map[string]time.Duration{
		"echo $$; trap 'echo bye; exit 1' TERM; while :; do sleep 0.01; done": time.Second,
		"echo $$; trap '' TERM; while :; do sleep 0.01; done":                 200 * time.Millisecond,
	} {
		s := newShell(t, "tcp", script)
		s.Timeouts.Drain = drain
		require.NoError(t, s.Listen())
		go func() { _ = s.ServeForever() }()
		conn := frameworktest.Dial(t, s.BaseServer)
		pid := line(t, conn)
		ctx, cancel := context.WithTimeout(t.Context(), drain)
		err := s.Shutdown(ctx)
		cancel()
		rest, _ := io.ReadAll(conn)
		if drain == time.Second {
			require.NoError(t, err)
			require.Equal(t, "bye\n", string(rest))
		} else {
			require.Error(t, err)
		}
		awaitGone(t, pid)
		require.NotContains(t, s.log.String(), "ERROR")
	}
}

// Who looks at a request sees its process, and can end it.
func TestStdioIsTracedAndKilled(t *testing.T) {
	t.Parallel()
	s := newShell(t, "tcp", "echo $$; sleep 600 & echo $!; wait")
	type start struct {
		request *framework.Request
		pid     int
	}
	started, ended := make(chan start, 1), make(chan framework.Outcome, 1)
	s.Trace = &framework.Trace{
		Started: func(r *framework.Request, at framework.Place, pid int) { started <- start{r, pid} },
		Ended:   func(_ *framework.Request, o framework.Outcome) { ended <- o },
	}
	s.serve(t)
	conn := frameworktest.Dial(t, s.BaseServer)
	frameworktest.Send(t, conn, "12345")
	pid, child := line(t, conn), line(t, conn)
	is := frameworktest.Await(t, started)
	require.Equal(t, pid, strconv.Itoa(is.pid))
	is.request.Kill()
	frameworktest.ExpectEnd(t, conn)
	o := frameworktest.Await(t, ended)
	require.Equal(t, is.pid, o.Pid)
	require.ErrorIs(t, o.Err, net.ErrClosed)
	awaitGone(t, child)
}

func TestStdioCountsBytes(t *testing.T) {
	t.Parallel()
	s := newShell(t, "tcp", "cat")
	ended := make(chan framework.Outcome, 1)
	s.Trace = &framework.Trace{Ended: func(_ *framework.Request, o framework.Outcome) { ended <- o }}
	s.serve(t)
	conn := frameworktest.Dial(t, s.BaseServer)
	frameworktest.Send(t, conn, "12345")
	require.Equal(t, "12345", frameworktest.End(t, conn))
	o := frameworktest.Await(t, ended)
	require.NoError(t, o.Err)
	require.Equal(t, []int64{5, 5}, []int64{o.In, o.Out})
}

// What has no descriptor of its own, as behind a layer, passes through a socketpair.
func TestStdioBehindALayer(t *testing.T) {
	t.Parallel()
	s := newProgram(t, "tcp", "/bin/cat")
	s.Layers = []framework.Layer{passing{}}
	s.serve(t)
	conn := frameworktest.Dial(t, s.BaseServer)
	text := bytes.Repeat([]byte("0123456789abcdef"), 64<<10)
	go func() {
		_, _ = conn.Write(text)
		_ = conn.(*net.TCPConn).CloseWrite()
	}()
	got, err := io.ReadAll(conn)
	require.NoError(t, err)
	require.True(t, bytes.Equal(text, got))
}

// passing is a layer that changes nothing.
type passing struct{}

func (passing) Wrap(_ context.Context, c net.Conn) (net.Conn, error) { return passed{c}, nil }

type passed struct{ net.Conn }

func (c passed) CloseWrite() error { return c.Conn.(*net.TCPConn).CloseWrite() }

// A client that was accepted waits for the descriptors that its program needs.
func TestStdioWaitsForDescriptors(t *testing.T) {
	for name, change := range map[string]func(*framework.BaseServer){
		"threading": func(*framework.BaseServer) {},
		"forking":   func(s *framework.BaseServer) { s.Strategy = &framework.Forking{} },
		"layer":     func(s *framework.BaseServer) { s.Layers = []framework.Layer{passing{}} },
	} {
		t.Run(name, func(t *testing.T) {
			s := newShell(t, "tcp", "read x; echo got $x")
			change(s.BaseServer)
			var limit syscall.Rlimit
			require.NoError(t, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit))
			restore := func() { require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit)) }
			defer restore()
			s.VerifyRequest = func(*framework.Request) bool { // what is not there yet cannot be opened any more
				return syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: 1, Max: limit.Max}) == nil
			}
			s.serve(t)
			conn := frameworktest.Dial(t, s.BaseServer)
			frameworktest.Send(t, conn, "it\n")
			s.log.Await(t, "request waits to begin")
			restore()
			frameworktest.Expect(t, conn, "got it\n")
		})
	}
}

// Idle programs cost neither threads nor much memory.
func TestStdioIdleProgramsTakeNoThread(t *testing.T) {
	s := newProgram(t, "tcp", "/bin/cat").serve(t)
	before, programs := threads(t), 100
	if os.Getenv("SOCKETSERVER_LONG_TESTS") != "" {
		programs = 1000
	}
	for range programs {
		require.Equal(t, "a", frameworktest.Ask(t, frameworktest.Dial(t, s.BaseServer), "a"))
	}
	require.LessOrEqual(t, threads(t)-before, 20)
}

func threads(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/task")
	require.NoError(t, err)
	return len(entries)
}

// The file that was opened runs, also when another one has taken its name.
func TestStdioRunsWhatWasOpened(t *testing.T) {
	t.Parallel()
	cat, err := os.ReadFile("/bin/cat")
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "program")
	require.NoError(t, os.WriteFile(file, cat, 0o755))
	s := newProgram(t, "tcp", file).serve(t)
	require.Equal(t, "a", frameworktest.Ask(t, frameworktest.Dial(t, s.BaseServer), "a"))
	require.NoError(t, os.WriteFile(file+".new", []byte("#!/bin/sh\necho other\n"), 0o755))
	require.NoError(t, os.Rename(file+".new", file))
	require.Equal(t, "b", frameworktest.Ask(t, frameworktest.Dial(t, s.BaseServer), "b"))
}
