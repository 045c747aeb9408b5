"""A dataset whose files are made when the last record is known.

That is so for formats whose files cannot grow (a CSV needs its last record for its first line), for datasets of several
files, for items with keys, and for what goes to an object store. Until then the records are in a *spool*
(``export/spool.py``), which grows with each commit and is cut back by a resume, as any dataset is. With a job the spool
lies in the job's folder, and stays for as long as the job can go on; without one it lies beside the dataset, and is gone
when that is there.

Rule 1: files are made of the spool alone, in a folder of their own, and take their places one by one in one step each:
there is the earlier file, or the whole new one, wherever the crawl dies. To make them again makes the same.
Rule 2: a file carries the time of its spool's last record. One that is newer was changed by somebody, and is not
replaced.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec

from crawler.errors import OutputError, SinkError
from crawler.export.fan import Share, fanned
from crawler.export.formats import Growing, Made, Making, NotReadable, NotWritable
from crawler.export.manifest import ItemType
from crawler.export.rotated import Fullness
from crawler.export.sink import FileSink, Mode, claim, make_folders, refuse_existing, sync_names, why
from crawler.export.spool import UNTYPED, Kept, Spool, kept
from crawler.export.template import Template
from crawler.export.types import Labels
from crawler.outcome import Record

_GROUP = 10_000
"""Lines of an earlier file that are taken over at once, and that a format which grows gets at once: some megabytes."""


@dataclass(frozen=True)
class Blueprint:
    """What files are to be made, and how."""

    output: Template
    """Its name; absolute."""
    form: Growing | Made
    spool: Path
    syncs: bool = True
    is_safe: bool = True
    """Whether formulas are made inert, where a format knows of such."""
    rotate_items: int | None = None
    rotate_bytes: int | None = None
    """After how many records, or bytes of them as JSON, the next file is begun; None for never."""

    def fullness(self) -> Fullness:
        """What a new file has: nothing."""
        return Fullness(self.rotate_items, self.rotate_bytes)

    @property
    def place(self) -> Path:
        """The file, or what stands for all the files where there are several."""
        return Path(self.output.plain if self.output.is_single else self.output.collective)


Schemas = Callable[[str], dict[str, Any] | None]
"""Gives the JSON Schema of a type of items by its name; None if nothing is known of it."""


def _unknown(name: str) -> None:
    """Of no type anything is known."""


def make(blueprint: Blueprint, schemas: Schemas = _unknown) -> list[Path]:
    """Make the files of what is in the spool; they take the places of those that are there. Their paths.

    :raises OutputError: one cannot be written; the records are whole in the spool
    """
    spool = blueprint.spool
    try:
        written = spool.stat().st_mtime_ns
        lines = kept(spool)
        made = []
        for share in _shares(blueprint, lines):
            names = share.types
            name = next(iter(names)) if len(names) == 1 else UNTYPED
            making = Making(name, schemas(name), blueprint.is_safe)
            _make_file(blueprint, share, making, written)
            made.append(share.path)
        return made
    except NotWritable as error:
        raise OutputError(f"{error}. The items are whole in {spool}") from None
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError) as error:
        raise OutputError(f"{spool} is damaged: {error}") from None
    except OSError as error:
        raise OutputError(why(error)) from error


def _shares(blueprint: Blueprint, lines: Kept) -> Iterable[Share]:
    """The files, each with its records."""
    if blueprint.output.is_single:
        return [Share(blueprint.place, lines.types, lambda: (line for _, line in lines()))]
    return fanned(blueprint.output, lines, fan_of(blueprint.spool), blueprint.fullness)


def _make_file(blueprint: Blueprint, share: Share, making: Making, written: int) -> None:
    """Make one file, and put it in its place."""
    target = Path(os.path.realpath(share.path))
    new = make_folders(target.parent)
    room = target.with_name(f".{target.name}.new"[-200:])
    _clear(room)
    room.mkdir(mode=0o700)  # nobody looks into it who must not read the file that is replaced
    try:
        made = room / target.name
        if blueprint.form.is_made:
            blueprint.form.write(share.lines, made, making)
        else:
            _grow(blueprint.form, share.lines(), made)
        if target.exists():
            os.chmod(made, target.stat().st_mode & 0o777)
        if blueprint.syncs:
            sync_names([made])
        os.utime(made, ns=(written, written))
        os.replace(made, target)
        if blueprint.syncs:
            sync_names([target.parent, *new])
    finally:
        _clear(room)


def _grow(form: Growing, lines: Iterable[bytes], target: Path) -> None:
    with target.open("xb") as file:
        records = map(Record, lines)
        while group := list(islice(records, _GROUP)):
            file.write(form.encode(group))


def _clear(room: Path) -> None:
    if room.is_symlink():
        room.unlink()
    else:
        shutil.rmtree(room, ignore_errors=True)


class MadeSink:
    """A dataset that is made at the end."""

    def __init__(
        self, blueprint: Blueprint, mode: Mode, schemas: Schemas = _unknown, *, keeps: bool, is_here: bool = True
    ) -> None:
        """
        :param keeps: whether the spool stays when the files are made, for a job that may go on
        :param is_here: whether the files stay where they are made; else what is there counts for nothing
        """
        self.blueprint = blueprint
        self.earlier: Mapping[str, ItemType] = {}
        """The types of the items in the files that are there already, as far as a manifest tells them."""
        self._mode = mode
        self._schemas = schemas
        self._keeps = keeps
        self._is_here = is_here
        self._spool = FileSink(blueprint.spool, Spool(), "overwrite", syncs=blueprint.syncs)
        self._claimed = -1
        self._is_made = False

    async def open(self, position: int | None = None) -> int:
        spool = self.blueprint.spool
        earlier = await asyncio.to_thread(earlier_files, self.blueprint.output) if self._is_here else {}
        if position is None:
            for path in earlier:
                refuse_existing(path, self._mode)
            refuse_existing(self.blueprint.place, self._mode)
            if not self._keeps:
                _refuse_unmade(spool, self._mode)
        else:
            for path in earlier:
                _refuse_changed(path, spool)
        await asyncio.to_thread(self._claim, is_new=position is None and self._mode == "new")
        if position is not None:
            return await self._spool.open(position)
        reached = await self._spool.open()
        return await self._take_over(earlier) if self._mode == "append" else reached

    async def append(self, records: Sequence[Record]) -> int:
        return await self._spool.append(records)

    async def make(self) -> list[Path]:
        """Make the files. Their paths.

        :raises SinkError: one cannot be written; the records are whole in the spool
        """
        try:
            made = await asyncio.to_thread(make, self.blueprint, self._schemas)
        except OutputError as error:
            raise SinkError(str(self.blueprint.place), str(error)) from error
        self._is_made = True
        return made

    async def close(self) -> None:
        await self._spool.close()
        if self._claimed >= 0:
            os.close(self._claimed)
            self._claimed = -1
        if self._is_made and not self._keeps:
            self.blueprint.spool.unlink(missing_ok=True)

    def _claim(self, *, is_new: bool) -> None:
        """See whether the dataset can be written, before the first request; and say of a file that it is ours.

        :raises OutputError: it cannot be created, or another crawl makes it
        """
        place = self.blueprint.place
        try:
            new = make_folders(place.parent)
            if self.blueprint.output.is_single:
                flags = os.O_RDWR | os.O_CREAT | (os.O_EXCL if is_new else 0)
                self._claimed = os.open(place, flags, 0o666)
                claim(self._claimed, place)
            folder = os.path.dirname(os.path.realpath(place))
            if not os.access(folder, os.W_OK):
                raise OutputError(f"cannot create {place}: it is made in a folder beside it, and {folder} is read-only")
            if self.blueprint.syncs:
                sync_names([place.parent, *new])
        except OSError as error:
            raise OutputError(f"cannot create {place}: {why(error)}") from error
        if sys.platform == "win32" and self._claimed >= 0:  # a file that is open cannot be replaced there
            os.close(self._claimed)
            self._claimed = -1

    async def _take_over(self, earlier: Mapping[Path, str]) -> int:
        """The records of the *earlier* files become the first ones of the spool."""
        reached = 0
        for path, item in earlier.items():
            try:
                if not path.stat().st_size:
                    continue  # claimed, and nothing was made of it
                lines = self._earlier(path, item)
                while group := await asyncio.to_thread(_next_group, lines):
                    reached = await self._spool.append(group)
            except NotReadable as error:
                raise OutputError(f"{path} cannot be added to: {error}") from None
            except (OSError, SinkError) as error:
                raise OutputError(f"cannot take over {path}: {error}") from error
        return reached

    def _earlier(self, path: Path, item: str) -> Iterator[Record]:
        """What stands in the spool for the file *path*: an item of a known type as if it were emitted again."""
        form = self.blueprint.form
        if not self.earlier and not item:
            if form.is_made and self.blueprint.output.is_single:
                return map(Record, form.take_over(path, Making(is_safe=self.blueprint.is_safe)))
            return map(Record, form.read(path))
        labels = Labels(self.earlier, item)
        return (Record(labels.of(line) + line) for line in form.read(path))


def _next_group(lines: Iterator[Record]) -> list[Record]:
    return list(islice(lines, _GROUP))


def earlier_files(output: Template) -> dict[Path, str]:
    """The files of *output* that are there, each with the name of its items' type if the path tells it."""
    if output.is_single:
        path = Path(output.plain)
        return {path: ""} if path.is_file() else {}
    folder = Path(output.collective).parent
    item_in = output.item_in()
    found = ((path, item_in(path.as_posix())) for path in sorted(folder.rglob("*")) if path.is_file())
    return {path: item for path, item in found if item is not None}


