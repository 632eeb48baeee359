"""Serves a file of socketserver handlers, unchanged, inside socketserver.

    python3 -I -u -c SOURCE FILE

Descriptor 3 leads to the server: each message is one frame, see PROTOCOL.md. FILE runs as
__main__, as if it had been started by hand. serve_forever() of its server object is the loop of
this program: requests come from descriptor 3 instead of a port, and it returns when the server
has ended, so that what follows it runs as well.

    Channel                descriptor 3
    Connection, Answer     what handlers know as their socket, of a stream and of a datagram
    Request                one connection or datagram, until its outcome has been sent
    Threads, Forks, Tasks  where requests run: a thread, a process or an asyncio task for each
    Listener, Limits       under preforking: a socket that several processes accept from
    Runner                 the loop, and the file
"""

import json
import os
import select
import signal
import socket
import socketserver
import stat
import sys
import threading
import time
from bisect import insort

HELLO, CONFIGURE, STREAM, DATAGRAM, CANCEL, OUTCOME, ACK, LISTEN, QUIT, EVENT, PING, PONG = range(1, 13)
LAST, STOP, WANT_ACK, NAGLE, COUNT = 1, 2, 4, 8, 16  # flags
STARTED, REFUSED, ENDED = 1, 2, 3  # flags of an event
OK, FAILED, PANICKED, PEER_GONE, TIMED_OUT = range(5)  # statuses

MAX_FRAME, MAX_TEXT, MAX_ANSWER = 163840, 32768, 65507
STREAMS, PACKETS = ["tcp", "unix"], ["udp", "unixgram"]
FOREVER = 10.0**8  # seconds; a socket without a timeout would clear O_NONBLOCK, which the server shares


def number(data, at, size):
    return int.from_bytes(data[at : at + size], "big")


def texts(*words):
    """Three addresses or so, each with its length."""
    encoded = [word.encode(errors="surrogateescape") for word in words]
    return b"".join(len(word).to_bytes(2, "big") + word for word in encoded)


def long_text(text):
    data = text.encode(errors="backslashreplace")[:MAX_TEXT]
    return len(data).to_bytes(4, "big") + data


class Channel:
    """Descriptor 3. Any thread may send, as each message is whole."""

    def __init__(self):
        self.socket = socket.socket(fileno=3)
        self.socket.setblocking(True)
        os.set_inheritable(3, False)
        self.buffer = memoryview(bytearray(MAX_FRAME))

    def receive(self):
        """Return kind, flags, id, the rest and the descriptor, which may be None. Kind 0 is the end."""
        size, control, _, _ = self.socket.recvmsg_into([self.buffer], 20, socket.MSG_CMSG_CLOEXEC)
        if not size:
            return 0, 0, 0, b"", None
        data = bytes(self.buffer[:size])
        descriptor = int.from_bytes(control[0][2], sys.byteorder) if control else None
        return data[0], data[1], number(data, 4, 8), data[12:], descriptor

    def send(self, kind, id=0, flags=0, status=0, rest=b""):
        try:
            self.socket.send(bytes((kind, flags, status, 0)) + id.to_bytes(8, "big") + rest)
        except (BrokenPipeError, ConnectionResetError):
            pass  # the server has gone; the end of the channel says so


class Connection(socket.socket):
    """A client's socket. A handler may shorten the server's timeout and cannot lengthen it."""

    limit = FOREVER
    received = sent = 0

    def settimeout(self, seconds):
        super().settimeout(self.limit if seconds is None else min(seconds, self.limit))

    def setblocking(self, flag):
        self.settimeout(None if flag else 0)

    def drain(self):
        """Read what the handler has not: closing with unread bytes would cost the client its answer."""
        try:
            super().settimeout(0)
            if not socket.socket.recv(self, 1, socket.MSG_PEEK):
                return
            self.shutdown(socket.SHUT_WR)
            super().settimeout(0.5)
            end, rest = time.monotonic() + 0.5, 1 << 18
            while rest > 0 and time.monotonic() < end:
                data = socket.socket.recv(self, 65536)
                if not data:
                    return
                rest -= len(data)
        except OSError:
            pass  # nothing is there, or nobody


