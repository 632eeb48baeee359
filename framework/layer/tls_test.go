package layer_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/framework/frameworktest"
	"github.com/go-socketserver/socketserver/framework/layer"
	"github.com/go-socketserver/socketserver/framework/plugin"
)

func TestMain(m *testing.M) {
	if os.Getenv("SOCKETSERVER_PLUGIN") != "" {
		plugin.Serve(constructor)
	}
	framework.RestoreLayer = layer.Restore
	framework.ServeWorker(constructor)
	os.Setenv("GORACE", "atexit_sleep_ms=0") // workers would sleep a second each
	os.Exit(m.Run())
}

// constructor is that of the handler of all tests.
var constructor = framework.Define(struct{}{}, func(struct{}) (*framework.HandlerClass, error) {
	return &framework.HandlerClass{New: func() framework.Handler { return &lines{} }}, nil
})

// lines sends back lines, and then what has ended its input. It answers tls with what it knows of the
// client, and process with the number of its own.
type lines struct{ framework.StreamRequestHandler }

func (h *lines) Handle(rfile *bufio.Reader, wfile io.Writer) error {
	for {
		line, err := rfile.ReadString('\n')
		switch {
		case err != nil:
			_, _ = fmt.Fprintln(wfile, "bye:", err)
			return err
		case line == "tls\n":
			err = json.NewEncoder(wfile).Encode(h.TLS)
		case line == "process\n":
			_, err = fmt.Fprintln(wfile, os.Getpid())
		default:
			_, err = io.WriteString(wfile, line)
		}
		if err != nil {
			return err
		}
	}
}

// A server is one with a TLS layer.
type server struct {
	*framework.BaseServer
	layer *layer.TLS
	ca    *frameworktest.Authority

	mu     sync.Mutex
	failed []error // of requests, in their order
}

// everywhere runs a test of TLS that ends in the server's process, and in its workers.
func everywhere(t *testing.T, test func(t *testing.T, strategy func() framework.Strategy)) {
	for name, strategy := range map[string]func() framework.Strategy{
		"here":                       func() framework.Strategy { return &framework.Threading{} },
		"in workers":                 func() framework.Strategy { return &framework.Preforking{Workers: 2} },
		"in workers without the key": func() framework.Strategy { return isolating{&framework.Preforking{Workers: 2}} },
		"in workers that are handed": func() framework.Strategy { return dispatching{&framework.Preforking{Workers: 2}} },
		"in children":                func() framework.Strategy { return &framework.Forking{MaxRequests: 5, MaxChildren: 8} },
		"in children without the key": func() framework.Strategy {
			return isolatingChildren{&framework.Forking{MaxRequests: 5, MaxChildren: 8}}
		},
		"in a plugin": func() framework.Strategy { return plugged{&framework.Threading{}} },
	} {
		t.Run(name, func(t *testing.T) {
			if runtime.GOOS != "linux" && name != "here" {
				t.Skip("workers need Linux")
			}
			test(t, strategy)
		})
	}
}

type (
	isolating         struct{ *framework.Preforking } // the keys stay in this process
	isolatingChildren struct{ *framework.Forking }
	dispatching       struct{ *framework.Preforking } // this process accepts, as a limit is about all clients
	plugged           struct{ *framework.Threading }  // handlers are a plugin's
)

