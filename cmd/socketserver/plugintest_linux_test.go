package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// pluginTest tests a plugin, and returns what is printed and the exit status.
func pluginTest(dir string, args ...string) (printed string, status int) {
	c := exec.Command("socketserver", append([]string{"plugin", "test", "--connections", "20"}, args...)...)
	c.Dir = dir
	out, _ := c.CombinedOutput()
	return string(out), c.ProcessState.ExitCode()
}

// pythonHandler returns a script with a handler of that body.
func pythonHandler(before, body string) string {
	return "import os, socket, socketserver, threading\n" + before +
		"\nclass Handler(socketserver.StreamRequestHandler):\n    def handle(self):\n        " + strings.ReplaceAll(body, "\n", "\n        ") +
		"\n\nsocketserver.ThreadingTCPServer((\"localhost\", 9000), Handler).serve_forever()\n"
}

// pythonWorker is a worker without a library, which answers clients by body and does after when its
// server has ended.
func pythonWorker(hello, body, after string) string {
	return `#!/usr/bin/python3
import socket, struct, threading, time

channel = socket.socket(fileno=3)
channel.recv(163840)
channel.send(struct.pack(">BBBBQ", 1, 0, 0, 0, 0) + b'` + hello + `')

def serve(descriptor, id):
    connection = socket.socket(fileno=descriptor)
    connection.settimeout(60)
    try:
        for line in connection.makefile("rb", buffering=16):
            ` + body + `
    except OSError:
        pass
    connection.close()
    channel.send(struct.pack(">BBBBQI", 6, 0, 0, 0, id, 0))

while True:
    frame, descriptors, _, _ = socket.recv_fds(channel, 163840, 1, socket.MSG_CMSG_CLOEXEC)
    if not frame:
        break
    kind, flags, _, _, id = struct.unpack_from(">BBBBQ", frame)
    if kind == 3:
        if flags & 4:
            channel.send(struct.pack(">BBBBQ", 7, 0, 0, 0, id))
        threading.Thread(target=serve, args=(descriptors[0], id), daemon=True).start()
` + after
}

const workerDefinition = `
plugin "x" {
  kind = "worker"
  path = "x"
}
server "x" {
  transport "tcp" { address = "localhost:9000" }
  concurrency "threading" {}
  plugin "x" {}
}
`

const (
	strictHello = `{"networks": ["tcp"], "options": []}`
	answers     = `connection.sendall(line.upper())`
)

