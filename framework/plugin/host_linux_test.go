package plugin_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/framework/frameworktest"
	"github.com/go-socketserver/socketserver/framework/plugin"
)

var strategies = map[string]func() framework.Strategy{
	"synchronous": func() framework.Strategy { return &framework.Synchronous{} },
	"threading":   func() framework.Strategy { return &framework.Threading{} },
	"forking":     func() framework.Strategy { return &framework.Forking{} },
	"preforking":  func() framework.Strategy { return &framework.Preforking{Workers: 2} },
}

func TestPluginOnEveryTransportUnderEveryStrategy(t *testing.T) {
	for _, network := range frameworktest.Networks {
		for name, strategy := range strategies {
			t.Run(network+"/"+name, func(t *testing.T) {
				t.Parallel()
				j := frameworktest.NewLog()
				conf := settings(t, "subject", j)
				conf.Options = []byte(`{"greeting": "hello "}`)
				s := serve(t, frameworktest.NewServer(t, network, open(t, conf)), strategy(), j)
				for range 3 {
					c := dial(t, s)
					require.Equal(t, "hello world", c.ask(t, "echo world"))
					if network == "tcp" {
						require.Equal(t, "hello "+c.LocalAddr().String(), c.ask(t, "client"))
					}
					c.Close()
				}
			})
		}
	}
}

// A plugin gets no privileges, keeps its files to itself, and is ended before its host when the
// system is out of memory.
func TestPluginIsConfined(t *testing.T) {
	for name, strategy := range strategies {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			j := frameworktest.NewLog()
			s := serve(t, frameworktest.NewServer(t, "tcp", open(t, settings(t, "subject", j))), strategy(), j)
			held := dial(t, s)
			dir := fmt.Sprintf("/proc/%d/", held.pid(t))
			status, err := os.ReadFile(dir + "status")
			require.NoError(t, err)
			require.Contains(t, string(status), "\nNoNewPrivs:\t1\n")
			require.Contains(t, string(status), "\nUmask:\t0077\n")
			score, err := os.ReadFile(dir + "oom_score_adj")
			require.NoError(t, err)
			own, err := os.ReadFile("/proc/self/oom_score_adj")
			require.NoError(t, err)
			require.NotEqual(t, string(own), string(score))
		})
	}
}

func TestClassIsWhatThePluginSays(t *testing.T) {
	t.Parallel()
	conf := settings(t, "subject", frameworktest.NewLog())
	conf.Options = []byte(`{"stateful": "a list of words"}`)
	class := open(t, conf)
	require.Equal(t, "a list of words", class.Stateful)
	require.Equal(t, []string{"tcp", "udp", "unix", "unixgram"}, class.Serves())
	require.NoError(t, class.Close())
}

// Options that are paths are relative to the configuration, for forked children too.
func TestPathsAreJoined(t *testing.T) {
	t.Parallel()
	conf := settings(t, "subject", frameworktest.NewLog())
	conf.Options, conf.Directory = []byte(`{"motto": "a/b"}`), "/etc/x"
	class := open(t, conf)
	require.JSONEq(t, `{"motto": "/etc/x/a/b"}`, string(class.Program.Options))
	require.NoError(t, class.Close())
}

func TestOptionErrors(t *testing.T) {
	t.Parallel()
	conf := settings(t, "subject", frameworktest.NewLog())
	conf.Options = []byte(`{"greting": "hello", "count": "x"}`)
	_, err := plugin.Open(context.Background(), conf)
	var wrong *framework.OptionError
	require.ErrorAs(t, err, &wrong)
	require.ErrorContains(t, err, `option "greting": there is no such option; did you mean "greeting"?`)
	require.ErrorContains(t, err, `option "count": is a string where a number is wanted`)

	conf.Options = []byte(`{"count": -1}`)
	_, err = plugin.Open(context.Background(), conf)
	require.ErrorAs(t, err, &wrong)
	require.Equal(t, framework.OptionError{Option: "count", Problem: "has to be positive"}, *wrong)
	require.ErrorContains(t, err, "too little")
}

