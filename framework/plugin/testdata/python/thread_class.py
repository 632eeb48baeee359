import socketserver
import threading


class Server(socketserver.TCPServer, threading.Thread):
    def __init__(self, address, handler):
        threading.Thread.__init__(self)
        socketserver.TCPServer.__init__(self, address, handler)
        self.word = b"kept "

    def run(self):
        self.serve_forever()


class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        self.wfile.write(self.server.word + self.rfile.readline())


server = Server(("", 42030), Handler)
server.start()
server.join()
