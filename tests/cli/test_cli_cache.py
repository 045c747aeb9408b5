"""A crawl with an HTTP cache, from the command line: what a second one costs, and what it gives."""

import os
import signal
import sqlite3
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from crawler import Spider, run
from crawler.demo.bookshop import Bookshop

CACHE = ".crawl/http-cache.sqlite3"
SPIDER = """
from crawler import Spider


class Site(Spider):
    name = "site"
    start_urls = ["{url}"]

    def parse(self, page):
        yield {{"url": page.url, "text": page.css("p::text").get()}}
        yield from page.follow_all("a")


class Unchanged(Site):
    name = "unchanged"

    def parse(self, page):
        yield {{"url": page.url, "cached": page.response.cached}}
        yield from page.follow_all("a")
"""


class Site:
    """Pages with tags. It counts the pages that it is asked for, and the bytes of the bodies that it sends of them; a
    robots.txt is asked for anew by each crawl."""

    def __init__(self, pages: int) -> None:
        self.pages = pages
        self.requests = 0
        self.bytes = 0
        self.headers = {"Cache-Control": "no-cache"}
        self.changed: set[str] = set()
        self.slow = 0.0
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._answer())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/"

    def _answer(self) -> type[BaseHTTPRequestHandler]:
        site = self

        class Answer(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                is_page = self.path != "/robots.txt"
                site.requests += is_page
                time.sleep(site.slow)
                body = site.body(self.path)
                tag = f'"{hash(body)}"'
                is_known = self.headers["If-None-Match"] == tag
                self.send_response(404 if body is None else 304 if is_known else 200)
                self.send_header("Content-Type", "text/html; charset=utf-8")
                for name, value in site.headers.items():
                    self.send_header(name, value)
                if body is not None:
                    self.send_header("ETag", tag)
                if not is_known:
                    self.send_header("Content-Length", str(len(body or b"")))
                self.end_headers()
                if not is_known:
                    site.bytes += len(body or b"") * is_page
                    self.wfile.write(body or b"")

            def log_message(self, *_: object) -> None:
                """Nothing is logged."""

        return Answer

    def body(self, path: str) -> bytes | None:
        if path == "/robots.txt":
            return b"User-agent: *\nDisallow: /private\n"
        if path == "/":
            return "".join(f'<a href="/{number}">' for number in range(self.pages)).encode()
        words = "other words" if path in self.changed else "words"
        return f"<p>{words} of {path}</p>".encode() if path[1:].isdigit() else None

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def site(project) -> Iterator[Site]:
    site = Site(40)
    project.write("spiders/site.py", SPIDER.format(url=site.url))
    yield site
    site.close()


def dataset(project, name: str) -> list[bytes]:
    return sorted((project.root / name).read_bytes().splitlines())


def test_a_second_crawl_transfers_no_body_and_gives_the_same_dataset(project, site, crawl) -> None:
    first = crawl("site", "-o", "one.jsonl", "--set", "cache=revalidate")
    assert first.code == 0
    assert "cached" not in first.err
    sent, asked, site.bytes, site.requests = site.bytes, site.requests, 0, 0
    assert sent > 0

    second = crawl("site", "-o", "two.jsonl", "--set", "cache=revalidate")

    assert second.code == 0
    assert (site.bytes, site.requests) == (0, asked)
    assert dataset(project, "one.jsonl") == dataset(project, "two.jsonl")
    assert len(dataset(project, "one.jsonl")) == 41
    assert "  cached    41 answers out of the HTTP cache\n" in second.err


def test_what_has_changed_is_new(project, site, crawl) -> None:
    crawl("unchanged", "-o", "one.jsonl", "--set", "cache=revalidate")
    site.changed = {"/7"}
    crawl("unchanged", "-o", "two.jsonl", "--set", "cache=revalidate")
    new = [item["url"] for item in project.lines("two.jsonl") if item["cached"] not in ("fresh", "revalidated")]
    assert new == [f"{site.url}7"]


def test_what_is_fresh_is_not_asked_for(project, site, crawl) -> None:
    site.headers = {"Cache-Control": "max-age=600"}
    crawl("unchanged", "-o", "one.jsonl", "--set", "cache=revalidate")
    site.requests = 0
    crawl("unchanged", "-o", "two.jsonl", "--set", "cache=revalidate")
    assert site.requests == 0
    assert {item["cached"] for item in project.lines("two.jsonl")} == {"fresh"}


def test_a_replay_needs_no_server(project, site, crawl) -> None:
    site.headers = {"Cache-Control": "no-store"}
    crawl("site", "-o", "one.jsonl", "--set", "cache=replay", "--set", "concurrency=1")
    site.close()
    second = crawl("site", "-o", "two.jsonl", "--set", "cache=replay", "--set", "concurrency=1")
    assert second.code == 0
    assert (project.root / "one.jsonl").read_bytes() == (project.root / "two.jsonl").read_bytes()


def test_a_replay_waits_for_no_host(project, site, crawl) -> None:
    site.pages = 200
    crawl("site", "-o", "one.jsonl", "--set", "cache=replay")
    begun = time.monotonic()
    second = crawl("site", "-o", "two.jsonl", "--set", "cache=replay", "--set", "delay=1")
    assert second.code == 0
    assert time.monotonic() - begun < 20.0  # with a second for each it would be two hundred
    assert dataset(project, "one.jsonl") == dataset(project, "two.jsonl")


def test_what_was_fetched_before_a_kill_is_not_fetched_again(project, site, crawl, start) -> None:
    site.slow = 0.03
    killed = start("site", "-o", "one.jsonl", "--set", "cache=replay", "--set", "concurrency=4", "--quiet")
    while site.requests < 25:
        time.sleep(0.01)
    time.sleep(0.6)  # what is half a second old is on the disk
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    site.requests = 0

    fresh = crawl("site", "-o", "two.jsonl", "--set", "cache=replay", "--fresh")

    assert fresh.code == 0
    assert len(dataset(project, "two.jsonl")) == 41
    assert site.requests < 42 - 15


def test_two_crawls_share_one_cache_at_once(project, site, start) -> None:
    site.headers = {"Cache-Control": "max-age=600"}
    both = [
        start(name, "-o", f"{name}.jsonl", "--set", "cache=revalidate", stderr=subprocess.PIPE)
        for name in ("site", "unchanged")
    ]
    for process in both:
        _, err = process.communicate(timeout=30)
        assert process.returncode == 0, err
        assert "WARNING" not in err
    assert len(dataset(project, "site.jsonl")) == len(dataset(project, "unchanged.jsonl")) == 41
    with closing(sqlite3.connect(project.root / CACHE)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("SELECT count(*) FROM entries").fetchone() == (41,)


def test_a_damaged_cache_is_begun_anew_with_one_line(project, site, crawl) -> None:
    crawl("site", "-o", "one.jsonl", "--set", "cache=replay")
    (project.root / CACHE).write_bytes(os.urandom(50_000))
    second = crawl("site", "-o", "two.jsonl", "--set", "cache=replay")
    assert second.code == 0
    assert second.err.count("was damaged and begins anew") == 1
    assert dataset(project, "one.jsonl") == dataset(project, "two.jsonl")
    assert crawl("cache").out.startswith(f"{CACHE}: 42 responses, ")


def test_the_cache_is_shown_and_cleared(project, site, crawl) -> None:
    assert crawl("cache").out == f"{CACHE}: 0 responses, 0 B\n"
    crawl("site", "-o", "one.jsonl", "--set", "cache=revalidate")
    assert crawl("cache").out.startswith(f"{CACHE}: 41 responses, ")
    assert crawl("cache", "--clear").out == f"{CACHE} is empty\n"
    assert crawl("cache").out.startswith(f"{CACHE}: 0 responses, ")
    (project.root / CACHE).write_bytes(os.urandom(50_000))
    broken = crawl("cache")
    assert (broken.code, broken.out) == (2, "")
    assert "`crawl cache --clear` begins it anew" in broken.err
    assert crawl("cache", "--clear").code == 0


def test_without_the_setting_there_is_no_cache(project, site, crawl) -> None:
    crawl("site", "-o", "one.jsonl")
    assert not (project.root / CACHE).exists()
    assert crawl("jobs").code == 0


def test_a_cache_is_no_job(project, site, crawl) -> None:
    crawl("site", "-o", "one.jsonl", "--set", "cache=revalidate")
    jobs = crawl("jobs")
    assert (jobs.code, jobs.out.count("dataset")) == (0, 1)


def test_a_wrong_word_is_told(project, site, crawl) -> None:
    ended = crawl("site", "--set", "cache=on")
    assert ended.code == 2
    assert "cache = 'on': expected one of: off, revalidate, replay" in ended.err


def test_a_call_from_python_uses_the_cache_of_the_project(project, shop: Bookshop, tmp_path: Path) -> None:
    class One(Spider):
        name = "one"
        start_urls = [shop.url]

        def parse(self, page):
            yield {"cached": page.response.cached}

    first, second = (run(One, settings={"cache": "replay"}) for _ in range(2))
    assert [item["cached"] for item in [*first, *second]] == ["", "replayed"]
    assert (project.root / CACHE).exists()


def test_failures_out_of_the_cache_are_failures(project, site, crawl) -> None:
    project.write("spiders/site.py", SPIDER.format(url=site.url + "missing"))
    for _ in range(2):
        ended = crawl("site", "-o", "-", "--set", "cache=replay")
        assert ended.code == 1
        assert "http_404" in ended.err
    assert site.requests == 1
