"""Where a registry ends and a site begins: ``co.uk`` and ``github.io`` are shared, ``bbc.co.uk`` is somebody's.

By the Public Suffix List, whose algorithm https://publicsuffix.org/list/ gives; a top-level domain that is not in the
list is a suffix, too.
"""

from __future__ import annotations

from upa_url import PSL

LIST = "public_suffix_list.dat"
"""The file beside this one. It is from Mozilla (MPL-2.0); whoever reads files passes what is in it."""


class PublicSuffixes:
    """The list, ready to be asked: 0.3 µs for a host name."""

    __slots__ = ("_list",)

    def __init__(self, data: bytes) -> None:
        """
        :param data: the list as it is published, UTF-8 text with a rule in each line
        :raises ValueError: it is no such list
        """
        self._list = PSL()
        self._list.push(data)
        if not data or not self._list.finalize():
            raise ValueError(f"{LIST} is no list of public suffixes: install this package anew")

    def suffix(self, hostname: str) -> str:
        """The public suffix of *hostname*, ``co.uk`` for ``www.bbc.co.uk``; empty for an IP address and for no name."""
        try:
            return str(self._list.public_suffix(hostname))
        except TypeError:  # half a character, which the library cannot take
            return ""

    def registrable(self, hostname: str) -> str | None:
        """The site that *hostname* belongs to, ``bbc.co.uk`` for ``www.bbc.co.uk``: what one owner has registered.

        None for an IP address, for what is a public suffix itself (``localhost`` is one), and for no name.
        *hostname* is as a URL has it: lower case, punycode, IPv6 in brackets.
        """
        try:
            return self._list.registrable_domain(hostname) or None
        except TypeError:  # as above
            return None
