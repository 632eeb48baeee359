package process

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// leave starts a shell that leaves a process behind, which ends when the pipe is closed, and
// returns when this process has adopted that.
func leave(t *testing.T, script string) (pid int, release *os.File) {
	t.Helper()
	theirs, release, err := os.Pipe()
	require.NoError(t, err)
	shell := exec.Command("sh", "-c", script)
	shell.ExtraFiles = []*os.File{theirs}
	shell.Stderr = os.Stderr // not a pipe, of which Output would wait for the end
	out, err := shell.Output()
	require.NoError(t, theirs.Close())
	require.NoError(t, err)
	pid, err = strconv.Atoi(strings.TrimSpace(string(out)))
	require.NoError(t, err)
	require.Eventually(t, func() bool { return children()[pid] != "" }, 30*time.Second, time.Millisecond, "not adopted")
	return pid, release
}

// awaitZombie waits until a child has ended, and leaves it to be reaped.
func awaitZombie(t *testing.T, pid int) {
	t.Helper()
	require.NoError(t, (&Process{Pid: pid}).await())
}

func requireReaped(t *testing.T, pid int) {
	t.Helper()
	require.Eventually(t, func() bool { return syscall.Kill(pid, 0) == syscall.ESRCH }, 30*time.Second, time.Millisecond, "%d is a zombie", pid)
}

// Orphans are reaped while own children that have ended, which the system shows first, keep
// their status for those that wait for them late.
func TestOrphansAreReaped(t *testing.T) {
	AdoptOrphans()
	image, err := Pin("/bin/false")
	require.NoError(t, err)
	defer image.Close()
	start := func() *Process {
		p, err := Start(Command{Image: image, Args: []string{"false"}, Stdout: os.Stderr, Stderr: os.Stderr})
		require.NoError(t, err)
		return p
	}
	for name, script := range map[string]string{
		"background": `(read x <&3) >/dev/null & echo $!`,
		"session":    `setsid sh -c 'echo $$; exec >/dev/null; read x <&3' & true`,
		"twice":      `(sh -c 'echo $$; exec >/dev/null; read x <&3' &) &`,
		"many":       `for i in 1 2 3 4 5 6 7 8 9; do (read x <&3) >/dev/null & done; echo $!`,
	} {
		t.Run(name, func(t *testing.T) {
			early := start()
			foreign := exec.Command("sh", "-c", "exit 7")
			require.NoError(t, foreign.Start())
			awaitZombie(t, early.Pid)
			awaitZombie(t, foreign.Process.Pid)
			pid, release := leave(t, script)
			late := start()
			awaitZombie(t, late.Pid)
			require.NoError(t, release.Close())
			requireReaped(t, pid)

			status := (*exec.ExitError)(nil)
			require.ErrorAs(t, foreign.Wait(), &status)
			require.Equal(t, 7, status.ExitCode())
			for _, p := range []*Process{early, late} {
				state, err := p.Wait()
				require.NoError(t, err)
				require.Equal(t, 1, state.ExitCode())
			}
		})
	}
}

// A storm of own children and orphans takes no status away.
func TestStatusesWhileOrphansAreReaped(t *testing.T) {
	AdoptOrphans()
	failed := make(chan error, 4)
	for range cap(failed) {
		go func() {
			for range 25 {
				err := exec.Command("sh", "-c", "true & (true &) ; exit 7").Run()
				if status := (*exec.ExitError)(nil); !errors.As(err, &status) || status.ExitCode() != 7 {
					failed <- fmt.Errorf("status of a child: %w", err)
					return
				}
			}
			failed <- nil
		}()
	}
	for range cap(failed) {
		require.NoError(t, <-failed)
	}
	require.Eventually(t, func() bool { return len(children()) == 0 }, 30*time.Second, time.Millisecond, "zombies are left")
}

// EndOrphans ends what was adopted, also what that has started, and no own child.
func TestEndOrphans(t *testing.T) {
	AdoptOrphans()
	own := exec.Command("sleep", "600")
	require.NoError(t, own.Start())
	pid, release := leave(t, `setsid sh -c 'sleep 600 >/dev/null & echo $$; exec >/dev/null; wait' & true`)
	defer release.Close()
	require.Eventually(t, func() bool { // on a busy machine it gives up
		EndOrphans()
		return len(children()) == 1
	}, 60*time.Second, time.Millisecond)
	requireReaped(t, pid)
	require.NotEmpty(t, children()[own.Process.Pid])
	require.NoError(t, own.Process.Kill())
	require.EqualError(t, own.Wait(), "signal: killed")
}
