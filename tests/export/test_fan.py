"""Which file a record goes to."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from crawler.export import fan as fan_module
from crawler.export.fan import fanned
from crawler.export.rotated import Fullness
from crawler.export.template import Template

RECORDS = [
    ("Book", {"kind": "crime", "n": 1}),
    ("Book", {"kind": "a/b", "n": 2}),
    ("Author", {"kind": None, "n": 3}),
    ("Author", {"n": 4}),
    ("Book", {"kind": ["x", 1], "n": 5}),
    ("Book", {"kind": "crime", "n": 6}),
    ("Book", {"kind": 7, "n": 7}),
    ("Book", {"kind": "7", "n": 8}),
]


def lines() -> Iterator[tuple[str, bytes]]:
    return ((item, json.dumps(record).encode()) for item, record in RECORDS)


def shared(output: str, folder: Path, items: int | None = None, size: int | None = None) -> dict[str, list[int]]:
    found = {}
    for share in fanned(Template(output), lines, folder / "fan", lambda: Fullness(items, size)):
        assert list(share.lines()) == list(share.lines())
        found[str(share.path)] = [json.loads(line)["n"] for line in share.lines()]
    assert not (folder / "fan").exists()
    return found


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ("{item}.csv", {"Book.csv": [1, 2, 5, 6, 7, 8], "Author.csv": [3, 4]}),
        (
            "{kind}/{item}.csv",
            {
                "crime/Book.csv": [1, 6],
                "a%2Fb/Book.csv": [2],
                "__none__/Author.csv": [3, 4],
                "[%22x%22,1]/Book.csv": [5],
                "7/Book.csv": [7, 8],
            },
        ),
    ],
)
def test_records_are_shared_out(output: str, expected: dict[str, list[int]], tmp_path: Path) -> None:
    assert shared(output, tmp_path) == expected


def test_each_partition_has_files_of_its_own_that_follow_each_other(tmp_path: Path) -> None:
    assert shared("{item}-{part}.csv", tmp_path, items=4) == {
        "Book-00001.csv": [1, 2, 5, 6],
        "Book-00002.csv": [7, 8],
        "Author-00001.csv": [3, 4],
    }
    assert len(shared("{part}.csv", tmp_path, size=60)) > 3


def test_however_many_files_there_are_few_are_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fan_module, "_OPEN", 1)
    assert shared("{item}.csv", tmp_path) == {"Book.csv": [1, 2, 5, 6, 7, 8], "Author.csv": [3, 4]}


def test_a_page_that_makes_up_values_makes_no_more_files_than_there_may_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(fan_module, "MOST_FILES", 2)
    assert shared("{n}.csv", tmp_path) == {"1.csv": [1], "2.csv": [2], "__other__.csv": [3, 4, 5, 6, 7, 8]}
    assert [record.message for record in caplog.records] == [
        "{n}.csv would be more than 2 files: the rest goes to those named __other__"
    ]


@pytest.mark.parametrize(
    ("is_folded", "expected"), [(True, {"Crime.csv": [1, 2]}), (False, {"Crime.csv": [1], "crime.csv": [2]})]
)
def test_names_that_a_file_system_takes_for_one_are_one_file(
    is_folded: bool, expected: dict[str, list[int]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fan_module, "IS_FOLDED", is_folded)
    given = [("Book", b'{"kind":"Crime","n":1}'), ("Book", b'{"kind":"crime","n":2}')]
    found = {
        str(share.path): [json.loads(line)["n"] for line in share.lines()]
        for share in fanned(Template("{kind}.csv"), lambda: given, tmp_path / "fan", lambda: Fullness(None, None))
    }
    assert found == expected


def test_values_beyond_the_most_files_are_not_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fan_module, "MOST_FILES", 3)
    (tmp_path / "fan").mkdir()
    fan = fan_module._Fan(Template("{n}.csv"), tmp_path / "fan", lambda: Fullness(None, None))
    for number in range(20):
        fan.put("Book", b'{"n":%d}' % number)
    fan.close()
    assert len(fan._last) == len(fan._spelt) - 1 == 3
