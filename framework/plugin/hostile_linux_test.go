package plugin_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/framework/frameworktest"
	"github.com/go-socketserver/socketserver/framework/plugin"
)

// Whatever is printed, wherever and when, is a line of the server's log.
func TestWhatIsPrintedIsLogged(t *testing.T) {
	t.Parallel()
	for name, strategy := range strategies {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			j := frameworktest.NewLog()
			s := serve(t, frameworktest.NewServer(t, "tcp", open(t, settings(t, "talkative", j))), strategy(), j)
			require.Equal(t, "printed", dial(t, s).ask(t, "print a b"))
			j.Await(t, "[INFO]  printed by init: plugin=talkative")
			j.Await(t, "[INFO]  not a whole line: plugin=talkative")
			j.Await(t, "[INFO]  a b")
			j.Await(t, "[INFO]  error: a b")
			j.Await(t, " log: a b")
			j.Await(t, "[INFO]  hclog: a b: ")
			require.NotContains(t, j.String(), "|grpc|")
		})
	}
}

// What go-plugin's own reader of the log panics at.
func TestHostileLogLines(t *testing.T) {
	t.Parallel()
	s, j := serveTCP(t, "json")
	require.Equal(t, "alive", dial(t, s).ask(t, "echo alive"))
	j.Await(t, `{"@message":1}`)
	j.Await(t, "[INFO]  timestamp")
}

// Nothing of what a plugin prints reaches a terminal as a control sequence.
func TestEscapesAreMadeVisible(t *testing.T) {
	t.Parallel()
	s, j := serveTCP(t, "escape")
	require.Equal(t, "alive", dial(t, s).ask(t, "echo alive"))
	j.Await(t, `\x1b]0;title\a and \x1b[31mred\u202e`)
	require.NotContains(t, j.String(), "\x1b")
}

// A plugin that prints too much is neither held up nor does it fill the log.
func TestFloodOfLogLinesIsBounded(t *testing.T) {
	t.Parallel()
	began := time.Now()
	s, j := serveTCP(t, "flood")
	require.Equal(t, "alive", dial(t, s).ask(t, "echo alive"))
	require.Equal(t, "printed", dial(t, s).ask(t, "print on"))
	requireRate(t, j, "zzzz: plugin=flood", began)
}

// Processes of a server that each print too much are bounded together: under forking
// every client could make one.
func TestFloodOfManyProcessesIsBounded(t *testing.T) {
	j := frameworktest.NewLog()
	s := serve(t, frameworktest.NewServer(t, "tcp", open(t, settings(t, "subject", j))), &framework.Forking{}, j)
	const children = 20
	began := time.Now()
	for range children {
		require.Equal(t, "printed", dial(t, s).ask(t, fmt.Sprint("lines ", 2*rate)))
	}
	j.Await(t, "log lines dropped: too much is printed")
	requireRate(t, j, "a line of many", began)
}

const rate = 200 // lines a second

// requireRate expects no more lines with text than the rate allows since began.
func requireRate(t *testing.T, j *frameworktest.Log, text string, began time.Time) {
	t.Helper()
	lines := j.Count(text)
	require.NotZero(t, lines)
	seconds := int(time.Since(began)/time.Second) + 2 // one that has begun, and one that ends
	require.LessOrEqual(t, lines, seconds*rate)
}

// More on standard output than a line may have does not block the plugin.
func TestEndlessLineOnStandardOutput(t *testing.T) {
	t.Parallel()
	s, _ := serveTCP(t, "subject")
	c := dial(t, s)
	require.Equal(t, "307200 <nil>", c.ask(t, "block"))
	require.Equal(t, "alive", c.ask(t, "echo alive"))
}

// Processes that a plugin leaves behind, with its descriptors, hold up nobody.
func TestGrandchildrenDoNotHoldUpClose(t *testing.T) {
	t.Parallel()
	j := frameworktest.NewLog()
	class := open(t, settings(t, "daemon", j))
	j.AwaitCount(t, 2, "left behind ")
	pids := leftBehind(t, j)
	t.Cleanup(func() { _ = syscall.Kill(pids[1], syscall.SIGKILL) }) // it has left the group, so it survives
	require.NoError(t, class.Close())
	require.NoError(t, syscall.Kill(pids[1], 0), "Close has waited for it")
	frameworktest.AwaitEnd(t, pids[0])
}

