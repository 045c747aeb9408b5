"""A dataset whose file is made when the last record is known: a CSV.

Until then its records are in a *spool*, a file of JSON lines that grows with each commit and is cut back by a resume,
as any dataset is. With a job the spool lies in the job's folder, and stays for as long as the job can go on; without
one it lies beside the table, and is gone when that is there.

Rule 1: the table is made of the spool alone, under another name, and takes its place in one step: there is the earlier
one, or the whole new one, wherever the crawl dies. To make it again makes the same.
Rule 2: a table carries the time of its spool's last record. One that is newer was changed by somebody, and is not
replaced.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec

from crawler.errors import OutputError, SinkError
from crawler.export.csv import fields_of, read_table, write_table
from crawler.export.formats import FORMATS, JsonLines, NotReadable, NotWritable, ending_of
from crawler.export.sink import FileSink, Mode, claim, make_folders, refuse_existing, sync_names, why
from crawler.outcome import Record

PART = ".part"
_GROUP = 10_000
"""Lines of an earlier table that are taken over at once: some megabytes."""


def is_table(name: str) -> bool:
    """Whether the ending of *name* is that of a table."""
    form = FORMATS.get(ending_of(name))
    return form is not None and form.is_made


def spool_of(table: Path, job: Path | None) -> Path:
    """Where the records of *table* are until it is made. *job* is the job's folder; None if there is no job."""
    if job is None:
        return table.with_name(table.name + PART)
    digest = blake2b(os.fsencode(os.path.abspath(table)), digest_size=6).hexdigest()
    return job / f"{digest}{PART}"


def committed_file(name: str, job: Path | None) -> Path:
    """The file that the committed position of the output *name* is one of."""
    return spool_of(Path(name), job) if is_table(name) else Path(name)


def discard_spools(job: Path) -> None:
    """Take those of an earlier job out of its folder."""
    for spool in job.glob(f"*{PART}"):
        spool.unlink(missing_ok=True)


class TableSink:
    """A table in a file."""

    def __init__(self, path: Path, spool: Path, mode: Mode, *, syncs: bool, is_safe: bool, keeps: bool) -> None:
        """
        :param is_safe: whether formulas are made inert
        :param keeps: whether the spool stays when the table is made, for a job that may go on
        """
        self.name = os.path.abspath(path)
        self._path = path
        self._mode = mode
        self._syncs = syncs
        self._is_safe = is_safe
        self._keeps = keeps
        self._records = spool
        self._spool = FileSink(spool, JsonLines(), "overwrite", syncs=syncs)
        self._claimed = -1
        self._is_made = False

    async def open(self, position: int | None = None) -> int:
        if position is None:
            refuse_existing(self._path, self._mode)
            if not self._keeps:
                _refuse_unmade(self._records, self._mode)
        else:
            _refuse_changed(self._path, self._records)
        await asyncio.to_thread(self._claim, is_new=position is None and self._mode == "new")
        if position is not None:
            return await self._spool.open(position)
        reached = await self._spool.open()
        return await self._take_over() if self._mode == "append" else reached

    async def append(self, records: Sequence[Record]) -> int:
        return await self._spool.append(records)

    async def finish(self) -> None:
        """Make the table.

        :raises SinkError: it cannot be written; its records are whole in the spool
        """
        try:
            await asyncio.to_thread(make_table, self._path, self._records, syncs=self._syncs, is_safe=self._is_safe)
        except OutputError as error:
            raise SinkError(str(self._path), str(error)) from error
        self._is_made = True

    async def close(self) -> None:
        await self._spool.close()
        if self._claimed >= 0:
            os.close(self._claimed)
            self._claimed = -1
        if self._is_made and not self._keeps:
            self._records.unlink(missing_ok=True)

    def _claim(self, *, is_new: bool) -> None:
        """Say that the table is ours, and see whether it can be written, before the first request.

        :raises OutputError: it cannot be created, or another crawl makes it
        """
        flags = os.O_RDWR | os.O_CREAT | (os.O_EXCL if is_new else 0)
        try:
            new = make_folders(self._path.parent)
            self._claimed = os.open(self._path, flags, 0o666)
            claim(self._claimed, self._path)
            folder = os.path.dirname(os.path.realpath(self._path))
            if not os.access(folder, os.W_OK):
                raise OutputError(f"cannot create {self._path}: a table is made beside it, and {folder} is read-only")
            if self._syncs:
                sync_names([self._path.parent, *new])
        except OSError as error:
            raise OutputError(f"cannot create {self._path}: {why(error)}") from error
        if sys.platform == "win32":  # a file that is open cannot be replaced there
            os.close(self._claimed)
            self._claimed = -1

    async def _take_over(self) -> int:
        """The earlier table's lines become the first ones of the spool."""
        reached = 0
        try:
            with self._path.open(encoding="utf-8-sig", newline="") as file:
                lines = read_table(file, is_safe=self._is_safe)
                while group := await asyncio.to_thread(_next_group, lines):
                    reached = await self._spool.append([Record(line) for line in group])
        except (NotReadable, NotWritable) as error:
            raise OutputError(f"{self._path} is no CSV that could be added to: {error}") from None
        except (OSError, SinkError) as error:
            raise OutputError(f"cannot take over {self._path}: {error}") from error
        return reached


