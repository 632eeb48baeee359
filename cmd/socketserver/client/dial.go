package client

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/gobwas/ws"

	"github.com/go-socketserver/socketserver/framework/layer"
	"github.com/go-socketserver/socketserver/framework/layer/websocket"
	"github.com/go-socketserver/socketserver/internal/text"
	"github.com/go-socketserver/socketserver/internal/vsock"
)

// maxAddresses is the maximum number of addresses tried for one name.
const maxAddresses = 16

// dial connects to the first address that accepts. The caller closes the connection, which also
// removes the socket file of a datagram client.
func (s *Settings) dial(ctx context.Context) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, s.connecting())
	defer cancel()
	targets, err := s.Address.resolve(ctx)
	if err != nil {
		return nil, &ConnectError{fmt.Errorf("%w; check the name, or write an address", err)}
	}
	var failures []string
	next := ""
	for i, target := range targets {
		var conn net.Conn
		conn, err = s.dialOne(ctx, target, len(targets)-i)
		if err == nil {
			return conn, nil
		}
		failures = append(failures, target+": "+reason(err))
		next = cmp.Or(next, s.remedy(err)) // of the first failure that tells more than that nobody is there
	}
	return nil, &ConnectError{fmt.Errorf("could not connect: %s; %s", strings.Join(failures, ", "), cmp.Or(next, absent))}
}

// dialOne uses an equal share of the remaining time for each of the left addresses, so that one
// that never answers leaves time for the others.
func (s *Settings) dialOne(ctx context.Context, target string, left int) (net.Conn, error) {
	deadline, _ := ctx.Deadline()
	ctx, cancel := context.WithTimeout(ctx, time.Until(deadline)/time.Duration(left))
	defer cancel()
	if s.Address.isWebSocket() {
		return s.dialWebSocket(ctx, target)
	}
	return s.dialStream(ctx, target)
}

// dialStream connects to target, with TLS where the address says so.
func (s *Settings) dialStream(ctx context.Context, target string) (net.Conn, error) {
	var dialer net.Dialer
	switch network := s.Address.Network; network {
	case "unixgram":
		return dialUnixgram(target)
	case "vsock":
		to, err := vsock.ParseAddr(target)
		if err != nil {
			return nil, err
		}
		return vsock.Dial(ctx, to)
	case "ws":
		return dialer.DialContext(ctx, "tcp", target)
	case "tls", "wss":
		config := s.TLS.Clone()
		if config == nil {
			config = &tls.Config{}
		}
		host, _, _ := net.SplitHostPort(s.Address.Host)
		host, _, _ = strings.Cut(host, "%") // no certificate has a zone
		config.ServerName = cmp.Or(config.ServerName, host)
		return dialTLS(ctx, target, config)
	}
	return dialer.DialContext(ctx, s.Address.Network, target)
}

// dialWebSocket connects and has the server upgrade the connection.
func (s *Settings) dialWebSocket(ctx context.Context, target string) (net.Conn, error) {
	to, err := url.ParseRequestURI(s.Address.Path)
	if err != nil {
		return nil, err
	}
	to.Scheme, to.Host = s.Address.Network, s.Address.Host
	plain, err := s.dialStream(ctx, target)
	if err != nil {
		return nil, err
	}
	defer context.AfterFunc(ctx, func() { _ = plain.SetDeadline(time.Unix(1, 0)) })()
	conn, err := websocket.Client(plain, to)
	if err != nil {
		_ = plain.Close()
		return nil, err
	}
	return conn, nil
}

// dialTLS connects, and returns a connection that tells whether its end is that of TLS.
func dialTLS(ctx context.Context, target string, config *tls.Config) (net.Conn, error) {
	plain, err := (&net.Dialer{}).DialContext(ctx, "tcp", target)
	if err != nil {
		return nil, err
	}
	conn := layer.ClientConn(plain, config)
	if err := conn.HandshakeContext(ctx); err != nil {
		_ = plain.Close()
		return nil, err
	}
	return conn, nil
}

// resolve returns the addresses to try, in that order.
func (a Address) resolve(ctx context.Context) ([]string, error) {
	if a.isUnix() || a.Network == "vsock" {
		return []string{a.Host}, nil
	}
	host, port, err := net.SplitHostPort(a.Host)
	if err != nil {
		return nil, err
	}
	if host == "localhost" { // never resolved, as in servers
		return []string{"127.0.0.1:" + port, "[::1]:" + port}, nil
	}
	ips, err := net.DefaultResolver.LookupIPAddr(ctx, host) // LookupNetIP would drop zones
	if err != nil {
		return nil, err
	}
	var targets []string
	for _, ip := range ips[:min(len(ips), maxAddresses)] {
		targets = append(targets, net.JoinHostPort(ip.String(), port))
	}
	return targets, nil
}

