"""Sitemaps in every form that sites give them, and in every form that they should not have."""

import gzip
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crawler.parse import sitemap as module
from crawler.parse.page import Page
from crawler.parse.sitemap import MAX_ENTRIES, Alternate, Sitemap, SitemapEntry
from crawler.parse.xml import MAX_BYTES
from crawler.response import Response, headers_of

URL = "https://site.example/maps/sitemap.xml"


def sitemap(body: str | bytes, content_type: str = "application/xml") -> Sitemap:
    data = body.encode() if isinstance(body, str) else body
    return Page(Response(URL, 200, headers_of({"Content-Type": content_type}), data)).sitemap()


def urls(body: str | bytes, content_type: str = "application/xml") -> list[str]:
    return [entry.url for entry in sitemap(body, content_type)]


def urlset(*locs: str) -> str:
    return f"<urlset>{''.join(f'<url><loc>{loc}</loc></url>' for loc in locs)}</urlset>"


FULL = """<?xml version="1.0" encoding="UTF-8"?>
<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9" xmlns:xhtml="http://www.w3.org/1999/xhtml"
        xmlns:image="http://www.google.com/schemas/sitemap-image/1.1">
  <url>
    <loc>https://site.example/de/</loc>
    <lastmod>2026-11-03T10:00:00+02:00</lastmod>
    <changefreq>Daily</changefreq>
    <priority>0.8</priority>
    <xhtml:link rel="alternate" hreflang="en" href="https://site.example/en/"/>
    <xhtml:link rel="alternate" hreflang="x-default" href="/"/>
    <image:image><image:loc>https://cdn.example/1.png</image:loc><image:title>One</image:title></image:image>
    <image:image><image:loc>/2.png</image:loc></image:image>
  </url>
</urlset>"""


def test_an_entry_holds_all_that_the_sitemap_says_of_a_page() -> None:
    assert list(sitemap(FULL)) == [
        SitemapEntry(
            "https://site.example/de/",
            datetime(2026, 11, 3, 10, tzinfo=timezone(timedelta(hours=2))),
            "daily",
            0.8,
            (Alternate("en", "https://site.example/en/"), Alternate("x-default", "https://site.example/")),
            ("https://cdn.example/1.png", "https://site.example/2.png"),
        )
    ]


def test_an_index_names_sitemaps() -> None:
    index = sitemap(
        "<sitemapindex><sitemap><loc>https://a.example/1.xml.gz</loc><lastmod>2026-01-01</lastmod></sitemap></sitemapindex>"
    )

    assert index.kind == "index"
    assert list(index) == [
        SitemapEntry("https://a.example/1.xml.gz", datetime(2026, 1, 1, tzinfo=UTC), is_sitemap=True)
    ]


@pytest.mark.parametrize(
    "body",
    [
        "<urlset><url><loc>http://a.example/</loc></url></urlset>",
        '<urlset xmlns="http://www.google.com/schemas/sitemap/0.84"><url><loc>http://a.example/</loc></url></urlset>',
        '<s:urlset xmlns:s="x"><s:url><s:loc>http://a.example/</s:loc></s:url></s:urlset>',
        "<s:urlset><s:url><s:loc>http://a.example/</s:loc></s:url></s:urlset>",
        "<URLSET><Url><LOC>http://a.example/</LOC></Url></URLSET>",
        "<urlset><url><loc>\n   http://a.example/\t\n</loc></url></urlset>",
        "<urlset><url><loc><![CDATA[ http://a.example/ ]]></loc></url></urlset>",
        "<urlset><url><image:image><image:loc>/i</image:loc></image:image><loc>http://a.example/</loc></url></urlset>",
        "<urlset><url><image:loc>http://no.example/</image:loc><loc>http://a.example/</loc></url></urlset>",
        "<urlset><url><loc>http://a.example/</loc><loc>http://second.example/</loc></url></urlset>",
        '\n\n  <?xml version="1.0"?><urlset><url><loc>http://a.example/</loc></url></urlset>',
        "<!DOCTYPE urlset><urlset><url><loc>http://a.example/</loc></url></urlset>",
        "<!-- made by hand --><urlset><!-- one --><url><loc>http://a.<!-- ? -->example/</loc></url></urlset>\n\n",
        "<urlset><url><loc>http://a.example/</loc><video:video><loc2/></video:video></url></urlset>",
        "http://a.example/",
        "\ufeffhttp://a.example/\r\n",
        "\r\n  http://a.example/  \r\n\r\n",
    ],
)
def test_a_page_is_found_however_the_sitemap_is_written(body: str) -> None:
    assert urls(body) == ["http://a.example/"]