// serve serves with a certificate of ca for 127.0.0.1 and localhost unless files have some.
func serve(t *testing.T, strategy framework.Strategy, ca *frameworktest.Authority, files layer.TLSFiles, changes ...func(*framework.BaseServer)) *server {
	t.Helper()
	if files.Pairs == nil {
		files.Pairs = []layer.Pair{layer.Pair(ca.Issue(t, "localhost", "127.0.0.1"))}
	}
	s := &server{ca: ca}
	var err error
	limits := (*framework.Limits)(nil)
	switch strategy.(type) {
	case isolating, isolatingChildren:
		files.Isolated = true
	case dispatching:
		limits = &framework.Limits{Rate: framework.Rate{N: 1000, Per: time.Second}}
	}
	s.layer, err = layer.NewTLS(files)
	require.NoError(t, err)
	s.BaseServer = frameworktest.NewServer(t, "tcp", frameworktest.Class(t, constructor, ""))
	s.Strategy, s.Layers, s.Limits = strategy, []framework.Layer{s.layer}, limits
	s.Trace = &framework.Trace{Ended: func(_ *framework.Request, o framework.Outcome) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.failed = append(s.failed, o.Err)
	}}
	for _, change := range changes {
		change(s.BaseServer)
	}
	if _, ok := strategy.(plugged); ok {
		s.Class = plug(t, s.Timeouts)
	}
	frameworktest.Serve(t, s.BaseServer)
	return s
}

// plug returns the class of this program as a plugin.
func plug(t *testing.T, timeouts framework.Timeouts) *framework.HandlerClass {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	class, err := plugin.Open(t.Context(), plugin.Settings{
		Name: "lines", Definition: plugin.Definition{Path: self}, Server: "test", Timeouts: timeouts, Log: hclog.NewNullLogger(),
	})
	require.NoError(t, err)
	return class
}

// errors waits for all requests and returns what they ended with, but for the regular end of what clients send.
func (s *server) errors(t *testing.T) error {
	t.Helper()
	frameworktest.Shutdown(t, s.BaseServer)
	s.mu.Lock()
	defer s.mu.Unlock()
	for n, err := range s.failed {
		if errors.Is(err, io.EOF) {
			s.failed[n] = nil
		}
	}
	return errors.Join(s.failed...)
}

// whoAmI returns what the handler knows of the client.
func whoAmI(t *testing.T, conn net.Conn) *framework.TLS {
	t.Helper()
	known := new(framework.TLS)
	require.NoError(t, json.Unmarshal([]byte(frameworktest.Ask(t, conn, "tls\n")), known))
	return known
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
	everywhere(t, func(t *testing.T, strategy func() framework.Strategy) {
		s := serve(t, strategy(), frameworktest.NewAuthority(t), layer.TLSFiles{})
		conn := s.mustDial(t, &tls.Config{})
		require.Equal(t, "hello\n", frameworktest.Ask(t, conn, "hello\n"))
		require.Equal(t, "bye: EOF\n", frameworktest.End(t, conn))
		require.NoError(t, s.errors(t))
	})
}

// A connection that ends without close_notify is no regular end of what the client sends.
func TestTruncation(t *testing.T) {
	everywhere(t, func(t *testing.T, strategy func() framework.Strategy) {
		s := serve(t, strategy(), frameworktest.NewAuthority(t), layer.TLSFiles{})
		for name, rest := range map[string]string{"between records": "", "half a header": "\x17\x03", "half a record": "\x17\x03\x03\x00\x20half"} {
			conn := s.mustDial(t, &tls.Config{})
			frameworktest.Send(t, conn, "hello\n")
			frameworktest.Send(t, conn.NetConn(), rest)
			require.NoError(t, conn.NetConn().(*net.TCPConn).CloseWrite())
			answer, err := io.ReadAll(conn)
			require.NoError(t, err)
			require.Equal(t, "hello\nbye: "+layer.ErrTruncated.Error()+"\n", string(answer), name)
		}
		_ = s.errors(t)
		require.Len(t, s.failed, 3)
		for _, err := range s.failed {
			require.ErrorIs(t, err, framework.ErrPeerGone)
		}
	})
}

