package layer_test

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/framework/frameworktest"
	"github.com/go-socketserver/socketserver/framework/layer"
)

// A server is one with a TLS layer, whose handler sends back lines and then what ended its input.
type server struct {
	*framework.BaseServer
	layer *layer.TLS
	ca    *frameworktest.Authority

	mu     sync.Mutex
	failed []error                 // of requests, in their order
	seen   chan *framework.Request // by handlers
	ended  chan error              // of handlers' input
}

// serve serves with a certificate for 127.0.0.1 and localhost unless files have some.
func serve(t *testing.T, files layer.TLSFiles) *server {
	t.Helper()
	s := &server{ca: frameworktest.NewAuthority(t), seen: make(chan *framework.Request, 8), ended: make(chan error, 8)}
	if files.Pairs == nil {
		files.Pairs = []layer.Pair{layer.Pair(s.ca.Issue(t, "localhost", "127.0.0.1"))}
	}
	var err error
	s.layer, err = layer.NewTLS(files)
	require.NoError(t, err)
	s.BaseServer = frameworktest.NewServer(t, "tcp", &framework.HandlerClass{New: func() framework.Handler { return &lines{server: s} }})
	s.Layers = []framework.Layer{s.layer}
	s.HandleError = func(_ *framework.Request, err error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.failed = append(s.failed, err)
	}
	frameworktest.Serve(t, s.BaseServer)
	return s
}

type lines struct {
	framework.StreamRequestHandler
	server *server
}

func (h *lines) Handle(rfile *bufio.Reader, wfile io.Writer) error {
	h.server.seen <- h.Request
	for {
		line, err := rfile.ReadString('\n')
		if err != nil {
			h.server.ended <- err
			_, _ = io.WriteString(wfile, "bye\n")
			return err
		}
		if _, err := io.WriteString(wfile, line); err != nil {
			return err
		}
	}
}

// errors waits for all requests and returns what they ended with.
func (s *server) errors(t *testing.T) error {
	t.Helper()
	frameworktest.Shutdown(t, s.BaseServer)
	return errors.Join(s.failed...)
}

// dial connects by TLS, with the handshake done.
func (s *server) dial(t *testing.T, c *tls.Config) (*tls.Conn, error) {
	t.Helper()
	if c.RootCAs = s.ca.Pool(); c.ServerName == "" {
		c.ServerName = "127.0.0.1"
	}
	conn := tls.Client(frameworktest.Dial(t, s.BaseServer), c)
	return conn, conn.Handshake()
}

func (s *server) mustDial(t *testing.T, c *tls.Config) *tls.Conn {
	t.Helper()
	conn, err := s.dial(t, c)
	require.NoError(t, err)
	return conn
}

// Each direction ends by itself, by close_notify.
func TestHalfClose(t *testing.T) {
	s := serve(t, layer.TLSFiles{})
	conn := s.mustDial(t, &tls.Config{})
	require.Equal(t, "hello\n", frameworktest.Ask(t, conn, "hello\n"))
	require.Equal(t, "bye\n", frameworktest.End(t, conn))
	require.Equal(t, io.EOF, <-s.ended)
	require.NoError(t, s.errors(t))
}

// A connection that ends without close_notify is no regular end of what the client sends.
func TestTruncation(t *testing.T) {
	s := serve(t, layer.TLSFiles{})
	for name, rest := range map[string]string{"between records": "", "half a header": "\x17\x03", "half a record": "\x17\x03\x03\x00\x20half"} {
		conn := s.mustDial(t, &tls.Config{})
		frameworktest.Send(t, conn, "hello\n")
		frameworktest.Send(t, conn.NetConn(), rest)
		require.NoError(t, conn.NetConn().(*net.TCPConn).CloseWrite())
		ended := <-s.ended
		require.ErrorIs(t, ended, layer.ErrTruncated, name)
		require.ErrorIs(t, ended, framework.ErrPeerGone, name)
	}
}

// A client in clear text gets an alert and the end of the connection, not a reset.
func TestClientWithoutTLS(t *testing.T) {
	s := serve(t, layer.TLSFiles{})
	conn := frameworktest.Dial(t, s.BaseServer)
	frameworktest.Send(t, conn, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
	answer, err := io.ReadAll(conn)
	require.NoError(t, err)
	require.Equal(t, []byte{21, 3, 1, 0, 2, 2, 70}, answer)
	err = s.errors(t)
	require.ErrorAs(t, err, new(*framework.HandshakeError))
	require.EqualError(t, err, `handshake: the client does not speak TLS: it began with "GET /"`)
}

// What is below TLS 1.2, and what has no forward secrecy or is CBC, is not spoken.
func TestWeakClients(t *testing.T) {
	s := serve(t, layer.TLSFiles{})
	_, err := s.dial(t, &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11})
	require.ErrorContains(t, err, "protocol version not supported")
	for _, suites := range [][]*tls.CipherSuite{tls.InsecureCipherSuites(), tls.CipherSuites()} {
		for _, suite := range suites {
			if suite.SupportedVersions[0] == tls.VersionTLS13 {
				continue
			}
			conn, err := s.dial(t, &tls.Config{MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{suite.ID}})
			if err == nil {
				require.Regexp(t, "^TLS_ECDHE_.*(GCM|POLY1305)", suite.Name)
				_ = conn.Close()
			}
		}
	}
	only := serve(t, layer.TLSFiles{MinVersion: "1.3"})
	_, err = only.dial(t, &tls.Config{MaxVersion: tls.VersionTLS12})
	require.ErrorContains(t, err, "protocol version not supported")
	only.mustDial(t, &tls.Config{})
}

