"""The way that a request takes to its host: who is said to ask, what is believed of certificates, over which proxy.

Rule 1: what is secret goes to its origin, or to its proxy, and nowhere else. It is added here, as the last thing before
a request leaves, and is never kept on one.
Rule 2: over a proxy nobody here sees an address, so a host that is private by its name is refused by that.
Rule 3: who may reach private addresses has connections of its own: none that it opened is ever used by who may not.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from time import perf_counter
from typing import Any, Literal, TypeVar

import aiohttp
from aiohttp import ClientSession, TCPConnector
from multidict import CIMultiDict
from yarl import URL

from crawler.errors import BlockedAddress, ConfigError, FetchError, ProxyFailed
from crawler.fetch.coding import ACCEPT_ENCODING
from crawler.fetch.connect import (
    REFUSED,
    ProxyTrouble,
    Tls,
    connector_of,
    proxied_connector_of,
    socks_library,
    tls_of,
)
from crawler.fetch.fetcher import FetchOptions, has_contact, identity_of
from crawler.fetch.guard import Guard
from crawler.fetch.resolve import Resolver
from crawler.fetch.translate import translate
from crawler.http.addresses import PrivateHosts, is_private_host, refusal
from crawler.http.credentials import Credential, read_credentials, without_proxy_secret
from crawler.http.proxies import Proxy, ProxyPool, read_proxies
from crawler.politeness.overrides import Overrides
from crawler.request import Request
from crawler.urls.url import address

log = logging.getLogger("crawler")

_ACCEPT = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"

_PRIVATE_HOSTS = 1_000
V = TypeVar("V")
R = TypeVar("R")
OpenSession = Callable[[FetchOptions, TCPConnector, "CIMultiDict[str] | None", bool], ClientSession]
"""Opens a session with these options over this connector, with these headers of its own; traced, or not."""
Payload = dict[str, Any]  # Any: keyword arguments of various types
Side = Literal["inside", "outside"]
"""Of the line between the internet and private addresses."""


class Route:
    """Straight to the host."""

    __slots__ = ("_credentials", "_extra", "options", "session", "traced")

    def __init__(
        self,
        options: FetchOptions,
        sessions: tuple[ClientSession, ClientSession],
        tls: Tls,
        credentials: dict[str, Credential],
    ) -> None:
        self.options = options
        self.session, self.traced = sessions
        self._extra: Payload = {} if tls is True else {"ssl": tls}
        self._credentials = credentials

    def dressed(self, payload: Payload, request: Request) -> Payload:
        """*payload*, the request's own arguments for the library, with what this way adds."""
        if self._credentials:
            self._authorize(payload, request)
        if self._extra:
            payload.update(self._extra)
        return payload

    def written(self, request: Request) -> Mapping[str, str]:
        """The headers of the settings for *request*, among which a Cookie may be."""
        credential = self._credential(request) if self._credentials else None
        headers = self.options.headers
        return headers if credential is None else {**headers, credential.name: credential.value}

    def check(self, status: int, url: str) -> None:
        """An answer begins.

        :raises ProxyFailed: it is the proxy's own
        """

    def failed(self, error: Exception, url: str, begun: float) -> FetchError:
        """What *error*, of a request that began at *begun*, means."""
        return translate(error, url)

    def _authorize(self, payload: Payload, request: Request) -> None:
        """The credential of the request's origin, unless the request has one of its own."""
        credential = self._credential(request)
        if credential is None or (credential.name == "Authorization" and "@" in _authority(request.url)):
            return
        headers = CIMultiDict(payload.get("headers") or ())
        headers.setdefault(credential.name, credential.value)
        payload["headers"] = headers

    def _credential(self, request: Request) -> Credential | None:
        target = address(request.url)
        return self._credentials.get(target.origin) if target is not None else None


