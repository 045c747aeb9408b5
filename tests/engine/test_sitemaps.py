"""Sitemaps as seeds: what a crawl asks for when a site names its own pages."""

import gzip
import logging
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from crawling import SITE, Kept, Scripted, crawled, prepared

from crawler.api import run
from crawler.assemble import build_spider
from crawler.errors import UsageError
from crawler.fetch.fetcher import FetchOptions
from crawler.fetch.http import HttpFetcher
from crawler.request import Request
from crawler.response import Response, headers_of
from crawler.spider import Spider

HOSTILE = ("http://169.254.169.254/latest/meta-data/", "http://[::1]:9/", "file:///etc/passwd", "http://other.test/x")


def urlset(*locs: str) -> str:
    return f"<urlset>{''.join(f'<url><loc>{loc}</loc></url>' for loc in locs)}</urlset>"


def index(*locs: str) -> str:
    return f"<sitemapindex>{''.join(f'<sitemap><loc>{loc}</loc></sitemap>' for loc in locs)}</sitemapindex>"


def packed(url: str, body: str) -> Response:
    return Response(url, 200, headers_of({"Content-Type": "application/gzip"}), gzip.compress(body.encode()))


class Listed(Spider):
    """One item for each page."""

    sitemaps = [f"{SITE}/sitemap.xml"]

    def parse(self, page: Any) -> Any:
        return {"url": page.url}


def spider(*sitemaps: str, **attributes: Any) -> type[Spider]:
    return type("Listed", (Listed,), {"sitemaps": list(sitemaps), **attributes})


def paths(items: list[Any]) -> list[str]:
    return sorted(item["url"].removeprefix(SITE) for item in items)


# ----- over a server -----------------------------------------------------------------------------------------------


class Site(BaseHTTPRequestHandler):
    """Answers what ``server.answers`` holds; ``{}`` in it is the server's own URL."""

    server: Any  # with the attributes that the fixture gives it

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        answer = self.server.answers.get(self.path)
        body = b"" if answer is None else answer(self.server.url)
        self.send_response(404 if answer is None else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        pass


Answer = Callable[[str], bytes]


def text(body: str) -> Answer:
    return lambda url: body.replace("{}", url).encode()


def gz(body: str) -> Answer:
    return lambda url: gzip.compress(body.replace("{}", url).encode())


SHOP: Mapping[str, Answer] = {
    "/robots.txt": text("User-agent: *\nDisallow: /private\n\nSitemap: {}/maps/index.xml\n"),
    "/maps/index.xml": text(index("{}/maps/1.xml.gz", "2.xml.gz", "{}/maps/index.xml")),
    "/maps/1.xml.gz": gz(urlset("{}/a", "{}/b", "{}/private/c", *HOSTILE)),
    "/maps/2.xml.gz": gz(urlset("{}/b", "{}/d")),
    **{f"/{name}": text(name) for name in "abd"},
}


@pytest.fixture
def site() -> Iterator[Any]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Site) as server:
        server.url = f"http://127.0.0.1:{server.server_port}"  # type: ignore[attr-defined]  # notes of this test on its server
        server.answers, server.asked = dict(SHOP), []  # type: ignore[attr-defined]  # as above
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


async def test_a_site_is_crawled_by_the_sitemaps_that_its_robots_txt_names(site: Any) -> None:
    got = await crawled(spider(f"{site.url}/"), obey_robots=True)

    assert sorted(item["url"] for item in got.items) == [f"{site.url}/{name}" for name in "abd"]
    asked = Counter(site.asked)
    assert asked.pop("/robots.txt") <= 2  # once for its rules, once for its sitemaps
    assert asked == dict.fromkeys(["/maps/index.xml", "/maps/1.xml.gz", "/maps/2.xml.gz", "/a", "/b", "/d"], 1)
    assert got.report.stats.skipped == {"robots": 1, "out_of_scope": 3}
    assert (got.reason, got.failures) == ("complete", {})
    assert got.report.stats.pages == 7  # three pages, three sitemaps and the robots.txt, which were fetched too


