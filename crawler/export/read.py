"""A dataset's records, as JSON objects, whatever its format."""

from __future__ import annotations

import csv
import gzip
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import msgspec

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
    reader: Callable[[Path], Iterator[bytes]] = getattr(form, "read", None) or _READERS[ending_of(path.name)]
    try:
        yield from reader(path)
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


def _read_lines(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        yield from _without_ends(file)


def _read_gzip(path: Path) -> Iterator[bytes]:
    with gzip.open(path) as file:
        yield from _without_ends(file)


def _without_ends(file: Iterable[bytes]) -> Iterator[bytes]:
    for number, line in enumerate(file, 1):
        bare = line.removeprefix(BOM) if number == 1 else line
        bare = bare.rstrip(b"\r\n")
        if bare:
            yield bare


def _read_csv(path: Path) -> Iterator[bytes]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        for row in csv.DictReader(file, restval="", restkey=""):
            row.pop("", None)
            yield msgspec.json.encode(row)


_READERS: dict[str, Callable[[Path], Iterator[bytes]]] = {
    ".jsonl": _read_lines,
    ".jsonl.gz": _read_gzip,
    ".csv": _read_csv,
}
