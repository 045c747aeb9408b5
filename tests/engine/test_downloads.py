"""Downloads in a crawl: from a link to a file and its record."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from crawler import CannedFetcher, Download, Request, Response, Spider, run
from crawler.errors import UsageError
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
    records = sorted(result, key=lambda record: record["url"])
    assert [(record["url"].removeprefix(SITE), record.get("number"), record["media_type"]) for record in records] == [
        ("/a.png", 0, "image/png"),
        ("/b.png", 1, "image/png"),
        ("/copy.png", 2, "image/png"),
        ("/real/report.pdf", None, "application/pdf"),
    ]
    for record in records:
        body = Path(record["path"]).read_bytes()
        assert (record["bytes"], record["sha256"]) == (len(body), hashlib.sha256(body).hexdigest())
        assert record["referrer"] == f"{SITE}/"
    assert records[0]["path"] == records[2]["path"]
    assert records[3]["path"].endswith("/site.test/report.pdf")
    assert (result.stats.files, result.stats.file_duplicates) == (4, 1)
    assert sorted(path.name for path in (tmp_path / "files").iterdir()) == sorted(
        {Path(record["path"]).parent.name for record in records}
    )


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
        steps = [lambda record: {"only": record["url"]}]

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


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"to": "{nobody}/x"}, r"names \{nobody\}"),
        ({"to": "{"}, "cannot be read"),
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
