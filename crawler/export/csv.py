"""From JSON lines to a table (RFC 4180): the header is every field that any record has, in the order of appearance.

A CSV cannot grow: its first line needs the last record. So the records are kept as JSON lines, and the table is made
of them when the last one is known. A line that is an array is a line of a table that was there before, and that more
records are added to: the first one is its header, and its cells stay as they are.

Rule 1: a cell that a spreadsheet would compute gets an apostrophe before it (CWE-1236; OWASP, "CSV Injection").
Rule 2: memory is bounded by the largest record and by ``MOST_COLUMNS``, however many records there are.
"""

from __future__ import annotations

import csv
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from io import TextIOWrapper
from pathlib import Path
from typing import Any, BinaryIO, TextIO

import msgspec

from crawler.export.compress import Streamed, opened
from crawler.export.kinds import Lines, Making, NotReadable, NotWritable
from crawler.export.lines import TOO_DEEP

MOST_COLUMNS = 16_384
"""As many as a sheet of Excel has. A page that makes up field names must not make a table of nothing but commas."""

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""OWASP's list, with the full-width forms that some locales take for the others."""
_NUMBER = re.compile(r"[+-]\d{1,40}(?:[.,]\d{1,40})?(?:[eE][+-]?\d{1,4})?", re.ASCII)
"""A signed number computes to itself: with an apostrophe it would be no number any more."""
_BEFORE = "".join(map(chr, range(0x21))) + "\x7f\x85\xa0\u200b\u200c\u200d\u200e\u200f\u2060\u3000\ufeff"
"""What a program may pass over before it looks for a formula."""


class Csv(Streamed):
    """A table, in UTF-8."""

    def put(self, lines: Lines, file: BinaryIO, making: Making) -> None:
        with TextIOWrapper(file, "utf-8", newline="") as text:
            try:
                write_table(lines(), fields_of(lines()), text, is_safe=making.is_safe)
            except RecursionError:
                raise NotWritable(TOO_DEEP) from None

    def take(self, file: BinaryIO) -> Iterator[bytes]:
        """A record has the cells of its line, all of them text. A table that is a header alone has no records."""
        with TextIOWrapper(file, "utf-8-sig", newline="") as text:
            rows = _rows_of(text, is_safe=True)
            header = next(rows, [])
            for row in rows:
                yield msgspec.json.encode(dict(zip(header, row, strict=False)))

    def take_over(self, path: Path, making: Making) -> Iterator[bytes]:
        with opened(path, self.coding) as file, TextIOWrapper(file, "utf-8-sig", newline="") as text:
            yield from read_table(text, is_safe=making.is_safe)


def inert_cell(text: str) -> str:
    """*text*, with an apostrophe before it if a spreadsheet would compute it. Text that is a number is left alone."""
    if text[:1].isalnum() or not text:
        return text
    begins = text.startswith(_FORMULA) or text.lstrip(_BEFORE).startswith(_FORMULA)
    return f"'{text}" if begins and not _NUMBER.fullmatch(text) else text


def fields_of(lines: Iterable[bytes]) -> list[str]:
    """Every field that a record of *lines* has, in the order in which they appear.

    :raises NotWritable: there are more of them than a table may have
    """
    decode = msgspec.json.Decoder().decode
    fields: dict[str, None] = {}
    are_first = True
    for line in lines:
        record = decode(line)
        if isinstance(record, list):
            if are_first:
                fields.update(dict.fromkeys(record))
        elif not fields.keys() >= record.keys():
            fields.update(dict.fromkeys(record))
        are_first = False
        if len(fields) > MOST_COLUMNS:
            raise NotWritable(
                f"its records have more than {MOST_COLUMNS:,} different fields, and a table has as many columns at most: "
                "JSON lines (.jsonl) hold them"
            )
    return list(fields)


def write_table(lines: Iterable[bytes], fields: Sequence[str], file: TextIO, *, is_safe: bool) -> None:
    """Write *lines* to *file*, which does not translate line ends.

    Text is written as it is; numbers as JSON has them; ``true`` and ``false``; nothing for null and for what a record
    does not have; lists and objects as JSON.

    :param is_safe: whether cells that are formulas are made inert; those of an earlier table stay as they are
    """
    writer = csv.writer(file)
    if fields:
        writer.writerow([inert_cell(field) for field in fields] if is_safe else fields)
    decode = msgspec.json.Decoder().decode
    text = inert_cell if is_safe else str
    writer.writerows(_rows(map(decode, lines), fields, text))


def _rows(records: Iterable[Any], fields: Sequence[str], text: Callable[[str], str]) -> Iterator[list[object]]:
    width: int | None = None  # of the earlier table
    for record in records:
        if type(record) is list:
            if width is not None:
                yield [*record, *[""] * (len(fields) - len(record))]
            width = len(record)
            continue
        row = [record.get(field) for field in fields]
        for place, value in enumerate(row):
            kind = type(value)
            if kind is str:
                if not value[:1].isalnum():
                    row[place] = text(value)
            elif kind is bool or kind is list or kind is dict:
                row[place] = msgspec.json.encode(value).decode()
        yield row


def read_table(file: TextIO, *, is_safe: bool) -> Iterator[bytes]:
    """The lines of a table that was there before, each as an array. *file* does not translate line ends.

    :param is_safe: whether its header has fields with the apostrophe that makes them inert, as ``'@type``
    :raises NotReadable: it is none whose columns records could be added to
    """
    return map(msgspec.json.encode, _rows_of(file, is_safe=is_safe))


def _rows_of(file: TextIO, *, is_safe: bool) -> Iterator[list[str]]:
    width = 0
    for row in _read(file):
        if not width:
            width = len(row)
            row = [_field_of(name) for name in row] if is_safe else row
            if len(set(row)) < width:
                raise NotReadable("two of its columns have the same name: give them different ones")
        elif len(row) > width:
            raise NotReadable(f"a line of it has {len(row)} cells, and its header {width}")
        yield row


def _field_of(name: str) -> str:
    """The field that a header's *name* stands for, so that further records of it are put into that column."""
    return name[1:] if name[:1] == "'" and inert_cell(name[1:]) == name else name


def _read(file: TextIO) -> Iterator[list[str]]:
    """Lines without a cell are none."""
    reader = csv.reader(file, strict=True)
    while True:
        try:
            with _LONG_CELLS:
                row = next(reader, None)
        except csv.Error as error:
            raise NotReadable(f"line {reader.line_num}: {error}") from None
        except UnicodeError:
            raise NotReadable("it is not in UTF-8") from None
        if row is None:
            return
        if row:
            yield row


class _LongCells:
    """Python reads no cell over 128 KiB unless the whole process does; so it does, for as long as it takes."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._before = 0

    def __enter__(self) -> None:
        self._lock.acquire()
        self._before = csv.field_size_limit(2**31 - 1)

    def __exit__(self, *_: object) -> None:
        csv.field_size_limit(self._before)
        self._lock.release()


_LONG_CELLS = _LongCells()