@pytest.mark.parametrize(
    ("loc", "url"),
    [
        ("http://a.example/?a=1&amp;b=2", "http://a.example/?a=1&b=2"),
        ("http://a.example/&#233;", "http://a.example/é"),
        ("/x", "https://site.example/x"),
        ("x", "https://site.example/maps/x"),
        ("//b.example/", "https://b.example/"),
        ("HTTP://A.example/", "http://a.example/"),
    ],
)
def test_a_url_is_made_absolute(loc: str, url: str) -> None:
    assert urls(urlset(loc)) == [url]


@pytest.mark.parametrize(
    ("loc", "url"),
    [
        ("http://a.example/?a=1&b=2", "http://a.example/?a=1&b=2"),
        ("http://a.example/?a=1&lt=2&copy=3&", "http://a.example/?a=1&lt=2&copy=3&"),
        ("http://a.example/?a=1&amp;b&eacute;", "http://a.example/?a=1&bé"),
        ("http://a.example/?a&AMP;b&unheard;", "http://a.example/?a&b&unheard;"),
        ("http://a.example/<![CDATA[?a&b&amp;c]]>", "http://a.example/?a&b&amp;c"),
    ],
)
def test_an_ampersand_that_was_not_escaped_is_what_its_author_meant(loc: str, url: str) -> None:
    for before in range(64 * 1024 - 100, 64 * 1024, 7):  # wherever a piece ends
        assert urls(" " * before + urlset(loc, "http://a.example/2")) == [url, "http://a.example/2"]


@pytest.mark.parametrize("loc", ["", " ", "mailto:a@b.example", "javascript:void(0)", "ftp://a.example/", "x" * 2_084])
def test_an_entry_without_a_url_to_follow_is_counted(loc: str) -> None:
    read = sitemap(urlset(loc, "http://a.example/"))

    assert [entry.url for entry in read] == ["http://a.example/"]
    assert read.malformed == 1


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026", datetime(2026, 1, 1, tzinfo=UTC)),
        ("2026-11", datetime(2026, 11, 1, tzinfo=UTC)),
        ("2026-11-03", datetime(2026, 11, 3, tzinfo=UTC)),
        ("2026-1-3", datetime(2026, 1, 3, tzinfo=UTC)),
        ("2026-11-03T10:20Z", datetime(2026, 11, 3, 10, 20, tzinfo=UTC)),
        ("2026-11-03T10:20:30.45+00:00", datetime(2026, 11, 3, 10, 20, 30, 450_000, tzinfo=UTC)),
        ("2026-11-03 10:20:30", datetime(2026, 11, 3, 10, 20, 30, tzinfo=UTC)),
        ("Tue, 03 Nov 2026 10:20:30 GMT", datetime(2026, 11, 3, 10, 20, 30, tzinfo=UTC)),
        ("2026-13-45", None),
        ("yesterday", None),
        ("9" * 100, None),
    ],
)
def test_lastmod_is_a_moment_with_a_time_zone(text: str, moment: datetime | None) -> None:
    body = f"<urlset><url><loc>http://a.example/</loc><lastmod> {text} </lastmod></url></urlset>"

    assert [entry.lastmod for entry in sitemap(body)] == [moment]


@pytest.mark.parametrize(("text", "priority"), [("1", 1.0), ("0.5", 0.5), ("7", None), ("nan", None), ("high", None)])
def test_a_priority_is_a_number_from_0_to_1(text: str, priority: float | None) -> None:
    body = f"<urlset><url><loc>http://a.example/</loc><priority>{text}</priority></url></urlset>"

    assert [entry.priority for entry in sitemap(body)] == [priority]


