import socketserver


class Base(socketserver.BaseRequestHandler):
    def answer(self, data):
        return data[::-1]


class Reverse(Base):
    def handle(self):
        if isinstance(self.request, tuple):
            data, sock = self.request
            sock.sendto(self.answer(data), self.client_address)
        else:
            self.request.sendall(self.answer(self.request.recv(1024)))
