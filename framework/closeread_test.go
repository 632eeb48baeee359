package framework_test

import (
	"strings"
	"testing"
	"time"

	"github.com/go-socketserver/socketserver/framework/frameworktest"
)

// After CloseRead a handler reads what has arrived and then the end, whatever its connection passes, and no deadline of the
// server's puts that off.
func TestCloseRead(t *testing.T) {
	transports := map[string]transport{
		"tcp":          {newServer["tcp"], frameworktest.Dial},
		"unix":         {newServer["unix"], frameworktest.Dial},
		"tls listener": foreignTransports["tls listener"], // it has no end but the client's
		"layer of tls": foreignTransports["layer of tls"],
	}
	for network, transport := range transports {
		for name, strategy := range newStrategy {
			t.Run(network+"/"+name, func(t *testing.T) {
				t.Parallel()
				s := transport.serve(t, class(t, act))
				s.Strategy, s.Timeouts.Idle, s.ReadBuffer = strategy(), time.Hour, 16
				frameworktest.Serve(t, s)
				conn := transport.dial(t, s)
				frameworktest.Send(t, conn, "close\n"+strings.Repeat("x", 1000))
				frameworktest.Expect(t, conn, "1000 <nil>\n")
			})
		}
	}
}
