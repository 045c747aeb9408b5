"""Each kind of item, with every type of field and with items inside it: what is right is written, what is wrong named."""

from __future__ import annotations

import dataclasses
import json
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from typing import Any

import attrs
import msgspec
import pydantic
import pytest

from crawler.items.check import reject_line, to_record
from crawler.items.item import Item
from crawler.items.types import Url
from crawler.outcome import Record, Reject

PAGE = "http://a.example/page"


class Colour(Enum):
    RED = "red"


FIELDS: list[tuple[str, Any]] = [
    ("number", int),
    ("real", float),
    ("price", Decimal),
    ("day", date),
    ("when", datetime),
    ("link", Url),
    ("links", list[Url]),
    ("colour", Colour),
    ("maybe", int | None),
    ("tags", list[str]),
    ("sizes", dict[str, int]),
]
GOOD: dict[str, Any] = {
    "number": 1,
    "real": 1.5,
    "price": Decimal("1.50"),
    "day": date(2026, 1, 2),
    "when": datetime(2026, 1, 2, tzinfo=UTC),
    "link": "https://a.example/",
    "links": ["http://a.example/b"],
    "colour": Colour.RED,
    "maybe": None,
    "tags": ["a"],
    "sizes": {"a": 1},
}
WRITTEN = {**GOOD, "price": "1.50", "day": "2026-01-02", "when": "2026-01-02T00:00:00Z", "colour": "red"}
OUTER = ("inner", "several", "perhaps")


class ItemInner(Item):
    number: int
    real: float
    price: Decimal
    day: date
    when: datetime
    link: Url
    links: list[Url]
    colour: Colour
    maybe: int | None
    tags: list[str]
    sizes: dict[str, int]


class ItemOuter(Item):
    inner: ItemInner
    several: list[ItemInner]
    perhaps: ItemInner | None


StructInner = msgspec.defstruct("StructInner", FIELDS, module=__name__)
AttrsInner = attrs.make_class("AttrsInner", {name: attrs.field(type=kind) for name, kind in FIELDS})
DataclassInner = dataclasses.make_dataclass("DataclassInner", FIELDS)
PydanticInner: Any = pydantic.create_model("PydanticInner", **{name: (kind, ...) for name, kind in FIELDS})


def around(inner: Any) -> list[tuple[str, Any]]:
    return list(zip(OUTER, (inner, list[inner], inner | None), strict=True))


StructOuter = msgspec.defstruct("StructOuter", around(StructInner))
AttrsOuter = attrs.make_class(
    "AttrsOuter", {name: attrs.field(type=kind) for name, kind in around(AttrsInner)}, slots=True
)
DataclassOuter = dataclasses.make_dataclass("DataclassOuter", around(DataclassInner))
PydanticOuter: Any = pydantic.create_model(
    "PydanticOuter", **{name: (kind, ...) for name, kind in around(PydanticInner)}
)
KINDS: list[tuple[Any, Any]] = [
    (ItemInner, ItemOuter),
    (StructInner, StructOuter),
    (AttrsInner, AttrsOuter),
    (DataclassInner, DataclassOuter),
    (PydanticInner, PydanticOuter),
]


def unchecked(kind: Any, **values: Any) -> Any:
    """An item that skipped whatever its own type would have said."""
    return kind.model_construct(**values) if hasattr(kind, "model_construct") else kind(**values)


@pytest.mark.parametrize(("inner", "outer"), KINDS)
def test_a_good_one_is_written_whole(inner: Any, outer: Any) -> None:
    item = outer(inner=inner(**GOOD), several=[inner(**GOOD)], perhaps=None)
    record = to_record(item, PAGE)
    assert isinstance(record, Record)
    assert json.loads(record.data) == {"inner": WRITTEN, "several": [WRITTEN], "perhaps": None}


@pytest.mark.parametrize(("inner", "outer"), KINDS)
@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("number", "1"),
        ("number", None),
        ("real", "1.5"),
        ("price", "£1"),
        ("price", "cheap"),
        ("day", "2.1.2026"),
        ("when", "yesterday"),
        ("link", "/a"),
        ("link", 3),
        ("links", ["http://a.example/", "mailto:a@a.example"]),
        ("colour", "blue"),
        ("maybe", "one"),
        ("tags", "a"),
        ("tags", ["a", 1]),
        ("sizes", {"a": "1"}),
        ("sizes", ["a"]),
    ],
)
def test_a_wrong_field_is_named_by_its_path_wherever_the_inner_item_is(
    inner: Any, outer: Any, field: str, wrong: Any
) -> None:
    good, bad = inner(**GOOD), unchecked(inner, **{**GOOD, field: wrong})
    for place, path in (("inner", "inner"), ("several", "several[1]"), ("perhaps", "perhaps")):
        values = {"inner": good, "several": [good, good], "perhaps": None}
        values[place] = [good, bad] if place == "several" else bad
        reject = to_record(unchecked(outer, **values), PAGE)
        if inner is PydanticInner and field in ("link", "links") and wrong != 3:
            assert isinstance(reject, Record)  # pydantic knows a URL by its own types alone
            continue
        assert isinstance(reject, Reject), reject
        named = reject.field.removesuffix("[1]").removesuffix("[...]")
        assert (named, reject.item_type, reject.url) == (f"{path}.{field}", outer.__name__, PAGE)
        told = json.loads(reject_line(reject))["values"]
        raw = told["several"][1] if place == "several" else told[place]
        assert raw == {**WRITTEN, field: wrong}


class Found:
    """As a Selection: it cannot be written."""

    def getall(self) -> list[str]:
        return []

    def __repr__(self) -> str:
        return "<Found>"


@pytest.mark.parametrize(("inner", "outer"), KINDS)
def test_what_cannot_be_written_is_shown_among_what_can(inner: Any, outer: Any) -> None:
    bad = unchecked(inner, **{**GOOD, "tags": ["a", Found()]})
    reject = to_record(unchecked(outer, inner=bad, several=[], perhaps=None), PAGE)
    assert isinstance(reject, Reject)
    assert reject.field.startswith("inner.tags")
    assert reject.values == {
        "inner": {**WRITTEN, "tags": ["a", "<Found>"]},
        "several": [],
        "perhaps": None,
    }


def test_a_wrong_model_inside_a_dict_is_named_and_nobody_is_warned() -> None:
    bad = PydanticInner.model_construct(**{**GOOD, "number": "1"})
    reject = to_record({"models": [bad]}, PAGE)
    assert isinstance(reject, Reject)
    assert (reject.field, reject.values["models"][0]["number"]) == ("models[0]", "1")
    assert "Expected `int`" in reject.reason


def test_a_model_that_lacks_a_field_inside_another_is_named() -> None:
    lacking = {name: value for name, value in GOOD.items() if name != "price"}
    outer = PydanticOuter.model_construct(
        inner=PydanticInner(**GOOD), several=[PydanticInner.model_construct(**lacking)], perhaps=None
    )
    reject = to_record(outer, PAGE)
    assert isinstance(reject, Reject)
    assert (reject.field, reject.reason) == ("several[0].price", "it has no value")
