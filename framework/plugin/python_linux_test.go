package plugin_test

import (
	"cmp"
	"context"
	"crypto/rand"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/framework/frameworktest"
	"github.com/go-socketserver/socketserver/framework/internal/handoff"
	"github.com/go-socketserver/socketserver/framework/plugin"
	"github.com/go-socketserver/socketserver/internal/vsock"
)

// script returns the settings of a script of testdata under a strategy.
func script(t *testing.T, name, concurrency string, j *frameworktest.Log) plugin.Settings {
	t.Helper()
	path, err := filepath.Abs("testdata/python/" + name + ".py")
	require.NoError(t, err)
	return scriptAt(path, concurrency, j)
}

func scriptAt(path, concurrency string, j *frameworktest.Log) plugin.Settings {
	return plugin.Settings{
		Name: strings.TrimSuffix(filepath.Base(path), ".py"), Definition: plugin.Definition{Kind: plugin.Python, Path: path}, Server: "test",
		Concurrency: concurrency, Log: j.Logger(), Timeouts: framework.Timeouts{Drain: 2 * time.Second},
	}
}

// serveScript serves a script of testdata.
func serveScript(t *testing.T, name, network, concurrency string) (*framework.BaseServer, *frameworktest.Log) {
	t.Helper()
	j := frameworktest.NewLog()
	class := open(t, script(t, name, concurrency, j))
	return serve(t, frameworktest.NewServer(t, network, class), strategies[concurrency](), j), j
}

// ask sends text over a connection of its own and returns all that comes back.
func ask(t *testing.T, s *framework.BaseServer, text string) string {
	t.Helper()
	conn := frameworktest.Dial(t, s)
	if _, ok := conn.(interface{ CloseWrite() error }); !ok || s.Addr().Network() == "unixgram" {
		return frameworktest.Ask(t, conn, text)
	}
	frameworktest.Send(t, conn, text)
	return frameworktest.End(t, conn)
}

// Scripts as people publish them, the first three those of Python's documentation, run unchanged.
func TestPythonScripts(t *testing.T) {
	everywhere := []string{"synchronous", "threading", "forking", "preforking"}
	for _, c := range []struct {
		script, network string
		strategies      []string
		sent, answer    string // a regular expression
	}{
		{"documented_tcp", "tcp", everywhere[1:], "hello\n", "HELLO"},
		{"documented_stream", "tcp", everywhere[:1], "hello\n", "HELLO"},
		{"documented_udp", "udp", everywhere[1:], "hello\n", "HELLO"},
		{"timestamp", "tcp", everywhere[1:2], "hello\r\n", `\[\w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d \d{4}\] hello\r\n`},
		{"timestamp", "tcp", everywhere[:1], "", `\[\w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d \d{4}\] `},
		{"class_only", "unix", everywhere[3:], "abc", "cba"},
		{"class_only", "udp", everywhere[2:3], "abc", "cba"},
		{"coroutine", "tcp", everywhere[1:], "a\nb\n", "A\nB\n"},
		{"partial", "unix", everywhere[1:2], "a\n", "received a\n"},
		{"closure", "tcp", everywhere[2:3], "a\n", "made a\n"},
		{"two_servers", "tcp", everywhere[2:], "a\n", "tcp a\n"},
		{"two_servers", "udp", everywhere[3:], "a", "udp a"},
		{"thread_class", "tcp", everywhere[2:3], "a\n", "kept a\n"},
		{"own_loop", "tcp", everywhere[1:2], "a\n", "a in its turn\n"},
		{"answers", "udp", everywhere[1:2], "you", "hello you"},
	} {
		for _, strategy := range c.strategies {
			t.Run(c.script+"/"+c.network+"/"+strategy, func(t *testing.T) {
				t.Parallel()
				s, _ := serveScript(t, c.script, c.network, strategy)
				for range 2 {
					require.Regexp(t, "^"+c.answer+"$", ask(t, s, c.sent))
				}
			})
		}
	}
}

