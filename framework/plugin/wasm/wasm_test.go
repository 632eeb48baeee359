package wasm

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/framework/frameworktest"
	"github.com/go-socketserver/socketserver/framework/layer"
	"github.com/go-socketserver/socketserver/framework/layer/websocket"
)

func TestMain(m *testing.M) {
	framework.ServeWorker(Constructor)
	os.Setenv("GORACE", "atexit_sleep_ms=0") // children would sleep a second each
	goleak.VerifyTestMain(m)
}

// options are those of a module, with a cache that all tests share.
func options(t *testing.T, code []byte) Options {
	path := filepath.Join(t.TempDir(), "test.wasm")
	require.NoError(t, os.WriteFile(path, code, 0o600))
	cache := filepath.Join(os.TempDir(), "socketserver-wasm-test-"+runtime.Version())
	require.NoError(t, os.MkdirAll(cache, 0o700))
	return Options{Module: framework.Path(path), Name: "test", Memory: DefaultMemory, Cache: framework.Path(cache)}
}

func open(t *testing.T, o Options) *framework.HandlerClass {
	t.Helper()
	class, err := Open(t.Context(), o, hclog.NewNullLogger())
	require.NoError(t, err)
	return class
}

// strategies are those that this system has.
func strategies() map[string]framework.Strategy {
	all := map[string]framework.Strategy{"synchronous": &framework.Synchronous{}, "threading": &framework.Threading{}}
	if runtime.GOOS == "linux" {
		all["forking"], all["preforking"] = &framework.Forking{}, &framework.Preforking{Workers: 1}
	}
	return all
}

func TestEveryTransportUnderEveryStrategy(t *testing.T) {
	networks := []string{"tcp", "udp"}
	if runtime.GOOS != "windows" {
		networks = append(networks, "unix", "unixgram")
	}
	for name := range strategies() {
		for _, network := range networks {
			t.Run(name+" "+network, func(t *testing.T) {
				s := frameworktest.NewServer(t, network, open(t, options(t, echo)))
				s.Strategy = strategies()[name]
				frameworktest.Serve(t, s)
				conn := frameworktest.Dial(t, s)
				require.Equal(t, "hello\n", frameworktest.Ask(t, conn, "hello\n"))
				if network == "tcp" || network == "unix" {
					frameworktest.Send(t, conn, "again")
					require.Equal(t, "again", frameworktest.End(t, conn))
				}
			})
		}
	}
}

func TestInstancesDoNotShareMemory(t *testing.T) {
	s := frameworktest.NewServer(t, "tcp", open(t, options(t, echo)))
	s.Strategy = &framework.Threading{}
	frameworktest.Serve(t, s)
	var conns []net.Conn
	for _, text := range []string{"one", "two", "six"} {
		conn := frameworktest.Dial(t, s)
		conns = append(conns, conn)
		require.Equal(t, text, frameworktest.Ask(t, conn, text))
	}
	for _, conn := range conns { // all of them at once
		require.Equal(t, "next", frameworktest.Ask(t, conn, "next"))
	}
}

func TestEnvironment(t *testing.T) {
	o := options(t, environment)
	o.Environment = []string{"OPTION_greeting=hi", "SERVER=overridden"}
	got, err := frameworktest.Run(t, open(t, o), "")
	require.NoError(t, err)
	require.ElementsMatch(t, []string{
		"PROTO=TCP", "SERVER=", "REMOTE_ADDR=192.0.2.1", "REMOTE_PORT=1", "OPTION_greeting=hi",
		"TCPREMOTEIP=192.0.2.1", "TCPREMOTEPORT=1", "TCPLOCALIP=192.0.2.1", "TCPLOCALPORT=1",
	}, strings.Split(strings.TrimSuffix(got, "\x00"), "\x00"))
}

func TestOutcomes(t *testing.T) {
	t.Run("end of the start function", func(t *testing.T) {
		_, err := frameworktest.Run(t, open(t, options(t, echo)), "")
		require.NoError(t, err)
	})
	t.Run("exit status 0", func(t *testing.T) {
		_, err := frameworktest.Run(t, open(t, options(t, done)), "")
		require.NoError(t, err)
	})
	t.Run("exit status 3", func(t *testing.T) {
		_, err := frameworktest.Run(t, open(t, options(t, complain)), "")
		require.EqualError(t, err, `exit status 3 (it printed "out of paper")`)
	})
	t.Run("trap", func(t *testing.T) {
		_, err := frameworktest.Run(t, open(t, options(t, trap)), "")
		panicked := (*framework.PanicError)(nil)
		require.ErrorAs(t, err, &panicked)
		require.Equal(t, "wasm error: unreachable", panicked.Value)
		require.Contains(t, string(panicked.Stack), "wasm stack trace:")
	})
}

