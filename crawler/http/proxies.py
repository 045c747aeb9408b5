"""Which proxy a request goes through, and which proxies are well. Times are seconds of any one clock."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple
from urllib.parse import unquote
from zlib import crc32

from crawler.http.credentials import basic, expanded, without_password

FIRST_REST = 10.0
"""Seconds that a proxy rests after its first failure; twice as long after each further one."""
LONGEST_REST = 600.0
_SESSIONS = 10_000
"""Sessions whose proxy is remembered; past that, the one not asked for longest may get another."""
_PORTS = {"http": 3128, "https": 443, "socks5": 1080}
"""Schemes -> where such a proxy listens if its URL does not say."""
_EXAMPLE = "http://user:password@proxy.example:3128"


class Proxy(NamedTuple):
    """One proxy. Its text has no password."""

    scheme: str
    host: str
    """An IPv6 address is in brackets."""
    port: int
    user: str = ""
    password: str = ""

    @property
    def url(self) -> str:
        """Without user name and password."""
        return f"{self.scheme}://{self.host}:{self.port}"

    @property
    def authorization(self) -> str | None:
        """The value of its ``Proxy-Authorization``; None if it asks for none."""
        return basic(self.user, self.password) if self.user or self.password else None

    def __str__(self) -> str:
        return self.url

    def __repr__(self) -> str:
        return f"<Proxy {self.url}>"


def read_proxies(urls: Iterable[str], environment: Mapping[str, str]) -> tuple[Proxy, ...]:
    """The proxies of the setting of that name, each once.

    :raises ValueError: one is no URL of a proxy, or names a variable of the environment that is not set
    """
    return tuple(dict.fromkeys(_proxy(url, environment) for url in urls))


def _proxy(url: str, environment: Mapping[str, str]) -> Proxy:
    shown = without_password(url)
    scheme, separator, rest = expanded(url, environment).strip().partition("://")
    scheme = scheme.lower().replace("socks5h", "socks5")  # here it is always the proxy that resolves names
    if not separator or scheme not in _PORTS:
        there = ", ".join(f"{known}://" for known in _PORTS)
        raise ValueError(f"{shown!r} is no URL of a proxy: it begins with one of {there}, as in {_EXAMPLE}")
    userinfo, at, place = rest.removesuffix("/").rpartition("@")
    user, _, password = userinfo.partition(":")
    host, colon, port = place.rpartition(":")
    if not colon or port.endswith("]"):
        host, port = place, str(_PORTS[scheme])
    is_host = host.isprintable() and not set(host) & set("/?#@ ")
    if not host or not is_host or not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        raise ValueError(f"{shown!r} is no URL of a proxy: write it as {_EXAMPLE}")
    proxy = Proxy(scheme, host.lower(), int(port), unquote(user), unquote(password))
    if at and proxy.authorization and scheme == "socks5" and not (user and password):
        raise ValueError(f"{shown!r}: a SOCKS proxy takes a user name with a password, or neither")
    return proxy


@dataclass(slots=True)
class _Health:
    failures: int = 0
    """In a row."""
    due: float = 0.0
    """When it may be tried again, if it failed."""
    changed: float = float("-inf")
    """When it was last seen to work or to fail."""


@dataclass(slots=True)
class ProxyPool:
    """Rotation over the proxies that work. One that fails rests, and comes back with a single request as a probe.

    Only one of several requests that fail together counts, and none that began before the proxy was last seen to work.
    """

    proxies: Sequence[Proxy]
    _well: deque[Proxy] = field(init=False)
    _health: dict[Proxy, _Health] = field(init=False)
    _ill: set[Proxy] = field(init=False, default_factory=set)
    _sessions: OrderedDict[str, Proxy] = field(init=False, default_factory=OrderedDict)

    def __post_init__(self) -> None:
        self._well = deque(self.proxies)
        self._health = {proxy: _Health() for proxy in self.proxies}

    def choose(self, session: str, now: float) -> Proxy:
        """The proxy of the next request. A named *session* keeps its proxy while that works: sites bind logins to
        addresses. If none works, the one whose rest ends first is tried."""
        if not session:
            return self._probe(now) or self._next() or self._least_ill(now)
        proxy = self._sessions.get(session)
        if proxy is None or proxy in self._ill:
            proxy = self._probe(now) or self._of_name(session) or self._least_ill(now)
            self._sessions[session] = proxy
        self._sessions.move_to_end(session)
        if len(self._sessions) > _SESSIONS:
            self._sessions.popitem(last=False)
        return proxy

    def succeed(self, proxy: Proxy, now: float) -> None:
        """An answer came through *proxy*."""
        health = self._health[proxy]
        health.changed = now
        if health.failures:
            health.failures = 0
            self._ill.discard(proxy)
            self._well.append(proxy)

    def fail(self, proxy: Proxy, begun: float, now: float) -> None:
        """A request that began at *begun* failed, and *proxy* is to blame."""
        health = self._health[proxy]
        if begun < health.changed:
            return
        if not health.failures:
            self._well.remove(proxy)
            self._ill.add(proxy)
        health.failures += 1
        health.changed = now
        health.due = now + _rest(health.failures)

    def _next(self) -> Proxy | None:
        if not self._well:
            return None
        self._well.rotate(-1)
        return self._well[-1]

    def _of_name(self, session: str) -> Proxy | None:
        """The same one in the next run, if all are well then, too."""
        return self._well[crc32(session.encode("utf-8", "replace")) % len(self._well)] if self._well else None

    def _probe(self, now: float) -> Proxy | None:
        """One whose rest is over; it rests on for everybody else, until this request has come back."""
        for proxy in self._ill:
            health = self._health[proxy]
            if health.due <= now:
                health.due = now + _rest(health.failures)
                return proxy
        return None

    def _least_ill(self, now: float) -> Proxy:
        proxy = min(self._ill, key=lambda proxy: self._health[proxy].due)
        self._health[proxy].due = now + _rest(self._health[proxy].failures)
        return proxy


def _rest(failures: int) -> float:
    return min(FIRST_REST * 2.0 ** min(failures - 1, 10), LONGEST_REST)
