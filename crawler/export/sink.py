"""Writing datasets. The only file that imports aiofiles.

Rule 1: a file has one owner, the committer, and is written in binary: two writers, or text mode, tear lines.
Rule 2: what cannot be written whole is cut off again: a dataset ends with a whole record, always.
"""

from __future__ import annotations

import asyncio
import errno
import os
import stat
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import aiofiles
from msgspec import Meta

from crawler.errors import OutputClosed, OutputError, SinkError
from crawler.export.formats import Growing
from crawler.export.inert import inert_json
from crawler.outcome import Record

Mode = Literal["new", "overwrite", "append"]
"""What becomes of a file that exists already: it is refused, replaced or continued."""
_OPEN_AS: dict[Mode, Literal["xb", "ab"]] = {"new": "xb", "overwrite": "ab", "append": "ab"}
"""Nothing is cut off before the file is known to be nobody else's."""


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """Where datasets go, and how safely."""

    output: Annotated[
        str,
        Meta(
            min_length=1, description="where the dataset goes if no -o is given; {spider} and {started} are filled in"
        ),
    ] = "datasets/{spider}-{started}.jsonl"
    csv_safe: Annotated[
        bool,
        Meta(description="put an apostrophe before the cells of a CSV that a spreadsheet would take for a formula"),
    ] = True
    rotate_items: Annotated[
        Annotated[int, Meta(ge=1)] | None,
        Meta(
            description="begin a new file of a dataset after so many items (unset: never); {part} in its name counts them"
        ),
    ] = None
    rotate_bytes: Annotated[
        Annotated[int, Meta(ge=1)] | None,
        Meta(description="... or before it has more than so many bytes of items, as JSON (unset: never)"),
    ] = None
    manifest: Annotated[
        bool,
        Meta(description="write FILE.manifest.json beside a dataset: schema, counts, checksums, and what made it"),
    ] = True
    durability: Annotated[
        Literal["power", "process"],
        Meta(
            description="power: synced at each commit, so a power cut loses nothing that was counted; process: not synced"
        ),
    ] = "power"


class FileSink:
    """A dataset in a file. It grows with each commit."""

    def __init__(self, path: Path, form: Growing, mode: Mode, *, syncs: bool) -> None:
        self.name = os.path.abspath(path)
        self._path = path
        self._format = form
        self._mode = mode
        self._syncs = syncs
        self._file: Any = None  # aiofiles has no public type for it
        self._position = 0
        self._regular = True

    async def open(self, position: int | None = None) -> int:
        if position is not None and not is_special(self._path):
            return await self._continue(position)
        refuse_existing(self._path, self._mode)
        try:
            new = await asyncio.to_thread(make_folders, self._path.parent)
        except OSError as error:
            raise OutputError(f"cannot create the folder {self._path.parent}: {why(error)}") from error
        try:
            mode: Mode = "append" if is_special(self._path) else self._mode
            self._file = await aiofiles.open(self._path, _OPEN_AS[mode], buffering=0)
            self._regular = stat.S_ISREG(os.fstat(self._file.fileno()).st_mode)
            self._claim()
            if mode == "overwrite":
                os.ftruncate(self._file.fileno(), 0)
            self._position = await asyncio.to_thread(self._end_last_line) if self._mode == "append" else 0
            if self._syncs and self._regular:
                await asyncio.to_thread(sync_names, [self._path.parent, *new])
        except OSError as error:
            raise OutputError(f"cannot create {self._path}: {why(error)}") from error
        return self._position

    async def _continue(self, position: int) -> int:
        """Cut off what was never committed, and write on from there."""
        try:
            size = self._path.stat().st_size if position or self._path.exists() else 0
            if size < position:
                raise OutputError(
                    f"{self._path} has {size} bytes, fewer than the {position} that were saved: it was changed since, "
                    "or the disk has lost them. Put it back, or begin anew with --fresh"
                )
            self._file = await aiofiles.open(self._path, "r+b" if size else "ab", buffering=0)
            self._claim()
            self._position = position
            await asyncio.to_thread(self._cut_back)
        except FileNotFoundError as error:
            raise OutputError(
                f"{self._path} is gone, and the job has {position} bytes in it: put it back, or begin anew with --fresh"
            ) from error
        except OSError as error:
            raise OutputError(f"cannot continue {self._path}: {why(error)}") from error
        return position

    def _claim(self) -> None:
        """One owner for each file, among all processes: the system lets go of it with the process.

        :raises OutputError: another crawl is writing it
        """
        if self._regular:
            claim(self._file.fileno(), self._path)

    def _cut_back(self) -> None:
        descriptor = self._file.fileno()
        os.ftruncate(descriptor, self._position)
        os.lseek(descriptor, self._position, os.SEEK_SET)
        if self._syncs:
            os.fsync(descriptor)
            sync_names([self._path.parent])

    async def append(self, records: Sequence[Record]) -> int:
        """Write *records*, and sync them if asked to. The position after them, in bytes."""
        if records:
            encode = self._format.encode
            data = await asyncio.to_thread(encode, records) if self._format.is_slow else encode(records)
            try:
                await self._write(data)
            except OSError as error:
                raise SinkError(str(self._path), why(error) + await asyncio.to_thread(self._cut)) from error
            self._position += len(data)
        return self._position

    async def make(self) -> list[Path]:
        """It grew with each commit: nothing is left to be made."""
        return [self._path]

    async def close(self) -> None:
        if self._file is not None:
            await self._file.close()

    async def _write(self, data: bytes) -> None:
        await _write_all(self._file, data)
        if self._syncs and self._regular:
            await asyncio.to_thread(_sync, self._file.fileno())

    def _cut(self) -> str:
        """Cut off what was not written whole. In words, what there is now."""
        if not self._regular:
            return ""
        try:
            os.ftruncate(self._file.fileno(), self._position)
            os.lseek(self._file.fileno(), self._position, os.SEEK_SET)  # or the next write would leave a hole
        except OSError as error:
            return f"; its last line may be torn ({why(error)})"
        return f"; what was saved before is whole ({self._position} bytes)"

    def _end_last_line(self) -> int:
        """Where records may follow: after the last byte, which is made a line end if it is none."""
        size = os.fstat(self._file.fileno()).st_size
        if size and self._regular and self._format.is_text:
            with self._path.open("rb") as old:
                old.seek(-1, os.SEEK_END)
                if old.read(1) != b"\n":
                    os.write(self._file.fileno(), b"\n")
                    size += 1
        return size


