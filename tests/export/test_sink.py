"""Writing datasets: whole lines or none, positions, what exists, standard output, and a reader in this process."""

import asyncio
import errno
import os
from pathlib import Path
from typing import Any

import pytest

from crawler.errors import OutputClosed, OutputError, SinkError
from crawler.export import sink as sink_module
from crawler.export.formats import JsonLines
from crawler.export.sink import (
    FileSink,
    LazySink,
    MemorySink,
    Mode,
    StdoutSink,
    StreamSink,
    is_special,
    refuse_existing,
)
from crawler.outcome import Record


def records(*texts: str) -> list[Record]:
    return [Record(text.encode()) for text in texts]


def file_sink(path: Path, mode: Mode = "new", *, syncs: bool = True) -> FileSink:
    return FileSink(path, JsonLines(), mode, syncs=syncs)


class Short:
    """A file whose writes take a few bytes each, and fail after *room* of them."""

    def __init__(self, file: Any, room: int = 1_000_000, number: int = errno.ENOSPC) -> None:
        self._file = file
        self._room = room
        self._number = number

    async def write(self, data: memoryview) -> int:
        if not self._room:
            raise OSError(self._number, os.strerror(self._number))
        count = min(3, self._room, len(data))
        self._room -= count
        return await self._file.write(data[:count])

    def fileno(self) -> int:
        return self._file.fileno()

    async def close(self) -> None:
        await self._file.close()


@pytest.mark.parametrize("syncs", [True, False])
async def test_records_become_lines_and_the_position_follows(tmp_path: Path, syncs: bool):
    sink = file_sink(tmp_path / "deep" / "a.jsonl", syncs=syncs)
    await sink.open()
    assert await sink.append(records('{"a":1}', '"ü"')) == 13
    assert await sink.append([]) == 13
    assert (tmp_path / "deep/a.jsonl").read_bytes() == '{"a":1}\n"ü"\n'.encode()
    assert await sink.append(records("3")) == 15
    await sink.close()
    assert sink.name == str(tmp_path / "deep/a.jsonl")


@pytest.mark.parametrize(("syncs", "expected"), [(True, 2), (False, 0)])
async def test_each_group_is_synced_where_that_is_asked_for(tmp_path: Path, monkeypatch, syncs: bool, expected: int):
    synced: list[int] = []
    monkeypatch.setattr(sink_module, "_sync", synced.append)
    sink = file_sink(tmp_path / "a.jsonl", syncs=syncs)
    await sink.open()
    for _ in range(2):
        await sink.append(records("1"))
    await sink.append([])
    await sink.close()
    assert len(synced) == expected


async def test_short_writes_are_gone_on_with(tmp_path: Path):
    sink = file_sink(tmp_path / "a.jsonl")
    await sink.open()
    sink._file = Short(sink._file)
    assert await sink.append(records("1234567890", "x")) == 13
    await sink.close()
    assert (tmp_path / "a.jsonl").read_bytes() == b"1234567890\nx\n"


@pytest.mark.parametrize("mode", ["new", "append"])
async def test_what_could_not_be_written_whole_is_cut_off(tmp_path: Path, mode: Mode):
    path = tmp_path / "a.jsonl"
    if mode == "append":
        path.write_bytes(b"old\n")
    sink = file_sink(path, mode)
    await sink.open()
    position = await sink.append(records("first"))
    before = path.read_bytes()
    sink._file = Short(sink._file, room=7)
    with pytest.raises(SinkError) as caught:
        await sink.append(records("second", "third"))
    assert str(caught.value) == (
        f"cannot write {path}: No space left on device; what was saved before is whole ({position} bytes)"
    )
    assert path.read_bytes() == before
    assert len(before) == position
    sink._file = sink._file._file
    assert await sink.append(records("again")) == position + 6
    await sink.close()
    assert path.read_bytes() == before + b"again\n"


