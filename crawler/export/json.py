"""One JSON array of all records (RFC 8259), a record a line, so that tools for lines are of use, too."""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator
from typing import BinaryIO

from crawler.export.compress import Streamed
from crawler.export.kinds import Lines, Making, NotReadable
from crawler.export.lines import BOM, check, groups_of, is_object

_CHUNK = 1 << 18
"""Characters that are read at once."""
MOST = 1 << 28
"""Characters of a record. What is longer is no record, but a quotation mark that is missing."""
_SPACE = " \t\n\r"
_BROKEN = 16
"""A word, a number or an escape that the end of what was read cuts off is an error as many characters before it."""


class Json(Streamed):
    """``[``, a record a line, ``]``; without records ``[]``."""

    def put(self, lines: Lines, file: BinaryIO, making: Making) -> None:
        before = b"[\n"
        for group in groups_of(lines()):
            check(group)
            file.write(before + b",\n".join(group))
            before = b",\n"
        file.write(b"[]\n" if before == b"[\n" else b"\n]\n")

    def take(self, file: BinaryIO) -> Iterator[bytes]:
        """The objects of any array, however it is laid out. Their text stays as it is."""
        for number, text in enumerate(_elements(file), 1):
            record = text.encode()
            if not text.startswith("{") or not is_object(record):
                raise NotReadable(f"element {number} of its array is no JSON object: a record has named fields")
            yield record.replace(b"\r", b" ").replace(b"\n", b" ")  # between values: in strings they are escapes


class _Text:
    """The text of a file, as much of it as is needed."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self.text = ""
        self.place = 0
        self.is_all = False
        while not self.text and not self.is_all:  # a character may be cut in two
            self.more()
        self.text = self.text.removeprefix(BOM.decode())

    def more(self) -> None:
        """Read as much again as there is left, so that a long record is not tried too often."""
        data = self._file.read(max(_CHUNK, len(self.text) - self.place))
        self.is_all = not data
        try:
            more = self._decoder.decode(data, final=self.is_all)
        except UnicodeDecodeError:
            raise NotReadable("it is not in UTF-8") from None
        self.text = self.text[self.place :] + more
        self.place = 0

    def next(self) -> str:
        """The next character that is no space; empty at the end."""
        while True:
            while self.place < len(self.text) and self.text[self.place] in _SPACE:
                self.place += 1
            if self.place < len(self.text) or self.is_all:
                return self.text[self.place : self.place + 1]
            self.more()


def _elements(file: BinaryIO) -> Iterator[str]:
    text = _Text(file)
    if not text.next() and text.is_all:
        return
    _expect(text, "[", 0)
    is_last = text.next() == "]"
    number = 0
    while not is_last:
        number += 1
        yield _element(text, number)
        is_last = text.next() != ","
        if not is_last:
            text.place += 1
    _expect(text, "]", number)
    if text.next():
        raise NotReadable("something follows its array")


def _expect(text: _Text, character: str, number: int) -> None:
    found = text.next()
    if found != character:
        where = f"after element {number} of its array" if number else "at its beginning"
        what = f"{found!r} stands" if found else "it ends"
        raise NotReadable(f"{what} {where}, where {character!r} belongs: it is no JSON array, or is cut off")
    text.place += 1


_scan = json.JSONDecoder().raw_decode


def _element(text: _Text, number: int) -> str:
    """The text of the value that comes next."""
    text.next()
    while True:
        try:
            _, end = _scan(text.text, text.place)
        except RecursionError:
            raise NotReadable(f"element {number} of its array is nested too deeply") from None
        except json.JSONDecodeError as error:
            is_cut_off = error.msg.startswith("Unterminated string") or error.pos >= len(text.text) - _BROKEN
            if not is_cut_off or text.is_all:
                raise NotReadable(f"element {number} of its array is no JSON ({error.msg}), or is cut off") from None
            if len(text.text) - text.place > MOST:
                raise NotReadable(f"element {number} of its array is longer than {MOST:,} characters") from None
            text.more()
        except ValueError as error:  # an integer of more than 4,300 digits
            raise NotReadable(f"element {number} of its array: {error}") from None
        else:
            element = text.text[text.place : end]
            text.place = end
            return element
