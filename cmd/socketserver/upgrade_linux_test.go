package main

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework/frameworktest"
)

// upgrade has a new process take over and returns its id. It is ended with the test.
func (r *reloader) upgrade(t *testing.T, args ...string) (pid int) {
	t.Helper()
	out, problems, err := r.command(append([]string{"upgrade"}, args...)...)
	require.NoError(t, err, problems)
	_, err = fmt.Sscanf(out, "process %d has taken over\n", &pid)
	require.NoError(t, err)
	endWithTest(t, pid)
	return pid
}

// endWithTest ends a process that a server of the test has started.
func endWithTest(t *testing.T, pid int) {
	t.Helper()
	t.Cleanup(func() { _ = syscall.Kill(pid, syscall.SIGTERM) }) // it may have ended
}

// awaitUpgrade waits until a process logs that another one has taken over.
func (p *process) awaitUpgrade(t *testing.T) (pid int) {
	t.Helper()
	pid = int(p.await(t, "upgraded; this process ends with its last request")["pid"].(float64))
	endWithTest(t, pid)
	return pid
}

// requireNoTrouble requires that the log has no warning and no error.
func (p *process) requireNoTrouble(t *testing.T) {
	t.Helper()
	p.takeRootWarning()
	trouble, _ := p.take(func(e event) bool { return e["@level"] == "error" || e["@level"] == "warn" })
	require.Nil(t, trouble)
}

// No client notices upgrades, through every strategy and with a plugin.
func TestUpgradeUnderLoad(t *testing.T) {
	plugins := t.TempDir()
	install(t, plugins, 1)
	const many = "limits { per_source = 0 }\ntimeouts { idle = \"0\" }" // of conversations that twenty upgrades leave alone
	for _, c := range []struct{ name, text string }{
		{"preforking", timestamps(`"preforking" { workers = 2 }`, "", many)},
		{"plugin", withVersioned(plugins, `"threading" {}`, "", "")},
		{"threading", timestamps(`"threading" {}`, "", many)},
		{"forking", timestamps(`"forking" { max_requests = 100 }`, "", many)},
	}[:often(1, 4)] {
		t.Run(c.name, func(t *testing.T) {
			r := reloadable(t, c.text)
			requireEchoOf(t, r.listeners[0])
			crowd := gather(t, r.listeners[0], 2, 20)
			upgrades := often(1, 20)
			for range upgrades {
				r.upgrade(t)
				conn := dial(t, r.listeners[0])
				require.Contains(t, frameworktest.Ask(t, conn, "hello"), "hello")
				crowd.stays = append(crowd.stays, conn)
			}
			crowd.disperse(t)
			for range upgrades {
				r.await(t, "every server has stopped")
			}
			requireEchoOf(t, r.listeners[0])
			r.requireNoTrouble(t)
		})
	}
}

// The process that serves stays when those before it end in any order.
func TestUpgradesThatEndInAnyOrder(t *testing.T) {
	t.Parallel()
	r := reloadable(t, timestamps(`"threading" {}`, "", ""))
	conn := dial(t, r.listeners[0])
	require.Equal(t, "hello", frameworktest.Ask(t, conn, "hello"))
	r.upgrade(t)
	r.upgrade(t)
	r.await(t, "every server has stopped") // the second one, as the first has a conversation
	require.NoError(t, conn.Close())
	_, err := r.Process.Wait()
	require.NoError(t, err)
	requireEchoOf(t, r.listeners[0])
}

// No datagram is lost while another process takes over.
func TestUpgradeLosesNoDatagram(t *testing.T) {
	r := reloadable(t, strings.Replace(timestamps(`"threading" {}`, "", "limits {\nper_source = 0\nconnections = 0\nanswers = \"0\"\n}"), `"tcp"`, `"udp"`, 1))
	conn := dial(t, r.listeners[0])
	var over atomic.Bool
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer over.Store(true)
		for range often(2, 20) {
			r.upgrade(t)
		}
	}()
	for n := 0; !over.Load(); n++ {
		require.True(t, strings.HasSuffix(frameworktest.Ask(t, conn, fmt.Sprint(n)), fmt.Sprint(n)))
	}
	frameworktest.Await(t, ended)
}

// script makes a program of the shell that accepts every configuration.
func script(t *testing.T, serve string) string {
	t.Helper()
	path := write(t, "next", "#!/bin/sh\n[ $1 = validate ] && exit 0\n"+serve)
	require.NoError(t, os.Chmod(path, 0o700))
	return path
}

