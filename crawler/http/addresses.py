"""Which addresses and host names belong to the open internet, and which are private: this machine's, its networks', its cloud's.

Rule 1: an address of IPv6 that stands for one of IPv4 is judged as what it stands for.
Rule 2: what the tables do not know is private in IPv6, of which the internet has a named part, and public in IPv4.
Rule 3: a name is private as it is written or not at all. Where a name leads is known when it is dialled, and no sooner.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from crawler.urls.url import address

_Ip = IPv4Address | IPv6Address
_Network = IPv4Network | IPv6Network

_MACHINE = "this machine"
_NETWORK = "private network"
_CLOUD = "cloud metadata"
_LINK = "local link"
_PROTOCOLS = "set aside for protocols"
_EXAMPLES = "set aside for documentation"
_MULTICAST = "multicast"
_RESERVED = "reserved"

_IPV4: tuple[tuple[str, str], ...] = (
    ("169.254.169.254/32", _CLOUD),  # AWS, Azure, Google, Oracle, DigitalOcean, OpenStack
    ("100.100.100.200/32", _CLOUD),  # Alibaba
    ("168.63.129.16/32", _CLOUD),  # Azure's own services: public by its number, but only Azure's machines see it
    ("0.0.0.0/8", _MACHINE),  # RFC 1122, section 3.2.1.3; Linux dials 127.0.0.1 for 0.0.0.0
    ("127.0.0.0/8", _MACHINE),
    ("10.0.0.0/8", _NETWORK),  # RFC 1918, and the next two
    ("172.16.0.0/12", _NETWORK),
    ("192.168.0.0/16", _NETWORK),
    ("100.64.0.0/10", "provider's network"),  # RFC 6598
    ("169.254.0.0/16", _LINK),  # RFC 3927
    ("192.0.0.0/24", _PROTOCOLS),  # RFC 6890
    ("192.88.99.0/24", _PROTOCOLS),  # RFC 7526: the relays of 6to4, which are no more
    ("192.0.2.0/24", _EXAMPLES),  # RFC 5737, and the next two
    ("198.51.100.0/24", _EXAMPLES),
    ("203.0.113.0/24", _EXAMPLES),
    ("198.18.0.0/15", "set aside for measurements"),  # RFC 2544
    ("224.0.0.0/4", _MULTICAST),  # RFC 5771
    ("240.0.0.0/4", _RESERVED),  # RFC 1112, section 4; broadcast is in it
)
"""What is not of the internet, of the registry for IPv4 (RFC 6890); the first row that fits gives its name."""
_IPV6: tuple[tuple[str, str], ...] = (
    ("fd00:ec2::254/128", _CLOUD),  # AWS
    ("fd20:ce::254/128", _CLOUD),  # Google
    ("fc00::/7", _NETWORK),  # RFC 4193
    ("fec0::/10", _NETWORK),  # RFC 3879: site-local, as it was called
    ("fe80::/10", _LINK),
    ("ff00::/8", _MULTICAST),
    ("64:ff9b:1::/48", _NETWORK),  # RFC 8215: NAT64 within one network
    ("2001::/23", _PROTOCOLS),  # RFC 2928; Teredo, ORCHID and measurements are in it
    ("2001:db8::/32", _EXAMPLES),  # RFC 3849
    ("3fff::/20", _EXAMPLES),  # RFC 9637
)
_WRAPS_IPV4: tuple[tuple[str, int], ...] = (
    ("::ffff:0:0/96", 0),  # RFC 4291, section 2.5.5.2: mapped
    ("::ffff:0:0:0/96", 0),  # RFC 2765: SIIT
    ("::/96", 0),  # RFC 4291, section 2.5.5.1: compatible. It has ::1 and :: in it, which become 0.0.0.1 and 0.0.0.0
    ("64:ff9b::/96", 0),  # RFC 6052: NAT64
    ("2002::/16", 80),  # RFC 3056: 6to4
)
"""Networks of IPv6 whose addresses hold one of IPv4, and how many bits stand behind that."""

_DOMAINS = frozenset(
    {
        "localhost",  # RFC 6761, section 6.3
        "local",  # RFC 6762: printers and the like
        "internal",  # ICANN, 2024: never to be a domain of the internet; clouds call their metadata so
        *("intranet", "private", "corp", "home", "lan"),  # RFC 6762, appendix G: what networks do call themselves
        "localdomain",  # localhost's, in the hosts file of many systems
    }
)
"""Domains that nobody can register: a name in them is answered by this machine or its network, or by nobody."""
_HOME = "home.arpa"  # RFC 8375
_LOCALHOST = ("127.0.0.1", "::1")
_NAMES = 10_000
"""Host names whose verdict is remembered: a page may name endless sub-domains."""
_PORT = re.compile(r"[^@]+:\d*", re.ASCII)
"""A host with a port."""
_HINT = 'write a network ("10.0.0.0/8"), an address ("192.168.1.5") or a host name ("wiki.corp.example")'


def _read(rows: Sequence[tuple[str, str]]) -> tuple[tuple[_Network, str], ...]:
    return tuple((ip_network(network), words) for network, words in rows)


_PRIVATE = {4: _read(_IPV4), 6: _read(_IPV6)}
_WRAPPERS = tuple((IPv6Network(network), shift) for network, shift in _WRAPS_IPV4)
_INTERNET = IPv6Network("2000::/3")
"""RFC 4291, section 2.4: what IANA gives to the internet's networks, all else being set aside."""


