from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest

from crawler.errors import MissingExtra, SelectorError
from crawler.parse.page import Page
from crawler.parse.select import Node
from crawler.request import Request
from crawler.response import Response, headers_of

URL = "https://shop.example/list/page?x=1"


def a_page(
    body: str | bytes, content_type: str | None = "text/html; charset=utf-8", url: str = URL, **fields: Any
) -> Page:
    headers = headers_of({"Content-Type": content_type} if content_type is not None else {})
    data = body.encode() if isinstance(body, str) else body
    return Page(Response(url, 200, headers, data), **fields)


class Spider:
    def parse_book(self, page: Page) -> None: ...


def test_a_page_has_what_was_asked_and_what_came() -> None:
    request = Request(URL, "parse_book", meta={"page": 1})
    page = a_page("<p>naïve", request=request, depth=3)
    assert (page.url, page.status, page.depth, page.meta) == (URL, 200, 3, {"page": 1})
    assert (page.body, page.text, page.encoding) == ("<p>naïve".encode(), "<p>naïve", "utf-8")
    assert (page.headers["content-type"], page.content_type) == ("text/html; charset=utf-8",) * 2
    assert page.request is request
    assert repr(page) == f"<Page 200 {URL}>"


def test_a_page_without_a_request_was_asked_plainly() -> None:
    page = a_page("", None)
    assert (page.request, page.meta, page.depth, page.content_type) == (Request(URL), {}, 0, "")


# Text.


@pytest.mark.parametrize(
    ("body", "content_type", "encoding"),
    [
        ("<p>naïve", "text/html; charset=utf-8", "utf-8"),
        ("<p>naïve", "text/html", "utf-8"),
        ("<meta charset=windows-1251><p>привет", "text/html", "windows-1251"),
        ("<p>привет", "text/html; charset=koi8-r", "koi8-r"),
        ("<p>日本", "text/html; charset=Shift_JIS", "shift_jis"),
    ],
)
def test_text_is_decoded_and_selected_from(body: str, content_type: str, encoding: str) -> None:
    page = a_page(body.encode(encoding), content_type)
    assert (page.encoding, page.text) == (encoding, body)
    assert page.css("p::text").get() == body.partition("<p>")[2]


@pytest.mark.parametrize("bom", ["utf-8-sig", "utf-16"])
def test_a_byte_order_mark_is_no_part_of_the_text(bom: str) -> None:
    assert a_page("<p>naïve".encode(bom), "text/html; charset=windows-1252").text == "<p>naïve"


@pytest.mark.parametrize(
    "bom",
    [
        "utf-8-sig",
        "utf-16",
    ],
)
def test_a_byte_order_mark_is_no_part_of_the_tree(bom: str) -> None:
    page = a_page("<!doctype html><head><title>naïve</title></head>".encode(bom), "text/html")
    assert page.css("head > title::text").getall() == ["naïve"]
    assert page.css("::text").getall() == ["naïve"]


def test_bytes_that_cannot_be_decoded_are_replaced_in_text_and_tree_alike() -> None:
    page = a_page(b"<p>caf\xe9 ol\xc3\xa9</p>")
    assert page.text == "<p>caf\ufffd olé</p>"
    assert page.css("p::text").get() == "caf\ufffd olé"


@pytest.mark.parametrize("charset", ["rot13", "idna", "undefined", "utf-7", "\udcff"])
def test_a_charset_that_nobody_knows_is_detected_instead(charset: str) -> None:
    page = a_page("<p>naïve", f"text/html; charset={charset}")
    assert (page.encoding, page.text) == ("utf-8", "<p>naïve")


# JSON.


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        ('{"a": ["é", 1.5, null]}'.encode(), "application/json"),
        ('{"a": ["é", 1.5, null]}'.encode("utf-16"), "application/json"),
        ('{"a": ["é", 1.5, null]}'.encode("latin-1"), "application/json; charset=iso-8859-1"),
    ],
)
def test_json_is_read_in_any_encoding(body: bytes, content_type: str) -> None:
    assert a_page(body, content_type).json() == {"a": ["é", 1.5, None]}


