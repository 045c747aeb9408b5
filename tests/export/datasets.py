"""Records that are hard to write, and what writes and reads them in a test."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from crawler.export.formats import Making, format_of
from crawler.outcome import Record

HARD: list[dict[str, Any]] = [
    {"text": "Zürich 🎈 東京", "whole": -5, "real": 0.1, "flag": True, "null": None, "list": ["a", "b"]},
    {"text": "", "whole": 2**63 - 1, "real": -1e-300, "flag": False, "list": []},
    {"text": "\x00\x01\x1b\x7f\x85\u2028\u2029\ufeff\ufffe\uffff", "whole": -(2**63), "real": 1e308, "null": None},
    {
        "text": " a,b\t\"c\"\r\n'd' <e>&amp;]]>\\ ",
        "object": {"a": 1, "b": {"c": ["d"]}},
        "rows": [{"n": 1}, {"m": "x"}],
    },
    {"text": None, "object": {"a": None, "b": {}}, "rows": [], "matrix": [[1, 2], [], [3]], "mixed": 5},
    {"mixed": "5", "huge": 10**60, "large": 2**64 - 1, "wide": 10**30, "exact": 2**53 + 1, "nothing": {}},
    {"mixed": ["5"], "huge": 1, "large": 0, "wide": -1, "exact": 0.5, "nothing": {}, "nulls": [None]},
    {"text": "=1+1", "a.b": 1, 'say "x"': 2, "two\nlines": 3, "": 4, "Title": 5, "title": 6, "TITLE_2": 7, "x\x00y": 8},
    {},
    {
        "xml": "x",
        "field": 1,
        "value": {"value": [1, {"field": None}], "field": 2},
        "dc:date": "y",
        "1st": "z",
        "é": "ü",
    },
    {"rowid": "r", "select": "s", "no_fields": "n", "text": "x" * 100_000},
]
"""Each with its own trouble."""


def lines_of(records: Iterable[dict[str, Any]]) -> list[bytes]:
    return [json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode() for record in records]


def written(path: Path, records: Iterable[dict[str, Any]], making: Making = Making()) -> Path:
    """*path*, with *records* in the format of its ending."""
    form, lines = format_of(path.name), lines_of(records)
    if form.is_made:
        form.write(lambda: lines, path, making)
    else:
        path.write_bytes(b"".join(form.encode([Record(line)]) for line in lines))
    return path


def read(path: Path) -> list[Any]:
    return [json.loads(line) for line in format_of(path.name).read(path)]


def without_nulls(value: Any) -> Any:
    """What is left where null and missing are the same."""
    if isinstance(value, dict):
        return {name: without_nulls(inner) for name, inner in value.items() if inner is not None}
    return [without_nulls(inner) for inner in value] if isinstance(value, list) else value
