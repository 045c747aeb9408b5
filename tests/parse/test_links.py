"""Which addresses of a page are given, by level: every row of the table, the headers, and what text names."""

from __future__ import annotations

import json
import time
import tracemalloc
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.http.refresh import Refresh
from crawler.parse.links import LEVELS, SOURCES, Source, addresses_in_text
from crawler.parse.page import Page, PageOptions
from crawler.response import Headers, Response, headers_of

URL = "http://a.example/dir/page"
HERE = "http://a.example/dir/"


def a_page(html: str | bytes, options: PageOptions = PageOptions(), **headers: str) -> Page:
    named = {"Content-Type": "text/html"} | {name.replace("_", "-"): value for name, value in headers.items()}
    return page_with(html, headers_of(named), options)


def page_with(html: str | bytes, headers: Headers, options: PageOptions = PageOptions()) -> Page:
    body = html.encode() if isinstance(html, str) else html
    return Page(Response(URL, 200, headers, body), options=options)


EXAMPLES: dict[tuple[str, str, int], str] = {
    ("link", "href", 0): '<link rel=next href="x">',
    ("link", "href", 1): '<link rel=stylesheet href="x">',
    ("link", "href", 2): '<link rel=preconnect href="x">',
    ("link", "imagesrcset", 1): '<link rel=preload imagesrcset="x 2x">',
    ("meta", "content", 0): '<meta http-equiv=Refresh content="9;url=x">',
    ("style", "", 1): "<style>p{background:url(x)}</style>",
    ("*", "style", 1): "<p style=\"background:url('x')\">",
    ("frame", "src", 0): "<frameset><frame src=x></frameset>",
    ("html", "manifest", 1): "<html manifest=x>",
}
"""Where a bare element with its attribute would not do."""


def example_of(row: Source) -> str:
    known = EXAMPLES.get((row.element, row.attribute, row.level))
    if known is not None:
        return known
    element = "td" if row.element == "*" else row.element
    drawn = (
        element in ("use", "image") or row.attribute == "xlink:href" or (element, row.attribute) == ("script", "href")
    )
    markup = f'<{element} {row.attribute}="x"></{element}>'
    return f"<svg>{markup}</svg>" if drawn else f"<table><tr>{markup}</table>" if element == "td" else markup


@pytest.mark.parametrize("row", SOURCES, ids=lambda row: f"{row.element} {row.attribute} {LEVELS[row.level]}")
def test_every_row_of_the_table_gives_its_address_from_its_level_on(row: Source) -> None:
    page = a_page(example_of(row))
    given = [f"{HERE}x" in page.links(level) for level in LEVELS]
    assert given == [number >= row.level for number in range(len(LEVELS))]


def test_links_stand_in_the_order_of_the_document_each_once_and_without_fragment() -> None:
    html = """<head><link rel=next href=1></head><a href=2#x>a</a><iframe src=3></iframe><img src=no.png>
    <a href=1>again</a><map><area href=4></map><svg><a xlink:href=5></a></svg><link rel=prev href=6><a href=7>z</a>"""
    assert a_page(html).links() == [f"{HERE}{number}" for number in range(1, 8)]


@pytest.mark.parametrize(
    "html",
    [
        "<a href=2>b</a><link rel=next href=1>",
        "<a>none</a><svg><a xlink:href=2></a></svg><a href=1></a>",
        "<head><link rel=next href=2></head><a href=1></a>",
        "<a href=2></a><iframe src=1></iframe>",
        "<head><meta http-equiv=refresh content='0;2'></head><a href=1></a>",
    ],
)
def test_the_short_cut_of_simple_pages_gives_what_the_whole_table_gives(html: str) -> None:
    page = a_page(html)
    pages = page.links("pages")
    assert pages == [url for url in page.links("resources") if url in pages] == [f"{HERE}2", f"{HERE}1"]


def test_the_level_is_a_setting_and_one_that_is_given_wins() -> None:
    page = a_page("<a href=1></a><img src=2>", PageOptions(links="resources"))
    assert (page.links(), page.links("pages")) == ([f"{HERE}1", f"{HERE}2"], [f"{HERE}1"])


def test_a_level_that_is_not_there_is_an_error() -> None:
    with pytest.raises(ValueError, match="there are: pages, resources, all"):
        a_page("").links("page")  # type: ignore[arg-type]  # the mistake that is meant


RELATIONS = [
    ("next", "pages"),
    ("PREV", "pages"),
    ("canonical", "pages"),
    ("alternate", "pages"),
    ("alternate stylesheet", "resources"),
    ("alternate' type='application/rss+xml", "resources"),
    ("alternate' type='text/html; charset=utf-8", "pages"),
    ("amphtml", "resources"),
    ("shortcut icon", "resources"),
    ("manifest", "resources"),
    ("preload", "resources"),
    ("something-new", "resources"),
    ("", "resources"),
    ("dns-prefetch", "all"),
    ("pingback", "all"),
]


