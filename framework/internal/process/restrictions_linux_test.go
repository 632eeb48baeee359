package process

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

const nobody = 65534

// A child that runs as another user cannot end the server, which root runs without the capability to limit the
// processes of others, and which limits them all the same.
func TestChildCannotEndTheServer(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	server := exec.Command(os.Args[0])
	server.Env = append(os.Environ(), "TEST_CHILD=server")
	var started error
	done := make(chan []byte)
	go func() {
		runtime.LockOSThread() // for good: what it starts lacks the capability, too
		if started = unix.Prctl(unix.PR_CAPBSET_DROP, unix.CAP_SYS_RESOURCE, 0, 0, 0); started != nil {
			close(done)
			return
		}
		out, err := server.CombinedOutput()
		started = err
		done <- out
	}()
	said := <-done
	require.NoError(t, started, "%s", said)
}

// A process has the umask that is asked for also where its server may not call unshare(2), as under Docker, and that of
// the server where none is.
func TestUmaskWithoutUnshare(t *testing.T) {
	server := exec.Command(os.Args[0])
	server.Env = append(os.Environ(), "TEST_CHILD=masks")
	filter := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS}, // the number of the call
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.SYS_UNSHARE, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}
	var out []byte
	var err error
	done := make(chan bool)
	go func() {
		defer close(done)
		runtime.LockOSThread() // for good: what it starts has the filter, too
		program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
		if err = unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err == nil {
			err = unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&program)), 0, 0)
		}
		if err == nil {
			out, err = server.CombinedOutput()
		}
	}()
	<-done
	require.NoError(t, err, "%s", out)
	want := "0022\n0027\n0000\n0077\n0027\n0027\n"
	if os.Geteuid() == 0 {
		want += "0077\n"
	}
	require.Equal(t, want, string(out))
}

// serveMasks starts processes that print their umask.
func serveMasks() error {
	unix.Umask(0o22)
	image, err := Pin("/bin/sh")
	if err != nil {
		return err
	}
	for _, c := range []Command{
		{},
		{Restrictions: Restrictions{Umask: 0o27}},
		{Restrictions: Restrictions{Umask: -1}},
		{Restrictions: Restrictions{Files: 64}},
		{Restrictions: Restrictions{Umask: 0o27, Nice: 1}},
		{Restrictions: Restrictions{Umask: 0o27}, Sandbox: &Sandbox{Read: system}},
		{Restrictions: Restrictions{AsUser: true, UID: nobody, GID: nobody}},
	} {
		if c.Restrictions.AsUser && os.Geteuid() != 0 {
			continue
		}
		c.Image, c.Args, c.Stdout, c.Stderr = image, []string{"sh", "-c", "umask"}, os.Stdout, os.Stderr
		p, err := Start(c)
		if err != nil {
			return err
		}
		if _, err = p.Wait(); err != nil {
			return err
		}
	}
	return nil
}

// A program, and what it starts at once, has the limits from its first instruction on.
func TestLimitsHoldFromTheStart(t *testing.T) {
	image, err := Pin("/bin/sh")
	require.NoError(t, err)
	defer image.Close()
	out, said, err := os.Pipe()
	require.NoError(t, err)
	defer out.Close()
	for _, sandbox := range []*Sandbox{nil, {Read: system}} {
		for range 20 {
			p, err := Start(Command{
				Image: image, Args: []string{"sh", "-c", "(ulimit -n; ulimit -t)"}, Env: Environment(), Stdout: said, Stderr: os.Stderr,
				Restrictions: Restrictions{Files: 64, FileSize: 1 << 20, CPU: time.Hour}, Sandbox: sandbox,
			})
			require.NoError(t, err)
			state, err := p.Wait()
			require.NoError(t, Describe(state, err))
		}
	}
	require.NoError(t, said.Close())
	text, err := io.ReadAll(out)
	require.NoError(t, err)
	require.Equal(t, strings.Repeat("64\n3600\n", 40), string(text))
	require.Empty(t, spawners.all)
}

// A limit of memory is for the program, and not for how it is begun.
func TestLittleMemoryAndManyVariables(t *testing.T) {
	image, err := Pin("/bin/true")
	require.NoError(t, err)
	defer image.Close()
	env := Environment()
	for n := range 14 {
		env = append(env, fmt.Sprintf("A%d=%s", n, strings.Repeat("x", 100_000)))
	}
	for range 20 {
		p, err := Start(Command{Image: image, Args: []string{"true"}, Env: env, Stdout: os.Stdout, Stderr: os.Stderr, Restrictions: Restrictions{Memory: 64 << 20}})
		require.NoError(t, err)
		state, err := p.Wait()
		require.NoError(t, Describe(state, err))
	}
}

// serveAttacker is a server one of whose children attacks it while it starts others.
func serveAttacker() error {
	image, err := Self()
	if err != nil {
		return err
	}
	output, printed, err := os.Pipe()
	if err != nil {
		return err
	}
	as := Restrictions{Files: 64, AsUser: true, UID: nobody, GID: nobody}
	attacker, err := Start(Command{
		Image: image, Args: []string{"child"}, Env: append(Environment(), "TEST_CHILD=attack"),
		Stdout: printed, Stderr: os.Stderr, DieWithParent: true, Restrictions: as,
	})
	if err = errors.Join(err, printed.Close()); err != nil {
		return err
	}
	if _, err = bufio.NewReader(output).ReadString('\n'); err != nil { // it attacks
		return err
	}
	for range 10 {
		child, err := Start(Command{
			Image: image, Args: []string{"child"}, Env: append(Environment(), "TEST_CHILD=1"),
			Stdout: os.Stdout, Stderr: os.Stderr, DieWithParent: true, Restrictions: as,
		})
		if err != nil {
			return err
		}
		has, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", child.Pid))
		if err == nil && !regexp.MustCompile(`Max open files +64 +64 `).Match(has) {
			err = fmt.Errorf("it has other limits: %s", has)
		}
		child.Kill()
		_, failed := child.Wait()
		if err = errors.Join(err, failed); err != nil {
			return err
		}
	}
	attacker.Kill()
	_, err = attacker.Wait()
	return err
}

// attack tries for ever to kill each thread of the parent.
func attack() {
	server := os.Getppid()
	for first := true; ; first = false {
		threads, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", server))
		if err != nil || len(threads) == 0 {
			return
		}
		for range 50 {
			for _, thread := range threads {
				tid, _ := strconv.Atoi(thread.Name())
				_ = unix.Tgkill(server, tid, unix.SIGKILL)
			}
		}
		if first {
			fmt.Println("attacks")
		}
	}
}
