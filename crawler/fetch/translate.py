"""Our error for each of aiohttp's, and of the layers below it."""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable

import aiohttp

from crawler.errors import (
    BlockedAddress,
    ConnectFailed,
    Disconnected,
    DNSFailed,
    FetchError,
    FetchTimeout,
    InvalidRequest,
    MalformedResponse,
    TLSFailed,
)
from crawler.fetch.guard import PRIVATE


def translate(error: Exception, url: str) -> FetchError:
    """Our error for one of aiohttp's, or of the layers below it. The first row that fits decides."""
    for foreign, ours in _TRANSLATIONS:
        if isinstance(error, foreign):
            return ours(url, _words(error))
    return FetchError(url, _words(error))


def _connect_error(url: str, detail: str) -> FetchError:
    """The guard's refusal comes wrapped in the library's own error."""
    return BlockedAddress(url, detail) if PRIVATE in detail else ConnectFailed(url, detail)


def _payload_error(url: str, detail: str) -> FetchError:
    """A body that cannot be decoded will not be decodable tomorrow; one that broke off may come whole."""
    if "decode" in detail or "encoding" in detail:
        return MalformedResponse(url, detail)
    return Disconnected(url, detail)


_TRANSLATIONS: tuple[tuple[type[Exception] | tuple[type[Exception], ...], Callable[[str, str], FetchError]], ...] = (
    (aiohttp.ClientConnectorDNSError, DNSFailed),
    ((aiohttp.ClientSSLError, aiohttp.ServerFingerprintMismatch, ssl.SSLError), TLSFailed),
    (aiohttp.ConnectionTimeoutError, ConnectFailed),
    (TimeoutError, FetchTimeout),
    (aiohttp.ClientConnectorError, _connect_error),
    ((aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError), InvalidRequest),
    (aiohttp.ClientResponseError, MalformedResponse),
    (aiohttp.ClientPayloadError, _payload_error),
    (aiohttp.ClientError, Disconnected),
    (ConnectionError, Disconnected),
    (OSError, ConnectFailed),
    ((ValueError, TypeError), InvalidRequest),
)


def _words(error: Exception) -> str:
    """One line for people; some of aiohttp's errors have no text of their own."""
    if isinstance(error, aiohttp.ClientConnectorError) and not isinstance(error, aiohttp.ClientSSLError):
        return _connect_words(error)
    text = " ".join(str(error).split())
    if isinstance(error, TimeoutError):
        return text or "no complete answer in time"
    return (text or type(error).__name__)[:300]


def _connect_words(error: aiohttp.ClientConnectorError) -> str:
    cause = error.os_error
    if PRIVATE in str(cause):
        return cause.strerror or str(cause)
    known = cause.errno is not None and cause.errno > 0
    why = os.strerror(cause.errno) if known and cause.errno is not None else cause.strerror or str(cause)
    return f"no connection to {error.host}: {why[:1].lower()}{why[1:]}"[:300]
