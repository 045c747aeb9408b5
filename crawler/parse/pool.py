"""Parse processes: CPU-heavy callbacks run here, off the event loop.

Rule 1: each process has an executor of its own. In one executor of many processes a single dead one fails every
future, and a hung one cannot be stopped.
Rule 2: a process works on one page at a time. Those that are sent ahead, so that it need not wait, share its fate in
nothing: when it is lost, the page that was under way is; the others are sent to another process.
Rule 3: only plain data crosses: the function is given by reference, its argument and answer are pickled
(:mod:`crawler.parse.stream`).
Rule 4: each has a bound on its memory: what a page makes of it is the process's end, not the machine's.
Rule 5: a process imports the user's script only if it needs it: that may start a crawl as it is imported, or be typed
in and not be there to be imported.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections import deque
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.sharedctypes import RawArray
from time import perf_counter, process_time
from typing import Annotated, Any, Generic, Literal, TypeAlias, TypeVar

from msgspec import Meta

from crawler.errors import NoParseProcess, ParseProcessDied, ParseProcessError, ParseTimeout
from crawler.parse.ahead import MOST, Ahead, has_core
from crawler.parse.spawn import Spawn, available_cores, begin, serve_tasks
from crawler.parse.stream import BEGUN, SENT, Counts, Packed, Stream, pack, unpack
from crawler.parse.stream import Answer as Answered

Task = TypeVar("Task")
Answer = TypeVar("Answer")
Told: TypeAlias = Callable[[float, float, float], None]

_START_TIMEOUT = 60.0
"""Seconds that a new process gets to be ready; a fresh interpreter takes some 0.2 s on an idle machine."""
_WATCH = 0.25
"""Seconds for which tasks have had to wait before there is one more process, if their number is not given."""
_LONG = 1.0
"""Seconds after which those behind a page are sent to another process: it may take its whole ``parse_timeout``."""


@dataclass(frozen=True, slots=True)
class PoolOptions:
    """The processes for ``@cpu_bound`` callbacks."""

    parse_processes: Annotated[
        Annotated[int, Meta(ge=1)] | Literal["auto"] | None,
        Meta(
            description="processes for @cpu_bound callbacks (unset: as many as find a core; auto: the same, for those "
            "callbacks whose pages take longer than their way there)"
        ),
    ] = None
    parse_timeout: Annotated[
        float, Meta(gt=0, description="seconds after which a parse process that gives no answer is killed")
    ] = 60.0
    parse_memory: Annotated[
        int, Meta(ge=64, le=1_048_576, description="MiB of memory that a parse process may take for its pages (Linux)")
    ] = 2048
    """Counted from when it is ready. Libraries that the spider imports are in it: numpy asks for some 100 MiB, the
    largest ones for some 1,000. A program that a callback starts has the same bound, for itself."""


class ParsePool(Generic[Task, Answer]):
    """Runs *work* on tasks in processes that are started when they are first needed.

    *prepare* is called once in each new process, with *context*; all of them must be importable by name.
    """

    def __init__(
        self,
        work: Callable[[Task], Answer],
        prepare: Callable[[object], None],
        context: object,
        options: PoolOptions = PoolOptions(),
        *,
        needs_main: bool = True,
    ) -> None:
        """
        :param needs_main: whether *work* or a task may be of ``__main__``, the user's script
        """
        self._start = (work, prepare, context, options.parse_memory * 1024 * 1024, needs_main)
        self._timeout = options.parse_timeout
        most = options.parse_processes
        self.cores = available_cores()
        """Those that bound the processes, unless their number is given."""
        self._is_given = isinstance(most, int)
        self._most = most if isinstance(most, int) else self.cores
        self._warming: asyncio.Task[None] | None = None
        self._watch: asyncio.TimerHandle | None = None
        self._processes: dict[_Process, None] = {}  # in the order in which they were started
        self._grown = 0  # how many there have been at once
        self._waiting: deque[_Job] = deque()
        self._is_closed = False

    @property
    def has_several(self) -> bool:
        """Whether it may have more than one process."""
        return self._most > 1

    def warm(self) -> None:
        """Start a process now, unless one is being started so: the first one takes as long to be ready as the first page does
        to come.
        """
        if self._warming is None or self._warming.done():
            self._warming = asyncio.get_running_loop().create_task(self._warm())

    async def run(self, task: Task, told: Told | None = None) -> Answer:
        """``work(task)`` in a process. What it raises is raised here.

        :param told: hears how many seconds the way there and back has cost here, as far as it is timed, and the work
            there: by the clock, and of the CPU
        :raises NoParseProcess: none could be started
        :raises ParseProcessDied: the process ended before it answered
        :raises ParseTimeout: it gave no answer within ``parse_timeout`` and was killed
        """
        begun = perf_counter()
        job = _Job(pack(task))
        cost = perf_counter() - begun
        while True:
            try:
                await self._place(job)
                answer = await job.answer
            except asyncio.CancelledError:
                self._leave(job)
                raise
            if answer is not None:
                break
        begun = perf_counter()
        try:
            given: Answer = unpack(answer)
            return given
        finally:
            if told is not None:
                told(cost + answer.reading + perf_counter() - begun, answer.seconds, answer.cpu)

    async def close(self) -> None:
        """End every process. Tasks that are under way end with :class:`ParseProcessDied`."""
        self._is_closed = True
        for process in list(self._processes):
            process.end(_closed(), _closed())
        while self._waiting:
            _fail(self._waiting.popleft().answer, _closed())
        if self._watch is not None:
            self._watch.cancel()
        if self._warming is not None:
            self._warming.cancel()
            await asyncio.wait([self._warming])

    async def _warm(self) -> None:
        if len(self._processes) < self._most:  # somebody may have started it meanwhile
            with suppress(ParseProcessError):  # whoever needs it tries again, and is told
                self._fill(await self._launch())

    async def _place(self, job: _Job) -> None:
        """Send *job* to a process that has room for it, or let it wait for one."""
        job.answer = asyncio.get_running_loop().create_future()
        if self._is_closed:
            raise _closed()
        process = next((each for each in self._processes if each.is_soon and each.takes(job)), None)
        if process is not None and not process.sent and not process.is_alive:
            process.end(None)  # it died while it had nothing to do, a moment ago
            process = None
        count = len(self._processes)
        is_missing = count < max(self._grown, 1)  # one that was lost is replaced at once
        if process is None and (is_missing or (count < self._most and self._is_given)):
            process = await self._launch()
            process.send(job)
            self._fill(process)
            return
        if process is None:
            self._see_who_waits()
            process = min(self._processes, key=_load)
        elif is_missing:
            self.warm()
        if not self._waiting and process.takes(job):  # or one that is large would wait as long as others come
            process.send(job)
        else:
            self._waiting.append(job)

    def _see_who_waits(self) -> None:
        """A task has to: if that goes on, and there is a core for it, there is to be one more process."""
        if self._watch is None and not self._is_given and len(self._processes) < self._most:
            loop = asyncio.get_running_loop()
            self._watch = loop.call_later(_WATCH, self._grow, perf_counter(), process_time())

    def _grow(self, since: float, used: float) -> None:
        self._watch = None
        processes = self._processes
        tasks = len(self._waiting) + sum(len(process.sent) for process in processes)
        if tasks <= len(processes):
            return
        own = (process_time() - used) / (perf_counter() - since)
        is_full = all(process.is_open and not process.is_soon for process in processes)
        if is_full and has_core(self.cores, len(processes), own):
            self.warm()
        self._see_who_waits()

    async def _launch(self) -> _Process:
        try:
            process = _Process(self, self._timeout, *self._start)
        except (ImportError, OSError) as error:  # a system without semaphores, as some containers are
            self._wake()  # who waits for one tries it himself, and is told
            raise NoParseProcess(f"a parse process could not be started: {error}") from error
        self._processes[process] = None
        self._grown = max(self._grown, len(self._processes))
        try:
            await process.launch()
        except BaseException:
            process.end(None)
            raise
        if self._is_closed:
            raise _closed()
        return process

    def _fill(self, process: _Process) -> None:
        """*process* may have room."""
        waiting = self._waiting
        while waiting and process.takes(waiting[0]):
            process.send(waiting.popleft())

    def _lost(self, process: _Process) -> None:
        self._processes.pop(process, None)
        self._wake()

    def _wake(self) -> None:
        """There may be a place for a new process: who waits first may start it."""
        while self._waiting and not self._is_closed and len(self._processes) < self._most:
            waiter = self._waiting.popleft().answer
            if not waiter.done():
                waiter.set_result(None)
                return

    def _leave(self, job: _Job) -> None:
        """Nobody waits for *job* any more."""
        if job in self._waiting:
            self._waiting.remove(job)
        elif job.process is not None and job.process.is_at(job):
            job.process.end(None)  # it would be busy for nobody
        self._wake()  # it may have been woken itself


class _Job:
    """A task on its way."""

    __slots__ = ("answer", "process", "task")

    def __init__(self, task: Packed) -> None:
        self.task = task
        self.answer: asyncio.Future[Answered | None]
        """Of the last try. None says: send it again, through no fault of its own."""
        self.process: _Process | None = None
        """Where it was sent to."""


class _Process(Stream):
    """An executor of one process, whose one call is :func:`crawler.parse.stream.serve`."""

    def __init__(
        self,
        pool: ParsePool[Any, Any],  # Any: it only looks at the bytes
        timeout: float,
        work: Callable[[Any], Any],
        prepare: Callable[[object], None],
        context: object,
        memory: int,
        needs_main: bool,
    ) -> None:
        super().__init__()
        self._pool = pool
        self._timeout = timeout
        self._work = work
        self._spawn = Spawn(needs_main=needs_main)
        self._counts: Counts = RawArray("Q", 2)
        self._ends = socket.socketpair()
        start = self._ends[1], self._counts, prepare, context, memory
        try:
            self._executor = ProcessPoolExecutor(1, self._spawn, begin, start)
        except BaseException:
            self._close_ends()
            raise
        self._answered = 0
        self._ahead = Ahead()
        self._busy_since = 0.0  # when the first of the tasks that are there began
        self._timer: asyncio.TimerHandle | None = None
        self._held = 0  # bytes
        self.sent: deque[tuple[asyncio.Future[Answered | None], int]] = deque()
        """Who waits for an answer, in order, and the bytes of the task."""

    @property
    def is_alive(self) -> bool:
        process = self._spawn.process
        return process is not None and process.is_alive()

    async def launch(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(_START_TIMEOUT):
                await loop.run_in_executor(self._executor, os.getpid)
            serving = loop.run_in_executor(self._executor, serve_tasks, self._work)
        except TimeoutError as error:
            raise ParseTimeout(f"a parse process was not ready within {_START_TIMEOUT:g} s and was killed") from error
        except BrokenExecutor as error:
            raise NoParseProcess("a parse process could not be started: it ended at once") from error
        except (OSError, RuntimeError) as error:  # no memory, no more processes or threads
            raise NoParseProcess(f"a parse process could not be started: {error}") from error
        serving.add_done_callback(_hear)
        await self.connect(self._ends[0])
        self._ends[1].close()  # or nobody would notice that the process has closed its own

    @property
    def is_soon(self) -> bool:
        """Whether one more task would have its turn soon."""
        return self.is_open and self._ahead.is_soon(len(self.sent))

    def takes(self, job: _Job) -> bool:
        return self.is_open and self._ahead.takes(job.task.size, len(self.sent), self._held)

    def is_at(self, job: _Job) -> bool:
        """Whether *job* is under way."""
        return bool(self.sent) and self.sent[self._under_way][0] is job.answer

    @property
    def _under_way(self) -> int:
        """The place in ``sent`` of the task that is under way, or the next to be. The answers of those before it are held
        back in the process, or on their way.
        """
        return min(max(self._counts[BEGUN] - self._answered - 1, 0), len(self.sent) - 1)

    def send(self, job: _Job) -> None:
        loop = asyncio.get_running_loop()
        if job.answer.done():  # nobody waits for it any more
            return
        if not self.sent:
            self._busy_since = loop.time()
            if self._timer is None:
                self._timer = loop.call_later(min(_LONG, self._timeout), self._look)
        self.sent.append((job.answer, job.task.size))
        self._held += job.task.size
        job.process = self
        self._counts[SENT] += 1
        self.transmit(job.task)

    def answered(self, answer: Answered) -> None:
        waiter, size = self.sent.popleft()
        self._answered += 1
        self._held -= size
        self._ahead.took(answer.seconds)
        if not waiter.done():
            waiter.set_result(answer)

    def drained(self) -> None:
        self._busy_since = asyncio.get_running_loop().time()
        self._pool._fill(self)  # noqa: SLF001 (its own pool)

    def broken(self) -> None:
        self.end(ParseProcessDied("its parse process died (killed, crashed, or out of memory)"))

    def _look(self) -> None:
        """Has the task that is under way been so for too long?"""
        self._timer = None
        loop = asyncio.get_running_loop()
        if not self.sent:
            return
        busy = loop.time() - self._busy_since
        if busy >= self._timeout:
            self.end(ParseTimeout(f"its parse process gave no answer in {self._timeout:g} s and was killed"))
            return
        if busy >= _LONG:
            if not self.is_alive:
                self.hang_up()  # it has left a child behind, which holds its end of the socket
                return
            self._ahead.took(busy)
            if self._pool.has_several:  # others may have time
                under_way = self._under_way
                for place, (waiter, _) in enumerate(self.sent):
                    if place != under_way:
                        _fail(waiter, None)
        wait = _LONG if busy >= _LONG else _LONG - busy
        self._timer = loop.call_later(min(wait, self._timeout - busy), self._look)

    def end(self, error: ParseProcessError | None, others: ParseProcessError | None = None) -> None:
        """Kill it. The task that is under way ends with *error*, the others with *others*; None sends them to another
        process.
        """
        under_way = self._under_way
        sent, self.sent = self.sent, deque()
        self._held = 0
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._kill()
        for place, (waiter, _) in enumerate(sent):
            _fail(waiter, error if place == under_way else others)
        self._pool._lost(self)  # noqa: SLF001 (its own pool)

    def _kill(self) -> None:
        process = self._spawn.process
        if process is not None and process.is_alive():
            process.kill()
        self.hang_up()
        self._close_ends()
        self._executor.shutdown(wait=False)  # what it still holds ends with BrokenExecutor

    def _close_ends(self) -> None:
        for end in self._ends:
            end.close()


def _hear(serving: asyncio.Future[None]) -> None:
    """The process ended, or serves no more: the socket says the same."""
    if not serving.cancelled():
        serving.exception()


def _load(process: _Process) -> int:
    return len(process.sent) if process.is_open else MOST


def _closed() -> ParseProcessDied:
    return ParseProcessDied("the parse processes were closed")


def _fail(waiter: asyncio.Future[Answered | None], error: ParseProcessError | None) -> None:
    if waiter.done():
        return
    if error is None:
        waiter.set_result(None)
    else:
        waiter.set_exception(error)
