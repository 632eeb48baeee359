//go:build unix

package framework_test

import (
	"net"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/framework/frameworktest"
)

// unixServer makes a server of either kind at path.
func unixServer(t *testing.T, network, path string) *framework.BaseServer {
	t.Helper()
	if network == "unix" {
		return &framework.NewUnixStreamServer(path, class(t, echo)).BaseServer
	}
	return &framework.NewUnixDatagramServer(path, class(t, echo)).BaseServer
}

var unixNetworks = []string{"unix", "unixgram"}

// A socket that a killed server left behind is taken over.
func TestStaleUnixSocketIsTakenOver(t *testing.T) {
	for _, network := range unixNetworks {
		path := filepath.Join(t.TempDir(), "s")
		kind := syscall.SOCK_STREAM
		if network == "unixgram" {
			kind = syscall.SOCK_DGRAM
		}
		fd, err := syscall.Socket(syscall.AF_UNIX, kind, 0)
		require.NoError(t, err)
		require.NoError(t, syscall.Bind(fd, &syscall.SockaddrUnix{Name: path}))
		require.NoError(t, syscall.Close(fd))
		require.NoError(t, os.WriteFile(path+".lock", nil, 0o600)) // nobody holds it
		s := unixServer(t, network, path)
		frameworktest.Serve(t, s)
		require.Equal(t, "hello\n", ask(t, s, "hello\n"))
	}
}

// A live one is not, nor one whose lock another server holds, and nothing of it
// is touched.
func TestLiveUnixSocketIsLeftAlone(t *testing.T) {
	for _, network := range unixNetworks {
		first := unixServer(t, network, filepath.Join(t.TempDir(), "s"))
		frameworktest.Serve(t, first)
		path := first.Addr().String()
		for range 3 {
			second := unixServer(t, network, path)
			err := second.Listen()
			require.ErrorIs(t, err, syscall.EADDRINUSE)
			require.ErrorContains(t, err, path)
			require.NoError(t, second.Close())
		}
		require.NoError(t, os.Remove(path+".lock")) // as a tidy user does
		require.ErrorIs(t, unixServer(t, network, path).Listen(), syscall.EADDRINUSE)
		require.Equal(t, "hello\n", ask(t, first, "hello\n"))
	}
}

// Of servers that start at once one wins.
func TestOneOfRacingUnixServersWins(t *testing.T) {
	for range 20 {
		path := filepath.Join(t.TempDir(), "s")
		var wins []*framework.BaseServer
		var mu sync.Mutex
		var all sync.WaitGroup
		for range 4 {
			s := unixServer(t, "unix", path)
			all.Go(func() {
				if s.Listen() == nil {
					mu.Lock()
					wins = append(wins, s)
					mu.Unlock()
				}
			})
		}
		all.Wait()
		require.Len(t, wins, 1)
		require.NoError(t, wins[0].Close())
		entries, err := os.ReadDir(filepath.Dir(path))
		require.NoError(t, err)
		require.Empty(t, entries)
	}
}

// What is not a socket is left alone, a link included.
func TestFileThatIsNoSocketIsLeftAlone(t *testing.T) {
	for _, network := range unixNetworks {
		dir := t.TempDir()
		file := filepath.Join(dir, "file")
		require.NoError(t, os.WriteFile(file, []byte("precious"), 0o600))
		link := filepath.Join(dir, "link")
		require.NoError(t, os.Symlink(file, link))
		require.NoError(t, os.Symlink(file, filepath.Join(dir, "trap.lock")))
		for path, says := range map[string]string{
			file: "is not a socket", link: "is not a socket", dir: "is not a socket",
			filepath.Join(dir, "trap"):      "lock socket",
			filepath.Join(dir, "none", "s"): "there is no directory",
		} {
			require.ErrorContains(t, unixServer(t, network, path).Listen(), says)
		}
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		require.Equal(t, "precious", string(text))
	}
}

// The socket has its mode from the first moment, whatever the umask, and another's
// is not removed at the end.
func TestUnixSocketHasItsModeFromTheStart(t *testing.T) {
	for mode, want := range map[uint32]os.FileMode{0: 0o600, 0o660: 0o660, 0o666: 0o666} {
		s := framework.NewUnixStreamServer(filepath.Join(t.TempDir(), "s"), class(t, echo))
		s.Mode = mode
		require.NoError(t, s.Listen())
		info, err := os.Stat(s.Path)
		require.NoError(t, err)
		require.Equal(t, want, info.Mode().Perm())

		require.NoError(t, os.Remove(s.Path))
		other, err := net.Listen("unix", s.Path)
		require.NoError(t, err)
		require.NoError(t, s.Close())
		require.FileExists(t, s.Path)
		require.NoError(t, other.Close())
	}
}

// An abstract socket has no file.
func TestAbstractSocket(t *testing.T) {
	for _, network := range unixNetworks {
		s := unixServer(t, network, "@framework-test-"+filepath.Base(t.TempDir())+network)
		frameworktest.Serve(t, s)
		require.Equal(t, "hello\n", ask(t, s, "hello\n"))
	}
}

// A client without an address cannot be answered; that is its own affair.
func TestUnboundDatagramClient(t *testing.T) {
	s := unixServer(t, "unixgram", filepath.Join(t.TempDir(), "s"))
	book := logOf(s)
	frameworktest.Serve(t, s)
	conn, err := net.Dial("unixgram", s.Addr().String())
	require.NoError(t, err)
	defer conn.Close()
	frameworktest.Send(t, conn, "hello\n")
	book.Await(t, "no address to answer to")
	require.NotContains(t, book.String(), "[ERROR]")
	require.Equal(t, "hello\n", ask(t, s, "hello\n"))
}
