"""Whether the pages of a callback are worth their way to a parse process, for ``parse_processes = "auto"``.

Rule 1: what a page takes here holds up all others; the way there does, too, for less: half as much again as its cost is worth it.
Rule 2: a process is started when the pages that stayed here have cost what is won by one that is not needed for long.
Rule 3: it is decided again with every page, by what pages take now: there they are timed as well, and once in a while
one stays here.
Rule 4: with one core a page goes if it would hold up all others for long, and for that alone: there and back it takes half as
much again.
"""

from __future__ import annotations

_CROSSING = 50e-6
"""What the way there and back is taken to cost at first: it is 30 to 60 µs on most machines, for a page of 20 KB."""
_TRIED, _TIMED = 0.8, 2.4
"""The whole cost of the way in times of what packing and unpacking take, and of what can be timed of a page that goes:
the system calls, and the event loop's part, are not in these. A trial finds nothing of what it needs in the CPU's caches, and
takes three times as long. Measured with pages of 1 to 20 KB."""
_GOES, _COMES_BACK = 1.5, 1.1
"""Times the cost of the way, from which on a page goes there and below which it stays here again."""
_DEBT = 0.05
"""Seconds that staying here has cost, after which pages go there: a process is ready in 0.1 to 0.3, on another core."""
LONG = 0.1
"""Seconds of one page after which the next ones go there at once. Of shorter ones the CPU time counts: the system may
have let others run meanwhile."""
_WEIGHT = 16
"""The last page counts so much less than the average."""
_AGAIN = 256
"""One page in so many stays here, if it is not expected to hold the others up; and is packed for a trial, if it stays
anyway, beside the first few."""
_EIGHTH = 8
"""One page in so many is timed, while they are too short to go: to read the CPU's time twice is 5 % of a page of 1 KB."""


class Choice:
    """Decides for one callback. All times are in seconds; what a page takes is an argument."""

    __slots__ = ("_crossing", "_debt", "_has_core", "_is_there", "_stayed", "_went", "_work")

    def __init__(self, *, has_core: bool = True) -> None:
        """
        :param has_core: whether there is one for a process beside the crawl's own
        """
        self._has_core = has_core
        self._crossing = _CROSSING
        self._work = 0.0
        self._debt = 0.0
        self._is_there = False
        self._stayed = 0
        self._went = 0

    def goes(self) -> bool:
        """Whether the next page goes to a parse process."""
        if not self._is_there:
            return False
        self._went += 1
        return self._went % _AGAIN > 0 or self._work >= LONG

    @property
    def wants_trial(self) -> bool:
        """Whether a page that has stayed should be packed and unpacked, to see what the way would cost."""
        return not self._is_there and (self._stayed <= _WEIGHT or self._stayed % _AGAIN == 0)

    @property
    def is_timed(self) -> bool:
        """Whether the CPU time of the page that stays next should be read."""
        return self._stayed <= _WEIGHT or self._stayed % _EIGHTH == 0 or self._debt > 0

    def tried(self, seconds: float) -> None:
        """To pack a page and to unpack what it gave took *seconds*. The least of them say most: the first ones of a crawl
        are slow.
        """
        cost = _TRIED * seconds
        self._cost(cost, 1 / 2 if cost < self._crossing else 1 / _WEIGHT)

    def stayed(self, seconds: float, cpu: float | None) -> None:
        """A page took *seconds* here, and *cpu* of them were its own; None: that was not read."""
        self._stayed += 1
        taken = seconds if seconds >= LONG else cpu
        if taken is None:
            return
        self._took(taken)
        self._debt = max(0.0, self._debt + taken - _GOES * self._crossing)
        if taken >= LONG or (self._has_core and self._debt >= _DEBT):
            self._is_there = True
            self._work = max(self._work, taken)
            self._debt = 0.0

    def went(self, crossing: float, seconds: float, cpu: float) -> None:
        """A page went there, of whose way *crossing* were timed here, and took *seconds* there, *cpu* of them its own."""
        self._cost(_TIMED * crossing, 1 / _WEIGHT)
        self._took(seconds if seconds >= LONG else cpu)
        if self._work < (_COMES_BACK * self._crossing if self._has_core else LONG / 2):
            self._is_there = False

    def _cost(self, seconds: float, weight: float) -> None:
        """The way costs *seconds*; what is far too much is another program's time."""
        self._crossing += (min(seconds, 4 * self._crossing) - self._crossing) * weight

    def _took(self, seconds: float) -> None:
        self._work += (min(seconds, 10 * LONG) - self._work) / _WEIGHT if self._work else seconds
