"""What a private HTTP cache may keep, use again and must ask about: RFC 9111, with RFC 5861 and RFC 8246 beside it.

Rule 1: when in doubt a response is stale. Asking once too often costs a request; the wrong page costs the dataset.
Rule 2: the cache is private (no other user's): ``s-maxage`` and ``proxy-revalidate`` are for others. But the spiders
of a project share it, and may log in under several names: what is ``private``, or varies with the cookies, is kept, and
its server is asked each time whether it still holds.
Rule 3: bodies are kept decoded, so nothing that a 304 says about the form of a body changes what is stored.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import inf

import msgspec

from crawler.http.fields import directives, http_date, members, seconds
from crawler.politeness.retry import RETRYABLE_STATUSES
from crawler.request import Request
from crawler.response import Headers, Response
from crawler.urls.url import Base, address

MAX_HEURISTIC = 24 * 3600.0
"""Seconds that a page may be taken for fresh on no word of its server. Past a day RFC 7234 wanted a warning with it."""
HEURISTIC_SHARE = 0.1
"""Of the time since the last modification. RFC 9111, section 4.2.2, gives it as the typical one."""
HEURISTIC_STATUSES = frozenset({200, 203, 204, 206, 300, 301, 308, 404, 405, 410, 414, 501})
"""RFC 9110, section 15.1."""
KEPT_METHODS = frozenset({"GET", "HEAD"})
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
"""RFC 9110, section 9.2.1. Any other one may change what it is sent to."""
STANDING_IN_FOR = frozenset({500, 502, 504})
"""RFC 5861, section 4, less 503: that is "too much", and must reach whoever lets the host rest."""

_UNDERSTOOD = HEURISTIC_STATUSES | {302, 303, 307, 400, 401, 403, 406, 409, 411, 412, 413, 415, 416, 417, 421, 426, 451}
_OTHERS_MATTER = ("Range", "If-None-Match", "If-Modified-Since", "If-Match", "If-Unmodified-Since", "If-Range")
_HOP_BY_HOP = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authentication-info",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
"""RFC 9111, section 3.1: of one connection, or of one proxy."""
_OF_THE_BODY = frozenset({"content-encoding", "content-length", "content-range", "content-type"})
"""RFC 9111, section 3.2: the stored body has these, whatever a 304 says of the one that it does not bring."""

Vary = tuple[tuple[str, str | None], ...]
"""The request fields that a response was chosen by, in lower case, with what they were; None for one that was absent."""


class Stored(msgspec.Struct, frozen=True, gc=False):
    """A response as it is kept. Times are Unix times."""

    status: int
    headers: Headers
    asked: float
    """When its request left."""
    answered: float
    """When it had come."""
    vary: Vary = ()
    body: bytes = b""


# --- requests ---


def takes_part(request: Request) -> bool:
    """Whether a cache has anything to say about *request*: no other method than GET and HEAD, no body, no part of a
    page, and no conditions of its own, to which the answer belongs to whoever made them. A download is a file already.
    """
    if request.method not in KEPT_METHODS or request.download is not None:
        return False
    if request.body is not None or request.json is not None or request.form is not None:
        return False
    if not request.headers:
        return True
    named = {name.lower() for name in request.headers}
    return not any(name.lower() in named for name in _OTHERS_MATTER)


def wants_only_stored(fields: Headers) -> bool:
    """RFC 9111, section 5.2.1.7: the network is not to be asked."""
    return "only-if-cached" in directives(fields)


def invalidated(request: Request, response: Response) -> list[str]:
    """The URLs of which nothing stored may be used after this exchange (RFC 9111, section 4.4)."""
    if request.method in SAFE_METHODS or not 200 <= response.status < 400:
        return []
    found = [request.url]
    here = address(request.url)
    for name in ("Location", "Content-Location"):
        value = response.headers.get(name)
        target = Base(request.url).join(value) if value else None
        there = address(target) if target else None
        if there is not None and here is not None and there.origin == here.origin:  # else a site could empty another's
            found.append(there.href)
    return found


# --- storing ---


def may_store(status: int, headers: Headers, fields: Headers) -> bool:
    """RFC 9111, section 3, for an answer to a GET or HEAD that had the request fields *fields*.

    A status that is tried again is never stored, though the RFC would let it: the next try must not get it.
    """
    if status < 200 or status in (206, 304) or status in RETRYABLE_STATUSES:
        return False
    if "no-store" in directives(fields):
        return False
    said = directives(headers)
    if "must-understand" in said:
        if status not in _UNDERSTOOD:
            return False
    elif "no-store" in said:
        return False
    if "*" in varying(headers):
        return False  # section 4.1: it would never be chosen
    return status in HEURISTIC_STATUSES or not said.keys().isdisjoint(_EXPLICIT) or "Expires" in headers


_EXPLICIT = ("public", "private", "max-age")


def may_record(status: int) -> bool:
    """Whether a recording, to be replayed, has a use for an answer: a part of a page, or what is tried again, has none."""
    return status >= 200 and status not in (206, 304) and status not in RETRYABLE_STATUSES


def is_worth_storing(stored: Stored, now: float) -> bool:
    """Whether it can ever be used: it is fresh for a while, or its server can be asked whether it still holds."""
    return (
        bool(conditions(stored.headers))
        or lifetime(stored, now) > 0.0
        or "stale-if-error" in directives(stored.headers)
    )


def storable_headers(headers: Headers) -> Headers:
    """A copy of *headers* without those of the connection (RFC 9111, section 3.1)."""
    left_out = _HOP_BY_HOP
    if "Connection" in headers:
        left_out |= {name for value in headers.getall("Connection") for name in members(value)}
    return Headers([(name, value) for name, value in headers.items() if name.lower() not in left_out])


# --- choosing (section 4.1) ---


def varying(headers: Headers) -> list[str]:
    """The request fields that ``Vary`` names, in lower case and order."""
    if "Vary" not in headers:
        return []
    return sorted({name for value in headers.getall("Vary") for name in members(value)})


def vary_of(headers: Headers, fields: Headers) -> Vary:
    """What an answer with *headers* to a request with *fields* was chosen by."""
    return tuple((name, _normal(fields, name)) for name in varying(headers) if name != "*")


def is_chosen_by(vary: Vary, fields: Headers) -> bool:
    """Whether a request with *fields* would be answered by the response that *vary* is of."""
    return all(_normal(fields, name) == value for name, value in vary)


def _normal(fields: Headers, name: str) -> str | None:
    """A field's value as section 4.1 lets it be compared: lines joined, white space of lists taken away."""
    values = fields.getall(name, None)
    return None if values is None else ",".join(part.strip() for value in values for part in value.split(","))


