"""What has changed between two datasets, and in which order it is told."""

from __future__ import annotations

import io
import json
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crawler.errors import OutputError, SinkError
from crawler.export.compare import Counts, Keep, changed_fields, compare

Records = list[dict[str, Any]]


def lines(records: Records) -> Iterator[bytes]:
    return (json.dumps(record).encode() for record in records)


def compared(
    old: Records, new: Records, key: tuple[str, ...] | None = ("id",), *, as_text: bool = False, keep: Keep = "last"
) -> tuple[Counts, Records]:
    out = io.BytesIO()
    counts = compare(lines(old), lines(new), key, out, as_text=as_text, keep=keep)
    return counts, [json.loads(line) for line in out.getvalue().splitlines()]


def test_what_is_new_what_has_changed_and_what_is_gone() -> None:
    old = [{"id": 1, "price": 5}, {"id": 2, "price": 7}, {"id": 3, "price": 9}]
    new = [{"id": 4, "price": 1}, {"id": 2, "price": 8}, {"id": 1, "price": 5}]
    assert compared(old, new) == (
        Counts(added=1, changed=1, gone=1, same=1),
        [
            {"change": "added", "item": new[0]},
            {"change": "changed", "key": {"id": 2}, "fields": ["price"], "item": new[1], "before": old[1]},
            {"change": "gone", "item": old[2]},
        ],
    )


def test_changes_follow_the_new_dataset_and_what_is_gone_follows_the_old_one() -> None:
    old = [{"id": n} for n in (9, 3, 7, 5)]
    new = [{"id": n} for n in (8, 2, 6, 5)]
    _, changes = compared(old, new)
    assert [change["item"]["id"] for change in changes] == [8, 2, 6, 9, 3, 7]


def test_items_are_written_as_they_were_to_the_last_byte() -> None:
    out = io.BytesIO()
    item = b'{"id":1,  "price":1.50, "title":"\\u00fc"}'
    compare([], [item], ("id",), out)
    assert out.getvalue() == b'{"change":"added","item":' + item + b"}\n"


@pytest.mark.parametrize(
    ("before", "after", "fields"),
    [
        ({"a": 1}, {"a": 2}, ["a"]),
        ({"a": 1}, {"b": 1}, ["b", "a"]),
        ({"a": 1}, {"a": None}, ["a"]),
        ({"a": None}, {}, []),
        ({"a": True}, {"a": 1}, ["a"]),
        ({"a": "1"}, {"a": 1}, ["a"]),
        ({"a": [1, 2]}, {"a": [2, 1]}, ["a"]),
        ({"a": 1.0}, {"a": 1}, []),
        ({"a": {"x": 1, "y": [2.0]}}, {"a": {"y": [2], "x": 1}}, []),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, []),
    ],
)
def test_a_field_has_changed_if_its_value_has(before: Any, after: Any, fields: list[str]) -> None:
    assert changed_fields(before, after, as_text=False) == fields
    counts, _ = compared([{"id": 1, **before}], [{"id": 1, **after}])
    assert counts == (Counts(changed=1) if fields else Counts(same=1))


@pytest.mark.parametrize(
    ("before", "after", "fields"),
    [
        ({"a": "51.77"}, {"a": 51.77}, []),
        ({"a": "true"}, {"a": True}, []),
        ({"a": ""}, {"a": None}, []),
        ({"a": ""}, {}, []),
        ({"a": '["x",1]'}, {"a": ["x", 1]}, []),
        ({"a": ["x", "1"]}, {"a": ["x", 1]}, []),
        ({"a": '{"x": 1}'}, {"a": {"x": 1}}, []),
        ({"a": "[no list"}, {"a": "[no list"}, []),
        ({"a": ""}, {"a": []}, []),
        ({"a": "[]"}, {"a": []}, []),
        ({"a": {"x": "1"}}, {"a": {"x": 1.0, "y": None, "z": []}}, []),
        ({"a": "1.0"}, {"a": 1}, []),
        ({"a": "-2"}, {"a": -2.0}, []),
        ({"a": "v1.0"}, {"a": "v1"}, ["a"]),
        ({"a": "1.5"}, {"a": 1}, ["a"]),
        ({"a": "51.78"}, {"a": 51.77}, ["a"]),
        ({"a": ""}, {"a": 0}, ["a"]),
    ],
)
def test_to_a_table_all_values_are_text(before: Any, after: Any, fields: list[str]) -> None:
    assert changed_fields(before, after, as_text=True) == fields
    counts, _ = compared([{"id": "1", **before}], [{"id": 1, **after}], as_text=True)
    assert counts == (Counts(changed=1) if fields else Counts(same=1))


@pytest.mark.parametrize(("keep", "expected"), [("last", 3), ("first", 1)])
def test_of_several_items_with_one_key_one_counts(keep: Keep, expected: int) -> None:
    new = [{"id": 1, "n": 1}, {"id": 2, "n": 2}, {"id": 1, "n": 3}]
    counts, changes = compared([{"id": 1, "n": 0}, {"id": 2, "n": 2}], new, keep=keep)
    assert counts == Counts(changed=1, same=1)
    assert changes[0]["item"] == {"id": 1, "n": expected}
    assert changes[0]["fields"] == ["n"]


