package layer

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"

	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/internal/text"
)

// ErrTruncated is what a read returns where the connection has ended and TLS has not: the peer was
// cut off, or a third party has ended the connection. What was read may not be all.
var ErrTruncated = fmt.Errorf("%w: the connection has ended without close_notify of TLS", framework.ErrPeerGone)

// A TLSConn is a [tls.Conn] whose reads return [ErrTruncated], where those of a tls.Conn return
// io.EOF or io.ErrUnexpectedEOF.
type TLSConn struct {
	*tls.Conn
	under *under
}

// under is the connection under a TLSConn.
type under struct {
	net.Conn
	ended atomic.Bool // its end was read
}

func (u *under) Read(p []byte) (int, error) {
	n, err := u.Conn.Read(p)
	if errors.Is(err, io.EOF) {
		u.ended.Store(true)
	}
	return n, err
}

// ServerConn returns the server's side of TLS on c.
func ServerConn(c net.Conn, config *tls.Config) *TLSConn {
	u := &under{Conn: c}
	return &TLSConn{tls.Server(u, config), u}
}

// ClientConn returns the client's side of TLS on c.
func ClientConn(c net.Conn, config *tls.Config) *TLSConn {
	u := &under{Conn: c}
	return &TLSConn{tls.Client(u, config), u}
}

// Read implements [net.Conn].
func (c *TLSConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if (errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)) && c.under.ended.Load() { // between records, or within one
		err = ErrTruncated
	}
	return n, peerError(err)
}

// Write implements [net.Conn].
func (c *TLSConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	return n, peerError(err)
}

// A fault is an error that ends the connection for what the peer has sent: an alert, or what is no record of TLS,
// which is answered with one.
type fault struct{ error }

func (f fault) Unwrap() []error { return []error{framework.ErrPeerGone, f.error} }

// peerError makes an error a fault where it is one.
func peerError(err error) error {
	if err == nil {
		return nil
	}
	var operation *net.OpError
	var header tls.RecordHeaderError
	if errors.As(err, &operation) && (operation.Op == "remote error" || operation.Op == "local error") || errors.As(err, &header) {
		return fault{err}
	}
	return err
}

// TLS describes a connection whose handshake has succeeded, for [framework.Request].
func (c *TLSConn) TLS() *framework.TLS {
	s := c.ConnectionState()
	t := &framework.TLS{
		Version: strings.Replace(tls.VersionName(s.Version), " ", "v", 1), CipherSuite: tls.CipherSuiteName(s.CipherSuite),
		ServerName: text.Line(s.ServerName), Protocol: s.NegotiatedProtocol,
	}
	for _, own := range s.PeerCertificates {
		t.PeerCertificates = append(t.PeerCertificates, own.Raw)
	}
	if len(s.PeerCertificates) > 0 {
		t.Client = certificateOf(s.PeerCertificates[0])
	}
	return t
}

func certificateOf(c *x509.Certificate) *framework.Certificate {
	return &framework.Certificate{Subject: text.Line(c.Subject.String()), Issuer: text.Line(c.Issuer.String()), Serial: fmt.Sprintf("%X", c.SerialNumber)}
}
