package framework_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework"
)

func init() { roles["datagrams"] = runDatagrams }

// runDatagrams serves act over UDP, on one processor, until its standard input ends.
func runDatagrams() {
	runtime.GOMAXPROCS(1)
	class, err := act.Class(nil)
	must(err)
	s := framework.NewUDPServer("127.0.0.1:0", class)
	must(s.Listen())
	fmt.Println(s.Addr())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		s.Stop()
	}()
	if err := s.ServeForever(); !errors.Is(err, framework.ErrServerClosed) {
		must(err)
	}
	must(s.Close())
}

// A handler of datagrams that only computes does not keep its process from anything, though what
// it was called for arrived past the scheduler.
func TestUDPComputation(t *testing.T) {
	p := startRole(t, "datagrams", "")
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
