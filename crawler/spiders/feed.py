"""``FeedSpider``: RSS and Atom feeds, and data files: XML, CSV, lines of JSON."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any, Literal, get_args

from crawler.errors import UsageError
from crawler.http.credentials import without_secret
from crawler.items.convert import check_item_type, converted
from crawler.parse.feed import FEED_ROOTS, FeedEntry
from crawler.parse.page import Page
from crawler.parse.rows import Faults, Row, csv_rows, json_rows, text_of, xml_rows
from crawler.parse.xml import Broken, local_name, root_of
from crawler.spiders.declared import DeclaredSpider, batches

Format = Literal["feed", "xml", "csv", "jsonl"]
FORMATS: tuple[Format, ...] = get_args(Format)
_ENDINGS: dict[str, Format] = {
    ".csv": "csv", ".tsv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".rss": "feed", ".atom": "feed",
}  # fmt: skip
_TYPES: dict[str, Format] = {
    "text/csv": "csv",
    "text/tab-separated-values": "csv",
    "application/jsonl": "jsonl",
    "application/x-ndjson": "jsonl",
    "application/x-jsonlines": "jsonl",
    "application/rss+xml": "feed",
    "application/atom+xml": "feed",
}
_BATCH = 200
"""Rows between two moments in which others may run: some 2 ms."""


class FeedSpider(DeclaredSpider):
    """Reads files of rows::

        class Offers(FeedSpider):
            start_urls = ["https://shop.example/offers.csv.gz"]
            delimiter = ";"
            item = Offer

    Each row is given to :meth:`parse_row`, each entry of an RSS or Atom feed to :meth:`parse_entry`. A row that cannot be
    read is left out, and the log says how many there were; a file that breaks off is a failure, and gives nothing. Of a
    feed that breaks off, what stands before is kept, as such feeds are read again soon.
    """

    format: Format | Literal[""] = ""
    """``feed`` (RSS, Atom), ``xml``, ``csv`` or ``jsonl``. Empty: as the file's name, its type and its beginning tell."""
    itertag: str = ""
    """Of XML: the name of the elements that are rows."""
    delimiter: str = ""
    """Of CSV. Empty: a tab for .tsv files, a comma for others."""
    quotechar: str = '"'
    headers: Sequence[str] | None = None
    """Of CSV: the names of the columns. None: the first line has them."""
    item: Any = None  # Any: a type: Item, Struct, dataclass, attrs or pydantic
    """What each row is turned into; texts become numbers and dates as its fields say, and an empty one None. A row that does not fit goes to the rejects, with the reason. None: a dict."""

    def parse_row(self, page: Page, row: Row) -> Any:  # Any: as a callback, but for async ones
        """What becomes of a row: items and requests. It may be a generator, not ``async``."""
        return row if self.item is None else converted(row, self.item, page.url, is_text=True)

    def parse_entry(self, page: Page, entry: FeedEntry) -> Any:  # Any: as above
        """What becomes of an entry of a feed: it is an item as it stands."""
        return entry

    async def parse(self, page: Page) -> AsyncIterator[Any]:
        kind = self._kind_of(page)
        if kind == "feed":
            feed = page.feed()
            if feed.error:
                self.logger.warning("%s was not read to its end: %s", without_secret(page.url), feed.error)
            for entries in batches(feed.entries, _BATCH):
                yield [self.parse_entry(page, entry) for entry in entries]
                await asyncio.sleep(0)
            return
        faults = Faults()
        try:
            for rows in batches(self._rows(kind, page, faults), _BATCH):
                yield [self.parse_row(page, row) for row in rows]
                await asyncio.sleep(0)
        except Broken as broken:
            raise ValueError(f"{page.url} is no whole {kind} file: {broken}") from None
        if faults.count:
            url = without_secret(page.url)
            self.logger.warning("%s: rows that cannot be read: %d; the first: %s", url, faults.count, faults.first)

    def check_declarations(self) -> None:
        """
        :raises UsageError: the format is none, or what it needs is missing or wrong
        """
        name = type(self).__name__
        if self.format and self.format not in FORMATS:
            raise UsageError(f"{name}.format is {self.format!r}; there are: {', '.join(FORMATS)}")
        if self.format == "xml" and not self.itertag:
            raise UsageError(f'{name}.itertag is missing: which elements are the rows? itertag = "product"')
        for attribute in ("delimiter", "quotechar"):
            given = getattr(self, attribute)
            if given and (not isinstance(given, str) or len(given) != 1 or given in "\r\n"):
                raise UsageError(f"{name}.{attribute} is one character, not {given!r}")
        if isinstance(self.headers, str):
            raise UsageError(f'{name}.headers is a list of names: headers = ["{self.headers}"]')
        for hook in (self.parse_row, self.parse_entry):
            if inspect.iscoroutinefunction(hook) or inspect.isasyncgenfunction(hook):
                raise UsageError(
                    f"{name}.{hook.__name__} is async, and is called for each row: write def, without async"
                )
        check_item_type(self.item, f"{name}.item")

    def _rows(self, kind: Format, page: Page, faults: Faults) -> Iterator[Row]:
        if kind == "xml":
            return xml_rows(page.body, self.itertag, faults, page.content_type)
        if kind == "jsonl":
            return json_rows(page.body, faults, page.content_type)
        text = text_of(page.body, page.encoding, page.content_type)
        delimiter = self.delimiter or ("\t" if _is_tabbed(page) else ",")
        return csv_rows(text, faults, delimiter=delimiter, quotechar=self.quotechar, headers=self.headers)

    def _kind_of(self, page: Page) -> Format:
        """
        :raises ValueError: it cannot be told
        """
        if self.format:
            return self.format
        if self.itertag:
            return "xml"
        found = _ENDINGS.get(_ending(page.url)) or _TYPES.get(_mime(page))
        if found is not None:
            return found
        try:
            if local_name(root_of(page.body, page.content_type)) in FEED_ROOTS:
                return "feed"
            begin = "it is XML: itertag says which elements are the rows"
        except Broken:
            begin = f"it begins with {page.body[:60]!r}"
        raise ValueError(f'{page.url}: say what it is, format = "csv" or another of {", ".join(FORMATS)}; {begin}')


def _ending(url: str) -> str:
    path = url.partition("#")[0].partition("?")[0].lower().removesuffix(".gz")
    name = path.rpartition("/")[2]
    return name[name.rfind(".") :] if "." in name else ""


def _mime(page: Page) -> str:
    return page.content_type.partition(";")[0].strip().lower()


def _is_tabbed(page: Page) -> bool:
    return _ending(page.url) == ".tsv" or _mime(page) == "text/tab-separated-values"
