"""Whether it is the URL that failed, or the way there: an outage of one host, or our own. Pure: the time is an argument.

Rule 1: a site that has answered before, and cannot be reached now (its name is unknown, no connection), is *out*. It is
tried once in a while, by one request at a time; none of its URLs is the worse for it.
Rule 2: where nobody at all can be reached, several hosts in a row, the outage is ours. The same holds for everyone then,
also for those that have never answered.
Rule 3: one that never answered, and fails alone, is no outage: most of the web's dead links lead to such.
Rule 4: a site that is out is tried by another URL next, if it has one. If that is answered, and the first one fails
again, then it is to blame itself.
Rule 5: patience ends. Past it failures count as they always do, until somebody answers.
Rule 6: a timeout of a connection that stood, or one that broke, is the page's own: servers do that to single pages every
day. Only while an outage is noticed it belongs to that: it is how the requests end that were under way.
"""

from __future__ import annotations

from math import log

import msgspec

UNREACHED = frozenset({"dns", "connect"})
"""Failures that say that there is no way to the host."""
INTERRUPTED = frozenset({"timeout", "disconnected", "truncated_body"})
"""Failures that an outage leads to as well."""
PROBES = 3
"""Requests at once while the outage is ours: the first one may hit a host that is gone for good."""
_STREAK = 5
_HOSTS = 3
"""So many failures in a row, of so many hosts, make an outage of ours; more where failures are frequent."""
_SECONDS = 1.0
"""... if nobody answers for so long: a page with links to fifty dead sites brings fifty failures in an instant. No URL
fails three times meanwhile, with the usual wait between."""
_CHANCE = log(1e-6)
"""... so that dead links alone make a row as long as that once in a million times."""
_USUAL = 0.02
"""Of the web's hosts, how many are dead, until this crawl knows better."""
_MEMORY = 0.99
"""What each further try leaves of the knowledge about those before."""
_FIRST, _LONGEST = 1.0, 5.0
"""Seconds until the first further try, and the longest wait: twice as long each time between them. When the outage is
over, the crawl goes on within that."""
_HEARD = 100_000
"""Sites of which it is remembered that they answered: 10 MB."""
_SILENT = 10_000
"""Sites that may be out at once; failures of further ones count."""
_SUSPECTS = 10_000
"""URLs that failed while their site was out."""
_TOLD = 5
"""Sites whose outage the person is told of."""


class _Silence(msgspec.Struct, gc=False):
    since: float
    until: float = 0.0
    """No failure before this moment counts: it was under way already."""
    failures: int = 0
    is_told: bool = False
    is_given_up: bool = False
    urls: list[int] = []
    """The numbers of those that failed, as far as the list goes."""

    def failed(self, now: float, patience: float) -> None:
        if now >= self.until:
            self.failures += 1
            self.until = now + _wait(self.failures, patience)


