package framework

import (
	"bufio"
	"context"
	"io"
	"net"
	"sync"
	"sync/atomic"

	"github.com/hashicorp/go-hclog"
)

// A Request is what a handler knows of the one request that it serves. Handlers
// reach it through the embedded [BaseRequestHandler].
type Request struct {
	ClientAddress net.Addr // who asks; for a Unix socket that is not bound, @ or the empty name
	LocalAddress  net.Addr // where it was asked
	Network       string   // tcp, udp, unix or unixgram
	Server        string   // the name of the server

	server *BaseServer
	conn   net.Conn  // nil for a datagram
	packet *datagram // nil for a connection
	files  files     // while the handler runs

	handler Handler // whose Setup has succeeded
	err     error   // how it ended

	mu     sync.Mutex // guards what is made on first use, abort, stop and over
	ctx    context.Context
	cancel context.CancelFunc
	log    hclog.Logger
	abort  func() // ends the request by force, where closing conn does not

	firstRead int64 // when the deadline comes that is armed for it; 0: none is

	socket                  socketOptions
	readBuffer, writeBuffer int // in a worker: those of the server that accepted it

	slot atomic.Pointer[source] // what it counts against in the limits
	done func(*Request, error)  // told once, when the request is over; may be nil
	stop bool                   // StopServer was called
	over bool                   // the request has ended
}

// files are rfile and wfile over one connection or datagram.
type files interface {
	open() (*bufio.Reader, io.Writer)
	flush() error
	close() error // flushes; neither file may be used any more
}

// NewStreamRequest makes the request of a connection, for a [Transport] of your
// own. The request owns conn from here on.
func NewStreamRequest(network string, conn net.Conn) *Request {
	return &Request{
		ClientAddress: conn.RemoteAddr(), LocalAddress: conn.LocalAddr(),
		Network: network, conn: conn,
	}
}

// NewDatagramRequest makes the request of a datagram, for a [Transport] of your
// own. data is copied. answer sends what the handler wrote; it is called at most once.
func NewDatagramRequest(network string, data []byte, client, local net.Addr, answer func([]byte) error) *Request {
	r := &datagramRequest{}
	r.ClientAddress, r.LocalAddress, r.Network = client, local, network
	r.origin = answerFunc(answer)
	r.hold(data)
	r.packet = &r.datagram
	return &r.Request
}

// Context is cancelled when the server stops and when the request is over.
func (r *Request) Context() context.Context {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ctx == nil { // a context costs more than a datagram, so it is made on first use
		r.ctx, r.cancel = context.WithCancel(r.server.context())
		if r.over {
			r.cancel()
		}
	}
	return r.ctx
}

// cancelContext cancels the context, also one that nobody has asked for yet.
func (r *Request) cancelContext() {
	_ = r.Context()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cancel()
}

// Log is the server's logger with the client's address.
func (r *Request) Log() hclog.Logger {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.log == nil {
		r.log = r.server.log().With("client", r.client())
	}
	return r.log
}

// client is the client's address as text; hclog would otherwise format the struct.
func (r *Request) client() string { return addressText(r.ClientAddress) }

func addressText(a net.Addr) string {
	if a == nil {
		return ""
	}
	return a.String()
}

// Conn is the connection itself, nil for a datagram. The server closes it. What is
// read from or written to it directly goes past rfile, wfile and the timeouts. A deadline
// that is set on it ends a read of rfile that waits; the server's timeouts replace it when
// they are armed anew, about once a second. Where a worker is out of descriptors it is a connection
// all the same, but none of package net, and every use of it is that error.
func (r *Request) Conn() net.Conn { return wholeConn(r.conn) }

// IsDatagram says whether the request is a datagram, for which Conn is nil. It is for handlers
// that have no other use for Conn, which a worker makes when it is asked for.
func (r *Request) IsDatagram() bool { return r.conn == nil }

// Flush sends what is in wfile's buffer. For a datagram it does nothing, as the
// answer is one datagram, sent at the end.
func (r *Request) Flush() error { return r.files.flush() }

// StopServer stops the server as [BaseServer.Stop] does. From a handler in another
// process it takes effect when the handler is done.
func (r *Request) StopServer() {
	r.mu.Lock()
	r.stop = true
	r.mu.Unlock()
	r.server.stopServer()
}

func (r *Request) stopRequested() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.stop
}

// onAbort sets what ends the request by force.
func (r *Request) onAbort(abort func()) {
	r.mu.Lock()
	r.abort = abort
	r.mu.Unlock()
	r.server.remember(r)
	if r.server.isCut() { // it came while the others were being ended
		abort()
	}
}

// armFirstRead arms the deadline of the first read before r has a goroutine of its own. To do
// so takes more stack than a goroutine begins with, and than it needs to wait for its client:
// every connection that has not said anything yet would cost 2 KiB more.
func (r *Request) armFirstRead(s *BaseServer) {
	if r.conn == nil || s.Class.Remote != nil {
		return
	}
	var c clock
	c.start(r.conn, &s.Timeouts)
	c.beforeRead(now())
	r.firstRead = c.readBy
}

// newFiles makes rfile and wfile.
func (r *Request) newFiles(s *BaseServer) files {
	if r.conn == nil {
		return r.packet
	}
	read, write := s.readBuffer(), s.WriteBuffer
	if r.readBuffer != 0 { // the server that accepted it says so
		read, write = r.readBuffer, r.writeBuffer
	}
	if write == 0 {
		write = s.Class.WriteBuffer
	}
	stream := newStream(r.conn, &s.Timeouts, read, write)
	if r.firstRead != 0 {
		stream.clock.readBy = r.firstRead
	}
	return stream
}

// leave makes room for another request in the limits. A datagram does so before its answer is
// sent: who asks again when it has that is within limits that it does not exceed.
func (r *Request) leave(s *BaseServer) {
	if slot := r.slot.Swap(nil); slot != nil {
		s.Limits.release(slot)
	}
}

// end tells everybody that the request is over.
func (r *Request) end(s *BaseServer) {
	r.leave(s)
	r.mu.Lock()
	r.over = true
	if r.cancel != nil {
		r.cancel()
	}
	r.mu.Unlock()
	if r.done != nil {
		r.done(r, r.err)
	}
	if r.packet != nil {
		r.packet.origin.release()
	}
}

// kill ends the request by force: its reads and writes fail, its process ends.
func (r *Request) kill() {
	r.mu.Lock()
	abort := r.abort
	r.mu.Unlock()
	if abort != nil {
		abort()
	}
	if r.conn != nil {
		_ = r.conn.Close()
	}
}
