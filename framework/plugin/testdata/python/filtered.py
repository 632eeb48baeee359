import socketserver


class Server(socketserver.ThreadingTCPServer):
    admitted = 0

    def verify_request(self, request, client_address):
        self.admitted += 1
        return self.admitted <= 2


class Secret(socketserver.StreamRequestHandler):
    def handle(self):
        self.wfile.write(b"secret\n")


Server(("", 42013), Secret).serve_forever()
