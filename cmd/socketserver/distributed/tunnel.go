package distributed

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-socketserver/socketserver/framework"
)

// A tunnel is a connection of TLS between a front and a worker, for one request:
//
//	front    the length of a hello in 4 bytes, and the hello as JSON
//	worker   ready, full or unknown
//	front    begin, once: no other worker gets the request from here on
//	front    the bytes of the client, and close_notify where it has ended what it sends
//	worker   parts, each a kind, the length in 2 bytes and so many bytes: data of the answer, end where the handler
//	         has ended that, and at last over, with the outcome
//
// The front closes the connection then. A worker that has gone has not said over.

// A hello describes a client.
type hello struct {
	ID      string         `json:"id"` // of the request, by which its front says that it stops
	Server  string         `json:"server"`
	Build   string         `json:"build"`
	Network string         `json:"network"`
	Client  string         `json:"client"`
	Local   string         `json:"local"`
	TLS     *framework.TLS `json:"tls,omitempty"`

	Datagram bool `json:"datagram,omitempty"`
}

// The answers of a worker, and what a front has it begin with.
const (
	ready   = 'R'
	full    = 'F' // it has no slot
	unknown = 'U' // it does not serve this server, or is of another build
	begin   = 'B'
)

// The kinds of parts.
const (
	data = 'D'
	end  = 'E'
	over = 'O' // the outcome of [framework.Request.WhenOver]
)

// The longest part, with what precedes it, fills four records of TLS.
const (
	partHead = 3
	maxPart  = 4*maxRecord - partHead
)

const (
	maxHello    = 256 << 10       // bytes
	helloTime   = 5 * time.Second // from the connection to begin
	lingerTime  = 500 * time.Millisecond
	dialTime    = time.Second
	readyTime   = 2 * time.Second // from the dial to the answer
	maxStarting = 1024            // connections that have not begun
)

func (h *hello) send(w io.Writer) error {
	text, err := json.Marshal(h)
	if err != nil {
		return err
	}
	_, err = w.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(text))), text...))
	return err
}

func receiveHello(r io.Reader) (h hello, err error) {
	var size [4]byte
	if _, err := io.ReadFull(r, size[:]); err != nil {
		return h, err
	}
	n := binary.BigEndian.Uint32(size[:])
	if n > maxHello {
		return h, fmt.Errorf("the description of a client has %d bytes", n)
	}
	text := make([]byte, n)
	if _, err := io.ReadFull(r, text); err != nil {
		return h, err
	}
	return h, json.Unmarshal(text, &h)
}

// complete sets in r what is known of its client.
func (h *hello) complete(r *framework.Request) *framework.Request {
	r.ClientAddress, r.LocalAddress, r.TLS = framework.ParseAddress(h.Network, h.Client), framework.ParseAddress(h.Network, h.Local), h.TLS
	return r
}

// served is the worker's end of a tunnel.
type served struct {
	*secured
	ended atomic.Bool // what the handler writes
	leave func()      // frees the slot
}

// parts holds the memory of parts that nobody sends or has received.
var parts = sync.Pool{New: func() any { return new([partHead + maxPart]byte) }}

// send sends one part.
func (c *served) send(kind byte, p []byte) error {
	memory := parts.Get().(*[partHead + maxPart]byte)
	defer parts.Put(memory)
	_, err := c.secured.Write(append(binary.BigEndian.AppendUint16(append(memory[:0], kind), uint16(len(p))), p...))
	return err
}

// request makes the request of a client that has begun.
func (c *served) request(h *hello) *framework.Request {
	r := framework.NewStreamRequest(h.Network, c)
	r.WhenOver(func(outcome []byte) { c.conclude(outcome, r.Timeouts().Write) })
	return h.complete(r)
}

// Write sends data.
func (c *served) Write(p []byte) (n int, err error) {
	for part := range slices.Chunk(p, maxPart) {
		if c.ended.Load() {
			return n, net.ErrClosed
		}
		if err := c.send(data, part); err != nil {
			return n, err
		}
		n += len(part)
	}
	return n, nil
}

