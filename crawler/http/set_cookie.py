"""What one Set-Cookie header says. RFC 6265bis, section 5.6, and the dates of its section 5.1.1.

Headers are text in which ``surrogateescape`` stands for bytes that are no UTF-8: lengths are those of the bytes.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import msgspec

MAX_PAIR = 4096
"""Bytes of a cookie's name and value together; a longer cookie is ignored."""
MAX_ATTRIBUTE = 1024
"""Bytes of an attribute's value; a longer attribute is ignored."""
MAX_AGE = 400 * 86_400.0
"""Seconds that a cookie may live at most. Section 5.5: 400 days."""
_MAX_ATTRIBUTES = 15
"""Attributes that are read; with the cookie itself that makes Chromium's sixteen. There are seven different ones."""
_BLANKS = " \t"
_CONTROL = re.compile("[\x00-\x08\x0a-\x1f\x7f]")


class SetCookie(msgspec.Struct, frozen=True, gc=False):
    """A cookie, before anybody asked whether this host may set it."""

    name: str
    """Empty if there is no equals sign, or nothing before it."""
    value: str
    domain: str = ""
    """In lower case, without its leading dot; empty for the host alone."""
    path: str | None = None
    """None without a Path attribute; as it is written otherwise, and it may be no path at all."""
    expires: float | None = None
    """Unix time, at most ``MAX_AGE`` from now; 0 for one that is to be deleted; None for as long as the session."""
    secure: bool = False
    http_only: bool = False
    same_site: str = ""
    """``strict``, ``lax``, ``none``, or empty if it does not say."""


def parse_set_cookie(line: str, now: float) -> SetCookie | None:
    """What *line*, the value of a Set-Cookie header, says at the Unix time *now*.

    None if it is to be ignored as a whole: it has a control character, is too long, or has neither name nor value.
    """
    if _CONTROL.search(line):
        return None
    pair, *attributes = line.split(";", _MAX_ATTRIBUTES + 1)
    name, equals, value = pair.partition("=")
    name, value = (name.strip(_BLANKS), value.strip(_BLANKS)) if equals else ("", name.strip(_BLANKS))
    if not (name or value) or octets(name) + octets(value) > MAX_PAIR:
        return None
    if not attributes:
        return SetCookie(name, value)
    told = _told(attributes[:_MAX_ATTRIBUTES], now)
    max_age = told.pop("max_age", None)
    if max_age is not None:  # it has precedence, wherever it stands
        told["expires"] = max_age
    return SetCookie(name, value, **told)


def octets(text: str) -> int:
    """The bytes of *text*, as they came."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogateescape"))


def cookie_date(text: str) -> float | None:
    """The Unix time that *text* means, however it is written; None if it is no date. Section 5.1.1."""
    found: dict[str, tuple[int, ...]] = {}
    for token in _DATE_TOKEN.findall(text):
        for part, read in _DATE_PARTS:
            if part not in found and (numbers := read(token)) is not None:
                found[part] = numbers
                break
    if len(found) < len(_DATE_PARTS):
        return None
    [year], [month], [day], [hour, minute, second] = (found[part] for part in ("year", "month", "day", "time"))
    if year < 100:
        year += 2000 if year < 70 else 1900
    if year < 1601:
        return None
    try:
        return datetime(year, month, day, hour, minute, second, tzinfo=UTC).timestamp()
    except ValueError:  # 31 February, or a quarter past 25
        return None


def _told(attributes: list[str], now: float) -> dict[str, Any]:  # Any: the fields' own types differ
    """The last valid word on each field of a SetCookie."""
    told: dict[str, Any] = {}  # Any: as above
    for attribute in attributes:
        name, _, value = attribute.partition("=")
        row = _ATTRIBUTES.get(name.strip(_BLANKS).lower())
        if row is None:
            continue
        field, read = row
        value = value.strip(_BLANKS)
        meaning = read(value, now) if octets(value) <= MAX_ATTRIBUTE else None
        if meaning is not None:
            told[field] = meaning
    return told


# --- attributes: what each means, None for nothing ---


def _expires(value: str, now: float) -> float | None:
    moment = cookie_date(value)
    return None if moment is None else max(0.0, min(moment, now + MAX_AGE))


def _max_age(value: str, now: float) -> float | None:
    if _SECONDS.fullmatch(value) is None:
        return None
    seconds = int(value)
    return now + min(seconds, MAX_AGE) if seconds > 0 else 0.0


def _domain(value: str, _: float) -> str:
    return value.removeprefix(".").lower()


def _path(value: str, _: float) -> str:
    return value


def _flag(_: str, __: float) -> bool:
    return True


def _same_site(value: str, _: float) -> str:
    return value.lower() if value.lower() in ("strict", "lax", "none") else ""


_SECONDS = re.compile("-?[0-9]+")
_ATTRIBUTES: dict[str, tuple[str, Callable[[str, float], object]]] = {
    "expires": ("expires", _expires),
    "max-age": ("max_age", _max_age),
    "domain": ("domain", _domain),
    "path": ("path", _path),
    "secure": ("secure", _flag),
    "httponly": ("http_only", _flag),
    "samesite": ("same_site", _same_site),
}


# --- dates: in any order, with any punctuation, the first token that can be a part is that part ---


def _time(token: str) -> tuple[int, ...] | None:
    found = _TIME.match(token)
    return tuple(int(number) for number in found.groups()) if found else None


def _day(token: str) -> tuple[int, ...] | None:
    found = _DAY.match(token)
    return (int(found[0]),) if found else None


def _month(token: str) -> tuple[int, ...] | None:
    number = _MONTHS.find(token[:3].lower())
    return (number // 3 + 1,) if len(token) >= 3 and number >= 0 and number % 3 == 0 else None


def _year(token: str) -> tuple[int, ...] | None:
    found = _YEAR.match(token)
    return (int(found[0]),) if found else None


_DATE_TOKEN = re.compile(r"[^\t\x20-\x2f\x3b-\x40\x5b-\x60\x7b-\x7e]+")
_TIME = re.compile("([0-9]{1,2}):([0-9]{1,2}):([0-9]{1,2})(?![0-9])")
_DAY = re.compile("[0-9]{1,2}(?![0-9])")
_YEAR = re.compile("[0-9]{2,4}(?![0-9])")
_MONTHS = "janfebmaraprmayjunjulaugsepoctnovdec"
_DATE_PARTS: tuple[tuple[str, Callable[[str], tuple[int, ...] | None]], ...] = (
    ("time", _time),
    ("day", _day),
    ("month", _month),
    ("year", _year),
)
"""In the order in which a token is tried."""