// The same for one that is killed: its requests end, and it is started again.
func TestGrandchildrenDoNotHoldUpRestart(t *testing.T) {
	t.Parallel()
	s, j := serveTCP(t, "daemon")
	j.AwaitCount(t, 2, "left behind ")
	c := dial(t, s)
	pid := c.pid(t)
	require.NoError(t, syscall.Kill(pid, syscall.SIGKILL))
	_, err := c.Read(make([]byte, 1))
	require.Error(t, err)
	require.NotEqual(t, pid, dial(t, s).pid(t))
	j.AwaitCount(t, 4, "left behind ")
	for i, left := range leftBehind(t, j) {
		if i%2 == 1 {
			t.Cleanup(func() { _ = syscall.Kill(left, syscall.SIGKILL) })
		}
	}
}

func leftBehind(t *testing.T, j *frameworktest.Log) []int {
	t.Helper()
	var pids []int
	for _, text := range strings.Split(j.String(), "left behind ")[1:] {
		var pid int
		_, err := fmt.Sscanf(text, "%d", &pid)
		require.NoError(t, err)
		pids = append(pids, pid)
	}
	return pids
}

// hostProcess is a server with a plugin that a test kills.
func hostProcess() {
	self, err := os.Executable()
	if err != nil {
		panic(err)
	}
	class, err := plugin.Open(context.Background(), plugin.Settings{Name: "subject", Definition: plugin.Definition{Path: self}, Log: hclog.NewNullLogger()})
	if err != nil {
		panic(err)
	}
	s := framework.NewTCPServer("127.0.0.1:0", class)
	s.Strategy = &framework.Threading{}
	if err := s.Listen(); err != nil {
		panic(err)
	}
	fmt.Println(s.Addr())
	panic(s.ServeForever())
}

// When the server is killed its plugin ends, and the next server removes what is left of both.
func TestPluginOfAKilledServerEnds(t *testing.T) {
	dir := shortDir(t)
	self, err := os.Executable()
	require.NoError(t, err)
	host := exec.Command(self)
	host.Env = append(os.Environ(), "TEST_HOST=1", "RUNTIME_DIRECTORY="+dir)
	host.Stderr = os.Stderr
	said, err := host.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, host.Start())
	t.Cleanup(func() { _ = host.Process.Kill() })
	address, err := bufio.NewReader(said).ReadString('\n')
	require.NoError(t, err)
	c := newClient(frameworktest.DialAddress(t, "tcp", strings.TrimSpace(address)))
	pid := c.pid(t)
	left, err := filepath.Glob(filepath.Join(dir, "socketserver-plugins-*"))
	require.NoError(t, err)
	require.Len(t, left, 1)

	require.NoError(t, host.Process.Kill())
	_ = host.Wait()
	frameworktest.AwaitEnd(t, pid)
	_, err = c.Read(make([]byte, 1))
	require.ErrorIs(t, err, io.EOF)
	require.DirExists(t, left[0])

	age(t, left[0])
	t.Setenv("RUNTIME_DIRECTORY", dir)
	require.NoError(t, open(t, settings(t, "subject", frameworktest.NewLog())).Close())
	require.NoDirExists(t, left[0])
}

// A directory whose server has ended is removed when it is old: before, it may be just being made.
func TestLeftRuntimeDirectories(t *testing.T) {
	dir := shortDir(t)
	for _, name := range []string{"held", "left", "new"} {
		path := filepath.Join(dir, "socketserver-plugins-"+name)
		require.NoError(t, os.Mkdir(path, 0o700))
		if name != "new" {
			age(t, path)
		}
	}
	held, err := os.Open(filepath.Join(dir, "socketserver-plugins-held"))
	require.NoError(t, err)
	defer held.Close()
	require.NoError(t, syscall.Flock(int(held.Fd()), syscall.LOCK_EX))

	t.Setenv("RUNTIME_DIRECTORY", dir)
	require.NoError(t, open(t, settings(t, "subject", frameworktest.NewLog())).Close())
	left, err := filepath.Glob(filepath.Join(dir, "*"))
	require.NoError(t, err)
	require.Equal(t, []string{held.Name(), filepath.Join(dir, "socketserver-plugins-new")}, left)
}

