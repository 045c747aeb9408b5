"""Downloads in a crawl: from a link to a file and its record."""

from __future__ import annotations

import errno
import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest

from crawler import (
    CannedFetcher,
    Download,
    FetchFailed,
    File,
    Request,
    Response,
    Spider,
    cpu_bound,
    run,
)
from crawler.errors import SinkError, UsageError
from crawler.export.manifest import manifest_path, read, verify
from crawler.fetch.part import Part
from crawler.frontier.schema import pack
from crawler.request import Entry
from crawler.response import headers_of

SITE = "http://site.test"
PNG = b"\x89PNG" + bytes(1_000)


def answer(path: str, body: bytes, media_type: str = "image/png", status: int = 200, **headers: str) -> Any:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return f"{SITE}/{path}", Response(f"{SITE}/{path}", status, headers_of({"Content-Type": media_type, **named}), body)


PAGES = dict(
    [
        (f"{SITE}/", '<img src="a.png"><img src="/b.png"><img src="copy.png"><a href="moved.pdf">the report</a>'),
        answer("a.png", PNG),
        answer("b.png", PNG[::-1]),
        answer("copy.png", PNG),
        answer("moved.pdf", b"", status=302, Location="/real/report.pdf"),
        answer("real/report.pdf", b"%PDF", "application/pdf"),
    ]
)


class Images(Spider):
    start_urls = [f"{SITE}/"]

    def parse(self, page: Any) -> Any:
        for number, image in enumerate(page.css("img")):
            yield page.download(image, types=["image/*"], fields={"number": number})
        yield page.download(page.css("a"), to="{host}/{name}", types=["application/pdf"])


def crawled(spider: type[Spider], folder: Path, **settings: Any) -> Any:
    return run(
        spider, fetcher=CannedFetcher(PAGES), settings={"downloads": str(folder), "obey_robots": False, **settings}
    )


def test_a_file_and_its_record_for_each_link(tmp_path: Path) -> None:
    result = crawled(Images, tmp_path / "files")
    records = sorted(result, key=lambda record: record.url)
    assert [
        (record.url.removeprefix(SITE), getattr(record, "number", None), record.media_type) for record in records
    ] == [
        ("/a.png", 0, "image/png"),
        ("/b.png", 1, "image/png"),
        ("/copy.png", 2, "image/png"),
        ("/real/report.pdf", None, "application/pdf"),
    ]
    for record in records:
        body = Path(record.path).read_bytes()
        assert (record.bytes, record.sha256) == (len(body), hashlib.sha256(body).hexdigest())
        assert (record.referrer, isinstance(record, File)) == (f"{SITE}/", True)
    assert records[0].path == records[2].path
    assert records[3].path.endswith("/site.test/report.pdf")
    assert result.stats.filled["File"].fields["number"] == 3
    assert (result.stats.files, result.stats.file_duplicates) == (4, 1)
    assert sorted(path.name for path in (tmp_path / "files").iterdir()) == sorted(
        {Path(record.path).parent.name for record in records}
    )


class Cover(File):
    isbn: str


class Covers(Images):
    file_type = Cover

    def parse(self, page: Any) -> Any:
        for number, image in enumerate(page.css("img")):
            yield page.download(image, fields={"isbn": number or "0"})
        yield page.download("real/report.pdf", fields={"other": 1})


def test_a_type_of_its_own_says_what_fields_a_file_has(tmp_path: Path) -> None:
    result = crawled(Covers, tmp_path)
    assert [(type(record), record.isbn, record.bytes) for record in result] == [(Cover, "0", len(PNG))]
    assert [(reject["field"], reject["reason"]) for reject in result.rejects] == [
        ("isbn", "Expected `str`, got `int`"),
        ("isbn", "Expected `str`, got `int`"),
    ]
    [failure] = result.stats.examples["callback_error"]
    assert "Missing required argument 'isbn'; Download(..., fields={...}) gives it" in failure.detail


def test_a_type_that_is_no_file_is_told(tmp_path: Path) -> None:
    class Wrong(Images):
        file_type: Any = dict

    assert "write a subclass of crawler.File" in crawled(Wrong, tmp_path).stats.examples["callback_error"][0].detail


