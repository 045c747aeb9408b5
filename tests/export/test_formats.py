"""From records to bytes, and back: what holds for every format."""

import gzip
import json
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from shutil import which

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crawler.errors import OutputError
from crawler.export.formats import (
    FORMATS,
    GzipJsonLines,
    JsonLines,
    Making,
    NotReadable,
    NotWritable,
    ZstdJsonLines,
    format_of,
)
from crawler.outcome import Record
from tests.export.datasets import HARD, lines_of, read, without_nulls, written

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

GROWING = [ending for ending, form in FORMATS.items() if not form.is_made]
MADE = [ending for ending, form in FORMATS.items() if form.is_made]
OF_TEXT = [ending for ending in MADE if ending.startswith((".csv", ".xml"))]
"""Formats whose cells are text to whoever reads them."""
OF_TYPES = [ending for ending in FORMATS if ending not in OF_TEXT]


def test_json_lines_are_one_record_a_line():
    assert JsonLines().encode([]) == b""
    assert JsonLines().encode([Record(b'{"a":1}'), Record('"ü\\n"'.encode())]) == '{"a":1}\n"ü\\n"\n'.encode()


@pytest.mark.parametrize("ending", GROWING)
def test_a_format_that_grows_can_go_on_after_any_group(ending, tmp_path):
    form = FORMATS[ending]()
    one, two = Record(b'{"a":1}'), Record(b'{"b":2}')
    groups, whole = form.encode([one]) + form.encode([two]), form.encode([one, two])
    assert unpacked(groups, ending) == unpacked(whole, ending) == b'{"a":1}\n{"b":2}\n'


def unpacked(data, ending):
    if ending.endswith(".gz"):
        return gzip.decompress(data)
    if ending.endswith(".zst"):
        return zstd.decompress(data)
    return data


@pytest.mark.parametrize("name", ["a.jsonl", "A.JSONL", "deep/a.b.jsonl", "-"])
def test_the_ending_names_the_format(name):
    assert isinstance(format_of(name), JsonLines)


@pytest.mark.parametrize(
    ("name", "form"),
    [("a.jsonl.gz", GzipJsonLines), ("A.JSONL.GZ", GzipJsonLines), ("a.csv.jsonl.zst", ZstdJsonLines)],
)
def test_the_longest_ending_counts(name, form):
    assert isinstance(format_of(name), form)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("a", "a: the ending names the format, as in a.jsonl"),
        (".jsonl", ".jsonl: the ending names the format"),
        ("a.txt", "a.txt: no format has the ending '.txt'; there are .jsonl, .jsonl.gz, .jsonl.zst, .json,"),
        ("a.parquet.gz", "a.parquet.gz: no format has the ending '.gz'; there are .jsonl, .jsonl.gz,"),
    ],
)
def test_an_ending_that_names_none_is_refused_with_those_that_do(name, said):
    with pytest.raises(OutputError) as caught:
        format_of(name)
    assert str(caught.value).startswith(said)


@pytest.mark.parametrize("ending", OF_TYPES)
def test_what_is_read_is_what_was_written(ending, tmp_path):
    path = written(tmp_path / f"items{ending}", HARD)
    found = read(path)
    if ending == ".parquet":
        assert [without_nulls(record) for record in found] == [without_nulls(renamed(record)) for record in HARD]
    elif ending == ".sqlite":
        assert len(found) == len(HARD)  # the names and types that SQLite has: test_sqlite.py
    else:
        assert found == HARD


def renamed(record):
    return {name.replace("\0", "\u2400"): value for name, value in record.items()}


@pytest.mark.parametrize("ending", MADE)
def test_a_file_that_is_read_and_written_again_reads_the_same(ending, tmp_path):
    """Which is how more records are added to it."""
    first = written(tmp_path / f"first{ending}", HARD)
    found = read(first)
    assert len(found) == len(HARD)
    form, again = FORMATS[ending](), tmp_path / f"again{ending}"
    form.write(lambda: list(form.take_over(first, Making())), again, Making())
    assert read(again) == found


