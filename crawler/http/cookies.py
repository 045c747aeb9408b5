"""Which cookies are kept, and which go back with a request. RFC 6265bis, sections 5.4, 5.7 and 5.8.

What that leaves to the user agent, and what a crawl decides:

- Rule 1: only https is secure, as Safari has it. (Chromium and Firefox trust loopback addresses, too; then a spider
  that is tried against a local server would see what it does not see on the web.)
- Rule 2: no cookie reaches past a registrable domain: it is refused for a public suffix, as every browser does.
- Rule 3: each request is a top-level navigation that no other site began, as from the address line: a cookie goes
  with it whatever its SameSite says, and may be set by its answer.
- Rule 4: a cookie without a name is ignored, as RFC 6265, section 5.2, has it. (6265bis keeps it, under an empty name.)
- Rule 5: everything has a bound. Over it go, of one site, the expired, then the insecure, then those that were least
  recently sent (section 5.7); of all sites the one that was least recently asked.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, TypeAlias

import msgspec

from crawler.http.set_cookie import SetCookie, octets, parse_set_cookie
from crawler.http.suffixes import PublicSuffixes
from crawler.response import Cookie
from crawler.urls.url import address

PER_SITE = 180
"""Cookies of one registrable domain in one session. Chromium's number; RFC 6265bis asks for 50 or more."""
_PURGED = 30
"""Cookies that go when a site has one too many. Chromium's number: so a flood costs little for each."""
IN_ALL = 100_000
"""Cookies of all sites and sessions; RFC 6265bis asks for 3,000 or more."""
BYTES_IN_ALL = 64 * 1024 * 1024
"""Of their names, values and paths: at 4 KiB each, IN_ALL cookies would have 400 MiB."""
HEADER_BYTES = 8_190 - len("Cookie: ")
"""Bytes of a Cookie header. A longer line is refused by Apache (LimitRequestFieldSize) and nginx as they come, and the
site would be lost for the job; without the last of its cookies it is not."""
_PLACES = 10_000
"""Origins whose site is remembered: it takes 3 µs to find out."""
_MICROSECOND = 1e-6

Key: TypeAlias = tuple[str, str, bool, str, str]
"""As :attr:`Cookie.key`."""


