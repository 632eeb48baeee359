package subject

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/cmd/socketserver/compare/mishap/experiment"
	"github.com/go-socketserver/socketserver/cmd/socketserver/compare/result"
	"github.com/go-socketserver/socketserver/cmd/socketserver/config"
)

var times = regexp.MustCompile(`\w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d \d{4}`)

const (
	echo        = `handler "echo" {}`
	experiments = `handler "experiment" {}`
)

var strategies = []string{`"synchronous" {}`, `"threading" {}`, `"forking" {}`, "\"forking\" {\n max_requests = 100\n spares = 2\n}", `"preforking" { workers = 2 }`}

// Every form serves under every strategy, and leaves nothing behind.
func TestServes(t *testing.T) {
	for _, form := range []string{result.Compiled, result.Plugin, result.Python} {
		for _, concurrency := range strategies {
			if form == result.Python && strings.Contains(concurrency, "workers") {
				continue
			}
			t.Run(form+" "+strings.Join(strings.Fields(concurrency), " "), func(t *testing.T) {
				s := start(t, specOf(t, form, "tcp", concurrency, echo))
				require.Equal(t, "hello\n", ask(t, s, "hello\n"))
				exit := s.Stop()
				require.Equal(t, Left{}, exit.Left)
				require.Equal(t, "exit status 0", exit.Status)
				require.False(t, exit.Forced)
				require.Positive(t, exit.Switches)
				requireNothing(t, s)
			})
		}
	}
}

// An event loop serves alike, and leaves nothing behind.
func TestEventLoops(t *testing.T) {
	for _, loop := range []string{Asyncio, Twisted} {
		for _, network := range []string{"tcp", "unix"} {
			spec := specOf(t, result.Python, network, `"threading" {}`, `handler "timestamp" { format = "{{{data}}}" }`)
			spec.Server.Concurrency = config.Concurrency{Kind: loop}
			s, err := Start(t.Context(), spec)
			if err != nil && strings.Contains(err.Error(), "there is no twisted") {
				t.Skip("Twisted is not installed")
			}
			require.NoError(t, err)
			require.Equal(t, "{hello}\n", ask(t, s, "hello\n"))
			exit := s.Stop()
			require.Equal(t, "exit status 0", exit.Status)
			require.Equal(t, Left{}, exit.Left)
			requireNothing(t, s)
		}
	}
}

// The servers of Stevens' table serve, and leave nothing behind.
func TestStevens(t *testing.T) {
	for _, c := range []struct{ form, kind string }{
		{result.Python, "preforking"}, {result.Python, "prethreading"}, {result.Xinetd, "forking"}, {result.Systemd, "forking"},
	} {
		t.Run(c.form+" "+c.kind, func(t *testing.T) {
			if c.form != result.Python && Inetd(c.form) == "" {
				t.Skip(c.form + " is not installed")
			}
			spec := specOf(t, c.form, "tcp", `"threading" {}`, echo)
			spec.Server.Concurrency = config.Concurrency{Kind: c.kind}
			s := start(t, spec)
			require.Equal(t, "hello\n", ask(t, s, "hello\n"))
			s.Stop()
			requireNothing(t, s)
		})
	}
}

func TestTransports(t *testing.T) {
	for _, form := range []string{result.Compiled, result.Plugin, result.Python} {
		for _, network := range []string{"udp", "unix", "unixgram"} {
			t.Run(form+" "+network, func(t *testing.T) {
				s := start(t, specOf(t, form, network, `"threading" {}`, `handler "timestamp" {}`))
				require.Equal(t, network, s.Network)
				require.Regexp(t, `^\[\w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d \d{4}] hello\n$`, ask(t, s, "hello\n"))
				require.Equal(t, Left{}, s.Stop().Left)
				requireNothing(t, s)
			})
		}
	}
}

func TestCountsWhatWasStarted(t *testing.T) {
	for form, started := range map[string]int64{result.Compiled: 3, result.Plugin: 5, result.Python: 3} {
		s := start(t, specOf(t, form, "tcp", `"forking" {}`, echo))
		for range 3 { // a plugin is a process, and one child is started to read its fingerprint
			ask(t, s, "hello\n")
		}
		require.Equal(t, started, s.Stop().Started, form)
	}
}

