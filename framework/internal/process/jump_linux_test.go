package process

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
}

// A process of another user has what its command says, and nothing else.
func TestProcessOfAnotherUser(t *testing.T) {
	needRoot(t)
	image, err := Pin("/bin/sh")
	require.NoError(t, err)
	defer image.Close()
	said := filepath.Join(t.TempDir(), "said")
	out, err := os.Create(said)
	require.NoError(t, err)
	defer out.Close()
	c := Command{
		Image: image, Args: []string{"sh", "-c", `id -u; id -G; pwd; ulimit -n; umask; ulimit -f; env | grep -v ^PWD= | sort; ls /proc/self/fd/ | wc -l; cat /etc/passwd 2>&1 >/dev/null | wc -l; grep NoNewPrivs /proc/self/status`},
		Env: []string{"PATH=/usr/bin:/bin", "LD_PRELOAD=", "A=b"}, Directory: "/usr", Stdout: out, Stderr: out,
		Restrictions: Restrictions{AsUser: true, UID: nobody, GID: nobody, Files: 64, FileSize: 1 << 20, Umask: 0o22},
	}
	want := "65534\n65534\n/usr\n64\n0022\n2048\nA=b\nLD_PRELOAD=\nPATH=/usr/bin:/bin\n4\n0\nNoNewPrivs:\t1\n"
	if landlockVersion() > 0 {
		c.Sandbox = &Sandbox{Read: append([]string{"/proc"}, system...)}
		want = strings.Replace(want, "\n0\n", "\n1\n", 1) // it may not read the file
	}
	p, err := Start(c)
	require.NoError(t, err)
	state, err := p.Wait()
	require.NoError(t, err)
	require.NoError(t, Describe(state, err))
	text, err := os.ReadFile(said)
	require.NoError(t, err)
	require.Equal(t, want, string(text))
	require.Empty(t, spawners.all)
}

// What keeps the program from being run is an error of its start.
func TestStartOfAnotherUserFails(t *testing.T) {
	needRoot(t)
	private := t.TempDir()
	require.NoError(t, os.Chmod(private, 0o700))
	script := filepath.Join(private, "script")
	require.NoError(t, os.WriteFile(script, []byte("#!/no/such/interpreter\n"), 0o755)) //nolint:gosec // it is run
	for said, c := range map[string]Command{
		"enter its directory: permission denied": {Directory: private},
		"start /bin/true: become its user":       {Restrictions: Restrictions{UID: 1<<32 - 1}},
		"script: permission denied":              {Image: &Image{Name: script, path: script}},
	} {
		image, err := Pin("/bin/true")
		require.NoError(t, err)
		if c.Image == nil {
			c.Image = image
		}
		if c.Restrictions.UID == 0 {
			c.Restrictions.UID = nobody
		}
		c.Restrictions.AsUser, c.Restrictions.GID = true, nobody
		c.Args, c.Stdout, c.Stderr = []string{"true"}, os.Stdout, os.Stderr
		_, err = Start(c)
		require.ErrorContains(t, err, said)
		require.NoError(t, image.Close())
	}
	require.Empty(t, spawners.all)
}

// From its start until it runs a program a process shares the memory of this one, and this one waits for it: it has no
// other user as long, which the system would note in that memory.
func TestNoOtherUserBeforeTheProgram(t *testing.T) {
	needRoot(t)
	dumpable := func() int {
		is, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0)
		require.NoError(t, err)
		return is
	}
	before := dumpable()
	require.NoError(t, unix.Prctl(unix.PR_SET_DUMPABLE, 1, 0, 0, 0))
	defer func() { require.NoError(t, unix.Prctl(unix.PR_SET_DUMPABLE, uintptr(before), 0, 0, 0)) }()
	image, err := Pin("/bin/true")
	require.NoError(t, err)
	defer image.Close()
	p, err := Start(Command{Image: image, Args: []string{"true"}, Stdout: os.Stdout, Stderr: os.Stderr, Restrictions: Restrictions{AsUser: true, UID: nobody, GID: nobody, Files: 64}})
	require.NoError(t, err)
	_, err = p.Wait()
	require.NoError(t, err)
	require.Equal(t, 1, dumpable())
}

