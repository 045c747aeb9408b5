"""The records of files: typed, whatever fields a download has."""

from typing import Any

import msgspec
import pytest

from crawler import File
from crawler.errors import SpiderError
from crawler.items import file as module
from crawler.items.check import to_record
from crawler.items.file import file_record
from crawler.outcome import Record, Reject

KNOWN: dict[str, Any] = {
    "url": "http://a.example/x",
    "path": "downloads/x",
    "bytes": 3,
    "sha256": "0" * 64,
    "media_type": "a/b",
    "referrer": None,
}


class Cover(File, key="isbn"):
    isbn: str
    number: int = 0


def test_without_fields_it_is_a_file() -> None:
    assert file_record(File, KNOWN, {}) == File(**KNOWN)


def test_fields_of_a_subclass_have_its_types() -> None:
    made = file_record(Cover, KNOWN, {"isbn": "978"})
    assert made == Cover(**KNOWN, isbn="978")
    wrong = to_record(file_record(Cover, KNOWN, {"isbn": 978}), "")
    assert isinstance(wrong, Reject)
    assert (wrong.item_type, wrong.field, wrong.reason) == ("Cover", "isbn", "Expected `str`, got `int`")


@pytest.mark.parametrize("kind", [File, Cover])
def test_further_fields_are_in_a_type_of_the_same_name(kind: type[File]) -> None:
    given = {"isbn": "978", "title": [1, None], "self": {"a": 1}}
    made: Any = file_record(kind, KNOWN, given)
    assert (type(made).__name__, isinstance(made, kind), made.title) == (kind.__name__, True, [1, None])
    record = to_record(made, "")
    assert isinstance(record, Record)
    assert msgspec.json.decode(record.data).items() >= {**KNOWN, **given}.items()
    assert type(file_record(kind, KNOWN, dict(given))) is type(made)


@pytest.mark.parametrize("name", ["not a name", "class", "_hidden", "", "é\u0301 "])
def test_what_cannot_be_a_field_makes_it_a_dict(name: str) -> None:
    assert file_record(File, KNOWN, {name: 1}) == {**KNOWN, name: 1}


def test_names_that_pages_make_up_make_no_types_without_end() -> None:
    before = len(module._made)
    records = [file_record(File, KNOWN, {f"name{number}": 1}) for number in range(300)]
    assert len(module._made) <= max(before, module._SHAPES)
    assert records[-1] == {**KNOWN, "name299": 1}


@pytest.mark.parametrize(
    ("kind", "fields", "message"),
    [
        (dict, {}, "write a subclass of crawler.File"),
        ("Cover", {}, "write a subclass of crawler.File"),
        (Cover, {}, r"Cover cannot be made: Missing required argument 'isbn'; Download\(..., fields="),
    ],
)
def test_what_is_wrong_with_a_type_is_said(kind: Any, fields: dict[str, Any], message: str) -> None:
    with pytest.raises(SpiderError, match=message):
        file_record(kind, KNOWN, fields)


@pytest.fixture(autouse=True)
def _types_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_made", {})
