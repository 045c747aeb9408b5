"""What takes bytes off the wire, and what writes them down and reads them back."""

from __future__ import annotations

import random
import sys
import tomllib
import zlib
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import brotli
from endpoints import ENDPOINTS
from inputs import Target, octets, text
from seeds import octets_of, pages, texts_of
from web_targets import A_FIELD, A_URL

from crawler import config
from crawler.errors import ConfigError
from crawler.fetch import cache_codec
from crawler.fetch.chunks import BadChunk, Chunks
from crawler.fetch.coding import STEP, Undecodable, decoder_of
from crawler.fetch.mend import Unmendable, mended
from crawler.frontier.schema import entry_of, pack
from crawler.http.caching import Stored
from crawler.request import Entry, Request
from crawler.response import Headers
from crawler.urls.url import address

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

HEAD_WORDS = [b"\r\n", b"\n", b"\r", b" ", b"\t", b":", b"\0", b"HTTP/1.1 ", b"HTTP/1.0", b"http", b"HTTP/", b"200", b"304", b"100 Continue", b"Content-Length: ", b"Content-Length: 12\r\n", b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding: ", b"Content-Encoding: gzip\r\n", b"Content-Encoding: ", b"br", b"zstd", b"deflate", b"Set-Cookie: a=b\r\n", b"Location: ", b"Connection: close\r\n", b"Connection: ", b"keep-alive", b"Content-Type: ", b"chunked", b",", b";", b"0\r\n\r\n", b"c\r\n<p>hello</p>\r\n", b"fffffffff\r\n", b"+1", b"-1", b"_", b"HTTP/1.1 200 OK\r\n\r\n"]  # fmt: skip
REPLIES = [endpoint.reply for endpoint in ENDPOINTS if len(endpoint.reply) < 100_000]
BODIES = [
    b"",
    b"<p>hello</p>",
    b"a" * 3_000,
    bytes(range(256)) * 8,
    *[page for page in pages() if len(page) > 500][:10],
]
PACKED = [pack_body for body in BODIES for pack_body in (zlib.compress(body, wbits=31), zlib.compress(body), zlib.compress(body, wbits=-15), brotli.compress(body), zstd.compress(body), zlib.compress(body, wbits=31) * 2, zlib.compress(brotli.compress(body), wbits=31))]  # fmt: skip
CODINGS: Sequence[str] = ("gzip", "deflate", "br", "zstd", "x-gzip", "gzip, br", "br, gzip", "zstd, deflate")
_MOST = 32 * STEP


def _heads(raw: bytes) -> None:
    head = mended(raw + b"\r\n\r\n")
    assert head.startswith((b"HTTP/1.1 ", b"HTTP/1.0 "))
    assert b"\0" not in head
    first, *lines = head.removesuffix(b"\r\n\r\n").split(b"\r\n")
    status = first.split(b" ")[1]
    assert status.isdigit()
    assert len(status) == 3
    assert all(b":" in line and line[:1] not in b" \t:" for line in lines), lines
    names = [line.partition(b":")[0].lower() for line in lines]
    assert names.count(b"content-length") + names.count(b"transfer-encoding") <= 1


def _chunks(raw: bytes) -> None:
    whole, size = _unchunked([raw])
    pieces = random.Random(len(raw)).choice((1, 2, 7, 100))
    by_piece, _ = _unchunked([raw[at : at + pieces] for at in range(0, len(raw), pieces)])
    assert whole == by_piece
    assert size <= len(raw)


def _unchunked(pieces: Sequence[bytes]) -> tuple[object, int]:
    """Body and surplus; or the error."""
    chunks, body, surplus = Chunks(), b"", b""
    try:
        for piece in pieces:
            if chunks.is_over:
                surplus += piece
                continue
            found, rest = chunks.take(piece)
            body += found
            surplus += rest
    except BadChunk:
        return "bad", 0
    return (body, surplus, chunks.is_over), len(body)


def _codings(packed: bytes, coding: str) -> None:
    names = coding if coding in CODINGS else CODINGS[len(packed) % len(CODINGS)]
    outcomes = []
    for size in (len(packed) or 1, 1 + len(packed) // 7):
        decoder = decoder_of([names])
        assert decoder is not None
        body, made = b"", 0
        try:
            for at in range(0, len(packed), size):
                for piece in decoder.unpack(packed[at : at + size]):
                    assert 0 < len(piece) <= STEP
                    made += len(piece)
                    body += piece[: max(0, STEP - len(body))]
                    if made > _MOST:
                        return
            outcomes.append((decoder.is_whole, body))
        except Undecodable:
            outcomes.append((False, b""))
    if "zstd" in names and len({whole for whole, _ in outcomes}) > 1:
        return  # its library forgets to compare the size in a frame's head if the frame ends with an empty block, in pieces
    assert outcomes[0] == outcomes[1], (names, [whole for whole, _ in outcomes])


def _settings(toml: str) -> None:
    try:
        tables = tomllib.loads(toml)
    except (tomllib.TOMLDecodeError, RecursionError):
        tables = {}
    with TemporaryDirectory() as folder:
        file = Path(folder) / "config.toml"
        file.write_text(toml, "utf-8", "surrogatepass")
        project = config.read_project(file)
        settings = config.resolve(project, environment={})
        for group in config.GROUPS:
            settings.options(group)
            settings.hosts_of(group)
        assert tables is not None


def _overrides(name: str, value: str) -> None:
    settings = config.resolve(config.Project(Path("/nowhere")), overrides={name: value}, environment={})
    for group in config.GROUPS:
        settings.options(group)


def _entries(url: str, referrer: str) -> None:
    target = address(url)
    if target is None:
        return
    request = Request(target.href, headers={"A": referrer}, meta={referrer: [url, 1.5, None]}, form={"a": url})
    entry = Entry(request, target.host, target.origin, hash(url) % 2**64, 2, 1, 0, (target.href,), target.href, 3, 9)
    assert entry_of(entry.number, entry.host, entry.fingerprint, pack(entry)) == entry


def _cache(name: str, value: str, body: bytes) -> None:
    raw = value.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape").replace("\n", " ")
    headers = Headers([(name.replace("\n", ""), raw), ("A", "b")])
    key = cache_codec.Key(b"u" * 8, b"v" * 8)
    stored = Stored(200, headers, 1.5, 2.5, (("accept", value[:20].encode("ascii", "ignore").decode()),), body)
    *_, vary, head, packed = cache_codec.row_of(key, stored)
    assert cache_codec.stored_from(key, cache_codec.vary_from(vary), head, packed) == stored
    for damaged in (packed[:-1], packed[:9] + body[:20] + b"!", b""):
        try:
            read = cache_codec.stored_from(key, cache_codec.vary_from(vary), head, damaged)
        except ValueError:
            continue
        assert read == stored, "a damaged row was read"


def _damaged_cache(data: bytes) -> None:
    for read in (cache_codec.unpacked, cache_codec.vary_from):
        try:
            read(data)
        except ValueError:
            pass


TOML = ["[crawl]\ndelay = 1.0\n", '[host."a.example"]\ndelay = 2\n', '[spider.books]\nconcurrency = 3\n', '[project]\nspiders = ["spiders"]\noutput = "a.csv"\n', *[text for text in texts_of("test_config.py", "cli/test_cli_settings.py") if "=" in text]]  # fmt: skip
TOML_WORDS = ["[", "]", "[[", "]]", "=", "{", "}", '"', "'", '"""', "'''", "#", "\n", ".", ",", "true", "nan", "inf", "1979-05-27", "0x_", "[crawl]", "[host.", "[spider.", "[project]", "a.b.c = 1", *config.SETTINGS]  # fmt: skip

TARGETS = [
    Target("a head is mended", _heads, (octets([reply.partition(b"\r\n\r\n")[0] for reply in REPLIES], HEAD_WORDS),), ours=(Unmendable,)),
    Target("chunks are undone", _chunks, (octets([reply.partition(b"\r\n\r\n")[2] for reply in REPLIES if b"chunked" in reply], [b"\r\n", b"\n", b"0", b"1", b"c", b"ff", b";", b"a=b", b" "]),)),
    Target("a body is unpacked", _codings, (octets(PACKED), text(CODINGS)), share=2.0),
    Target("a config.toml is read", _settings, (text(TOML, TOML_WORDS),), ours=(ConfigError,)),
    Target("a setting is given", _overrides, (text(list(config.SETTINGS)), text(["1", "[]", "{}", "true", *texts_of("test_config.py")], TOML_WORDS)), ours=(ConfigError,)),
    Target("an entry is kept", _entries, (A_URL, A_FIELD), ours=(ValueError,)),
    Target("a cached answer is kept", _cache, (A_FIELD, A_FIELD, octets(pages()))),
    Target("a damaged cache is read", _damaged_cache, (octets(PACKED + octets_of("fetch/test_cache.py"), [b"\0", b"\1", b"\2"]),)),
]  # fmt: skip
