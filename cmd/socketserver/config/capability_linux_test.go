package config_test

import (
	"os"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/go-socketserver/socketserver/cmd/socketserver/config"
)

// Root that may not do what a process block needs gets an error before anything starts.
func TestRootWithoutCapabilities(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var has [2]unix.CapUserData
	runtime.LockOSThread() // capabilities are those of a thread
	require.NoError(t, unix.Capget(&header, &has[0]))
	for _, c := range []struct {
		line, name string
		number     int
	}{
		{`user = "nobody"`, "CAP_SETUID", unix.CAP_SETUID},
		{`user = "nobody"`, "CAP_KILL", unix.CAP_KILL},
		{`group = "root"`, "CAP_SETGID", unix.CAP_SETGID},
		{"nice = -1", "CAP_SYS_NICE", unix.CAP_SYS_NICE},
	} {
		less := has
		less[0].Effective &^= 1 << c.number
		require.NoError(t, unix.Capset(&header, &less[0]))
		_, err := config.Parse("servers.hcl", []byte("server \"x\" {\n transport \"tcp\" { address = \"localhost:0\" }\n concurrency \"forking\" {}\n handler \"echo\" {}\n process {\n"+c.line+"\n}\n}\n"), catalog)
		require.NoError(t, unix.Capset(&header, &has[0]))
		require.ErrorContains(t, err, "this process lacks "+c.name+", without which root cannot ")
		require.ErrorContains(t, err, "start the server with "+c.name)
	}
	runtime.UnlockOSThread()
}
