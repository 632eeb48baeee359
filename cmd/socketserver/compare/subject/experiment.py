"""The handler of the mishaps in Python: a script that runs as a plugin, and a part of peer.py."""

import os
import signal
import socketserver
import threading

counter = 0
counting = threading.Lock()


class Experiment(socketserver.StreamRequestHandler):
    """The handler of the mishaps, see package experiment."""

    options, framing = {}, "line"

    def handle(self):
        talk = self.talk(self.wfile.write)
        next(talk)
        for line in self.rfile:
            try:
                talk.send((line, b""))
            except StopIteration:
                return

    def talk(self, write):
        """Is sent the lines of the client, which an event loop does, too."""
        word, _, argument = (yield)[0].decode().strip().partition(" ")
        write(b"ready %d\n" % os.getpid())
        yield
        if word == "eat":
            held = bytearray(min(int(argument), 256 << 20))
            held[:: os.sysconf("SC_PAGE_SIZE")] = b"x" * len(held[:: os.sysconf("SC_PAGE_SIZE")])
            write(b"eaten\n")
            yield
        write(self.do(word, argument).encode() + b"\n")

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
        elif word == "panic":
            raise RuntimeError("an experiment")
        elif word == "exit":
            os._exit(3)
        elif word == "fatal":
            os.abort()
        elif word == "hang":
            while True:
                signal.pause() if threading.current_thread() is threading.main_thread() else threading.Event().wait()
        elif word not in ("wait", "eat"):
            raise ValueError(word)
        return "done"