class LazySink:
    """A file that is only made when there is something to write; one of an earlier crawl is replaced or continued."""

    def __init__(self, path: Path, form: Growing, mode: Literal["overwrite", "append"], *, syncs: bool) -> None:
        self.name = os.path.abspath(path)
        self._path = path
        self._mode = mode
        self._sink = FileSink(path, form, mode, syncs=syncs)
        self._is_open = False

    async def open(self, position: int | None = None) -> int:
        if position and not self._path.exists():
            position = 0  # it was deleted: people do that to diagnostics
        has_content = self._mode == "append" and self._path.is_file() and self._path.stat().st_size > 0
        if position or has_content:
            self._is_open = True
            return await self._sink.open(position)
        try:
            self._path.unlink(missing_ok=True)
        except OSError as error:
            raise OutputError(f"cannot replace {self._path}: {why(error)}") from error
        return 0

    async def append(self, records: Sequence[Record]) -> int:
        if not self._is_open:
            try:
                await self._sink.open()
            except OutputError as error:
                raise SinkError(str(self._path), str(error)) from error
            self._is_open = True
        return await self._sink.append(records)

    async def close(self) -> None:
        if self._is_open:
            await self._sink.close()


class MemorySink:
    """Records, kept: for a crawl whose caller wants them without a file."""

    name = "memory"

    def __init__(self) -> None:
        self.records: list[Record] = []

    async def open(self, position: int | None = None) -> int:
        return 0

    async def append(self, records: Sequence[Record]) -> int:
        self.records += records
        return len(self.records)

    async def close(self) -> None:
        """Nothing to close."""


class NullSink:
    """Nowhere: for rejects that are counted, and have no reader."""

    name = "nowhere"

    async def open(self, position: int | None = None) -> int:
        return 0

    async def append(self, records: Sequence[Record]) -> int:
        return 0

    async def close(self) -> None:
        """Nothing to close."""


