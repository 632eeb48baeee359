import socketserver
import threading


class Tcp(socketserver.StreamRequestHandler):
    def handle(self):
        self.wfile.write(b"tcp " + self.rfile.readline())


class Udp(socketserver.BaseRequestHandler):
    def handle(self):
        self.request[1].sendto(b"udp " + self.request[0], self.client_address)


servers = [socketserver.ThreadingUDPServer(("", 0), Udp), socketserver.ThreadingTCPServer(("", 0), Tcp)]
threads = [threading.Thread(target=server.serve_forever) for server in servers]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print("joined")
