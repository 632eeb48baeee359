from functools import partial
from socketserver import StreamRequestHandler, TCPServer


class Echo(StreamRequestHandler):
    def __init__(self, *args, ack, **kwargs):
        self.ack = ack
        super().__init__(*args, **kwargs)

    def handle(self):
        self.wfile.write(self.ack + self.rfile.readline())


TCPServer(("", 42009), partial(Echo, ack=b"received ")).serve_forever()