// What a program that is no plugin does is told in one line that names it.
func TestPluginsThatDoNotStart(t *testing.T) {
	t.Parallel()
	for name, says := range map[string]string{
		"noise":   `plugin "noise": exit status 2 (it printed "usage: noise FILE")`,
		"clean":   `plugin "clean": it ended with exit status 0 (it printed "hello"); its main must be plugin.Serve`,
		"silent":  `plugin "silent": it did not shake hands within 5s; its main must be plugin.Serve`,
		"version": `plugin "version": it speaks version 9 of the protocol and this server version 1; build it again with this version of socketserver`,
		"netrpc":  `plugin "netrpc": it serves netrpc over unix instead of grpc over unix; write it with plugin.Serve`,
		"secure":  `plugin "secure": it wants TLS with this server; write it with plugin.Serve`,
		"nowhere": `dial unix /nowhere`,
		"crash":   `crashed before the handshake`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := plugin.Open(context.Background(), settings(t, name, frameworktest.NewLog()))
			require.ErrorContains(t, err, says)
			require.NotContains(t, err.Error(), "\n")
		})
	}
}

func TestOpenIsCancelled(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := plugin.Open(ctx, settings(t, "silent", frameworktest.NewLog()))
	require.ErrorIs(t, err, context.Canceled)
}

func TestKilledPluginCostsOnlyWhatItHeld(t *testing.T) {
	s, j := serveTCP(t, "subject")
	other, _ := serveTCP(t, "subject")
	bystander := dial(t, other)
	require.Equal(t, "a", bystander.ask(t, "echo a"))
	held := dial(t, s)
	pid := held.pid(t)
	require.NoError(t, syscall.Kill(pid, syscall.SIGKILL))
	again := dial(t, s) // maybe before the process has gone
	require.NotEqual(t, pid, again.pid(t))
	frameworktest.ExpectEnd(t, held)
	require.Equal(t, "b", bystander.ask(t, "echo b"))
	j.Await(t, "plugin ended and is started again: plugin=subject error=\"signal: killed\"")
	j.Await(t, "plugin started again")
	require.Equal(t, 1, j.Count("is started again"), "one new process is enough")
}

// Connections that arrive while the plugin dies lose nothing but what it had taken.
func TestRequestsWaitForTheNextProcess(t *testing.T) {
	t.Parallel()
	s, _ := serveTCP(t, "subject")
	c := dial(t, s)
	_, err := io.WriteString(c, "exit\n")
	require.NoError(t, err)
	_, err = c.Read(make([]byte, 1)) // it has gone
	require.Error(t, err)
	for range 20 {
		require.Equal(t, "still here", dial(t, s).ask(t, "echo still here"))
	}
}

// However many requests end the process, others are served.
func TestRequestsThatEndThePlugin(t *testing.T) {
	t.Parallel()
	for _, command := range []string{"exit", "signal 9", "signal 11", "crash all"} {
		t.Run(command, func(t *testing.T) {
			t.Parallel()
			s, j := serveTCP(t, "subject")
			for n := range 7 {
				c := dial(t, s)
				frameworktest.Send(t, c, command+"\n")
				_, _ = io.ReadAll(c) // an end or a reset
				j.AwaitCount(t, n+1, "plugin ended and is started again")
			}
			require.Equal(t, "alive", dial(t, s).ask(t, "echo alive"))
			require.Equal(t, 7, j.Count("delay=100ms"))
			require.NotContains(t, j.String(), "is not available")
		})
	}
}

// A plugin that ends by itself is restarted less and less often, and clients get the banner.
func TestPluginThatEndsByItself(t *testing.T) {
	t.Parallel()
	j := frameworktest.NewLog()
	conf := settings(t, "mortal", j)
	fifo := filepath.Join(t.TempDir(), "end")
	require.NoError(t, syscall.Mkfifo(fifo, 0o600))
	conf.Args = []string{fifo}
	s := frameworktest.NewServer(t, "tcp", open(t, conf))
	s.Limits = &framework.Limits{Banner: "try later\n"}
	serve(t, s, &framework.Threading{}, j)
	for n := range 5 {
		j.AwaitCount(t, n, "plugin started again")
		require.NoError(t, os.WriteFile(fifo, nil, 0)) // waits for the process to open it
		j.AwaitCount(t, n+1, "plugin ended and is started again")
	}
	require.Contains(t, j.String(), "delay=30s")
	require.Equal(t, "try later\n", frameworktest.End(t, frameworktest.Dial(t, s)))
	require.Equal(t, 4, j.Count("plugin started again"), "the client waited for it")
	j.Await(t, `plugin \"mortal\" is not available: it ended 5 times within 1m0s, last because: exit status 3`)
}

