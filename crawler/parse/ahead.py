"""How many tasks a busy parse process is sent ahead, so that it has the next one at hand when one is done; and when there is
a core for another process.
"""

from __future__ import annotations

_SECONDS = 0.1
"""Of work that waits in a process: more than the system lets either side wait for its turn on a busy machine. Little to
those that are there when one of them takes unusually long."""
MOST = 64
"""Tasks that are there at once, however short they are."""
BYTES = 4 * 1024 * 1024
"""Of tasks that are there at once, if they are more than one: the socket and the reader hold some 400 kB of them, the
rest waits in the crawl's own process."""
_SOON = 0.005
"""Seconds of work that waits in one process before another one is asked: each that is woken for a page costs 50 µs, which
short pages are worth less than."""
_WEIGHT = 8
"""The last one counts an eighth of the average."""
_FREE = 0.5
"""Of a core that is free, so that one more process is worth it: it takes the time of others that it does not find."""


class Ahead:
    """Decides by what tasks have taken. Time is an argument; all times are in seconds."""

    __slots__ = ("_mean", "most")

    def __init__(self) -> None:
        self._mean: float | None = None
        self.most = 1
        """Tasks that may be there at once, the one under way among them. One, as long as nothing is known."""

    def took(self, seconds: float) -> None:
        """A task took *seconds*."""
        mean = seconds if self._mean is None else self._mean + (seconds - self._mean) / _WEIGHT
        self._mean = mean
        self.most = min(MOST, 1 + int(_SECONDS / max(mean, 1e-9)))

    def is_soon(self, tasks: int) -> bool:
        """Whether one more task has its turn soon in a process that has *tasks*."""
        return not tasks or (self._mean is not None and tasks * self._mean <= _SOON)

    def takes(self, size: int, tasks: int, held: int) -> bool:
        """Whether one more task of *size* bytes is sent to a process that has *tasks* of *held* bytes."""
        return not tasks or (tasks < self.most and held + size <= BYTES)


def has_core(cores: int, processes: int, own: float) -> bool:
    """Whether one of *cores* is free beside that many busy *processes* and the crawl's own, which needs *own* of one."""
    return own + processes + _FREE <= cores
