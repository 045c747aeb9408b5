"""Rows of data files: CSV, lines of JSON, and the elements of one name in an XML file; as they come, or as .gz files.

Rule 1: a row that cannot be used is counted, with the reason of the first one, and the others are read.
Rule 2: a file that breaks off, or that is none of its kind, raises: half of it must not look like all of it.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator, Sequence
from io import StringIO
from itertools import chain
from typing import Any

import msgspec

from crawler.parse.charset import decode
from crawler.parse.xml import MAX_DEPTH, Broken, Reader, drain, local_name, texts, too_deep

MAX_CELL = 128 * 1024
"""Characters of one value. It is the csv module's own limit, too; a spreadsheet's is 32,767."""
MAX_ROW = 1024 * 1024
"""Characters of one row of XML or JSON."""
MAX_PARTS = 10_000
"""Elements in one row of XML, or columns of a CSV file. A spreadsheet has 16,384 at most, and nobody fills them."""
_GZIP = b"\x1f\x8b"
_TEXT = "#text"

Row = dict[str, Any]  # Any: texts, dicts of them, lists of them


class Faults:
    """The rows that were left out."""

    __slots__ = ("count", "first")

    def __init__(self) -> None:
        self.count = 0
        self.first = ""
        """Where the first one is, and what is wrong with it."""

    def add(self, where: str) -> None:
        self.count += 1
        self.first = self.first or where


def csv_rows(
    text: str, faults: Faults, *, delimiter: str = ",", quotechar: str = '"', headers: Sequence[str] | None = None
) -> Iterator[Row]:
    """The rows of a CSV file, each a dict of texts by column. Without *headers* its first line names the columns.

    A row of more or fewer cells than there are columns is left out; an empty line is none.

    :raises ValueError: the first line names no columns, or one of them twice
    """
    lines = csv.reader(StringIO(text, newline=""), delimiter=delimiter, quotechar=quotechar)
    names = [*headers] if headers is not None else _header(lines)
    while True:
        try:
            cells = next(lines, None)
        except csv.Error as error:
            faults.add(f"line {lines.line_num}: {error}")
            continue
        if cells is None:
            return
        if len(cells) == len(names):
            yield dict(zip(names, cells, strict=True))
        elif cells:
            faults.add(f"line {lines.line_num}: {len(cells)} cells for {len(names)} columns")


def _header(lines: Any) -> list[str]:  # Any: the csv module's reader, whose type has no name
    try:
        names = [name.strip() for name in next((cells for cells in lines if cells), [])]
    except csv.Error as error:
        raise ValueError(f"its first line names no columns: {error}") from None
    if len(names) > MAX_PARTS:
        raise ValueError(f"it has {len(names):,} columns, and {MAX_PARTS:,} are read")
    if not names or not all(names):
        raise ValueError("its first line leaves a column without a name: headers = [...] names them")
    if len(set(names)) < len(names):
        twice, _ = Counter(names).most_common(1)[0]
        raise ValueError(f"its first line names the column {twice!r} twice: headers = [...] names them otherwise")
    return names


def json_rows(body: bytes, faults: Faults, content_type: str = "") -> Iterator[Row]:
    """The objects of a file that has one on each line.

    :raises Broken: a .gz file is not whole
    """
    number, rest = 0, ""
    for text in chain(texts(body, content_type), ("\n",)):
        *lines, rest = (rest + text).split("\n")
        if len(rest) > MAX_ROW:
            raise Broken(f"a line of more than {MAX_ROW:,} characters")
        for line in lines:
            number += 1
            if not line or line.isspace():
                continue
            try:
                row = msgspec.json.decode(line)
            except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
                faults.add(f"line {number}: {error}")
                continue
            if isinstance(row, dict):
                yield row
            else:
                faults.add(f"line {number}: it is no object")


def xml_rows(body: bytes, tag: str, faults: Faults, content_type: str = "") -> Iterator[Row]:
    """The elements called *tag* (in whatever case, under whatever prefix), each as a dict.

    A child is a text under its name without its prefix; one with children or attributes of its own a dict; one that is
    there several times a list. Attributes are ``@name``, text beside children is ``#text``.

    :raises Broken: it is no XML, or is not whole; after all the rows before that
    """
    for rows in drain(_Elements(tag, faults), body, content_type):
        yield from rows


def text_of(body: bytes, encoding: str, content_type: str) -> str:
    """The whole of a text file.

    :raises Broken: it is a .gz file that is not whole
    """
    return "".join(texts(body, content_type)) if body.startswith(_GZIP) else decode(body, encoding).lstrip("\ufeff")


class _Elements:
    """Makes dicts of the elements of one name."""

    def __init__(self, tag: str, faults: Faults) -> None:
        self._tag = local_name(tag)
        self._faults = faults
        self._reader = Reader(self._start, self._end)
        self._parser = self._reader.parser
        self._depth = 0
        self._open: list[tuple[Row, list[str]]] = []
        self._parts = 0
        self._room = 0
        self._done: list[Row] = []

    def feed(self, text: str) -> None:
        self._reader.feed(text)

    def close(self) -> None:
        self._reader.close()

    def take(self) -> list[Row]:
        done, self._done = self._done, []
        return done

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            too_deep(self._depth)
        if not self._open:
            if local_name(name) != self._tag:
                return
            self._parts, self._room = 0, MAX_ROW
            self._parser.CharacterDataHandler = self._add
        self._parts += 1 + len(attributes)
        if self._parts <= MAX_PARTS:
            self._room -= sum(map(len, attributes.values()))
        self._open.append(({f"@{_own(key)}": value for key, value in attributes.items()} if self._fits else {}, []))

    @property
    def _fits(self) -> bool:
        return self._parts <= MAX_PARTS and self._room >= 0

    def _add(self, text: str) -> None:
        self._room -= len(text)
        if self._room >= 0:
            self._open[-1][1].append(text)

    def _end(self, name: str) -> None:
        self._depth -= 1
        if not self._open:
            return
        row, pieces = self._open.pop()
        text = "".join(pieces).strip()
        if self._open:
            if self._fits:
                _put(self._open[-1][0], _own(name), ({**row, _TEXT: text} if text else row) if row else text)
            return
        self._parser.CharacterDataHandler = None
        if self._fits:
            self._done.append({**row, _TEXT: text} if text else row)
        else:
            self._faults.add(f"line {self._parser.CurrentLineNumber}: a <{self._tag}> that is far too large")


def _own(name: str) -> str:
    return name[name.rfind(":") + 1 :]


def _put(row: Row, name: str, value: Any) -> None:  # Any: as in a Row
    there = row.get(name, msgspec.UNSET)
    if there is msgspec.UNSET:
        row[name] = value
    elif isinstance(there, list):
        there.append(value)
    else:
        row[name] = [there, value]