def is_personal(stored: Stored) -> bool:
    """Whether another visitor would get another page: one run logs in as somebody, and the next one as nobody."""
    return _is_personal(stored.headers) or any(name == "cookie" for name, _ in stored.vary)


def _is_personal(headers: Headers) -> bool:
    return "private" in directives(headers) or "cookie" in varying(headers)


# --- freshness (section 4.2) ---


def is_usable(stored: Stored, fields: Headers, now: float, *, reload: bool = False) -> bool:
    """Whether *stored* answers a request with *fields* without asking anybody.

    *reload* asks for a look at the server, as a browser's button does: RFC 8246 lets ``immutable`` decline.
    """
    said = directives(stored.headers)
    if "no-cache" in said or (reload and "immutable" not in said) or now < stored.answered:
        return False  # last one: a clock was set back, so no age can be told
    if is_personal(stored):
        return False  # which cookies a visitor has is the jar's knowledge: the server can compare
    wish = directives(fields)
    if "no-cache" in wish or (not wish and "no-cache" in directives(fields, "Pragma")):
        return False
    old = age(stored, now)
    left = lifetime(stored, now) - old
    if "max-age" in wish and old >= seconds(wish["max-age"]):
        return False
    if "min-fresh" in wish and left < seconds(wish["min-fresh"], inf):
        return False
    return left > 0.0 or _may_be_stale(-left, said, wish)


def _may_be_stale(too_old: float, said: Mapping[str, str], wish: Mapping[str, str]) -> bool:
    """Section 5.2.1.2: whoever asks may take what has been stale for *too_old* seconds, if the server does not forbid it."""
    if "max-stale" not in wish or "must-revalidate" in said:
        return False
    return not wish["max-stale"] or too_old <= seconds(wish["max-stale"])