// What is no TLS after the handshake is the client's fault, as its leaving is, and no failure of the request.
func TestFaultAfterTheHandshake(t *testing.T) {
	everywhere(t, func(t *testing.T, strategy func() framework.Strategy) {
		s := serve(t, strategy(), frameworktest.NewAuthority(t), layer.TLSFiles{})
		for name, rest := range map[string]string{"a forged record": "\x17\x03\x03\x00\x20" + strings.Repeat("x", 32), "a record too long": "\x17\x03\x03\xff\xff", "clear text": "GET / HTTP/1.1\r\n"} {
			conn := s.mustDial(t, &tls.Config{})
			frameworktest.Send(t, conn, "hello\n")
			frameworktest.Send(t, conn.NetConn(), rest)
			_, err := io.ReadAll(conn)
			require.Error(t, err, name)
		}
		_ = s.errors(t)
		require.Len(t, s.failed, 3)
		for _, err := range s.failed {
			require.ErrorIs(t, err, framework.ErrPeerGone)
		}
	})
}

// A client in clear text gets an alert and the end of the connection, not a reset.
func TestClientWithoutTLS(t *testing.T) {
	everywhere(t, func(t *testing.T, strategy func() framework.Strategy) {
		s := serve(t, strategy(), frameworktest.NewAuthority(t), layer.TLSFiles{})
		conn := frameworktest.Dial(t, s.BaseServer)
		frameworktest.Send(t, conn, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
		answer, err := io.ReadAll(conn)
		require.NoError(t, err)
		require.Equal(t, []byte{21, 3, 1, 0, 2, 2, 70}, answer)
		err = s.errors(t)
		require.ErrorAs(t, err, new(*framework.HandshakeError))
		require.EqualError(t, err, `handshake: the client does not speak TLS: it began with "GET /"`)
	})
}

// A client that is silent in the handshake is gone after its time, and what it has ended with says so.
func TestSilentClient(t *testing.T) {
	everywhere(t, func(t *testing.T, strategy func() framework.Strategy) {
		s := serve(t, strategy(), frameworktest.NewAuthority(t), layer.TLSFiles{}, func(s *framework.BaseServer) { s.Timeouts.Handshake = 50 * time.Millisecond })
		answer, err := io.ReadAll(frameworktest.Dial(t, s.BaseServer))
		require.NoError(t, err)
		require.Empty(t, answer)
		err = s.errors(t)
		require.ErrorAs(t, err, new(*framework.HandshakeError))
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		require.ErrorContains(t, err, "timeouts.handshake of 50ms has passed")
	})
}

// One that is silent after the handshake is gone after timeouts.idle.
func TestIdleClient(t *testing.T) {
	everywhere(t, func(t *testing.T, strategy func() framework.Strategy) {
		s := serve(t, strategy(), frameworktest.NewAuthority(t), layer.TLSFiles{}, func(s *framework.BaseServer) { s.Timeouts.Idle = 50 * time.Millisecond })
		answer, err := io.ReadAll(s.mustDial(t, &tls.Config{}))
		require.NoError(t, err)
		require.Contains(t, string(answer), "bye: timeouts.idle of 50ms has passed")
		require.ErrorIs(t, s.errors(t), os.ErrDeadlineExceeded)
	})
}

// A server that stops waits for no handshake, wherever that is done.
func TestStopEndsHandshakes(t *testing.T) {
	everywhere(t, func(t *testing.T, strategy func() framework.Strategy) {
		started := make(chan struct{}, 1)
		s := serve(t, strategy(), frameworktest.NewAuthority(t), layer.TLSFiles{}, func(s *framework.BaseServer) {
			s.Trace.Started = func(*framework.Request, framework.Place, int) { started <- struct{}{} }
		})
		silent := frameworktest.Dial(t, s.BaseServer)
		frameworktest.Await(t, started)
		s.Stop()
		_, err := io.ReadAll(silent)
		require.NoError(t, err)
		require.ErrorAs(t, s.errors(t), new(*framework.HandshakeError))
	})
}

// What is below TLS 1.2, and what has no forward secrecy or is CBC, is not spoken.
func TestWeakClients(t *testing.T) {
	everywhere(t, func(t *testing.T, strategy func() framework.Strategy) {
		ca := frameworktest.NewAuthority(t)
		s := serve(t, strategy(), ca, layer.TLSFiles{})
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
		only := serve(t, strategy(), ca, layer.TLSFiles{MinVersion: "1.3"})
		_, err = only.dial(t, &tls.Config{MaxVersion: tls.VersionTLS12})
		require.ErrorContains(t, err, "protocol version not supported")
		_ = only.mustDial(t, &tls.Config{}).Close()
		require.ErrorContains(t, only.errors(t), "the client does not speak TLS 1.3 or newer")
		err = s.errors(t)
		require.ErrorContains(t, err, "the client does not speak TLS 1.2 or newer")
		require.ErrorContains(t, err, "the client offers no cipher suite with forward secrecy and without CBC")
		require.NotContains(t, err.Error(), "client offered")
	})
}

// A client that sends what cannot be TLS within TLS is told so, and the log in words.
func TestMalformedHello(t *testing.T) {
	everywhere(t, func(t *testing.T, strategy func() framework.Strategy) {
		s := serve(t, strategy(), frameworktest.NewAuthority(t), layer.TLSFiles{})
		conn := frameworktest.Dial(t, s.BaseServer)
		frameworktest.Send(t, conn, "\x16\x03\x01\x00\x08\x01\x00\x00\x04hell") // a ClientHello that is none
		answer, err := io.ReadAll(conn)
		require.NoError(t, err)
		require.Equal(t, byte(21), answer[0], "an alert")
		require.EqualError(t, s.errors(t), "handshake: the client does not keep to TLS: error decoding message")
	})
}

// A client that comes back resumes its session, in whatever worker, and is known by its certificate then, too.
func TestResumption(t *testing.T) {
	everywhere(t, func(t *testing.T, strategy func() framework.Strategy) {
		ca := frameworktest.NewAuthority(t)
		s := serve(t, strategy(), ca, layer.TLSFiles{ClientCA: ca.File})
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			c := &tls.Config{
				MaxVersion: version, ClientSessionCache: tls.NewLRUClientSessionCache(1),
				Certificates: []tls.Certificate{ca.Issue(t, "alice").Pair(t)},
			}
			for n := range 16 {
				conn := s.mustDial(t, c)
				require.Equal(t, "CN=alice,O=Example", whoAmI(t, conn).Client.Subject)
				require.Equal(t, n > 0, conn.ConnectionState().DidResume)
				require.Equal(t, "bye: EOF\n", frameworktest.End(t, conn))
			}
		}
	})
}

