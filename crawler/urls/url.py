"""URLs as browsers read them (WHATWG URL Standard)."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

from upa_url import URL

_HTTP = ("http:", "https:")
MAX_URL = 2_083
"""Longest URL that is followed, in characters. Internet Explorer's limit, which the web has kept to since."""
_MOST_ESCAPED = MAX_URL // 6
"""Characters outside of ASCII that a URL can have: escaped, each has six or more. To read a host name of 100,000 Chinese
ones takes seconds, as punycode compares each with all others; one of so many here takes 0.1 ms."""
_KNOWN = 16_384
"""Links that are remembered with what they mean, 6 MB: those of its navigation stand on each page of a site."""
_SHORT = 250
"""Characters of a link that is; nearly all are shorter."""


class Address(NamedTuple):
    """The parts of an http URL that a crawl decides by."""

    href: str
    """The whole URL, serialized, without its fragment."""
    host: str
    """Host, with the port where it is not the scheme's default."""
    hostname: str
    """Host alone: lower case, punycode, IPv4 in dotted form, IPv6 in brackets."""
    origin: str
    """Scheme, host and port, as ``https://example.com:8443``."""


class Base:
    """A page's base URL, parsed once, to which its links are joined."""

    __slots__ = ("_above", "_root", "_url")

    def __init__(self, url: str) -> None:
        self._url: URL | None = _parse(url, None)
        self._above = ""
        """The folder above its own one, or its own if there is none above; empty as long as nobody has asked."""
        self._root = ""

    def join(self, href: str) -> str | None:
        """The absolute URL that *href* means here; None if it is malformed or not http(s), as ``mailto:`` is."""
        return _http(href, self._url)

    def join_all(self, hrefs: Iterable[str | None]) -> list[str]:
        """What :meth:`join` gives for each of *hrefs*, each URL once, without the Nones.

        A link that means the same in documents of other folders, since it goes up or begins at the root, is parsed once
        for all of them: that takes 3 µs, and to look it up a tenth of it.
        """
        root = self._root or self._find_folders()
        above, base = self._above, self._url
        joined: dict[str | None, None] = {}
        for href in dict.fromkeys(hrefs):
            if href is None or not root or len(href) > _SHORT:
                url = None if href is None else _http(href, base)
            elif href.startswith("../"):
                url = _known(above, href)
            elif href.startswith(("/", "http://", "https://")):
                url = _known(root, href)
            else:
                url = _http(href, base)
            joined[url] = None
        joined.pop(None, None)
        return list(joined)  # type: ignore[arg-type]  # of what is left none is None

    def _find_folders(self) -> str:
        """The root, which is empty if there is none."""
        if self._url is None or self._url.protocol not in _HTTP:
            return ""
        path = self._url.href.partition("#")[0].partition("?")[0]
        root = path.find("/", 8)  # past https://
        own = path.rfind("/")
        self._root = path[: root + 1]
        self._above = path[: max(path.rfind("/", 0, own), root) + 1]
        return self._root

    def resolve(self, href: str) -> str | None:
        """Like :meth:`join`, for any scheme."""
        url = _parse(href, self._url)
        return None if url is None else str(url.href)


def address(url: str) -> Address | None:
    """What *url* points at; None if it is malformed, not http(s), or longer than ``MAX_URL``."""
    parsed = _parse(url, None)
    if parsed is None or parsed.protocol not in _HTTP:
        return None
    href = parsed.href
    if "#" in href:
        href = href[: href.index("#")]
    if len(href) > MAX_URL:
        return None
    return Address(href, parsed.host, parsed.hostname, parsed.origin)


def why_not(url: str) -> str:
    """In one clause, why :func:`address` gave None for *url*."""
    parsed = _parse(url, None)
    if parsed is None and not _is_past_all(url):
        return "it is not an absolute URL; one begins with http:// or https://"
    if parsed is not None and parsed.protocol not in _HTTP:
        return f"{parsed.protocol} is a scheme that a crawl does not follow; only http and https are"
    return f"it is longer than {MAX_URL} characters"


def _parse(url: str, base: URL | None) -> URL | None:
    try:
        if len(url) > _MOST_ESCAPED and _is_past_all(url):
            return None
        return URL.parse(url, base) if base is not None else URL.parse(url)
    except (TypeError, UnicodeError):  # a lone surrogate, which no URL can hold
        return None


def _http(href: str, base: URL | None) -> str | None:
    url = _parse(href, base)
    return url.href if url is not None and url.protocol in _HTTP else None


@lru_cache(maxsize=_KNOWN)
def _known(folder: str, href: str) -> str | None:
    """What *href* means in a document of a folder in *folder*."""
    return _http(href, _within(folder))


@lru_cache(maxsize=256)
def _within(folder: str) -> URL | None:
    return _parse(folder + "-/-", None)


def _is_past_all(url: str) -> bool:
    """Whether *url* has so many characters outside of ASCII that it is too long however it is read."""
    if url.isascii():
        return False
    sent = url.partition("#")[0]
    return len(sent) - len(sent.encode("ascii", "ignore")) > _MOST_ESCAPED
