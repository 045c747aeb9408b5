"""Which addresses may be dialled. A connection of a request that may not reach private ones passes here, after the name
was resolved: what was asked of a name before, or what it is found to be afterwards, does not matter.
"""

from __future__ import annotations

import errno
import socket
from typing import Any

from crawler.http.addresses import PrivateHosts, is_public

AddrInfo = tuple[Any, Any, int, str, tuple[Any, ...]]  # Any: socket's own enums and address tuples

PRIVATE = "is a private address"
"""The refusal's text, behind the address: aiohttp wraps the error, and may join several into one."""


class Guard:
    """A socket factory for aiohttp that refuses private addresses, but for those that any page may lead to."""

    __slots__ = ("_permitted",)

    def __init__(self, permitted: PrivateHosts) -> None:
        self._permitted = permitted

    def __call__(self, info: AddrInfo) -> socket.socket:
        """
        :raises OSError: EACCES, the address is private
        """
        family, kind, protocol, _, target = info
        ip = str(target[0])
        if not is_public(ip) and not self._permitted.has_address(ip):
            raise OSError(errno.EACCES, f"{ip} {PRIVATE}")
        return socket.socket(family, kind, protocol)


def refused_address(error: OSError) -> str:
    """The address that a :class:`Guard` refused; empty if *error* is not its own.

    A name may have several: if one of them was refused and another did not answer, it is not, and a later try may help.
    """
    before, found, _ = str(error).partition(f" {PRIVATE}")
    return before.rpartition(" ")[2] if found and error.errno == errno.EACCES else ""
