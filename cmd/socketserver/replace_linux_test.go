package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/framework/frameworktest"
	"github.com/go-socketserver/socketserver/framework/plugin"
)

func init() { ownPlugins["versioned"] = versioned }

// versioned is a plugin that answers with its version, which is what its program ends with, and
// what it was sent. If it is told so it keeps state.
func versioned() {
	type options struct {
		State string `json:"state"`
	}
	plugin.Serve(framework.Define(options{}, func(o options) (*framework.HandlerClass, error) {
		version, err := tail("/proc/self/exe")
		if version == "0" {
			os.Exit(3) // a version that does not work
		}
		return &framework.HandlerClass{Stateful: o.State, New: func() framework.Handler { return &versionedHandler{version: version} }}, err
	}))
}

func tail(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	if _, err := f.Seek(-1, io.SeekEnd); err != nil {
		return "", err
	}
	last, err := io.ReadAll(f)
	return string(last), err
}

type versionedHandler struct {
	framework.StreamRequestHandler
	version string
}

func (h *versionedHandler) Handle(rfile *bufio.Reader, wfile io.Writer) error {
	buf := make([]byte, 64)
	for {
		n, err := rfile.Read(buf)
		if err != nil {
			return nil //nolint:nilerr // the client has left
		}
		if string(buf[:n]) == "never end" {
			select {}
		}
		if _, err := fmt.Fprint(wfile, h.version, string(buf[:n])); err != nil {
			return err
		}
	}
}

// install puts a version of the plugin into a directory, as a package manager does.
func install(t *testing.T, dir string, version int) {
	t.Helper()
	self, err := os.ReadFile("/proc/self/exe")
	require.NoError(t, err)
	fresh := filepath.Join(dir, ".versioned")
	require.NoError(t, os.WriteFile(fresh, append(self, fmt.Sprint(version)...), 0o700))
	require.NoError(t, os.Rename(fresh, filepath.Join(dir, "versioned")))
}

func withVersioned(dir, concurrency, options, more string) string {
	return fmt.Sprintf(`plugins { directory = %q }
%s
server "versioned" {
  transport "tcp" { address = "127.0.0.1:0" }
  concurrency %s
  plugin "versioned" { %s }
  limits { per_source = 0 }
  timeouts { idle = "0" }
}
`, dir, more, concurrency, options)
}

// Conversations stay with the version that they began with, and no new client fails, however
// often a plugin is replaced; a version that does not start changes nothing.
func TestPluginIsReplacedWhileItServes(t *testing.T) {
	for _, c := range []struct {
		concurrency string
		chats       int
	}{
		{`"threading" {}`, often(20, 100)},
		{`"preforking" { workers = 1 }`, often(5, 100)},
		{`"forking" { max_children = 300 }`, 100},
	}[:often(1, 3)] {
		t.Run(strings.Fields(c.concurrency)[0], func(t *testing.T) {
			dir := t.TempDir()
			install(t, dir, 1)
			r := reloadable(t, withVersioned(dir, c.concurrency, "", ""))
			require.Equal(t, "1hello", askOnce(t, r.listeners[0], "hello"))
			descriptors, children := held(t, r.Process.Pid)
			crowd := gather(t, r.listeners[0], 2, c.chats)
			replacements := often(2, 8) // by both commands
			for n := range replacements {
				version := n + 2
				install(t, dir, version)
				command := []string{"reload"}
				if n%2 == 0 {
					command = []string{"plugin", "reload", "versioned"}
				}
				out, problems, err := r.command(command...)
				require.NoError(t, err, problems)
				require.Equal(t, "~ versioned: another program\n", out)
				require.Equal(t, fmt.Sprint(version, "hello"), askOnce(t, r.listeners[0], "hello"))
				chat := dial(t, r.listeners[0])
				require.Equal(t, fmt.Sprint(version, "hello"), frameworktest.Ask(t, chat, "hello"))
				crowd.stays = append(crowd.stays, chat)

				install(t, dir, 0)
				out, problems, err = r.command(command...)
				require.Equal(t, exitFailed, exitCode(err), out)
				require.Contains(t, problems, "exit status 3")
				require.Equal(t, fmt.Sprint(version, "hello"), askOnce(t, r.listeners[0], "hello"))
			}
			require.NoError(t, crowd.stays[0].SetDeadline(time.Now().Add(frameworktest.Patience)))
			require.Equal(t, "1still", frameworktest.Ask(t, crowd.stays[0], "still"))
			crowd.disperse(t)
			awaitHeld(t, r.process, descriptors, children)
		})
	}
}

