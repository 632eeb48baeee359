import socketserver


class Server(socketserver.ThreadingTCPServer):
    asked = 0

    def verify_request(self, request, client_address):
        self.asked += 1
        if self.asked == 1:
            raise ValueError("not this one")
        return True

    def handle_error(self, request, client_address):
        raise


class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        raise ValueError(self.rfile.readline().decode().strip())


Server(("", 42014), Handler).serve_forever()
