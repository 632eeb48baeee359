"""Clients in the shape of those that the shipped servers were first written for: most send a
message without a newline and take one recv(1024) for the answer, and have the flaws of short
programs.

Without an argument it prints the names of the clients; with a name, a host and a port it
runs that client, which sends what is typed at its prompt.
"""

import getopt
import select
import socket
import sys

SIZE = 1024


def typed(prompt):
    """Asks for a line, which is empty at the end of input."""
    try:
        return input(prompt)
    except EOFError:
        return ""


def connect(host, port, family=socket.AF_INET):
    s = socket.socket(family, socket.SOCK_STREAM)
    s.connect((host, int(port)))
    return s


def exchange(s, prompt, heard="%s"):
    """A message, its answer, the next message; an empty line is the end."""
    while True:
        data = typed(prompt)
        if not data:
            break
        s.send(bytes(data, "utf-8"))
        print(heard % s.recv(SIZE).decode("utf-8"))
    s.close()


def duplex(s):
    """Does not notice when the server has closed, and goes on reading nothing."""
    while True:
        for ready in select.select([s, sys.stdin], [], [])[0]:
            if ready is s:
                print(s.recv(SIZE).decode("utf-8"))
            else:
                data = typed(">>> ")
                if not data:
                    return
                s.send(bytes(data, "utf-8"))


def datagrams(host, port):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    address = (host, int(port))
    while True:
        data = typed("> ")
        if not data:
            break
        s.sendto(bytes(data, "utf-8"), address)
        data, address = s.recvfrom(SIZE)
        print(data.decode("utf-8"))
    s.close()


def asked():
    """Where to connect to, as somebody types it."""
    return typed("HOST>") or "localhost", typed("PORT>") or "21567"


def timestamp_asking(host, port):
    exchange(connect(*asked()), "> ")


def timestamp_udp_asking(host, port):
    datagrams(*asked())


def timestamp_options(host, port):
    options, _ = getopt.getopt(["--host", host, "--port", port], "", ["host=", "port="])
    exchange(connect(*[value for _, value in options]), "> ")


def timestamp(host, port):
    exchange(connect(host, port), "> ")


def timestamp_ipv6(host, port):
    exchange(connect("::1", port, socket.AF_INET6), "> ")


def timestamp_udp(host, port):
    datagrams(host, port)


def timestamp_line(host, port):
    """A new connection for each line. The last one is left open without a word."""
    left_open = []
    while True:
        s = connect(host, port)
        left_open.append(s)
        data = typed("> ")
        if not data:
            break
        s.send(bytes("%s\r\n" % data, "utf-8"))
        print(s.recv(SIZE).decode("utf-8").strip())


def say_hello(s):
    s.sendall(b"Hello, world")
    print("Received", repr(s.recv(SIZE)))
    s.close()


def echo(host, port):
    say_hello(connect(host, port))


def echo_getaddrinfo(host, port):
    """Takes the first address of the host that can be connected to."""
    for family, kind, protocol, _, address in socket.getaddrinfo(host, port, socket.AF_UNSPEC, socket.SOCK_STREAM):
        try:
            s = socket.socket(family, kind, protocol)
        except OSError:
            continue
        try:
            s.connect(address)
        except OSError:
            s.close()
            continue
        say_hello(s)
        return
    sys.exit("could not open socket")


def command(host, port):
    exchange(connect(host, port), ">>> ")


def half_duplex(host, port):
    exchange(connect(host, port), "to: ", "from:  %s")


def full_duplex(host, port):
    duplex(connect(host, port))


def room(host, port):
    duplex(connect(host, port))


def pairs(host, port):
    s = connect(host, port)
    print("请输入你的姓名和对方的姓名(格式name:你的姓名 to:对方姓名)")
    s.send(bytes(typed(""), "utf-8"))
    duplex(s)


def sink(host, port):
    """Sends one datagram and is gone."""
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.sendto(b"hello,this is a test info !", (host, int(port)))
    s.close()


def hello(host, port):
    exchange(connect(host, port), ">")


def quit_client(host, port):
    """Leaves without reading the answer to quit, which makes its close a reset."""
    s = connect("127.0.0.1", port)
    while True:
        data = typed(">")
        if not data:
            break
        print("发送信息到127.0.0.1：%s" % data)
        s.send(bytes(data, "utf-8"))
        if data.upper() == "QUIT":
            s.recv(1, socket.MSG_PEEK)  # the answer is there, and stays unread
            break
        print("从127.0.0.1收到信息：%s" % s.recv(SIZE).decode("utf-8"))
    s.close()


CLIENTS = [
    timestamp_asking, timestamp_udp_asking, echo, echo_getaddrinfo, timestamp_options, command, half_duplex,
    full_duplex, room, pairs, timestamp, timestamp_ipv6, timestamp_udp, timestamp_line, sink, hello, quit_client,
]

if __name__ == "__main__":
    by_name = {f.__name__: f for f in CLIENTS}
    if len(sys.argv) == 1:
        print("\n".join(by_name))
    else:
        by_name[sys.argv[1]](*sys.argv[2:])
