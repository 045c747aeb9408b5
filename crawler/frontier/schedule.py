"""Which host may be asked next. Pure: the time is an argument.

Rule 1: hosts take turns; within a host the item with the least key goes first.
Rule 2: a host with a pause starts one request at a time: the next one is due a pause after the last one *left*
(:meth:`HostSchedule.started`), not after it was handed out, so that a slow connect cannot bring two together.
Rule 3: every item taken is finished once.
"""

from __future__ import annotations

from collections import deque
from heapq import heappop, heappush
from itertools import count
from math import inf
from typing import Generic, TypeVar

T = TypeVar("T")
Key = tuple[int, int]
"""The place of an item among those of its host."""


class _Host(Generic[T]):
    __slots__ = (
        "is_held",
        "is_paced",
        "later",
        "launching",
        "left_at",
        "limit",
        "name",
        "pause",
        "queued",
        "ready_at",
        "refusals",
        "running",
        "running_then",
        "waiting",
    )

    def __init__(self, name: str) -> None:
        self.name = name
        self.waiting: list[tuple[Key, int, T]] = []
        self.running = 0
        self.limit = 1
        self.pause = 0.0
        self.is_paced = False
        self.is_held = False  # whether it has more, elsewhere
        self.later = 0  # of its items, how many wait for their time
        self.ready_at = 0.0
        self.left_at = -inf  # when something last left for it
        self.launching: T | None = None
        self.refusals = 0
        self.running_then = 0  # of those that ran when it last refused, how many run still
        self.queued = False  # whether it stands in the turn or among the resting

    def may_start(self) -> bool:
        return bool(self.waiting) and self.running < self.limit and self.launching is None


