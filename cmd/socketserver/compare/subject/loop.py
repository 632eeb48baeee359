"""Serves a handler in an event loop, of asyncio or Twisted. See peer.py."""

import asyncio
import importlib.util
import signal
import sys

LOOPS = "asyncio", "twisted"


def run_loop(behaviour):
    """Serves until SIGTERM, and ends the process. One thread has all clients: what blocks blocks them all."""
    if network in DATAGRAMS:
        refuse("%s over %s" % (spec["concurrency"]["kind"], network))
    if spec["concurrency"]["kind"] == "asyncio":
        run_asyncio(lambda loop: listen(loop, of_asyncio(behaviour)))
    if importlib.util.find_spec("twisted") is None:
        fail("there is no twisted; install it, as with pip install twisted")
    run_twisted(behaviour)


class Conversation:
    """A client: what arrives is a callback, which answers and returns."""

    open = set()

    def begin(self, behaviour, transport, client_address, close):
        self.open.add(self)
        self.rest, self.close = b"", close
        handler = behaviour.__new__(behaviour)  # it neither has a thread nor a file to read
        handler.client_address = client_address
        self.lines = options.get("framing", behaviour.framing) == "line"
        self.talk = handler.talk(transport.write)
        next(self.talk)

    def arrived(self, data):
        messages = [(data, b"")]
        if self.lines:
            *lines, self.rest = (self.rest + data).split(b"\n")
            messages = [(line.rstrip(b"\r"), line[len(line.rstrip(b"\r")):] + b"\n") for line in lines]
        self.answer(messages)

    def answer(self, messages):
        for message in messages:
            try:
                self.talk.send(message)
            except StopIteration:
                return self.close()

    def finished(self):
        self.open.discard(self)
        if not self.open and idle:
            idle[0]()


idle = []  # what to call when the last client has left


def of_asyncio(behaviour):
    class Protocol(asyncio.Protocol, Conversation):
        data_received = Conversation.arrived

        def connection_made(self, transport):
            self.begin(behaviour, transport, transport.get_extra_info("peername"), transport.close)

        def eof_received(self):
            if self.rest:
                self.answer([(self.rest, b"")])

        def connection_lost(self, error):
            self.finished()

    return Protocol


def listen(loop, protocol):
    backlog = spec["transport"][0].get("request_queue_size", 128)
    if inet:
        return loop.create_server(protocol, *place, backlog=backlog)
    return loop.create_unix_server(protocol, place, backlog=backlog)


def run_asyncio(listen):
    async def main():
        loop = asyncio.get_running_loop()
        stopped, empty = asyncio.Event(), asyncio.Event()
        loop.add_signal_handler(signal.SIGTERM, stopped.set)
        server = await listen(loop)
        listening(server.sockets[0].getsockname())
        await stopped.wait()
        say(sys.stderr, "stopping")
        server.close()
        idle.append(empty.set)
        if Conversation.open:
            try:
                await asyncio.wait_for(empty.wait(), drain)
            except asyncio.TimeoutError:
                pass

    asyncio.run(main())
    finish(0)


def run_twisted(behaviour):
    from twisted.internet import protocol, reactor
    from twisted.python import log

    class Protocol(protocol.Protocol, Conversation):
        dataReceived = Conversation.arrived

        def connectionMade(self):
            at = self.transport.getPeer()
            self.begin(behaviour, self.transport, (at.host, at.port) if inet else "", self.transport.loseConnection)

        def connectionLost(self, reason):
            self.finished()

    def stop():
        say(sys.stderr, "stopping")
        port.stopListening()
        if not Conversation.open:
            return reactor.stop()
        idle.append(reactor.stop)
        reactor.callLater(drain, reactor.stop)

    log.addObserver(lambda event: event.get("isError") and say(sys.stderr, log.textFromEventDict(event)))
    signal.signal(signal.SIGTERM, lambda *_: reactor.callFromThread(stop))
    factory = protocol.Factory.forProtocol(Protocol)
    if inet:
        port = reactor.listenTCP(0, factory, interface="127.0.0.1")
    else:
        port = reactor.listenUNIX(place, factory)
    at = port.getHost()
    reactor.callWhenRunning(listening, (at.host, at.port) if inet else place)
    reactor.run(installSignalHandlers=False)
    finish(0)
