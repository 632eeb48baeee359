"""The loop and the file that it serves. See channel.py."""


class Spared:
    """os.unlink and the like, which leave the server's socket alone: the server has made it, not the file."""

    def __init__(self, runner, call):
        self.runner, self.call = runner, call

    def __call__(self, path, *args, **kwargs):
        if not self.runner.owns(path):
            return self.call(path, *args, **kwargs)


class Printed:
    """sys.stderr while the file loads. It keeps what argparse says about missing arguments."""

    def __init__(self, stream):
        self.stream, self.text = stream, ""

    def write(self, text):
        self.text = (self.text + text)[-400:]
        return self.stream.write(text)

    def __getattr__(self, name):
        return getattr(self.stream, name)


class Runner:
    """The loop, and the file whose serve_forever() it is."""

    def __init__(self, path, text):
        self.path, self.text, self.channel = os.path.abspath(path), text, Channel()  # the name, and where its text is
        kind, _, _, body, _ = self.channel.receive()
        if not kind:
            os._exit(0)  # the server had no use for this process
        self.configuration = json.loads(body)
        if self.configuration.get("journal"):
            os.close(self.configuration["journal"])  # shared memory for events, which are sent instead
        timeouts = self.configuration.get("timeouts") or {}
        seconds = {name: value / 1e9 for name, value in timeouts.items() if value}
        limit, write_limit = (min(seconds.get("idle", FOREVER), seconds.get(name, FOREVER)) for name in ("read", "write"))
        self.longest, self.patience = seconds.get("request"), seconds.get("drain", 10)
        self.concurrency = self.configuration.get("concurrency", "threading")
        self.limits = Limits(self.configuration.get("limits") or {})
        self.kinds = [type("Connection", (base,), {"limit": limit, "write_limit": write_limit}) for base in (Connection, CountedConnection)]
        self.made, self.serving, self.waiting, self.place = [], [], set(), None  # server objects, threads
        self.requests, self.listeners, self.timers, self.begun = {}, {}, [], 0
        self.expiring, self.lock = {}, threading.Lock()  # the requests that are not late, the oldest first
        self.stopping = self.over = self.own_loop = self.broken = False
        self.state = None  # of a file that uses one
        self.changed, self.finished = threading.Condition(), threading.Event()
        self.poller, self.watched = select.epoll(), {}
        self.watch(self.channel.socket.fileno(), self.receive)
        self.bell = os.pipe()
        self.watch(self.bell[0], lambda bell: os.read(bell, 4096))

    # The loop.

    def watch(self, descriptor, ready, events=select.EPOLLIN):
        self.watched[descriptor] = ready
        self.poller.register(descriptor, events)

    def unwatch(self, descriptor):
        del self.watched[descriptor]
        self.poller.unregister(descriptor)

    def wake(self):
        os.write(self.bell[1], b".")

    def later(self, seconds, call):
        insort(self.timers, (time.monotonic() + seconds, id(call), call))

    def poll(self, seconds):
        """Wait for one of the watched descriptors, for some days at most, and do what it is for."""
        ends = [at for at, *_ in self.timers[:1]] + self.expire()
        if ends:
            until = max(min(ends) - time.monotonic(), 0)
            seconds = until if seconds is None else min(until, seconds)
        for descriptor, _ in self.poller.poll(seconds and min(seconds, 1 << 20)):  # beyond 24 days is an OverflowError
            if descriptor in self.watched:
                self.watched[descriptor](descriptor)
        while self.timers and self.timers[0][0] <= time.monotonic():
            self.timers.pop(0)[2]()
        for listener in list(self.listeners.values()):
            listener.tend()

    def expire(self):
        """End the requests that take longer than they may. Return when the next one will, if there is one."""
        while self.longest:
            with self.lock:
                oldest = next(iter(self.expiring), None)
                if oldest is None or oldest.began + self.longest > time.monotonic():
                    return [oldest.began + self.longest] if oldest else []
                del self.expiring[oldest]
            oldest.expire()
        return []

    def loop(self, poll_interval):
        busy = [server for server in self.serving if type(server).service_actions not in ACTIONS]
        while not self.over:
            try:
                self.poll(poll_interval if busy else None)
            except Exception:
                self.broken = True  # not how the file ends: the server starts another process
                raise
            for server in busy:
                server.service_actions()
        self.finish()

    def finish(self):
        """Wait for the requests that there are, for at most the drain timeout."""
        self.over, end = True, time.monotonic() + self.patience
        while self.requests and time.monotonic() < end:
            self.poll(end - time.monotonic())
        self.finished.set()

    def receive(self, _):
        kind, flags, id, rest, descriptor = self.channel.receive()
        if kind == 0:
            self.over = True
            if self.state:
                self.state.gone()
                for request in [r for r in list(self.requests) if r.pipe]:
                    request.pipe.shutdown(socket.SHUT_RDWR)  # a child waits for its end
            self.unwatch(self.channel.socket.fileno())
        elif kind == STREAM and descriptor is None:
            self.channel.send(OUTCOME, id, 0, FAILED, long_text("the connection was lost: too many open files"))
        elif kind in (STREAM, DATAGRAM):
            if flags & WANT_ACK:
                self.channel.send(ACK, id)
            self.begin(id, flags & COUNT, rest, descriptor)
        elif kind == LISTEN:
            self.listeners[id] = Listener(self, id, flags & COUNT, json.loads(rest), descriptor)
        elif kind == CANCEL and id in self.listeners:
            self.listeners[id].cancel(flags)
        elif kind == CANCEL:
            for request in [r for r in list(self.requests) if r.id == id and r.source is self]:
                request.cancel()
        elif kind == PING:
            self.channel.send(PONG)
        elif kind == ANSWER and id >> 32:
            self.place.answer(id >> 32, rest)
        elif kind == ANSWER:
            self.state.take(id, rest)

    def begin(self, id, count, rest, descriptor):
        """Run a request that was handed over."""
        at, where = 12, []  # after the sizes of buffers and the keep-alive
        for _ in range(3):
            size = number(rest, at, 2)
            where.append(os.fsdecode(rest[at + 2 : at + 2 + size]))
            at += 2 + size
        self.begun += 1
        try:
            request = self.request(self, id, where, descriptor, rest[at:], count)
        except Exception as error:
            return self.channel.send(OUTCOME, id, 0, FAILED, long_text(str(error)))
        request.admit()

    def request(self, source, id, where, descriptor, data, count):
        """Make a request, or close its descriptor: the zone of its client's address may have gone."""
        connection = None
        try:
            if descriptor is not None:
                connection = self.connection(descriptor, where[0], count)
                connection.tls = json.loads(data) if data else None
            return Request(self, source, id, where, connection, data, count)
        except Exception:
            if connection is not None:
                connection.close()
            elif descriptor is not None:
                os.close(descriptor)
            raise

    def connection(self, descriptor, network, count):
        family = socket.AF_UNIX if network == "unix" else -1
        connection = self.kinds[count > 0](family, socket.SOCK_STREAM, 0, descriptor)
        connection.settimeout(None)
        return connection

    def ended(self, request, status, text):
        """A request that was handed over is over."""
        rest = long_text(text)
        if request.count:
            rest += numbers(*request.bytes())
        if request.answer is not None:
            rest += request.answer.data
        if request.child == 0:
            self.place.reported[os.getpid()] = 1
        self.channel.send(OUTCOME, request.id, request.count | (STOP if self.stopping else 0), status, rest)

    def remember(self, request):
        with self.lock:
            self.requests[request] = self.expiring[request] = None

    def forget(self, request):
        with self.lock:
            self.requests.pop(request, None)
            self.expiring.pop(request, None)
        if self.over:
            self.wake()

    def stop(self):
        """Ask the server to stop. It ends the channel then."""
        if not self.stopping and not self.broken:
            self.stopping = True
            self.channel.send(QUIT, next(iter(self.listeners), 0))

    # What the file's server object does.

    def take_over(self):
        """Replace what opens, serves and closes a port."""
        base, init = socketserver.BaseServer, socketserver.BaseServer.__init__

        def made(server, *args, **kwargs):
            init(server, *args, **kwargs)
            self.made.append(server)

        base.__init__ = made
        base.serve_forever = lambda server, poll_interval=0.5: self.serve_forever(server, poll_interval)
        base.handle_request = base._handle_request_noblock = lambda server: self.handle_request(server)
        base.shutdown = lambda server: self.stop()
        # Some set the flag behind shutdown() themselves.
        flag = property(lambda server: self.stopping, lambda server, value: self.stop() if value else None)
        base._BaseServer__shutdown_request = flag
        socketserver.TCPServer.server_bind = socketserver.TCPServer.server_activate = lambda server: None
        for name in ("chmod", "chown", "lchown", "unlink", "remove"):
            setattr(os, name, Spared(self, getattr(os, name)))

    def owns(self, path):
        """Is that the server's socket? A server object has its name; while the file loads it is any socket."""
        try:
            path = os.path.abspath(os.fsdecode(path))
            names = [s.server_address for s in self.made if isinstance(s.server_address, (str, bytes))]
            if path in [os.path.abspath(os.fsdecode(name)) for name in names]:
                return True
            return not self.serving and stat.S_ISSOCK(os.lstat(path).st_mode)
        except (TypeError, ValueError, OSError):
            return False

    def serve_forever(self, server, poll_interval):
        """Be the loop, in the thread that calls this first. Others wait for its end."""
        with self.changed:
            if self.finished.is_set():
                self.exit()  # the file has a loop around its loop
            self.waiting.add(threading.current_thread())
            first = not self.serving
            if server not in self.serving:
                self.serving.append(server)
            self.changed.notify_all()
            if first and threading.current_thread() is not threading.main_thread():
                # A file with several servers has a thread for each: give the others a moment.
                self.changed.wait_for(lambda: len(self.serving) == len(self.made), 0.2)
        if not first:
            self.finished.wait()
            return
        self.start()
        try:
            self.loop(poll_interval)
        finally:
            self.finished.set()
            self.interrupt_main()

    def handle_request(self, server):
        """Serve one request, for a file that has a loop of its own."""
        if not self.serving:
            if self.concurrency in ("forking", "preforking"):
                self.refuse("it calls handle_request() in a loop of its own, for one request after the other; use synchronous")
            self.serving, self.own_loop, self.place = [server], True, Here()
            self.start()
        waits = [t for t in (server.timeout, server.socket.gettimeout()) if t is not None]
        end, begun = time.monotonic() + min(waits, default=FOREVER), self.begun
        while self.begun == begun and not self.over:
            if time.monotonic() >= end:
                return server.handle_timeout()
            self.poll(end - time.monotonic())
        if self.over:
            self.exit()

    def start(self):
        """Say what the file serves, or why it cannot be served."""
        for server in self.serving:
            self.check(server)
        if self.own_loop and self.concurrency == "threading":
            print(f"{self.path} calls handle_request() itself: requests are served one by one", file=sys.stderr)
        if self.concurrency == "forking":
            if not hasattr(os, "pidfd_open"):
                self.refuse("forking needs Python 3.9 or later, on Linux 5.3 or later")
            self.check_threads()
            self.place = Forks(self)
        self.place = self.place or Threads()
        networks = [n for n in STREAMS + PACKETS if any(n in networks_of(s) for s in self.serving)]
        uses_state = any(getattr(s.RequestHandlerClass, "uses_state", False) for s in self.serving)
        if uses_state:
            self.state = State(self.channel)
            for server in self.serving:
                server.state = self.state
        self.hello(networks=networks, forks=self.concurrency == "forking", ping=not self.own_loop, state=uses_state)

    def check(self, server):
        kind = type(server)
        tls = "ssl" in sys.modules and isinstance(server.socket, sys.modules["ssl"].SSLSocket)
        if tls or kind.get_request not in ACCEPTS:
            how = "its socket does TLS" if tls else "get_request() accepts (and may do TLS)"
            self.refuse(f"{how} by itself in {kind.__name__}, and connections come from the server here: TLS is tls {{ }} of its transport")
        served = server.RequestHandlerClass
        if isinstance(served, type) and issubclass(served, socketserver.BaseRequestHandler) and all(
            "__init__" not in vars(c) and "handle" not in vars(c) and "setup" not in vars(c) and "finish" not in vars(c)
            for c in served.__mro__
            if c.__module__ not in ("socketserver", "builtins")
        ):
            print(f"{served.__name__} has no handle(), so its clients get nothing", file=sys.stderr)
        if kind.process_request not in PROCESSES:
            print(f"process_request() of {kind.__name__} is not used: concurrency says where requests run", file=sys.stderr)
        if self.concurrency in ("forking", "preforking"):
            for name, value in vars(server).items():
                if isinstance(value, (dict, list, set)) and not name.startswith("_"):
                    print(f"each process has its own server.{name}: what a handler changes there others do not see", file=sys.stderr)

    def check_threads(self):
        alive = [t.name for t in threading.enumerate() if t is not threading.main_thread() and t not in self.waiting]
        if alive:
            count = "1 thread" if len(alive) == 1 else f"{len(alive)} threads"
            self.refuse(f"{count} alive ({', '.join(alive)}), and a fork has no copy of a thread; use threading, or start it in the handler")

    def hello(self, **more):
        args = {"name": "args", "type": "list", "default": [], "doc": "arguments of the script, its sys.argv[1:]"}
        files = max(os.sysconf("SC_OPEN_MAX"), 0)
        if files > 64 and self.concurrency == "forking":
            files = 64 + (files - 64) // (3 if self.state else 2)  # a request has others, of its process
        say = {"files": files, "options": [args], **more}
        self.channel.send(HELLO, rest=json.dumps(say).encode())

    def refuse(self, problem, option=""):
        """Say why the file cannot be served, and end: nothing in the file may catch that."""
        self.hello(problems=[{"option": option, "problem": problem}])
        os._exit(1)

    def pick(self, network):
        return next((s for s in self.serving if network in networks_of(s)), self.serving[0])

    # The file.

    def run(self, *arguments):
        """Run the file as __main__, and serve what it has where it does not do so itself."""
        options = self.configuration.get("options") or {}
        sys.argv = [self.path, *arguments, *(options.get("args") or ())]
        sys.path.append(os.path.dirname(self.path))  # last, as a file may be called socket.py
        self.take_over()
        signal.signal(signal.SIGINT, self.interrupted)
        signal.signal(signal.SIGTERM, lambda *_: None)  # not ignored: programs that a handler starts would inherit that
        main = sys.modules["__main__"] = type(sys)("__main__")
        main.__file__ = self.path
        sys.stderr = printed = Printed(sys.stderr)
        try:
            with open(self.text, "rb") as file:
                exec(compile(file.read(), self.path, "exec"), main.__dict__)
        except BaseException as error:
            if not self.serving:
                self.explain(error, printed.text)
            self.report(error)
        sys.stderr = printed.stream
        if not self.serving:
            self.serve_names(main.__dict__)
        elif any(not thread.daemon for thread in self.waiting - {threading.main_thread()}):
            self.finished.wait()  # Python would not end either
        self.exit()

    def serve_names(self, names):
        """Serve a file that has a handler and no server."""
        handle = names.get("handle")
        if getattr(getattr(handle, "__code__", None), "co_flags", 0) & 0x80:  # a coroutine function
            if self.concurrency != "forking":
                self.place = Tasks(handle)
            return server_of(handle).serve_forever()
        base = socketserver.BaseRequestHandler
        own = [c for c in names.values() if isinstance(c, type) and issubclass(c, base) and c.__module__ == "__main__"]
        leaves = [c for c in own if not any(other is not c and issubclass(other, c) for other in own)]
        if len(leaves) != 1:
            found = f"{len(leaves)} handler classes" + (f" ({', '.join(c.__name__ for c in leaves)})" if leaves else "")
            self.refuse(f"it starts no server and has {found}; it needs one subclass of socketserver.BaseRequestHandler, or async def handle(reader, writer)")
        kinds = {socketserver.TCPServer: socketserver.DatagramRequestHandler, socketserver.UDPServer: socketserver.StreamRequestHandler}
        self.serving = [kind(("", 0), leaves[0], False) for kind, not_of in kinds.items() if not issubclass(leaves[0], not_of)]
        self.start()
        self.loop(0.5)

    def explain(self, error, printed):
        """Refuse a file that did not load, with the line that is the reason."""
        if isinstance(error, SystemExit):
            printed += error.code if isinstance(error.code, str) else ""  # Python itself would print it
            said = " ".join(printed.split()) or f"exit status {error.code or 0}"
            self.refuse(f"{self.path} ended before it served ({said}); give it arguments by args = [...]", "args")
        line, text, trace = 0, f"{type(error).__name__}: {error}", error.__traceback__
        while trace:
            if trace.tb_frame.f_code.co_filename == self.path:
                line = trace.tb_lineno
            trace = trace.tb_next
        with open(self.text, "rb") as file:
            lines = file.read().splitlines()
        if isinstance(error, SyntaxError):
            line, text = error.lineno or 0, error.msg
        elif isinstance(error, IndexError) and b"sys.argv" in lines[line - 1]:
            self.refuse(f"{self.path}:{line}: it wants an argument; give it arguments by args = [...]", "args")
        if isinstance(error, (SyntaxError, ModuleNotFoundError)) and any(b"import" in l and b"SocketServer" in l for l in lines):
            text = f"this is Python 2 ({text}); convert it: 2to3 -w {os.path.basename(self.path)}"
        self.refuse(f"{self.path}:{line}: {text}")

    def report(self, error):
        """Print an exception that has ended the file after it served."""
        if isinstance(error, (SystemExit, KeyboardInterrupt)):
            return
        sys.excepthook(type(error), error, error.__traceback__.tb_next)
        if isinstance(error, ConnectionRefusedError):
            print("no port is open at server.server_address here: addresses are those of the configuration", file=sys.stderr)

    def interrupted(self, *_):
        if self.finished.is_set():  # otherwise it is the server that ends this, not a terminal
            raise KeyboardInterrupt

    def interrupt_main(self):
        """Where the loop was in another thread have the main one end as by Ctrl-C, or else end all."""
        main = threading.main_thread()
        if threading.current_thread() is not main and main not in self.waiting:
            signal.pthread_kill(main.ident, signal.SIGINT)
            timer = threading.Timer(1, os._exit, [0])
            timer.daemon = True
            timer.start()

    def exit(self):
        """The file has ended, and with it its server."""
        self.stop()
        if not self.finished.is_set():
            self.finish()
        import atexit

        atexit._run_exitfuncs()  # and not sys.exit, which would wait for threads that serve nobody
        os._exit(1 if self.broken else 0)


def networks_of(server):
    return PACKETS if isinstance(server, socketserver.UDPServer) else STREAMS


ACTIONS = socketserver.BaseServer.service_actions, socketserver.ForkingMixIn.service_actions
ACCEPTS = socketserver.TCPServer.get_request, socketserver.UDPServer.get_request
PROCESSES = [kind.process_request for kind in (socketserver.BaseServer, socketserver.ThreadingMixIn, socketserver.ForkingMixIn)]

if __name__ == "__main__":
    Runner(*sys.argv[1:3]).run(*sys.argv[3:])
