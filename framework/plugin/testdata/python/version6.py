import socket
import socketserver


class Server(socketserver.TCPServer):
    address_family = socket.AF_INET6

    def server_bind(self):
        self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        super().server_bind()

    def handle_error(self, request, client_address):
        request.sendall(b"error\n")


class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        host, port, flow, scope = self.client_address
        self.wfile.write(b"%d\n" % (100 // int(self.rfile.readline())))


Server(("::1", 42034), Handler).serve_forever()
