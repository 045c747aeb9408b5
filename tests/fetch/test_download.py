"""Downloads over the wire: whole files under safe names, gone on with where they broke off."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from file_server import File

from crawler import Download
from crawler.errors import (
    DownloadChanged,
    DownloadMisplaced,
    DownloadTooLarge,
    DownloadUnwanted,
    FetchError,
    FetchTimeout,
    InvalidRequest,
    MalformedResponse,
    SinkError,
    TruncatedBody,
)
from crawler.fetch.download import PARTIAL, Downloads
from crawler.fetch.fetcher import FetchOptions
from crawler.fetch.http import HttpFetcher

BODY = bytes(range(256)) * 4_000
"""1 MB, so that there are several writes."""
DIGEST = hashlib.sha256(BODY).hexdigest()
BY_CONTENT = f"downloads/{DIGEST[:2]}/{DIGEST}"


@pytest.fixture
async def open_saver(tmp_path: Path) -> AsyncIterator[Callable[..., HttpFetcher]]:
    """Makes fetchers that save below ``tmp_path/downloads``; closed at the end of the test."""
    fetchers: list[HttpFetcher] = []

    def open_one(**options: Any) -> HttpFetcher:
        downloads = Downloads(tmp_path / "downloads", tmp_path, "books", syncs=False)
        fetchers.append(
            HttpFetcher(FetchOptions(**{"allow_private_hosts": True, **options}), downloads=downloads, room=None)
        )
        return fetchers[-1]

    yield open_one
    for fetcher in fetchers:
        await fetcher.close()


def on_disk(folder: Path) -> dict[str, bytes]:
    """Every file in it, those of parts as well."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def parts(folder: Path) -> list[str]:
    """The endings of what lies in ``.partial``."""
    return sorted(path.suffix for path in (folder / "downloads" / PARTIAL).glob("*"))


async def test_a_file_is_whole_named_by_its_content_and_told_of(
    raw_server: Any, open_saver: Any, tmp_path: Path
) -> None:
    file = File(BODY, media_type="Application/PDF; q=1", disposition='attachment; filename="a b.pdf"')
    server = await raw_server(file.talk)
    response = await open_saver().fetch(Download(server.url + "x.php"))
    saved = response.saved
    assert (response.status, response.body, saved.path) == (200, b"", f"{BY_CONTENT}.pdf")
    assert (saved.file, saved.bytes, saved.sha256) == (str(tmp_path / saved.path), len(BODY), DIGEST)
    assert (saved.media_type, saved.name, saved.is_duplicate) == ("application/pdf", "a b.pdf", False)
    assert saved.received == len(BODY)
    assert on_disk(tmp_path) == {saved.path: BODY}
    assert "accept-encoding: identity\r\n" in file.heads[0].lower()


async def test_what_broke_off_is_gone_on_with(raw_server: Any, open_saver: Any, tmp_path: Path) -> None:
    file = File(BODY, cuts=[300_000, 400_000])
    server = await raw_server(file.talk)
    fetcher, request = open_saver(), Download(server.url + "a.bin")
    for _ in range(2):
        with pytest.raises(TruncatedBody):
            await fetcher.fetch(request)
    assert parts(tmp_path) == [".json", ".part"]
    response = await fetcher.fetch(request)
    assert (file.ranges, response.status) == (["", "bytes=300000-", "bytes=700000-"], 200)
    assert response.saved.received == len(BODY) - 700_000
    assert on_disk(tmp_path) == {f"{BY_CONTENT}.bin": BODY}


async def test_a_crawl_that_comes_later_goes_on_with_it_too(raw_server: Any, open_saver: Any, tmp_path: Path) -> None:
    file = File(BODY, cuts=[300_000])
    server = await raw_server(file.talk)
    first = open_saver()
    with pytest.raises(TruncatedBody):
        await first.fetch(Download(server.url))
    await first.close()
    await open_saver().fetch(Download(server.url))
    assert file.ranges == ["", "bytes=300000-"]
    assert on_disk(tmp_path) == {BY_CONTENT: BODY}