def test_a_key_may_have_several_fields() -> None:
    old = [{"a": 1, "b": 23, "n": 0}, {"a": 12, "b": 3, "n": 0}]
    counts, changes = compared(old, [{"a": 12, "b": 3, "n": 1}], ("a", "b"))
    assert counts == Counts(changed=1, gone=1)
    assert changes[0]["key"] == {"a": 12, "b": 3}


def test_what_has_no_key_is_compared_as_a_whole() -> None:
    old = [{"id": None, "n": 1}, {"n": 1}, {"n": 2}]
    assert compared(old, [{"id": None, "n": 1}, {"n": 2}, {"n": 3}])[0] == Counts(added=1, same=2)


@pytest.mark.parametrize("key", [None, ()])
def test_without_a_key_whole_items_count_and_as_often_as_they_are_there(key: tuple[str, ...] | None) -> None:
    old = [{"n": 1}, {"n": 1}, {"n": 2}, {"n": 3}]
    new = [{"n": 1}, {"n": 2}, {"n": 2}, {"n": 2}]
    counts, changes = compared(old, new, key)
    assert counts == Counts(added=2, gone=2, same=2)
    assert changes == [
        {"change": "added", "item": {"n": 2}},
        {"change": "added", "item": {"n": 2}},
        {"change": "gone", "item": {"n": 1}},
        {"change": "gone", "item": {"n": 3}},
    ]


@pytest.mark.parametrize(("old", "new"), [([], []), ([{"id": 1}], []), ([], [{"id": 1}])])
def test_a_dataset_may_be_empty(old: Records, new: Records) -> None:
    assert compared(old, new)[0] == Counts(added=len(new), gone=len(old))


ROWS = st.lists(st.fixed_dictionaries({"id": st.integers(0, 5), "n": st.integers(0, 2)}), max_size=12)


@given(old=ROWS, new=ROWS)
@settings(deadline=None, max_examples=30)
def test_the_changes_make_the_new_dataset_of_the_old_one(old: Records, new: Records) -> None:
    state = {record["id"]: record for record in old}
    counts, changes = compared(old, new)
    for change in changes:
        if change["change"] == "gone":
            del state[change["item"]["id"]]
        else:
            assert (change["item"]["id"] in state) is (change["change"] == "changed")
            state[change["item"]["id"]] = change["item"]
    assert state == {record["id"]: record for record in new}
    assert counts.same + len(changes) - counts.gone == len(state)


@pytest.mark.parametrize(
    ("line", "expected"), [(b"[1]", "no JSON object"), (b"{", "no JSON"), (b"[" * 9_999, "no JSON")]
)
def test_what_is_no_item_is_told_with_its_number(line: bytes, expected: str) -> None:
    with pytest.raises(OutputError, match=f"item 2 of the old dataset is {expected}"):
        compare([b'{"id":1}', line], [], ("id",), io.BytesIO())


def test_no_file_is_left_behind_whatever_happens(tmp_path: Path) -> None:
    def broken() -> Iterator[bytes]:
        yield b'{"id":1}'
        raise RuntimeError("in the middle")

    compare(lines([{"id": 1}]), lines([{"id": 1}]), ("id",), io.BytesIO(), folder=tmp_path)
    with pytest.raises(RuntimeError):
        compare(lines([{"id": 1}]), broken(), ("id",), io.BytesIO(), folder=tmp_path)
    assert [*tmp_path.iterdir()] == []


def test_a_disk_that_takes_nothing_more_is_told(tmp_path: Path) -> None:
    """In a process whose files may not be longer than a megabyte."""
    script = (
        "import io, resource, signal, sys\n"
        "from pathlib import Path\n"
        "from crawler.errors import SinkError\n"
        "from crawler.export import compare as c\n"
        "c._CACHE_KB = 100\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))\n"
        'rows = (b\'{"id":%d,"text":"%s"}\' % (n, b\'x\' * 500) for n in range(9000))\n'
        "try:\n c.compare(rows, [], ('id',), io.BytesIO(), folder=Path(sys.argv[1]))\n"
        "except SinkError as error:\n print(error)\n"
    )
    ended = subprocess.run([sys.executable, "-c", script, tmp_path], capture_output=True, text=True, check=True)
    assert ended.stdout.startswith("cannot write the temporary file of a comparison: ")
    assert [*tmp_path.iterdir()] == []


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(SinkError, match="cannot write the temporary file of a comparison: No such file"):
        compare([], [], None, io.BytesIO(), folder=tmp_path / "gone")


class Nowhere:
    def write(self, data: bytes) -> None:
        """Nothing is kept."""


@pytest.mark.parametrize(
    "items",
    [10_000, pytest.param(1_000_000, marks=pytest.mark.skipif(not os.environ.get("MILLION"), reason="MILLION=1"))],
)
@pytest.mark.timeout(300)
def test_many_items_are_compared_in_bounded_memory(items: int) -> None:
    def many(price: int) -> Iterator[bytes]:
        for n in range(items):
            yield msgspec.json.encode({"id": n, "text": "x" * 100, "price": price if n % 10 == 0 else 0})

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert compare(many(1), many(2), ("id",), Nowhere()) == Counts(changed=items // 10, same=items - items // 10)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # kB: SQLite's pages, mostly
