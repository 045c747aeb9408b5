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
from aiohttp import TCPConnector
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
from crawler.fetch.deadline import Watch
from crawler.fetch.fetcher import FetchOptions, has_contact, identity_of
from crawler.fetch.guard import Guard
from crawler.fetch.head import Origin, Target
from crawler.fetch.lines import Lines, Place
from crawler.fetch.resolve import Resolver
from crawler.fetch.translate import translate
from crawler.fetch.wire import install
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
Side = Literal["inside", "outside"]
"""Of the line between the internet and private addresses."""


class Route:
    """Straight to the host."""

    __slots__ = ("_credentials", "_headers", "lines", "options")

    def __init__(self, profile: Profile, connector: TCPConnector, **dialled: Any) -> None:
        """
        :param dialled: see :class:`Lines`
        """
        self.options = profile.options
        self._headers = profile.headers
        self._credentials = profile.credentials
        if profile.tls is not True:
            dialled["ssl"] = profile.tls
        self.lines = Lines(connector, self.options.connect_timeout, self._origin, **dialled)

    def settled(self, request: Request) -> Mapping[str, str]:
        """The headers of the settings for *request*, among which a Cookie may be."""
        credential = self._credential(request.url) if self._credentials else None
        headers = self.options.headers
        return headers if credential is None else {**headers, credential.name: credential.value}

    def written(self, request: Request, cookies: str, saving: Mapping[str, str] | None) -> tuple[Place, bytes]:
        """Whom *request* is for, and its bytes. Without the ``user:password@`` of its URL if the request has an
        Authorization of its own, which wins.

        :param cookies: the value of its Cookie header; empty for none
        :param saving: the headers of a download
        :raises ValueError, InvalidURL: it cannot be sent
        """
        brings_its_own = bool(request.headers) and any(name.lower() == "authorization" for name in request.headers)
        target = Target(request.url, brings_its_own)
        place = self.lines.place(target.origin)
        return place, place.origin.written(request, target, cookies, saving)

    def check(self, status: int, url: str) -> None:
        """An answer begins.

        :raises ProxyFailed: it is the proxy's own
        """

    def failed(self, error: Exception, url: str, begun: float) -> FetchError:
        """What *error*, of a request that began at *begun*, means."""
        return translate(error, url)

    def _origin(self, origin: str) -> Origin:
        """How requests to *origin* are written."""
        return Origin(origin, self._common(origin))

    def _common(self, origin: str) -> CIMultiDict[str]:
        """The headers of all requests to *origin*: its credential is one of them."""
        credential = self._credential(origin) if self._credentials else None
        if credential is None:
            return self._headers  # the same for all: a broad crawl has thousands of origins
        headers = self._headers.copy()
        headers[credential.name] = credential.value
        return headers

    def _credential(self, url: str) -> Credential | None:
        target = address(url)
        return self._credentials.get(target.origin) if target is not None else None


class ProxiedRoute(Route):
    """Over a proxy."""

    __slots__ = ("_pool", "_proxy")

    def __init__(self, profile: Profile, connector: TCPConnector, proxy: Proxy, pool: ProxyPool) -> None:
        self._proxy = proxy
        self._pool = pool
        if proxy.scheme == "socks5":
            super().__init__(profile, connector)
            return
        tunnel = CIMultiDict({"User-Agent": profile.headers["User-Agent"]})  # the headers of a CONNECT
        if proxy.authorization is not None:
            tunnel["Proxy-Authorization"] = proxy.authorization
        super().__init__(profile, connector, proxy=URL(proxy.url, encoded=True), proxy_headers=tunnel)

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

    def _origin(self, origin: str) -> Origin:
        headers = self._common(origin)
        is_direct = self._is_direct(origin)
        if is_direct and self._proxy.authorization is not None:
            headers = headers.copy()
            headers["Proxy-Authorization"] = self._proxy.authorization
        return Origin(origin, headers, is_absolute=is_direct)

    def _is_direct(self, url: str) -> bool:
        """Whether the proxy reads what is asked, and asks itself: there is no tunnel."""
        return self._proxy.scheme != "socks5" and url[:5].lower() == "http:"

    def _trouble(self, error: Exception, url: str) -> ProxyTrouble | None:
        """That of the proxy; None if it is the host's."""
        if isinstance(error, ProxyTrouble):
            return error
        if self._is_direct(url) and isinstance(error, (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError)):
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
    """Which way leads to whom. Connectors are made when they are first needed."""

    def __init__(
        self,
        options: Overrides[FetchOptions],
        permitted: PrivateHosts,
        resolver: Resolver | None = None,
    ) -> None:
        """
        :param permitted: the private hosts that every request may reach
        :param resolver: for tests: one with answers of its own
        :raises ConfigError: a file, a proxy or a secret of *options* cannot be used
        """
        self._options = options
        self._permitted = permitted
        self._permits_names = permitted.is_everything or bool(permitted.names)
        self._resolver = resolver or Resolver()
        self._routes: list[Route] = []
        self._connectors: dict[Proxy | Side, TCPConnector] = {}
        self._watch: Watch | None = None
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

    @property
    def watch(self) -> Watch:
        """What ends those fetches that take too long."""
        if self._watch is None:
            self._watch = Watch()
        return self._watch

    async def close(self) -> None:
        for connector in self._connectors.values():
            await connector.close()
        for route in self._routes:
            route.lines.close()
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
            connector = self._keep(side, connector_of(guard, self._resolver))
        route = Route(profile, connector)
        self._routes.append(route)
        return route

    def _proxied(self, profile: Profile, pool: ProxyPool, proxy: Proxy) -> ProxiedRoute:
        connector = self._connectors.get(proxy)
        if connector is None:
            connector = self._keep(proxy, proxied_connector_of(proxy, self._resolver, self._default.tls))
        route = profile.proxied[proxy] = ProxiedRoute(profile, connector, proxy, pool)
        self._routes.append(route)
        return route

    def _keep(self, key: Proxy | Side, connector: TCPConnector) -> TCPConnector:
        install(connector)
        self._connectors[key] = connector
        return connector

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