def test_fields_of_any_name_come_into_the_record(tmp_path: Path) -> None:
    names = [{"a": 1}, {"a": 2, "b": None}, {"not a name": 1}, {"class": 1, "_x": 2}, {"c": [1, {"d": 2}]}]

    class Named(Images):
        def parse(self, page: Any) -> Any:
            for number, fields in enumerate(names):
                yield Download(f"{SITE}/a.png?{number}", fields=fields)

    answers = {f"{SITE}/a.png?{number}": PNG.decode("latin-1") for number in range(len(names))}
    output = tmp_path / "items.jsonl"
    run(
        Named,
        fetcher=CannedFetcher({**PAGES, **answers}),
        output=output,
        settings={"downloads": str(tmp_path / "files"), "obey_robots": False},
    )
    known = {"url", "path", "bytes", "sha256", "media_type", "referrer"}
    records = sorted(map(json.loads, output.read_text().splitlines()), key=lambda record: record["url"])
    assert [{name: record[name] for name in record if name not in known} for record in records] == names
    manifest = read(manifest_path(output))
    assert manifest.types["File"].schema["$defs"]["File"]["properties"].keys() >= known
    assert (manifest.fields["sha256"].filled, verify(manifest_path(output))) == (5, [])


def test_a_url_that_was_a_page_is_a_file_too_and_each_once(tmp_path: Path) -> None:
    class Both(Images):
        def parse(self, page: Any) -> Any:
            if page.url == f"{SITE}/":
                yield page.follow("a.png")
                yield page.download("a.png")
                yield page.download("a.png", fields={"again": True})

    result = crawled(Both, tmp_path)
    assert ([record.url for record in result], result.stats.pages) == ([f"{SITE}/a.png"], 3)


def test_what_is_not_wanted_is_a_failure_with_its_reason(tmp_path: Path) -> None:
    class Wrong(Images):
        def parse(self, page: Any) -> Any:
            yield Download(f"{SITE}/a.png", types=["application/pdf"])
            yield Download(f"{SITE}/b.png", max_bytes=10)
            yield Download(f"{SITE}/missing.png")

    result = crawled(Wrong, tmp_path / "files")
    assert list(result) == []
    assert dict(result.stats.failures) == {"download_type": 1, "download_too_large": 1, "http_404": 1}
    assert not [path for path in (tmp_path / "files").rglob("*") if path.is_file()]


def test_a_callback_of_its_own_gets_the_saved_file(tmp_path: Path) -> None:
    class Own(Images):
        def parse(self, page: Any) -> Any:
            yield Download(f"{SITE}/a.png", self.measure, meta={"of": page.url})

        def measure(self, page: Any) -> Any:
            return {"bytes": page.saved.bytes, "body": len(page.body), "of": page.meta["of"], "name": page.saved.name}

    assert list(crawled(Own, tmp_path)) == [{"bytes": len(PNG), "body": 0, "of": f"{SITE}/", "name": "a.png"}]


def test_files_pass_the_steps_of_items_too(tmp_path: Path) -> None:
    class Stepped(Images):
        steps = [lambda file: {"only": file.url}]

    assert {record["only"].rpartition("/")[2] for record in crawled(Stepped, tmp_path)} == {
        "a.png",
        "b.png",
        "copy.png",
        "report.pdf",
    }


def test_the_callback_of_downloads_is_for_downloads() -> None:
    class Lost(Images):
        def parse(self, page: Any) -> Any:
            yield Request(f"{SITE}/a.png", "parse_download")

    result = crawled(Lost, Path("nowhere"))
    assert "parse_download is the callback of downloads" in result.stats.examples["callback_error"][0].detail


async def test_a_file_can_be_fetched_inside_a_callback(tmp_path: Path) -> None:
    class Inside(Images):
        async def parse(self, page: Any) -> Any:
            image = await self.fetch(page.download("a.png"))
            return {"bytes": image.saved.bytes, "path": image.saved.path}

    [record] = crawled(Inside, tmp_path)
    assert Path(record["path"]).read_bytes() == PNG