def kind_of(ip: str) -> str:
    """Two or three words for what *ip* is, if the internet does not reach it; empty if it is public.

    :raises ValueError: it is no IP address
    """
    found = _plain(_parsed(ip))
    for network, words in _PRIVATE[found.version]:
        if found in network:
            return words
    return _RESERVED if found.version == 6 and found not in _INTERNET else ""


def is_public(ip: str) -> bool:
    """Whether *ip* is on the open internet.

    :raises ValueError: it is no IP address
    """
    return not kind_of(ip)


@lru_cache(_NAMES)
def is_private_host(hostname: str) -> bool:
    """Whether *hostname*, as an :class:`~crawler.urls.url.Address` has it, is written as a private address, or as a name
    that only this machine or its network can know: one of a domain that nobody can register, or one without a dot.

    ICANN lets no address be given to a top-level domain (SAC 053), so a name without a dot is in a local hosts file or
    search list.
    """
    name = hostname.rstrip(".").lower()
    if is_address(name):
        return not is_public(name)
    top = name.rpartition(".")[2]
    return bool(name) and (top == name or top in _DOMAINS or f".{name}".endswith(f".{_HOME}"))


def is_address(hostname: str) -> bool:
    """Whether *hostname* is no name but an IP address, with its brackets or without."""
    if hostname[:1] != "[" and not hostname[-1:].isdigit() and ":" not in hostname:
        return False
    try:
        _parsed(hostname)
    except ValueError:
        return False  # a name may end in a digit
    return True


def refusal(hostname: str, ip: str = "") -> str:
    """What is said to the person when *hostname* may not be asked, since it has the private address *ip*, or is private
    as it is written: which address, why, and what would permit it.
    """
    name = hostname.strip("[]").rstrip(".")
    if is_address(name):
        what = f"{name} is a private address ({kind_of(name)})"
    elif ip:
        what = f"{name} is at {ip}, a private address ({kind_of(ip)})"
    else:
        what = f"{name} is a private name"
    return f'{what}: no public page or public name may lead there; allow_private_hosts = ["{name}"] permits it'


@dataclass(frozen=True, slots=True)
class PrivateHosts:
    """The private hosts that any page may lead to."""

    is_everything: bool = False
    networks: tuple[_Network, ...] = ()
    """A single address is a network of its own."""
    names: frozenset[str] = frozenset()
    """A name stands for its sub-domains, too, unless it has no dot and is no domain of local networks: ``wiki`` is a
    machine here, ``x.wiki`` may be anybody's."""

    def has_address(self, ip: str) -> bool:
        """Whether *ip*, or the one that it stands for, is among them."""
        if self.is_everything or not self.networks:
            return self.is_everything
        written = _parsed(ip)
        return any(each in network for each in {written, _plain(written)} for network in self.networks)

    def has_name(self, hostname: str) -> bool:
        """Whether *hostname* may be at whatever address it likes."""
        if self.is_everything or not self.names:
            return self.is_everything
        name = hostname.rstrip(".")
        if name in self.names:
            return True
        while name := name.partition(".")[2]:
            if name in self.names and _has_domain(name):
                return True
        return False

    def has(self, hostname: str) -> bool:
        """Whether *hostname*, a name or an address, is among them as it is written."""
        return self.has_name(hostname) or (is_address(hostname) and self.has_address(hostname))

    def may_have(self, hostname: str) -> bool:
        """Like :meth:`has`; also True for a name that may turn out to be at one of the addresses."""
        if self.has(hostname) or not self.networks or is_address(hostname):
            return self.has(hostname)
        if hostname.rstrip(".").rpartition(".")[2] == "localhost":
            return any(self.has_address(ip) for ip in _LOCALHOST)
        return True


