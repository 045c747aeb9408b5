"""RFC 9111 without a network: what may be kept, used again, and must be asked about."""

from __future__ import annotations

import pytest
from exchanges import BOTH, DATE, DAY, EXCHANGES, FETCH, FRESH, NOW, TAG, Exchange, date

from crawler.http.caching import (
    Stored,
    age,
    agrees,
    conditions,
    confirms,
    freshened,
    invalidated,
    is_chosen_by,
    is_usable,
    is_worth_storing,
    lifetime,
    may_record,
    may_stand_in,
    may_store,
    storable_headers,
    takes_part,
    vary_of,
    wants_only_stored,
)
from crawler.http.fields import directives, http_date
from crawler.request import Download, Request
from crawler.response import Headers, Response, headers_of

URL = "http://a.example/page"


def stored(given: dict[str, str] | Headers, status: int = 200, *, at: float = NOW, took: float = 0.0) -> Stored:
    return Stored(status, Headers(given), at - took, at)


def use_of(row: Exchange) -> str:
    """What the rules say of the second request."""
    first, second, headers = Headers(row.first), Headers(row.second), Headers(row.headers)
    kept = Stored(row.status, storable_headers(headers), NOW, NOW, vary_of(headers, first))
    is_there = may_store(row.status, headers, first) and is_worth_storing(kept, NOW) and is_chosen_by(kept.vary, second)
    if not is_there or not may_store(row.status, headers, second):
        return FETCH
    if is_usable(kept, second, NOW + row.later, reload=row.reload):
        return FRESH
    return ", ".join(name.lower() for name in conditions(kept.headers)) or FETCH


@pytest.mark.parametrize("row", EXCHANGES, ids=str)
def test_the_rules_of_rfc_9111_decide_what_is_used(row: Exchange) -> None:
    assert use_of(row) == row.use


def test_each_rule_is_there_once() -> None:
    titles = [str(row) for row in EXCHANGES]
    assert len(titles) == len(set(titles)) >= 120
    assert {row.use for row in EXCHANGES} == {FRESH, TAG, DATE, BOTH, FETCH}


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (Request(URL), True),
        (Request(URL, method="HEAD"), True),
        (Request(URL, headers={"Accept-Language": "de"}), True),
        (Request(URL, method="POST"), False),
        (Request(URL, method="POST", form={"a": "b"}), False),
        (Request(URL, method="PUT", body=b"x"), False),
        (Request(URL, body=b"x"), False),
        (Request(URL, json={}), False),
        (Request(URL, method="OPTIONS"), False),
        (Request(URL, headers={"Range": "bytes=0-1"}), False),
        (Request(URL, headers={"range": "bytes=0-1"}), False),
        (Request(URL, headers={"If-None-Match": '"a"'}), False),
        (Request(URL, headers={"IF-MODIFIED-SINCE": "x"}), False),
        (Request(URL, headers={"If-Match": "*"}), False),
        (Request(URL, headers={"If-Unmodified-Since": "x"}), False),
        (Request(URL, headers={"If-Range": '"a"'}), False),
        (Download(URL), False),
    ],
)
def test_a_cache_leaves_alone_what_is_not_its_business(request_: Request, expected: bool) -> None:
    assert takes_part(request_) is expected


@pytest.mark.parametrize(
    ("method", "status", "headers", "expected"),
    [
        ("POST", 200, {}, [URL]),
        ("PUT", 204, {}, [URL]),
        ("DELETE", 200, {}, [URL]),
        ("M-SEARCH", 200, {}, [URL]),
        ("PATCH", 303, {"Location": "/new"}, [URL, "http://a.example/new"]),
        ("POST", 201, {"Location": "new#part"}, [URL, "http://a.example/new"]),
        ("POST", 200, {"Content-Location": "http://a.example/x"}, [URL, "http://a.example/x"]),
        ("POST", 201, {"Location": "/a", "Content-Location": "/b"}, [URL, "http://a.example/a", "http://a.example/b"]),
        ("POST", 201, {"Location": "http://b.example/"}, [URL]),
        ("POST", 201, {"Location": "https://a.example/"}, [URL]),
        ("POST", 201, {"Location": "http://a.example:81/"}, [URL]),
        ("POST", 201, {"Location": "http://["}, [URL]),
        ("POST", 500, {}, []),
        ("POST", 404, {"Location": "/a"}, []),
        ("GET", 200, {"Content-Location": "/b"}, []),
        ("HEAD", 200, {}, []),
        ("OPTIONS", 200, {}, []),
        ("TRACE", 200, {}, []),
    ],
)
def test_an_unsafe_request_that_worked_invalidates_what_it_names_of_its_own_origin(
    method: str, status: int, headers: dict[str, str], expected: list[str]
) -> None:
    request = Request(URL, method=method)
    assert invalidated(request, Response(URL, status, headers_of(headers))) == expected


