"""Which links rules take, and what becomes of their pages."""

import pytest

from crawler import Rule, RuleSpider, UsageError, cpu_bound, run
from crawler.fetch.canned import CannedFetcher

SITE = "http://site.test"
QUICK = {"obey_robots": False, "delay": 0.0}
PAGES = {
    f"{SITE}/": '<nav><a href="/list/1">l</a></nav><a href="/book/1">b</a><a href="/cart">c</a><img src="/cover.png">',
    f"{SITE}/list/1": '<a href="/list/2">l</a><article><a href="/book/2">b</a></article><a href="/book/3">ad</a>',
    f"{SITE}/list/2": '<a href="/list/1">l</a><article><a href="/book/2">again</a></article>',
    f"{SITE}/book/1": '<article><a href="/book/4">more</a></article>',
    f"{SITE}/book/2": "",
    f"{SITE}/book/3": "",
    f"{SITE}/book/4": "",
    f"{SITE}/cart": "",
    f"{SITE}/cover.png": "",
}


class Ruled(RuleSpider):
    start_urls = [f"{SITE}/"]
    settings = QUICK

    def parse_book(self, page):
        yield {"path": page.url.removeprefix(SITE), "meta": page.meta.get("kind")}


def ruled(*given: Rule, **own: object) -> type[Ruled]:
    return type("Ruled", (Ruled,), {"rules": list(given), **own})


def fetched(spider: type[RuleSpider]) -> tuple[list[str], list[str]]:
    """The paths that were asked for, and those of the items; each sorted."""
    fetcher = CannedFetcher(PAGES)
    result = run(spider, fetcher=fetcher)
    assert result.stats.failures == {}
    asked = sorted(request.url.removeprefix(SITE) for request in fetcher.requests)
    return asked, sorted(item["path"] for item in result.items)


LISTS = Rule(allow="/list/")
BOOKS = Rule(allow="/book/", callback="parse_book")


@pytest.mark.parametrize(
    ("rules", "asked", "kept"),
    [
        ([LISTS], ["/", "/list/1", "/list/2"], []),
        (
            [LISTS, BOOKS],
            ["/", "/book/1", "/book/2", "/book/3", "/list/1", "/list/2"],
            ["/book/1", "/book/2", "/book/3"],
        ),
        (
            [LISTS, Rule(allow="/book/", restrict_css="article", callback="parse_book")],
            ["/", "/book/2", "/list/1", "/list/2"],
            ["/book/2"],
        ),
        (
            [Rule(allow=["/list/", "/book/"], deny=["/book/3", "/book/2"], callback="parse_book", follow=True)],
            ["/", "/book/1", "/book/4", "/list/1", "/list/2"],
            ["/book/1", "/book/4", "/list/1", "/list/2"],
        ),
        ([Rule(allow="/cart"), Rule(callback="parse_book", deny="/list/")], ["/", "/book/1", "/cart"], ["/book/1"]),
        ([Rule(allow=r"\.png$", callback="parse_book", links="resources")], ["/", "/cover.png"], ["/cover.png"]),
        ([Rule(allow=r"\.png$", callback="parse_book", links="pages")], ["/"], []),
        ([Rule(restrict_css=["nav", "article"])], ["/", "/book/2", "/list/1"], []),
    ],
    ids=["followed", "kept", "region", "both", "first rule wins", "resources", "pages", "regions"],
)
def test_a_link_belongs_to_the_first_rule_that_takes_it(rules, asked, kept) -> None:
    assert fetched(ruled(*rules)) == (asked, kept)


def test_a_start_page_goes_to_its_own_hook_and_is_searched_for_links() -> None:
    def parse_start_url(self, page):
        return {"path": "the start"}

    assert fetched(ruled(BOOKS, parse_start_url=parse_start_url)) == (["/", "/book/1"], ["/book/1", "the start"])


def test_the_meta_of_a_rule_is_that_of_its_pages() -> None:
    spider = ruled(Rule(allow="/book/1", callback="parse_book", follow=True, meta={"kind": "a book"}))
    assert run(spider, fetcher=CannedFetcher(PAGES)).items == [{"path": "/book/1", "meta": "a book"}]


async def _coroutine(self, page):
    return {"path": page.url.removeprefix(SITE)}


async def _generator(self, page):
    yield {"path": page.url.removeprefix(SITE)}


@pytest.mark.parametrize("callback", [_coroutine, _generator])
def test_callbacks_of_rules_may_be_async(callback) -> None:
    spider = ruled(Rule(allow="/book/[14]", callback="parse_it", follow=True), parse_it=callback)
    assert fetched(spider) == (["/", "/book/1", "/book/4"], ["/book/1", "/book/4"])


@cpu_bound
def _apart(self, page):
    return None


@pytest.mark.parametrize(
    ("rules", "own", "message"),
    [
        ([], {}, "Ruled has no rules"),
        ([LISTS, Rule(allow="(")], {}, "rule 2 of Ruled: the pattern '(' is no regular expression"),
        ([Rule(allow="")], {}, "is empty, and would be found in every URL"),
        ([Rule(allow=3)], {}, "allow is a text, or a list of texts, not 3"),
        ([Rule(callback="parse_boook")], {}, "rule 1 of Ruled: Ruled has no method 'parse_boook'"),
        ([Rule(callback="parse")], {}, "parse is the callback of the start pages"),
        ([Rule(callback=_coroutine)], {}, "a callback is the name of a method"),
        ([Rule(restrict_css="a[")], {}, "rule 1 of Ruled: restrict_css"),
        ([Rule(restrict_css="nav::text")], {}, "take ::text away"),
        ([Rule(links="some")], {}, "there is no level 'some' of links"),
        ([Rule(follow=False)], {}, "would be fetched for nothing"),
        ([Rule(meta={"when": object()})], {}, "rule 1 of Ruled"),
        (["/list/"], {}, "rule 1 of Ruled is a str"),
        ([LISTS], {"parse": _coroutine}, "Ruled.parse would take the place of the rules"),
        ([Rule(callback="apart", follow=True)], {"apart": _apart}, "is @cpu_bound"),
    ],
)
def test_a_rule_that_cannot_be_right_stops_the_crawl_before_it_begins(rules, own, message) -> None:
    fetcher = CannedFetcher(PAGES)
    with pytest.raises(UsageError) as raised:
        run(ruled(*rules, **own), fetcher=fetcher)
    assert message in str(raised.value)
    assert fetcher.requests == []