class CountedConnection(Connection):
    """A Connection that counts its bytes, for the server's metrics and access log."""

    def recv(self, *args):
        data = super().recv(*args)
        self.received += len(data)
        return data

    def recv_into(self, *args, **kwargs):
        n = super().recv_into(*args, **kwargs)
        self.received += n
        return n

    def send(self, *args):
        n = super().send(*args)
        self.sent += n
        return n

    def sendmsg(self, *args):
        n = super().sendmsg(*args)
        self.sent += n
        return n

    def sendall(self, data, *args):
        super().sendall(data, *args)
        self.sent += memoryview(data).nbytes

    def sendfile(self, *args, **kwargs):
        n = super().sendfile(*args, **kwargs)
        self.sent += n
        return n


class Answer:
    """What the handler of a datagram takes for the server's socket. It sends one answer, to the client."""

    def __init__(self, client, local):
        self.client, self.local, self.data = client, local, None

    def sendto(self, data, *flags_and_address):
        if flags_and_address[-1] != self.client:
            raise OSError(f"a datagram is answered to its client {self.client}, not to {flags_and_address[-1]}")
        data = bytes(data)
        if len(data) > MAX_ANSWER:
            raise OSError(f"an answer of {len(data)} bytes; a datagram has at most {MAX_ANSWER}")
        if data and self.data:
            raise OSError("a second answer to a datagram; there is one to each")
        self.data = data or self.data  # an empty one is none
        return len(data)

    def getsockname(self):
        return self.local


def address(text, network, server):
    """The client_address that a server of that family would have from accept()."""
    if network in ("unix", "unixgram"):
        if text.startswith("@"):
            return b"\0" + text[1:].encode()
        return text or ("" if network == "unix" else None)
    host, _, port = text.rpartition(":")
    host, v6 = host.strip("[]"), server.address_family == socket.AF_INET6
    if not v6:
        return host, int(port)
    zone = host.partition("%")[2]
    return host if ":" in host else "::ffff:" + host, int(port), 0, socket.if_nametoindex(zone) if zone else 0


class Request:
    """One connection or datagram. argument is what handlers get as request."""

    connection = answer = child = None
    late = False

    def __init__(self, runner, source, id, network, client, local, connection, data, count):
        self.runner, self.source, self.id, self.count, self.began = runner, source, id, count, time.monotonic()
        self.network, self.peer, self.local = network, client, local
        self.server = runner.pick(network)
        self.client = address(client, network, self.server)
        if connection is not None:
            self.argument = self.connection = connection
        else:
            self.answer = Answer(self.client, address(local, network, self.server))
            self.argument = data, self.answer

    def admit(self):
        """Ask verify_request, in the loop and before a fork, and run the request."""
        try:
            admitted = self.server.verify_request(self.argument, self.client)
        except Exception as error:
            self.conclude(*self.failure(error))
        else:
            if not admitted:
                return self.conclude(OK)
            self.runner.requests[self] = None
            if self.runner.longest:
                self.runner.later(self.runner.longest, self.expire)
            self.runner.place.start(self)

    def finish(self):
        """Run the handler and report how it ended."""
        pid, result = os.getpid(), (OK, "")
        try:
            self.server.finish_request(self.argument, self.client)
        except SystemExit:
            pass
        except BaseException as error:
            result = self.failure(error)
        if os.getpid() != pid:  # a child of the handler's, which has come back from it
            os._exit(0)
        self.conclude(*result)

    def failure(self, error):
        """Return status and text of an exception, after the server object's own handle_error."""
        if type(self.server).handle_error is not socketserver.BaseServer.handle_error:
            self.server.handle_error(self.argument, self.client)
        if isinstance(error, (TimeoutError, socket.timeout)):
            return TIMED_OUT, str(error)
        if isinstance(error, ConnectionError):
            return PEER_GONE, str(error)
        import traceback  # late: most programs never need it, and it would be copied by each fork

        first = " ".join(f"{type(error).__name__}: {error}".split())
        trace = error.__traceback__.tb_next or error.__traceback__  # without this function
        return PANICKED, first + "\n" + "".join(traceback.format_exception(type(error), error, trace))

    def conclude(self, status, text=""):
        """Close the connection and report the outcome."""
        if self.late:
            status, text = TIMED_OUT, "the request took longer than it may"
        if self.connection is not None:
            self.connection.drain()
        try:
            self.server.shutdown_request(self.argument)
        except Exception as error:
            status, text = status or FAILED, text or str(error)
        self.close()
        self.runner.requests.pop(self, None)
        self.source.ended(self, status, text)

    def cancel(self):
        """The server stops: what the client has sent can still be read, and then its end."""
        self.shut(socket.SHUT_RD)

    def expire(self):
        """The request has taken longer than it may."""
        if self not in self.runner.requests:
            return
        self.late = True
        self.shut(socket.SHUT_RDWR)
        if self.child:
            os.kill(self.child, signal.SIGKILL)

    def shut(self, how):
        try:
            if self.connection is not None:
                self.connection.shutdown(how)
        except OSError:
            pass  # it has left

    def close(self):
        if self.connection is not None:
            self.connection.close()

    def bytes(self):
        """How many bytes came from the client and went to it."""
        if self.connection is not None:
            return self.connection.received, self.connection.sent
        return len(self.argument[0]), len(self.answer.data or b"")