// Each fault is found, and nothing else is taken for one.
func TestPluginTestFindsFaults(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		file, text string
		failed     map[string]string // a part of the reason, by the check
		rare       bool
	}{
		"buffered answer": {"x.sh", "#!/bin/sh\nexec tr a-z A-Z\n", map[string]string{
			"answers before the client ends its input": "buffered: the answer comes only when the client has ended its input; flush it: fflush(), $|=1, flush=True, stdbuf -oL",
		}, false},
		"send": {"x.py", pythonHandler("", "for line in self.rfile:\n    self.request.send(line.upper())"), map[string]string{
			"answers a slow reader in full": "bytes of a large answer are missing; a send may take a part of the answer",
		}, false},
		"lost answer": {"x", pythonWorker(strictHello, answers+"; break", ""), map[string]string{
			"keeps its answer when it has not read all input": "connection reset by peer",
		}, false},
		"descriptor leak": {"x.py", pythonHandler("kept = []", "kept.append(open('/dev/null'))\nfor line in self.rfile:\n    self.wfile.write(line.upper())"), map[string]string{
			"leaves no descriptor and no process behind": "20 connections have left 20 descriptors open",
		}, false},
		"ignored end": {"x", pythonWorker(strictHello, answers, "time.sleep(600)\n"), map[string]string{
			"ends when the server stops": "beyond the drain timeout of 5s",
		}, false},
		"blocking": {"x.py", pythonHandler("lock = threading.Lock()", "with lock:\n    for line in self.rfile:\n        self.wfile.write(line.upper())"), map[string]string{
			"serves a client beside 30 silent ones":         "no answer within",
			"serves a client beside one that does not read": "no answer within",
		}, false},
		"endless": {"x.py", pythonHandler("", "line = self.rfile.readline()\nself.wfile.write(line.upper())\nwhile line:\n    self.rfile.readline()"), map[string]string{
			"keeps its answer, and ends, when the client ends its input": "after the client has ended its input",
		}, false},
		"incomplete line": {"x.sh", "#!/bin/sh\nwhile read -r line; do echo HELLO; done\n", map[string]string{
			"takes a last line without a newline": "it ended the connection without the answer",
		}, true},
		"any option": {"x", pythonWorker(`{"networks": ["tcp"]}`, answers, ""), map[string]string{
			"refuses an option that it does not have": "it takes an option that it does not know",
		}, true},
		"starts once": {"x.py", pythonHandler(`own = socket.socket(socket.AF_UNIX); own.bind("\0socketserver-" + os.path.dirname(os.path.abspath(__file__)))`,
			"for line in self.rfile:\n    self.wfile.write(line.upper())"), map[string]string{
			"starts a second time beside the first": "it starts once, and not again",
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if c.rare && often(0, 1) == 0 {
				t.Skip("needs SOCKETSERVER_LONG_TESTS")
			}
			dir := t.TempDir()
			require.NoError(t, os.WriteFile(filepath.Join(dir, c.file), []byte(c.text), 0o700))
			target := "./" + c.file
			if c.file == "x" { // a worker is one only where a definition says so
				target = "x"
				require.NoError(t, os.WriteFile(filepath.Join(dir, "servers.hcl"), []byte(workerDefinition), 0o600))
			}
			printed, status := pluginTest(dir, target, "--concurrency", "threading", "--send", `hello\n`, "--expect", `HELLO\n`)
			failed := map[string]string{}
			for _, line := range regexp.MustCompile(`(?m)^failed   threading    ([^:]*): (.*)$`).FindAllStringSubmatch(printed, -1) {
				failed[line[1]] = line[2]
			}
			for check, why := range c.failed {
				require.Contains(t, failed[check], why, printed)
			}
			if name != "endless" { // of which most checks wait for the end
				require.Len(t, failed, len(c.failed), printed)
			}
			require.Equal(t, len(failed) > 0, status == 1, printed)
		})
	}
}

// Without an exchange facts of the protocol are checked, and the rest is named.
func TestPluginTestWithoutExchange(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "x.sh"), []byte("#!/bin/sh\nexec cat\n"), 0o700))
	printed, status := pluginTest(dir, "./x.sh", "--concurrency", "forking", "--concurrency", "preforking")
	require.Zero(t, status, printed)
	require.Contains(t, printed, "skipped  forking      takes single bytes: give --send and --expect\n")
	require.Contains(t, printed, "ok       forking      serves a client beside 30 silent ones\n")
	require.Regexp(t, `skipped  preforking   serves: .*use "forking"\n`, printed)
	require.Regexp(t, `\n9 ok, 0 failed, 7 skipped\n$`, printed)
}

// An answer that is not the one of --expect is reported once, and not as the fault of each check.
func TestPluginTestOfAnotherAnswer(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "x.sh"), []byte("#!/bin/sh\nexec cat\n"), 0o700))
	printed, status := pluginTest(dir, "./x.sh", "--send", `hello\n`, "--expect", `HELLO\n`)
	require.Equal(t, 1, status)
	require.Equal(t, `failed   threading    keeps its answer, and ends, when the client ends its input: it answered "hello\n" in place of "HELLO\n"
socketserver: plugin test: other checks compare this answer, too; if it is the right one, give it by --expect
`, printed)
}

func TestPluginTestRefuses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "x.sh"), []byte("#!/bin/sh\nexec cat\n"), 0o700))
	for args, want := range map[string]string{
		"":                                   "write: socketserver plugin test NAME|PATH",
		"gone":                               `there is no plugin "gone", and no such file`,
		"./x.sh --send x":                    "--send and --expect belong together",
		`./x.sh --send \q --expect x`:        `write a backslash as \\`,
		"./x.sh --concurrency thread":        `did you mean "threading"?`,
		"./x.sh --set a=1":                   `there is no such option`,
		"./x.sh --concurrency preforking":    `use "forking"`,
		"./x.sh --plugins other --send= a b": "one argument too many",
	} {
		printed, status := pluginTest(dir, strings.Fields(args)...)
		require.NotZero(t, status, args)
		require.Contains(t, printed, want, fmt.Sprintf("%s: %s", args, printed))
	}
}
