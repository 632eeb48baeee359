package conn_test

import (
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework/internal/conn"
)

// A client that names its socket as it likes is not taken for one of TCP, adds nothing to the environment of a program, nor keeps it from being
// started: a value has no NUL.
func TestEnvironmentOfOddNames(t *testing.T) {
	for _, name := range []string{"@a\x00b", "/tmp/a\nSSL_CLIENT_VERIFY=SUCCESS", "@\x00:1", "@[::1\x00]:1"} {
		all := conn.Environment(&net.UnixAddr{Net: "unix", Name: name}, &net.TCPAddr{})
		require.False(t, slices.ContainsFunc(all, func(v string) bool { return strings.ContainsAny(v, "\x00\n") }), "%q", all)
	}
	require.Contains(t, conn.Environment(&net.UnixAddr{Net: "unix", Name: "192.0.2.1:80"}, &net.TCPAddr{}), "REMOTE_ADDR=192.0.2.1:80")
}
