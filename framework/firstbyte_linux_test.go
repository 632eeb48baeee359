package framework_test

import (
	"bufio"
	"crypto/tls"
	"io"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/framework/frameworktest"
)

// Clients that say nothing hold at most half of the children, however many they are, and are
// let go after the idle timeout. Who speaks is served at once.
func TestSilentClientsLeaveChildren(t *testing.T) {
	f := &framework.Forking{MaxChildren: 4}
	s := forkingServer(t, f)
	s.Timeouts.Idle = time.Minute
	frameworktest.Serve(t, s)
	var silent []net.Conn
	for range 12 {
		silent = append(silent, frameworktest.Dial(t, s))
	}
	eventually(t, func() bool { return len(f.ActiveChildren()) == 2 }, "silent clients have no child")
	for range 5 {
		require.Equal(t, "hello\n", ask(t, s, "echo hello\n"))
	}
	for _, conn := range silent {
		require.Equal(t, "late\n", frameworktest.Ask(t, conn, "echo late\n"))
	}
}

// The same holds behind a layer, where a client has to be read to be heard.
func TestSilentClientsBehindALayerLeaveChildren(t *testing.T) {
	f := &framework.Forking{MaxChildren: 2}
	s := forkingServer(t, f)
	s.Layers = []framework.Layer{secure(t)}
	s.Timeouts.Idle = time.Minute
	frameworktest.Serve(t, s)
	var silent []net.Conn
	for range 4 {
		conn := dialTLS(t, s).(*tls.Conn)
		require.NoError(t, conn.Handshake())
		silent = append(silent, conn)
	}
	for range 2 {
		conn := dialTLS(t, s)
		require.Equal(t, "hello\n", frameworktest.Ask(t, conn, "echo hello\n"))
		require.NoError(t, conn.Close())
	}
	for _, conn := range silent {
		require.Equal(t, "late\n", frameworktest.Ask(t, conn, "echo late\n"))
		require.NoError(t, conn.Close())
	}
}

func TestSilentClientsTimeOut(t *testing.T) {
	s := forkingServer(t, &framework.Forking{MaxChildren: 2})
	s.Timeouts.Idle = 500 * time.Millisecond
	frameworktest.Serve(t, s)
	for range 4 {
		conn := frameworktest.Dial(t, s)
		t.Cleanup(func() { frameworktest.ExpectEnd(t, conn) })
	}
}

// A handler that speaks first greets a silent client, whether or not its class says so.
func TestGreetingOfASilentClient(t *testing.T) {
	for _, says := range []bool{false, true} {
		s := newServer["tcp"](t, class(t, welcome))
		s.Class.SpeaksFirst = says
		s.Strategy = &framework.Forking{}
		frameworktest.Serve(t, s)
		frameworktest.Expect(t, frameworktest.Dial(t, s), "welcome\n")
	}
}

var welcome = framework.Func(func(_ *bufio.Reader, wfile io.Writer) error {
	_, err := io.WriteString(wfile, "welcome\n")
	return err
})

func init() { constructors = append(constructors, welcome) }

// Stopping does not wait for clients that have not said anything.
func TestStopWithSilentClients(t *testing.T) {
	f := &framework.Forking{MaxChildren: 2}
	s := forkingServer(t, f)
	served := start(t, s)
	var silent []net.Conn
	for range 4 {
		silent = append(silent, frameworktest.Dial(t, s))
	}
	eventually(t, func() bool { return s.Active() == 4 }, "not accepted")
	s.Stop()
	require.ErrorIs(t, frameworktest.Await(t, served), framework.ErrServerClosed)
	_ = s.Close()
	for _, conn := range silent {
		frameworktest.ExpectEnd(t, conn)
	}
	frameworktest.Shutdown(t, s)
}

// A client that would wait for its first byte where too many do already is turned away.
func TestTooManySilentClients(t *testing.T) {
	log := frameworktest.NewLog()
	s := forkingServer(t, &framework.Forking{MaxChildren: 1})
	s.Log = log.Logger()
	refused := make(chan framework.Refusal, 1)
	s.Trace = &framework.Trace{
		Refused: func(_ *framework.Request, why framework.Refusal) { refused <- why },
	}
	frameworktest.Serve(t, s)
	first := hold(t, s) // has the child
	const perPeer = 64
	for range perPeer {
		frameworktest.Dial(t, s)
	}
	frameworktest.ExpectEnd(t, frameworktest.Dial(t, s))
	log.Await(t, "client refused: too many connections have not said anything")
	require.Equal(t, framework.RefusedSilent, frameworktest.Await(t, refused))
	eventually(t, func() bool { return s.Active() == 1+perPeer }, "the refused client counts")
	frameworktest.Send(t, first, "go\n")
	frameworktest.Expect(t, first, "released go\n")
}
