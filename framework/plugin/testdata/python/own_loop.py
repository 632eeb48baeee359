import socketserver

running, waited = True, False


class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        global running
        word = self.rfile.readline().strip()
        running = word != b"last"
        self.wfile.write(word + b" in its turn\n")


class Server(socketserver.TCPServer):
    timeout = 0.01

    def handle_timeout(self):
        global waited
        if not waited:
            print("nothing came")
        waited = True


server = Server(("", 42020), Handler)
while running:
    server.handle_request()
print("loop ended")
