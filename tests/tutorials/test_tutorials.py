"""The spiders that everybody's tutorial has, as ``spiders/`` has them, each by the command line against a site on loopback.

What they find is compared, record for record, with what the site was made of.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from lxml import html

from crawler.cli.main import COMPLETE, FAILURES, LIMIT, run
from crawler.demo import bookshop
from crawler.demo.bookshop import Bookshop
from crawler.demo.quotes import PASSWORD, USERNAME, QuoteSite
from crawler.demo.sayings import authors, quotes

SPIDERS = Path(__file__).parents[2] / "spiders"
KNOWN = [{"text": quote.text, "author": quote.author.name, "tags": list(quote.tags)} for quote in quotes()]

Crawl = Callable[..., int]


@pytest.fixture(scope="module")
def site() -> Iterator[QuoteSite]:
    with QuoteSite() as site:
        yield site


@pytest.fixture(autouse=True)
def _nothing_imported_stays() -> Iterator[None]:
    """Spiders are imported in this process: what they bring is taken back."""
    path, modules = sys.path[:], set(sys.modules)
    yield
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        if (getattr(sys.modules[name], "__file__", None) or "").startswith(str(SPIDERS)):
            del sys.modules[name]


@pytest.fixture
def crawl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Crawl:
    """``crawl spiders/FILE -a url=URL ARGUMENTS`` in an empty folder; its exit code."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.delenv("QUOTES_PASSWORD", raising=False)

    def call(file: str, url: str, *arguments: str) -> int:
        return run([str(SPIDERS / file), "-a", f"url={url}", *arguments])

    return call


def lines(name: str) -> list[Any]:
    return [json.loads(line) for line in Path(name).read_text("utf-8").splitlines()]


def alike(records: list[Any]) -> list[Any]:
    """*records* in an order of their own: pages come as they come."""
    return sorted(records, key=lambda record: json.dumps(record, sort_keys=True))


def test_quotes_and_authors_come_out_whole_each_in_its_file(crawl: Crawl, site: QuoteSite) -> None:
    assert crawl("quotes.py", site.url, "-o", "{item}.jsonl", "-q") == COMPLETE

    said = [
        {
            "text": quote.text.strip("“”"),
            "by": {"name": quote.author.name, "page": site.url.rstrip("/") + quote.about},
            "tags": list(quote.tags),
        }
        for quote in quotes()
    ]
    told = [
        {
            "name": author.name,
            "born": author.born.isoformat(),
            "birthplace": author.place,
            "description": author.description,
        }
        for author in authors()
    ]
    assert alike(lines("Quote.jsonl")) == alike(said)
    assert alike(lines("Author.jsonl")) == alike(told)
    assert {file.name for file in Path().glob("*.jsonl")} == {"Quote.jsonl", "Author.jsonl"}


@pytest.mark.parametrize("file", ["quotes_api.py:QuotesApi", "quotes_scroll.py", "quotes_js.py", "quotes_table.py"])
def test_every_way_to_the_quotes_gives_the_same_hundred(crawl: Crawl, site: QuoteSite, file: str) -> None:
    assert crawl(file, site.url, "-o", "quotes.jsonl", "-q") == COMPLETE
    assert alike(lines("quotes.jsonl")) == alike(KNOWN)


def test_an_api_that_is_declared_gives_items_in_items(crawl: Crawl, site: QuoteSite) -> None:
    assert crawl("quotes_api.py:QuotesApiDeclared", site.url, "-o", "quotes.jsonl", "-q") == COMPLETE
    expected = [
        {
            "text": quote.text,
            "author": {"name": quote.author.name, "slug": quote.author.slug},
            "tags": list(quote.tags),
        }
        for quote in quotes()
    ]
    assert alike(lines("quotes.jsonl")) == alike(expected)


def test_a_quote_may_wait_for_the_page_of_its_author(crawl: Crawl, site: QuoteSite) -> None:
    assert crawl("quotes_joined.py", site.url, "-o", "quotes.jsonl", "-q") == COMPLETE
    expected = [
        {
            "text": quote.text.strip("“”"),
            "about": site.url.rstrip("/") + quote.about,
            "author": {"name": quote.author.name, "birthplace": quote.author.place},
        }
        for quote in quotes()
    ]
    assert alike(lines("quotes.jsonl")) == alike(expected)


def test_who_logs_in_gets_what_members_see_on_every_page(crawl: Crawl, site: QuoteSite) -> None:
    own = ["-a", f"username={USERNAME}", "-a", f"password={PASSWORD}"]
    assert crawl("quotes_login.py", site.url, *own, "-o", "quotes.jsonl", "-q") == COMPLETE
    expected = [
        {
            "text": quote.text,
            "author": quote.author.name,
            "goodreads": f"https://goodreads.example{quote.author.profile}",
        }
        for quote in quotes()
    ]
    assert alike(lines("quotes.jsonl")) == alike(expected)


def test_a_login_that_is_refused_is_a_failure_that_says_why(
    crawl: Crawl, site: QuoteSite, capfd: pytest.CaptureFixture[str]
) -> None:
    wrong = ["-a", "password=wrong", "--strict"]
    assert crawl("quotes_login.py", site.url, *wrong, "-o", "quotes.jsonl") == FAILURES
    assert lines("quotes.jsonl") == []
    assert "not logged in: Username or password is wrong." in capfd.readouterr().err


def test_the_password_may_come_by_the_environment(
    crawl: Crawl, site: QuoteSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QUOTES_PASSWORD", PASSWORD)
    assert crawl("quotes_login.py", site.url, "--max-items", "10", "-o", "quotes.jsonl", "-q") == LIMIT
    assert [record["text"] for record in lines("quotes.jsonl")][:10] == [quote.text for quote in quotes()[:10]]


def test_every_example_is_found_by_its_name(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(SPIDERS.parent)
    assert run(["list"]) == COMPLETE
    told = capfd.readouterr()
    files = {path.name for path in SPIDERS.glob("*.py")}
    assert set(re.findall(r"spiders/(\w+\.py)", told.out)) == files
    assert len(files) >= 9
    assert "quotes_api_declared" in told.out


def test_every_example_crawls_the_public_site_unless_it_is_told_another() -> None:
    text = {path.stem: path.read_text("utf-8") for path in SPIDERS.glob("*.py")}
    for name, source in text.items():
        assert f'"https://{name.partition("_")[0]}.toscrape.com/"' in source, name
        assert "from crawler import " in source, name


def test_rules_lead_to_every_book_of_the_shop(crawl: Crawl) -> None:
    with Bookshop(books=60, slow_seconds=0.0) as shop:
        assert crawl("books_by_rules.py", shop.url, "-o", "books.jsonl", "-q") == COMPLETE
        expected = [
            book_by_lxml(shop.url.rstrip("/") + path, answer)
            for path, answer in bookshop.pages(60).items()
            if re.fullmatch(r"/catalogue/[a-z0-9-]+_\d+/index\.html", path)
        ]
    assert len(expected) == 60
    assert alike(lines("books.jsonl")) == alike(expected)


def book_by_lxml(url: str, answer: bookshop.Answer) -> dict[str, Any]:
    tree = html.fromstring(answer.body.decode(answer.headers["Content-Type"].partition("charset=")[2]))
    rows = tree.xpath("//table//tr")
    [title], [price] = (
        tree.xpath("//h1/text()"),
        tree.xpath("//div[@class='product_main']/p[@class='price_color']/text()"),
    )
    return {
        "url": url,
        "title": title,
        "price": float(price.lstrip("£")),
        "details": {row.findtext("th"): row.findtext("td") for row in rows},
    }
