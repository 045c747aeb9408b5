"""A dataset: its files, and what is made of them when the crawl ends: manifest, comparison, upload.

Rule 1: all of it is made of files that are whole, and made anew by a resume: a crash in between costs time alone.
"""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from crawler.errors import OutputError, SinkError
from crawler.export.compare import Counts, compare
from crawler.export.formats import ending_of, format_of
from crawler.export.made import Blueprint, MadeSink
from crawler.export.manifest import Manifest, Provenance, describe, is_inside, manifest_path, read, write
from crawler.export.read import is_json, lines_of
from crawler.export.remote import Remote, is_remote
from crawler.export.rotated import RotatedSink, is_rotated
from crawler.export.sink import ExportOptions, FileSink, Mode, sync_names, why
from crawler.export.spool import spool_of
from crawler.export.template import Template, escaped
from crawler.export.types import ItemTypes, keys_of
from crawler.outcome import Ending, Record

log = logging.getLogger("crawler")

_LONGEST = 200
"""Bytes of the last part of a name, of the 255 that file systems have."""


class Comparison(msgspec.Struct, frozen=True):
    """What a new dataset is compared with."""

    old: Path
    changes: Path
    """Where what was added, changed and gone is written."""


class Dataset:
    """An output of a crawl, in files."""

    def __init__(
        self,
        name: str,
        sink: FileSink | RotatedSink | MadeSink,
        types: ItemTypes,
        output: Template,
        provenance: Provenance | None = None,
        comparison: Comparison | None = None,
        remote: str | None = None,
        *,
        mode: Mode,
        syncs: bool,
    ) -> None:
        """
        :param name: what it is called among the outputs of the crawl
        :param output: where its files are made
        :param provenance: what its manifest says of the crawl; None if it is to have none
        :param remote: the folder of an object store that the files go to, instead of staying
        """
        self.name = name
        self.items: int | None = None
        """How many the finished dataset has; None if nobody has counted them."""
        self.manifest = manifest_path(Path(output.plain if output.is_single else output.text))
        self.files: list[Path] = []
        """Of the finished dataset."""
        self.changes: Counts | None = None
        """How it differs from the earlier one that it was compared with."""
        self.comparison = comparison
        self.remote = remote
        self._output = output
        self._sink = sink
        self._types = types
        self._provenance = provenance
        self._mode = mode
        self._syncs = syncs
        self._there = Path(output.plain) if output.is_single else self.manifest
        """What tells, by its name, whether the dataset is there already."""
        self._listed: Manifest | None = None

    @property
    def is_made(self) -> bool:
        """Whether its files are made at the end."""
        return isinstance(self._sink, MadeSink)

    async def open(self, position: int | None = None) -> int:
        if position is not None:
            self._types.restore()
        if self.remote is not None:
            await asyncio.to_thread(self._look_there, self.remote, is_new=position is None)
        await asyncio.to_thread(self._read_manifest)
        if position is None and self._mode == "new":
            await asyncio.to_thread(self._refuse_another)
        return await self._sink.open(position)

    def _read_manifest(self) -> None:
        """Take in what is said of the dataset that is there already, if there is one."""
        with suppress(OutputError):
            self._listed = read(self.manifest)
        if self._listed is not None and isinstance(self._sink, MadeSink):
            folder = self.manifest.parent
            self._sink.earlier = self._listed.types
            self._sink.listed = {os.path.abspath(folder / file.path) for file in self._listed.files}

    def _refuse_another(self) -> None:
        """
        :raises OutputError: what would be the manifest is that of another dataset
        """
        if self._there.is_file() and self._there != self.manifest:
            return  # it is the file itself that is there, as will be said
        folder = self.manifest.parent
        if self._listed is not None and any((folder / file.path).is_file() for file in self._listed.files):
            raise OutputError(
                f"{os.path.relpath(self.manifest)} exists already, and so does the dataset that it describes: --overwrite "
                "replaces them where they have the same names; else give this one another name, or a folder of its own"
            )

    async def append(self, records: Sequence[Record]) -> int:
        for name in await self._types.note(records):
            if self._types.known[name].key and not self.is_made:
                log.warning(
                    "%s grows with each item, so that items of %s with the same key stay: define the class, or import it, "
                    "in the module of the spider",
                    self.name,
                    name,
                )
        return await self._sink.append(records)

    async def finish(self, ending: Ending) -> None:
        """
        :raises SinkError: something of it cannot be written; its records are safe
        """
        self.files = await self._sink.make()
        try:
            await asyncio.to_thread(self._conclude, ending)
        except OutputError as error:
            raise SinkError(self.name, str(error)) from error
        except OSError as error:
            raise SinkError(self.name, why(error)) from error

    async def close(self) -> None:
        await self._sink.close()

    def _conclude(self, ending: Ending) -> None:
        if self.comparison is not None and ending.reason == "complete":
            try:
                self.changes = self._compare(self.comparison)
            except OutputError as error:  # of the earlier dataset: this one is whole
                log.warning("%s is not compared: %s", self.name, error)
        if self._provenance is not None:
            self._describe(self._told(self._provenance, ending))
        if self.remote is not None:
            self._upload(self.remote)

    def _describe(self, provenance: Provenance) -> None:
        try:
            manifest = describe(self.files, provenance, folder=self.manifest.parent)
        except OutputError as error:  # what was there before the crawl may be anything
            log.warning("%s has no manifest: %s", self.name, error)
            return
        self.items = manifest.items
        self._remove_stale()
        write(manifest, self.manifest, syncs=self._syncs)

    def _told(self, provenance: Provenance, ending: Ending) -> Provenance:
        """*provenance*, with what is only known at the end."""
        earlier = self._listed.types if self._listed is not None and self._mode == "append" else {}
        return msgspec.structs.replace(
            provenance,
            types={**earlier, **self._types.known},
            ended=datetime.fromtimestamp(ending.at, UTC).isoformat(timespec="seconds"),
            reason=ending.reason,
            compared_with=str(self.comparison.old) if self.changes is not None and self.comparison else None,
        )

    def _compare(self, comparison: Comparison) -> Counts:
        old, changes = comparison.old, comparison.changes
        new = changes.with_name(f".{changes.name}.new"[-200:])
        new.unlink(missing_ok=True)
        with new.open("xb") as out:
            counts = compare(
                _records([old]),
                _records(self.files),
                keys_of(self._types.known),
                out,
                as_text=not all(is_json(path.name) for path in (old, *self.files)),
            )
        if self._syncs:
            sync_names([new])
        os.replace(new, changes)
        return counts

    def _remove_stale(self) -> None:
        """Files that the dataset had when it was made before, and has no longer: another record took the place of
        the last one in it, or --overwrite replaces all of them. One that was changed since is left alone, and so is
        one that this dataset never had: datasets may share the name of a manifest, and a manifest may be anybody's.
        """
        if self._listed is None or self._output.is_single:
            return
        folder = self.manifest.parent
        item_in = self._output.item_in()
        for file in self._listed.files:
            path = folder / file.path
            is_ours = is_inside(file.path) and item_in(path.as_posix()) is not None
            if is_ours and path not in self.files and path.is_file() and path.stat().st_size == file.bytes:
                path.unlink()

    def _look_there(self, folder: str, *, is_new: bool) -> None:
        """See whether the dataset can be sent when it is made.

        :raises OutputError: it cannot, or there is one already
        """
        there = Remote.parse(f"{folder}/{self._there.name}", os.environ)
        there.check()
        if is_new and self._mode == "append":
            raise OutputError(f"{self.name}: --append adds to files on this machine; name another, or --overwrite")
        if is_new and self._mode == "new" and there.exists():
            raise OutputError(f"{self.name} exists already: --overwrite replaces it")

    def _upload(self, folder: str) -> None:
        root = self.manifest.parent
        for path in (*self.files, *([self.manifest] if self.manifest.exists() else [])):
            Remote.parse(f"{folder}/{path.relative_to(root).as_posix()}", os.environ).upload(path)
        shutil.rmtree(root, ignore_errors=True)