// A wait may be without end, or longer than the 24 days that the system takes.
func TestPythonWaitsForLong(t *testing.T) {
	const head = "import socketserver\nclass H(socketserver.StreamRequestHandler):\n    def handle(self): self.wfile.write(self.rfile.readline())\n"
	for name, c := range map[string]struct {
		text    string
		request time.Duration
	}{
		"own_loop":      {"server = socketserver.TCPServer(('', 0), H)\nwhile True: server.handle_request()\n", 0},
		"timeout":       {"server = socketserver.TCPServer(('', 0), H)\nserver.timeout = 1e9\nwhile True: server.handle_request()\n", 0},
		"poll_interval": {"class S(socketserver.TCPServer):\n    def service_actions(self): pass\nS(('', 0), H).serve_forever(poll_interval=1e9)\n", 0},
		"request":       {"socketserver.TCPServer(('', 0), H).serve_forever()\n", 10000 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path, j := filepath.Join(t.TempDir(), name+".py"), frameworktest.NewLog()
			require.NoError(t, os.WriteFile(path, []byte(head+c.text), 0o600))
			settings := scriptAt(path, "threading", j)
			settings.Timeouts.Request = c.request
			class := open(t, settings)
			s := serve(t, frameworktest.NewServer(t, "tcp", class), strategies["threading"](), j)
			for range 2 {
				require.Equal(t, "a\n", ask(t, s, "a\n"))
			}
			require.Zero(t, j.Count("plugin ended"))
		})
	}
}

func TestPythonThatCannotBeServed(t *testing.T) {
	const head = "import socketserver, threading\nclass H(socketserver.StreamRequestHandler):\n    def handle(self): pass\n"
	const serves = "S(('', 0), H).serve_forever()\n"
	for name, c := range map[string]struct{ concurrency, text, problem string }{
		"accepts":     {"threading", head + "class S(socketserver.TCPServer):\n    def get_request(self): return super().get_request()\n" + serves, `get_request\(\) accepts \(and may do TLS\) by itself in S, and connections come from the server here: TLS is tls { } of its transport`},
		"tls":         {"preforking", head + "import ssl\nserver = socketserver.TCPServer(('', 0), H)\nserver.socket = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).wrap_socket(server.socket, server_side=True)\nserver.serve_forever()\n", `its socket does TLS by itself in TCPServer`},
		"python2":     {"threading", "import SocketServer\nprint 'hello'\n", `python2.py:2: this is Python 2 \(Missing parentheses.*\); convert it: 2to3 -w python2.py`},
		"old_module":  {"threading", "import SocketServer\n", `old_module.py:1: this is Python 2 \(ModuleNotFoundError.*\)`},
		"syntax":      {"threading", head + "def\n", `syntax.py:4: invalid syntax`},
		"raises":      {"threading", head + "H.nothing\n", `raises.py:4: AttributeError: type object 'H' has no attribute 'nothing'`},
		"thread":      {"forking", head + "threading.Thread(target=threading.Event().wait, name='work', daemon=True).start()\nS = socketserver.TCPServer\n" + serves, `1 thread alive \(work\), and a fork has no copy of a thread`},
		"two_classes": {"threading", head + "class I(socketserver.StreamRequestHandler): pass\n", `it starts no server and has 2 handler classes \(H, I\)`},
		"nothing":     {"threading", "import socketserver\n", `it starts no server and has 0 handler classes`},
		"argument":    {"threading", head + "import sys\nport = int(sys.argv[1])\n", `argument.py:5: it wants an argument; give it arguments by args = \[...\]`},
		"usage":       {"threading", head + "import sys\nsys.exit('usage: usage.py PORT')\n", `usage.py ended before it served \(usage: usage.py PORT\); give it arguments by args`},
		"status":      {"threading", head + "import sys\nsys.exit(3)\n", `status.py ended before it served \(exit status 3\)`},
		"own_loop":    {"forking", head + "socketserver.TCPServer(('', 0), H).handle_request()\n", `it calls handle_request\(\) in a loop of its own, for one request after the other; use synchronous`},
		"workers":     {"preforking", head + "socketserver.TCPServer(('', 0), H).handle_request()\n", `it calls handle_request\(\) in a loop of its own`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := t.TempDir() + "/" + name + ".py"
			write(t, path, c.text, 0o644)
			_, err := plugin.Open(t.Context(), scriptAt(path, c.concurrency, frameworktest.NewLog()))
			require.Error(t, err)
			require.Regexp(t, c.problem, err.Error())
			require.NotContains(t, err.Error(), "\n")
		})
	}
}