def test_json_after_a_byte_order_mark_is_read() -> None:
    assert a_page(b'\xef\xbb\xbf{"a": 1}', "application/json").json() == {"a": 1}


@pytest.mark.parametrize("body", ["<html>Sorry, we are closed", "", '{"a": ', "{'a': 1}"])
def test_what_is_no_json_is_an_error_that_shows_how_it_begins(body: str) -> None:
    with pytest.raises(ValueError, match="is no JSON") as caught:
        a_page(body).json()
    assert URL in str(caught.value)
    assert repr(body) in str(caught.value)


# Addresses.


@pytest.mark.parametrize(
    ("href", "expected"),
    [
        ("/a", "https://shop.example/a"),
        ("a b?q=ü#f", "https://shop.example/list/a%20b?q=%C3%BC#f"),
        ("../x", "https://shop.example/x"),
        ("//cdn.example/x", "https://cdn.example/x"),
        ("?y=2", "https://shop.example/list/page?y=2"),
        ("#part", f"{URL}#part"),
        ("", URL),
        (" /a\n", "https://shop.example/a"),
        ("HTTP://OTHER.example:80/%7e", "http://other.example/%7e"),
        ("mailto:me@shop.example", "mailto:me@shop.example"),
        ("http://[", "http://["),
    ],
)
def test_addresses_are_joined_as_a_browser_joins_them(href: str, expected: str) -> None:
    assert a_page("<p>").urljoin(href) == expected


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        ('<base href="/root/">', "https://shop.example/root/a"),
        ('<BASE HREF="https://cdn.example/x/y">', "https://cdn.example/x/a"),
        ('<base target="_blank"><base href="/second/">', "https://shop.example/second/a"),
        ('<base href="/first/"><base href="/second/">', "https://shop.example/first/a"),
        ('<base href="">', "https://shop.example/list/a"),
        ("<base href>", "https://shop.example/list/a"),
        ('<base href="javascript:1">', "https://shop.example/list/a"),
        ('<!-- <base href="/no/"> -->', "https://shop.example/list/a"),
        ("<p>no base", "https://shop.example/list/a"),
    ],
)
def test_the_base_element_counts(html: str, expected: str) -> None:
    page = a_page(f"<html><head>{html}</head><body><a href=a>x</a>")
    assert page.urljoin("a") == expected
    assert page.follow("a").url == expected
    assert page.links() == [expected]


# follow.

LINKS = """<a class=one href="/1">One</a><a class=two href="2?x=%20&amp;y">Two</a><img src="i.png">
<link rel=canonical href="/canonical"><a class=none>none</a><p>text</p>"""

FOLLOWED: list[tuple[str, Callable[[Page], Any], str]] = [
    ("an address", lambda page: "/1", "/1"),
    ("an absolute address", lambda page: "https://shop.example/1", "/1"),
    ("an element", lambda page: page.css("a.one")[0], "/1"),
    ("a selection of one", lambda page: page.css("a.two"), "/list/2?x=%20&y"),
    ("an element with src", lambda page: page.css("img")[0], "/list/i.png"),
    ("another element with href", lambda page: page.css("link")[0], "/canonical"),
    ("an attribute", lambda page: page.css("a.one::attr(href)")[0], "/1"),
    ("a selection of one attribute", lambda page: page.css("a.one::attr(href)"), "/1"),
    ("a text", lambda page: Node(page.css("p")[0].raw, "/text"), "/text"),
]


@pytest.mark.parametrize(("link", "expected"), [row[1:] for row in FOLLOWED], ids=[row[0] for row in FOLLOWED])
def test_a_link_is_followed_in_any_form(link: Callable[[Page], Any], expected: str) -> None:
    page = a_page(LINKS)
    assert page.follow(link(page)) == Request(f"https://shop.example{expected}")