// Where the new process does not serve the old one goes on, and its descriptors are what they were.
func TestUpgradeThatFails(t *testing.T) {
	t.Parallel()
	r := reloadable(t, timestamps(`"threading" {}`, "", ""))
	conn := dial(t, r.listeners[0])
	require.Equal(t, "hello", frameworktest.Ask(t, conn, "hello"))
	descriptors, children := held(t, r.Process.Pid)
	rejects := write(t, "next", "#!/bin/sh\necho the first line\necho line 2 is wrong >&2\nexit 1\n")
	require.NoError(t, os.Chmod(rejects, 0o700))
	for name, c := range map[string]struct{ program, want string }{
		"it exits":                     {script(t, "echo starting >&2\necho out of order >&2\nexit 3\n"), ": it ended before it was ready: exit status 3; the last line that it printed: out of order\n"},
		"it exits and prints nothing":  {script(t, "exit 0\n"), ": it ended before it was ready: exit status 0; it printed nothing\n"},
		"it hangs":                     {script(t, "echo waiting for a disk >&2\nsleep 1000\n"), ": it was not ready within 10s; the last line that it printed: waiting for a disk\n"},
		"it rejects the configuration": {rejects, " validate -c " + r.file + ": exit status 1\nthe first line\nline 2 is wrong\n"},
		"there is no such program":     {rejects + "x", rejects + "x cannot be run: no such file or directory; name a program\n"},
		"it is no socketserver":        {"/bin/false", "/bin/false validate -c " + r.file + ": exit status 1; it printed nothing\n"},
	} {
		t.Run(name, func(t *testing.T) {
			for range often(1, 5) {
				_, problems, err := r.command("upgrade", "--to", c.program)
				require.Equal(t, exitFailed, exitCode(err))
				require.Contains(t, problems, c.want)
				r.await(t, "not upgraded; this process goes on as before")
				requireEchoOf(t, r.listeners[0])
				require.Equal(t, "still", frameworktest.Ask(t, conn, "still"))
			}
		})
	}
	awaitHeld(t, r.process, descriptors, children)
	text, err := os.ReadFile(r.file)
	require.NoError(t, err)
	r.write(t, "server {")
	_, problems, err := r.command("upgrade")
	require.Equal(t, exitFailed, exitCode(err))
	require.Contains(t, problems, "exit status 1\n"+r.file+":2:8: the block has no }")
	awaitHeld(t, r.process, descriptors, children)
	require.NoError(t, os.WriteFile(r.file, text, 0o600))
	out, problems, err := r.command("upgrade")
	require.NoError(t, err, problems)
	var pid int
	_, err = fmt.Sscanf(out, "process %d has taken over\n", &pid)
	require.NoError(t, err)
	endWithTest(t, pid)
	require.Contains(t, out, fmt.Sprintf("\nprocess %d has 1 request, and ends with the last; ", r.Process.Pid))
	require.Equal(t, "still", frameworktest.Ask(t, conn, "still"))
	requireEchoOf(t, r.listeners[0])
}

// Of two upgrades at once the second is refused, and when the first is over the old process takes
// neither a configuration nor another successor.
func TestUpgradesAtOnce(t *testing.T) {
	t.Parallel()
	r := reloadable(t, timestamps(`"threading" {}`, "0", ""))
	conn := dial(t, r.listeners[0])
	require.Equal(t, "0hello", frameworktest.Ask(t, conn, "hello"))
	gate := filepath.Join(t.TempDir(), "gate")
	require.NoError(t, syscall.Mkfifo(gate, 0o600))
	first := make(chan int)
	go func() {
		first <- r.upgrade(t, "--to", script(t, "echo at the gate >&2\nread go < "+gate+"\nexec socketserver \"$@\"\n"))
	}()
	r.awaitText(t, "at the gate")
	const refused = "this process is starting, or starts another one in its place already"
	_, problems, err := r.command("upgrade")
	require.Equal(t, exitFailed, exitCode(err))
	require.Equal(t, refused+"\n", problems)
	r.signal(t, syscall.SIGUSR2)
	r.await(t, "not upgraded; this process goes on as before", event{"error": refused})
	require.NoError(t, os.WriteFile(gate, []byte("go\n"), 0))
	over := fmt.Sprintf("process %d has taken over, and this one ends with its last request", <-first)
	r.signal(t, syscall.SIGHUP)
	r.await(t, "not reloaded; the servers go on as before", event{"error": over})
	r.signal(t, syscall.SIGUSR2)
	r.await(t, "not upgraded; this process goes on as before", event{"error": over})
	require.Equal(t, "~ s: timestamp.format \"0{data}\" -> \"1{data}\"\n", r.reload(t, timestamps(`"threading" {}`, "1", "")))
	require.Equal(t, "1hello", askOnce(t, r.listeners[0], "hello"))
	require.Equal(t, "0hello", frameworktest.Ask(t, conn, "hello"))
}

