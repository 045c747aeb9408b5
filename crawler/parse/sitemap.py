"""Sitemaps (sitemaps.org): the pages that a site itself names. XML, plain text, or a feed; as they come, or as .gz files.

Rule 1: a sitemap is read as a stream, and never to its end at once: whoever reads a big one lets others run in between.
Rule 2: what cannot be used is counted, and what ends the reading early is told in ``error``; what came before is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from functools import lru_cache
from typing import Literal

import msgspec

from crawler.parse.date import moment
from crawler.parse.feed import FEED_ROOTS, FeedReader
from crawler.parse.xml import MAX_DEPTH, Broken, Reader, Source, absolute, drain, local_name, root_of, texts, too_deep
from crawler.urls.url import Base

MAX_ENTRIES = 50_000
"""Entries that are taken from one sitemap: sitemaps.org's limit. Search engines read no further, so sites list nothing
there; those past it are counted."""
_MAX_COUNTED = 500_000
"""Entries, malformed or past the others, after which nobody counts on. 50 MiB of empty ones would take 8 s."""
MAX_BESIDE = 1_000
"""Alternates, and images, that are kept of one entry. Google's limit for images; languages are fewer."""
_MAX_TEXT = 16 * 1024
"""Characters of one field, with the white space around it."""


class Alternate(msgspec.Struct, frozen=True, gc=False):
    """The same page in another language."""

    hreflang: str
    """As ``de-AT``, or ``x-default``."""
    url: str


class SitemapEntry(msgspec.Struct, frozen=True, gc=False):
    """What a sitemap says of one page, or an index of one sitemap."""

    url: str
    """Absolute, http or https."""
    lastmod: datetime | None = None
    """When it was changed last, with a time zone (UTC if none is given). None if it is not said, or cannot be read."""
    changefreq: str = ""
    """In lower case, as ``daily``."""
    priority: float | None = None
    """0 to 1, within the site."""
    alternates: tuple[Alternate, ...] = ()
    images: tuple[str, ...] = ()
    """Absolute URLs of the pictures on the page."""
    is_sitemap: bool = False
    """Whether it is another sitemap, named in an index."""


class Sitemap:
    """The entries of a sitemap. Each iteration reads it anew, from its beginning."""

    __slots__ = ("_body", "_content_type", "_url", "error", "kind", "left_out", "malformed")

    def __init__(self, body: bytes, url: str, content_type: str = "") -> None:
        """The sitemap that *body* is; relative URLs are joined to *url*.

        :raises ValueError: it is none at all, as an error page in its place; the message shows how it begins
        """
        self._body = body
        self._url = url
        self._content_type = content_type
        self.kind = _kind_of(body, url, content_type)
        """``index``, ``urls``, ``text`` or ``feed``."""
        self.error = ""
        """Why the last iteration could not read it to its end; empty if it could."""
        self.left_out = 0
        """Entries that the last iteration met past ``MAX_ENTRIES``."""
        self.malformed = 0
        """Entries that the last iteration met without a URL that can be followed."""

    def __iter__(self) -> Iterator[SitemapEntry]:
        for entries in self.batches():
            yield from entries

    def batches(self) -> Iterator[list[SitemapEntry]]:
        """The entries in lists, one for each 64 KiB of the sitemap (some 300 entries, 2 ms), so that a coroutine can let
        others run in between. Some are empty.
        """
        self.error, self.left_out, self.malformed = "", 0, 0
        source = _SOURCES[self.kind](self._url, self)
        room = MAX_ENTRIES
        try:
            for entries in drain(source, self._body, self._content_type):
                if len(entries) > room:
                    self.left_out += len(entries) - room
                    entries = entries[:room]
                room -= len(entries)
                yield entries
                if self.left_out + self.malformed > _MAX_COUNTED:
                    raise Broken(f"more than {_MAX_COUNTED:,} entries that are not read")
        except Broken as broken:
            self.error = str(broken)
        if self.left_out and not self.error:
            found = MAX_ENTRIES + self.left_out
            self.error = f"{found:,} entries, of which {MAX_ENTRIES:,} are read: a sitemap may have no more"

    def __repr__(self) -> str:
        return f"<Sitemap {self.kind} {self._url}>"


Kind = Literal["index", "urls", "text", "feed"]

_ROOTS: Mapping[str, Kind] = {"sitemapindex": "index", "urlset": "urls", **dict.fromkeys(FEED_ROOTS, "feed")}
_ENTRIES = frozenset({"url", "sitemap"})
_TEXTS = frozenset({"loc", "lastmod", "changefreq", "priority"})


def _kind_of(body: bytes, url: str, content_type: str) -> Kind:
    try:
        begin = next(texts(body, content_type), "")
        if not begin.startswith("<"):
            if _is_url(begin.split(maxsplit=1)[0] if begin.strip() else ""):
                return "text"
            raise Broken("it is neither XML nor a list of URLs")
        kind = _ROOTS.get(local_name(root_of(body, content_type)))
        if kind is None:
            raise Broken("it is another kind of document")
        return kind
    except Broken as broken:
        raise ValueError(f"{url} is no sitemap ({broken}); it begins with {body[:60]!r}") from None


def _is_url(text: str) -> bool:
    return text[:8].lower().startswith(("http://", "https://"))


