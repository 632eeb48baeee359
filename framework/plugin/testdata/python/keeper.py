import socketserver


class Keeper(socketserver.StreamRequestHandler):
    uses_state = True

    def handle(self):
        for line in self.rfile:
            verb, key, *rest = line.decode().split()
            state = self.server.state
            try:
                if verb == "get":
                    value, revision = state.get(key)
                    answer = f"{value.decode()} {revision}"
                elif verb == "create":
                    answer = state.create(key, rest[0])
                elif verb == "update":
                    answer = state.update(key, rest[0].encode(), int(rest[1]))
                elif verb == "add":
                    answer = state.add(key, int(rest[0]))
                else:
                    answer = state.delete(key)
            except (state.NoKey, state.Exists, state.Conflict, OSError) as error:
                answer = f"{type(error).__name__}: {error}"
            self.wfile.write(f"{answer}\n".encode())


socketserver.ThreadingTCPServer(("", 0), Keeper).serve_forever()
