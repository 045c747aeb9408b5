"""What came back: the raw response, before anything is parsed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

import msgspec
from multidict import CIMultiDict

from crawler.download import Saved

Headers: TypeAlias = CIMultiDict[str]
"""Case-insensitive, and a name may stand several times: ``headers.get(name)``, ``headers.getall(name)``."""


class Response(msgspec.Struct, frozen=True, gc=False):
    """A whole answer to one request. Plain data: it can be pickled."""

    url: str
    """The URL that was asked."""
    status: int
    headers: Headers
    body: bytes = b""
    """Decoded (gzip, deflate, br, zstd), never more than ``max_body`` bytes."""
    elapsed: float = 0.0
    """Seconds from the start of the request to the last byte."""
    cached: str = ""
    """Empty if it came over the network as a whole. ``fresh`` or ``replayed``: out of the cache, nobody was asked;
    ``revalidated``: the server said that the cache's copy still holds. ``stale``: the server failed, and had said that
    the copy may then be used."""
    saved: Saved | None = None
    """Of a download: the file that the body went to. ``body`` is empty then, ``elapsed`` the time to the headers, and
    ``status`` 200 where the rest of a file was fetched."""

    @property
    def was_sent(self) -> bool:
        """Whether there was a request on the wire for it."""
        return self.cached not in ("fresh", "replayed")

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300

    @property
    def is_redirect(self) -> bool:
        """RFC 9110, section 15.4: a status that, with a Location, asks for another URL."""
        return self.status in (301, 302, 303, 307, 308) and "Location" in self.headers


def headers_of(pairs: Mapping[str, str] | None = None) -> Headers:
    """Headers from an ordinary dict, for tests and fakes."""
    return CIMultiDict(pairs or {})


class RobotsFile(msgspec.Struct, frozen=True, gc=False):
    """The robots.txt of one origin, as it was fetched."""

    origin: str
    fetched: float
    """Unix time."""
    body: bytes | None
    """Empty if there is none. None: it could not be had, and ``fetched`` is when it failed for the first time."""


class Cookie(msgspec.Struct, frozen=True, gc=False):
    """One cookie, as a jar keeps it. RFC 6265bis, section 5.7."""

    session: str
    """The session of the requests that it belongs to; empty for the default one."""
    domain: str
    """The host that set it, or the domain that it named: lower case, punycode, no leading dot."""
    path: str
    """It goes to this path and to what lies below it."""
    name: str
    value: str
    """As the server wrote it, quotes and all; bytes that are no UTF-8 are ``surrogateescape``."""
    host_only: bool = True
    """False: it goes to the subdomains of ``domain``, too."""
    secure: bool = False
    """It goes over https alone."""
    http_only: bool = False
    same_site: str = ""
    """``strict``, ``lax``, ``none``, or empty if it does not say."""
    created: float = 0.0
    """Unix time; no two cookies of a jar have the same, and one that is set again keeps its own."""
    expires: float | None = None
    """Unix time. None: it lives as long as the job. 0: it was deleted."""

    @property
    def key(self) -> tuple[str, str, bool, str, str]:
        """A later one of the same key replaces it. Section 5.7, step 23."""
        return self.session, self.domain, self.host_only, self.path, self.name

    @property
    def is_deleted(self) -> bool:
        """Whether it is no more: what kept it forgets it."""
        return self.expires == 0
