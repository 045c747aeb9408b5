"""Cookies whose bytes are no UTF-8, which go back as they came, as from a browser.

aiohttp writes headers as UTF-8, and silently leaves out what ``surrogateescape`` stands for: the value would be another
one. It has no documented place for other bytes; :meth:`ClientRequest.send`, and that a connection's protocol has its
transport in ``transport``, are used here, for such requests alone. A test tells if a new version has them no more.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Coroutine, Iterable
from typing import Any

from aiohttp import ClientRequest, ClientResponse, hdrs

_BYTE = re.compile("[\udc80-\udcff]")
_CONTROL = re.compile("[\x00-\x08\x0a-\x1f\x7f]")


class OctetRequest(ClientRequest):
    """A request whose Cookie header may have any byte."""

    def send(self, conn: Any) -> Coroutine[Any, Any, ClientResponse]:  # Any: the library's Connection, not exported
        """Hands on the library's coroutine: one of its own around it would cost each request its part."""
        cookie = self.headers.get(hdrs.COOKIE, "")
        if cookie.isascii() or _BYTE.search(cookie) is None:
            return super().send(conn)
        if _CONTROL.search(cookie):
            raise ValueError("a control character in the Cookie header")
        token = secrets.token_hex(16)
        self.headers[hdrs.COOKIE] = token
        conn.protocol.transport = _Swap(conn.protocol, token.encode(), cookie.encode("utf-8", "surrogateescape"))
        return super().send(conn)


class _Swap:
    """Stands before a transport until the head of one request has gone through, with the bytes in the token's place."""

    def __init__(self, protocol: Any, token: bytes, value: bytes) -> None:  # Any: as above
        self._protocol = protocol
        self._transport = protocol.transport
        self._token = token
        self._value = value

    def write(self, data: bytes) -> None:
        self._step_aside()
        self._transport.write(bytes(data).replace(self._token, self._value, 1))

    def writelines(self, chunks: Iterable[bytes]) -> None:
        self.write(b"".join(chunks))

    def __getattr__(self, name: str) -> Any:  # Any: whatever a transport has
        return getattr(self._transport, name)

    def _step_aside(self) -> None:
        if self._protocol.transport is self:
            self._protocol.transport = self._transport
