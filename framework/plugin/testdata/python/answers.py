import socketserver


class Handler(socketserver.DatagramRequestHandler):
    def handle(self):
        word = self.rfile.read()
        if word == b"many":
            for i in range(3):
                self.socket.sendto(b"%d" % i, self.client_address)
        elif word == b"large":
            self.wfile.write(bytes(65508))
        elif word != b"quiet":
            self.wfile.write(b"hello " + word)


socketserver.UDPServer(("", 42005), Handler).serve_forever()
