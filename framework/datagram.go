package framework

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"net/netip"
	"sync"
)

// datagram is rfile and wfile of a datagram.
type datagram struct {
	data   []byte
	origin origin

	from     netip.AddrPort // whom a udpConn answers
	unixFrom *net.UnixAddr  // whom a unixgramConn answers; nil: nobody
	room     *[]byte        // of a packetTransport: where data lies

	buf   *datagramBuffer // while its handler runs
	wfile datagramWriter
}

// origin is where a datagram came from and its answer goes.
type origin interface {
	answer(d *datagram, p []byte) error
	release(d *datagram) // nobody needs data any more
}

// answerFunc is the origin of a datagram of a transport of somebody's own.
type answerFunc func([]byte) error

func (f answerFunc) answer(_ *datagram, p []byte) error { return f(p) }
func (answerFunc) release(*datagram)                    {}

// datagramRequest is both in one allocation.
type datagramRequest struct {
	Request
	datagram
}

// datagramBuffer is what a datagram needs while its handler runs. It is used again.
type datagramBuffer struct {
	reader bytes.Reader
	rfile  *bufio.Reader
	answer []byte
}

var datagramBuffers = sync.Pool{New: func() any {
	return &datagramBuffer{rfile: bufio.NewReaderSize(nil, 1024)}
}}

// datagramWriter outlives the buffer, so that a handler that keeps wfile gets an
// error and not another request's answer.
type datagramWriter struct {
	mu  sync.Mutex
	buf *datagramBuffer // nil: the request is over
}

func (w *datagramWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.buf == nil {
		return 0, errors.New("framework: wfile used after the request was over")
	}
	w.buf.answer = append(w.buf.answer, p...)
	return len(p), nil
}

func (d *datagram) open() (*bufio.Reader, io.Writer) {
	d.buf = datagramBuffers.Get().(*datagramBuffer)
	d.buf.reader.Reset(d.data)
	d.buf.rfile.Reset(&d.buf.reader)
	d.wfile.buf = d.buf
	return d.buf.rfile, &d.wfile
}

func (d *datagram) flush() error { return nil }

// close sends the answer. An empty one is not sent, unlike in socketserver, or a
// handler could not stay silent.
func (d *datagram) close() error {
	d.wfile.mu.Lock()
	d.wfile.buf = nil
	d.wfile.mu.Unlock()
	var err error
	if len(d.buf.answer) > 0 {
		err = d.origin.answer(d, d.buf.answer)
	}
	d.buf.answer = d.buf.answer[:0]
	datagramBuffers.Put(d.buf)
	return err
}
