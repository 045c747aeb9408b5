"""Reading datasets: the records of a file, whatever its format, and what is said of one that is broken."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from crawler.errors import OutputError
from crawler.export.formats import FORMATS
from crawler.export.read import is_dataset, is_json, lines_of

CONTENTS = {
    ".jsonl": b'\xef\xbb\xbf{"a":1}\r\n\n{"a":"\xc3\xbc"}',
    ".jsonl.gz": gzip.compress(b'{"a":1}\n') + gzip.compress(b'{"a":"\xc3\xbc"}\n'),
    ".csv": b"\xef\xbb\xbfa\r\n1\r\n\xc3\xbc\r\n",
}


@pytest.mark.parametrize("ending", CONTENTS)
def test_the_records_of_a_file_are_json_objects(tmp_path: Path, ending: str) -> None:
    file = tmp_path / f"books{ending}"
    file.write_bytes(CONTENTS[ending])
    records = [json.loads(line) for line in lines_of(file)]
    assert [str(record["a"]) for record in records] == ["1", "\u00fc"]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("gone.jsonl", None),
        ("cut.jsonl.gz", gzip.compress(b'{"a":1}\n' * 99)[:-9]),
        ("none.jsonl.gz", b"{}"),
        ("coded.csv", b"a\n\xff\n"),
    ],
)
def test_a_file_that_cannot_be_read_is_told(tmp_path: Path, name: str, content: bytes | None) -> None:
    file = tmp_path / name
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(OutputError) as caught:
        list(lines_of(file))
    assert str(caught.value).startswith(f"cannot read {file}: ")


def test_a_name_that_is_of_no_format_is_told(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"no format has the ending '\.txt'"):
        list(lines_of(tmp_path / "notes.txt"))


@pytest.mark.parametrize("ending", FORMATS)
def test_a_dataset_is_known_by_its_ending(ending: str) -> None:
    assert is_dataset(f"books{ending}")
    assert not is_dataset(ending)
    assert not is_dataset(f"books{ending}.manifest.json")


def test_json_keeps_items_as_they_are_and_a_table_does_not() -> None:
    assert [is_json("a.jsonl"), is_json("a.jsonl.gz"), is_json("a.csv")] == [True, True, False]