@pytest.mark.parametrize(("rel", "level"), RELATIONS)
def test_the_relation_says_at_which_level_a_link_is(rel: str, level: str) -> None:
    page = a_page(f"<link rel='{rel}' href=x>")
    assert [one for one in LEVELS if page.links(one)] == list(LEVELS[LEVELS.index(level) :])  # type: ignore[arg-type]


@pytest.mark.parametrize("rel", ["nofollow", "NoFollow noopener", "ugc nofollow"])
def test_rel_nofollow_is_left_out_where_the_crawl_says_so(rel: str) -> None:
    html = f"<a href=1 rel='{rel}'>1</a><a href=2 rel=nofollows>2</a><map><area href=3 rel=nofollow></map><p class=x>"
    free, bound = a_page(html), a_page(html, PageOptions(obey_nofollow=True))
    assert (free.links(), bound.links()) == ([f"{HERE}1", f"{HERE}2", f"{HERE}3"], [f"{HERE}2"])
    forms: list[Callable[[Page], object]] = [
        lambda page: "a",
        lambda page: page.css("a"),
        lambda page: list(page.css("a::attr(href)")),
    ]
    for form in forms:
        assert [request.url for request in bound.follow_all(form(bound))] == [f"{HERE}2"]  # type: ignore[arg-type]
    assert [request.url for request in bound.follow_all(["1", *bound.css("a")])] == [f"{HERE}1", f"{HERE}2"]


# Base.


@pytest.mark.parametrize(
    ("base", "url"),
    [
        ("<base href='/b/'><base href='/c/'>", "http://a.example/b/x"),
        ("<base target=_top><base href='/c/'>", "http://a.example/c/x"),
        ("<base href=''><base href='/c/'>", "http://a.example/dir/x"),
        ("<base href='http://['><base href='/c/'>", "http://a.example/dir/x"),
        ("<base href='data:text/plain,a'>", "http://a.example/dir/x"),
        ("<base href='//b.example'>", "http://b.example/x"),
        ("<base href='../'>", "http://a.example/x"),
    ],
)
def test_links_are_joined_by_the_first_base_that_has_an_address(base: str, url: str) -> None:
    page = a_page(f"<head>{base}</head><a href=x>x</a>")
    assert (page.links(), page.urljoin("x")) == ([url], url)


def test_below_a_base_of_another_scheme_there_is_nothing_to_crawl() -> None:
    assert a_page("<base href='ftp://b.example/'><a href=x>x</a><a href=http://c.example>y</a>").links() == [
        "http://c.example/"
    ]


# Headers.


def test_headers_name_pages_too_joined_by_the_url_of_the_page() -> None:
    headers = headers_of({"Content-Type": "text/html", "Refresh": "9; url=r", "Content-Location": "l"})
    headers.add("Link", "<n>; rel=next, <s.css>; rel=stylesheet")
    headers.add("Link", "<//h.example>; rel=preconnect")
    page = page_with("<base href=/b/><a href=1>", headers)
    pages = [f"http://a.example/{path}" for path in ("b/r", "dir/n", "dir/l", "b/1")]
    assert page.links() == pages
    assert set(page.links("resources")) == {*pages, f"{HERE}s.css"}
    assert set(page.links("all")) == {*pages, f"{HERE}s.css", "http://h.example/"}


def test_what_stands_in_a_header_and_in_the_document_is_one_link() -> None:
    assert a_page("<a href=n>", Link="<n>; rel=next").links() == [f"{HERE}n"]


def test_headers_of_a_picture_count() -> None:
    page = page_with(b"\x89PNG\0", headers_of({"Content-Type": "image/png", "Link": "</p>; rel=up"}))
    assert page.links() == ["http://a.example/p"]


# Other documents.


def test_a_style_sheet_is_made_of_resources() -> None:
    page = a_page("@import 'b.css'; p{background:url(\"i.png\")} /* url(no) */ <a href=no>", Content_Type="text/css")
    assert (page.links(), page.links("resources")) == ([], [f"{HERE}b.css", f"{HERE}i.png"])


def test_a_manifest_names_pages_and_pictures() -> None:
    manifest = {
        "start_url": "/?pwa",
        "icons": [{"src": "i.png"}, {"src": 1}, "no"],
        "shortcuts": [{"url": "/new", "icons": [{"src": "n.png"}]}],
        "screenshots": {"src": "no"},
    }
    page = a_page(json.dumps(manifest), Content_Type="application/manifest+json")
    pages = ["http://a.example/?pwa", "http://a.example/new"]
    assert (page.links(), page.links("resources")) == (pages, [*pages, f"{HERE}i.png", f"{HERE}n.png"])


