"""What every file of every format does when a crawl dies: it is cut back to what was committed, and goes on."""

import gzip
import os
import sys
from pathlib import Path

import pytest

from crawler.errors import OutputError
from crawler.export.formats import FORMATS, format_of
from crawler.export.sink import FileSink, LazySink, Mode
from crawler.outcome import Record

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

FIRST = [Record(b'{"n":%d}' % number) for number in range(3)]
SECOND = [Record(b'{"n":%d}' % number) for number in range(3, 9)]
LOST = [Record(b'{"lost":true}')] * 4

UNPACKED = {".jsonl": bytes, ".gz": gzip.decompress, ".zst": zstd.decompress}


@pytest.fixture(params=[ending for ending, form in FORMATS.items() if not form.is_made])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return tmp_path / f"items{request.param}"


def sink_at(path: Path, mode: Mode = "new", *, syncs: bool = False) -> FileSink:
    return FileSink(path, format_of(path.name), mode, syncs=syncs)


def lines(path: Path) -> list[bytes]:
    """The records of the whole file. One that is torn cannot be read."""
    text = UNPACKED[path.suffix](path.read_bytes())
    assert text.endswith(b"\n")
    return text.splitlines()


def data(*groups: list[Record]) -> list[bytes]:
    return [record.data for group in groups for record in group]


async def written(path: Path) -> tuple[int, bytes]:
    """One committed group; and the bytes of another that was not."""
    sink = sink_at(path)
    assert await sink.open() == 0
    position = await sink.append(FIRST)
    end = await sink.append(LOST)
    await sink.close()
    return position, path.read_bytes()[position:end]


async def test_wherever_an_append_was_torn_the_file_goes_on_after_the_last_commit(path: Path) -> None:
    position, lost = await written(path)
    whole = path.read_bytes()[:position]

    for torn in range(len(lost) + 1):
        path.write_bytes(whole + lost[:torn])
        sink = sink_at(path, "overwrite")
        assert await sink.open(position) == position
        await sink.append(SECOND)
        await sink.close()

        assert lines(path) == data(FIRST, SECOND)


async def test_a_file_that_was_made_and_not_committed_is_begun_again(path: Path) -> None:
    path.write_bytes(b"something torn")
    sink = sink_at(path, "overwrite")

    assert await sink.open(0) == 0
    await sink.append(FIRST)
    await sink.close()

    assert lines(path) == data(FIRST)


async def test_a_file_whose_creation_did_not_survive_is_made_again(path: Path) -> None:
    sink = sink_at(path, "overwrite", syncs=True)

    assert await sink.open(0) == 0
    await sink.append(FIRST)
    await sink.close()

    assert lines(path) == data(FIRST)


async def test_a_file_that_is_shorter_than_what_was_committed_is_refused_and_left_alone(path: Path) -> None:
    position, _ = await written(path)
    os.truncate(path, position - 1)
    before = path.read_bytes()

    with pytest.raises(OutputError, match=f"has {position - 1} bytes, fewer than the {position} that were saved"):
        await sink_at(path, "overwrite").open(position)

    assert path.read_bytes() == before


async def test_a_file_that_is_gone_is_refused(path: Path) -> None:
    with pytest.raises(OutputError, match="is gone, and the job has 10 bytes in it"):
        await sink_at(path, "overwrite").open(10)

    assert not path.exists()


async def test_what_was_there_before_the_job_is_never_cut_off(path: Path) -> None:
    earlier = sink_at(path)
    await earlier.open()
    base = await earlier.append(FIRST)
    await earlier.close()
    sink = sink_at(path, "append")
    assert await sink.open() == base
    await sink.append(LOST)
    await sink.close()

    again = sink_at(path, "append")
    assert await again.open(base) == base
    await again.append(SECOND)
    await again.close()

    assert lines(path) == data(FIRST, SECOND)


async def test_an_append_to_a_line_without_its_end_counts_from_the_next_one(tmp_path: Path) -> None:
    path = tmp_path / "items.jsonl"
    path.write_bytes(b'{"old":1}')
    sink = sink_at(path, "append")

    assert await sink.open() == 10
    await sink.close()

    assert path.read_bytes() == b'{"old":1}\n'


@pytest.mark.parametrize("mode", ["overwrite", "append"])
async def test_rejects_that_were_written_and_not_committed_are_cut_off(path: Path, mode: Mode) -> None:
    first = LazySink(path, format_of(path.name), mode, syncs=False)
    assert await first.open() == 0
    await first.append(LOST)
    await first.close()

    again = LazySink(path, format_of(path.name), mode, syncs=False)
    assert await again.open(0) == 0
    await again.append(FIRST)
    await again.close()

    assert lines(path) == data(FIRST)


async def test_rejects_go_on_after_the_last_commit(path: Path) -> None:
    first = LazySink(path, format_of(path.name), "overwrite", syncs=True)
    await first.open()
    position = await first.append(FIRST)
    await first.append(LOST)
    await first.close()

    again = LazySink(path, format_of(path.name), "overwrite", syncs=True)
    assert await again.open(position) == position
    await again.append(SECOND)
    await again.close()

    assert lines(path) == data(FIRST, SECOND)
