"""Servers in the shape of those that the handlers replace, for the client to talk to: most
read once for each message, answer without a newline, and have the flaws of short programs.

Without an argument it prints the names of the servers; with one it runs that server on a
free port of 127.0.0.1, and prints the port and then what the server has to say.
"""

import os
import re
import select
import socket
import socketserver
import sys
import threading
import time

SIZE = 1024


def say(*words):
    print(*words, flush=True)


def listen(kind=socket.SOCK_STREAM):
    s = socket.socket(socket.AF_INET, kind)
    s.bind(("127.0.0.1", 0))
    if kind == socket.SOCK_STREAM:
        s.listen(5)
    say(s.getsockname()[1])
    return s


def clients(answer, close=True):
    """One client after the other; answer(data) is sent, and None ends the server."""
    s = listen()
    while True:
        conn, address = s.accept()
        say("connected from", address)
        while True:
            data = conn.recv(SIZE)
            if not data:
                break
            reply = answer(data, address)
            if reply is None:
                return
            conn.send(reply)
        if close:
            conn.close()


def stamp(data):
    return b"[%s] %s" % (time.ctime().encode(), data)


def echo():
    """Serves a single client and is done."""
    conn, _ = listen().accept()
    while True:
        data = conn.recv(SIZE)
        if not data:
            break
        conn.sendall(data)


def echo_getaddrinfo():
    for family, kind, protocol, _, address in socket.getaddrinfo(
        "localhost", 0, socket.AF_UNSPEC, socket.SOCK_STREAM, 0, socket.AI_PASSIVE
    ):
        try:
            s = socket.socket(family, kind, protocol)
            s.bind(address)
            s.listen(1)
        except OSError:
            continue
        say(s.getsockname()[1])
        break
    conn, _ = s.accept()
    with conn:
        while True:
            data = conn.recv(SIZE)
            if not data:
                break
            conn.send(data)


def command():
    def answer(data, _):
        order = data.decode("utf-8")
        if order == "time":
            return b"[%s]" % time.ctime().encode()
        if order == "os":
            return b"[%s]" % os.name.encode()
        if order == "ls":
            return "\n".join(sorted(os.listdir("."))).encode()
        found = re.match(r"ls\s([^\s]+)", order)
        if found:
            if not os.path.exists(found.group(1)):
                return b"not exist path"
            return "\n".join(sorted(os.listdir(found.group(1)))).encode()
        return b"this is no order" + data

    clients(answer)


def half_duplex():
    """The operator answers each message; an empty line ends the client."""
    s = listen()
    while True:
        conn, address = s.accept()
        say("connected by", address)
        while True:
            data = conn.recv(SIZE)
            if not data:
                break
            say("from:", data.decode("utf-8"))
            line = sys.stdin.readline().strip("\n")
            if not line:
                break
            conn.send(line.encode("utf-8"))
        conn.close()


def full_duplex():
    """Client and operator talk as they like."""
    s = listen()
    conn, _ = s.accept()
    say("connected")
    while True:
        for ready in select.select([sys.stdin, conn], [], [])[0]:
            if ready is conn:
                data = conn.recv(SIZE)
                if not data:
                    return
                say(data.decode("utf-8"))
            else:
                conn.send(sys.stdin.readline().strip("\n").encode("utf-8"))


def room():
    """Never takes anybody out of the room, nor closes a connection."""
    conns = []

    def relay(conn):
        while True:
            data = conn.recv(SIZE)
            if not data:
                break
            for c in conns:
                if c is not conn:
                    c.send(data)

    s = listen()
    while True:
        conn, address = s.accept()
        for c in conns:
            c.send(("\u6b22\u8fce%s\u6765\u5230\u6211\u4eec\u7684\u804a\u5929\u5ba4!" % (address,)).encode("utf-8"))
        conns.append(conn)
        say("joined")
        threading.Thread(target=relay, args=(conn,), daemon=True).start()


def pairs():
    conns = {}

    def relay(name, partner):
        while True:
            data = conns[name].recv(SIZE)
            if not data:
                break
            if partner in conns:
                conns[partner].send(data)
            else:
                conns[name].send("\u8bf7\u7b49\u5f85\u5bf9\u65b9\u4e0a\u7ebf".encode("utf-8"))

    s = listen()
    while True:
        conn, _ = s.accept()
        found = re.match(r"name:(.+)\sto:(.+)", conn.recv(SIZE).decode("utf-8"))
        if not found:
            conn.send("\u60a8\u7684\u8f93\u5165\u6709\u8bef".encode("utf-8"))
            conn.close()
            continue
        conns[found.group(1)] = conn
        threading.Thread(target=relay, args=found.groups(), daemon=True).start()
        say("joined", found.group(1))


def timestamp():
    clients(lambda data, _: stamp(data))


def timestamp_text():
    """Leaves the connections open behind it."""
    clients(lambda data, _: ("[%s] %s" % (time.ctime(), data.decode("utf-8"))).encode("utf-8"), close=False)


def timestamp_line():
    """One line per connection."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self):
            self.wfile.write(stamp(self.rfile.readline()))

    with socketserver.TCPServer(("127.0.0.1", 0), Handler) as server:
        say(server.server_address[1])
        server.serve_forever()


def timestamp_udp():
    s = listen(socket.SOCK_DGRAM)
    while True:
        data, address = s.recvfrom(SIZE)
        s.sendto(stamp(data), address)
        say("received from and returned to:", address)


def sink():
    s = listen(socket.SOCK_DGRAM)
    while True:
        say("Received:", *s.recvfrom(SIZE))


def hello():
    clients(lambda data, _: b"Hi,you send me :" + stamp(data))


def quit_server():
    """Any client can end it, and is not told."""
    s = listen()
    while True:
        conn, address = s.accept()
        while True:
            data = conn.recv(SIZE)
            if not data:
                break
            conn.send(("%s\u53d1\u9001\u7ed9\u6211\u7684\u4fe1\u606f\u662f:" % address[0]).encode("utf-8") + data)
            if data.upper() == b"QUIT":
                return


SERVERS = [
    echo, echo_getaddrinfo, command, half_duplex, full_duplex, room, pairs, timestamp, timestamp_text,
    timestamp_line, timestamp_udp, sink, hello, quit_server,
]

if __name__ == "__main__":
    by_name = {f.__name__: f for f in SERVERS}
    if len(sys.argv) == 1:
        print("\n".join(by_name))
    else:
        by_name[sys.argv[1]]()