// A process that is as good as the old one replaces it, if that is asked for by name.
func TestPluginIsReplacedByName(t *testing.T) {
	dir := t.TempDir()
	install(t, dir, 1)
	r := reloadable(t, withVersioned(dir, `"threading" {}`, "", "")+timestamps(`"threading" {}`, "", ""))
	before := r.children(t)
	require.Len(t, before, 1)
	out, problems, err := r.command("reload")
	require.NoError(t, err, problems)
	require.Equal(t, "  versioned, s                            unchanged\n", out)
	require.Equal(t, before, r.children(t))
	out, problems, err = r.command("plugin", "reload", "versioned")
	require.NoError(t, err, problems)
	require.Equal(t, "~ versioned: another process\n  s                                       unchanged\n", out)
	r.await(t, "stopped")
	require.NotEqual(t, before, r.children(t))
	r.do(t, "stop", "s") // it is not started by that, nor forgotten
	require.Equal(t, "~ versioned: another process\n", r.do(t, "plugin", "reload", "versioned"))
	require.Equal(t, "s is stopped\n", r.refuse(t, "status", "--ready"))
	require.Equal(t, "s is serving, 0 requests under way\n", r.do(t, "start", "s"))
	_, problems, err = r.command("plugin", "reload", "other")
	require.Equal(t, exitFailed, exitCode(err))
	require.Equal(t, "no server has a plugin \"other\"; see socketserver status\n", problems)

	drains := withVersioned(dir, `"threading" {}`, "", `plugin "versioned" {
  replace { drain = "1ms" }
}`)
	r.reload(t, drains)
	chat := dial(t, r.listeners[0])
	frameworktest.Ask(t, chat, "hello")
	const one = `transport "tcp" { address = "127.0.0.1:0" }`
	r.reload(t, strings.Replace(drains, one, one+"\n"+one, 1)) // its process goes on
	require.Equal(t, "as long as they take", r.await(t, "waiting for requests")["at_most"])
	require.Equal(t, "1still", frameworktest.Ask(t, chat, "still"))
}

// The process of a plugin gives way to another one when it has served as much as it may, and its last
// requests have the time that they are given.
func TestPluginIsRecycled(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "own.py"), []byte(`import os, socketserver
kept = []

class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        for line in self.rfile:
            kept.append(b"x" * (int(line) << 20))
            self.wfile.write(b"%d\n" % os.getppid() if os.getenv("SOCKETSERVER_FORKS") else b"%d\n" % os.getpid())
`), 0o600))
	text := ""
	for _, s := range []struct{ name, concurrency, recycle string }{
		{"requests", "threading", "requests = 3"},
		{"memory", "preforking", `memory = "100MiB"`},
		{"age", "forking", `after = "1s"`},
	} {
		text += fmt.Sprintf(`
plugin %[1]q {
  path = "%[4]s/own.py"
  recycle { %[3]s }
  replace { drain = "100ms" }
}
server %[1]q {
  transport "tcp" { address = "127.0.0.1:0" }
  concurrency %[2]q {}
  plugin %[1]q {}
  timeouts { drain = "100ms" }
}
`, s.name, s.concurrency, s.recycle, dir)
	}
	r := reloadable(t, text)
	recycled := func(l listener, line string, times int, why string) {
		chat := dial(t, l)
		first := frameworktest.Ask(t, chat, line)
		for range times - 1 {
			require.Equal(t, first, askOnce(t, l, "0\n"))
		}
		require.Contains(t, r.await(t, "plugin recycled", event{"server": l.server})["reason"], why)
		requireEnd(t, chat)
		require.NotEqual(t, first, askOnce(t, l, "0\n"))
	}
	recycled(r.listeners[0], "0\n", 3, "it has had 3 requests")
	recycled(r.listeners[1], "100\n", 1, "MiB of memory")
	require.Equal(t, "it has run for 1s", r.await(t, "plugin recycled", event{"server": "age"})["reason"])
	askOnce(t, r.listeners[2], "0\n")
}

