"""Feeds of every family, in the states in which sites have them."""

import re
import time
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crawler.parse.feed import MAX_ENTRIES, MAX_TEXT, Enclosure, Feed, FeedEntry
from crawler.parse.page import Page
from crawler.response import Response, headers_of

URL = "https://site.example/blog/feed"


def feed(body: str | bytes, content_type: str = "application/rss+xml") -> Feed:
    data = body.encode() if isinstance(body, str) else body
    return Page(Response(URL, 200, headers_of({"Content-Type": content_type}), data)).feed()


def entry(inner: str) -> FeedEntry:
    """The one entry of an RSS feed with *inner* in its item."""
    (only,) = feed(f"<rss version='2.0'><channel><item>{inner}</item></channel></rss>").entries
    return only


def atom(inner: str, attributes: str = "") -> Any:
    (only,) = feed(f"<feed xmlns='http://www.w3.org/2005/Atom' {attributes}><entry>{inner}</entry></feed>").entries
    return only


RSS = """<?xml version="1.0" encoding="utf-8"?>
<rss version="2.0" xmlns:content="c" xmlns:dc="d" xmlns:atom="a" xmlns:itunes="i" xmlns:media="m">
<channel>
  <title>The Lantern</title><link>https://site.example/</link><description>News</description>
  <atom:link rel="self" href="https://site.example/blog/feed"/>
  <image><title>Logo</title><url>https://site.example/logo.png</url><link>https://logo.example/</link></image>
  <lastBuildDate>Mon, 02 Nov 2026 10:00:00 +0200</lastBuildDate>
  <item>
    <title>One &amp; only</title>
    <itunes:title>Other</itunes:title>
    <link> /blog/1 </link>
    <guid isPermaLink="false">tag:1</guid>
    <pubDate>Sun, 01 Nov 2026 08:00:00 GMT</pubDate>
    <dc:creator><![CDATA[Ada <the writer>]]></dc:creator>
    <description><![CDATA[<p>Short</p>]]></description>
    <content:encoded><![CDATA[<p>Long</p>]]></content:encoded>
    <enclosure url="/1.mp3" type="audio/mpeg" length="123"/>
    <media:title>Never</media:title>
    <source url="https://b.example/feed"><title>B</title><link>https://b.example/</link></source>
  </item>
  <item><title>Two</title><guid>https://site.example/blog/2</guid></item>
</channel></rss>"""


def test_rss_2() -> None:
    assert feed(RSS) == Feed(
        "rss",
        "The Lantern",
        "https://site.example/",
        datetime(2026, 11, 2, 10, tzinfo=timezone(timedelta(hours=2))),
        [
            FeedEntry(
                "https://site.example/blog/1",
                "One & only",
                datetime(2026, 11, 1, 8, tzinfo=UTC),
                None,
                "tag:1",
                "<p>Short</p>",
                "Ada <the writer>",
                "<p>Long</p>",
                (Enclosure("https://site.example/1.mp3", "audio/mpeg", 123),),
            ),
            FeedEntry("https://site.example/blog/2", "Two", id="https://site.example/blog/2"),
        ],
    )


def test_rss_0_91_with_its_document_type() -> None:
    body = (
        '<!DOCTYPE rss PUBLIC "-//Netscape Communications//DTD RSS 0.91//EN" "http://127.0.0.1:9/rss-0.91.dtd">'
        '<rss version="0.91"><channel><title>Old</title><link>http://old.example/</link>'
        "<item><title>One</title><link>http://old.example/1</link></item></channel></rss>"
    )

    assert feed(body) == Feed("rss", "Old", "http://old.example/", None, [FeedEntry("http://old.example/1", "One")])


def test_rss_1() -> None:
    body = """<rdf:RDF xmlns:rdf="r" xmlns="http://purl.org/rss/1.0/" xmlns:dc="d">
      <channel rdf:about="http://c.example/feed"><title>C</title><link>http://c.example/</link><dc:date>2026-11-01</dc:date>
        <items><rdf:Seq><rdf:li rdf:resource="http://c.example/1"/></rdf:Seq></items></channel>
      <item rdf:about="http://c.example/1"><title>One</title><dc:date>2026-11-02T08:00:00Z</dc:date></item></rdf:RDF>"""

    assert feed(body) == Feed(
        "rdf",
        "C",
        "http://c.example/",
        datetime(2026, 11, 1, tzinfo=UTC),
        [FeedEntry("http://c.example/1", "One", datetime(2026, 11, 2, 8, tzinfo=UTC), id="http://c.example/1")],
    )


ATOM = """<?xml version="1.0"?>
<a:feed xmlns:a="http://www.w3.org/2005/Atom">
  <a:title>Notes</a:title><a:link rel="self" href="feed"/><a:link href="/"/><a:updated>2026-11-02T10:00:00Z</a:updated>
  <a:author><a:name>House</a:name></a:author>
  <a:entry>
    <a:title type="html">A &lt;b&gt;note&lt;/b&gt;</a:title>
    <a:link rel="replies" href="r"/><a:link rel="alternate" type="text/html" href="n/1"/><a:link href="second"/>
    <a:link rel="enclosure" href="n/1.mp3" type="audio/mpeg" length="many"/>
    <a:id>urn:1</a:id>
    <a:published>2026-11-01T08:00:00+01:00</a:published><a:updated>2026-11-02T10:00:00Z</a:updated>
    <a:source><a:title>Other</a:title><a:author><a:name>Nobody</a:name></a:author></a:source>
    <a:contributor><a:name>Helper</a:name></a:contributor>
    <a:author><a:email>j@site.example</a:email><a:name>Jo</a:name><a:uri>http://jo.example/</a:uri></a:author>
    <a:author><a:name>Second</a:name></a:author>
    <a:summary>Short</a:summary>
    <a:content type="html">&lt;p&gt;Long&lt;/p&gt;</a:content>
  </a:entry>
</a:feed>"""


