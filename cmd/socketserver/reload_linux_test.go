package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework/frameworktest"
)

// A reloader is a daemon whose configuration a test changes.
type reloader struct {
	*process
	file, socket string
	listeners    []listener
}

// reloadable starts a daemon with an admin socket of its own.
func reloadable(t *testing.T, text string) *reloader {
	t.Helper()
	dir := t.TempDir()
	r := &reloader{file: filepath.Join(dir, "servers.hcl"), socket: filepath.Join(dir, "admin.sock")}
	r.write(t, text)
	r.process, r.listeners = serveArgs(t, "-c", r.file)
	return r
}

func (r *reloader) write(t *testing.T, text string) {
	t.Helper()
	text = fmt.Sprintf("admin { socket = %q }\n", r.socket) + text
	require.NoError(t, os.WriteFile(r.file, []byte(text), 0o600))
}

// command runs a command that uses the admin socket, and returns what it prints.
func (r *reloader) command(args ...string) (stdout, stderr string, err error) {
	var out, problems bytes.Buffer
	c := exec.Command("socketserver", append(args, "--admin", r.socket)...)
	c.Stdout, c.Stderr = &out, &problems
	err = c.Run()
	return out.String(), problems.String(), err
}

func (r *reloader) reload(t *testing.T, text string) string {
	t.Helper()
	r.write(t, text)
	out, problems, err := r.command("reload")
	require.NoError(t, err, problems)
	return out
}

// timestamps is a server that answers with a prefix.
func timestamps(concurrency, prefix, more string) string {
	return fmt.Sprintf(`server "s" {
  transport "tcp" { address = "127.0.0.1:0" }
  concurrency %s
  handler "timestamp" {
    framing = "chunk"
    format  = "%s{data}"
  }
  %s
}
`, concurrency, prefix, more)
}

// A crowd is clients that ask one question over a connection of their own each, again and again,
// and conversations that stay.
type crowd struct {
	stop     chan struct{}
	clients  sync.WaitGroup
	answers  atomic.Int64
	failures chan error
	stays    []net.Conn
}

func gather(t *testing.T, l listener, clients, conversations int) *crowd {
	t.Helper()
	c := &crowd{stop: make(chan struct{}), failures: make(chan error, 1000)}
	for range conversations {
		conn := dial(t, l)
		require.Contains(t, frameworktest.Ask(t, conn, "hello"), "hello")
		c.stays = append(c.stays, conn)
	}
	for range clients {
		c.clients.Go(func() {
			for {
				select {
				case <-c.stop:
					return
				default:
				}
				if err := askAlone(l); err != nil {
					select {
					case c.failures <- err:
					default:
					}
				}
				c.answers.Add(1)
			}
		})
	}
	return c
}

func askAlone(l listener) error {
	conn, err := net.Dial(l.network, l.address)
	if err != nil {
		return err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(frameworktest.Patience))
	if _, err := io.WriteString(conn, "hello"); err != nil {
		return err
	}
	answer := make([]byte, 64)
	n, err := conn.Read(answer)
	if err == nil && !strings.HasSuffix(strings.ToLower(string(answer[:n])), "hello") {
		err = fmt.Errorf("the answer is %q", answer[:n])
	}
	return err
}

// disperse ends the clients, and requires that none of them has failed and that no conversation
// is lost.
func (c *crowd) disperse(t *testing.T) {
	t.Helper()
	close(c.stop)
	c.clients.Wait()
	require.Empty(t, c.failures, "of %d", c.answers.Load())
	for _, conn := range c.stays {
		require.NoError(t, conn.SetDeadline(time.Now().Add(frameworktest.Patience))) // that of its beginning may be over
		require.Contains(t, strings.ToLower(frameworktest.Ask(t, conn, "last")), "last")
		require.NoError(t, conn.Close())
	}
}

// held returns how many descriptors and children a process has.
func held(t *testing.T, pid int) (descriptors, children int) {
	t.Helper()
	fds, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	require.NoError(t, err)
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	require.NoError(t, err)
	for _, task := range tasks {
		text, _ := os.ReadFile(task) // a thread may have ended
		children += len(strings.Fields(string(text)))
	}
	return len(fds), children
}

// awaitHeld waits until a process has no more descriptors and children than before.
func awaitHeld(t *testing.T, p *process, descriptors, children int) {
	t.Helper()
	late := time.Now().Add(frameworktest.Patience)
	for {
		d, c := held(t, p.Process.Pid)
		if d <= descriptors && c <= children {
			return
		}
		require.True(t, time.Now().Before(late), "%d descriptors and %d children, before %d and %d", d, c, descriptors, children)
		time.Sleep(time.Second / 100)
	}
}