async def test_a_part_has_a_strong_date_as_its_validator_if_there_is_no_tag(
    raw_server: Any, open_saver: Any, tmp_path: Path
) -> None:
    file = File(BODY, etag="", modified="Sun, 29 Nov 2026 09:00:00 GMT", cuts=[300_000])
    server = await raw_server(file.talk)
    fetcher = open_saver()
    with pytest.raises(TruncatedBody):
        await fetcher.fetch(Download(server.url))
    await fetcher.fetch(Download(server.url))
    assert file.ranges == ["", "bytes=300000-"]
    assert "if-range: Sun, 29 Nov 2026 09:00:00 GMT" in file.heads[1].replace("If-Range", "if-range")


@pytest.mark.parametrize(
    "how",
    [
        {"etag": 'W/"weak"'},
        {"etag": ""},
        {"etag": "", "modified": "Sun, 29 Nov 2026 09:59:30 GMT"},
        {"etag": "", "modified": "yesterday"},
        {"extra": "Accept-Ranges: none\r\n"},
    ],
    ids=str,
)
async def test_without_a_strong_validator_nothing_is_joined(
    how: dict[str, str], raw_server: Any, open_saver: Any, tmp_path: Path
) -> None:
    file = File(BODY, cuts=[300_000], **how)
    server = await raw_server(file.talk)
    fetcher = open_saver()
    with pytest.raises(TruncatedBody):
        await fetcher.fetch(Download(server.url))
    assert parts(tmp_path) == []
    await fetcher.fetch(Download(server.url))
    assert (file.ranges, on_disk(tmp_path)) == (["", ""], {BY_CONTENT: BODY})


async def test_a_file_that_changed_between_two_tries_is_fetched_from_its_begin(
    raw_server: Any, open_saver: Any, tmp_path: Path
) -> None:
    file = File(b"x" * 500_000, cuts=[300_000])
    server = await raw_server(file.talk)
    fetcher = open_saver()
    with pytest.raises(TruncatedBody):
        await fetcher.fetch(Download(server.url))
    file.body, file.etag = BODY, '"two"'
    await fetcher.fetch(Download(server.url))
    assert (file.ranges, on_disk(tmp_path)) == (["", "bytes=300000-"], {BY_CONTENT: BODY})


async def test_a_server_without_ranges_sends_it_all_again(raw_server: Any, open_saver: Any, tmp_path: Path) -> None:
    file = File(BODY, cuts=[300_000], heeds_ranges=False)
    server = await raw_server(file.talk)
    fetcher = open_saver()
    with pytest.raises(TruncatedBody):
        await fetcher.fetch(Download(server.url))
    response = await fetcher.fetch(Download(server.url))
    assert (response.saved.received, on_disk(tmp_path)) == (len(BODY), {BY_CONTENT: BODY})


TAIL = len(BODY) - 300_000
LIES = {
    "another begin": (f"206 P\r\nContent-Range: bytes 0-{len(BODY) - 1}/{len(BODY)}", BODY, "from 0 on came"),
    "another whole": (
        f"206 P\r\nContent-Range: bytes 300000-{len(BODY)}/{len(BODY) + 1}",
        BODY[300_000:] + b"x",
        "now",
    ),
    "another file": (
        f'206 P\r\nETag: "two"\r\nContent-Range: bytes 300000-{len(BODY) - 1}/{len(BODY)}',
        BODY[300_000:],
        "changed meanwhile",
    ),
    "no range": ("206 P", BODY[300_000:], "says not which"),
    "backwards": (f"206 P\r\nContent-Range: bytes 300000-9/{len(BODY)}", b"x", "contradicts itself"),
    "past the end": (f"206 P\r\nContent-Range: bytes 300000-{len(BODY)}/{len(BODY)}", b"x", "contradicts itself"),
    "in several": ("206 P\r\nContent-Type: multipart/byteranges; boundary=a", b"--a--", "several ranges"),
    "packed": (
        f"206 P\r\nContent-Encoding: gzip\r\nContent-Range: bytes 300000-{len(BODY) - 1}/{len(BODY)}",
        gzip.compress(BODY[300_000:]),
        "packed",
    ),
    "more than there is": (
        f"206 P\r\nContent-Range: bytes 300000-{len(BODY) - 1}/{len(BODY)}",
        BODY[300_000:] + b"more",
        "more than",
    ),
    "nothing there": (f"416 R\r\nContent-Range: bytes */{len(BODY)}", b"", "no bytes after"),
}