@pytest.mark.parametrize("body", ["", "[]", "nonsense", "\xff", '{"icons": 1}'])
def test_what_is_no_manifest_names_nothing(body: str) -> None:
    assert a_page(body.encode("latin-1"), Content_Type="application/manifest+json").links("resources") == []


# Text.

NAMED = [
    ("see http://b.example/x.", ["http://b.example/x"]),
    ("(http://b.example/x(1)) [https://b.example/y]", ["http://b.example/x(1))", "https://b.example/y"]),
    ("(at http://b.example/x)", ["http://b.example/x"]),
    ('<!-- <a href="http://b.example/?a=1&amp;b=2"> -->', ["http://b.example/?a=1&b=2"]),
    ('{"u": "https:\\/\\/b.example\\/x\\u0026y"}', ["https://b.example/x&y"]),
    ("load('/api/v1'); x = \"//cdn.example/a.js\" + `/t/${id}`", ["/api/v1", "//cdn.example/a.js"]),
    ("<p data-x='{&quot;u&quot;:&quot;https://b.example/x&quot;}'>", ["https://b.example/x"]),
    ("'/' + '//' + '/*' + \"// no comment\" + 'page.html' + /regex/", []),
    ("<svg xmlns='http://www.w3.org/2000/svg'> {'@context': 'https://schema.org'}", []),
    ("HTTPS://B.example/X", ["HTTPS://B.example/X"]),
    ("xhttp://b.example", ["http://b.example"]),
    ("http:// https:///", ["https:///"]),
]


@pytest.mark.parametrize(("text", "found"), NAMED)
def test_addresses_in_text_are_found_with_care(text: str, found: list[str]) -> None:
    assert list(addresses_in_text(text)) == found


def test_the_widest_level_adds_what_scripts_comments_and_words_name() -> None:
    html = (
        "<a href=1>http://b.example/word</a><script>f('/s')</script><!-- http://b.example/old --><p data-src=lazy.png>"
    )
    names = ("1", "lazy.png")
    expected = [*(HERE + name for name in names), "http://b.example/word", "http://a.example/s", "http://b.example/old"]
    assert a_page(html).links("all") == expected


def test_json_and_plain_text_have_addresses_at_the_widest_level() -> None:
    page = a_page('{"next": "http://b.example/2"}', Content_Type="application/json")
    assert (page.links(), page.links("all")) == ([], ["http://b.example/2"])


def test_a_binary_body_has_no_addresses() -> None:
    assert a_page(b"\x00http://b.example/", Content_Type="image/png").links("all") == []


