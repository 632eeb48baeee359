package framework_test

import (
	"net"
	"testing"

	"github.com/stretchr/testify/require"
)

// A handler of datagrams that only computes does not keep its process from anything, though what
// it was called for arrived past the scheduler.
func TestUDPComputation(t *testing.T) {
	p := startRole(t, "server", `{"datagrams": true, "processors": 1}`)
	conn, err := net.Dial("udp", p.address)
	require.NoError(t, err)
	limit(t, conn)
	for range 10 {
		say(t, conn, "echo alive\n")
		hear(t, conn, "alive\n")
	}
	say(t, conn, "compute\n")
	p.stop(t)
}