def test_atom() -> None:
    moment = datetime(2026, 11, 2, 10, tzinfo=UTC)

    assert feed(ATOM) == Feed(
        "atom",
        "Notes",
        "https://site.example/",
        moment,
        [
            FeedEntry(
                "https://site.example/blog/n/1",
                "A <b>note</b>",
                datetime(2026, 11, 1, 8, tzinfo=timezone(timedelta(hours=1))),
                moment,
                "urn:1",
                "Short",
                "Jo",
                "<p>Long</p>",
                (Enclosure("https://site.example/blog/n/1.mp3", "audio/mpeg"),),
            )
        ],
    )


def test_markup_inside_atom_is_given_as_markup() -> None:
    found = atom(
        '<title>T</title><content type="xhtml"><div xmlns="x">a &amp; <a href="?a&amp;b">c</a><title>no</title></div></content>'
    )

    assert (found.title, found.content) == (
        "T",
        '<div xmlns="x">a &amp; <a href="?a&amp;b">c</a><title>no</title></div>',
    )


def test_xml_base_holds_where_it_stands() -> None:
    found = atom(
        '<link xml:base="deep/" href="1"/><link rel="enclosure" href="2"/>', 'xml:base="https://base.example/a/"'
    )

    assert (found.url, found.enclosures[0].url) == ("https://base.example/a/deep/1", "https://base.example/a/2")


@pytest.mark.parametrize(
    ("inner", "url"),
    [
        ("<link>http://a.example/</link>", "http://a.example/"),
        ("<link/><guid>http://a.example/</guid>", "http://a.example/"),
        ("<guid>http://guid.example/</guid><link>http://a.example/</link>", "http://a.example/"),
        ('<link href="http://a.example/"/>', "http://a.example/"),
        ('<guid isPermaLink="false">http://guid.example/</guid>', ""),
        ("<guid>12345</guid>", ""),
        ("<link>javascript:void(0)</link>", ""),
        ("<title>None</title>", ""),
    ],
)
def test_an_entry_links_to_its_page(inner: str, url: str) -> None:
    assert entry(inner).url == url


def test_entities_of_html_are_what_they_are_there() -> None:
    assert entry("<title>Caf&eacute;&nbsp;&amp; Bar & more &unheard;</title>").title == "Café\xa0& Bar & more &unheard;"


def test_an_address_of_an_author_in_rss_is_kept_as_it_is() -> None:
    assert entry("<author>jo@site.example (Jo)</author>").author == "jo@site.example (Jo)"


@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "utf-16", "iso-8859-1"])
def test_the_encoding_is_the_one_that_is_declared(codec: str) -> None:
    body = f'<?xml version="1.0" encoding="{codec.removesuffix("-sig")}"?><rss><channel><title>Café</title></channel></rss>'

    assert feed(body.encode(codec)).title == "Café"


@pytest.mark.parametrize(
    ("rest", "why"),
    [
        ("<item><title>a < b</title></item></channel></rss>", "not well-formed"),
        ("<item><title>cut", "no element found"),
        ("<item><a>" * 200, "elements inside each other"),
    ],
)
def test_entries_before_an_error_are_kept_and_the_error_is_told(rest: str, why: str) -> None:
    found = feed(f"<rss><channel><title>News</title><item><title>One</title></item>{rest}")

    assert (found.title, found.entries) == ("News", [FeedEntry(title="One")])
    assert why in found.error


@pytest.mark.parametrize(
    "body",
    [
        "",
        "<!doctype html><html><body>Not found</body></html>",
        "<html/>",
        "<urlset/>",
        '{"version": "https://jsonfeed.org/version/1.1"}',
        '<!DOCTYPE rss [<!ENTITY x SYSTEM "file:///etc/hostname">]><rss><channel><title>&x;</title></channel></rss>',
    ],
)
def test_what_is_no_feed_is_said_so(body: str) -> None:
    with pytest.raises(ValueError, match=re.escape(f"{URL} is no feed (")):
        feed(body)


def test_a_text_has_a_bound_and_what_is_cut_is_told() -> None:
    found = feed(
        f"<rss><channel><item><description>{'x' * (MAX_TEXT + 7)}</description></item><item><title>Two</title></item></channel></rss>"
    )

    assert [len(found.entries[0].summary), found.entries[1].title] == [MAX_TEXT, "Two"]
    assert found.error == "1 texts of more than 1,048,576 characters were cut"


def test_entries_have_a_bound_and_those_past_it_are_counted() -> None:
    found = feed(f"<rss><channel>{'<item/>' * (MAX_ENTRIES + 1)}</channel></rss>")

    assert (len(found.entries), found.left_out) == (50_000, 1)


def test_a_megabyte_of_one_tag_over_and_over_takes_no_time() -> None:
    begun = time.process_time()

    assert "not well-formed" in feed("<rss>" + "<item " * 200_000).error
    assert time.process_time() - begun < 1


@settings(max_examples=200, deadline=None)
@given(
    st.one_of(
        st.binary(max_size=300),
        st.binary(max_size=300).map(lambda rest: b"<rss><channel><item><pubDate>" + rest),
        st.text(max_size=60).map(
            lambda text: f"<feed><entry><updated>{text}</updated></entry>".encode("utf-8", "replace")
        ),
        st.text(max_size=60).map(
            lambda text: f'<feed xml:base="{text}"><entry><link href="{text}"/>'.encode("utf-8", "replace")
        ),
    )
)
def test_no_bytes_raise_anything_but_a_value_error(body: bytes) -> None:
    try:
        feed(body)
    except ValueError:
        return