// No client notices reloads, through every strategy.
func TestReloadUnderLoad(t *testing.T) {
	strategies := []string{`"threading" {}`, `"forking" { max_requests = 100 }`, `"preforking" { workers = 2 }`, `"threading" { max_threads = 500 }`}
	r := reloadable(t, timestamps(strategies[0], "0", "limits { per_source = 0 }"))
	r.reload(t, timestamps(strategies[1], "0", "")) // the first children have it keep its own program open
	r.reload(t, timestamps(strategies[0], "0", "limits { per_source = 0 }"))
	requireEchoOf(t, r.listeners[0])
	descriptors, children := held(t, r.Process.Pid)
	c := gather(t, r.listeners[0], 2, 20)
	for i := range often(4, 100) {
		prefix, more := fmt.Sprint(i/4), fmt.Sprintf("limits {\nconnections = %d\nper_source = 0\n}", 500+i)
		r.reload(t, timestamps(strategies[(i+1)%len(strategies)], prefix, more))
	}
	c.disperse(t)
	r.reload(t, timestamps(strategies[0], "0", "limits { per_source = 0 }"))
	awaitHeld(t, r.process, descriptors, children)
	var closed event
	closed, _ = r.take(func(e event) bool { return e["@level"] == "error" || e["@level"] == "warn" })
	require.Nil(t, closed)
}

func requireEchoOf(t *testing.T, l listener) {
	t.Helper()
	require.Contains(t, askOnce(t, l, "hello"), "hello")
}

// No datagram is lost while another server takes over.
func TestReloadLosesNoDatagram(t *testing.T) {
	udp := func(n int) string {
		return strings.Replace(timestamps(`"threading" {}`, fmt.Sprint(n%10), fmt.Sprintf("limits {\nper_source = 0\nconnections = 0\nanswers = \"0\"\n}\ntimeouts { idle = \"%dm\" }", n+1)), `"tcp"`, `"udp"`, 1)
	}
	r := reloadable(t, udp(0))
	conn := dial(t, r.listeners[0])
	ended := make(chan struct{})
	var reloads atomic.Int64
	go func() {
		defer close(ended)
		for n := range often(10, 60) {
			r.reload(t, udp(n+1))
			reloads.Add(1)
		}
	}()
	answers := often(2000, 40_000)
	for n := range answers {
		require.True(t, strings.HasSuffix(frameworktest.Ask(t, conn, fmt.Sprint(n)), fmt.Sprint(n)))
	}
	frameworktest.Await(t, ended, "the reloads do not end")
}

// What cannot be had changes nothing, and the error is that of validate.
func TestReloadThatFails(t *testing.T) {
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer busy.Close()
	good := timestamps(`"threading" {}`, "0", "")
	r := reloadable(t, good)
	requireEchoOf(t, r.listeners[0])
	dir := filepath.Dir(r.file)
	require.NoError(t, os.Mkdir(filepath.Join(dir, "plugins"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "plugins", "bad"), []byte("#!/bin/sh\n# SOCKETSERVER_PLUGIN\nexit 1\n"), 0o700))
	other := func(address, handler string) string {
		return strings.ReplaceAll(good, `"0{data}"`, `"1{data}"`) + fmt.Sprintf("server \"o\" {\n transport \"tcp\" { address = %q }\n concurrency \"forking\" {}\n %s\n}\n", address, handler)
	}
	_, port, err := net.SplitHostPort(r.listeners[0].address)
	require.NoError(t, err)
	wildcard := "0.0.0.0:" + port
	descriptors, children := held(t, r.Process.Pid)
	for name, c := range map[string]struct {
		text  string
		valid bool
		want  string
	}{
		"overlap":         {other(wildcard, `handler "echo" {}`), true, "overlaps an address that this process has open; restart it, or choose another port\n     transport \"tcp\" { address = \"" + wildcard + "\" }\n"},
		"busy port":       {other(busy.Addr().String(), `handler "echo" {}`), true, "is in use by process"},
		"bad HCL":         {good + "server {", false, "servers.hcl:"},
		"unknown handler": {other("127.0.0.1:0", `handler "ech" {}`), false, `did you mean "echo"?`},
		"plugin":          {other("127.0.0.1:0", `plugin "bad" {}`), false, "exit status 1"},
	} {
		t.Run(name, func(t *testing.T) {
			for range often(1, 5) {
				r.write(t, c.text)
				out, problems, err := r.command("reload")
				require.Equal(t, exitFailed, exitCode(err), problems)
				require.Empty(t, out)
				require.Contains(t, problems, c.want)
				r.await(t, "not reloaded; the servers go on as before")
				validated, err := exec.Command("socketserver", "validate", "-c", r.file).CombinedOutput()
				require.Equal(t, c.valid, err == nil)
				if !c.valid {
					require.Equal(t, withoutLog(string(validated)), problems)
				}
				require.Equal(t, "0hello", askOnce(t, r.listeners[0], "hello"))
			}
		})
	}
	awaitHeld(t, r.process, descriptors, children)
	require.Equal(t, "~ s: timestamp.format \"0{data}\" -> \"1{data}\"\n", r.reload(t, strings.ReplaceAll(good, `"0{data}"`, `"1{data}"`)))
}

// withoutLog removes lines of a log, which begin with a brace or with the time.
func withoutLog(text string) string {
	var kept strings.Builder
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "{") {
			kept.WriteString(line)
		}
	}
	return kept.String()
}

