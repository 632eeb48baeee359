"""What handlers keep between requests, which the server has. See channel.py."""


class NoKey(KeyError):
    """The state has no such key."""


class Exists(Exception):
    """The key exists already."""


class Conflict(Exception):
    """The key has another revision."""


class State:
    """server.state of a script whose handler class has uses_state = True, the same in all processes."""

    NoKey, Exists, Conflict = NoKey, Exists, Conflict
    GET, CREATE, UPDATE, DELETE, ADD = range(1, 6)
    problems = {5: NoKey, 6: Exists, 7: Conflict}  # by status

    def __init__(self, channel):
        self.channel, self.waiting, self.lock, self.last = channel, {}, threading.Lock(), 0
        self.pipe = None  # in a child of Forks, where the parent has the channel: what leads to it
        self.over = False  # the server has gone

    def get(self, key):
        """Return a value, as bytes, and its revision."""
        return self.call(self.GET, key)[::-1]

    def create(self, key, value):
        return self.call(self.CREATE, key, 0, value)[0]

    def update(self, key, value, revision):
        return self.call(self.UPDATE, key, revision, value)[0]

    def delete(self, key):
        self.call(self.DELETE, key)

    def add(self, key, n=1):
        """Add to a counter, and return the sum."""
        sum = self.call(self.ADD, key, n % (1 << 64))[0]
        return sum - (1 << 64) if sum >> 63 else sum

    def call(self, what, key, number_=0, value=b""):
        value = value.encode() if isinstance(value, str) else bytes(value)
        if len(value) > 65536:
            raise ValueError(f"a value of {len(value)} bytes; a value of the state has at most 65536")
        question = numbers(number_) + words(key) + value
        with self.lock:
            self.last += 1
            id = (os.getpid() if self.pipe else 0) << 32 | self.last
            answered = self.waiting[id] = threading.Event()
            if self.pipe:  # nothing else receives here
                self.channel.send(STATE, id, what, 0, question)
                self.take(id, self.pipe.recv(MAX_FRAME))
        if not self.pipe:
            self.channel.send(STATE, id, what, 0, question)
            if self.over:  # gone may not have seen that this waits
                self.take(id, b"")
            answered.wait()
        status, rest = self.waiting.pop(id)
        size = number(rest, 8, 4)
        if status:
            raise self.problems.get(status, OSError)(rest[12 : 12 + size].decode())
        return number(rest, 0, 8), rest[12 + size :]

    def take(self, id, data):
        """Take an answer, unless there is one: its status, number and text, and the value."""
        answered = self.waiting.get(id)
        if isinstance(answered, threading.Event):
            self.waiting[id] = data[0] if data else FAILED, data[1:] or numbers(0) + long_text("the server has gone")
            answered.set()

    def gone(self):
        """Fail what waits and what comes: the server has gone."""
        self.over = True
        for id in list(self.waiting):
            self.take(id, b"")
