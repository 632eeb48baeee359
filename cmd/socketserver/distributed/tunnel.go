package distributed

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/framework/layer"
)

// A tunnel is a connection of TLS between a front and a worker, for one request:
//
//	front    the length of a hello in 4 bytes, and the hello as JSON
//	worker   ready, full or unknown
//	front    begin, once: no other worker gets the request from here on
//	both     the bytes of the client, and the answer
//
// The end of what one side writes is close_notify. A worker that is done closes the connection after that;
// where it has gone there is none.

// A hello describes a client.
type hello struct {
	Server  string         `json:"server"`
	Build   string         `json:"build"`
	Network string         `json:"network"`
	Client  string         `json:"client"`
	Local   string         `json:"local"`
	TLS     *framework.TLS `json:"tls,omitempty"`
}

// The answers of a worker, and what a front has it begin with.
const (
	ready   = 'R'
	full    = 'F' // it has no slot
	unknown = 'U' // it does not serve this server, or is of another build
	begin   = 'B'
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

// request makes the request of a client that has begun.
func (h *hello) request(c net.Conn) *framework.Request {
	r := framework.NewStreamRequest(h.Network, c)
	r.ClientAddress, r.LocalAddress, r.TLS = framework.ParseAddress(h.Network, h.Client), framework.ParseAddress(h.Network, h.Local), h.TLS
	return r
}

func textOf(a net.Addr) string {
	if a == nil {
		return ""
	}
	return a.String()
}

// served is the worker's end of a tunnel.
type served struct {
	*layer.TLSConn
	tcp   *net.TCPConn
	once  sync.Once
	leave func() // frees the slot
}

// Close ends what is written, and waits a moment for the front to close: what it has sent and nobody has read would
// reset the connection, and the answer be lost.
func (c *served) Close() error {
	c.once.Do(func() {
		c.leave()
		_ = c.SetDeadline(time.Now().Add(lingerTime))
		if c.CloseWrite() == nil && c.tcp.CloseWrite() == nil {
			_, _ = io.Copy(io.Discard, c.tcp)
		}
		_ = c.tcp.Close()
	})
	return nil
}

// splice copies between the client of r and a worker until the worker is done, and closes the tunnel. Where the worker
// has gone before, the client is reset. in and out are the bytes from the client and to it.
func splice(r *framework.Request, worker *layer.TLSConn, tcp *net.TCPConn) (in, out int64, err error) {
	client := r.Conn()
	var up sync.WaitGroup
	var left atomic.Bool // the client, or who it is served for
	up.Go(func() {
		from := reads{Reader: client}
		in, _ = io.Copy(worker, &from)
		if from.err != nil && !errors.Is(from.err, io.EOF) {
			left.Store(true)
			abort(tcp)
			return
		}
		_ = worker.CloseWrite()
	})
	from := reads{Reader: worker}
	out, err = io.Copy(&writes{client, r.Timeouts().Write}, &from)
	switch cut := from.err != nil && !errors.Is(from.err, io.EOF); {
	case left.Load(), err != nil && !cut:
		err = framework.ErrPeerGone
		abort(tcp)
	case cut:
		err = lost(tcp.RemoteAddr().String())
		reset(r)
	default: // the handler has ended what it writes, and may read on
		closeWrite(client)
		_, _ = tcp.Read(make([]byte, 1))
	}
	_ = client.SetReadDeadline(time.Unix(1, 0))
	_ = tcp.Close()
	up.Wait()
	return in, out, err
}

// lost is the error of a request whose worker has gone.
func lost(address string) error {
	return fmt.Errorf("%w: its request is lost, on %s", framework.ErrWorkerGone, address)
}

// reads keeps the error of reading apart from that of writing.
type reads struct {
	io.Reader
	err error
}

func (r *reads) Read(p []byte) (n int, err error) {
	n, r.err = r.Reader.Read(p)
	return n, r.err
}

// writes gives each write a time; 0: as long as it takes.
type writes struct {
	net.Conn
	within time.Duration
}

func (w *writes) Write(p []byte) (int, error) {
	if w.within > 0 {
		_ = w.SetWriteDeadline(time.Now().Add(w.within))
	}
	return w.Conn.Write(p)
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

func closeWrite(c net.Conn) {
	if half, ok := c.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
}
