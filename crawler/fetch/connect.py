"""The connections of a crawl: where they may lead, over which proxy, and what is believed of who is at the other end."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from aiohttp import (
    ClientConnectorError,
    ClientConnectorSSLError,
    ClientError,
    ClientHttpProxyError,
    ClientRequest,
    ClientTimeout,
    TCPConnector,
)
from aiohttp.connector import Connection

from crawler.errors import ConfigError
from crawler.fetch.fetcher import FetchOptions
from crawler.fetch.guard import Guard
from crawler.fetch.resolve import Resolver
from crawler.fetch.wire import Line
from crawler.http.proxies import Proxy

if TYPE_CHECKING:
    from aiohttp.tracing import Trace

_KEEP_ALIVE = 15.0
"""Seconds that an unused connection is kept, as aiohttp has it. A broad crawl has one for each host of that time."""
_COMMON: dict[str, Any] = {"limit": 0, "keepalive_timeout": _KEEP_ALIVE, "use_dns_cache": False}
"""Arguments of every connector. Names are remembered by our own resolver. Any: their types differ."""
REFUSED = "it answered 407: it takes a user name and a password, in its URL: http://user:password@host:port"
_DESCRIPTORS = 100_000
"""Open files to ask the system for: the most workers that there can be."""


_PROXY_IS_WELL = frozenset({403, 404, 502, 503, 504})
"""Answers to a CONNECT that tell of the host behind the proxy: it may not, or cannot, be reached from there."""
_SOCKS_IS_WELL = frozenset({2, 3, 4, 5, 6})
"""RFC 1928, section 6: not allowed, network or host unreachable, refused, too far."""

Tls = ssl.SSLContext | bool
"""What aiohttp takes: True verifies as the system does, False does not verify."""


class ProxyTrouble(Exception):  # an error of ours in the library's hands: nobody outside of fetch/ sees it
    """There was no connection over the proxy."""

    def __init__(self, words: str, is_ill: bool) -> None:
        super().__init__(words, is_ill)
        self.words = words
        self.is_ill = is_ill
        """Whether the proxy is to blame: if not, it has told that it cannot reach the host."""


def connector_of(guard: Guard | None, resolver: Resolver) -> TCPConnector:
    """Kept connections straight to hosts, as *guard* permits. Their number is not bounded here: the frontier bounds the
    requests.

    A kept connection asks no guard when it is used again, so requests that may reach more have a connector of their own.
    """
    raise_descriptor_limit()
    return TCPConnector(socket_factory=guard, resolver=resolver, **_COMMON)


def proxied_connector_of(proxy: Proxy, resolver: Resolver, tls: Tls) -> TCPConnector:
    """Kept connections to and over *proxy*; *tls* is for its own certificate, if it is reached over https.

    What it dials is the proxy, which the user named: it may be a private address.

    :raises ConfigError: it is a SOCKS proxy, and the library for those is not installed
    """
    raise_descriptor_limit()
    if proxy.scheme == "socks5":
        return _socks_connector_of(proxy)
    return _ProxiedConnector(tls, resolver=resolver, **_COMMON)


def tls_of(options: FetchOptions) -> Tls:
    """What *options* say about certificates. A context takes some 20 ms to make.

    :raises ConfigError: a file cannot be read, or has no certificate in it
    """
    if options.ca_file is None and options.client_certificate is None and options.client_key is None:
        return options.verify_tls
    context = ssl.create_default_context()
    if not options.verify_tls:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if options.ca_file is not None:
        try:
            context.load_verify_locations(options.ca_file)
        except OSError as error:
            raise ConfigError(f"ca_file = {options.ca_file!r}: {_why(error, 'PEM certificates')}") from None
    _show_certificate(context, options)
    context.set_alpn_protocols(("http/1.1",))
    return context


def _show_certificate(context: ssl.SSLContext, options: FetchOptions) -> None:
    certificate, key = options.client_certificate, options.client_key
    if certificate is None:
        if key is not None:
            raise ConfigError(f"client_key = {key!r}: it is the key of no certificate: set client_certificate, too")
        return
    for name, file in (("client_certificate", certificate), ("client_key", key)):
        try:
            if file is not None:
                open(file, "rb").close()
        except OSError as error:
            raise ConfigError(f"{name} = {file!r}: {error.strerror}") from None
    try:
        context.load_cert_chain(certificate, key, password=_refuse_password)
    except (OSError, ValueError) as error:
        what = "certificate with its key (PEM, the key without a password)"
        pair = f"client_certificate = {certificate!r}" + (f", client_key = {key!r}" if key is not None else "")
        raise ConfigError(f"{pair}: {_why(error, what)}") from None


def _refuse_password() -> str:
    """Else OpenSSL would ask for it at the terminal."""
    raise ValueError("the key has a password")


def _why(error: Exception, expected: str) -> str:
    if isinstance(error, OSError) and not isinstance(error, ssl.SSLError) and error.strerror:
        return error.strerror
    if isinstance(error, ssl.SSLError) and error.reason == "KEY_VALUES_MISMATCH":
        return "the key belongs to another certificate"
    return f"it holds no {expected}" if isinstance(error, ssl.SSLError) else f"{error}"


class _ProxyErrors(TCPConnector):
    """Tells the proxy's trouble from the host's while a connection is made; later nobody can."""

    async def connect(self, req: ClientRequest, traces: list[Trace], timeout: ClientTimeout) -> Connection:
        try:
            return await super().connect(req, traces, timeout)
        except ClientHttpProxyError as error:
            words = REFUSED if error.status == 407 else f"it answered {error.status} {error.message}".rstrip()
            raise ProxyTrouble(words, error.status not in _PROXY_IS_WELL) from error
        except ClientConnectorError as error:
            if req.is_ssl() and (error.host, error.port) == (req.host, req.port):
                raise  # the tunnel is there, and the host at its end is the trouble
            raise ProxyTrouble(_words(error), is_ill=True) from error
        except ssl.SSLError as error:  # SOCKS leaves it as it was
            raise ClientConnectorSSLError(req.connection_key, error) from error
        except ClientError as error:
            raise ProxyTrouble(_words(error), is_ill=True) from error
        except TimeoutError as error:
            raise ProxyTrouble("no connection in time", is_ill=True) from error
        except OSError as error:  # of SOCKS: over an open tunnel, it may be the host that hung up
            raise ProxyTrouble(_words(error), is_ill=not req.is_ssl()) from error


class _ProxiedConnector(_ProxyErrors):
    """Every request over it names its proxy."""

    def __init__(self, tls: Tls, **options: Any) -> None:  # Any: TCPConnector's own
        super().__init__(**options)
        self._proxy_tls = tls

    def _update_proxy_auth_header_and_build_proxy_req(self, req: ClientRequest) -> ClientRequest:
        """The proxy's certificate is judged as the crawl judges: what is allowed for one host, and the certificate
        that is shown to it, are not for the proxy."""
        proxy_request = super()._update_proxy_auth_header_and_build_proxy_req(req)
        proxy_request._ssl = self._proxy_tls  # noqa: SLF001 (the library gives it the host's, and no other way)
        return proxy_request


def socks_library() -> Any:  # Any: the module, which is an extra
    """
    :raises ConfigError: it is not installed
    """
    try:
        import aiohttp_socks
    except ImportError:
        raise ConfigError('proxies: socks5:// takes a library of its own: pip install "crawler[socks]"') from None
    return aiohttp_socks


def _socks_connector_of(proxy: Proxy) -> TCPConnector:
    aiohttp_socks = socks_library()

    base: Any = aiohttp_socks.ProxyConnector

    class SocksConnector(_ProxyErrors, base):  # type: ignore[misc]  # a base that may be missing has no type
        async def connect(self, req: ClientRequest, traces: list[Trace], timeout: ClientTimeout) -> Connection:
            try:
                return await super().connect(req, traces, timeout)
            except aiohttp_socks.ProxyError as error:
                raise ProxyTrouble(f"it says: {error}", error.error_code not in _SOCKS_IS_WELL) from error
            except (aiohttp_socks.ProxyConnectionError, aiohttp_socks.ProxyTimeoutError) as error:
                raise ProxyTrouble(str(error), is_ill=True) from error

        async def _connect_via_proxy(self, **target: Any) -> tuple[asyncio.Transport, Line]:
            """The library makes a protocol of its own, and has no other place where another could be named."""
            transport, theirs = await super()._connect_via_proxy(**target)
            line = cast("Line", self._factory())
            line.beside = theirs  # with what it holds, the transport would be closed
            transport.set_protocol(line)
            line.connection_made(transport)
            return transport, line

    make: Callable[..., TCPConnector] = SocksConnector
    return make(
        proxy.host.strip("[]"),
        proxy.port,
        aiohttp_socks.ProxyType.SOCKS5,
        proxy.user or None,
        proxy.password or None,
        rdns=True,  # the proxy asks for names, so that nobody sees here which
        **_COMMON,
    )


def _words(error: Exception) -> str:
    cause = getattr(error, "certificate_error", None) or getattr(error, "os_error", None) or error
    text = getattr(cause, "strerror", None) or getattr(cause, "message", None) or str(cause) or type(cause).__name__
    return " ".join(str(text).split())[:200]


def raise_descriptor_limit() -> None:
    """As many sockets as the system permits: the usual soft limit of 1,024 is that of select(), which nobody uses here."""
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, _DESCRIPTORS)
    if soft < wanted:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        except (ValueError, OSError):
            pass  # macOS has a further limit, which it does not tell; the crawl works with what there is
