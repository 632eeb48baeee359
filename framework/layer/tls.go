// Package layer has layers of connections that need more than package framework links. A program
// that imports it links crypto/tls, which workers do without unless they end TLS themselves, as with [Restore].
package layer

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-socketserver/socketserver/framework"
)

// TLS is a [framework.Layer] that makes connections TLS ones. Its files may be read again while
// it is used.
type TLS struct {
	files     TLSFiles
	reloading sync.Mutex // held while files are read, which may take long: what was read last is used
	mu        sync.Mutex // held while loaded is replaced or described
	loaded    atomic.Pointer[loaded]
	// ask asks the server of this process, which has the keys; nil: they are here.
	ask      func(ctx context.Context, question []byte) ([]byte, error)
	isolated bool       // workers are not given the keys
	before   []replaced // what was loaded before that, if its keys are isolated, the latest first
}

// NewTLS reads files. The error joins a [*FileProblem] for each that cannot be used.
func NewTLS(files TLSFiles) (*TLS, error) {
	l, err := files.load()
	if err != nil {
		return nil, err
	}
	t := &TLS{files: files, isolated: files.Isolated}
	t.loaded.Store(l)
	return t, nil
}

// Files are what the layer was made of.
func (t *TLS) Files() TLSFiles { return t.files }

// Reload reads the files again, for the connections to come, and reports whether they have changed.
// On an error what was read before stays.
func (t *TLS) Reload() (changed bool, err error) {
	t.reloading.Lock()
	defer t.reloading.Unlock()
	l, err := t.files.load()
	if err != nil {
		return false, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if l.sum == t.loaded.Load().sum {
		return false, nil
	}
	t.replace(l)
	return true, nil
}

// Renewal reads the files and reports whether Reload would change anything, and when the first certificate
// would expire then.
func (t *TLS) Renewal() (expires time.Time, changed bool, err error) {
	l, err := t.files.load()
	if err != nil {
		return time.Time{}, false, err
	}
	return l.expires, l.sum != t.loaded.Load().sum, nil
}

// Warnings are what is wrong with the files and does not keep them from being used.
func (t *TLS) Warnings() []*FileProblem { return t.loaded.Load().warnings }

// Expires is when the first of the certificates expires.
func (t *TLS) Expires() time.Time { return t.loaded.Load().expires }

// Wrap implements [framework.Layer]. A client that does not speak TLS is sent an alert.
func (t *TLS) Wrap(ctx context.Context, c net.Conn) (net.Conn, error) {
	unanswered := false
	wrapped := ServerConn(c, t.asking(func(question []byte) ([]byte, error) {
		answer, err := t.ask(ctx, question)
		unanswered = err != nil && ctx.Err() != nil
		return answer, err
	}))
	if err := wrapped.Handshake(); err != nil {
		if unanswered { // crypto/tls does not wrap the error of a signature
			return nil, os.ErrDeadlineExceeded
		}
		return nil, refuse(c, err, t.loaded.Load().config.MinVersion)
	}
	return wrapped, nil
}

// notTLS is the alert that ends what is not TLS: fatal, protocol_version.
var notTLS = []byte{21, 3, 1, 0, 2, 2, 70}

// refuse explains the error of a handshake, of which versions from oldest on are spoken.
func refuse(c net.Conn, err error, oldest uint16) error {
	var header tls.RecordHeaderError
	var certificate *tls.CertificateVerificationError
	var operation *net.OpError
	switch {
	case errors.As(err, &header):
		if header.Conn != nil {
			_, _ = c.Write(notTLS)
		}
		return fmt.Errorf("the client does not speak TLS: it began with %q", header.RecordHeader[:])
	case errors.As(err, &certificate):
		return fmt.Errorf("the client's certificate is not accepted: %s", trim(certificate.Err))
	case errors.As(err, &operation) && operation.Op == "remote error":
		return fmt.Errorf("the client has refused: %s", trim(operation.Err))
	case errors.As(err, &operation) && operation.Op == "local error":
		return fmt.Errorf("the client does not keep to TLS: %s", trim(operation.Err))
	case strings.Contains(err.Error(), "unsupported versions"):
		return fmt.Errorf("the client does not speak %s or newer", tls.VersionName(oldest))
	case strings.Contains(err.Error(), "no cipher suite supported"):
		return errors.New("the client offers no cipher suite with forward secrecy and without CBC")
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("%w within the handshake", framework.ErrPeerGone)
	case strings.HasPrefix(err.Error(), "tls: "):
		return errors.New(trim(err))
	}
	return err
}