// A client gets the certificate for the name that it asks for, or else the first.
func TestServerNames(t *testing.T) {
	everywhere(t, func(t *testing.T, strategy func() framework.Strategy) {
		ca := frameworktest.NewAuthority(t)
		s := serve(t, strategy(), ca, layer.TLSFiles{Pairs: []layer.Pair{
			layer.Pair(ca.Issue(t, "127.0.0.1", "one.example")), layer.Pair(ca.Issue(t, "*.two.example")),
		}})
		for name, subject := range map[string]string{"one.example": "127.0.0.1", "a.two.example": "*.two.example", "127.0.0.1": "127.0.0.1"} {
			conn := s.mustDial(t, &tls.Config{ServerName: name})
			require.Equal(t, subject, conn.ConnectionState().PeerCertificates[0].Subject.CommonName)
			if net.ParseIP(name) == nil { // addresses are not sent
				require.Equal(t, name, whoAmI(t, conn).ServerName)
			}
		}
		conn := tls.Client(frameworktest.Dial(t, s.BaseServer), &tls.Config{ServerName: "a\nSSL_CLIENT_VERIFY=SUCCESS\x00", InsecureSkipVerify: true})
		require.Equal(t, `a\nSSL_CLIENT_VERIFY=SUCCESS\x00`, whoAmI(t, conn).ServerName)
	})
}

