"""A SQLite dataset, read as its users read it."""

import json
import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crawler.export.formats import Making, NotReadable, NotWritable
from tests.export.datasets import HARD, read, written


def rows_of(path: Path, query: str = "SELECT * FROM items") -> list[dict[str, Any]]:
    with closing(sqlite3.connect(path)) as database:
        database.row_factory = sqlite3.Row
        return [dict(row) for row in database.execute(query)]


def declared(path: Path, table: str = "items") -> dict[str, str]:
    return {row["name"]: row["type"] for row in rows_of(path, f'PRAGMA table_info("{table}")')}


def test_a_column_has_a_type_and_its_values(tmp_path: Path) -> None:
    records = [
        {
            "text": "ü",
            "whole": 1,
            "real": 1,
            "flag": True,
            "list": [1],
            "object": {"a": "é"},
            "mixed": 5,
            "large": 2**63,
        },
        {"text": None, "whole": -(2**63), "real": 0.1, "flag": None, "list": [], "mixed": "5", "large": 1},
        {"mixed": [None, "x"], "late": 2**53},
    ]
    path = written(tmp_path / "items.sqlite", records)
    assert declared(path) == {
        "text": "TEXT",
        "whole": "INTEGER",
        "real": "REAL",
        "flag": "BOOLEAN",
        "list": "JSON TEXT",
        "object": "JSON TEXT",
        "mixed": "TEXT",
        "large": "TEXT",
        "late": "INTEGER",
    }
    nothing = dict.fromkeys(declared(path))
    assert rows_of(path) == [
        {**nothing, "text": "ü", "whole": 1, "real": 1.0, "flag": 1, "list": "[1]", "object": '{"a":"é"}', "mixed": "5", "large": str(2**63)},
        {**nothing, "whole": -(2**63), "real": 0.1, "list": "[]", "mixed": "5", "large": "1"},
        {**nothing, "mixed": '[null,"x"]', "late": 2**53},
    ]  # fmt: skip
    assert [row["value"] for row in rows_of(path, "SELECT value FROM items, json_each(list)")] == [1]


def test_text_that_looks_like_a_number_stays_text(tmp_path: Path) -> None:
    path = written(tmp_path / "items.sqlite", [{"a": "007"}, {"a": "1e5"}])
    assert rows_of(path, "SELECT a, typeof(a) t FROM items") == [{"a": "007", "t": "text"}, {"a": "1e5", "t": "text"}]


def test_what_was_written_is_read_but_for_names_and_mixed_values(tmp_path: Path) -> None:
    records = [record for record in HARD if not {"mixed", "title", "xml"} & record.keys()]
    found = read(written(tmp_path / "items.sqlite", records))
    present = [{name: value for name, value in row.items() if value is not None} for row in found]
    assert present == [{name: value for name, value in record.items() if value is not None} for record in records]


def test_names_that_are_one_to_sqlite_are_two_columns(tmp_path: Path) -> None:
    record = {
        "Title": 1,
        "title": 2,
        "TITLE_2": 3,
        "x\0y": 4,
        'say "x"': 5,
        "two\nlines": 6,
        "": 7,
        "a.b": 8,
        "rowid": 9,
    }
    path = written(tmp_path / "items.sqlite", [record])
    assert rows_of(path) == [
        {"Title": 1, "title_2": 2, "TITLE_2_2": 3, "x\u2400y": 4, 'say "x"': 5, "two\nlines": 6, "": 7, "a.b": 8, "rowid": 9}
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "table"),
    [
        ("Book", "Book"),
        ('a"b', 'a"b'),
        ("sqlite_x", "_sqlite_x"),
        ("", "items"),
        ("select", "select"),
        ("a\0", "a\u2400"),
    ],
)
def test_the_table_is_named_after_the_item_type(name: str, table: str, tmp_path: Path) -> None:
    path = written(tmp_path / "items.sqlite", [{"a": 1}], Making(name))
    assert [row["name"] for row in rows_of(path, "SELECT name FROM sqlite_master")] == [table]
    assert read(path) == [{"a": 1}]


