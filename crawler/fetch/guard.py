"""Which addresses may be dialled. Every connection of the program passes here, after the name was resolved."""

from __future__ import annotations

import errno
import ipaddress
import socket
from typing import Any

_EMBEDS_IPV4 = (
    ipaddress.ip_network("64:ff9b::/96"),
    ipaddress.ip_network("::/96"),
    ipaddress.ip_network("::ffff:0:0:0/96"),
)
_REFUSED = (
    ipaddress.ip_network("224.0.0.0/4"),
    ipaddress.ip_network("64:ff9b:1::/48"),  # RFC 8215: NAT64 within one network
    ipaddress.ip_network("fec0::/10"),
    ipaddress.ip_network("ff00::/8"),
)
"""What ``ipaddress`` calls global all the same, in some versions of Python or in all."""

AddrInfo = tuple[Any, Any, int, str, tuple[Any, ...]]  # Any: socket's own enums and address tuples


PRIVATE = "is a private address"
"""Part of the refusal's text: aiohttp wraps the error, and may join several into one."""
UNTRUSTED = "no seed of this crawl is private (allow_private_hosts = true permits it)"


class Guard:
    """A socket factory for aiohttp that refuses private addresses, unless the crawl may reach them."""

    __slots__ = ("allows_private",)

    def __init__(self, allows_private: bool) -> None:
        self.allows_private = allows_private

    def trust(self, hostname: str) -> None:
        """A seed at a private address opens the private addresses to this crawl."""
        self.allows_private = self.allows_private or is_private_host(hostname)

    def __call__(self, info: AddrInfo) -> socket.socket:
        family, kind, protocol, _, target = info
        if not self.allows_private and not is_public(str(target[0])):
            raise OSError(
                errno.EACCES,
                f"{target[0]} {PRIVATE}, and {UNTRUSTED}",
            )
        return socket.socket(family, kind, protocol)


def is_public(ip: str) -> bool:
    """Whether *ip* is on the open internet; an IPv6 address that wraps an IPv4 one is what it wraps."""
    address = ipaddress.ip_address(ip.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)
        if inner is None and any(address in network for network in _EMBEDS_IPV4):
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
    return address.is_global and not any(
        address in network for network in _REFUSED if network.version == address.version
    )


def is_private_host(hostname: str) -> bool:
    """Whether *hostname* is written as a private address, or as this machine's own name."""
    hostname = hostname.rstrip(".")
    if hostname == "localhost" or hostname.endswith((".localhost", ".local", ".internal")):
        return True
    try:
        return not is_public(hostname.strip("[]"))
    except ValueError:
        return False
