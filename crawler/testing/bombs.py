"""Attacks on memory: little bodies that unfold to much, and bodies in a great many pieces."""

from __future__ import annotations

import asyncio
import gzip
import struct
import sys
import zlib
from collections.abc import Callable, Iterator, Sequence
from functools import cache, reduce

import brotli  # type: ignore[import-untyped]  # it has no types

from crawler.testing.attack import Attack, Play, Visit, answer, head

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

MiB = 1024 * 1024
_UNFOLDED = 256
"""MiB that a bomb unfolds to: eight times the bodies that this crawler takes."""


async def _pieces(visit: Visit, raw: bytes) -> None:
    for begin in range(0, len(raw), 65_536):
        await visit.send(raw[begin : begin + 65_536])


def _packed(make: Callable[[], bytes], *codings: str, status: str = "200 OK", lines: Sequence[str] = ()) -> Play:
    """*make* is called when somebody asks for it, in a thread: other attacks go on meanwhile."""

    async def play(visit: Visit) -> None:
        body = await asyncio.to_thread(make)
        names = [f"Content-Encoding: {', '.join(codings)}"] if codings else []
        await visit.send(head(f"Content-Length: {len(body)}", *names, *lines, status=status))
        await _pieces(visit, body)

    return play


def _zeros() -> Iterator[bytes]:
    piece = bytes(MiB)
    for _ in range(_UNFOLDED):
        yield piece


@cache
def gzip_bomb() -> bytes:
    check = reduce(lambda so_far, piece: zlib.crc32(piece, so_far), _zeros(), 0)
    return b"\x1f\x8b\x08\0\0\0\0\0\0\xff" + raw_deflate_bomb() + struct.pack("<II", check, _UNFOLDED * MiB)


@cache
def deflate_bomb() -> bytes:
    check = reduce(lambda so_far, piece: zlib.adler32(piece, so_far), _zeros(), 1)
    return b"\x78\xda" + raw_deflate_bomb() + struct.pack(">I", check)


@cache
def raw_deflate_bomb() -> bytes:
    """Packed once: after a full flush the next piece is packed to the same bytes."""
    packer = zlib.compressobj(9, wbits=-15)
    piece = packer.compress(bytes(MiB)) + packer.flush(zlib.Z_FULL_FLUSH)
    return piece * _UNFOLDED + packer.flush()


@cache
def br_bomb() -> bytes:
    packer = brotli.Compressor(quality=3)
    raw: bytes = b"".join(map(packer.process, _zeros())) + packer.finish()
    return raw


@cache
def zstd_bomb() -> bytes:
    packer = zstd.ZstdCompressor()
    return b"".join(map(packer.compress, _zeros())) + packer.flush()


@cache
def gzip_of_gzip() -> bytes:
    return gzip.compress(gzip_bomb(), mtime=0)


@cache
def br_of_gzip() -> bytes:
    raw: bytes = brotli.compress(gzip_bomb())
    return raw


@cache
def many_members() -> bytes:
    return gzip.compress(b"", mtime=0) * 300_000


@cache
def big_members() -> bytes:
    """Each within reason; there are many."""
    return gzip.compress(bytes(MiB), mtime=0) * _UNFOLDED


@cache
def empty_blocks() -> bytes:
    """A stream of stored blocks without a byte in them: work for nothing."""
    return b"\x1f\x8b\x08\0\0\0\0\0\0\xff" + b"\0\0\0\xff\xff" * 2_000_000


@cache
def long_name() -> bytes:
    """A gzip header with a file name of 8 MB."""
    return b"\x1f\x8b\x08\x08\0\0\0\0\0\xff" + b"n" * (8 * MiB) + b"\0" + gzip.compress(b"hello", mtime=0)[10:]


def _chunks(size: int, times: int) -> Play:
    async def play(visit: Visit) -> None:
        await visit.send(head("Transfer-Encoding: chunked"))
        chunk = b"%x\r\n%b\r\n" % (size, b"x" * size)
        wave = chunk * (65_536 // len(chunk) or 1)
        whole, rest = divmod(times, len(wave) // len(chunk))
        for _ in range(whole):
            await visit.send(wave)
        await visit.send(chunk * rest + b"0\r\n\r\n")

    return play


_BODY_OF_A_REDIRECT = _packed(gzip_bomb, "gzip", status="302 Found", lines=["Location: /page"])
_HUGE = head("Content-Length: 99999999999")

ATTACKS = (
    Attack("gzip bomb", _packed(gzip_bomb, "gzip"), "body_too_large"),
    Attack("deflate bomb", _packed(deflate_bomb, "deflate"), "body_too_large"),
    Attack("raw deflate bomb", _packed(raw_deflate_bomb, "deflate"), "body_too_large"),
    Attack("br bomb", _packed(br_bomb, "br"), "body_too_large"),
    Attack("zstd bomb", _packed(zstd_bomb, "zstd"), "body_too_large"),
    Attack("gzip of gzip bomb", _packed(gzip_of_gzip, "gzip", "gzip"), "body_too_large"),
    Attack("br of gzip bomb", _packed(br_of_gzip, "gzip", "br"), "body_too_large"),
    Attack("bomb of many gzip members", _packed(big_members, "gzip"), "body_too_large"),
    Attack("300,000 empty gzip members", _packed(many_members, "gzip"), "malformed_response"),
    Attack("2,000,000 empty deflate blocks", _packed(empty_blocks, "gzip"), "truncated_body"),
    Attack("gzip with a name of 8 MB", _packed(long_name, "gzip")),
    Attack(
        "100 codings",
        answer(gzip.compress(b"", mtime=0), "Content-Encoding: " + "gzip, " * 99 + "gzip"),
        "malformed_response",
    ),
    Attack("100 lines of codings", answer(b"", *["Content-Encoding: gzip"] * 100), "malformed_response"),
    Attack("bomb in a 302", _BODY_OF_A_REDIRECT, requests=3),
    Attack("bomb in a 404", _packed(gzip_bomb, "gzip", status="404 Not Found"), "body_too_large"),
    Attack("bomb in a 500", _packed(br_bomb, "br", status="500 Oops"), "body_too_large"),
    Attack("bomb in a robots.txt", _packed(gzip_bomb, "gzip"), place="/robots.txt"),
    Attack("br bomb in a robots.txt", _packed(br_bomb, "br"), place="/robots.txt"),
    Attack("bomb in a sitemap", _packed(gzip_bomb, "gzip"), "body_too_large", is_sitemap=True),
    Attack("bomb that is a sitemap.xml.gz", _packed(gzip_bomb), is_sitemap=True),
    Attack("bomb in a sitemap.xml.gz that is packed once more", _packed(gzip_of_gzip, "gzip"), is_sitemap=True),
    Attack("a length of 100 GB", _HUGE, "body_too_large"),
    Attack("a chunked body of 40 MB", _chunks(65_536, 640), "body_too_large"),
    Attack("2,000,000 chunks of one byte", _chunks(1, 2_000_000), "malformed_response"),
    Attack("400,000 chunks of ten bytes", _chunks(10, 400_000)),
)