// A plugin of each kind is replaced by itself when its file has changed.
func TestEveryKindIsReplaced(t *testing.T) {
	if often(0, 1) == 0 {
		t.Skip("set SOCKETSERVER_LONG_TESTS")
	}
	dir := t.TempDir()
	examples := fences(t, "../../framework/plugin/PROTOCOL.md")
	python := examples[slices.IndexFunc(examples, func(f fence) bool { return f.language == "python" })]
	kinds := []struct {
		kind, server, plugin, concurrency string
		install                           func(version int)
	}{
		{"go", "versioned", "versioned", "threading", func(v int) { install(t, dir, v) }},
		{"worker", "worker", "worker.py", "threading", func(v int) {
			replaceFile(t, dir, "worker.py", strings.Replace(python.text, "line.upper()", fmt.Sprintf("b'%d' + line", v), 1))
		}},
		{"python", "python", "script.py", "forking", func(v int) {
			replaceFile(t, dir, "script.py", fmt.Sprintf("import socketserver\nclass H(socketserver.StreamRequestHandler):\n    def handle(self):\n        self.wfile.write(b'%d' + self.rfile.readline())\n", v))
		}},
		{"stdio", "stdio", "shell.sh", "forking", func(v int) {
			replaceFile(t, dir, "shell.sh", fmt.Sprintf("#!/bin/sh\nread -r line\necho \"%d$line\"\n", v))
		}},
		{"wasm", "wasm", "module.wasm", "threading", func(v int) {
			replaceFile(t, dir, "module.wasm", digitModule(v))
		}},
	}
	text := fmt.Sprintf("plugins { directory = %q }\n", dir)
	for _, k := range kinds {
		k.install(1)
		text += fmt.Sprintf(`
plugin %[2]q {
  kind = %[4]q
  replace { automatic = true }
}
server %[1]q {
  transport "tcp" { address = "127.0.0.1:0" }
  concurrency %[3]q {}
  plugin %[2]q {}
}
`, k.server, k.plugin, k.concurrency, k.kind)
	}
	r := reloadable(t, text)
	answers := func(version int) {
		for i, k := range kinds {
			question := "hello\n"
			if k.kind == "wasm" {
				question += "\n" // it takes the place of one byte
			}
			require.Equal(t, fmt.Sprintf("%dhello\n", version), askOnce(t, r.listeners[i], question), k.kind)
		}
	}
	answers(1)
	changed := map[any]bool{}
	for _, k := range kinds {
		k.install(2)
	}
	for len(changed) < len(kinds) { // they are written one after the other
		replaced, _ := r.await(t, "reloaded")["replaced"].([]any) // none where a file was written in two steps
		for _, name := range replaced {
			changed[name] = true
		}
	}
	answers(2)
}

// digitModule is a module that answers with a digit and its input, up to 255 bytes at a time, without the last of them.
func digitModule(digit int) string {
	return strings.NewReplacer(
		"\x0a\x33\x01\x31", "\x0a\x3a\x01\x38", // the code is longer
		"\x41\x00\x41\x10\x36", "\x41\x00\x41\x11\x36", // read to 17
		"\x41\x01\x41\x00\x41\x01\x41\x08", "\x41\x00\x41\x10\x36\x02\x00\x41\x01\x41\x00\x41\x01\x41\x08", // write from 16
	).Replace(echoModule) + fmt.Sprintf("\x0b\x07\x01\x00\x41\x10\x0b\x01%d", digit) // which is at 16
}

// follows is a server of a plugin in dir, which is replaced when its file has changed.
func follows(t *testing.T, dir, concurrency, name string) *reloader {
	t.Helper()
	const automatic = `plugin %q {
  replace { automatic = true }
}`
	return reloadable(t, strings.ReplaceAll(withVersioned(dir, concurrency, "", fmt.Sprintf(automatic, name)), `plugin "versioned"`, fmt.Sprintf("plugin %q", name)))
}

