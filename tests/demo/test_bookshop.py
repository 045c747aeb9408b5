"""The demo's bookshop: what it serves, and how it opens and closes."""

import http.client
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import pytest
from selectolax.lexbor import LexborHTMLParser

from crawler.demo.bookshop import (
    ABOUT,
    BESTSELLER,
    PRIVATE,
    SOLD_OUT,
    STYLESHEET,
    Answer,
    Bookshop,
    main,
    pages,
)

ROOT = Path(__file__).parents[2]
PRODUCT = re.compile(r"/catalogue/[a-z0-9-]+_\d+/index\.html")
TABLE = pages(240, slow_seconds=0.05)
PRODUCTS = {path: answer for path, answer in TABLE.items() if PRODUCT.fullmatch(path)}
LATIN_1_PAGE = next(path for path, answer in TABLE.items() if "iso-8859-1" in answer.headers.get("Content-Type", ""))
SLOW_PAGE = next(path for path, answer in TABLE.items() if answer.delay)


@pytest.fixture(scope="module")
def shop() -> Iterator[Bookshop]:
    with Bookshop(slow_seconds=0.05) as shop:
        yield shop


@pytest.fixture
def client(shop: Bookshop) -> Iterator[http.client.HTTPConnection]:
    """One keep-alive connection to the shop."""
    connection = connect(shop)
    yield connection
    connection.close()


def connect(shop: Bookshop) -> http.client.HTTPConnection:
    return http.client.HTTPConnection("127.0.0.1", port_of(shop), timeout=10)


def port_of(shop: Bookshop) -> int:
    port = urlsplit(shop.url).port
    assert port is not None
    return port


def ask(
    client: http.client.HTTPConnection, path: str, method: str = "GET", body: str | None = None
) -> tuple[http.client.HTTPResponse, bytes]:
    client.request(method, path, body)
    response = client.getresponse()
    return response, response.read()


def parse(answer: Answer) -> LexborHTMLParser:
    charset = answer.headers["Content-Type"].partition("charset=")[2]
    return LexborHTMLParser(answer.body.decode(charset))


def links(path: str, answer: Answer) -> list[str]:
    """Every address on a page: paths of the shop resolved against *path*, others as they are."""
    if "Location" in answer.headers:
        return [answer.headers["Location"]]
    if not answer.headers["Content-Type"].startswith("text/html"):
        return []
    return [urljoin(path, node.attributes["href"] or "") for node in parse(answer).css("[href]")]


# ---- the pages


def test_the_shop_has_about_three_hundred_pages() -> None:
    assert len(PRODUCTS) == 240
    assert sum(bool(re.fullmatch(r"/catalogue/page-\d+\.html", path)) for path in TABLE) == 12
    assert len({path.split("/")[3] for path in TABLE if path.startswith("/catalogue/category/")}) == 21
    assert 280 <= len(TABLE) <= 320


def test_the_same_shop_has_the_same_pages_in_every_process() -> None:
    code = """if True:
        from hashlib import sha256
        from crawler.demo.bookshop import pages
        print(sha256(repr(pages(30)).encode()).hexdigest())
    """
    environment = {**os.environ, "PYTHONHASHSEED": "1"}
    other = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, check=True)
    assert other.stdout.decode().strip() == sha256(repr(pages(30)).encode()).hexdigest()


@pytest.mark.parametrize("books", [1, 2, 11, 20, 21, 47, 240])
def test_a_shop_of_any_size_has_one_dead_link_and_no_page_that_is_not_linked(books: int) -> None:
    table = pages(books)
    found, queue = {"/"}, ["/"]
    while queue:
        path = queue.pop()
        for link in links(path, table[path]) if path in table else []:
            if link.startswith("/") and link not in found:
                found.add(link)
                queue.append(link)
    assert found - table.keys() == {SOLD_OUT}
    assert table.keys() - found == {"/robots.txt"}


@pytest.mark.parametrize("books", [0, -1])
def test_a_shop_without_books_is_refused(books: int) -> None:
    with pytest.raises(ValueError, match="at least one book"):
        Bookshop(books=books)


def test_links_in_pages_are_relative() -> None:
    hrefs = {node.attributes["href"] or "" for path in PRODUCTS for node in parse(TABLE[path]).css("[href]")}
    assert {href for href in hrefs if not href.startswith("../../")} == {
        "data:,",
        "mailto:hello@bookshop.example",
        "javascript:window.print()",
    }


