# mypy: ignore-errors
# Scrapy is installed for the benchmark alone, in an environment of its own: its types are not there to check.
"""The same crawl as a Scrapy user would write it.

Run as ``python scrapy_spider.py START_URL OUTPUT CONCURRENCY``.

Settings differ from Scrapy's defaults only where the comparison asks for it (no delay, robots obeyed) or
where its own guide to fast crawls says so (no cookies). The telnet console is off so that no port is opened.
uvloop is used where it is installed: it makes Scrapy some 5 to 10 % faster.
"""

import sys
from importlib.util import find_spec

import scrapy
from scrapy.crawler import CrawlerProcess

SETTINGS = {
    "ASYNCIO_EVENT_LOOP": "uvloop.Loop" if find_spec("uvloop") else None,
    "AUTOTHROTTLE_ENABLED": False,
    "COOKIES_ENABLED": False,
    "DOWNLOAD_DELAY": 0,
    "FEED_EXPORT_ENCODING": "utf-8",
    "HTTPCACHE_ENABLED": False,
    "LOG_LEVEL": "WARNING",
    "ROBOTSTXT_OBEY": True,
    "TELNETCONSOLE_ENABLED": False,
}


class Books(scrapy.Spider):
    name = "books_bench"

    def __init__(self, url, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.url = url

    async def start(self):
        # Not start_urls: those are exempt from the duplicate filter, and the first page would come twice.
        yield scrapy.Request(self.url)

    def parse(self, response):
        yield {
            "url": response.url,
            "title": response.css(".product_main h1::text").get(),
            "price": float(response.css(".price_color::text").re_first(r"[\d.]+")),
            "in_stock": int(response.css(".availability::text").re_first(r"\d+", default=0)),
            "rating": response.css(".star-rating::attr(class)").re_first(r"star-rating (\w+)"),
            "category": response.css("ul.breadcrumb li:nth-child(3) a::text").get(),
            "upc": response.css("table.table td::text").get(),
        }
        yield from response.follow_all(css="a")


def main(url, output, concurrency):
    process = CrawlerProcess(
        {
            **SETTINGS,
            "CONCURRENT_REQUESTS": concurrency,
            "CONCURRENT_REQUESTS_PER_DOMAIN": concurrency,
            "FEEDS": {output: {"format": "jsonlines"}},
        }
    )
    process.crawl(Books, url=url)
    process.start()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