func TestStandardErrorIsLoggedWithTheClient(t *testing.T) {
	log := frameworktest.NewLog()
	s := frameworktest.NewServer(t, "tcp", open(t, options(t, complain)))
	s.Strategy, s.Log = &framework.Threading{}, log.Logger()
	frameworktest.Serve(t, s)
	conn := frameworktest.Dial(t, s)
	require.Empty(t, frameworktest.End(t, conn))
	text := log.Await(t, "request failed")
	require.Contains(t, text, "cannot go on: client="+conn.LocalAddr().String())
	require.Contains(t, text, "out of paper: client="+conn.LocalAddr().String())
}

func TestMemoryIsLimited(t *testing.T) {
	for _, memory := range []int64{1 << 20, DefaultMemory} {
		o := options(t, eat)
		o.Memory = memory
		_, err := frameworktest.Run(t, open(t, o), "")
		require.ErrorContains(t, err, fmt.Sprintf("exit status %d", memory/pageSize))
	}
	_, err := newClass(Options{Memory: 1})
	require.EqualError(t, err, `option "memory": is 1, and may be 65536 to 4294967296 bytes`)
}

// What does not end by itself is ended when its request has taken too long, whatever it waits for.
func TestRequestTimeout(t *testing.T) {
	for name, code := range map[string][]byte{"endless loop": spin, "sleep": hour, "read": echo} {
		for _, strategy := range []string{"threading", "forking"} {
			t.Run(name+" "+strategy, func(t *testing.T) {
				if strategies()[strategy] == nil {
					t.Skip("this system has no such strategy")
				}
				log := frameworktest.NewLog()
				s := frameworktest.NewServer(t, "tcp", open(t, options(t, code)))
				s.Strategy, s.Log, s.Timeouts.Request = strategies()[strategy], log.Logger(), 200*time.Millisecond
				frameworktest.Serve(t, s)
				frameworktest.ExpectEnd(t, frameworktest.Dial(t, s))
				// A child that started slowly is killed before it has noticed.
				require.Regexp(t, `timeouts.request of 200ms has passed|child killed: its request has timed out`, log.Await(t, "request "))
			})
		}
	}
}

// An instance that waits for its client reads the end when the server stops, and ends by itself. Others
// are ended after the drain timeout.
func TestStop(t *testing.T) {
	for name, code := range map[string][]byte{"read": echo, "endless loop": spin} {
		t.Run(name, func(t *testing.T) {
			s := frameworktest.NewServer(t, "tcp", open(t, options(t, code)))
			s.Strategy, s.Timeouts.Drain = &framework.Threading{}, 10*time.Millisecond
			if name == "read" {
				s.Timeouts.Drain = time.Hour
			}
			frameworktest.Serve(t, s)
			conn := frameworktest.Dial(t, s)
			if name == "read" {
				require.Equal(t, "hello", frameworktest.Ask(t, conn, "hello"))
			}
			frameworktest.Shutdown(t, s)
			rest, err := io.ReadAll(conn)
			require.NoError(t, err)
			require.Empty(t, rest)
		})
	}
}

// So it is behind layers, of which the end of input is no method, and in workers.
func TestStopBehindLayers(t *testing.T) {
	secure, err := layer.NewTLS(layer.TLSFiles{Pairs: []layer.Pair{layer.Pair(frameworktest.NewAuthority(t).Issue(t, "localhost"))}})
	require.NoError(t, err)
	layers := map[string]struct {
		layer framework.Layer
		dial  func(net.Conn) (net.Conn, error)
	}{
		"tls": {secure, func(c net.Conn) (net.Conn, error) {
			return tls.Client(c, &tls.Config{InsecureSkipVerify: true}), nil
		}},
		"websocket": {websocket.New(websocket.Options{}), func(c net.Conn) (net.Conn, error) {
			return websocket.Client(c, &url.URL{Scheme: "ws", Host: "localhost", Path: "/"})
		}},
	}
	for name, c := range layers {
		for strategy := range strategies() {
			t.Run(name+" "+strategy, func(t *testing.T) {
				s := frameworktest.NewServer(t, "tcp", open(t, options(t, echo)))
				s.Strategy, s.Layers = strategies()[strategy], []framework.Layer{c.layer}
				s.Timeouts.Drain, s.Timeouts.Idle = time.Hour, time.Hour
				frameworktest.Serve(t, s)
				conn, err := c.dial(frameworktest.Dial(t, s))
				require.NoError(t, err)
				require.Equal(t, "hello\n", frameworktest.Ask(t, conn, "hello\n"))
				frameworktest.Shutdown(t, s)
				rest, err := io.ReadAll(conn)
				require.NoError(t, err)
				require.Empty(t, rest)
			})
		}
	}
}