async def test_a_sync_that_fails_takes_its_records_back(tmp_path: Path, monkeypatch):
    def fails(_: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    sink = file_sink(tmp_path / "a.jsonl")
    await sink.open()
    monkeypatch.setattr(sink_module, "_sync", fails)
    with pytest.raises(SinkError, match="Input/output error"):
        await sink.append(records("1"))
    await sink.close()
    assert (tmp_path / "a.jsonl").read_bytes() == b""


async def test_a_line_that_cannot_be_cut_off_is_told(tmp_path: Path, monkeypatch):
    def fails(*_: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    sink = file_sink(tmp_path / "a.jsonl")
    await sink.open()
    sink._file = Short(sink._file, room=3)
    monkeypatch.setattr(os, "ftruncate", fails)
    with pytest.raises(SinkError, match=r"No space left on device; its last line may be torn \(Input/output error\)"):
        await sink.append(records("123456"))
    await sink.close()


@pytest.mark.parametrize(("old", "kept"), [(b"", b""), (b"1\n", b"1\n"), (b"1", b"1\n"), (b"1\n2", b"1\n2\n")])
async def test_append_begins_behind_the_last_line(tmp_path: Path, old: bytes, kept: bytes):
    path = tmp_path / "a.jsonl"
    path.write_bytes(old)
    sink = file_sink(path, "append")
    await sink.open()
    assert await sink.append(records("x")) == len(kept) + 2
    await sink.close()
    assert path.read_bytes() == kept + b"x\n"


async def test_overwrite_empties_the_file_when_it_is_opened(tmp_path: Path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"old\n")
    sink = file_sink(path, "overwrite")
    await sink.open()
    await sink.close()
    assert path.read_bytes() == b""


async def test_a_file_that_exists_is_refused_and_left_alone(tmp_path: Path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"old\n")
    sink = file_sink(path)
    with pytest.raises(OutputError, match="exists already: --overwrite replaces it, --append adds to it"):
        await sink.open()
    await sink.close()
    assert path.read_bytes() == b"old\n"


async def test_a_file_that_came_since_it_was_looked_for_is_refused_too(tmp_path: Path, monkeypatch):
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"old\n")
    monkeypatch.setattr(sink_module, "refuse_existing", lambda *_: None)
    with pytest.raises(OutputError, match="cannot create"):
        await file_sink(path).open()
    assert path.read_bytes() == b"old\n"


async def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path):
    (tmp_path / "file").write_bytes(b"")
    for name in ("file/a.jsonl", "file/deep/a.jsonl"):
        with pytest.raises(OutputError, match=r"cannot create the folder .*: a part of the path is a file"):
            await file_sink(tmp_path / name).open()


async def test_a_name_that_the_system_does_not_take_is_told(tmp_path: Path):
    with pytest.raises(OutputError, match=r"cannot create .*: File name too long"):
        await file_sink(tmp_path / ("x" * 300 + ".jsonl")).open()


@pytest.mark.parametrize("mode", ["new", "overwrite", "append"])
def test_a_directory_is_refused_in_every_mode(tmp_path: Path, mode: Mode):
    with pytest.raises(OutputError, match=r"is a directory; name a file in it, as in -o .*items\.jsonl"):
        refuse_existing(tmp_path, mode)


def test_what_is_special_has_nothing_to_lose(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "file").write_bytes(b"")
    special = {Path("/dev/null"): True, tmp_path / "pipe": True, tmp_path / "file": False, tmp_path: False}
    assert {path: is_special(path) for path in special} == special
    assert not is_special(tmp_path / "absent")
    refuse_existing(tmp_path / "pipe", "new")


@pytest.mark.parametrize("mode", ["new", "overwrite", "append"])
async def test_a_device_is_written_in_every_mode_and_never_cut(mode: Mode):
    sink = file_sink(Path("/dev/full"), mode)
    await sink.open()
    with pytest.raises(SinkError) as caught:
        await sink.append(records("1"))
    assert str(caught.value) == "cannot write /dev/full: No space left on device"
    await sink.close()


async def test_a_lazy_file_is_made_with_the_first_record(tmp_path: Path):
    path = tmp_path / "a.rejects.jsonl"
    lazy = LazySink(path, JsonLines(), "overwrite", syncs=False)
    await lazy.open()
    await lazy.close()
    assert not path.exists()
    assert await lazy.append(records("1")) == 2
    assert await lazy.append(records("2")) == 4
    await lazy.close()
    assert path.read_bytes() == b"1\n2\n"


