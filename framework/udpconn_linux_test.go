package framework_test

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/framework/frameworktest"
)

// A handler of datagrams that only computes does not keep its process from anything, though it
// was called past the scheduler, while nobody looked after the process: its datagram came while
// the handler before it waited, and what that waited for came past the scheduler too.
func TestUDPComputation(t *testing.T) {
	p := startRole(t, "server", `{"datagrams": true, "processors": 1}`)
	server, err := net.ResolveUDPAddr("udp", p.address)
	require.NoError(t, err)
	client, err := net.ListenUDP("udp", &net.UDPAddr{IP: server.IP})
	require.NoError(t, err)
	frameworktest.Adopt(t, client)
	_, err = client.WriteTo(fmt.Appendf(nil, "gate %d\n", client.LocalAddr().(*net.UDPAddr).Port), server)
	require.NoError(t, err)
	_, gate, err := client.ReadFrom(make([]byte, 100))
	require.NoError(t, err)
	awaitIdle(t, p.cmd.Process.Pid)
	_, err = client.WriteTo([]byte("compute\n"), server)
	require.NoError(t, err)
	_, err = client.WriteTo([]byte("open\n"), gate)
	require.NoError(t, err)
	p.stop(t)
}

// An answer comes from the address that was asked, where the server has many.
func TestUDPAnswersFromAddress(t *testing.T) {
	for name, strategy := range newStrategy {
		for _, address := range []string{":0", "0.0.0.0:0"} {
			t.Run(name+"/"+address, func(t *testing.T) {
				t.Parallel()
				s := framework.NewUDPServer(address, class(t, echo))
				s.Strategy = strategy()
				frameworktest.Serve(t, &s.BaseServer)
				for _, asked := range []string{"127.0.0.1", "127.0.0.5"} {
					conn := dialUDP(t, &s.BaseServer, asked)
					frameworktest.Send(t, conn, "hello\n")
					frameworktest.Expect(t, conn, "hello\n")
				}
				everybody := &net.UDPAddr{IP: net.IPv4(127, 255, 255, 255), Port: s.Addr().(*net.UDPAddr).Port}
				client, err := net.ListenUDP("udp4", nil)
				require.NoError(t, err)
				frameworktest.Adopt(t, client)
				_, err = client.WriteTo([]byte("hello\n"), everybody)
				require.NoError(t, err)
				frameworktest.Expect(t, client, "hello\n")
			})
		}
	}
}

// awaitIdle waits until no thread of a process does anything, not even sleep for a while, as the one
// does that looks after the others.
func awaitIdle(t *testing.T, pid int) {
	t.Helper()
	sleeps := fmt.Appendf(nil, "%d ", syscall.SYS_NANOSLEEP)
	eventually(t, func() bool {
		threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/syscall", pid))
		require.NoError(t, err)
		for _, path := range threads {
			in, err := os.ReadFile(path)
			if err != nil {
				t.Skip("needs to look at another process:", err)
			}
			if bytes.HasPrefix(in, sleeps) || bytes.HasPrefix(in, []byte("running")) {
				return false
			}
		}
		return len(threads) > 0
	}, "a thread is busy")
}