// The file of a Unix socket and its lock belong to the process that serves it.
func TestUpgradeKeepsFilesOfUnixSockets(t *testing.T) {
	t.Parallel()
	for _, network := range []string{"unix", "unixgram"} {
		t.Run(network, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "s")
			text := strings.NewReplacer(`"tcp"`, fmt.Sprintf("%q", network), "127.0.0.1:0", path).Replace(timestamps(`"threading" {}`, "", ""))
			r := reloadable(t, text)
			file, err := os.Stat(path)
			require.NoError(t, err)
			var pid int
			for range 2 {
				pid = r.upgrade(t)
				r.await(t, "every server has stopped")
				requireEchoOf(t, r.listeners[0])
			}
			for _, f := range []string{path, r.socket} {
				require.FileExists(t, f+".lock")
			}
			now, err := os.Stat(path)
			require.NoError(t, err)
			require.True(t, os.SameFile(file, now))
			out, err := exec.Command("socketserver", "serve", "--listen", network+"://"+path, "--handler", "echo").CombinedOutput()
			require.Equal(t, exitFailed, exitCode(err))
			require.Contains(t, string(out), path+" is in use")
			require.NoError(t, syscall.Kill(pid, syscall.SIGTERM))
			r.exit(t)
			for _, f := range []string{path, r.socket} {
				require.NoFileExists(t, f)
				require.NoFileExists(t, f+".lock")
			}
		})
	}
}

// A server that the new configuration does not have is not served by either process.
func TestUpgradeWithoutServer(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "s")
	kept := timestamps(`"threading" {}`, "", "")
	r := reloadable(t, kept+strings.NewReplacer(`"tcp"`, `"unix"`, "127.0.0.1:0", path, `"s"`, `"gone"`).Replace(kept))
	r.write(t, kept)
	r.upgrade(t)
	r.await(t, "every server has stopped")
	requireEchoOf(t, r.listeners[0])
	require.NoFileExists(t, path)
	require.NoFileExists(t, path+".lock")
}

// The address of metrics is passed on, port 0 with the port that it has. The old process, which has a
// request, watches no files any more.
func TestUpgradeKeepsMetrics(t *testing.T) {
	t.Parallel()
	secure := secureTransport("127.0.0.1:0", frameworktest.NewAuthority(t).Issue(t, "localhost"))
	r := reloadable(t, "metrics { address = \"127.0.0.1:0\" }\n"+timestamps(`"threading" {}`, "", "")+
		"server \"secure\" {\n"+secure+"\nconcurrency \"threading\" {}\nhandler \"echo\" {}\n}\n")
	host := r.await(t, "metrics")["address"].(string)
	accepted := func() float64 {
		return scrape(t, http.DefaultClient, host)[`socketserver_requests_accepted_total{server="s"}`]
	}
	conn := dial(t, r.listeners[0])
	require.Equal(t, "hello", frameworktest.Ask(t, conn, "hello"))
	require.Equal(t, 1.0, accepted())
	require.True(t, watches(t, r.Process.Pid))
	r.upgrade(t)
	require.Zero(t, accepted(), "by the new process")
	require.False(t, watches(t, r.Process.Pid))
	require.Equal(t, "still", frameworktest.Ask(t, conn, "still"))
}

// watches reports whether a process watches files.
func watches(t *testing.T, pid int) bool {
	t.Helper()
	fds, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	require.NoError(t, err)
	return slices.ContainsFunc(fds, func(fd string) bool {
		file, _ := os.Readlink(fd) // it may be closed
		return file == "anon_inode:inotify"
	})
}