func exitCode(err error) int {
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return exit.ExitCode()
	}
	return 0
}

func TestPlanOfReload(t *testing.T) {
	block := func(name, concurrency, more string) string {
		return strings.Replace(timestamps(concurrency, "", more), `"s"`, fmt.Sprintf("%q", name), 1)
	}
	r := reloadable(t, block("kept", `"threading" {}`, "")+block("also kept", `"threading" {}`, "")+block("changes", `"threading" {}`, "")+block("goes", `"threading" {}`, ""))
	conn := dial(t, r.listeners[3])
	require.Equal(t, "hello", frameworktest.Ask(t, conn, "hello"))
	next := block("comes", `"threading" {}`, "") + block("kept", `"threading" {}`, "") + block("also kept", `"threading" {}`, "") +
		block("changes", `"forking" {}`, "limits {\n connections = 200\n per_source = 64\n}")
	r.write(t, next)
	plan := `+ comes                                   tcp 127.0.0.1:0
~ changes: concurrency threading -> forking, limits.connections 1000 -> 200
- goes                                    1 request under way, at most 10s
  kept, also kept                         unchanged
`
	out, problems, err := r.command("reload", "--dry-run")
	require.NoError(t, err, problems)
	require.Equal(t, plan, out)
	require.Equal(t, plan, r.reload(t, next))
	require.Equal(t, "  comes, kept, also kept, changes         unchanged\n", r.reload(t, next))
	out, problems, err = r.command("status")
	require.NoError(t, err, problems)
	require.Regexp(t, `(?m)^goes +draining +threading +timestamp +1 `, out)
	require.NoError(t, conn.Close())
	out, problems, err = r.command("status", "change")
	require.Equal(t, exitFailed, exitCode(err), out)
	require.Equal(t, "there is no server \"change\"; did you mean \"changes\"?\n", problems)
}

// However many signals come, reloads come one after the other and the last one has the last
// configuration.
func TestStormOfReloads(t *testing.T) {
	r := reloadable(t, "reload { watch = true }\n"+timestamps(`"threading" {}`, "0", ""))
	for n := range 100 {
		r.write(t, "reload { watch = true }\n"+timestamps(`"threading" {}`, fmt.Sprint(n), ""))
		r.signal(t, syscall.SIGHUP)
	}
	for askOnce(t, r.listeners[0], "hello") != "99hello" {
		r.awaitEvent(t, "that it has reloaded", func(e event) bool {
			message := e["@message"].(string)
			return message == "reloaded" || strings.HasPrefix(message, "not reloaded") // half of a file was read
		})
	}
}

// A watched configuration is applied when it is written, or its link is swapped.
func TestWatchedConfiguration(t *testing.T) {
	dir := t.TempDir()
	version := func(n int) string {
		path := filepath.Join(dir, fmt.Sprint("v", n))
		require.NoError(t, os.MkdirAll(path, 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(path, "servers.hcl"), []byte("admin { socket = \"\" }\nreload { watch = true }\n"+timestamps(`"threading" {}`, fmt.Sprint(n), "")), 0o600))
		return path
	}
	link := filepath.Join(dir, "current")
	require.NoError(t, os.Symlink(version(1), link))
	p, listeners := serveArgs(t, "-c", filepath.Join(link, "servers.hcl"))
	require.Equal(t, "1hello", askOnce(t, listeners[0], "hello"))
	require.NoError(t, os.Symlink(version(2), link+".new"))
	require.NoError(t, os.Rename(link+".new", link))
	p.await(t, "reloaded")
	require.Equal(t, "2hello", askOnce(t, listeners[0], "hello"))
	file := filepath.Join(dir, "v2", "servers.hcl")
	whole, err := os.ReadFile(file)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(file, whole[:len(whole)/2], 0o600)) // half written
	p.await(t, "not reloaded; the servers go on as before")
	require.Equal(t, "2hello", askOnce(t, listeners[0], "hello"))
	require.NoError(t, os.WriteFile(file, bytes.Replace(whole, []byte(`"2{`), []byte(`"3{`), 1), 0o600))
	p.await(t, "reloaded")
	require.Equal(t, "3hello", askOnce(t, listeners[0], "hello"))
}

func TestWhatAReloadCannotChange(t *testing.T) {
	good := timestamps(`"threading" {}`, "0", "")
	r := reloadable(t, good)
	for text, want := range map[string]string{
		strings.Replace(good, `{ address = "127.0.0.1:0" }`, "{\n address = \"127.0.0.1:0\"\n request_queue_size = 5\n}", 1): "tcp 127.0.0.1:0 is open, and its request_queue_size cannot change; restart to change it, or choose another address\n",
		"log { format = \"text\" }\n" + good: "log.format has changed, which a reload does not apply; restart to change it\n",
	} {
		r.write(t, text)
		_, problems, err := r.command("reload")
		require.Equal(t, exitFailed, exitCode(err))
		require.Contains(t, problems, want)
	}
}