def test_a_schema_gives_columns_to_fields_that_no_record_has(tmp_path: Path) -> None:
    kinds = {"a": "integer", "b": "number", "c": "boolean", "d": "string", "e": "array", "f": "object"}
    schema = {"type": "object", "properties": {name: {"type": kind} for name, kind in kinds.items()}}
    path = written(tmp_path / "items.sqlite", [], Making(schema=schema))
    types = ["INTEGER", "REAL", "BOOLEAN", "TEXT", "JSON TEXT", "JSON TEXT"]
    assert declared(path) == dict(zip("abcdef", types, strict=True))


def test_more_columns_than_sqlite_has_are_told(tmp_path: Path) -> None:
    wide = {f"f{number}": number for number in range(2_000)}
    assert read(written(tmp_path / "wide.sqlite", [wide])) == [wide]
    with pytest.raises(
        NotWritable, match=r"3,000 different fields.* at most 2,000 columns: name a \.parquet, or a \.jsonl"
    ):
        written(tmp_path / "items.sqlite", [{f"f{number}": 1} for number in range(3_000)])


def test_nothing_else_stays_beside_it(tmp_path: Path) -> None:
    written(tmp_path / "items.sqlite", HARD)
    assert os.listdir(tmp_path) == ["items.sqlite"]


def test_a_disk_that_is_full_is_an_error_of_the_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Full(sqlite3.Connection):
        def executemany(self, *arguments: Any) -> sqlite3.Cursor:
            self.execute("PRAGMA max_page_count = 3")
            return super().executemany(*arguments)

    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *args, **named: connect(*args, **named, factory=Full))
    with pytest.raises(OSError, match="database or disk is full") as caught:
        written(tmp_path / "items.sqlite", [{"a": "x" * 100_000}])
    assert caught.value.errno == 28


def test_databases_of_others(tmp_path: Path) -> None:
    path = tmp_path / "other.sqlite"
    with closing(sqlite3.connect(path)) as database:
        database.executescript(
            "CREATE TABLE books (id INTEGER PRIMARY KEY, ready BOOLEAN, tags JSON TEXT, price NUMERIC);"
            "CREATE INDEX by_price ON books (price);"
            "INSERT INTO books VALUES (1, 1, '[1]', 1.5), (2, 'yes', 'none', 2)"
        )
        assert read(path) == [
            {"id": 1, "ready": True, "tags": [1], "price": 1.5},
            {"id": 2, "ready": "yes", "tags": "none", "price": 2},
        ]
        database.executescript("INSERT INTO books VALUES (3, 0, x'00ff', 1)")
        with pytest.raises(NotReadable, match=r"its column 'tags' holds bytes \(a BLOB\), and JSON has none"):
            read(path)
        database.executescript("CREATE TABLE authors (name)")
        with pytest.raises(NotReadable, match="it has 2 tables, and a dataset is one: 'books', 'authors'"):
            read(path)
    with pytest.raises(FileNotFoundError):
        read(tmp_path / "none.sqlite")


SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=10)
VALUES = SCALARS | TEXT | st.lists(SCALARS | TEXT, max_size=3) | st.dictionaries(TEXT, SCALARS, max_size=2)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(records=st.lists(st.fixed_dictionaries({}, optional={"a": VALUES, "b": VALUES}), min_size=1, max_size=5))
def test_any_value_is_in_the_table(records: list[dict[str, Any]], tmp_path: Path) -> None:
    path = tmp_path / "items.sqlite"
    path.unlink(missing_ok=True)
    found = rows_of(written(path, records))
    assert [
        [same(row.get(name), record.get(name)) for name in "ab"] for row, record in zip(found, records, strict=True)
    ] == [[True, True]] * len(records)


def same(cell: Any, value: Any) -> bool:
    """Whether a cell is the value, or its JSON text, where no column type holds it."""
    if type(value) in (list, dict, bool, int, float) and isinstance(cell, str):
        return json.loads(cell) == value
    return bool(cell == value)