@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "iso-8859-1", "koi8-r"])
def test_the_encoding_is_the_one_that_is_declared(codec: str) -> None:
    path = "ж" if codec == "koi8-r" else "é"
    body = f'<?xml version="1.0" encoding="{codec[:6] if "16" in codec else codec}"?>' + urlset(
        f"http://a.example/{path}"
    )

    assert urls(body.replace("utf-8-sig", "utf-8").encode(codec)) == [f"http://a.example/{path}"]


def test_the_header_says_more_than_the_declaration() -> None:
    body = '<?xml version="1.0" encoding="utf-8"?>' + urlset("http://a.example/é")

    assert urls(body.encode("latin-1"), "text/xml; charset=ISO-8859-1") == ["http://a.example/é"]
    assert urls(body.encode(), "text/xml; charset=no-such-thing") == ["http://a.example/é"]


def test_bytes_that_cannot_be_decoded_cost_their_character_alone() -> None:
    assert urls(b"<urlset><url><loc>http://a.example/\xff</loc></url></urlset>") == ["http://a.example/�"]


def test_a_text_lists_one_url_a_line() -> None:
    read = sitemap(
        "http://a.example/1\nhttp://a.example/2\r\nhttp://a.example/3\rnot a URL\nftp://a.example/", "text/plain"
    )

    assert [entry.url for entry in read] == [f"http://a.example/{number}" for number in (1, 2, 3)]
    assert (read.kind, read.malformed) == ("text", 2)


def test_a_feed_is_a_sitemap_too() -> None:
    rss = (
        "<rss version='2.0'><channel><title>News</title><link>http://a.example/</link>"
        "<item><title>One</title><link>/1</link><pubDate>Tue, 10 Jun 2003 04:00:00 GMT</pubDate></item>"
        "<item><title>No link</title><guid isPermaLink='false'>7</guid></item></channel></rss>"
    )
    atom = "<feed xmlns='http://www.w3.org/2005/Atom'><entry><link href='/1'/><updated>2003-06-10T04:00:00Z</updated></entry></feed>"
    listed = [SitemapEntry("https://site.example/1", datetime(2003, 6, 10, 4, tzinfo=UTC))]

    news = sitemap(rss)
    assert (list(news), news.kind, news.malformed) == (listed, "feed", 1)
    assert list(sitemap(atom)) == listed


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"   ",
        b"<!doctype html><html><head><title>Not found</title></head></html>",
        b"<!DOCTYPE html><html><body><p>Not found<br></body></html>",
        b"<html><body/></html>",
        b"Not found",
        b'{"error": 404}',
        b"\0" * 1_000,
        b"<",
        b"<urlset",
        b"\x1f\x8b",
        b"\x1f\x8bno gzip",
        gzip.compress(b"<html/>"),
        gzip.compress(gzip.compress(urlset("http://a.example/").encode())),
    ],
)
def test_what_is_no_sitemap_is_said_so(body: bytes) -> None:
    with pytest.raises(ValueError, match=re.escape(f"{URL} is no sitemap (")):
        sitemap(body)


@pytest.mark.parametrize(
    ("rest", "why"),
    [
        ("<url><loc>http://a.example/<</loc></url></urlset>", "not well-formed"),
        ("<url><loc>http://a.example/&#0;</loc></url></urlset>", "reference to invalid character number"),
        ("<url><loc><![CDATA[x]]>http://a.example/?a=1&b=2</loc></url></urlset>", "not well-formed"),
        ("<url><loc>http://a.exam", "no element found"),
        ("", "no element found"),
        ("<url></urlset>", "mismatched tag"),
        ("</urlset>and more", "junk after document element"),
        ("<a>" * 200, "elements inside each other"),
        ("<url><a>" + "<b>" * 200, "elements inside each other"),
        ("<!--" + "x" * 2_000_000, "a tag or comment of more than 1,048,576 bytes"),
        ("".join(f"<x{number}/>" for number in range(5_000)), "different names"),
    ],
)
def test_entries_before_an_error_are_kept_and_the_error_is_told(rest: str, why: str) -> None:
    read = sitemap(f"<urlset><url><loc>http://a.example/1</loc></url><url><loc>http://a.example/2</loc></url>{rest}")

    assert [entry.url for entry in read] == ["http://a.example/1", "http://a.example/2"]
    assert why in read.error