// CloseWrite ends what the handler writes.
func (c *served) CloseWrite() error {
	c.ended.Store(true)
	return c.send(end, nil)
}

// conclude sends the outcome, and waits a moment for the front to close: what it has sent and nobody has read would
// reset the connection, and the answer be lost.
func (c *served) conclude(outcome []byte, write time.Duration) {
	c.leave()
	_ = c.SetWriteDeadline(time.Time{})
	if write > 0 {
		_ = c.SetWriteDeadline(time.Now().Add(write))
	}
	if c.send(over, outcome) == nil && c.tcp.CloseWrite() == nil {
		_ = c.tcp.SetReadDeadline(time.Now().Add(lingerTime))
		_, _ = io.Copy(io.Discard, c.tcp)
	}
}

// Close closes the tunnel at once.
func (c *served) Close() error {
	c.leave()
	return c.tcp.Close()
}

// splice copies between the client of r and a worker until the worker is done, and closes the tunnel. Where the worker
// has gone before, the client is reset.
func (t *tunnel) splice(r *framework.Request, client framework.Client) error {
	var in int64
	var up sync.WaitGroup
	var left atomic.Pointer[error] // why the client has, or who it is served for
	leave := func(err error) {
		left.CompareAndSwap(nil, &err)
		abort(t.tcp)
	}
	r.Started(0, func() { leave(net.ErrClosed) })
	up.Go(func() {
		in, _ = io.Copy(t, client)
		if err := client.Ended(); err != nil {
			leave(err)
			return
		}
		_ = t.CloseWrite()
	})
	out, outcome, err := t.receive(client)
	gone := left.Load()
	_ = client.SetReadDeadline(time.Unix(1, 0))
	abort(t.tcp)
	up.Wait()
	if outcome != nil {
		_, err := r.Conclude(outcome)
		return err
	}
	r.Moved(in, out)
	if gone != nil {
		return *gone
	}
	if errors.Is(err, framework.ErrWorkerGone) {
		reset(r)
	}
	return err
}

// receive passes the answer on, and returns the outcome.
func (t *tunnel) receive(client framework.Client) (out int64, outcome []byte, err error) {
	head := make([]byte, partHead)
	for {
		if _, err := io.ReadFull(t, head); err != nil {
			return out, nil, lost(t.tcp.RemoteAddr().String())
		}
		n, outcome, err := t.receivePart(client, head[0], int(binary.BigEndian.Uint16(head[1:])))
		if out += int64(n); err != nil || outcome != nil {
			return out, outcome, err
		}
	}
}

// receivePart passes a part on, or returns it if it is the outcome. Its memory is held no longer than it takes.
func (t *tunnel) receivePart(client framework.Client, kind byte, size int) (n int, outcome []byte, err error) {
	memory := parts.Get().(*[partHead + maxPart]byte)
	defer parts.Put(memory)
	part := memory[:size]
	if _, err := io.ReadFull(t, part); err != nil {
		return 0, nil, lost(t.tcp.RemoteAddr().String())
	}
	switch kind {
	case data:
		n, err = client.Write(part)
	case end:
		client.CloseWrite()
	case over:
		outcome = slices.Clone(part)
	}
	return n, outcome, err
}

// lost is the error of a request whose worker has gone.
func lost(address string) error {
	return fmt.Errorf("%w: its request is lost, on %s", framework.ErrWorkerGone, address)
}

// abort has the other side of a tunnel notice that it was cut off.
func abort(tcp *net.TCPConn) {
	_ = tcp.SetLinger(0)
	_ = tcp.Close()
}

// reset cuts off a client, which would take a plain end of the connection for that of the answer.
func reset(r *framework.Request) {
	if tcp, ok := r.Conn().(interface{ SetLinger(int) error }); ok {
		_ = tcp.SetLinger(0)
	}
	r.Kill()
}