// A plugin that has ended as often as it may tells clients so, and serves again once it is reset.
func TestUnavailablePlugin(t *testing.T) {
	t.Parallel()
	j := frameworktest.NewLog()
	conf := settings(t, "mortal", j)
	fifo := filepath.Join(t.TempDir(), "end")
	require.NoError(t, syscall.Mkfifo(fifo, 0o600))
	conf.Args = []string{fifo}
	conf.Restart = plugin.Restart{Max: 2, Within: time.Hour, Unavailable: "not available, try later\n"}
	class := open(t, conf)
	s := frameworktest.NewServer(t, "tcp", class)
	s.Limits = &framework.Limits{Banner: "busy\n"}
	serve(t, s, &framework.Threading{}, j)
	for n := range 2 {
		j.AwaitCount(t, n, "plugin started again")
		require.NoError(t, os.WriteFile(fifo, nil, 0)) // waits for the process to open it
		j.AwaitCount(t, n+1, "plugin ended and is started again")
	}
	require.Equal(t, "not available, try later\n", frameworktest.End(t, frameworktest.Dial(t, s)))
	j.Await(t, `it ended 2 times within 1h0m0s`)
	require.NoError(t, class.Executor.(interface{ Reset() error }).Reset())
	j.AwaitCount(t, 2, "plugin started again")
	require.Equal(t, "alive", dial(t, s).ask(t, "echo alive"))
}

// A plugin that does not answer is killed and started again.
func TestStoppedPluginIsReplaced(t *testing.T) {
	t.Parallel()
	s, j := serveTCP(t, "subject")
	held := dial(t, s)
	pid := held.pid(t)
	frameworktest.Freeze(t, pid)
	waiting := dial(t, s) // handed over, and never taken
	require.NotEqual(t, pid, waiting.pid(t))
	_, err := held.Read(make([]byte, 1))
	require.Error(t, err)
	j.Await(t, "plugin does not answer and is killed")
	j.Await(t, "the server has killed it")
}

// Closing does not wait for a plugin that does not answer.
func TestCloseOfAStoppedPluginReturns(t *testing.T) {
	t.Parallel()
	j := frameworktest.NewLog()
	conf := settings(t, "subject", j)
	conf.Timeouts.Drain = time.Second
	class := open(t, conf)
	s := frameworktest.NewServer(t, "tcp", class)
	s.Strategy, s.Log = &framework.Synchronous{}, j.Logger()
	require.NoError(t, s.Listen())
	go func() { _ = s.HandleRequest() }()
	pid := dial(t, s).pid(t)
	frameworktest.Freeze(t, pid)
	closed := make(chan error, 1)
	go func() { closed <- class.Close() }()
	require.NoError(t, frameworktest.Await(t, closed))
	require.ErrorIs(t, syscall.Kill(pid, 0), syscall.ESRCH)
	require.NoError(t, s.Close())
}

func TestPluginThatStopsWhileItIsConfigured(t *testing.T) {
	t.Parallel()
	conf := settings(t, "subject", frameworktest.NewLog())
	conf.Options = []byte(`{"count": 13}`)
	_, err := plugin.Open(context.Background(), conf)
	require.ErrorContains(t, err, `plugin "subject": it did not answer within 5s when it was configured`)
}