@pytest.mark.parametrize(("mode", "kept"), [("overwrite", None), ("append", b"old\n")])
async def test_a_lazy_file_of_an_earlier_crawl_is_removed_or_continued(tmp_path: Path, mode: Mode, kept: bytes | None):
    path = tmp_path / "a.rejects.jsonl"
    path.write_bytes(b"old\n")
    lazy = LazySink(path, JsonLines(), mode, syncs=False)
    await lazy.open()
    assert (path.read_bytes() if path.exists() else None) == kept
    await lazy.append(records("1"))
    await lazy.close()
    assert path.read_bytes() == (kept or b"") + b"1\n"


async def test_standard_output_is_a_descriptor_that_stays_open():
    reading, writing = os.pipe()
    sink = StdoutSink(JsonLines(), writing)
    await sink.open()
    sink._file = Short(sink._file)
    assert await sink.append(records("first", "2")) == 8
    await sink.close()
    os.write(writing, b"still open")
    assert os.read(reading, 100) == b"first\n2\nstill open"
    os.close(reading)
    os.close(writing)


async def test_a_reader_that_went_away_has_an_error_of_its_own():
    reading, writing = os.pipe()
    os.close(reading)
    sink = StdoutSink(JsonLines(), writing)
    await sink.open()
    with pytest.raises(OutputClosed, match="its reader went away"):
        await sink.append(records("1"))
    await sink.close()
    os.close(writing)


async def test_standard_output_on_a_full_disk_is_a_sink_error():
    with open("/dev/full", "wb") as full:
        sink = StdoutSink(JsonLines(), full.fileno())
        await sink.open()
        with pytest.raises(SinkError, match="cannot write standard output: No space left on device"):
            await sink.append(records("1"))
        await sink.close()


async def test_a_stream_gives_its_records_in_order_and_ends():
    stream = StreamSink()
    await stream.open()
    assert await stream.append(records("1", "23")) == 3
    stream.end()
    await stream.close()
    assert [await stream.next(), await stream.next(), await stream.next()] == [*records("1", "23"), None]


async def test_a_stream_holds_no_more_records_than_its_bound():
    stream = StreamSink()
    writing = asyncio.create_task(stream.append(records(*map(str, range(StreamSink._BOUND + 2)))))
    await asyncio.sleep(0)
    assert stream._queue.qsize() == StreamSink._BOUND
    for expected in range(2):
        assert not writing.done()
        assert await stream.next() == Record(str(expected).encode())
        await asyncio.sleep(0)
        assert stream._queue.qsize() == StreamSink._BOUND
    assert await asyncio.wait_for(writing, 1)


async def test_a_stream_that_nobody_reads_any_more_holds_nobody_up():
    stream = StreamSink()
    writing = asyncio.create_task(stream.append(records(*["x"] * (StreamSink._BOUND + 2))))
    await asyncio.sleep(0)
    stream.leave()
    for _ in range(3):
        await asyncio.wait_for(writing, 1)
        writing = asyncio.create_task(stream.append(records("y")))
    await asyncio.wait_for(writing, 1)
    assert stream._queue.qsize() == StreamSink._BOUND


@pytest.mark.parametrize("mode", ["overwrite", "append"])
async def test_a_lazy_file_that_cannot_be_made_is_an_error_of_its_own(tmp_path: Path, mode: Any) -> None:
    (tmp_path / "taken").mkdir()
    lazy = LazySink(tmp_path / "taken", JsonLines(), mode, syncs=False)

    with pytest.raises((OutputError, SinkError), match="taken"):
        await lazy.open()
        await lazy.append([Record(b"{}")])
    await lazy.close()


async def test_a_memory_sink_keeps_everything() -> None:
    sink = MemorySink()
    await sink.open()
    assert [await sink.append([Record(b"{}")]), await sink.append([Record(b"1"), Record(b"2")])] == [1, 3]
    await sink.close()
    assert [record.data for record in sink.records] == [b"{}", b"1", b"2"]
