"""Tasks to a parse process and answers back: over one socket, past the queues of its executor.

Rule 1: answers come in the order of the tasks, each as soon as it is there. The first task without an answer is the one
that is under way: so a death, and the time, find theirs, though others wait behind it.
Rule 2: a task is pickled but for its buffers (PEP 574), the body of a page: the socket is given them as they are, and
what comes out of it is what the page has.

The queues of an executor cost the crawl's own process 110 µs for a task of 19 KB (two threads that wait for each other
and for the interpreter), and 30 to 40 µs in groups of 8 or 16; this costs 11.
"""

from __future__ import annotations

import asyncio
import pickle
import socket
import struct
import traceback
from abc import abstractmethod
from collections.abc import Callable
from contextlib import suppress
from io import BufferedReader
from time import perf_counter, thread_time
from typing import Any, NamedTuple, cast

_COUNT = struct.Struct("<I")
"""Of the parts of a task, before their lengths."""
_ANSWER = struct.Struct("<?ddQ")
"""Whether it is an error, the seconds that the work took, those of the CPU among them, and its length."""
_READ = 256 * 1024
"""Bytes that a process reads at once: as much as the socket holds by default."""


class Packed(NamedTuple):
    """A task as it is sent."""

    parts: list[bytes | memoryview]
    size: int
    """Bytes of them all."""


class Answer(NamedTuple):
    """What came back of a task."""

    is_error: bool
    pickled: bytes | bytearray
    seconds: float
    """That the work took."""
    cpu: float
    """Seconds of it that were its own."""
    reading: float
    """Seconds that it took to be read here."""


class FarTraceback(Exception):
    """Where in the process an error was raised: the cause of the error here."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text

    def __str__(self) -> str:
        return f"\n{self.text}"


def pack(task: object) -> Packed:
    """*task* as it is sent. What cannot be pickled raises here."""
    buffers: list[pickle.PickleBuffer] = []
    parts: list[bytes | memoryview] = [pickle.dumps(task, 5, buffer_callback=buffers.append)]
    parts += [buffer.raw() for buffer in buffers]
    lengths = [len(part) for part in parts]
    head = struct.pack(f"<I{len(parts)}Q", len(parts), *lengths)
    return Packed([head, *parts], len(head) + sum(lengths))


def unpack(answer: Answer) -> Any:  # Any: whatever the work gives
    """The value that came back; an error is raised, with its traceback there as its cause."""
    value = pickle.loads(answer.pickled)  # noqa: S301 (of a process of our own, which runs the user's code)
    if not answer.is_error:
        return value
    error, trace = value
    raise error from FarTraceback(trace)


class Stream(asyncio.Protocol):
    """The crawl's end."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._rest = bytearray()

    @abstractmethod
    def answered(self, answer: Answer) -> None:
        """The first task that had none has its answer now."""

    @abstractmethod
    def drained(self) -> None:
        """That was all that has come for now."""

    @abstractmethod
    def broken(self) -> None:
        """The other end is gone."""

    @property
    def is_open(self) -> bool:
        """Whether the other end is there, as far as is known."""
        return self._transport is not None and not self._transport.is_closing()

    async def connect(self, end: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        is_unix = end.family == getattr(socket, "AF_UNIX", None)
        connect = loop.create_unix_connection if is_unix else loop.create_connection
        await connect(lambda: self, sock=end)

    def transmit(self, task: Packed) -> None:
        assert self._transport is not None
        self._transport.writelines(task.parts)

    def hang_up(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's own do not say that they are

    def data_received(self, data: bytes) -> None:
        begun = perf_counter()
        held: bytes | bytearray = data
        if self._rest:
            self._rest += data
            held = self._rest
        place, end = 0, len(held)
        while end - place >= _ANSWER.size:
            is_error, seconds, cpu, length = _ANSWER.unpack_from(held, place)
            begin = place + _ANSWER.size
            if end - begin < length:
                break
            place = begin + length
            now = perf_counter()
            self.answered(Answer(is_error, held[begin:place], seconds, cpu, now - begun))
            begun = now
        if held is self._rest:
            del self._rest[:place]
        elif place < end:
            self._rest += data[place:]
        self.drained()

    def connection_lost(self, error: Exception | None) -> None:
        self.broken()


def serve(work: Callable[[Any], Any], end: socket.socket) -> None:
    """The process's end: ``work(task)`` for each task that comes, until there are no more."""
    with suppress(OSError), end, end.makefile("rb", _READ) as tasks:  # OSError: the crawl is gone
        assert isinstance(tasks, BufferedReader)
        while (parts := _next(tasks)) is not None:
            begun, used = perf_counter(), thread_time()
            is_error, pickled = _answer(work, parts)
            head = _ANSWER.pack(is_error, perf_counter() - begun, thread_time() - used, len(pickled))
            end.sendall(head + pickled)


def _next(tasks: BufferedReader) -> list[bytes] | None:
    """The parts of the next task; None if the crawl is gone."""
    count = tasks.read(_COUNT.size)
    if len(count) < _COUNT.size:
        return None
    lengths = struct.Struct(f"<{_COUNT.unpack(count)[0]}Q")
    head = tasks.read(lengths.size)
    if len(head) < lengths.size:
        return None
    sizes = lengths.unpack(head)
    parts = [tasks.read(size) for size in sizes]
    return parts if len(parts[-1]) == sizes[-1] else None


def _answer(work: Callable[[Any], Any], parts: list[bytes]) -> tuple[bool, bytes]:
    """What to send back: the answer, or the error, pickled."""
    try:
        return False, pickle.dumps(work(pickle.loads(parts[0], buffers=parts[1:])), 5)  # noqa: S301 (the crawl's own)
    except BaseException as error:  # a sys.exit() is the task's, not the process's
        told = "".join(traceback.format_exception(error))
        with suppress(Exception):
            return True, pickle.dumps((error, told), 5)
        return True, pickle.dumps((RuntimeError(f"{type(error).__name__}: {error}"), told), 5)
