"""Serves a file of socketserver handlers, unchanged, inside socketserver.

    python3 -I -u -c SOURCE FILE [ARGUMENT...]

Descriptor 3 leads to the server: each message is one frame, see PROTOCOL.md. FILE runs as __main__,
as if it had been started by hand. serve_forever() of its server object is the loop of this program:
requests come from descriptor 3 instead of a port, and it returns when the server has ended, so that
what follows it runs as well.

The host joins the five files of this directory into one SOURCE, in this order:

channel.py   Channel                descriptor 3
             Connection, Answer     what handlers know as their socket, of a stream and of a datagram
request.py   Request                one connection or datagram, until its outcome has been sent
             Threads, Forks, Tasks  where requests run: a thread, a process or an asyncio task for each
listener.py  Listener, Limits       under preforking: a socket that several processes accept from
state.py     State                  what handlers keep between requests, in the server
runner.py    Runner                 the loop, and the file
"""

import errno
import json
import os
import select
import signal
import socket
import socketserver
import stat
import sys
import threading
import time
from bisect import insort

HELLO, CONFIGURE, STREAM, DATAGRAM, CANCEL, OUTCOME, ACK, LISTEN, QUIT, EVENT, PING, PONG, WAKE, STATE, ANSWER = range(1, 16)
STOP, WANT_ACK, COUNT = 2, 4, 16  # flags
STARTED, REFUSED, ENDED = 1, 2, 3  # flags of an event
OK, FAILED, PANICKED, PEER_GONE, TIMED_OUT = range(5)  # statuses

MAX_FRAME, MAX_TEXT, MAX_ANSWER = 163840, 32768, 65507
ANY_CID = 0xFFFFFFFF  # of vsock: the address that is any of this machine's
STREAMS, PACKETS = ["tcp", "unix"], ["udp", "unixgram"]
FOREVER = 1e8  # seconds. Not None, which would clear O_NONBLOCK: the server shares it


def number(data, at, size):
    return int.from_bytes(data[at : at + size], "big")


def numbers(*all):
    return b"".join(n.to_bytes(8, "big") for n in all)


def words(*all):
    return b"".join(len(w).to_bytes(2, "big") + w for w in (os.fsencode(word) for word in all))


def long_text(text):
    data = text.encode(errors="backslashreplace")[:MAX_TEXT]
    return len(data).to_bytes(4, "big") + data


class Channel:
    """Descriptor 3. Any thread and any child may send, as each message is whole."""

    def __init__(self):
        self.socket = socket.socket(fileno=3)
        self.socket.setblocking(True)
        self.socket.set_inheritable(False)
        self.buffer = memoryview(bytearray(MAX_FRAME))

    def receive(self):
        """Return kind, flags, id, what follows, and the descriptor or None. Kind 0 is the end; an answer begins with its status."""
        size, control, _, _ = self.socket.recvmsg_into([self.buffer], 20, socket.MSG_CMSG_CLOEXEC)
        if not size:
            return 0, 0, 0, b"", None
        data = bytes(self.buffer[:size])
        descriptor = int.from_bytes(control[0][2], sys.byteorder) if control else None
        rest = data[2:3] + data[12:] if data[0] == ANSWER else data[12:]
        return data[0], data[1], number(data, 4, 8), rest, descriptor

    def send(self, kind, id=0, flags=0, status=0, rest=b""):
        try:
            self.socket.send(bytes((kind, flags, status, 0)) + numbers(id) + rest)
        except ConnectionError:
            pass  # the server has gone, which the end of the channel says


class Connection(socket.socket):
    """A client's socket. A handler may shorten the server's timeout and cannot lengthen it."""

    limit = write_limit = FOREVER  # of a wait until there is something to read, and until the client takes some more
    tls = None  # or a dict: what is known of the TLS that the connection has passed
    received = sent = 0

    def settimeout(self, seconds):
        super().settimeout(self.limit if seconds is None else min(seconds, self.limit))

    def setblocking(self, flag):
        self.settimeout(None if flag else 0)

    def room(self):
        """Wait until the client takes some more."""
        timeout, descriptor = self.gettimeout(), self.fileno()
        if timeout and descriptor >= 0:  # else send says why not
            poller = select.poll()
            poller.register(descriptor, select.POLLOUT)
            seconds = self.write_limit if timeout == self.limit else min(timeout, self.write_limit)
            if not poller.poll(min(1000 * seconds, 1 << 30)):
                raise socket.timeout("timed out")

    def send(self, *args):
        self.room()
        n = super().send(*args)
        self.sent += n
        return n

    def sendmsg(self, *args):
        self.room()
        n = super().sendmsg(*args)
        self.sent += n
        return n

    def sendall(self, data, *flags):
        """Send all, however long a client takes that reads: socket's own bounds the whole call."""
        data, at = memoryview(data).cast("B"), 0
        while at < len(data):
            at += self.send(data[at:], *flags)

    def sendfile(self, file, offset=0, count=None):
        file.seek(offset)
        return self._sendfile_use_send(file, offset, count)  # by send

    def drain(self, seconds):
        """Read what the handler has not: closing with unread bytes would cost the client its answer."""
        receive = super().recv
        try:
            super().settimeout(0)
            if receive(1, socket.MSG_PEEK):
                self.shutdown(socket.SHUT_WR)
                super().settimeout(seconds)
                end, rest = time.monotonic() + seconds, 1 << 18
                while rest > 0:
                    rest -= len(receive(65536)) or rest
                    if time.monotonic() >= end:
                        break
        except OSError:
            pass  # there is nothing, or nobody

    def refuse(self, banner):
        try:
            self.settimeout(0)
            self.send(banner)
        except OSError:
            pass
        self.close()


class CountedConnection(Connection):
    """A Connection that counts what it receives, too, for metrics and the access log."""

    def recv(self, *args):
        data = super().recv(*args)
        self.received += len(data)
        return data

    def recv_into(self, *args, **kwargs):
        n = super().recv_into(*args, **kwargs)
        self.received += n
        return n


class Answer:
    """What the handler of a datagram takes for the server's socket: it sends one answer, to the client."""

    def __init__(self, client, local):
        self.client, self.local, self.data = client, local, b""

    def sendto(self, data, *flags_and_address):
        if flags_and_address[-1] != self.client:
            raise OSError(f"a datagram is answered to its client {self.client}, not to {flags_and_address[-1]}")
        if len(data) > MAX_ANSWER:
            raise OSError(f"an answer of {len(data)} bytes; a datagram has at most {MAX_ANSWER}")
        if data and self.data:
            raise OSError("a second answer to a datagram; there is one to each")
        self.data = self.data or bytes(data)  # an empty one is none
        return len(data)

    def getsockname(self):
        return self.local


def address(network, text, server):
    """The address that accept() or recvfrom() of a server of that family would return."""
    if network == "vsock":
        cid, _, port = text.partition(":")
        return ANY_CID if cid == "any" else int(cid), int(port)
    if network not in ("tcp", "udp"):
        if text in ("", "@"):  # it is not bound
            return None if network == "unixgram" else ""
        return b"\0" + os.fsencode(text[1:]) if text.startswith("@") else text
    host, _, port = text.rpartition(":")
    host = host.strip("[]")
    if server.address_family != socket.AF_INET6:
        return host, int(port)
    zone = host.partition("%")[2]
    return host if ":" in host else "::ffff:" + host, int(port), 0, socket.if_nametoindex(zone) if zone else 0


