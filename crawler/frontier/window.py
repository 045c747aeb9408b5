"""Which of the waiting requests are in memory, and which in the store alone. Pure.

Rule 1: of each host, those that come first are in memory. What comes after the *cursor* is its tail, in the store.
Rule 2: a tail is read back only up to its first request that is not committed yet: none may be passed over.
Rule 3: past ``HOSTS`` hosts, and at the begin of a resumed crawl, a host sleeps: all that it has is in the store.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence

import msgspec

from crawler.frontier.store import Want

Key = tuple[int, int]
"""Place among the requests of a host: negative priority, number. The lesser comes first."""

HOSTS = 10_000
"""Hosts with requests in memory. At the usual delay they are asked for 40,000 pages a second."""
_TOTAL = 50_000
"""Requests in memory, over all hosts, some 50 MB; more where 10,000 hosts need it (:data:`_LEAST`)."""
_LEAST, _MOST = 8, 2_000
"""Requests of one host that are in memory, whatever the others have."""
_START: Key = (-(2**63), 0)


class _Tail(msgspec.Struct, gc=False):
    cursor: Key = _START
    unsaved: list[tuple[int, Key]] = []
    """Groups that were not committed when it was last read, and the first request past the cursor that each has."""
    is_asleep: bool = False
    is_read: bool = False
    """Whether a read is under way, or waits for a commit."""


class Window:
    """The decisions; the requests themselves are elsewhere."""

    def __init__(self, outside: int = 0) -> None:
        self.outside = outside
        """Waiting requests that are in the store alone."""
        self._tails: dict[str, _Tail] = {}
        self._thin: dict[str, None] = {}  # hosts that want to be read, in order
        self._group = 1  # the one that is being filled
        self._committed = 0
        self._touched: dict[int, list[str]] = {}
        self._sleepers = outside > 0  # whether a host may sleep that has no tail here
        self._slept_first = 0  # the group of the first request of a host that no round has looked for
        self._slept = 0  # the group of the last request that a sleeping host was given
        self._scanned = ""
        self._scan_began = 0
        self._shrink_at = 2 * _TOTAL
        self._looked = 0  # whoever fell asleep in the groups up to this one has been looked for

    @property
    def is_partial(self) -> bool:
        """Whether memory may not hold everything that waits."""
        return self.outside > 0 or bool(self._tails)

    def has_tail(self, host: str) -> bool:
        """Whether *host* is awake and has more in the store."""
        tail = self._tails.get(host)
        return tail is not None and not tail.is_asleep

    def takes(self, host: str, key: Key, held: int | None, hosts: int, last_key: Callable[[str], Key]) -> bool:
        """Whether a new request goes into memory. Else the store has it, as soon as it is committed.

        :param held: how many of *host* wait in memory; None if nothing at all is known of it there
        :param hosts: how many hosts there are in memory
        :param last_key: gives the last one's place
        """
        tail = self._tails.get(host)
        if tail is None:
            if held is None and (self._sleepers or hosts >= HOSTS):
                tail = self._tails[host] = _Tail(is_asleep=True)
                self._sleepers = True
            elif held is None or held < self._limit(hosts):
                return True
            else:
                tail = self._tails[host] = _Tail(last_key(host))
        if key < tail.cursor:
            return True
        self._leave_outside(host, tail, key)
        if not tail.is_asleep and not held:
            tail.is_read = True  # as soon as it is committed: no lease will ask for it
        return False

    def overfull(self, host: str, held: int, hosts: int) -> int | None:
        """How many of *host* stay in memory, if it has too many there by now; else None."""
        limit = self._limit(hosts)
        return limit if held > 2 * limit and self.has_tail(host) else None

    def shrinks(self, held: int, hosts: int) -> int | None:
        """How many each host keeps in memory, if with *held* of them over all hosts there are too many; else None.

        A host that came when there were few has more than its share once there are many.
        """
        if held < self._shrink_at:
            return None
        limit = self._limit(hosts)
        self._shrink_at = max(2 * _TOTAL, 2 * limit * hosts)
        return limit

    def cut(self, host: str, last: Key, first_cut: Key, number: int) -> None:
        """*number* requests of *host*, from *first_cut* on, have been taken out of memory; *last* is still there."""
        tail = self._tails.setdefault(host, _Tail())
        tail.cursor = last
        self._leave_outside(host, tail, first_cut)
        self.outside += number - 1

    def _leave_outside(self, host: str, tail: _Tail, key: Key) -> None:
        self.outside += 1
        unsaved, group = tail.unsaved, self._group
        if unsaved and unsaved[-1][0] == group:
            if key < unsaved[-1][1]:
                unsaved[-1] = group, key
        else:
            if not tail.is_read:
                self._prune(tail)
            unsaved.append((group, key))
            self._touched.setdefault(group, []).append(host)
        if tail.is_asleep:
            if self._slept_first <= self._looked:
                self._slept_first = group
            self._slept = group

    def _prune(self, tail: _Tail) -> None:
        tail.unsaved[:] = [pair for pair in tail.unsaved if pair[0] > self._committed]

    def taken(self, host: str, held: int, hosts: int) -> bool:
        """One of *host* left memory, where *held* are left. Whether it is to be read again."""
        tail = self._tails.get(host)
        if tail is None or tail.is_asleep or tail.is_read or held > self._limit(hosts) // 2:
            return False
        tail.is_read = True
        self._thin[host] = None
        return True

    def seal(self) -> int:
        """What was left outside so far belongs to the group of this number."""
        self._group += 1
        return self._group - 1

    def committed(self, group: int) -> bool:
        """That group is in the store. Whether a read waited for it."""
        self._committed = group
        for host in self._touched.pop(group, ()):
            tail = self._tails.get(host)
            if tail is None:
                continue
            if tail.is_read:
                self._thin[host] = None
            elif tail.is_asleep and tail.unsaved[-1][0] == group:
                del self._tails[host]  # the scan finds it
        return bool(self._thin)

    def wants(self, held: Callable[[str], int | None], hosts: int) -> list[Want]:
        """What is to be read now. Each is answered with :meth:`accept`."""
        limit = self._limit(hosts)
        thin, self._thin = self._thin, {}
        wanted = []
        for host in thin:
            tail = self._tails.get(host)
            if tail is not None:
                tail.is_read = True
                self._prune(tail)
                wanted.append(Want(host, tail.cursor, max(limit - (held(host) or 0), _LEAST)))
        return wanted

    def accept(self, want: Want, keys: Sequence[Key], is_here: Sequence[bool], *, is_end: bool) -> int:
        """How many of the requests that were read are past the cursor no more, from the first one on.

        :param keys: their places
        :param is_here: which of them are in memory or leased already, or have just ended; the others go into memory
        :param is_end: whether the store had no more of them
        """
        tail = self._tails[want.host]
        passed = len(keys)
        if tail.unsaved:
            passed = bisect_left(keys, min(key for _, key in tail.unsaved))
        taken = passed - sum(is_here[:passed])
        self.outside -= taken
        if passed:
            tail.cursor = keys[passed - 1]
        if not tail.unsaved and is_end:
            del self._tails[want.host]
        elif taken:
            tail.is_read = False
        elif passed or not tail.unsaved or tail.unsaved[0][0] <= self._committed:
            self._thin[want.host] = None  # nothing new, or committed meanwhile: once more
        return passed

    def may_scan(self, hosts: int) -> bool:
        """Whether there may be a sleeping host, and room for it."""
        return self._sleepers and hosts < HOSTS and (bool(self._scanned) or self._committed >= self._slept_first)

    def scans(self, hosts: int) -> tuple[str, int] | None:
        """After which name to look for sleeping hosts, and for how many; None if there is no use in it now."""
        if not self.may_scan(hosts):
            return None
        if not self._scanned:
            self._scan_began = self._committed + 1
        return self._scanned, min(HOSTS - hosts, 500)

    def found(self, names: list[str], is_awake: Callable[[str], bool]) -> list[str]:
        """Which of the hosts that the store has are to be woken. Each gets a tail; :meth:`wants` reads it."""
        if not names:
            self._scanned = ""
            self._looked = self._scan_began - 1
            if self._slept_first <= self._looked < self._slept:
                self._slept_first = self._looked + 1
            if self._slept < self._scan_began:
                self._sleepers = False  # one whole round, and nobody went to sleep in it
            return []
        self._scanned = names[-1]
        woken = []
        for name in names:
            tail = self._tails.get(name)
            if tail is None and is_awake(name):
                continue
            if tail is None:
                tail = self._tails[name] = _Tail()
            elif not tail.is_asleep:
                continue
            tail.is_asleep, tail.is_read = False, True
            self._thin[name] = None
            woken.append(name)
        return woken

    def _limit(self, hosts: int) -> int:
        return min(_MOST, max(_LEAST, _TOTAL // max(1, hosts)))