// dialUnixgram binds the client to an address of its own, so that the server can answer. On
// Linux it is abstract. A connected socket receives datagrams from its peer only.
func dialUnixgram(path string) (net.Conn, error) {
	local := "@socketserver-connect-" + rand.Text()
	if runtime.GOOS != "linux" {
		local = filepath.Join(os.TempDir(), local)
	}
	conn, err := net.DialUnix("unixgram", &net.UnixAddr{Name: local, Net: "unixgram"}, &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		_ = os.Remove(local)
		return nil, err
	}
	return &unixgramConn{conn, local}, nil
}

// unixgramConn owns the file of its socket, if there is one.
type unixgramConn struct {
	*net.UnixConn
	local string
}

func (c *unixgramConn) Close() error {
	_ = os.Remove(c.local)
	return c.UnixConn.Close()
}

// reason returns the error as one line, without the address, which the message has already. The
// error may quote an untrusted peer, as that of a certificate for other names does.
func reason(err error) string {
	var operation *net.OpError
	if errors.As(err, &operation) {
		err = operation.Err
	}
	var call *os.SyscallError
	if errors.As(err, &call) {
		err = call.Err
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) {
		return "no answer in time"
	}
	return text.Line(strings.TrimPrefix(err.Error(), "tls: "))
}

// absent is the remedy where nobody answers.
const absent = "start the server, or check the address"

// remedy returns what to do about a failure; empty: nobody answers, and no more is known.
func (s *Settings) remedy(err error) string {
	var status ws.StatusError
	switch {
	case errors.Is(err, syscall.ENOENT):
		return "check the path, or start the server"
	case errors.Is(err, syscall.EACCES):
		return "run as the owner of the socket"
	case errors.As(err, &status):
		return "check the path of the URL, and that the server is one of WebSocket"
	case errors.Is(err, ws.ErrMalformedResponse) && s.Address.Network == "wss":
		return "check that the server is one of WebSocket; if not, write tls://"
	case !isReached(err):
		return ""
	case s.Address.IsSecure():
		return s.remedyTLS(err)
	case s.Address.Network == "ws":
		return "if the server speaks TLS, write wss://; otherwise check that it is one of WebSocket"
	}
	return ""
}

// isReached reports whether there was a connection before err.
func isReached(err error) bool {
	var operation *net.OpError
	return !errors.As(err, &operation) || operation.Op != "dial"
}

// remedyTLS returns what to do about a failure of TLS.
func (s *Settings) remedyTLS(err error) string {
	var (
		authority    x509.UnknownAuthorityError
		name         x509.HostnameError
		invalid      x509.CertificateInvalidError
		verification *tls.CertificateVerificationError
	)
	switch {
	case errors.As(err, &authority) && s.TLS != nil && s.TLS.RootCAs != nil:
		return "name the file of its authority with --ca: the one that was named is of another"
	case errors.As(err, &authority):
		return "name the file of its authority with --ca"
	case errors.As(err, &name):
		return "name the one that the certificate is for with --server-name"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "renew the server's certificate, or check this machine's clock"
	case errors.As(err, &verification):
		return "mend the server's certificate"
	case isRejected(err):
		return s.remedyRejected(err)
	case s.Address.Network == "wss":
		return "if the server does not speak TLS, write ws://"
	}
	return "if the server does not speak TLS, write tcp://"
}

// isRejected reports whether the server has ended TLS with an alert.
func isRejected(err error) bool {
	var operation *net.OpError
	return errors.As(err, &operation) && operation.Op == "remote error"
}

// remedyRejected returns what to do about the alert of a server.
func (s *Settings) remedyRejected(err error) string {
	switch shown := s.TLS != nil && s.TLS.GetClientCertificate != nil; {
	case !shown && strings.Contains(err.Error(), "certificate required"):
		return "show a certificate with --certificate and --key"
	case shown && strings.Contains(err.Error(), "certificate"):
		return "show a certificate of an authority that the server trusts; its log has the reason"
	}
	return "look at the server's log"
}
