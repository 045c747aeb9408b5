"""Reading JSON lines: which files are datasets, and what is said of the others."""

import gzip
import json
from pathlib import Path

import pytest

from crawler.export.formats import NotReadable, format_of
from crawler.export.lines import decoded, groups_of
from tests.export.datasets import HARD, lines_of, read, written


@pytest.mark.parametrize(
    "data",
    [
        b'{"a":1}\n{"a":2}\n',
        b'\xef\xbb\xbf{"a":1}\n{"a":2}\n',
        b'{"a":1}\r\n{"a":2}\r\n',
        b'\n  {"a":1}  \n\n\t{"a":2}',
    ],
    ids=["plain", "a BOM", "CRLF", "blank lines, and no last end"],
)
def test_lines_are_read_as_people_write_them(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "items.jsonl"
    path.write_bytes(data)
    assert list(format_of(path.name).read(path)) == [b'{"a":1}', b'{"a":2}']


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b'{"a":1}\n{"a":2', "line 2, the last one, is torn: take it out"),
        (b'{"a":1}\n{"a":2\n{"a":3}\n', "line 2 is no whole JSON object"),
        (b'{"a":1}\n[1]\n', "line 2 is no whole JSON object"),
        (b'{"a":1}\n{"a":{"b":"\xff"}}\n', "line 2 is no whole JSON object"),
        (b'{"a":1}{"a":2}\n', "line 1 is no whole JSON object"),
        (b"url,title\n1,2\n", "line 1 is no whole JSON object"),
    ],
)
@pytest.mark.parametrize("ending", [".jsonl", ".jsonl.gz"])
def test_a_line_that_is_torn_or_none_is_named(data: bytes, said: str, ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"items{ending}"
    path.write_bytes(gzip.compress(data) if ending == ".jsonl.gz" else data)
    with pytest.raises(NotReadable, match=said):
        list(format_of(path.name).read(path))


def test_what_stands_before_a_torn_line_is_read(tmp_path: Path) -> None:
    path = written(tmp_path / "items.jsonl", HARD)
    path.write_bytes(path.read_bytes()[:-5])
    lines = format_of(path.name).read(path)
    assert [json.loads(next(lines)) for _ in HARD[:-1]] == HARD[:-1]
    with pytest.raises(NotReadable, match=f"line {len(HARD)}, the last one, is torn"):
        next(lines)


@pytest.mark.parametrize("ending", [".jsonl.gz", ".jsonl.zst"])
def test_a_packed_file_that_lacks_a_byte_is_told_wherever_it_is_cut_off(ending: str, tmp_path: Path) -> None:
    path = written(tmp_path / f"items{ending}", [{"a": 1}, {"b": "x" * 50}])
    whole = path.read_bytes()
    assert len(read(path)) == 2
    ends = [len(written(tmp_path / f"one{ending}", [{"a": 1}]).read_bytes())]
    for length in range(1, len(whole)):
        path.write_bytes(whole[:length])
        if length in ends:
            assert read(path) == [{"a": 1}]
        else:
            with pytest.raises(NotReadable, match=r"its (gzip|zstd) data is damaged"):
                read(path)


def test_groups_are_bounded_by_records_and_by_bytes() -> None:
    lines = [b"x" * size for size in (1, 1, 1, 9, 1, 20)]
    assert [len(group) for group in groups_of(lines, 2, 100)] == [2, 2, 2]
    assert [len(group) for group in groups_of(lines, 100, 10)] == [4, 2]
    assert list(groups_of([])) == []


def test_lines_with_and_without_ends_are_decoded() -> None:
    assert decoded([b'{"a":1}\n', b'{"b":"\\n"}']) == [{"a": 1}, {"b": "\n"}]
    assert decoded(lines_of(HARD)) == HARD
