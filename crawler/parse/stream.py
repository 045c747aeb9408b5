"""Tasks to a parse process and answers back: over one socket, past the queues of its executor.

Rule 1: answers come in the order of the tasks. Those of short tasks come together, a few at a time: to send one costs the
process 25 µs, and to be woken by it the crawl as much.
Rule 2: numbers that both sides see, :data:`Counts`, say which task is under way: so a death, and the time, find theirs,
whatever answers were on their way, or waits behind it.
Rule 3: a task is pickled but for its buffers (PEP 574), the body of a page: the socket is given them as they are, and
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
from collections.abc import Callable, MutableSequence
from contextlib import suppress
from time import perf_counter, thread_time
from typing import Any, NamedTuple, TypeAlias, cast

_COUNT = struct.Struct("<I")
"""Of the parts of a task, before their lengths."""
_ANSWER = struct.Struct("<?ddQ")
"""Whether it is an error, the seconds that the work took, those of the CPU among them, and its length."""
_READ = 256 * 1024
"""Bytes that a process reads at once: as much as the socket holds by default."""
_TOGETHER = 16
"""Answers that are sent at once, at most."""
_HELD = 0.003
"""Seconds of work after which no task is begun before they are sent."""
SENT, BEGUN = 0, 1
"""Places of what both ends count: the tasks that the crawl has sent, and those of them that the process has begun."""
Counts: TypeAlias = MutableSequence[int]
"""Memory that both ends share, where they count."""


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


def serve(work: Callable[[Any], Any], end: socket.socket, counts: Counts) -> None:
    """The process's end: ``work(task)`` for each task that comes, until there are no more."""
    with suppress(OSError), end:  # the crawl is gone
        tasks, held = _Tasks(end, counts), _Held()
        while (parts := tasks.next()) is not None:
            held.add(work, parts)
            ahead = counts[SENT] - counts[BEGUN]  # the crawl is to send more before these are done
            if len(held.answers) >= min(ahead, _TOGETHER) or held.seconds > _HELD:
                end.sendall(held.take())


class _Held:
    """Answers that go back together. Their CPU time is read once for all of them, and shared out by the time of each: to read
    it is a call of the system, which takes 5 µs of a page where others wait for the core.
    """

    def __init__(self) -> None:
        self.answers: list[tuple[bool, float, bytes]] = []
        self.seconds = 0.0
        """That the work took."""
        self._used = 0.0

    def add(self, work: Callable[[Any], Any], parts: list[bytes]) -> None:
        """Do one more task."""
        if not self.answers:
            self._used = thread_time()
        started = perf_counter()
        is_error, pickled = _answer(work, parts)
        seconds = perf_counter() - started
        self.answers.append((is_error, seconds, pickled))
        self.seconds += seconds

    def take(self) -> bytes:
        """All of them, as they are sent."""
        cpu = min(1.0, (thread_time() - self._used) / max(self.seconds, 1e-9))
        sent = [_ANSWER.pack(error, took, took * cpu, len(answer)) + answer for error, took, answer in self.answers]
        self.answers, self.seconds = [], 0.0
        return b"".join(sent)


class _Tasks:
    """What comes out of the socket."""

    def __init__(self, end: socket.socket, counts: Counts) -> None:
        self._end = end
        self._counts = counts
        self._read = b""
        self._place = 0

    def next(self) -> list[bytes] | None:
        """The parts of the next task, which is begun with that; None if the crawl is gone."""
        try:
            (count,) = _COUNT.unpack(self._take(_COUNT.size))
            self._counts[BEGUN] += 1
            lengths = struct.Struct(f"<{count}Q")
            return [self._take(size) for size in lengths.unpack(self._take(lengths.size))]
        except EOFError:
            return None

    def _take(self, size: int) -> bytes:
        """The next *size* bytes.

        :raises EOFError: there are no more so many
        """
        begin, end = self._place, self._place + size
        if end <= len(self._read):
            self._place = end
            return self._read[begin:end]
        pieces = [self._read[begin:]]
        missing = size - len(pieces[0])
        while missing > 0:
            read = self._end.recv(_READ)
            if not read:
                raise EOFError
            pieces.append(read[:missing])
            self._read, self._place = read, min(missing, len(read))
            missing -= len(read)
        return b"".join(pieces)


def _answer(work: Callable[[Any], Any], parts: list[bytes]) -> tuple[bool, bytes]:
    """What to send back: the answer, or the error, pickled."""
    try:
        return False, pickle.dumps(work(pickle.loads(parts[0], buffers=parts[1:])), 5)  # noqa: S301 (the crawl's own)
    except BaseException as error:  # a sys.exit() is the task's, not the process's
        told = "".join(traceback.format_exception(error))
        with suppress(Exception):
            return True, pickle.dumps((error, told), 5)
        return True, pickle.dumps((RuntimeError(f"{type(error).__name__}: {error}"), told), 5)
