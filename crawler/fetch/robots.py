"""The robots.txt of each origin: fetched once, kept a day.

Which rules it holds is decided in :mod:`crawler.politeness.robots`; here it is fetched and remembered.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable

from crawler.errors import FetchError
from crawler.fetch.fetcher import Fetcher
from crawler.politeness.robots import ALLOW_ALL, ROBOTS_LIMIT, RobotsTxt, Rules
from crawler.request import Request
from crawler.response import RobotsFile
from crawler.urls.url import Base

KEEP = 24 * 3600.0
"""Seconds that a robots.txt is believed. RFC 9309, section 2.4."""
KEEP_FAILURE = 600.0
"""Seconds after which an origin whose robots.txt could not be had is asked again."""
MAX_REDIRECTS = 5
"""RFC 9309, section 2.3.1.2."""
_ORIGINS = 50_000
"""Origins remembered; past that the one asked longest ago goes."""


class RobotsUnavailable(FetchError):
    """The robots.txt cannot be had, so nothing may be fetched there (RFC 9309, section 2.3.1.4)."""

    reason = "robots_unavailable"

    def __init__(
        self,
        url: str,
        detail: str = "",
        failures: int = 1,
        retryable: bool = True,
        reason: str = "robots_unavailable",
        status: int | None = None,
        retry_after: str | None = None,
    ) -> None:
        Exception.__init__(self, url, detail, failures, retryable, reason, status, retry_after)
        self.url = url
        self.detail = detail
        self.failures = failures
        """How often in a row it could not be had."""
        self.retryable = retryable
        self.reason = reason
        """Why: ``dns`` or ``connect``, say, where the host as a whole is out of reach."""
        self.status = status
        """What was answered, if anything was."""
        self.retry_after = retry_after
        """The header of that name."""


class RobotsCache:
    """Rules by origin. A fetch is under way at most once for each."""

    def __init__(
        self,
        fetcher: Fetcher,
        user_agent: str,
        clock: Callable[[], float],
        recall: Callable[[str], Awaitable[RobotsFile | None]] | None = None,
    ) -> None:
        """*recall* gives the robots.txt of an origin that an earlier run fetched."""
        self._fetcher = fetcher
        self._user_agent = user_agent
        self._clock = clock
        self._recall = recall
        self._news: list[RobotsFile] = []
        self._known: OrderedDict[str, tuple[float, Rules | RobotsUnavailable]] = OrderedDict()
        self._moved: dict[str, tuple[str, int]] = {}
        self._pending: dict[str, asyncio.Future[None]] = {}

    def known(self, origin: str) -> Rules | None:
        """The rules of *origin* if they are at hand, else None: :meth:`fetch` gets them.

        :raises RobotsUnavailable: it was tried not long ago, and could not be had
        """
        entry = self._known.get(origin)
        if entry is None or entry[0] < self._clock():
            return None
        if isinstance(entry[1], RobotsUnavailable):
            raise entry[1]
        return entry[1]

    async def fetch(self, origin: str, on_sent: Callable[[], None] | None = None) -> bool:
        """Ask for the rules of *origin*: one request on the wire. True if this call asked; one that finds another
        under way waits for its end, and asks nothing.

        The answer may be a redirect; then :meth:`known` has nothing to tell yet, and the next call asks its target.

        :raises RobotsUnavailable: a server error, or a network error
        """
        pending = self._pending.get(origin)
        if pending is not None:
            await asyncio.shield(pending)
            return False
        self._pending[origin] = done = asyncio.get_running_loop().create_future()
        try:
            if await self._remembers(origin):
                return False
            rules = await self._ask(origin, on_sent)
            if rules is not None:
                self._remember(origin, rules, KEEP)
        except RobotsUnavailable as error:
            self._remember(origin, error, -1.0)  # known to have failed, but not believed: it may be asked again
            raise
        finally:
            del self._pending[origin]
            done.set_result(None)
        return True

    def news(self) -> list[RobotsFile]:
        """The files that were fetched since this was last called."""
        news, self._news = self._news, []
        return news

    async def _remembers(self, origin: str) -> bool:
        """Whether an earlier run's copy is at hand, and young enough."""
        kept = await self._recall(origin) if self._recall is not None else None
        age = time.time() - kept.fetched if kept is not None else KEEP
        if kept is None or not 0 <= age < KEEP:  # it cannot be from the future: a clock was set back
            return False
        self._remember(origin, self._rules(kept.body), KEEP - age)
        return True

    def give_up(self, origin: str, error: RobotsUnavailable) -> None:
        """The retries are spent: for a while nothing of *origin* is asked."""
        self._remember(origin, error, KEEP_FAILURE)

    async def _ask(self, origin: str, on_sent: Callable[[], None] | None) -> Rules | None:
        """The rules; None for a redirect, whose target is asked next."""
        url, hops = self._moved.pop(origin, (f"{origin}/robots.txt", 0))
        try:
            response = await self._fetcher.fetch(Request(url), on_sent)
        except FetchError as error:
            detail = f"robots.txt: {error.detail or error.reason}"
            raise RobotsUnavailable(url, detail, self._failures(origin) + 1, error.retryable, error.reason) from error
        if response.status >= 500 or response.status == 429:
            detail = f"robots.txt answered {response.status}"
            raise RobotsUnavailable(
                url,
                detail,
                self._failures(origin) + 1,
                status=response.status,
                retry_after=response.headers.get("Retry-After"),
            )
        if not response.is_redirect:
            return self._read(origin, response.body if response.is_success else b"")
        target = Base(url).join(response.headers["Location"])
        if target is None or hops == MAX_REDIRECTS:
            return self._read(origin, b"")  # RFC 9309: after five redirects it may be taken as absent
        self._moved[origin] = (target, hops + 1)
        return None

    def _failures(self, origin: str) -> int:
        entry = self._known.get(origin)
        return entry[1].failures if entry is not None and isinstance(entry[1], RobotsUnavailable) else 0

    def _read(self, origin: str, body: bytes) -> Rules:
        self._news.append(RobotsFile(origin, time.time(), body[:ROBOTS_LIMIT]))
        return self._rules(body)

    def _rules(self, body: bytes) -> Rules:
        return RobotsTxt(body, self._user_agent) if body else ALLOW_ALL

    def _remember(self, origin: str, rules: Rules | RobotsUnavailable, seconds: float) -> None:
        self._known[origin] = (self._clock() + seconds, rules)
        self._known.move_to_end(origin)
        while len(self._known) > _ORIGINS:
            self._known.popitem(last=False)
