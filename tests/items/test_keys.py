"""Keys: which items are one and the same, and which of them stays."""

from __future__ import annotations

import dataclasses
import re
import subprocess
import sys
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from crawler.errors import ItemDefinitionError
from crawler.items.check import to_record
from crawler.items.item import Item
from crawler.items.keys import key_fields, key_of, keyed_types, settled
from crawler.outcome import Record


class Book(Item, key="url"):
    url: str | None
    title: str = ""


class First(Item, key="url", keep="first"):
    url: str
    title: str = ""


class Edition(Item, key=("isbn", "number")):
    title: str
    number: int | None
    isbn: str | None


class Unkeyed(Item):
    url: str


class Inherits(Book):
    extra: int = 0


class KeepsFirst(Book, keep="first"):
    pass


class ByTitle(Book, key="title"):
    pass


class NoLonger(Book, key=()):
    pass


@dataclasses.dataclass
class Plain:
    url: str


def record(item: Any) -> Record:
    made = to_record(item, "http://a.example/")
    assert isinstance(made, Record)
    return made


def digest(item: Any) -> bytes | None:
    found = key_of(record(item))
    return None if found is None else found[1]


@pytest.mark.parametrize(
    ("kind", "fields", "keep"),
    [
        (Book, ("url",), "last"),
        (First, ("url",), "first"),
        (Edition, ("isbn", "number"), "last"),
        (Inherits, ("url",), "last"),
        (KeepsFirst, ("url",), "first"),
        (ByTitle, ("title",), "last"),
        (NoLonger, (), None),
        (Unkeyed, (), None),
        (Item, (), None),
        (Plain, (), None),
        (dict, (), None),
    ],
)
def test_a_class_says_what_its_key_is(kind: Any, fields: tuple[str, ...], keep: str | None) -> None:
    values = {"url": "u", "title": "t", "number": 1, "isbn": "i"}
    names = getattr(kind, "__struct_fields__", ("url",))
    found = key_of(record(kind(**{name: values[name] for name in names if name in values})))
    assert (key_fields(kind), None if found is None else found[0]) == (fields, keep)


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        (Book(url="u", title="a"), Book(url="u", title="b"), True),
        (Book(url="u"), Book(url="v"), False),
        (Book(url="u"), Inherits(url="u"), False),  # another type
        (Edition(title="a", number=1, isbn="x"), Edition(title="b", number=1, isbn="x"), True),
        (Edition(title="a", number=1, isbn="x"), Edition(title="a", number=2, isbn="x"), False),
        (Edition(title="a", number=None, isbn="x"), Edition(title="b", number=None, isbn="x"), True),
        (Edition(title="a", number=1, isbn='x",2'), Edition(title="a", number=1, isbn="x"), False),
    ],
)
def test_items_are_the_same_if_their_type_and_their_key_are(one: Any, other: Any, is_same: bool) -> None:
    first, second = digest(one), digest(other)
    assert first is not None
    assert (first == second, len(first)) == (is_same, 16)


@pytest.mark.parametrize("item", [Book(url=None), Edition(title="a", number=None, isbn=None)])
def test_a_key_of_nothing_names_nothing(item: Any) -> None:
    assert key_of(record(item)) is None


def test_a_record_has_the_same_key_in_every_process() -> None:
    class Dated(Item, key=("day", "price", "name")):
        day: date
        price: Decimal
        name: str

    whole = record(Dated(day=date(2026, 1, 2), price=Decimal("1.50"), name="ä🦊"))
    assert key_of(Record(whole.data, None, whole.type)) == key_of(whole)


def test_fields_are_found_by_the_names_that_are_written() -> None:
    class Renamed(Item, key="book_id", rename="camel"):
        title: str
        book_id: int

    assert digest(Renamed(title="a", book_id=1)) == digest(Renamed(title="b", book_id=1))
    assert digest(Renamed(title="a", book_id=1)) != digest(Renamed(title="a", book_id=2))


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"key": "isbn"}, "Broken has no field 'isbn' to be its key; its fields are: url, title"),
        ({"key": ("url", "isbn")}, "Broken has no field 'isbn' to be its key; its fields are: url, title"),
        ({"key": 7}, "Broken: key=7 is neither the name of a field nor a tuple of different ones"),
        ({"key": ("url", "url")}, "Broken: key=('url', 'url') is neither the name of a field nor a tuple of different"),
        ({"key": "url", "keep": "newest"}, 'Broken: keep=\'newest\' is neither "first" nor "last"'),
        ({"keep": "first"}, "Broken: keep='first' needs a key: class Broken(Item, key=\"url\", keep='first')"),
    ],
)
def test_a_key_that_cannot_be_is_an_error_of_the_class(options: Any, told: str) -> None:
    with pytest.raises(TypeError, match=re.escape(told)) as raised:

        class Broken(Item, **options):
            url: str
            title: str

    assert isinstance(raised.value, ItemDefinitionError)


def test_the_last_or_the_first_of_a_key_stays() -> None:
    items = [
        Book(url="a", title="1"),
        First(url="a", title="1"),
        {"url": "a"},
        Book(url="b", title="1"),
        Book(url="a", title="2"),
        First(url="a", title="2"),
        {"url": "a"},
        Book(url=None),
        Book(url=None),
    ]
    left = [kept.item for kept in settled([record(item) for item in items])]
    assert left == [items[1], items[2], items[3], items[4], items[6], items[7], items[8]]


def test_whether_there_is_any_key_is_known() -> None:
    assert Book in keyed_types()
    program = "from crawler import Item\nfrom crawler.items.keys import keyed_types\nclass A(Item): a: int\n"
    asks = "print(bool(keyed_types()))\nclass B(A, key='a'): pass\nprint(bool(keyed_types()))"
    shown = subprocess.run([sys.executable, "-c", program + asks], capture_output=True, text=True, check=True)
    assert shown.stdout.split() == ["False", "True"]
