"""What a spider of sitemaps crawls."""

from datetime import UTC, date, datetime

import pytest

from crawler import SitemapSpider, UsageError, run
from crawler.fetch.canned import CannedFetcher
from crawler.response import Response, headers_of

SITE = "http://site.test"


def xml(path: str, body: str) -> Response:
    return Response(f"{SITE}{path}", 200, headers_of({"Content-Type": "application/xml"}), body.encode())


INDEX = (
    f"<sitemapindex><sitemap><loc>{SITE}/products.xml</loc></sitemap>"
    f"<sitemap><loc>{SITE}/old.xml</loc><lastmod>2020-01-01</lastmod></sitemap></sitemapindex>"
)
PRODUCTS = f"""<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9" xmlns:xhtml="http://www.w3.org/1999/xhtml">
<url><loc>{SITE}/product/1</loc><lastmod>2026-03-01</lastmod>
<xhtml:link rel="alternate" hreflang="de" href="{SITE}/de/product/1"/></url>
<url><loc>{SITE}/product/2</loc><lastmod>2025-03-01</lastmod></url>
<url><loc>{SITE}/about</loc></url></urlset>"""
OLD = f"<urlset><url><loc>{SITE}/product/9</loc></url></urlset>"
ANSWERS = {
    f"{SITE}/index.xml": xml("/index.xml", INDEX),
    f"{SITE}/products.xml": xml("/products.xml", PRODUCTS),
    f"{SITE}/old.xml": xml("/old.xml", OLD),
    **{f"{SITE}{path}": "" for path in ("/product/1", "/product/2", "/product/9", "/de/product/1", "/about")},
}


class Mapped(SitemapSpider):
    sitemaps = [f"{SITE}/index.xml"]
    settings = {"obey_robots": False, "delay": 0.0}

    def parse_product(self, page):
        yield {"kept": page.url.removeprefix(SITE)}

    def parse_other(self, page):
        yield {"kept": f"other {page.url.removeprefix(SITE)}"}


RULES = [("/product/", "parse_product"), ("about", "parse_other")]


@pytest.mark.parametrize(
    ("own", "kept"),
    [
        ({"sitemap_rules": RULES}, ["/product/1", "/product/2", "/product/9", "other /about"]),
        ({"sitemap_rules": RULES[1:]}, ["other /about"]),
        ({"sitemap_rules": RULES, "sitemap_follow": "/old"}, ["/product/9"]),
        ({"sitemap_rules": RULES, "since": "2026-01-01"}, ["/product/1", "other /about"]),
        ({"sitemap_rules": RULES[:1], "since": date(2025, 3, 1)}, ["/product/1", "/product/2"]),
        ({"sitemap_rules": RULES[:1], "since": datetime(2026, 3, 1, 1, tzinfo=UTC)}, []),
        (
            {"sitemap_rules": RULES[:1], "sitemap_alternates": True, "sitemap_follow": ["products"]},
            ["/de/product/1", "/product/1", "/product/2"],
        ),
    ],
)
def test_pages_go_to_the_callback_of_the_first_rule_that_fits(own, kept) -> None:
    result = run(type("Mapped", (Mapped,), own), fetcher=CannedFetcher(ANSWERS))
    assert sorted(item["kept"] for item in result.items) == kept


def test_without_rules_all_go_to_parse() -> None:
    spider = type("Mapped", (Mapped,), {"parse": Mapped.parse_product})
    result = run(spider, args={"since": "2026-01-01"}, fetcher=CannedFetcher(ANSWERS))
    assert sorted(item["kept"] for item in result.items) == ["/about", "/product/1"]


@pytest.mark.parametrize(
    ("own", "message"),
    [
        ({}, "Mapped has neither sitemap_rules nor a parse method"),
        ({"sitemap_rules": [("(", "parse_product")]}, "Mapped.sitemap_rules: the pattern '('"),
        ({"sitemap_rules": [("/a", "parse_a")]}, "Mapped has no method 'parse_a'"),
        ({"sitemap_rules": ["/a"]}, "a rule is a pair"),
        ({"sitemap_rules": [("/a", "parse")]}, "sitemap_rules name parse"),
        ({"sitemap_rules": RULES, "start_urls": [SITE]}, "start_urls are given to parse"),
        ({"sitemap_rules": RULES, "sitemap_follow": "("}, "Mapped.sitemap_follow: the pattern '('"),
        ({"sitemap_rules": RULES, "since": "soon"}, "Mapped.since is a date, as 2026-01-31, not 'soon'"),
    ],
)
def test_what_cannot_be_right_stops_the_crawl_before_it_begins(own, message) -> None:
    fetcher = CannedFetcher(ANSWERS)
    with pytest.raises(UsageError) as raised:
        run(type("Mapped", (Mapped,), own), fetcher=fetcher)
    assert message in str(raised.value)
    assert fetcher.requests == []
