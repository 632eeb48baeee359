"""The clients that the shipped servers were first written for, in their shape: a message
goes out without a newline, and one recv(1024) is the answer.

Without an argument it prints the names of the clients; with one it runs that client
against the shipped configuration, and fails where an answer is not the exact text.
"""

import re
import socket
import struct
import sys

SIZE = 1024
TIME = r"[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \d{4}"


def expect(pattern, answer):
    """Requires that all of answer, as text, is what pattern says."""
    text = answer.decode("utf-8")
    if not re.fullmatch(pattern, text, re.DOTALL):
        sys.exit("got %r, want %r" % (text, pattern))


def stamped(message):
    return r"\[" + TIME + r"\] " + re.escape(message)


def connect(host, port, family=socket.AF_INET):
    s = socket.socket(family, socket.SOCK_STREAM)
    s.settimeout(30)
    s.connect((host, port))
    return s


def talk(s, exchanges):
    """The loop of most clients: it ends with an empty line, and then closes."""
    for message, pattern in exchanges:
        s.send(bytes(message, "utf-8"))
        expect(pattern, s.recv(SIZE))
    s.close()


MESSAGES = [(m, stamped(m)) for m in ("hello", "\u4f60\u597d", "a line\n", "x" * 900)]


def timestamp_localhost():
    talk(connect("localhost", 21567), MESSAGES)


def timestamp_address():
    talk(connect("127.0.0.1", 21567), MESSAGES)


def timestamp_ipv6():
    talk(connect("::1", 21567, socket.AF_INET6), MESSAGES)


def timestamp_bytes():
    """Not every message is text."""
    s = connect("localhost", 21567)
    s.send(b"\xff\x00\xfe")
    answer = s.recv(SIZE)
    if not answer.endswith(b"] \xff\x00\xfe"):
        sys.exit("got %r" % answer)
    s.close()


def timestamp_two_clients():
    """The second one does not wait for the first."""
    first, second = connect("localhost", 21567), connect("localhost", 21567)
    talk(second, MESSAGES)
    talk(first, MESSAGES)


def timestamp_reset():
    s = connect("localhost", 21567)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    s.send(b"hello")
    s.close()
    timestamp_localhost()


def datagrams(host, family=socket.AF_INET):
    s = socket.socket(family, socket.SOCK_DGRAM)
    s.settimeout(30)
    for message, pattern in MESSAGES:
        s.sendto(bytes(message, "utf-8"), (host, 21567))
        answer, _ = s.recvfrom(SIZE)
        expect(pattern, answer)
    s.close()


def udp_localhost():
    datagrams("localhost")


def udp_ipv6():
    datagrams("::1", socket.AF_INET6)


def connection_per_message(port):
    """Sends a line and reads one answer, each time over a new connection. The last one is
    left open without a word."""
    left_open = []
    for message in ("hello", "\u4f60\u597d"):
        s = connect("localhost", port)
        s.send(bytes("%s\r\n" % message, "utf-8"))
        expect(stamped(message + "\r\n"), s.recv(SIZE))
        left_open.append(s)
    left_open.append(connect("localhost", port))
    return left_open


def connection_per_message_chunk():
    connection_per_message(21567)


def connection_per_message_line():
    for s in connection_per_message(21566)[:-1]:
        expect("", s.recv(SIZE))  # one line each, and the server has closed


def line_without_end():
    """What is left when the client ends is a line too."""
    s = connect("localhost", 21566)
    s.send(b"hello")
    s.shutdown(socket.SHUT_WR)
    expect(stamped("hello"), s.recv(SIZE))
    expect("", s.recv(SIZE))


def hello():
    for host in ("127.0.0.1", "localhost"):
        talk(connect(host, 12345), [(m, "Hi,you send me :" + p) for m, p in MESSAGES])


def from_address(message):
    return re.escape("127.0.0.1\u53d1\u9001\u7ed9\u6211\u7684\u4fe1\u606f\u662f:" + message)


def quit_is_answered():
    s = connect("127.0.0.1", 1122)
    talk_on = [(m, from_address(m)) for m in ("hello", "\u4f60\u597d", "quit it", "QuIt")]
    for message, pattern in talk_on:
        s.send(bytes(message, "utf-8"))
        expect(pattern, s.recv(SIZE))
    expect("", s.recv(SIZE))


def quit_unread():
    """Leaves without reading the answer to quit, which makes its close a reset."""
    for word in ("quit", "QUIT"):
        s = connect("127.0.0.1", 1122)
        s.send(b"hello")
        expect(from_address("hello"), s.recv(SIZE))
        s.send(bytes(word, "utf-8"))
        s.recv(1, socket.MSG_PEEK)  # the answer is there, and stays unread
        s.close()
    talk(connect("127.0.0.1", 1122), [("hello", from_address("hello"))])


def commands():
    shipped = r"\.ci\n.*\ncmd\n.*\nservers\.hcl"
    for host in ("localhost", "127.0.0.1"):
        talk(
            connect(host, 50006),
            [
                ("time", r"\[" + TIME + r"\]"),
                ("date", r"\[" + TIME + r"\]"),
                ("os", r"\[posix\]"),
                ("ls", shipped),
                ("ls handlers/echo", r"README\.md\necho\.go\necho_test\.go"),
                ("ls handlers/echo and more", r"README\.md\necho\.go\necho_test\.go"),
                ("ls nowhere", "not exist path"),
                ("ls servers.hcl", "not exist path"),
                ("ls ../..", "not exist path"),
                ("LS", "this is no orderLS"),
                ("\u4f60\u597d", "this is no order\u4f60\u597d"),
            ],
        )


def echo(s):
    s.sendall(b"Hello, world")
    expect("Received b'Hello, world'", ("Received " + repr(s.recv(SIZE))).encode())
    s.close()


def echo_address():
    echo(connect("127.0.0.1", 50007))


def echo_first_address():
    """Takes the first address of the host that can be connected to."""
    for family, kind, protocol, _, address in socket.getaddrinfo(
        "localhost", 50007, socket.AF_UNSPEC, socket.SOCK_STREAM
    ):
        try:
            s = socket.socket(family, kind, protocol)
            s.settimeout(30)
            s.connect(address)
        except OSError:
            s.close()
            continue
        echo(s)
        return
    sys.exit("could not open socket")


def sink():
    """Sends one datagram and is gone."""
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.sendto(b"hello,this is a test info !", ("localhost", 8081))
    s.close()


CLIENTS = [
    timestamp_localhost, timestamp_address, timestamp_ipv6, timestamp_bytes, timestamp_two_clients,
    timestamp_reset, udp_localhost, udp_ipv6, connection_per_message_chunk, connection_per_message_line,
    line_without_end, hello, quit_is_answered, quit_unread, commands, echo_address, echo_first_address, sink,
]

if __name__ == "__main__":
    by_name = {f.__name__: f for f in CLIENTS}
    if len(sys.argv) == 1:
        print("\n".join(by_name))
    else:
        by_name[sys.argv[1]]()
