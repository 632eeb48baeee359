// Package proxyproto has servers take the addresses of a client from the PROXY header, version 1
// or 2, with which a proxy or balancer begins each connection.
package proxyproto

import (
	"bytes"
	"context"
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

// Preamble returns the function of [framework.BaseServer] that reads the header, and not a byte more.
// ClientAddress and LocalAddress of the request are those of the header then, unless it says that
// the connection is the proxy's own.
func Preamble(o Options) func(ctx context.Context, r *framework.Request) error {
	from := cidr.NewSet(o.From)
	return func(ctx context.Context, r *framework.Request) error {
		switch trusted := from.Contains(cidr.Of(r.ClientAddress)); {
		case trusted:
			return read(ctx, r, o.Timeout)
		case o.Require:
			return &framework.RefusalError{
				Refusal: framework.RefusedUntrusted,
				Err:     errors.New("only the proxies of proxy_protocol.from may connect"),
			}
		}
		return nil
	}
}

var buffers = sync.Pool{New: func() any { return new([maxSize]byte) }}

func read(ctx context.Context, r *framework.Request, timeout time.Duration) error {
	buffer := buffers.Get().(*[maxSize]byte)
	defer buffers.Put(buffer)
	c := r.Conn()
	if timeout > 0 {
		_ = c.SetReadDeadline(time.Now().Add(timeout)) // the framework removes it
		if err := ctx.Err(); err != nil {              // it has replaced the deadline that ctx set
			return err
		}
	}
	b, err := readHeader(c, buffer)
	if timeout > 0 && errors.Is(err, os.ErrDeadlineExceeded) {
		return fmt.Errorf("the PROXY header has not come within %s: %w", timeout, err)
	}
	if err != nil {
		return err
	}
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
		if _, err := io.ReadFull(c, buffer[len(b):len(b)+n]); err != nil {
			if errors.Is(err, io.ErrUnexpectedEOF) || len(b) > 0 && errors.Is(err, io.EOF) {
				err = errors.New("the PROXY header is cut off")
			}
			return nil, err
		}
		b = buffer[:len(b)+n]
	}
}
