"""JSON lines: the format that grows, and what every other one is made of. https://jsonlines.org"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, ClassVar, Literal

import msgspec

from crawler.export.compress import Gzip, Plain, Zstd, opened
from crawler.export.kinds import NotReadable, NotWritable
from crawler.outcome import Record

_SEPARATORS = {"\u2028".encode(): b"\\u2028", "\u2029".encode(): b"\\u2029"}
"""Ends of lines to JavaScript before 2019, and to ``str.splitlines`` of Python, which would tear a record there. In JSON
they stand in strings alone, where the escape says the same."""
BOM = b"\xef\xbb\xbf"
"""RFC 8259, 8.1: nobody writes it, and one may pass over it."""

GROUP = 10_000
"""Records that are decoded at once, at most."""
GROUP_BYTES = 4 << 20
"""Bytes of JSON that are decoded at once, if they are more than one record."""

TOO_DEEP = "a record is nested too deeply: only JSON lines (.jsonl) can hold it"

_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_objects = msgspec.json.Decoder(dict[str, Any]).decode_lines


class JsonLines:
    """One JSON object a line, in UTF-8, nothing escaped that need not be."""

    is_made: ClassVar[Literal[False]] = False
    is_text: ClassVar[bool] = True
    is_slow: ClassVar[bool] = False

    def encode(self, records: Sequence[Record]) -> bytes:
        lines = b"".join([record.data + b"\n" for record in records])
        if not lines.isascii():  # the cheap question first: a search takes 1 ms for a megabyte
            for raw, escape in _SEPARATORS.items():
                lines = lines.replace(raw, escape)
        return lines

    def read(self, path: Path) -> Iterator[bytes]:
        with opened(path, Plain()) as file:
            yield from whole_lines(file)


class GzipJsonLines:
    """The same, compressed: each group is a member of its own."""

    is_made: ClassVar[Literal[False]] = False
    is_text: ClassVar[bool] = False
    is_slow: ClassVar[bool] = True

    def encode(self, records: Sequence[Record]) -> bytes:
        return Gzip().encode(JsonLines().encode(records))

    def read(self, path: Path) -> Iterator[bytes]:
        with opened(path, Gzip()) as file:
            yield from whole_lines(file)


class ZstdJsonLines:
    """The same, compressed: each group is a frame of its own."""

    is_made: ClassVar[Literal[False]] = False
    is_text: ClassVar[bool] = False
    is_slow: ClassVar[bool] = True

    def encode(self, records: Sequence[Record]) -> bytes:
        return Zstd().encode(JsonLines().encode(records))

    def read(self, path: Path) -> Iterator[bytes]:
        with opened(path, Zstd()) as file:
            yield from whole_lines(file)


def whole_lines(file: BinaryIO) -> Iterator[bytes]:
    """The lines of *file* that are not blank, without their ends.

    :raises NotReadable: one is no JSON object; it may be torn
    """
    for number, line in enumerate(file, 1):
        text = line.removeprefix(BOM).strip() if number == 1 else line.strip()
        if not text:
            continue
        if not is_object(text):
            raise NotReadable(
                f"line {number} is no whole JSON object: mend it, or take it out"
                if line.endswith(b"\n")
                else f"line {number}, the last one, is torn: take it out"
            )
        yield text


def is_object(text: bytes) -> bool:
    """Whether *text* is one JSON object, in UTF-8."""
    try:
        _object(text)
        if not text.isascii():
            text.decode()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True


def groups_of(lines: Iterable[bytes], most: int = GROUP, most_bytes: int = GROUP_BYTES) -> Iterator[list[bytes]]:
    """*lines* in lists of at most *most*; a list ends with the line that brings it to *most_bytes*."""
    group: list[bytes] = []
    size = 0
    for line in lines:
        group.append(line)
        size += len(line)
        if size >= most_bytes or len(group) >= most:
            yield group
            group, size = [], 0
    if group:
        yield group


def check(group: Sequence[bytes]) -> None:
    """
    :raises NotWritable: a record is nested too deeply
    :raises msgspec.DecodeError: a line is no JSON object
    """
    try:
        for line in group:
            _object(line)
    except RecursionError:
        raise NotWritable(TOO_DEEP) from None


def decoded(group: Sequence[bytes]) -> list[dict[str, Any]]:
    """
    :raises NotWritable: a record is nested too deeply
    :raises msgspec.DecodeError: a line is no JSON object
    """
    try:
        return _objects(b"\n".join(group))
    except RecursionError:
        raise NotWritable(TOO_DEEP) from None
