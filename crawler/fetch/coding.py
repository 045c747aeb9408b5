"""Content codings (RFC 9110, section 8.4.1): a packed body is unpacked while it streams, in steps of bounded size.

Rule 1: no step makes more than ``STEP`` bytes, whatever the body unfolds to: who asks for them counts them.
Rule 2: a stream that has not come to its own end mark is not whole, however much of it could be unpacked.
Rule 3: what follows the end mark of gzip and deflate is ignored, as browsers do; servers pad with zeros. After br and
zstd it is refused.
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

import brotli  # type: ignore[import-untyped]  # it has no types

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

STEP = 1024 * 1024
"""Bytes: about 2 ms of work."""
_BR_LIMIT = STEP // 4
"""The library of br makes up to twice what it is asked for."""
_INPUT = 64 * 1024
"""Bytes handed over at once: what is left when a member ends is copied, and a body may have many."""
_MEMBERS = 1_000
"""Members of gzip or frames of zstd in a body. Two or three are seen; 300,000 empty ones are an attack."""
_CHAIN = 2
"""Codings on top of one another. Each multiplies what a bomb unfolds to."""
_ZSTD_WINDOW = 23
"""8 MB, as a power of 2: RFC 9659 allows no more for HTTP."""
_ZSTD_OPTIONS: dict[int, int] = {zstd.DecompressionParameter.window_log_max: _ZSTD_WINDOW}


class Undecodable(ValueError):
    """The body is not what its Content-Encoding says."""


class Decoder(Protocol):
    """Unpacks one body."""

    def unpack(self, packed: bytes) -> Iterator[bytes]:
        """What *packed*, the next bytes of the body, unfolds to, in pieces of at most ``STEP`` bytes.

        :raises Undecodable: it is corrupt, or of another kind than was told
        """

    @property
    def is_whole(self) -> bool:
        """Whether the end mark has come. A body of no bytes at all is whole."""


def decoder_of(values: Sequence[str]) -> Decoder | None:
    """How to unpack a body with these Content-Encoding headers; None if it is taken as it is.

    That is so for ``identity``, and for a coding that nobody knows: browsers show such a body unchanged
    (``Content-Encoding: utf-8`` is not rare).

    :raises Undecodable: more than two codings
    """
    names = [name.strip().lower() for value in values for name in value.split(",")]
    names = [name for name in names if name not in ("", "identity")]
    if not names or any(name not in _DECODERS for name in names):
        return None
    if len(names) > _CHAIN:
        raise Undecodable(f"{len(names)} content codings on top of one another; {_CHAIN} are the most")
    decoders = [_DECODERS[name]() for name in reversed(names)]
    return decoders[0] if len(decoders) == 1 else _Chain(*decoders)


class _Gzip:
    """RFC 1952: members, one after the other. What follows them and is none is ignored."""

    def __init__(self) -> None:
        self._member: Any = None  # zlib's own type cannot be named
        self._between = b""
        """The first byte of what may be another member."""
        self._members = 0
        self._is_over = False

    @property
    def is_whole(self) -> bool:
        return self._member is None

    def unpack(self, packed: bytes) -> Iterator[bytes]:
        for part in _parts(packed):
            rest = part
            while rest and not self._is_over:
                if self._member is None:
                    rest = self._begin(self._between + rest)
                    if self._member is None:
                        break
                yield from _inflated(self._member, rest)
                rest = b""
                if self._member.eof:
                    rest, self._member = self._member.unused_data, None

    def _begin(self, rest: bytes) -> bytes:
        """Open the next member, if *rest* begins with one."""
        self._between = b""
        if self._members:
            if rest == _GZIP_MAGIC[:1]:
                self._between = rest
                return b""
            if not rest.startswith(_GZIP_MAGIC):
                self._is_over = True
                return b""
        self._members += 1
        if self._members > _MEMBERS:
            raise Undecodable(f"more than {_MEMBERS} members of gzip")
        self._member = zlib.decompressobj(wbits=31)
        return rest


_GZIP_MAGIC = b"\x1f\x8b"


class _Deflate:
    """RFC 1950, as the name should mean, or RFC 1951 without that header, as some servers have it: both are shown."""

    def __init__(self) -> None:
        self._stream: Any = None  # zlib's own type cannot be named
        self._begin = b""

    @property
    def is_whole(self) -> bool:
        return not self._begin if self._stream is None else bool(self._stream.eof)

    def unpack(self, packed: bytes) -> Iterator[bytes]:
        if self._stream is None:
            packed = self._begin = self._begin + packed
            if len(packed) < 2:
                return
            self._stream = zlib.decompressobj(wbits=15 if _has_zlib_header(packed) else -15)
        for part in _parts(packed):
            if not self._stream.eof:
                yield from _inflated(self._stream, part)


def _has_zlib_header(packed: bytes) -> bool:
    return packed[0] & 0x0F == 8 and (packed[0] << 8 | packed[1]) % 31 == 0


def _inflated(stream: Any, packed: bytes) -> Iterator[bytes]:  # Any: zlib's own type cannot be named
    while not stream.eof:
        try:
            piece = stream.decompress(packed, STEP)
        except zlib.error as error:
            raise Undecodable(str(error)) from error
        if piece:
            yield piece
        packed = stream.unconsumed_tail
        if not packed and len(piece) < STEP:
            break


class _Brotli:
    """RFC 7932. What follows the end is refused: the library does so, and takes the last bytes of the page with it."""

    def __init__(self) -> None:
        self._stream = brotli.Decompressor()
        self._has_begun = False

    @property
    def is_whole(self) -> bool:
        return not self._has_begun or bool(self._stream.is_finished())

    def unpack(self, packed: bytes) -> Iterator[bytes]:
        self._has_begun = True
        for part in _parts(packed):
            if self._stream.is_finished():
                raise Undecodable("there is more after the end of the br stream")
            rest = part
            while True:
                try:
                    piece = self._stream.process(rest, output_buffer_limit=_BR_LIMIT)
                except brotli.error as error:
                    raise Undecodable(str(error)) from error
                if piece:
                    yield piece
                rest = b""
                if self._stream.is_finished() or (len(piece) < _BR_LIMIT and self._stream.can_accept_more_data()):
                    break  # a full piece may have more behind it, even if the library says that it wants more


class _Zstd:
    """RFC 8878: frames, one after the other. Browsers refuse what follows them and is none."""

    def __init__(self) -> None:
        self._frame: zstd.ZstdDecompressor | None = None
        self._frames = 0

    @property
    def is_whole(self) -> bool:
        return self._frame is None

    def unpack(self, packed: bytes) -> Iterator[bytes]:
        for part in _parts(packed):
            rest = part
            while rest:
                frame = self._frame or self._begin()
                try:
                    piece = frame.decompress(rest, STEP)
                    while piece:
                        yield piece
                        piece = b"" if frame.eof or frame.needs_input else frame.decompress(b"", STEP)
                except zstd.ZstdError as error:
                    raise Undecodable(str(error)) from error
                rest = b""
                if frame.eof:
                    rest, self._frame = frame.unused_data, None

    def _begin(self) -> zstd.ZstdDecompressor:
        self._frames += 1
        if self._frames > _MEMBERS:
            raise Undecodable(f"more than {_MEMBERS} frames of zstd")
        self._frame = zstd.ZstdDecompressor(options=_ZSTD_OPTIONS)
        return self._frame


class _Chain:
    """Two codings: what comes out of the outer one goes into the inner one."""

    def __init__(self, outer: Decoder, inner: Decoder) -> None:
        self._outer = outer
        self._inner = inner

    @property
    def is_whole(self) -> bool:
        return self._outer.is_whole and self._inner.is_whole

    def unpack(self, packed: bytes) -> Iterator[bytes]:
        for piece in self._outer.unpack(packed):
            yield from self._inner.unpack(piece)


def _parts(packed: bytes) -> Iterator[bytes]:
    if len(packed) <= _INPUT:
        yield packed
    else:
        for begin in range(0, len(packed), _INPUT):
            yield packed[begin : begin + _INPUT]


_DECODERS: dict[str, Callable[[], Decoder]] = {
    "gzip": _Gzip,
    "deflate": _Deflate,
    "br": _Brotli,
    "zstd": _Zstd,
    "x-gzip": _Gzip,  # RFC 9110, section 8.4.1.3: the same, by its old name
}
ACCEPT_ENCODING = ", ".join(name for name in _DECODERS if not name.startswith("x-"))