// age makes a directory an hour old.
func age(t *testing.T, path string) {
	t.Helper()
	old := time.Now().Add(-time.Hour)
	require.NoError(t, os.Chtimes(path, old, old))
}

// shortDir is a directory that leaves room for the names of sockets.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "t")
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func TestRuntimeDirectoryIsPrivate(t *testing.T) {
	dir := shortDir(t)
	t.Setenv("RUNTIME_DIRECTORY", dir)
	class := open(t, settings(t, "subject", frameworktest.NewLog()))
	made, err := filepath.Glob(filepath.Join(dir, "*"))
	require.NoError(t, err)
	require.Len(t, made, 1)
	info, err := os.Stat(made[0])
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o700), info.Mode().Perm())
	broken := settings(t, "broken", frameworktest.NewLog())
	broken.Path = filepath.Join(dir, "broken")
	require.NoError(t, os.WriteFile(broken.Path, []byte("\x7fELF"), 0o700))
	_, err = plugin.Open(context.Background(), broken)
	require.ErrorContains(t, err, "it is no program for")
	left, err := filepath.Glob(filepath.Join(dir, "socketserver-plugins-*"))
	require.NoError(t, err)
	require.Equal(t, made, left)
	require.NoError(t, class.Close())
	require.NoDirExists(t, made[0])
}

// A plugin that runs as another user has its directory where that user may go, which is not in a login session of root.
func TestRuntimeDirectoryOfAnotherUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	session, temporary := shortDir(t), shortDir(t)
	t.Setenv("RUNTIME_DIRECTORY", "")
	t.Setenv("XDG_RUNTIME_DIR", session)
	t.Setenv("TMPDIR", temporary)
	conf := settings(t, "subject", frameworktest.NewLog())
	conf.Limits = framework.Restrictions{AsUser: true, UID: 65534, GID: 65534}
	_, err := plugin.Open(context.Background(), conf)
	require.ErrorContains(t, err, "user 65534, which the plugin runs as, may not enter "+temporary)
	for _, enterable := range []string{temporary, session} { // the latter is the first then
		require.NoError(t, os.Chmod(enterable, 0o711))
		class := open(t, conf)
		made, err := filepath.Glob(filepath.Join(enterable, "socketserver-plugins-*"))
		require.NoError(t, err)
		require.Len(t, made, 1)
		require.NoError(t, class.Close())
	}
}

// Cleaners of temporary files, the end of a login session and people remove it.
func TestRuntimeDirectoryIsMadeAgain(t *testing.T) {
	for name, spoil := range map[string]func(base, path string) error{
		"removed":          func(_, path string) error { return os.RemoveAll(path) },
		"renamed":          func(base, path string) error { return os.Rename(path, base+"/old") },
		"open to others":   func(_, path string) error { return os.Chmod(path, 0o755) },
		"its parent, too":  func(base, _ string) error { return os.RemoveAll(base) },
		"replaced by link": func(base, path string) error { return errors.Join(os.RemoveAll(path), os.Symlink(base, path)) },
		"replaced by file": func(_, path string) error { return errors.Join(os.RemoveAll(path), os.WriteFile(path, nil, 0o600)) },
	} {
		t.Run(name, func(t *testing.T) {
			base := shortDir(t)
			t.Setenv("RUNTIME_DIRECTORY", base)
			t.Setenv("TMPDIR", shortDir(t))
			s, _ := serveTCP(t, "subject")
			pid := dial(t, s).pid(t)
			made, err := filepath.Glob(filepath.Join(base, "socketserver-plugins-*"))
			require.NoError(t, err)
			require.Len(t, made, 1)
			require.NoError(t, spoil(base, made[0]))
			require.NoError(t, syscall.Kill(pid, syscall.SIGKILL))
			require.NotEqual(t, pid, dial(t, s).pid(t))
			var dirs []string // of sockets
			for _, base := range []string{base, os.TempDir()} {
				found, err := filepath.Glob(filepath.Join(base, "socketserver-plugins-*", "sockets"))
				require.NoError(t, err)
				dirs = append(dirs, found...)
			}
			require.Len(t, dirs, 1)
			again := filepath.Dir(dirs[0])
			require.NotEqual(t, made[0], again)
			info, err := os.Lstat(again)
			require.NoError(t, err)
			require.Equal(t, os.ModeDir|0o700, info.Mode())
		})
	}
}

