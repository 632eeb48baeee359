"""Runs a Python file whose server is one of CPython's own. See peer.py."""

import inspect
import os
import socket
import socketserver
import sys


BLOCKS = "a handler that blocks; an event loop of asyncio runs a coroutine, async def handle(reader, writer)"


def run_script(plugin):
    """Runs a file as __main__. The server that it makes gets the address and the strategy of the
    assignment, and serves where the file calls serve_forever(), which does not return."""
    path = plugin["Path"]
    sys.argv = [path, *(plugin["Args"] or ()), *(options.get("args") or ())]
    sys.path.append(os.path.dirname(path))
    os.chdir(plugin["WorkingDirectory"] or os.path.dirname(path))
    base = socketserver.BaseServer
    init, loop = base.__init__, base.serve_forever

    compared = []  # the first server for the transport; a file may have others, too

    def made(server, address, handler):
        mine = not compared and isinstance(server, socketserver.UDPServer) == (network in DATAGRAMS)
        if mine:
            compared.append(server)
            vars(server).update(attributes(spec))
        if mine and not inet:
            address, server.address_family = place, socket.AF_UNIX
        elif server.address_family == socket.AF_INET6:
            address = "::1", 0
        else:
            address, server.address_family = ("127.0.0.1", 0), socket.AF_INET
        init(server, address, handler)

    def serves(server, poll_interval=0.5):
        if server not in compared:
            return loop(server, poll_interval)
        if spec["concurrency"]["kind"] in LOOPS:
            refuse(BLOCKS)
        server.__class__ = under(spec["concurrency"]["kind"], type(server))
        serve(server, loop)

    def loops(server):
        refuse("a script that calls handle_request() itself")

    base.__init__, base.serve_forever, base.handle_request = made, serves, loops
    main = sys.modules["__main__"] = type(sys)("__main__")
    main.__file__ = path
    with open(path, "rb") as file:
        exec(compile(file.read(), path, "exec"), main.__dict__)
    compared.clear()  # what the file has made it does not serve
    serve_class(main.__dict__)


def under(concurrency, kind):
    """Returns the class with another strategy than its own."""
    mixins = [m for m in MIXINS[concurrency] if not issubclass(kind, m)]
    return type(kind.__name__, (*mixins, kind), {})


def serve_class(names):
    """Serves a file that has a handler and no server."""
    coroutine = inspect.iscoroutinefunction(names.get("handle"))
    if coroutine and spec["concurrency"]["kind"] == "asyncio":
        start = asyncio.start_server if inet else asyncio.start_unix_server
        run_asyncio(lambda _: start(names["handle"], *(place if inet else (place,))))
    if spec["concurrency"]["kind"] in LOOPS:
        refuse(BLOCKS)
    if coroutine:
        refuse("a coroutine")
    base = socketserver.BaseRequestHandler
    own = [c for c in names.values() if inspect.isclass(c) and issubclass(c, base) and c.__module__ == "__main__"]
    leaves = [c for c in own if not any(other is not c and issubclass(other, c) for other in own)]
    if len(leaves) != 1:
        refuse("a script with %d handler classes and no server" % len(leaves))
    kind = socketserver.UDPServer if network in DATAGRAMS else socketserver.TCPServer
    kind(None, leaves[0]).serve_forever()
