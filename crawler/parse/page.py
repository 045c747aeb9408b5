"""The page that a callback gets: the response, with the means to select, follow and extract."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any, TypeVar

import msgspec
from selectolax.lexbor import LexborHTMLParser

from crawler.errors import MissingExtra
from crawler.items.item import Item
from crawler.parse.charset import decode, encoding_of
from crawler.parse.extract import extract
from crawler.parse.select import Node, Selection, address_of, hrefs, select
from crawler.request import Request, callback_name
from crawler.response import Headers, Response
from crawler.urls.url import Base

I = TypeVar("I", bound=Item)  # noqa: E741 (a type variable, and the only one here)
_SNIFF = 512
"""Bytes in which a NUL tells of a binary body, whatever its header says."""
_NO_TEXT = frozenset({"application/pdf", "application/zip", "application/gzip", "application/octet-stream"})


class Page:
    """One fetched page."""

    __slots__ = ("_base", "_encoding", "_text", "_tree", "depth", "request", "response")

    def __init__(self, response: Response, request: Request | None = None, depth: int = 0) -> None:
        self.response = response
        self.request = request or Request(response.url)
        self.depth = depth
        """Links followed from a seed to get here."""
        self._tree: LexborHTMLParser | None = None
        self._base: Base | None = None
        self._text: str | None = None
        self._encoding: str | None = None

    @property
    def url(self) -> str:
        return self.response.url

    @property
    def status(self) -> int:
        return self.response.status

    @property
    def headers(self) -> Headers:
        """Case-insensitive: ``page.headers.get("content-type")``."""
        return self.response.headers

    @property
    def body(self) -> bytes:
        return self.response.body

    @property
    def meta(self) -> dict[str, Any]:
        """What the request brought along."""
        return self.request.meta

    @property
    def content_type(self) -> str:
        """The Content-Type header; empty if there is none."""
        return self.response.headers.get("Content-Type", "")

    @property
    def encoding(self) -> str:
        """The WHATWG name of the encoding: by BOM, header, ``<meta>``, or detection."""
        if self._encoding is None:
            self._encoding = encoding_of(self.body, self.content_type)
        return self._encoding

    @property
    def text(self) -> str:
        """The body, decoded. What cannot be decoded is U+FFFD; a charset that nobody knows is detected instead."""
        if self._text is None:
            self._text = decode(self.body, self.encoding)
        return self._text

    @property
    def is_text(self) -> bool:
        """Whether the body can be a document at all. An image or an archive is not, whatever its header says."""
        return _may_be_text(self.content_type) and (
            self.body.find(b"\0", 0, _SNIFF) < 0 or self.encoding.startswith("utf-16")
        )

    @property
    def tree(self) -> LexborHTMLParser:
        """selectolax's parser itself, for speed and for what is not offered here. Empty for a binary body."""
        if self._tree is None:
            if not self.is_text:
                self._tree = LexborHTMLParser("")
            elif self.encoding == "utf-8":
                self._tree = LexborHTMLParser(self._utf8())  # Lexbor reads it, and mends it as browsers do
            else:
                self._tree = LexborHTMLParser(self.text)
        return self._tree

    def css(self, query: str) -> Selection:
        """Everything that *query* names; ``::text`` and ``::attr(name)`` give strings."""
        return select(self.tree, query)

    def xpath(self, query: str) -> Any:  # Any: parsel's SelectorList, which need not be installed
        """Everything that an XPath names, as a parsel ``SelectorList``: it has the same methods as a Selection.

        :raises MissingExtra: parsel is not installed
        """
        try:
            from parsel import Selector  # an extra
        except ImportError:
            raise MissingExtra("page.xpath() needs the xpath extra: pip install parsel") from None
        return Selector(text=self.text, base_url=self.url).xpath(query)

    def json(self) -> Any:  # Any: it is JSON
        """The body as JSON.

        :raises ValueError: it is none; the message shows how it begins
        """
        try:
            return msgspec.json.decode(self._utf8() if self.encoding == "utf-8" else self.text)
        except msgspec.DecodeError as error:
            begin = self.text[:60]
            raise ValueError(f"{self.url} is no JSON ({error}); it begins with {begin!r}") from None

    def urljoin(self, href: str) -> str:
        """*href* as an absolute URL, by the page's ``<base href>`` or URL; as it stands if it cannot be joined."""
        return self._base_url().resolve(href) or href

    def follow(
        self,
        href: str | Node | Selection,
        callback: str | Callable[..., Any] | None = None,
        **request_fields: Any,  # Any: the fields of Request
    ) -> Request:
        """A request for a link: an address, an element that has one (``href`` or ``src``), or a selected attribute.

        :raises ValueError: there is no address in it
        """
        address = address_of(href)
        if address is None:
            raise ValueError(f"{href!r} has no address to follow: no href, no src, no text")
        return Request(self.urljoin(address), callback_name(callback), **request_fields)

    def follow_all(
        self,
        links: str | Iterable[str | Node] | None = None,
        callback: str | Callable[..., Any] | None = None,
        *,
        css: str | None = None,
        **request_fields: Any,  # Any: the fields of Request
    ) -> list[Request]:
        """A request for each of *links*: a CSS query, or elements or addresses.

        Addresses that nobody can follow (``mailto:``, ``javascript:``, malformed ones) and repeated ones are left out.
        """
        if links is None and css is None:
            raise TypeError("follow_all() needs links: a CSS query, elements or addresses")
        name = callback_name(callback)
        urls = self._joined(css if css is not None else links or ())
        return [Request(url, name, **request_fields) for url in urls]

    def links(self) -> list[str]:
        """The absolute http(s) URLs that the page links to (``a`` and ``area``), without fragments, each once."""
        return list(dict.fromkeys(url.partition("#")[0] for url in self._joined("a[href], area[href]")))

    def extract(self, item_type: type[I]) -> I:
        """An item of that type, its fields filled from the page."""
        return extract(item_type, self.tree, self.url)

    def extract_all(self, item_type: type[I], css: str) -> list[I]:
        """An item for each element that *css* names, its fields filled from inside it."""
        return [extract(item_type, node.raw, self.url) for node in self.css(css)]

    def __repr__(self) -> str:
        return f"<Page {self.status} {self.url}>"

    def _utf8(self) -> bytes:
        """The body without a byte order mark, which is no part of the document."""
        return self.body.removeprefix(b"\xef\xbb\xbf")

    def _base_url(self) -> Base:
        if self._base is None:
            href = next((href for base in self.tree.tags("base") if (href := base.attrs.get("href"))), None)
            self._base = Base((Base(self.url).join(href) if href else None) or self.url)
        return self._base

    def _joined(self, links: str | Iterable[str | Node]) -> list[str]:
        """The absolute http(s) URLs that *links* lead to, each once."""
        addresses = hrefs(self.tree, links) if isinstance(links, str) else map(address_of, links)
        return self._base_url().join_all(addresses)


@lru_cache(maxsize=1024)
def _may_be_text(content_type: str) -> bool:
    mime = content_type.partition(";")[0].strip().lower()
    kind, _, subtype = mime.partition("/")
    return "xml" in subtype or (kind not in ("image", "audio", "video", "font") and mime not in _NO_TEXT)
