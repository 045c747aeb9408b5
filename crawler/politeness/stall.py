"""When a host that keeps its askers waiting for nothing is left alone, and when it is given up. Pure: the time is an
argument.

Rule 1: a *stall* is a try that came to nothing, after a while, and the host gave nothing else meanwhile. A page that
hangs while others of its host come is that page's own.
Rule 2: after a stall one request at a time is enough, after a rest that grows: the share of a crawl that such a host
takes does not depend on how many URLs it has. Tries that were under way together are one stall.
Rule 3: after ``MOST`` stalls in a row, of ``URLS`` URLs at least, the host is given up for ``KEEP``: its URLs fail at
once. Then one of them is tried, and the next stall gives it up again.
Rule 4: whatever comes from it, a page or an error page, ends all of that.
"""

from __future__ import annotations

import msgspec

MOST = 8
"""Five minutes with the usual timeout of 30 s: more than an outage that a site's owner would call short."""
URLS = 4
"""Three URLs of a host may hang, one after the other, while it is well."""
KEEP = 600.0
"""Seconds, as for a robots.txt that cannot be had."""
STALLED = "stalled"
"""The reason of failure of URLs whose host was given up."""
LONGEST = 15.0
"""Seconds that a host rests after a stall at most; 1, 2, 4, 8 before."""
_HOSTS = 50_000
"""Hosts that are remembered: 15 MB. Past that the one that stalled longest ago is forgotten."""
_TOLD = 5
"""Hosts of which the person is told that they were given up."""


class _Stalled(msgspec.Struct, gc=False):
    times: int = 0
    counted_at: float = 0.0
    given_up_until: float = 0.0
    urls: tuple[int, ...] = ()
    """The numbers of those that stalled, as far as they must be told apart."""


class Stalls:
    """The hosts of one crawl that keep it waiting. All times are seconds of one clock."""

    def __init__(self) -> None:
        self.hosts: dict[str, _Stalled] = {}
        """Those that stall. Looked at several times for each page, to see that there are none."""
        self._told = 0
        self.news: list[str] = []
        """Lines for the person, which whoever tells them takes out."""

    def stalled(self, host: str, url: int, begun: float, now: float) -> float:
        """A try of the URL of that number, which began at *begun*, was a stall. The seconds that *host* rests for it; 0
        if it was given up, or if another try that was under way together with this one has been counted.
        """
        known = self.hosts.pop(host, None) or _Stalled()
        self.hosts[host] = known  # it is the last one now
        if len(self.hosts) > _HOSTS:
            del self.hosts[next(iter(self.hosts))]
        if begun < known.counted_at:
            return 0.0
        known.times += 1
        known.counted_at = now
        if url not in known.urls and len(known.urls) < URLS:
            known.urls += (url,)
        if known.times >= MOST and len(known.urls) == URLS:
            self._give_up(host, known, now)
            return 0.0
        return min(2.0 ** min(known.times - 1, 10), LONGEST)

    def _give_up(self, host: str, known: _Stalled, now: float) -> None:
        is_first = not known.given_up_until
        known.given_up_until = now + KEEP
        if is_first and self._told < _TOLD:
            self._told += 1
            self.news.append(
                f"{host} keeps every request waiting and answers none, {known.times} times in a row: its URLs fail from "
                f"now on ({STALLED}), and one is tried every {KEEP / 60:.0f} minutes. crawl retry asks them again"
                + ("; of further hosts nothing is said" if self._told == _TOLD else "")
            )

    def answered(self, host: str) -> bool:
        """Something came from *host*. Whether that is news."""
        return self.hosts.pop(host, None) is not None

    def gives_up(self, host: str, now: float) -> bool:
        """Whether *host*'s URLs fail at once."""
        known = self.hosts.get(host)
        return known is not None and now < known.given_up_until