func TestPythonArguments(t *testing.T) {
	t.Parallel()
	j := frameworktest.NewLog()
	conf := script(t, "arguments", "threading", j)
	_, err := plugin.Open(t.Context(), conf)
	var wrong *framework.OptionError
	require.ErrorAs(t, err, &wrong)
	require.Equal(t, "args", wrong.Option)
	require.Contains(t, wrong.Problem, "the following arguments are required: port")

	conf.Options = []byte(`{"arg": ["4"]}`)
	_, err = plugin.Open(t.Context(), conf)
	require.ErrorAs(t, err, &wrong)

	conf.Options = []byte(`{"args": ["4", "--prefix", "got "]}`)
	s := serve(t, frameworktest.NewServer(t, "tcp", open(t, conf)), &framework.Threading{}, j)
	require.Equal(t, "got a\n", ask(t, s, "a\n"))
	d, err := plugin.Describe(t.Context(), script(t, "subject", "", j))
	require.NoError(t, err)
	require.Equal(t, []string{"tcp", "unix"}, d.Networks)
	require.Equal(t, "args", d.Options[0].Name)
}

// Under forking each request is served by a fork of the interpreter that has loaded the script, and
// changes nothing for the next one; verify_request is the parent's.
func TestPythonForks(t *testing.T) {
	t.Parallel()
	s, j := serveScript(t, "subject", "tcp", "forking")
	first := dial(t, s)
	require.Equal(t, "1", first.ask(t, "count"))
	second := dial(t, s)
	require.Equal(t, "1", second.ask(t, "count"))
	require.Equal(t, "2", second.ask(t, "verified"))
	require.Equal(t, "good morning", first.ask(t, "greet"))
	require.NotEqual(t, first.pid(t), second.pid(t))
	for _, end := range []struct{ word, logged string }{
		{"abort", "its process was ended by SIGABRT"}, {"exit", "its process ended with exit status 3"},
	} {
		frameworktest.Send(t, first, end.word+"\n")
		frameworktest.ExpectEnd(t, first)
		j.Await(t, end.logged)
		first = dial(t, s)
	}
	require.Equal(t, "left", first.ask(t, "leave"))
	frameworktest.ExpectEnd(t, first)
	require.Equal(t, "1", second.ask(t, "count"), "other requests go on")
	require.Equal(t, "parent", second.ask(t, "forked"))
	require.Equal(t, 60001, len(ask(t, s, "big\n")))
}

func TestPythonKeepsState(t *testing.T) {
	t.Parallel()
	s, j := serveScript(t, "subject", "tcp", "threading")
	first := dial(t, s)
	require.Equal(t, "1", first.ask(t, "count"))
	second := dial(t, s)
	require.Equal(t, "2", second.ask(t, "count"))
	require.Equal(t, first.pid(t), second.pid(t))
	require.Equal(t, "parent", second.ask(t, "forked"))
	directory, err := filepath.Abs("testdata/python")
	require.NoError(t, err)
	require.Equal(t, directory, second.ask(t, "where"))
	host, port, _ := strings.Cut(second.LocalAddr().String(), ":")
	require.Equal(t, "('"+host+"', "+port+")", second.ask(t, "address"))

	frameworktest.Send(t, first, "fail\n")
	frameworktest.ExpectEnd(t, first)
	j.Await(t, "ValueError: a wrong value")
	j.Await(t, "subject.py")

	frameworktest.Send(t, second, "abort\n")
	frameworktest.ExpectEnd(t, second)
	require.Equal(t, "1", dial(t, s).ask(t, "count"), "the next process begins anew")
}

// What a script keeps in the state is the same in all interpreters and their forks.
func TestPythonUsesState(t *testing.T) {
	for _, concurrency := range []string{"threading", "forking"} {
		s, _ := serveScript(t, "keeper", "tcp", concurrency)
		require.Equal(t, "NoKey: 'framework: the state has no such key'\n1\nExists: framework: the key exists in the state\n", ask(t, s, "get a\ncreate a one\ncreate a two\n"), concurrency)
		require.Equal(t, "Conflict: framework: the key has another revision\n2\ntwo 2\n5\n-2\n", ask(t, s, "update a two 7\nupdate a two 1\nget a\nadd a 5\nadd a -7\n"), concurrency)
		require.Equal(t, "OSError: framework: the key \"a:b\"; a key of the state has letters, digits and -/_=. only\nNone\n0\n", ask(t, s, "get a:b\ndelete a\nadd a 0\n"), concurrency)
	}
}