def may_stand_in(stored: Stored, fields: Headers, now: float) -> bool:
    """RFC 5861, section 4: whether *stored*, which is stale, may be used where the server failed."""
    said, wish = directives(stored.headers), directives(fields)
    if "no-cache" in said or "no-cache" in wish or "must-revalidate" in said or now < stored.answered:
        return False
    if is_personal(stored):
        return False  # nobody is there to compare
    stale = age(stored, now) - lifetime(stored, now)
    return any(stale <= seconds(given["stale-if-error"]) for given in (said, wish) if "stale-if-error" in given)


def lifetime(stored: Stored, now: float) -> float:
    """Seconds that *stored* is fresh, counted from when its server made it (section 4.2.1). 0.0 if nothing says so."""
    headers = stored.headers
    said = directives(headers)
    if "max-age" in said:
        return seconds(said["max-age"])
    if "Expires" in headers:
        expires = _date(headers, "Expires", now)
        return 0.0 if expires is None else max(0.0, expires - _made(stored, now))
    if "Last-Modified" not in headers or not (stored.status in HEURISTIC_STATUSES or "public" in said):
        return 0.0
    modified = _date(headers, "Last-Modified", now)
    if modified is None:
        return 0.0
    return min(max(0.0, _made(stored, now) - modified) * HEURISTIC_SHARE, MAX_HEURISTIC)


def age(stored: Stored, now: float) -> float:
    """Seconds since its server made *stored*, or last said that it holds (section 4.2.3)."""
    apparent = max(0.0, stored.answered - _made(stored, now))
    on_the_way = max(0.0, stored.answered - stored.asked)
    told = stored.headers.get("Age")
    corrected = on_the_way + (seconds(told.partition(",")[0].strip()) if told else 0.0)
    return max(apparent, corrected) + max(0.0, now - stored.answered)


def _made(stored: Stored, now: float) -> float:
    made = _date(stored.headers, "Date", now)
    return stored.answered if made is None else made


def _date(headers: Headers, name: str, now: float) -> float | None:
    value = headers.get(name)
    return None if value is None else http_date(value, now)


# --- validation (section 4.3) ---


def conditions(headers: Headers) -> dict[str, str]:
    """The request fields that ask whether a stored response with *headers* still holds (section 4.3.1)."""
    asked = {}
    tag, modified = headers.get("ETag"), headers.get("Last-Modified")
    if tag and _is_sendable(tag):
        asked["If-None-Match"] = tag
    if modified and _is_sendable(modified) and not _is_personal(headers):
        asked["If-Modified-Since"] = modified  # two visitors' pages may have one date, but not one tag
    return asked


def _is_sendable(value: str) -> bool:
    """A server may have sent any bytes; what is sent back to it is text."""
    return value.isascii() and value.isprintable()


def confirms(stored: Stored, headers: Headers) -> bool:
    """Whether a 304 with *headers* speaks of *stored* (section 4.3.4).

    Tags are compared weakly: servers that compress drop or add the mark of weakness between a 200 and a 304.
    """
    tag = headers.get("ETag")
    if tag is not None and "ETag" in stored.headers:
        return _opaque(tag) == _opaque(stored.headers["ETag"])
    modified = headers.get("Last-Modified")
    if tag is None and modified is not None and "ETag" not in stored.headers:
        return modified == stored.headers.get("Last-Modified", modified)
    return tag is None


def freshened(stored: Stored, headers: Headers, asked: float, answered: float) -> Stored:
    """*stored* with what a 304, or the answer to a HEAD, says anew (sections 3.2 and 4.3.4)."""
    news = storable_headers(headers)
    merged = Headers(stored.headers)
    merged.pop("Age", None)  # it was that of the earlier answer
    merged.pop("Date", None)
    names = {name.lower() for name in news} - _OF_THE_BODY
    for name in names:
        merged.popall(name, None)
    for name, value in news.items():
        if name.lower() in names:
            merged.add(name, value)
    return msgspec.structs.replace(stored, headers=merged, asked=asked, answered=answered)


def agrees(stored: Stored, headers: Headers) -> bool:
    """Whether the 200 to a HEAD, with *headers*, is about the page that *stored* holds (section 4.3.5)."""
    return all(
        headers[name] == stored.headers.get(name)
        for name in ("ETag", "Last-Modified", "Content-Length")
        if name in headers and (name in stored.headers or name != "Content-Length")
    )


def _opaque(tag: str) -> str:
    tag = tag.strip()
    return tag[2:] if tag[:2] in ("W/", "w/") else tag
