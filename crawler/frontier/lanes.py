"""Who may be asked for more while some hosts keep others waiting. Pure: the time is an argument.

Rule 1: a lease that has not been answered for ``PATIENCE`` seconds is *overdue*. It does not count among those that may
run at once, up to one less overdue ones than that: hosts that drip or hang hold none of the places of the others.
From a host that is known to be slow it does not count from its begin.
Rule 2: a host is asked for one thing at a time until its first page has come, as soon as half of the places are taken;
so is one that is overdue, if half of the places for those are taken as well.
Rule 3: when all the places for overdue leases are taken, a quarter of the others is kept for hosts whose last answer came
in time, however many of the rest there are.
"""

from __future__ import annotations

from enum import IntEnum
from math import inf
from typing import Protocol

PATIENCE = 1.0
"""Seconds. Longer than a server that is well usually takes; a tenth of what a connection to a host that is gone does."""
_STEP = 0.05
"""Seconds between two looks at them, at least: thousands may be overdue one after the other."""


class Standing(IntEnum):
    """What is known of a host's speed."""

    UNPROVEN = 0
    """No page of it has come yet."""
    SLOW = 1
    """It kept a request waiting, and nothing has come in time since."""
    PROMPT = 2


SLOW, PROMPT = Standing.SLOW, Standing.PROMPT
"""Looked up for each lease, by a class for enumerations slowly."""


class Host(Protocol):
    """Whom a lease belongs to."""

    standing: Standing


class Lanes:
    """The leases that run, told apart by any number. All times are seconds of one clock."""

    __slots__ = ("_overdue", "_running", "_waited_for", "look_at", "spare", "width")

    def __init__(self, width: int) -> None:
        """*width*: leases that may run at once, beside ``spare`` overdue ones: none where it is 1."""
        self.width = width
        self.spare = width - 1
        self.look_at = inf
        """When another lease may be overdue; infinite if no answer is waited for."""
        self._running = 0
        self._waited_for: dict[int, tuple[float, Host]] = {}  # in the order of their begin
        self._overdue: dict[int, float] = {}

    @property
    def overdue(self) -> int:
        """Leases that were not answered in time, and run still."""
        return len(self._overdue)

    @property
    def taken(self) -> int:
        """Leases that count."""
        return self._running - min(len(self._overdue), self.spare)

    def has_room(self, now: float) -> bool:
        """Whether one more may run."""
        if now >= self.look_at:
            self.age(now)
        return self._running < self.width or self.taken < self.width

    def begin(self, lease: int, host: Host, now: float) -> None:
        """*lease* runs, and an answer of *host* is waited for."""
        self._running += 1
        if host.standing is SLOW and len(self._overdue) < self.spare:
            self._overdue[lease] = now
            return
        self._waited_for[lease] = now, host
        if self.look_at == inf:
            self.look_at = now + PATIENCE

    def answered(self, lease: int, now: float) -> bool:
        """What follows takes its time here. Whether the answer came in time."""
        if self._waited_for.pop(lease, None) is not None:
            return True
        begun = self._overdue.get(lease)
        return begun is not None and now - begun < PATIENCE

    def end(self, lease: int) -> None:
        """*lease* runs no more."""
        self._running -= 1
        if self._waited_for.pop(lease, None) is None and self._overdue:
            self._overdue.pop(lease, None)

    def ignored_since(self, lease: int, now: float) -> float | None:
        """When *lease* began, if it has had no answer in time."""
        known = self._waited_for.get(lease)
        begun = known[0] if known is not None else self._overdue.get(lease)
        return begun if begun is not None and now - begun >= PATIENCE else None

    def age(self, now: float) -> None:
        """Find out which leases are overdue at *now*."""
        late = []
        self.look_at = inf
        for lease, (begun, _) in self._waited_for.items():
            if begun + PATIENCE > now:
                self.look_at = max(begun + PATIENCE, now + _STEP)
                break
            late.append(lease)
        for lease in late:
            begun, host = self._waited_for.pop(lease)
            host.standing = Standing.SLOW
            self._overdue[lease] = begun

    def defers(self, standing: Standing, running: int) -> bool:
        """Whether a host of that *standing*, not a prompt one, is to wait, with so many of its leases *running*."""
        if self.keeps_places:
            return True
        is_crowded = 2 * self.taken > self.width
        return running > 0 and is_crowded and (standing is Standing.UNPROVEN or 2 * len(self._overdue) > self.spare)

    @property
    def keeps_places(self) -> bool:
        """Whether the places that are left are for prompt hosts: Rule 3."""
        return len(self._overdue) >= self.spare and self.taken >= self.width - self.width // 4
