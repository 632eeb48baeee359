"""A server of CPython's socketserver: with a counterpart of a compiled-in handler, or with the handler of
a Python file. It reads its assignment from standard input, as a line of JSON, reports its address, and
ends at SIGTERM or when the input ends. experiment.py, script.py and loop.py precede this file."""

import json
import os
import re
import resource
import shutil
import signal
import socketserver
import sys
import threading
import time


class Messages:
    """Answers messages. The input is split into them, each with the ending of its answer."""

    def handle(self):
        for n, (data, ending) in enumerate(self.messages(), 1):
            self.wfile.write(self.answer(data) + ending)
            if n == options.get("requests", 0):
                return

    def talk(self, write):
        """Is handle() in an event loop, which sends the messages."""
        answered = 0
        while not answered or answered != options.get("requests", 0):
            data, ending = yield
            write(self.answer(data) + ending)
            answered += 1

    def messages(self):
        if options.get("framing", self.framing) == "line":
            while line := self.rfile.readline(8194):
                data = line.rstrip(b"\r\n")
                yield data, line[len(data):]
        elif hasattr(self, "packet"):
            yield self.packet, b""
        else:
            while chunk := self.request.recv(1024):
                yield chunk, b""


class Echo(Messages):
    framing = "chunk"
    options = {"framing": None}

    def answer(self, data):
        return data


class Timestamp(Messages):
    framing = "line"
    options = {"framing": None, "requests": None, "format": None, "layout": ["Mon Jan _2 15:04:05 2006"], "quit": ["off"]}

    def answer(self, data):
        def value(match):
            name = match.group(1)
            if name == b"time":
                return time.ctime().encode()
            if name == b"data":
                return data
            if name in (b"client", b"client_ip"):
                at = self.client_address
                if not isinstance(at, tuple):
                    return str(at).encode()
                return at[0].encode() if name == b"client_ip" else b"%s:%d" % (at[0].encode(), at[1])
            return match.group(0)[:1]  # {{ and }}

        return re.sub(rb"\{\{|\}\}|\{(\w+)\}", value, options.get("format", "[{time}] {data}").encode())


def counterpart(server):
    """Returns the class with the behaviour of the server's handler. Its options have the values that it
    supports; None: all."""
    concurrency, handler = server["concurrency"]["kind"], server["handler"]
    if concurrency not in MIXINS and concurrency not in LOOPS:
        refuse(concurrency)
    behaviour = {"echo": Echo, "timestamp": Timestamp, "experiment": Experiment}.get(handler["name"])
    if behaviour is None or handler["kind"] == "plugin":
        refuse('%s "%s"' % (handler["kind"], handler["name"]))
    for name, value in sorted(options.items()):
        supported = behaviour.options.get(name, [])
        if supported is not None and value not in supported:
            refuse("%s = %s" % (name, value if isinstance(value, str) else json.dumps(value)))
    return behaviour


def refuse(what):
    fail("no Python counterpart of " + what)


def fail(problem):
    tell(problem=problem)
    ended.set()
    watcher.join()  # it is ended when the parent has read that


def attributes(server):
    """Returns what the configuration sets of a server, whatever its class has."""
    all = {"allow_reuse_address": True, "max_children": server["concurrency"].get("max_children")}
    if network not in DATAGRAMS:
        all["request_queue_size"] = server["transport"][0].get("request_queue_size", 128)
    return all


def make_server(server, address):
    """Makes one of socketserver's servers."""
    base = {
        "tcp": socketserver.TCPServer,
        "udp": socketserver.UDPServer,
        "unix": socketserver.UnixStreamServer,
        "unixgram": socketserver.UnixDatagramServer,
    }[network]
    request = socketserver.DatagramRequestHandler if network in DATAGRAMS else socketserver.StreamRequestHandler
    handler = type("Handler", (counterpart(server), request), {})
    return type("Server", MIXINS[server["concurrency"]["kind"]] + (base,), attributes(server))(address, handler)


