package command_test

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/framework/frameworktest"
	"github.com/go-socketserver/socketserver/handlers/command"
)

func TestUnreadable(t *testing.T) {
	root := t.TempDir()
	require.NoError(t, os.Chmod(filepath.Dir(root), 0o755))
	require.NoError(t, os.Mkdir(filepath.Join(root, "private"), 0))
	s := frameworktest.NewServer(t, "udp", frameworktest.Class(t, command.Constructor, fmt.Sprintf(`{"root": %q}`, root)))
	s.Strategy = &framework.Synchronous{} // the handler runs in the goroutine below
	require.NoError(t, s.Listen())
	served := make(chan error)
	go func() {
		if os.Getuid() == 0 { // root may read everything; this thread gives that up, and ends here
			runtime.LockOSThread()
			_ = syscall.Setfsuid(65534)
		}
		served <- s.HandleRequest()
	}()
	require.Equal(t, "permission denied", frameworktest.Ask(t, frameworktest.Dial(t, s), "ls private"))
	require.NoError(t, <-served)
	require.NoError(t, s.Close())
}