@pytest.mark.parametrize(
    "piece",
    [
        *("http://", "'/", '"//a', "https", "url(", "url('", 'url("', "url( ", "/*", "@import ", "\\", "&quot;"),
        *("<a href='", "<img srcset='(", "<style>", "<link rel=next href=a>", "<p style='url(", "a,", "( "),
    ],
)
def test_no_page_makes_it_slow(piece: str) -> None:
    text = piece * (400_000 // len(piece))
    pages = [a_page(text), a_page(text, Content_Type="text/css"), a_page(f'<img srcset="{text.replace(chr(34), "")}">')]
    began = time.process_time()
    for page in pages:
        page.links("all")
    assert time.process_time() - began < 10.0  # some 0.5 s; what goes back and forth takes hours


@given(st.text() | st.text("<>='\" ahrefsc/:#?&;lnkmtp").map(lambda text: f"<a href={text}><img srcset={text}>"))
def test_every_link_is_an_absolute_address_once_and_each_level_holds_the_one_before(html: str) -> None:
    page = a_page(html)
    pages, resources, everything = (page.links(level) for level in LEVELS)
    assert set(pages) <= set(resources) <= set(everything)
    assert len(set(everything)) == len(everything)
    assert all(url.startswith(("http://", "https://")) and "#" not in url for url in everything)


# Refresh.

REFRESHING = [
    ("<meta http-equiv=refresh content='3; url=next'>", Refresh(3, f"{HERE}next")),
    ("<META HTTP-EQUIV='Refresh' CONTENT='3; url=next'>", Refresh(3, f"{HERE}next")),
    ("<meta content='3; url=next' http-equiv = refresh>", Refresh(3, f"{HERE}next")),
    ("<META Content='3; next?<b>>' name=it's HTTP-EQUIV=ReFresh>", Refresh(3, f"{HERE}next?%3Cb%3E%3E")),
    ('<meta name=a content=\'<meta><meta http-equiv=refresh content="1;a">', None),
    ("<base href=/b/><meta http-equiv=refresh content='3; next'>", Refresh(3, "http://a.example/b/next")),
    ("<meta http-equiv=refresh content=30>", Refresh(30, URL)),
    ("<meta http-equiv=refresh content=no><meta http-equiv=refresh content='1;a'>", Refresh(1, f"{HERE}a")),
    ("<meta http-equiv=refresh content='1;a'><meta http-equiv=refresh content='0;b'>", Refresh(1, f"{HERE}a")),
    ("<p>text<meta http-equiv=refresh content='1;a'>", Refresh(1, f"{HERE}a")),
    ("<meta http-equiv=refresh content='1;javascript:a()'>", None),
    ("<meta http-equiv=refresh content='1;http://['>", None),
    ("<meta http-equiv=refresh>", None),
    ("<meta name=refresh content='1;a'>", None),
    ("<meta http-equiv=content-type content='1;a'> how to refresh", None),
    ("<noscript><meta http-equiv=refresh content='1;a'></noscript>", None),
    ("<head><noscript><meta http-equiv=refresh content='1;a'></noscript></head>", None),
    ("<template><meta http-equiv=refresh content='1;a'></template>", None),
    ("<!-- <meta http-equiv=refresh content='1;a'> -->", None),
    ("<textarea><meta http-equiv=refresh content='1;a'></textarea>", None),
    ("", None),
]


@pytest.mark.parametrize(("html", "refresh"), REFRESHING)
def test_a_page_says_where_it_goes_on(html: str, refresh: Refresh | None) -> None:
    assert a_page(html).refresh == refresh


def test_a_text_that_is_no_document_says_nothing_of_itself() -> None:
    html = "<meta http-equiv=refresh content='1;a'><meta name=robots content=nofollow>"
    for mime in ("application/json", "application/ld+json; charset=utf-8", "text/css", "image/png"):
        page = a_page(html, Content_Type=mime)
        assert (page.refresh, page.robots, page.forbids_following) == (None, frozenset(), False)


@pytest.mark.parametrize("codec", ["utf-8", "utf-16", "utf-16le"])
def test_a_refresh_is_seen_in_any_encoding(codec: str) -> None:
    html = "<meta http-equiv=refresh content='1;a'>".encode(codec)
    assert a_page(html, Content_Type=f"text/html; charset={codec}").refresh == Refresh(1, f"{HERE}a")


def test_the_header_comes_before_the_document() -> None:
    html = "<meta http-equiv=refresh content='1;a'>"
    assert a_page(html, Refresh="2;url=b").refresh == Refresh(2, f"{HERE}b")
    assert a_page(html, Refresh="nonsense").refresh == Refresh(1, f"{HERE}a")


def test_a_meta_counts_in_the_head_however_long_and_in_the_body_of_a_short_page() -> None:
    meta = "<meta http-equiv=refresh content='1;a'><meta name=robots content=nofollow>"
    long = "<script>/* " + "x" * 10_000 + " */</script>"
    pages = [f"{long}{meta}<body>", f"<body>{meta}{long}", f"{long}{meta}", f"<body>{long}{meta}"]
    assert [(a_page(html).refresh is not None, a_page(html).forbids_following) for html in pages] == [
        (True, True),
        (True, True),
        (True, True),
        (False, False),
    ]


# Robots.


def test_a_page_asks_robots_by_header_and_by_meta() -> None:
    meta = "<meta name=ROBOTS content='NoFollow'><meta name=mybot content=noindex><meta name=other content=none>"
    assert a_page(meta).robots == {"nofollow"}
    assert a_page(meta, PageOptions(token="MyBot")).robots == {"nofollow", "noindex"}
    assert a_page("<p>", X_Robots_Tag="noindex, nofollow").robots == {"noindex", "nofollow"}
    assert a_page("<p>all robots", PageOptions(token="MyBot")).robots == frozenset()
    assert a_page("<meta name=mybot content=none>", PageOptions(token="MyBot")).robots == {"noindex", "nofollow"}


def test_a_base_that_is_longer_than_any_url_makes_no_links_of_its_own_length() -> None:
    links = "".join(f"<a href=../{number}></a><a href='/r{number}'></a>" for number in range(3_000))
    body = f"<base href='http://a.example/{'a' * 200_000}/b/c'>{links}<a href='http://b.example/x'></a>"
    page = a_page(body)
    tracemalloc.start()
    try:
        found = page.links()
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert found == ["http://b.example/x"]
    assert most < 10_000_000
