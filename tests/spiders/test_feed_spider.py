"""Spiders of feeds and data files: rows and entries of whatever format, as they come or packed."""

import gzip
import logging

import msgspec
import pytest

from crawler import FeedSpider, Item
from crawler.assemble import build_spider
from crawler.errors import UsageError
from crawler.response import Response, headers_of
from tests.engine.crawling import SITE, Scripted, crawled

CSV = "name,price\nLamp,1.50\nKäse,2\n"
TSV = "name\tprice\nLamp\t1.50\nKäse\t2\n"
JSONL = '{"name": "Lamp", "price": "1.50"}\n{"name": "Käse", "price": "2"}\n'
XML = "<s><p><name>Lamp</name><price>1.50</price></p><p><name>Käse</name><price>2</price></p></s>"
ROWS = [{"name": "Lamp", "price": "1.50"}, {"name": "Käse", "price": "2"}]
RSS = "<rss><channel><item><title>T</title><link>/one</link></item></channel></rss>"


class Offer(Item):
    name: str
    price: float


def answer(name: str, body: bytes | str, content_type: str = "application/octet-stream") -> dict[str, Response]:
    data = body.encode() if isinstance(body, str) else body
    return {f"{SITE}/{name}": Response(f"{SITE}/{name}", 200, headers_of({"Content-Type": content_type}), data)}


def spider(name: str, **attributes) -> type[FeedSpider]:
    return type("Offers", (FeedSpider,), {"start_urls": [f"{SITE}/{name}"], **attributes})


@pytest.mark.parametrize(
    ("name", "body", "content_type", "attributes"),
    [
        ("a.csv", CSV, "text/plain", {}),
        ("a.csv.gz", gzip.compress(CSV.encode()), "application/gzip", {}),
        ("a.tsv", TSV, "text/plain", {}),
        ("export", TSV, "text/tab-separated-values", {}),
        ("export", CSV, "text/csv; charset=utf-8", {}),
        ("export", CSV.encode("iso-8859-1"), "text/csv; charset=iso-8859-1", {}),
        ("export?format=csv", CSV.replace(",", ";"), "text/plain", {"format": "csv", "delimiter": ";"}),
        ("a.csv", CSV.partition("\n")[2], "text/csv", {"headers": ["name", "price"]}),
        ("a.jsonl", JSONL, "text/plain", {}),
        ("a.jsonl.gz", gzip.compress(JSONL.encode()), "application/gzip", {}),
        ("export", JSONL, "application/x-ndjson", {}),
        ("a.xml", XML, "application/xml", {"itertag": "p"}),
        ("a.xml.gz", gzip.compress(XML.encode()), "application/gzip", {"itertag": "p"}),
    ],
)
async def test_rows_of_every_format_are_the_same(name, body, content_type, attributes):
    found = await crawled(spider(name, **attributes), Scripted(answer(name, body, content_type)))
    assert found.failures == {}
    assert found.items == ROWS


@pytest.mark.parametrize(
    ("name", "content_type"), [("a.rss", "text/plain"), ("f", "application/rss+xml"), ("f", "text/xml")]
)
async def test_the_entries_of_a_feed_are_items(name, content_type):
    found = await crawled(spider(name), Scripted(answer(name, RSS, content_type)))
    assert [(item["url"], item["title"]) for item in found.items] == [(f"{SITE}/one", "T")]


async def test_hooks_say_what_becomes_of_rows_and_entries():
    def parse_row(self, page, row):
        yield {"upper": row["name"].upper()}
        yield page.follow("/" + row["price"], "parse_more")

    pages = answer("a.csv", CSV) | {f"{SITE}/1.50": "", f"{SITE}/2": ""}
    more = {"parse_row": parse_row, "parse_more": lambda self, page: {"more": page.url}}
    found = await crawled(spider("a.csv", **more), Scripted(pages))
    assert sorted(map(str, found.items)) == sorted(
        map(str, [{"upper": "LAMP"}, {"upper": "KÄSE"}, {"more": f"{SITE}/1.50"}, {"more": f"{SITE}/2"}])
    )
    entry = await crawled(
        spider("a.rss", parse_entry=lambda self, page, entry: {"t": entry.title}), Scripted(answer("a.rss", RSS))
    )
    assert entry.items == [{"t": "T"}]


async def test_rows_become_items_and_those_that_do_not_fit_are_rejects():
    found = await crawled(spider("a.csv", item=Offer), Scripted(answer("a.csv", f"{CSV}Bad,cheap\n")))
    assert found.items == [{"name": "Lamp", "price": 1.5}, {"name": "Käse", "price": 2.0}]
    assert [(reject["field"], reject["values"]) for reject in found.rejects] == [
        ("price", {"name": "Bad", "price": "cheap"})
    ]


async def test_rows_that_cannot_be_read_are_told_of_and_the_others_are_kept(caplog):
    with caplog.at_level(logging.WARNING):
        found = await crawled(spider("a.csv"), Scripted(answer("a.csv", f"{CSV}only one\n")))
    assert found.items == ROWS
    assert f"{SITE}/a.csv: rows that cannot be read: 1; the first: line 4: 1 cells for 2 columns" in caplog.text


@pytest.mark.parametrize(
    ("name", "body", "attributes", "said"),
    [
        ("a.csv.gz", gzip.compress(CSV.encode() * 999)[:-9], {}, "a.csv.gz is no whole csv file: a .gz file that ends"),
        ("a.xml", XML[:-9], {"itertag": "p"}, "is no whole xml file: line 1"),
        ("a.csv", "a,a\n1,2\n", {}, "names the column 'a' twice"),
        ("a.xml", XML, {}, "it is XML: itertag says which elements are the rows"),
        ("page", "<p>nothing", {}, "say what it is"),
        ("page", "words", {}, "it begins with b'words'"),
    ],
)
async def test_what_is_no_whole_file_is_a_failure_and_gives_nothing(name, body, attributes, said):
    found = await crawled(spider(name, **attributes), Scripted(answer(name, body)))
    assert found.items == []
    assert said in found.failure("callback_error").detail


async def test_a_feed_that_breaks_off_keeps_what_stands_before(caplog):
    body = RSS.replace("</channel></rss>", "<item><title>cut")
    found = await crawled(spider("a.rss"), Scripted(answer("a.rss", body)))
    assert [item["title"] for item in found.items] == ["T"]
    assert "was not read to its end" in caplog.text


async def _async_row(self, page, row):
    """A hook that nobody would await."""


@pytest.mark.parametrize(
    ("attributes", "said"),
    [
        ({"format": "xls"}, "Offers.format is 'xls'; there are: feed, xml, csv, jsonl"),
        ({"format": "xml"}, "Offers.itertag is missing"),
        ({"delimiter": ";;"}, "Offers.delimiter is one character"),
        ({"quotechar": "\n"}, "Offers.quotechar is one character"),
        ({"headers": "name"}, 'headers = ["name"]'),
        ({"item": int}, "Offers.item is <class 'int'>: give the class of an item"),
        ({"parse_row": _async_row}, "_async_row is async, and is called for each row"),
    ],
)
def test_a_declaration_that_cannot_be_right_stops_the_start(attributes, said):
    with pytest.raises(UsageError) as refused:
        build_spider(spider("a.csv", **attributes), {})
    assert said in str(refused.value)


async def test_a_large_file_is_read_whole():
    body = b"n\n" + b"".join(b"%d\n" % number for number in range(5_000))
    found = await crawled(spider("a.csv", item=msgspec.defstruct("N", [("n", int)])), Scripted(answer("a.csv", body)))
    assert [item["n"] for item in found.items] == [*range(5_000)]
