package framework

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"

	"github.com/hashicorp/go-hclog"

	"github.com/go-socketserver/socketserver/framework/internal/conn"
	"github.com/go-socketserver/socketserver/framework/internal/life"
	"github.com/go-socketserver/socketserver/framework/internal/slots"
)

// A Request is what a handler knows of the request that it serves, through the embedded
// [BaseRequestHandler].
type Request struct {
	ClientAddress net.Addr // of a Unix socket that is not bound: @ or the empty name
	LocalAddress  net.Addr // the address that was asked
	Network       string   // that of the transport, as in [Transport]
	Server        string   // the name of the server
	TLS           *TLS     // nil: the connection has passed no TLS layer

	server   *BaseServer
	accepted net.Conn       // what the transport accepted; nil for a datagram
	shared   net.Conn       // accepted, for this process, once another one has its descriptor; nil: none has
	conn     net.Conn       // what the handler uses: accepted, or the outcome of layers
	packet   *conn.Datagram // nil for a connection
	files    files          // while the handler runs

	handler Handler     // whose Setup has succeeded
	err     error       // how it ended
	watch   *life.Watch // of its handler; nil: the request may take any time
	scope   life.Scope

	mu  sync.Mutex   // guards log
	log hclog.Logger // made on first use

	firstRead               int64 // the deadline armed for the first read; 0: none is
	options                 conn.TCPOptions
	readBuffer, writeBuffer int // in a worker: those of the server that accepted it

	layers  []Layer // that its connection passes: those of its server, unless that one has said in a worker
	wrapped bool    // it has passed them here
	early   bool    // done is called before its connection is closed

	slot   atomic.Pointer[slots.Source] // what it counts against in the limits
	done   func(*Request, error)        // called once, when the request is over; may be nil
	traced *traced                      // nil: nobody listens
}

// files are rfile and wfile over one connection or datagram.
type files interface {
	Open() (*bufio.Reader, io.Writer)
	Flush() error
	Close() error // flushes; neither file may be used any more
	Bytes() (in, out int64)
}

// NewStreamRequest makes the request of a connection, for a [Transport] of your own. It owns c.
func NewStreamRequest(network string, c net.Conn) *Request {
	return &Request{
		ClientAddress: c.RemoteAddr(), LocalAddress: c.LocalAddr(),
		Network: network, accepted: c, conn: c,
	}
}

// datagramRequest is what a datagram needs, in one allocation.
type datagramRequest struct {
	Request
	datagram conn.Datagram
}

// NewDatagramRequest makes the request of a datagram, for a [Transport] of your
// own. data is copied. answer sends what the handler wrote; it is called at most once.
func NewDatagramRequest(network string, data []byte, client, local net.Addr, answer func([]byte) error) *Request {
	r := &datagramRequest{}
	r.ClientAddress, r.LocalAddress, r.Network = client, local, network
	r.datagram.Replier = conn.ReplyFunc(answer)
	r.datagram.Hold(data)
	r.packet = &r.datagram
	return &r.Request
}

// Context is cancelled when the server stops and when the request is over.
func (r *Request) Context() context.Context { return r.scope.Context(r.server.context()) }

// Cancel cancels the context of the request, which goes on. It is for a [Transport] that has the requests of another
// server, when that stops. It may be called at any time.
func (r *Request) Cancel() { r.scope.End() }

// Timeouts are those of the server for a request that begins now. The server applies them to rfile and
// wfile; they are for a handler that waits for something else.
func (r *Request) Timeouts() Timeouts { return *r.server.timeouts() }

// Log is the server's logger with the client's address.
func (r *Request) Log() hclog.Logger {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.log == nil {
		r.log = r.server.log().With("client", r.client())
	}
	return r.log
}

// client returns the client's address as text; hclog would format the struct.
func (r *Request) client() string { return conn.AddressText(r.ClientAddress) }

// Conn is the connection itself, nil for a datagram. The server closes it. Reads and writes of it
// bypass rfile, wfile and the timeouts. A deadline set on it ends a read of rfile that waits, until
// the server's timeouts replace it, about once a second. Where a worker is out of descriptors every
// use of it returns that error.
func (r *Request) Conn() net.Conn { return conn.NetConn(r.conn) }

// IsDatagram reports whether the request is a datagram, for which Conn is nil. It is for handlers
// that have no other use for Conn, which a worker makes when it is asked for.
func (r *Request) IsDatagram() bool { return r.conn == nil }

