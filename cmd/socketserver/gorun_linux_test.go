package main

import (
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// The servers of go run stop when go is killed.
func TestEndOfGoRun(t *testing.T) {
	directory, err := os.Getwd()
	require.NoError(t, err)
	out, err := exec.Command("go", "run", ".", "version").CombinedOutput() // builds it, which may take long
	require.NoError(t, err, "%s", out)
	p := start(t, directory, exec.Command("go", "run", ".", "serve", "--listen", "tcp://127.0.0.1:0", "--handler", "echo"))
	requireEcho(t, p.awaitListening(t)[0])
	require.NoError(t, p.Process.Kill())
	p.await(t, "stopping; a second signal stops at once")
	p.exit(t) // when the servers have ended, too
}

// Other parents may end: a shell that has started a server in the background, nohup, setsid.
func TestEndOfParent(t *testing.T) {
	t.Parallel()
	for _, command := range []string{"", "nohup ", "setsid "} {
		p := start(t, t.TempDir(), exec.Command("sh", "-c", command+"socketserver serve --listen tcp://127.0.0.1:0 --handler echo </dev/null >/dev/null & echo $! >&2"))
		pid, err := strconv.Atoi(p.awaitEvent(t, "a process id", func(e event) bool {
			_, err := strconv.Atoi(e["@message"].(string))
			return err == nil
		})["@message"].(string))
		require.NoError(t, err)
		listeners := p.awaitListening(t)
		state, err := p.Process.Wait()
		require.NoError(t, err)
		require.True(t, state.Success())
		requireEcho(t, listeners[0])
		require.NoError(t, syscall.Kill(pid, syscall.SIGTERM))
		p.await(t, "stopping; a second signal stops at once")
	}
}
