"""JSON Schema of item types, held against the records that are written of them."""

from __future__ import annotations

import dataclasses
import json
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from typing import Any, TypedDict

import attrs
import msgspec
import pydantic
import pytest
from jsonschema import Draft202012Validator, ValidationError
from yarl import URL

from crawler.items.check import to_record
from crawler.items.item import Item
from crawler.items.rules import css
from crawler.items.schema import schema_of
from crawler.items.types import Url
from crawler.outcome import Record


class Colour(Enum):
    RED = "red"


class Inner(msgspec.Struct):
    name: str
    born: date | None = None


class InnerModel(pydantic.BaseModel):
    name: str
    born: date | None = None


class ItemBook(Item, key="url"):
    url: Url
    price: Decimal = css("b")
    when: datetime = css("b")
    colour: Colour = Colour.RED
    inner: Inner | None = None
    several: list[Inner] = []
    note: str | None = css("b", default=None)


class OmittingBook(msgspec.Struct, omit_defaults=True, rename="camel"):
    the_url: str
    note: str = ""
    seen: int | msgspec.UnsetType = msgspec.UNSET


@dataclasses.dataclass
class DataclassBook:
    url: Url
    inner: Inner
    link: URL | None = None
    model: InnerModel | None = None


@attrs.define
class AttrsBook:
    url: str
    _secret: int = 1
    several: list[Inner] = attrs.field(factory=list)


class PydanticBook(pydantic.BaseModel):
    url: pydantic.HttpUrl
    price: Decimal = Decimal(1)
    inner: InnerModel | None = None
    several: list[InnerModel] = []
    secret: str = pydantic.Field("x", exclude=True)
    name: str = pydantic.Field("x", alias="Name")


class AliasedBook(pydantic.BaseModel, serialize_by_alias=True):
    name: str = pydantic.Field("x", alias="Name")


class Nothing(TypedDict):
    a: int


URL_TEXT = "https://a.example/b"
WHEN = datetime(2026, 1, 2, tzinfo=UTC)


def written(item: Any) -> Any:
    record = to_record(item, "http://a.example/")
    assert isinstance(record, Record), record
    return json.loads(record.data)


def validator(kind: type) -> Draft202012Validator:
    schema = schema_of(kind)
    assert schema is not None
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


@pytest.mark.parametrize(
    "item",
    [
        ItemBook(url=URL_TEXT, price=Decimal("1.5"), when=WHEN),
        ItemBook(
            url=URL_TEXT,
            price=Decimal(1),
            when=WHEN,
            inner=Inner("a", date(2026, 1, 2)),
            several=[Inner("a")],
            note="b",
        ),
        OmittingBook("u"),
        OmittingBook("u", "n", 1),
        DataclassBook(URL_TEXT, Inner("a")),
        DataclassBook(URL_TEXT, Inner("a"), URL(URL_TEXT), InnerModel(name="b")),
        AttrsBook("u"),
        AttrsBook("u", 2, [Inner("a")]),
        PydanticBook(url=URL_TEXT),
        PydanticBook(url=URL_TEXT, inner=InnerModel(name="a"), several=[InnerModel(name="b")], Name="n"),
        AliasedBook(Name="n"),
    ],
)
def test_records_are_as_their_schema_has_it(item: Any) -> None:
    validator(type(item)).validate(written(item))


@pytest.mark.parametrize(
    ("item", "change"),
    [
        (ItemBook(url=URL_TEXT, price=Decimal(1), when=WHEN), {"price": 1}),
        (ItemBook(url=URL_TEXT, price=Decimal(1), when=WHEN), {"url": "/b"}),
        (ItemBook(url=URL_TEXT, price=Decimal(1), when=WHEN), {"colour": "blue"}),
        (ItemBook(url=URL_TEXT, price=Decimal(1), when=WHEN), {"several": [{"name": 1, "born": None}]}),
        (ItemBook(url=URL_TEXT, price=Decimal(1), when=WHEN), {"several": [{"name": "a"}]}),  # born is always written
        (DataclassBook(URL_TEXT, Inner("a")), {"inner": None}),
        (AttrsBook("u"), {"url": None}),
        (PydanticBook(url=URL_TEXT), {"inner": {"name": 1}}),
    ],
)
def test_other_records_are_not(item: Any, change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        validator(type(item)).validate({**written(item), **change})


@pytest.mark.parametrize(
    ("kind", "name", "required"),
    [
        (ItemBook, "ItemBook", ["url", "price", "when", "colour", "inner", "several", "note"]),
        (ItemBook, "Inner", ["name", "born"]),
        (OmittingBook, "OmittingBook", ["theUrl"]),
        (DataclassBook, "DataclassBook", ["url", "inner", "link", "model"]),
        (AttrsBook, "AttrsBook", ["url", "several"]),
        (PydanticBook, "", ["url", "price", "inner", "several", "name"]),
        (PydanticBook, "InnerModel", ["name", "born"]),
        (AliasedBook, "", ["Name"]),
    ],
)
def test_what_is_always_written_is_required_and_nothing_else_is_there(
    kind: type, name: str, required: list[str]
) -> None:
    schema = schema_of(kind)
    assert schema is not None
    described = schema["$defs"][name] if name else schema
    assert described["required"] == required
    assert set(described["properties"]) >= set(required)


@dataclasses.dataclass
class Untellable:
    when: date | datetime


@dataclasses.dataclass
class Lost:
    inner: Nowhere  # type: ignore[name-defined]  # noqa: F821


@pytest.mark.parametrize("kind", [dict, Nothing, Untellable, Lost, str])
def test_what_cannot_be_told_has_no_schema(kind: type) -> None:
    assert schema_of(kind) is None


def test_a_schema_names_its_dialect_and_is_made_once() -> None:
    schema = schema_of(ItemBook)
    assert schema is not None
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["$defs"]["ItemBook"]["properties"]["url"]["format"] == "uri"
    assert schema_of(ItemBook) is schema
