"""The two kinds of format, and the words that they share.

A format that *grows* is written one group of records after the other: a file that was cut off between two groups is
whole. A format that is *made* needs the last record before it can write the first one (the header of a table, the type
of a column); its file is made of JSON lines when all of them are known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol

import msgspec

from crawler.outcome import Record

Lines = Callable[[], Iterable[bytes]]
"""Gives the records anew each time it is called, each a JSON object in UTF-8 without a line end."""


class NotWritable(ValueError):
    """A format cannot hold these records. The message says why, and what can be done."""


class NotReadable(ValueError):
    """A file is not what its ending says, or is damaged. The message says where, and what can be done."""


class Making(msgspec.Struct, frozen=True):
    """What is known of a dataset beside its records."""

    name: str = "items"
    """Of the item type, or ``items``: the name of the table, or of the root element."""
    schema: dict[str, Any] | None = None  # Any: JSON
    """JSON Schema of a record, as ``msgspec.json.schema`` writes it; None if nobody knows."""
    is_safe: bool = True
    """Whether cells that a spreadsheet would compute are made inert (``csv_safe``)."""


class Growing(Protocol):
    """A format that grows."""

    is_made: ClassVar[Literal[False]]
    is_text: ClassVar[bool]
    """Whether a file is lines of text: one whose last line has no end is given one before more is added."""
    is_slow: ClassVar[bool]
    """Whether encoding a group takes so long that it is done in a thread."""

    def encode(self, records: Sequence[Record]) -> bytes:
        """*records* as they follow those written before."""

    def read(self, path: Path) -> Iterator[bytes]:
        """The records of a file, each a JSON object; memory is bounded by the largest one.

        :raises NotReadable: it is damaged, or something else
        """


class Made(Protocol):
    """A format that is made of all records at once."""

    is_made: ClassVar[Literal[True]]

    def write(self, lines: Lines, target: Path, making: Making) -> None:
        """Write all records into the file *target*, which must not exist. Memory is bounded, however many there are.

        What is there of *target* after an error is for the caller to remove.

        :raises NotWritable: the format cannot hold them
        :raises msgspec.DecodeError: a line is no JSON
        :raises OSError: the file cannot be written
        """

    def read(self, path: Path) -> Iterator[bytes]:
        """The records of a file, each a JSON object. One that is empty has none.

        :raises NotReadable: it is damaged, or something else
        """

    def take_over(self, path: Path, making: Making) -> Iterator[bytes]:
        """What stands for the file *path* when :meth:`write` makes it anew with more records: lines that go before
        theirs. They are for this format's :meth:`write` alone; a CSV gives its header, too, and leaves cells as they are.

        :raises NotReadable: it is nothing that could be added to
        """