// A server that stops ends its plugin where requests take too long, and a service manager may.
func TestPluginThatEndsWhileItsServerStops(t *testing.T) {
	t.Parallel()
	for _, end := range []string{"cut off", "killed meanwhile", "exits meanwhile", "crashes meanwhile"} {
		t.Run(end, func(t *testing.T) {
			t.Parallel()
			j := frameworktest.NewLog()
			conf := settings(t, "subject", j)
			conf.Timeouts.Drain = frameworktest.Patience
			class := open(t, conf)
			s := frameworktest.NewServer(t, "tcp", class)
			s.Strategy, s.Log = &framework.Threading{}, j.Logger()
			require.NoError(t, s.Listen())
			go func() { _ = s.ServeForever() }()
			c, other := dial(t, s), dial(t, s)
			pid := c.pid(t)
			require.Equal(t, "begun", c.ask(t, "sleep begun"))
			require.Equal(t, "begun", other.ask(t, "echo begun"))
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			done := make(chan error, 1)
			go func() { done <- s.Shutdown(ctx) }()
			<-s.Done()
			switch end {
			case "cut off":
				cancel()
			case "killed meanwhile":
				require.NoError(t, syscall.Kill(pid, syscall.SIGKILL))
			case "exits meanwhile":
				frameworktest.Send(t, other, "exit\n")
			case "crashes meanwhile":
				frameworktest.Send(t, other, "crash x\n")
			}
			_ = frameworktest.Await(t, done)
			require.NotContains(t, j.String(), "started again")
		})
	}
}

// The class of a plugin may have another server.
func TestPluginThatAnotherServerWants(t *testing.T) {
	t.Parallel()
	j := frameworktest.NewLog()
	class := open(t, settings(t, "subject", j))
	first := serve(t, frameworktest.NewServer(t, "tcp", class), &framework.Threading{}, j)
	second := serve(t, frameworktest.NewServer(t, "unix", class), &framework.Threading{}, j)
	require.Equal(t, "a", dial(t, second).ask(t, "echo a"))
	c := dial(t, first)
	pid := c.pid(t)
	require.NoError(t, c.Close())
	frameworktest.Shutdown(t, first)
	require.NoError(t, syscall.Kill(pid, syscall.SIGKILL))
	require.NotEqual(t, pid, dial(t, second).pid(t))
}

// A panic that a request has printed is not why another one ends the process.
func TestEndDoesNotQuoteAnotherRequest(t *testing.T) {
	t.Parallel()
	for command, want := range map[string]string{
		"exit":      `error="exit status 3"`,
		"signal 9":  `error="signal: killed"`,
		"crash now": `error="exit status 2 (it printed \"panic: now\")"`,
	} {
		t.Run(command, func(t *testing.T) {
			t.Parallel()
			s, j := serveTCP(t, "subject")
			require.Equal(t, "printed", dial(t, s).ask(t, "recovered panic: of another"))
			frameworktest.Send(t, dial(t, s), command+"\n")
			line := j.Await(t, "plugin ended and is started again")
			require.Contains(t, line, want)
		})
	}
}

func TestCloseWaitsForRequests(t *testing.T) {
	t.Parallel()
	j := frameworktest.NewLog()
	class := open(t, settings(t, "subject", j))
	s := frameworktest.NewServer(t, "tcp", class)
	s.Strategy, s.Log = &framework.Threading{}, j.Logger()
	require.NoError(t, s.Listen())
	go func() { _ = s.ServeForever() }()
	c := dial(t, s)
	require.Equal(t, "begun", c.ask(t, "finish begun"))
	require.NoError(t, s.Shutdown(context.Background()))
	rest, err := io.ReadAll(c.lines)
	require.NoError(t, err)
	require.Equal(t, "finished\n", string(rest))
	require.NotContains(t, j.String(), "ERROR")
}

// A service manager sends SIGTERM to the plugin as well; the server is to drain it.
func TestSIGTERM(t *testing.T) {
	t.Parallel()
	s, j := serveTCP(t, "subject")
	c := dial(t, s)
	pid := c.pid(t)
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		require.Equal(t, "<nil>", c.ask(t, fmt.Sprintf("signal %d", signal)))
		require.Equal(t, ignored(), c.ask(t, "ignored"), "by programs that it starts")
	}
	require.Equal(t, pid, c.pid(t))
	require.NotContains(t, j.String(), "ended")
}

