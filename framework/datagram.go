package framework

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"sync"
)

// datagram is rfile and wfile of a datagram.
type datagram struct {
	data  []byte
	send  func([]byte) error
	clean func() // gives data back to its transport; may be nil

	buf   *datagramBuffer
	wfile *datagramWriter
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
	d.wfile = &datagramWriter{buf: d.buf}
	return d.buf.rfile, d.wfile
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
		err = d.send(d.buf.answer)
	}
	d.buf.answer = d.buf.answer[:0]
	datagramBuffers.Put(d.buf)
	return err
}

// release gives the datagram's bytes back once nobody needs them.
func (d *datagram) release() {
	if d.clean != nil {
		d.clean()
	}
}
