"""A request and where it runs. See channel.py."""


class Request:
    """One connection or datagram. argument is what its handler has as request."""

    answer = child = pipe = None
    late = False

    def __init__(self, runner, source, id, where, connection, data, count):
        self.runner, self.source, self.id, self.count, self.began = runner, source, id, count, time.monotonic()
        network, self.peer, local = where
        self.server, self.connection = runner.pick(network), connection
        self.argument, self.client = connection, address(network, self.peer, self.server)
        if connection is None:
            self.answer = Answer(self.client, address(network, local, self.server))
            self.argument = data, self.answer

    def admit(self):
        """Ask verify_request, in the loop and before a fork, and run the request."""
        try:
            admitted = self.server.verify_request(self.argument, self.client)
        except Exception as error:
            return self.conclude(*self.failure(error), patience=0)
        if not admitted:
            return self.conclude(OK, patience=0)
        self.runner.remember(self)
        try:
            self.runner.place.start(self)
        except Exception as error:  # there is no room for a process or a thread
            self.over(FAILED, str(error))

    def finish(self):
        """Run the handler and report how it ended."""
        process, result = os.getpid(), (OK, "")
        try:
            self.server.finish_request(self.argument, self.client)
        except SystemExit:
            pass
        except BaseException as error:
            result = self.failure(error)
        if os.getpid() != process:
            os._exit(0)  # a child that the handler has forked, and that came back from it
        self.conclude(*result)

    def failure(self, error):
        """Return status and text of an exception, of which the server object is told first."""
        import traceback  # not at the start: every fork would have a copy

        if type(self.server).handle_error is not socketserver.BaseServer.handle_error:
            try:
                self.server.handle_error(self.argument, self.client)
            except BaseException:  # some raise the exception again
                traceback.print_exc()
        if isinstance(error, (TimeoutError, socket.timeout)):
            return TIMED_OUT, text_of(error)
        if isinstance(error, ConnectionError):
            return PEER_GONE, text_of(error)
        first = " ".join(f"{type(error).__name__}: {text_of(error)}".split())
        trace = error.__traceback__.tb_next or error.__traceback__  # without this program's own
        return PANICKED, first + "\n" + "".join(traceback.format_exception(type(error), error, trace))

    def conclude(self, status, text="", patience=0.5):
        """Close the connection and report the outcome. The loop does not wait for a client."""
        if self.connection is not None:
            self.connection.drain(patience)
        try:
            self.server.shutdown_request(self.argument)
        except BaseException as error:
            status, text = status or FAILED, text or text_of(error)
        self.over(status, text)

    def over(self, status, text=""):
        if self.late:
            status, text = TIMED_OUT, "the request took longer than it may"
        try:
            self.close()
            self.source.ended(self, status, text)
        finally:
            self.runner.forget(self)

    def cancel(self):
        """The server stops: what the client has sent can still be read, and then the end."""
        self.shut(socket.SHUT_RD)

    def expire(self):
        """End a request that takes longer than it may."""
        self.late = True
        if not self.child or self.runner.place.kill(self):
            self.shut(socket.SHUT_RDWR)

    def shut(self, how):
        try:
            if self.connection is not None:
                self.connection.shutdown(how)
        except OSError:
            pass  # the client has left

    def close(self):
        for mine in self.connection, self.pipe:
            try:
                if mine is not None:
                    mine.close()
            except OSError:
                pass  # the handler has closed the descriptor itself

    def bytes(self):
        """How many there were of the client and to it."""
        if self.answer is not None:
            return len(self.argument[0]), len(self.answer.data)
        return self.connection.received, self.connection.sent


def text_of(error):
    """Return the text of an exception of the file, whose own __str__ may raise one."""
    try:
        return str(error)
    except Exception:
        return "it has no text"


class Here:
    """One request at a time, for a file with a loop of its own."""

    def start(self, request):
        request.finish()


class Threads:
    """A thread for each request."""

    def start(self, request):
        threading.Thread(target=request.finish, daemon=True).start()


