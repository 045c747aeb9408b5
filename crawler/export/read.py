"""A dataset's records, as JSON objects, whatever its format."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path

from crawler.errors import OutputError
from crawler.export.formats import FORMATS, ending_of, format_of

BOM = b"\xef\xbb\xbf"
"""Some editors put it before a text in UTF-8. It is no part of the first record."""
MANIFEST = ".manifest.json"
"""The end of a manifest's name."""
_JSON = (".jsonl", ".json")
_UNREADABLE = (OSError, EOFError, zlib.error, ValueError)
"""What readers raise about what is in a file; a ``gzip.BadGzipFile`` is an OSError."""


def lines_of(path: Path) -> Iterator[bytes]:
    """The records of the file *path*, each a JSON object in UTF-8 without a line end.

    :raises OutputError: the ending names no format, or the file cannot be read; the message says where it is broken
    """
    form = format_of(path.name)
    try:
        yield from form.read(path)
    except _UNREADABLE as error:
        raise OutputError(f"cannot read {path}: {told(error)}") from error


def told(error: Exception) -> str:
    """What is wrong with a file, as the end of a sentence."""
    return (error.strerror if isinstance(error, OSError) else "") or str(error) or type(error).__name__


def is_dataset(name: str) -> bool:
    """Whether *name* is that of a file of records, by its ending. That of a manifest is none."""
    return ending_of(name) in FORMATS and not name.endswith(MANIFEST)


def is_json(name: str) -> bool:
    """Whether the format of *name* keeps records as they are: what is read is what was written, to the last type."""
    return ending_of(name).startswith(_JSON)