func TestRuntimeDirectoryIsTooLong(t *testing.T) {
	long := filepath.Join(t.TempDir(), strings.Repeat("x", 60))
	require.NoError(t, os.Mkdir(long, 0o700))
	t.Setenv("RUNTIME_DIRECTORY", long)
	t.Setenv("XDG_RUNTIME_DIR", "")
	t.Setenv("TMPDIR", long)
	_, err := plugin.Open(context.Background(), settings(t, "subject", frameworktest.NewLog()))
	require.ErrorContains(t, err, "set RUNTIME_DIRECTORY or TMPDIR to a shorter directory")
}

// Closing leaves no descriptor and no process; TestMain looks for goroutines.
func TestNothingIsLeft(t *testing.T) {
	count := func() int {
		entries, err := os.ReadDir("/proc/self/fd")
		require.NoError(t, err)
		return len(entries)
	}
	before := count()
	for _, name := range []string{"subject", "version", "crash"} {
		class, err := plugin.Open(context.Background(), settings(t, name, frameworktest.NewLog()))
		if err == nil {
			require.NoError(t, class.Close())
		}
	}
	require.Equal(t, before, count())
}

// A script that has every connection block, and dies before it has taken one, ends its own service alone: no thread of the
// server waits for a client that has sent what nobody reads, and the server ends.
func TestPluginThatClearsNonblock(t *testing.T) {
	t.Parallel()
	path := t.TempDir() + "/blocks.py"
	write(t, path, `import fcntl, os, socket, socketserver, sys
receive = socket.socket.recvmsg_into
def block(self, *arguments):
    got = receive(self, *arguments)
    if got[1]:
        descriptor = int.from_bytes(got[1][0][2], sys.byteorder)
        fcntl.fcntl(descriptor, fcntl.F_SETFL, fcntl.fcntl(descriptor, fcntl.F_GETFL) & ~os.O_NONBLOCK)
        os._exit(3)
    return got
socket.socket.recvmsg_into = block
socketserver.ThreadingTCPServer(("127.0.0.1", 0), socketserver.StreamRequestHandler).serve_forever()
`, 0o644)
	j := frameworktest.NewLog()
	s := frameworktest.NewServer(t, "tcp", open(t, scriptAt(path, "threading", j)))
	s.Limits = &framework.Limits{Banner: "unavailable\n"}
	serve(t, s, &framework.Threading{}, j)
	for range 3 {
		frameworktest.Send(t, frameworktest.Dial(t, s), strings.Repeat("x", 5000))
	}
	j.Await(t, "plugin started again")
	frameworktest.Shutdown(t, s) // which cuts nothing off
}

// A program that has its connection linger keeps no thread of the server in a close, though the client reads nothing.
func TestProgramThatLingers(t *testing.T) {
	t.Parallel()
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("there is no python3")
	}
	ended := make(chan framework.Outcome, 1)
	s := newProgram(t, "tcp", python, "-c", `import socket, struct
s = socket.socket(fileno=0)
s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 3600))
try:
    while True: s.send(bytes(65536), socket.MSG_DONTWAIT)
except BlockingIOError: pass
`)
	s.Trace = &framework.Trace{Ended: func(_ *framework.Request, o framework.Outcome) { ended <- o }}
	s.serve(t)
	frameworktest.Dial(t, s.BaseServer)
	require.NoError(t, frameworktest.Await(t, ended).Err)
	frameworktest.Shutdown(t, s.BaseServer)
}
