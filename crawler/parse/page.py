"""The page that a callback gets: the response, with the means to select, follow and extract."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from html import escape
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeVar, overload

import msgspec
from selectolax.lexbor import LexborHTMLParser

from crawler.errors import PageTooHeavy
from crawler.http.link_header import links_of
from crawler.http.refresh import Refresh, refresh_of
from crawler.items.item import Item
from crawler.parse.charset import decode, encoding_of
from crawler.parse.css import addresses_in_css
from crawler.parse.deep import SizedTree
from crawler.parse.extract import extract
from crawler.parse.links import (
    LEVELS,
    Level,
    addresses,
    addresses_in_headers,
    addresses_in_manifest,
    addresses_in_text,
    base_for,
    base_of,
    is_hidden,
    is_nofollow,
)
from crawler.parse.select import Node, Selection, address_of, hrefs, outermost, select
from crawler.parse.weigh import is_bearable, is_light
from crawler.parse.words import words_of_metas
from crawler.politeness.robots_tag import directives
from crawler.request import Download, Request, callback_name
from crawler.response import Headers, Response, headers_of
from crawler.urls.url import Base

if TYPE_CHECKING:
    from crawler.download import Saved
    from crawler.parse import opengraph
    from crawler.parse.article import Article
    from crawler.parse.feed import Feed
    from crawler.parse.form import Form
    from crawler.parse.sitemap import Sitemap

I = TypeVar("I", bound=Item)  # noqa: E741 (a type variable, and the only one here)
_SNIFF = 512
"""Bytes in which a NUL tells of a binary body, whatever its header says."""
_CONTENT_TYPE = 1_024
"""Characters of a Content-Type. What is found out about each is remembered, and a server may send 256 KiB of it."""
_WIDE = "utf-16"
"""How the encodings begin in which ASCII is not ASCII."""
_NO_TEXT = frozenset({"application/pdf", "application/zip", "application/gzip", "application/octet-stream"})
_NO_METAS = frozenset({"application/json", "application/javascript", "text/javascript", "text/css", "text/csv"})
"""Texts that have no head in which a page could speak of itself."""
_LARGE = 1024 * 1024
"""Bytes from which a tree that is there anyway is searched, rather than the body again."""
_DOCUMENTS = frozenset({"", "text/html", "application/xhtml+xml"})


class _Type(NamedTuple):
    """What a Content-Type says of a body."""

    header: str
    """Itself, its first 1,024 characters."""
    mime: str
    is_document: bool
    """HTML, or nothing."""
    may_be_text: bool
    may_have_metas: bool


@dataclass(frozen=True, slots=True)
class PageOptions:
    """What a page knows of the crawl that it belongs to."""

    links: Level = "pages"
    """What ``links()`` gives when nobody says."""
    obey_nofollow: bool = False
    """Whether ``links()`` and ``follow_all()`` leave out what is marked ``rel=nofollow``."""
    token: str = ""
    """The product token of the user agent, by which a ``<meta>`` may speak to this crawler alone."""


class Page:
    """One fetched page."""

    __slots__ = (
        "_base",
        "_document",
        "_encoding",
        "_is_light",
        "_is_trusted",
        "_metas_text",
        "_options",
        "_text",
        "_tree",
        "_type",
        "_xpath",
        "depth",
        "request",
        "response",
    )

    def __init__(
        self,
        response: Response,
        request: Request | None = None,
        depth: int = 0,
        options: PageOptions = PageOptions(),
    ) -> None:
        self.response = response
        self.request = request or Request(response.url)
        self.depth = depth
        """Links followed from a seed to get here."""
        self._tree: SizedTree | None = None
        self._base: Base | None = None
        self._text: str | None = None
        self._encoding: str | None = None
        self._document: bytes | None = None
        self._options = options
        self._type = _type_of(response.headers.get("Content-Type", "")[:_CONTENT_TYPE])
        self._metas_text: bytes | None = None
        self._is_light: bool | None = None
        self._is_trusted = False
        self._xpath: Any = None  # Any: parsel's, which need not be installed

    @property
    def options(self) -> PageOptions:
        """What it knows of its crawl."""
        return self._options

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
    def saved(self) -> Saved | None:
        """Of a download: the file that was saved, as ``path``, ``bytes``, ``sha256`` ...; ``body`` is empty then."""
        return self.response.saved

    @property
    def content_type(self) -> str:
        """The Content-Type header, its first 1,024 characters; empty if there is none."""
        return self._type.header

    @property
    def filename(self) -> str:
        """What to call the file that the body would be saved as: by ``Content-Disposition``, else by the URL, with an
        ending by the media type where it has none. A plain name on every system: no folder, no device, not hidden, at
        most 150 bytes. Several pages may have the same: ``open(folder / page.filename, "xb")`` never writes over a
        file, nor through a link that somebody has put there.
        """
        from crawler.http.filename import filename  # most spiders save no files

        return filename(self.response.headers.get("Content-Disposition", ""), self.url, self.content_type)

    @property
    def encoding(self) -> str:
        """The WHATWG name of the encoding: by BOM, header, ``<meta>``, or detection."""
        if self._encoding is None:
            self._encoding = encoding_of(self.response.body, self._type.header)
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
        return self._type.may_be_text and (
            self.response.body.find(b"\0", 0, _SNIFF) < 0 or self.encoding.startswith(_WIDE)
        )

    @property
    def tree(self) -> LexborHTMLParser:
        """selectolax's parser itself, for speed and for what is not offered here. Empty for a binary body.

        :raises PageTooHeavy: it was made to take minutes or gigabytes, or looks as if it were
        """
        if self._tree is None:
            self._weigh()
            self._tree = SizedTree(self.document)
            self._tree.url = self.url
            self._document = None  # which nobody needs any more
            if self._is_trusted or not self._is_light:
                self._tree.is_light, self._tree.is_trusted = False, self._is_trusted
        return self._tree

    @property
    def document(self) -> bytes:
        """What the tree is built of, in UTF-8: Lexbor mends it as browsers do."""
        if self._document is None:  # it is weighed before the tree is built
            if not self.is_text:
                self._document = b""
            else:
                self._document = self._utf8() if self.encoding == "utf-8" else self.text.encode()
        return self._document

    @property
    def is_document(self) -> bool:
        """Whether it says to be HTML, or says nothing."""
        return self._type.is_document

    @property
    def is_light(self) -> bool:
        """Whether building the tree holds nobody up: it takes some 50 ms and 50 MiB at most, or was done already."""
        if self._tree is not None:
            return True
        if self._is_light is None:
            self._is_light = is_light(self.document)
        return self._is_light

    def build(self) -> None:
        """Build the tree, whatever it takes: in a thread, for selectolax lets others run meanwhile."""
        if self._tree is None:
            tree = SizedTree(self.document)
            tree.is_light, tree.url = False, self.url
            self._tree, self._document = tree, None

    def trust(self) -> None:
        """Let the tree be built and searched when it is needed, whatever it takes."""
        self._is_light = self._is_trusted = True
        if self._tree is not None:
            self._tree.is_trusted = True

    def css(self, query: str) -> Selection:
        """Everything that *query* names; ``::text`` and ``::attr(name)`` give strings."""
        return select(self.tree, query)

    def xpath(self, query: str, namespaces: Mapping[str, str] | None = None, **variables: Any) -> Selection:
        """Everything that an XPath 1.0 names: ``page.xpath("//a[@rel=$rel]/@href", rel="next")``. The ``xpath`` extra.

        The functions of EXSLT that parsel has (``re:test``, ``set:``, ``has-class``) are there. *namespaces* are prefixes
        with their URIs, for XML. The tree is that of lxml: unlike a browser it adds no ``tbody``.

        :raises MissingExtra: parsel is not installed
        :raises SelectorError: the XPath cannot be read, or needs a variable or prefix that is not given
        :raises PageTooHeavy: as :attr:`tree`
        """
        from crawler.parse.xpath import root_of, xpath_of_root  # an extra

        if self._xpath is None:
            self._weigh()
            is_xml = not self.is_document and "xml" in self._type.mime
            self._xpath = root_of(self.text if self.is_text else "", self.url, is_xml=is_xml)
        return xpath_of_root(self._xpath, query, namespaces, variables)

    def json(self) -> Any:  # Any: it is JSON
        """The body as JSON.

        :raises ValueError: it is none; the message shows how it begins
        """
        try:
            return msgspec.json.decode(self._utf8() if self.encoding == "utf-8" else self.text)
        except (msgspec.DecodeError, RecursionError) as error:
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

        It stays in the page's session, unless ``session=`` names another one.

        :raises ValueError: there is no address in it
        """
        address = address_of(href)
        if address is None:
            raise ValueError(f"{href!r} has no address to follow: no href, no src, no text")
        return Request(self.urljoin(address), callback_name(callback), **self._in_session(request_fields))

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
        fields = self._in_session(request_fields)
        return [Request(url, name, **fields) for url in urls]

    def download(
        self,
        href: str | Node | Selection,
        callback: str | Callable[..., Any] | None = None,
        **fields: Any,  # Any: what Download and Request take
    ) -> Request:
        """A :func:`~crawler.Download` of a link, joined as :meth:`follow` does; the record says that it was found here.

        :raises ValueError: there is no address in it
        """
        address = address_of(href)
        if address is None:
            raise ValueError(f"{href!r} has no address to download from: no href, no src, no text")
        return Download(self.urljoin(address), callback, **{"referrer": self.url, **self._in_session(fields)})

    def links(self, level: Level | None = None, css: str | None = None) -> list[str]:
        """The absolute http(s) URLs that the page holds, without fragments, each once, in the order of the document.

        :param level: ``pages`` (other pages: ``a``, ``area``, frames, ``next`` and their like, in the document and in
            headers), ``resources`` (also what the page is made of) or ``all`` (also what its scripts, comments and
            texts name); by default the setting ``links``. ``crawler/parse/links.py`` has the table
        :param css: look only into the elements that it names
        :raises ValueError: there is no such level
        """
        level = self._options.links if level is None else level
        if level not in LEVELS:
            raise ValueError(f"there is no level {level!r} of links; there are: {', '.join(LEVELS)}")
        if css is not None:
            return self._part(css).links(level)
        found = self._addresses(level)  # and the base, on the way
        urls = self._base_url().join_all(found)
        headers = self.response.headers
        if "Link" in headers or "Content-Location" in headers or "Refresh" in headers:
            urls = list(dict.fromkeys(self._linked_by_headers(level) + urls))
        if "#" in "".join(urls):
            urls = list(dict.fromkeys([url.partition("#")[0] for url in urls]))
        return urls

    def _part(self, css: str) -> Page:
        """What *css* names, as a page of its own. It is read a second time: once, for what is in another part is left
        out.
        """
        nodes = outermost(self.css(css))
        base = f'<base href="{escape(self._base_url().resolve("") or self.url)}">' if nodes else ""
        body = "".join([base, *[node.get() for node in nodes]]).encode()
        headers = headers_of({"Content-Type": "text/html; charset=utf-8"})
        return Page(Response(self.url, 200, headers, body), self.request, self.depth, self._options)

    @property
    def refresh(self) -> Refresh | None:
        """Where the page says that it goes on, and after how many seconds: by its ``Refresh`` header, or the first
        ``<meta http-equiv=refresh>`` that a browser heeds. The target is absolute. None: it stays, or the target is no
        http(s) URL.
        """
        headers = self.response.headers
        if self.response.saved is not None or ("Refresh" not in headers and b"refresh" not in self._words):
            return None
        for content in (*headers.getall("Refresh", ()), *self._metas("http-equiv", "refresh")):
            refresh = refresh_of(content)
            if refresh is not None:
                target = self.url if refresh.target is None else self._base_url().join(refresh.target)
                if target is not None:
                    return Refresh(refresh.seconds, target)
        return None

    @property
    def robots(self) -> frozenset[str]:
        """What the page asks of robots, as ``nofollow``, ``noindex``: by ``X-Robots-Tag`` and ``<meta name=robots>``, or
        by a ``<meta>`` with the name of this crawler.
        """
        headers = self.response.headers
        token = self._options.token.lower()
        names = {"robots", token} - {""}
        if "X-Robots-Tag" not in headers and not any(name.encode() in self._words for name in names):
            return frozenset()
        metas = [(name, content) for name in names for content in self._metas("name", name)]
        return directives(headers.getall("X-Robots-Tag", ()), metas, token)

    @property
    def forbids_following(self) -> bool:
        """Whether ``robots`` has ``nofollow``: the page asks that none of its links is followed."""
        words = self._words
        is_said = b"nofollow" in words or b"none" in words or "X-Robots-Tag" in self.response.headers
        return is_said and "nofollow" in self.robots

    def sitemap(self) -> Sitemap:
        """The page as a sitemap: XML, a text of URLs, or a feed; as it comes, or as a .gz file.

        :raises ValueError: it is none; the message shows how it begins
        """
        from crawler.parse.sitemap import Sitemap  # most spiders never meet one

        return Sitemap(self.body, self.url, self.content_type)

    def feed(self) -> Feed:
        """The page as a feed: RSS or Atom.

        :raises ValueError: it is none; the message shows how it begins
        """
        from crawler.parse.feed import read_feed  # as above

        return read_feed(self.body, self.url, self.content_type)

    def jsonld(self, type: str | None = None) -> list[dict[str, Any]]:  # noqa: A002 - the word of JSON-LD
        """The objects of the page's JSON-LD, in the order of the document, out of their arrays and ``@graph``: those whose
        ``@type`` is, or has, *type*, as ``"Product"``; all of them if none is given. A script that is broken beyond what
        browsers forgive is left out, and logged at debug.
        """
        from crawler.parse.jsonld import jsonld  # as above

        return jsonld(self.tree, self.url, type)

    def microdata(self, type: str | None = None) -> list[dict[str, Any]]:  # noqa: A002 - as above
        """The items of the page's microdata that are no property of another: ``{"type": ["https://schema.org/Product"],
        "id": None, "properties": {"name": ["Anvil"], "offers": [{...}]}}``. Of that *type* alone, if one is given.

        :raises ValueError: they refer to each other without end
        """
        from crawler.parse.microdata import microdata  # as above

        return microdata(self.tree, self.urljoin, type)

    def opengraph(self) -> dict[str, opengraph.Value]:
        """The ``og:``, ``article:``, ``product:``, ``twitter:`` ... properties of the page: ``{"og:title": "Anvil",
        "og:image": [{"url": "https://...", "width": "800"}], "article:tag": ["iron", "tools"]}``. What may be there several
        times is a list always, what has properties of its own a list of dicts; of the rest the first one counts.
        """
        from crawler.parse.opengraph import opengraph  # as above

        return opengraph(self.tree, self.urljoin)

    def script_json(self, wanted: str) -> Any:  # Any: it is JSON
        """The data that a script holds. *wanted* is either a CSS query, for a script that is JSON
        (``script_json("script#__NEXT_DATA__")``, ``"#app::attr(data-page)"``), or a variable that a script assigns a literal
        to, or a function that it calls with one (``"window.__INITIAL_STATE__"``, ``"dataLayer.push"``). It is a variable if
        it is written as one, names with dots between them, and does not begin with ``script``.

        JavaScript's literals are read, too: unquoted keys, single quotes, ``undefined``, ``JSON.parse("...")``. Nothing is run.

        :raises ValueError: there is no such thing on the page, or it is no literal; the message says which
        """
        from crawler.parse.script import script_json  # as above

        return script_json(self.tree, wanted, self.url)

    @overload
    def table(
        self, css: str = "table", *, header: Sequence[str] | int | None = None, vertical: Literal[False] = False
    ) -> list[dict[str, str]]: ...
    @overload
    def table(self, css: str = "table", *, vertical: Literal[True]) -> dict[str, str]: ...
    def table(
        self, css: str = "table", *, header: Sequence[str] | int | None = None, vertical: bool = False
    ) -> list[dict[str, str]] | dict[str, str]:
        """The first table that *css* names, as a dict for each row: name of the column -> text of the cell.

        :param header: the names of the columns; or the number of the row that has them, from 0. By default the ``<thead>``,
            else the first rows of ``<th>`` alone, else the first row
        :param vertical: the rows are names with their values: one dict of them
        :raises ValueError: there is no such table, or its spans make it far too large
        """
        from crawler.parse.table import pairs, records, table_of  # as above

        found = table_of(self.tree, css, self.url)
        return pairs(found) if vertical else records(found, header)

    def form(self, css: str = "form") -> Form:
        """The first form that *css* names, with its fields as they are filled in: ``form.submit(user="me")`` is the Request.

        :raises ValueError: there is none; the message says which there are
        """
        from crawler.parse.form import Surroundings, form_of  # as above

        return form_of(self.tree, css, Surroundings(self.url, self.urljoin, self.encoding, self.request.session))

    def article(self) -> Article:
        """The main text of the page, its title, author and date. The ``text`` extra. It takes some 0.1 s, during which
        nothing else happens: call it in a callback that is ``@cpu_bound``.

        :raises MissingExtra: trafilatura is not installed
        :raises PageTooHeavy: the page has more than a MiB, and the callback is not ``@cpu_bound``
        """
        from crawler.parse.article import article_of  # an extra

        return article_of(self.text if self.is_text else "", self.url, self.urljoin, is_trusted=self._is_trusted)

    def extract(self, item_type: type[I]) -> I:
        """An item of that type, its fields filled from the page."""
        return extract(item_type, self.tree, self.url, self.urljoin)

    def extract_all(self, item_type: type[I], css: str) -> list[I]:
        """An item for each element that *css* names, its fields filled from inside it."""
        return [extract(item_type, node.raw, self.url, self.urljoin) for node in self.css(css)]

    def __repr__(self) -> str:
        return f"<Page {self.status} {self.url}>"

    def _weigh(self) -> None:
        """Refuse what no tree should be built of."""
        if not self.is_light and not is_bearable(self.document, is_own=self.is_document):
            raise PageTooHeavy(self.url, "its tree would take more than a second or 512 MiB, as its tags stand")

    def _in_session(self, fields: dict[str, Any]) -> dict[str, Any]:  # Any: the fields of Request
        return {"session": self.request.session, **fields} if self.request.session else fields

    def _utf8(self) -> bytes:
        """The body without a byte order mark, which is no part of the document."""
        return self.body.removeprefix(b"\xef\xbb\xbf")

    def _base_url(self) -> Base:
        if self._base is None:
            self._base = base_for(self.url, self._declared_base())
        return self._base

    def _declared_base(self) -> str | None:
        try:
            return base_of(self.tree)
        except PageTooHeavy:
            return None

    @property
    def _words(self) -> bytes:
        """What the ``<meta>`` tags say, in lower case, and perhaps some more. Most have none of the words that matter, and that
        is found out in the bytes: the tree need not be searched for them.
        """
        if self._metas_text is None:
            self._metas_text = self._read_metas()
        return self._metas_text

    def _read_metas(self) -> bytes:
        if not self._type.may_have_metas:
            return b""
        if self._tree is not None and len(self.body) > _LARGE:
            return "".join([meta.html or "" for meta in self._tree.tags("meta")]).lower().encode()
        return words_of_metas(self.text.encode() if self.encoding.startswith(_WIDE) else self.response.body)

    def _metas(self, attribute: str, value: str) -> list[str]:
        """The content of each ``<meta>`` whose *attribute* is *value*, in whatever case. None of a page too heavy to
        be looked into.
        """
        try:
            metas = self.tree.tags("meta")
        except PageTooHeavy:
            return []
        return [
            content
            for meta in metas
            if (meta.attrs.get(attribute) or "").strip().lower() == value
            and (content := meta.attrs.get("content"))
            and not is_hidden(meta)
        ]

    def _addresses(self, level: Level) -> list[str | None]:
        """What the body holds, as it stands there."""
        mime = self._type.mime
        if mime == "text/css":
            return [] if level == "pages" else list(addresses_in_css(self.text))
        if mime == "application/manifest+json":
            return list(addresses_in_manifest(self.body, level))
        base, found = addresses(self.tree, level, obey_nofollow=self._options.obey_nofollow)
        if self._base is None:
            self._base = base_for(self.url, base)
        return [*found, *addresses_in_text(self.text)] if level == "all" and self.is_text else found

    def _linked_by_headers(self, level: Level) -> list[str]:
        headers = self.response.headers
        found = addresses_in_headers(links_of(headers.getall("Link", ())), headers.get("Content-Location"), level)
        refreshes = [refresh_of(content) for content in headers.getall("Refresh", ())]
        targets = [refresh.target for refresh in refreshes if refresh is not None and refresh.target]
        return [*self._base_url().join_all(targets), *Base(self.url).join_all(found)]

    def _joined(self, links: str | Iterable[str | Node]) -> list[str]:
        """The absolute http(s) URLs that *links* lead to, each once."""
        if self._options.obey_nofollow:
            nodes = select(self.tree, links) if isinstance(links, str) else links
            links = [link for link in nodes if isinstance(link, str) or not is_nofollow(link.rel)]
        found = hrefs(self.tree, links) if isinstance(links, str) else map(address_of, links)
        return self._base_url().join_all(found)


@lru_cache(maxsize=1024)
def _type_of(content_type: str) -> _Type:
    mime = content_type.partition(";")[0].strip().lower()
    kind, _, subtype = mime.partition("/")
    may_be_text = "xml" in subtype or (kind not in ("image", "audio", "video", "font") and mime not in _NO_TEXT)
    may_have_metas = may_be_text and mime not in _NO_METAS and not mime.endswith("+json")
    return _Type(content_type, mime, mime in _DOCUMENTS, may_be_text, may_have_metas)