def test_a_request_takes_a_callback_by_method_or_name_and_all_its_other_fields() -> None:
    page = a_page(LINKS)
    fields: dict[str, Any] = {"meta": {"a": 1}, "priority": 5, "unique": False, "headers": {"X": "1"}, "method": "post"}
    expected = Request("https://shop.example/1", "parse_book", **fields)
    assert page.follow("/1", Spider().parse_book, **fields) == expected
    assert page.follow("/1", "parse_book", **fields) == expected
    assert page.follow("/1", callback="parse_book", **fields) == expected
    assert list(page.follow_all(["/1"], Spider().parse_book, **fields)) == [expected]
    assert list(page.follow_all("a.one", callback="parse_book", **fields)) == [expected]


def test_a_callback_that_is_no_method_is_an_error() -> None:
    with pytest.raises(TypeError, match="no method of the spider"):
        a_page(LINKS).follow("/1", lambda page: None)


@pytest.mark.parametrize(
    "link",
    [lambda page: page.css("a.none")[0], lambda page: page.css("p")[0], lambda page: page.css("p"), lambda _: None],
)
def test_an_element_without_an_address_cannot_be_followed(link: Callable[[Page], Any]) -> None:
    page = a_page(LINKS)
    with pytest.raises(ValueError, match="no address to follow"):
        page.follow(link(page))


@pytest.mark.parametrize(("query", "count"), [("a", 3), (".absent", 0)])
def test_a_selection_of_other_than_one_cannot_be_followed(query: str, count: int) -> None:
    page = a_page(LINKS)
    with pytest.raises(ValueError, match=rf"one link, not {count}; follow_all\(\) takes many"):
        page.follow(page.css(query))


# follow_all and links.

MANY = """<a href="/1">1</a><a href="/2#x">2</a><a href="mailto:a@b">m</a><a href="javascript:void(0)">j</a>
<a href="/1">again</a><a href="https://shop.example/1">again</a><a href="http://[">malformed</a><a>none</a>
<a href="tel:1">t</a><a href="data:,x">d</a><area href="/area"><link href="/style.css"><a href="ftp://x.example/">f</a>"""
ONE_TWO = ["https://shop.example/1", "https://shop.example/2#x"]

FORMS: list[tuple[str, Callable[[Page], tuple[tuple[Any, ...], dict[str, Any]]]]] = [
    ("a CSS query", lambda page: (("a",), {})),
    ("css=", lambda page: ((), {"css": "a"})),
    ("a query of attributes", lambda page: (("a::attr(href)",), {})),
    ("a selection", lambda page: ((page.css("a"),), {})),
    ("a selection of attributes", lambda page: ((page.css("a::attr(href)"),), {})),
    ("a list of elements", lambda page: ((list(page.css("a")),), {})),
    ("a list of addresses", lambda page: ((page.css("a::attr(href)").getall(),), {})),
    ("a generator", lambda page: (((node for node in page.css("a")),), {})),
    ("a tuple of both", lambda page: ((("/1", *page.css("a")),), {})),
]


@pytest.mark.parametrize("form", [row[1] for row in FORMS], ids=[row[0] for row in FORMS])
def test_many_links_are_followed_in_any_form_each_once_and_only_those_that_can_be(
    form: Callable[[Page], tuple[tuple[Any, ...], dict[str, Any]]],
) -> None:
    page = a_page(MANY)
    args, keywords = form(page)
    requests = list(page.follow_all(*args, **keywords))
    assert requests == [Request(url) for url in ONE_TWO]


def test_links_stay_in_the_session_of_their_page_unless_another_one_is_named() -> None:
    response = Response("http://a.example/", 200, headers_of(), b"<a href=/b>b</a>")
    page = Page(response, Request("http://a.example/", session="anna"))
    followed = [
        page.follow("/b"),
        *page.follow_all("a"),
        page.follow("/b", session="bert"),
        page.follow("/b", session=""),
    ]
    assert [request.session for request in followed] == ["anna", "anna", "bert", ""]
    assert Page(response).follow("/b").session == ""