class Outages:
    """The outages of one crawl. All times are seconds of one clock."""

    def __init__(self, patience: float) -> None:
        """*patience*: how many seconds an outage of ours may last; 0 leaves every failure to its URL."""
        self._patience = patience
        self._heard: dict[str, None] = {}
        self._silent: dict[str, _Silence] = {}
        self._suspects: dict[int, None] = {}
        self._ours: _Silence | None = None
        self._is_hopeless = False  # an outage of ours was given up, and nobody has answered since
        self._streak = 0
        self._streak_hosts: set[str] = set()
        self._streak_began = 0.0
        self._answers = 0  # since the last failure
        self._dead = _USUAL  # of the last hundred tries or so
        self._told = 0
        self.news: list[str] = []
        """Lines for the person, which whoever tells them takes out."""

    @property
    def is_ours(self) -> bool:
        """Whether nobody can be reached."""
        return self._ours is not None

    @property
    def probe_at(self) -> float:
        """While the outage is ours: when to try again."""
        return self._ours.until if self._ours is not None else 0.0

    def remember(self, origin: str) -> None:
        """*origin* is known to have answered."""
        self._heard[origin] = None
        if len(self._heard) > _HEARD:
            del self._heard[next(iter(self._heard))]

    def answered(self, origin: str, url: int) -> bool:
        """Something came back from *origin*, whatever it was, for the URL of that number. Whether an outage is over."""
        self._answers += 1
        if self._suspects:
            self._suspects.pop(url, None)
        if origin not in self._heard:
            self.remember(origin)
        if self._streak:
            self._learn()
        if self._silent or self._ours is not None:
            return self._is_over(origin, url)
        return False

    def _learn(self) -> None:
        """A row of failures has ended: how many of the hosts here are dead?"""
        self._dead = max(_USUAL, 1.0 - (1.0 - self._dead * _MEMORY**self._answers) * _MEMORY**self._streak)
        self._answers = self._streak = 0
        self._streak_hosts.clear()
        self._is_hopeless = False

    def _is_over(self, origin: str, url: int) -> bool:
        ours, self._ours = self._ours, None
        if ours is not None:
            self.news.append("the network is back: the crawl goes on")
        silence = self._silent.pop(origin, None)
        if silence is not None:
            self._suspects |= {suspect: None for suspect in silence.urls if suspect != url}
            for suspect in list(self._suspects)[:-_SUSPECTS]:
                del self._suspects[suspect]
            if silence.is_told:
                self.news.append(f"{origin} answers again")
        return ours is not None or silence is not None

    def missed(
        self, origin: str, url: int, reason: str, now: float, patience: float, *, is_refusal: bool = False
    ) -> float | None:
        """A request to *origin*, for the URL of that number, has failed for *reason*, and nothing came back.

        The seconds for which its host is to be left alone before it is tried again, one request at a time, if an
        outage is to blame and not the URL; 0 if the outage is ours. None if the failure counts.

        :param patience: how many seconds *origin* may be out
        :param is_refusal: its machine says that nobody takes connections there: the way to it is no trouble
        """
        if reason in UNREACHED:
            if not is_refusal:
                self._count(origin, now)
        elif reason not in INTERRUPTED or (self._ours is None and origin not in self._silent):
            return None
        if self._ours is not None:
            return self._bear(self._ours, now)
        if self._is_hopeless or not patience or origin not in self._heard or url in self._suspects:
            return None
        return self._wait_for(origin, url, now, patience)

    def _count(self, origin: str, now: float) -> None:
        """One more failure in a row. Is nobody there any more?"""
        if self._ours is not None:
            return
        if not self._streak:
            self._streak_began = now
        self._streak += 1
        if len(self._streak_hosts) < _HOSTS:
            self._streak_hosts.add(origin.partition("://")[2])
        if self._is_row(now) and self._patience and not self._is_hopeless:
            self._ours = _Silence(now)
            self.news.append(
                f"nobody can be reached any more: the network or the name service seems to be down. The crawl waits for "
                f"up to {self._patience:.0f} s (outage_patience); no URL is given up meanwhile"
            )

    def _is_row(self, now: float) -> bool:
        least = max(_STREAK, _CHANCE / log(min(self._dead, 0.999)))
        is_long = self._streak >= least and now - self._streak_began >= _SECONDS
        return is_long and len(self._streak_hosts) == _HOSTS

    def _bear(self, ours: _Silence, now: float) -> float | None:
        if now - ours.since >= self._patience:
            self._ours, self._is_hopeless = None, True
            self.news.append(f"nobody could be reached for {self._patience:.0f} s: from now on failures count again")
            return None
        ours.failed(now, self._patience)
        return 0.0

    def _wait_for(self, origin: str, url: int, now: float, patience: float) -> float | None:
        silence = self._silent.get(origin)
        if silence is None:
            if len(self._silent) >= _SILENT:
                return None  # were another one forgotten for it, its patience would begin anew, and might never end
            silence = self._silent[origin] = _Silence(now)
        if now - silence.since >= patience:
            if silence.is_told and not silence.is_given_up:
                self.news.append(f"{origin} was out of reach for {patience:.0f} s: from now on its failures count")
            silence.is_given_up = True
            return None
        silence.failed(now, patience)
        if len(silence.urls) < 1_000:
            silence.urls.append(url)
        if silence.failures == 2 and not silence.is_told and self._told < _TOLD:
            silence.is_told = True
            self._told += 1
            self.news.append(
                f"{origin} cannot be reached any more: its URLs wait for up to {patience:.0f} s (outage_patience)"
                + ("; of further sites nothing is said" if self._told == _TOLD else "")
            )
        return silence.until - now

    def may_probe(self, now: float, running: int) -> bool:
        """Whether one more request may go out, with *running* of them under way, while the outage is ours."""
        return now >= self.probe_at and running < PROBES

    def next_look(self, ready_at: float | None, now: float, running: int) -> float | None:
        """When there may be something to send, while the outage is ours, if otherwise it were *ready_at*."""
        if running >= PROBES:
            return None  # the first one that ends looks again
        return self.probe_at if self.probe_at > now else ready_at


def _wait(failures: int, patience: float) -> float:
    """1, 2, 4, 5, 5 ... seconds; in proportion less where patience is less than two minutes."""
    return min(_FIRST * 2.0 ** min(failures - 1, 10), _LONGEST) * min(1.0, patience / 120.0)