// Processes of a user that stop all others of that user keep from running no process of the server itself, and
// with them gone none of that user.
func TestChildCannotStopTheServer(t *testing.T) {
	needRoot(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	server := exec.CommandContext(ctx, os.Args[0])
	server.Env = append(os.Environ(), "TEST_CHILD=stopped server")
	server.WaitDelay = time.Minute // the last one dies with its parent, though it has another user
	out, err := server.CombinedOutput()
	require.NoError(t, err, "%s", out)
}

// serveStopper is a server one of whose children stops others, as soon as they have its user.
func serveStopper() error {
	jumpPatience = 100 * time.Millisecond
	image, err := Self()
	if err != nil {
		return err
	}
	user := uint32(1<<20 + os.Getpid()) // of nobody else on this machine
	start := func(as, what string) (*Process, error) {
		c := Command{Image: image, Args: []string{"child"}, Env: append(Environment(), "TEST_CHILD="+what), Stdout: os.Stdout, Stderr: os.Stderr, DieWithParent: true}
		if as == "user" {
			c.Restrictions = Restrictions{AsUser: true, UID: user, GID: user, Files: 64}
		}
		return Start(c)
	}
	end := func(p *Process, err error) error {
		if err == nil {
			p.Kill()
			_, err = p.Wait()
		}
		return err
	}
	output, printed, err := os.Pipe()
	if err != nil {
		return err
	}
	stopper, err := Start(Command{
		Image: image, Args: []string{"child"}, Env: append(Environment(), "TEST_CHILD=stop"), Stdout: printed, Stderr: os.Stderr,
		DieWithParent: true, Restrictions: Restrictions{AsUser: true, UID: user, GID: user},
	})
	if err = errors.Join(err, printed.Close()); err != nil {
		return err
	}
	if _, err = bufio.NewReader(output).ReadString('\n'); err != nil { // it stops what it can
		return err
	}
	stopped := false
	for i := 0; i < 50 && !stopped; i++ {
		var ofUser sync.WaitGroup
		ofUser.Go(func() { stopped = end(start("user", "exit")) != nil })
		if err = end(start("server", "exit")); err != nil {
			return fmt.Errorf("start while others are stopped: %w", err)
		}
		ofUser.Wait()
	}
	if err = end(stopper, nil); err != nil {
		return err
	}
	jumpPatience = time.Minute
	if err = end(start("user", "exit")); err != nil {
		return fmt.Errorf("start when nobody stops it any more: %w", err)
	}
	_, err = start("user", "1")
	return err
}

// stopAll stops all processes of its user but itself, for ever.
func stopAll() {
	for first := true; ; first = false {
		_ = unix.Kill(-1, unix.SIGSTOP)
		if first {
			fmt.Println("stops")
		}
	}
}

// sessionKey is a key in the keyring of a session.
const sessionKey = "socketserver test"

// A process of another user has neither the terminal nor the keys of who has started the server.
func TestNothingOfTheSessionForAnotherUser(t *testing.T) {
	needRoot(t)
	ours, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skip("needs /dev/ptmx:", err)
	}
	defer ours.Close()
	require.NoError(t, unix.IoctlSetPointerInt(int(ours.Fd()), unix.TIOCSPTLCK, 0))
	number, err := unix.IoctlGetInt(int(ours.Fd()), unix.TIOCGPTN)
	require.NoError(t, err)
	theirs, err := os.OpenFile(fmt.Sprint("/dev/pts/", number), os.O_RDWR|unix.O_NOCTTY, 0)
	require.NoError(t, err)
	defer theirs.Close()
	server := exec.Command(os.Args[0])
	server.Env, server.Stdin = append(os.Environ(), "TEST_CHILD=session server"), theirs
	server.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	var out []byte
	var withoutKeys error
	done := make(chan bool)
	go func() {
		defer close(done)
		runtime.LockOSThread() // for good: the keyring is this thread's, and of what it starts
		if _, withoutKeys = unix.KeyctlJoinSessionKeyring(sessionKey); withoutKeys == nil {
			_, withoutKeys = unix.AddKey("user", sessionKey, []byte("x"), unix.KEY_SPEC_SESSION_KEYRING)
		}
		out, err = server.CombinedOutput()
	}()
	<-done
	require.NoError(t, err, "%s", out)
	had := fmt.Sprintln(true, withoutKeys == nil)
	require.Equal(t, had+had+"false false\n", string(out))
}

// serveInSession is a server with a terminal and a key, and starts processes that look for them.
func serveInSession() error {
	image, err := Self()
	if err != nil {
		return err
	}
	for _, r := range []Restrictions{{}, {Files: 64}, {AsUser: true, UID: nobody, GID: nobody}} {
		p, err := Start(Command{Image: image, Args: []string{"child"}, Env: append(Environment(), "TEST_CHILD=session"), Stdout: os.Stdout, Stderr: os.Stderr, Restrictions: r})
		if err != nil {
			return err
		}
		if _, err = p.Wait(); err != nil {
			return err
		}
	}
	return nil
}

// What kills a process while that is no program yet ends its start.
func TestStartIsKilledBeforeTheProgram(t *testing.T) {
	image, err := Pin("/bin/sleep")
	require.NoError(t, err)
	defer image.Close()
	isTrampoline := false
	for !isTrampoline { // else it was faster than the signal that stops it
		p, err := Start(Command{
			Image: image, Args: []string{"sleep", "600"}, Stdout: os.Stdout, Stderr: os.Stderr, Restrictions: Restrictions{Files: 64},
			Begun: func(p *Process) {
				require.NoError(t, unix.Kill(p.Pid, unix.SIGSTOP))
				_, err := p.peek(wStopped)
				require.NoError(t, err)
				line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", p.Pid))
				require.NoError(t, err)
				isTrampoline = strings.Contains(string(line), "trampoline")
				p.Kill()
			},
		})
		if isTrampoline {
			require.EqualError(t, err, "start /bin/sleep: it was killed before its program ran; a process of its user may have stopped it")
			continue
		}
		require.NoError(t, err)
		_, err = p.Wait()
		require.NoError(t, err)
	}
	require.Empty(t, spawners.all)
}
