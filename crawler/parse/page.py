"""The page that a callback gets: the response, with the means to select, follow and extract."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import Any, TypeVar

import msgspec
from selectolax.lexbor import LexborHTMLParser

from crawler.errors import MissingExtra
from crawler.items.item import Item
from crawler.parse.charset import decode, encoding_of
from crawler.parse.extract import extract
from crawler.parse.select import Node, Selection, select
from crawler.request import Request
from crawler.response import Headers, Response
from crawler.urls.url import Base

I = TypeVar("I", bound=Item)  # noqa: E741 (a type variable, and the only one here)
_BINARY = frozenset(
    b"\x00\x01\x02\x03\x04\x05\x06\x07\x08\x0b\x0e\x0f\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19\x1a\x1c\x1d\x1e\x1f"
)
"""Bytes that no text holds. WHATWG MIME Sniffing, section 3: "binary data byte"."""
_SNIFF = 512
_LINK_ATTRS = ("href", "src")


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
        return _may_be_text(self.content_type) and not (
            _BINARY.intersection(self.body[:_SNIFF]) and not self.encoding.startswith("utf-16")
        )

    @property
    def tree(self) -> LexborHTMLParser:
        """selectolax's parser itself, for speed and for what is not offered here. Empty for a binary body."""
        if self._tree is None:
            if not self.is_text:
                self._tree = LexborHTMLParser("")
            elif self.encoding == "utf-8":
                self._tree = LexborHTMLParser(self.body)  # Lexbor reads UTF-8, and mends it as browsers do
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
            raise MissingExtra("page.xpath() needs parsel: pip install 'crawler[xpath]'") from None
        return Selector(text=self.text, base_url=self.url).xpath(query)

    def json(self) -> Any:  # Any: it is JSON
        """The body as JSON.

        :raises ValueError: it is none; the message shows how it begins
        """
        try:
            return msgspec.json.decode(self.body if self.encoding == "utf-8" else self.text)
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
        address = _address(href)
        if address is None:
            raise ValueError(f"{href!r} has no address to follow: no href, no src, no text")
        return self._request(self.urljoin(address), callback, request_fields)

    def follow_all(
        self,
        links: str | Iterable[str | Node] | None = None,
        callback: str | Callable[..., Any] | None = None,
        *,
        css: str | None = None,
        **request_fields: Any,  # Any: the fields of Request
    ) -> Iterator[Request]:
        """A request for each of *links*: a CSS query, or elements or addresses.

        Addresses that nobody can follow (``mailto:``, ``javascript:``, malformed ones) and repeated ones are left out.
        """
        if links is None and css is None:
            raise TypeError("follow_all() needs links: a CSS query, elements or addresses")
        join = self._base_url().join
        known: set[str] = set()
        for address in self._addresses(css if css is not None else links or ()):
            url = join(address)
            if url is not None and url not in known:
                known.add(url)
                yield self._request(url, callback, request_fields)

    def links(self) -> list[str]:
        """The absolute http(s) URLs that the page links to (``a`` and ``area``), without fragments, each once."""
        join = self._base_url().join
        joined = (join(address) for address in self._addresses("a[href], area[href]"))
        return list(dict.fromkeys(url.partition("#")[0] for url in joined if url is not None))

    def extract(self, item_type: type[I]) -> I:
        """An item of that type, its fields filled from the page."""
        return extract(item_type, self.tree, self.url)

    def extract_all(self, item_type: type[I], css: str) -> list[I]:
        """An item for each element that *css* names, its fields filled from inside it."""
        return [extract(item_type, node.raw, self.url) for node in self.css(css)]

    def __repr__(self) -> str:
        return f"<Page {self.status} {self.url}>"

    def _request(self, url: str, callback: str | Callable[..., Any] | None, fields: dict[str, Any]) -> Request:
        return Request(url, "parse" if callback is None else callback, **fields)  # type: ignore[arg-type]  # a bound method is turned into its name

    def _base_url(self) -> Base:
        if self._base is None:
            base = self.tree.css_first("base[href]") if b"<base" in self.body or b"<BASE" in self.body else None
            href = base.attributes.get("href") if base is not None else None
            self._base = Base((Base(self.url).join(href) if href else None) or self.url)
        return self._base

    def _addresses(self, links: str | Iterable[str | Node]) -> Iterator[str]:
        if not isinstance(links, str):
            for link in links:
                address = _address(link)
                if address is not None:
                    yield address
            return
        for node in self.css(links):
            address = _address(node)
            if address is not None:
                yield address


def _address(link: str | Node | Selection | None) -> str | None:
    if isinstance(link, Selection):
        if len(link) != 1:
            raise ValueError(f"follow() takes one link, not {len(link)}; follow_all() takes many")
        link = link[0]
    if isinstance(link, str):
        return link
    if link is None or not link.is_element:
        return None if link is None else link.get()
    attributes = link.raw.attributes
    for name in _LINK_ATTRS:
        if attributes.get(name) is not None:
            return attributes[name]
    return None


@lru_cache(maxsize=1024)
def _may_be_text(content_type: str) -> bool:
    mime = content_type.partition(";")[0].strip().lower()
    kind, _, subtype = mime.partition("/")
    return kind not in ("image", "audio", "video", "font") or "xml" in subtype
