"""URLs as browsers read them (WHATWG URL Standard)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal, NamedTuple

from upa_url import URL

_HTTP = ("http:", "https:")
MAX_URL = 2_083
"""Longest URL that is followed, in characters. Internet Explorer's limit, which the web has kept to since."""
_MOST_ESCAPED = MAX_URL // 6
"""Characters outside of ASCII that a URL can have: escaped, each has six or more. To read a host name of 100,000 Chinese
ones takes seconds, as punycode compares each with all others; one of so many here takes 0.1 ms."""
_KNOWN = 4 * 1024 * 1024
"""Characters of links that are remembered with what they mean, some 16,000 of them: those of its navigation stand on each
page of a site."""
_ENTRY = 150
"""Bytes that one takes beside its characters."""
_FOLDER = 1_500
"""Bytes that a folder takes, with its URL as it is parsed, which has it three times."""
_SHORT = 250
"""Characters of a link that is; nearly all are shorter."""
_ANYWHERE = ("../", "/", "http://", "https://")
"""How a link begins that means the same in documents of other folders."""
_HERE = ""
"""Stands for a link that does not: it has to be joined."""
_PLAIN = re.compile(r"https?://[a-z0-9.-]+(?::[0-9]+)?(?=/)(?:/[A-Za-z0-9_~-][A-Za-z0-9_~.-]*+)*+/?(?:\?[!-\[\]-~]*+)?")
"""A URL whose path is as it stands: no folder in it is empty or goes up, and nothing is escaped. Not all such are matched."""


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
    """A page's base URL, parsed once at most, to which its links are joined."""

    __slots__ = ("_href", "_links", "_parsed")

    def __init__(self, url: str) -> None:
        self._href = url
        self._parsed: URL | Literal[False] | None = False
        """False: nobody has asked yet."""
        self._links: _Links | None = None

    def join(self, href: str) -> str | None:
        """The absolute URL that *href* means here; None if it is malformed or not http(s), as ``mailto:`` is."""
        return _http(href, self._url)

    def join_all(self, hrefs: Iterable[str | None]) -> list[str]:
        """What :meth:`join` gives for each of *hrefs*, each URL once, without the Nones.

        A link that means the same in documents of other folders, since it goes up or begins at the root, is parsed once
        for all of them: that takes 3 µs, and to look it up a thirtieth of it.
        """
        links = self._links
        if links is None:
            links = self._links = self._found_links()
        distinct = dict.fromkeys(hrefs)
        urls = [links[href] for href in distinct]
        if _HERE in urls:
            pairs = zip(distinct, urls, strict=True)
            urls = [self.join(href) if url == _HERE and href is not None else url for href, url in pairs]
        joined = dict.fromkeys(urls)
        joined.pop(None, None)
        return list(joined)  # type: ignore[arg-type]  # of what is left none is None

    def resolve(self, href: str) -> str | None:
        """Like :meth:`join`, for any scheme."""
        url = _parse(href, self._url)
        return None if url is None else str(url.href)

    @property
    def _url(self) -> URL | None:
        if self._parsed is False:
            self._parsed = _parse(self._href, None)
        return self._parsed

    def _found_links(self) -> _Links:
        """Those of the folder above its own one; of its own, if there is none above."""
        path = self._href
        if _PLAIN.fullmatch(path) is None:
            if self._url is None or self._url.protocol not in _HTTP:
                return _memory.links_in("")
            path = self._url.href.partition("#")[0]
        path = path.partition("?")[0]
        root = path.find("/", 8)  # past https://
        own = path.rfind("/")
        return _memory.links_in(path[: max(path.rfind("/", 0, own), root) + 1])


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


class _Links(dict[str | None, str | None]):
    """What links mean in all documents of folders that are in one folder, as far as anybody has asked: None for one that
    is not http(s), ``_HERE`` for one that means something else in each of them.
    """

    def __init__(self, above: str) -> None:
        """*above* is that folder's URL; nothing is known of what a link means if it is empty."""
        super().__init__({None: None})
        self._base = _parse(above + "-/-", None) if above else None

    def __missing__(self, href: str) -> str | None:
        if self._base is None or len(href) > _SHORT or not href.startswith(_ANYWHERE):
            return _HERE
        url = self[href] = _http(href, self._base)
        _memory.grow(len(href) + (0 if url is None else len(url)))
        return url


class _Memory:
    """The links of all folders. When they are too many, all are forgotten: those that matter come again at once."""

    def __init__(self) -> None:
        self._folders: dict[str, _Links] = {}
        self._held = 0

    def links_in(self, above: str) -> _Links:
        links = self._folders.get(above)
        if links is None:
            links = self._folders[above] = _Links(above)
            self.grow(3 * len(above) + _FOLDER)
        return links

    def grow(self, characters: int) -> None:
        self._held += characters + _ENTRY
        if self._held > _KNOWN:
            self._folders.clear()
            self._held = 0


_memory = _Memory()


def _is_past_all(url: str) -> bool:
    """Whether *url* has so many characters outside of ASCII that it is too long however it is read."""
    if url.isascii():
        return False
    sent = url.partition("#")[0]
    return len(sent) - len(sent.encode("ascii", "ignore")) > _MOST_ESCAPED