def make_table(path: Path, spool: Path, *, syncs: bool, is_safe: bool) -> None:
    """Make the table of what is in *spool*; it takes the place of the one that is there.

    :raises OutputError: it cannot be written, or is no table
    """
    target = Path(os.path.realpath(path))
    made = target.with_name(f".{target.name}.new"[-200:])
    try:
        with spool.open("rb") as lines, _open_new(made) as file:
            if target.exists():  # before there is anything in it that others may not read
                os.chmod(made, target.stat().st_mode & 0o777)
            try:
                write_table(lines, _fields(spool), file, is_safe=is_safe)
            except (NotReadable, NotWritable) as error:
                raise OutputError(f"{error}: a CSV has as many columns. The items are whole in {spool}") from None
            file.flush()
            written = os.fstat(lines.fileno()).st_mtime_ns
            if syncs:
                os.fsync(file.fileno())
        os.utime(made, ns=(written, written))
        os.replace(made, target)
        if syncs:
            sync_names([target.parent])
    except msgspec.DecodeError as error:
        raise OutputError(f"{spool} is damaged: {error}") from None
    except OSError as error:
        raise OutputError(why(error)) from error
    finally:
        made.unlink(missing_ok=True)


def _open_new(path: Path) -> Any:  # Any: a text file
    """A file that nobody else has made: one that is there is removed, be it a link."""
    path.unlink(missing_ok=True)
    return path.open("x", encoding="utf-8", newline="", buffering=1 << 20)


def _fields(spool: Path) -> list[str]:
    with spool.open("rb") as lines:
        return fields_of(lines)


def _next_group(lines: Iterator[bytes]) -> list[bytes]:
    return list(islice(lines, _GROUP))


def is_made(table: Path, spool: Path) -> bool:
    """Whether *table* has all that is in *spool*."""
    try:
        made, recorded = table.stat(), spool.stat()
    except OSError:
        return not spool.exists()
    return bool(made.st_size or not recorded.st_size) and made.st_mtime_ns >= recorded.st_mtime_ns


def _refuse_unmade(spool: Path, mode: Mode) -> None:
    """
    :raises OutputError: there are the items of a crawl that died, and nobody says to replace them
    """
    if mode != "overwrite" and spool.exists():
        raise OutputError(
            f"{spool} holds the items of a crawl that did not end, as JSON lines: give it another name, or --overwrite"
        )


def _refuse_changed(table: Path, spool: Path) -> None:
    """
    :raises OutputError: somebody has changed *table* since it was made
    """
    try:
        made, recorded = table.stat(), spool.stat()
    except OSError:
        return  # the one is made again; what is to be said of the other, its own sink says
    if made.st_size and made.st_mtime_ns > recorded.st_mtime_ns:
        raise OutputError(
            f"{table} was changed since this job made it, and a resume would make it anew: move it away, or begin a new "
            "job with --fresh"
        )
