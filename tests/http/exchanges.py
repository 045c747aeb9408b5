"""What servers say of a page, and what a private cache may do when it is asked for again: the rules of RFC 9111 as a table.

Each row is two GETs of one URL. Its headers answer the first; some seconds later comes the second.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime

NOW = datetime(2026, 3, 4, 12, tzinfo=UTC).timestamp()
DAY = 86_400

FRESH = "fresh"
"""The stored response is used, and nobody is asked."""
TAG = "if-none-match"
"""The server is asked whether its tag still holds."""
DATE = "if-modified-since"
BOTH = "if-none-match, if-modified-since"
FETCH = "fetch"
"""The page is asked for as if nothing were stored."""

Value = str | int
"""An int is a date: so many seconds after the first request."""
Given = Mapping[str, Value] | Sequence[tuple[str, Value]]


@dataclass(frozen=True)
class Exchange:
    """One row."""

    section: str
    """Of RFC 9111, unless it names another."""
    title: str
    given: Given
    use: str
    status: int = 200
    later: float = 5.0
    """Seconds between the two requests."""
    first: Mapping[str, str] = field(default_factory=dict)
    """Fields of the first request."""
    second: Mapping[str, str] = field(default_factory=dict)
    reload: bool = False

    @property
    def headers(self) -> list[tuple[str, str]]:
        pairs = self.given.items() if isinstance(self.given, Mapping) else self.given
        return [(name, date(NOW + value) if isinstance(value, int) else value) for name, value in pairs]

    def __str__(self) -> str:
        return f"{self.section} {self.title}"


def date(moment: float) -> str:
    return format_datetime(datetime.fromtimestamp(moment, UTC), usegmt=True)


def X(section: str, title: str, given: Given, use: str, **rest: object) -> Exchange:
    return Exchange(section, title, given, use, **rest)  # type: ignore[arg-type]  # fields of several types


CC = "Cache-Control"
TAGGED = {"ETag": '"abc"'}
IN_2050 = "Thu, 18 Aug 2050 02:01:18 GMT"


def _expires(text: str, use: str) -> Exchange:
    return X("5.3", f"Expires: {text!r}", {"Expires": text, "Date": 0, **TAGGED}, use)


def _heuristic(status: int, use: str) -> Exchange:
    return X("4.2.2", f"{status} with an old Last-Modified", {"Last-Modified": -DAY, "Date": 0}, use, status=status)


def _explicit(status: int, use: str) -> Exchange:
    return X("3", f"{status} with max-age", {CC: "max-age=3600", "Date": 0}, use, status=status)


def _varying(title: str, vary: str, first: Mapping[str, str], second: Mapping[str, str], use: str) -> Exchange:
    given = {"Expires": 5000, "Date": 0, "Vary": vary}
    return X("4.1", title, given, use, first=first, second=second)


def _asked(title: str, given: Given, wish: str, use: str) -> Exchange:
    return X("5.2.1", title, given, use, second={CC: wish})


EXCHANGES = (
    # --- freshness: max-age ---
    X("4.2.1", "max-age", {CC: "max-age=3600"}, FRESH),
    X("4.2.1", "max-age that is over", {CC: "max-age=3600"}, FETCH, later=3600.0),
    X("4.2.1", "max-age that is over, with a tag", {CC: "max-age=3600", **TAGGED}, TAG, later=3601.0),
    X("4.2.1", "max-age=0", {CC: "max-age=0", **TAGGED}, TAG),
    X("4.2.1", "max-age before a past Expires", {CC: "max-age=3600", "Expires": -10_000, "Date": 0}, FRESH),
    X("4.2.1", "max-age before an unreadable Expires", {CC: "max-age=3600", "Expires": "0", "Date": 0}, FRESH),
    X("4.2.1", "max-age=0 before a future Expires", {CC: "max-age=0", "Expires": 10_000, "Date": 0, **TAGGED}, TAG),
    X("4.2.1", "max-age beside an unknown directive", {CC: "foobar, max-age=3600"}, FRESH),
    X("4.2.1", "max-age in other letters", {CC: "MaX-aGe=3600"}, FRESH),
    X("4.2.1", "two times max-age: the first counts", {CC: "max-age=1800, max-age=1"}, FRESH),
    X("4.2.1", "two times max-age, the first is over", {CC: "max-age=1, max-age=1800", **TAGGED}, TAG),
    X("4.2.1", "max-age in two lines", [(CC, "max-age=1800"), (CC, "max-age=1")], FRESH),
    X(
        "4.2.1",
        "max-age in two lines, the first is over",
        [(CC, "max-age=1"), (CC, "max-age=1800"), ("ETag", '"a"')],
        TAG,
    ),
    X("4.2.1", "no word of it", {}, FETCH),
    X("4.2.1", "no word of it, with a tag", TAGGED, TAG),
    X("4.2", "to the very second", {CC: "max-age=5", **TAGGED}, TAG),
    X("4.2", "a second before", {CC: "max-age=6", **TAGGED}, FRESH),
    # --- how directives are written ---
    X("5.2", "max-age in quotes", {CC: 'max-age="3600"'}, FRESH),
    X("5.2", "max-age in single quotes", {CC: "max-age='3600'", **TAGGED}, TAG),
    X("5.2", "max-age inside a quoted text before it", {CC: 'extension="max-age=3600", max-age=1', **TAGGED}, TAG),
    X("5.2", "max-age inside a quoted text after it", {CC: 'max-age=1, extension="max-age=3600"', **TAGGED}, TAG),
    X("5.2", "max-age inside a quoted list", {CC: 'extension="a, max-age=3600", max-age=1', **TAGGED}, TAG),
    X("5.2", "an escaped quote", {CC: r'extension="\", max-age=1", max-age=3600'}, FRESH),
    X("5.2", "a blank before the equals sign", {CC: "max-age =3600", **TAGGED}, TAG),
    X("5.2", "a blank after the equals sign", {CC: "max-age= 3600", **TAGGED}, TAG),
    X("5.2", "a blank before the comma", {CC: "max-age=3600 , public"}, FRESH),
    X("5.2", "empty members", {CC: ", ,max-age=3600,,"}, FRESH),
    X("1.2.2", "leading zeros", {CC: "max-age=003600"}, FRESH),
    X("1.2.2", "more than 31 bits", {CC: "max-age=2147483648"}, FRESH),
    X("1.2.2", "far more than 31 bits", {CC: f"max-age={'9' * 40}"}, FRESH),
    X("1.2.2", "a letter before", {CC: "max-age=a3600", **TAGGED}, TAG),
    X("1.2.2", "a letter behind", {CC: "max-age=3600a", **TAGGED}, TAG),
    X("1.2.2", "a negative number", {CC: "max-age=-3600", **TAGGED}, TAG),
    X("1.2.2", "a decimal point", {CC: "max-age=3600.0", **TAGGED}, TAG),
    X("1.2.2", "no value", {CC: "max-age", **TAGGED}, TAG),
    X("1.2.2", "digits of another script", {CC: "max-age=٣٦٠٠", **TAGGED}, TAG),
    # --- s-maxage and other words to shared caches ---
    X("5.2.2.10", "s-maxage alone", {CC: "s-maxage=3600", **TAGGED}, TAG),
    X("5.2.2.10", "s-maxage is not preferred", {CC: "s-maxage=3600, max-age=1", **TAGGED}, TAG),
    X("5.2.2.10", "s-maxage does not shorten", {CC: "s-maxage=1, max-age=3600"}, FRESH),
    X(
        "5.2.2.7",
        "private: spiders that log in under other names share the cache",
        {CC: "private, max-age=3600"},
        FETCH,
    ),
    X("5.2.2.7", "private, with a tag", {CC: "private, max-age=3600", **TAGGED}, TAG),
    X(
        "5.2.2.7",
        "private, with a date, which is no visitor's",
        {CC: "private, max-age=3600", "Last-Modified": -DAY},
        FETCH,
    ),
    X("5.2.2.9", "public", {CC: "public, max-age=3600"}, FRESH),
    X("5.2.2.8", "proxy-revalidate", {CC: "proxy-revalidate, max-age=3600"}, FRESH),
    X(
        "RFC 9213",
        "words to other caches",
        {"CDN-Cache-Control": "max-age=3600", "Surrogate-Control": "max-age=9", **TAGGED},
        TAG,
    ),
    # --- Expires ---
    X("5.3", "a future Expires", {"Expires": 30 * DAY, "Date": 0}, FRESH),
    X("5.3", "a past Expires", {"Expires": -30 * DAY, "Date": 0, **TAGGED}, TAG),
    X("5.3", "an Expires of now", {"Expires": 0, "Date": 0, **TAGGED}, TAG),
    X("5.3", "an Expires before Date, both to come", {"Expires": 300, "Date": 400, **TAGGED}, TAG),
    X("5.3", "a future Expires, and the server's clock is slow", {"Expires": 10 - DAY, "Date": -DAY, **TAGGED}, TAG),
    X("5.3", "Expires without Date", {"Expires": 3600}, FRESH),
    X("5.3", "Expires with an unreadable Date", {"Expires": 3600, "Date": "foo"}, FRESH),
    X(
        "5.3",
        "two times Expires: the first counts",
        [("Expires", 0), ("Expires", 3600), ("Date", 0), ("ETag", '"a"')],
        TAG,
    ),
    X("5.3", "Expires is over", {"Expires": 60, "Date": 0, "Last-Modified": -DAY}, DATE, later=61.0),
    _expires(IN_2050, FRESH),
    _expires("THU, 18 Aug 2050 02:01:18 GMT", FRESH),
    _expires("Thu, 18 AUG 2050 02:01:18 GMT", FRESH),
    _expires("Thu, 18 Aug 2050 02:01:18 gMT", FRESH),
    _expires("Thursday, 18-Aug-50 02:01:18 GMT", FRESH),
    _expires("Thursday, 18-Aug-94 02:01:18 GMT", TAG),
    _expires("Thu Aug 18 02:01:18 2050", FRESH),
    _expires("Tue Aug  9 02:01:18 2050", FRESH),
    _expires("0", TAG),
    _expires("-1", TAG),
    _expires("", TAG),
    _expires("Thu, 18 Aug 2050 02:01:18 UTC", TAG),
    _expires("Thu, 18 Aug 2050 02:01:18 +0000", TAG),
    _expires("Thu, 18 Aug 50 02:01:18 GMT", TAG),
    _expires("Thu 18 Aug 2050 02:01:18 GMT", TAG),
    _expires("Thu, 18  Aug  2050 02:01:18 GMT", TAG),
    _expires("Thu, 18-Aug-2050 02:01:18 GMT", TAG),
    _expires("Thu, 18 Aug 2050 02.01.18 GMT", TAG),
    _expires("Thu, 18 Aug 2050 2:01:18 GMT", TAG),
    _expires("Thu, 32 Aug 2050 02:01:18 GMT", TAG),
    _expires("Thu, 18 Foo 2050 02:01:18 GMT", TAG),
    _expires("Thu, 18 Aug 0000 02:01:18 GMT", TAG),
    _expires("Thu, 18 Aug 2050 25:01:18 GMT", TAG),
    _expires("Thu, 30 Jun 2050 23:59:60 GMT", FRESH),
    # --- age ---
    X("4.2.3", "Age past max-age", {"Date": 0, CC: "max-age=10", "Age": "15", **TAGGED}, TAG),
    X("4.2.3", "Age within max-age", {"Date": 0, CC: "max-age=3600", "Age": "1800"}, FRESH),
    X("4.2.3", "Age and the time since add up", {"Date": 0, CC: "max-age=3600", "Age": "3598", **TAGGED}, TAG),
    X("4.2.3", "Age past Expires, slow Date", {"Date": -10, "Expires": 10, "Age": "25", **TAGGED}, TAG),
    X("4.2.3", "Age past Expires, fast Date", {"Date": 10, "Expires": 20, "Age": "15", **TAGGED}, TAG),
    X("4.2.3", "an old Date counts as age", {"Date": -4000, CC: "max-age=3600", **TAGGED}, TAG),
    X("4.2.3", "a Date to come is no age", {"Date": 4000, CC: "max-age=3600"}, FRESH),
    X("5.1", "Age that is no number", {"Date": 0, CC: "max-age=3600", "Age": "abc"}, FRESH),
    X("5.1", "a negative Age", {"Date": 0, CC: "max-age=3600", "Age": "-7200"}, FRESH),
    X("5.1", "a list of Ages: the first counts", {"Date": 0, CC: "max-age=3600", "Age": "7200, 0", **TAGGED}, TAG),
    X(
        "5.1",
        "Age in two lines",
        [("Date", 0), (CC, "max-age=3600"), ("Age", "7200"), ("Age", "0"), ("ETag", '"a"')],
        TAG,
    ),
    X("4.2.3", "a clock that was set back", {CC: "max-age=3600", **TAGGED}, TAG, later=-60.0),
    # --- heuristics ---
    *(_heuristic(status, FRESH) for status in (200, 203, 204, 300, 301, 308, 404, 405, 410, 414)),
    *(_heuristic(status, FETCH) for status in (201, 202, 302, 303, 307, 400, 403, 418, 599)),
    _heuristic(501, FRESH),
    X("4.2.2", "an unknown status that is public", {"Last-Modified": -DAY, "Date": 0, CC: "public"}, FRESH, status=299),
    X("4.2.2", "a tenth of the time since is over", {"Last-Modified": -1000, "Date": 0}, DATE, later=101.0),
    X("4.2.2", "a tenth of the time since is not over", {"Last-Modified": -1000, "Date": 0}, FRESH, later=99.0),
    X("4.2.2", "a day at most", {"Last-Modified": -1000 * DAY, "Date": 0}, FRESH, later=DAY - 1.0),
    X("4.2.2", "no longer than a day", {"Last-Modified": -1000 * DAY, "Date": 0}, DATE, later=DAY + 1.0),
    X("4.2.2", "modified in the future", {"Last-Modified": 1000, "Date": 0}, DATE),
    X("4.2.2", "an unreadable Last-Modified", {"Last-Modified": "yesterday", "Date": 0}, DATE),
    X("4.2.2", "not where Expires says something", {"Last-Modified": -1000 * DAY, "Expires": "0", "Date": 0}, DATE),
    X("4.2.2", "not where max-age says something", {"Last-Modified": -1000 * DAY, CC: "max-age=x", "Date": 0}, DATE),
    # --- storing ---
    *(
        _explicit(status, FRESH)
        for status in (200, 203, 204, 299, 301, 302, 303, 307, 308, 400, 404, 410, 499, 501, 599)
    ),
    *(_explicit(status, FETCH) for status in (429, 500, 502, 503, 504)),
    X("3.3", "a part of a page", {CC: "max-age=3600", "Content-Range": "bytes 0-1/9"}, FETCH, status=206),
    X("5.2.2.5", "no-store", {CC: "no-store"}, FETCH),
    X("5.2.2.5", "no-store in other letters", {CC: "No-StOrE", **TAGGED}, FETCH),
    X("5.2.2.5", "no-store beside freshness", {CC: "max-age=10000, no-store", "Expires": 10_000, "Date": 0}, FETCH),
    X(
        "5.2.2.3",
        "must-understand with a status that is understood",
        {CC: "must-understand, no-store, max-age=3600"},
        FRESH,
    ),
    X("5.2.2.3", "must-understand with one that is not", {CC: "must-understand, max-age=3600"}, FETCH, status=299),
    X("5.2.1.5", "a request with no-store is not stored", {CC: "max-age=3600"}, FETCH, first={CC: "no-store"}),
    X("7.3", "Set-Cookie", {CC: "max-age=3600", "Set-Cookie": "a=b"}, FRESH),
    X(
        "3.5",
        "Authorization, the same",
        {CC: "max-age=3600"},
        FRESH,
        first={"Authorization": "a"},
        second={"Authorization": "a"},
    ),
    X("3", "a redirect with Expires", {"Expires": 3600, "Date": 0, "Location": "/b"}, FRESH, status=302),
    X("3", "a redirect without a word", {"Location": "/b"}, FETCH, status=302),
    # --- no-cache, must-revalidate, immutable, Pragma ---
    X("5.2.2.4", "no-cache", {CC: "max-age=10000, no-cache", "Expires": 10_000, "Date": 0}, FETCH),
    X("5.2.2.4", "no-cache in other letters", {CC: "max-age=10000, No-CaChE"}, FETCH),
    X("5.2.2.4", "no-cache is stored, and asked about", {CC: "no-cache", **TAGGED}, TAG),
    X("5.2.2.4", "no-cache, fresh, with a tag", {CC: "max-age=10000, no-cache", **TAGGED}, TAG),
    X("5.2.2.4", "no-cache of one field", {CC: 'max-age=10000, no-cache="set-cookie"', **TAGGED}, TAG),
    X("5.2.2.2", "must-revalidate, fresh", {CC: "max-age=10000, must-revalidate", **TAGGED}, FRESH),
    X("5.2.2.2", "must-revalidate, stale", {CC: "max-age=2, must-revalidate", **TAGGED}, TAG),
    X("RFC 8246", "immutable, fresh", {CC: "max-age=10000, immutable", **TAGGED}, FRESH, reload=True),
    X("RFC 8246", "immutable, stale", {CC: "max-age=2, immutable", **TAGGED}, TAG, reload=True),
    X("RFC 8246", "a reload of what is not immutable", {CC: "max-age=10000", **TAGGED}, TAG, reload=True),
    X(
        "RFC 5861",
        "stale-while-revalidate is not made use of",
        {CC: "max-age=0, stale-while-revalidate=3600", **TAGGED},
        TAG,
    ),
    X("5.4", "Pragma in a response says nothing", {CC: "max-age=3600", "Pragma": "no-cache"}, FRESH),
    X("5.4", "Pragma: no-cache in a request", {CC: "max-age=3600", **TAGGED}, TAG, second={"Pragma": "no-cache"}),
    X("5.4", "Pragma with another word", {CC: "max-age=3600"}, FRESH, second={"Pragma": "foo"}),
    X(
        "5.4",
        "Pragma beside Cache-Control",
        {CC: "max-age=3600"},
        FRESH,
        second={"Pragma": "no-cache", CC: "max-age=60"},
    ),
    # --- what the request asks ---
    _asked("max-age=0", {CC: "max-age=3600", **TAGGED}, "max-age=0", TAG),
    _asked("a lower max-age", {CC: "max-age=3600", **TAGGED}, "max-age=1", TAG),
    _asked("a higher max-age", {CC: "max-age=3600"}, "max-age=10", FRESH),
    _asked("max-age and Age", {CC: "max-age=3600", "Age": "1800", **TAGGED}, "max-age=600", TAG),
    _asked("max-stale", {CC: "max-age=1"}, "max-stale=1000", FRESH),
    _asked("max-stale of what was not worth storing", {CC: "max-age=0"}, "max-stale=1000", FETCH),
    _asked("max-stale without a number", {CC: "max-age=1", **TAGGED}, "max-stale", FRESH),
    _asked("max-stale and Age", {CC: "max-age=1500", "Age": "2000", **TAGGED}, "max-stale=1000", FRESH),
    _asked("max-stale that is not enough", {CC: "max-age=1500", "Age": "3000", **TAGGED}, "max-stale=1000", TAG),
    _asked("max-stale against must-revalidate", {CC: "max-age=1, must-revalidate", **TAGGED}, "max-stale=1000", TAG),
    _asked("max-stale against no-cache", {CC: "no-cache", **TAGGED}, "max-stale", TAG),
    _asked("min-fresh that is not there", {CC: "max-age=1500", **TAGGED}, "min-fresh=2000", TAG),
    _asked("min-fresh that is there", {CC: "max-age=1500"}, "min-fresh=1000", FRESH),
    _asked("min-fresh and Age", {CC: "max-age=1500", "Age": "1000", **TAGGED}, "min-fresh=1000", TAG),
    _asked("min-fresh that is no number", {CC: "max-age=1500", **TAGGED}, "min-fresh=x", TAG),
    _asked("no-cache", {CC: "max-age=3600"}, "no-cache", FETCH),
    _asked("no-cache, with a date", {CC: "max-age=3600", "Last-Modified": -10_000, "Date": 0}, "no-cache", DATE),
    _asked("no-cache, with a tag", {CC: "max-age=3600", **TAGGED}, "no-cache", TAG),
    _asked("no-cache beats immutable", {CC: "max-age=3600, immutable", **TAGGED}, "no-cache", TAG),
    _asked("no-store", {CC: "max-age=3600", **TAGGED}, "no-store", FETCH),
    # --- Vary ---
    _varying("the same field", "Foo", {"Foo": "1"}, {"Foo": "1"}, FRESH),
    _varying("another field", "Foo", {"Foo": "1"}, {"Foo": "2"}, FETCH),
    _varying("the field is left out", "Foo", {"Foo": "1"}, {}, FETCH),
    _varying("the field comes in", "Foo", {}, {"Foo": "1"}, FETCH),
    _varying("an empty field is not an absent one", "Foo", {}, {"Foo": ""}, FETCH),
    _varying("other fields do not matter", "Foo", {"Foo": "1", "Other": "2"}, {"Foo": "1", "Other": "3"}, FRESH),
    _varying("two fields", "Foo, Bar", {"Foo": "1", "Bar": "a"}, {"Foo": "1", "Bar": "a"}, FRESH),
    _varying("two fields, one differs", "Foo, Bar", {"Foo": "1", "Bar": "a"}, {"Foo": "2", "Bar": "a"}, FETCH),
    _varying(
        "three fields, the second differs", "Foo, Bar, Baz", {"Foo": "1", "Bar": "4"}, {"Foo": "1", "Bar": "5"}, FETCH
    ),
    _varying(
        "three fields, one absent both times",
        "Foo, Bar, Baz",
        {"Foo": "1", "Baz": "7"},
        {"Foo": "1", "Baz": "7"},
        FRESH,
    ),
    _varying("names in other letters", "FOO", {"Foo": "1"}, {"foo": "1"}, FRESH),
    _varying("white space in a list", "Foo", {"Foo": "1,2"}, {"Foo": "1, 2"}, FRESH),
    _varying("a star", "*", {"Foo": "1"}, {"Foo": "1"}, FETCH),
    _varying("two stars", "*, *", {}, {}, FETCH),
    _varying("nothing, and a star", ", *", {}, {}, FETCH),
    _varying("a star before a name", "*, Foo", {"Foo": "1"}, {"Foo": "1"}, FETCH),
    _varying("a star after a name", "Foo, *", {"Foo": "1"}, {"Foo": "1"}, FETCH),
    X("4.1", "a star in another line", [(CC, "max-age=9999"), ("Vary", "Foo"), ("Vary", "*")], FETCH),
    X("4.1", "an empty Vary", {CC: "max-age=3600", "Vary": ""}, FRESH),
    X("4.1", "Vary: Cookie is for the server to tell", {CC: "max-age=3600", "Vary": "Cookie", **TAGGED}, TAG),
    X("4.1", "Vary: Cookie, and no tag", {CC: "max-age=3600", "Vary": "Cookie", "Last-Modified": -DAY}, FETCH),
    # --- validation ---
    X("4.3.1", "a strong tag", {CC: "max-age=2", "ETag": '"abcdef"'}, TAG),
    X("4.3.1", "a weak tag", {CC: "max-age=2", "ETag": 'W/"abcdef"'}, TAG),
    X("4.3.1", "a tag without quotes goes back as it came", {CC: "max-age=2", "ETag": "abcdef"}, TAG),
    X("4.3.1", "a tag that is no text", {CC: "max-age=2", "ETag": '"abcdefü"'}, FETCH),
    X("4.3.1", "an empty tag", {CC: "max-age=2", "ETag": ""}, FETCH),
    X("4.3.1", "a date", {CC: "max-age=2", "Last-Modified": -3000, "Date": 0}, DATE),
    X("4.3.1", "a tag and a date", {CC: "max-age=2", "Last-Modified": -3000, "Date": 0, **TAGGED}, BOTH),
    X("4.3.1", "a 404 with a tag", {CC: "max-age=2", **TAGGED}, TAG, status=404),
)
