"""The main job, on real input: 200 product pages of a bookshop, crawled by ``spiders/books.py`` from the command line."""

from __future__ import annotations

import json
import re
import tarfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from lxml import html

from crawler.cli.main import COMPLETE, run

REPO = Path(__file__).parent.parent
ARCHIVE = REPO.parent / "shared" / "pages" / "books.tar.gz"

pytestmark = pytest.mark.skipif(not ARCHIVE.exists(), reason="the real pages are not beside this checkout")


@pytest.fixture(scope="module")
def pages() -> dict[str, bytes]:
    """The real product pages, by path."""
    with tarfile.open(ARCHIVE) as archive:
        found = {}
        for member in archive:
            file = archive.extractfile(member)
            if file is not None:
                found[f"/catalogue/{Path(member.name).stem}/index.html"] = file.read()
    return found


@pytest.fixture(scope="module")
def shop(pages: dict[str, bytes]) -> Iterator[str]:
    """A server with the product pages, and listing pages of twenty that lead to them."""
    paths = sorted(pages)
    listings = {
        f"/page-{number}.html": _listing(paths[begin : begin + 20], number)
        for number, begin in enumerate(range(0, len(paths), 20), 1)
    }
    site = {**pages, **listings}

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            body = site.get(self.path)
            self.send_response(200 if body is not None else 404)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(body or b"")))
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/page-1.html"
    server.shutdown()
    thread.join()
    server.server_close()


def _listing(paths: list[str], number: int) -> bytes:
    links = "".join(f'<h3><a href="{path}">a book</a></h3>' for path in paths)
    return f'{links}<ul><li class="next"><a href="page-{number + 1}.html">next</a></li></ul>'.encode()


def test_every_field_of_every_page_is_what_another_parser_finds(
    pages: dict[str, bytes], shop: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(REPO)
    output = tmp_path / "books.jsonl"

    code = run(["books", "-a", f"url={shop}", "-o", str(output), "--quiet"])

    found = [json.loads(line) for line in output.read_text("utf-8").splitlines()]
    origin = shop.removesuffix("/page-1.html")
    expected = [by_lxml(origin + path, body) for path, body in pages.items()]
    assert code == COMPLETE
    assert len(expected) == 200
    assert sorted(expected, key=lambda book: book["url"]) == sorted(found, key=lambda book: book["url"])


def by_lxml(url: str, body: bytes) -> dict[str, object]:
    tree = html.fromstring(body.decode("utf-8"))

    def text(path: str) -> str:
        return str(tree.xpath(f"string({path})")).strip()

    main = "//div[contains(concat(' ', @class, ' '), ' product_main ')]"
    stock = re.search(r"\d+", text(f"{main}//p[contains(@class, 'availability')]"))
    return {
        "url": url,
        "title": text(f"{main}/h1"),
        "price": float(text(f"{main}/p[@class='price_color']").lstrip("£")),
        "in_stock": int(stock[0]) if stock else 0,
        "rating": text(f"{main}/p[contains(@class, 'star-rating')]/@class").removeprefix("star-rating "),
        "category": text("//ul[@class='breadcrumb']/li[3]/a"),
        "upc": text("//th[.='UPC']/following-sibling::td"),
    }