// Calls of the state fail once the server has gone, those that wait and those that follow.
func TestPythonStateWithoutItsServer(t *testing.T) {
	var source strings.Builder
	for _, name := range []string{"channel", "request", "listener", "state", "runner"} {
		part, err := os.ReadFile("python/" + name + ".py")
		require.NoError(t, err)
		source.Write(part)
	}
	for _, concurrency := range []string{"threading", "forking"} {
		server, theirs, err := handoff.Pair()
		require.NoError(t, err)
		defer server.Close()
		host := exec.Command("python3", "-I", "-c", source.String(), "testdata/python/keeper.py", "testdata/python/keeper.py")
		host.ExtraFiles, host.Stderr = []*os.File{theirs}, os.Stderr
		require.NoError(t, host.Start())
		defer func() { _ = host.Process.Kill() }()
		require.NoError(t, theirs.Close())
		require.NoError(t, server.Send(&handoff.Frame{Kind: handoff.Configure, Body: []byte(`{"concurrency": "` + concurrency + `", "timeouts": {"drain": 3600e9}}`)}, nil))
		expect := func(want handoff.Kind) {
			require.NoError(t, server.Receive(func(f handoff.Frame) error {
				require.Equal(t, want, f.Kind)
				return nil
			}))
		}
		expect(handoff.Hello)
		var clients []net.Conn
		for id := range uint64(2) {
			end, request, err := handoff.StreamPair()
			require.NoError(t, err)
			client, err := net.FileConn(end)
			require.NoError(t, err)
			require.NoError(t, end.Close())
			defer client.Close()
			require.NoError(t, server.Send(&handoff.Frame{Kind: handoff.Stream, ID: id + 1, Network: "unix"}, request))
			require.NoError(t, request.Close())
			frameworktest.Send(t, client, "get a\n")
			expect(handoff.State)
			clients = append(clients, client)
		}
		require.NoError(t, server.Close())
		for _, client := range clients {
			frameworktest.Expect(t, client, "OSError: the server has gone\n")
			frameworktest.Send(t, client, "get a\n")
			frameworktest.Expect(t, client, "OSError: the server has gone\n")
			require.NoError(t, client.Close())
		}
		require.NoError(t, host.Wait(), concurrency)
	}
}

// shutdown() stops the server, and what follows serve_forever() runs.
func TestPythonStopsItsServer(t *testing.T) {
	for _, c := range []struct{ script, concurrency, before, word, answer, printed string }{
		{"subject", "threading", "", "stop\n", "stopping\n", "stopped and cleaned up"},
		{"subject", "forking", "", "stop\n", "stopping\n", "stopped and cleaned up"},
		{"subject", "preforking", "", "stop\n", "stopping\n", "stopped and cleaned up"},
		{"actions", "threading", "", "", "beating\n", "stopped by the flag"},
		{"own_loop", "synchronous", "nothing came", "last\n", "last in its turn\n", "loop ended"},
	} {
		t.Run(c.script+"/"+c.concurrency, func(t *testing.T) {
			t.Parallel()
			j := frameworktest.NewLog()
			class := open(t, script(t, c.script, c.concurrency, j))
			s := frameworktest.NewServer(t, "tcp", class)
			stopped := make(chan struct{}, 8)
			s.OnStop = func() { stopped <- struct{}{} }
			serve(t, s, strategies[c.concurrency](), j)
			j.Await(t, c.before)
			conn := frameworktest.Dial(t, s)
			frameworktest.Send(t, conn, c.word)
			frameworktest.Expect(t, conn, c.answer)
			_ = conn.Close()
			frameworktest.Await(t, stopped)
			frameworktest.Shutdown(t, s)
			require.NoError(t, class.Close())
			j.Await(t, c.printed)
		})
	}
}

// verify_request is asked, and a connection that it refuses is closed without a word.
func TestPythonVerifiesRequests(t *testing.T) {
	for _, concurrency := range []string{"threading", "forking"} {
		t.Run(concurrency, func(t *testing.T) {
			t.Parallel()
			s, _ := serveScript(t, "filtered", "tcp", concurrency)
			for _, answer := range []string{"secret\n", "secret\n", "", ""} {
				require.Equal(t, answer, ask(t, s, ""))
			}
		})
	}
}

// A server of IPv6 gets addresses of four parts, and its handle_error is called.
func TestPythonOverIPv6(t *testing.T) {
	for _, concurrency := range []string{"threading", "forking", "preforking"} {
		t.Run(concurrency, func(t *testing.T) {
			t.Parallel()
			j := frameworktest.NewLog()
			s := &framework.NewTCPServer("[::1]:0", open(t, script(t, "version6", concurrency, j))).BaseServer
			serve(t, s, strategies[concurrency](), j)
			require.Equal(t, "20\n", ask(t, s, "5\n"))
			require.Equal(t, "error\n", ask(t, s, "0\n"))
			j.Await(t, "ZeroDivisionError: integer division or modulo by zero")
		})
	}
}

