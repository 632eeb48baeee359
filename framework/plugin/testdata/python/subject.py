"""Does what its clients ask for, one word a line."""
import os
import signal
import socketserver
import sys
import threading
import time

count = 0


class Server(socketserver.ThreadingMixIn, socketserver.TCPServer):
    allow_reuse_address = True
    greeting = b"hello"

    def verify_request(self, request, client_address):
        self.verified = getattr(self, "verified", 0) + 1
        return True


class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        global count
        count += 1
        for line in self.rfile:
            word, *rest = line.split()
            answer = getattr(self, word.decode())(*rest)
            self.wfile.write(answer + b"\n")

    def count(self):
        return b"%d" % count

    def verified(self):
        return b"%d" % self.server.verified

    def pid(self):
        return b"%d" % os.getpid()

    def greet(self):
        return self.server.greeting

    def arguments(self):
        return " ".join(sys.argv[1:]).encode()

    def where(self):
        return os.getcwd().encode()

    def address(self):
        return repr(self.client_address).encode()

    def abort(self):
        os.abort()

    def exit(self):
        os._exit(3)

    def leave(self):
        self.wfile.write(b"left\n")
        os._exit(0)

    def fail(self):
        raise ValueError("a wrong\nvalue")

    def forked(self):
        """A child of the handler that comes back from it must not be taken for the handler."""
        if os.fork():
            os.wait()
            return b"parent"
        sys.exit()

    def wait(self):
        self.connection.settimeout(None)  # as long as the server allows
        self.rfile.readline()
        return b"went on"

    def big(self):
        return b"x" * 60000

    def stop(self):
        self.server.shutdown()
        return b"stopping"


with Server(("127.0.0.1", 0), Handler) as server:
    server.greeting = b"good morning"
    server.serve_forever()
print("stopped and cleaned up")
