"""The handler of the mishaps in Python: a script that runs as a plugin, and a part of peer.py."""

import os
import signal
import socketserver
import threading

counter = 0
counting = threading.Lock()


class Experiment(socketserver.StreamRequestHandler):
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
