"""What came back: the raw response, before anything is parsed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

import msgspec
from multidict import CIMultiDict

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
    ``revalidated``: the server said that the cache's copy still holds."""

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
    body: bytes
    """Empty if there is none."""


class Cookie(msgspec.Struct, frozen=True, gc=False):
    """One cookie, as a server set it."""

    key: str
    """A later one of the same key replaces it."""
    url: str
    """The page that set it."""
    line: str
    """The value of its Set-Cookie header."""
    at: float
    """Unix time: a Max-Age counts from here."""
