package framework

import (
	"context"
	"net"

	"github.com/go-socketserver/socketserver/framework/internal/conn"
)

// A Layer is what a connection passes before a handler sees it, such as TLS.
type Layer interface {
	// Wrap performs a handshake on c and returns the connection to use in its place, which owns c.
	// It runs in the request's goroutine. When ctx is done reads and writes of c fail. The server
	// closes c on an error.
	Wrap(ctx context.Context, c net.Conn) (net.Conn, error)
}

// TLS is what is known of a connection that has passed a TLS layer.
type TLS struct {
	Version     string `json:"version"`               // as TLSv1.3
	CipherSuite string `json:"cipher_suite"`          // as TLS_AES_128_GCM_SHA256
	ServerName  string `json:"server_name,omitempty"` // that the client has asked for
	Protocol    string `json:"protocol,omitempty"`    // agreed on by ALPN
	// Client describes the client's certificate, which the layer has verified; nil: it has shown none.
	Client *Certificate `json:"client,omitempty"`
	// PeerCertificates are that certificate and those that the client has shown with it, as ASN.1 DER,
	// which x509.ParseCertificate reads.
	PeerCertificates [][]byte `json:"peer_certificates,omitempty"`
}

// A Certificate is a certificate in words, without control characters.
type Certificate struct {
	Subject string `json:"subject"` // as CN=alice,O=Example
	Issuer  string `json:"issuer"`
	Serial  string `json:"serial"` // in hexadecimal digits
}

// environment returns what a program has of it in its environment, by the names of mod_ssl.
func (t *TLS) environment() []string {
	if t == nil {
		return nil
	}
	own := []string{"SSL_PROTOCOL=" + t.Version, "SSL_CIPHER=" + t.CipherSuite, "SSL_TLS_SNI=" + t.ServerName}
	if c := t.Client; c != nil {
		return append(own, "SSL_CLIENT_VERIFY=SUCCESS", "SSL_CLIENT_S_DN="+c.Subject, "SSL_CLIENT_I_DN="+c.Issuer, "SSL_CLIENT_M_SERIAL="+c.Serial)
	}
	return append(own, "SSL_CLIENT_VERIFY=NONE")
}

// A HandshakeError is why a connection has not passed the layers.
type HandshakeError struct{ Err error }

func (e *HandshakeError) Error() string { return "handshake: " + e.Err.Error() }
func (e *HandshakeError) Unwrap() error { return e.Err }

// wrap passes the connection of r through the layers, outermost first. Where handlers run in
// workers this process does it, and the layers stay here: a relay connects them to the worker.
func (s *BaseServer) wrap(r *Request) error {
	if len(s.Layers) == 0 || r.conn == nil || r.wrapped {
		return nil
	}
	r.wrapped = true
	err := conn.Handshake(s.context(), r.accepted, s.timeouts().Handshake, func(ctx context.Context) error {
		for _, layer := range s.Layers {
			wrapped, err := layer.Wrap(ctx, r.conn)
			if err != nil {
				return err
			}
			r.conn = wrapped
			if secure, ok := wrapped.(interface{ TLS() *TLS }); ok {
				r.TLS = secure.TLS()
			}
		}
		return nil
	})
	if err != nil {
		return &HandshakeError{conn.PeerError(err)}
	}
	return nil
}