// The socket of the server is not the script's to remove.
func TestPythonLeavesTheSocketAlone(t *testing.T) {
	t.Parallel()
	j := frameworktest.NewLog()
	conf := script(t, "unix", "threading", j)
	path := t.TempDir() + "/s"
	conf.Options = []byte(`{"args": ["` + path + `"]}`)
	class := open(t, conf)
	s := &framework.NewUnixStreamServer(path, class).BaseServer
	serve(t, s, &framework.Threading{}, j)
	before, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, "through a\n", ask(t, s, "a\n"))

	again := open(t, conf) // a script that loads while the server has its socket
	require.NoError(t, again.Close())
	after, err := os.Stat(path)
	require.NoError(t, err)
	require.True(t, os.SameFile(before, after))
	require.Equal(t, before.Mode(), after.Mode())
	require.Equal(t, "through a\n", ask(t, s, "a\n"))
}

// One answer to a datagram, of a size that there is.
func TestPythonAnswers(t *testing.T) {
	t.Parallel()
	s, j := serveScript(t, "answers", "udp", "threading")
	conn := frameworktest.Dial(t, s)
	require.Equal(t, "0", frameworktest.Ask(t, conn, "many"))
	j.Await(t, "a second answer to a datagram; there is one to each")
	frameworktest.Send(t, conn, "large")
	j.Await(t, "an answer of 65508 bytes; a datagram has at most 65507")
	frameworktest.Send(t, conn, "quiet")
	require.Equal(t, "hello you", frameworktest.Ask(t, conn, "you"), "nothing else has come")
}

// A datagram that is longer than it may be is dropped, not cut short, wherever it is received.
func TestPythonDropsLongDatagrams(t *testing.T) {
	for _, concurrency := range []string{"threading", "preforking"} {
		t.Run(concurrency, func(t *testing.T) {
			t.Parallel()
			s, j := serveScript(t, "answers", "udp", concurrency)
			conn := frameworktest.Dial(t, s)
			for range 3 {
				frameworktest.Send(t, conn, strings.Repeat("x", 8193))
			}
			require.Equal(t, "hello you", frameworktest.Ask(t, conn, "you"))
			require.Len(t, frameworktest.Ask(t, conn, strings.Repeat("x", 8192)), 8192+len("hello "))
			j.Await(t, "datagram dropped: it is longer than max_packet_size")
			j.Await(t, "max_packet_size=8192")
		})
	}
}

// The timeouts of the server hold, whatever the handler sets.
func TestPythonTimeouts(t *testing.T) {
	for _, c := range []struct {
		concurrency string
		timeouts    framework.Timeouts
		sent        string
		logged      string
	}{
		{"threading", framework.Timeouts{Idle: 50 * time.Millisecond}, "wait\n", "timed out"},
		{"threading", framework.Timeouts{Write: 50 * time.Millisecond}, strings.Repeat("big\n", 400), "timed out"},
		{"forking", framework.Timeouts{Request: 50 * time.Millisecond}, "wait\n", "the request took longer than it may"},
		{"threading", framework.Timeouts{Request: 50 * time.Millisecond}, "wait\n", "the request took longer than it may"},
	} {
		t.Run(c.concurrency+"/"+c.sent[:4]+"/"+c.logged, func(t *testing.T) {
			t.Parallel()
			j := frameworktest.NewLog()
			conf := script(t, "subject", c.concurrency, j)
			conf.Timeouts = c.timeouts
			errs := make(chan error, 1)
			s := frameworktest.NewServer(t, "tcp", open(t, conf))
			s.Timeouts, s.HandleError = c.timeouts, func(_ *framework.Request, err error) { errs <- err }
			serve(t, s, strategies[c.concurrency](), j)
			conn := frameworktest.Dial(t, s)
			frameworktest.Send(t, conn, c.sent)
			err := frameworktest.Await(t, errs)
			require.ErrorIs(t, err, os.ErrDeadlineExceeded)
			require.ErrorContains(t, err, c.logged)
		})
	}
}