@pytest.mark.parametrize(
    ("query", "text"),
    [
        (".product_main h1", r"\S.+\S"),
        ("article.product_page p.price_color", r"£\d+\.\d\d"),
        ("article.product_page p.instock.availability", r"\s+In stock \(\d+ available\)\s+"),
        ("ul.breadcrumb li:nth-child(3) a", r"\w[\w& ]+"),
        ("article.product_page #product_description + p", r".{40,}"),
        ("table.table tr:nth-child(1) th", "UPC"),
        ("table.table tr:nth-child(1) td", "[0-9a-f]{16}"),
        ("table.table tr:nth-child(3) td", r"£\d+\.\d\d"),
        ("table.table tr:nth-child(4) th", "Availability"),
    ],
)
def test_every_product_page_has_once_what_spiders_of_book_shops_select(query: str, text: str) -> None:
    for path, answer in PRODUCTS.items():
        nodes = parse(answer).css(query)
        assert len(nodes) == 1, path
        assert re.fullmatch(text, nodes[0].text()), path


def test_every_product_page_has_its_stars_as_a_word() -> None:
    ratings = [parse(answer).css_first(".product_main p.star-rating") for answer in PRODUCTS.values()]
    stars = Counter(node.attributes["class"] for node in ratings if node)
    assert set(stars) == {f"star-rating {word}" for word in ("One", "Two", "Three", "Four", "Five")}
    assert stars.total() == 240


def test_following_next_from_the_index_passes_every_book_once() -> None:
    seen: list[str] = []
    path = "/"
    while True:
        tree = parse(TABLE[path])
        seen += [urljoin(path, node.attributes["href"] or "") for node in tree.css("article.product_pod h3 a")]
        following = tree.css_first("li.next a")
        if following is None:
            break
        path = urljoin(path, following.attributes["href"] or "")
    assert path == "/catalogue/page-12.html"
    assert seen == list(PRODUCTS)


def test_every_book_stands_in_the_listing_of_its_category() -> None:
    shelves = [path for path in TABLE if path.startswith("/catalogue/category/")]
    listed = [
        urljoin(path, node.attributes["href"] or "")
        for path in shelves
        for node in parse(TABLE[path]).css("article.product_pod h3 a")
    ]
    assert sorted(listed) == sorted(PRODUCTS)
    assert any(path.endswith("/page-2.html") for path in shelves)


# ---- over HTTP


@pytest.mark.parametrize(
    ("path", "status", "header", "value"),
    [
        ("/", 200, "Content-Type", "text/html; charset=utf-8"),
        ("/?utm_source=test", 200, "Content-Type", "text/html; charset=utf-8"),
        (ABOUT, 200, "Content-Type", "text/html; charset=utf-8"),
        (STYLESHEET, 200, "Content-Type", "text/css; charset=utf-8"),
        ("/robots.txt", 200, "Content-Type", "text/plain"),
        (PRIVATE, 200, "Content-Type", "text/html; charset=utf-8"),
        (LATIN_1_PAGE, 200, "Content-Type", "text/html; charset=iso-8859-1"),
        (SLOW_PAGE, 200, "Content-Type", "text/html; charset=utf-8"),
        (BESTSELLER, 301, "Location", list(PRODUCTS)[4]),
        (SOLD_OUT, 404, "Content-Type", "text/html; charset=utf-8"),
        ("/no/such/page", 404, "Content-Type", "text/html; charset=utf-8"),
    ],
)
def test_special_pages_are_answered(
    client: http.client.HTTPConnection, path: str, status: int, header: str, value: str
) -> None:
    response, _ = ask(client, path)
    assert (response.status, response.getheader(header)) == (status, value)


def test_every_page_of_the_table_comes_over_one_connection(client: http.client.HTTPConnection) -> None:
    client.connect()
    connection = client.sock
    for path, answer in TABLE.items():
        response, body = ask(client, path)
        assert (response.status, body) == (answer.status, answer.body)
        assert client.sock is connection, path


def test_head_is_answered_with_the_headers_of_get_and_no_body(client: http.client.HTTPConnection) -> None:
    head, nothing = ask(client, "/", "HEAD")
    get, body = ask(client, "/")
    names = ("Content-Type", "Content-Length")
    assert [head.getheader(name) for name in names] == [get.getheader(name) for name in names]
    assert (nothing, head.getheader("Content-Length")) == (b"", str(len(body)))


