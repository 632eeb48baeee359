package websocket_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/framework/layer/websocket"
)

// A placed connection is one between other addresses.
type placed struct {
	net.Conn
	server, client string
}

func (c placed) LocalAddr() net.Addr  { return tcp(c.server) }
func (c placed) RemoteAddr() net.Addr { return tcp(c.client) }

func tcp(ip string) net.Addr {
	return net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(ip), 8000))
}

// A proved connection has passed TLS.
type proved struct{ placed }

func (proved) TLS() *framework.TLS { return &framework.TLS{} }

// A page is that of its server by its name, unless somebody else may have that name lead to this machine (DNS rebinding).
func TestNameOfPage(t *testing.T) {
	const server, client, other = "192.0.2.1", "192.0.2.7", "https://other.example"
	for name, c := range map[string]struct {
		server, client string
		host           string
		origins        []string
		status         int
	}{
		"localhost":                        {"127.0.0.1", "127.0.0.1", "localhost:8000", nil, 101},
		"localhost at the usual port":      {"127.0.0.1", "127.0.0.1", "localhost", nil, 101},
		"localhost with a dot":             {"127.0.0.1", "127.0.0.1", "localhost.:8000", nil, 101},
		"localhost in upper case":          {"127.0.0.1", "127.0.0.1", "LOCALHOST:8000", nil, 101},
		"below localhost":                  {"127.0.0.1", "127.0.0.1", "app.localhost:8000", nil, 101},
		"an address":                       {"127.0.0.1", "127.0.0.1", "127.0.0.1:8000", nil, 101},
		"another address of loopback":      {"127.0.0.2", "127.0.0.1", "127.0.0.2", nil, 101},
		"loopback of IPv6":                 {"::1", "::1", "[::1]:8000", nil, 101},
		"loopback of IPv6 without a port":  {"::1", "::1", "[::1]", nil, 101},
		"name to loopback":                 {"127.0.0.1", "127.0.0.1", "evil.example:8000", nil, 403},
		"name without a port":              {"127.0.0.1", "127.0.0.1", "evil.example", nil, 403},
		"name with a dot":                  {"127.0.0.1", "127.0.0.1", "evil.example.:8000", nil, 403},
		"name like localhost":              {"127.0.0.1", "127.0.0.1", "localhost.evil.example:8000", nil, 403},
		"name that ends like localhost":    {"127.0.0.1", "127.0.0.1", "evillocalhost:8000", nil, 403},
		"name like an address":             {"127.0.0.1", "127.0.0.1", "127.0.0.1.evil.example:8000", nil, 403},
		"name to another loopback":         {"127.0.0.2", "127.0.0.1", "evil.example:8000", nil, 403},
		"name to loopback of IPv6":         {"::1", "::1", "evil.example:8000", nil, 403},
		"name to a mapped loopback":        {"::ffff:127.0.0.1", "::ffff:127.0.0.1", "evil.example:8000", nil, 403},
		"name to another own address":      {server, server, "evil.example:8000", nil, 403},
		"name to another machine":          {server, client, "chat.example:8000", nil, 101},
		"name to another machine, IPv6":    {"2001:db8::1", "2001:db8::7", "chat.example", nil, 101},
		"proxy on this machine":            {"127.0.0.1", "127.0.0.1", "chat.example", nil, 403},
		"proxy on this machine, named":     {"127.0.0.1", "127.0.0.1", "chat.example", []string{"https://other.example", "http://CHAT.example"}, 101},
		"every page":                       {"127.0.0.1", "127.0.0.1", "evil.example:8000", []string{"*"}, 101},
		"others are named":                 {"127.0.0.1", "127.0.0.1", "evil.example:8000", []string{other}, 403},
		"others are named, not its own":    {"127.0.0.1", "127.0.0.1", "localhost:8000", []string{other}, 403},
		"others are named, to a far place": {server, client, "chat.example", []string{other}, 403},
	} {
		t.Run(name, func(t *testing.T) {
			try := func(place func(placed) net.Conn) (status int, err error) {
				ours, theirs := net.Pipe()
				defer ours.Close()
				defer theirs.Close()
				wrapped := make(chan error, 1)
				go func() {
					_, err := websocket.New(websocket.Options{Origins: c.origins}).Wrap(t.Context(), place(placed{ours, c.server, c.client}))
					wrapped <- err
				}()
				_, err = io.WriteString(theirs, strings.Replace(request, "example.com:8000", c.host, 1)+"Origin: http://"+strings.ToLower(c.host)+"\r\n\r\n")
				require.NoError(t, err)
				answer, err := http.ReadResponse(bufio.NewReader(theirs), nil)
				require.NoError(t, err)
				_, _ = io.Copy(io.Discard, answer.Body)
				require.NoError(t, answer.Body.Close())
				return answer.StatusCode, <-wrapped
			}
			status, err := try(func(p placed) net.Conn { return p })
			require.Equal(t, c.status, status)
			if c.status == http.StatusForbidden && len(c.origins) == 0 {
				host, _, _ := strings.Cut(c.host, ":")
				require.ErrorContains(t, err, host)
				require.ErrorContains(t, err, "only if origins names them")
				require.ErrorContains(t, err, "origins = [")
			}
			status, _ = try(func(p placed) net.Conn { return proved{p} })
			require.Equal(t, len(c.origins) > 0 && c.status == http.StatusForbidden, status == http.StatusForbidden, "with a certificate")
		})
	}
}

// A page of another origin is the most common mistake: the log has the origin, as a value that cannot be taken for more, and
// the next step.
func TestOtherOriginIsNamed(t *testing.T) {
	for origin, c := range map[string]struct {
		origins []string
		want    string
	}{
		"https://page.example": {nil, `this one is of "https://page.example" (status 403); if the page is yours, name its origin in the transport, as in origins = ["https://example.com"]`},
		"http://page.example":  {[]string{"https://page.example"}, `this one is of "http://page.example" (status 403); if the page is yours, add its origin to origins of the transport`},
		"null":                 {nil, `this one is of "null" (status 403); a page that was opened as a file has no origin: serve it by HTTP, or write origins = ["*"] in the transport`},
		"\u202e\"; rm" + strings.Repeat("x", 999): {nil, `this one is of "\u202e\"; rm` + strings.Repeat("x", 94) + `" (status 403); if`},
	} {
		ours, theirs := net.Pipe()
		wrapped := make(chan error, 1)
		go func() {
			_, err := websocket.New(websocket.Options{Origins: c.origins}).Wrap(t.Context(), ours)
			wrapped <- err
		}()
		_, err := io.WriteString(theirs, request+"Origin: "+origin+"\r\n\r\n")
		require.NoError(t, err)
		answer, err := http.ReadResponse(bufio.NewReader(theirs), nil)
		require.NoError(t, err)
		_, _ = io.Copy(io.Discard, answer.Body)
		require.NoError(t, answer.Body.Close())
		require.Equal(t, http.StatusForbidden, answer.StatusCode)
		require.ErrorContains(t, <-wrapped, c.want)
		_, _ = ours.Close(), theirs.Close()
	}
}