class OpenInternet(Scripted):
    """The pages of a public site; whatever else is asked for is dialled."""

    def __init__(self, answers: Mapping[str, Any]) -> None:
        super().__init__(answers)
        self._http = HttpFetcher(FetchOptions())

    async def _answer(self, request: Request) -> Response:
        if request.url in self._answers:
            return await super()._answer(request)
        return await self._http.fetch(request)

    async def close(self) -> None:
        await self._http.close()


@pytest.mark.parametrize("listing", [urlset, index])
async def test_a_private_address_in_a_sitemap_is_not_dialled_even_where_every_host_is_in_scope(
    site: Any, listing: Callable[..., str]
) -> None:
    class Anywhere(Listed):
        allowed_hosts = ["*"]

    private = [f"{site.url}/a", "http://169.254.169.254/latest/meta-data/", "http://[::1]:9/"]

    got = await crawled(Anywhere, OpenInternet({f"{SITE}/sitemap.xml": listing(*private)}))

    assert site.asked == []
    assert got.failures == {}
    assert got.report.stats.skipped == {"private": 3}


def test_a_crawl_that_was_interrupted_goes_on_among_the_pages_of_a_sitemap(
    site: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    options: dict[str, Any] = {"output": "out.jsonl", "job": tmp_path / "job"}
    quick = {"delay": 0.0, "concurrency": 1}
    listed = spider(f"{site.url}/")

    first = run(listed, settings={**quick, "max_pages": 5}, **options)
    second = run(listed, settings=quick, resume=True, **options)

    assert (first.reason, second.reason) == ("max_pages", "complete")
    lines = (tmp_path / "out.jsonl").read_text().splitlines()
    assert sorted(lines) == [f'{{"url":"{site.url}/{name}"}}' for name in "abd"]
    asked = Counter(site.asked)
    del asked["/robots.txt"]
    assert set(asked.values()) == {1}


# ----- which pages -------------------------------------------------------------------------------------------------


async def test_sitemaps_stand_beside_start_urls() -> None:
    class Both(Listed):
        start_urls = [f"{SITE}/"]

    answers = {f"{SITE}/": "home", f"{SITE}/sitemap.xml": urlset(f"{SITE}/a", f"{SITE}/"), f"{SITE}/a": "a"}
    scripted = Scripted(answers)

    got = await crawled(Both, scripted)

    assert paths(got.items) == ["/", "/a"]
    assert Counter(scripted.asked) == dict.fromkeys(answers, 1)


@pytest.mark.parametrize("named", [f"{SITE}", f"{SITE}/", f"{SITE}/robots.txt"])
async def test_without_a_word_in_robots_txt_it_is_sitemap_xml(named: str) -> None:
    answers = {f"{SITE}/robots.txt": "User-agent: *", f"{SITE}/sitemap.xml": urlset("/a"), f"{SITE}/a": "a"}

    assert paths((await crawled(spider(named), Scripted(answers))).items) == ["/a"]


async def test_robots_txt_names_sitemaps_for_everyone_wherever_they_stand() -> None:
    robots = (
        f"\ufeffSitemap: {SITE}/1.xml\nUser-agent: other\nDisallow: /\nsitemap:{SITE}/2.xml.gz\r\n"
        f"SITEMAP : /3.xml\nSitemap: {SITE}/1.xml\nSitemap:\nSitemap: ftp://site.test/4.xml\n# Sitemap: {SITE}/5.xml\n"
    )
    scripted = Scripted({f"{SITE}/robots.txt": robots})

    await crawled(spider(SITE), scripted)

    assert sorted(scripted.asked) == [f"{SITE}/{path}" for path in ("1.xml", "2.xml.gz", "3.xml", "robots.txt")]


@pytest.mark.parametrize("code", [401, 404, 410])
async def test_a_site_without_robots_txt_has_its_sitemap_at_the_usual_place(code: int) -> None:
    nothing = Response(f"{SITE}/robots.txt", code, headers_of(), b"Sitemap: /never.xml")
    scripted = Scripted({f"{SITE}/robots.txt": nothing, f"{SITE}/sitemap.xml": urlset("/a"), f"{SITE}/a": "a"})

    got = await crawled(spider(SITE), scripted)

    assert (paths(got.items), got.failures) == (["/a"], {})
    assert len(scripted.asked) == 3


async def test_a_page_that_is_listed_is_a_seed_however_many_files_led_to_it() -> None:
    class Deep(Listed):
        sitemaps = [SITE]

        def parse(self, page: Any) -> Any:
            yield {"url": page.url, "depth": page.depth}
            yield from page.follow_all("a")

    answers = {
        f"{SITE}/robots.txt": "Sitemap: /index.xml",
        f"{SITE}/index.xml": index("/1.xml"),
        f"{SITE}/1.xml": urlset("/a"),
        f"{SITE}/a": "<a href=/b>b</a>",
        f"{SITE}/b": "<a href=/c>c</a>",
    }

    got = await crawled(Deep, Scripted(answers), max_depth=1)

    assert got.items == [{"url": f"{SITE}/a", "depth": 0}, {"url": f"{SITE}/b", "depth": 1}]
    assert got.report.stats.skipped == {"too_deep": 1}


async def test_a_big_sitemap_is_taken_in_a_piece_at_a_time() -> None:
    answer = packed(f"{SITE}/sitemap.xml", urlset(*(f"{SITE}/{number}" for number in range(20_000))))
    crawl = prepared(Listed, Scripted({f"{SITE}/sitemap.xml": answer}), sinks=[Kept()], max_pages=1, concurrency=1)
    admitted: list[int] = []
    admit = crawl.frontier.admit

    def watched(requests: Any, *args: Any, **options: Any) -> Any:
        admitted.append(len(requests))
        return admit(requests, *args, **options)

    crawl.frontier.admit = watched  # type: ignore[method-assign]  # of this one frontier
    report = await crawl.run()

    assert (report.waiting, max(admitted)) == (20_000, 1_000)


async def test_each_entry_may_be_filtered_and_sent_elsewhere() -> None:
    class Picky(Listed):
        def sitemap_entry(self, entry: Any) -> Any:
            if entry.lastmod is None or entry.lastmod.year < 2026:
                return None
            return Request(entry.url, callback=self.parse_new, priority=3)

        def follows_sitemap(self, entry: Any) -> bool:
            return "old" not in entry.url

        def parse_new(self, page: Any) -> Any:
            return {"url": page.url, "priority": page.request.priority}

    pages = "".join(f"<url><loc>/{year}</loc><lastmod>{year}-05</lastmod></url>" for year in (2024, 2026))
    answers = {
        f"{SITE}/sitemap.xml": index("/old.xml", "/new.xml"),
        f"{SITE}/new.xml": f"<urlset>{pages}<url><loc>/never</loc></url></urlset>",
        f"{SITE}/2026": "",
    }
    scripted = Scripted(answers)

    got = await crawled(Picky, scripted)

    assert got.items == [{"url": f"{SITE}/2026", "priority": 3}]
    assert sorted(scripted.asked) == sorted(answers)


async def test_a_text_and_a_feed_list_pages_too() -> None:
    rss = "<rss><channel><item><link>/c</link></item></channel></rss>"
    answers = {
        f"{SITE}/urls.txt": f"{SITE}/a\n{SITE}/b\n",
        f"{SITE}/feed": rss,
        **{f"{SITE}/{name}": name for name in "abc"},
    }

    got = await crawled(spider(f"{SITE}/urls.txt", f"{SITE}/feed"), Scripted(answers))

    assert paths(got.items) == ["/a", "/b", "/c"]


async def test_a_sitemap_of_another_host_is_read_when_it_is_named_and_lists_pages_of_the_crawl_alone() -> None:
    class Elsewhere(Listed):
        sitemaps = ["http://maps.test/site.xml"]
        allowed_hosts = ["site.test", "maps.test"]

    listed = urlset(f"{SITE}/a", "http://other.test/b")
    scripted = Scripted({"http://maps.test/site.xml": listed, f"{SITE}/a": "a"})

    got = await crawled(Elsewhere, scripted)

    assert paths(got.items) == ["/a"]
    assert got.report.stats.skipped == {"out_of_scope": 1}


async def test_a_sitemap_outside_of_the_crawl_is_not_asked_for_and_said_so() -> None:
    scripted = Scripted({f"{SITE}/robots.txt": "Sitemap: http://10.0.0.7/sitemap.xml\nSitemap: http://cdn.test/s.xml"})

    got = await crawled(spider(SITE), scripted)

    assert scripted.asked == [f"{SITE}/robots.txt"]
    assert got.report.stats.skipped == {"out_of_scope": 2}


# ----- hostile ones ------------------------------------------------------------------------------------------------


async def test_indexes_that_name_each_other_are_read_once() -> None:
    answers = {
        f"{SITE}/sitemap.xml": index("/b.xml", "/sitemap.xml"),
        f"{SITE}/b.xml": index("/sitemap.xml", "/b.xml", "/pages.xml"),
        f"{SITE}/pages.xml": urlset("/a", "/pages.xml"),
        f"{SITE}/a": "a",
    }
    scripted = Scripted(answers)

    got = await crawled(Listed, scripted)

    assert paths(got.items) == ["/a"]
    assert Counter(scripted.asked) == dict.fromkeys(answers, 1)


async def test_a_chain_of_indexes_ends_after_ten(caplog: pytest.LogCaptureFixture) -> None:
    class Endless(Scripted):
        async def _answer(self, request: Request) -> Response:
            body = index(f"{request.url}x").encode()
            return Response(request.url, 200, headers_of({"Content-Type": "text/xml"}), body)

    scripted = Endless({})

    got = await crawled(Listed, scripted)

    assert got.reason == "complete"
    assert len(scripted.asked) == 11
    assert "is the 11th sitemap index in a chain: it is not followed" in caplog.text


async def test_a_sitemap_that_breaks_off_gives_what_it_holds_and_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    body = "<urlset><url><loc>/a</loc></url><url><loc>mailto:x</loc></url><url><loc>/b<x></loc></url></urlset>"

    got = await crawled(Listed, Scripted({f"{SITE}/sitemap.xml": body, f"{SITE}/a": "a"}))

    assert paths(got.items) == ["/a"]
    warned = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert warned == [
        f"{SITE}/sitemap.xml was not read to its end: line 1, column 80: mismatched tag",
        f"{SITE}/sitemap.xml: entries without a URL that can be followed: 1",
    ]


async def test_an_error_page_instead_of_a_sitemap_is_told_of(caplog: pytest.LogCaptureFixture) -> None:
    got = await crawled(Listed, Scripted({f"{SITE}/sitemap.xml": "<!doctype html><html><body>Not found</body></html>"}))

    assert (got.items, got.failures) == ([], {})
    [warned] = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert warned.startswith(f"{SITE}/sitemap.xml is no sitemap")


async def test_a_sitemap_of_50_001_pages_gives_50_000(caplog: pytest.LogCaptureFixture) -> None:
    locs = [f"{SITE}/{number}" for number in range(50_001)]
    answer = packed(f"{SITE}/sitemap.xml", urlset(*locs))
    crawl = prepared(Listed, Scripted({f"{SITE}/sitemap.xml": answer}), sinks=[Kept()], max_pages=1, concurrency=1)

    report = await crawl.run()

    assert (report.reason, report.waiting) == ("max_pages", 50_000)
    assert "50,001 entries, of which 50,000 are read" in caplog.text


# ----- mistakes ----------------------------------------------------------------------------------------------------


def test_sitemaps_alone_are_enough_to_begin() -> None:
    build_spider(Listed, {})

    with pytest.raises(UsageError, match="give it start_urls, sitemaps, or a start"):
        build_spider(spider(), {})


def test_one_url_is_no_list_of_sitemaps() -> None:
    with pytest.raises(
        UsageError, match=r'sitemaps is a string; write a list of URLs: sitemaps = \["http://a.test/"\]'
    ):
        build_spider(type("Listed", (Listed,), {"sitemaps": "http://a.test/"}), {})


def test_the_name_that_others_use_is_not_passed_over() -> None:
    with pytest.raises(UsageError, match="sitemap_urls is not read here: call it sitemaps"):
        build_spider(type("Theirs", (Listed,), {"sitemap_urls": ["http://a.test/"]}), {})


async def test_a_url_that_cannot_be_asked_is_told() -> None:
    got = await crawled(spider("sitemap.xml"), Scripted({}))

    assert got.failures == {"invalid_request": 1}
