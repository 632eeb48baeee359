"""Tests parts of the worker in directory python, with sockets and without a server."""

import array
import asyncio
import pathlib
import tempfile
import types
import unittest
import weakref
from unittest import mock

text = "".join((pathlib.Path("python") / f"{part}.py").read_text() for part in ("channel", "request", "listener", "state", "runner"))
worker = types.ModuleType("worker")
exec(compile(text, "worker", "exec"), worker.__dict__)
socket, select = worker.socket, worker.select


def runner(**attributes):
    """A Runner that has no channel."""
    made = object.__new__(worker.Runner)
    made.limits, made.timers, made.listeners, made.requests = worker.Limits({}), [], {}, {}
    made.expiring, made.lock, made.over, made.longest = {}, worker.threading.Lock(), False, None
    made.poller, made.watched, made.serving, made.place = select.epoll(), {}, [], worker.Here()
    vars(made).update(attributes)
    return made


class Poller:
    """A select.poll whose waits another program uses as it likes."""

    def __init__(self, waits, meanwhile):
        self.waits, self.meanwhile = waits, meanwhile

    def register(self, *_):
        pass

    def poll(self, milliseconds):
        self.waits.append(milliseconds)
        return self.meanwhile()


class Connections(unittest.TestCase):
    def setUp(self):
        ours, self.client = socket.socketpair()
        self.connection = worker.Connection(fileno=ours.detach())
        self.connection.limit, self.connection.write_limit = 0.01, 3
        self.addCleanup(self.connection.close)
        self.addCleanup(self.client.close)
        self.addCleanup(setattr, select, "poll", select.poll)
        self.waits, self.received = [], 0
        select.poll = lambda: Poller(self.waits, self.read)

    def read(self):
        self.client.setblocking(False)
        try:
            self.received += len(self.client.recv(1 << 20))
        except BlockingIOError:
            pass  # nothing has been sent
        return [1]

    def test_each_piece_has_the_write_timeout(self):
        self.connection.settimeout(None)
        self.connection.sendall(array.array("L", bytes(4 << 20)))
        self.read()
        self.assertEqual(4 << 20, self.received)
        self.assertEqual(4 << 20, self.connection.sent)
        self.assertGreater(len(self.waits), 2)
        self.assertEqual({3000}, set(self.waits), "read bounds no write")
        self.connection.settimeout(0.005)
        self.connection.send(b"x")
        self.assertEqual(5, self.waits.pop(), "the handler's own is shorter")

    def test_a_client_does_not_read(self):
        self.connection.settimeout(None)
        self.read = lambda: []
        with self.assertRaises(TimeoutError):
            self.connection.sendall(b"x")

    def test_a_closed_socket(self):
        self.connection.settimeout(None)
        self.connection.close()
        for send in self.connection.send, self.connection.sendall:
            with self.assertRaises(OSError):
                send(b"x")

    def test_a_file_is_sent_in_pieces(self):
        self.connection.settimeout(None)
        with tempfile.TemporaryFile() as file:
            file.write(bytes(1 << 20))
            self.assertEqual(1 << 20, self.connection.sendfile(file))
        self.read()
        self.assertEqual(1 << 20, self.received)
        self.assertEqual(1 << 20, self.connection.sent)


class Coroutines(unittest.TestCase):
    def test_each_wait_for_the_client_has_the_limit(self):
        ours, client = socket.socketpair()
        connection = worker.Connection(fileno=ours.detach())
        connection.limit, waits = 5, []

        async def wait_for(wait, limit):
            waits.append(limit)
            client.send(b"x")
            return await wait

        async def handle(reader, writer):
            await reader.readexactly(3)

        with client, mock.patch("asyncio.wait_for", wait_for):
            asyncio.run(worker.handle_streams(handle, connection))
        self.assertEqual([5, 5, 5], waits)


class Source:
    """Where requests come from. None of them is kept."""

    def ended(self, request, status, text):
        self.status = status


class Server(worker.socketserver.UDPServer):
    def __init__(self, handle):
        super().__init__(("", 0), handle, False)
        self.server_close()


class Requests(unittest.TestCase):
    def test_a_request_that_is_over_is_not_kept(self):
        run, source = runner(longest=600), Source()
        run.serving = [Server(lambda *_: None)]
        request = worker.Request(run, source, 1, ("udp", "127.0.0.1:1", "127.0.0.1:2"), None, b"x" * 8000, 0)
        gone = weakref.ref(request)
        request.admit()
        del request
        self.assertEqual(worker.OK, source.status)
        self.assertIsNone(gone())

    def test_the_oldest_request_is_late_first(self):
        run, source = runner(longest=600), Source()
        run.serving, run.place = [Server(None)], Source()
        run.place.start = lambda request: None  # it does not end
        first, second = (worker.Request(run, source, id, ("udp", "127.0.0.1:1", "127.0.0.1:2"), None, b"", 0) for id in (1, 2))
        first.admit()
        second.admit()
        self.assertEqual([first.began + 600], run.expire())
        first.began -= 601
        self.assertEqual([second.began + 600], run.expire())
        self.assertTrue(first.late)
        self.assertFalse(second.late)
        self.assertEqual([first, second], list(run.requests))


class Addresses(unittest.TestCase):
    def test_vsock(self):
        for name, text in ((3, 9000), "3:9000"), ((0xFFFFFFFF, 5), "any:5"):
            self.assertEqual(text, worker.Listener.text(name))
            self.assertEqual(name, worker.address("vsock", text, None))
        self.assertEqual(("cid", "3"), worker.Limits.source("vsock", "3:9000"))

    def test_listener_of_vsock(self):
        try:
            server = socket.socket(socket.AF_VSOCK)
            server.bind((socket.VMADDR_CID_ANY, socket.VMADDR_PORT_ANY))
        except OSError as error:
            self.skipTest(f"there is no vsock: {error}")
        server.listen()
        port = server.getsockname()[1]
        self.assertEqual(f"any:{port}", worker.Listener(runner(), 1, 0, {"network": "vsock"}, server.detach()).local)

    def test_client_without_a_name(self):
        for network, name in ("unix", ""), ("unixpacket", ""), ("unixgram", None):
            self.assertEqual(name, worker.address(network, "", None))


class Listeners(unittest.TestCase):
    def test_error_of_accept_lasts(self):
        server = socket.create_server(("127.0.0.1", 0))
        later = []
        run = runner(later=lambda seconds, call: later.append(call))
        listener = run.listeners[1] = worker.Listener(run, 1, 0, {"network": "tcp"}, server.detach())
        listener.socket.shutdown(socket.SHUT_RD)  # as suspending does
        run.poll(None)
        self.assertEqual({}, run.watched, "the loop does not look again at once")
        later.pop()()
        self.assertEqual([listener.socket.fileno()], list(run.watched), "and looks again a moment later")


unittest.main()
