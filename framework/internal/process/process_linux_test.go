package process

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// The test binary is the child, too.
func TestMain(m *testing.M) {
	switch os.Getenv("TEST_CHILD") {
	case "exit":
		return
	case "attack":
		attack()
		return
	case "stop":
		stopAll()
		return
	case "stopped server":
		if err := serveStopper(); err != nil {
			panic(err)
		}
		return
	case "foreign numbers":
		_, err := Pin("/bin/true")
		fmt.Print(err)
		return
	case "masks":
		if err := serveMasks(); err != nil {
			panic(err)
		}
		return
	case "session":
		tty, err := os.Open("/dev/tty")
		_, failed := unix.KeyctlSearch(unix.KEY_SPEC_SESSION_KEYRING, "user", sessionKey, 0)
		fmt.Println(err == nil, failed == nil)
		_ = tty.Close()
		return
	case "session server":
		if err := serveInSession(); err != nil {
			panic(err)
		}
		return
	case "server":
		if err := serveAttacker(); err != nil {
			panic(err)
		}
		return
	case "1":
		leaveGroup()
		fmt.Printf("ready\n%d\n", slack())
		time.Sleep(time.Hour)
	}
	os.Exit(m.Run())
}

// leaveGroup makes this process one of its parent's group.
func leaveGroup() {
	group, err := syscall.Getpgid(os.Getppid())
	if err == nil {
		err = syscall.Setpgid(0, group)
	}
	if err != nil {
		panic(err)
	}
}

// startChild starts a child and waits until it is ready. The caller kills and waits for it.
func startChild(t *testing.T) (*Process, *bufio.Reader) {
	t.Helper()
	image, err := Self()
	require.NoError(t, err)
	output, printed, err := os.Pipe()
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, output.Close()) })
	p, err := Start(Command{
		Image: image, Args: []string{"child"}, Env: append(os.Environ(), "TEST_CHILD=1"),
		Stdout: printed, Stderr: os.Stderr,
	})
	require.NoError(t, printed.Close())
	require.NoError(t, err)
	said := bufio.NewReader(output)
	line, err := said.ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "ready\n", line)
	return p, said
}

// A process that has left its group is killed all the same, and the group that it has
// joined, which is ours, is not.
func TestKillOfAProcessThatLeftItsGroup(t *testing.T) {
	p, _ := startChild(t)

	p.Kill()
	late := time.AfterFunc(10*time.Second, func() { _ = syscall.Kill(p.Pid, syscall.SIGTERM) })
	defer late.Stop()
	state, err := p.Wait()
	require.NoError(t, err)
	require.Equal(t, p.Pid, state.Pid())
	require.EqualError(t, Describe(state, nil), "signal: killed")
	p.Kill() // of nobody
}

// slack is how late the timers of the calling thread may be, in nanoseconds.
func slack() int {
	ns, _, _ := syscall.RawSyscall(syscall.SYS_PRCTL, syscall.PR_GET_TIMERSLACK, 0, 0)
	return int(ns)
}

// Timers of a child may be late, those of this process are as before.
func TestSlack(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	before := slack()
	p, said := startChild(t)
	late, err := said.ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "1000000\n", late)
	require.Equal(t, before, slack())
	p.Kill()
	_, err = p.Wait()
	require.NoError(t, err)
}

// What has been reaped by somebody else is an error.
func TestWaitForAProcessThatSomebodyElseReaped(t *testing.T) {
	image, err := Pin("/bin/true")
	require.NoError(t, err)
	defer image.Close()
	p, err := Start(Command{Image: image, Args: []string{"true"}, Stdout: os.Stderr, Stderr: os.Stderr})
	require.NoError(t, err)
	_, err = syscall.Wait4(p.Pid, nil, 0, nil)
	require.NoError(t, err)
	require.Error(t, p.await())
	_, err = p.Wait()
	require.Error(t, err)
}