// A coroutine does not wait for ever for a client that does not read, where it waits itself or at its end.
func TestPythonCoroutineTimeouts(t *testing.T) {
	for name, last := range map[string]string{"drains": "await writer.drain()", "returns": "pass", "closes": "writer.close(); await writer.wait_closed()"} {
		path := t.TempDir() + "/writes.py"
		write(t, path, "import asyncio\nasync def handle(reader, writer):\n    writer.write(bytes(50_000_000))\n    "+last+"\n", 0o644)
		for _, concurrency := range []string{"threading", "forking"} {
			t.Run(name+"/"+concurrency, func(t *testing.T) {
				t.Parallel()
				j := frameworktest.NewLog()
				conf := scriptAt(path, concurrency, j)
				conf.Timeouts = framework.Timeouts{Write: 50 * time.Millisecond}
				errs := make(chan error, 1)
				s := frameworktest.NewServer(t, "tcp", open(t, conf))
				s.HandleError = func(_ *framework.Request, err error) { errs <- err }
				serve(t, s, strategies[concurrency](), j)
				frameworktest.Dial(t, s)
				err := frameworktest.Await(t, errs)
				require.ErrorIs(t, err, os.ErrDeadlineExceeded)
				require.ErrorContains(t, err, "timed out")
			})
		}
	}
}

// Coroutines of one process take turns; an exception is the request's.
func TestPythonCoroutines(t *testing.T) {
	t.Parallel()
	s, j := serveScript(t, "coroutine", "tcp", "threading")
	first, second := frameworktest.Dial(t, s), frameworktest.Dial(t, s)
	frameworktest.Send(t, first, "meet\n")
	frameworktest.Send(t, second, "meet\n")
	frameworktest.Expect(t, first, "MEET\n")
	frameworktest.Expect(t, second, "MEET\n")
	frameworktest.Send(t, first, "fail\n")
	frameworktest.ExpectEnd(t, first)
	j.Await(t, "ValueError: wrong")
	require.Equal(t, "ok", strings.ToLower(strings.TrimSpace(frameworktest.Ask(t, second, "ok\n"))))
}

// The bytes and ends of requests are reported under each strategy.
func TestPythonIsTraced(t *testing.T) {
	for name, strategy := range strategies {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			j := frameworktest.NewLog()
			ended := make(chan framework.Outcome, 1)
			s := frameworktest.NewServer(t, "tcp", open(t, script(t, "documented_tcp", name, j)))
			s.Trace = &framework.Trace{Ended: func(_ *framework.Request, o framework.Outcome) { ended <- o }}
			serve(t, s, strategy(), j)
			require.Equal(t, "HELLO", ask(t, s, "hello\n"))
			o := frameworktest.Await(t, ended)
			require.NoError(t, o.Err)
			require.EqualValues(t, 6, o.In)
			require.EqualValues(t, 5, o.Out)
			require.NotZero(t, o.Pid)
		})
	}
}

// What is printed is logged in order, without a flush.
func TestPythonPrints(t *testing.T) {
	t.Parallel()
	s, j := serveScript(t, "documented_tcp", "tcp", "threading")
	require.Equal(t, "HELLO", ask(t, s, "hello\n"))
	j.Await(t, "b'hello'")
	require.Regexp(t, regexp.MustCompile(`(?s)Received from 127\.0\.0\.1:.*b'hello'`), j.String())
}

// A worker serves the sockets of every network, and knows who their clients are.
func TestPythonOnEveryStream(t *testing.T) {
	for network, address := range map[string]string{"unixpacket": "s", "vsock": "local:0"} {
		t.Run(network, func(t *testing.T) {
			t.Parallel()
			if network == "unixpacket" {
				address = filepath.Join(t.TempDir(), address)
			}
			socket, err := framework.OpenSocket(network, address, framework.SocketOptions{})
			if network == "vsock" && err != nil {
				t.Skip("needs the module vsock_loopback:", err)
			}
			require.NoError(t, err)
			t.Cleanup(func() { _ = socket.Close() })
			j := frameworktest.NewLog()
			s := &framework.BaseServer{Class: open(t, script(t, "subject", "preforking", j)), Transport: socket.Transport(), Limits: &framework.Limits{Connections: 4, PerSource: 1}}
			serve(t, s, &framework.Preforking{Workers: 1}, j)
			connect := func() *client {
				if network == "vsock" {
					conn, err := vsock.Dial(t.Context(), s.Addr().(*vsock.Addr))
					require.NoError(t, err)
					return newClient(frameworktest.Adopt(t, conn))
				}
				return newClient(frameworktest.DialAddress(t, network, address))
			}
			require.Equal(t, "1", connect().ask(t, "count"))
			frameworktest.ExpectEnd(t, connect())
		})
	}
}