@pytest.mark.parametrize(("method", "status"), [("POST", 405), ("DELETE", 405), ("OPTIONS", 405), ("BREW", 501)])
def test_other_methods_are_refused_and_the_next_request_is_not_confused(
    client: http.client.HTTPConnection, method: str, status: int
) -> None:
    response, _ = ask(client, "/", method, body="GET /about.html HTTP/1.1\r\n\r\n")
    assert (response.status, response.getheader("Connection")) == (status, "close")
    assert ask(client, "/robots.txt")[1] == b"User-agent: *\nDisallow: /private/\n"


def test_the_old_charset_is_in_the_header_and_in_the_bytes(client: http.client.HTTPConnection) -> None:
    _, body = ask(client, LATIN_1_PAGE)
    assert {letter for letter in "éüß£" if letter.encode("iso-8859-1") in body} == set("éüß£")
    with pytest.raises(UnicodeDecodeError):
        body.decode("utf-8")


def test_one_page_is_slow(client: http.client.HTTPConnection) -> None:
    assert [answer.delay for answer in TABLE.values() if answer.delay] == [0.05]
    begin = time.monotonic()
    ask(client, SLOW_PAGE)
    assert time.monotonic() - begin >= 0.05


def test_headers_and_body_come_in_one_piece(shop: Bookshop) -> None:
    with socket.create_connection(("127.0.0.1", port_of(shop)), timeout=10) as raw:
        for _ in range(20):
            raw.sendall(f"GET {ABOUT} HTTP/1.1\r\nHost: shop\r\n\r\n".encode())
            assert raw.recv(65536).endswith(b"</html>\n")


# ---- opening and closing


def test_a_closed_shop_refuses_connections_and_another_can_open_in_its_place() -> None:
    with Bookshop(books=1) as shop:
        port = port_of(shop)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=10)
    with Bookshop(books=1, port=port) as other:
        client = connect(other)
        assert ask(client, "/robots.txt")[0].status == 200
        client.close()


def test_two_shops_can_be_open_at_once() -> None:
    with Bookshop(books=1) as one, Bookshop(books=1) as other:
        assert one.url != other.url


def test_closing_hangs_up_on_idle_clients() -> None:
    with Bookshop(books=1) as shop:
        client = connect(shop)
        ask(client, "/robots.txt")
    assert client.sock is not None
    assert client.sock.recv(1) == b""
    client.close()


def test_closing_does_not_wait_for_the_slow_page() -> None:
    table = pages(1, slow_seconds=600.0)
    slow = next(path for path, answer in table.items() if answer.delay)
    begin = time.monotonic()
    with Bookshop(books=1, slow_seconds=600.0) as shop:
        client = connect(shop)
        ask(client, "/robots.txt")  # so that a thread is there to take the next request
        client.request("GET", slow)
    assert time.monotonic() - begin < 5.0
    client.close()


def test_a_client_that_goes_away_leaves_no_word_on_the_terminal(capfd: pytest.CaptureFixture[str]) -> None:
    with Bookshop(books=240, slow_seconds=0.05) as shop:
        raw = socket.create_connection(("127.0.0.1", port_of(shop)), timeout=10)
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # close with a reset
        raw.sendall(f"GET {SLOW_PAGE} HTTP/1.1\r\nHost: shop\r\n\r\n".encode())
        raw.close()
        client = connect(shop)
        assert ask(client, SLOW_PAGE)[0].status == 200
        client.close()
    assert capfd.readouterr() == ("", "")


def test_the_command_prints_its_address_and_serves_until_ctrl_c() -> None:
    # A shell may have told its children to ignore Ctrl-C: the first line makes the child listen again.
    code = """if True:
        import signal; signal.signal(signal.SIGINT, signal.default_int_handler)
        from crawler.demo.bookshop import main
        main(["--port", "0", "--books", "3"])
    """
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        url = child.stdout.readline().strip()
        client = http.client.HTTPConnection(urlsplit(url).netloc, timeout=10)
        status = ask(client, "/")[0].status
        child.send_signal(signal.SIGINT)
        rest = child.communicate(timeout=10)
        client.close()
    assert (status, rest, child.returncode) == (200, ("", ""), 0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--books", "0"], "at least one book"),
        (["--port", "70000"], "port must be 0-65535"),
        (["--port", "x"], "int"),
    ],
)
def test_a_wrong_argument_is_named(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(arguments)
    assert exit_.value.code == 2
    assert message in capsys.readouterr().err


def test_a_port_that_is_taken_is_an_error(shop: Bookshop, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--port", str(port_of(shop))])
    assert "cannot open the shop" in capsys.readouterr().err