@pytest.mark.parametrize(
    ("kept", "answer", "expected"),
    [
        ({"ETag": '"a"'}, {"ETag": '"a"'}, True),
        ({"ETag": '"a"'}, {"ETag": '"b"'}, False),
        ({"ETag": '"a"'}, {}, True),
        ({"ETag": 'W/"a"'}, {"ETag": '"a"'}, True),
        ({"ETag": '"a"'}, {"ETag": 'W/"a"'}, True),
        ({"ETag": 'W/"a"'}, {"ETag": 'W/"b"'}, False),
        ({"Last-Modified": "x"}, {"Last-Modified": "x"}, True),
        ({"Last-Modified": "x"}, {"Last-Modified": "y"}, False),
        ({"Last-Modified": "x"}, {}, True),
        ({"Last-Modified": "x"}, {"ETag": '"a"'}, False),
        ({"ETag": '"a"', "Last-Modified": "x"}, {"ETag": '"a"', "Last-Modified": "y"}, True),
        ({}, {}, True),
    ],
)
def test_a_304_confirms_the_page_that_it_speaks_of(
    kept: dict[str, str], answer: dict[str, str], expected: bool
) -> None:
    assert confirms(stored(kept), headers_of(answer)) is expected


@pytest.mark.parametrize(
    ("name", "old", "new", "expected"),
    [
        ("Test-Header", "A", "B", "B"),
        ("X-Test-Header", "A", "B", "B"),
        ("Content-Foo", "A", "B", "B"),
        ("Cache-Control", "max-age=1", "max-age=3600", "max-age=3600"),
        ("Expires", "A", "B", "B"),
        ("Content-Location", "/foo", "/bar", "/bar"),
        ("Content-Security-Policy", "A", "B", "B"),
        ("Set-Cookie", "a=b", "a=c", "a=c"),
        ("X-Frame-Options", "deny", "sameorigin", "sameorigin"),
        ("ETag", 'W/"a"', '"a"', '"a"'),
        ("Content-Type", "text/html; charset=utf-8", "text/html", "text/html; charset=utf-8"),
        ("Content-Length", "100", "0", "100"),
        ("Content-Encoding", "gzip", "br", "gzip"),
        ("Content-Range", "A", "B", "A"),
        ("Content-Length", None, "0", None),
        ("Content-Type", None, "text/plain", None),
        ("Test-Header", "A", None, "A"),
        ("Test-Header", None, "B", "B"),
        ("Connection", None, "close", None),
        ("Transfer-Encoding", None, "chunked", None),
        ("Age", "500", None, None),
        ("Age", "500", "3", "3"),
        ("Date", "A", None, None),
    ],
)
def test_a_304_updates_the_stored_headers_that_are_not_of_the_body(
    name: str, old: str | None, new: str | None, expected: str | None
) -> None:
    before = stored({} if old is None else {name: old, "Kept": "yes"})
    after = freshened(before, headers_of({} if new is None else {name: new}), NOW + 9, NOW + 10)
    assert after.headers.get(name) == expected
    assert (after.asked, after.answered, after.body) == (NOW + 9, NOW + 10, before.body)
    assert before.headers.get(name) == old  # it is a copy
    assert after.headers.get("Kept") == before.headers.get("Kept")


def test_a_304_replaces_all_lines_of_a_header() -> None:
    before = Stored(200, Headers([("Set-Cookie", "a"), ("Set-Cookie", "b"), ("X", "y")]), NOW, NOW)
    after = freshened(before, Headers([("set-cookie", "c"), ("set-cookie", "d")]), NOW, NOW)
    assert after.headers.getall("Set-Cookie") == ["c", "d"]


