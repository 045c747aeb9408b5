"""Statistics of records: kinds, filling, ranges, distinct and commonest values, the schema that they show."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crawler.export.fit import checker
from crawler.export.statistics import (
    MOST_FIELDS,
    Column,
    Commonest,
    Distinct,
    Range,
    Statistics,
    flat,
)

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
    max_leaves=6,
)
RECORDS = st.lists(st.dictionaries(st.sampled_from("abc"), JSON, max_size=3), max_size=8)


def statistics_of(records: Sequence[dict[str, Any]], group: int = 3) -> Statistics:
    statistics = Statistics(is_deep=True)
    for begin in range(0, len(records), group):
        statistics.add(records[begin : begin + group])
    return statistics


def column_of(*values: Any) -> Column:
    return statistics_of([{"x": value} for value in values]).fields.columns["x"]


def test_a_field_is_filled_where_it_says_something() -> None:
    column = column_of("a", "", None, 0, False, [], [0], {}, {"a": None})
    assert (column.seen, column.filled) == (9, 5)


def test_kinds_are_the_words_of_json_schema() -> None:
    assert dict(column_of("a", 1, 1.5, True, None, [1], {"a": 1}, 2).kinds) == {
        "string": 1,
        "integer": 2,
        "number": 1,
        "boolean": 1,
        "null": 1,
        "array": 1,
        "object": 1,
    }


def test_a_field_that_some_records_have_not_is_counted_where_it_is() -> None:
    statistics = statistics_of([{"a": 1}, {"b": 1}, {"a": 2, "b": None}, {}])
    assert statistics.items == 4
    assert {name: (column.seen, column.filled) for name, column in flat(statistics.fields)} == {
        "a": (2, 2),
        "b": (2, 1),
    }


@pytest.mark.parametrize(
    ("values", "numbers", "lengths"),
    [
        ([3, 1, 2], Range(1, 3), None),
        ([3, 0.5, 2**80], Range(0.5, 2**80), None),
        ([True, False], None, None),
        (["abc", "", "\u00fc"], None, Range(0, 3)),
        ([[1, 2], []], None, Range(0, 2)),
        ([{"a": 1}], None, None),
        ([None], None, None),
    ],
)
def test_numbers_have_a_range_and_texts_and_lists_have_lengths(
    values: list[Any], numbers: Range | None, lengths: Range | None
) -> None:
    column = column_of(*values)
    assert (column.numbers, column.lengths) == (numbers, lengths)


def test_nested_fields_are_told_by_their_path() -> None:
    statistics = statistics_of([{"author": {"name": "A"}, "tags": [{"id": 1}, {"id": 2}]}, {"matrix": [[1], [2, 3]]}])
    assert {path: column.seen for path, column in flat(statistics.fields)} == {
        "author": 1,
        "author.name": 1,
        "tags": 1,
        "tags[]": 2,
        "tags[].id": 2,
        "matrix": 1,
        "matrix[]": 2,
        "matrix[][]": 3,
    }


def test_few_distinct_values_are_counted_exactly_and_one_is_not_true() -> None:
    column = column_of(1, 1, 1.0, True, "1", None)
    assert column.distinct is not None
    assert (column.distinct.count(), column.distinct.is_exact) == (4, True)


def test_many_distinct_values_are_estimated_within_a_tenth_and_in_bounded_memory() -> None:
    distinct = Distinct()
    for begin in range(0, 200_000, 5_000):
        distinct.add(str(number).encode() for number in range(begin, begin + 5_000))
        distinct.add(str(number).encode() for number in range(begin, begin + 5_000))
    assert not distinct.is_exact
    assert 180_000 < distinct.count() < 220_000
    assert len(distinct._least) <= 2_048


def test_the_commonest_values_are_found_among_many_rare_ones() -> None:
    commonest = Commonest()
    for begin in range(0, 50_000, 1_000):
        commonest.add([*range(begin, begin + 1_000), *["often"] * 100, *["less"] * 50])
    assert len(commonest._counts) <= 4_000
    (first, often), (second, less) = commonest.top(2)
    assert (first, second) == ("often", "less")
    assert 5_000 - commonest.missed <= often <= 5_000
    assert 2_500 - commonest.missed <= less <= 2_500


def test_values_that_are_there_once_are_not_common() -> None:
    column = column_of("a", "b", "b", "c", "a", "b")
    assert column.commonest is not None
    assert column.commonest.top(9) == [("b", 3), ("a", 2)]


def test_long_texts_are_not_kept_to_be_counted() -> None:
    column = column_of(*["x" * 1_000] * 9)
    assert column.commonest is not None
    assert column.commonest.top(9) == []


def test_more_fields_than_there_may_be_are_told_of() -> None:
    statistics = statistics_of([{f"field {n}": n} for n in range(MOST_FIELDS + 100)], group=500)
    assert len(statistics.fields.columns) == MOST_FIELDS
    assert statistics.fields.others == 100


def test_deep_nesting_ends_somewhere() -> None:
    record: dict[str, Any] = {}
    for _ in range(100):
        record = {"a": record, "l": [record]}
        if len(json.dumps(record)) > 10_000:
            break
    for _ in range(50):
        record = {"a": record}
    assert len([*flat(statistics_of([record]).fields)]) < 100


def test_the_schema_says_what_the_records_show() -> None:
    records = [
        {"id": 1, "price": 1, "tags": ["a"], "author": {"name": "A", "born": 1900}, "note": None},
        {"id": 2, "price": 1.5, "tags": [], "author": {"name": "B"}},
    ]
    assert statistics_of(records).schema() == {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": {
            "id": {"type": "integer"},
            "price": {"type": "number"},
            "tags": {"type": "array", "items": {"type": "string"}},
            "author": {
                "type": "object",
                "properties": {"name": {"type": "string"}, "born": {"type": "integer"}},
                "required": ["name"],
            },
            "note": {"type": "null"},
        },
        "required": ["id", "price", "tags", "author"],
    }


@given(records=RECORDS)
@settings(deadline=None, max_examples=40)
def test_all_records_fit_the_schema_that_was_made_of_them(records: list[dict[str, Any]]) -> None:
    schema = statistics_of(records).schema()
    oracle = jsonschema.Draft202012Validator(schema)
    check = checker([schema])
    for record in records:
        assert oracle.is_valid(record)
        assert check(record) == ""


def test_the_schema_is_one_by_the_standard() -> None:
    records = [{"a": 1, "b": [{"c": None}, [1.5, "x"]]}, {"b": {"d": True}}]
    jsonschema.Draft202012Validator.check_schema(statistics_of(records).schema())


@given(records=RECORDS, group=st.integers(1, 12))
@settings(deadline=None, max_examples=30)
def test_the_size_of_the_groups_changes_nothing(records: list[dict[str, Any]], group: int) -> None:
    def told(statistics: Statistics) -> Any:
        return sorted(
            (
                path,
                column.seen,
                column.filled,
                sorted(column.kinds.items()),
                column.distinct.count() if column.distinct else 0,
            )
            for path, column in flat(statistics.fields)
        )

    assert told(statistics_of(records, group)) == told(statistics_of(records, 100))
