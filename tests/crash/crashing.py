"""A site whose dataset is known beforehand, and crawls of it in processes of their own, to be killed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

SPIDER = """
from crawler import Spider

class Site(Spider):
    name = "site"

    def __init__(self, url):
        super().__init__()
        self.start_urls = [url]

    def parse(self, page):
        for item in page.css("li"):
            yield {"page": page.css("h1::text").get(), "item": item.css("::text").get(), "text": "x" * 200}
        yield from page.follow_all("a")
"""
SETTINGS = ("concurrency=4", "commit_interval=0.02", "retry_backoff=0.01")
"""Small groups, so that there are many moments at which to die."""


class Site:
    """*pages* pages in a tree of four links each, with links back and across; each has two items. One link leads to a
    404, one to a redirect back to the first page. ``hits`` counts what was asked."""

    def __init__(self, pages: int) -> None:
        self.pages = pages
        self.hits: Counter[str] = Counter()
        self.url = ""

    @property
    def expected(self) -> Counter[str]:
        """The dataset's lines."""
        return Counter(
            json.dumps({"page": f"page {number}", "item": f"{number}.{item}", "text": "x" * 200}, separators=(",", ":"))
            for number in range(self.pages)
            for item in range(2)
        )

    def answer(self, name: str) -> tuple[int, dict[str, str], bytes]:
        """Status, headers beside the usual ones, and body."""
        if name.isdigit() and int(name) < self.pages:
            return 200, {}, self.html(int(name))
        return (302, {"Location": "/"}, b"") if name == "moved" else (404, {}, b"")

    def html(self, number: int) -> bytes:
        links = [4 * number + step for step in range(1, 5)] + [number // 2, (number * 7) % self.pages]
        anchors = "".join(f'<a href="/{link or ""}">{link}</a>' for link in links if link < self.pages)
        extra = '<a href="/gone">gone</a><a href="/moved">moved</a>' if number == 1 else ""
        return f"<h1>page {number}</h1><li>{number}.0</li><li>{number}.1</li>{anchors}{extra}".encode()


@contextmanager
def served(pages: int, kind: type[Site] = Site) -> Iterator[Site]:
    """A site on loopback, for as long as the block runs."""
    site = kind(pages)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # headers and body are two writes

        def do_GET(self) -> None:
            name = self.path.lstrip("/") or "0"
            site.hits[name] += 1
            status, headers, body = site.answer(name)
            self.send_response(status)
            for header in headers.items():
                self.send_header(*header)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            pass

        def handle(self) -> None:
            try:
                super().handle()
            except ConnectionError:
                pass  # the crawler was killed

    class Server(ThreadingHTTPServer):
        daemon_threads = True

    with Server(("127.0.0.1", 0), Handler) as server:
        site.url = f"http://127.0.0.1:{server.server_address[1]}/"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield site
        finally:
            server.shutdown()
            thread.join()


def project(folder: Path) -> Path:
    """A folder with the spider in it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.toml").write_text("")
    (folder / "site.py").write_text(SPIDER)
    return folder


def command(site: Site, *more: str, settings: Sequence[str] = SETTINGS) -> list[str]:
    """``crawl site.py``, into ``items.jsonl``."""
    sets = [word for setting in settings for word in ("--set", setting)]
    python = [sys.executable, "-m", "crawler"]
    return [*python, "site.py", "-a", f"url={site.url}", "-o", "items.jsonl", "--quiet", *sets, *more]


def environment(**more: str) -> dict[str, str]:
    """Without coverage, which would measure what is killed anyway."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    return {**kept, "PYTHONDONTWRITEBYTECODE": "1", **more}


def run(folder: Path, words: Sequence[str], *, seconds: float = 60, **more: str) -> subprocess.CompletedProcess[str]:
    """Run to its end, or kill it."""
    return subprocess.run(
        words, cwd=folder, env=environment(**more), capture_output=True, text=True, timeout=seconds, check=False
    )


def lines(folder: Path) -> Counter[str]:
    """The lines of the dataset. Each must be whole."""
    data = (folder / "items.jsonl").read_bytes()
    assert not data or data.endswith(b"\n"), "a torn line"
    found = Counter(data.decode().splitlines())
    for line in found:
        json.loads(line)
    return found


def assert_exact(folder: Path, site: Site) -> None:
    """0 lost, 0 doubled, no torn line."""
    found, expected = lines(folder), site.expected
    lost, doubled = expected - found, found - expected
    assert (sum(lost.values()), sum(doubled.values())) == (0, 0), (list(lost)[:3], list(doubled)[:3])
