"""Quotes in a table that is there for its looks, as on https://quotes.toscrape.com/tableful/.

No class and no heading says what a cell is. What can be relied on is the text: a row with the quote and its author, and
below it a row with the tags.
"""

from itertools import pairwise
from urllib.parse import urljoin

from crawler import Spider


class QuotesTable(Spider):
    """Quotes of a table of layout: its rows are read in pairs."""

    name = "quotes_table"

    def __init__(self, url: str = "https://quotes.toscrape.com/") -> None:
        super().__init__()
        self.start_urls = [urljoin(url, "/tableful/")]

    def parse(self, page):
        cells = [row["cell"] for row in page.table(header=["cell"])]  # its columns have no names: we give them
        for said, below in pairwise(cells):
            text, found, author = said.rpartition(" Author: ")
            if found and below.startswith("Tags:"):
                yield {"text": text, "author": author, "tags": below.removeprefix("Tags:").split()}
        yield from page.follow_all("a[href*='/tableful/page/']")
