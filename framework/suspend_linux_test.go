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
					requireSuspended(t, socket)
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

// inherit has another Socket of the same one, as another process has, which may fail. lock is for Own.
func inherit(t *testing.T, socket *framework.Socket) (next *framework.Socket, lock *os.File) {
	t.Helper()
	file, lock, err := socket.Files()
	require.NoError(t, err)
	next, err = framework.InheritSocket(socket.Transport().Network(), file, framework.SocketOptions{})
	require.NoError(t, err)
	require.NoError(t, file.Close())
	require.NoError(t, next.Disown())
	return next, lock
}

// A process that inherits a suspended socket finds it suspended. Until it owns the socket it changes
// nothing, even if it fails; from then on the process before changes nothing.
func TestSuspendedSocketIsInherited(t *testing.T) {
	for _, network := range []string{"tcp", "unix", "unixpacket", "udp", "unixgram"} {
		t.Run(network, func(t *testing.T) {
			t.Parallel()
			address := filepath.Join(t.TempDir(), "s")
			if network == "tcp" || network == "udp" {
				address = "127.0.0.1:0"
			}
			before, err := framework.OpenSocket(network, address, framework.SocketOptions{})
			require.NoError(t, err)
			require.NoError(t, before.Suspend())

			failed, lock := inherit(t, before)
			s := generation(t, failed, &framework.Threading{})
			require.NoError(t, failed.Resume())
			requireSuspended(t, before)
			require.NoError(t, s.Retire(t.Context()))
			require.NoError(t, failed.Close())
			_ = lock.Close() // nil: there is none
			requireSuspended(t, before)

			next, lock := inherit(t, before)
			s = generation(t, next, &framework.Threading{})
			require.NoError(t, before.Disown())
			next.Own(lock)
			require.NoError(t, before.Resume())
			require.NoError(t, before.Close())
			requireSuspended(t, next)
			require.NoError(t, next.Resume())
			requireReply(t, frameworktest.DialAddress(t, network, next.Addr().String()))
			require.NoError(t, next.Suspend())
			require.NoError(t, s.Retire(t.Context()))
			require.NoError(t, next.Close())
			require.NoFileExists(t, address)
			require.NoFileExists(t, address+".suspended")
		})
	}
}

// What a server that was killed has left where a suspended socket's file is hidden is removed, and
// nothing else is: such a file, and one in the place of the hidden one, are errors.
func TestFileInTheWayOfSuspension(t *testing.T) {
	for _, network := range []string{"unix", "unixpacket"} {
		path := filepath.Join(t.TempDir(), "s")
		hidden := path + ".suspended"
		leave := func(at string) {
			l, err := net.ListenUnix(network, &net.UnixAddr{Net: network, Name: at})
			require.NoError(t, err)
			l.SetUnlinkOnClose(false)
			require.NoError(t, l.Close())
		}
		leave(hidden)
		socket, err := framework.OpenSocket(network, path, framework.SocketOptions{})
		require.NoError(t, err)
		require.NoFileExists(t, hidden)
		leave(hidden)
		require.NoError(t, socket.Suspend())
		require.NoError(t, os.WriteFile(path, []byte("theirs"), 0o600))
		require.ErrorContains(t, socket.Resume(), "there is another file at "+path+"; remove it")
		require.NoError(t, os.Remove(path))
		require.NoError(t, socket.Resume())

		require.NoError(t, os.WriteFile(hidden, []byte("theirs"), 0o600))
		require.ErrorContains(t, socket.Suspend(), hidden+" exists and is not a socket; remove it")
		require.FileExists(t, path)
		require.NoError(t, os.Remove(hidden))
		other, err := framework.OpenSocket(network, hidden, framework.SocketOptions{})
		require.NoError(t, err)
		require.ErrorContains(t, socket.Suspend(), hidden+" is in use by another server")
		require.FileExists(t, path)
		require.NoError(t, other.Close())
		require.NoError(t, os.Rename(path, path+"2"))
		require.ErrorContains(t, socket.Suspend(), "the file of the socket is not at "+path+" any more")
		require.NoError(t, socket.Close())
	}
}

// The file of another server that has taken the name of a suspended socket stays that server's, also when another process
// inherits the socket.
func TestFileInThePlaceOfTheHiddenOne(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	before, err := framework.OpenSocket("unix", path, framework.SocketOptions{})
	require.NoError(t, err)
	require.NoError(t, before.Suspend())
	theirs, err := net.Listen("unix", path)
	require.NoError(t, err)
	defer theirs.Close()
	next, lock := inherit(t, before)
	require.NoError(t, before.Disown())
	require.NoError(t, before.Close())
	next.Own(lock)
	require.ErrorContains(t, next.Resume(), "there is another file at "+path+"; remove it")
	require.ErrorContains(t, next.Close(), "there is another file at "+path)
	require.FileExists(t, path)
	require.NoFileExists(t, path+".suspended")
}

// requireSuspended requires that clients are refused.
func requireSuspended(t *testing.T, socket *framework.Socket) {
	t.Helper()
	network, address := socket.Transport().Network(), socket.Addr().String()
	if network == "udp" || network == "unixgram" {
		requireNoReply(t, network, address)
		return
	}
	_, err := net.Dial(network, address)
	require.Error(t, err)
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