def fan_of(spool: Path) -> Path:
    """The folder in which the records of *spool* are shared out, while the files of several are made."""
    return spool.with_suffix(".fan")


def is_made(files: Iterable[Path], spool: Path) -> bool:
    """Whether *files* have all that is in *spool*."""
    if fan_of(spool).exists():
        return False  # whoever made them died at it: some may not be there yet
    try:
        recorded = spool.stat()
        there = [path.stat() for path in files]
    except OSError:
        return not spool.exists()
    if not there:
        return not recorded.st_size
    return all(
        bool(made.st_size or not recorded.st_size) and made.st_mtime_ns >= recorded.st_mtime_ns for made in there
    )


def _refuse_unmade(spool: Path, mode: Mode) -> None:
    """
    :raises OutputError: there are the items of a crawl that died, and nobody says to replace them
    """
    if mode != "overwrite" and spool.exists():
        raise OutputError(
            f"{spool} holds the items of a crawl that did not end, as JSON lines: give it another name, or --overwrite"
        )


def _refuse_changed(path: Path, spool: Path) -> None:
    """
    :raises OutputError: somebody has changed *path* since it was made
    """
    try:
        made, recorded = path.stat(), spool.stat()
    except OSError:
        return  # the one is made again; what is to be said of the other, its own sink says
    if made.st_size and made.st_mtime_ns > recorded.st_mtime_ns:
        raise OutputError(
            f"{path} was changed since this job made it, and a resume would make it anew: move it away, or begin a new "
            "job with --fresh"
        )