// go-plugin's own end would cut requests off after two seconds.
func TestDrainIsLongerThanGoPluginWaits(t *testing.T) {
	t.Parallel()
	j := frameworktest.NewLog()
	conf := settings(t, "subject", j)
	conf.Timeouts.Drain = frameworktest.Patience
	class := open(t, conf)
	s := frameworktest.NewServer(t, "tcp", class)
	s.Strategy, s.Log = &framework.Threading{}, j.Logger()
	require.NoError(t, s.Listen())
	go func() { _ = s.ServeForever() }()
	c := dial(t, s)
	require.Equal(t, "begun", c.ask(t, "take begun"))
	require.NoError(t, class.Close())
	rest, err := io.ReadAll(c.lines)
	require.NoError(t, err)
	require.Equal(t, "taken\n", string(rest))
	require.NoError(t, s.Shutdown(context.Background()))
}

// They reach the kept process and the forked children.
func TestArguments(t *testing.T) {
	t.Parallel()
	for _, strategy := range []framework.Strategy{&framework.Threading{}, &framework.Forking{}} {
		j := frameworktest.NewLog()
		conf := settings(t, "subject", j)
		conf.Args = []string{"one", "two"}
		s := serve(t, frameworktest.NewServer(t, "tcp", open(t, conf)), strategy, j)
		require.Equal(t, "one two", dial(t, s).ask(t, "arguments"))
	}
}

// The file may be overwritten in place while the plugin does not run.
func TestOverwrittenPluginIsNotStarted(t *testing.T) {
	t.Parallel()
	j := frameworktest.NewLog()
	conf := settings(t, "subject", j)
	program, err := os.ReadFile(conf.Path)
	require.NoError(t, err)
	conf.Path = filepath.Join(t.TempDir(), "program")
	require.NoError(t, os.WriteFile(conf.Path, program, 0o755))
	s := serve(t, frameworktest.NewServer(t, "tcp", open(t, conf)), &framework.Threading{}, j)
	size := int64(len(program))
	for n := 1; ; n++ {
		_, err = io.WriteString(dial(t, s), "exit\n")
		require.NoError(t, err)
		j.AwaitCount(t, n, "plugin ended and is started again")
		if err = os.Truncate(conf.Path, size-1); !errors.Is(err, syscall.ETXTBSY) { // it runs again
			break
		}
	}
	require.NoError(t, err)
	// It may have been looked at before it was overwritten, and run once more.
	_, _ = io.WriteString(dial(t, s), "exit\n")
	j.Await(t, "it has been overwritten since its server opened; restart the server")
}

func TestPanicCostsOneRequest(t *testing.T) {
	t.Parallel()
	s, j := serveTCP(t, "subject")
	held := dial(t, s)
	pid := held.pid(t)
	c := dial(t, s)
	_, err := io.WriteString(c, "panic over\n")
	require.NoError(t, err)
	_, err = c.Read(make([]byte, 1))
	require.ErrorIs(t, err, io.EOF)
	j.Await(t, "panic: over")
	require.Equal(t, pid, held.pid(t))
}

// What the plugin gets of the server: no descriptor, nothing of the environment that is
// not listed, not the terminal.
func TestWhatAPluginInherits(t *testing.T) {
	t.Setenv("SECRET_X", "canary")
	for name, strategy := range strategies {
		t.Run(name, func(t *testing.T) {
			j := frameworktest.NewLog()
			s := serve(t, frameworktest.NewServer(t, "tcp", open(t, settings(t, "subject", j))), strategy(), j)
			c := dial(t, s)
			require.Equal(t, "0=/dev/null 1=pipe 2=pipe 3=socket", c.ask(t, "files"))
			require.Equal(t, "0 EOF", c.ask(t, "stdin"))
			require.Equal(t, "0 1 2 3 <nil>", c.ask(t, "child")) // 3 is the directory that ls reads
			for _, variable := range strings.Fields(c.ask(t, "environment")) {
				name, _, _ := strings.Cut(variable, "=")
				require.Regexp(t, "^(PATH|HOME|TZ|LANG|LC_.*|TMPDIR|GORACE|GOCOVERDIR|GOMAXPROCS|PLUGIN_.*|SOCKETSERVER_PLUGIN)$", name)
			}
		})
	}
}
