"""Secrets of the settings are on no disk, in no log, in no message; passwords of URLs are shown to nobody."""

from __future__ import annotations

import base64
import logging
import os
import pickle
import stat
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from yarl import URL

import crawler
from crawler.cli.main import run
from crawler.errors import CrawlerError, FetchError
from crawler.fetch.translate import translate

SECRET = "s3cret-of-the-settings"
BASIC = base64.b64encode(f"ann:{SECRET}".encode()).decode()
OF_URL = "s3cret-of-the-url"

SPIDER = """
from crawler import Request, Spider


class Shop(Spider):
    name = "shop"

    async def start(self):
        for path in ("", "gone", "boom", "moved", "cut", "nowhere", "ok"):
            yield Request("{url}" + path)
        yield Request("http://ann:{password}@127.0.0.1:9/refused")
        yield Request("http://ann:{password}@127.0.0.1:9/" + "x" * 3000)

    def parse(self, page):
        if "boom" in page.url:
            raise ValueError("no sense at " + page.url)
        if "ok" in page.url:
            yield {{"price": object()}}
        yield {{"path": page.url.rpartition("/")[2]}}
"""
CONFIG = """
[crawl]
obey_robots = false
retries = 0
headers = {{"X-Plain" = "1"}}
[crawl.credentials]
"{origin}" = "{credential}"
[host."elsewhere.example"]
proxies = ["http://bob:{secret}@proxy.example:3128"]
"""


@pytest.fixture
def site() -> Iterator[Any]:
    heads: list[str] = []

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            heads.append(str(self.headers))
            path = self.path.strip("/")
            self.send_response({"gone": 410, "moved": 302}.get(path, 200))
            if path == "moved":
                self.send_header("Location", "/nowhere")
            self.send_header("Content-Length", "10" if path == "cut" else "5")
            self.end_headers()
            self.wfile.write(b"<p>a\n")

        def log_message(self, *_: object) -> None:
            """Nothing is logged."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        server.heads = heads  # type: ignore[attr-defined]
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, site: Any) -> Callable[..., None]:
    """Writes a project whose site wants a password, which is in its URLs or in the settings."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    (tmp_path / "spiders").mkdir()

    def write(credential: str, *, in_url: bool = False) -> None:
        origin = f"http://127.0.0.1:{site.server_port}"
        url = origin.replace("://", f"://ann:{OF_URL}@") if in_url else origin
        (tmp_path / "spiders" / "shop.py").write_text(SPIDER.format(url=f"{url}/", password=OF_URL))
        config = CONFIG.format(origin=origin, credential=credential, secret=SECRET)
        (tmp_path / "config.toml").write_text(config if credential else "[crawl]\nobey_robots = false\nretries = 0\n")

    return write


def on_disk(folder: Path) -> dict[str, bytes]:
    """Every file that a crawl left."""
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in folder.rglob("*")
        if file.is_file() and file.name != "config.toml" and file.suffix not in (".py", ".pyc")
    }


def told(capfd: pytest.CaptureFixture[str], *arguments: str) -> str:
    capfd.readouterr()
    code = run(list(arguments))
    said = "".join(capfd.readouterr())
    assert code != 2 or "unfinished job" in said or "whose secrets" in said, said
    return said


COMMANDS = [
    ("jobs",),
    ("failures", "shop"),
    ("failures", "shop", "--json"),
    ("settings",),
    ("settings", "shop"),
    ("retry", "shop"),
    ("shop",),
    ("shop", "--resume"),
]


@pytest.mark.parametrize("credential", [f"basic ann:{SECRET}", f"bearer {SECRET}", f"header X-Api-Key: {SECRET}"])
def test_a_secret_of_the_settings_is_written_nowhere_and_shown_nowhere(
    shop: Callable[..., None], site: Any, tmp_path: Path, capfd: pytest.CaptureFixture[str], credential: str
) -> None:
    shop(credential)
    said = told(capfd, "shop", "-v", "-o", "out.jsonl", "--max-pages", "3", "--set", "cache=revalidate")
    said += "".join(told(capfd, *words) for words in COMMANDS)
    said += told(capfd, "why", f"http://127.0.0.1:{site.server_port}/boom", "shop")
    wire = "".join(site.heads)
    assert SECRET in wire or BASIC in wire  # it was sent at all
    assert SECRET not in said
    assert BASIC not in said
    files = on_disk(tmp_path)
    assert {"out.jsonl", ".crawl/http-cache.sqlite3"} < {*files}
    for name, data in files.items():
        assert SECRET.encode() not in data, name
        assert BASIC.encode() not in data, name


def test_a_secret_that_was_given_on_the_command_line_is_asked_for_again_by_a_resume(
    shop: Callable[..., None], site: Any, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: Any
) -> None:
    shop("")
    origin = f"http://127.0.0.1:{site.server_port}"
    given = ("--set", f'credentials={{"{origin}": "bearer {SECRET}"}}')
    told(capfd, "shop", "-o", "out.jsonl", "--max-pages", "2", "--set", "concurrency=1", *given)
    assert not [name for name, data in on_disk(tmp_path).items() if SECRET.encode() in data]
    asked = len(site.heads)

    said = told(capfd, "shop", "--resume")
    assert "started with credentials, whose secrets are not written down: give --set credentials=… again" in said
    assert len(site.heads) == asked

    told(capfd, "shop", "--resume", *given)
    assert len(site.heads) > asked
    assert all(f"Bearer {SECRET}" in head for head in site.heads)


