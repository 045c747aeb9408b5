"""Endless scrolling, as on https://quotes.toscrape.com/scroll, without a browser.

The page is empty: its script loads more quotes whenever its reader has scrolled to the end. What it loads is JSON, and
its address is in the script. (On other sites look into the network tab of your browser's tools while you scroll.)
"""

from urllib.parse import urljoin

from crawler import Spider


class QuotesScroll(Spider):
    """Quotes of endless scrolling: finds out what the page would load, and loads it."""

    name = "quotes_scroll"

    def __init__(self, url: str = "https://quotes.toscrape.com/") -> None:
        super().__init__()
        self.start_urls = [urljoin(url, "/scroll")]

    def parse(self, page):
        endpoint = page.css("script::text").re_first(r"""["'](/api/[\w/]+)""")
        if endpoint is None:
            raise ValueError("no script of the page names an API")  # the page is a failure, and says why
        yield page.follow(f"{endpoint}?page=1", self.parse_more)

    def parse_more(self, page):
        answer = page.json()
        for quote in answer["quotes"]:
            yield {"text": quote["text"], "author": quote["author"]["name"], "tags": quote["tags"]}
        if answer["has_next"]:
            yield page.follow(f"?page={answer['page'] + 1}", self.parse_more)
