"""A dataset that is made at the end: exact whatever happens to the crawl, and never in the way of what was there before."""

import csv
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from crawler.errors import OutputError, SinkError
from crawler.export import made as made_module
from crawler.export.csv import Csv
from crawler.export.formats import FORMATS, format_of
from crawler.export.made import Blueprint, MadeSink, is_made, make
from crawler.export.manifest import ItemType
from crawler.export.read import lines_of
from crawler.export.sink import Mode
from crawler.export.spool import discard_spools, spool_of
from crawler.export.template import Template
from crawler.items.item import Item
from crawler.outcome import Record

FIRST = [Record(b'{"n":%d}' % number) for number in range(3)]
SECOND = [Record(b'{"n":%d,"late":"=%d"}' % (number, number)) for number in range(3, 6)]
LOST = [Record(b'{"lost":true}')] * 4
WHOLE = [["n", "late"], ["0", ""], ["1", ""], ["2", ""], ["3", "'=3"], ["4", "'=4"], ["5", "'=5"]]


class Killed(BaseException):
    """The process is gone."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "out" / "items.csv"


@pytest.fixture
def job(tmp_path: Path) -> Path:
    folder = tmp_path / "job"
    folder.mkdir()
    return folder


def blueprint_at(path: Path, job: Path | None, *, syncs: bool = False) -> Blueprint:
    return Blueprint(Template(str(path)), format_of(path.name), spool_of(str(path), job), syncs=syncs)


def sink_at(path: Path, job: Path | None, mode: Mode = "new", *, syncs: bool = False) -> MadeSink:
    return MadeSink(blueprint_at(path, job, syncs=syncs), mode, keeps=job is not None)


def cells(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file, strict=True))


def names(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


async def ended(sink: MadeSink, *groups: list[Record], position: int | None = None) -> int:
    """The position at which it ended, in good order."""
    reached = await sink.open(position)
    for group in groups:
        reached = await sink.append(group)
    await sink.make()
    await sink.close()
    return reached


async def killed(sink: MadeSink, *groups: list[Record], position: int | None = None) -> int:
    """The position after the first of *groups*; the others were never committed."""
    reached = [await sink.open(position)]
    for group in groups:
        reached.append(await sink.append(group))
    await sink.close()  # as the system does it; the table was not made
    return reached[1]


@pytest.mark.parametrize("syncs", [True, False])
async def test_a_table_is_there_when_the_crawl_ends(path: Path, job: Path, syncs: bool) -> None:
    sink = sink_at(path, job, syncs=syncs)
    assert await sink.open() == 0
    await sink.append(FIRST)
    assert path.read_bytes() == b""
    await sink.append(SECOND)
    await sink.make()
    await sink.close()
    assert cells(path) == WHOLE
    assert names(path.parent) == ["items.csv"]


async def test_without_a_job_nothing_else_stays(path: Path) -> None:
    sink = sink_at(path, None)
    await sink.open()
    await sink.append(FIRST)
    assert names(path.parent) == ["items.csv", "items.csv.part"]
    await sink.make()
    await sink.close()
    assert names(path.parent) == ["items.csv"]


async def test_without_a_job_the_records_of_a_crawl_that_died_are_not_replaced(path: Path) -> None:
    await killed(sink_at(path, None), FIRST)
    path.unlink()
    for mode in ("new", "append"):
        with pytest.raises(OutputError, match=r"items\.csv\.part holds the items of a crawl that did not end"):
            await sink_at(path, None, mode).open()
    assert await ended(sink_at(path, None, "overwrite"), FIRST)
    assert len(cells(path)) == 4


async def test_wherever_an_append_was_torn_the_table_is_exact(path: Path, job: Path) -> None:
    spool = spool_of(str(path), job)
    position = await killed(sink_at(path, job), FIRST, LOST)
    whole = spool.read_bytes()

    for torn in range(position, len(whole) + 1):
        spool.write_bytes(whole[:torn])
        assert await ended(sink_at(path, job, "overwrite"), SECOND, position=position) > position
        assert cells(path) == WHOLE


STEPS = ["kept", "_shares", "_make_file", "_clear", "os.utime", "os.replace", "sync_names", "os.fsync", "os.chmod"]


@pytest.mark.parametrize(("step", "is_after"), [(step, is_after) for step in STEPS for is_after in (False, True)])
async def test_wherever_the_making_dies_there_is_the_earlier_table_or_the_new_one(
    path: Path, job: Path, monkeypatch: pytest.MonkeyPatch, step: str, is_after: bool
) -> None:
    first = await ended(sink_at(path, job, syncs=True), FIRST)
    before = cells(path)
    sink = sink_at(path, job, "overwrite", syncs=True)
    await sink.open(first)
    position = await sink.append(SECOND)
    with monkeypatch.context() as patched:
        owner: Any = os if step.startswith("os.") else made_module
        name = step.removeprefix("os.")
        patched.setattr(owner, name, dying(getattr(owner, name), is_after=is_after))
        patched.setattr(Path, "unlink", lambda *_, **__: None)  # nobody tidies up after a SIGKILL
        with pytest.raises(Killed):
            await sink.make()
    await sink.close()
    assert cells(path) in (before, WHOLE)

    assert await ended(sink_at(path, job, "overwrite", syncs=True), position=position) == position
    assert cells(path) == WHOLE
    assert names(path.parent) == ["items.csv"]


def dying(function: Callable[..., Any], *, is_after: bool) -> Callable[..., Any]:
    def called(*args: Any, **named: Any) -> Any:
        if is_after:
            function(*args, **named)
        raise Killed

    return called


async def test_an_earlier_table_is_there_until_the_new_one_is(path: Path, job: Path) -> None:
    path.parent.mkdir()
    path.write_text("old\r\n1\r\n")
    sink = sink_at(path, job, "overwrite")
    await sink.open()
    await sink.append(FIRST)
    assert path.read_text() == "old\n1\n"
    await sink.make()
    await sink.close()
    assert cells(path) == [["n"], ["0"], ["1"], ["2"]]


async def test_append_adds_lines_and_columns(path: Path, job: Path) -> None:
    path.parent.mkdir()
    path.write_bytes('\ufeffa,n\n"=1",7\n'.encode())
    assert await ended(sink_at(path, job, "append"), SECOND)
    assert cells(path) == [["a", "n", "late"], ["=1", "7", ""], ["", "3", "'=3"], ["", "4", "'=4"], ["", "5", "'=5"]]


async def test_append_knows_the_columns_whose_names_were_made_inert(path: Path, job: Path) -> None:
    for _ in range(3):
        await ended(sink_at(path, job, "append"), [Record(b'{"@type":"Book","\'x":1}')])
    assert cells(path) == [["'@type", "'x"], *[["Book", "1"]] * 3]


async def test_append_is_exact_after_a_kill_too(path: Path, job: Path) -> None:
    await ended(sink_at(path, job), FIRST)
    position = await killed(sink_at(path, job, "append"), SECOND, LOST)
    await ended(sink_at(path, job, "append"), position=position)
    assert cells(path) == WHOLE
    await ended(sink_at(path, job, "append"))
    assert cells(path) == WHOLE


async def test_append_to_what_is_no_table_is_refused_and_leaves_it_alone(path: Path, job: Path) -> None:
    path.parent.mkdir()
    for text in (b"a,a\n1,2\n", b"a\n\xff\n"):
        path.write_bytes(text)
        sink = sink_at(path, job, "append")
        with pytest.raises(OutputError, match="cannot be added to"):
            await sink.open()
        await sink.close()
        assert path.read_bytes() == text


async def test_a_file_that_exists_is_refused_and_left_alone(path: Path, job: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"old")
    with pytest.raises(OutputError, match="exists already: --overwrite replaces it, --append adds to it"):
        await sink_at(path, job).open()
    assert path.read_bytes() == b"old"


async def test_a_link_that_leads_nowhere_is_not_followed(path: Path, job: Path, tmp_path: Path) -> None:
    path.parent.mkdir()
    path.symlink_to(tmp_path / "elsewhere")
    sink = sink_at(path, job)
    with pytest.raises(OutputError, match="cannot create"):
        await sink.open()
    await sink.close()
    assert not (tmp_path / "elsewhere").exists()


async def test_a_table_that_somebody_changed_is_not_replaced_by_a_resume(path: Path, job: Path) -> None:
    position = await ended(sink_at(path, job), FIRST)
    path.write_bytes(b"mine\n")
    os.utime(path, ns=(0, path.stat().st_mtime_ns + 10**9))
    with pytest.raises(OutputError, match=r"was changed since this job made it"):
        await sink_at(path, job, "overwrite").open(position)
    assert path.read_bytes() == b"mine\n"


async def test_a_table_that_was_deleted_is_made_again(path: Path, job: Path) -> None:
    position = await ended(sink_at(path, job), FIRST)
    path.unlink()
    await ended(sink_at(path, job, "overwrite"), SECOND, position=position)
    assert cells(path) == WHOLE


async def test_two_crawls_do_not_make_one_table(path: Path, tmp_path: Path, job: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    first, second = sink_at(path, job), sink_at(path, other, "overwrite")
    await first.open()
    with pytest.raises(OutputError, match="another crawl is writing"):
        await second.open()
    await second.close()
    await first.close()


async def test_a_table_that_cannot_be_written_is_an_error_that_a_resume_mends(
    path: Path, job: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sink = sink_at(path, job)
    await sink.open()
    position = await sink.append(FIRST)
    with monkeypatch.context() as patched:
        patched.setattr(Csv, "write", dying_of_a_full_disk)
        with pytest.raises(SinkError, match=r"cannot write .*items\.csv: No space left on device"):
            await sink.make()
    await sink.close()
    assert names(path.parent) == ["items.csv"]
    await ended(sink_at(path, job, "overwrite"), SECOND, position=position)
    assert cells(path) == WHOLE


def dying_of_a_full_disk(*_: object, **__: object) -> None:
    raise OSError(28, "No space left on device")


async def test_a_spool_that_is_damaged_is_told(path: Path, job: Path) -> None:
    sink = sink_at(path, job)
    await sink.open()
    await sink.append(FIRST)
    spool_of(str(path), job).write_bytes(b"{torn")
    with pytest.raises(SinkError, match="is damaged"):
        await sink.make()
    await sink.close()


async def test_a_table_has_the_mode_of_any_new_file_and_that_of_the_one_it_replaces(path: Path, job: Path) -> None:
    await ended(sink_at(path, job), FIRST)
    (path.parent / "plain").touch()
    assert path.stat().st_mode == (path.parent / "plain").stat().st_mode
    path.chmod(0o640)
    await ended(sink_at(path, job, "overwrite"), FIRST)
    assert path.stat().st_mode & 0o777 == 0o640


async def test_nobody_can_read_a_new_table_who_could_not_read_the_one_that_it_replaces(
    path: Path, job: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await ended(sink_at(path, job), FIRST)
    path.chmod(0o600)
    modes = []

    def write(self: Csv, lines: Any, target: Path, making: Any) -> None:
        target.touch()
        modes.append(target.parent.stat().st_mode & 0o777)

    monkeypatch.setattr(Csv, "write", write)
    await ended(sink_at(path, job, "overwrite"), FIRST)
    assert modes == [0o700]
    assert path.stat().st_mode & 0o777 == 0o600


async def test_a_folder_in_which_no_table_can_be_made_is_told_before_the_crawl(
    path: Path, job: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await ended(sink_at(path, job), FIRST)
    monkeypatch.setattr(os, "access", lambda folder, _: Path(folder) != path.parent)  # root may write everywhere
    sink = sink_at(path, job, "overwrite")
    with pytest.raises(OutputError, match="it is made in a folder beside it"):
        await sink.open()
    await sink.close()
    assert len(cells(path)) == 4


async def test_a_link_of_the_user_s_own_leads_to_the_table(path: Path, job: Path, tmp_path: Path) -> None:
    path.parent.mkdir()
    (tmp_path / "real.csv").touch()
    path.symlink_to(tmp_path / "real.csv")
    await ended(sink_at(path, job, "overwrite"), FIRST)
    assert path.is_symlink()
    assert len(cells(tmp_path / "real.csv")) == 4


def test_spools_of_an_earlier_job_are_discarded(tmp_path: Path) -> None:
    (tmp_path / "a.part").touch()
    (tmp_path / "frontier.sqlite3").touch()
    discard_spools(tmp_path)
    assert names(tmp_path) == ["frontier.sqlite3"]


def test_whether_a_table_is_made_can_be_seen(tmp_path: Path) -> None:
    path, spool = tmp_path / "a.csv", tmp_path / "a.csv.part"
    assert is_made([path], spool)
    spool.write_text(json.dumps({"a": 1}) + "\n")
    assert not is_made([path], spool)
    assert not is_made([], spool)
    path.touch()
    assert not is_made([path], spool)
    assert make(blueprint_at(path, None)) == [path]
    assert is_made([path], spool)
    os.utime(spool, ns=(0, path.stat().st_mtime_ns + 1))
    assert not is_made([path], spool)


@pytest.mark.parametrize("ending", FORMATS)
async def test_every_format_is_made_at_the_end_and_made_again_with_more(ending: str, tmp_path: Path, job: Path) -> None:
    path = tmp_path / f"items{ending}"
    position = await ended(sink_at(path, job), FIRST)
    assert [texts(line) for line in lines_of(path)] == [["0"], ["1"], ["2"]]
    await killed(sink_at(path, job, "overwrite"), SECOND, LOST, position=position)
    await ended(sink_at(path, job, "overwrite"), SECOND, position=position)
    assert [texts(line) for line in lines_of(path)] == [["0"], ["1"], ["2"], ["3", "=3"], ["4", "=4"], ["5", "=5"]]
    await ended(sink_at(path, job, "append"), FIRST)
    assert len(list(lines_of(path))) == 9
    assert names(tmp_path) == sorted([path.name, "job"])


def texts(record: bytes) -> list[str]:
    """The values of a record, as text: a CSV has no other, and keeps a formula from being one."""
    return [str(value).lstrip("'") for value in json.loads(record).values() if value not in (None, "")]


class Book(Item, key="url"):
    url: str
    n: int


async def test_items_of_a_key_take_the_places_of_earlier_ones_that_are_added_to(tmp_path: Path, job: Path) -> None:
    for ending in (".jsonl", ".parquet", ".csv"):
        path = tmp_path / f"items{ending}"
        await ended(sink_at(path, job), books(a=1, b=2))
        sink = sink_at(path, job, "append")
        sink.earlier = {"Book": ItemType(key=["url"], keep="last")}
        await ended(sink, books(b=3, c=4))
        assert [texts(line) for line in lines_of(path)] == [["a", "1"], ["b", "3"], ["c", "4"]]


def books(**numbers: int) -> list[Record]:
    items = [Book(url=url, n=n) for url, n in numbers.items()]
    return [Record(msgspec.json.encode(item), item, Book) for item in items]


async def test_a_dataset_of_several_files_is_made_refused_continued_and_changed_by_nobody_else(
    tmp_path: Path, job: Path
) -> None:
    output = tmp_path / "{url}" / "{item}.csv"
    position = await ended(sink_at(output, job), books(a=1, b=2))
    files = [tmp_path / "a" / "Book.csv", tmp_path / "b" / "Book.csv"]
    assert [cells(path) for path in files] == [[["url", "n"], ["a", "1"]], [["url", "n"], ["b", "2"]]]
    with pytest.raises(OutputError, match=r"Book\.csv exists already"):
        await sink_at(output, job).open()
    await ended(sink_at(output, job, "overwrite"), books(a=3), position=position)
    assert cells(files[0]) == [["url", "n"], ["a", "3"]]
    await ended(sink_at(output, job, "append"), books(c=4))
    assert sorted(path.parent.name for path in tmp_path.rglob("Book.csv")) == ["a", "b", "c"]
    files[1].write_text("mine")
    os.utime(files[1], ns=(0, files[1].stat().st_mtime_ns + 10**9))
    with pytest.raises(OutputError, match="was changed since this job made it"):
        await sink_at(output, job, "overwrite").open(0)


def test_files_at_whose_making_the_crawl_died_are_not_made(tmp_path: Path) -> None:
    spool, table = tmp_path / "x.part", tmp_path / "a.csv"
    for path in (spool, table):
        path.write_text("x")
    os.utime(table, ns=(spool.stat().st_mtime_ns,) * 2)
    assert is_made([table], spool)
    (tmp_path / "x.fan").mkdir()
    assert not is_made([table], spool)
