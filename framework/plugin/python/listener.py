"""Under preforking: a socket that several processes accept from. See channel.py."""


class Limits:
    """What this process may accept, as it does so itself."""

    def __init__(self, limits):
        self.most, self.per_source = limits.get("connections", 0), limits.get("per_source", 0)
        self.banner, self.answers = limits.get("banner", "").encode(), limits.get("answers", 0)
        self.lock, self.active, self.sources, self.due = threading.Lock(), 0, {}, {}

    @staticmethod
    def source(network, client):
        """What counts as one: an IPv4 address, a /64 of IPv6 or a machine of vsock. A datagram of a Unix socket is none."""
        if network == "vsock":
            return "cid", client.partition(":")[0]
        if network not in ("tcp", "udp"):
            return None
        host = client.rpartition(":")[0].strip("[]").partition("%")[0]
        return socket.inet_pton(socket.AF_INET6, host)[:8] if ":" in host else host

    def enter(self, source):
        with self.lock:
            n = self.sources.get(source, 0)
            if source and self.per_source and n >= self.per_source:
                return False
            self.sources[source] = n + 1
            self.active += 1
            return True

    def leave(self, source):
        with self.lock:
            self.active -= 1
            self.sources[source] -= 1
            if not self.sources[source]:
                del self.sources[source]

    def full(self):
        return 0 < self.most <= self.active

    def allow(self, source, extra):
        """May a source be sent so many bytes beyond its own? Each has a bucket for one second."""
        if not self.answers or extra <= 0:
            return True
        with self.lock:
            now = time.monotonic()
            if len(self.due) > 32768:
                self.due = {s: due for s, due in self.due.items() if due > now}
            due = max(self.due.get(source, 0), now)
            if due > now and due + extra / self.answers > now + 1:
                return False
            self.due[source] = due + extra / self.answers
            return True