def _records(files: Sequence[Path]) -> Iterator[bytes]:
    for path in files:
        yield from lines_of(path)


def whole_name(name: str, options: ExportOptions) -> str:
    """*name* as it means the same from everywhere, with a place for the number of each file if there is to be one.

    :raises OutputError: it cannot be the name of an output
    """
    if name == "-":
        return name
    if not is_remote(name):
        name = os.path.normpath(os.path.join(escaped(os.getcwd()), name)).replace(os.sep, "/")
    if len(os.fsencode(name.rpartition("/")[2])) > _LONGEST:
        raise OutputError(
            f"{name[:60]}…: the name of a file has {_LONGEST} bytes at most here, since its manifest's is longer"
        )
    template = Template(name)
    is_rotated = options.rotate_items is not None or options.rotate_bytes is not None
    return (template.rotated() if is_rotated else template).text


def blueprint_of(name: str, options: ExportOptions, job: Path | None, others: Iterable[str] = ()) -> Blueprint:
    """How the files of the output *name* are made. What goes elsewhere is made beside its spool.

    :param name: as :func:`whole_name` gives it
    :param others: the names of the crawl's other outputs
    """
    spool = spool_of(name, job)
    local = min(name, os.path.relpath(name).replace(os.sep, "/"), key=len)  # as people see it in messages
    if is_remote(name):
        local = f"{escaped(str(spool.with_suffix('.remote')))}/{name[len(folder_of(name)) + 1 :]}"
    output = Template(local)
    return Blueprint(
        output,
        format_of(local if not is_remote(name) else name),
        spool,
        syncs=options.durability == "power",
        is_safe=options.csv_safe,
        rotate_items=options.rotate_items,
        rotate_bytes=options.rotate_bytes,
        others=frozenset(each.plain for each in map(Template, others) if each.is_single and each.text != name),
    )


def must_be_made(name: str, blueprint: Blueprint) -> bool:
    """Whether its files cannot grow, whatever its items are."""
    grows = blueprint.output.is_single or is_rotated(blueprint.output)
    return blueprint.form.is_made or not grows or is_remote(name)


def folder_of(name: str) -> str:
    """Of the output *name* in an object store, the folder that all its files have in common."""
    return Template(name).collective.rpartition("/")[0]


def changes_of(old: Path, place: Path) -> Path:
    """Where the dataset at *place* says how it differs from *old*.

    :raises OutputError: there is no dataset *old*, or it is the one that is to be made
    """
    if not old.is_file():
        raise OutputError(f"--update {old}: there is no such file")
    if old.resolve() == place.resolve():
        raise OutputError(f"--update {old}: that is the file which this crawl writes; compare with another one")
    next(lines_of(old), None)  # what is nothing of the kind is told now, not after the crawl
    stem = place.name[: len(place.name) - len(ending_of(place.name))]
    return place.with_name(f"{stem}.changes.jsonl")