// What systemd has passed is passed on, and systemd is told of the new process by the old one.
func TestUpgradeUnderSystemd(t *testing.T) {
	t.Parallel()
	next, variable := listenForNotices(t)
	socket := open(t, "web", "tcp", "127.0.0.1:0")
	command := exec.Command("sh", "-c", `export LISTEN_PID=$$ WATCHDOG_PID=$$; exec "$@"`, "sh", "socketserver", "serve", "--listen", "tcp://fd/web", "--handler", "echo")
	command.ExtraFiles = []*os.File{socket.file}
	command.Env = append(os.Environ(), "LISTEN_FDS=1", "LISTEN_FDNAMES=web", variable, "WATCHDOG_USEC=600000000")
	p := start(t, t.TempDir(), command)
	l := p.awaitListening(t)[0]
	require.NoError(t, socket.file.Close())
	pid := p.Process.Pid
	require.Equal(t, fmt.Sprintf("READY=1\nMAINPID=%d\nSTATUS=serving 1 server", pid), next())
	require.Equal(t, "WATCHDOG=1", next())
	for range 2 {
		conn := dial(t, l)
		require.Equal(t, "hello", frameworktest.Ask(t, conn, "hello"))
		require.NoError(t, syscall.Kill(pid, syscall.SIGUSR2))
		pid = p.awaitUpgrade(t)
		require.Equal(t, fmt.Sprintf("MAINPID=%d", pid), next())
		require.Equal(t, fmt.Sprintf("READY=1\nMAINPID=%d\nSTATUS=serving 1 server", pid), next())
		require.Equal(t, "WATCHDOG=1", next())
		require.Equal(t, "hello", frameworktest.Ask(t, conn, "hello"))
		require.NoError(t, conn.Close())
		p.await(t, "every server has stopped") // of which systemd is not told
		requireEcho(t, l)
	}
	require.NoError(t, syscall.Kill(pid, syscall.SIGTERM))
	require.Equal(t, "STOPPING=1\nSTATUS=waiting for requests to end", next())
	p.exit(t)
}

// Process 1 of a container does not leave it.
func TestUpgradeOfProcess1(t *testing.T) {
	t.Parallel()
	unshare, err := exec.LookPath("unshare")
	if err != nil {
		t.Skip("unshare is not installed")
	}
	namespace := []string{"--pid", "--fork", "--mount-proc", "--kill-child=SIGTERM"}
	if out, err := exec.Command(unshare, append(namespace, "true")...).CombinedOutput(); err != nil {
		t.Skipf("unshare cannot make a namespace of processes: %s", out)
	}
	socket := filepath.Join(t.TempDir(), "admin.sock")
	file := write(t, "servers.hcl", fmt.Sprintf("admin { socket = %q }\n", socket)+timestamps(`"threading" {}`, "", ""))
	p := start(t, t.TempDir(), exec.Command(unshare, append(namespace, "socketserver", "serve", "-c", file)...))
	t.Cleanup(func() { _ = syscall.Kill(-p.Process.Pid, syscall.SIGTERM) }) // unshare itself ignores signals
	l := p.awaitListening(t)[0]
	out, err := exec.Command("socketserver", "upgrade", "--admin", socket).CombinedOutput()
	require.Equal(t, exitFailed, exitCode(err))
	require.Equal(t, "this is process 1, with which its container ends; start a container of the new version instead\n", string(out))
	requireEchoOf(t, l)
}

// A user whom admin.allow has may upgrade, and not choose the program, which would run as the daemon's user.
func TestAllowedUserChoosesNoProgram(t *testing.T) {
	curl, err := exec.LookPath("curl")
	if err != nil || os.Geteuid() != 0 {
		t.Skip("it takes curl, and root to become another user")
	}
	dir := t.TempDir()
	require.NoError(t, os.Chmod(filepath.Dir(dir), 0o755))
	socket, ran := filepath.Join(dir, "admin.sock"), filepath.Join(dir, "ran")
	p, listeners := serveFile(t, fmt.Sprintf("admin {\n  socket = %q\n  allow = [\"user:nobody\"]\n}\n", socket)+timestamps(`"threading" {}`, "", ""))
	ask := func(body string) string {
		c := exec.Command(curl, "-s", "-w", " %{http_code}", "--unix-socket", socket, "-d", body, "http://x/v1/upgrade")
		c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		out, err := c.CombinedOutput()
		require.NoError(t, err, "%s", out)
		return string(out)
	}
	program := script(t, "exit 1\n")
	require.NoError(t, os.WriteFile(program, []byte("#!/bin/sh\ntouch "+ran+"\nexit 1\n"), 0o700))
	answer := ask(fmt.Sprintf(`{"to": %q}`, program))
	require.NoFileExists(t, ran)
	require.Contains(t, answer, "only root and the user of the daemon may choose the program")
	require.True(t, strings.HasSuffix(answer, " 403"), answer)
	requireEchoOf(t, listeners[0])
	require.True(t, strings.HasSuffix(ask("{}"), " 200"))
	p.awaitUpgrade(t)
	requireEchoOf(t, listeners[0])
}
