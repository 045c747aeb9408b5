"""Jobs from Python; and what a job keeps of the servers: cookies, robots.txt."""

import threading
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from crawler import Spider, run
from crawler.errors import JobUnfinished, UsageError

HITS: Counter[str] = Counter()
PATHS = ["/", "/a", "/b", "/c"]


class Shop(BaseHTTPRequestHandler):
    """Sets a cookie on the first page, and tells on the others which it got."""

    def do_GET(self) -> None:
        HITS[self.path] += 1
        body = (
            "".join(f'<a href="{path}">x</a>' for path in PATHS) if self.path == "/" else self.headers.get("Cookie", "")
        )
        if self.path == "/robots.txt":
            body = "User-agent: *\nDisallow: /secret\n"
        self.send_response(200)
        if self.path == "/":
            self.send_header("Set-Cookie", "basket=7; Max-Age=600; Path=/")
            self.send_header("Set-Cookie", "odd=\xe9\xff; Path=/nowhere")
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(body.encode("latin-1"))

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.chdir(tmp_path)
    HITS.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), Shop) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


class Visitor(Spider):
    name = "visitor"

    def __init__(self, url: str) -> None:
        super().__init__()
        self.start_urls = [url]

    def parse(self, page: Any) -> Any:
        yield {"path": page.url.rpartition("/")[2], "cookie": page.text if page.depth else ""}
        yield from page.follow_all("a")


def visit(url: str, **more: Any) -> Any:
    settings = {"concurrency": 1, **more.pop("settings", {})}
    return run(Visitor, args={"url": url}, settings=settings, output="items.jsonl", job="kept", **more)


def lines() -> list[str]:
    return sorted(Path("items.jsonl").read_text().splitlines())


def test_a_job_goes_on_with_its_cookies_and_its_robots_txt(url: str) -> None:
    first = visit(url, settings={"max_pages": 1})
    assert (first.reason, first.stats.pages) == ("max_pages", 1)

    second = visit(url, resume=True, settings={"max_pages": 10})

    assert (second.reason, second.stats.pages, second.stats.items) == ("complete", 4, 4)
    assert lines() == sorted(
        ['{"path":"","cookie":""}', *(f'{{"path":"{path}","cookie":"basket=7"}}' for path in "abc")]
    )
    assert Counter({"/robots.txt": 1, **dict.fromkeys(PATHS, 1)}) == HITS


def test_a_job_that_did_not_end_is_refused_until_one_says_what_is_to_become_of_it(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crawler.jobs.TRIAL_PAGES", 0)
    visit(url, settings={"max_pages": 2})
    with pytest.raises(JobUnfinished, match="visitor has an unfinished job"):
        visit(url)

    assert visit(url, fresh=True, overwrite=True).reason == "complete"

    assert len(lines()) == 4


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"resume": True, "fresh": True, "job": "kept"}, "resume and fresh exclude each other"),
        ({"resume": True}, "name the job"),
        ({"job": "kept"}, "a job needs an output"),
    ],
)
def test_what_cannot_be_is_refused(url: str, wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        run(Visitor, args={"url": url}, **wrong)
    assert not HITS


def test_an_argument_that_cannot_be_written_down_is_refused(url: str) -> None:
    with pytest.raises(UsageError, match=r"a job writes its arguments down: url is a \w*Path: "):
        run(Visitor, args={"url": Path("x")}, output="items.jsonl", job="kept")
    assert not Path("kept").exists()
