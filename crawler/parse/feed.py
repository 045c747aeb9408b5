"""Feeds: RSS 0.9x and 2.0, RSS 1.0 (RDF) and Atom, in whatever state they are.

What an element means is told by its name alone, as its author wrote it: an own name (``title``, or ``atom:title`` in an
``atom:feed``) or one under a prefix that everybody uses (``dc:date``). What a feed does not say is empty, or None.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from html import escape
from typing import Literal

import msgspec

from crawler.parse.date import moment
from crawler.parse.xml import MAX_DEPTH, Broken, Reader, absolute, drain, local_name, root_of, too_deep
from crawler.urls.url import MAX_URL, Base

FEED_ROOTS: Mapping[str, Literal["rss", "rdf", "atom"]] = {"rss": "rss", "rdf": "rdf", "feed": "atom"}
"""The first element, in lower case and without its prefix -> what the feed is."""
MAX_ENTRIES = 50_000
"""Entries that are kept of one feed: as many as a sitemap may have, which a feed may be."""
MAX_TEXT = 1024 * 1024
"""Characters that are kept of one text. The longest article is a novel of that length."""
MAX_ENCLOSURES = 1_000
"""Files that are kept of one entry. A podcast has one."""


class Enclosure(msgspec.Struct, frozen=True, gc=False):
    """A file that belongs to an entry: an episode, a picture."""

    url: str
    type: str = ""
    """Its media type, as ``audio/mpeg``."""
    length: int | None = None
    """Bytes."""


class FeedEntry(msgspec.Struct, frozen=True, gc=False):
    """One entry of a feed."""

    url: str = ""
    """Absolute. Empty if it links to nothing that can be followed."""
    title: str = ""
    published: datetime | None = None
    updated: datetime | None = None
    id: str = ""
    """As given: a URL, or any other text."""
    summary: str = ""
    """Text or HTML, as given; so is *content*."""
    author: str = ""
    content: str = ""
    enclosures: tuple[Enclosure, ...] = ()


class Feed(msgspec.Struct, frozen=True):
    """A whole feed."""

    kind: Literal["rss", "rdf", "atom"]
    title: str = ""
    url: str = ""
    """The site that it is about."""
    updated: datetime | None = None
    entries: list[FeedEntry] = []
    error: str = ""
    """Why it could not be read to its end; empty if it was. What stands before is in *entries*."""
    left_out: int = 0
    """Entries past ``MAX_ENTRIES``."""


_FIELDS = {
    "title": "title",
    "link": "url",
    "id": "id",
    "pubdate": "published",
    "published": "published",
    "issued": "published",  # Atom 0.3
    "dc:date": "published",
    "dcterms:issued": "published",
    "lastbuilddate": "updated",
    "updated": "updated",
    "modified": "updated",
    "atom:updated": "updated",
    "dcterms:modified": "updated",
    "description": "summary",
    "summary": "summary",
    "content": "content",
    "content:encoded": "content",
    "author": "author",
    "dc:creator": "author",
}
"""An element, in lower case -> what it says."""
_OTHERS = frozenset({"contributor", "source", "image", "textinput"})
"""Elements whose own titles, links and names are not those of the entry."""
_ENTRIES = frozenset({"item", "entry"})


class FeedReader:
    """Makes entries of a feed that it gets piece by piece."""

    def __init__(self, url: str) -> None:
        self._reader = Reader(self._start, self._end)
        self._parser = self._reader.parser
        self._depth = 0
        self._own = ""  # the prefix of the feed's own names, with its colon
        self._names: dict[str, str] = {}
        self._bases = [(0, Base(url))]  # depth of an xml:base -> what it means; the last one holds
        self._inside = 0  # the depth of the one of _OTHERS that is open
        self._entry_at = 0
        self._field = ""
        self._field_at = 0
        self._is_markup = False
        self._pieces: list[str] = []
        self._length = 0
        self._channel: dict[str, str] = {}
        self._values = self._channel
        self._enclosures: list[Enclosure] = []
        self._done: list[FeedEntry] = []
        self.cut = 0
        """Texts that were cut at ``MAX_TEXT``."""

    def feed(self, text: str) -> None:
        self._reader.feed(text)

    def close(self) -> None:
        self._reader.close()

    def take(self) -> list[FeedEntry]:
        done, self._done = self._done, []
        return done

    @property
    def channel(self) -> dict[str, str]:
        """What the feed says of itself."""
        return self._channel

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        depth = self._depth = self._depth + 1
        if depth > MAX_DEPTH:
            too_deep(depth)
        if self._field:
            if self._is_markup:
                said = "".join([f' {key}="{escape(value)}"' for key, value in attributes.items()])
                self._add_markup(f"<{name}{said}>")
            return
        if "xml:base" in attributes:
            self._enter_base(attributes["xml:base"], depth)
        known = self._names.get(name) or self._known(name)
        if known in _ENTRIES and not self._entry_at:
            self._entry_at, self._values = depth, {}
            if "rdf:about" in attributes:
                self._values["about"] = attributes["rdf:about"]
        elif not self._inside:
            self._start_field(known, attributes, depth)

    def _start_field(self, known: str, attributes: dict[str, str], depth: int) -> None:
        if known in _OTHERS:
            self._inside = depth
        elif known == "enclosure":
            self._enclose(attributes.get("url", ""), attributes)
        elif known == "link" and "href" in attributes:
            self._link(attributes)
        elif known == "guid" and attributes.get("isPermaLink", "true").strip().lower() == "false":
            self._listen("id", depth)
        elif known == "guid":
            self._listen("permalink", depth)
        elif known in _FIELDS:
            field = _FIELDS[known]
            self._is_markup = attributes.get("type", "") in ("xhtml", "application/xhtml+xml")
            self._listen(field, depth)

    def _end(self, name: str) -> None:
        depth = self._depth
        self._depth = depth - 1
        if self._field:
            if depth == self._field_at:
                self._keep()
            elif self._is_markup:
                self._add_markup(f"</{name}>")
            elif depth == self._field_at + 1 and self._field == "author":
                self._end_of_person(name)
        if depth == self._inside:
            self._inside = 0
        if depth == self._entry_at:
            self._finish_entry()
        if depth == self._bases[-1][0]:
            self._bases.pop()

    def _end_of_person(self, name: str) -> None:
        """Of an Atom author the name alone is kept, not the address."""
        text = "".join(self._pieces).strip()
        self._pieces.clear()
        if text and local_name(name) == "name":
            self._values.setdefault("author", text)

    def _known(self, name: str) -> str:
        """*name* without the feed's own prefix, in lower case."""
        if self._depth == 1:
            self._own = name[: name.rfind(":") + 1] if local_name(name) != "rdf" else ""
        known = self._names[name] = name.removeprefix(self._own).lower()
        return known

    def _enter_base(self, href: str, depth: int) -> None:
        joined = self._base.resolve(href)
        if joined is not None and len(joined) <= MAX_URL:
            self._bases.append((depth, Base(joined)))

    @property
    def _base(self) -> Base:
        return self._bases[-1][1]

    def _link(self, attributes: dict[str, str]) -> None:
        """Atom's ``link``: the first ``alternate`` one is the page, and an ``enclosure`` a file."""
        rel = attributes.get("rel", "alternate").strip().lower()
        if rel == "alternate":
            self._values.setdefault("url", self._absolute(attributes["href"]))
        elif rel == "enclosure":
            self._enclose(attributes["href"], attributes)

    def _enclose(self, href: str, attributes: dict[str, str]) -> None:
        url = self._absolute(href)
        if url and self._entry_at and len(self._enclosures) < MAX_ENCLOSURES:
            length = attributes.get("length", "").strip()
            size = int(length) if length.isascii() and length.isdigit() and len(length) < 19 else None
            self._enclosures.append(Enclosure(url, attributes.get("type", "")[:MAX_URL], size))

    def _listen(self, field: str, depth: int) -> None:
        self._field, self._field_at, self._length = field, depth, 0
        self._parser.CharacterDataHandler = self._add_markup_text if self._is_markup else self._add

    def _add(self, text: str) -> None:
        room = MAX_TEXT - self._length
        self._length += len(text)
        if len(text) <= room:
            self._pieces.append(text)
        elif room >= 0:
            self._pieces.append(text[:room])
            self.cut += 1

    def _add_markup_text(self, text: str) -> None:
        self._add(escape(text, quote=False))

    _add_markup = _add

    def _keep(self) -> None:
        """The end of the element that was listened to."""
        text = "".join(self._pieces).strip()
        field, self._field, self._is_markup = self._field, "", False
        self._pieces.clear()
        self._parser.CharacterDataHandler = None
        if not text:
            return
        if field == "permalink":
            self._values.setdefault("id", text)
            if not text.startswith(("http://", "https://")):
                return  # a mere name, by an author who did not say so
        if field in ("url", "permalink"):
            text = self._absolute(text)
        if text:
            self._values.setdefault(field, text)

    def _absolute(self, href: str) -> str:
        return absolute(href.strip(), self._base)

    def _finish_entry(self) -> None:
        values = self._values
        url = values.get("url") or values.get("permalink") or self._absolute(values.get("about", ""))
        self._done.append(
            FeedEntry(
                url,
                values.get("title", ""),
                moment(values.get("published", "")),
                moment(values.get("updated", "")),
                values.get("id") or values.get("about", ""),
                values.get("summary", ""),
                values.get("author", ""),
                values.get("content", ""),
                tuple(self._enclosures),
            )
        )
        self._enclosures.clear()
        self._entry_at, self._values = 0, self._channel


def read_feed(body: bytes, url: str, content_type: str = "") -> Feed:
    """The feed that *body* is; its links are joined to *url*.

    :raises ValueError: it is none at all, as an error page in its place; the message shows how it begins
    """
    try:
        kind = FEED_ROOTS.get(local_name(root_of(body, content_type)))
        reason = "" if kind else "it is another kind of XML"
    except Broken as broken:
        kind, reason = None, str(broken)
    if kind is None:
        raise ValueError(f"{url} is no feed ({reason}); it begins with {body[:60]!r}")
    reader = FeedReader(url)
    entries: list[FeedEntry] = []
    left_out, error = 0, ""
    try:
        for found in drain(reader, body, content_type):
            room = MAX_ENTRIES - len(entries)
            entries += found[:room]
            left_out += max(0, len(found) - room)
    except Broken as broken:
        error = str(broken)
    if not error and reader.cut:
        error = f"{reader.cut} texts of more than {MAX_TEXT:,} characters were cut"
    said = reader.channel
    return Feed(
        kind,
        said.get("title", ""),
        said.get("url", ""),
        moment(said.get("updated") or said.get("published", "")),
        entries,
        error,
        left_out,
    )