class ProxiedRoute(Route):
    """Over a proxy. *headers* are those of every request: the session has none, for it would tell them to the proxy."""

    __slots__ = ("_headers", "_pool", "_proxy", "_tunnel")

    def __init__(
        self,
        options: FetchOptions,
        sessions: tuple[ClientSession, ClientSession],
        tls: Tls,
        credentials: dict[str, Credential],
        headers: CIMultiDict[str],
        proxy: Proxy,
        pool: ProxyPool,
    ) -> None:
        super().__init__(options, sessions, tls, credentials)
        self._headers = headers
        self._proxy = proxy
        self._pool = pool
        self._tunnel = {"User-Agent": headers["User-Agent"]}
        """The headers of a CONNECT."""
        if proxy.authorization is not None:
            self._tunnel["Proxy-Authorization"] = proxy.authorization

    def dressed(self, payload: Payload, request: Request) -> Payload:
        headers = self._headers.copy()
        headers.update(payload.get("headers") or {})
        payload["headers"] = headers
        payload = super().dressed(payload, request)
        if self._proxy.scheme == "socks5":
            return payload
        payload["proxy"] = URL(self._proxy.url, encoded=True)
        if request.url[:6].lower() == "https:":
            payload["proxy_headers"] = self._tunnel
        elif self._proxy.authorization is not None:
            payload["headers"]["Proxy-Authorization"] = self._proxy.authorization
        return payload

    def check(self, status: int, url: str) -> None:
        if status == 407:
            now = perf_counter()
            self._pool.fail(self._proxy, now, now)
            raise ProxyFailed(url, f"the proxy {self._proxy} does not work: {REFUSED}")
        self._pool.succeed(self._proxy, perf_counter())

    def failed(self, error: Exception, url: str, begun: float) -> FetchError:
        trouble = self._trouble(error, url)
        if trouble is None:
            return translate(error, url)
        if trouble.is_ill:
            self._pool.fail(self._proxy, begun, perf_counter())
        return ProxyFailed(url, f"the proxy {self._proxy} does not work: {trouble.words}")

    def _trouble(self, error: Exception, url: str) -> ProxyTrouble | None:
        """That of the proxy; None if it is the host's."""
        if isinstance(error, ProxyTrouble):
            return error
        is_direct = self._proxy.scheme != "socks5" and url[:5].lower() == "http:"
        if is_direct and isinstance(error, (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError)):
            return ProxyTrouble("it hung up before it answered", is_ill=True)
        return None


class Profile:
    """All the ways of one set of options."""

    __slots__ = ("credentials", "direct", "headers", "inside", "is_anonymous", "options", "pool", "proxied", "tls")

    def __init__(
        self, options: FetchOptions, tls: Tls, pool: ProxyPool | None, credentials: dict[str, Credential]
    ) -> None:
        self.options = options
        self.tls = tls
        self.pool = pool
        self.credentials = credentials
        self.headers = CIMultiDict({"Accept": _ACCEPT, "Accept-Encoding": ACCEPT_ENCODING})
        self.headers.update(without_proxy_secret(options.headers))
        self.headers.update(identity_of(options))
        self.is_anonymous = not has_contact(options)
        self.direct: Route | None = None
        self.inside: Route | None = None
        """The way of those who may reach private addresses."""
        self.proxied: dict[Proxy, ProxiedRoute] = {}