func TestStartFails(t *testing.T) {
	good := specOf(t, result.Compiled, "tcp", `"threading" {}`, echo)
	for reason, spoil := range map[string]func(*Spec){
		`the server ended before it listened \(exit status 1\): option "framing"`: func(s *Spec) {
			s.Server.Handler.Options = []byte(`{"framing": "none"}`)
		},
		"no Python counterpart of distributed":   func(s *Spec) { s.Form, s.Server.Concurrency.Kind = result.Python, "distributed" },
		`no Python counterpart of plugin "echo"`: func(s *Spec) { s.Form, s.Server.Handler.Kind = result.Python, "plugin" },
		"no Python counterpart of asyncio over udp": func(s *Spec) {
			s.Form, s.Server.Concurrency.Kind, s.Server.Transports = result.Python, Asyncio, []config.Transport{{Network: "udp"}}
		},
		`no Python counterpart of handler "command"`: func(s *Spec) { s.Form, s.Server.Handler.Name = result.Python, "command" },
		`no Python counterpart of quit = connection`: func(s *Spec) {
			s.Form, s.Server.Handler.Name = result.Python, "timestamp"
			s.Server.Handler.Options = []byte(`{"quit": "connection"}`)
		},
	} {
		spec := good
		spoil(&spec)
		_, err := Start(t.Context(), spec)
		require.Error(t, err, reason)
		require.Regexp(t, "^"+good.Name+": .*"+reason, err.Error())
	}
	requireNoLeftovers(t)
}

// requireNoLeftovers requires that no process of any subject is there.
func requireNoLeftovers(t *testing.T) {
	t.Helper()
	var children []string
	for _, m := range processes() {
		if m.Parent == os.Getpid() {
			command, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", m.pid))
			children = append(children, fmt.Sprintf("%d %q dead: %t", m.pid, command, m.Dead))
		}
	}
	require.Empty(t, children)
}

func TestDoesNotListenInTime(t *testing.T) {
	err := (&Subject{ctx: t.Context()}).awaitListening(time.Nanosecond)
	require.EqualError(t, err, "the server did not listen within 1ns")
}

func TestNoPython(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	_, err := Start(t.Context(), specOf(t, result.Python, "tcp", `"threading" {}`, echo))
	require.ErrorContains(t, err, ": there is no python3; install it, or leave the peers out")
}

// The reason that an inetd gives for its end is in the error.
func TestInetdEnds(t *testing.T) {
	directory := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(directory, "xinetd"), []byte("#!/bin/sh\necho bad configuration >&2\nexit 3\n"), 0o700)) //nolint:gosec // it is run
	t.Setenv("PATH", directory)
	_, err := Start(t.Context(), specOf(t, result.Xinetd, "tcp", `"forking" {}`, echo))
	require.ErrorContains(t, err, "bad configuration; xinetd ended before it listened: exit status 3")
	requireNoLeftovers(t)
}

func TestPeerAnswersAlike(t *testing.T) {
	for _, handler := range []string{
		`handler "echo" { framing = "line" }`,
		`handler "timestamp" { format = "{{{data}}} from {client_ip}" }`,
		`handler "timestamp" { framing = "chunk" }`,
		`handler "timestamp" { requests = 1 }`,
	} {
		var answers []string
		for _, form := range []string{result.Compiled, result.Python} {
			s := start(t, specOf(t, form, "tcp", `"threading" {}`, handler))
			conn := dial(t, s)
			answer := bufio.NewReader(conn)
			_, err := io.WriteString(conn, "one\r\n")
			require.NoError(t, err)
			line, err := answer.ReadString('\n')
			require.NoError(t, err)
			if !strings.Contains(handler, "requests") {
				_, err = io.WriteString(conn, "two")
				require.NoError(t, err)
				require.NoError(t, conn.(interface{ CloseWrite() error }).CloseWrite())
			}
			rest, err := io.ReadAll(answer)
			require.NoError(t, err)
			answers = append(answers, times.ReplaceAllString(line+string(rest), "TIME"))
			s.Stop()
		}
		require.Equal(t, answers[0], answers[1], handler)
	}
}

// An orphan that has left its group and its session is ended.
func TestLeftBehind(t *testing.T) {
	s := start(t, specOf(t, result.Compiled, "unix", `"threading" {}`, experiments))
	conn, answer := hold(t, s, experiment.Wait)
	stray := exec.Command("sh", "-c", "echo started; sleep 60")
	stray.Env = append(os.Environ(), "TMPDIR="+s.directory)
	stray.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	said, err := stray.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, stray.Start())
	_, err = bufio.NewReader(said).ReadString('\n')
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(s.directory+"/file", nil, 0o600))

	s.Kill()
	_, err = answer.ReadString('\n')
	require.Error(t, err)
	conn.Close()
	exit := s.Stop()
	require.Equal(t, "signal: killed", exit.Status)
	require.False(t, exit.Forced)
	require.EqualValues(t, -1, exit.Started)
	require.Equal(t, "a socket file, 2 files", exit.Left.String()[strings.Index(exit.Left.String(), "a socket"):])
	require.NotZero(t, exit.Left.Processes)
	_ = stray.Wait()
	requireNothing(t, s)
	require.Equal(t, exit, s.Stop())
}

// An orphan that has ended before anybody saw it is reaped: xinetd may end before it reaps its programs.
func TestOrphanThatHasEnded(t *testing.T) {
	s := start(t, specOf(t, result.Compiled, "tcp", `"threading" {}`, echo))
	parent := exec.Command("python3", "-I", "-c", "import os\nn = os.fork()\nif not n: os.setsid(); os._exit(0)\nos.waitid(os.P_PID, n, os.WEXITED | os.WNOWAIT)")
	require.NoError(t, parent.Run())
	require.Equal(t, Left{}, s.Stop().Left)
	requireNoLeftovers(t)
}

