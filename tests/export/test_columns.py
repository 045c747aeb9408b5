"""Which type a column has."""

import dataclasses
import datetime
import enum
import json
from decimal import Decimal
from typing import Annotated, Any, Literal

import attrs
import msgspec
import pydantic
import pytest

from crawler import Item
from crawler.export import columns as columns_module
from crawler.export.columns import MOST_COLUMNS, Type, distinct, survey, type_of
from crawler.export.formats import NotWritable
from crawler.items.schema import schema_of


def types_of(records: list[dict[str, Any]], schema: dict[str, Any] | None = None) -> dict[str, Type]:
    lines = [json.dumps(record).encode() for record in records]
    found = survey(lines, schema)
    return {name: type_of(column, found.records.objects) for name, column in found.columns().items()}


def kinds_of(*values: Any, schema: dict[str, Any] | None = None) -> str:
    """The kind of a column that has *values*."""
    node = {"type": "object", "properties": {"a": schema}} if schema else None
    return types_of([{"a": value} for value in values], node)["a"].kind


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["a", ""], "text"),
        ([True, False, None], "flag"),
        ([1, -(2**63), 2**63 - 1], "whole"),
        ([0, 2**63], "unsigned"),
        ([0, 2**64 - 1], "unsigned"),
        ([-1, 2**63], "large"),
        ([2**64], "large"),
        ([10**38 - 1], "large"),
        ([10**38], "json"),
        ([-(10**38)], "json"),
        ([1.5, -0.5], "real"),
        ([1.5, 2], "real"),
        ([1.5, 2**53], "real"),
        ([1.5, 2**53 + 1], "json"),
        ([None, None], "text"),
        ([1, True], "json"),
        ([1, "1"], "json"),
        (["a", ["a"]], "json"),
        ([["a"], {"a": 1}], "json"),
        ([["a"], None, []], "list"),
        ([[], []], "json"),
        ([[None]], "json"),
        ([{"a": 1}, {}, {"b": "x"}], "object"),
        ([{}, {}], "json"),
    ],
)
def test_a_column_has_the_type_that_holds_all_of_its_values_exactly(values: list[Any], kind: str) -> None:
    assert kinds_of(*values) == kind
    assert kinds_of(*reversed(values)) == kind


def test_objects_and_lists_have_the_types_of_what_is_in_them() -> None:
    found = types_of([{"a": [{"n": 1, "x": None}, {"n": 2.5, "m": [True]}]}, {"a": []}])["a"]
    fields = {"n": Type("real", is_nullable=False), "x": Type("text"), "m": Type("list", values=Type("flag", False))}
    assert found.is_nullable is False
    assert found.values is not None
    assert found.values.fields == fields


def test_a_column_that_is_ever_null_or_missing_is_nullable() -> None:
    found = types_of([{"always": 1, "null": 1, "missing": 1}, {"always": 2, "null": None, "late": 1}])
    assert {name: kind.is_nullable for name, kind in found.items()} == {
        "always": False,
        "null": True,
        "missing": True,
        "late": True,
    }


@pytest.mark.parametrize(
    ("form", "values", "kind"),
    [
        ("date", ["2026-12-01", None], "date"),
        ("date", ["2026-12-01", ""], "text"),
        ("date", ["2026-02-30"], "text"),
        ("date", ["2026-12-01", 5], "json"),
        ("date-time", ["2026-12-01T00:00:00Z", "2026-12-01T00:00:00.123456+02:00"], "utc"),
        ("date-time", ["2026-12-01T00:00:00", None], "moment"),
        ("date-time", ["2026-12-01T00:00:00", "2026-12-01T00:00:00Z"], "text"),
        ("date-time", ["yesterday"], "text"),
        ("time", ["12:30:00.5"], "time"),
        ("time", ["12:30:00Z"], "text"),
        ("decimal", ["12.50", "-0.001", "1E+3"], "decimal"),
        ("decimal", ["12.50", "NaN"], "text"),
        ("decimal", ["1" * 30 + "." + "1" * 9], "text"),
        ("uuid", ["00000000-0000-0000-0000-000000000000"], "text"),
        ("date", [], "date"),
        ("date-time", [None], "moment"),
        ("decimal", [None], "text"),
    ],
)
def test_a_text_is_what_its_schema_says_if_all_of_them_are(form: str, values: list[Any], kind: str) -> None:
    assert kinds_of(*values, schema={"type": "string", "format": form}) == kind


def test_a_decimal_has_the_digits_that_its_values_need() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string", "format": "decimal"}}}
    found = types_of([{"a": text} for text in ("12.50", "-0.001", "1E+3", "0")], schema)["a"]
    assert (found.precision, found.scale) == (7, 3)


@pytest.mark.parametrize(
    ("schema", "values", "kind"),
    [
        ({"type": "number"}, [1, 2], "real"),
        ({"type": "number"}, [2**60], "whole"),
        ({"type": "integer"}, [1.5], "real"),
        ({"type": "integer"}, [None], "whole"),
        ({"type": "boolean"}, [None], "flag"),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, [None], "whole"),
        ({"anyOf": [{"type": "integer"}, {"type": "string"}]}, [None], "text"),
        ({"type": ["number", "null"]}, [1], "real"),
        ({"type": "array", "items": {"type": "string"}}, [[]], "list"),
        ({"type": "array", "items": {"type": "object"}}, [[]], "json"),
        ({"type": "object"}, [None], "json"),
        ({"$ref": "#/$defs/gone"}, [1], "whole"),
        ({"$ref": "#"}, [None], "json"),
        (True, [None], "text"),
    ],
)
def test_a_schema_says_what_data_leave_open(schema: dict[str, Any], values: list[Any], kind: str) -> None:
    assert kinds_of(*values, schema=schema) == kind


