"""Reading the fields of messages: lists, directives, seconds and dates (RFC 9110, section 5.6; RFC 9111, section 5.2)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import lru_cache

from crawler.response import Headers

LONGEST = 2.0**31
"""Seconds; RFC 9111, section 1.2.2."""


def directives(headers: Headers, name: str = "Cache-Control") -> Mapping[str, str]:
    """The directives of *headers*, by their names in lower case; empty text for one without a value.

    The first of a kind counts (section 4.2.1). What is no directive is passed over.
    """
    values = headers.getall(name, None)
    if not values:
        return _NOTHING
    text = values[0] if len(values) == 1 else ",".join(values)
    return _parse(text) if len(text) > _REMEMBERED else _parsed(text)


_NOTHING: Mapping[str, str] = {}
_REMEMBERED = 200
"""Characters; longer fields are not worth the memory, and nobody sends them twice but to fill it."""
_DIRECTIVE = re.compile(r"""[ \t]*+([^\s,="]++)(?:=(?:"((?:[^"\\]|\\.)*+)"|([^,"]*+)))?[ \t]*+(?:,|$)|[^,]*+(?:,|$)""")
"""Nothing here is tried twice: the field may be as long as all headers together."""


def _parse(text: str) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for name, quoted, plain in _DIRECTIVE.findall(text):
        if name:
            found.setdefault(name.lower(), quoted or plain.rstrip(" \t"))
    return found


_parsed = lru_cache(maxsize=1024)(_parse)


def members(value: str) -> Iterable[str]:
    """Of a comma-separated list of names, in lower case."""
    return (member.strip().lower() for member in value.split(",") if member.strip())


def seconds(value: str, unreadable: float = 0.0) -> float:
    """delta-seconds (section 1.2.2). What is unreadable leaves a response stale (section 4.2.1)."""
    if not (value.isascii() and value.isdigit()):
        return unreadable
    return min(float(value[:20]), LONGEST)


_MONTHS = {
    month: number
    for number, month in enumerate(
        ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"), 1
    )
}
_CLOCK = r"(\d\d):(\d\d):(\d\d)"
_IMF = re.compile(rf"[a-z]{{3}}, (\d\d) ([a-z]{{3}}) (\d{{4}}) {_CLOCK} gmt", re.IGNORECASE | re.ASCII)
_RFC850 = re.compile(rf"[a-z]{{6,9}}, (\d\d)-([a-z]{{3}})-(\d\d) {_CLOCK} gmt", re.IGNORECASE | re.ASCII)
_ASCTIME = re.compile(rf"[a-z]{{3}} ([a-z]{{3}}) ([ \d]\d) {_CLOCK} (\d{{4}})", re.IGNORECASE | re.ASCII)


def http_date(value: str, now: float) -> float | None:
    """RFC 9110, section 5.6.7: a Unix time, from any of the three forms; None for anything else.

    A year of two digits that would be more than fifty years after *now* is one of the past.
    """
    if found := _IMF.fullmatch(value):
        day, month, year, *clock = found.groups()
    elif found := _ASCTIME.fullmatch(value):
        month, day, *clock, year = found.groups()
    elif found := _RFC850.fullmatch(value):
        day, month, year, *clock = found.groups()
        this_year = datetime.fromtimestamp(now, UTC).year
        full = this_year - this_year % 100 + int(year)
        year = str(full - 100 if full > this_year + 50 else full)
    else:
        return None
    hour, minute, second = map(int, clock)
    try:
        date = datetime(int(year), _MONTHS[month.lower()], int(day), hour, minute, min(second, 59), tzinfo=UTC)
    except (ValueError, KeyError):
        return None
    return date.timestamp() + (second == 60)  # a leap second is the next minute's first one