// Parts of the worker, by themselves.
func TestPythonParts(t *testing.T) {
	t.Parallel()
	out, err := exec.Command("python3", "-I", "testdata/python_parts.py").CombinedOutput()
	require.NoError(t, err, "%s", out)
}

// A request that ends strangely is over all the same: what it counted against is free.
func TestPythonRequestsEnd(t *testing.T) {
	const text = `import os, socketserver, sys
class Unprintable(Exception):
    def __str__(self): raise ValueError("no text")
class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        word = self.rfile.readline()
        self.wfile.write(word)
        if word == b"raise\n": raise Unprintable
        if word == b"close\n": os.close(self.request.fileno())
class Server(socketserver.TCPServer):
    def shutdown_request(self, request): sys.exit("not shut down")
Server(("", 0), Handler).serve_forever()
`
	path := t.TempDir() + "/ends.py"
	write(t, path, text, 0o644)
	for concurrency, strategy := range map[string]framework.Strategy{"threading": &framework.Threading{}, "preforking": &framework.Preforking{Workers: 1}} {
		t.Run(concurrency, func(t *testing.T) {
			t.Parallel()
			j := frameworktest.NewLog()
			s := frameworktest.NewServer(t, "tcp", open(t, scriptAt(path, concurrency, j)))
			s.Limits = &framework.Limits{Connections: 1}
			serve(t, s, strategy, j)
			for _, word := range []string{"raise\n", "close\n", "end\n"} {
				require.Equal(t, word, ask(t, s, word))
			}
			j.Await(t, "Unprintable: it has no text")
			j.Await(t, "not shut down")
		})
	}
}

// The datagram of a client without an address is over, too, though there is no way to answer it.
func TestPythonAnswersNobody(t *testing.T) {
	t.Parallel()
	j := frameworktest.NewLog()
	ended := make(chan framework.Outcome, 4)
	s := frameworktest.NewServer(t, "unixgram", open(t, script(t, "answers", "preforking", j)))
	s.Limits = &framework.Limits{Connections: 1}
	s.Trace = &framework.Trace{Ended: func(_ *framework.Request, o framework.Outcome) { ended <- o }}
	serve(t, s, &framework.Preforking{Workers: 1}, j)
	conn, err := net.Dial("unixgram", s.Addr().String())
	require.NoError(t, err)
	frameworktest.Send(t, frameworktest.Adopt(t, conn), "me")
	o := frameworktest.Await(t, ended)
	require.ErrorIs(t, o.Err, framework.ErrPeerGone)
	require.ErrorContains(t, o.Err, "it has no address to answer to")
	require.Equal(t, "hello you", ask(t, s, "you"))
}

// A path gets the answer only where it is absolute and leads to a socket of the client's user.
func TestPythonAnswersNoOtherSocket(t *testing.T) {
	j := frameworktest.NewLog()
	s := frameworktest.NewServer(t, "unixgram", open(t, script(t, "answers", "preforking", j)))
	serve(t, s, &framework.Preforking{Workers: 1}, j)
	t.Chdir(t.TempDir())
	beside, err := filepath.Abs("victim")
	require.NoError(t, err)
	bind := func(name string) *net.UnixConn {
		c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Net: "unixgram", Name: name})
		require.NoError(t, err)
		return frameworktest.Adopt(t, c).(*net.UnixConn)
	}
	victim, client := bind(beside), bind(beside+"-client")
	require.NoError(t, os.Rename(beside+"-client", beside+"-moved"))
	require.NoError(t, os.Symlink(beside, beside+"-client"))
	for why, from := range map[string]*net.UnixConn{
		"its client's name is a relative path":                                             bind("client"),
		"what its client's name leads to here is no socket of the user that it comes from": client,
	} {
		_, err = from.WriteTo([]byte("x"), s.Addr())
		require.NoError(t, err)
		j.Await(t, why)
	}
	require.Equal(t, "hello you", ask(t, s, "you"))
	require.NoError(t, victim.SetReadDeadline(time.Unix(1, 0)))
	_, err = victim.Read(make([]byte, 9))
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
}

