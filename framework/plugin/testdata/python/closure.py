import socketserver


def handler(prefix):
    class Handler(socketserver.StreamRequestHandler):
        def handle(self):
            self.wfile.write(prefix + self.rfile.readline())

    return lambda *args: Handler(*args)


try:
    server = socketserver.TCPServer(("", 42027), handler(b"made "), bind_and_activate=False)
    server.allow_reuse_address = True
    server.server_bind()
    server.server_activate()
    server.serve_forever()
except:
    server.shutdown()
