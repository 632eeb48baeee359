package conn

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"net"
	"net/netip"
	"sync"
)

// Datagram is rfile and wfile of a datagram.
type Datagram struct {
	Replier

	From    netip.AddrPort // the client of a UDP socket
	Control []byte         // sent with the answer, so that it comes from the address that was asked
	To      net.Addr       // the client of any other socket; nil: it cannot be answered
	Client  net.Addr       // either of them, as it is shown

	address net.UDPAddr // From, for [Datagram.SetClient]
	ip      [16]byte
	held    []byte // what was received, in the buffer of rfile
	out     int    // bytes

	rfile  bufio.Reader // its own, as a handler may keep it
	source bytes.Reader // of rfile, at its end
	wfile  datagramWriter
}

// A Replier is where a datagram came from and its answer goes to.
type Replier interface {
	// Reply sends the answer, or returns [ErrNotAnswered].
	Reply(d *Datagram, p []byte) error
	// Release is called once, when the datagram has been answered or will not be.
	Release()
}

// ErrNotAnswered is returned for an answer that must not be sent.
var ErrNotAnswered = errors.New("framework: datagram not answered")

// ReplyFunc is the Replier of a foreign transport.
type ReplyFunc func([]byte) error

// Reply implements [Replier].
func (f ReplyFunc) Reply(_ *Datagram, p []byte) error { return f(p) }

// Release implements [Replier].
func (ReplyFunc) Release() {}

// SetClient sets From and returns it as a net.Addr in the memory of the datagram. An
// IPv4-mapped address becomes an IPv4 one.
func (d *Datagram) SetClient(from netip.AddrPort) net.Addr {
	d.From = from
	ip := from.Addr().Unmap()
	if d.ip = ip.As16(); ip.Is4() {
		v4 := ip.As4()
		copy(d.ip[:], v4[:])
	}
	d.address = net.UDPAddr{IP: d.ip[:ip.BitLen()/8], Port: int(from.Port()), Zone: ip.Zone()}
	return &d.address
}

// MaxAnswer is the size in bytes of the largest answer to a datagram of any network, that of UDP over IPv4.
const MaxAnswer = 65507

// ErrAnswerTooLong is the error of an answer that is longer than MaxAnswer. Nothing of it is sent.
var ErrAnswerTooLong = fmt.Errorf("the answer is longer than %d bytes, the most that a datagram has", MaxAnswer)

// datagramWriter collects the answer.
type datagramWriter struct {
	mu     sync.Mutex
	answer *[]byte // nil: nothing yet
	err    error   // after which there is no answer
	over   bool
}

// answers holds the buffers of answers that have been sent, but for large ones.
var answers bufferPool

// keptAnswer is the size in bytes of the largest buffer in answers, as large as a datagram is by default.
const keptAnswer = 8 << 10

func (w *datagramWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.over:
		return 0, errUsedLate
	case w.err != nil:
		return 0, w.err
	case w.answer == nil:
		w.answer = answers.get(min(len(p), MaxAnswer))
	}
	if len(*w.answer)+len(p) > MaxAnswer {
		w.answer, w.err = nil, ErrAnswerTooLong
		return 0, w.err
	}
	*w.answer = append(*w.answer, p...)
	return len(p), nil
}

// Open returns rfile and wfile.
func (d *Datagram) Open() (*bufio.Reader, io.Writer) { return &d.rfile, &d.wfile }

// Hold copies data into rfile.
func (d *Datagram) Hold(data []byte) {
	d.source.Reset(data)
	d.rfile = *bufio.NewReaderSize(&d.source, len(data)) // copied into d, all but its buffer
	d.held, _ = d.rfile.Peek(len(data))
	d.source.Reset(nil)
}

var seed = maphash.MakeSeed()

// Sum returns a hash of the bytes received, which is the same for equal ones in this process.
func (d *Datagram) Sum() uint64 { return maphash.Bytes(seed, d.held) }

// Bytes returns the bytes received and, after Close, those of the answer.
func (d *Datagram) Bytes() (in, out int64) { return int64(len(d.held)), int64(d.out) }

// Data returns the datagram, until the handler reads it.
func (d *Datagram) Data() []byte {
	data, _ := d.rfile.Peek(d.rfile.Buffered())
	return data
}

// Flush does nothing: the answer is one datagram, sent by Close.
func (d *Datagram) Flush() error { return nil }

// Close sends the answer. An empty one is not sent, unlike in socketserver, so that a
// handler can stay silent, nor is one that was too long, which is an error of the request.
func (d *Datagram) Close() error {
	d.wfile.mu.Lock()
	d.wfile.over = true
	answer, err := d.wfile.answer, d.wfile.err
	d.wfile.mu.Unlock()
	if answer == nil {
		return err
	}
	if cap(*answer) <= keptAnswer {
		defer answers.put(answer)
	}
	if len(*answer) == 0 {
		return nil
	}
	return d.Send(*answer)
}

// Send sends the answer, unless the Replier refuses to.
func (d *Datagram) Send(answer []byte) error {
	err := d.Reply(d, answer)
	if err == nil {
		d.out = len(answer)
	}
	if errors.Is(err, ErrNotAnswered) {
		return nil
	}
	return err
}
