"""Compressed files: gzip (RFC 1952) and Zstandard (RFC 8878), written and read as a stream."""

from __future__ import annotations

import gzip
import io
import sys
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, ClassVar, Literal, Protocol, cast

from crawler.export.kinds import Lines, Making, NotReadable

if TYPE_CHECKING:
    from typing_extensions import Buffer

if TYPE_CHECKING or sys.version_info < (3, 14):
    from backports import zstd
else:
    from compression import zstd

_BUFFER = 1 << 18
"""Bytes that are read or compressed at once."""


class Coding(Protocol):
    """How the bytes of a file are coded."""

    damage: ClassVar[tuple[type[Exception], ...]]
    """What reading raises when the bytes are not what they should be."""

    def writer(self, file: BinaryIO) -> BinaryIO:
        """A file whose bytes arrive coded in *file*; closing it leaves *file* open."""

    def reader(self, file: BinaryIO) -> BinaryIO:
        """The bytes of *file*, decoded."""


class Plain:
    """Bytes as they are."""

    damage: ClassVar[tuple[type[Exception], ...]] = ()

    def writer(self, file: BinaryIO) -> BinaryIO:
        return cast(BinaryIO, io.BufferedWriter(_Unclosed(file), _BUFFER))

    def reader(self, file: BinaryIO) -> BinaryIO:
        return file


class Gzip:
    """Members in a row are one file (RFC 1952, 2.2)."""

    damage: ClassVar[tuple[type[Exception], ...]] = (EOFError, gzip.BadGzipFile, zlib.error)

    def encode(self, data: bytes) -> bytes:
        """*data* as a member of its own, the same whenever it is made."""
        return gzip.compress(data, mtime=0)

    def writer(self, file: BinaryIO) -> BinaryIO:
        member = gzip.GzipFile(filename="", mode="wb", fileobj=file, compresslevel=6, mtime=0)  # 6, as gzip itself
        return cast(BinaryIO, io.BufferedWriter(cast(io.RawIOBase, member), _BUFFER))

    def reader(self, file: BinaryIO) -> BinaryIO:
        return cast(BinaryIO, io.BufferedReader(cast(io.RawIOBase, gzip.GzipFile(fileobj=file, mode="rb")), _BUFFER))


class Zstd:
    """Frames in a row are one file (RFC 8878, 3)."""

    damage: ClassVar[tuple[type[Exception], ...]] = (EOFError, zstd.ZstdError)

    def encode(self, data: bytes) -> bytes:
        """*data* as a frame of its own."""
        return zstd.compress(data, options=_ZSTD_OPTIONS)

    def writer(self, file: BinaryIO) -> BinaryIO:
        frame = zstd.ZstdFile(file, "w", options=_ZSTD_OPTIONS)
        return cast(BinaryIO, io.BufferedWriter(cast(io.RawIOBase, frame), _BUFFER))

    def reader(self, file: BinaryIO) -> BinaryIO:
        return cast(BinaryIO, io.BufferedReader(cast(io.RawIOBase, zstd.ZstdFile(file, "r")), _BUFFER))


_ZSTD_OPTIONS: dict[int, int] = {
    zstd.CompressionParameter.compression_level: 3,  # as the tool's own
    zstd.CompressionParameter.checksum_flag: 1,  # as the tool's own: damage is seen
}


class _Unclosed(io.RawIOBase):
    """Writes to a file that somebody else closes."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__()
        self._file = file

    def writable(self) -> bool:
        return True

    def write(self, data: Buffer, /) -> int:
        return self._file.write(data)


@contextmanager
def created(target: Path, coding: Coding) -> Iterator[BinaryIO]:
    """The new file *target*, for bytes that are coded as they are written.

    :raises FileExistsError: it is there already, be it as a link
    """
    with target.open("xb", buffering=0) as file, coding.writer(file) as writer:
        yield writer


@contextmanager
def opened(path: Path, coding: Coding) -> Iterator[BinaryIO]:
    """The file *path*, decoded.

    :raises NotReadable: within the block, when the bytes turn out to be damaged
    """
    with path.open("rb") as file:
        if not file.peek(1):  # of no frame at all; gzip takes it for no member, zstd for a torn one
            yield cast(BinaryIO, io.BytesIO())
            return
        try:
            yield coding.reader(file)
        except coding.damage as error:
            name = type(coding).__name__.lower()
            what = "it ends within compressed data" if isinstance(error, EOFError) else str(error)
            raise NotReadable(f"its {name} data is damaged ({what}): fetch or write the file anew") from None


class Streamed(ABC):
    """A format whose file is one stream of bytes, so that it can be compressed."""

    is_made: ClassVar[Literal[True]] = True
    coding: ClassVar[Coding] = Plain()

    def write(self, lines: Lines, target: Path, making: Making) -> None:
        with created(target, self.coding) as file:
            self.put(lines, file, making)

    def read(self, path: Path) -> Iterator[bytes]:
        with opened(path, self.coding) as file:
            yield from self.take(file)

    def take_over(self, path: Path, making: Making) -> Iterator[bytes]:
        return self.read(path)

    @abstractmethod
    def put(self, lines: Lines, file: BinaryIO, making: Making) -> None:
        """Write all records to *file*."""

    @abstractmethod
    def take(self, file: BinaryIO) -> Iterator[bytes]:
        """The records of *file*."""