// Flush sends what is in wfile's buffer. For a datagram it does nothing, as the
// answer is one datagram, sent at the end.
func (r *Request) Flush() error { return r.files.Flush() }

// TryWrite writes what the connection takes without waiting, after all that was written to wfile,
// and returns the number of bytes. If that is less than len(p) the client does not read fast enough,
// or wfile is in use or has something in its buffer: write the rest to wfile, which waits. Any
// goroutine may call it until Finish returns; it allocates nothing after the first call. For a
// datagram it is an error.
func (r *Request) TryWrite(p []byte) (int, error) {
	s, ok := r.files.(*conn.Stream)
	if !ok {
		return 0, errors.New("framework: TryWrite is for connections; write to wfile")
	}
	return s.TryWrite(p)
}

// CloseRead ends what the handler reads of its connection, as if the client had ended what it sends: rfile has what has
// arrived and then returns io.EOF, also to a read that waits. From then on the server sets no deadline of reads: one that is
// set on Conn stays, and what has arrived is given up once it has passed. Any goroutine may call CloseRead. For a datagram,
// or before Setup, it does nothing.
func (r *Request) CloseRead() {
	if s, ok := r.files.(*conn.Stream); ok {
		s.CloseRead(r.accepted)
	}
}

// PeerCertificates returns the certificates that the client has shown, its own first, as ASN.1 DER;
// nil: it has shown none, or there is no TLS. The first is verified; the others are what the client sent.
func (r *Request) PeerCertificates() [][]byte {
	if r.TLS == nil {
		return nil
	}
	return r.TLS.PeerCertificates
}

// Environment returns what a program that serves r has in its environment: the names of CGI and systemd,
// those of UCSPI and, where r has passed TLS, those of mod_ssl.
func (r *Request) Environment() []string {
	return append(append(r.TLS.environment(), "SERVER="+r.Server), conn.Environment(r.ClientAddress, r.LocalAddress)...)
}

// StopServer stops the server, see [BaseServer.Stop]; from another process when the handler is done.
func (r *Request) StopServer() {
	r.scope.AskStop()
	r.server.stopServer()
}

// armFirstRead arms the first read's deadline before r has a goroutine, see [conn.ArmFirstRead].
func (r *Request) armFirstRead(s *BaseServer) {
	if r.conn == nil || s.Class.Executor != nil || len(r.layers) > 0 {
		return
	}
	r.firstRead = conn.ArmFirstRead(r.conn, s.timeouts().ofStream())
}

// isBare reports whether the bytes of r pass no layer of this process.
func (r *Request) isBare() bool { return r.conn == r.accepted || r.conn == r.shared }

// newFiles makes rfile and wfile.
func (r *Request) newFiles(s *BaseServer) files {
	if r.conn == nil {
		return r.packet
	}
	read, write := s.readBuffer, s.WriteBuffer
	if r.readBuffer != 0 { // the server that accepted it says so
		read, write = r.readBuffer, r.writeBuffer
	}
	if write == 0 {
		write = s.Class.WriteBuffer
	}
	return conn.NewStream(r.conn, s.timeouts().ofStream(), read, write, s.maxLine, r.firstRead)
}

// leave makes room in the limits. A datagram does so before its answer is sent, so that a client that
// sends its next request on receipt of the answer is not counted twice.
func (r *Request) leave(s *BaseServer) {
	if slot := r.slot.Swap(nil); slot != nil {
		s.Limits.applied().Release(slot)
	}
}

// end records that the request is over.
func (r *Request) end(s *BaseServer) {
	r.leave(s)
	r.scope.End()
	err := r.err
	if r.early && err == nil { // it came too late, or this has been told
		err = ErrServerClosed
	}
	r.conclude(err)
	if r.packet != nil {
		r.packet.Release()
	}
}

// Kill ends the request by force, from anywhere: its context is cancelled, its connection closed, and
// the process that it has been handed to killed, with all other requests of that process.
func (r *Request) Kill() {
	r.Cancel()
	r.kill()
}

// kill ends the request by force: its reads and writes fail, its process ends.
func (r *Request) kill() {
	r.scope.Abort()
	if r.accepted != nil { // a layer would wait for the client
		conn.Kill(r.accepted)
	}
}
