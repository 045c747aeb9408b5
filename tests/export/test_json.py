"""A JSON array: its layout, and reading those of others in bounded memory."""

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crawler.export import json as json_module
from crawler.export.formats import NotReadable
from tests.export.datasets import HARD, read, written


def test_an_array_has_a_record_a_line(tmp_path: Path) -> None:
    assert written(tmp_path / "none.json", []).read_bytes() == b"[]\n"
    assert written(tmp_path / "one.json", [{"a": 1}]).read_bytes() == b'[\n{"a":1}\n]\n'
    assert written(tmp_path / "two.json", [{"a": 1}, {"b": "ü"}]).read_text("utf-8") == '[\n{"a":1},\n{"b":"ü"}\n]\n'


def test_every_json_reader_gets_the_records(tmp_path: Path) -> None:
    assert json.loads(written(tmp_path / "items.json", HARD).read_bytes()) == HARD


@pytest.mark.parametrize("indent", [None, 0, 4, "\r\n\t"])
@pytest.mark.parametrize("is_ascii", [True, False])
@pytest.mark.parametrize("chunk", [1, 7, 1 << 18])
def test_the_arrays_of_others_are_read_however_they_are_laid_out(
    indent: int | str | None, is_ascii: bool, chunk: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json_module, "_CHUNK", chunk)
    path = tmp_path / "items.json"
    text = json.dumps(HARD[:-1], indent=indent, ensure_ascii=is_ascii)
    path.write_bytes(b"\xef\xbb\xbf \n" + text.encode() + b" \r\n")
    assert read(path) == HARD[:-1]


def test_numbers_stay_as_they_were_written(tmp_path: Path) -> None:
    path = tmp_path / "items.json"
    path.write_text('[{"a": 1.50, "b": 1E5, "c": 12345678901234567890.123456789}]')
    assert [bytes(line) for line in json_module.Json().read(path)] == [path.read_bytes()[1:-1]]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"a": 1}', "'{' stands at its beginning, where '\\[' belongs"),
        ('[{"a": 1}', "it ends after element 1 of its array, where '\\]' belongs"),
        ('[{"a": 1}, {"a"', "element 2 of its array is no JSON .*, or is cut off"),
        ('[{"a": 1}, {"a": "x', "element 2 of its array is no JSON .*, or is cut off"),
        ('[{"a": 1}, ]', "element 2 of its array is no JSON"),
        ('[{"a": 1} {"a": 2}]', "'{' stands after element 1 of its array, where '\\]' belongs"),
        ('[{"a": 1}, 5]', "element 2 of its array is no JSON object"),
        ('[{"a": 1}, "x"]', "element 2 of its array is no JSON object"),
        ('[{"a": NaN}]', "element 1 of its array is no JSON object"),
        ('[{"a": "\\ud800"}]', "element 1 of its array is no JSON object"),
        ('[{"a": 1}] x', "something follows its array"),
        ("[" + '{"a":' * 5_000 + "1" + "}" * 5_000 + "]", "element 1 of its array is nested too deeply"),
        ('[{"a": %s}]' % ("9" * 5_000), "element 1 of its array: .*limit"),
    ],
)
def test_what_is_no_array_of_objects_is_told(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "items.json"
    path.write_text(text)
    with pytest.raises(NotReadable, match=said):
        read(path)


def test_text_in_another_encoding_is_told(tmp_path: Path) -> None:
    path = tmp_path / "items.json"
    path.write_bytes('[{"a": "ü"}]'.encode("latin-1"))
    with pytest.raises(NotReadable, match="it is not in UTF-8"):
        read(path)


def test_a_record_without_end_is_not_read_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_module, "MOST", 1_000_000)
    path = tmp_path / "items.json"
    path.write_text('[{"a": "' + "x" * 5_000_000)
    with pytest.raises(NotReadable, match="element 1 of its array is longer than 1,000,000 characters"):
        read(path)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner),
    max_leaves=6,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    records=st.lists(st.dictionaries(st.sampled_from("ab"), VALUES)),
    chunk=st.integers(1, 40),
    indent=st.none() | st.integers(0, 2),
)
def test_wherever_a_chunk_ends_the_records_are_the_same(
    records: list[dict[str, object]], chunk: int, indent: int | None, tmp_path: Path
) -> None:
    path = tmp_path / "items.json"
    path.write_text(json.dumps(records, indent=indent, ensure_ascii=False), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(json_module, "_CHUNK", chunk)
        assert read(path) == records
