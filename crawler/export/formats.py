"""From records to bytes. A format is one class and one row in FORMATS."""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from pathlib import PurePath
from typing import Protocol

from crawler.errors import OutputError
from crawler.outcome import Record


class Format(Protocol):
    """How records are written one group after the other, so that a file cut off between two groups is whole."""

    is_text: bool
    """Whether a file is lines of text: one whose last line has no end is given one before more is added."""
    is_slow: bool
    """Whether encoding a group takes so long that it is done in a thread."""
    is_table: bool
    """Whether this is how records are kept until all are known, and the file itself is made of them at the end."""

    def encode(self, records: Sequence[Record]) -> bytes:
        """*records* as they follow those written before."""


_SEPARATORS = {"\u2028".encode(): b"\\u2028", "\u2029".encode(): b"\\u2029"}
"""Ends of lines to JavaScript before 2019, and to ``str.splitlines`` of Python, which would tear a record there. In JSON
they stand in strings alone, where the escape says the same."""


class JsonLines:
    """One JSON object a line, in UTF-8, nothing escaped that need not be. https://jsonlines.org"""

    is_text = True
    is_slow = False
    is_table = False

    def encode(self, records: Sequence[Record]) -> bytes:
        lines = b"".join([record.data + b"\n" for record in records])
        if not lines.isascii():  # the cheap question first: a search takes 1 ms for a megabyte
            for raw, escape in _SEPARATORS.items():
                lines = lines.replace(raw, escape)
        return lines


class GzipJsonLines:
    """The same, compressed: each group is a member of its own, and members in a row are one file (RFC 1952, 2.2)."""

    is_text = False
    is_slow = True
    is_table = False

    def encode(self, records: Sequence[Record]) -> bytes:
        return gzip.compress(JsonLines().encode(records), mtime=0)


class Csv(JsonLines):
    """A table, in UTF-8 (RFC 4180): ``export/csv.py``. Its first line names every field that any record has."""

    is_table = True


FORMATS: dict[str, type[Format]] = {
    ".jsonl": JsonLines,
    ".jsonl.gz": GzipJsonLines,
    ".csv": Csv,
}
"""The ending of an output's name decides."""


def format_of(name: str) -> Format:
    """The format that the ending of *name* asks for; JSONL for ``-``, standard output.

    :raises OutputError: it names none
    """
    if name == "-":
        return JsonLines()
    ending = ending_of(name)
    if ending not in FORMATS:
        raise OutputError(
            f"{name}: no format has the ending {ending!r}; there are {', '.join(FORMATS)}"
            if ending
            else f"{name}: the ending names the format, as in {name}.jsonl"
        )
    return FORMATS[ending]()


def ending_of(name: str) -> str:
    """What names the format of *name*: the longest ending that one has, else its suffix, which may be empty."""
    bare = PurePath(name).name.lower()
    known = [ending for ending in FORMATS if bare.endswith(ending) and bare != ending]
    return max(known, key=len) if known else PurePath(name).suffix.lower()
