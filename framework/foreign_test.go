package framework_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"math/big"
	"net"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/framework/frameworktest"
	"github.com/go-socketserver/socketserver/framework/layer"
)

// foreignTransports are those that package framework does not know.
var foreignTransports = map[string]transport{
	"tls listener": {serveForeign(func(t *testing.T, l net.Listener) framework.Transport {
		return framework.Listener("tls", tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{certificate()}}))
	}), dialTLS},
	"tcp listener of another name": {serveForeign(func(_ *testing.T, l net.Listener) framework.Transport {
		return framework.Listener("carrier", l)
	}), frameworktest.Dial},
	"packets without a descriptor": {func(t *testing.T, class *framework.HandlerClass) *framework.BaseServer {
		c, err := net.ListenPacket("udp", "127.0.0.1:0")
		require.NoError(t, err)
		return &framework.BaseServer{Class: class, Transport: framework.PacketConn("radio", struct{ net.PacketConn }{c})}
	}, frameworktest.Dial},
	"layer of tls": {func(t *testing.T, class *framework.HandlerClass) *framework.BaseServer {
		s := newServer["tcp"](t, class)
		s.Layers = []framework.Layer{secure(t)}
		return s
	}, dialTLS},
}

func serveForeign(wrap func(*testing.T, net.Listener) framework.Transport) func(*testing.T, *framework.HandlerClass) *framework.BaseServer {
	return func(t *testing.T, class *framework.HandlerClass) *framework.BaseServer {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		return &framework.BaseServer{Class: class, Transport: wrap(t, l)}
	}
}

// certificate is one for this process.
var certificate = sync.OnceValue(func() tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		panic(err)
	}
	return tls.Certificate{Certificate: [][]byte{raw}, PrivateKey: key}
})

func secure(t *testing.T) framework.Layer {
	pair := layer.Pair(frameworktest.NewAuthority(t).Issue(t, "localhost"))
	l, err := layer.NewTLS(layer.TLSFiles{Pairs: []layer.Pair{pair}})
	require.NoError(t, err)
	return l
}

func dialTLS(t testing.TB, s *framework.BaseServer) net.Conn {
	conn := tls.Client(frameworktest.Dial(t, s), &tls.Config{InsecureSkipVerify: true})
	t.Cleanup(func() { conn.Close() })
	return conn
}

// decorated are strategies of somebody else that embed one of ours.
var decorated = map[string]func() framework.Strategy{
	"synchronous": func() framework.Strategy { return struct{ *framework.Synchronous }{&framework.Synchronous{}} },
	"threading":   func() framework.Strategy { return struct{ *framework.Threading }{&framework.Threading{}} },
	"forking":     func() framework.Strategy { return struct{ *framework.Forking }{&framework.Forking{}} },
	"preforking":  func() framework.Strategy { return struct{ *framework.Preforking }{&framework.Preforking{Workers: 2}} },
}

// What holds for our transports and strategies holds for those of others.
func TestContractOfForeignParts(t *testing.T) {
	for network, transport := range foreignTransports {
		testContract(t, network, transport, newStrategy)
	}
	testContract(t, "decorated", transports["tcp"], decorated)
}

// A decorated strategy has the place of the one that it embeds: a client that is slow to go
// does not hold up the loop of a synchronous server.
func TestDecoratedStrategyClosesAside(t *testing.T) {
	s := newServer["tcp"](t, class(t, act))
	s.Strategy = decorated["synchronous"]()
	frameworktest.Serve(t, s)
	for range 20 { // each has sent what the handler does not read, and would be waited for half a second
		conn := frameworktest.Dial(t, s)
		frameworktest.Send(t, conn, "echo hello\nunread\n")
		frameworktest.Expect(t, conn, "hello\n")
	}
}

// Bytes in bulk pass a relay in both directions, with the end of each.
func TestRelayOfBulk(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("needs Linux")
	}
	s := foreignTransports["layer of tls"].serve(t, class(t, act))
	s.Strategy = &framework.Forking{}
	frameworktest.Serve(t, s)
	const size = 4 << 20
	conn := dialTLS(t, s)
	sent := make(chan error, 1)
	go func() {
		_, err := conn.Write(append([]byte("cat\n"), make([]byte, size)...))
		if err == nil {
			err = conn.(*tls.Conn).CloseWrite()
		}
		sent <- err
	}()
	got := make([]byte, size)
	for n := 0; n < size; {
		m, err := conn.Read(got[n:])
		require.NoError(t, err, "after %d bytes", n)
		n += m
	}
	require.NoError(t, frameworktest.Await(t, sent))
	frameworktest.ExpectEnd(t, conn)
}

// A client whose connection is cut off within TLS, or reset, has not ended in good order, though a
// handler in another process cannot tell.
func TestTruncationBehindARelay(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("needs Linux")
	}
	for name, cut := range map[string]func(*net.TCPConn) error{
		"cut off": (*net.TCPConn).CloseWrite,
		"reset":   func(c *net.TCPConn) error { return errors.Join(c.SetLinger(0), c.Close()) },
	} {
		t.Run(name, func(t *testing.T) { testTruncation(t, cut) })
	}
}

func testTruncation(t *testing.T, cut func(*net.TCPConn) error) {
	s := foreignTransports["layer of tls"].serve(t, class(t, act))
	s.Strategy = &framework.Forking{}
	failed := make(chan error, 1)
	s.HandleError = func(_ *framework.Request, err error) { failed <- err }
	frameworktest.Serve(t, s)
	conn := dialTLS(t, s).(*tls.Conn)
	frameworktest.Send(t, conn, "cat\n") // reads until the end
	require.Equal(t, "hello\n", frameworktest.Ask(t, conn, "hello\n"))
	require.NoError(t, cut(conn.NetConn().(*net.TCPConn)))
	require.ErrorIs(t, frameworktest.Await(t, failed), framework.ErrPeerGone)
}

// A client that says nothing in a handshake is let go, and holds up nobody else.
func TestHandshakeTimesOut(t *testing.T) {
	for _, strategy := range []string{"threading", "forking", "preforking"} {
		s := foreignTransports["layer of tls"].serve(t, class(t, act))
		s.Strategy = newStrategy[strategy]()
		s.Timeouts.Handshake = 200 * time.Millisecond
		log := logOf(s)
		frameworktest.Serve(t, s)
		silent := frameworktest.Dial(t, s)
		require.Equal(t, "hello\n", frameworktest.Ask(t, dialTLS(t, s), "echo hello\n"))
		frameworktest.ExpectEnd(t, silent)
		log.Await(t, "timeouts.handshake of 200ms has passed")
	}
}

// Serve is net/http's verb.
func TestServe(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s := &framework.BaseServer{Class: class(t, act), Strategy: &framework.Threading{}}
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	conn := frameworktest.DialAddress(t, "tcp", l.Addr().String())
	require.Equal(t, "hello\n", frameworktest.Ask(t, conn, "echo hello\n"))
	frameworktest.Shutdown(t, s)
	require.ErrorIs(t, frameworktest.Await(t, served), framework.ErrServerClosed)
	require.ErrorContains(t, s.Serve(l), "has a transport")
}