class Listener:
    """A socket that other processes serve, too: any of them may get a client."""

    def __init__(self, runner, id, count, how, descriptor):
        self.runner, self.id, self.count, self.network = runner, id, count, how["network"]
        self.socket = socket.socket(fileno=descriptor)
        self.socket.settimeout(0)  # never None: O_NONBLOCK is shared with the others
        self.local, self.own = self.text(self.socket.getsockname()), how.get("local") or ()
        self.size, self.datagrams = how.get("max_packet_size") or 8192, how.get("packets") or self.network in PACKETS
        self.last, self.requests, self.retired, self.paused, self.resting = 0, set(), False, True, False
        self.quiet = {}  # by what warn logs: until when, and how much
        if self.network == "tcp":  # accepted sockets inherit these
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, not how.get("nagle"))
            interval = int((how.get("keep_alive") or 15e9) / 1e9)
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, interval > 0)
            for option in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL) if interval > 0 else ():
                self.socket.setsockopt(socket.IPPROTO_TCP, option, interval)
        if self.network == "unixgram":
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self.resume()

    @staticmethod
    def text(name):
        """The text of an address, as the server writes it."""
        if isinstance(name, tuple) and isinstance(name[0], int):  # of vsock
            return f"{'any' if name[0] == ANY_CID else name[0]}:{name[1]}"
        if isinstance(name, tuple):
            host = name[0][7:] if name[0].startswith("::ffff:") else name[0]
            return f"[{host}]:{name[1]}" if ":" in host else f"{host}:{name[1]}"
        return "@" + os.fsdecode(name[1:]) if isinstance(name, bytes) else name or ""

    def resume(self):
        if self.paused and not self.resting and not self.retired and not self.runner.limits.full():
            self.paused = False
            ready = self.receive if self.datagrams else self.accept
            self.runner.watch(self.socket.fileno(), ready, select.EPOLLIN | select.EPOLLEXCLUSIVE)

    def pause(self):
        if not self.paused:
            self.paused = True
            self.runner.unwatch(self.socket.fileno())

    def rest(self):
        """Accept nothing for a moment, whatever ends meanwhile: what is wrong lasts."""
        self.pause()
        self.resting = True
        self.runner.later(0.1, self.rested)

    def rested(self):
        self.resting = False
        self.resume()

    def accept(self, _):
        try:
            accepted, name = self.socket.accept()
        except (BlockingIOError, ConnectionError):
            return  # another process was faster, or the client has left
        except OSError as error:
            if error.errno != errno.EINVAL:  # that is a socket that is suspended
                self.warn("could not get a request; waiting", error=str(error))
            return self.rest()
        user = None
        if self.network in ("unix", "unixpacket"):
            peer = accepted.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)  # pid, uid, gid
            user, name = ("uid", int.from_bytes(peer[4:8], sys.byteorder)), name or "@"  # as the server calls one without a name
        self.begin(name, accepted.detach(), None, user)

    def receive(self, _):
        try:
            if self.network == "unixgram":
                data, control, _, name = self.socket.recvmsg(self.size + 1, socket.CMSG_SPACE(12))
            else:
                (data, name), control = self.socket.recvfrom(self.size + 1), None
        except OSError:
            return  # another process was faster, or an earlier answer has not arrived
        if len(data) > self.size:
            details = {"client": self.text(name), "max_packet_size": self.size, "next": "raise max_packet_size"}
            return self.warn("datagram dropped: it is longer than max_packet_size", **details)
        if self.network == "udp":
            text = self.text(name)
            loopback = text.startswith(("127.", "[::1]"))
            if text in self.own or name[1] == 0 or name[1] < 1024 and not loopback:
                return  # two servers would answer each other for ever
        self.begin(name, None, data, sender=self.sender(control))

    @staticmethod
    def sender(control):
        """The user that sent a datagram to a Unix socket; None: the system does not know, and reports the user nobody without a process."""
        if not control or control[0][:2] != (socket.SOL_SOCKET, socket.SCM_CREDENTIALS):
            return None
        pid, uid = (int.from_bytes(control[0][2][at : at + 4], sys.byteorder) for at in (0, 4))
        return uid if (pid, uid) != (0, 65534) else None

    def begin(self, name, descriptor, data, user=None, sender=None):
        limits, client = self.runner.limits, self.text(name)
        source = user or limits.source(self.network, client)
        if not limits.enter(source):
            self.event(REFUSED, 0, client, text="per_source")
            if descriptor is not None:
                self.runner.connection(descriptor, self.network, self.count).refuse(limits.banner)
            return
        self.last += 1
        try:
            request = self.runner.request(self, self.last, (self.network, client, self.local), descriptor, data, self.count)
        except Exception as error:
            self.event(STARTED, self.last, client)
            self.log(client, str(error))
            self.event(ENDED, self.last, client, FAILED, str(error))
            return limits.leave(source)
        request.counts_for, request.name, request.sender = source, name, sender
        self.requests.add(request)
        if limits.full():
            for listener in self.runner.listeners.values():
                listener.pause()
            self.pause()
        self.event(STARTED, request.id, client)
        request.admit()

    def ended(self, request, status, text):
        try:
            received, sent = request.bytes()
            source = request.counts_for or request.peer
            if sent and request.name is None:
                status, text = status or PEER_GONE, text or "it has no address to answer to"
            elif sent and request.answer is not None and self.runner.limits.allow(source, sent - received):
                try:
                    self.send(request)
                except OSError as error:
                    status, text = status or FAILED, text or f"send answer: {error}"
            if status in (FAILED, PANICKED):
                self.log(request.peer, text)
            duration = int((time.monotonic() - request.began) * 1e9)
            self.event(ENDED, request.id, request.peer, status, text, duration, received, sent)
        finally:
            self.runner.limits.leave(request.counts_for)
            self.requests.discard(request)
            self.runner.wake()  # there may be room now

    def send(self, request):
        """Send the answer to a datagram. A path leads where this process has that: only a socket of the sender's user gets the answer."""
        if self.network != "unixgram" or isinstance(request.name, bytes):
            self.socket.sendto(request.answer.data, request.name)
            return
        why, file = "its client's name is a relative path", -1
        try:
            if request.name.startswith("/"):
                file = os.open(request.name, os.O_PATH | os.O_NOFOLLOW)
                found, why = os.fstat(file), "what its client's name leads to here is no socket of the user that it comes from"
                if stat.S_ISSOCK(found.st_mode) and found.st_uid == request.sender:
                    self.socket.sendto(request.answer.data, f"/proc/self/fd/{file}")
                    return
        finally:
            if file >= 0:
                os.close(file)
        self.warn("datagram not answered: " + why, client=request.peer)

    def warn(self, message, **details):
        """Log what may come often: one line a second of each kind, which counts the others."""
        until, more = self.quiet.get(message, (0, 0))
        if time.monotonic() < until:
            self.quiet[message] = until, more + 1
            return
        entry = {"@level": "warn", "@message": message, **details, **({"more": more} if more else {})}
        self.quiet[message] = time.monotonic() + 1, 0
        print(json.dumps(entry), file=sys.stderr)

    @staticmethod
    def log(client, text):
        """Log why a request failed. Elsewhere the server does that."""
        error, _, stack = text.partition("\n")
        entry = {"@level": "error", "@message": "handler panicked" if stack else "request failed", "client": client}
        print(json.dumps({**entry, "error": error, **({"stack": stack} if stack else {})}), file=sys.stderr)

    def event(self, what, id, client, status=0, text="", duration=0, received=0, sent=0):
        if self.count:
            rest = numbers(id, duration, received, sent) + words(self.network, client, self.local) + long_text(text)
            self.runner.channel.send(EVENT, self.id, what, status, rest)

    def cancel(self, flags):
        """Take no more requests; with STOP those that there are are to end."""
        self.pause()
        self.retired = True
        if flags & WANT_ACK:
            self.runner.channel.send(ACK, self.id)
        if flags & STOP:
            for request in list(self.requests):
                request.cancel()
        self.tend()

    def tend(self):
        """Accept again where there is room; end once it is retired and its requests are over."""
        self.resume()
        if self.retired and not self.requests:
            del self.runner.listeners[self.id]
            self.socket.close()
            self.runner.channel.send(OUTCOME, self.id, rest=long_text(""))


