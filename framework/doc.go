// Package framework is Python's socketserver in Go: servers that are put together from
// three parts, each of which can be exchanged without touching the others.
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
//	VerifyRequest     the hook may refuse it, and so may the limits
//	ProcessRequest    the strategy takes it to where it runs
//	FinishRequest     Class.New makes a handler
//	    Setup             prepares it; on an error the next two are left out
//	    Handle            reads rfile, writes wfile
//	    Finish            runs also after an error or a panic
//	HandleError       is told what went wrong
//	ShutdownRequest   the client reads the end of the answer
//	CloseRequest      the descriptor is given back
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
// A Go program can not fork: its child is a program that is started anew and is handed
// the accepted connection. The main of a program that uses [Forking] begins with
// [ServeWorker], which serves and does not return in a child and does nothing otherwise.
// A child has descriptors 0, 1, 2 and its channel to the server, an environment of what
// is allowed by name, and none of the server's memory. When the channel ends, as it does
// however the server dies, the child finishes what it has and goes. What a child prints
// is logged by the server. A worker of [Preforking] is such a process that is handed the
// listening socket instead. This needs Linux; elsewhere both are [ErrNotSupported].
//
// # From socketserver
//
// What is there and what it is here. Where nothing is said it means the same.
//
//	BaseServer(address, Handler)  [BaseServer]: a struct; the zero value of a field is its default
//	TCPServer, UDPServer          [NewTCPServer], [NewUDPServer]: they do not listen yet, as with
//	                              bind_and_activate=False
//	UnixStreamServer, ...         [NewUnixStreamServer], [NewUnixDatagramServer]
//	ThreadingMixIn                [Threading]
//	ForkingMixIn                  [Forking]
//	neither                       [Synchronous], or no Strategy
//	none                          [Preforking]
//	ThreadingTCPServer, ...       none: a class for each combination is what the field replaces
//	BaseRequestHandler            [BaseRequestHandler]: for every transport, rfile and wfile included
//	StreamRequestHandler          [StreamRequestHandler]
//	DatagramRequestHandler        [DatagramRequestHandler]
//
// Attributes of a server:
//
//	server_address                [BaseServer.Addr], with the real port
//	RequestHandlerClass           [BaseServer.Class]
//	socket, fileno()              none: one loop drives one server, a select over many is not needed
//	address_family                none: it follows from the address; [SocketOptions.IPv6Only]
//	socket_type                   none: it follows from the server
//	timeout                       [BaseServer.Timeout]; the 300 of ForkingMixIn is not needed, as
//	                              children are reaped when they end
//	request_queue_size            [SocketOptions.RequestQueueSize]: 128, not 5
//	allow_reuse_address           as if true; [SocketOptions.RefuseReuseAddress] unsets it
//	allow_reuse_port              [SocketOptions.ReusePort]
//	max_packet_size               [SocketOptions.MaxPacketSize]: a longer datagram is dropped, not cut
//	max_children                  [Forking.MaxChildren]: enforced whatever the loop is doing
//	active_children               [Forking.ActiveChildren]
//	block_on_close                Shutdown waits and Stop does not
//	daemon_threads                none: a goroutine does not keep a program from ending
//	_threads                      [BaseServer.Active]
//
// Methods of a server:
//
//	server_bind, server_activate  [BaseServer.Listen]
//	serve_forever(poll_interval)  [BaseServer.ServeForever]: nothing polls, stopping takes effect at once
//	handle_request                [BaseServer.HandleRequest]
//	shutdown                      [BaseServer.Stop], [BaseServer.Shutdown]: never a deadlock; before
//	                              serving it means that the server never will
//	server_close                  part of both
//	with server:                  defer [BaseServer.Close]
//	get_request                   [Transport.GetRequest]
//	verify_request                [BaseServer.VerifyRequest]: a panic refuses
//	process_request               [Strategy.ProcessRequest]
//	finish_request                [BaseServer.FinishRequest]
//	shutdown_request              [BaseServer.ShutdownRequest]
//	close_request                 [BaseServer.CloseRequest]
//	service_actions               [BaseServer.ServiceActions]
//	handle_timeout                [BaseServer.HandleTimeout]
//	handle_error                  [BaseServer.HandleError]: without it errors go to [BaseServer.Log]
//	collect_children              none: each child is waited for by a goroutine
//
// Attributes of a handler, which it reaches through the embedded [Request]:
//
//	request, connection, socket   [Request.Conn]; nil for a datagram, whose bytes are rfile's
//	client_address                [Request.ClientAddress]
//	server                        [Request.Server] is its name; a handler in another process has no more
//	rfile, wfile, packet          the arguments of [Handler.Handle]
//	rbufsize                      [BaseServer.ReadBuffer]: 4096
//	wbufsize                      [HandlerClass.WriteBuffer], [BaseServer.WriteBuffer]: 0, unbuffered
//	timeout                       [Timeouts.Read]; the others of [Timeouts] are new
//	disable_nagle_algorithm       as if true; [SocketOptions.Nagle] turns it on again
//	setup, handle, finish         [Handler.Setup], [Handler.Handle], [Handler.Finish]
//
// Exceptions are errors. A panic of a handler becomes a [PanicError] and ends its request
// only; runtime.Goexit, like SystemExit, passes HandleError by. An empty answer to a
// datagram is not sent, so that a handler can stay silent.
package framework
