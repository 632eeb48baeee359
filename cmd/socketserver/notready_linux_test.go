package main

import (
	"io"
	"net"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework/frameworktest"
)

// A command that comes before the servers serve gets no answer about a daemon without servers.
func TestAnswersWhenItServes(t *testing.T) {
	nats, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = nats.Close() })
	r := &reloader{socket: filepath.Join(t.TempDir(), "admin.sock"), file: filepath.Join(t.TempDir(), "servers.hcl")}
	r.write(t, `
		server "visits" {
			transport "tcp" { address = "127.0.0.1:0" }
			concurrency "threading" {}
			handler "counter" {}
			state {
				backend = "nats"
				url     = "nats://`+nats.Addr().String()+`"
			}
		}`)
	r.process = start(t, t.TempDir(), exec.Command("socketserver", "serve", "-c", r.file))
	opening, err := nats.Accept() // the daemon opens the state of the server, and waits for what NATS says
	require.NoError(t, err)
	asked := frameworktest.DialAddress(t, "unix", r.socket)
	_, err = io.WriteString(asked, "GET /v1/status HTTP/1.0\r\n\r\n")
	require.NoError(t, err)
	require.NoError(t, opening.Close())
	answer, err := io.ReadAll(asked)
	require.NoError(t, err)
	require.Contains(t, string(answer), `"name":"visits","state":"serving"`)
	_, problems, err := r.command("status", "--ready")
	require.NoError(t, err, problems)
}
