package layer

import (
	"os"
	"os/signal"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/go-socketserver/socketserver/framework/frameworktest"
)

// A file that is slow to open, here as another process has to give up its lease first, does not hold up the
// connections that are handed to workers meanwhile.
func TestSlowReload(t *testing.T) {
	ca := frameworktest.NewAuthority(t)
	c := ca.Issue(t, "localhost")
	l, err := NewTLS(TLSFiles{Pairs: []Pair{Pair(c)}})
	require.NoError(t, err)
	f, err := os.OpenFile(c.Key, os.O_RDWR, 0)
	require.NoError(t, err)
	defer f.Close()
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGIO)
	defer signal.Stop(asked)
	if _, err := unix.FcntlInt(f.Fd(), unix.F_SETLEASE, unix.F_WRLCK); err != nil {
		t.Skip("this file system has no leases: ", err)
	}
	reloaded, described := make(chan error, 1), make(chan struct{})
	go func() {
		_, err := l.Reload()
		reloaded <- err
	}()
	frameworktest.Await(t, asked)
	go func() {
		defer close(described)
		l.Describe()
	}()
	frameworktest.Await(t, described)
	_, err = unix.FcntlInt(f.Fd(), unix.F_SETLEASE, unix.F_UNLCK)
	require.NoError(t, err)
	require.NoError(t, frameworktest.Await(t, reloaded))
}
