from __future__ import annotations

import asyncio
import gzip
import random
import sys
import time
import tracemalloc
import zlib
from collections.abc import Awaitable, Callable
from typing import Any

import brotli
import pytest
from endpoints import head, packed, raw_deflated, windowed

from crawler.errors import BodyTooLarge, MalformedResponse, TruncatedBody
from crawler.fetch.coding import ACCEPT_ENCODING, STEP, Decoder, Undecodable, decoder_of
from crawler.fetch.http import HttpFetcher
from crawler.request import Request

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

OpenFetcher = Callable[..., HttpFetcher]
StartRaw = Callable[..., Awaitable[Any]]  # of a RawServer, in conftest.py
MiB = 1024 * 1024
PACKERS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "gzip": ("gzip", gzip.compress),
    "deflate": ("deflate", zlib.compress),
    "deflate without its header": ("deflate", raw_deflated),
    "br": ("br", lambda body: brotli.compress(body, quality=5)),
    "zstd": ("zstd", zstd.compress),
    "br in gzip": ("br, gzip", lambda body: gzip.compress(brotli.compress(body, quality=5))),
}
RANDOM = random.Random(1)
TEXT = " ".join(RANDOM.choice(["one", "two", "three", "four"]) for _ in range(60_000)).encode()
NOISE = RANDOM.randbytes(300_000)


def decoder(coding: str) -> Decoder:
    found = decoder_of([coding])
    assert found is not None
    return found


def unpacked(coding: str, *parts: bytes) -> bytes:
    """What the *parts* of a body unfold to, if they are the whole of it."""
    unpacker = decoder(coding)
    pieces = [piece for part in parts for piece in unpacker.unpack(part)]
    assert all(0 < len(piece) <= STEP for piece in pieces)
    assert unpacker.is_whole
    return b"".join(pieces)


@pytest.mark.parametrize("name", PACKERS)
@pytest.mark.parametrize(
    "body", [b"", b"a", TEXT, NOISE, bytes(5 * MiB)], ids=["none", "one", "text", "noise", "zeros"]
)
def test_a_body_comes_out_as_it_went_in_however_it_is_cut(name: str, body: bytes) -> None:
    coding, pack = PACKERS[name]
    whole = pack(body)
    assert unpacked(coding, whole) == body
    size = 1 if len(whole) < 3_000 else 1_009
    assert unpacked(coding, *(whole[begin : begin + size] for begin in range(0, len(whole), size))) == body


@pytest.mark.parametrize("name", PACKERS)
def test_a_body_that_is_cut_anywhere_is_not_whole(name: str) -> None:
    coding, pack = PACKERS[name]
    whole = pack(b"<p>hello, hello</p>")
    for end in range(1, len(whole)):
        unpacker = decoder(coding)
        list(unpacker.unpack(whole[:end]))
        assert not unpacker.is_whole, end


@pytest.mark.parametrize("coding", ["gzip", "x-gzip", "deflate", "br", "zstd", "gzip, br"])
def test_no_bytes_are_a_whole_body(coding: str) -> None:
    assert decoder(coding).is_whole


TAKEN_AS_IT_IS = [[], [""], ["identity"], ["utf-8"], ["compress"], ["gzip, utf-8"], ["gzip;q=1"], [" , identity"]]


@pytest.mark.parametrize("values", TAKEN_AS_IT_IS, ids=str)
def test_a_coding_that_nobody_knows_leaves_the_body_as_it_is(values: list[str]) -> None:
    assert decoder_of(values) is None


@pytest.mark.parametrize(
    "values", [["GZip"], ["  gzip "], ["x-gzip"], ["gzip,identity"], ["identity", "gzip"]], ids=str
)
def test_names_are_read_as_they_are_written_on_the_web(values: list[str]) -> None:
    found = decoder_of(values)
    assert found is not None
    assert b"".join(found.unpack(gzip.compress(TEXT))) == TEXT


def test_the_last_coding_told_is_undone_first() -> None:
    assert unpacked("br, gzip", gzip.compress(brotli.compress(TEXT))) == TEXT
    found = decoder_of(["br", "gzip"])
    assert found is not None
    assert b"".join(found.unpack(gzip.compress(brotli.compress(TEXT)))) == TEXT


@pytest.mark.parametrize("count", [3, 100])
def test_more_than_two_codings_are_refused(count: int) -> None:
    with pytest.raises(Undecodable, match=f"{count} content codings"):
        decoder_of([", ".join(["gzip"] * count)])


def test_what_we_ask_for_we_can_unpack() -> None:
    assert ACCEPT_ENCODING == "gzip, deflate, br, zstd"
    assert all(decoder_of([name]) is not None for name in ACCEPT_ENCODING.split(", "))


@pytest.mark.parametrize("tail", [b"\0", bytes(1000), b"junk", b"\x1f", b"\x1fjunk", b"\r\n"])
def test_what_follows_gzip_and_deflate_is_ignored(tail: bytes) -> None:
    for coding, pack in (("gzip", gzip.compress), ("deflate", zlib.compress), ("deflate", raw_deflated)):
        whole = pack(TEXT) + tail
        assert unpacked(coding, whole) == TEXT
        assert unpacked(coding, whole[: -len(tail)], *(tail[at : at + 1] for at in range(len(tail)))) == TEXT