class _Tags:
    """``urlset`` and ``sitemapindex``. Their names may have a prefix, and be written in capitals."""

    def __init__(self, url: str, counts: Sitemap) -> None:
        self._counts = counts
        self._base = Base(url)
        self._reader = Reader(self._start, self._end)
        self._parser = self._reader.parser
        self._depth = 0
        self._prefix = ""
        self._fields: dict[str, str] = {}
        self._entry = ""  # the name of the entry that is open, without its prefix
        self._field = ""
        self._field_at = 0
        self._pieces: list[str] = []
        self._listen = self._pieces.append
        self._values: dict[str, str] = {}
        self._alternates: list[Alternate] = []
        self._images: list[str] = []
        self._done: list[SitemapEntry] = []

    def feed(self, text: str) -> None:
        self._reader.feed(text)
        if len(self._pieces) > 1 and sum(map(len, self._pieces)) > _MAX_TEXT:
            self._pieces[:] = ["-" * (_MAX_TEXT + 1)]  # too long for anything, and it must not grow

    def close(self) -> None:
        self._reader.close()

    def take(self) -> list[SitemapEntry]:
        done, self._done = self._done, []
        return done

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        depth = self._depth = self._depth + 1
        if depth == 3 and self._entry:
            field = self._fields.get(name) or self._classify(name)
            if field in _TEXTS:
                self._field, self._field_at = field, 3
                self._parser.CharacterDataHandler = self._listen
            elif field == "link":
                self._add_alternate(attributes)
        elif depth == 2 and (local := local_name(name)) in _ENTRIES:
            self._enter(local, name[: name.rfind(":") + 1])
        elif depth == 4 and self._entry and not self._field and self._classify(name) == "image":
            self._field, self._field_at = "image", 4
            self._parser.CharacterDataHandler = self._listen
        elif depth > MAX_DEPTH:
            too_deep(depth)

    def _end(self, name: str) -> None:
        depth = self._depth
        self._depth = depth - 1
        if self._field:
            if depth == self._field_at:
                self._parser.CharacterDataHandler = None
                self._keep()
        elif depth == 2 and self._entry:
            self._finish()

    def _classify(self, name: str) -> str:
        """What an element inside an entry says. Its own elements have the prefix that it has itself; ``image:loc`` and
        ``xhtml:link`` have others."""
        local = local_name(name)
        is_own = name[: name.rfind(":") + 1] == self._prefix
        field = local if (is_own and local in _TEXTS) or local == "link" else "image" if local == "loc" else "nothing"
        self._fields[name] = field
        return field

    def _enter(self, local: str, prefix: str) -> None:
        self._entry = local
        if prefix != self._prefix:
            self._prefix = prefix
            self._fields.clear()

    def _keep(self) -> None:
        pieces, field = self._pieces, self._field
        text = (pieces[0] if len(pieces) == 1 else "".join(pieces)).strip()
        self._field = ""
        pieces.clear()
        if field != "image":
            self._values.setdefault(field, text)
        elif (url := absolute(text, self._base)) and len(self._images) < MAX_BESIDE:
            self._images.append(url)

    def _add_alternate(self, attributes: dict[str, str]) -> None:
        if len(self._alternates) == MAX_BESIDE:
            return
        url = absolute(attributes.get("href", "").strip(), self._base)
        if url and attributes.get("rel", "alternate").strip().lower() == "alternate":
            self._alternates.append(Alternate(attributes.get("hreflang", "")[:_LANGUAGE], url))

    def _finish(self) -> None:
        values = self._values
        said = values.get
        url = absolute(said("loc", ""), self._base)
        if url:
            entry = SitemapEntry(
                url,
                moment(said("lastmod", "")),
                said("changefreq", "")[:_LANGUAGE].lower(),
                _number(said("priority", "")),
                tuple(self._alternates),
                tuple(self._images),
                self._entry == "sitemap",
            )
            self._done.append(entry)
        else:
            self._counts.malformed += 1
        self._entry = ""
        values.clear()
        self._alternates.clear()
        self._images.clear()


class _Lines:
    """A plain text: one URL on each line."""

    def __init__(self, url: str, counts: Sitemap) -> None:
        self._counts = counts
        self._base = Base(url)
        self._rest = ""
        self._done: list[SitemapEntry] = []

    def feed(self, text: str) -> None:
        *lines, rest = (self._rest + text).replace("\r", "\n").split("\n")
        self._rest = rest[:_MAX_TEXT]  # a line of that length is no URL, whatever follows
        for line in lines:
            self._read(line.strip())

    def close(self) -> None:
        self._read(self._rest.strip())
        self._rest = ""

    def take(self) -> list[SitemapEntry]:
        done, self._done = self._done, []
        return done

    def _read(self, line: str) -> None:
        url = absolute(line, self._base) if _is_url(line) else ""
        if url:
            self._done.append(SitemapEntry(url))
        elif line:
            self._counts.malformed += 1


class _Feed:
    """A feed: the pages that its entries are about."""

    def __init__(self, url: str, counts: Sitemap) -> None:
        self._counts = counts
        self._reader = FeedReader(url)
        self.feed = self._reader.feed
        self.close = self._reader.close

    def take(self) -> list[SitemapEntry]:
        entries = self._reader.take()
        found = [SitemapEntry(entry.url, entry.updated or entry.published) for entry in entries if entry.url]
        self._counts.malformed += len(entries) - len(found)
        return found


_SOURCES: Mapping[Kind, Callable[[str, Sitemap], Source[SitemapEntry]]] = {
    "index": _Tags,
    "urls": _Tags,
    "text": _Lines,
    "feed": _Feed,
}
_LANGUAGE = 35
"""Characters of a language tag that are kept: what RFC 5646, section 4.4.1, asks software to hold."""


@lru_cache(maxsize=64)
def _number(text: str) -> float | None:
    try:
        number = float(text[:20])
    except ValueError:
        return None
    return number if 0.0 <= number <= 1.0 else None
