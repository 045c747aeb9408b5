"""One crawl of all attacks together, with ten good pages beside them on another address."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from hostile_process import ENVIRONMENT, hostile_server

from crawler.testing.hostile import FAMILIES

WHOLE = bool(os.environ.get("HOSTILE_WHOLE"))
"""Whether to play what takes minutes, too: pages that are heavy to parse, and sites without end."""
PLAYED = [family for family in FAMILIES if WHOLE or family not in {"markup", "traps"}]
PATIENCE = 900.0 if WHOLE else 50.0
"""Seconds, of which eight are the time limits of the slow attacks."""
SPIDER = """
from crawler import Spider


class Unsuspecting(Spider):
    name = "unsuspecting"
    start_urls = [{root!r}, {good!r}]
    allowed_hosts = ["127.0.0.1", "127.0.0.2"]

    def parse(self, page):
        yield {{"url": page.url, "title": page.css("title::text").get("")}}
        yield from page.follow_all("a[href]")
"""
CONFIG = """
[crawl]
retries = 0

[host."127.0.0.1"]
timeout = 3.0
concurrency_per_host = 48
throttle = false
max_delay = 0.1
outage_patience = 0.0
"""
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069]")


class Good(BaseHTTPRequestHandler):
    """A page with links to ten."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        number = self.path.removeprefix("/")
        is_page = number == "" or number.isdigit()
        links = "" if number else "".join(f'<a href="/{place}">{place}</a>' for place in range(1, 11))
        body = f"<title>good {number}</title>{links}".encode() if is_page else b""
        self.send_response(200 if is_page else 404)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def good() -> Iterator[str]:
    try:
        server = ThreadingHTTPServer(("127.0.0.2", 0), Good)
    except OSError:
        pytest.skip("this machine has one loopback address")
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield f"http://127.0.0.2:{server.server_port}/"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.timeout(PATIENCE + 60)
def test_a_crawl_of_all_attacks_ends_names_each_failure_and_brings_in_the_good_pages(good: str, tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(CONFIG)
    with hostile_server(PLAYED) as (root, urls):
        (tmp_path / "spider.py").write_text(SPIDER.format(root=root, good=good))
        begun = time.monotonic()
        command = [sys.executable, "-m", "crawler", "spider.py", "-o", "pages.jsonl"]
        done = subprocess.run(
            command, check=False, capture_output=True, text=True, cwd=tmp_path, env=ENVIRONMENT, timeout=PATIENCE
        )
        seconds = time.monotonic() - begun
        listed = subprocess.run(
            [*command[:3], "failures", "spider.py"],
            check=False,
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env=ENVIRONMENT,
        )
    assert done.returncode == 0, done.stderr
    items = [json.loads(line) for line in (tmp_path / "pages.jsonl").read_bytes().splitlines()]
    assert {f"{good}{number or ''}" for number in range(11)} <= {item["url"] for item in items}
    assert len(items) > len(urls) / 4  # of the attacks, too, what can be stored is stored
    assert seconds < PATIENCE
    assert "complete in" in done.stderr
    for reason in ("timeout", "malformed_response", "redirect", "http_503"):  # others are as fast as the machine is
        assert re.search(rf"^ +\d+  {reason}  ", done.stderr, re.MULTILINE), done.stderr
    failed = int(re.findall(r"failed +(\d+) pages", done.stderr)[0])
    assert sum(map(int, re.findall(r"^ +(\d+)  [a-z_]+\d*  ", done.stderr, re.MULTILINE))) == failed
    for unexpected in ("Traceback", "defect", "internal_error", "callback_error", "leaked"):
        assert unexpected not in done.stderr
    assert not CONTROL.search(done.stderr)
    assert not CONTROL.search(listed.stdout + listed.stderr)