@pytest.mark.parametrize("name", ["br", "zstd"])
def test_what_follows_br_and_zstd_is_refused(name: str) -> None:
    coding, pack = PACKERS[name]
    for parts in ([pack(TEXT) + b"junk"], [pack(TEXT), b"junk"]):
        with pytest.raises(Undecodable):
            unpacked(coding, *parts)


def test_members_and_frames_are_joined() -> None:
    assert unpacked("gzip", b"".join(gzip.compress(TEXT[at : at + 9]) for at in range(0, 900, 9))) == TEXT[:900]
    assert unpacked("zstd", b"".join(zstd.compress(TEXT[at : at + 9]) for at in range(0, 900, 9))) == TEXT[:900]


@pytest.mark.parametrize(("coding", "pack"), [("gzip", gzip.compress), ("zstd", zstd.compress)])
def test_a_flood_of_empty_members_ends_soon(coding: str, pack: Callable[[bytes], bytes]) -> None:
    begun = time.process_time()
    with pytest.raises(Undecodable, match=r"more than 1000 (members|frames)"):
        unpacked(coding, pack(b"") * 300_000)
    assert time.process_time() - begun < 1


def test_a_window_that_a_browser_would_not_open_is_refused() -> None:
    assert unpacked("zstd", windowed(TEXT, 23)) == TEXT
    with pytest.raises(Undecodable):
        unpacked("zstd", windowed(TEXT, 24))


@pytest.mark.parametrize("name", ["gzip", "deflate", "br", "zstd"])
def test_a_corrupt_body_is_refused_or_not_whole(name: str) -> None:
    coding, pack = PACKERS[name]
    whole = pack(TEXT)
    wrong = 0
    for _ in range(200):
        at = RANDOM.randrange(len(whole))
        broken = whole[:at] + bytes([whole[at] ^ 1 << RANDOM.randrange(8)]) + whole[at + 1 :]
        unpacker = decoder(coding)
        try:
            body = b"".join(unpacker.unpack(broken))
        except Undecodable:
            continue
        wrong += unpacker.is_whole and body != TEXT
    assert wrong == 0 or coding in {"br", "zstd"}  # these have no check sum, or not always


# Over a connection.


@pytest.mark.parametrize("name", ["gzip", "deflate", "br", "zstd", "br in gzip"])
async def test_a_bomb_is_given_up_soon_and_keeps_nobody_waiting(
    raw_server: StartRaw, open_fetcher: OpenFetcher, name: str
) -> None:
    coding, pack = PACKERS[name]
    bomb = pack(bytes(256 * MiB))
    server = await raw_server(packed(bomb, coding))
    fetcher = open_fetcher(max_body=32 * MiB)
    lags: list[float] = []
    watching = asyncio.create_task(watch(lags))
    tracemalloc.start()
    begun = time.perf_counter()
    try:
        with pytest.raises(BodyTooLarge):
            await fetcher.fetch(Request(server.url))
        took = time.perf_counter() - begun
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
        watching.cancel()
    assert peak < 64 * MiB
    assert took < 2  # 0.1 s where nothing else runs
    assert sorted(lags)[len(lags) // 2] < 0.05


async def watch(lags: list[float]) -> None:
    """How long the loop lets others wait."""
    while True:
        begun = time.perf_counter()
        await asyncio.sleep(0)
        lags.append(time.perf_counter() - begun)


async def test_a_head_request_for_a_packed_page_has_no_body(raw_server: StartRaw, open_fetcher: OpenFetcher) -> None:
    server = await raw_server(head("Content-Encoding: gzip", "Content-Length: 100"))
    response = await open_fetcher().fetch(Request(server.url, method="HEAD"))
    assert (response.status, response.body) == (200, b"")


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd"])
async def test_errors_of_a_packed_body_say_which(raw_server: StartRaw, open_fetcher: OpenFetcher, coding: str) -> None:
    _, pack = PACKERS[coding]
    half, junk = await raw_server(packed(pack(TEXT)[:-9], coding)), await raw_server(packed(b"<html>" * 9, coding))
    with pytest.raises(TruncatedBody, match="end mark"):
        await open_fetcher().fetch(Request(half.url))
    with pytest.raises(MalformedResponse, match="cannot be unpacked"):
        await open_fetcher().fetch(Request(junk.url))


async def test_junk_without_an_end_behind_a_packed_page_is_too_large(
    raw_server: StartRaw, open_fetcher: OpenFetcher
) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(head("Content-Encoding: gzip") + gzip.compress(b"page"))
        while True:
            writer.write(bytes(10_000))
            await writer.drain()

    server = await raw_server(talk)
    with pytest.raises(BodyTooLarge):
        await open_fetcher(max_body=MiB).fetch(Request(server.url))
