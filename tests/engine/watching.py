"""A plain HTTP server that notes when each request reached this machine."""

import itertools
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple, Self

_TIMESTAMPS = 35
"""``SO_TIMESTAMPNS`` of Linux: the kernel notes when a packet came in, however late anybody looks. Others have none."""


class Reply(NamedTuple):
    status: int = 200
    body: str = "page"
    location: str = ""
    seconds: float = 0.0
    """How long the answer takes."""
    retry_after: str = ""


class Arrival(NamedTuple):
    at: float
    path: str


class WatchingServer:
    """Answers *reply(path, times it was asked)*, from a thread for each connection."""

    def __init__(self, reply: Callable[[str, int], Reply], host: str = "127.0.0.1") -> None:
        self._reply = reply
        self._lock = threading.Lock()
        self._asked: Counter[str] = Counter()
        self._open: list[socket.socket] = []
        self._at_once = 0
        self.most_at_once = 0
        self.arrivals: list[Arrival] = []
        self._socket = socket.create_server((host, 0), backlog=128)
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, _TIMESTAMPS, 1)
        except OSError:
            pass  # the time at which a thread gets to read it has to do
        self.url = f"http://{host}:{self._socket.getsockname()[1]}"
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        for connection in list(self._open):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # the other side was quicker
        for thread in self._threads:
            thread.join(5.0)
        self._socket.close()

    @property
    def gaps(self) -> list[float]:
        """Seconds between each two requests."""
        times = sorted(arrival.at for arrival in self.arrivals)
        return [later - earlier for earlier, later in itertools.pairwise(times)]

    @property
    def paths(self) -> list[str]:
        """What was asked for, in order."""
        return [arrival.path for arrival in sorted(self.arrivals)]

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self._open.append(connection)
            thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            while True:
                try:
                    request, notes, _, _ = connection.recvmsg(65_536, 512)
                except OSError:
                    return
                if not request:
                    return
                path = request.split(b" ", 2)[1].decode()
                with self._lock:
                    self.arrivals.append(Arrival(_arrived(notes), path))
                    self._asked[path] += 1
                    reply = self._reply(path, self._asked[path])
                    self._at_once += 1
                    self.most_at_once = max(self.most_at_once, self._at_once)
                time.sleep(reply.seconds)
                with self._lock:
                    self._at_once -= 1
                location = f"Location: {reply.location}\r\n" if reply.location else ""
                location += f"Retry-After: {reply.retry_after}\r\n" if reply.retry_after else ""
                head = f"HTTP/1.1 {reply.status} -\r\nContent-Type: text/html\r\n{location}"
                connection.sendall(f"{head}Content-Length: {len(reply.body)}\r\n\r\n{reply.body}".encode())


def _arrived(notes: list[tuple[int, int, bytes]]) -> float:
    for level, kind, data in notes:
        if level == socket.SOL_SOCKET and kind == _TIMESTAMPS:
            seconds, nanoseconds = struct.unpack("qq", data[:16])
            return seconds + nanoseconds / 1e9
    return time.time()
