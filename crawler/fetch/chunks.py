"""The chunked transfer coding (RFC 9112, section 7.1), undone as browsers undo it."""

from __future__ import annotations

_DIGITS = b"0123456789abcdefABCDEF"
_LINE_LIMIT = 16 * 1024
"""Bytes of the line before a chunk, or of one trailer. Browsers take 16 KB (Chrome) to 64 KB."""
_EXTRA_LIMIT = 256 * 1024
"""Bytes of all extensions and trailers of one body, as Chrome allows for headers."""
_TINY = 64
"""Bytes of a chunk up to which its frame is most of the work. A server that sends each line as it is made has such."""
_TINY_LIMIT = 500_000
"""Tiny chunks of one body: 0.4 s of work. Somebody who types one by one would take a month."""


class BadChunk(ValueError):
    """What should have been the size of a chunk, or its end, is not."""


class Chunks:
    """Takes the raw bytes of one body in pieces and gives back what was in the chunks."""

    __slots__ = ("_at_end", "_extra", "_in_trailers", "_left", "_line", "is_over", "tiny")

    def __init__(self) -> None:
        self._left = 0
        self._line = b""
        self._extra = 0
        self._at_end = False
        """After the bytes of a chunk comes the end of a line."""
        self._in_trailers = False
        self.is_over = False
        self.tiny = 0
        """Tiny chunks that have come."""

    def take(self, raw: bytes) -> tuple[bytes, bytes]:
        """What *raw* holds of the body, and what comes after the body's end in it (if ``is_over``).

        Lines may end with a line feed alone; extensions and trailers are skipped, whatever they are.

        :raises BadChunk: no chunk begins or ends where one should, or a limit is passed
        """
        if self._line:
            raw, self._line = self._line + raw, b""
        pieces = []
        at, end = 0, len(raw)
        while at < end and not self.is_over:
            if self._left:
                piece = raw[at : at + self._left]
                pieces.append(piece)
                at += len(piece)
                self._left -= len(piece)
                self._at_end = not self._left
                continue
            stop = raw.find(b"\n", at)
            if (end if stop < 0 else stop) - at > _LINE_LIMIT:
                raise BadChunk("a line among the chunks is too long")
            if stop < 0:
                self._line = raw[at:]
                break
            self._read_line(raw[at : stop - (raw[stop - 1 : stop] == b"\r")])
            at = stop + 1
        body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        return body, raw[at:] if self.is_over else b""

    def _read_line(self, line: bytes) -> None:
        if self._at_end:
            if line:
                raise BadChunk("a chunk is longer than its size")
            self._at_end = False
        elif self._in_trailers:
            self._read_trailer(line)
        else:
            self._read_size(line)

    def _read_size(self, line: bytes) -> None:
        size, _, extension = line.partition(b";")
        size = size.rstrip(b" \t")
        if not size or size.strip(_DIGITS):
            raise BadChunk(f"no size of a chunk: {line[:20]!r}")
        self._count(len(extension))
        self._left = int(size, 16)
        if self._left >= 2**63:
            raise BadChunk("the size of a chunk is past 63 bits")
        if self._left < _TINY:
            self.tiny += 1
            if self.tiny > _TINY_LIMIT:
                raise BadChunk(f"more than {_TINY_LIMIT} chunks of less than {_TINY} bytes")
        self._in_trailers = not self._left

    def _read_trailer(self, line: bytes) -> None:
        self.is_over = not line
        self._count(len(line) + 2)

    def _count(self, extra: int) -> None:
        self._extra += extra
        if self._extra > _EXTRA_LIMIT:
            raise BadChunk("there are too many extensions and trailers")
