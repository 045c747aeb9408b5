"""Quotes and their authors, from https://quotes.toscrape.com: a site that is there to be scraped.

Two kinds of items, each to a file of its own:

    crawl quotes -o "{item}.jsonl"          # Quote.jsonl and Author.jsonl
"""

from datetime import date, datetime

from crawler import Item, Spider, Url, css


class Person(Item):
    """Who said it: a name and a link, as they stand beside each quote."""

    name: str = css(".author::text")
    page: Url = css("a[href*='/author/']::attr(href)")  # a Url is made absolute


class Quote(Item):
    text: str = css(".text::text", re="“(.*)”")  # without its quotation marks
    by: Person  # an item in an item, filled from the same block of the page
    tags: list[str] = css(".tag::text")  # a list takes all that is found, and may be empty


class Author(Item, key="name"):
    """``key``: the dataset has each name once, even where a page is found at two addresses."""

    name: str = css(".author-title::text")
    born: date = css(".author-born-date::text", then=lambda text: datetime.strptime(text, "%B %d, %Y").date())
    birthplace: str = css(".author-born-location::text", re="in (.*)")
    description: str = css(".author-description::text")


class Quotes(Spider):
    """Every quote with its tags, and every author once."""

    name = "quotes"

    def __init__(self, url: str = "https://quotes.toscrape.com/") -> None:
        super().__init__()
        self.start_urls = [url]

    def parse(self, page):
        yield from page.extract_all(Quote, ".quote")
        # Many quotes lead to one author: a URL is fetched once, however many links there are to it.
        yield from page.follow_all(".quote a[href*='/author/']", self.parse_author)
        yield from page.follow_all("li.next a")

    def parse_author(self, page):
        yield page.extract(Author)
