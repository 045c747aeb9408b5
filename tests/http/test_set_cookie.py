from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from crawler.http.set_cookie import MAX_AGE, MAX_ATTRIBUTE, MAX_PAIR, SetCookie, cookie_date, octets, parse_set_cookie

NOW = 1_800_000_000.0
DATES: list[tuple[str, str | None]] = [
    msgspec.json.decode(line) for line in (Path(__file__).parent / "cookie_dates.jsonl").read_bytes().splitlines()
]
"""What http-state and Chromium say of dates: the text, and the moment or nothing."""
NO_DATE = {"Mon, 01-Jan-2011 00: 00:00 GMT": "a time is one token: RFC 6265bis, section 5.1.1, step 2"}
"""Where the rule says otherwise."""


@pytest.mark.parametrize(("text", "expected"), DATES)
def test_a_date_is_found_however_it_is_written(text: str, expected: str | None) -> None:
    moment = None if expected is None or text in NO_DATE else datetime.fromisoformat(expected).timestamp()
    assert cookie_date(text) == moment


MORE_DATES = [
    ("Sat, 29 Feb 2020 00:00:00 GMT", True),
    ("Sun, 29 Feb 2021 00:00:00 GMT", False),
    ("Fri, 31 Apr 2021 00:00:00 GMT", False),
    ("Fri, 00 Apr 2021 00:00:00 GMT", False),
    ("Fri, 32 Apr 2021 00:00:00 GMT", False),
    ("Fri, 01 Apr 2021 24:00:00 GMT", False),
    ("Fri, 01 Apr 2021 23:60:00 GMT", False),
    ("Fri, 01 Apr 2021 23:59:60 GMT", False),
    ("Fri, 01 Apr 2021 23:59:59 GMT", True),
    ("Fri, 01 Apr 1600 00:00:00 GMT", False),
    ("Fri, 01 Apr 1601 00:00:00 GMT", True),
    ("Fri, 01 Apr 9999 00:00:00 GMT", True),
    ("Fri, 01 Aprx 2021 00:00:00", True),
    ("Fri, 01 Ap 2021 00:00:00", False),
    ("Fri, 01 anf 2021 00:00:00", False),
    ("Fri, 01 Apr 2021 00:00", False),
    ("Fri, 01 Apr 2021 00:00:00pm", True),
    ("Fri, 01st Apr 2021th 00:00:00", True),
    ("٠١ Apr 2021 00:00:00", False),
    ("", False),
]


@pytest.mark.parametrize(("text", "is_date"), MORE_DATES)
def test_a_moment_that_there_never_was_is_no_date(text: str, is_date: bool) -> None:
    assert (cookie_date(text) is not None) == is_date


@pytest.mark.parametrize(("years", "expected"), [("69", 2069), ("70", 1970), ("99", 1999), ("00", 2000), ("199", 0)])
def test_two_digits_are_a_year_of_the_centuries_around_us(years: str, expected: int) -> None:
    moment = cookie_date(f"01 Jan {years} 00:00:00")
    assert (moment is None) == (expected == 0)
    if moment is not None:
        assert moment == datetime.fromisoformat(f"{expected}-01-01T00:00:00Z").timestamp()