class HostSchedule(Generic[T]):
    """Items waiting under their hosts. All times are seconds of one clock."""

    def __init__(self) -> None:
        self._hosts: dict[str, _Host[T]] = {}
        self._turn: deque[_Host[T]] = deque()
        self._resting: list[tuple[float, int, _Host[T]]] = []
        self._delayed: list[tuple[float, int, str, Key, T]] = []
        self._number = count()
        self._waiting = 0

    def __len__(self) -> int:
        """Items that wait, whether for their turn or for their time."""
        return self._waiting + len(self._delayed)

    @property
    def hosts(self) -> int:
        """Hosts with something waiting or running, or that still rest."""
        return len(self._hosts)

    def add(self, host: str, item: T, key: Key) -> None:
        """Let *item* wait."""
        known = self._host(host)
        heappush(known.waiting, (key, next(self._number), item))
        self._waiting += 1
        self._enqueue(known)

    def add_later(self, host: str, item: T, key: Key, due: float) -> None:
        """Let *item* wait, not to be taken before *due*."""
        heappush(self._delayed, (due, next(self._number), host, key, item))
        self._host(host).later += 1

    def held(self, host: str) -> int | None:
        """How many items of *host* wait for their turn; None if the host is not known."""
        known = self._hosts.get(host)
        return None if known is None else len(known.waiting)

    def last_key(self, host: str) -> Key:
        """The greatest key of those that wait for *host*'s turn."""
        return max(self._hosts[host].waiting)[0]

    def holding_more(self, number: int) -> list[str]:
        """The hosts of which more than *number* items wait for their turn."""
        return [name for name, host in self._hosts.items() if len(host.waiting) > number]

    def trim(self, host: str, keep: int) -> list[Key]:
        """Let go of all items of *host* but the *keep* first ones. The keys of those let go, least one first."""
        known = self._hosts[host]
        known.waiting.sort()  # a sorted list is a heap
        cut = [key for key, _, _ in known.waiting[keep:]]
        del known.waiting[keep:]
        self._waiting -= len(cut)
        return cut

    def hold(self, host: str) -> None:
        """*host* has more items than were added here: it is not forgotten until :meth:`release`."""
        self._host(host).is_held = True

    def release(self, host: str, now: float) -> None:
        """All of *host*'s items are here."""
        known = self._hosts[host]
        known.is_held = False
        self._forget_if_idle(known, now)

    def remember(self, host: str, refusals: int, ready_at: float) -> None:
        """What was learned of *host* by an earlier run: its refusals in a row, and until when it rests."""
        known = self._host(host)
        known.refusals = refusals
        known.ready_at = max(known.ready_at, ready_at)

    def learned(self, host: str) -> tuple[int, float, float]:
        """*host*'s refusals in a row, when it may be asked next, and its pause."""
        known = self._hosts.get(host)
        return (0, 0.0, 0.0) if known is None else (known.refusals, known.ready_at, known.pause)

    def pause_of(self, host: str) -> float | None:
        """The seconds that :meth:`set_limits` gave; None if it was not called since *host* was last forgotten."""
        known = self._hosts.get(host)
        return known.pause if known is not None and known.is_paced else None

    def set_limits(self, host: str, item: T, limit: int, pause: float) -> None:
        """How many of *host*'s items may run at once, and the seconds between two starts.

        A new host has 1 and 0, so *item*, which runs and has not left yet, is the only one until this is called.
        """
        known = self._hosts[host]
        pause = max(pause, known.pause)  # its other scheme may have asked for more
        if pause > 0 and known.pause == 0:
            known.launching = item
        if pause > known.pause:
            known.ready_at = max(known.ready_at, known.left_at + pause)
        known.limit = limit
        known.pause = pause
        known.is_paced = True
        self._enqueue(known)

    def take(self, now: float) -> T | None:
        """The next item whose host may be asked at *now*; None if there is none."""
        if self._delayed or self._resting:
            self._wake(now)
        turn = self._turn
        while turn:
            host = turn.popleft()
            host.queued = False
            if not host.may_start():
                self._forget_if_idle(host, now)
                continue
            if host.ready_at > now:
                host.queued = True
                heappush(self._resting, (host.ready_at, next(self._number), host))
                continue
            item = heappop(host.waiting)[2]
            self._waiting -= 1
            host.running += 1
            if host.pause > 0:
                host.launching = item
            self._enqueue(host)
            return item
        return None

    def started(self, host: str, item: T, now: float) -> None:
        """*item* has just left for *host*, perhaps not for the first time (a stale connection): the pause begins."""
        known = self._hosts[host]
        known.left_at = now
        known.ready_at = max(known.ready_at, now + known.pause)
        if known.launching is item:
            known.launching = None
            self._enqueue(known)

    def finish(self, host: str, item: T, now: float | None) -> None:
        """*item* runs no more. With *now* None it was never sent, so that no pause follows it."""
        known = self._hosts[host]
        if known.launching is item:
            known.launching = None
            if now is not None:
                known.ready_at = max(known.ready_at, now + known.pause)
        known.running -= 1
        if known.running_then:
            known.running_then -= 1
        self._enqueue(known)
        self._forget_if_idle(known, now)

    def refused(self, host: str) -> int:
        """*host* said "too much": how often in a row, this time included.

        What was on its way when it first said so may be refused with it: that is one refusal, not many.
        """
        known = self._hosts[host]
        if not known.running_then:
            known.refusals += 1
            known.running_then = known.running
        return max(1, known.refusals)

    def accepted(self, host: str) -> bool:
        """*host* answered again: half of its refusals are forgiven. Whether there were any."""
        known = self._hosts[host]
        if not known.refusals:
            return False
        known.refusals //= 2
        return True

    def rest(self, host: str, until: float) -> None:
        """Leave *host* alone until then."""
        known = self._hosts[host]
        known.ready_at = max(known.ready_at, until)

    def next_ready(self) -> float | None:
        """When :meth:`take` may have something that it does not have now; None if time alone changes nothing."""
        times = [heap[0][0] for heap in (self._resting, self._delayed) if heap]
        return min(times) if times else None

    def _wake(self, now: float) -> None:
        while self._delayed and self._delayed[0][0] <= now:
            _, _, host, key, item = heappop(self._delayed)
            self._hosts[host].later -= 1
            self.add(host, item, key)
        while self._resting and self._resting[0][0] <= now:
            self._turn.append(heappop(self._resting)[2])

    def _host(self, name: str) -> _Host[T]:
        known = self._hosts.get(name)
        if known is None:
            known = self._hosts[name] = _Host(name)
        return known

    def _enqueue(self, host: _Host[T]) -> None:
        if not host.queued and host.may_start():
            host.queued = True
            self._turn.append(host)

    def _forget_if_idle(self, host: _Host[T], now: float | None) -> None:
        """A host that has nothing to do and is owed no rest takes no memory."""
        if host.running or host.waiting or host.later or host.queued or host.is_held:
            return
        if now is None or host.ready_at > now:
            host.queued = True  # comes by once more when its rest is over
            heappush(self._resting, (host.ready_at, next(self._number), host))
        else:
            del self._hosts[host.name]
