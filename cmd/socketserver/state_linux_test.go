package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// What a file keeps is there when the server and its workers were killed, and a directory is one server's: neither a
// second server nor an upgrade has it.
func TestStateSurvivesServer(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "servers.hcl")
	require.NoError(t, os.WriteFile(file, []byte(`
server "tickets" {
  transport "tcp" { address = "localhost:0" }
  concurrency "preforking" { workers = 2 }
  handler "counter" {}

  state {
    backend = "file"
    path    = "state"
  }
}
`), 0o600))
	said, err := says("socketserver", "validate", "-c", file)
	require.NoError(t, err, said)
	require.Equal(t, "server \"tickets\": a power failure loses what was acknowledged in the last 1s; sync = \"always\" loses nothing, and is slower\n"+file+": 1 server, no errors\n", said)
	next := 1
	for range 2 {
		p, listeners := serveArgs(t, "-c", file)
		for range 3 {
			require.Equal(t, fmt.Sprintln(next), askOnce(t, listeners[0], "\n"))
			next++
		}
		command := exec.Command("socketserver", "serve", "-c", file)
		command.Dir = dir
		said, err := command.CombinedOutput()
		require.Error(t, err)
		require.Contains(t, string(said), `server "tickets": state: `+filepath.Join(dir, "state")+" is in use by another process")
		p.signal(t, syscall.SIGUSR2)
		refused := p.await(t, "not upgraded; this process goes on as before")
		require.Contains(t, refused["error"], "is in use by another process")
		require.Equal(t, fmt.Sprintln(next), askOnce(t, listeners[0], "\n"))
		next++
		require.NoError(t, p.Process.Kill())
		<-p.ended
	}
}
