import os
import socketserver
import sys

PATH = sys.argv[1]


class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        self.wfile.write(b"through " + self.rfile.readline())


if os.path.exists(PATH):
    os.unlink(PATH)
with socketserver.ThreadingUnixStreamServer(PATH, Handler) as server:
    os.chmod(PATH, 0o660)
    try:
        server.serve_forever()
    finally:
        os.unlink(PATH)
