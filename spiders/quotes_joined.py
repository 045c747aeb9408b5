"""One record out of two pages: each quote of https://quotes.toscrape.com with what the page of its author says.

``self.fetch()`` asks for what belongs to the page at hand, as politely as the crawl asks for everything else. Where the
two pages are items of their own, let the crawl follow the link instead, as quotes.py does: that goes on after a crash
page by page, and this begins the page of ten quotes anew.
"""

import asyncio

from crawler import Item, Spider, Url, css


class Author(Item):
    name: str = css(".author-title::text")
    birthplace: str = css(".author-born-location::text", re="in (.*)")


class Quote(Item):
    text: str = css(".text::text")
    about: Url = css("a[href*='/author/']::attr(href)")
    author: Author | None = None  # filled later: no css()


def without_marks(quote):
    """A step: every item goes through it on its way to the dataset."""
    quote.text = quote.text.strip("“”")
    return quote


class QuotesJoined(Spider):
    """Quotes with their authors in one record: the author's page is fetched while the quote waits."""

    name = "quotes_joined"
    steps = [without_marks]

    def __init__(self, url: str = "https://quotes.toscrape.com/") -> None:
        super().__init__()
        self.start_urls = [url]

    async def parse(self, page):
        quotes = page.extract_all(Quote, ".quote")
        urls = list(dict.fromkeys(quote.about for quote in quotes))  # of each author on the page once
        abouts = await asyncio.gather(*[self.fetch(url) for url in urls])
        authors = {url: about.extract(Author) for url, about in zip(urls, abouts, strict=True)}
        for quote in quotes:
            quote.author = authors[quote.about]
            yield quote
        for request in page.follow_all("li.next a"):
            yield request
