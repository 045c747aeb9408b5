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

    def encode(self, records: Sequence[Record]) -> bytes:
        """*records* as they follow those written before."""


class JsonLines:
    """One JSON object a line, in UTF-8, nothing escaped that need not be. https://jsonlines.org"""

    is_text = True
    is_slow = False

    def encode(self, records: Sequence[Record]) -> bytes:
        return b"".join([record.data + b"\n" for record in records])


class GzipJsonLines:
    """The same, compressed: each group is a member of its own, and members in a row are one file (RFC 1952, 2.2)."""

    is_text = False
    is_slow = True

    def encode(self, records: Sequence[Record]) -> bytes:
        return gzip.compress(JsonLines().encode(records), mtime=0)


FORMATS: dict[str, type[Format]] = {
    ".jsonl": JsonLines,
    ".jsonl.gz": GzipJsonLines,
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
