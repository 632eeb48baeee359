"""Tests parts of the worker in directory python, with sockets and without a server."""

import pathlib
import types
import unittest

text = "".join((pathlib.Path("python") / f"{part}.py").read_text() for part in ("channel", "request", "listener", "state", "runner"))
worker = types.ModuleType("worker")
exec(compile(text, "worker", "exec"), worker.__dict__)
socket, select = worker.socket, worker.select


def runner(**attributes):
    """A Runner that has no channel."""
    made = object.__new__(worker.Runner)
    made.limits, made.timers, made.listeners, made.requests = worker.Limits({}), [], {}, {}
    made.poller, made.watched, made.over, made.longest = select.epoll(), {}, False, None
    vars(made).update(attributes)
    return made


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
