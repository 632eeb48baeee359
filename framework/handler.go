package framework

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/hashicorp/go-hclog"

	"github.com/go-socketserver/socketserver/framework/internal/life"
)

// A Handler serves one request: one connection of a stream transport, one datagram of the others. A
// new value is made for every request, so its fields belong to that request alone.
//
// The order is that of socketserver: Setup, Handle, Finish. Finish runs also after Handle has
// returned an error or panicked; if Setup fails neither of the others runs. Then the server, never
// the handler, closes the connection.
//
// rfile reads what the client sent, wfile writes the answer. On a stream wfile is unbuffered unless
// a write buffer is set; a write buffer is flushed when it is full, before a read from the client
// blocks, at the end, and by [Request.Flush]. On a datagram rfile holds the datagram, and what was
// written is the answer, sent as one datagram at the end; nothing written is no answer. wfile may
// be used by several goroutines at once; neither may be used after Finish has returned.
//
// An error is reported to the server's HandleError; [io.EOF] is the client's regular end and is not.
type Handler interface {
	Setup(req *Request) error
	Handle(rfile *bufio.Reader, wfile io.Writer) error
	Finish() error
}

// BaseRequestHandler is embedded by handlers that serve every transport. It supplies Setup and
// Finish and gives access to the request.
type BaseRequestHandler struct{ *Request }

// Setup keeps the request for the methods of the handler.
func (h *BaseRequestHandler) Setup(req *Request) error {
	h.Request = req
	return nil
}

// Finish does nothing.
func (h *BaseRequestHandler) Finish() error { return nil }

// StreamRequestHandler is embedded by handlers that need a connection: tcp and unix.
type StreamRequestHandler struct{ BaseRequestHandler }

func (*StreamRequestHandler) networks() []string { return streams }

// DatagramRequestHandler is embedded by handlers that need datagrams: udp and unixgram.
type DatagramRequestHandler struct{ BaseRequestHandler }

func (*DatagramRequestHandler) networks() []string { return packets }

// The networks of this package's transports.
var (
	streams     = []string{"tcp", "unix"}
	packets     = []string{"udp", "unixgram"}
	allNetworks = []string{"tcp", "udp", "unix", "unixgram"}
)

// A HandlerClass is what a server makes its handlers from, as socketserver's RequestHandlerClass. It
// is made by hand or by a [Constructor]; [Forking] needs the latter, as the child makes the same one.
type HandlerClass struct {
	// New makes the handler of one request.
	New func() Handler
	// Networks are those of the transports that the class can serve: tcp, udp, unix, unixgram or
	// names of foreign ones. Nil means what the handler embedded by New's result says.
	Networks []string
	// Stateful is what the class keeps in the memory of each process between requests, as a noun
	// phrase; empty: nothing.
	Stateful string
	// UsesState means that handlers call [Request.State].
	UsesState bool
	// WriteBuffer is the size of wfile's buffer in bytes; 0 means unbuffered. A server's own
	// WriteBuffer goes before it.
	WriteBuffer int
	// Quiet means that clients may be silent for as long as they like: Timeouts.Idle applies to
	// them only where it was set on purpose, see [Timeouts.IdleIsDefault].
	Quiet bool
	// SpeaksFirst means that handlers write before they read. Clients that say nothing may have all
	// children of [Forking] then, and not only half of them.
	SpeaksFirst bool
	// OwnProgram means that a smaller program than this one cannot make the class: children run
	// this program, also where the strategy has a Command.
	OwnProgram bool
	// Foreign means that handlers run code that is not this program's, such as a module of a plugin. Their
	// processes are not given the layers of the server, which have its keys.
	Foreign bool
	// Reads are files and directories that a worker reads to make the class. Its [Sandbox] lets it. What else keeps a user
	// from them is for who sets this.
	Reads []string
	// Open acquires what the class holds beside its requests, for a server of that name and with
	// that server's log. The first server of the class calls it before it serves, in the process
	// where the handlers run; an error keeps that from listening. It may be nil.
	Open func(server string, log hclog.Logger) error
	// Check returns an error that Open would return, as far as it is known without opening
	// anything. Of a class whose handlers run in workers one is started for it when the server opens. It may be nil.
	Check func() error
	// Close releases what the class holds. The last server of the class calls it once it has
	// closed, also where Open was not called. It may be nil.
	Close func() error
	// Executor finishes requests in place of New's handlers, as for a plugin; nil: those do.
	Executor Executor
	// Isolates means that Executor has a process of its own for each request. [Forking] bounds
	// their number then and has no children beside them.
	Isolates bool
	// Program is what workers of the class run; nil: the program that has its constructor.
	Program *Program

	constructor *definition // nil: made by hand
	options     []byte      // what the constructor was given, as JSON
	users       life.Refcount
	state       sync.Once // makes memory
	memory      State     // of servers without a State of their own
}

// Serves returns the transports that the class can serve.
func (c *HandlerClass) Serves() []string {
	if c.Networks != nil {
		return c.Networks
	}
	if c.New != nil {
		if h, ok := c.New().(interface{ networks() []string }); ok {
			return h.networks()
		}
	}
	return allNetworks
}

// CanServe reports whether the class can serve a network. One that serves tcp or unix can serve the
// connections of vsock and unixpacket, too.
func (c *HandlerClass) CanServe(network string) bool { return c.canServe(network, streams) }

// canServe reports whether the class can serve a network, or one of those that it is like unless it is
// one of this package's.
func (c *HandlerClass) canServe(network string, like []string) bool {
	serves := func(n string) bool { return slices.Contains(c.Serves(), n) }
	return serves(network) || !slices.Contains(allNetworks, network) && slices.ContainsFunc(like, serves)
}

// check reports why the class cannot serve t; nil: any transport. The error ends with what to do.
func (c *HandlerClass) check(t Transport) error {
	if c == nil || (c.New == nil && c.Executor == nil) {
		return errors.New("framework: the server has no handler class; set Class to one that has New")
	}
	if t == nil || t.Network() == "" {
		return nil
	}
	like := c.Serves() // a foreign transport of a foreign network can have any class
	if kind, ok := t.(interface{ like() []string }); ok {
		like = kind.like()
	}
	if !c.canServe(t.Network(), like) {
		return fmt.Errorf("framework: the handler serves %v and cannot serve %s; choose one of its transports", c.Serves(), t.Network())
	}
	return nil
}