def test_each_iteration_reads_it_anew() -> None:
    read = sitemap(urlset("http://a.example/1", "mailto:x", "http://a.example/2") + "junk")

    assert list(read) == list(read)
    assert (read.malformed, read.error) == (1, "line 1, column 128: junk after document element")


# ----- .gz files ---------------------------------------------------------------------------------------------------


def test_a_gz_file_is_read_whatever_its_content_type() -> None:
    body = gzip.compress(urlset("http://a.example/").encode())

    assert urls(body, "application/gzip") == urls(body, "text/xml") == ["http://a.example/"]
    assert urls(body + b"\0" * 512) == ["http://a.example/"]
    assert urls(gzip.compress(b"http://a.example/"), "application/octet-stream") == ["http://a.example/"]


def test_a_gz_file_may_have_members() -> None:
    body = urlset(*(f"http://a.example/{number}" for number in range(20_000))).encode()
    members = b"".join(gzip.compress(body[begin : begin + 4_000]) for begin in range(0, len(body), 4_000))

    assert len(urls(members)) == 20_000


def test_a_gz_file_that_ends_early_gives_what_it_holds() -> None:
    whole = gzip.compress(urlset(*(f"http://a.example/{number}" for number in range(5_000))).encode())

    read = sitemap(whole[: len(whole) // 2])
    found = [entry.url for entry in read]

    assert found == [f"http://a.example/{number}" for number in range(len(found))]
    assert 1_000 < len(found) < 5_000
    assert read.error == "a .gz file that ends early"


def test_a_damaged_gz_file_gives_what_stands_before_the_damage() -> None:
    locs = [f"http://a.example/{number}" for number in range(5_000)]
    whole = bytearray(gzip.compress(urlset(*locs).encode()))
    whole[-6] ^= 0xFF  # its checksum, which zlib finds wrong instead of giving the last piece

    read = sitemap(bytes(whole))
    found = [entry.url for entry in read]

    assert found == locs[: len(found)]
    assert len(found) > 3_000
    assert read.error.startswith("a damaged .gz file")


def test_endless_empty_members_are_refused() -> None:
    read = sitemap(gzip.compress(b"<urlset>") + gzip.compress(b"") * 50_000)

    assert list(read) == []
    assert read.error == "a .gz file of more than 2,000 members"


# ----- bounds ------------------------------------------------------------------------------------------------------


def test_of_50_001_entries_the_last_one_is_left_out_and_counted() -> None:
    read = sitemap(urlset(*(f"http://a.example/{number}" for number in range(MAX_ENTRIES + 1))))

    found = [entry.url for entry in read]

    assert (len(found), found[-1]) == (50_000, "http://a.example/49999")
    assert (read.left_out, read.error) == (1, "50,001 entries, of which 50,000 are read: a sitemap may have no more")


def test_what_stands_past_50_mib_is_not_read() -> None:
    pad = "<!--" + "x" * 10_000 + "-->"
    body = (
        f"<urlset><url><loc>http://a.example/1</loc></url>{pad * (MAX_BYTES // len(pad) + 1)}"
        "<url><loc>http://a.example/2</loc></url></urlset>"
    )

    for data in (body.encode(), gzip.compress(body.encode(), 1)):
        read = sitemap(data)
        assert [entry.url for entry in read] == ["http://a.example/1"]
        assert read.error == "more than 52,428,800 bytes; what is past them is not read"


def test_a_text_of_any_length_takes_no_more_room_than_a_url() -> None:
    for body in (urlset("http://a.example/" + "x" * 5_000_000), "http://a.example/1\nhttp://" + "x" * 5_000_000):
        read = sitemap(body)
        assert len(list(read)) == body.count("\n")
        assert read.malformed == 1


def test_only_so_many_alternates_and_images_are_kept() -> None:
    link, image = '<x:link hreflang="a" href="/a"/>', "<i:image><i:loc>/i</i:loc></i:image>"
    body = f"<urlset><url><loc>http://a.example/</loc>{link * 1_500}{image * 1_500}</url></urlset>"

    entry = next(iter(sitemap(body)))

    assert (len(entry.alternates), len(entry.images)) == (1_000, 1_000)


def test_a_megabyte_of_one_tag_over_and_over_takes_no_time() -> None:
    body = "<urlset>" + "<item " * 200_000

    read = sitemap(body)

    assert list(read) == []
    assert "not well-formed" in read.error


# ----- what must not be read ---------------------------------------------------------------------------------------

LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))