def test_follow_all_of_nothing_is_nothing() -> None:
    page = a_page(MANY)
    assert list(page.follow_all(".absent")) == list(page.follow_all([])) == list(page.follow_all(iter(()))) == []


def test_follow_all_needs_something_to_follow() -> None:
    with pytest.raises(TypeError, match="needs links"):
        list(a_page(MANY).follow_all())


def test_follow_all_by_a_query_that_cannot_be_read_is_an_error() -> None:
    with pytest.raises(SelectorError):
        list(a_page(MANY).follow_all("a["))


def test_links_are_those_of_anchors_and_areas_without_fragments() -> None:
    assert a_page(MANY).links() == [
        "https://shop.example/1",
        "https://shop.example/2",
        "https://shop.example/area",
    ]


# Bodies that are no HTML.

BINARY = [
    (b"\x89PNG\r\n\x1a\n\x00\x00<a href=/x>", "image/png"),
    (b"<a href=/x>", "image/jpeg"),
    (b"<a href=/x>", "video/mp4; codecs=x"),
    (b"PK\x03\x04\x14\x00<a href=/x>", "application/zip"),
    (b"\x00\x01<a href=/x>", "text/html"),
    (b"\x1f\x8b\x08\x00<a href=/x>", None),
]


@pytest.mark.parametrize(("body", "content_type"), BINARY)
def test_a_binary_body_has_nothing_to_select(body: bytes, content_type: str | None) -> None:
    page = a_page(body, content_type)
    assert page.is_text is False
    assert (page.css("a").getall(), page.css("a::attr(href)").get(), page.links()) == ([], None, [])
    assert list(page.follow_all("a")) == []
    assert page.body == body
    assert isinstance(page.text, str)


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        ("<svg><a href=/x>x</a></svg>", "image/svg+xml"),
        ("<a href=/x>", "text/plain"),
        ("<a href=/x>", None),
        ("<a href=/x>", ""),
        ("<a href=/x>", "nonsense"),
        ("<rss><a href=/x>x</a></rss>", "application/rss+xml; charset=utf-8"),
        ("<a href=/x>".encode("utf-16"), "text/html"),
        (b"<a href=/x>" + b" " * 600 + b"\x00", "text/html"),
    ],
)
def test_a_body_that_may_be_text_can_be_selected_from(body: str | bytes, content_type: str | None) -> None:
    page = a_page(body, content_type)
    assert page.is_text is True
    assert page.css("a::attr(href)").getall() == ["/x"]


@pytest.mark.parametrize("body", ["", " \n", "just words", '{"a": 1}'])
def test_a_body_without_elements_selects_nothing(body: str) -> None:
    page = a_page(body)
    assert (page.css("a").getall(), page.links(), page.text) == ([], [], body)
    assert page.tree.body is not None


def test_broken_html_is_mended_as_browsers_do() -> None:
    page = a_page("<table><tr><td>1<td>2<a href=/x><p>un<b>closed</p><li>x <a href='/y")
    assert page.css("td::text").getall() == ["1", "2"]
    assert page.css("tbody > tr").get() is not None
    assert page.links() == ["https://shop.example/x"]


def test_the_tree_is_built_once_and_is_the_raw_parser() -> None:
    page = a_page("<p>a")
    assert page.tree is page.tree
    assert page.tree.css_first("p").text() == "a"


# XPath.


def test_an_xpath_gives_what_parsel_gives() -> None:
    page = a_page("<ul><li>naïve<li>b</ul>")
    assert page.xpath("//li/text()").getall() == ["naïve", "b"]
    assert page.xpath("//li[2]/text()").get() == "b"


@pytest.mark.parametrize("body", [b"", b"\x00\x01"])
def test_an_xpath_finds_nothing_where_there_is_nothing(body: bytes) -> None:
    assert a_page(body).xpath("//a").getall() == []


def test_without_parsel_an_xpath_is_an_error_that_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "parsel", None)
    with pytest.raises(MissingExtra, match="pip install parsel"):
        a_page("<p>").xpath("//p")
