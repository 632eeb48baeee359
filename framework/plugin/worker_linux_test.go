package plugin_test

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/framework/frameworktest"
	"github.com/go-socketserver/socketserver/framework/plugin"
)

// documented writes a program of PROTOCOL.md to a file of its name, and returns its path.
func documented(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile("PROTOCOL.md")
	require.NoError(t, err)
	block := regexp.MustCompile("(?s)<!-- " + regexp.QuoteMeta(name) + " -->\n```\\w+\n(.*?)```\n").FindSubmatch(text)
	require.NotNil(t, block, "PROTOCOL.md has no %s", name)
	path := t.TempDir() + "/" + name
	write(t, path, interpreted(t, string(block[1])), 0o755)
	return path
}

// interpreted returns a script with its interpreter in place of one that has to be found: a shim is
// a slow script.
func interpreted(t *testing.T, text string) string {
	t.Helper()
	path, err := python()
	require.NoError(t, err)
	return strings.Replace(text, "/usr/bin/env python3", strings.TrimSpace(string(path)), 1)
}

var python = sync.OnceValues(func() ([]byte, error) {
	return exec.Command("python3", "-c", "import sys; print(sys.executable)").Output()
})

// workerSettings are those of a program in worker mode.
func workerSettings(path, concurrency string, j *frameworktest.Log) plugin.Settings {
	return plugin.Settings{
		Name: "upper", Definition: plugin.Definition{Kind: plugin.Worker, Path: path}, Server: "test", Concurrency: concurrency, Log: j.Logger(),
	}
}

// upperC compiles the worker in C.
func upperC(t *testing.T) string {
	t.Helper()
	source := documented(t, "upper.c")
	program := source[:len(source)-2]
	out, err := exec.Command("gcc", "-Wall", "-Werror", "-o", program, source).CombinedOutput()
	require.NoError(t, err, string(out))
	return program
}

func TestDocumentedWorkers(t *testing.T) {
	t.Parallel()
	for name, path := range map[string]string{"python": documented(t, "upper.py"), "c": upperC(t)} {
		for _, concurrency := range []string{"synchronous", "threading", "forking"} {
			t.Run(name+"/"+concurrency, func(t *testing.T) {
				t.Parallel()
				j := frameworktest.NewLog()
				class := open(t, workerSettings(path, concurrency, j))
				require.Equal(t, []string{"tcp", "unix"}, class.Serves())
				require.Equal(t, name == "c", class.Isolates)
				s := serve(t, frameworktest.NewServer(t, "unix", class), strategies[concurrency](), j)
				for range 3 {
					require.Equal(t, "A\nB\n", ask(t, s, "a\nb\n"))
				}
			})
		}
	}
}

// A worker that dies costs what it had taken, and is started again.
func TestWorkerIsStartedAgain(t *testing.T) {
	t.Parallel()
	j := frameworktest.NewLog()
	class := open(t, workerSettings(documented(t, "upper.py"), "threading", j))
	s := serve(t, frameworktest.NewServer(t, "tcp", class), &framework.Threading{}, j)
	taken := dial(t, s)
	require.Equal(t, "A", taken.ask(t, "a"))
	pid, _ := class.Executor.(interface{ Process() (int, time.Time) }).Process()
	require.NoError(t, syscall.Kill(pid, syscall.SIGKILL))
	frameworktest.ExpectEnd(t, taken)
	require.Equal(t, "B", dial(t, s).ask(t, "b"))
}

// A worker that has said that it answers pings and does not is killed.
func TestWorkerThatHangsIsKilled(t *testing.T) {
	if os.Getenv("SOCKETSERVER_LONG_TESTS") == "" {
		t.Skip("takes six seconds: set SOCKETSERVER_LONG_TESTS")
	}
	t.Parallel()
	j := frameworktest.NewLog()
	class := open(t, workerSettings(upperC(t), "threading", j))
	s := serve(t, frameworktest.NewServer(t, "tcp", class), &framework.Threading{}, j)
	require.Equal(t, "A\n", ask(t, s, "a\n"))
	pid, _ := class.Executor.(interface{ Process() (int, time.Time) }).Process()
	frameworktest.Freeze(t, pid)
	j.Await(t, "plugin does not answer and is killed: plugin=upper checks=3")
	require.Equal(t, "B\n", ask(t, s, "b\n"))
}

// What a worker says in its hello is what the class is, or why there is none.
func TestWorkerHello(t *testing.T) {
	const worker = `#!/usr/bin/env python3
import json, socket, struct
channel = socket.socket(fileno=3)
options = json.loads(channel.recv(163840)[12:])["options"] or {}
hello = HELLO
channel.send(struct.pack(">BBBBQ", 1, 0, 0, 0, 0) + json.dumps(hello).encode())
channel.recv(1)
`
	for name, c := range map[string]struct{ hello, options, problem string }{
		"plain":   {`{}`, `{"anything": 1}`, ""},
		"options": {`{"options": [{"name": "n", "type": "number", "default": 1}], "stateful": "a count", "networks": ["udp"]}`, `{"n": 2}`, ""},
		"unknown": {`{"options": [{"name": "n", "type": "number", "default": 1}]}`, `{"m": 2}`, `option "m"`},
		"type":    {`{"options": [{"name": "n", "type": "number", "default": 1}]}`, `{"n": "x"}`, `option "n": is a string where a number is wanted`},
		"problem": {`{"problems": [{"option": "n", "problem": "has to be 1"}, {"option": "", "problem": "nothing works"}]}`, `{"n": 2}`, "option \"n\": has to be 1\nnothing works"},
		"path":    {`{"options": [{"name": "file", "type": "path", "default": ""}], **({} if options.get("file", "/").startswith("/") else {"problems": [{"option": "file", "problem": "is relative"}]})}`, `{"file": "x"}`, ""},
		"garbage": {`1`, `null`, "the server has killed it"},
		"silent":  {`exit(4)`, `null`, "exit status 4"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := t.TempDir() + "/worker"
			write(t, path, interpreted(t, strings.Replace(worker, "HELLO", c.hello, 1)), 0o755)
			conf := workerSettings(path, "threading", frameworktest.NewLog())
			conf.Options, conf.Directory = []byte(c.options), "/"
			class, err := plugin.Open(t.Context(), conf)
			if c.problem != "" {
				require.ErrorContains(t, err, c.problem)
				return
			}
			require.NoError(t, err)
			if name == "options" {
				require.Equal(t, []string{"udp"}, class.Serves())
				require.Equal(t, "a count", class.Stateful)
			}
			require.NoError(t, class.Close())
		})
	}
}