def test_a_secret_of_the_environment_is_remembered_by_its_name(
    shop: Callable[..., None], site: Any, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: Any
) -> None:
    shop("")
    monkeypatch.setenv("SHOP_TOKEN", SECRET)
    origin = f"http://127.0.0.1:{site.server_port}"
    given = ("--set", f'credentials={{"{origin}": "bearer ${{SHOP_TOKEN}}"}}')
    told(capfd, "shop", "-o", "out.jsonl", "--max-pages", "2", "--set", "concurrency=1", *given)
    told(capfd, "shop", "--resume")
    assert len(site.heads) > 2
    assert all(f"Bearer {SECRET}" in head for head in site.heads)
    assert not [name for name, data in on_disk(tmp_path).items() if SECRET.encode() in data]


def test_the_password_of_a_url_is_shown_to_nobody(
    shop: Callable[..., None], site: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    shop("", in_url=True)
    said = told(capfd, "shop", "-v", "-o", "out.jsonl")
    said += "".join(told(capfd, *words) for words in COMMANDS if "--json" not in words)
    for path in ("boom", "gone", "moved", "refused", "never"):
        said += told(capfd, "why", f"http://ann:{OF_URL}@127.0.0.1:{site.server_port}/{path}", "shop")
    assert "ann:***@127.0.0.1" in said
    assert OF_URL not in said


def test_no_log_record_has_the_password_of_a_url(
    shop: Callable[..., None], site: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Programs that call crawl() have handlers of their own, which conceal nothing."""

    class Boom(crawler.Spider):
        name = "boom"
        start_urls = [
            f"http://ann:{OF_URL}@127.0.0.1:{site.server_port}/{path}" for path in ("boom", "gone", "cut", "sitemap")
        ] + [f"http://ann:{OF_URL}@127.0.0.1:9/refused"]
        sitemaps = [f"http://ann:{OF_URL}@127.0.0.1:{site.server_port}/sitemap.xml"]

        def parse(self, page: Any) -> Any:
            raise ValueError("no sense here")

        def on_failure(self, failure: Any) -> Any:
            raise ValueError("nor here")

    caplog.set_level(logging.DEBUG)
    crawler.run(Boom, settings={"obey_robots": False, "retries": 0, "delay": 0.0})
    written = "\n".join(logging.Formatter().format(record) for record in caplog.records)
    assert "ann:***@127.0.0.1" in written
    assert OF_URL not in written


@pytest.mark.skipif(os.name == "nt", reason="permissions are those of POSIX")
def test_nobody_else_may_read_the_state_of_a_job_or_the_cache(
    shop: Callable[..., None], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Cookies, and what a request of the spider's own has in it, are there: a resume needs them."""
    before = os.umask(0)
    try:
        shop("", in_url=True)
        told(capfd, "shop", "-o", "out.jsonl", "--set", "cache=revalidate")
    finally:
        os.umask(before)
    kept = [path for path in (tmp_path / ".crawl").rglob("*") if path.is_file() and path.name != ".gitignore"]
    open_to_others = [
        str(path.relative_to(tmp_path))
        for path in kept
        if stat.S_IMODE(path.stat().st_mode) & 0o077
        and not any(stat.S_IMODE(folder.stat().st_mode) & 0o077 == 0 for folder in path.parents if folder != tmp_path)
    ]
    assert kept
    assert open_to_others == []


# ----- errors ------------------------------------------------------------------------------------------------------

URL_WITH = f"http://ann:{OF_URL}@a.example/x"


def _kinds() -> list[type[FetchError]]:
    found, todo = [], [FetchError]
    while todo:
        found.append(todo.pop())
        todo += found[-1].__subclasses__()
    return found


@pytest.mark.parametrize("kind", _kinds(), ids=lambda kind: kind.__name__)
def test_no_error_of_ours_shows_the_password_of_its_url(kind: type[FetchError]) -> None:
    error = kind(URL_WITH, "it went wrong")
    for one in (error, pickle.loads(pickle.dumps(error))):
        assert OF_URL not in str(one)
        assert "http://ann:***@a.example/x" in str(one) or "it went wrong" in str(one)
    assert issubclass(kind, CrawlerError)


FOREIGN = [
    aiohttp.InvalidURL(URL(URL_WITH), f"of {URL_WITH}"),
    aiohttp.NonHttpUrlClientError(URL(URL_WITH)),
    aiohttp.ClientPayloadError(f"broken at {URL_WITH}"),
    aiohttp.ServerDisconnectedError(f"gone at {URL_WITH}"),
    ValueError(f"wrong {URL_WITH}"),
    OSError(1, f"refused {URL_WITH}"),
    RuntimeError(f"odd {URL_WITH}"),
]


@pytest.mark.parametrize("foreign", FOREIGN, ids=lambda error: type(error).__name__)
def test_no_error_of_the_library_brings_a_password_with_it(foreign: Exception) -> None:
    assert OF_URL not in translate(foreign, URL_WITH).detail