class Routes:
    """Which way leads to whom. Sessions and connectors are made when they are first needed."""

    def __init__(
        self,
        options: Overrides[FetchOptions],
        open_session: OpenSession,
        permitted: PrivateHosts,
        resolver: Resolver | None = None,
    ) -> None:
        """
        :param permitted: the private hosts that every request may reach
        :param resolver: for tests: one with answers of its own
        :raises ConfigError: a file, a proxy or a secret of *options* cannot be used
        """
        self._options = options
        self._open = open_session
        self._permitted = permitted
        self._permits_names = permitted.is_everything or bool(permitted.names)
        self._resolver = resolver or Resolver()
        self._sessions: list[ClientSession] = []
        self._connectors: dict[Proxy | Side, TCPConnector] = {}
        self._private: set[str] = set()
        self._is_introduced = False
        contexts: dict[tuple[object, ...], Tls] = {}
        pools: dict[tuple[str, ...], ProxyPool] = {}
        credentials = _read("credentials", read_credentials, options.default.credentials)
        self._profiles = {
            id(each): Profile(each, _tls(each, contexts), _pool(each, pools), credentials) for each in options.all()
        }
        self._default = self._profiles[id(options.default)]

    def of(self, request: Request, inside: bool) -> Route:
        """The way of *request*, which may reach private addresses if it is *inside*.

        :raises BlockedAddress: a proxy would be asked for a private host
        """
        profile = self._default if len(self._profiles) == 1 else self._profile_of(_hostname(request.url))
        if profile.is_anonymous and not self._is_introduced:
            self._introduce(request.url)
        if profile.pool is None:
            if inside or (self._permits_names and self._may_enter(request)):
                return profile.inside or self._inside(profile)
            return profile.direct or self._direct(profile)
        hostname = _hostname(request.url)
        if not inside and is_private_host(hostname) and not self._permitted.has(hostname):
            raise BlockedAddress(request.url, refusal(hostname))
        proxy = profile.pool.choose(request.session, perf_counter())
        return profile.proxied.get(proxy) or self._proxied(profile, profile.pool, proxy)

    def address_of(self, hostname: str) -> str:
        """Where *hostname* is reached; empty if that is not known, as over a proxy."""
        return self._resolver.address_of(hostname) if self._profile_of(hostname).pool is None else ""

    async def close(self) -> None:
        for session in self._sessions:
            await session.close()
        for connector in self._connectors.values():
            await connector.close()
        await self._resolver.close()

    def _profile_of(self, hostname: str) -> Profile:
        return self._profiles[id(self._options.of(hostname))]

    def _may_enter(self, request: Request) -> bool:
        """Whether its host may be at any address, whoever leads there."""
        return self._permitted.is_everything or self._permitted.has_name(_hostname(request.url))

    def _direct(self, profile: Profile) -> Route:
        profile.direct = self._straight(profile, "outside", Guard(self._permitted))
        return profile.direct

    def _inside(self, profile: Profile) -> Route:
        profile.inside = self._straight(profile, "inside", None)
        return profile.inside

    def _straight(self, profile: Profile, side: Side, guard: Guard | None) -> Route:
        connector = self._connectors.get(side)
        if connector is None:
            connector = self._connectors[side] = connector_of(guard, self._resolver)
        sessions = self._pair(profile.options, connector, profile.headers)
        return Route(profile.options, sessions, profile.tls, profile.credentials)

    def _proxied(self, profile: Profile, pool: ProxyPool, proxy: Proxy) -> ProxiedRoute:
        connector = self._connectors.get(proxy)
        if connector is None:
            connector = proxied_connector_of(proxy, self._resolver, self._default.tls)
            self._connectors[proxy] = connector
        sessions = self._pair(profile.options, connector, None)
        route = ProxiedRoute(profile.options, sessions, profile.tls, profile.credentials, profile.headers, proxy, pool)
        profile.proxied[proxy] = route
        return route

    def _pair(
        self, options: FetchOptions, connector: TCPConnector, headers: CIMultiDict[str] | None
    ) -> tuple[ClientSession, ClientSession]:
        plain, traced = (self._open(options, connector, headers, traced) for traced in (False, True))
        self._sessions += plain, traced
        return plain, traced

    def _introduce(self, url: str) -> None:
        """Say once that nobody can find out who asks, when somebody else's host is about to be asked."""
        authority = _authority(url)
        if authority in self._private:
            return
        hostname = _hostname(url)
        if not hostname or is_private_host(hostname):
            if len(self._private) < _PRIVATE_HOSTS:
                self._private.add(authority)
            return
        self._is_introduced = True
        log.warning(
            'no contact is configured: set contact = "https://…" or an e-mail address under [crawl], '
            "so that a site's owner can reach you"
        )


def _tls(options: FetchOptions, contexts: dict[tuple[object, ...], Tls]) -> Tls:
    """One context for each distinct set of files."""
    key = (options.verify_tls, options.ca_file, options.client_certificate, options.client_key)
    if key not in contexts:
        contexts[key] = tls_of(options)
    return contexts[key]


def _pool(options: FetchOptions, pools: dict[tuple[str, ...], ProxyPool]) -> ProxyPool | None:
    """One for each list of proxies, so that hosts share what is known of them."""
    if not options.proxies:
        return None
    if options.proxies not in pools:
        proxies = _read("proxies", read_proxies, options.proxies)
        if any(proxy.scheme == "socks5" for proxy in proxies):
            socks_library()
        pools[options.proxies] = ProxyPool(proxies)
    return pools[options.proxies]


def _read(name: str, read: Callable[[V, Mapping[str, str]], R], value: V) -> R:
    try:
        return read(value, os.environ)
    except ValueError as error:
        raise ConfigError(f"{name}: {error}") from None


def _authority(url: str) -> str:
    """Between the scheme and the path."""
    return url.partition("://")[2].partition("/")[0]


def _hostname(url: str) -> str:
    target = address(url)
    return target.hostname if target is not None else ""