@pytest.mark.parametrize("lie", LIES)
async def test_a_lie_about_a_range_costs_the_part_and_no_more(
    lie: str, raw_server: Any, open_saver: Any, tmp_path: Path
) -> None:
    head, body, words = LIES[lie]
    file = File(BODY, cuts=[300_000])
    lies = [b"HTTP/1.1 %b\r\nContent-Length: %d\r\n\r\n%b" % (head.encode(), len(body), body)]

    async def talk(reader: Any, writer: Any) -> None:
        if len(file.ranges) == 1 and lies:
            file.heads.append((await reader.readuntil(b"\r\n\r\n")).decode())
            writer.write(lies.pop())
            await writer.drain()
        else:
            await file.talk(reader, writer)

    server = await raw_server(talk)
    fetcher = open_saver()
    with pytest.raises(TruncatedBody):
        await fetcher.fetch(Download(server.url))
    with pytest.raises(DownloadChanged, match=words):
        await fetcher.fetch(Download(server.url))
    assert parts(tmp_path) == []
    await fetcher.fetch(Download(server.url))
    assert (file.ranges, on_disk(tmp_path)) == (["", ""], {BY_CONTENT: BODY})


async def test_a_server_that_sends_less_than_was_asked_for_is_asked_again(
    raw_server: Any, open_saver: Any, tmp_path: Path
) -> None:
    size = len(BODY)
    answers = [
        b'HTTP/1.1 200 OK\r\nETag: "one"\r\nContent-Length: %d\r\n\r\n%b' % (size, BODY[:500]),
        b"HTTP/1.1 206 P\r\nContent-Range: bytes 500-599/%d\r\nContent-Length: 100\r\n\r\n%b" % (size, BODY[500:600]),
        b"HTTP/1.1 206 P\r\nContent-Range: bytes 600-%d/*\r\nContent-Length: %d\r\n\r\n%b"
        % (size - 1, size - 600, BODY[600:]),
    ]

    async def talk(reader: Any, writer: Any) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answers.pop(0))
        await writer.drain()

    server = await raw_server(talk)
    fetcher = open_saver()
    for _ in range(2):
        with pytest.raises(TruncatedBody):
            await fetcher.fetch(Download(server.url))
    await fetcher.fetch(Download(server.url))
    assert on_disk(tmp_path) == {BY_CONTENT: BODY}


def damage_nothing(part: Path, note: Path) -> None:
    """The control: of what is left as it is the first 300,000 bytes are not asked for."""


def shorten(part: Path, note: Path) -> None:
    os.truncate(part, 1000)


def flip(part: Path, note: Path) -> None:
    part.write_bytes(b"\xff" + part.read_bytes()[1:])


def garble(part: Path, note: Path) -> None:
    note.write_bytes(b'{"size": -1')


def boast(part: Path, note: Path) -> None:
    note.write_text(json.dumps({**json.loads(note.read_text()), "size": 10**12}))


def shrink(part: Path, note: Path) -> None:
    note.write_text(json.dumps({**json.loads(note.read_text()), "total": 5}))


def name_twice(part: Path, note: Path) -> None:
    os.link(part, part.parent.parent / "placed")


def replace_by_a_link(part: Path, note: Path) -> None:
    victim = part.parent.parent / "placed"
    part.rename(victim)
    part.symlink_to(victim)


def link_the_note(part: Path, note: Path) -> None:
    copy = note.with_name("elsewhere")
    note.rename(copy)
    note.symlink_to(copy)


def lose_the_part(part: Path, note: Path) -> None:
    part.unlink()


def lose_the_note(part: Path, note: Path) -> None:
    note.unlink()


def grow(part: Path, note: Path) -> None:
    with part.open("ab") as file:
        file.write(b"what a dead process wrote after its last note")


