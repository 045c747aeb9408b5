"""What a redirect asks for. RFC 9110, section 15.4."""

from __future__ import annotations

import re
from collections.abc import Sequence

from crawler.request import Entry, Request
from crawler.urls.url import MAX_URL, Address, Base, address

MAX_REDIRECTS = 20
"""Hops from the first URL, as the Fetch Standard and every browser have it."""
_MOST_VISITS = 3
"""Times that one URL is asked for in a chain. A page may set a cookie and ask again, and another one after it; what comes
back once more goes round in a circle, and the host is spared the rest of ``MAX_REDIRECTS``."""
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
"""RFC 9110, section 9.2.1."""
_SAFE_HEADERS = frozenset({"accept", "accept-language", "user-agent"})
"""What may follow to another origin; anything else that a user set might be a secret."""
_BODY_HEADERS = frozenset(
    {"content-encoding", "content-language", "content-length", "content-location", "content-type"}
)
"""What goes with a body that is dropped. RFC 9110, section 15.4, step 5."""
_RAW_BYTE = re.compile("[\udc80-\udcff]")
"""A byte of a header that is no UTF-8, as Python's ``surrogateescape`` has it."""


def redirected(entry: Entry, status: int, *locations: str) -> Request | str:
    """The request that follows *entry*'s redirect, or in words why there is none.

    301 and 302 turn a POST into a GET without a body, 303 every method but HEAD, as the Fetch Standard has it; else
    the request is repeated, but nothing that has a body or an effect is repeated at another origin.

    :param locations: the values of each ``Location``. Where several differ, somebody may have smuggled one in: Chromium
        refuses them, too
    """
    request, base = entry.request, Base(entry.request.url)
    url = base.join(_RAW_BYTE.sub(_escape, locations[0].strip()))
    target = address(url) if url is not None else None
    why = _why_not(entry, locations, url, target)
    if why or url is None or target is None:
        return why
    leaves = target.origin != entry.origin
    has_payload = request.body is not None or request.json is not None or request.form is not None
    if _becomes_get(request.method, status) or (status == 303 and has_payload):
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _BODY_HEADERS}
        method = "HEAD" if request.method == "HEAD" else "GET"
        request = request.replace(method=method, headers=headers, body=None, json=None, form=None)
    elif leaves and (has_payload or request.method not in _SAFE_METHODS):
        return f"its {request.method} would be repeated at another origin ({target.origin})"
    if leaves:
        request = request.replace(headers=_without_secrets(request.headers), cookies={})
    if leaves or _userinfo(url) != _userinfo(base.join("") or ""):
        url = without_userinfo(url)
    return request.replace(url=url)


def _why_not(entry: Entry, locations: Sequence[str], url: str | None, target: Address | None) -> str:
    """In words, why *target* cannot be asked for; empty if it can."""
    if len(entry.redirects) >= MAX_REDIRECTS:
        return f"more than {MAX_REDIRECTS} redirects"
    if len(set(locations)) > 1:
        return f"it has {len(locations)} Location headers that differ"
    if url is None:
        return f"it redirects to {locations[0][:200]!r}, which is no http URL"
    if target is None:
        return f"it redirects to {locations[0][:200]!r}, which is longer than {MAX_URL} characters"
    if [*entry.redirects, entry.request.url].count(target.href) >= _MOST_VISITS:
        return f"it redirects in a circle: {target.href[:200]} was asked for {_MOST_VISITS} times"
    return ""


def _becomes_get(method: str, status: int) -> bool:
    return method == "POST" if status in (301, 302) else status == 303 and method not in ("GET", "HEAD")


def _escape(byte: re.Match[str]) -> str:
    """As Chromium does: the server named these bytes, whatever encoding it had in mind."""
    return f"%{ord(byte[0]) - 0xDC00:02X}"


def _without_secrets(headers: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name.lower() in _SAFE_HEADERS}


def _userinfo(url: str) -> str:
    return url.partition("://")[2].partition("/")[0].rpartition("@")[0]


def without_userinfo(url: str) -> str:
    """*url*, which is absolute, without ``user:password@``: with that a Location would have us log in with the site's
    choice of name.
    """
    scheme, separator, rest = url.partition("://")
    authority, slash, path = rest.partition("/")
    return scheme + separator + authority.rpartition("@")[2] + slash + path