// The name of a client need not be UTF-8, and there may be none: it is reported as by this process.
func TestPythonNameOfClient(t *testing.T) {
	for _, concurrency := range []string{"threading", "forking", "preforking"} {
		t.Run(concurrency, func(t *testing.T) {
			t.Parallel()
			j := frameworktest.NewLog()
			s := frameworktest.NewServer(t, "unix", open(t, script(t, "class_only", concurrency, j)))
			ended := make(chan string, 3)
			s.Trace = &framework.Trace{Ended: func(r *framework.Request, _ framework.Outcome) { ended <- r.ClientAddress.String() }}
			serve(t, s, strategies[concurrency](), j)
			for _, name := range []string{"", "@\xff\xfe" + rand.Text(), "@\xff\xfe" + rand.Text()} {
				conn, err := net.DialUnix("unix", &net.UnixAddr{Net: "unix", Name: name}, s.Addr().(*net.UnixAddr))
				require.NoError(t, err)
				frameworktest.Send(t, conn, "abc")
				require.Equal(t, "cba", frameworktest.End(t, conn))
				require.Equal(t, cmp.Or(name, "@"), <-ended)
			}
			require.NotContains(t, j.String(), "Error")
		})
	}
}

// A handle_error that raises changes nothing about the request, which is over.
func TestPythonErrorsOfHandleError(t *testing.T) {
	for _, concurrency := range []string{"threading", "forking"} {
		t.Run(concurrency, func(t *testing.T) {
			t.Parallel()
			s, j := serveScript(t, "raises", "tcp", concurrency)
			for _, word := range []string{"first", "second"} {
				require.Empty(t, ask(t, s, word+"\n"))
			}
			j.Await(t, "ValueError: not this one")
			j.Await(t, "ValueError: second")
		})
	}
}

// A fork that the loop cannot watch, as no descriptor is left, costs one client its connection.
func TestPythonForksWithoutADescriptor(t *testing.T) {
	t.Parallel()
	s, j := serveScript(t, "full", "tcp", "forking")
	require.Equal(t, "1\n", ask(t, s, "\n"))
	frameworktest.ExpectEnd(t, frameworktest.Dial(t, s))
	j.Await(t, "Too many open files")
	require.Equal(t, "3\n", ask(t, s, "\n"), "the process is the same")
}

// A worker says that it takes no more clients of a socket as soon as it does not, and not when its requests are over.
func TestScriptAcknowledgesRetiring(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hold.py")
	write(t, path, `import socketserver
class H(socketserver.StreamRequestHandler):
    def handle(self):
        for line in self.rfile:
            self.wfile.write(line)
socketserver.ThreadingTCPServer(("", 0), H).serve_forever()
`, 0o644)
	const patience = time.Second // of the server
	over, cancel := context.WithCancel(t.Context())
	cancel()
	for range 5 { // on a loaded machine one may take as long
		j := frameworktest.NewLog()
		s := serve(t, frameworktest.NewServer(t, "tcp", open(t, scriptAt(path, "preforking", j))), strategies["preforking"](), j)
		client := frameworktest.Dial(t, s)
		require.Equal(t, "a request\n", frameworktest.Ask(t, client, "a request\n"))
		began := time.Now()
		require.ErrorIs(t, s.Retire(over), context.Canceled)
		took := time.Since(began)
		require.NoError(t, client.Close())
		if took < patience {
			return
		}
	}
	require.Fail(t, "the server waits in vain")
}

// A handler class that does nothing is most often one that is misspelt.
func TestPythonWithoutHandle(t *testing.T) {
	t.Parallel()
	const head = "import socketserver\nclass H(socketserver.StreamRequestHandler):\n    def "
	for method, warned := range map[string]bool{"handel": true, "handle": false, "setup": false, "finish": false} {
		path, j := t.TempDir()+"/one.py", frameworktest.NewLog()
		write(t, path, head+method+"(self): pass\n", 0o644)
		require.NoError(t, open(t, scriptAt(path, "threading", j)).Close())
		require.Equal(t, warned, strings.Contains(j.String(), "H has no handle(), so its clients get nothing"), method)
	}
}

// A script that has a server of another kind is told, as its clients are not that server's.
func TestPythonWithAPortOfItsOwn(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for text, warned := range map[string]bool{"s.bind(('', 0))": true, "for m in queue.listen(): pass": false, "server = socket.create_server(('', 0))": true, "# s.listen()": false, "print('hello')": false} {
		j := frameworktest.NewLog()
		write(t, dir+"/own.py", "#!/usr/bin/env python3\nimport socket\n"+text+"\n", 0o755)
		found, err := plugin.Find(dir, "own", plugin.Definition{})
		require.NoError(t, err)
		require.Equal(t, plugin.Stdio, found.Kind)
		require.NoError(t, open(t, plugin.Settings{Name: "own", Definition: found, Log: j.Logger()}).Close())
		require.Equal(t, warned, strings.Contains(j.String(), "seems to open a port of its own"), text)
	}
}
