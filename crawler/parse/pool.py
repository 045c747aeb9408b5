"""Parse processes: CPU-heavy callbacks run here, off the event loop.

Rule 1: each process has an executor of its own. In one executor of many processes a single dead one fails every
future, and a hung one cannot be stopped.
Rule 2: a process holds one page at a time; pages wait for a free process, as many as there are workers.
Rule 3: only plain data crosses: the function is given by reference, its argument and answer are pickled.
Rule 4: each has a bound on its memory: what a page makes of it is the process's end, not the machine's.
Rule 5: a process imports the user's script only if it needs it: that may start a crawl as it is imported, or be typed
in and not be there to be imported.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.context import SpawnContext, SpawnProcess
from types import ModuleType
from typing import Annotated, Any, Generic, TypeVar

from msgspec import Meta

from crawler.errors import NoParseProcess, ParseProcessDied, ParseTimeout

if sys.platform == "linux":
    import resource

Task = TypeVar("Task")
Answer = TypeVar("Answer")

_START_TIMEOUT = 60.0
"""Seconds that a new process gets to be ready; a fresh interpreter takes some 0.2 s on an idle machine."""


@dataclass(frozen=True, slots=True)
class PoolOptions:
    """The processes for ``@cpu_bound`` callbacks."""

    parse_processes: Annotated[
        Annotated[int, Meta(ge=1)] | None,
        Meta(description="processes for @cpu_bound callbacks (unset: one for each core)"),
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
        self._work = work
        self._start = (prepare, context, options.parse_memory * 1024 * 1024, needs_main)
        self._timeout = options.parse_timeout
        self._idle: asyncio.LifoQueue[_Process | None] = asyncio.LifoQueue()
        self._processes: set[_Process] = set()
        self._is_closed = False
        for _ in range(options.parse_processes or os.cpu_count() or 1):
            self._idle.put_nowait(None)

    async def run(self, task: Task) -> Answer:
        """``work(task)`` in a free process. What it raises is raised here.

        :raises NoParseProcess: none could be started
        :raises ParseProcessDied: the process ended before it answered
        :raises ParseTimeout: it gave no answer within ``parse_timeout`` and was killed
        """
        process = await self._idle.get()
        try:
            if process is None or not process.is_alive:
                process = self._replace(process)
                await process.launch()
            return await process.run(self._work, task, self._timeout)
        except (ParseProcessDied, ParseTimeout, asyncio.CancelledError):
            if process is not None:  # it is dead, or still busy with a page that nobody waits for
                self._processes.discard(process)
                process.kill()
                process = None
            raise
        finally:
            self._idle.put_nowait(process)

    async def close(self) -> None:
        """End every process. Tasks that are under way end with :class:`ParseProcessDied`."""
        self._is_closed = True
        processes, self._processes = self._processes, set()
        for process in processes:
            process.kill()

    def _replace(self, dead: _Process | None) -> _Process:
        if self._is_closed:
            raise ParseProcessDied("the parse processes were closed")
        if dead is not None:
            self._processes.discard(dead)
            dead.kill()
        try:
            process = _Process(*self._start)
        except (ImportError, OSError) as error:  # a system without semaphores, as some containers are
            raise NoParseProcess(f"a parse process could not be started: {error}") from error
        self._processes.add(process)
        return process


class _Process:
    """An executor of one process."""

    def __init__(self, prepare: Callable[[object], None], context: object, memory: int, needs_main: bool) -> None:
        self._spawn = _Spawn(SpawnProcess if needs_main else _WithoutMain)
        self._executor = ProcessPoolExecutor(1, self._spawn, _begin, (prepare, context, memory))

    @property
    def is_alive(self) -> bool:
        process = self._spawn.process
        return process is not None and process.is_alive()

    async def launch(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(_START_TIMEOUT):
                await loop.run_in_executor(self._executor, os.getpid)
        except TimeoutError as error:
            raise ParseTimeout(f"a parse process was not ready within {_START_TIMEOUT:g} s and was killed") from error
        except (BrokenExecutor, OSError) as error:
            raise NoParseProcess("a parse process could not be started: it ended at once") from error

    async def run(self, work: Callable[[Task], Answer], task: Task, timeout: float) -> Answer:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(timeout) as limit:
                return await loop.run_in_executor(self._executor, work, task)
        except BrokenExecutor as error:
            raise ParseProcessDied("its parse process died (killed, crashed, or out of memory)") from error
        except TimeoutError as error:
            if not limit.expired():
                raise  # it is the work's own
            raise ParseTimeout(f"its parse process gave no answer in {timeout:g} s and was killed") from error

    def kill(self) -> None:
        process = self._spawn.process
        if process is not None and process.is_alive():
            process.kill()
        self._executor.shutdown(wait=False)  # what it still holds ends with BrokenExecutor


class _Spawn(SpawnContext):
    """Starts fresh interpreters: a fork of a program with threads and a loop may hang. Remembers what it started.

    Killing goes by this object and not by a number, which may be another process's after the own one has ended.
    """

    process: SpawnProcess | None = None

    def __init__(self, kind: type[SpawnProcess]) -> None:
        super().__init__()
        self._kind = kind

    def Process(self, *args: Any, **kwargs: Any) -> SpawnProcess:  # type: ignore[override]  # noqa: N802 (the library's name; Any: its arguments)
        self.process = self._kind(*args, **kwargs)
        return self.process


class _WithoutMain(SpawnProcess):
    """A process that does not import what ``__main__`` is here."""

    @staticmethod
    def _Popen(process_obj: Any) -> Any:  # noqa: N802 (the library's name; Any: as it has them)
        main = sys.modules["__main__"]
        sys.modules["__main__"] = _Nameless(main)
        try:
            return SpawnProcess._Popen(process_obj)  # noqa: SLF001 (the only place where a process learns what to import)
        finally:
            sys.modules["__main__"] = main


class _Nameless(ModuleType):
    """A module without a file and a spec, which is all by which multiprocessing could find it; to other threads, which
    look for their classes meanwhile, it is as before.
    """

    def __init__(self, module: ModuleType) -> None:
        super().__init__(module.__name__)
        self._module = module

    def __getattr__(self, name: str) -> Any:  # Any: whatever the module has
        if name == "__file__":
            raise AttributeError(name)
        return getattr(self._module, name)


def _begin(prepare: Callable[[object], None], context: object, memory: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the crawl decides what it means
    threading.Thread(target=_end_with_parent, daemon=True).start()
    prepare(context)
    limit_memory(memory_now() + memory)


def memory_now() -> int:
    """Bytes that this process has for its data; 0 where the system does not tell."""
    try:
        with open("/proc/self/statm", "rb") as statm:
            return int(statm.read().split()[5]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, AttributeError, ValueError):
        return 0


def limit_memory(most: int) -> None:
    """Let this process have *most* bytes for its data (Linux's RLIMIT_DATA): beyond, an allocation fails. Where the
    system keeps no such bound (macOS, Windows) nothing is done.
    """
    if sys.platform != "linux":
        return
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    if hard != resource.RLIM_INFINITY:
        most = min(most, hard)
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_DATA, (most, hard))


def _end_with_parent() -> None:
    """A crawl that is killed leaves no process behind."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