def test_a_file_inside_a_callback_fails_as_a_page_does(tmp_path: Path) -> None:
    class Inside(Images):
        async def parse(self, page: Any) -> Any:
            for request in (page.download("a.png", types="text/html"), page.download("gone.png")):
                try:
                    await self.fetch(request)
                except FetchFailed as error:
                    yield {"reason": error.reason}

    assert list(crawled(Inside, tmp_path)) == [{"reason": "download_type"}, {"reason": "http_404"}]


class Measured(Spider):
    start_urls = [f"{SITE}/"]

    def parse(self, page: Any) -> Any:
        yield page.download("a.png", "measure")

    @cpu_bound
    def measure(self, page: Any) -> Any:
        return {"bytes": len(Path(page.saved.file).read_bytes())}


def test_a_callback_in_a_process_of_its_own_gets_the_file(tmp_path: Path) -> None:
    assert list(crawled(Measured, tmp_path, parse_processes=1)) == [{"bytes": len(PNG)}]


@pytest.mark.parametrize("is_inside", [False, True])
def test_a_full_disk_ends_the_crawl_and_a_resume_goes_on(
    is_inside: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full(Images):
        async def parse(self, page: Any) -> Any:
            if not is_inside:
                for name in ("a.png", "b.png"):
                    yield page.download(name)
                return
            files = [await self.fetch(page.download(name)) for name in ("a.png", "b.png")]
            yield {"bytes": sum(file.saved.bytes for file in files)}

    written: list[bytes] = []
    write = Part.write

    def fills_up(self: Part, data: bytes) -> None:
        written.append(data)
        if len(written) == 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.path))
        write(self, data)

    def go(**options: Any) -> tuple[Any, list[dict[str, Any]]]:
        settings = {"downloads": str(tmp_path / "files"), "obey_robots": False, "concurrency": 1}
        output = tmp_path / "items.jsonl"
        result = run(
            Full, fetcher=CannedFetcher(PAGES), output=output, job=tmp_path / "job", settings=settings, **options
        )
        return result.report, list(map(json.loads, output.read_text().splitlines()))

    with monkeypatch.context() as patch:
        patch.setattr(Part, "write", fills_up)
        report, _ = go()
    assert isinstance(report.error, SinkError)
    assert str(report.error).endswith(".part: No space left on device: free some space")
    assert (report.stats.failed, report.stats.callback_errors) == (0, 0)
    report, records = go(resume=True)
    assert (report.reason, report.stats.files, report.stats.failed) == ("complete", 2 + is_inside, 0)
    assert [record["bytes"] for record in records] == ([2 * len(PNG)] if is_inside else [len(PNG)] * 2)
    assert not (tmp_path / "files" / ".partial").exists()


def test_a_request_that_is_no_download_is_stored_as_before() -> None:
    assert b"download" not in pack(Entry(Request(f"{SITE}/"), "site.test", SITE, 5, number=1))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"to": "{nobody}/x"}, r"names \{nobody\}"),
        ({"to": "{"}, "cannot be read"),
        ({"to": "../{name}"}, "leads out of the folder"),
        ({"to": "a\\..\\{name}"}, "leads out of the folder"),
        ({"to": "/srv/{name}"}, "the setting `downloads` says where"),
        ({"to": "a/" * 17 + "{name}"}, "has 17 folders"),
        ({"to": "//"}, "leads out"),
        ({"to": "{name!r}"}, "as they stand"),
        ({"to": "{fields.__class__}"}, "there are"),
        ({"types": ["pdf"]}, "write media types"),
        ({"max_bytes": 0}, "1 or more"),
        ({"fields": {"sha256": 1}}, "call yours otherwise"),
        ({"fields": {"a": object()}}, "plain data"),
    ],
)
def test_a_download_that_cannot_be_is_told_where_it_is_made(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises((ValueError, TypeError), match=message):
        Download(f"{SITE}/a.png", **arguments)


def test_a_setting_that_cannot_be_is_told() -> None:
    with pytest.raises(UsageError, match="max_download"):
        crawled(Images, Path("files"), max_download=0)