func TestForced(t *testing.T) {
	for _, form := range []string{result.Compiled, result.Python} {
		for _, concurrency := range []string{`"threading" {}`, `"forking" {}`} {
			spec := specOf(t, form, "tcp", concurrency, experiments)
			spec.Server.Timeouts.Drain = time.Hour
			s := start(t, spec)
			s.patience = 0
			_, _ = hold(t, s, experiment.Hang)
			exit := s.Stop()
			require.True(t, exit.Forced)
			require.Equal(t, "signal: killed", exit.Status)
			requireNothing(t, s)
		}
	}
}

func TestCancelled(t *testing.T) {
	for _, form := range []string{result.Compiled, result.Plugin, result.Python} {
		ctx, cancel := context.WithCancel(t.Context())
		s, err := Start(ctx, specOf(t, form, "tcp", `"forking" {}`, experiments))
		require.NoError(t, err)
		_, answer := hold(t, s, experiment.Hang)
		cancel()
		<-s.Done()
		s.Stop()
		_, err = answer.ReadString('\n')
		require.Error(t, err)
		requireNothing(t, s)
		_, err = Start(ctx, specOf(t, form, "tcp", `"forking" {}`, experiments))
		require.ErrorIs(t, err, context.Canceled)
	}
	requireNoLeftovers(t)
}

// What a comparison that is killed has started ends, and removes its directory.
func TestParentKilled(t *testing.T) {
	adopt()
	self, err := os.Executable()
	require.NoError(t, err)
	for _, form := range []string{result.Compiled, result.Plugin, result.Python} {
		parent := exec.Command(self, "parent", form)
		parent.Stderr = os.Stderr
		output, err := parent.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, parent.Start())
		line, err := bufio.NewReader(output).ReadString('\n')
		require.NoError(t, err)
		said := strings.Fields(line)
		pid, err := strconv.Atoi(said[1])
		require.NoError(t, err)
		s := &Subject{Network: "tcp", Address: said[0], directory: said[2], tree: tree{session: pid, directories: said[2:]}}
		word, grace := experiment.Hang, overdue-time.Second // it does not take to be forced
		if form == result.Python {
			word = experiment.Wait // CPython waits for ever
		}
		conn, _ := hold(t, s, word)
		require.NoError(t, parent.Process.Kill())
		_ = parent.Wait()
		conn.Close()
		require.Empty(t, s.tree.await(grace), form) // they are ours now
		requireNothing(t, s)
	}
}

func TestLog(t *testing.T) {
	s := start(t, specOf(t, result.Compiled, "tcp", `"threading" {}`, experiments))
	_, _ = hold(t, s, experiment.Wait)
	require.True(t, s.AwaitLog(t.Context(), func(l Line) bool { return l == Line{"info", "ready"} }))
	s.Stop()
	require.False(t, s.AwaitLog(t.Context(), func(l Line) bool { return l.Text == "never said" }))
	require.Contains(t, fmt.Sprint(s.Log()), "{info stopped}")
}

func TestNoCores(t *testing.T) {
	for _, form := range []string{result.Compiled, result.Python} {
		s := start(t, specOf(t, form, "tcp", `"threading" {}`, echo))
		limits, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", s.Pid()))
		require.NoError(t, err)
		require.Regexp(t, `Max core file size +0 +0 `, string(limits))
	}
}

// All forms have the same descriptors at their disposal: as many as they may.
func TestDescriptors(t *testing.T) {
	var before syscall.Rlimit
	require.NoError(t, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &before))
	low := before
	low.Cur = 128 // as in a shell; the runtime raises it at start
	require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &low))
	defer func() { require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &before)) }()
	for _, form := range []string{result.Compiled, result.Python} {
		s := start(t, specOf(t, form, "tcp", `"threading" {}`, echo))
		limits, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", s.Pid()))
		require.NoError(t, err)
		require.Regexp(t, fmt.Sprintf(`Max open files +(%d|%d) +%d `, before.Max-1, before.Max, before.Max), string(limits), form) // Go may leave one out
	}
}

func TestJournal(t *testing.T) {
	j := newJournal()
	long := strings.Repeat("x", 3*maxLine)
	logged, err := json.Marshal(map[string]string{"@level": "error", "@message": "a\x1b[31m", "error": "no\u202ereason"})
	require.NoError(t, err)
	j.copy(strings.NewReader("\x1b]0;title\x07\n"+long+"\n"+string(logged)+"\ntaken\nlast"), func(line []byte) bool {
		return string(line) == "taken"
	})
	require.Equal(t, []Line{{"", `\x1b]0;title\a`}, {"", long[:maxLine]}, {"error", `a\x1b[31m: no\u202ereason`}, {"", "last"}}, j.Log())
	for range 2 * keptLines {
		j.add(Line{})
	}
	require.Len(t, j.Log(), keptLines)
}