class Threads:
    """A thread for each request."""

    def start(self, request):
        threading.Thread(target=request.finish, daemon=True).start()


class Here:
    """One request at a time, in the thread of the file's own loop."""

    def start(self, request):
        request.finish()


class Forks:
    """A process for each request: a fork of this one, which has the file loaded."""

    REPORTED = 77  # exit status of a child that has sent its outcome; a handler may call os._exit(0)

    def __init__(self, runner):
        import gc

        self.runner, self.children = runner, {}
        gc.collect()
        gc.freeze()  # or the first collection in a child would write to, and so copy, every page

    def start(self, request):
        request.child = os.fork()
        if request.child:
            self.children[request.child] = request
            self.runner.watch(os.pidfd_open(request.child), lambda pidfd: self.reap(request, pidfd))
            return
        status = 1
        try:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            for sibling in self.children.values():
                sibling.close()
            request.finish()
            status = self.REPORTED
        finally:
            os._exit(status)

    def reap(self, request, pidfd):
        """A child has ended. Report the outcome, unless it has."""
        self.runner.unwatch(pidfd)
        os.close(pidfd)
        del self.children[request.child]
        status = os.waitstatus_to_exitcode(os.waitpid(request.child, 0)[1])
        if status == self.REPORTED:
            request.close()
            self.runner.requests.pop(request, None)
        elif status == 0:
            request.conclude(OK)
        else:
            how = f"signal {signal.Signals(-status).name}" if status < 0 else f"exit status {status}"
            request.conclude(FAILED, f"its process ended with {how}")


class Tasks:
    """A task for each request, all in one asyncio loop."""

    def __init__(self, handle, limit):
        import asyncio

        self.handle, self.limit, self.submit = handle, limit, asyncio.run_coroutine_threadsafe
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self.loop.run_forever, daemon=True).start()

    def start(self, request):
        self.submit(self.finish(request), self.loop)

    async def finish(self, request):
        result = OK, ""
        try:
            await handle_streams(self.handle, request.connection, self.limit)
        except BaseException as error:
            result = request.failure(error)
        request.conclude(*result)


async def handle_streams(handle, connection, limit):
    """Run ``async def handle(reader, writer)``. limit bounds each wait for the client, in seconds."""
    import asyncio

    class Reader(asyncio.StreamReader):
        async def read(self, n=-1):
            return await asyncio.wait_for(super().read(n), limit)

        async def readuntil(self, separator=b"\n"):
            return await asyncio.wait_for(super().readuntil(separator), limit)

        async def readexactly(self, n):
            return await asyncio.wait_for(super().readexactly(n), limit)

    loop = asyncio.get_running_loop()
    reader = (asyncio.StreamReader if limit == FOREVER else Reader)(loop=loop)
    protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
    transport, _ = await loop.create_connection(lambda: protocol, sock=connection)
    writer = asyncio.StreamWriter(transport, protocol, reader, loop)
    try:
        await handle(reader, writer)
    finally:
        writer.close()
        await writer.wait_closed()


def server_of(handle, limit):
    """A server object for a file that has ``async def handle(reader, writer)`` and none of its own."""

    class Server(socketserver.TCPServer):
        def finish_request(self, request, client_address):
            import asyncio

            asyncio.run(handle_streams(handle, request, limit))

    return Server(("", 0), socketserver.StreamRequestHandler, bind_and_activate=False)