// Where the time alone is set, as by go build if there is nothing to build, it is the same
// program. Of one without Go's id nobody knows.
func TestImageChanged(t *testing.T) {
	const note, text = "\x04\x00\x00\x00Go\x00\x00some id", "v1"
	whole := func(note, text string) []byte {
		return fmt.Appendf(nil, "%-2000s%-8000s", "\x7fELF"+note, text)
	}
	for _, c := range []struct {
		before, after []byte
		changed       bool
	}{
		{whole(note, text), whole(note, text), false},
		{whole(note, text), whole("\x04\x00\x00\x00Go\x00\x00other id", text), true},
		{whole(note, text), append(whole(note, text), 0), true},
		{whole("", text), whole("", text), true},
		{whole("", text), whole("", "v2"), true},
	} {
		path := filepath.Join(t.TempDir(), "program")
		require.NoError(t, os.WriteFile(path, c.before, 0o700))
		image, err := Pin(path)
		require.NoError(t, err)
		require.False(t, image.Changed())
		require.NoError(t, os.WriteFile(path, c.after, 0o700)) // in place
		require.NoError(t, os.Chtimes(path, time.Time{}, time.Unix(1, 0)))
		require.Equal(t, c.changed, image.Changed(), "%.40q to %.40q", c.before, c.after)
		require.NoError(t, image.Close())
	}
}

// A low limit of descriptors is no obstacle.
func TestPinUnderALowLimit(t *testing.T) {
	var limit syscall.Rlimit
	require.NoError(t, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit))
	low := limit
	low.Cur = 64
	require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &low))
	image, err := Pin("/bin/true")
	require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit))
	require.NoError(t, err)
	require.NoError(t, image.Close())
}

// Where /proc has the processes of another PID namespace it is another's descriptor that has the number, and is not run.
func TestPinWithTheProcOfOthers(t *testing.T) {
	c := exec.Command(os.Args[0])
	c.Env = append(os.Environ(), "TEST_CHILD=foreign numbers")
	c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID}
	said, err := c.CombinedOutput()
	if errors.Is(err, syscall.EPERM) {
		t.Skip("only root makes PID namespaces, and in a container it may not")
	}
	require.NoError(t, err)
	require.Regexp(t, `^pin /bin/true: /proc/1/fd/\d+ is not its descriptor; mount the /proc of`, string(said))
}

// That there is no descriptor left is not remembered.
func TestSelfIsTriedAgain(t *testing.T) {
	self.image = nil
	var limit syscall.Rlimit
	require.NoError(t, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit))
	require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: 0, Max: limit.Max}))
	_, err := Self()
	require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit))
	require.ErrorIs(t, err, syscall.EMFILE)
	image, err := Self()
	require.NoError(t, err)
	name, err := os.Executable()
	require.NoError(t, err)
	require.Equal(t, name, image.Name)
	again, err := Self()
	require.NoError(t, err)
	require.Same(t, image, again)
}

// requireConfined checks what a process inherits for its safety, and ours.
func requireConfined(t *testing.T, pid int) {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	require.NoError(t, err)
	require.Contains(t, string(status), "\nNoNewPrivs:\t1\n")
	require.Contains(t, string(status), "\nUmask:\t0077\n")
}

func score(t *testing.T, pid string) (score int) {
	t.Helper()
	text, err := os.ReadFile("/proc/" + pid + "/oom_score_adj")
	require.NoError(t, err)
	_, err = fmt.Sscan(string(text), &score)
	require.NoError(t, err)
	return score
}

// Children get no privileges, keep their files to themselves and are the first to be ended when
// the system is out of memory. This process is as before.
func TestChildrenAreConfined(t *testing.T) {
	before, err := os.ReadFile("/proc/self/status")
	require.NoError(t, err)
	image, err := Self()
	require.NoError(t, err)
	for _, dies := range []bool{false, true} {
		p, err := Start(Command{
			Image: image, Args: []string{"child"}, Env: append(os.Environ(), "TEST_CHILD=1"),
			Stdout: os.Stderr, Stderr: os.Stderr, DieWithParent: dies,
		})
		require.NoError(t, err)
		requireConfined(t, p.Pid)
		require.Equal(t, min(score(t, "self")+500, 1000), score(t, fmt.Sprint(p.Pid)))
		p.Kill()
		_, err = p.Wait()
		require.NoError(t, err)
	}
	after, err := os.ReadFile("/proc/self/status")
	require.NoError(t, err)
	for _, name := range []string{"NoNewPrivs", "Umask"} {
		field := regexp.MustCompile(name + `:\s+\d+`)
		require.Equal(t, field.FindString(string(before)), field.FindString(string(after)))
	}
}
