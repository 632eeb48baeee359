package client

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"net"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework/frameworktest"
)

func TestParseAddress(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]Address{
		"tcp://localhost:1":         {Network: "tcp", Host: "localhost:1"},
		"udp://[::1]:65535":         {Network: "udp", Host: "[::1]:65535"},
		"tls://example.org:443":     {Network: "tls", Host: "example.org:443"},
		"tcp://:21567":              {Network: "tcp", Host: "localhost:21567"},
		"unix:///run/server.sock":   {Network: "unix", Host: "/run/server.sock"},
		"unixgram://server.sock":    {Network: "unixgram", Host: "server.sock"},
		"unixpacket://server.sock":  {Network: "unixpacket", Host: "server.sock"},
		"vsock://host:9000":         {Network: "vsock", Host: "host:9000"},
		"unix://@abstract with : /": {Network: "unix", Host: "@abstract with : /"},
		"ws://:8000":                {Network: "ws", Host: "localhost:8000", Path: "/"},
		"wss://a:1/b%20c?d=%2F&e":   {Network: "wss", Host: "a:1", Path: "/b%20c?d=%2F&e"},
	} {
		got, err := ParseAddress(url)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	for url, want := range map[string]string{
		"localhost:1":        "not a URL",
		"http://localhost:1": `there is no "http"`,
		"tcp://":             "says nothing after tcp://",
		"unix://@":           "says nothing after unix://",
		"tcp://localhost":    "no port",
		"tcp://::1:1":        "without brackets",
		"tcp://localhost:":   `"" is no port`,
		"tcp://a:65536":      `"65536" is no port`,
		"udp://a:0":          `"0" is no port`,
		"udp://a:+1":         `"+1" is no port`,
		"ws://a:1/%":         "its path is malformed",
		"vsock://nine:9":     "no address of VSOCK",
	} {
		_, err := ParseAddress(url)
		require.ErrorContains(t, err, want)
		require.ErrorContains(t, err, url)
		require.ErrorContains(t, err, "; ")
	}
}

// A link-local address is one of its interface.
func TestZones(t *testing.T) {
	t.Parallel()
	for host, want := range map[string]string{
		"[fe80::1%eth0]:1":   "[fe80::1%eth0]:1",
		"[FE80::1%7]:1":      "[fe80::1%7]:1",
		"[ff02::1%br-a.1]:1": "[ff02::1%br-a.1]:1",
		"[::ffff:1.2.3.4]:1": "1.2.3.4:1",
	} {
		got, err := Address{Network: "tcp", Host: host}.resolve(t.Context())
		require.NoError(t, err)
		require.Equal(t, []string{want}, got)
	}
	interfaces, err := net.Interfaces()
	require.NoError(t, err)
	for _, i := range interfaces {
		addresses, _ := i.Addrs()
		for _, a := range addresses {
			ip, _, err := net.ParseCIDR(a.String())
			if err != nil || ip.To4() != nil || !ip.IsLinkLocalUnicast() {
				continue
			}
			host := ip.String() + "%" + i.Name
			l, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
			require.NoError(t, err)
			serveOn(t, l, echo)
			udp := servePackets(t, "udp", net.JoinHostPort(host, "0"), func(text string) []string { return []string{text} })
			for _, address := range []Address{{Network: "tcp", Host: l.Addr().String()}, udp} {
				_, port, err := net.SplitHostPort(address.Host)
				require.NoError(t, err)
				parsed, err := ParseAddress(address.Network + "://" + net.JoinHostPort(host, port)) // not every system tells the zone
				require.NoError(t, err)
				got, err := hold(t, Settings{Address: parsed, Mode: Ask}, "one\n")
				require.NoError(t, err)
				require.Contains(t, got, "one\n")
			}
		}
	}
}

// A server of one family is found by name, whatever the family.
func TestAllAddresses(t *testing.T) {
	t.Parallel()
	for _, host := range []string{"127.0.0.1", "[::1]"} {
		l, err := net.Listen("tcp", host+":0")
		if err != nil {
			t.Logf("there is no %s", host)
			continue
		}
		serveOn(t, l, echo)
		_, port, err := net.SplitHostPort(l.Addr().String())
		require.NoError(t, err)
		got, err := hold(t, Settings{Address: Address{Network: "tcp", Host: "localhost:" + port}}, "one\n")
		require.NoError(t, err)
		require.Equal(t, "one\n", got)
	}
}