class Limits:
    """What this process may accept, where it accepts itself."""

    def __init__(self, limits):
        self.most, self.per_source = limits.get("connections", 0), limits.get("per_source", 0)
        self.banner, self.answers = limits.get("banner", "").encode(), limits.get("answers", 0)
        self.lock, self.active, self.sources, self.due = threading.Lock(), 0, {}, {}

    @staticmethod
    def source(network, host):
        """What is counted as one: an IPv4 address, a /64 of IPv6. A client of a Unix socket is none."""
        if network not in ("tcp", "udp"):
            return None
        if ":" not in host:
            return host
        packed = socket.inet_pton(socket.AF_INET6, host.partition("%")[0])
        return packed[12:] if packed.startswith(bytes(10) + b"\xff\xff") else packed[:8]

    def enter(self, source):
        with self.lock:
            if self.per_source and source and self.sources.get(source, 0) >= self.per_source:
                return False
            self.active += 1
            self.sources[source] = self.sources.get(source, 0) + 1
            return True

    def leave(self, source):
        with self.lock:
            self.active -= 1
            self.sources[source] -= 1
            if not self.sources[source]:
                del self.sources[source]

    def full(self):
        return self.most and self.active >= self.most

    def allow(self, source, extra):
        """May a source be answered with so many bytes more than it sent? A bucket of one second each."""
        if not self.answers or extra <= 0:
            return True
        with self.lock:
            now = time.monotonic()
            if len(self.due) > 32768:
                self.due = {s: due for s, due in self.due.items() if due > now}
            due = max(self.due.get(source, 0), now)
            following = due + extra / self.answers
            if due > now and following > now + 1:
                return False
            self.due[source] = following
            return True


class Listener:
    """A socket that other processes serve, too. Each of them accepts from it."""

    def __init__(self, runner, id, count, how, descriptor):
        self.runner, self.id, self.count, self.network = runner, id, count, how["network"]
        self.packets = how.get("packets") or self.network in PACKETS
        self.socket = socket.socket(fileno=descriptor)
        self.socket.settimeout(0)  # never blocking, as the flag is shared
        self.size, self.own = how.get("max_packet_size") or 8192, how.get("local") or ()
        self.local, self.last, self.retired, self.requests, self.paused = self.text(self.socket.getsockname()), 0, False, set(), True
        if self.network == "tcp":  # accepted sockets inherit these
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, not how.get("nagle"))
            interval = int((how.get("keep_alive") or 15e9) / 1e9)
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, interval > 0)
            if interval > 0:
                self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, interval)
                self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, interval)
        self.resume()

    def text(self, name):
        """The text of an address, as the server writes it."""
        if isinstance(name, tuple):
            host = name[0][7:] if name[0].startswith("::ffff:") else name[0]
            return (f"[{host}]:{name[1]}" if ":" in host else f"{host}:{name[1]}")
        return "@" + name[1:].decode() if isinstance(name, bytes) else name or ""

    def resume(self):
        """Accept, while there is room. One process of those that wait is woken for a client."""
        if self.paused and not self.retired and not self.runner.limits.full():
            self.paused = False
            self.runner.watch(self.socket.fileno(), self.receive if self.packets else self.accept, select.EPOLLIN | select.EPOLLEXCLUSIVE)

    def pause(self):
        if not self.paused:
            self.paused = True
            self.runner.unwatch(self.socket.fileno())

    def accept(self, _):
        try:
            accepted, name = self.socket.accept()
        except (BlockingIOError, ConnectionError):
            return  # another process was faster, or the client has left
        except OSError as error:
            print(f"accept: {error}", file=sys.stderr)
            self.runner.later(0.1, self.resume)
            return self.pause()
        self.begin(self.text(name), connection=self.runner.connection(accepted.detach(), self.network, self.count))

    def receive(self, _):
        try:
            data, name = self.socket.recvfrom(self.size)
        except OSError:
            return
        client = self.text(name)
        if self.network == "udp":
            host, port = client.rsplit(":", 1)
            loopback = host == "[::1]" or host.startswith("127.")
            if client in self.own or port == "0" or int(port) < 1024 and not loopback:
                return  # two servers would answer each other for ever
        self.begin(client, data=data, name=name)

    def begin(self, client, connection=None, data=None, name=None):
        limits = self.runner.limits
        source = limits.source(self.network, client.rsplit(":", 1)[0].strip("[]"))
        if not limits.enter(source):
            self.event(REFUSED, 0, client, text="per_source")
            if connection:
                connection.settimeout(0)
                try:
                    connection.send(limits.banner)
                except OSError:
                    pass
                connection.close()
            return
        if limits.full():
            for listener in self.runner.listeners.values():
                listener.pause()
        self.last += 1
        request = Request(self.runner, self, self.last, self.network, client, self.local, connection, data, self.count)
        request.from_, request.name = source, name
        self.requests.add(request)
        self.event(STARTED, request.id, client)
        request.admit()

    def ended(self, request, status, text):
        """A request is over."""
        received, sent = request.bytes()
        answer = request.answer
        if answer is not None and answer.data and self.runner.limits.allow(request.from_ or request.peer, sent - received):
            try:
                self.socket.sendto(answer.data, request.name)
            except OSError as error:
                status, text = status or FAILED, text or f"send answer: {error}"
        self.event(ENDED, request.id, request.peer, status, text, int((time.monotonic() - request.began) * 1e9), received, sent)
        self.runner.limits.leave(request.from_)
        self.requests.discard(request)
        for listener in list(self.runner.listeners.values()):
            listener.resume()
        self.close()

    def event(self, what, id, client, status=OK, text="", duration=0, received=0, sent=0):
        if self.count:
            numbers = b"".join(n.to_bytes(8, "big") for n in (id, duration, received, sent))
            self.runner.channel.send(EVENT, self.id, what, status, numbers + texts(self.network, client, self.local) + long_text(text))

    def cancel(self, flags):
        """Take no more requests; with STOP end those that there are."""
        self.pause()
        self.retired = True
        for request in list(self.requests) if flags & STOP else ():
            request.cancel()
        self.close()

    def close(self):
        """Once it is retired and its requests are over the socket is done with."""
        if self.retired and not self.requests and self.runner.listeners.pop(self.id, None):
            self.socket.close()
            self.runner.channel.send(OUTCOME, self.id, rest=long_text(""))