class CookieJar:
    """The cookies of a crawl, apart for each session."""

    def __init__(self, suffixes: PublicSuffixes) -> None:
        self._suffixes = suffixes
        self._sites: OrderedDict[tuple[str, str], _Site] = OrderedDict()
        """By session and registrable domain (or host, where there is none); least recently asked first."""
        self._places: dict[str, _Place] = {}
        self._changed: dict[Key, _Kept] = {}
        self._deleted: dict[Key, Cookie] = {}
        self._count = 0
        self._bytes = 0
        self._latest = 0.0

    def __len__(self) -> int:
        return self._count

    def header(self, url: str, session: str, now: float) -> str:
        """The value of the Cookie header for a request to *url* at the Unix time *now*; empty for no header.

        Section 5.8.3: cookies with longer paths first, among equals the older ones.
        """
        if not self._sites:
            return ""
        end = url.find("/", 8)  # of the origin: what comes before it is "https://" at most
        place = self._places.get(url[:end] if end > 0 else url) or self._place(url)
        site = self._sites.get((session, place.site))
        if site is None:
            return ""
        self._sites.move_to_end((session, place.site))
        return self._header(site, place, _path(url), now)

    def take(self, lines: Iterable[str], url: str, session: str, now: float) -> None:
        """Keep what *lines*, the Set-Cookie headers of an answer of *url*, say at the Unix time *now*."""
        place = self._place(url)
        if not place.hostname:
            return
        default_path = _path(url).rpartition("/")[0] or "/"
        for line in lines:
            told = parse_set_cookie(line, now)
            cookie = _cookie(told, place, default_path, session) if told is not None else None
            if cookie is not None:
                self._take(cookie, place, now)

    def news(self) -> list[Cookie]:
        """What changed since this was last called; a cookie that is no longer there has ``expires=0``."""
        for kept in self._changed.values():
            kept.is_told = True
        news = [kept.cookie for kept in self._changed.values()] + list(self._deleted.values())
        self._changed, self._deleted = {}, {}
        return news

    def restore(self, cookies: Iterable[Cookie], now: float) -> None:
        """Put back what :meth:`news` told in an earlier run. What has expired since then is told as deleted."""
        for cookie in sorted(cookies, key=lambda cookie: cookie.created):
            if cookie.expires is not None and cookie.expires <= now:
                self._deleted[cookie.key] = _deletion(cookie)
                continue
            site = self._suffixes.registrable(cookie.domain) or cookie.domain
            self._latest = max(self._latest, cookie.created)
            self._add(_Kept(cookie, cookie.created, is_told=True), site, now)

    # --- one request ---

    def _header(self, site: _Site, place: _Place, path: str, now: float) -> str:
        pairs: list[str] = []
        expired: list[_Kept] = []
        room = HEADER_BYTES + len("; ")
        for kept in site.in_order():
            if kept.is_over(now):
                expired.append(kept)
            elif kept.length <= room and kept.goes_to(place, path):
                kept.used = now
                room -= kept.length
                pairs.append(kept.pair)
        for kept in expired:
            self._remove(kept, site)
        return "; ".join(pairs)

    def _place(self, url: str) -> _Place:
        end = url.find("/", 8)
        origin = url[:end] if end > 0 else url
        place = self._places.get(origin)
        if place is None:
            target = address(origin) or address(url)
            if target is None:
                return _NOWHERE
            name = target.hostname
            site = self._suffixes.registrable(name)
            place = _Place(name, site or name, site is not None, target.origin.startswith("https:"))
            if len(self._places) >= _PLACES:
                self._places.clear()
            self._places[origin] = place
        return place

    # --- one cookie ---

    def _take(self, cookie: Cookie, place: _Place, now: float) -> None:
        """Section 5.7, from step 16 on."""
        site = self._sites.get((cookie.session, place.site))
        if site is not None and not place.is_secure and site.has_secure(cookie):
            return
        old = site.cookies.get(cookie.key) if site is not None else None
        if cookie.expires is not None and cookie.expires <= now:
            if site is not None and old is not None:
                self._remove(old, site)
            return
        if site is None or old is None:
            self._latest = max(now, self._latest + _MICROSECOND)
            kept = _Kept(msgspec.structs.replace(cookie, created=self._latest), now, is_told=False)
            kept.is_told = self._deleted.pop(cookie.key, None) is not None
            self._changed[cookie.key] = kept
            self._add(kept, place.site, now)
            return
        cookie = msgspec.structs.replace(cookie, created=old.cookie.created)
        if cookie != old.cookie:
            self._bytes += old.change(cookie)
            self._changed[cookie.key] = old
            self._keep_in_bounds()
        old.used = now

    def _add(self, kept: _Kept, site_name: str, now: float) -> None:
        place = (kept.cookie.session, site_name)
        site = self._sites.get(place)
        if site is None:
            site = self._sites[place] = _Site(place)
        else:
            self._sites.move_to_end(place)
        site.add(kept)
        self._count += 1
        self._bytes += kept.bytes
        if len(site.cookies) > PER_SITE:
            for excess in site.excess(now):
                self._remove(excess, site)
        self._keep_in_bounds()

    def _remove(self, kept: _Kept, site: _Site) -> None:
        site.remove(kept)
        if not site.cookies:
            self._sites.pop(site.place, None)
        self._count -= 1
        self._bytes -= kept.bytes
        key = kept.cookie.key
        self._changed.pop(key, None)
        if kept.is_told:
            self._deleted[key] = _deletion(kept.cookie)

    def _keep_in_bounds(self) -> None:
        while self._count > IN_ALL or self._bytes > BYTES_IN_ALL:
            _, site = self._sites.popitem(last=False)
            for kept in list(site.cookies.values()):
                self._remove(kept, site)


def with_given(header: str, given: Mapping[str, str], text: str = "") -> str:
    """*header*, a jar's, with the cookies that the user gave for one request over those of the same names.

    :param given: by their names
    :param text: a Cookie header of the user's, which is sent as it is
    """
    if not given and not text:
        return header
    names = {pair.partition("=")[0].strip() for pair in text.split(";")} | given.keys()
    pairs = [pair for pair in header.split("; ") if pair and pair.partition("=")[0] not in names]
    pairs += [text] if text else []
    return "; ".join(pairs + [f"{name}={value}" for name, value in given.items()])


class _Place(NamedTuple):
    """Whom a URL asks, as far as cookies are concerned: a port says nothing."""

    hostname: str
    """Empty for what is no http URL."""
    site: str
    """Its registrable domain, or the host itself where there is none."""
    has_owner: bool
    """False for an IP address and for a public suffix: no cookie of theirs reaches another host."""
    is_secure: bool

    def may_name(self, domain: str) -> bool:
        """Whether a cookie from here may be for *domain*: the host, or what is above it in the same site.

        A public suffix above it is not in the site. What is no suffix, but above one (``amazonaws.com`` for a host of
        ``compute.amazonaws.com``), is refused, too, as in Chromium.
        """
        return domain == self.hostname or (
            self.has_owner and _is_within(self.hostname, domain) and len(domain) >= len(self.site)
        )


_NOWHERE = _Place("", "", False, False)


