"""A server of CPython's socketserver. It reads its assignment from standard input, as a line of
JSON, reports its address, and ends at SIGTERM or when the input ends."""

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

counter = 0
counting = threading.Lock()


class Messages:
    """Splits the input into messages, each with the ending of its answer."""

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

    def handle(self):
        for data, ending in self.messages():
            self.wfile.write(data + ending)


class Timestamp(Messages):
    framing = "line"
    options = {"framing": None, "requests": None, "format": None, "layout": ["Mon Jan _2 15:04:05 2006"], "quit": ["off"]}

    def handle(self):
        for n, (data, ending) in enumerate(self.messages(), 1):
            self.wfile.write(self.answer(data) + ending)
            if n == options.get("requests", 0):
                return

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


class Experiment:
    """The handler of the mishaps, see package experiment."""

    options = {}

    def handle(self):
        word, _, argument = self.rfile.readline().decode().strip().partition(" ")
        if not self.pause("ready %d" % os.getpid()):
            return
        self.say(self.do(word, argument))

    def say(self, text):
        self.wfile.write(text.encode() + b"\n")

    def pause(self, text):
        self.say(text)
        return self.rfile.readline()

    def do(self, word, argument):
        global counter
        if word == "count":
            with counting:
                counter += 1
                return str(counter)
        if word == "chdir":
            os.chdir(argument)
        elif word == "directory":
            return os.getcwd()
        elif word == "setenv":
            os.environ["SOCKETSERVER_EXPERIMENT"] = argument
        elif word == "environment":
            return os.environ.get("SOCKETSERVER_EXPERIMENT", "")
        elif word == "eat":
            held = bytearray(min(int(argument), 256 << 20))
            held[:: os.sysconf("SC_PAGE_SIZE")] = b"x" * len(held[:: os.sysconf("SC_PAGE_SIZE")])
            self.pause("eaten")
        elif word == "panic":
            raise RuntimeError("an experiment")
        elif word == "exit":
            os._exit(3)
        elif word == "fatal":
            os.abort()
        elif word == "hang":
            while True:
                signal.pause() if threading.current_thread() is threading.main_thread() else threading.Event().wait()
        elif word != "wait":
            raise ValueError(word)
        return "done"


def counterpart(server):
    """Returns the class with the behaviour of the server's handler. Its options have the values that it
    supports; None: all."""
    concurrency, handler = server["concurrency"]["kind"], server["handler"]
    if concurrency not in MIXINS:
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
    tell(problem="no Python counterpart of " + what)
    while os.read(0, 4096):  # it is ended when the parent has read that
        pass
    shutil.rmtree(assignment["Directory"], ignore_errors=True)
    sys.exit(1)


def make_server(server, address):
    """Makes one of socketserver's servers, with a counter of forked children."""
    network = server["transport"][0]["network"]
    base = {
        "tcp": socketserver.TCPServer,
        "udp": socketserver.UDPServer,
        "unix": socketserver.UnixStreamServer,
        "unixgram": socketserver.UnixDatagramServer,
    }[network]
    datagram = network in ("udp", "unixgram")
    concurrency = server["concurrency"]
    request = socketserver.DatagramRequestHandler if datagram else socketserver.StreamRequestHandler
    attributes = {"allow_reuse_address": True}
    if not datagram:
        attributes["request_queue_size"] = server["transport"][0].get("request_queue_size", 128)
    if concurrency["kind"] == "forking":
        attributes["max_children"] = concurrency["max_children"]
    handler = type("Handler", (counterpart(server), request), {})
    return type("Server", MIXINS[concurrency["kind"]] + (base,), attributes)(address, handler)


class Counting:
    started = 0

    def process_request(self, request, client_address):
        self.started += 1
        super().process_request(request, client_address)


MIXINS = {
    "synchronous": (),
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
server = make_server(spec, ("127.0.0.1", 0) if inet else os.path.join(assignment["Directory"], "s"))


def stop(*_):
    # shutdown waits for the loop, which this thread may run.
    say(sys.stderr, "stopping")
    threading.Thread(target=server.shutdown).start()


resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # as every Go program does
signal.signal(signal.SIGTERM, stop)
orphaned, ended = threading.Event(), threading.Event()
watcher = threading.Thread(target=watch_parent, args=(assignment["Directory"], spec["timeouts"]["drain"] / 1e9), daemon=True)
watcher.start()
address = server.server_address
tell(network=network, address="%s:%d" % address if inet else address)
server.serve_forever(poll_interval=0.1)
server.server_close()
tell(started=getattr(server, "started", 0))
if not inet:
    os.unlink(address)
ended.set()
if orphaned.is_set():
    watcher.join()
