"""Whether the pages of a callback are worth their way to a parse process, for ``parse_processes = "auto"``.

Rule 1: what a page takes here holds up all others; the way there does, too, for less. Twice its cost is worth it.
Rule 2: a process is started when the pages that stayed here have cost what is won by one that is not needed for long.
Rule 3: it is decided again with every page, by what pages take now: there they are timed as well, and once in a while
one stays here.
"""

from __future__ import annotations

_CROSSING = 100e-6
"""What the way there and back is taken to cost before the first page has gone it: it is 30 to 60 µs on most machines."""
_UNSEEN = 1.5
"""What is timed of the way is without the system calls of the event loop."""
_GOES, _COMES_BACK = 2.0, 1.3
"""Times the cost of the way, from which on a page goes there and below which it stays here again."""
_DEBT = 0.1
"""Seconds that staying here has cost, after which pages go there: a process is ready in 0.2 to 0.4, on another core."""
_LONG = 0.1
"""Seconds of one page after which the next ones go there at once."""
_WEIGHT = 16
"""The last page counts so much less than the average."""
_AGAIN = 256
"""One page in so many stays here, if it is not expected to hold the others up."""


class Choice:
    """Decides for one callback. All times are in seconds; what a page takes is an argument."""

    __slots__ = ("_count", "_crossing", "_debt", "_is_there", "_work")

    def __init__(self) -> None:
        self._crossing = _CROSSING
        self._work: float | None = None
        self._debt = 0.0
        self._is_there = False
        self._count = 0

    def goes(self) -> bool:
        """Whether the next page goes to a parse process."""
        if not self._is_there:
            return False
        self._count += 1
        return self._count % _AGAIN > 0 or (self._work or 0.0) >= _LONG

    def stayed(self, seconds: float) -> None:
        """A page took *seconds* here."""
        self._took(seconds)
        if self._is_there:
            return
        self._debt = max(0.0, self._debt + min(seconds, _LONG) - _GOES * self._crossing)
        if seconds >= _LONG or self._debt >= _DEBT:
            self._is_there = True
            self._work = max(seconds, self._work or 0.0) if seconds >= _LONG else self._work

    def went(self, crossing: float, seconds: float) -> None:
        """A page went there, which cost *crossing* here, and took *seconds* there."""
        crossing = min(_UNSEEN * crossing, 4 * self._crossing)  # the system may let others run meanwhile
        self._crossing += (crossing - self._crossing) / _WEIGHT
        work = self._took(seconds)
        if self._is_there and work < _COMES_BACK * self._crossing:
            self._is_there = False
            self._debt = 0.0

    def _took(self, seconds: float) -> float:
        if self._work is None:
            self._work = seconds
        else:
            self._work += (min(seconds, 10 * _LONG) - self._work) / _WEIGHT
        return self._work
