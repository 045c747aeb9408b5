"""The same callbacks twice, here and in parse processes, for ``processes.py``: ``-a url=http://... -a note=FILE``.

Each crawl leaves the CPU seconds of its own process in the file *note*; those of its parse processes are not in them.
"""

from collections.abc import Iterator
from pathlib import Path
from time import process_time

from books_bench import Book

from crawler import Page, Spider, cpu_bound

QUERIES = [
    *("title::text", "h1::text", "h2::text", "h3 a::text", "p::text", "li a::text", "ul li", "nav a", "header a"),
    *(
        "footer a::attr(href)",
        "a::attr(href)",
        "img::attr(src)",
        "img::attr(alt)",
        "script::attr(src)",
        "link::attr(href)",
    ),
    *(
        "meta::attr(content)",
        "form::attr(action)",
        "input::attr(name)",
        "button::text",
        "span::text",
        "div > a",
        "div div a",
    ),
    *("div[class]", "a[title]::attr(title)", "a[rel]", "td::text", "article", "section h2", "strong::text", "div p"),
]
"""Thirty."""


class Noting(Spider):
    def __init__(self, url: str, note: str) -> None:
        super().__init__()
        self.start_urls = [url]
        self.note = note

    def closed(self, reason: str) -> None:
        Path(self.note).write_text(str(process_time()))


class Books(Noting):
    def parse(self, page: Page) -> Iterator[object]:
        yield page.extract(Book)
        yield from page.follow_all("a")


class BooksApart(Books):
    @cpu_bound
    def parse(self, page: Page) -> Iterator[object]:
        return super().parse(page)


class Large(Noting):
    def parse(self, page: Page) -> Iterator[object]:
        yield {"url": page.url, "found": [len(page.css(query)) for query in QUERIES]}
        yield from page.follow_all("a")


class LargeApart(Large):
    @cpu_bound
    def parse(self, page: Page) -> Iterator[object]:
        return super().parse(page)


class Tiny(Noting):
    def parse(self, page: Page) -> Iterator[object]:
        yield {"url": page.url, "title": page.css("h1::text").get()}
        yield from page.follow_all("a")


class TinyApart(Tiny):
    @cpu_bound
    def parse(self, page: Page) -> Iterator[object]:
        return super().parse(page)
