"""Our error for each of aiohttp's, and of the layers below it."""

from __future__ import annotations

import errno
import os
import ssl
from collections.abc import Callable

import aiohttp
from aiohttp.http_exceptions import HttpProcessingError

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
    TruncatedBody,
)
from crawler.fetch.answer import MalformedBody
from crawler.fetch.guard import refused_address
from crawler.http.addresses import refusal
from crawler.http.credentials import without_secret


def translate(error: Exception, url: str) -> FetchError:
    """Our error for one of aiohttp's, or of the layers below it. The first row that fits decides."""
    if isinstance(error, aiohttp.ClientConnectorError) and (ip := refused_address(error.os_error)):
        return BlockedAddress(url, refusal(error.host, ip))
    words = without_secret(_words(error))  # some of the library's quote a URL
    ours = next((ours for foreign, ours in _TRANSLATIONS if isinstance(error, foreign)), FetchError)(url, words)
    ours.is_refusal = isinstance(error, aiohttp.ClientConnectorError) and error.os_error.errno == errno.ECONNREFUSED
    return ours


def _lost_connection(url: str, detail: str) -> FetchError:
    """Since TLS 1.3 a server refuses our certificate, or the lack of one, when the handshake is over for us."""
    if "SSL" in detail and "CERTIFICATE" in detail:
        return TLSFailed(url, f"it asks for a certificate, and takes none or another than client_certificate: {detail}")
    return Disconnected(url, detail)


_TRANSLATIONS: tuple[tuple[type[Exception] | tuple[type[Exception], ...], Callable[[str, str], FetchError]], ...] = (
    (aiohttp.ClientConnectorDNSError, DNSFailed),
    ((aiohttp.ClientSSLError, aiohttp.ServerFingerprintMismatch, ssl.SSLError), TLSFailed),
    (aiohttp.ConnectionTimeoutError, ConnectFailed),
    (TimeoutError, FetchTimeout),
    (aiohttp.ClientConnectorError, ConnectFailed),
    ((aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError), InvalidRequest),
    ((aiohttp.ClientResponseError, HttpProcessingError), MalformedResponse),
    (MalformedBody, MalformedResponse),
    (aiohttp.ClientPayloadError, TruncatedBody),
    (aiohttp.ClientOSError, _lost_connection),
    (aiohttp.ClientError, Disconnected),
    (ConnectionError, Disconnected),
    (OSError, ConnectFailed),
    ((ValueError, TypeError), InvalidRequest),
)


def _words(error: Exception) -> str:
    """One line for people; some of aiohttp's errors have no text of their own."""
    if isinstance(error, aiohttp.ClientSSLError):
        return _tls_words(error)
    if isinstance(error, aiohttp.ClientConnectorError):
        return _connect_words(error)
    plain = error.__cause__ if isinstance(error, aiohttp.ClientPayloadError) and error.__cause__ is not None else error
    said = plain.message if isinstance(plain, (aiohttp.ClientResponseError, HttpProcessingError)) else str(plain)
    text = " ".join(said.split())  # with the library's "400, message=" before it one would think of the server's status
    if isinstance(error, TimeoutError):
        return text or "no complete answer in time"
    return (text or type(error).__name__)[:300]


def _connect_words(error: aiohttp.ClientConnectorError) -> str:
    cause = error.os_error
    known = cause.errno is not None and cause.errno > 0
    why = os.strerror(cause.errno) if known and cause.errno is not None else cause.strerror or str(cause)
    why = why or "it hung up before there was one"  # a bare ConnectionResetError, as of a refused handshake
    return f"no connection to {error.host}: {why[:1].lower()}{why[1:]}"[:300]


def _tls_words(error: aiohttp.ClientSSLError) -> str:
    cause = getattr(error, "certificate_error", error.os_error)
    refusal = getattr(cause, "verify_message", "")
    if refusal:
        return f"the certificate of {error.host} is refused: {refusal}"[:300]
    return f"no TLS connection to {error.host}: {' '.join(str(cause).split())}"[:300]
