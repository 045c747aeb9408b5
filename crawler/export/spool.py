"""Where records are until the files of a dataset are made of them: lines that grow with each commit.

A line is the record as JSON, behind a *label* if the item had a type: a JSON string with the type's name, and with what
to do about items of the same key and that key's digest if it has one: ``"Book L0f3c…"{"url":…}``. So a spool tells all
that there is to know of its records, to whoever makes the files: another process, after a crash.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from hashlib import blake2b
from itertools import groupby
from operator import itemgetter
from os import fsencode
from pathlib import Path
from tempfile import gettempdir
from typing import ClassVar, Literal

from crawler.errors import OutputError
from crawler.export.formats import JsonLines
from crawler.export.template import Template
from crawler.items.keys import Keep, key_of
from crawler.outcome import Record

ENDING = ".part"
UNTYPED = "items"
"""What records without a type are called where a name is needed."""
_QUOTE = ord('"')


class Spool:
    """The lines of a spool, as a format that grows."""

    is_made: ClassVar[Literal[False]] = False
    is_text: ClassVar[bool] = True
    is_slow: ClassVar[bool] = False

    def __init__(self) -> None:
        self._labels: dict[type, bytes] = {}
        self._lines = JsonLines()

    def encode(self, records: Sequence[Record]) -> bytes:
        return self._lines.encode([self._labelled(record) if record.type else record for record in records])

    def _labelled(self, record: Record) -> Record:
        assert record.type is not None
        key = key_of(record)
        if key is not None:
            return Record(label(record.type.__name__, *key) + record.data)
        plain = self._labels.get(record.type)
        if plain is None:
            plain = self._labels[record.type] = label(record.type.__name__)
        return Record(plain + record.data)

    def read(self, path: Path) -> Iterator[bytes]:
        return (line for _, line in entries(path))


def label(name: str, keep: Keep = "last", digest: bytes | None = None) -> bytes:
    """What stands before a record of the type *name*. *digest*: that of its key, if it has one."""
    if digest is None:
        return f'"{name}"'.encode()
    return f'"{name} {"L" if keep == "last" else "F"}{digest.hex()}"'.encode()


def spool_of(output: str, job: Path | None) -> Path:
    """Where the records of *output* are until its files are made.

    :param output: its whole name
    :param job: the job's folder; None if there is no job
    """
    if job is None and "://" not in output:
        return Path(Template(output).collective + ENDING)
    digest = blake2b(fsencode(output), digest_size=6).hexdigest()
    return (job or Path(gettempdir())) / f"{digest}{ENDING}"


def discard_spools(job: Path) -> None:
    """Take those of an earlier job out of its folder."""
    for spool in job.glob(f"*{ENDING}"):
        spool.unlink(missing_ok=True)


def entries(spool: Path) -> Iterator[tuple[str, bytes]]:
    """Each line of *spool*: its label, which may be empty, and the record.

    :raises OutputError: it is damaged
    """
    with spool.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            if not line.endswith(b"\n"):
                raise OutputError(f"{spool} is damaged: its line {number} has no end")
            first = line[0]
            if first in b"{[":
                yield "", line[:-1]
            elif first == _QUOTE:
                end = line.index(b'"', 1)
                yield line[1:end].decode(), line[end + 1 : -1]
            else:
                raise OutputError(f"{spool} is damaged: its line {number} is no record")


class Kept:
    """The lines of a spool, less those that another one of the same key replaces, each with the name of its type; to be
    gone through as often as one likes.
    """

    def __init__(self, spool: Path, dropped: bytearray, types: frozenset[str]) -> None:
        self._spool = spool
        self._dropped = dropped
        self.types = types
        """The names of all the types; :data:`UNTYPED` among them if there are records without one."""

    def __call__(self) -> Iterator[tuple[str, bytes]]:
        dropped = self._dropped
        last = len(dropped)
        for number, (labelled, line) in enumerate(entries(self._spool)):
            if number >= last or not dropped[number]:
                yield labelled.partition(" ")[0] or UNTYPED, line


def kept(spool: Path) -> Kept:
    """What of *spool* is to be written.

    :raises OutputError: it is damaged
    """
    types: set[str] = set()
    dropped = bytearray()  # a byte for each line, up to the last one that is dropped
    with closing(
        sqlite3.connect("", isolation_level=None)
    ) as index:  # a file of its own, which is gone when it is closed
        index.execute("CREATE TABLE keyed (digest BLOB, number INTEGER, keeps_last INTEGER)")
        index.execute("BEGIN")
        index.executemany("INSERT INTO keyed VALUES (?, ?, ?)", _keys(spool, types))
        ordered = index.execute("SELECT digest, number, keeps_last FROM keyed ORDER BY digest, number")
        for number in _losers(ordered):
            if number >= len(dropped):
                dropped.extend(bytes(number + 1 - len(dropped)))
            dropped[number] = 1
    return Kept(spool, dropped, frozenset(types))


def _keys(spool: Path, types: set[str]) -> Iterator[tuple[bytes, int, bool]]:
    """Digest, line and whether the last one is kept, of each line with a key. All types are added to *types*."""
    for number, (labelled, _) in enumerate(entries(spool)):
        name, _, key = labelled.partition(" ")
        types.add(name or UNTYPED)
        if key:
            yield bytes.fromhex(key[1:]), number, key[0] == "L"


def _losers(ordered: Iterable[tuple[bytes, int, int]]) -> Iterator[int]:
    """Of the lines of each key, those that do not stay. The last one says which; there may be millions of one key."""
    for _, group in groupby(ordered, key=itemgetter(0)):
        first, last = None, (b"", 0, 0)
        for entry in group:
            if first is None:
                first = entry[1]
            elif last[1] != first:
                yield last[1]
            last = entry
        assert first is not None
        if last[1] != first:
            yield first if last[2] else last[1]