DATAGRAMS = "udp", "unixgram"


class OneByOne:
    process_request = socketserver.BaseServer.process_request


class Counting:
    """Counts forked children."""

    started = 0

    def process_request(self, request, client_address):
        self.started += 1
        super().process_request(request, client_address)


class Accepting:
    """Has workers that accept, each for itself and one client after the other, as in chapter 30 of Unix
    Network Programming."""

    workers = 15

    def serve_forever(self, poll_interval):
        self.over = threading.Event()
        self.start()
        self.over.wait()
        self.end()

    def shutdown(self):
        self.over.set()

    def work(self):
        while True:
            request, client_address = self.get_request()
            try:
                self.finish_request(request, client_address)
            except Exception:
                self.handle_error(request, client_address)
            self.shutdown_request(request)


class Prethreading(Accepting):
    def start(self):
        for _ in range(self.workers):
            threading.Thread(target=self.work, daemon=True).start()

    def end(self):
        pass


class Preforking(Accepting):
    started = Accepting.workers

    def start(self):
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])  # it starts a thread, which no fork has
        self.children = [os.fork() or self.work() for _ in range(self.workers)]
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])

    def end(self):
        for pid in self.children:
            os.kill(pid, signal.SIGKILL)
        for pid in self.children:
            os.waitpid(pid, 0)


MIXINS = {
    "preforking": (Preforking,),
    "prethreading": (Prethreading,),
    "synchronous": (OneByOne,),
    "threading": (socketserver.ThreadingMixIn,),
    "forking": (Counting, socketserver.ForkingMixIn),
}


def watch_parent(directory, drain):
    """Ends the server and its children when the parent has ended."""
    while os.read(0, 4096):
        pass
    orphaned.set()
    os.kill(os.getpid(), signal.SIGTERM)
    ended.wait(drain + 5)
    shutil.rmtree(directory, ignore_errors=True)
    os.killpg(0, signal.SIGKILL)


def say(file, text):
    try:
        print(text, file=file, flush=True)
    except BrokenPipeError:
        pass  # the parent has ended


def tell(**report):
    say(sys.stdout, json.dumps(report))


def stop(*_):
    if serving:
        say(sys.stderr, "stopping")
        # shutdown waits for the loop, which this thread may run.
        threading.Thread(target=serving[0].shutdown).start()


def serve(server, serve_forever):
    """Serves until SIGTERM, and ends the process."""
    serving.append(server)
    listening(server.server_address)
    serve_forever(server, 0.1)
    server.server_close()
    finish(getattr(server, "started", 0))


def listening(address):
    tell(network=network, address=("[%s]:%d" if len(address) == 4 else "%s:%d") % address[:2] if inet else address)


def finish(started):
    tell(started=started)
    if not inet and os.path.exists(place):
        os.unlink(place)
    ended.set()
    if orphaned.is_set():
        watcher.join()
    os._exit(0)


line = b""
while not line.endswith(b"\n"):
    piece = os.read(0, 1)
    if not piece:
        sys.exit("there is nothing to serve")
    line += piece
assignment = json.loads(line)
spec = assignment["Server"]
options = spec["handler"].get("options") or {}
network = spec["transport"][0]["network"]
inet = network in ("tcp", "udp")
place = ("127.0.0.1", 0) if inet else os.path.join(assignment["Directory"], "s")
serving = []
drain = spec["timeouts"]["drain"] / 1e9

resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # as every Go program does
signal.signal(signal.SIGTERM, stop)
orphaned, ended = threading.Event(), threading.Event()
watcher = threading.Thread(target=watch_parent, args=(assignment["Directory"], drain), daemon=True)
watcher.start()
if spec["handler"]["kind"] == "plugin" and assignment["Plugin"]["Kind"] == "python":
    run_script(assignment["Plugin"])
elif spec["concurrency"]["kind"] in LOOPS:
    run_loop(counterpart(spec))
else:
    serve(make_server(spec, place), lambda server, interval: server.serve_forever(interval))
