"""What https://quotes.toscrape.com shows to those who have logged in: a link from each quote to another site.

    crawl quotes_login -a username=me -a password=secret

A password on the command line can be read by others who use the machine; ``$QUOTES_PASSWORD`` cannot.
"""

import os
from urllib.parse import urljoin

from crawler import Item, Spider, Url, css


class Quote(Item):
    text: str = css(".text::text")
    author: str = css(".author::text")
    goodreads: Url = css("a[href*=goodreads]::attr(href)")  # required: without it a quote goes to the rejects


class QuotesLogin(Spider):
    """Quotes as members see them: logs in, and reads on. Cookies are kept as a browser keeps them."""

    name = "quotes_login"

    def __init__(self, url: str = "https://quotes.toscrape.com/", username: str = "reader", password: str = "") -> None:
        super().__init__()
        self.start_urls = [urljoin(url, "/login")]  # asked for once: the form has a token that is good for one visitor
        self.username = username
        self.password = password or os.environ.get("QUOTES_PASSWORD", "open-sesame")  # this site takes any

    def parse(self, page):
        # The form brings its address, its method and its hidden csrf_token along. Only what a reader types is given.
        yield page.form().submit(self.parse_quotes, username=self.username, password=self.password)

    def parse_quotes(self, page):
        """The first such page is where the login led to."""
        if not page.css("a[href='/logout']"):
            raise PermissionError(f"not logged in: {page.css('.error').text or 'the site does not say why'}")
        yield from page.extract_all(Quote, ".quote")
        yield from page.follow_all("li.next a", self.parse_quotes)