@pytest.mark.parametrize(
    "doctype",
    [
        f'<!DOCTYPE urlset [<!ENTITY l0 "ha">{LAUGHS}]>',
        '<!DOCTYPE urlset [<!ENTITY l9 SYSTEM "file://{secret}">]>',
        '<!DOCTYPE urlset [<!ENTITY l9 SYSTEM "http://127.0.0.1:9/">]>',
        '<!DOCTYPE urlset [<!ENTITY % p SYSTEM "file://{secret}"> %p;]>',
        '<!DOCTYPE urlset [<!ATTLIST url x CDATA "' + "x" * 100_000 + '">]>',
    ],
)
def test_a_document_type_with_declarations_is_refused(doctype: str, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("http://secret.example/")
    body = doctype.replace("{secret}", str(secret)) + "<urlset><url><loc>http://a.example/&l9;</loc></url></urlset>"

    opened: list[Any] = []
    _Auditor.opened = opened
    try:
        with pytest.raises(ValueError, match="DOCTYPE urlset has declarations of its own"):
            sitemap(body)
    finally:
        _Auditor.opened = None
    assert opened == []


def test_a_document_type_elsewhere_is_not_asked_for(tmp_path: Path) -> None:
    dtd = tmp_path / "sitemap.dtd"
    dtd.write_text('<!ENTITY x "http://secret.example/">')
    body = f'<!DOCTYPE urlset SYSTEM "file://{dtd}"><urlset><url><loc>http://a.example/&x;</loc></url></urlset>'

    opened: list[Any] = []
    _Auditor.opened = opened
    try:
        found = urls(body)
    finally:
        _Auditor.opened = None
    assert opened == []
    assert not any("secret" in url for url in found)


class _Auditor:
    """Hears of each file that is opened and each socket that connects, in this whole process."""

    opened: list[Any] | None = None

    def __call__(self, event: str, args: Any) -> None:
        is_ours = event in ("open", "socket.connect", "socket.getaddrinfo") and not str(args[0]).endswith(
            (".py", ".pyc")
        )
        if self.opened is not None and is_ours:
            self.opened.append((event, args))


sys.addaudithook(_Auditor())  # it cannot be taken away again: it listens only while a test asks it to


# ----- memory and time ---------------------------------------------------------------------------------------------

MEASURE = """
import json, sys, time
from pathlib import Path
from crawler.parse.sitemap import Sitemap

def kib(of):
    return int(Path("/proc/self/status").read_text().partition(of)[2].split(None, 1)[0])

body = Path(sys.argv[1]).read_bytes()
list(Sitemap(b"<urlset><url><loc>/</loc><lastmod>2026</lastmod></url></urlset>", "http://a.example/"))
before = kib("VmRSS:")
begun = last = time.perf_counter()
entries, longest, error = 0, 0.0, ""
try:
    sitemap = Sitemap(body, "http://a.example/")
    for batch in sitemap.batches():
        entries += len(batch)
        now = time.perf_counter()
        longest, last = max(longest, now - last), now
    error = sitemap.error
except ValueError as refused:
    error = str(refused)
print(json.dumps([entries, error, time.perf_counter() - begun, longest, (kib("VmHWM:") - before) / 1024]))
"""


def measured(body: bytes, folder: Path) -> tuple[int, str, float, float, float]:
    """Entries, error, seconds, longest step in seconds, and MiB that were needed beyond the body; in a process of its
    own, which has nothing else in its memory."""
    file = folder / "body"
    file.write_bytes(body)
    environment = {**os.environ, "PYTHONPATH": str(Path(module.__file__).parents[2])}
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(file)], check=False, capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stderr
    return tuple(json.loads(done.stdout))


