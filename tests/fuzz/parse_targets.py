"""What reads documents: encodings, HTML, XML, and the small languages in their attributes."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC
from email.utils import parsedate_to_datetime
from functools import partial
from itertools import pairwise
from urllib.parse import urldefrag

import webencodings
from inputs import Target, field, octets, text
from seeds import octets_of, pages, texts_of, urls
from selectolax.lexbor import LexborHTMLParser
from web_targets import A_URL, FIELD_WORDS

from crawler.errors import PageTooHeavy, SelectorError
from crawler.items.check import to_record
from crawler.items.item import Item, css
from crawler.outcome import Record, Reject
from crawler.parse.charset import charset_of, decode, encoding_of
from crawler.parse.css import addresses_in_css
from crawler.parse.date import moment
from crawler.parse.feed import read_feed
from crawler.parse.links import LEVELS, addresses_in_manifest, addresses_in_text
from crawler.parse.literal import Literal, read_json
from crawler.parse.page import Page, PageOptions
from crawler.parse.prescan import PRESCAN, declared_in_meta, declared_in_xml, scan
from crawler.parse.sitemap import Sitemap
from crawler.parse.srcset import candidates
from crawler.parse.words import words_of_metas
from crawler.parse.xml import Broken, root_of, texts
from crawler.request import Request
from crawler.response import Response, headers_of
from crawler.urls.url import MAX_URL, Base, address

URL = "https://shop.example/list/page?x=1"

HTML_WORDS = [b"<", b">", b"</", b"<a href=", b"<a href='/b'>c</a>", b"<base href=", b"<meta ", b"<meta charset=", b"<meta http-equiv=refresh content='0;url=", b"<meta name=robots content=nofollow>", b"<link rel=next href=b>", b"<link rel=", b"<img srcset='a 1x, b 2x'>", b"<iframe src=", b"<form action=", b"<style>", b"</style>", b"<script>", b"</script>", b"<noscript>", b"<!--", b"-->", b"<!doctype html>", b"<body", b"<head>", b"<svg>", b"<math>", b"<table>", b"<template>", b"<select>", b"<option>", b"<p>", b"<b>", b"<i>", b"&amp;", b"&#x0;", b"&notit;", b"'", b'"', b"=", b"/", b" style='url(b)'", b" xlink:href=", b" data-src=", b"http://a.example/b", b"]]>", b"<![CDATA[", b"<?xml version='1.0' encoding='"]  # fmt: skip
XML_WORDS = [b"<?xml version='1.0'?>", b"<?xml version='1.0' encoding='utf-16'?>", b"<urlset>", b"<sitemapindex>", b"<url>", b"</url>", b"<loc>", b"</loc>", b"<lastmod>", b"<rss>", b"<rdf:RDF>", b"<feed>", b"<atom:feed>", b"<item>", b"</item>", b"<entry>", b"<link href='a'/>", b"<link>", b"<title type='xhtml'>", b"<enclosure url='a' length='9'/>", b" xml:base='http://b/'", b"<author><name>", b"<guid isPermaLink='false'>", b"<pubDate>", b"<!DOCTYPE a>", b"<!DOCTYPE a [<!ENTITY b 'c'>]>", b"&b;", b"&nbsp;", b"&amp", b"&", b"<![CDATA[", b"]]>", b"<!--", b"-->", b"<?a", b"?>", b"\x1f\x8b\x08", b"http://a.example/b\n", b"<a:b xmlns:a='c'>", b"<", b">", b"/>", b"<priority>", b"xhtml:link", b"<image:image><image:loc>"]  # fmt: skip
STRUCTURED_WORDS = [b"<script type=application/ld+json>", b"</script>", b'{"@graph": [', b'{"@type": "A"}', b"]}", b"<!--", b"<div itemscope>", b"<div itemprop=a itemscope itemref='b c'>", b"<p id=b itemprop='a b'>", b"<p id=c itemscope itemref=b>", b"</div>", b"<meta property=og:image content=a>", b"<meta property=og:image:width content=1>", b"<table>", b"</table>", b"<tr>", b"<th>", b"<td colspan=3>", b"<td rowspan=0>", b"<td rowspan=9 colspan=99>", b"<thead>", b"<tfoot>", b"<form>", b"<form method=post enctype=multipart/form-data>", b"<input name=a value=1>", b"<input type=file name=b>", b"<input type=radio name=c checked>", b"<select name=d>", b"<option selected>", b"<textarea name=e>", b"<fieldset disabled>", b"<legend>", b"<button name=f>", b"<input type=image name=g>", b"<script>a = {b: 'c'}", b"<script>a = "]  # fmt: skip
LITERAL_WORDS = ["{", "}", "[", "]", ",", ":", '"', "'", "`", "\\", "\\u", "\\ud83d", "\\x41", "/*", "*/", "//", "\n", "a", "undefined", "void 0", "!0", "-", "1", "1e9", ".5", "0x", "n", "JSON.parse(", "decodeURIComponent(", ")", "true", "null", " "]  # fmt: skip
LABELS = ["utf-8", "utf-16", "utf-16be", "utf-16le", "latin1", "windows-1252", "gbk", "gb18030", "big5", "euc-jp", "euc-kr", "shift_jis", "iso-2022-jp", "koi8-u", "x-user-defined", "replacement", "hz-gb-2312", "iso-8859-8-i", "x-mac-cyrillic", "ibm866", "windows-874", "rot13", "base64", "zlib", "utf-7", "idna", "unicode_escape", ""]  # fmt: skip
CONTENT_TYPES = ["text/html", "application/xml", "image/svg+xml", "text/css", "application/json", "application/manifest+json", "text/plain", "application/pdf", ""]  # fmt: skip
SELECTOR_WORDS = ["a", "*", "::text", "::attr(href)", "::attr(", "::before", ":not(", ":has(", ":is(", ":nth-child(", ":contains('a')", ":lexbor-contains(", "2n+1", "of", "[", "]", "[href]", "=", "~=", "^=", " i]", "(", ")", ",", ">", "+", "~", " ", "||", ".", "#", "\\", "'", '"', "|", "!", "@", "-", "--", "/*", "*/"]  # fmt: skip
DATES = texts_of("parse/test_sitemap.py", "parse/test_feed.py")

A_PAGE = octets(pages(), HTML_WORDS)
A_CONTENT_TYPE = field([f"{kind}; charset={label}" for kind in CONTENT_TYPES for label in LABELS], FIELD_WORDS)
A_FEED = octets(octets_of("parse/test_sitemap.py", "parse/test_feed.py"), XML_WORDS)


class Thing(Item):
    url: str
    name: str = css("a::text, p ::text")
    price: float = css("[href]::attr(href)", re=r"[\d.]+", default=0.0)
    size: int | None = css("p::text")
    many: list[str] = css("a::attr(href)", many=True)


def _page(body: bytes, content_type: str, url: str = URL, **headers: str) -> Page:
    said = headers_of({"Content-Type": content_type, **headers})
    return Page(Response(url, 200, said, body), options=PageOptions(token="bot"))


def _is_sound(written: str) -> bool:
    """Whether it can be sent to a process, a file, a terminal: no half of a character."""
    return written.encode("utf-8", "surrogatepass") == written.encode()


def _encodings(body: bytes, content_type: str) -> None:
    name = encoding_of(body, content_type)
    assert webencodings.lookup(name).name == name
    assert _is_sound(decode(body, name)), name
    label = content_type.rpartition("=")[2]
    assert not label.isascii() or _is_sound(decode(body, label)), label
    assert charset_of(content_type) == charset_of(content_type).strip("\t\n\r '")


def _prescans(body: bytes) -> None:
    def known(label: str) -> str | None:
        return label or None

    assert declared_in_meta(body, known) == scan(body[:PRESCAN], known) or b"charset" not in body[:PRESCAN].lower()
    declared_in_xml(body)
    words = words_of_metas(body.lower())
    assert words == words.lower()


def _links(body: bytes, content_type: str, url: str, header: str) -> None:
    found = address(url)
    page = _page(body, content_type, found.href if found is not None else URL, Link=header, Refresh=header)
    levels = [page.links(level) for level in LEVELS]
    for narrow, wide in pairwise(levels):
        assert set(narrow) <= set(wide)
    for links in levels:
        assert len(set(links)) == len(links)
        for link in links:
            assert link.startswith(("http://", "https://"))
            assert "#" not in link
            assert link.isascii()
    refresh = page.refresh
    assert refresh is None or (refresh.target or "").startswith(("http://", "https://"))
    assert all(word == word.lower() for word in page.robots)
    assert page.forbids_following == ("nofollow" in page.robots)
    assert page.url == page.response.url


def _pages(body: bytes, content_type: str, href: str) -> None:
    page = _page(body, content_type)
    assert _is_sound(page.text)
    page.follow_all("a, link, [href]::attr(href)")
    assert [urldefrag(request.url).url for request in page.follow_all([href])] == [
        urldefrag(url).url for url in page._base_url().join_all([href])
    ]
    for thing in [page.extract(Thing), *page.extract_all(Thing, "p, a")]:
        assert isinstance(to_record(thing, page.url), (Record, Reject))
    for node in page.css("a, p")[:5]:
        assert _is_sound(node.text)
        assert _is_sound(node.get())
        repr(node)
    with suppress(ValueError):
        page.json()
    addresses_in_manifest(body, "all")


def _against_selectolax(body: bytes) -> None:
    """All anchors of the document, however the fast way found them."""
    page = _page(body, "text/html; charset=utf-8")
    if not page.is_text or page.encoding != "utf-8":
        return
    tree = LexborHTMLParser(body.removeprefix(b"\xef\xbb\xbf"))
    first = next((base.attributes.get("href") or "" for base in tree.css("base[href]")), None)
    root = Base(URL).resolve(first) if first else None
    base = Base(root if root is not None and not root.startswith(("data:", "javascript:")) else URL)
    hrefs = [anchor.attributes.get("href") for anchor in tree.css("a[href]")]
    expected = [base.join(href) for href in hrefs if href is not None]  # <a href> leads here, where we are
    assert {urldefrag(url).url for url in expected if url is not None} <= set(page.links("pages"))


def _selectors(query: str, body: bytes) -> None:
    page = _page(body, "text/html")
    found = page.css(query)
    assert all(isinstance(one, str) for one in found.getall())
    assert found.get() == (found.getall() or [None])[0]
    page.follow_all(css=query)


def _sitemaps(body: bytes, content_type: str) -> None:
    sitemap = Sitemap(body, URL, content_type)
    for entry in sitemap:
        assert entry.url.startswith(("http://", "https://"))
        assert len(entry.url) <= MAX_URL
        assert entry.lastmod is None or entry.lastmod.tzinfo is not None
        assert _is_sound(entry.url)
    assert isinstance(sitemap.error, str)


def _feeds(body: bytes, content_type: str) -> None:
    feed = read_feed(body, URL, content_type)
    for entry in feed.entries:
        assert not entry.url or entry.url.startswith(("http://", "https://"))
        assert _is_sound(entry.title + entry.content + entry.summary + entry.author + entry.id)


def _xml(body: bytes, content_type: str) -> None:
    assert root_of(body, content_type)
    assert all(_is_sound(piece) for piece in texts(body, content_type))


def _srcsets(value: str) -> None:
    for found in candidates(value):
        assert found in value
        assert found
        assert not set(found) & set("\t\n\f\r ")


def _styles(sheet: str) -> None:
    for found in addresses_in_css(sheet):
        assert found
        assert len(found) <= len(sheet)


def _texts(written: str) -> None:
    for found in addresses_in_text(written):
        assert not set(found) & set(" \t\n\"'<>")


def _dates(value: str) -> None:
    found = moment(value)
    if found is None:
        return
    assert found.utcoffset() is not None
    assert found.isoformat()
    assert (found < moment("2026-01-01")) in (True, False)  # type: ignore[operator]  # it is a date
    if "," in value:
        expected = parsedate_to_datetime(value)
        assert found == (expected if expected.tzinfo is not None else expected.replace(tzinfo=UTC))


def _requests(url: str, callback: str) -> None:
    request = Request(url, callback or "parse", meta={"a": url}, headers={"A": callback})
    assert request == request.replace()


def _structured(body: bytes) -> None:
    page = _page(body, "text/html; charset=utf-8")
    for thing in page.jsonld():
        assert isinstance(thing, dict)
    for item in page.microdata():
        assert item.keys() == {"type", "id", "properties"}
    for values in page.opengraph().values():
        assert values
    for read in (page.table, partial(page.table, vertical=True), partial(page.script_json, "a"), page.form().submit):
        with suppress(ValueError):
            read()


def _literals(written: str) -> None:
    assert read_json(written) == Literal(written).whole()


TARGETS = [
    Target("what a page says of itself is read", _structured, (octets(pages(), STRUCTURED_WORDS),), ours=(PageTooHeavy, ValueError), share=2.0),
    Target("a literal is read", _literals, (text(texts_of("parse/test_literal.py"), LITERAL_WORDS),), ours=(ValueError,)),
    Target("an encoding is found", _encodings, (A_PAGE, A_CONTENT_TYPE), share=2.0),
    Target("a declaration is found", _prescans, (A_PAGE,)),
    Target("links are found", _links, (A_PAGE, A_CONTENT_TYPE, A_URL, field(texts_of("http/test_link_header.py", "http/test_refresh.py"), FIELD_WORDS)), ours=(PageTooHeavy,), share=3.0),
    Target("a page is read", _pages, (A_PAGE, A_CONTENT_TYPE, A_URL), ours=(PageTooHeavy,), share=3.0),
    Target("anchors are those of the tree", _against_selectolax, (A_PAGE,), ours=(PageTooHeavy,), share=2.0),
    Target("a query is read", _selectors, (text(texts_of("parse/test_select.py"), SELECTOR_WORDS), octets(pages()[:20], HTML_WORDS)), ours=(PageTooHeavy, SelectorError), share=2.0),
    Target("a sitemap is read", _sitemaps, (A_FEED, A_CONTENT_TYPE), ours=(ValueError,), share=2.0),
    Target("a feed is read", _feeds, (A_FEED, A_CONTENT_TYPE), ours=(ValueError,), share=2.0),
    Target("a root is found", _xml, (A_FEED, A_CONTENT_TYPE), ours=(Broken,)),
    Target("a srcset is read", _srcsets, (text(texts_of("parse/test_srcset_and_css.py"), [",", " ", "(", ")", "1x", "2w", "3h", "1.5e9x", "a"]),)),
    Target("a style is read", _styles, (text(texts_of("parse/test_srcset_and_css.py"), ["url(", ")", "'", '"', "\\", "@import", "/*", "*/", "\\0000e9 ", "\\110000"]),)),
    Target("a text is searched", _texts, (text(urls() + texts_of("parse/test_links.py"), ["http://", "https://", '"', "'", "/", "//", "\\/", "\\u002F", "&amp;", "(", ")", "]", ".", ","]),)),
    Target("a date is read", _dates, (text(DATES, ["2026", "-", ":", "T", "Z", "+01:00", "+99:99", "Mon, ", "Jan", "GMT", "EST", "0", "W01", "00", "24", "60", ".", " "]),)),
    Target("a request is made", _requests, (A_URL, text(["parse", "a b"])), ours=(ValueError,)),
]  # fmt: skip