// What is collected of an answer is bounded, and a module that does not look at the errors of its writes is ended by the first.
func TestWritesThatFail(t *testing.T) {
	for network, want := range map[string]string{
		"udp": "the answer is longer than 65507 bytes", "unixgram": "the answer is longer than 65507 bytes",
		"tcp": "timeouts.write of 10ms has passed", // the client reads nothing
	} {
		if network == "unixgram" && runtime.GOOS == "windows" {
			continue
		}
		for name := range strategies() {
			t.Run(network+" "+name, func(t *testing.T) {
				log := frameworktest.NewLog()
				s := frameworktest.NewServer(t, network, open(t, options(t, flood)))
				s.Strategy, s.Log, s.Timeouts.Write = strategies()[name], log.Logger(), 10*time.Millisecond
				frameworktest.Serve(t, s)
				conn := frameworktest.Dial(t, s)
				frameworktest.Send(t, conn, "x")
				log.Await(t, want)
			})
		}
	}
}

func TestInstanceOutlivesItsClass(t *testing.T) {
	class := open(t, options(t, echo))
	s := frameworktest.NewServer(t, "tcp", class)
	s.Strategy = &framework.Threading{}
	frameworktest.Serve(t, s)
	conn := frameworktest.Dial(t, s)
	require.Equal(t, "hello", frameworktest.Ask(t, conn, "hello"))
	require.NoError(t, class.Close())
	require.Equal(t, "again", frameworktest.Ask(t, conn, "again"))
	require.Empty(t, frameworktest.End(t, conn))
}

// Workers run the module that the class was made of.
func TestReplacedFileChangesNothing(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("this system has no workers")
	}
	o := options(t, echo)
	s := frameworktest.NewServer(t, "tcp", open(t, o))
	s.Strategy = &framework.Forking{}
	frameworktest.Serve(t, s)
	require.NoError(t, os.WriteFile(string(o.Module), []byte("no module"), 0o600))
	require.Equal(t, "hello", frameworktest.Ask(t, frameworktest.Dial(t, s), "hello"))
}

// A copy of the module that has lost its content, as it may with the power, is made again.
func TestKeptModuleIsMended(t *testing.T) {
	o := options(t, echo)
	o.Cache = framework.Path(t.TempDir())
	open(t, o)
	kept, err := filepath.Glob(filepath.Join(string(o.Cache), "*.wasm"))
	require.NoError(t, err)
	require.Len(t, kept, 1)
	for _, content := range [][]byte{nil, make([]byte, len(echo))} {
		require.NoError(t, os.WriteFile(kept[0], content, 0o600))
		class := open(t, o)
		require.NoError(t, class.Check())
		answer, err := frameworktest.Run(t, class, "hello")
		require.NoError(t, err)
		require.Equal(t, "hello", answer)
	}
}

func TestModulesThatCannotServe(t *testing.T) {
	foreign := strings.Replace(string(echo), "\x07fd_read", "\x07fd_fead", 1)
	for problem, code := range map[string]string{
		"is damaged, or no WebAssembly of version 1; build or copy it again: invalid magic number":                  "#!/bin/sh\n",
		"is a component of WASI preview 2; build a command of preview 1, as by the target wasm32-wasip1":            "\x00asm\x0d\x00\x01\x00",
		"imports the function wasi_snapshot_preview1.fd_fead, which is none of WASI preview 1":                      foreign,
		"has no function _start; build it as a command, with a main function":                                       "\x00asm\x01\x00\x00\x00",
		"cannot be compiled with 16384 KiB of memory: section memory: min 257 pages (16 Mi) over limit of 256 page": "\x00asm\x01\x00\x00\x00\x05\x04\x01\x00\x81\x02",
	} {
		o := options(t, []byte(code))
		_, err := Open(t.Context(), o, hclog.NewNullLogger())
		require.ErrorContains(t, err, string(o.Module)+" "+problem)
		class, err := Constructor.Class([]byte(`{"module": "` + string(o.Module) + `"}`))
		require.NoError(t, err)
		require.ErrorContains(t, class.Check(), problem, "Check says so, too")
	}
}

func TestModuleOfGoIsWarnedOf(t *testing.T) {
	log := frameworktest.NewLog()
	_, err := Open(t.Context(), options(t, ofGo), log.Logger())
	require.NoError(t, err)
	require.Equal(t, 1, log.Count("module was built by Go"))
	_, err = Open(t.Context(), options(t, echo), log.Logger())
	require.NoError(t, err)
	require.Equal(t, 1, log.Count("module was built by Go"))
}

// What links this package links a compiler, which only the command has a use for.
func TestPluginsDoNotLinkTheCompiler(t *testing.T) {
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("needs the go command")
	}
	list, err := exec.Command("go", "list", "-deps", "..").Output()
	require.NoError(t, err)
	require.Contains(t, string(list), "google.golang.org/grpc")
	require.NotContains(t, string(list), "wazero")
}
