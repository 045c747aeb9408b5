"""Quotes that a script makes out of data of its own, as on https://quotes.toscrape.com/js/: the data is all one needs."""

from urllib.parse import urljoin

from crawler import Spider


class QuotesJs(Spider):
    """Quotes out of a script: ``var data = [...]`` is read, not run."""

    name = "quotes_js"

    def __init__(self, url: str = "https://quotes.toscrape.com/") -> None:
        super().__init__()
        self.start_urls = [urljoin(url, "/js/")]

    def parse(self, page):
        for quote in page.script_json("data"):
            yield {"text": quote["text"], "author": quote["author"]["name"], "tags": quote["tags"]}
        yield from page.follow_all("li.next a")
