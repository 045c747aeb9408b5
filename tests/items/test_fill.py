"""How well fields are filled: each kind of item, and the bounds."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from decimal import Decimal
from typing import Any

import attrs
import msgspec
import pydantic
import pytest

from crawler.items.check import to_record
from crawler.items.fill import add_filled, filled_in
from crawler.items.item import Item
from crawler.outcome import Filled, Record


@dataclasses.dataclass
class DataclassBook:
    title: Any
    tags: Any = None


@attrs.define
class AttrsBook:
    title: Any
    tags: Any = None
    _private: int = 1


class StructBook(msgspec.Struct):
    title: Any
    tags: Any = None


class ItemBook(Item):
    title: Any
    tags: Any = None


class PydanticBook(pydantic.BaseModel):
    title: Any
    tags: Any = None


def records(*items: Any) -> list[Record]:
    made = [to_record(item, "http://a.example/") for item in items]
    assert all(isinstance(record, Record) for record in made)
    return made  # type: ignore[return-value]


@pytest.mark.parametrize("kind", [DataclassBook, AttrsBook, StructBook, ItemBook, PydanticBook, dict])
@pytest.mark.parametrize("is_from_elsewhere", [False, True])
def test_fields_of_every_kind_are_counted(kind: Any, is_from_elsewhere: bool) -> None:
    items = [kind(title="a", tags=["b"]), kind(title="", tags=[]), kind(title="c", tags=None)]
    made = records(*items)
    if is_from_elsewhere:  # as it comes out of a parse process
        made = [Record(record.data, None, record.type) for record in made]
    assert filled_in(made) == {kind.__name__: Filled(3, {"title": 2, "tags": 1})}


@pytest.mark.parametrize(
    ("value", "is_filled"),
    [
        (None, False),
        ("", False),
        ([], False),
        ({}, False),
        ((), False),
        (frozenset(), False),
        (b"", False),
        (0, True),
        (0.0, True),
        (False, True),
        (Decimal(0), True),
        (timedelta(0), True),
        (" ", True),
        ([None], True),
        (StructBook(None), True),
    ],
)
def test_what_is_empty_is_not_filled(value: Any, is_filled: bool) -> None:
    made = records({"a": value}, {"a": "x"}, ItemBook(title=value), ItemBook(title=1))
    counted = filled_in(made)
    assert (counted["dict"].fields["a"], counted["ItemBook"].fields["title"]) == (1 + is_filled, 1 + is_filled)


def test_fields_that_only_some_dicts_have_are_shares_of_all() -> None:
    counted = filled_in(records({"a": 1}, {"a": 1, "b": 2}, {"b": None, 3: 4}, {}))
    assert counted == {"dict": Filled(4, {"a": 2, "b": 1, "3": 1})}
    assert counted["dict"].shares() == {"a": 0.5, "b": 0.25, "3": 0.25}


def test_types_of_one_field_and_of_none() -> None:
    @dataclasses.dataclass
    class One:
        a: int

    class Bare(Item):
        pass

    assert filled_in(records(One(0), One(1), Bare())) == {"One": Filled(2, {"a": 2}), "Bare": Filled(1, {})}


def test_names_are_those_that_are_written() -> None:
    class Renamed(msgspec.Struct, rename="camel"):
        in_stock: int

    assert filled_in(records(Renamed(1))) == {"Renamed": Filled(1, {"inStock": 1})}


def test_a_dataclass_that_lacks_a_field_is_read_as_it_was_written() -> None:
    @dataclasses.dataclass
    class Late:
        a: int
        b: int | None = dataclasses.field(init=False)

    late = Late(1)
    assert filled_in([Record(b'{"a":1}', late, Late)]) == {"Late": Filled(1, {"a": 1})}


def test_nothing_is_counted_of_nothing() -> None:
    assert filled_in([]) == {}


def test_counts_add_up() -> None:
    total = {"A": Filled(1, {"x": 1})}
    add_filled(total, {"A": Filled(2, {"x": 1, "y": 2}), "B": Filled(1, {"z": 0})})
    assert total == {"A": Filled(3, {"x": 2, "y": 2}), "B": Filled(1, {"z": 0})}


def test_counts_have_bounds() -> None:
    total: dict[str, Filled] = {}
    add_filled(total, {f"T{number}": Filled(1) for number in range(200)})
    add_filled(total, {"T0": Filled(1, {f"{number}" + "x" * 500: 1 for number in range(2_000)}), "T150": Filled(1)})
    assert (len(total), total["T0"].items, len(total["T0"].fields)) == (100, 2, 1_000)
    assert max(map(len, total["T0"].fields)) == 100


def test_what_was_counted_is_not_shared() -> None:
    counted = {"A": Filled(1, {"x": 1})}
    first: dict[str, Filled] = {}
    second: dict[str, Filled] = {}
    for total in (first, second, first):
        add_filled(total, counted)
    assert (first, second, counted) == (
        {"A": Filled(2, {"x": 2})},
        {"A": Filled(1, {"x": 1})},
        {"A": Filled(1, {"x": 1})},
    )
