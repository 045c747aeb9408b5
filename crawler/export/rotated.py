"""A dataset in files that follow each other, of a format that grows: the next one is begun when one is full.

Its position is that of all files together, in bytes: a file that is full never changes again, so the sizes of those
before tell where in which file a position is.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from itertools import count
from pathlib import Path

from crawler.errors import OutputError, SinkError
from crawler.export.formats import Growing
from crawler.export.read import lines_of
from crawler.export.sink import FileSink, Mode
from crawler.export.template import PART, Template
from crawler.outcome import Record

_NUMBER = re.compile(r"[0-9]+")


class Fullness:
    """How much a file has, and how much it may have."""

    def __init__(self, most_items: int | None, most_bytes: int | None) -> None:
        """Of records, and of bytes of them as JSON lines; None for any number."""
        self.items = 0
        self.bytes = 0
        self._most_items = most_items
        self._most_bytes = most_bytes

    def takes(self, size: int) -> bool:
        """Whether a record of *size* bytes has its place here. The first one always has."""
        if self.items and self._most_items is not None and self.items >= self._most_items:
            return False
        return not self.items or self._most_bytes is None or self.bytes + size + 1 <= self._most_bytes

    def add(self, size: int) -> None:
        self.items += 1
        self.bytes += size + 1


def is_rotated(output: Template) -> bool:
    """Whether all that its files differ by is their number."""
    return output.places == (PART,)


def files_of(output: Template) -> Iterator[Path]:
    """Those that are there, from the first one to the one that has none after it."""
    for number in count(1):
        path = Path(output.path("", {}, number))
        if not path.is_file():
            return
        yield path


def in_the_way(output: Template, number: int) -> Path | None:
    """A file that is there, and would be the one of *number* or a later one, even if some before it are missing."""
    folder = Path(output.path("", {}, number)).parent
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        numbers = [int(digits) for digits in _NUMBER.findall(path.name)]
        if any(found >= number and Path(output.path("", {}, found)) == path for found in numbers):
            return path
    return None


def place_of(output: Template, position: int) -> tuple[int, Path, int]:
    """Where *position* is: the number of the file, its path, and the position in it.

    :raises OutputError: there is less than that
    """
    number, before = 1, 0
    for number, path in enumerate(files_of(output), 1):
        size = path.stat().st_size
        if before + size >= position:
            return number, path, position - before
        before += size
    if position:
        raise OutputError(
            f"{output.text} has {before} bytes in all its files, fewer than the {position} that were saved: one was "
            "changed or taken away. Put it back, or begin anew with --fresh"
        )
    return 1, Path(output.path("", {}, 1)), 0


class RotatedSink:
    """Files that grow, one after the other."""

    def __init__(
        self,
        output: Template,
        form: Growing,
        mode: Mode,
        fullness: Callable[[], Fullness],
        *,
        syncs: bool,
    ) -> None:
        """*fullness* gives what a new file has: nothing."""
        self._output = output
        self._form = form
        self._mode = mode
        self._new = fullness
        self._fullness = fullness()
        self._syncs = syncs
        self._number = 0
        self._before = 0  # bytes of the files before this one
        self._position = 0  # after the last records that were written
        self._file: FileSink | None = None

    async def open(self, position: int | None = None) -> int:
        if position is None:
            earlier = await asyncio.to_thread(lambda: list(files_of(self._output)))
            if earlier and self._mode == "new":
                raise OutputError(f"{earlier[0]} exists already: --overwrite replaces it, --append adds to it")
            if self._mode == "append":
                self._number = len(earlier)
                self._before = sum(path.stat().st_size for path in earlier)
            if (odd := await asyncio.to_thread(in_the_way, self._output, len(earlier) + 1)) is not None:
                raise OutputError(
                    f"{odd} is in the way, and one before it is missing: move it away, or name another file"
                )
            self._position = await self._begin()
            for path in earlier[1:] if self._mode == "overwrite" else ():
                await asyncio.to_thread(path.unlink)
            return self._position
        self._number, path, inside = await asyncio.to_thread(place_of, self._output, position)
        self._file = FileSink(path, self._form, "overwrite", syncs=self._syncs)
        self._before = position - await self._file.open(inside)
        self._fullness = self._new()
        await asyncio.to_thread(self._look_at, path)
        self._position = position
        return position

    async def append(self, records: Sequence[Record]) -> int:
        """Write *records*, each into the file that has room for it. The position after them."""
        try:
            self._position = await self._share_out(records)
        except SinkError:
            await self.close()
            with suppress(OutputError):  # the same disk, most likely: the error that is told came first
                await self.open(self._position)
            raise
        return self._position

    async def _share_out(self, records: Sequence[Record]) -> int:
        assert self._file is not None
        begin = 0
        for place, record in enumerate(records):
            if not self._fullness.takes(len(record.data)):
                await self._file.append(records[begin:place])
                await self._file.close()
                begin = place
                self._before = await asyncio.to_thread(self._full)
                await self._next()
            self._fullness.add(len(record.data))
        inside = await self._file.append(records[begin:])
        return self._before + inside

    async def make(self) -> list[Path]:
        """They grew with each commit: nothing is left to be made."""
        return [path for path in files_of(self._output) if path.stat().st_size]

    async def close(self) -> None:
        if self._file is not None:
            await self._file.close()

    async def _next(self) -> None:
        try:
            await self._begin()
        except OutputError as error:
            raise SinkError(self._output.text, str(error)) from error

    async def _begin(self) -> int:
        """The next file. The position at its begin."""
        self._number += 1
        mode: Mode = self._mode if self._mode == "overwrite" and self._number == 1 else "new"
        path = Path(self._output.path("", {}, self._number))
        self._file = FileSink(path, self._form, mode, syncs=self._syncs)
        self._fullness = self._new()
        return self._before + await self._file.open()

    def _full(self) -> int:
        """The bytes of all files up to this one."""
        return self._before + os.path.getsize(self._output.path("", {}, self._number))

    def _look_at(self, path: Path) -> None:
        """Count what the file has that is gone on with, and take away those after it: nothing of them was committed.

        :raises OutputError: it cannot be read
        """
        for line in lines_of(path):
            self._fullness.add(len(line))
        for number in count(self._number + 1):
            later = Path(self._output.path("", {}, number))
            if not later.is_file():
                return
            later.unlink()
