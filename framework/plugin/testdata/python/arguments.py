import argparse
import socketserver

parser = argparse.ArgumentParser()
parser.add_argument("port", type=int)
parser.add_argument("--prefix", default="> ")
options = parser.parse_args()


class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        self.wfile.write(options.prefix.encode() + self.rfile.readline())


socketserver.TCPServer(("", options.port), Handler).serve_forever()
