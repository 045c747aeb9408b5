"""One pass over a dataset's files: what they hold, a sample of it, and the digests of the files.

Rule 1: a file is read once if its records stand in it as they are, as in JSON lines; else once for its digest and once
for its records. Memory is bounded by the largest record and by the bounds of ``statistics.py``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Any

import msgspec

from crawler.errors import OutputError
from crawler.export.fit import Check
from crawler.export.formats import ending_of
from crawler.export.read import BOM, lines_of, told
from crawler.export.statistics import Statistics

_CHUNK = 1 << 20
"""Bytes that are read at once: some thousand records, enough for the loops in C to pay."""
_SEED = 20_260_101
"""Any number: the same file shows the same sample, always."""
_decoder = msgspec.json.Decoder()


class FileFacts(msgspec.Struct):
    """What is known of one file of a dataset."""

    path: str
    """Relative to the manifest's folder, with ``/``."""
    items: int
    bytes: int
    sha256: str


class Sample:
    """*size* records out of all, each as likely as any other. K.-H. Li, "Reservoir-Sampling Algorithms", 1994: L."""

    def __init__(self, size: int) -> None:
        self.records: list[dict[str, Any]] = []
        self._size = size
        self._random = Random(_SEED)
        self._weight = 1.0
        self._seen = 0
        self._next = 0 if size else -1

    def add(self, records: Sequence[dict[str, Any]]) -> None:
        end = self._seen + len(records)
        while self._seen <= self._next < end:
            record = records[self._next - self._seen]
            if len(self.records) < self._size:
                self.records.append(record)
            else:
                self.records[self._random.randrange(self._size)] = record
            self._next += 1 if len(self.records) < self._size else self._skip()
        self._seen = end

    def _skip(self) -> int:
        """How many records further the next one is that is taken."""
        self._weight *= math.exp(math.log(1.0 - self._random.random()) / self._size)
        return 1 + int(math.log(1.0 - self._random.random()) / math.log1p(-min(self._weight, 1.0 - 1e-12)))


class Survey:
    """What the records of all files are like that it has read.

    :param check: what says whether a record fits its type; None: nothing is to be said
    """

    def __init__(self, *, is_deep: bool = False, sample: int = 0, check: Check | None = None) -> None:
        self.statistics = Statistics(is_deep=is_deep)
        self.sample = Sample(sample)
        self.misfits = 0
        """Records that do not fit."""
        self.first_misfit = ""
        self._check = check

    def read(self, path: Path, name: str) -> FileFacts:
        """Read the file *path*, which the manifest calls *name*.

        :raises OutputError: it is not there, or is not what its ending says
        """
        before = self.statistics.items
        digest = sha256()
        size = 0
        groups = _groups_of_lines(path) if ending_of(path.name) == ".jsonl" else _groups_of_records(path)
        for raw, records in groups:
            digest.update(raw)
            size += len(raw)
            if records:
                self._add(records, name, self.statistics.items - before)
        return FileFacts(name, self.statistics.items - before, size, digest.hexdigest())

    def _add(self, records: list[dict[str, Any]], name: str, before: int) -> None:
        self.statistics.add(records)
        self.sample.add(records)
        if self._check is None:
            return
        for place, problem in enumerate(map(self._check, records), before + 1):
            if problem:
                self.misfits += 1
                self.first_misfit = self.first_misfit or f"record {place:,} of {name}: {problem}"


def _groups_of_lines(path: Path) -> Iterator[tuple[bytes, list[dict[str, Any]]]]:
    """The bytes of a file of JSON lines, and the records of the lines that end in them."""
    number, rest = 0, [b""]  # lines that were read; what is read of the next one
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                cut = chunk.rfind(b"\n") + 1
                whole = b"".join([*rest, chunk[:cut]]) if cut else b""
                rest = [chunk[cut:]] if cut else [*rest, chunk]
                yield chunk, _decoded(whole, number, path)
                number += whole.count(b"\n")
    except OSError as error:
        raise OutputError(f"cannot read {path}: {told(error)}") from error
    if last := b"".join(rest):
        yield b"", _decoded(last, number, path)


def _groups_of_records(path: Path) -> Iterator[tuple[bytes, list[dict[str, Any]]]]:
    """The bytes of any file, then its records."""
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                yield chunk, []
    except OSError as error:
        raise OutputError(f"cannot read {path}: {told(error)}") from error
    number = 0
    for group in _grouped(lines_of(path)):
        yield b"", _decoded(b"\n".join(group), number, path)
        number += len(group)


def _grouped(lines: Iterator[bytes]) -> Iterator[list[bytes]]:
    """*lines*, about as many together as are read at once from a file of them."""
    group: list[bytes] = []
    size = 0
    for line in lines:
        group.append(line)
        size += len(line)
        if size >= _CHUNK:
            yield group
            group, size = [], 0
    if group:
        yield group


def _decoded(lines: bytes, before: int, path: Path) -> list[dict[str, Any]]:
    """The records of *lines*; *before* stand before them in the file.

    :raises OutputError: one is no JSON object, or stands with another in one line
    """
    if before == 0:
        lines = lines.removeprefix(BOM)
    try:
        records: list[Any] = _decoder.decode_lines(lines)
        if len(records) == lines.count(b"\n") + (not lines.endswith(b"\n")) and set(map(type, records)) <= {dict}:
            return records
    except (msgspec.DecodeError, RecursionError):
        pass  # said below, with the line
    return _one_by_one(lines, before, path)


def _one_by_one(lines: bytes, before: int, path: Path) -> list[dict[str, Any]]:
    """The slow way, which passes over empty lines and knows which line is wrong."""
    records = []
    for number, line in enumerate(lines.split(b"\n"), before + 1):
        if not line.strip():
            continue
        try:
            record = _decoder.decode(line)
        except (msgspec.DecodeError, RecursionError) as error:
            raise OutputError(f"cannot read {path}: line {number:,} is no JSON: {error}") from None
        if type(record) is not dict:
            raise OutputError(f"cannot read {path}: line {number:,} is no JSON object")
        records.append(record)
    return records
