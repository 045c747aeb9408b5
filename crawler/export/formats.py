"""From records to bytes. A format is one class and one row in FORMATS."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePath
from typing import Protocol

from crawler.errors import OutputError
from crawler.outcome import Record


class Format(Protocol):
    """How records are written one after the other, so that a file cut off between two of them is whole."""

    def encode(self, records: Sequence[Record]) -> bytes:
        """*records* as they follow those written before."""


class JsonLines:
    """One JSON object a line, in UTF-8, nothing escaped that need not be. https://jsonlines.org"""

    def encode(self, records: Sequence[Record]) -> bytes:
        return b"".join([record.data + b"\n" for record in records])


FORMATS: dict[str, type[Format]] = {
    ".jsonl": JsonLines,
}
"""The ending of an output's name decides."""


def format_of(name: str) -> Format:
    """The format that the ending of *name* asks for; JSONL for ``-``, standard output.

    :raises OutputError: it names none
    """
    if name == "-":
        return JsonLines()
    suffix = PurePath(name).suffix.lower()
    if suffix not in FORMATS:
        raise OutputError(
            f"{name}: no format has the ending {suffix!r}; there is {', '.join(FORMATS)}"
            if suffix
            else f"{name}: the ending names the format, as in {name}.jsonl"
        )
    return FORMATS[suffix]()