def read_private_hosts(setting: bool | Sequence[str]) -> PrivateHosts:
    """What the setting says: all of them, none, or a list of networks, addresses and host names.

    :raises ValueError: entries are none of these; the message says what to write in the place of each
    """
    if isinstance(setting, bool):
        return PrivateHosts(is_everything=setting)
    networks: list[_Network] = []
    names: list[str] = []
    problems: list[str] = []
    for entry in setting:
        try:
            read = _entry(entry.strip())
        except ValueError as error:
            problems.append(str(error))
            continue
        if isinstance(read, str):
            names.append(read)
        else:
            networks.append(read)
    if problems:
        raise ValueError("; ".join(problems))
    return PrivateHosts(False, tuple(networks), frozenset(names))


def _entry(entry: str) -> _Network | str:
    """A network or a host name.

    :raises ValueError: it is neither
    """
    if entry == "*":
        raise ValueError('"*" is every host: write allow_private_hosts = true')
    target = address(entry) if "://" in entry else None
    if target is not None:
        raise ValueError(f'{entry!r} is a URL: write its host alone, "{target.hostname.strip("[]")}"')
    if "/" in entry:
        return _network(entry)
    try:
        return ip_network(_parsed(entry))
    except ValueError:
        return _host(entry)


def _network(entry: str) -> _Network:
    try:
        found = ip_network(entry, strict=False)
    except ValueError:
        raise ValueError(f"{entry!r} is no network: {_HINT}") from None
    if found.network_address != _parsed(entry.partition("/")[0]):
        raise ValueError(f'{entry!r} is an address and a network at once: write "{found}" for the whole network')
    return found


def _host(entry: str) -> _Network | str:
    """As a URL has it: in lower case and punycode, a number as an address."""
    name = entry.removeprefix("*").removeprefix(".")
    target = address(f"http://{name}/")
    if target is not None and _PORT.fullmatch(name):
        raise ValueError(f'{entry!r} has a port: write the host without a port, "{target.hostname.strip("[]")}"')
    if target is not None and name != entry:
        raise ValueError(_without_star(entry, target.hostname))
    if target is None or target.href != f"http://{target.hostname}/":
        alone = "" if target is None else f'"{target.hostname.strip("[]")}", without more, or '
        raise ValueError(f"{entry!r} is no host: {_HINT.replace('write ', f'write {alone}')}")
    hostname = target.hostname.rstrip(".")
    return ip_network(_parsed(hostname)) if is_address(hostname) else hostname


def _without_star(entry: str, hostname: str) -> str:
    if is_address(hostname):
        return f"{entry!r} is no host: {_HINT}"
    if _has_domain(hostname):
        return f'{entry!r} is no host: write "{hostname}": it covers its sub-domains'
    return f'{entry!r} is no host, and "{hostname}" is one machine: write each host in full, as "a.{hostname}"'


def _has_domain(name: str) -> bool:
    """Whether *name* stands for its sub-domains, too."""
    return "." in name or name in _DOMAINS


def _parsed(ip: str) -> _Ip:
    """Less the brackets of a URL and the zone of a socket's address."""
    return ip_address(ip.strip("[]").partition("%")[0])


def _plain(found: _Ip) -> _Ip:
    """What *found* stands for (Rule 1), else itself."""
    if isinstance(found, IPv6Address):
        for network, shift in _WRAPPERS:
            if found in network:
                return IPv4Address(int(found) >> shift & 0xFFFFFFFF)
    return found