// Only clients with a certificate of the authority are served, and handlers know it.
func TestClientCertificates(t *testing.T) {
	everywhere(t, func(t *testing.T, strategy func() framework.Strategy) {
		ca := frameworktest.NewAuthority(t)
		s := serve(t, strategy(), ca, layer.TLSFiles{ClientCA: ca.File, ALPN: []string{"one", "two"}})
		alice := ca.Issue(t, "alice").Pair(t)
		conn := s.mustDial(t, &tls.Config{Certificates: []tls.Certificate{alice}, NextProtos: []string{"two"}, MaxVersion: tls.VersionTLS12})
		got := whoAmI(t, conn)
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
	})
}

// What a client's certificate says has no control characters, and there is a bound on its certificates.
func TestHostileCertificate(t *testing.T) {
	everywhere(t, func(t *testing.T, strategy func() framework.Strategy) {
		ca := frameworktest.NewAuthority(t)
		s := serve(t, strategy(), ca, layer.TLSFiles{ClientCA: ca.File})
		mallory := ca.Issue(t, "mallory\x1b[2J\nCN=root").Pair(t)
		conn := s.mustDial(t, &tls.Config{Certificates: []tls.Certificate{mallory}})
		subject := whoAmI(t, conn).Client.Subject
		require.Contains(t, subject, "mallory")
		require.NotRegexp(t, `[[:cntrl:]]`, subject)
		require.NoError(t, conn.Close())
		for size := 0; size <= 64<<10; size += len(mallory.Leaf.Raw) {
			mallory.Certificate = append(mallory.Certificate, mallory.Leaf.Raw)
		}
		conn, err := s.dial(t, &tls.Config{Certificates: []tls.Certificate{mallory}, MaxVersion: tls.VersionTLS12})
		require.Error(t, err)
		_, _ = io.Copy(io.Discard, conn.NetConn()) // until the server is done with it
		require.Regexp(t, "the client's certificates have [0-9]+ bytes, and at most 65536 are accepted", s.errors(t))
	})
}

// New files are used by the connections to come; those that are wrong are not.
func TestReload(t *testing.T) {
	everywhere(t, func(t *testing.T, strategy func() framework.Strategy) {
		ca := frameworktest.NewAuthority(t)
		first, second := ca.Issue(t, "127.0.0.1", "first"), ca.Issue(t, "127.0.0.1", "second")
		s := serve(t, strategy(), ca, layer.TLSFiles{Pairs: []layer.Pair{layer.Pair(first)}})
		before := s.mustDial(t, &tls.Config{})
		replace := func(with frameworktest.Certificate) (bool, error) {
			for to, from := range map[string]string{first.Certificate: with.Certificate, first.Key: with.Key} {
				text, err := os.ReadFile(from)
				require.NoError(t, err)
				require.NoError(t, os.WriteFile(to, text, 0o600))
			}
			return s.layer.Reload()
		}
		shown := func() string { return s.mustDial(t, &tls.Config{}).ConnectionState().PeerCertificates[0].DNSNames[0] }
		changed, err := s.layer.Reload()
		require.NoError(t, err)
		require.False(t, changed)
		_, err = replace(frameworktest.Certificate{Certificate: second.Certificate, Key: ca.Issue(t, "third").Key})
		require.ErrorContains(t, err, "the key is not that of the certificate")
		require.Equal(t, "first", shown())
		changed, err = replace(second)
		require.NoError(t, err)
		require.True(t, changed)
		for shown() == "first" { // workers get it a moment later
			runtime.Gosched()
		}
		require.Equal(t, "still\n", frameworktest.Ask(t, before, "still\n"))
	})
}

