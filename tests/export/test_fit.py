"""Our own checker of JSON Schema says what the library that knows the whole standard says."""

from __future__ import annotations

from typing import Any, Literal

import jsonschema
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crawler.export.fit import checker


class Author(msgspec.Struct):
    name: str
    knows: list[Author] = []


class Book(msgspec.Struct, forbid_unknown_fields=True):
    title: str
    price: float | None = None
    stock: int = 0
    kind: Literal["new", "used"] = "new"
    author: Author | None = None
    place: tuple[int, str] = (0, "")
    notes: dict[str, int] = {}


BOOK = msgspec.json.schema(Book)
VALUES = [
    None,
    True,
    False,
    0,
    1,
    1.0,
    1.5,
    -3,
    2**70,
    "",
    "new",
    "other",
    [],
    [1, "a"],
    ["a", 1],
    [1],
    {},
    {"x": 1},
    {"x": "a"},
]
FIELDS = {
    "title": st.sampled_from(VALUES),
    "price": st.sampled_from(VALUES),
    "stock": st.sampled_from(VALUES),
    "kind": st.sampled_from(VALUES),
    "author": st.sampled_from([*VALUES, {"name": "A"}, {"name": "A", "knows": [{"name": 1}]}, {"knows": []}]),
    "place": st.sampled_from(VALUES),
    "notes": st.sampled_from(VALUES),
    "other": st.sampled_from(VALUES),
}
KEYWORDS: list[tuple[dict[str, Any], list[Any]]] = [
    ({"type": "integer"}, [1, 1.0, 1.5, True, "1"]),
    ({"type": ["string", "null"]}, ["", None, 0]),
    ({"enum": [1, "a", [1], {"a": True}]}, [1, 1.0, True, "a", [1], [True], {"a": True}, {"a": 1}]),
    ({"const": 0}, [0, 0.0, False, None]),
    ({"minimum": 2, "maximum": 4}, [1, 2, 3.5, 4, 5, "9", True]),
    ({"exclusiveMinimum": 2, "exclusiveMaximum": 4}, [2, 2.5, 4]),
    ({"multipleOf": 3}, [3, 4, 9.0, 1.5, "x"]),
    ({"minLength": 2, "maxLength": 3}, ["a", "ab", "abc", "abcd", "\U0001f600", 5]),
    ({"minItems": 1, "maxItems": 2}, [[], [1], [1, 2, 3], "abc"]),
    ({"minProperties": 1, "maxProperties": 1}, [{}, {"a": 1}, {"a": 1, "b": 2}, 3]),
    ({"pattern": "^a+$"}, ["a", "aa", "b", 7]),
    ({"anyOf": [{"type": "integer"}, {"minimum": 2}]}, [1, 1.5, 2.5, "a"]),
    ({"oneOf": [{"type": "integer"}, {"minimum": 2}]}, [1, 3, 1.5, 2.5, "a"]),
    ({"allOf": [{"type": "integer"}, {"minimum": 2}]}, [1, 3, 2.5]),
    ({"items": False, "prefixItems": [{"type": "integer"}]}, [[], [1], [1, 2], ["a"]]),
    ({"prefixItems": [{"type": "integer"}]}, [[1, "a"], ["a"]]),
    ({"additionalProperties": False, "properties": {"a": True}}, [{}, {"a": 1}, {"b": 1}]),
    ({"additionalProperties": {"type": "string"}}, [{}, {"a": 1}, {"b": "x"}]),
    ({"required": ["a"]}, [{}, {"a": None}, []]),
    ({"title": "x", "format": "date", "x-own": 1}, ["no date"]),
    ({}, [1, None]),
]


@pytest.mark.parametrize(
    ("schema", "values"), KEYWORDS, ids=lambda value: "-".join(value) if isinstance(value, dict) else ""
)
def test_a_keyword_means_what_the_standard_says(schema: dict[str, Any], values: list[Any]) -> None:
    oracle, check = jsonschema.Draft202012Validator(schema), checker([schema])
    assert [check(value) == "" for value in values] == [oracle.is_valid(value) for value in values]


@given(record=st.fixed_dictionaries({}, optional=FIELDS))
@settings(deadline=None, max_examples=120)
def test_a_record_of_a_type_is_judged_as_by_the_standard(record: dict[str, Any]) -> None:
    assert (checker([BOOK])(record) == "") is jsonschema.Draft202012Validator(BOOK).is_valid(record)


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ({"title": "A"}, ""),
        ({}, "has no 'title'"),
        ({"title": 1}, "title is integer, not string"),
        (
            {"title": "A", "author": {"name": "B", "knows": [{"name": None}]}},
            "author.knows[0].name is null, not string",
        ),
        ({"title": "A", "kind": "old"}, "kind is none of the values that are allowed"),
        ({"title": "A", "other": 1}, "other is not allowed"),
        ({"title": "A", "notes": {"n": "x"}}, "notes.n is string, not integer"),
        ([], "is array, not object"),
    ],
)
def test_what_is_wrong_is_told_with_its_path(record: Any, expected: str) -> None:
    assert checker([BOOK])(record) == expected


def test_a_record_fits_if_it_fits_one_of_several_types() -> None:
    check = checker([BOOK, msgspec.json.schema(Author)])
    assert [check({"title": "A"}), check({"name": "A"})] == ["", ""]
    assert check({"neither": 1}) != ""


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"$ref": "#/$defs/Gone"}, "'#/$defs/Gone', which it does not have"),
        ({"$ref": "https://example.com/schema"}, "which is outside of it"),
        ({"pattern": "("}, "no regular expression"),
    ],
)
def test_a_schema_that_cannot_be_used_is_told(schema: dict[str, Any], expected: str) -> None:
    with pytest.raises(ValueError) as caught:
        checker([schema])
    assert expected in str(caught.value)


def test_a_schema_that_refers_to_nothing_but_itself_ends() -> None:
    schema = {"$ref": "#/$defs/A", "$defs": {"A": {"$ref": "#/$defs/A"}}}
    assert "refers to itself" in checker([schema])({})