// A client that comes back resumes its session, and is known by its certificate then, too.
func TestResumption(t *testing.T) {
	ca := frameworktest.NewAuthority(t)
	s := serve(t, layer.TLSFiles{ClientCA: ca.File})
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		c := &tls.Config{
			MaxVersion: version, ClientSessionCache: tls.NewLRUClientSessionCache(1),
			Certificates: []tls.Certificate{ca.Issue(t, "alice").Pair(t)},
		}
		for _, resumed := range []bool{false, true} {
			conn := s.mustDial(t, c)
			require.Equal(t, "hello\n", frameworktest.Ask(t, conn, "hello\n"))
			require.Equal(t, resumed, conn.ConnectionState().DidResume)
			require.Equal(t, "CN=alice,O=Example", (<-s.seen).TLS.Client.Subject)
			require.Equal(t, "bye\n", frameworktest.End(t, conn))
		}
	}
}

// A client gets the certificate for the name that it asks for, or else the first.
func TestServerNames(t *testing.T) {
	ca := frameworktest.NewAuthority(t)
	s := serve(t, layer.TLSFiles{Pairs: []layer.Pair{
		layer.Pair(ca.Issue(t, "127.0.0.1", "one.example")), layer.Pair(ca.Issue(t, "*.two.example")),
	}})
	s.ca = ca
	for name, subject := range map[string]string{"one.example": "127.0.0.1", "a.two.example": "*.two.example", "127.0.0.1": "127.0.0.1"} {
		conn := s.mustDial(t, &tls.Config{ServerName: name})
		require.Equal(t, subject, conn.ConnectionState().PeerCertificates[0].Subject.CommonName)
		if r := <-s.seen; net.ParseIP(name) == nil { // addresses are not sent
			require.Equal(t, name, r.TLS.ServerName)
		}
	}
}

// Only clients with a certificate of the authority are served, and handlers know it.
func TestClientCertificates(t *testing.T) {
	ca := frameworktest.NewAuthority(t)
	s := serve(t, layer.TLSFiles{ClientCA: ca.File, ALPN: []string{"one", "two"}})
	alice := ca.Issue(t, "alice").Pair(t)
	conn := s.mustDial(t, &tls.Config{Certificates: []tls.Certificate{alice}, NextProtos: []string{"two"}, MaxVersion: tls.VersionTLS12})
	require.Equal(t, "hello\n", frameworktest.Ask(t, conn, "hello\n"))
	got := (<-s.seen).TLS
	require.Equal(t, []string{"TLSv1.2", "two"}, []string{got.Version, got.Protocol})
	require.Equal(t, "CN=alice,O=Example", got.Client.Subject)
	require.Equal(t, "CN=authority", got.Client.Issuer)
	require.NotEmpty(t, got.Client.Serial)
	own, err := x509.ParseCertificate(got.PeerCertificates[0])
	require.NoError(t, err)
	require.Equal(t, alice.Leaf.Raw, own.Raw)
	for _, refused := range []*tls.Config{
		{}, {Certificates: []tls.Certificate{frameworktest.NewAuthority(t).Issue(t, "mallory").Pair(t)}},
	} {
		refused.MaxVersion = tls.VersionTLS12 // where the client learns of it within the handshake
		_, err := s.dial(t, refused)
		require.Error(t, err)
	}
	require.NoError(t, conn.Close())
	err = s.errors(t)
	require.ErrorContains(t, err, "handshake: client didn't provide a certificate")
	require.ErrorContains(t, err, "handshake: the client's certificate is not accepted: ")
}

// New files are used by the connections to come; those that are wrong are not.
func TestReload(t *testing.T) {
	ca := frameworktest.NewAuthority(t)
	first, second := ca.Issue(t, "127.0.0.1", "first"), ca.Issue(t, "127.0.0.1", "second")
	s := serve(t, layer.TLSFiles{Pairs: []layer.Pair{layer.Pair(first)}})
	s.ca = ca
	before := s.mustDial(t, &tls.Config{})
	replace := func(with frameworktest.Certificate) (bool, error) {
		for to, from := range map[string]string{first.Certificate: with.Certificate, first.Key: with.Key} {
			text, err := os.ReadFile(from)
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(to, text, 0o600))
		}
		return s.layer.Reload()
	}
	changed, err := s.layer.Reload()
	require.NoError(t, err)
	require.False(t, changed)
	_, err = replace(frameworktest.Certificate{Certificate: second.Certificate, Key: ca.Issue(t, "third").Key})
	require.ErrorContains(t, err, "the key is not that of the certificate")
	require.Contains(t, s.mustDial(t, &tls.Config{}).ConnectionState().PeerCertificates[0].DNSNames, "first")
	changed, err = replace(second)
	require.NoError(t, err)
	require.True(t, changed)
	require.Contains(t, s.mustDial(t, &tls.Config{}).ConnectionState().PeerCertificates[0].DNSNames, "second")
	require.Equal(t, "still\n", frameworktest.Ask(t, before, "still\n"))
}