class StdoutSink:
    """A dataset on standard output. On a terminal it is spelt without what steers it; the data is the same."""

    name = "-"

    def __init__(self, form: Growing, descriptor: int = 1) -> None:
        self._format = form
        self._position = 0
        self._descriptor = descriptor
        self._is_terminal = False
        self._file: Any = None  # as above

    async def open(self, position: int | None = None) -> int:
        self._file = await aiofiles.open(self._descriptor, "wb", buffering=0, closefd=False)
        self._position = position or 0  # what was written cannot be taken back
        self._is_terminal = os.isatty(self._descriptor)
        return self._position

    async def append(self, records: Sequence[Record]) -> int:
        data = self._format.encode(records)
        if self._is_terminal:
            data = inert_json(data)
        try:
            await _write_all(self._file, data)
        except OSError as error:
            if error.errno in (errno.EPIPE, errno.ECONNRESET):
                raise OutputClosed("standard output", "its reader went away") from error
            raise SinkError("standard output", why(error)) from error
        self._position += len(data)
        return self._position

    async def close(self) -> None:
        if self._file is not None:
            await self._file.close()


class StreamSink:
    """Records for ``async for item in crawl(...)``: bounded, so that a slow reader slows the crawl."""

    name = "stream"
    _BOUND = 1_000
    """Records that wait for the reader."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[Record | None] = asyncio.Queue()
        self._room = asyncio.Semaphore(self._BOUND)
        self._position = 0
        self._is_left = False

    async def open(self, position: int | None = None) -> int:
        return 0

    async def append(self, records: Sequence[Record]) -> int:
        for record in records:
            if not self._is_left:
                await self._room.acquire()
            if self._is_left:
                break
            self._queue.put_nowait(record)
            self._position += len(record.data)
        return self._position

    async def next(self) -> Record | None:
        """The next record; None after the last one."""
        record = await self._queue.get()
        self._room.release()
        return record

    def leave(self) -> None:
        """The reader has gone: what still comes is dropped."""
        self._is_left = True
        self._room.release()  # for the one who may wait

    def end(self) -> None:
        """No more records will come."""
        self._queue.put_nowait(None)

    async def close(self) -> None:
        """Nothing to close; :meth:`end` is said by whoever started the crawl, also where it could not begin."""


def claim(descriptor: int, path: Path) -> None:
    """Say that the file *path*, open as *descriptor*, is this process's; not on Windows, which has no such thing.

    :raises OutputError: another crawl is writing it
    """
    if sys.platform == "win32":
        return
    import fcntl

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise OutputError(f"another crawl is writing {path}: wait for it, or name another file") from error
    except OSError:
        pass  # a file system without locks


def refuse_existing(path: Path, mode: Mode) -> None:
    """
    :raises OutputError: *path* exists, and *mode* says neither to replace nor to continue it
    """
    if os.path.isdir(path):
        raise OutputError(f"{path} is a directory; name a file in it, as in -o {path / 'items.jsonl'}")
    if mode == "new" and os.path.isfile(path):
        raise OutputError(f"{path} exists already: --overwrite replaces it, --append adds to it")


def is_special(path: Path) -> bool:
    """A device or a pipe: there is nothing in it to lose, and its name has no ending that could tell a format."""
    return os.path.exists(path) and not os.path.isfile(path) and not os.path.isdir(path)


async def _write_all(file: Any, data: bytes) -> None:  # Any: aiofiles has no public type for it
    """An unbuffered write may be a short one."""
    view = memoryview(data)
    while view:
        written = await file.write(view)
        if written is None:  # a pipe that does not block, and is full
            await asyncio.sleep(0.01)
        else:
            view = view[written:]


def why(error: OSError) -> str:
    """What the system says of it, as the end of a sentence."""
    if isinstance(error, (FileExistsError, NotADirectoryError)):
        return "a part of the path is a file"
    return error.strerror or str(error)


def make_folders(folder: Path) -> list[Path]:
    """Create *folder* and what is missing above it. The folders that got a new name in them."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    return [path.parent for path in missing]


def sync_names(folders: Sequence[Path]) -> None:
    """A new file survives a power cut when its folder is synced, too."""
    if os.name == "nt":  # a folder cannot be opened there
        return
    for folder in folders:
        try:
            descriptor = os.open(folder, os.O_RDONLY)
        except PermissionError:
            continue  # one may write in it, and not read
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _sync(descriptor: int) -> None:
    getattr(os, "fdatasync", os.fsync)(descriptor)  # macOS and Windows have fsync alone