def test_a_304_makes_the_page_young_again() -> None:
    before = stored({"Cache-Control": "max-age=60", "ETag": '"a"', "Date": date(NOW), "Age": "50"})
    assert not is_usable(before, Headers(), NOW + 100)
    after = freshened(before, headers_of({"ETag": '"a"', "Date": date(NOW + 100)}), NOW + 100, NOW + 100)
    assert is_usable(after, Headers(), NOW + 150)
    assert not is_usable(after, Headers(), NOW + 161)


@pytest.mark.parametrize(
    ("kept", "answer", "expected"),
    [
        ({"ETag": '"a"'}, {"ETag": '"a"'}, True),
        ({"ETag": '"a"'}, {"ETag": '"b"'}, False),
        ({"ETag": '"a"'}, {}, True),
        ({"Last-Modified": "x"}, {"Last-Modified": "y"}, False),
        ({"Content-Length": "5"}, {"Content-Length": "6"}, False),
        ({"Content-Length": "5"}, {"Content-Length": "5"}, True),
        ({}, {"Content-Length": "5"}, True),
        ({}, {"ETag": '"a"'}, False),
    ],
)
def test_the_answer_to_a_head_tells_whether_the_stored_page_is_another_by_now(
    kept: dict[str, str], answer: dict[str, str], expected: bool
) -> None:
    assert agrees(stored(kept), headers_of(answer)) is expected


@pytest.mark.parametrize(
    ("said", "wish", "later", "expected"),
    [
        ("max-age=2, stale-if-error=60", "", 10, True),
        ("max-age=2, stale-if-error=60", "", 63, False),
        ("max-age=2", "", 10, False),
        ("max-age=2", "stale-if-error=60", 10, True),
        ("max-age=2", "stale-if-error=5", 10, False),
        ("max-age=2, stale-if-error=1", "stale-if-error=60", 10, True),
        ("max-age=2, stale-if-error=60, must-revalidate", "", 10, False),
        ("no-cache, stale-if-error=60", "", 10, False),
        ("max-age=2, stale-if-error=60", "no-cache", 10, False),
        ("max-age=2, stale-if-error=x", "", 10, False),
        ("max-age=2, stale-if-error=60", "", -10, False),
    ],
)
def test_a_stale_page_stands_in_for_an_error_for_as_long_as_it_may(
    said: str, wish: str, later: float, expected: bool
) -> None:
    fields = headers_of({"Cache-Control": wish} if wish else {})
    assert may_stand_in(stored({"Cache-Control": said}), fields, NOW + later) is expected


@pytest.mark.parametrize(
    ("headers", "took", "later", "expected"),
    [
        ({}, 0.0, 7.0, 7.0),
        ({}, 2.0, 7.0, 9.0),
        ({"Age": "30"}, 2.0, 7.0, 39.0),
        ({"Date": date(NOW - 50)}, 2.0, 7.0, 57.0),
        ({"Date": date(NOW - 50), "Age": "100"}, 2.0, 7.0, 109.0),
        ({"Date": date(NOW + 50)}, 0.0, 7.0, 7.0),
        ({"Age": "9" * 30}, 0.0, 0.0, 2.0**31),
    ],
)
def test_the_age_of_a_page_counts_what_it_went_through(
    headers: dict[str, str], took: float, later: float, expected: float
) -> None:
    assert age(stored(headers, took=took), NOW + later) == expected


def test_no_lifetime_is_negative() -> None:
    assert lifetime(stored({"Expires": date(NOW - DAY), "Date": date(NOW)}), NOW) == 0.0
    assert lifetime(stored({"Last-Modified": date(NOW + DAY), "Date": date(NOW)}), NOW) == 0.0


def test_headers_of_a_connection_are_not_stored() -> None:
    given = {
        "Connection": "a, B",
        "a": "1",
        "b": "2",
        "c": "3",
        "Keep-Alive": "x",
        "Proxy-Authenticate": "x",
        "Proxy-Connection": "x",
        "TE": "x",
        "Trailer": "x",
        "Transfer-Encoding": "chunked",
        "Upgrade": "x",
        "Content-Encoding": "gzip",
        "Set-Cookie": "a=b",
        "WWW-Authenticate": "Basic",
    }
    kept = storable_headers(headers_of(given))
    assert list(kept) == ["c", "Content-Encoding", "Set-Cookie", "WWW-Authenticate"]