func TestNobody(t *testing.T) {
	t.Parallel()
	_, port, err := net.SplitHostPort(frameworktest.Address(t, "tcp"))
	require.NoError(t, err)
	var unconnected *ConnectError
	for _, mode := range []string{Duplex, Each} {
		_, err = hold(t, Settings{Address: Address{Network: "tcp", Host: "localhost:" + port}, Mode: mode}, "one\n")
		require.ErrorAs(t, err, &unconnected)
		require.ErrorContains(t, err, "tcp://localhost:"+port+": could not connect: 127.0.0.1:"+port+": connection refused, [::1]:"+port+": ")
		require.ErrorContains(t, err, "; start the server, or check the address")
	}
	for _, network := range []string{"unix", "unixgram"} {
		_, err = hold(t, Settings{Address: Address{Network: network, Host: filepath.Join(t.TempDir(), "none")}}, "one\n")
		require.ErrorAs(t, err, &unconnected)
		require.ErrorContains(t, err, "no such file or directory; check the path, or start the server")
	}
}

// A server that accepts nothing is given up in time.
func TestConnectTimeout(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0") // speaks no TLS, and says nothing
	require.NoError(t, err)
	defer l.Close()
	_, err = hold(t, Settings{Address: Address{Network: "tls", Host: l.Addr().String()}, Timeout: 50 * time.Millisecond}, "")
	var unconnected *ConnectError
	require.ErrorAs(t, err, &unconnected)
	require.ErrorContains(t, err, "no answer in time")
}

func TestTLS(t *testing.T) {
	t.Parallel()
	authority := frameworktest.NewAuthority(t)
	l := listenTLS(t, authority, "server.example")
	serveOn(t, l, echo)
	address := Address{Network: "tls", Host: l.Addr().String()}
	pool := authority.Pool()
	for _, test := range []struct {
		config *tls.Config
		err    string
	}{
		{nil, "with --server-name"}, // is not for an address
		{&tls.Config{ServerName: "server.example"}, "name the file of its authority with --ca"},
		{&tls.Config{RootCAs: pool}, "with --server-name"},
		{&tls.Config{RootCAs: frameworktest.NewAuthority(t).Pool(), ServerName: "server.example"}, "the one that was named is of another"},
		{&tls.Config{RootCAs: pool, ServerName: "other.example"}, "with --server-name"},
		{&tls.Config{RootCAs: pool, ServerName: "server.example"}, ""},
		{&tls.Config{InsecureSkipVerify: true}, ""},
	} {
		got, err := hold(t, Settings{Address: address, TLS: test.config}, "one\n")
		if test.err != "" {
			var unconnected *ConnectError
			require.ErrorAs(t, err, &unconnected)
			require.ErrorContains(t, err, test.err)
			continue
		}
		require.NoError(t, err)
		require.Equal(t, "one\n", got)
	}
	alert := serve(t, func(conn net.Conn) {
		_ = until(conn, "\n")
		_, _ = conn.Write([]byte{21, 3, 1, 0, 2, 2, 10}) // as OpenSSL does; Go's servers close
	}).Host
	plain := serve(t, chunks).Host
	for _, test := range []struct{ network, host, err string }{
		{"tls", plain, "if the server does not speak TLS, write tcp://"},
		{"wss", plain, "if the server does not speak TLS, write ws://"},
		{"tcp", alert, "it answers with an alert of TLS; write tls://"},
		{"ws", address.Host, "if the server speaks TLS, write wss://"},
		{"tls", serve(t, func(conn net.Conn) { _ = until(conn, "\n") }).Host, "if the server does not speak TLS, write tcp://"},
	} {
		got, err := hold(t, Settings{Address: Address{Network: test.network, Host: test.host, Path: "/"}}, "hello world\n")
		var unconnected *ConnectError
		require.ErrorAs(t, err, &unconnected, test.network)
		require.ErrorContains(t, err, test.err)
		require.Empty(t, got)
	}
}

// An answer that was cut off is not taken for a whole one, in any mode.
func TestTLSTruncated(t *testing.T) {
	t.Parallel()
	l := listenTLS(t, frameworktest.NewAuthority(t), "server.example")
	serveOn(t, l, func(conn net.Conn) {
		_ = until(conn, "\n")
		fmt.Fprint(conn, "answer\n")
		_ = conn.(*tls.Conn).NetConn().Close()
	})
	for _, mode := range Modes {
		got, err := hold(t, Settings{Address: Address{Network: "tls", Host: l.Addr().String()}, Mode: mode, TLS: &tls.Config{InsecureSkipVerify: true}}, "one\n")
		require.ErrorIs(t, err, ErrTruncated, mode)
		require.Equal(t, "answer\n", got)
	}
}