class _Kept:
    """A cookie in the jar."""

    __slots__ = ("_below", "bytes", "cookie", "is_told", "length", "pair", "used")

    cookie: Cookie
    pair: str
    """As it stands in a header."""
    length: int
    """Bytes that it takes there, with the separator."""
    bytes: int

    def __init__(self, cookie: Cookie, used: float, *, is_told: bool) -> None:
        """
        :param used: Unix time at which it was last set or sent
        :param is_told: whether :meth:`CookieJar.news` gave it away, and so must tell if it goes
        """
        self._below = "" if cookie.host_only else "." + cookie.domain
        self.used = used
        self.is_told = is_told
        self.bytes = 0
        self.change(cookie)

    def change(self, cookie: Cookie) -> int:
        """Become *cookie*, which has the same key and moment of creation; the bytes that are more now."""
        before = self.bytes
        self.cookie = cookie
        self.pair = f"{cookie.name}={cookie.value}"
        self.length = octets(self.pair) + 2
        self.bytes = self.length + len(cookie.path)
        return self.bytes - before

    def is_over(self, now: float) -> bool:
        return self.cookie.expires is not None and self.cookie.expires <= now

    def goes_to(self, place: _Place, path: str) -> bool:
        """Section 5.8.3, step 1."""
        cookie, hostname = self.cookie, place.hostname
        if cookie.secure and not place.is_secure:
            return False
        if hostname != cookie.domain and not (self._below and hostname.endswith(self._below)):
            return False
        return cookie.path == "/" or _lies_below(path, cookie.path)


class _Site:
    """The cookies of one registrable domain in one session."""

    __slots__ = ("_order", "cookies", "place")

    def __init__(self, place: tuple[str, str]) -> None:
        self.place = place
        self.cookies: dict[Key, _Kept] = {}
        self._order: Sequence[_Kept] | None = None

    def in_order(self) -> Sequence[_Kept]:
        """As they stand in a header: longer paths first, among equals the older ones."""
        if self._order is None:
            self._order = sorted(self.cookies.values(), key=lambda kept: (-len(kept.cookie.path), kept.cookie.created))
        return self._order

    def add(self, kept: _Kept) -> None:
        self.cookies[kept.cookie.key] = kept
        self._order = None

    def remove(self, kept: _Kept) -> None:
        del self.cookies[kept.cookie.key]
        self._order = None

    def has_secure(self, new: Cookie) -> bool:
        """Whether *new*, which came over http, would shadow a cookie that goes over https alone. Step 16."""
        for kept in self.cookies.values():
            cookie = kept.cookie
            if (
                cookie.secure
                and cookie.name == new.name
                and (_is_within(cookie.domain, new.domain) or _is_within(new.domain, cookie.domain))
                and _lies_below(new.path, cookie.path)
            ):
                return True
        return False

    def excess(self, now: float) -> list[_Kept]:
        """Those that go because there are too many: the expired; or so many of the rest. Section 5.7, at its end."""
        expired = [kept for kept in self.cookies.values() if kept.is_over(now)]
        if expired:
            return expired
        by_worth = sorted(self.cookies.values(), key=lambda kept: (kept.cookie.secure, kept.used, kept.cookie.created))
        return by_worth[:_PURGED]


def _cookie(told: SetCookie, place: _Place, default_path: str, session: str) -> Cookie | None:
    """The cookie that *place* set when it *told* that; None if it may not. Section 5.7, up to step 22."""
    domain = told.domain or place.hostname
    if not told.name or (told.secure and not place.is_secure) or not place.may_name(domain):
        return None
    host_only = not told.domain or not place.has_owner
    path = told.path if told.path is not None and told.path.startswith("/") else default_path
    if told.name[:2] == "__" and not _keeps_its_prefix(told, host_only, path):
        return None
    return Cookie(
        session,
        domain,
        path,
        told.name,
        told.value,
        host_only=host_only,
        secure=told.secure,
        http_only=told.http_only,
        same_site=told.same_site,
        expires=told.expires,
    )


def _keeps_its_prefix(told: SetCookie, host_only: bool, path: str) -> bool:
    """Section 5.4: what a name promises to the server must be so, however its letters are written."""
    name = told.name.lower()
    if name.startswith("__host-"):
        return told.secure and host_only and told.path is not None and path == "/"
    return told.secure or not name.startswith("__secure-")


def _is_within(hostname: str, domain: str) -> bool:
    """Section 5.1.3, of names that are in lower case."""
    return hostname == domain or hostname.endswith("." + domain)


def _lies_below(path: str, folder: str) -> bool:
    """Whether *path* is *folder*, or in it. Section 5.1.4."""
    return path.startswith(folder) and (len(path) == len(folder) or folder.endswith("/") or path[len(folder)] == "/")


def _path(url: str) -> str:
    """The path of *url*, as it goes over the wire."""
    rest = url.partition("://")[2].partition("#")[0].partition("?")[0]
    return "/" + rest.partition("/")[2]


def _deletion(cookie: Cookie) -> Cookie:
    return msgspec.structs.replace(cookie, value="", expires=0.0)