def test_what_is_stored_does_not_change_with_what_a_spider_does_to_its_page() -> None:
    given = headers_of({"A": "b"})
    assert storable_headers(given) is not given


@pytest.mark.parametrize(
    ("status", "expected"),
    [(200, True), (404, True), (403, True), (301, True), (501, True), (206, False), (304, False), (103, False)]
    + [(status, False) for status in (408, 429, 500, 502, 503, 504, 522)],
)
def test_a_recording_has_no_use_for_what_is_tried_again(status: int, expected: bool) -> None:
    assert may_record(status) is expected


@pytest.mark.parametrize(("value", "expected"), [("only-if-cached", True), ("no-cache", False), ("", False)])
def test_a_request_may_want_nothing_but_what_is_stored(value: str, expected: bool) -> None:
    assert wants_only_stored(headers_of({"Cache-Control": value})) is expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("Sun, 06 Nov 1994 08:49:37 GMT", 784111777.0),
        ("Sunday, 06-Nov-94 08:49:37 GMT", 784111777.0),
        ("Sun Nov  6 08:49:37 1994", 784111777.0),
        ("Sun, 06 Nov 1994 08:49:60 GMT", 784111800.0),
        ("Sun, 06 Nov 9999 08:49:37 GMT", 253397494177.0),
        ("Sunday, 06-Nov-76 00:00:00 GMT", 3371846400.0),  # fifty years on
        ("Sunday, 06-Nov-77 00:00:00 GMT", 247622400.0),  # more than fifty: of the last century
        ("Sun, 06 Nov 1994 08:49:37 GMT ", None),
        ("sun, ०६ nov 1994 08:49:37 gmt", None),
        ("", None),
        ("x" * 100_000, None),
    ],
)
def test_dates_have_three_forms(value: str, expected: float | None) -> None:
    assert http_date(value, NOW) == expected


@pytest.mark.parametrize("said", [{"Vary": "Accept, Cookie"}, {"Cache-Control": "private"}])
def test_one_visitors_page_does_not_stand_in_for_another_ones(said: dict[str, str]) -> None:
    headers = headers_of({"Cache-Control": "max-age=3600, stale-if-error=86400"})
    headers.extend(said)
    kept = Stored(200, headers, NOW, NOW, vary_of(headers, headers_of()))
    assert not is_usable(kept, headers_of(), NOW + 5)
    assert not may_stand_in(kept, headers_of(), NOW + 5000)


def test_a_304_may_tell_that_a_page_is_one_visitors() -> None:
    kept = stored({"Cache-Control": "max-age=3600"})
    assert is_usable(kept, headers_of(), NOW + 5)
    assert not is_usable(freshened(kept, headers_of({"Vary": "Cookie"}), NOW, NOW), headers_of(), NOW + 5)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("no-cache", {"no-cache": ""}),
        ('private="a, b", MAX-AGE=5', {"private": "a, b", "max-age": "5"}),
        ('a="x\\"y", b', {"a": 'x\\"y', "b": ""}),
        ('a="open, max-age=5', {"max-age": "5"}),
        ("a=1, a=2", {"a": "1"}),
        (" ,, = , =5", {}),
        ("a b, c", {"c": ""}),
        ("", {}),
    ],
)
def test_directives_are_read_by_their_commas_and_quotes(value: str, expected: dict[str, str]) -> None:
    assert directives(headers_of({"Cache-Control": value})) == expected


@pytest.mark.parametrize(
    "text",
    [
        "a" * 60_000,
        " " * 60_000,
        '"' * 60_000,
        'a="' + "\\" * 60_000,
        "a," * 30_000,
        "=" * 60_000,
        "a=" + " " * 60_000 + '"',
        "a=" + "\t " * 30_000 + '"x',
        "a" + " " * 60_000 + '"',
    ],
)
def test_no_header_takes_long_to_read(text: str) -> None:
    directives(headers_of({"Cache-Control": text}))
