"""The robots.txt of each origin: fetched once, kept a day.

Which rules it holds is decided in :mod:`crawler.politeness.robots`; here it is fetched and remembered.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable
from typing import Protocol, runtime_checkable
from weakref import WeakValueDictionary

from crawler.errors import FetchError
from crawler.fetch.fetcher import Fetcher
from crawler.fetch.recent import Known, Recent, Trouble
from crawler.http.addresses import is_private_host
from crawler.politeness.robots import ALLOW_ALL, ROBOTS_LIMIT, Rules, product_token, rules_of, within_limit
from crawler.request import Request
from crawler.response import Response, RobotsFile
from crawler.urls.redirect import without_userinfo
from crawler.urls.url import Base, address

KEEP = 24 * 3600.0
"""Seconds that a robots.txt is believed. RFC 9309, section 2.4."""
KEEP_FAILURE = 600.0
"""Seconds after which an origin whose robots.txt could not be had is asked again."""
PATIENCE = 30 * 24 * 3600.0
"""Seconds of failure after which a robots.txt counts as absent: the "30 days" of RFC 9309, section 2.3.1.4."""
MAX_REDIRECTS = 5
"""RFC 9309, section 2.3.1.2."""


@runtime_checkable
class HeadFetcher(Protocol):
    """A fetcher that can leave the rest of a long body where it is."""

    async def fetch_head(
        self, request: Request, limit: int, on_sent: Callable[[], None] | None = None, inside: bool = False
    ) -> Response:
        """Like :meth:`Fetcher.fetch`; of a decoded body with more than *limit* bytes it gives the first *limit*, and
        closes the connection. Without an end, such a body is no error.
        """


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
        agent_of: Callable[[str], str],
        clock: Callable[[], float],
        recall: Callable[[str], Awaitable[RobotsFile | None]] | None = None,
        *,
        has_past: bool = True,
        recent: Recent | None = None,
        wall: Callable[[], float] | None = None,
    ) -> None:
        """
        :param agent_of: the user agent that an origin sees
        :param clock: seconds, as the event loop counts them
        :param recall: gives the robots.txt of an origin that this run or an earlier one fetched and kept
        :param has_past: whether there was an earlier run; if not, *recall* is asked only for what was forgotten here
        :param recent: what is remembered, and how much of it
        :param wall: the Unix time
        """
        self._fetcher = fetcher
        self._agent_of = agent_of
        self._clock = clock
        self._wall = wall or _unix_time
        self._recall = recall
        self._has_past = has_past
        self._recent = Recent() if recent is None else recent
        self._alike: WeakValueDictionary[bytes, Rules] = WeakValueDictionary()
        self._news: list[RobotsFile] = []
        self._pending: dict[str, asyncio.Future[None]] = {}

    def known(self, origin: str) -> Rules | None:
        """The rules of *origin* if they are at hand, else None: :meth:`fetch` gets them.

        :raises RobotsUnavailable: it was tried not long ago, and could not be had
        """
        known = self._recent.get(origin)
        if known is None:
            return None
        now = self._clock()
        if known.until >= now:
            return known.rules
        trouble = known.trouble
        if trouble is not None and trouble.error is not None and trouble.until >= now:
            raise trouble.error.with_traceback(None)  # else each URL would leave its frames there
        return None

    async def fetch(self, origin: str, on_sent: Callable[[], None] | None = None, inside: bool = False) -> bool:
        """Ask for the rules of *origin*: one request on the wire. True if this call asked; one that finds another
        under way waits for its end, and asks nothing. It is asked as the page that needs it: *inside*, if that may reach
        private addresses.

        The answer may be a redirect; then :meth:`known` has nothing to tell yet, and the next call asks its target.

        :raises RobotsUnavailable: a server error, or a network error
        """
        pending = self._pending.get(origin)
        if pending is not None:
            await asyncio.shield(pending)
            return False
        self._pending[origin] = done = asyncio.get_running_loop().create_future()
        try:
            return not await self._remembers(origin) and await self._ask(origin, on_sent, inside)
        finally:
            del self._pending[origin]
            done.set_result(None)

    def moved_to(self, origin: str) -> str:
        """Where the next :meth:`fetch` asks, if a redirect leads there; else empty."""
        known = self._recent.get(origin)
        return known.trouble.url if known is not None and known.trouble is not None else ""

    def give_up(self, origin: str, error: RobotsUnavailable) -> bool:
        """The retries are spent. True if nothing of *origin* may be asked for a while.

        False if :meth:`known` has rules all the same: those of the last copy that could be had, or those of no
        robots.txt, after thirty days of failure (RFC 9309, section 2.3.1.4).
        """
        known = self._recent.get(origin) or Known()
        trouble = known.trouble = known.trouble or Trouble()
        if known.rules is None and self._wall() - trouble.since >= PATIENCE:
            known.rules, known.until = ALLOW_ALL, self._clock() + KEEP
        elif known.rules is not None:
            known.until = self._clock() + KEEP_FAILURE
        else:
            trouble.error = type(error)(*error.args)  # without the frames that it was raised in
            trouble.until = self._clock() + KEEP_FAILURE
        self._recent.put(origin, known)
        return known.rules is None

    def forgive(self, origin: str) -> None:
        """The last failure was nothing of *origin*'s doing: it does not count as one of its tries."""
        known = self._recent.get(origin)
        if known is not None and known.trouble is not None:
            known.trouble.failures = max(0, known.trouble.failures - 1)

    def news(self) -> list[RobotsFile]:
        """What is to be kept for a later run, since this was last called."""
        news, self._news = self._news, []
        return news

    async def _remembers(self, origin: str) -> bool:
        """Whether a copy that was kept is young enough. An older one is used if no other can be had."""
        may_be_kept = self._has_past or self._recent.has_forgotten
        if self._recall is None or not may_be_kept or self._recent.get(origin) is not None:
            return False
        kept = await self._recall(origin)
        if kept is None:
            return False
        age = self._wall() - kept.fetched
        if kept.body is None:
            self._recent.put(origin, Known(trouble=Trouble(since=kept.fetched)))
            return False
        is_young = 0 <= age < KEEP  # it cannot be from the future: a clock was set back
        until = self._clock() + (KEEP - age if is_young else -1.0)
        self._recent.put(origin, Known(self._rules(origin, kept.body), until))
        return is_young

    async def _ask(self, origin: str, on_sent: Callable[[], None] | None, inside: bool) -> bool:
        """Whether anybody was asked: a cache may have it."""
        trouble = (self._recent.get(origin) or Known()).trouble or Trouble()
        url, hops = trouble.url or f"{origin}/robots.txt", trouble.hops
        inside = inside and trouble.inside
        try:
            response = await self._fetch(Request(url), on_sent, inside)
        except FetchError as error:
            detail = f"robots.txt: {error.detail or error.reason}"
            trouble_told = RobotsUnavailable(url, detail, self._failed(origin), error.retryable, error.reason)
            trouble_told.is_refusal = error.is_refusal
            raise trouble_told from error
        if response.status >= 500 or response.status == 429:
            retry_after = response.headers.get("Retry-After")
            detail = f"robots.txt answered {response.status}"
            raise RobotsUnavailable(url, detail, self._failed(origin), status=response.status, retry_after=retry_after)
        target = Base(url).join(response.headers["Location"]) if response.is_redirect else None
        target = without_userinfo(target) if target is not None else None
        if target is None or hops == MAX_REDIRECTS:  # RFC 9309: after five redirects it may be taken as absent
            self._take(origin, response.body if response.is_success else b"")
        else:
            self._moved(origin, target, hops + 1, inside)
        return response.was_sent

    async def _fetch(self, request: Request, on_sent: Callable[[], None] | None, inside: bool) -> Response:
        if isinstance(self._fetcher, HeadFetcher):
            return await self._fetcher.fetch_head(request, ROBOTS_LIMIT + 1, on_sent, inside)
        return await self._fetcher.fetch(request, on_sent, inside)

    def _take(self, origin: str, body: bytes) -> None:
        body = within_limit(body)
        self._news.append(RobotsFile(origin, self._wall(), body))
        self._recent.put(origin, Known(self._rules(origin, body), self._clock() + KEEP))

    def _moved(self, origin: str, url: str, hops: int, inside: bool) -> None:
        known = self._recent.get(origin) or Known()
        known.trouble = known.trouble or Trouble()
        target = address(url)
        known.trouble.url, known.trouble.hops = url, hops
        known.trouble.inside = inside and target is not None and is_private_host(target.hostname)
        self._recent.put(origin, known)

    def _failed(self, origin: str) -> int:
        """Note a failure, and since when there are some. How many there are in a row."""
        known = self._recent.get(origin) or Known()
        trouble = known.trouble = known.trouble or Trouble()
        trouble.url, trouble.hops, trouble.inside = "", 0, True
        trouble.failures += 1
        now = self._wall()
        if trouble.since > now:
            trouble.since = now
            if known.rules is None:  # else the copy that is kept says more
                self._news.append(RobotsFile(origin, now, None))
        self._recent.put(origin, known)
        return trouble.failures

    def _rules(self, origin: str, body: bytes) -> Rules:
        """Those of *body*: one object for all origins that have the same."""
        if not body:
            return ALLOW_ALL
        token = product_token(self._agent_of(origin))
        mark = hashlib.blake2b(body, digest_size=16, key=token.encode()[:64]).digest()  # none can be made alike
        rules = self._alike.get(mark)
        if rules is None:
            rules = rules_of(body, token)
            if rules is not ALLOW_ALL:
                self._alike[mark] = rules
        return rules


def _unix_time() -> float:
    return time.time()
