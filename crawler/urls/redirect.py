"""What a redirect asks for. RFC 9110, section 15.4."""

from __future__ import annotations

from crawler.request import Entry, Request
from crawler.urls.url import Base, address

MAX_REDIRECTS = 20
"""Hops from the first URL, as the Fetch Standard and every browser have it."""
_REWRITING = (301, 302, 303)
_SAFE_HEADERS = frozenset({"accept", "accept-language", "user-agent"})
"""What may follow to another origin; anything else that a user set might be a secret."""


def redirected(entry: Entry, status: int, location: str) -> Request | str:
    """The request that follows *entry*'s redirect, or in words why there is none.

    301, 302 and 303 turn a POST into a GET without a body; 307 and 308 repeat it, but not at another origin.
    """
    request = entry.request
    if len(entry.redirects) >= MAX_REDIRECTS:
        return f"more than {MAX_REDIRECTS} redirects"
    base = Base(request.url)
    url = base.join(location.strip())
    target = address(url) if url else None
    if url is None or target is None:
        return f"it redirects to {location[:200]!r}, which is no http URL"
    rewrites = status in _REWRITING and request.method not in ("GET", "HEAD")
    has_payload = request.body is not None or request.json is not None or request.form is not None
    if has_payload and not rewrites and target.origin != entry.origin:
        return f"its {request.method} would be repeated at another origin ({target.origin})"
    if rewrites or (has_payload and status == 303):
        request = request.replace(method="GET", body=None, json=None, form=None)
    if target.origin != entry.origin:
        request = request.replace(headers=_without_secrets(request.headers), cookies={})
    url = _without_userinfo(url)
    returns = url == request.url or url in entry.redirects  # a page that sets a cookie and sends us back to itself
    return request.replace(url=url, unique=request.unique and not returns)


def _without_secrets(headers: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name.lower() in _SAFE_HEADERS}


def _without_userinfo(url: str) -> str:
    """A Location with ``user:password@`` in it would have us log in with the site's choice of name."""
    scheme, separator, rest = url.partition("://")
    authority, slash, path = rest.partition("/")
    return scheme + separator + authority.rpartition("@")[2] + slash + path
