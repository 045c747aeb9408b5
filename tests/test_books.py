"""The main job, on real input: 200 product pages of a bookshop, crawled by ``spiders/books.py`` from the command line, and
read into items that have items and lists in them.
"""

from __future__ import annotations

import json
import re
import tarfile
import threading
from collections.abc import Iterator
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Literal
from urllib.parse import urljoin

import msgspec
import pytest
from lxml import html

from crawler import Item, Page, Response, Url, css
from crawler.cli.main import COMPLETE, run
from crawler.items.check import to_record
from crawler.outcome import Record
from crawler.response import headers_of

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


class Row(Item):
    name: str = css("th::text")
    value: str = css("td::text")


class Step(Item):
    name: str | None = css("a::text")
    link: Url | None = css("a::attr(href)")


class Price(Item):
    amount: Decimal = css(".price_color::text", re=r"[\d.]+")
    currency: str = css(".price_color::text", re=r"^(\D)")


class Related(Item):
    title: str = css("h3 a::attr(title)")
    link: Url = css("h3 a::attr(href)")
    price: Price
    stars: Literal["One", "Two", "Three", "Four", "Five"] = css(".star-rating::attr(class)", re=r"star-rating (\w+)")


class Product(Item):
    url: Url
    title: str = css(".product_main h1::text")
    price: Price = css(".product_main")
    description: str | None = css("#product_description ~ p::text")
    rows: list[Row] = css("table.table tr")
    breadcrumb: list[Step] = css(".breadcrumb li")
    path: list[str] = css(".breadcrumb a::text")
    images: list[Url] = css("#product_gallery img::attr(src)")
    related: list[Related] = css("article.product_pod")


def test_inner_items_and_lists_of_every_page_are_what_another_parser_finds(pages: dict[str, bytes]) -> None:
    headers = headers_of({"Content-Type": "text/html"})
    has_related = 0
    for path, body in pages.items():
        url = f"https://books.toscrape.com{path}"
        product = Page(Response(url, 200, headers, body)).extract(Product)
        expected = product_by_lxml(url, body)
        assert msgspec.to_builtins(product) == expected
        record = to_record(product, url)
        assert isinstance(record, Record)
        assert json.loads(record.data) == expected
        has_related += len(product.related) > 0
    assert has_related > 100


def product_by_lxml(url: str, body: bytes) -> dict[str, object]:
    tree = html.fromstring(body.decode("utf-8"))

    def having(name: str) -> str:
        return f"contains(concat(' ', normalize-space(@class), ' '), ' {name} ')"

    def texts(node: html.HtmlElement, path: str) -> list[str]:
        return [str(text) for text in node.xpath(path)]

    def price(node: html.HtmlElement) -> dict[str, str]:
        whole = texts(node, f".//p[{having('price_color')}]/text()")[0]
        return {"amount": whole[1:], "currency": whole[0]}

    def related(pod: html.HtmlElement) -> dict[str, object]:
        return {
            "title": texts(pod, ".//h3/a/@title")[0].strip(),
            "link": urljoin(url, texts(pod, ".//h3/a/@href")[0]),
            "price": price(pod),
            "stars": texts(pod, f".//p[{having('star-rating')}]/@class")[0].split()[1],
        }

    [main] = tree.xpath(f"//div[{having('product_main')}]")
    return {
        "url": url,
        "title": texts(main, ".//h1/text()")[0].strip(),
        "price": price(main),
        "description": next(
            (text.strip() for text in texts(tree, "//*[@id='product_description']/following-sibling::p/text()")), None
        ),
        "rows": [
            {"name": "".join(texts(row, "th/text()")).strip(), "value": "".join(texts(row, "td/text()")).strip()}
            for row in tree.xpath(f"//table[{having('table')}]//tr")
        ],
        "breadcrumb": [
            {
                "name": next(iter(texts(step, "a/text()")), None),
                "link": next((urljoin(url, href) for href in texts(step, "a/@href")), None),
            }
            for step in tree.xpath("//ul[@class='breadcrumb']/li")
        ],
        "path": texts(tree, "//ul[@class='breadcrumb']/li/a/text()"),
        "images": [urljoin(url, source) for source in texts(tree, "//*[@id='product_gallery']//img/@src")],
        "related": [related(pod) for pod in tree.xpath(f"//article[{having('product_pod')}]")],
    }
