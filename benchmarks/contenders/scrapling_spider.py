# mypy: ignore-errors
# Scrapling is installed for the benchmark alone, in an environment of its own: its types are not there to check.
"""The same crawl as a Scrapling user would write it who wants speed.

Run as ``python scrapling_spider.py START_URL OUTPUT CONCURRENCY``.

What differs from its defaults: robots.txt is obeyed, as the comparison asks; no browser is imitated and no headers of one are
made, no Referer is kept for each request, log lines below a warning are off, and uvloop is used where it is installed.
"""

import logging
import sys
from importlib.util import find_spec

from scrapling.fetchers import FetcherSession
from scrapling.spiders import Spider


class Books(Spider):
    name = "books_bench"
    robots_txt_obey = True
    logging_level = logging.WARNING

    def __init__(self, url, concurrency):
        self.start_urls = [url]
        self.concurrent_requests = concurrency
        super().__init__()

    def configure_sessions(self, manager):
        manager.add("default", FetcherSession(impersonate=None, stealthy_headers=False))

    async def parse(self, response):
        yield {
            "url": response.url,
            "title": response.css(".product_main h1::text").get(),
            "price": float(response.css(".price_color::text").re_first(r"[\d.]+")),
            "in_stock": int(response.css(".availability::text").re_first(r"\d+", default=0)),
            "rating": response.css(".star-rating::attr(class)").re_first(r"star-rating (\w+)"),
            "category": response.css("ul.breadcrumb li:nth-child(3) a::text").get(),
            "upc": response.css("table.table td::text").get(),
        }
        for href in response.css("a::attr(href)").getall():
            yield response.follow(href, referer_flow=False)


def main(url, output, concurrency):
    logging.getLogger("scrapling").setLevel(logging.WARNING)  # what its fetchers say of each page
    result = Books(url, concurrency).start(use_uvloop=find_spec("uvloop") is not None)
    result.items.to_jsonl(output)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
