"""``crawl dataset``: what it shows of a dataset, and what it says of one that is not as its manifest says."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from crawler.export.manifest import ItemType, Provenance, describe, manifest_path, write

BOOKS = [
    {
        "url": f"https://books.example/{n}",
        "price": n / 4,
        "category": ["Art", "Travel"][n % 4 == 0],
        "author": {"born": 1900 + n},
    }
    for n in range(40)
]


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def dataset(name: str, records: list[Any] = BOOKS) -> Path:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def described(*files: Path, target: Path | None = None) -> Path:
    path = target or manifest_path(files[0])
    provenance = Provenance(
        dataset="books",
        spider="books",
        code="0123456789abcdef",
        started="2026-12-01T10:00:00+00:00",
        ended="2026-12-01T10:02:00+00:00",
        reason="complete",
        args={"category": "art"},
        crawler="0.1.0",
        types={"Book": ItemType(key=["url"])},
    )
    write(describe(files, provenance, folder=path.parent), path, syncs=False)
    return path


def test_a_dataset_is_shown_with_its_origin_and_its_fields(crawl: Callable[..., Any]) -> None:
    described(dataset("books.jsonl"))
    ended = crawl("dataset", "books.jsonl", "--sample", 0)
    assert (ended.code, ended.err) == (0, "")
    assert ended.out == (
        "books.jsonl: 40 items, 3.8 kB\n"
        "  spider    books  (code 0123456789ab)\n"
        "  run       2026-12-01 10:00:00 UTC to 2026-12-01 10:02:00 UTC, complete\n"
        "  args      category=art\n"
        "  type      Book: inferred schema, key url (keeps the last)\n"
        "  by        crawler 0.1.0\n"
        "  checked   all is as the manifest says: size, SHA-256, number of items, schema\n"
        "\n"
        "FIELD        FILLED  KIND     DISTINCT  RANGE\n"
        "url            100%  string         40  23 .. 24 characters\n"
        "price          100%  number         40  0 .. 9.75\n"
        "category       100%  string          2  3 .. 6 characters\n"
        "             Art 75%  Travel 25%\n"
        "author         100%  object         40\n"
        "author.born    100%  integer        40  1900 .. 1939\n"
    )


def test_the_sample_is_json_and_the_same_each_time(crawl: Callable[..., Any]) -> None:
    dataset("books.jsonl")
    first = crawl("dataset", "books.jsonl", "--sample", 2).out
    assert "no manifest: there is nothing to check it against" in first
    shown = [json.loads(line) for line in first.splitlines() if line.startswith("{")]
    assert len(shown) == 2
    assert all(record in BOOKS for record in shown)
    assert crawl("dataset", "books.jsonl", "--sample", 2).out == first


def test_every_problem_is_a_line_and_the_exit_code_is_1(crawl: Callable[..., Any]) -> None:
    file = dataset("books.jsonl")
    described(file)
    file.write_text(file.read_text() + '{"url":"x","price":1}\n')
    ended = crawl("dataset", "books.jsonl")
    assert ended.code == 1
    assert [line for line in ended.out.splitlines() if line.startswith("  !")] == [
        "  ! books.jsonl has 3,862 bytes, not 3,840",
        "  ! books.jsonl has 41 records, not 40",
        "  ! 1 record does not fit the schema: record 41 of books.jsonl: has no 'author'",
    ]


@pytest.mark.parametrize("name", ["out/books.jsonl", "out/books.jsonl.manifest.json", "out"])
def test_a_dataset_is_named_by_its_file_its_manifest_or_its_folder(crawl: Callable[..., Any], name: str) -> None:
    described(dataset("out/books.jsonl"))
    ended = crawl("dataset", name)
    assert ended.code == 0
    assert "checked   all is as the manifest says" in ended.out


def test_a_dataset_of_several_files_is_checked_as_one(crawl: Callable[..., Any]) -> None:
    files = [dataset(f"out/c={c}/part.jsonl", BOOKS[:n]) for c, n in (("a", 10), ("b", 20))]
    described(*files, target=Path("out/dataset.manifest.json"))
    ended = crawl("dataset", "out")
    assert ended.code == 0
    assert ended.out.startswith("out: 30 items, 2.9 kB in 2 files\n")
    assert "  c=b/part.jsonl  20 items, 1.9 kB\n" in ended.out
    files[0].unlink()
    ended = crawl("dataset", "out")
    assert (ended.code, "  ! c=a/part.jsonl is missing\n" in ended.out) == (1, True)


def test_a_folder_without_a_manifest_is_shown_as_what_is_in_it(crawl: Callable[..., Any]) -> None:
    dataset("out/a.jsonl", BOOKS[:3])
    dataset("out/deeper/b.jsonl", BOOKS[:4])
    dataset("out/a.rejects.jsonl", BOOKS)
    dataset("out/a.changes.jsonl", BOOKS)
    assert crawl("dataset", "out").out.startswith("out: 7 items, 667 B in 2 files\n")


def test_of_many_files_and_many_fields_the_first_ones_are_shown(crawl: Callable[..., Any]) -> None:
    for n in range(12):
        dataset(f"out/{n:02}.jsonl", [{f"field {n} {m}": m for m in range(30)}])
    out = crawl("dataset", "out", "--sample", 0).out
    assert "  09.jsonl  1 item, 521 B\n  and 2 more files\n" in out
    assert out.endswith("and 160 more fields: --json has them\n")
    assert len(json.loads(crawl("dataset", "out", "--json").out)["fields"]) == 360


def test_where_it_comes_from_is_shown_as_far_as_it_is_known(crawl: Callable[..., Any]) -> None:
    file = dataset("books.jsonl")
    provenance = Provenance(
        dataset="books", job=".crawl/books", compared_with="last.jsonl", settings={"delay": 0.5, "hosts": ["a" * 99]}
    )
    write(describe([file], provenance), manifest_path(file), syncs=False)
    assert crawl("dataset", "books.jsonl").out.splitlines()[1:5] == [
        "  job       .crawl/books",
        "  compared  last.jsonl",
        '  settings  delay=0.5, hosts=["aaaaaaaaaaaaaaaaaaa...',
        "  type      items: 40 items, inferred schema",
    ]


def test_for_machines_all_is_one_json_object(crawl: Callable[..., Any]) -> None:
    described(dataset("books.jsonl"))
    ended = crawl("dataset", "books.jsonl", "--json", "--sample", 1)
    told = json.loads(ended.out)
    assert (ended.code, told["items"], told["problems"], told["is_checked"]) == (0, 40, [], True)
    assert told["manifest"]["spider"] == "books"
    assert told["fields"]["category"] == {
        "seen": 40,
        "filled": 40,
        "kinds": {"string": 40},
        "distinct": 2,
        "is_distinct_exact": True,
        "commonest": [["Art", 30], ["Travel", 10]],
        "lengths": {"least": 3, "most": 6},
    }
    assert told["schema"]["required"] == ["url", "price", "category", "author"]
    assert len(told["sample"]) == 1


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("gone.jsonl", None, "there is no dataset gone.jsonl"),
        ("notes.txt", "hello", "notes.txt is no dataset: their endings are .jsonl"),
        ("bad.jsonl", '{"a":1}\noops\n', "cannot read bad.jsonl: line 2 is no JSON"),
        ("bad.jsonl.gz", "oops", "cannot read bad.jsonl.gz"),
        ("bad.manifest.json", "{}", "bad.manifest.json is no manifest"),
        ("empty/notes.txt", "", "empty has no dataset in it"),
    ],
)
def test_what_cannot_be_read_is_told_and_the_exit_code_is_2(
    crawl: Callable[..., Any], name: str, content: str | None, expected: str
) -> None:
    path = Path(name)
    if content is not None:
        path.parent.mkdir(exist_ok=True)
        path.write_text(content)
    ended = crawl("dataset", path.parent if path.parent.name else path)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith(f"crawl: {expected}")


def test_a_folder_with_several_datasets_asks_for_a_name(crawl: Callable[..., Any]) -> None:
    described(dataset("out/a.jsonl"))
    described(dataset("out/b.jsonl"))
    ended = crawl("dataset", "out")
    assert ended.code == 2
    assert "a.jsonl.manifest.json, b.jsonl.manifest.json" in ended.err


def test_nothing_in_a_dataset_steers_the_terminal(crawl: Callable[..., Any]) -> None:
    evil = "\x1b]0;owned\x07\n\u202e"
    file = dataset("books.jsonl", [{evil: evil}, {evil: evil}, {evil: evil}, {"a": 1}])
    path = described(file)
    plain = json.loads(path.read_text())
    path.write_text(json.dumps(plain | {"spider": evil, "reason": evil}))
    file.write_text(file.read_text().replace('{"a": 1}', '{"b": 1}'))
    ended = crawl("dataset", "books.jsonl", "--sample", 0)
    assert ended.code == 1
    assert not {"\x1b", "\x07", "\u202e"} & {*ended.out}


def test_no_line_of_the_table_is_wider_than_a_terminal(crawl: Callable[..., Any]) -> None:
    dataset("books.jsonl", [{"a" * 60: "value " * 10, "b": [1, 2], "c": None if n else "x"} for n in range(300)])
    lines = crawl("dataset", "books.jsonl", "--sample", 0).out.splitlines()
    assert max(map(len, lines)) <= 80
    assert "a" * 60 in lines


def test_an_empty_dataset_is_shown(crawl: Callable[..., Any]) -> None:
    dataset("books.jsonl", [])
    assert crawl("dataset", "books.jsonl").out.startswith("books.jsonl: 0 items, 0 B\n")