DAMAGES = [
    shorten,
    flip,
    garble,
    boast,
    shrink,
    name_twice,
    replace_by_a_link,
    link_the_note,
    lose_the_part,
    lose_the_note,
]


@pytest.mark.parametrize("damage", [damage_nothing, grow, *DAMAGES], ids=lambda damage: damage.__name__)
async def test_a_damaged_part_is_not_believed(
    damage: Callable[[Path, Path], None], raw_server: Any, open_saver: Any, tmp_path: Path
) -> None:
    file = File(BODY, cuts=[300_000])
    server = await raw_server(file.talk)
    fetcher = open_saver()
    with pytest.raises(TruncatedBody):
        await fetcher.fetch(Download(server.url))
    [part] = (tmp_path / "downloads" / PARTIAL).glob("*.part")
    damage(part, part.with_suffix(".json"))
    placed = tmp_path / "downloads" / "placed"
    before = placed.read_bytes() if placed.exists() else b""

    saved = (await fetcher.fetch(Download(server.url))).saved
    assert (saved.sha256, Path(saved.file).read_bytes() == BODY) == (DIGEST, True)
    assert file.ranges == ["", "" if damage in DAMAGES else "bytes=300000-"]
    assert (placed.read_bytes() if placed.exists() else b"") == before


async def test_a_part_that_is_whole_but_for_its_name_costs_one_byte(
    raw_server: Any, open_saver: Any, tmp_path: Path
) -> None:
    file = File(BODY)
    server = await raw_server(file.talk)
    (tmp_path / "downloads").mkdir()
    (tmp_path / "downloads" / DIGEST[:2]).write_text("in the way")
    fetcher = open_saver()
    with pytest.raises(DownloadMisplaced, match="is a link or a file, where a folder should be"):
        await fetcher.fetch(Download(server.url))
    (tmp_path / "downloads" / DIGEST[:2]).unlink()
    response = await fetcher.fetch(Download(server.url))
    assert (response.saved.received, file.ranges[1]) == (1, f"bytes={len(BODY) - 1}-")
    assert on_disk(tmp_path) == {BY_CONTENT: BODY}


async def test_the_same_content_is_one_file(raw_server: Any, open_saver: Any, tmp_path: Path) -> None:
    server = await raw_server(File(BODY).talk)
    fetcher = open_saver()
    saved = [(await fetcher.fetch(Download(f"{server.url}{name}"))).saved for name in "abc"]
    assert [each.is_duplicate for each in saved] == [False, True, True]
    assert {each.path for each in saved} == {BY_CONTENT}
    assert on_disk(tmp_path) == {BY_CONTENT: BODY}


async def test_a_torn_file_of_that_name_is_mended(raw_server: Any, open_saver: Any, tmp_path: Path) -> None:
    server = await raw_server(File(BODY).talk)
    (tmp_path / BY_CONTENT).parent.mkdir(parents=True)
    (tmp_path / BY_CONTENT).write_bytes(bytes(len(BODY)))
    saved = (await open_saver().fetch(Download(server.url))).saved
    assert (saved.is_duplicate, on_disk(tmp_path)) == (False, {BY_CONTENT: BODY})


async def test_two_files_of_one_name_are_told_apart_and_none_is_written_over(
    raw_server: Any, open_saver: Any, tmp_path: Path
) -> None:
    file = File(b"one", disposition='attachment; filename="report.tar.gz"')
    server = await raw_server(file.talk)
    fetcher = open_saver()
    paths = []
    for number, body in enumerate([b"one", b"two", b"one", b"two"]):
        file.body = body
        saved = (await fetcher.fetch(Download(f"{server.url}{number}", to="{spider}/{name}"))).saved
        paths.append((saved.path, saved.is_duplicate))
    digits = hashlib.sha256(b"two").hexdigest()[:8]
    second = f"downloads/books/report.tar-{digits}.gz"
    assert paths == [
        ("downloads/books/report.tar.gz", False),
        (second, False),
        ("downloads/books/report.tar.gz", True),
        (second, True),
    ]
    assert on_disk(tmp_path) == {"downloads/books/report.tar.gz": b"one", second: b"two"}


