package framework

import (
	"cmp"
	"context"
	"net"
	"sync/atomic"
	"time"

	"github.com/go-socketserver/socketserver/framework/internal/conn"
	"github.com/go-socketserver/socketserver/framework/internal/worker"
)

// A Layer is what a connection passes before a handler sees it, such as TLS.
type Layer interface {
	// Wrap performs a handshake on c and returns the connection to use in its place, which owns c.
	// It runs in the request's goroutine. When ctx is done reads and writes of c fail. The server
	// closes c on an error. Where what it returns has a method Fail() error, that is called when the request
	// has failed: it tells the client.
	Wrap(ctx context.Context, c net.Conn) (net.Conn, error)
}

// A Portable is a Layer that workers can have in place of the server: its connections then pass it where their
// handlers run. They have it where it is the only layer of a server whose class is not Foreign, [RestoreLayer] is set, and
// processes serve more than one request: workers of [Preforking], children of [Forking] with MaxRequests, and a plugin
// that is kept.
type Portable interface {
	Layer
	// Describe returns what RestoreLayer makes an equal layer of, and a channel that is closed when that has changed;
	// nil: it does not.
	Describe() (description []byte, changed <-chan struct{})
	// Answer answers, soon, what a restored layer asks, in at most 8 KiB, of a handshake that takes no longer than
	// handshake. Workers that do not do what this program says may ask anything.
	Answer(question []byte, handshake time.Duration) ([]byte, error)
	// Isolate has what is described from here on be without private keys, which restored layers ask to use. It is
	// called before a process gets the layer whose program is another one's, as a plugin is.
	Isolate()
}

// RestoreLayer makes, in a worker, the layer of a [Portable] of its server, which ask asks until ctx is done; nil: this program has none.
// It is set before [ServeWorker], in a program whose layers are to be those of its workers and in that of the workers.
var RestoreLayer func(description []byte, ask func(ctx context.Context, question []byte) ([]byte, error)) (Layer, error)

// layerVersion is that of all descriptions of the layers and preambles in this module. A plugin of another version is
// not given any.
const layerVersion = 2

// layerIDs counts the layers that workers have.
var layerIDs atomic.Uint64

// delegateToExecutor has the process that finishes requests in place of handlers of this one have the layer of s.
func (s *BaseServer) delegateToExecutor() {
	if s.Class.Executor != nil && s.Class.Program != nil {
		s.delegateLayer(s.Class.Program)
	}
}

// delegateLayer has processes that run program have the layer of s, where it is one for them.
func (s *BaseServer) delegateLayer(program *Program) {
	if len(s.Layers) != 1 || RestoreLayer == nil || s.Class.Foreign || program.Path != "" && !program.Layers {
		return
	}
	l, ok := s.Layers[0].(Portable)
	if !ok {
		return
	}
	if program == s.Class.Program {
		l.Isolate()
	}
	s.workerLayer = &worker.Layer{
		ID: layerIDs.Add(1), Over: s.life.Finished(), Describe: l.Describe,
		Answer: func(question []byte) ([]byte, error) {
			return l.Answer(question, cmp.Or(s.timeouts().Handshake, PreambleTimeout))
		},
	}
}

// TLS is what is known of a connection that has passed a TLS layer.
type TLS struct {
	Version     string `json:"version"`               // as TLSv1.3
	CipherSuite string `json:"cipher_suite"`          // as TLS_AES_128_GCM_SHA256
	ServerName  string `json:"server_name,omitempty"` // that the client has asked for, whatever it is, without control characters
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

// wrap passes the connection of r through the layers, outermost first. Where this process has accepted
// it and its handler runs in a worker the layers stay here: a relay connects them to the worker.
func (s *BaseServer) wrap(r *Request) error {
	if len(r.layers) == 0 || r.conn == nil || r.wrapped {
		return nil
	}
	r.wrapped = true
	err := conn.Handshake(r.Context(), r.accepted, s.timeouts().Handshake, func(ctx context.Context) error {
		for _, layer := range r.layers {
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