@pytest.mark.parametrize("ending", MADE)
def test_records_can_be_added_to_a_file(ending, tmp_path):
    first = written(tmp_path / f"first{ending}", [{"a": "1", "b": "x"}, {"a": "2", "b": "y"}])
    form, again = FORMATS[ending](), tmp_path / f"again{ending}"
    more = lines_of([{"c": "new", "a": "3"}])
    form.write(lambda: [*form.take_over(first, Making()), *more], again, Making())
    found = [{name: value for name, value in record.items() if value} for record in read(again)]
    assert found == [{"a": "1", "b": "x"}, {"a": "2", "b": "y"}, {"a": "3", "c": "new"}]


@pytest.mark.parametrize("ending", FORMATS)
def test_no_records_are_a_whole_file_and_an_empty_file_has_none(ending, tmp_path):
    assert read(written(tmp_path / f"none{ending}", [])) == []
    empty = tmp_path / f"empty{ending}"
    empty.touch()
    assert read(empty) == []


@pytest.mark.parametrize("ending", FORMATS)
def test_records_without_fields_are_records(ending, tmp_path):
    found = read(written(tmp_path / f"items{ending}", [{}, {}]))
    assert found == ([] if ending.startswith(".csv") else [{}, {}])  # a line of no cells is none


@pytest.mark.parametrize("ending", MADE)
def test_a_file_that_is_there_is_left_alone_be_it_a_link(ending, tmp_path):
    there, link = tmp_path / f"there{ending}", tmp_path / f"link{ending}"
    there.write_bytes(b"mine")
    link.symlink_to(tmp_path / "nowhere")
    for target in (there, link):
        with pytest.raises(FileExistsError):
            written(target, HARD)
    assert there.read_bytes() == b"mine"
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize("ending", MADE)
def test_a_disk_that_is_full_is_an_error_of_the_system(ending, tmp_path, monkeypatch):
    if ending == ".sqlite":
        pytest.skip("it opens files itself: test_sqlite.py")
    with open("/dev/full", "wb", buffering=0) as full, pytest.raises(OSError, match="No space left"):
        monkeypatch.setattr(Path, "open", lambda *_, **__: full)
        written(tmp_path / f"items{ending}", HARD * 20)


@pytest.mark.parametrize("ending", FORMATS)
def test_a_file_that_is_something_else_or_cut_off_is_told(ending, tmp_path):
    path = written(tmp_path / f"items{ending}", HARD)
    whole = path.read_bytes()
    refused = 0
    for data in (b"\x93\xff\x00 something else", whole[: len(whole) // 2], whole[:-20]):
        path.write_bytes(data)
        with suppress(NotReadable):
            read(path)
            continue
        refused += 1
    assert refused >= (1 if ending == ".csv" else 3)  # half a table may be one, too


@pytest.mark.parametrize("ending", MADE)
def test_a_record_that_is_nested_too_deeply_is_told(ending, tmp_path):
    deep = b'{"a":' + b"[" * 2_000 + b"]" * 2_000 + b"}"
    with pytest.raises(NotWritable, match=r"nested too deeply: only JSON lines \(\.jsonl\) can hold it"):
        FORMATS[ending]().write(lambda: [deep], tmp_path / f"items{ending}", Making())


@pytest.mark.parametrize("ending", [ending for ending in FORMATS if ending.endswith((".gz", ".zst"))])
def test_the_tools_that_people_have_unpack_it(ending, tmp_path):
    tool = "gzip" if ending.endswith(".gz") else "zstd"
    if which(tool) is None:
        pytest.skip(f"{tool} is not installed")
    packed = written(tmp_path / f"items{ending}", HARD)
    unpacked = subprocess.run([tool, "-dc", packed], capture_output=True, check=True).stdout
    bare = written(tmp_path / f"bare{ending.rpartition('.')[0]}", HARD)
    assert unpacked == bare.read_bytes()


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
NAMES = st.sampled_from("abc") | TEXT.filter(lambda name: "\0" not in name)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)
RECORDS = st.lists(st.dictionaries(NAMES, VALUES, max_size=5), max_size=6)


@pytest.mark.parametrize("ending", [".json", ".json.zst", ".parquet", ".jsonl.gz"])
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(records=RECORDS)
def test_any_records_are_read_back(ending, records, tmp_path):
    path = tmp_path / f"items{ending}"
    path.unlink(missing_ok=True)
    found = read(written(path, records))
    if ending == ".parquet":
        assert len(found) == len(records)
        assert [without_nulls(record) for record in found] == [without_nulls(record) for record in records]
    else:
        assert json.dumps(found) == json.dumps(records)