class Level(enum.Enum):
    LOW = 1
    HIGH = 2


class Author(msgspec.Struct):
    name: str
    born: datetime.date | None = None
    editor: "Author | None" = None


class Book(Item):
    title: str
    price: Decimal
    published: datetime.datetime | None = None
    authors: list[Author] = []
    stock: dict[str, int] = {}
    extra: str | None = None


def test_the_schema_of_an_item_type_is_followed_into_what_it_refers_to() -> None:
    book = Book(
        title="x",
        price=Decimal("1.50"),
        published=datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC),
        authors=[Author("a", datetime.date(1900, 1, 1), Author("b", datetime.date(1901, 1, 1)))],
        stock={"Berlin": 3},
    )
    found = survey([msgspec.json.encode(book)], schema_of(Book))
    types = {name: type_of(column, 1) for name, column in found.columns().items()}
    assert {name: kind.kind for name, kind in types.items()} == {
        "title": "text",
        "price": "decimal",
        "published": "utc",
        "authors": "list",
        "stock": "object",
        "extra": "text",
    }
    author = types["authors"].values
    assert author is not None
    assert [author.fields["born"].kind, author.fields["editor"].fields["born"].kind] == ["date", "date"]
    assert types["stock"].fields["Berlin"].kind == "whole"


@dataclasses.dataclass
class Plain:
    when: datetime.datetime
    tags: set[str]
    sizes: tuple[int, ...]
    kind: Literal["a", "b"] | None
    level: Level
    count: Annotated[int, msgspec.Meta(gt=0)]
    again: "Plain | None" = None


class Model(pydantic.BaseModel):
    when: datetime.datetime | None = None
    count: int = 0
    authors: list[str] = []


def test_item_types_of_every_kind_have_a_schema() -> None:
    assert kinds(Plain) == ["moment", "list", "list", "text", "whole", "whole", "json"]
    assert kinds(attrs.make_class("Attrs", {"a": attrs.field(type=int), "b": attrs.field(type=datetime.date)})) == [
        "whole", "date",
    ]  # fmt: skip
    assert kinds(Model) == ["moment", "whole", "list"]


def test_a_type_that_nobody_understands_has_no_schema() -> None:
    odd = dataclasses.make_dataclass("Odd", [("a", "Nowhere")])
    assert schema_of(odd) is None
    broken = type("Broken", (), {"model_json_schema": classmethod(lambda *_, **__: 1 / 0)})
    assert schema_of(broken) is None


def kinds(item_type: Any) -> list[str]:
    return [kind.kind for kind in types_of([], schema_of(item_type)).values()]


def test_fields_that_a_schema_names_are_columns_in_its_order_though_no_record_has_them() -> None:
    schema = {"type": "object", "properties": {"b": {"type": "integer"}, "a": {"type": "string"}}}
    assert list(types_of([{"z": 1, "a": "x"}], schema)) == ["b", "a", "z"]
    assert {name: kind.kind for name, kind in types_of([], schema).items()} == {"b": "whole", "a": "text"}


def test_there_is_a_bound_of_columns() -> None:
    lines = (json.dumps({f"f{number}": 1}).encode() for number in range(MOST_COLUMNS + 1))
    with pytest.raises(NotWritable, match=r"more than 16,384 different fields.*JSON lines \(\.jsonl\) hold them"):
        survey(lines, None)


def test_an_object_of_any_number_of_fields_is_json_text() -> None:
    assert types_of([{"a": {f"f{number}": 1}} for number in range(256)])["a"].kind == "object"
    assert types_of([{"a": {f"f{number}": 1}} for number in range(257)])["a"].kind == "json"


def test_all_objects_together_have_a_bound_of_fields(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(columns_module, "MOST_COLUMNS", 100)
    records = [{f"f{number}": {f"g{inner}": 1 for inner in range(10)}} for number in range(20)]
    kinds = [kind.kind for kind in types_of(records).values()]
    assert kinds == ["object"] * 10 + ["json"] * 10


def test_what_is_nested_deeper_than_some_levels_is_json_text() -> None:
    value: Any = 1
    for _ in range(40):
        value = {"a": value}
    kind, levels = types_of([value])["a"], 1
    while kind.kind == "object":
        kind, levels = kind.fields["a"], levels + 1
    assert (kind.kind, levels) == ("json", 17)


def test_records_that_are_large_are_few_in_a_group(monkeypatch: pytest.MonkeyPatch) -> None:
    assert survey([b'{"a":"x"}'] * 100, None).group == 10_000
    large = json.dumps({"a": "x" * 1_500_000}).encode()
    assert survey([large] * 7, None).group == 3


def test_names_are_distinct_where_case_does_not_count() -> None:
    names = ["Title", "title", "title_2", "TITLE", "a\0b", "a\u2400b", ""]
    assert list(distinct(names, ignores_case=True).values()) == [
        "Title", "title_2", "title_2_2", "TITLE_3", "a\u2400b", "a\u2400b_2", "",
    ]  # fmt: skip
    assert list(distinct(["Title", "title"]).values()) == ["Title", "title"]