@pytest.mark.parametrize("has_length", [True, False])
async def test_a_file_that_is_too_long_is_given_up(
    has_length: bool, raw_server: Any, open_saver: Any, tmp_path: Path
) -> None:
    server = await raw_server(File(BODY, has_length=has_length).talk)
    fetcher = open_saver(max_download=len(BODY) - 1)
    with pytest.raises(DownloadTooLarge, match=str(len(BODY) - 1)):
        await fetcher.fetch(Download(server.url))
    assert (on_disk(tmp_path), parts(tmp_path)) == ({}, [])
    await fetcher.fetch(Download(server.url, max_bytes=len(BODY)))
    assert on_disk(tmp_path) == {BY_CONTENT: BODY}


@pytest.mark.parametrize(
    ("types", "media_type", "is_wanted"),
    [
        (["application/pdf"], "application/pdf; version=1.7", True),
        (["Application/PDF"], "application/pdf", True),
        (["image/*"], "image/png", True),
        (["image/*"], "imagex/png", False),
        ("text/html", "text/html", True),
        (["*/*"], "x/y", True),
        (["application/pdf", "image/*"], "text/html", False),
        (["application/pdf"], "", False),
        (["application/pdf"], "application/pdf\x80", False),
    ],
)
async def test_a_type_is_looked_at_before_the_body(
    types: Any, media_type: str, is_wanted: bool, raw_server: Any, open_saver: Any, tmp_path: Path
) -> None:
    body = b"body" if is_wanted else b""  # of one that is not wanted nothing ever comes
    head = f"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nContent-Type: {media_type}\r\n\r\n".encode("latin-1")

    async def talk(reader: Any, writer: Any) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(head + body)
        await reader.read()

    server = await raw_server(talk)
    request = Download(server.url, types=types)
    if is_wanted:
        assert (await open_saver().fetch(request)).saved.bytes == 4
    else:
        with pytest.raises(DownloadUnwanted, match="types has"):
            await open_saver().fetch(request)
        assert on_disk(tmp_path) == {}


