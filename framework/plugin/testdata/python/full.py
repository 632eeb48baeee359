import os
import resource
import socketserver


class Server(socketserver.ForkingTCPServer):
    """Has no descriptor left when it forks for its second client."""

    asked = 0
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)

    def verify_request(self, request, client_address):
        self.asked += 1
        if self.asked == 2:
            lowest = os.dup(0)
            os.close(lowest)
            resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, self.limits[1]))
        return True

    def service_actions(self):
        resource.setrlimit(resource.RLIMIT_NOFILE, self.limits)


class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        if self.rfile.readline():
            self.wfile.write(b"%d\n" % self.server.asked)


Server(("", 42015), Handler).serve_forever()
