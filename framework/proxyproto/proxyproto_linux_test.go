package proxyproto_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/framework/frameworktest"
	"github.com/go-socketserver/socketserver/framework/proxyproto"
)

func TestMain(m *testing.M) {
	framework.RestorePreamble = proxyproto.Restore
	framework.ServeWorker(whoami)
	os.Setenv("GORACE", "atexit_sleep_ms=0") // children would sleep a second each
	os.Exit(m.Run())
}

// whoami answers a line with the addresses of the client and the server, and the line.
var whoami = framework.Define(struct{}{}, func(struct{}) (*framework.HandlerClass, error) {
	return &framework.HandlerClass{New: func() framework.Handler { return &handler{} }}, nil
})

type handler struct{ framework.StreamRequestHandler }

func (h *handler) Handle(rfile *bufio.Reader, wfile io.Writer) error {
	line, err := rfile.ReadString('\n')
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(wfile, "%s %s %s", h.ClientAddress, h.LocalAddress, line)
	return err
}

const (
	one = "PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\n"
	two = "\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c\xc0\x00\x02\x02\xc6\x33\x64\x01\xdc\x04\x01\xbb"
)

func serve(t *testing.T, strategy framework.Strategy, o proxyproto.Options) (*framework.BaseServer, *frameworktest.Log, <-chan framework.Refusal) {
	t.Helper()
	s := frameworktest.NewServer(t, "tcp", frameworktest.Class(t, whoami, ""))
	log, refused := frameworktest.NewLog(), make(chan framework.Refusal, 16)
	s.Strategy, s.Log, s.Preamble = strategy, log.Logger(), proxyproto.Preamble(o)
	s.Trace = &framework.Trace{Refused: func(_ *framework.Request, why framework.Refusal) { refused <- why }}
	frameworktest.Serve(t, s)
	return s, log, refused
}

func loopback() []netip.Prefix { return []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")} }

// Handlers see the addresses of the header wherever they run, and all that follows it, however it
// arrives; limits count the client.
func TestAddressesOfTheHeader(t *testing.T) {
	for name, strategy := range map[string]framework.Strategy{
		"threading": &framework.Threading{}, "forking": &framework.Forking{}, "preforking": &framework.Preforking{Workers: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, _, _ := serve(t, strategy, proxyproto.Options{From: loopback(), Require: true, Timeout: time.Minute})
			for header, want := range map[string]string{
				one: "192.0.2.1:56324 198.51.100.1:443 hello\n", two: "192.0.2.2:56324 198.51.100.1:443 hello\n",
			} {
				c := frameworktest.Dial(t, s)
				frameworktest.Send(t, c, header+"hello\n")
				frameworktest.Expect(t, c, want)
				slow := frameworktest.Dial(t, s)
				for text := header + "hello\n"; text != ""; text = text[1:] {
					frameworktest.Send(t, slow, text[:1])
				}
				frameworktest.Expect(t, slow, want)
			}
			own := frameworktest.Dial(t, s)
			frameworktest.Send(t, own, "PROXY UNKNOWN\r\nhello\n")
			frameworktest.Expect(t, own, own.LocalAddr().String()+" "+s.Addr().String()+" hello\n")
		})
	}
}

// Where there are more networks than workers can be described the server accepts.
func TestManyNetworks(t *testing.T) {
	from := loopback()
	for n := range 12_000 {
		from = append(from, netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(n >> 8), byte(n), 0}), 24))
	}
	s, log, _ := serve(t, &framework.Preforking{Workers: 1}, proxyproto.Options{From: from, Require: true, Timeout: time.Minute})
	c := frameworktest.Dial(t, s)
	frameworktest.Send(t, c, one+"hello\n")
	frameworktest.Expect(t, c, "192.0.2.1:56324 198.51.100.1:443 hello\n")
	require.Contains(t, log.String(), "the server accepts for its workers")
}

// What does not begin with a header is closed, with a reason of its own; an address that may not
// send one is not believed.
func TestNoHeader(t *testing.T) {
	t.Run("threading", func(t *testing.T) {
		testNoHeader(t, func() framework.Strategy { return &framework.Threading{} }, "client=")
	})
	t.Run("preforking", func(t *testing.T) {
		testNoHeader(t, func() framework.Strategy { return &framework.Preforking{Workers: 1} }, "pid=") // of the worker
	})
}

// testNoHeader is TestNoHeader under a strategy whose log goes on with next after its message.
func testNoHeader(t *testing.T, strategy func() framework.Strategy, next string) {
	s, log, refused := serve(t, strategy(), proxyproto.Options{From: loopback(), Require: true, Timeout: 50 * time.Millisecond})
	for text, want := range map[string]string{
		"GET / HTTP/1.0\r\n\r\n": "client refused: read preamble: it does not begin with a PROXY header",
		"PROXY TCP4 \x00 \r\n":   "client refused: read preamble: the line of the PROXY header should have six words",
		"":                       "client refused: read preamble: the PROXY header has not come within 50ms: " + next,
	} {
		c := frameworktest.Dial(t, s)
		frameworktest.Send(t, c, text)
		frameworktest.ExpectEnd(t, c)
		require.Equal(t, framework.RefusedPreamble, frameworktest.Await(t, refused))
		log.Await(t, want)
	}
	require.NoError(t, frameworktest.Dial(t, s).Close()) // as a balancer that looks whether it can connect
	require.Equal(t, framework.RefusedPreamble, frameworktest.Await(t, refused))

	spoof := func(s *framework.BaseServer) net.Conn {
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}
		c, err := d.Dial("tcp", s.Addr().String())
		require.NoError(t, err)
		return frameworktest.Adopt(t, c)
	}
	frameworktest.ExpectEnd(t, spoof(s))
	require.Equal(t, framework.RefusedUntrusted, frameworktest.Await(t, refused))
	log.Await(t, "only the proxies of proxy_protocol.from may connect")

	s, _, _ = serve(t, strategy(), proxyproto.Options{From: loopback()})
	c := spoof(s)
	frameworktest.Send(t, c, "PROXY TCP4 192.0.2.1 198.51.100.1 1 2\n")
	frameworktest.Expect(t, c, c.LocalAddr().String()+" "+s.Addr().String()+" PROXY TCP4 192.0.2.1 198.51.100.1 1 2\n")
}

// Workers of preforking accept and read the header themselves: a hand-over would cost more than half of a short connection.
func TestWorkersAccept(t *testing.T) {
	s := frameworktest.NewServer(t, "tcp", frameworktest.Class(t, whoami, ""))
	s.Strategy, s.Log, s.Preamble = &framework.Preforking{Workers: 1}, frameworktest.NewLog().Logger(), proxyproto.Preamble(proxyproto.Options{From: loopback()})
	require.NoError(t, s.Listen())
	defer func() { require.NoError(t, s.Close()) }()
	s.Timeout = time.Nanosecond // if it did accept
	require.ErrorContains(t, s.HandleRequest(), "requests come to the workers")
}