async def test_a_body_that_is_packed_nevertheless_is_unpacked(raw_server: Any, open_saver: Any, tmp_path: Path) -> None:
    packed = gzip.compress(BODY)
    file = File(packed, extra="Content-Encoding: gzip\r\n", cuts=[len(packed) // 2])
    server = await raw_server(file.talk)
    fetcher = open_saver()
    with pytest.raises(TruncatedBody):
        await fetcher.fetch(Download(server.url))
    await fetcher.fetch(Download(server.url))
    assert (file.ranges, on_disk(tmp_path)) == (["", ""], {BY_CONTENT: BODY})


async def test_an_archive_whose_server_calls_its_form_a_coding_stays_an_archive(
    raw_server: Any, open_saver: Any, tmp_path: Path
) -> None:
    packed = gzip.compress(BODY, mtime=0)
    file = File(packed, media_type="application/gzip", extra="Content-Encoding: gzip\r\n")
    server = await raw_server(file.talk)
    saved = (await open_saver().fetch(Download(server.url + "a.tar.gz", to="{name}"))).saved
    assert (saved.path, on_disk(tmp_path)) == ("downloads/a.tar.gz", {"downloads/a.tar.gz": packed})


async def test_a_bomb_is_given_up_at_the_limit(raw_server: Any, open_saver: Any, tmp_path: Path) -> None:
    file = File(gzip.compress(bytes(64 * 1024 * 1024)), extra="Content-Encoding: gzip\r\n")
    server = await raw_server(file.talk)
    with pytest.raises(DownloadTooLarge):
        await open_saver(max_download=1024 * 1024).fetch(Download(server.url))
    assert (on_disk(tmp_path), parts(tmp_path)) == ({}, [])


async def test_what_cannot_be_unpacked_is_no_file(raw_server: Any, open_saver: Any, tmp_path: Path) -> None:
    server = await raw_server(File(b"no gzip at all", extra="Content-Encoding: gzip\r\n").talk)
    with pytest.raises(MalformedResponse):
        await open_saver().fetch(Download(server.url))
    assert on_disk(tmp_path) == {}


async def test_a_silent_server_is_waited_for_as_long_as_the_settings_say(
    raw_server: Any, open_saver: Any, tmp_path: Path
) -> None:
    async def talk(reader: Any, writer: Any) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b'HTTP/1.1 200 OK\r\nETag: "1"\r\nContent-Length: 99\r\n\r\nbegin')
        await reader.read()

    server = await raw_server(talk)
    with pytest.raises(FetchTimeout, match=r"no complete answer in 0\.1 s"):
        await open_saver(download_timeout=0.1).fetch(Download(server.url))
    assert parts(tmp_path) == [".json", ".part"]


async def test_an_error_page_is_no_file(raw_server: Any, open_saver: Any, tmp_path: Path) -> None:
    server = await raw_server(b"HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\ngone")
    response = await open_saver().fetch(Download(server.url))
    assert (response.status, response.saved, on_disk(tmp_path)) == (404, None, {})


async def test_one_url_twice_at_a_time_is_one_file(raw_server: Any, open_saver: Any, tmp_path: Path) -> None:
    import asyncio

    server = await raw_server(File(BODY).talk)
    fetcher = open_saver()
    responses = await asyncio.gather(*(fetcher.fetch(Download(server.url)) for _ in range(8)))
    assert sorted(response.saved.is_duplicate for response in responses) == [False, *[True] * 7]
    assert on_disk(tmp_path) == {BY_CONTENT: BODY}
    await fetcher.close()
    assert not (tmp_path / "downloads" / PARTIAL).exists()


async def test_a_range_that_the_spider_asks_for_itself_is_saved_as_it_comes(
    raw_server: Any, open_saver: Any, tmp_path: Path
) -> None:
    file = File(b"0123456789")
    server = await raw_server(file.talk)
    saved = (await open_saver().fetch(Download(server.url, to="tail", headers={"Range": "bytes=6-"}))).saved
    assert (saved.bytes, on_disk(tmp_path)) == (4, {"downloads/tail": b"6789"})


async def test_a_link_in_the_folder_leads_nowhere(raw_server: Any, open_saver: Any, tmp_path: Path) -> None:
    server = await raw_server(File(BODY).talk)
    outside, folder = tmp_path / "outside", tmp_path / "downloads"
    outside.mkdir()
    folder.mkdir()
    (outside / "victim").write_bytes(b"mine")
    (folder / "sub").symlink_to(outside)
    (folder / "file").symlink_to(outside / "victim")
    (folder / "dangling").symlink_to(outside / "made")
    fetcher = open_saver()
    with pytest.raises(DownloadMisplaced, match="is a link or a file"):
        await fetcher.fetch(Download(server.url, to="sub/x"))
    for name in ("file", "dangling"):
        saved = (await fetcher.fetch(Download(server.url, to=name))).saved
        assert saved.path == f"downloads/{name}-{DIGEST[:8]}"
    assert on_disk(outside) == {"victim": b"mine"}


async def test_a_folder_that_cannot_be_made_ends_the_crawl_with_its_name(
    raw_server: Any, open_saver: Any, tmp_path: Path
) -> None:
    server = await raw_server(File(BODY).talk)
    (tmp_path / "downloads").write_text("a file")
    with pytest.raises(SinkError, match=r"cannot write .*/downloads: File exists"):
        await open_saver().fetch(Download(server.url))


async def test_a_fetcher_without_a_folder_says_so(open_fetcher: Any) -> None:
    with pytest.raises(InvalidRequest, match="needs a folder"):
        await open_fetcher().fetch(Download("http://127.0.0.1:9/"))


async def test_parts_that_nobody_went_on_with_for_a_week_are_deleted(
    raw_server: Any, open_saver: Any, tmp_path: Path
) -> None:
    file = File(BODY, cuts=[1000, 1000])
    server = await raw_server(file.talk)
    for name in ("old", "new"):
        fetcher = open_saver()
        with pytest.raises(FetchError):
            await fetcher.fetch(Download(server.url + name))
        if name == "old":
            for path in (tmp_path / "downloads" / PARTIAL).glob("*"):
                os.utime(path, (0, 0))
        await fetcher.close()
    assert parts(tmp_path) == [".json", ".part"]
