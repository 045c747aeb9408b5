"""``ApiSpider``: JSON that comes in pages."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

import msgspec

from crawler.errors import UsageError
from crawler.http.credentials import without_secret
from crawler.items.convert import check_item_type, converted
from crawler.parse.page import Page
from crawler.request import Request, plain
from crawler.spiders.declared import DeclaredSpider
from crawler.spiders.paging import WAYS, LinkHeader, Paging, found_at

_BEFORE = "rows_before"
"""In the ``meta`` of a request: what the page before it held, as a digest."""


class ApiSpider(DeclaredSpider):
    """Reads the rows of an API, page after page::

        class Products(ApiSpider):
            start_urls = ["https://api.shop.example/products?limit=100"]
            rows = "data.products"
            paging = Cursor("meta.next", "cursor")
            item = Product

    It ends where the API says so, and where a page is empty, or holds what the page before it held. A page that has no
    list where *rows* says is a failure.
    """

    rows: str = ""
    """Where the list of rows is in the body, as ``data.products``. Empty: the body is that list."""
    paging: Paging | None = LinkHeader()
    """Where the next page is: ``LinkHeader()``, ``NextUrl(path)``, ``Cursor(path, param)``, ``PageNumber(param)`` or
    ``Offset(param)``. None: there is none."""
    payload: Mapping[str, Any] | None = None  # Any: it is JSON
    """Sent as JSON by POST, as ``{"query": ..., "variables": {...}}``. None: the URLs are got."""
    item: Any = None  # Any: a type: Item, Struct, dataclass, attrs or pydantic
    """What each row is turned into. A row that does not fit goes to the rejects, with the reason. None: it stays a dict."""

    async def start(self) -> AsyncIterator[Request]:
        for url in self.start_urls:
            yield Request(url) if self.payload is None else Request(url, method="POST", json=self.payload)

    def parse_row(self, page: Page, row: Any) -> Any:  # Any: it is JSON; as a callback
        """What becomes of a row: items and requests. It may be a generator, not ``async``."""
        return row if self.item is None else converted(row, self.item, page.url)

    def parse(self, page: Page) -> Iterator[Any]:
        data = page.json()
        rows = self._rows_of(data, page)
        digest = hashlib.blake2b(msgspec.json.encode(rows), digest_size=8).hexdigest()
        if rows and page.meta.get(_BEFORE) == digest:
            self.logger.warning("%s holds what the page before it held: no more is asked", without_secret(page.url))
            return
        for row in rows:
            yield self.parse_row(page, row)
        following = self.paging.after(page, data, len(rows)) if self.paging is not None and rows else None
        if following is not None:
            yield following.replace(meta={**following.meta, _BEFORE: digest})

    def check_declarations(self) -> None:
        """
        :raises UsageError: a declaration is of the wrong kind
        """
        name = type(self).__name__
        if not isinstance(self.rows, str):
            raise UsageError(f'{name}.rows is the path to the list, as "data.products", not {self.rows!r}')
        if isinstance(self.paging, type) or not (self.paging is None or hasattr(self.paging, "after")):
            ways = ", ".join(way.__name__ for way in WAYS)
            raise UsageError(f'{name}.paging is {self.paging!r}: give one of {ways}, as in PageNumber("page"), or None')
        if self.payload is not None:
            try:
                plain(self.payload, f"{name}.payload")
            except (TypeError, ValueError) as error:
                raise UsageError(str(error)) from None
        check_item_type(self.item, f"{name}.item")

    def _rows_of(self, data: Any, page: Page) -> list[Any]:  # Any: it is JSON
        """
        :raises ValueError: there is no list
        """
        rows = found_at(data, self.rows)
        if isinstance(rows, list):
            return rows
        where = f"at {self.rows!r}" if self.rows else "in it (rows says where)"
        there = f"; it has: {', '.join(map(str, data))[:200]}" if isinstance(data, dict) else ""
        raise ValueError(f"{page.url}: there is no list {where}{there}")