// A version that cannot be run is logged, and the one before goes on until that is mended.
func TestBrokenVersionIsLogged(t *testing.T) {
	dir, elsewhere := t.TempDir(), t.TempDir()
	install(t, dir, 1)
	install(t, elsewhere, 2)
	broken := filepath.Join(elsewhere, "broken")
	require.NoError(t, os.Mkdir(broken, 0o700))
	replaceFile(t, broken, "main.go", "package main\n\nfunc main() { nothing( }\n")
	r := follows(t, dir, `"threading" {}`, "versioned")
	refused := func(why string) {
		t.Helper()
		require.Contains(t, r.await(t, "not reloaded; the servers go on as before")["error"], why)
		require.Equal(t, "1hello", askOnce(t, r.listeners[0], "hello"))
	}
	file := filepath.Join(dir, "versioned")
	swap := func(with string) {
		require.NoError(t, unix.Renameat2(unix.AT_FDCWD, file, unix.AT_FDCWD, with, unix.RENAME_EXCHANGE))
	}
	require.NoError(t, os.Chmod(file, 0o600))
	refused("is not executable; if it is a program, run: chmod +x")
	require.NoError(t, os.Chmod(file, 0o700))
	require.Equal(t, []any{"versioned"}, r.await(t, "reloaded")["unchanged"])
	swap(broken)
	refused("syntax error")
	swap(filepath.Join(elsewhere, "versioned"))
	require.Equal(t, []any{"versioned"}, r.await(t, "reloaded")["replaced"])
	require.Equal(t, "2hello", askOnce(t, r.listeners[0], "hello"))
}

// A version that is written while the one before starts is not missed.
func TestChangeWhileItStarts(t *testing.T) {
	dir := t.TempDir()
	const script = `import os, socketserver
class H(socketserver.StreamRequestHandler):
    def handle(self):
        self.wfile.write(VERSION + self.rfile.readline())
`
	fresh := filepath.Join(t.TempDir(), "own.py")
	require.NoError(t, os.WriteFile(fresh, []byte(script+"VERSION = b'2'\n"), 0o600))
	replaceFile(t, dir, "own.py", script+fmt.Sprintf("VERSION = b'1'\nos.rename(%q, %q)\n", fresh, filepath.Join(dir, "own.py")))
	r := follows(t, dir, `"forking" {}`, "own")
	require.Equal(t, []any{"versioned"}, r.await(t, "reloaded")["replaced"])
	require.Equal(t, "2hello\n", askOnce(t, r.listeners[0], "hello\n"))
}

// replaceFile replaces a program in a directory by another one, as an editor does.
func replaceFile(t *testing.T, dir, name, text string) {
	t.Helper()
	fresh := filepath.Join(dir, "."+name)
	require.NoError(t, os.WriteFile(fresh, []byte(text), 0o700))
	require.NoError(t, os.Rename(fresh, filepath.Join(dir, name)))
}

// A plugin that keeps state is replaced only where its state may be split.
func TestStatefulPluginIsNotReplaced(t *testing.T) {
	dir := t.TempDir()
	install(t, dir, 1)
	const state = `state = "its members"`
	r := reloadable(t, withVersioned(dir, `"threading" {}`, state, ""))
	install(t, dir, 2)
	_, problems, err := r.command("reload")
	require.Equal(t, exitFailed, exitCode(err))
	require.Equal(t, `server "versioned": plugin "versioned" keeps its members in memory, and a new process would begin without it; restart the server, or write replace { split = true } in plugin "versioned"`+"\n", problems)
	require.Equal(t, "1hello", askOnce(t, r.listeners[0], "hello"))
	const split = `plugin "versioned" {
	replace { split = true }
}`
	require.Equal(t, "~ versioned: another program, replace.split false -> true\n", r.reload(t, withVersioned(dir, `"threading" {}`, state, split)))
	require.Equal(t, "2hello", askOnce(t, r.listeners[0], "hello"))
	require.Equal(t, "~ versioned: replace.split true -> false\n", r.reload(t, withVersioned(dir, `"threading" {}`, state, "")))
	_, _, err = r.command("plugin", "reload", "versioned")
	require.Equal(t, exitFailed, exitCode(err))
	require.Equal(t, "~ versioned: replace.split false -> true\n", r.reload(t, withVersioned(dir, `"threading" {}`, state, split)))
	_, problems, err = r.command("plugin", "reload", "versioned")
	require.NoError(t, err, problems)
}