// Of several addresses the failure that tells most has the advice: a server that is there, not that none is at the other one.
func TestRemedyOfSeveralAddresses(t *testing.T) {
	t.Parallel()
	authority := frameworktest.NewAuthority(t)
	certificate := authority.Issue(t, "localhost").Pair(t)
	_, port, err := net.SplitHostPort(frameworktest.Address(t, "tcp"))
	require.NoError(t, err)
	l, err := tls.Listen("tcp", "127.0.0.1:"+port, &tls.Config{Certificates: []tls.Certificate{certificate}})
	require.NoError(t, err)
	serveOn(t, l, func(conn net.Conn) {
		_ = until(conn, "\n")
		fmt.Fprint(conn, "no HTTP\r\n\r\n")
	})
	trusting := &tls.Config{RootCAs: authority.Pool()}
	for _, test := range []struct {
		network string
		config  *tls.Config
		err     string
	}{
		{"tls", nil, "; name the file of its authority with --ca"},
		{"wss", trusting, "; check that the server is one of WebSocket; if not, write tls://"},
	} {
		_, err = hold(t, Settings{Address: Address{Network: test.network, Host: "localhost:" + port, Path: "/"}, TLS: test.config}, "")
		require.ErrorContains(t, err, "[::1]:"+port+": ", test.network)
		require.ErrorContains(t, err, test.err)
		require.NotContains(t, err.Error(), "start the server")
	}
}

// What is wrong with certificates is said by the one who can mend it.
func TestRemedyOfCertificates(t *testing.T) {
	t.Parallel()
	authority := frameworktest.NewAuthority(t)
	own := authority.Issue(t, "localhost").Pair(t)
	show := func(c tls.Certificate) *tls.Config {
		return &tls.Config{RootCAs: authority.Pool(), GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &c, nil }}
	}
	for want, test := range map[string]struct {
		server tls.Certificate
		client *tls.Config
	}{
		"; renew the server's certificate":               {authority.IssueUntil(t, time.Now().Add(-time.Hour), "localhost").Pair(t), &tls.Config{RootCAs: authority.Pool()}},
		"; show a certificate with --certificate and":    {own, &tls.Config{RootCAs: authority.Pool()}},
		"; show a certificate of an authority that the ": {own, show(frameworktest.NewAuthority(t).Issue(t, "alice").Pair(t))},
		"": {own, show(authority.Issue(t, "alice").Pair(t))},
	} {
		l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{test.server}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: authority.Pool()})
		require.NoError(t, err)
		serveOn(t, l, echo)
		test.client.ServerName = "localhost"
		_, err = hold(t, Settings{Address: Address{Network: "tls", Host: l.Addr().String()}, TLS: test.client}, "")
		if want == "" {
			require.NoError(t, err)
			continue
		}
		var unconnected *ConnectError
		require.ErrorAs(t, err, &unconnected)
		require.ErrorContains(t, err, want)
	}
}

// What a server that is not trusted says has no control characters.
func TestTLSHostile(t *testing.T) {
	t.Parallel()
	l := listenTLS(t, frameworktest.NewAuthority(t), "evil\x1b]0;PWNED\a\n\x1b[31mhello")
	serveOn(t, l, echo)
	_, err := hold(t, Settings{Address: Address{Network: "tls", Host: l.Addr().String()}, TLS: &tls.Config{ServerName: "server.example"}}, "")
	require.ErrorContains(t, err, `evil\x1b]0;PWNED\a\n\x1b[31mhello`)
	require.NotContains(t, err.Error(), "\x1b")
	require.NotContains(t, err.Error(), "\n")
}

func listenTLS(t *testing.T, authority *frameworktest.Authority, name string) net.Listener {
	t.Helper()
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{authority.Issue(t, name).Pair(t)}})
	require.NoError(t, err)
	return l
}

// A WebSocket is asked for by the path and query of the URL, as they are.
func TestWebSocketPath(t *testing.T) {
	t.Parallel()
	asked := make(chan string, 1)
	address := serve(t, func(conn net.Conn) {
		line, _ := bufio.NewReader(conn).ReadString('\n')
		asked <- line
		fmt.Fprint(conn, "HTTP/1.1 404 Not Found\r\n\r\n")
	})
	address, err := ParseAddress("ws://" + address.Host + "/b%20c?d=%2F&e")
	require.NoError(t, err)
	_, err = hold(t, Settings{Address: address}, "")
	require.ErrorContains(t, err, "check the path of the URL")
	require.Equal(t, "GET /b%20c?d=%2F&e HTTP/1.1\r\n", <-asked)
}
