"""A dataset in files that follow each other: each is full, whole and never changed again."""

import gzip
from pathlib import Path

import pytest

from crawler.errors import OutputError, SinkError
from crawler.export.formats import format_of
from crawler.export.rotated import Fullness, RotatedSink, files_of, place_of
from crawler.export.sink import Mode
from crawler.export.template import Template
from crawler.outcome import Record

ENDINGS = (".jsonl", ".jsonl.gz")


@pytest.fixture(params=ENDINGS)
def output(request: pytest.FixtureRequest, tmp_path: Path) -> Template:
    return Template(f"{tmp_path}/out/a-{{part}}{request.param}")


def sink_of(output: Template, mode: Mode = "new", items: int | None = 4, size: int | None = None) -> RotatedSink:
    return RotatedSink(output, format_of(output.text), mode, lambda: Fullness(items, size), syncs=False)


def records(begin: int, end: int) -> list[Record]:
    return [Record(b'{"n":%d}' % number) for number in range(begin, end)]


def found(output: Template) -> list[list[int]]:
    """The numbers in each file."""
    return [
        [int(line[5:-1]) for line in (gzip.decompress(data) if path.suffix == ".gz" else data).splitlines()]
        for path in files_of(output)
        for data in [path.read_bytes()]
    ]


async def written(sink: RotatedSink, *groups: list[Record], position: int | None = None) -> list[int]:
    """The positions after its opening and after each group."""
    reached = [await sink.open(position)]
    for group in groups:
        reached.append(await sink.append(group))
    await sink.close()
    return reached


async def test_a_file_has_as_many_records_as_it_may(output: Template) -> None:
    await written(sink_of(output), records(0, 3), records(3, 10), [], records(10, 11))
    assert found(output) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10]]


async def test_a_file_has_no_more_bytes_than_it_may_unless_a_record_alone_has_more(tmp_path: Path) -> None:
    output = Template(f"{tmp_path}/a-{{part}}.jsonl")
    sink = sink_of(output, items=None, size=16)
    await written(sink, records(0, 5), [Record(b'{"n":%d}' % 10**20)], records(5, 6))
    assert found(output) == [[0, 1], [2, 3], [4], [10**20], [5]]


@pytest.mark.parametrize("mode", ["new", "overwrite"])
async def test_wherever_it_died_it_goes_on_after_the_last_commit(output: Template, mode: Mode) -> None:
    groups = [records(begin, min(begin + 3, 14)) for begin in range(0, 14, 3)]
    for committed in range(len(groups) + 1):
        for path in files_of(output):
            path.unlink()
        reached = await written(sink_of(output, mode), *groups)
        rest = groups[committed:]
        assert (await written(sink_of(output, "overwrite"), *rest, position=reached[committed]))[0] == reached[
            committed
        ]
        assert found(output) == [[*range(4)], [*range(4, 8)], [*range(8, 12)], [12, 13]]


async def test_what_was_there_is_refused_replaced_or_continued(output: Template) -> None:
    await written(sink_of(output), records(0, 6))
    with pytest.raises(OutputError, match="exists already: --overwrite replaces it"):
        await sink_of(output).open()
    reached = await written(sink_of(output, "append"), records(6, 8), records(8, 12))
    assert found(output) == [[0, 1, 2, 3], [4, 5], [6, 7, 8, 9], [10, 11]]
    await written(sink_of(output, "append"), records(20, 21), position=reached[1])
    assert found(output) == [[0, 1, 2, 3], [4, 5], [6, 7, 20]]
    await written(sink_of(output, "overwrite"), records(0, 1))
    assert found(output)[0] == [0]


async def test_a_file_that_is_gone_is_told(output: Template) -> None:
    reached = await written(sink_of(output), records(0, 10))
    assert place_of(output, reached[-1])[0] == 3
    next(files_of(output)).unlink()
    with pytest.raises(OutputError, match="one was changed or taken away"):
        await sink_of(output, "overwrite").open(reached[-1])


async def test_overwriting_leaves_no_file_of_the_earlier_dataset(output: Template) -> None:
    await written(sink_of(output), records(0, 12))
    sink = sink_of(output, "overwrite")
    await written(sink, records(20, 25))
    assert found(output) == [[20, 21, 22, 23], [24]]
    assert [path.name[:7] for path in await sink.make()] == ["a-00001", "a-00002"]


@pytest.mark.parametrize("mode", ["new", "overwrite", "append"])
async def test_a_file_that_a_later_one_would_meet_is_told_before_the_first_request(
    output: Template, mode: Mode
) -> None:
    later = Path(output.path("", {}, 3))
    later.parent.mkdir()
    later.write_text("mine")
    with pytest.raises(OutputError, match=r"a-00003.*is in the way"):
        await sink_of(output, mode).open()
    assert later.read_text() == "mine"


async def test_what_cannot_be_written_whole_leaves_nothing_of_its_group(output: Template) -> None:
    sink = sink_of(output)
    await sink.open()
    reached = await sink.append(records(0, 3))
    later = Path(output.path("", {}, 3))
    later.mkdir()
    with pytest.raises(SinkError, match=r"a-00003.*is a directory"):
        await sink.append(records(3, 10))
    await sink.close()
    assert found(output) == [[0, 1, 2]]
    later.rmdir()
    await written(sink_of(output, "overwrite"), records(3, 10), position=reached)
    assert found(output) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
