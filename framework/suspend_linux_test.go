package framework_test

import (
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/framework/frameworktest"
)

// A suspended socket refuses clients of every process that serves it, keeps its address and its
// conversations, and takes clients again when it is resumed.
func TestSuspendAndResume(t *testing.T) {
	for _, network := range []string{"tcp", "unix", "udp", "unixgram"} {
		for name, strategy := range map[string]framework.Strategy{
			"synchronous": &framework.Synchronous{}, "threading": &framework.Threading{},
			"forking": &framework.Forking{}, "preforking": &framework.Preforking{Workers: 2},
		} {
			t.Run(network+" "+name, func(t *testing.T) {
				address := filepath.Join(t.TempDir(), "s")
				if network == "tcp" || network == "udp" {
					address = "127.0.0.1:0"
				}
				socket, err := framework.OpenSocket(network, address, framework.SocketOptions{})
				require.NoError(t, err)
				s := generation(t, socket, strategy)
				streams := network == "tcp" || network == "unix"
				var conversation net.Conn
				if streams && name != "synchronous" {
					conversation = frameworktest.DialAddress(t, network, socket.Addr().String())
					require.Equal(t, "holding\n", frameworktest.Ask(t, conversation, "hold\n"))
				}
				for range 2 {
					require.NoError(t, socket.Suspend())
					require.NoError(t, socket.Suspend())
					if streams {
						_, err := net.Dial(network, socket.Addr().String())
						require.Error(t, err)
					} else {
						requireNoReply(t, network, socket.Addr().String())
					}
					require.NoError(t, socket.Resume())
					require.NoError(t, socket.Resume())
					client := frameworktest.DialAddress(t, network, socket.Addr().String())
					requireReply(t, client)
					require.NoError(t, client.Close())
				}
				require.NoError(t, socket.Suspend())
				if conversation != nil {
					require.Equal(t, "released on\n", frameworktest.Ask(t, conversation, "on\n"))
				}
				require.NoError(t, s.Retire(t.Context()))
				require.NoError(t, socket.Close())
				if !streams || network == "unix" {
					_, err = os.Lstat(address)
					require.ErrorIs(t, err, os.ErrNotExist)
				}
			})
		}
	}
}

func requireReply(t *testing.T, c net.Conn) {
	t.Helper()
	require.NotEmpty(t, frameworktest.Ask(t, c, "echo hello\n"))
}

// requireNoReply passes too easily on a slow machine, and never fails without reason.
func requireNoReply(t *testing.T, network, address string) {
	t.Helper()
	c := frameworktest.DialAddress(t, network, address)
	defer c.Close()
	_, err := c.Write([]byte("hello"))
	require.NoError(t, err)
	require.NoError(t, c.SetReadDeadline(time.Now().Add(100*time.Millisecond)))
	_, err = c.Read(make([]byte, 10))
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
}
