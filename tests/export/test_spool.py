"""Where records are until files are made of them, and which of them stay."""

from pathlib import Path

import msgspec
import pytest

from crawler.errors import OutputError
from crawler.export.spool import Spool, entries, kept, spool_of
from crawler.items.item import Item
from crawler.outcome import Record


class Book(Item, key="url"):
    url: str
    n: int


class First(Item, key=("a", "b"), keep="first"):
    a: str
    b: int
    n: int


class Plain(Item):
    n: int


def record(item: Item) -> Record:
    return Record(msgspec.json.encode(item), item, type(item))


def spooled(folder: Path, *records: Record) -> Path:
    path = folder / "x.part"
    path.write_bytes(Spool().encode(records))
    return path


def test_a_line_tells_the_type_of_its_record(tmp_path: Path) -> None:
    path = spooled(tmp_path, record(Plain(n=1)), Record(b'{"n":2}'), record(Plain(n=3)))
    assert list(entries(path)) == [("Plain", b'{"n":1}'), ("", b'{"n":2}'), ("Plain", b'{"n":3}')]
    assert list(kept(path)()) == [("Plain", b'{"n":1}'), ("items", b'{"n":2}'), ("Plain", b'{"n":3}')]
    assert kept(path).types == {"Plain", "items"}


def test_a_later_item_of_the_same_key_replaces_or_is_dropped(tmp_path: Path) -> None:
    path = spooled(
        tmp_path,
        record(Book(url="a", n=1)),
        record(First(a="a", b=1, n=2)),
        record(Book(url="b", n=3)),
        record(Plain(n=4)),
        record(Book(url="a", n=5)),
        record(First(a="a", b=1, n=6)),
        record(First(a="a", b=2, n=7)),
        record(Book(url="a", n=8)),
        Record(b'{"url":"a","n":9}'),
    )
    lines = kept(path)
    for _ in range(2):
        assert [int(line.rpartition(b":")[2][:-1]) for _, line in lines()] == [2, 3, 4, 7, 8, 9]


def test_a_hundred_thousand_keys_are_told_apart(tmp_path: Path) -> None:
    path = spooled(tmp_path, *(record(Book(url=str(number % 60_000), n=number)) for number in range(100_000)))
    numbers = [int(line.rpartition(b":")[2][:-1]) for _, line in kept(path)()]
    assert numbers == [*range(40_000, 100_000)]


@pytest.mark.parametrize("line", [b'{"n":1}', b"\n", b"x\n", b'"Book{}\n'])
def test_a_damaged_line_is_told(line: bytes, tmp_path: Path) -> None:
    path = tmp_path / "x.part"
    path.write_bytes(b'{"n":0}\n' + line)
    with pytest.raises((OutputError, ValueError), match=r"damaged|not found"):
        list(entries(path))


def test_each_output_has_a_spool_of_its_own(tmp_path: Path) -> None:
    names = ["/a/b.csv", "/a/c.csv", "s3://a/b.csv", "/a/{x}/b.csv"]
    assert len({spool_of(name, tmp_path) for name in names}) == 4
    assert {spool_of(name, tmp_path).parent for name in names} == {tmp_path}
    assert spool_of("/a/{x}/b-{part}.csv", None) == Path("/a/{x}-b.csv.part")
