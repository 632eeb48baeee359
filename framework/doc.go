// Package framework is Python's socketserver in Go: servers that are put together from
// three parts, each of which can be exchanged without touching the others.
// docs/socketserver.md lists Python's names and what stands for them here.
//
// # Three axes
//
// A [Transport] is where requests come from: [TCPServer], [UDPServer], [UnixStreamServer]
// and [UnixDatagramServer] bring their own. A request is one connection of a stream
// transport, or one datagram of the others.
//
// A [Strategy] is where requests run: [Synchronous] in the server's loop, [Threading] in a
// goroutine each, [Forking] in a process each, [Preforking] in a goroutine each of a few
// processes that share the socket. socketserver mixes a class into the server
// for this; here it is a value of the field Strategy, and servers may share one.
//
// A [HandlerClass] is what requests do. It makes a [Handler] for each of them, and is made
// by hand or, so that another process can make the same one, by a [Constructor].
//
// Every combination works.
//
// # Four verbs
//
// [BaseServer.ServeForever] serves until it is told to stop, [BaseServer.HandleRequest]
// serves one request. [BaseServer.Shutdown] stops the server and waits for what runs, with
// a limit; [BaseServer.Close] stops it and waits for nothing. All may be called from any
// goroutine, in any order and more than once. A handler, which Shutdown would wait for,
// calls [Request.StopServer].
//
// A server is served once. It listens from [BaseServer.Listen] on, or from the first of the
// verbs that serve, and its fields are not changed after that.
//
// # One request
//
//	GetRequest        the transport waits for the next one
//	Preamble          reads what precedes it, beside the loop
//	VerifyRequest     may refuse it, and so may the limits
//	ProcessRequest    the strategy takes it to where it runs
//	FinishRequest     passes the layers, and Class.New makes a handler
//	    Setup             prepares it; on an error the next two are left out
//	    Handle            reads rfile, writes wfile
//	    Finish            runs also after an error or a panic
//	HandleError       is called with what went wrong
//	ShutdownRequest   the client reads the end of the answer
//	CloseRequest      the descriptor is closed
//
// VerifyRequest and the other hooks run in the process of the server, also where the
// handler does not; under Preforking, where requests do not come to that process, a server
// that has some is refused.
//
// # Who closes what
//
// The server closes the connection of every request, once; a handler never does. Before
// that it flushes wfile, so neither file may be kept: a late write is an error. Under
// Forking the child closes the connection as the server would; the server has closed its
// own descriptor when it handed the connection over. Stopping closes the transport and
// thereby frees its address at once (under Preforking when the workers have been told),
// while requests go on. [HandlerClass.Close] is called
// when the last server of the class has closed, in every process that has made the class.
//
// # Processes
//
// A Go program cannot fork: its child is a program that is started anew and is handed
// the accepted connection. The main of a program that uses [Forking] begins with
// [ServeWorker], which serves and does not return in a child and does nothing otherwise.
// A child has descriptors 0, 1, 2 and its channel to the server, an environment of what
// is allowed by name, and none of the server's memory. When the channel ends, as it does
// however the server dies, the child finishes what it has and goes. What a child prints
// is logged by the server. A worker of [Preforking] is such a process that is handed the
// listening socket instead. This needs Linux; elsewhere both are [ErrNotSupported].
package framework