class Spared:
    """os.unlink and the like, which leave the server's socket alone: the server has made it, not the file."""

    def __init__(self, runner, call):
        self.runner, self.call = runner, call

    def __call__(self, path, *args, **kwargs):
        if not self.runner.owns(path):
            return self.call(path, *args, **kwargs)


class Printed:
    """sys.stderr while the file loads. It keeps what argparse says of missing arguments."""

    def __init__(self, stream):
        self.stream, self.text = stream, ""

    def write(self, text):
        self.text = (self.text + text)[-400:]
        return self.stream.write(text)

    def __getattr__(self, name):
        return getattr(self.stream, name)


class Runner:
    """The loop, and the file whose serve_forever() it is."""

    def __init__(self, path):
        self.path, self.channel = path, Channel()
        kind, _, _, body, _ = self.channel.receive()
        if not kind:
            os._exit(0)  # the server had no use for this process
        self.configuration = json.loads(body)
        timeouts = self.configuration.get("timeouts") or {}
        seconds = {name: value / 1e9 for name, value in timeouts.items() if value and name != "idle_is_default"}
        self.limit = min(seconds.get("idle", FOREVER), seconds.get("read", FOREVER))
        self.longest, self.patience = seconds.get("request"), seconds.get("drain", 10)
        self.concurrency = self.configuration.get("concurrency", "threading")
        self.limits = Limits(self.configuration.get("limits") or {})
        self.plain = type("Connection", (Connection,), {"limit": self.limit})
        self.counting = type("Connection", (CountedConnection,), {"limit": self.limit})
        self.servers, self.serving, self.parked, self.place, self.own_loop = [], [], set(), None, False
        self.requests, self.listeners, self.timers = {}, {}, []
        self.stopping, self.over, self.begun = False, False, 0
        self.lock, self.finished = threading.Condition(), threading.Event()
        self.poller, self.watched = select.epoll(), {}
        self.watch(3, self.receive)

    # The loop.

    def watch(self, descriptor, ready, events=select.EPOLLIN):
        self.watched[descriptor] = ready
        self.poller.register(descriptor, events)

    def unwatch(self, descriptor):
        self.poller.unregister(descriptor)
        del self.watched[descriptor]

    def later(self, seconds, call, *args):
        insort(self.timers, (time.monotonic() + seconds, len(self.timers), call, args))

    def poll(self, seconds):
        """Wait for one of the watched descriptors, and do what it is for."""
        if self.timers:
            until = max(self.timers[0][0] - time.monotonic(), 0)
            seconds = until if seconds is None else min(until, seconds)
        for descriptor, _ in self.poller.poll(seconds):
            if descriptor in self.watched:
                self.watched[descriptor](descriptor)
        while self.timers and self.timers[0][0] <= time.monotonic():
            _, _, call, args = self.timers.pop(0)
            call(*args)

    def loop(self, poll_interval):
        busy = [s for s in self.serving if type(s).service_actions not in ACTIONS]
        while not self.over:
            self.poll(poll_interval if busy else None)
            for server in busy:
                server.service_actions()
        self.finish()

    def finish(self):
        """Wait for the requests that there are, for at most the drain timeout."""
        end = time.monotonic() + self.patience
        while self.requests and time.monotonic() < end:
            self.poll(0.05)
        self.finished.set()

    def receive(self, _):
        kind, flags, id, rest, descriptor = self.channel.receive()
        if kind == 0:
            self.over = True
            self.unwatch(3)
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
            self.channel.send(PONG, id)

    def begin(self, id, count, rest, descriptor):
        """Run a request that was handed over."""
        self.begun += 1
        at, words = 12, []  # after what Go's buffers and connections want to know
        for _ in range(3):
            size = number(rest, at, 2)
            words.append(rest[at + 2 : at + 2 + size].decode(errors="surrogateescape"))
            at += 2 + size
        network, client, local = words
        connection = None if descriptor is None else self.connection(descriptor, network, count)
        Request(self, self, id, network, client, local, connection, rest[at:], count).admit()

    def connection(self, descriptor, network, count):
        connection = (self.counting if count else self.plain)(
            socket.AF_UNIX if network == "unix" else -1, socket.SOCK_STREAM, 0, descriptor
        )
        connection.settimeout(None)
        return connection

    def ended(self, request, status, text):
        """A request that was handed over is over."""
        rest = long_text(text)
        if request.count:
            rest += b"".join(n.to_bytes(8, "big") for n in request.bytes())
        if request.answer is not None:
            rest += request.answer.data or b""
        self.channel.send(OUTCOME, request.id, request.count | (STOP if self.stopping else 0), status, rest)

    # What the file's server object does.

    def take_over(self):
        """Replace what would open, serve and close a port."""
        runner, base = self, socketserver.BaseServer
        made = base.__init__

        def init(server, *args, **kwargs):
            made(server, *args, **kwargs)
            runner.servers.append(server)

        base.__init__ = init
        base.serve_forever = lambda server, poll_interval=0.5: runner.serve_forever(server, poll_interval)
        base.handle_request = base._handle_request_noblock = lambda server: runner.handle_request(server)
        base.shutdown = lambda server: runner.stop()
        # Programs set the flag behind shutdown(), too.
        base._BaseServer__shutdown_request = property(lambda server: runner.stopping, lambda server, value: value and runner.stop())
        socketserver.TCPServer.server_bind = socketserver.TCPServer.server_activate = lambda server: None
        for name in ("chmod", "chown", "lchown", "unlink", "remove"):
            setattr(os, name, Spared(self, getattr(os, name)))

    def owns(self, path):
        """Is that the server's socket? The address of a server object is; while the file loads, any socket."""
        try:
            path = os.path.abspath(os.fsdecode(path))
            names = [s.server_address for s in self.servers if isinstance(s.server_address, (str, bytes))]
            return path in [os.path.abspath(os.fsdecode(name)) for name in names] or (
                not self.serving and stat.S_ISSOCK(os.lstat(path).st_mode)
            )
        except (TypeError, ValueError, OSError):
            return False

    def serve_forever(self, server, poll_interval):
        """Be the loop, in the first thread that calls this; others wait until it ends."""
        with self.lock:
            if self.finished.is_set():
                self.exit()  # the file has a loop around its loop
            self.parked.add(threading.current_thread())
            first = not self.serving
            if server not in self.serving:
                self.serving.append(server)
            self.lock.notify_all()
        if not first:
            self.finished.wait()
            return
        if threading.current_thread() is not threading.main_thread():
            # A file with several servers starts a thread for each. There is no telling how many, so wait a moment.
            with self.lock:
                self.lock.wait_for(lambda: len(self.serving) == len(self.servers), 0.2)
        self.start()
        try:
            self.loop(poll_interval)
        finally:
            self.finished.set()
            self.interrupt_main()

    def handle_request(self, server):
        """One request, for a file that has a loop of its own."""
        if not self.serving:
            if self.concurrency in ("forking", "preforking"):
                self.refuse("it calls handle_request() in a loop of its own, one request after the other; use synchronous")
            self.serving.append(server)
            self.own_loop = True
            self.start()
        timeouts = [t for t in (server.timeout, server.socket.gettimeout()) if t is not None]
        end, began = min(timeouts) + time.monotonic() if timeouts else None, self.begun
        while self.begun == began and not self.over:
            left = None if end is None else end - time.monotonic()
            if left is not None and left <= 0:
                return server.handle_timeout()
            self.poll(left)
        if self.over:
            self.exit()

    def start(self):
        """Say what the file serves."""
        for server in self.serving:
            self.check(server)
        if self.own_loop:
            if self.concurrency == "threading":
                print(f"{self.path} calls handle_request() itself: requests are served one by one", file=sys.stderr)
            self.place = Here()
        elif self.concurrency == "forking":
            self.check_fork()
            self.place = Forks(self)
        elif self.place is None:
            self.place = Threads()
        networks = [n for n in STREAMS + PACKETS if any(n in networks_of(s) for s in self.serving)]
        self.hello(networks=networks, forks=self.concurrency == "forking", ping=not self.own_loop)

    def check(self, server):
        kind = type(server)
        tls = "ssl" in sys.modules and isinstance(server.socket, sys.modules["ssl"].SSLSocket)
        if tls or kind.get_request not in ACCEPTS:
            what = "wraps its socket" if tls else "overrides get_request()"
            self.refuse(f"{kind.__name__} {what}, which would not be used here: TLS is tls {{ }} of the transport")
        if kind.process_request not in PROCESSES:
            print(f"process_request() of {kind.__name__} is not used: concurrency says where requests run", file=sys.stderr)
        if self.concurrency in ("forking", "preforking"):
            state = [name for name, value in vars(server).items() if isinstance(value, (dict, list, set)) and not name.startswith("_")]
            if state:
                print(f"server.{state[0]}: {self.concurrency} has a copy in each process, and changes to it are lost", file=sys.stderr)

    def check_fork(self):
        threads = [t for t in threading.enumerate() if t is not threading.main_thread() and t not in self.parked]
        if threads:
            names = ", ".join(t.name for t in threads)
            count = f"{len(threads)} thread{'s' if len(threads) > 1 else ''} alive"
            self.refuse(f"{count} ({names}), which a fork does not copy; use threading, or start threads in handlers")

    def hello(self, **more):
        options = [{"name": "args", "type": "list(string)", "default": "[]", "doc": "the arguments of the file, its sys.argv[1:]"}]
        say = {"files": max(os.sysconf("SC_OPEN_MAX"), 0), "options": options, **more}
        self.channel.send(HELLO, rest=json.dumps(say).encode())

    def refuse(self, problem, option=""):
        """Say why the file cannot be served, and end: nothing of the file may catch that."""
        self.hello(problems=[{"option": option, "problem": problem}])
        os._exit(1)

    def pick(self, network):
        return next((s for s in self.serving if network in networks_of(s)), self.serving[0])

    def stop(self):
        """Ask the server to stop. It closes the channel then."""
        if not self.stopping:
            self.stopping = True
            self.channel.send(QUIT, next(iter(self.listeners), 0))

    # The file.

    def run(self):
        """Run the file as __main__, and serve what it has if it does not do so itself."""
        options = self.configuration.get("options") or {}
        for name in options:
            if name != "args":
                self.refuse("a Python file has no such option; its arguments are args", name)
        sys.argv = [self.path] + list(options.get("args") or [])
        sys.path.append(os.path.dirname(os.path.abspath(self.path)))  # not first: a file may be called socket.py
        self.take_over()
        signal.signal(signal.SIGINT, self.interrupted)
        signal.signal(signal.SIGTERM, lambda *_: None)
        sys.stderr = printed = Printed(sys.stderr)
        main = sys.modules["__main__"] = type(sys)("__main__")
        main.__file__ = self.path
        try:
            with open(self.path, "rb") as file:
                source = file.read()
            exec(compile(source, self.path, "exec"), main.__dict__)
        except BaseException as error:
            if not self.serving:
                self.explain(error, printed.text)
            self.report(error)
        sys.stderr = printed.stream
        if not self.serving:
            self.serve_class(main.__dict__)
        for thread in self.parked:
            if not thread.daemon:
                self.finished.wait()  # Python would not end either
        self.exit()

    def serve_class(self, names):
        """Serve a file that has a handler and no server."""
        handle = names.get("handle")
        if getattr(getattr(handle, "__code__", None), "co_flags", 0) & CO_COROUTINE:
            if self.concurrency != "forking":
                self.place = Tasks(handle, self.limit)
            return server_of(handle, self.limit).serve_forever()
        base = socketserver.BaseRequestHandler
        classes = [c for c in names.values() if isinstance(c, type) and issubclass(c, base) and c.__module__ == "__main__"]
        leaves = [c for c in classes if not any(other is not c and issubclass(other, c) for other in classes)]
        if len(leaves) != 1:
            found = ", ".join(c.__name__ for c in leaves) or "none"
            self.refuse(f"it starts no server and has {len(leaves)} handler classes ({found}); there has to be one subclass of socketserver.BaseRequestHandler, or async def handle(reader, writer)")
        self.serving = [
            kind(("", 0), leaves[0], bind_and_activate=False)
            for kind, other in ((socketserver.TCPServer, socketserver.DatagramRequestHandler), (socketserver.UDPServer, socketserver.StreamRequestHandler))
            if not issubclass(leaves[0], other)
        ]
        self.start()
        self.loop(0.5)

    def explain(self, error, printed):
        """Refuse a file that did not load, with the line that is the reason."""
        if isinstance(error, SystemExit):
            said = " ".join(printed.split()) or error.code
            self.refuse(f"it ended before it served, with exit status {error.code} ({said}); its arguments are args = [...]", "args")
        text = f"{type(error).__name__}: {error}"
        if isinstance(error, SyntaxError):
            line, text = error.lineno, f"{error.msg}"
            if error.filename == self.path and b"SocketServer" in open(self.path, "rb").read():
                text = f"Python 2 ({text}): convert it, 2to3 -w does most of it"
        else:
            trace, line = error.__traceback__, 0
            while trace:
                if trace.tb_frame.f_code.co_filename == self.path:
                    line = trace.tb_lineno
                trace = trace.tb_next
            if isinstance(error, ModuleNotFoundError) and error.name in ("SocketServer", "BaseHTTPServer", "SimpleHTTPServer"):
                text = f"Python 2 ({text}): convert it, 2to3 -w does most of it"
            if isinstance(error, IndexError) and "sys.argv" in open(self.path).read().splitlines()[line - 1]:
                self.refuse(f"{self.path}:{line}: it wants arguments, which are args = [...]", "args")
        self.refuse(f"{self.path}:{line}: {text}")

    def report(self, error):
        """Print an exception that has ended the file while it served."""
        if isinstance(error, (SystemExit, KeyboardInterrupt)):
            return
        sys.excepthook(type(error), error, error.__traceback__.tb_next)
        if isinstance(error, ConnectionRefusedError):
            print("no port is open at server.server_address here: the addresses are those of the configuration", file=sys.stderr)

    def interrupted(self, *_):
        if self.finished.is_set():
            raise KeyboardInterrupt  # see interrupt_main; until then the server ends this, not a terminal

    def interrupt_main(self):
        """The loop ends in another thread than the main one: have that end, as by Ctrl-C, or else end all."""
        main = threading.main_thread()
        if threading.current_thread() is not main and main not in self.parked:
            signal.pthread_kill(main.ident, signal.SIGINT)
            threading.Timer(1, os._exit, [0]).start()

    def exit(self):
        """The file has ended, and so its server."""
        self.stop()
        if not self.finished.is_set():
            self.finish()
        import atexit

        atexit._run_exitfuncs()  # the interpreter's own end would wait for threads that serve nobody
        os._exit(0)


def networks_of(server):
    return PACKETS if isinstance(server, socketserver.UDPServer) else STREAMS


CO_COROUTINE = 0x80
ACTIONS = socketserver.BaseServer.service_actions, socketserver.ForkingMixIn.service_actions
ACCEPTS = socketserver.TCPServer.get_request, socketserver.UDPServer.get_request
PROCESSES = tuple(c.process_request for c in (socketserver.BaseServer, socketserver.ThreadingMixIn, socketserver.ForkingMixIn))

if __name__ == "__main__":
    Runner(sys.argv[1]).run()