needs_proc = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak is read from /proc")
ENTRY = b"<url><loc>https://a.example/%05d</loc><lastmod>2026-11-03</lastmod><!--%s--></url>"
MIB = 1 << 20


@needs_proc
@pytest.mark.parametrize("packed", [False, True])
def test_a_sitemap_of_50_mb_and_50_000_entries_is_read_in_little_memory(packed: bool, tmp_path: Path) -> None:
    body = b"<urlset>" + b"".join(ENTRY % (number, b"x" * 950) for number in range(50_000)) + b"</urlset>"

    entries, error, seconds, longest, mib = measured(gzip.compress(body, 1) if packed else body, tmp_path)

    assert 50_000_000 < len(body) < MAX_BYTES
    assert (entries, error) == (50_000, "")
    assert mib < 64
    assert seconds < 5
    assert longest < 0.25  # 2 ms on a quiet machine: what is asserted is that it comes in small pieces


def bomb(begin: bytes, again: bytes) -> bytes:
    """A .gz file of some 1 MB, which holds 1 GiB."""
    return gzip.compress(begin) + gzip.compress(again * (MIB // len(again))) * 1024


@needs_proc
@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda: bomb(b"", b"\0"), "no sitemap"),
        (lambda: bomb(b"<urlset>", b" "), "more than 52,428,800 bytes"),
        (lambda: bomb(b"<urlset>", b"<url/>"), "more than 500,000 entries that are not read"),
        (lambda: bomb(b"<urlset>", b"<a>"), "elements inside each other"),
        (lambda: b"<urlset>" + b"".join(b"<a%d/>" % n for n in range(4_000_000)), "different names"),
        (
            lambda: b"<urlset><url " + b"".join(b'a%d="" ' % n for n in range(3_000_000)),
            "a tag or comment of more than",
        ),
        (lambda: b"<urlset><url><loc>" + b"x" * 30_000_000 + b"</loc></url></urlset>", ""),
        (lambda: b"<urlset><url>" + b'<x:link hreflang="a" href="/a"/>' * 900_000 + b"</url></urlset>", ""),
    ],
    ids=["zeros", "spaces", "empty entries", "depth", "names", "attributes", "a long text", "alternates"],
)
def test_a_bomb_takes_little_memory_and_little_time(make: Callable[[], bytes], error: str, tmp_path: Path) -> None:
    entries, said, seconds, longest, mib = measured(make(), tmp_path)

    assert entries == 0
    assert error in said if error else not said
    assert mib < 64
    assert seconds < 20
    assert longest < 0.5


# ----- anything at all ---------------------------------------------------------------------------------------------


@settings(max_examples=200, deadline=None)
@given(
    st.one_of(
        st.binary(max_size=300),
        st.binary(max_size=300).map(gzip.compress),
        st.binary(max_size=300).map(lambda rest: b"<urlset><url><loc>http://a.example/</loc>" + rest),
        st.binary(max_size=300).map(lambda rest: b"<rss><channel><item><link>http://a.example/</link>" + rest),
        st.text(max_size=100).map(lambda text: f"<urlset><url><lastmod>{text}</lastmod>".encode("utf-8", "replace")),
    ),
    st.sampled_from(["", "text/xml; charset=utf-16", "application/gzip", "text/plain; charset=shift_jis"]),
)
def test_no_bytes_raise_anything_but_a_value_error(body: bytes, content_type: str) -> None:
    try:
        entries = urls(body, content_type)
    except ValueError:
        return
    assert all(url.startswith(("http://", "https://")) for url in entries)


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 99), st.binary(min_size=1, max_size=8), st.booleans())
def test_a_damaged_sitemap_keeps_the_entries_before_the_damage(number: int, noise: bytes, is_cut: bool) -> None:
    locs = [f"http://a.example/{number}" for number in range(100)]
    body = urlset(*locs).encode()
    at = body.index(f"<url><loc>http://a.example/{number}</loc>".encode())

    found = urls(body[:at] + noise + (b"" if is_cut else body[at:]))

    assert found[:number] == locs[:number]
