package framework

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/netip"
	"sync"
)

// datagram is rfile and wfile of a datagram.
type datagram struct {
	origin origin

	from     netip.AddrPort // whom a udpConn answers
	control  []byte         // what goes with that answer, to come from the address that was asked
	unixFrom *net.UnixAddr  // whom a unixgramConn answers; nil: nobody

	rfile  bufio.Reader // holds all that has come; its own, as a handler may keep it
	source bytes.Reader // of rfile, at its end
	wfile  datagramWriter
}

// origin is where a datagram came from and its answer goes.
type origin interface {
	answer(d *datagram, p []byte) error
	release() // it does not answer any more
}

// answerFunc is the origin of a datagram of a transport of somebody's own.
type answerFunc func([]byte) error

func (f answerFunc) answer(_ *datagram, p []byte) error { return f(p) }
func (answerFunc) release()                             {}

// datagramRequest is what a datagram needs, in one allocation.
type datagramRequest struct {
	Request
	datagram
	address net.UDPAddr
	ip      [16]byte
}

// datagramWriter collects the answer.
type datagramWriter struct {
	mu     sync.Mutex
	answer *[]byte // nil: nothing yet
	over   bool
}

// answers keeps the buffers of answers that have been sent.
var answers bufferPool

func (w *datagramWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.over {
		return 0, errOver
	}
	if w.answer == nil {
		w.answer = answers.get(len(p))
	}
	*w.answer = append(*w.answer, p...)
	return len(p), nil
}

func (d *datagram) open() (*bufio.Reader, io.Writer) {
	return &d.rfile, &d.wfile
}

// hold copies data into rfile.
func (d *datagram) hold(data []byte) {
	d.source.Reset(data)
	d.rfile = *bufio.NewReaderSize(&d.source, len(data)) // copied into the memory of d, all but its buffer
	_, _ = d.rfile.Peek(len(data))
	d.source.Reset(nil)
}

// data is what has come, until somebody reads it.
func (d *datagram) data() []byte {
	data, _ := d.rfile.Peek(d.rfile.Buffered())
	return data
}

func (d *datagram) flush() error { return nil }

// close sends the answer. An empty one is not sent, unlike in socketserver, or a
// handler could not stay silent.
func (d *datagram) close() error {
	d.wfile.mu.Lock()
	d.wfile.over = true
	answer := d.wfile.answer
	d.wfile.mu.Unlock()
	if answer == nil {
		return nil
	}
	defer answers.put(answer)
	if len(*answer) == 0 {
		return nil
	}
	return d.origin.answer(d, *answer)
}
