// Package proxyproto has servers take the addresses of a client from the PROXY header, version 1
// or 2, with which a proxy or balancer begins each connection.
package proxyproto

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/framework/internal/cidr"
	"github.com/go-socketserver/socketserver/framework/internal/conn"
)

// Options are how connections begin.
type Options struct {
	// From are the networks of the proxies. Only a connection from there has a header, and has to: a
	// client could write any address into one of its own.
	From []netip.Prefix `json:"from"`
	// Require refuses connections from anywhere else. Otherwise they are served as they are.
	Require bool `json:"require"`
	// Timeout bounds the time that a header takes to arrive; 0: what bounds the preamble does.
	Timeout time.Duration `json:"timeout"`
}

// Preamble returns the [framework.Preamble] of a server behind proxies. ClientAddress and LocalAddress of
// a request are those of its header then, unless that says that the connection is the proxy's own.
func Preamble(o Options) framework.Preamble { return &preamble{o, cidr.NewSet(o.From)} }

// Restore makes, in a worker, the preamble of its server. It is for [framework.RestorePreamble].
func Restore(description []byte) (framework.Preamble, error) {
	var o Options
	if err := json.Unmarshal(description, &o); err != nil {
		return nil, err
	}
	return Preamble(o), nil
}

type preamble struct {
	Options
	from cidr.Set
}

var buffers = sync.Pool{New: func() any { return new([maxSize]byte) }}

// Describe implements [framework.PortablePreamble].
func (p *preamble) Describe() ([]byte, error) { return json.Marshal(p.Options) }

// Take implements [framework.Preamble].
func (p *preamble) Take(r *framework.Request) (bool, error) {
	switch trusted := p.from.Contains(cidr.Of(r.ClientAddress)); {
	case !trusted && p.Require:
		return false, &framework.RefusalError{
			Refusal: framework.RefusedUntrusted,
			Err:     errors.New("only the proxies of proxy_protocol.from may connect"),
		}
	case !trusted:
		return true, nil
	}
	buffer := buffers.Get().(*[maxSize]byte)
	defer buffers.Put(buffer)
	size := conn.ReadArrived(r.Conn(), buffer[:], false, whole)
	if size == 0 {
		return false, nil
	}
	return true, adopt(r, buffer[:size])
}

// Read implements [framework.Preamble], for a request that Take has found to be a proxy's.
func (p *preamble) Read(ctx context.Context, r *framework.Request) error {
	buffer := buffers.Get().(*[maxSize]byte)
	defer buffers.Put(buffer)
	c := r.Conn()
	if p.Timeout > 0 {
		_ = c.SetReadDeadline(time.Now().Add(p.Timeout)) // the framework removes it
		if err := ctx.Err(); err != nil {                // it has replaced the deadline that ctx set
			return err
		}
	}
	if size := conn.ReadArrived(c, buffer[:], true, whole); size > 0 { // most come in one segment
		return adopt(r, buffer[:size])
	}
	b, err := readHeader(c, buffer)
	if p.Timeout > 0 && errors.Is(err, os.ErrDeadlineExceeded) {
		return &lateError{p.Timeout}
	}
	if err != nil {
		return err
	}
	return adopt(r, b)
}

// A lateError is that of a header that takes longer than it may.
type lateError struct{ after time.Duration }

func (e *lateError) Error() string {
	return fmt.Sprintf("the PROXY header has not come within %s", e.after)
}
func (*lateError) Unwrap() error { return os.ErrDeadlineExceeded }

// adopt gives r the addresses of the header b.
func adopt(r *framework.Request, b []byte) error {
	h, err := parse(b)
	if err == nil && h.client.IsValid() {
		r.ClientAddress, r.LocalAddress = net.TCPAddrFromAddrPort(h.client), net.TCPAddrFromAddrPort(h.local)
	}
	return err
}

// readHeader reads a header into the buffer. It reads no byte that may not be of it: of a line of
// version 1 what has arrived up to its end, or where that cannot be looked at two bytes at once.
func readHeader(c net.Conn, buffer *[maxSize]byte) ([]byte, error) {
	b := buffer[:0]
	for {
		n, err := missing(b)
		if n == 0 || err != nil {
			return b, err
		}
		if bytes.HasPrefix(b, signature1) {
			arrived := conn.Peek(c, buffer[len(b):maxLine])
			line, _, _ := bytes.Cut(buffer[:len(b)+arrived], crlf)
			n = max(n, len(line)-len(b))
		}
		n, err = io.ReadFull(c, buffer[len(b):len(b)+n])
		b = buffer[:len(b)+n]
		switch {
		case err == nil:
		case len(b) == 0 || !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF):
			return nil, err
		case begins(b):
			return nil, errors.New("the PROXY header is cut off")
		default:
			return nil, errMissing
		}
	}
}
