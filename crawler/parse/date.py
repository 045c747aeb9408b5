"""Dates as sitemaps and feeds write them: W3C's profile of ISO 8601, and RFC 822's of e-mail."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache

_LONGEST = 64
"""Characters of a date. The longest right one, with names in full, has some 40."""
_YEAR = re.compile(r"(\d{4})(?:-(\d{1,2}))?(?:-(\d{1,2}))?", re.ASCII)
"""Dates that stop early, and those without their zeros."""


def moment(text: str) -> datetime | None:
    """The moment that *text* names, None if it names none. Where no time zone is given it is UTC."""
    return _moment(text) if text and len(text) <= _LONGEST else None


@lru_cache(maxsize=256)
def _moment(text: str) -> datetime | None:
    found = _iso(text) or _partial(text) or _rfc822(text)
    return found if found is None or found.tzinfo is not None else found.replace(tzinfo=UTC)


def _iso(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def _partial(text: str) -> datetime | None:
    match = _YEAR.fullmatch(text)
    if match is None:
        return None
    try:
        return datetime(int(match[1]), int(match[2] or 1), int(match[3] or 1), tzinfo=UTC)
    except ValueError:
        return None


def _rfc822(text: str) -> datetime | None:
    from email.utils import parsedate_to_datetime  # slow to import, and feeds alone need it

    try:
        return parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError, IndexError):  # what it raises for nonsense differs by version
        return None
