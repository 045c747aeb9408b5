"""How a parse process comes into being, and what it does first. For that it
need not import the crawl's side, the pool.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from math import ceil
from multiprocessing.context import SpawnContext, SpawnProcess
from pathlib import Path
from types import ModuleType
from typing import Any

from crawler.parse.stream import Counts, serve

if sys.platform == "linux":
    import resource


_QUOTA = Path("/sys/fs/cgroup/cpu.max")
"""Microseconds of CPU time in a period, and the period: what a container may use (Linux, cgroup v2)."""


def available_cores() -> int:
    """The cores that this program may use: those that it was not kept from, and no more than its container's share."""
    mine = getattr(os, "sched_getaffinity", None)  # Linux
    cores = len(mine(0)) if mine is not None else os.cpu_count() or 1
    try:
        quota, period = _QUOTA.read_text().split()
        return max(1, min(cores, ceil(int(quota) / int(period))))
    except (OSError, ValueError, ZeroDivisionError):  # there is none, or it is "max"
        return cores


class Spawn(SpawnContext):
    """Starts fresh interpreters: a fork of a program with threads and a loop may hang. Remembers what it started.

    Killing goes by this object and not by a number, which may be another process's after the own one has ended.
    """

    process: SpawnProcess | None = None

    def __init__(self, *, needs_main: bool) -> None:
        """
        :param needs_main: whether the process imports what ``__main__`` is here
        """
        super().__init__()
        self._kind = SpawnProcess if needs_main else _WithoutMain

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


_end: tuple[socket.socket, Counts] | None = None
"""This process's end of the stream, in a parse process."""


def begin(end: socket.socket, counts: Counts, prepare: Callable[[object], None], context: object, memory: int) -> None:
    """What a new process does first: *end* is its end of the stream, *memory* the bytes that it may take when it is ready."""
    global _end
    _end = end, counts
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the crawl decides what it means
    threading.Thread(target=_end_with_parent, daemon=True).start()
    prepare(context)
    limit_memory(memory_now() + memory)


def serve_tasks(work: Callable[[Any], Any]) -> None:
    """What it does from then on."""
    assert _end is not None
    serve(work, *_end)


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
