"""Manifests: what they say, that they are written whole, and that a dataset which is not as they say is told of."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
from pathlib import Path
from typing import Any

import msgspec
import pytest

from crawler.errors import OutputError, SinkError
from crawler.export import manifest as manifests
from crawler.export.manifest import (
    FieldFacts,
    ItemType,
    Manifest,
    Provenance,
    describe,
    manifest_path,
    read,
    verify,
    write,
)
from crawler.export.survey import FileFacts, Sample, Survey

BOOKS = [{"title": f"Book {n}", "price": n / 2, "tags": ["a"] * (n % 3)} for n in range(10)]


def dataset(path: Path, records: list[Any], *, end: bytes = b"\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    content = b"".join(json.dumps(record).encode() + end for record in records)
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


def described(*files: Path, folder: Path | None = None, **fields: Any) -> Path:
    """The path of a manifest that was written for *files*."""
    root = folder or files[0].parent
    target = root / "books.manifest.json"
    write(describe(files, Provenance(dataset="books", **fields), folder=root), target, syncs=False)
    return target


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ("books.jsonl", "books.jsonl.manifest.json"),
        ("out/books.jsonl.gz", "out/books.jsonl.gz.manifest.json"),
        ("out/books-{n}.jsonl", "out/books.jsonl.manifest.json"),
        ("out/{n}.jsonl", "out/dataset.jsonl.manifest.json"),
        ("out/{category}/{n}.jsonl", "out/dataset.jsonl.manifest.json"),
        ("out/c={category}/books.jsonl", "out/dataset.jsonl.manifest.json"),
        ("{category}/books.jsonl", "dataset.jsonl.manifest.json"),
    ],
)
def test_a_manifest_lies_beside_its_dataset(output: str, expected: str) -> None:
    assert manifest_path(Path(output)).as_posix() == expected


def test_a_folder_has_its_manifest_in_it(tmp_path: Path) -> None:
    assert manifest_path(tmp_path) == tmp_path / "dataset.manifest.json"


def test_a_dataset_is_described_by_what_is_in_its_file(tmp_path: Path) -> None:
    file = dataset(tmp_path / "books.jsonl", BOOKS)
    found = describe([file], Provenance(dataset="books", spider="books", args={"category": "art"}, reason="complete"))
    assert (found.version, found.dataset, found.format, found.items) == (1, "books", ".jsonl", 10)
    assert found.files == [
        FileFacts("books.jsonl", 10, file.stat().st_size, hashlib.sha256(file.read_bytes()).hexdigest())
    ]
    assert found.fields == {
        "title": FieldFacts(10, 1.0, {"string": 10}),
        "price": FieldFacts(10, 1.0, {"number": 10}),
        "tags": FieldFacts(6, 0.6, {"array": 10}),
    }
    assert (found.spider, found.args, found.reason) == ("books", {"category": "art"}, "complete")
    inferred = found.types["items"]
    assert (inferred.items, inferred.is_inferred) == (10, True)
    assert inferred.schema["properties"]["tags"] == {"type": "array", "items": {"type": "string"}}
    assert inferred.schema["required"] == ["title", "price", "tags"]


def test_the_schema_of_a_type_is_kept_and_one_that_is_missing_is_inferred(tmp_path: Path) -> None:
    file = dataset(tmp_path / "books.jsonl", BOOKS)
    schema = {"type": "object", "required": ["title"]}
    known = describe([file], Provenance(dataset="b", types={"Book": ItemType(schema, key=["title"], keep="first")}))
    assert known.types == {"Book": ItemType(schema, key=["title"], keep="first")}
    unknown = describe([file], Provenance(dataset="b", types={"Book": ItemType(key=["title"])}))
    assert unknown.types["Book"].is_inferred
    assert unknown.types["Book"].key == ["title"]
    assert unknown.types["Book"].schema["required"] == ["title", "price", "tags"]


def test_several_files_have_one_manifest(tmp_path: Path) -> None:
    files = [dataset(tmp_path / f"c={c}" / "part.jsonl", BOOKS[:n]) for c, n in (("a", 3), ("b", 4))]
    found = describe(files, Provenance(dataset="books"), folder=tmp_path)
    assert [(one.path, one.items) for one in found.files] == [("c=a/part.jsonl", 3), ("c=b/part.jsonl", 4)]
    assert found.items == 7


def test_a_file_outside_of_the_folder_is_refused(tmp_path: Path) -> None:
    file = dataset(tmp_path / "books.jsonl", BOOKS)
    with pytest.raises(OutputError, match="is outside of"):
        describe([file], Provenance(dataset="books"), folder=tmp_path / "other")


def test_an_empty_dataset_is_described_and_verified(tmp_path: Path) -> None:
    target = described(dataset(tmp_path / "books.jsonl", []))
    found = read(target)
    assert (found.items, found.fields, found.types) == (0, {}, {})
    assert verify(target) == []


@pytest.mark.parametrize("name", ["books.jsonl", "books.jsonl.gz", "books.csv"])
def test_what_is_as_its_manifest_says_has_no_problems(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    if name.endswith(".csv"):
        file.write_text("title,price\r\nA,1.5\r\nB,\r\n", "utf-8")
    else:
        dataset(file, BOOKS)
    schema = {"type": "object", "properties": {"price": {"type": "number"}}, "required": ["title"]}
    target = described(file, types={"Book": ItemType(schema)})
    assert read(target).items == (2 if name.endswith(".csv") else 10)
    assert verify(target) == []


def test_a_manifest_is_read_as_it_was_written_and_is_legible(tmp_path: Path) -> None:
    file = dataset(tmp_path / "books.jsonl", BOOKS)
    made = describe([file], Provenance(dataset="books", started="2026-12-01T00:00:00Z", compared_with="last.jsonl"))
    target = tmp_path / "m.json"
    write(made, target, syncs=True)
    assert read(target) == made
    assert [*json.loads(target.read_text())][:6] == ["version", "dataset", "format", "items", "files", "fields"]
    assert target.read_text().startswith('{\n  "version": 1,\n')


def test_the_earlier_manifest_stays_if_the_new_one_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = described(dataset(tmp_path / "books.jsonl", BOOKS))
    before = target.read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(SinkError, match="No space left"):
        write(read(target), target, syncs=True)
    assert target.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["books.jsonl", "books.manifest.json"]


def test_a_link_in_place_of_the_new_manifest_is_not_written_through(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("mine")
    file = dataset(tmp_path / "books.jsonl", BOOKS)
    (tmp_path / ".books.manifest.json.new").symlink_to(victim)
    assert verify(described(file)) == []
    assert victim.read_text() == "mine"


def changed(path: Path, change: str) -> None:
    content = path.read_bytes()
    if change == "gone":
        path.unlink()
    elif change == "one letter":
        path.write_bytes(content.replace(b"Book 3", b"Buch 3"))
    elif change == "one more":
        path.write_bytes(content + b'{"title":"x","price":1.0,"tags":[]}\n')
    elif change == "cut off":
        path.write_bytes(content[:-10])
    elif change == "another kind":
        path.write_bytes(content.replace(b'"Book 3"', b"12345678"))


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("gone", ["books.jsonl is missing"]),
        ("one letter", ["books.jsonl was changed: its SHA-256 is"]),
        ("one more", ["books.jsonl has 529 bytes, not 493", "books.jsonl has 11 records, not 10"]),
        ("cut off", ["books.jsonl: cannot read"]),
        (
            "another kind",
            ["books.jsonl was changed", "1 record does not fit the schema: record 4 of books.jsonl: title"],
        ),
    ],
)
def test_what_is_not_as_the_manifest_says_is_told(tmp_path: Path, change: str, expected: list[str]) -> None:
    file = dataset(tmp_path / "books.jsonl", BOOKS)
    target = described(file)
    changed(file, change)
    problems = verify(target)
    assert [problem[: len(start)] for problem, start in zip(problems, expected, strict=True)] == expected


def edited(path: Path, **fields: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


def test_a_manifest_leads_to_no_file_outside_of_its_folder(tmp_path: Path) -> None:
    secret = dataset(tmp_path / "secret.jsonl", BOOKS)
    target = described(dataset(tmp_path / "in" / "books.jsonl", BOOKS))
    for name in ("../secret.jsonl", str(secret), "a/../../secret.jsonl"):
        edited(target, files=[{"path": name, "items": 10, "bytes": 1, "sha256": ""}])
        assert verify(target) == [f"{name} is outside of the manifest's folder: it was not looked at"]


def test_counts_that_do_not_agree_and_schemas_that_are_none_are_told(tmp_path: Path) -> None:
    target = described(dataset(tmp_path / "books.jsonl", BOOKS))
    edited(target, items=11, types={"Book": {"schema": {"$ref": "#/nowhere"}}})
    assert verify(target) == [
        "the schema cannot be used: the schema refers to '#/nowhere', which it does not have",
        "the manifest has 11 items, its files 10",
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"", "is no manifest of a dataset"),
        (b"[]", "is no manifest of a dataset"),
        (b'{"version":1}', "is no manifest of a dataset"),
        (b"[" * 10_000, "is no manifest of a dataset"),
        (None, "cannot read"),
    ],
)
def test_what_is_no_manifest_is_told(tmp_path: Path, text: bytes | None, expected: str) -> None:
    path = tmp_path / "books.jsonl.manifest.json"
    if text is not None:
        path.write_bytes(text)
    with pytest.raises(OutputError, match=expected):
        read(path)


def test_a_manifest_of_a_later_version_is_refused_and_one_with_more_fields_is_read(tmp_path: Path) -> None:
    target = described(dataset(tmp_path / "books.jsonl", BOOKS))
    edited(target, something_new=1)
    assert read(target).items == 10
    edited(target, version=manifests.VERSION + 1)
    with pytest.raises(OutputError, match="written by a later version"):
        read(target)


# ----- the pass over a file -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "items"),
    [
        (b"", 0),
        (b'{"a":1}', 1),
        (b'{"a":1}\n{"a":2}\n', 2),
        (b'{"a":1}\r\n{"a":2}\r\n', 2),
        (b'\xef\xbb\xbf{"a":1}\n', 1),
        (b'{"a":1}\n\n{"a":2}\n\n', 2),
        (b'{"a":"\xe2\x80\xa8"}\n', 1),
    ],
)
def test_lines_are_read_as_their_writers_leave_them(tmp_path: Path, content: bytes, items: int) -> None:
    file = tmp_path / "a.jsonl"
    file.write_bytes(content)
    facts = Survey().read(file, "a.jsonl")
    assert facts == FileFacts("a.jsonl", items, len(content), hashlib.sha256(content).hexdigest())


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b'{"a":1}\n{"a"', "line 2 is no JSON"),
        (b'{"a":1}\n[1]\n', "line 2 is no JSON object"),
        (b'{"a":1} {"a":2}\n', "line 1 is no JSON"),
        (b'{"a":1}\n{"a":[1\n2]}\n', "line 2 is no JSON"),
        (b'{"a":"\xff"}\n', "line 1 is no JSON"),
        (b"{" + b'"a":{' * 5_000, "line 1 is no JSON"),
    ],
)
def test_a_line_that_is_no_record_is_told_with_its_number(tmp_path: Path, content: bytes, expected: str) -> None:
    file = tmp_path / "a.jsonl"
    file.write_bytes(content)
    with pytest.raises(OutputError) as caught:
        Survey().read(file, "a.jsonl")
    assert expected in str(caught.value)


def test_the_line_is_told_in_a_large_file_too(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    file.write_bytes(b'{"a":"%s"}\n' % (b"x" * 1_000) * 3_000 + b"oops\n")
    with pytest.raises(OutputError, match="line 3,001 is no JSON"):
        Survey().read(file, "a.jsonl")


def test_a_record_larger_than_what_is_read_at_once_is_read(tmp_path: Path) -> None:
    file = dataset(tmp_path / "a.jsonl", [{"a": "x" * (3 << 20)}, {"a": 1}])
    assert Survey().read(file, "a.jsonl").items == 2


def test_a_sample_is_the_same_each_time_and_from_everywhere() -> None:
    def draw(group: int) -> list[int]:
        sample = Sample(100)
        records = [{"n": n} for n in range(10_000)]
        for begin in range(0, 10_000, group):
            sample.add(records[begin : begin + group])
        return [record["n"] for record in sample.records]

    drawn = draw(10_000)
    assert drawn == draw(7)
    assert len({*drawn}) == 100
    assert 4_000 < sum(drawn) / 100 < 6_000


@pytest.mark.parametrize("size", [0, 1, 5, 20])
def test_a_sample_has_as_many_records_as_there_are(size: int) -> None:
    sample = Sample(size)
    sample.add(BOOKS)
    assert len(sample.records) == min(size, 10)


def test_every_record_is_as_likely_to_be_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    times = [0] * 20
    for seed in range(2_000):
        monkeypatch.setattr("crawler.export.survey._SEED", seed)
        sample = Sample(5)
        sample.add([{"n": n} for n in range(20)])
        for record in sample.records:
            times[record["n"]] += 1
    assert min(times) > 420
    assert max(times) < 580  # 500 is expected; these are four standard deviations


@pytest.mark.skipif(not os.environ.get("MILLION"), reason="MILLION=1 runs it: it takes half a minute")
def test_a_million_records_need_no_more_memory_than_a_few(tmp_path: Path) -> None:
    import resource

    file = tmp_path / "a.jsonl"
    with file.open("wb") as out:
        for n in range(1_000_000):
            out.write(msgspec.json.encode({"url": f"https://books.example/{n}", "price": n / 7, "n": n}) + b"\n")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = Survey(is_deep=True, sample=10)
    assert found.read(file, "a.jsonl").items == 1_000_000
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # kB


def test_a_manifest_and_its_provenance_have_the_same_fields() -> None:
    assert {*Provenance.__struct_fields__} < {*Manifest.__struct_fields__}
