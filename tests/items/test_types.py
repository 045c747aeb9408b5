"""What an annotation says of found text, and what becomes of the text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, IntEnum
from typing import Annotated, Any, Literal, NewType

import msgspec
import pytest
from yarl import URL

from crawler.items.rules import FieldRule, css
from crawler.items.types import Url, kind_of

Isbn = NewType("Isbn", str)
Positive = Annotated[int, msgspec.Meta(gt=0)]


class Colour(Enum):
    RED = "red"


class Size(IntEnum):
    LARGE = 3


class Point(msgspec.Struct):
    x: int


def converted(annotation: Any, found: Any) -> Any:
    return FieldRule("value", css("p"), annotation, is_text=False, allows_none=False).convert(found)


STAYS = object()


@pytest.mark.parametrize(
    ("annotation", "found", "expected"),
    [
        (str, "a", "a"),
        (str, 7, STAYS),
        (Any, "a", "a"),
        (object, "a", "a"),
        (Isbn, "a", "a"),
        # Numbers are those of JSON.
        (int, "12", 12),
        (int, "-3", -3),
        (int, "0", 0),
        (int, "1.0", 1),
        (int, "9" * 30, int("9" * 30)),
        (int, "9" * 9000, STAYS),
        *(
            (int, text, STAYS)
            for text in ("1.5", "1,234", "1_234", "007", "+5", "٣", "²", "12 left", "", "nan", "null")
        ),
        (float, "12.5", 12.5),
        (float, "-1e3", -1000.0),
        (float, "7", 7.0),
        *(
            (float, text, STAYS)
            for text in ("1,234.50", "£51.77", "nan", "inf", "1e999", ".5", "5.", "1_0", "cheap", "")
        ),
        (Decimal, "1.50", Decimal("1.50")),
        *((Decimal, text, STAYS) for text in ("1,5", "NaN", "Infinity", "1_0", "€1")),
        (int | None, "12", 12),
        (int | None, "null", STAYS),
        (int | None, None, None),
        (str | None, "null", "null"),
        (Positive, "12", 12),
        (Positive, "-12", -12),  # the check says what is wrong with it
        (bool, "true", True),
        (bool, "0", False),
        (bool, "yes", STAYS),
        (int | str, "5", "5"),
        # Times are ISO 8601.
        (date, "2026-01-02", date(2026, 1, 2)),
        (datetime, "2026-01-02T03:04:05Z", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
        (datetime, "2026-01-02 03:04", datetime(2026, 1, 2, 3, 4)),
        (datetime, "2026-01-02T03:04+00:00", datetime(2026, 1, 2, 3, 4, tzinfo=UTC)),
        (time, "03:04", time(3, 4)),
        (time, "03:04:05", time(3, 4, 5)),
        (timedelta, "PT5M", timedelta(minutes=5)),
        *((date, text, STAYS) for text in ("2026", "2.1.2026", "2026-01-02T03:04:05Z", "2026-13-01")),
        *((datetime, text, STAYS) for text in ("2026", "1700000000", "2026-01-02", "yesterday")),
        *((time, text, STAYS) for text in ("3:04", "25:00", "3")),
        (timedelta, "5", STAYS),
        # One of several.
        (Colour, "red", Colour.RED),
        (Colour, "blue", STAYS),
        (Size, "3", Size.LARGE),
        (Literal[1, 2], "2", 2),
        (Literal["a", "b"], "c", STAYS),
        # Several.
        (list[int], ["1", "2"], [1, 2]),
        (list[int], ["1", "x"], [1, "x"]),  # the reject names the second
        (list[int | None], ["1", None], [1, None]),
        (list, ["a"], ["a"]),
        (list[int] | None, ["1"], [1]),
        (set[str], ["a", "a"], {"a"}),
        (frozenset[int], ["1"], frozenset({1})),
        (set[int], ["1", []], [1, []]),
        (tuple[int, ...], ["1", "2"], (1, 2)),
        (tuple[int, str], ["1", "a"], (1, "a")),
        (tuple[int, str], ["x", "a"], STAYS),
        (Sequence[float], ["1.5"], [1.5]),
        (Iterable[date], ["2026-01-02"], [date(2026, 1, 2)]),
        (list[int], "12", STAYS),
        # What a function made.
        (float, Decimal("1.5"), 1.5),
        (dict[str, int], {"a": "1"}, {"a": 1}),
        (dict[str, int], "a", STAYS),
        (Point, Point(1), Point(1)),
        (URL, "http://a.example/", URL("http://a.example/")),
        (date | datetime, "2026-01-02", STAYS),  # a type that cannot be checked: the reject says so
    ],
)
def test_text_becomes_the_field_s_type_or_stays_for_the_reject_to_show(
    annotation: Any, found: Any, expected: Any
) -> None:
    made = converted(annotation, found)
    wanted = found if expected is STAYS else expected
    assert (made, type(made)) == (wanted, type(wanted))


@pytest.mark.parametrize(
    ("annotation", "core", "element", "allows_none", "is_url"),
    [
        (str, str, None, False, False),
        (Any, Any, None, True, False),
        (None, None, None, True, False),
        (Url, str, None, False, True),
        (Url | None, str, None, True, True),
        (Annotated[Url | None, "a note"], str, None, True, True),
        (list[Url], list[Url], Url, False, True),
        (list[Url] | None, list[Url], Url, True, True),
        (list, list, Any, False, False),
        (Sequence[int], Sequence[int], int, False, False),
        (dict[str, Url], dict[str, Url], None, False, False),
        (Isbn, str, None, False, False),
        (int | str | None, int | str, None, True, False),
    ],
)
def test_an_annotation_is_taken_apart(
    annotation: Any, core: Any, element: Any, allows_none: bool, is_url: bool
) -> None:
    assert kind_of(annotation) == (core, element, allows_none, is_url)


@pytest.mark.parametrize(
    ("url", "is_one"),
    [
        ("http://a.example", True),
        ("https://a.example/b?c#d", True),
        ("http://[::1]:80/", True),
        ("http:///a", False),
        ("https://?a", False),
        ("/a", False),
        ("//a.example/", False),
        ("ftp://a.example/", False),
        ("mailto:a@b.example", False),
        ("javascript:https://a.example", False),
        ("http://a.example/b c", False),
        ("", False),
    ],
)
def test_a_url_is_absolute_and_http(url: str, is_one: bool) -> None:
    try:
        msgspec.convert(url, Url)
    except msgspec.ValidationError:
        assert not is_one
    else:
        assert is_one