// Workers accept, and end TLS, themselves, with whatever number of authorities.
func TestWorkersEndTLS(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("workers need Linux")
	}
	ca := frameworktest.NewAuthority(t)
	one, err := os.ReadFile(ca.File)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(ca.File, bytes.Repeat(one, 512), 0o600)) // 200 KiB do not fit into a frame
	s := serve(t, &framework.Preforking{Workers: 1}, ca, layer.TLSFiles{ClientCA: ca.File})
	conn := s.mustDial(t, &tls.Config{Certificates: []tls.Certificate{ca.Issue(t, "alice").Pair(t)}})
	require.NotEqual(t, fmt.Sprintln(os.Getpid()), frameworktest.Ask(t, conn, "process\n"))
	require.Zero(t, s.Active(), "requests of this process")
}

// A plugin ends TLS itself, and has no private key. The server does so where the plugin cannot, as it was built with
// another version of this package, and for a process of one request.
func TestPluginsEndTLS(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("plugins need Linux")
	}
	for name, c := range map[string]struct {
		strategy framework.Strategy
		layers   bool
		here     bool
	}{
		"synchronous": {strategy: &framework.Synchronous{}, layers: true},
		"threading":   {strategy: &framework.Threading{}, layers: true},
		"reused":      {strategy: &framework.Forking{MaxRequests: 5}, layers: true},
		"preforking":  {strategy: &framework.Preforking{Workers: 1}, layers: true},
		"forking":     {strategy: &framework.Forking{}, layers: true, here: true},
		"other":       {strategy: &framework.Threading{}, here: true},
	} {
		t.Run(name, func(t *testing.T) {
			known := make(chan *framework.TLS, 1)
			s := serve(t, c.strategy, frameworktest.NewAuthority(t), layer.TLSFiles{}, func(s *framework.BaseServer) {
				s.Class = plug(t, framework.Timeouts{})
				require.True(t, s.Class.Program.Layers)
				s.Class.Program.Layers = c.layers
				s.Trace.Ended = func(r *framework.Request, _ framework.Outcome) { known <- r.TLS }
			})
			conn := s.mustDial(t, &tls.Config{})
			require.NotEqual(t, fmt.Sprintln(os.Getpid()), frameworktest.Ask(t, conn, "process\n"))
			require.Equal(t, "TLSv1.3", whoAmI(t, conn).Version)
			require.NoError(t, conn.Close())
			require.Equal(t, c.here, frameworktest.Await(t, known) != nil, "the server has seen its handshake")
			text, _ := s.layer.Describe()
			require.Equal(t, c.here, bytes.Contains(text, []byte(`"key"`)), "who gets it gets the key")
		})
	}
}

// A client that no process can serve learns that by TLS, of which the server has what it needs.
func TestUnavailableByTLS(t *testing.T) {
	s := serve(t, &framework.Threading{}, frameworktest.NewAuthority(t), layer.TLSFiles{}, func(s *framework.BaseServer) {
		gone := &framework.UnavailableError{Text: "try later\n", Err: errors.New("it has gone")}
		s.Class = &framework.HandlerClass{
			Executor: framework.InWorker(func(context.Context) (*framework.Worker, error) { return nil, gone }),
			Program:  &framework.Program{Path: "/gone", Layers: true},
		}
	})
	answer, err := io.ReadAll(s.mustDial(t, &tls.Config{}))
	require.NoError(t, err)
	require.Equal(t, "try later\n", string(answer))
	require.ErrorContains(t, s.errors(t), "it has gone")
}

// Clients that are silent after the handshake hold at most half of the children, also where those do it.
func TestSilentClientsLeaveChildren(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("children need Linux")
	}
	f := &framework.Forking{MaxRequests: 5, MaxChildren: 4}
	s := serve(t, f, frameworktest.NewAuthority(t), layer.TLSFiles{})
	for range 8 {
		s.mustDial(t, &tls.Config{})
	}
	require.Len(t, f.ActiveChildren(), 2)
	require.Equal(t, "hello\n", frameworktest.Ask(t, s.mustDial(t, &tls.Config{}), "hello\n"))
}
