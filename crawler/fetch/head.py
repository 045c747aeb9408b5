"""The bytes of a request: its head, and its body behind it.

Rule 1: what all requests to an origin have in common is written once (:class:`Origin`).
Rule 2: no control character goes into a head, whoever wrote it.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping
from urllib.parse import urlencode

import msgspec
from aiohttp import InvalidUrlClientError, NonHttpUrlClientError, hdrs
from multidict import CIMultiDict
from yarl import URL

from crawler.http.credentials import check_fields, without_proxy_secret
from crawler.request import Request

_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_NO_TOKEN = re.compile(r"[\x00-\x20\x7f]")
_PLAIN = re.compile(r"(https?://[a-z0-9.-]+(?::[0-9]+)?)(/[!\"$->@-~]*(?:\?[!\"$-~]+)?)")
"""Origin and target of a URL that is sent as it is written: any but ``#`` of visible ASCII, and nobody's name in it."""
_BODILESS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
"""Methods whose requests have a Content-Length only if they have a body."""
_TYPED = frozenset({"PATCH", "POST", "PUT"})
"""Methods whose requests say of what type their body is, even if there is none. As aiohttp has it."""


class Target:
    """Where one request goes: the URL of its origin, what is asked for there, and who asks."""

    __slots__ = ("authorization", "origin", "path")

    def __init__(self, url: str, has_authorization: bool = False) -> None:
        """
        :param has_authorization: whether the request brings an Authorization, which goes over the name in the URL
        :raises InvalidURL: it is no URL of http or https
        """
        plain = _PLAIN.fullmatch(url)
        if plain is not None:
            self.origin, self.path = plain.groups()
            self.authorization = ""
            return
        parsed = _parsed(url)
        self.origin = f"{parsed.scheme}://{parsed.raw_authority.rpartition('@')[2]}"
        self.path = parsed.raw_path_qs
        is_named = not has_authorization and (parsed.raw_user is not None or parsed.raw_password is not None)
        self.authorization = _basic(parsed.user or "", parsed.password or "") if is_named else ""
        if _CONTROL.search(self.origin) or _CONTROL.search(self.path):
            raise ValueError("there is a control character in the URL")


def _parsed(url: str) -> URL:
    try:
        parsed = URL(url, encoded=True)
        port = parsed.port  # a wrong one is found when it is asked for
    except ValueError as error:
        raise InvalidUrlClientError(url) from error
    if parsed.scheme not in ("http", "https", ""):
        raise NonHttpUrlClientError(url)
    if not parsed.raw_host or port is None:
        raise InvalidUrlClientError(url)
    return parsed


def _basic(user: str, password: str) -> str:
    """RFC 7617. In Latin-1, as what stands in a URL has always been sent."""
    if ":" in user:
        raise ValueError("the user name in the URL has a colon")
    return f"Basic {b64encode(f'{user}:{password}'.encode('latin-1')).decode()}"


class Origin:
    """How requests to one origin, over one way, are written."""

    __slots__ = ("_absolute", "_begin", "_common", "_host", "_takes_cookies", "url")

    def __init__(self, origin: str, common: Mapping[str, str], is_absolute: bool = False) -> None:
        """
        :param common: the headers of all requests
        :param is_absolute: whether the target is the whole URL, as for a proxy (RFC 9112, section 3.2.2)
        """
        self.url = URL(f"{origin}/", encoded=True)
        self._absolute = origin if is_absolute else ""
        self._host = self.url.host_port_subcomponent or ""
        self._common = common
        self._takes_cookies = hdrs.COOKIE not in common
        self._begin = _encoded(self._fields({}, ""))

    def written(
        self, request: Request, target: Target, cookies: str = "", saving: Mapping[str, str] | None = None
    ) -> bytes:
        """*request* as it goes over the wire.

        :param cookies: the value of its Cookie header; empty for none
        :param saving: headers of a download, under those of the request
        :raises ValueError: something in it can be no part of a head
        """
        method = request.method
        is_plain = method in ("GET", "HEAD") and not (request.headers or saving or target.authorization)
        if not (is_plain and request.body is None and request.json is None and request.form is None):
            return self._composed(request, target, cookies, saving)
        if not cookies:
            return f"{method} {self._absolute}{target.path} HTTP/1.1\r\n".encode() + self._begin + b"\r\n"
        if self._takes_cookies:
            cookie = _encoded({hdrs.COOKIE: cookies})
            return f"{method} {self._absolute}{target.path} HTTP/1.1\r\n".encode() + self._begin + cookie + b"\r\n"
        return self._composed(request, target, cookies, saving)

    def _composed(self, request: Request, target: Target, cookies: str, saving: Mapping[str, str] | None) -> bytes:
        method = request.method
        if _NO_TOKEN.search(method):
            raise ValueError(f"{method!r} is no method")
        own = CIMultiDict(saving or {})
        check_fields(request.headers)
        body, kind = _body(request)
        if request.json is not None:
            own[hdrs.CONTENT_TYPE] = kind
        own.update(without_proxy_secret(request.headers))
        if cookies:
            own[hdrs.COOKIE] = cookies
        fields = self._fields(own, target.authorization)
        if body is not None:
            body = _measured(body, fields)
            fields.setdefault(hdrs.CONTENT_TYPE, kind)
        elif method not in _BODILESS:
            fields.setdefault(hdrs.CONTENT_LENGTH, "0")
        if method in _TYPED:
            fields.setdefault(hdrs.CONTENT_TYPE, "application/octet-stream")
        first = f"{method} {self._absolute}{target.path} HTTP/1.1\r\n".encode()
        return b"".join((first, _encoded(fields), b"\r\n", body or b""))

    def _fields(self, own: Mapping[str, str], authorization: str) -> CIMultiDict[str]:
        """The headers of a request, whose *own* go over those of all."""
        fields = CIMultiDict({hdrs.HOST: self._host})
        for headers in (self._common, own):
            for name, value in headers.items():
                fields[name] = value
        if authorization:
            fields[hdrs.AUTHORIZATION] = authorization
        return fields


def _body(request: Request) -> tuple[bytes | None, str]:
    """The body and its type."""
    if request.json is not None:
        return msgspec.json.encode(request.json), "application/json"
    if request.form is not None:
        if any(_CONTROL.search(name) for name in request.form):
            raise ValueError("there is a control character in the name of a form's field")
        return urlencode(request.form, doseq=True).encode(), "application/x-www-form-urlencoded"
    return request.body, "application/octet-stream"


def _measured(body: bytes, fields: CIMultiDict[str]) -> bytes:
    """*body*, which is no longer than the request itself says, if it does."""
    length = fields.setdefault(hdrs.CONTENT_LENGTH, str(len(body)))
    if not (length.isascii() and length.isdigit()):
        raise ValueError(f"Invalid Content-Length header: {length!r}")
    return body[: int(length)]


def _encoded(fields: Mapping[str, str]) -> bytes:
    """A line for each. Cookies may have bytes that are no UTF-8, which go back as they came, as from a browser."""
    for name, value in fields.items():
        if _CONTROL.search(name) or _CONTROL.search(value):
            raise ValueError("Forbidden control character detected in headers. Potential header injection attack.")
    return "".join(f"{name}: {value}\r\n" for name, value in fields.items()).encode("utf-8", "surrogateescape")
