import socketserver


class Server(socketserver.ThreadingTCPServer):
    beats = 0

    def service_actions(self):
        self.beats += 1


class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        while self.server.beats < 3:
            pass
        self.wfile.write(b"beating\n")
        self.server._BaseServer__shutdown_request = True


Server(("", 42021), Handler).serve_forever(0.01)
print("stopped by the flag")
