package stdio_test

import (
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/hashicorp/go-hclog"
	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework/frameworktest"
	"github.com/go-socketserver/socketserver/framework/internal/conn"
	"github.com/go-socketserver/socketserver/framework/internal/logline"
	"github.com/go-socketserver/socketserver/framework/internal/process"
	"github.com/go-socketserver/socketserver/framework/internal/stdio"
)

// A program that is being written is started again, and what its client sends is copied once.
func TestRelayToAProgramThatIsBeingWritten(t *testing.T) {
	program, err := os.ReadFile("/bin/cat")
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "cat")
	require.NoError(t, os.WriteFile(path, program, 0o700))
	image, err := process.Pin(path)
	require.NoError(t, err)
	defer image.Close()
	writer, err := os.OpenFile(path, os.O_WRONLY, 0)
	require.NoError(t, err)
	starts := 0
	run := &stdio.Run{
		Command:  process.Command{Image: image, Args: []string{"cat"}, Restrictions: process.Restrictions{Files: 64}},
		Timeouts: new(conn.Timeouts), Stop: t.Context(), Log: logline.NewRelay(hclog.NewNullLogger()),
		Killable: func(int, func()) {
			if starts++; starts == 2 {
				require.NoError(t, writer.Close())
			}
		},
	}
	client, server := net.Pipe()
	served := make(chan error, 1)
	go func() { served <- run.Relay(server) }()
	frameworktest.Send(t, client, "hello\n")
	frameworktest.Expect(t, client, "hello\n")
	require.NoError(t, client.Close())
	require.NoError(t, frameworktest.Await(t, served))
	require.Greater(t, starts, 1)
}
