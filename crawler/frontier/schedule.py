"""Which host may be asked next. Pure: the time is an argument.

Rule 1: hosts take turns; within a host the item with the least key goes first.
Rule 2: a host with a pause starts one request at a time: the next one is due a pause after the last one *left*
(:meth:`HostSchedule.started`), not after it was handed out, so that a slow connect cannot bring two together.
Rule 3: a host's pause is the longer one of two: its *floor* only rises, what is *extra* may fall again.
Rule 4: hosts at one address share a spacing of their own, which holds as Rule 2 does.
Rule 5: every item taken is finished once.
Rule 6: a host that keeps others waiting waits itself, as :mod:`crawler.frontier.lanes` says.
Rule 7: what a page under way waits for (:mod:`crawler.frontier.claims`) goes before what waits here, and keeps to
Rules 2 to 6 like everything else.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count
from math import inf
from sys import maxsize
from typing import Generic, TypeVar

from crawler.frontier.lanes import PATIENCE, PROMPT, Lanes, Standing

T = TypeVar("T")
Key = tuple[int, int]
"""The place of an item among those of its host."""


Place = tuple[str, float]
"""An address, empty if it is not known yet, and the seconds for which it is left alone after a start of a host there."""


class _Address(Generic[T]):
    """Hosts that take turns, since one machine may be behind them all."""

    __slots__ = ("hosts", "is_called", "launcher", "launching", "name", "parked", "ready_at")

    def __init__(self, name: str) -> None:
        self.name = name
        self.hosts = 0
        self.ready_at = 0.0
        self.launching: T | None = None
        self.launcher: _Host[T] | None = None  # the host of that item
        self.parked: deque[_Host[T]] = deque()  # those whose turn came when it was not ready
        self.is_called = False  # whether it stands among those that become ready

    def is_free(self, now: float) -> bool:
        return self.launching is None and self.ready_at <= now


class _Host(Generic[T]):
    __slots__ = (
        "address",
        "answered_at",
        "crowd",
        "extra",
        "floor",
        "gap",
        "is_barred",
        "is_held",
        "is_paced",
        "is_probed",
        "is_urged",
        "later",
        "launching",
        "left_at",
        "limit",
        "most",
        "name",
        "pause",
        "queued",
        "ready_at",
        "refusals",
        "running",
        "running_then",
        "standing",
        "waiting",
    )

    def __init__(self, name: str) -> None:
        self.name = name
        self.waiting: list[tuple[Key, int, T]] = []
        self.running = 0
        self.limit = 1
        self.most = 1  # of its items, how many may run just now
        self.floor = 0.0
        self.extra = 0.0
        self.pause = 0.0  # the longer one of the two
        self.crowd = 0  # of its items, how many run that were taken before it had a pause
        self.is_barred = False
        self.is_probed = False
        self.address: _Address[T] | None = None
        self.gap = 0.0
        self.is_paced = False
        self.is_held = False  # whether it has more, elsewhere
        self.is_urged = False  # whether a page under way waits for something of it
        self.later = 0  # of its items, how many wait for their time
        self.ready_at = 0.0
        self.left_at = -inf  # when something last left for it
        self.answered_at = -inf  # when something of it last came
        self.standing = Standing.UNPROVEN
        self.launching: T | None = None
        self.refusals = 0
        self.running_then = 0  # of those that ran when it was last strained, how many run still
        self.queued = False  # whether it stands in the turn or among the resting

    def may_start(self) -> bool:
        return bool(self.waiting) and self.running < self.most and self.launching is None

    def may_serve(self) -> bool:
        """Whether a page under way may have something of it now, so far as its own limit goes. That its site has given
        all the pages that it may is no bar: the page that waits is one of them.
        """
        most = 0 if self.crowd else 1 if self.is_probed else self.limit
        return self.running < most and self.launching is None


class HostSchedule(Generic[T]):
    """Items waiting under their hosts. All times are seconds of one clock."""

    def __init__(self, place_of: Callable[[str], Place | None] = lambda host: None, lanes: Lanes | None = None) -> None:
        """
        :param place_of: gives a host's address; None if it may be asked as often as one likes
        :param lanes: what runs, told apart by its ``id()``; None if any number may
        """
        self._hosts: dict[str, _Host[T]] = {}
        self._lanes = lanes or Lanes(maxsize)
        self._deferred: deque[_Host[T]] = deque()
        self._place_of = place_of
        self._addresses: dict[str, _Address[T]] = {}
        self._called: list[tuple[float, int, _Address[T]]] = []
        self._turn: deque[_Host[T]] = deque()
        self._resting: list[tuple[float, int, _Host[T]]] = []
        self._delayed: list[tuple[float, int, str, Key, T]] = []
        self._number = count()
        self._waiting = 0
        self.stirred: dict[str, None] = {}
        """Hosts that are urged, and that may be asked now for all that is known of them. Whoever looks empties it."""

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
        """The seconds between two starts; None if :meth:`set_limits` was not called since *host* was last forgotten."""
        known = self._hosts.get(host)
        return known.pause if known is not None and known.is_paced else None

    def spacing_of(self, host: str) -> float | None:
        """As :meth:`pause_of`, or what its address wants if that is more: :meth:`started` is to be called if it is not 0."""
        known = self._hosts.get(host)
        return max(known.pause, known.gap) if known is not None and known.is_paced else None

    def floor_of(self, host: str) -> float:
        """The seconds that :meth:`set_limits` gave, the most of them."""
        return self._hosts[host].floor

    def set_limits(self, host: str, item: T, limit: int, pause: float) -> None:
        """How many of *host*'s items may run at once, and the seconds between two starts.

        A new host has 1 and 0, so *item*, which runs and has not left yet, is the only one until this is called.
        """
        known = self._hosts[host]
        known.floor = max(known.floor, pause)  # its other scheme may have asked for more
        known.limit = limit
        known.is_paced = True
        self._space(known, item)
        self._open(known)

    def slow(self, host: str, pause: float, now: float, item: T | None = None) -> None:
        """For the time being so many seconds between two starts at least; what was said before is void.

        Where there was no pause at all, what runs may not have left yet: nothing starts until it has ended. If it is
        known to be *item* alone, until that has left.
        """
        known = self._hosts[host]
        if known.extra == pause:
            return
        is_new = known.pause == 0
        known.extra = pause
        self._space(known, item)
        if is_new and known.pause > 0 and item is None:
            known.ready_at = max(known.ready_at, now + known.pause)
        self._open(known)

    def _space(self, known: _Host[T], item: T | None) -> None:
        pause = max(known.floor, known.extra)
        if known.pause == 0 and pause > 0:
            if item is not None and known.running == 1:
                known.launching = item
            else:
                known.crowd = known.running
        if pause > known.pause:
            known.ready_at = max(known.ready_at, known.left_at + pause)
        known.pause = pause

    def _open(self, known: _Host[T]) -> None:
        if known.is_barred or known.crowd:
            known.most = 0
        else:
            known.most = 1 if known.is_probed else known.limit
        self._enqueue(known)

    def bar(self, host: str) -> None:
        """Nothing of *host* is to be taken until :meth:`unbar`."""
        known = self._hosts[host]
        known.is_barred = True
        self._open(known)

    def unbar(self, host: str) -> None:
        """It may be taken again, if it is still there."""
        known = self._hosts.get(host)
        if known is not None and known.is_barred:
            known.is_barred = False
            self._open(known)

    def probe(self, host: str, *, is_probed: bool) -> None:
        """Whether one at a time is enough for *host*, whatever its limit."""
        known = self._hosts.get(host)
        if known is not None and known.is_probed != is_probed:
            known.is_probed = is_probed
            self._open(known)

    def place(self, host: str, place: Place | None) -> None:
        """Where *host* is, as far as one knows now."""
        known = self._hosts[host]
        name, gap = place or ("", 0.0)
        if known.address is not None and known.address.name != name:
            self._move_out(known, known.address)
        if known.address is None and name:
            self._move_in(known, name)
        known.gap = gap

    def _move_in(self, known: _Host[T], name: str) -> None:
        address = self._addresses.get(name)
        if address is None:
            address = self._addresses[name] = _Address(name)
        address.hosts += 1
        known.address = address

    def _move_out(self, known: _Host[T], address: _Address[T]) -> None:
        known.address = None
        address.hosts -= 1
        if address.launcher is known:
            address.launching = address.launcher = None
        self._call(address)  # it may have been the one whose turn it was there
        if not address.hosts:
            del self._addresses[address.name]

    def take(self, now: float) -> T | None:
        """The next item whose host may be asked at *now*; None if there is none."""
        if self._delayed or self._resting or self._called:
            self._wake(now)
        turn = self._turn
        while turn or self._undefer():
            host = turn.popleft()
            host.queued = False
            address = host.address
            if not host.may_start():
                self._forget_if_idle(host, now)
            elif host.ready_at > now:
                host.queued = True
                heappush(self._resting, (host.ready_at, next(self._number), host))
            elif address is not None and not address.is_free(now):
                host.queued = True
                address.parked.append(host)
                self._call(address)
                continue
            elif host.standing < PROMPT and self._lanes.defers(host.standing, host.running):
                self._defer(host)
            else:
                item = heappop(host.waiting)[2]
                self._waiting -= 1
                self._launch(host, item, now)
                return item
            if address is not None and address.parked and address.is_free(now):
                turn.appendleft(address.parked.popleft())  # it was this one's turn there, too
        return None

    def urge(self, host: str, now: float, *, is_urged: bool) -> None:
        """Whether something that does not wait here wants to be sent to *host*: then it is not forgotten, and is named in
        ``stirred`` when it may be asked.
        """
        known = self._host(host)
        known.is_urged = is_urged
        if is_urged:
            self.stirred[host] = None
        else:
            self._forget_if_idle(known, now)

    def take_ahead(self, host: str, item: T, now: float) -> float:
        """Take *item*, which does not wait here, before all that does. *now* if it runs; else when to try again,
        infinite if ``stirred`` will tell.

        :param host: is urged
        """
        known = self._hosts[host]
        address = known.address
        if not known.may_serve():
            return inf
        if known.ready_at > now:
            return known.ready_at
        if address is not None and not address.is_free(now):
            return address.ready_at if address.ready_at > now else now + known.gap
        if known.standing < PROMPT and self._lanes.defers(known.standing, known.running):
            return now + PATIENCE
        self._launch(known, item, now)
        return now

    def _defer(self, host: _Host[T]) -> None:
        """If something of *host* runs, its end brings it back into the turn; if nothing does, room does."""
        if not host.running:
            host.queued = True
            self._deferred.append(host)

    def _undefer(self) -> bool:
        """Whether one of those without anything running has its turn again."""
        if not self._deferred or self._lanes.keeps_places:
            return False
        self._turn.append(self._deferred.popleft())
        return True

    def _launch(self, host: _Host[T], item: T, now: float) -> None:
        self._lanes.begin(id(item), host, now)
        host.running += 1
        if host.pause > 0:
            host.launching = item
        if host.address is not None:
            host.address.launching, host.address.launcher = item, host
        self._enqueue(host)

    def started(self, host: str, item: T, now: float) -> None:
        """*item* has just left for *host*, perhaps not for the first time (a stale connection): the pause begins."""
        known = self._hosts[host]
        known.left_at = now
        known.ready_at = max(known.ready_at, now + known.pause)
        if known.launching is item:
            known.launching = None
            self._enqueue(known)
        if known.address is not None:
            self._leave(known.address, item, now + known.gap)

    def visit(self, host: str, now: float, pause: float, booked: float | None = None) -> float:
        """Something that is none of *host*'s items is to leave for it. If that may be *now*, its pause begins; else it has
        a turn of its own among those of the items. When that is.

        :param pause: the seconds between two starts, at least
        :param booked: what an earlier call gave
        """
        known = self._host(host)
        address = known.address
        pause = max(pause, known.pause)
        is_launching = known.launching is not None or (address is not None and address.launching is not None)
        slot = max(known.ready_at, address.ready_at if address is not None else 0.0)
        if booked is not None and booked <= now:  # the items have kept this turn free, unless it comes too late
            slot = max(known.left_at + pause, address.ready_at if address is not None else 0.0)
        if is_launching:
            slot = max(slot, now + max(pause, known.gap))
        start = max(slot, now)
        known.ready_at = max(known.ready_at, start + pause)
        if start == now:
            known.left_at = now
            if address is not None:
                address.ready_at = max(address.ready_at, now + known.gap)
                self._call(address)
        self._forget_if_idle(known, now)
        return start

    def finish(self, host: str, item: T, now: float | None) -> None:
        """*item* runs no more. With *now* None it was never sent, so that no pause follows it."""
        known = self._hosts[host]
        self._lanes.end(id(item))
        if known.launching is item:
            known.launching = None
            if now is not None:
                known.ready_at = max(known.ready_at, now + known.pause)
        if known.address is not None and known.address.launching is item:
            self._leave(known.address, item, 0.0 if now is None else now + known.gap)
        known.running -= 1
        if known.crowd:
            if now is not None:  # it left without a word
                known.ready_at = max(known.ready_at, now + known.pause)
            self._disperse(known)
        if known.running_then:
            known.running_then -= 1
        self._enqueue(known)
        self._forget_if_idle(known, now)

    def _leave(self, address: _Address[T], item: T, ready_at: float) -> None:
        address.ready_at = max(address.ready_at, ready_at)
        if address.launching is item:
            address.launching = address.launcher = None
        self._call(address)

    def _call(self, address: _Address[T]) -> None:
        """Let those that are parked have their turn when it is ready. What is launching calls again when it has left."""
        if address.parked and not address.is_called and address.launching is None:
            address.is_called = True
            heappush(self._called, (address.ready_at, next(self._number), address))

    def _disperse(self, known: _Host[T]) -> None:
        """One of the crowd has ended; after the last one others may start again."""
        known.crowd -= 1
        if not known.crowd:
            self._open(known)

    def strained(self, host: str) -> bool:
        """*host* is in trouble. Whether that is new: what was on its way when it began may be struck with it."""
        known = self._hosts[host]
        if known.running_then:
            return False
        known.running_then = known.running
        return True

    def refused(self, host: str, *, is_new: bool) -> int:
        """*host* said "too much": how often in a row, this time included.

        :param is_new: what :meth:`strained` says; else it was refused together with another one, which is counted
        """
        known = self._hosts[host]
        known.refusals += is_new
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

    def rouse(self, host: str, now: float) -> None:
        """*host* need not rest any longer: nothing of what waits there will be sent."""
        known = self._hosts[host]
        known.ready_at = now
        self._enqueue(known)

    def answered(self, host: str, item: T, now: float, *, was_sent: bool = True) -> None:
        """Something came for *item*, which goes on running; if it *was_sent* for, from its host."""
        is_prompt = self._lanes.answered(id(item), now)
        if not was_sent:
            return
        known = self._hosts[host]
        known.answered_at = now
        if is_prompt and known.standing < PROMPT:
            known.standing = PROMPT
            self._enqueue(known)

    def ignored(self, host: str, item: T, now: float) -> float | None:
        """Since when *item* has run, if it is overdue and nothing of *host* has come meanwhile."""
        begun = self._lanes.ignored_since(id(item), now)
        return begun if begun is not None and begun >= self._hosts[host].answered_at else None

    def next_ready(self) -> float | None:
        """When :meth:`take` may have something that it does not have now; None if time alone changes nothing."""
        times = [heap[0][0] for heap in (self._resting, self._delayed, self._called) if heap]
        return min(times) if times else None

    def _wake(self, now: float) -> None:
        while self._delayed and self._delayed[0][0] <= now:
            _, _, host, key, item = heappop(self._delayed)
            self._hosts[host].later -= 1
            self.add(host, item, key)
        while self._resting and self._resting[0][0] <= now:
            self._turn.append(heappop(self._resting)[2])
        while self._called and self._called[0][0] <= now:
            address = heappop(self._called)[2]
            address.is_called = False
            if address.parked and address.is_free(now):
                self._turn.appendleft(address.parked.popleft())
            else:
                self._call(address)

    def _host(self, name: str) -> _Host[T]:
        known = self._hosts.get(name)
        if known is None:
            known = self._hosts[name] = _Host(name)
            place = self._place_of(name)
            if place is not None:
                self.place(name, place)
        return known

    def _enqueue(self, host: _Host[T]) -> None:
        if host.is_urged:
            self.stirred[host.name] = None
        if not host.queued and host.may_start():
            host.queued = True
            self._turn.append(host)

    def _forget_if_idle(self, host: _Host[T], now: float | None) -> None:
        """A host that has nothing to do and is owed no rest takes no memory."""
        if host.running or host.waiting or host.later or host.queued or host.is_held or host.is_urged:
            return
        ready_at = host.ready_at if host.address is None else max(host.ready_at, host.address.ready_at)
        if now is None or ready_at > now:
            host.queued = True  # comes by once more when its rest is over
            heappush(self._resting, (ready_at, next(self._number), host))
        else:
            if host.address is not None:
                self._move_out(host, host.address)
            del self._hosts[host.name]