LINES: list[tuple[str, SetCookie | None]] = [
    ("a=b", SetCookie("a", "b")),
    ("\t a \t=\t b \t; x", SetCookie("a", "b")),
    ("a=b=c==", SetCookie("a", "b=c==")),
    ('a="b c"', SetCookie("a", '"b c"')),
    ("a=", SetCookie("a", "")),
    ("b", SetCookie("", "b")),
    ("=b", SetCookie("", "b")),
    ("=b=c", SetCookie("", "b=c")),
    ("=", None),
    (" ; a=b", None),
    ("", None),
    ("a\tb=c\td", SetCookie("a\tb", "c\td")),
    ("a=b\x00", None),
    ("a=b\r", None),
    ("a=b; x=\n", None),
    ("a=b; \x7f", None),
    ("a=\x80\x9f", SetCookie("a", "\x80\x9f")),
    ("a=\udcff", SetCookie("a", "\udcff")),
    ("a=\u00a0b\u2003", SetCookie("a", "\u00a0b\u2003")),  # no space but these two is cut off
    ("a=b; Domain=.Example.ORG; Path=/x; Secure; HttpOnly; SameSite=LAX",
     SetCookie("a", "b", "example.org", "/x", None, True, True, "lax")),
    ("a=b; domain=..x", SetCookie("a", "b", ".x")),
    ("a=b; domain=x; domain", SetCookie("a", "b", "")),
    ("a=b; path=/x; path", SetCookie("a", "b", path="")),
    ("a=b; path=x", SetCookie("a", "b", path="x")),
    ("a=b; samesite=strict; samesite=other", SetCookie("a", "b")),
    ("a=b; samesite=None", SetCookie("a", "b", same_site="none")),
    ("a=b; secure=no; httponly=0", SetCookie("a", "b", secure=True, http_only=True)),
    ("a=b; Max-Age=10", SetCookie("a", "b", expires=NOW + 10)),
    ("a=b; Max-Age=010", SetCookie("a", "b", expires=NOW + 10)),
    ("a=b; Max-Age=0", SetCookie("a", "b", expires=0.0)),
    ("a=b; Max-Age=-99999999999999999999", SetCookie("a", "b", expires=0.0)),
    ("a=b; Max-Age=99999999999999999999", SetCookie("a", "b", expires=NOW + MAX_AGE)),
    *((f"a=b; Max-Age={text}", SetCookie("a", "b")) for text in ("", "-", "+1", "1.5", "1 0", "1e3", "٣", '"1"')),
    ("a=b; Max-Age=5; Max-Age=x", SetCookie("a", "b", expires=NOW + 5)),
    ("a=b; Max-Age=5; Expires=Fri, 01 Jan 2100 00:00:00 GMT", SetCookie("a", "b", expires=NOW + 5)),
    ("a=b; Expires=Fri, 01 Jan 1999 00:00:00 GMT; Max-Age=5", SetCookie("a", "b", expires=NOW + 5)),
    ("a=b; Max-Age=0; Expires=Fri, 01 Jan 2100 00:00:00 GMT", SetCookie("a", "b", expires=0.0)),
    ("a=b; Expires=Fri, 01 Jan 2100 00:00:00 GMT", SetCookie("a", "b", expires=NOW + MAX_AGE)),
    ("a=b; Expires=Fri, 15 Jan 2027 08:00:01 GMT", SetCookie("a", "b", expires=NOW + 1)),
    ("a=b; Expires=Fri, 01 Jan 1999 00:00:00 GMT", SetCookie("a", "b", expires=915148800.0)),
    ("a=b; Expires=Fri, 01 Jan 1960 00:00:00 GMT", SetCookie("a", "b", expires=0.0)),
    ("a=b; Expires=Fri, 15 Jan 2027 08:00:01 GMT; Expires=soon", SetCookie("a", "b", expires=NOW + 1)),
    ("a=b; Expires=0", SetCookie("a", "b")),
    ("a=b; ſecure", SetCookie("a", "b")),
    ("a=b" + "; x" * 14 + "; secure", SetCookie("a", "b", secure=True)),
    ("a=b" + "; x" * 15 + "; secure", SetCookie("a", "b")),
    ("a=b" + ";" * 60_000, SetCookie("a", "b")),
]  # fmt: skip


@pytest.mark.parametrize(("line", "expected"), LINES, ids=[ascii(line)[:60] for line, _ in LINES])
def test_a_header_says(line: str, expected: SetCookie | None) -> None:
    assert parse_set_cookie(line, NOW) == expected


@pytest.mark.parametrize(
    ("name", "value", "fits"),
    [
        ("a", "b" * (MAX_PAIR - 1), True),
        ("a", "b" * MAX_PAIR, False),
        ("a" * 4000, "b" * 96, True),
        ("a" * 4000, "b" * 97, False),
        ("a", "é" * 2047, True),
        ("a", "é" * 2048, False),
        ("a", "\udcff" * (MAX_PAIR - 1), True),
    ],
)
def test_a_cookie_has_so_many_bytes_at_most(name: str, value: str, fits: bool) -> None:
    expected = SetCookie(name, value) if fits else None
    assert parse_set_cookie(f"{name} = {value} ; Version=1", NOW) == expected


@pytest.mark.parametrize(("length", "path"), [(MAX_ATTRIBUTE, True), (MAX_ATTRIBUTE + 1, False)])
def test_an_attribute_has_so_many_bytes_at_most(length: int, path: bool) -> None:
    long = "/" + "x" * (length - 1)
    told = parse_set_cookie(f"a=b; Path=/short; Path={long}", NOW)
    assert told is not None
    assert told.path == (long if path else "/short")


def test_a_length_is_that_of_the_bytes_that_came() -> None:
    texts: list[Any] = ["abc", "é", "\udcff", "€"]
    assert [octets(text) for text in texts] == [3, 2, 1, 3]
