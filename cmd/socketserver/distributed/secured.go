package distributed

import (
	"crypto/tls"
	"net"
	"os"
	"sync"

	"github.com/go-socketserver/socketserver/framework/layer"
)

// maxRecord is the number of bytes in the longest record of TLS.
const maxRecord = 16 << 10

// A secured is an end of a tunnel: TLS over TCP. Package tls makes a system call for each record; here the records of
// one write are sent by one, and a read returns all that has arrived. One goroutine reads.
type secured struct {
	*layer.TLSConn
	tcp     *net.TCPConn
	records *records
	writing sync.Mutex // held by Write
}

func secure(tcp *net.TCPConn, config *tls.Config, side func(net.Conn, *tls.Config) *layer.TLSConn) *secured {
	r := &records{Conn: tcp}
	return &secured{TLSConn: side(r, config), tcp: tcp, records: r}
}

// Read implements [net.Conn]. Behind a full record it looks for others, without waiting for them.
func (c *secured) Read(p []byte) (n int, err error) {
	n, err = c.TLSConn.Read(p)
	for got := n; err == nil && got == maxRecord && n < len(p); n += got {
		c.records.nowait = true
		got, _ = c.TLSConn.Read(p[n:]) // an error that lasts is that of the next read, too
		c.records.nowait = false
	}
	return n, err
}

// Write implements [net.Conn].
func (c *secured) Write(p []byte) (n int, err error) {
	c.writing.Lock()
	defer c.writing.Unlock()
	if len(p) <= maxRecord {
		return c.TLSConn.Write(p)
	}
	c.records.hold()
	n, err = c.TLSConn.Write(p)
	if failed := c.records.release(); failed != nil {
		return 0, failed
	}
	return n, err
}

// records is the connection under TLS.
type records struct {
	net.Conn
	nowait bool // reads return errNoMore

	mu   sync.Mutex
	held *[]byte // is sent by release; nil: writes are sent at once
	err  error   // of a write that may have been partial, so nothing may follow
}

// errNoMore is temporary, so TLS reads again after it.
var errNoMore = &net.OpError{Op: "read", Err: os.ErrDeadlineExceeded}

// Read implements [net.Conn].
func (r *records) Read(p []byte) (int, error) {
	if r.nowait {
		return 0, errNoMore
	}
	return r.Conn.Read(p)
}

// Write implements [net.Conn].
func (r *records) Write(p []byte) (n int, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.held != nil {
		*r.held = append(*r.held, p...)
		return len(p), nil
	}
	return r.send(p)
}

// send sends p. r.mu is held.
func (r *records) send(p []byte) (n int, err error) {
	if r.err != nil {
		return 0, r.err
	}
	n, r.err = r.Conn.Write(p)
	return n, r.err
}

// batches holds the memory of records that have been sent.
var batches = sync.Pool{New: func() any { return new([]byte) }}

// hold collects what is written.
func (r *records) hold() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.held = batches.Get().(*[]byte)
}

// release sends what was collected.
func (r *records) release() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	held := r.held
	r.held = nil
	_, err := r.send(*held)
	*held = (*held)[:0]
	batches.Put(held)
	return err
}