class Forks:
    """A process for each request: a fork of this one, which has loaded the file."""

    def __init__(self, runner):
        import gc
        import mmap

        self.runner, self.children = runner, {}
        # A byte for each process id: is its outcome on its way? Shared, and pages that are not used take no memory.
        self.reported = mmap.mmap(-1, 1 << 22)
        gc.collect()
        gc.freeze()  # or the first collection of a child would write to every page, and so copy it

    def start(self, request):
        theirs = None
        if self.runner.state:
            request.pipe, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        request.child = os.fork()
        if request.child:
            if theirs:
                theirs.close()
            try:
                pidfd = os.pidfd_open(request.child)
            except OSError as error:  # no descriptor is left
                return self.ended(request, self.kill(request) and str(error))
            self.children[request.child] = request
            self.runner.watch(pidfd, lambda pidfd: self.reap(request, pidfd))
            return
        try:
            for sibling in self.children.values():
                sibling.close()
            if theirs:
                request.pipe.close()
                request.pipe, self.runner.state.pipe = None, theirs
            request.finish()
        finally:
            os._exit(1)

    def answer(self, child, data):
        """Pass an answer of the state on to a child, which waits for it if it has not ended."""
        if child in self.children:
            try:
                self.children[child].pipe.send(data)
            except OSError:
                pass

    def kill(self, request):
        """Kill a child, unless its outcome is on its way. It is stopped first, so that it cannot send one meanwhile."""
        try:
            os.kill(request.child, signal.SIGSTOP)
            os.waitid(os.P_PID, request.child, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
            reported = self.reported[request.child]
            os.kill(request.child, signal.SIGCONT if reported else signal.SIGKILL)
            return not reported
        except (ProcessLookupError, ChildProcessError):
            return False  # it has ended

    def reap(self, request, pidfd):
        """A child has ended: report how, unless it has done so."""
        self.runner.unwatch(pidfd)
        os.close(pidfd)
        del self.children[request.child]
        self.ended(request)

    def ended(self, request, problem=""):
        """Wait for a child, and report how it ended unless it has reported itself."""
        try:
            status = os.waitstatus_to_exitcode(os.waitpid(request.child, 0)[1])
        except ChildProcessError:
            status = 0  # the file waits for children itself
        reported, self.reported[request.child] = self.reported[request.child], 0
        if reported:
            request.close()
            return self.runner.forget(request)
        if status and not problem:
            names = [s.name for s in signal.Signals if s == -status]
            how = f"was ended by {(names or [f'signal {-status}'])[0]}" if status < 0 else f"ended with exit status {status}"
            problem = f"its process {how}"
        request.over(FAILED if problem else OK, problem)


class Tasks:
    """A task for each request, all in one asyncio loop."""

    def __init__(self, handle):
        import asyncio

        self.handle, self.submit = handle, asyncio.run_coroutine_threadsafe
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self.loop.run_forever, daemon=True).start()

    def start(self, request):
        self.submit(self.finish(request), self.loop)

    async def finish(self, request):
        result = OK, ""
        try:
            await handle_streams(self.handle, request.connection)
        except BaseException as error:
            result = request.failure(error)
        request.conclude(*result)


async def handle_streams(handle, connection):
    """Run ``async def handle(reader, writer)``. The limits of the connection bound each wait for its client."""
    import asyncio

    limit = connection.limit

    class Reader(asyncio.StreamReader):
        async def _wait_for_data(self, name):
            await asyncio.wait_for(super()._wait_for_data(name), limit)

        async def readuntil(self, separator=b"\n"):  # as a whole
            return await asyncio.wait_for(super().readuntil(separator), limit)

    class Writer(asyncio.StreamWriter):
        async def drain(self):
            await self.sent(super().drain())

        async def wait_closed(self):
            await self.sent(asyncio.shield(super().wait_closed()))  # others may wait for it, too

        async def sent(self, wait):
            """Wait for as long as the client takes some of what is to be sent."""
            task, sent = asyncio.ensure_future(wait), -1
            try:
                while not task.done():
                    if sent == connection.sent:
                        self.transport.abort()
                        await asyncio.sleep(0)  # which closes the socket
                        raise socket.timeout("timed out")
                    sent = connection.sent
                    await asyncio.wait([task], timeout=connection.write_limit)
                await task
            finally:
                task.cancel()

    loop = asyncio.get_running_loop()
    reader = (Reader if limit < FOREVER else asyncio.StreamReader)(loop=loop)
    protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
    transport, _ = await loop.create_connection(lambda: protocol, sock=connection)
    writer = Writer(transport, protocol, reader, loop)
    try:
        await handle(reader, writer)
    finally:
        writer.close()
        await writer.wait_closed()


def server_of(handle):
    """Make the server object of a file that has ``async def handle(reader, writer)`` and no other."""

    class Server(socketserver.TCPServer):
        def finish_request(self, request, client_address):  # under forking; see Tasks
            import asyncio

            asyncio.run(handle_streams(handle, request))

    return Server(("", 0), socketserver.StreamRequestHandler, bind_and_activate=False)


