// Package framework is Python's socketserver in Go: servers made of three parts, each of
// which can be changed without touching the others. docs/socketserver.md lists Python's
// names and what this package has in their place.
//
// # Three axes
//
// A [Transport] is where requests come from. [TCPServer], [UDPServer], [UnixStreamServer] and
// [UnixDatagramServer] have their own; [Listener] and [PacketConn] make one of what package net
// has, and [Socket] one of a socket that outlives its servers. A request is one connection of a
// stream transport, or one datagram of the others.
//
// A [Strategy] is where requests run: [Synchronous] in the server's loop, [Threading] in a
// goroutine each, [Forking] in a process each, [Preforking] in a goroutine each of a few
// processes that share the socket. In socketserver it is a class that is mixed into the server;
// here it is a value, and servers may share one.
//
// A [HandlerClass] is what requests do. It makes a [Handler] for each of them, and is made by
// hand or, so that another process can make the same one, by a [Constructor]. Every combination of
// the three works.
//
// # Four verbs
//
// [BaseServer.ServeForever] serves until the server is stopped, [BaseServer.HandleRequest] serves
// one request. [BaseServer.Shutdown] stops the server and waits for its requests until a context is
// done; [BaseServer.Close] does not wait. All may be called from any goroutine, in any order and
// more than once. A handler, for which Shutdown would wait, calls [Request.StopServer].
// [BaseServer.Retire] leaves what is in flight undisturbed, so that another server can take over.
//
// A server serves once. It listens from [BaseServer.Listen] on, or from the first verb that
// serves, and its fields do not change after that.
//
// # One request
//
//	GetRequest        the transport waits for the next one
//	Preamble          reads what precedes it, beside the loop
//	VerifyRequest     may refuse it, and so may the limits
//	ProcessRequest    the strategy runs it
//	FinishRequest     passes the layers, and Class.New makes a handler
//	    Setup             prepares it; if it fails the next two are not called
//	    Handle            reads rfile, writes wfile
//	    Finish            runs also after an error or a panic
//	HandleError       is called with the error
//	ShutdownRequest   the client reads the end of the answer
//	CloseRequest      the descriptor is closed
//
// Preamble, VerifyRequest and HandleError run in the process of the server, also if the handler
// does not; a [PortablePreamble] runs in workers that accept. A [Trace] is called from every strategy.
//
// # Who closes what
//
// The server closes the connection of every request, once; a handler never does. Before that it
// flushes wfile. Neither file may be kept: a late write is an error. Under Forking the child
// closes the connection; the server has closed its own descriptor when it handed the connection
// over. Stopping closes the transport, which frees its address at once (under Preforking when
// the workers have closed the socket), while requests go on. [HandlerClass.Close] is called when
// the last server of the class has closed, in every process that has made the class.
//
// # Processes
//
// A Go program cannot fork: its child is a program that is started anew and is handed the
// accepted connection or, by [Preforking], the listening socket. The main of a program that uses
// them begins with [ServeWorker], which in a child serves and does not return, and otherwise does
// nothing. A child has descriptors 0, 1, 2 and its channel to the server, a few variables of the
// environment, and none of the server's memory. When the channel ends, as it does however the
// server dies, the child finishes its requests and exits. The server logs what a child prints.
// Both need Linux; elsewhere they return [ErrNotSupported].
package framework
