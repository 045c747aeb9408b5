"""XML and text files of strangers as a stream: nothing in them is resolved, and every dimension has a bound.

Rule 1: a document type with declarations of its own is refused. Entities that grow, and those that would read a file
or ask a server, come from nowhere else.
Rule 2: what was read before a document breaks is kept, and why it breaks is told. One fault is so common that it is
mended: an ``&`` that is not written as ``&amp;``, and HTML's own entities.
"""

from __future__ import annotations

import codecs
import re
import zlib
from collections.abc import Callable, Iterator
from html import escape, unescape
from typing import NoReturn, Protocol, TypeVar
from xml.parsers import expat

import webencodings

from crawler.urls.url import MAX_URL, Base

T = TypeVar("T")

MAX_BYTES = 50 * 1024 * 1024
"""Bytes that are read of a document, decompressed. sitemaps.org's own limit, to the byte: what stands past it no search
engine reads either."""
MAX_DEPTH = 100
"""Elements inside each other. A sitemap has 4; the markup in a feed as many as somebody's editor made."""
MAX_TOKEN = 1024 * 1024
"""Bytes of one tag or comment. expat before 2.6 reads an unfinished one again with each chunk."""
MAX_NAMES = 4_096
"""Different names of elements and attributes, which expat and Python keep until the end. HTML has some 300."""
_MAX_MEMBERS = 2_000
"""Members of a .gz file. Files made in blocks have one for each 64 KiB, which are 800; empty ones would be endless."""
_CHUNK = 64 * 1024
"""Bytes that are parsed at a time: some 300 entries of a sitemap, in 2 ms."""
_PROLOG = 1024 * 1024
"""Characters in which the first element is looked for."""

_GZIP = b"\x1f\x8b"
_GZIP_ALONE = 31
"""zlib's word for: a .gz header, its trailer checked, and the widest window."""
_BOMS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_BE, "utf-16be"), (codecs.BOM_UTF16_LE, "utf-16le"))
_NO_BOMS = ((b"\0<", "utf-16be"), (b"<\0", "utf-16le"))
"""XML 1.0, appendix F.1: what UTF-16 without a byte order mark begins with."""
_CHARSET = re.compile(r"charset\s*=\s*[\"']?([^\s\"';]+)", re.IGNORECASE)
_DECLARED = re.compile(rb"\s{0,99}<\?xml[^>]{0,200}?\sencoding\s{0,9}=\s{0,9}[\"']([A-Za-z0-9._:-]{1,40})")
_STRAY = re.compile(r"&(?!(?:amp|lt|gt|quot|apos|#[0-9]{1,7}|#x[0-9a-fA-F]{1,6});)([A-Za-z][A-Za-z0-9]{1,31};)?")
"""An ``&`` that begins none of XML's own entities, with the name if it looks like one of HTML's."""
_CDATA = "<![CDATA["
_UNFINISHED = re.compile(r"(?:&#?[A-Za-z0-9]*|<(?:!(?:\[[CDAT]*)?)?)\Z")
"""The begin of an entity or of CDATA, at the end of a piece."""
_LONGEST = 40
"""Characters at the end of a piece in which that is looked for. The longest name of an entity has 31."""
_LEADING = "\ufeff \t\r\n"
"""What may stand before a document that people wrote, though XML forbids it."""


class Broken(Exception):
    """The document cannot be read any further; the text says why."""


class Source(Protocol[T]):
    """Makes something of a document that it gets piece by piece."""

    def feed(self, text: str) -> None:
        """Read on.

        :raises Broken: the document is wrong here
        """

    def close(self) -> None:
        """That was all.

        :raises Broken: there should have been more
        """

    def take(self) -> list[T]:
        """What was made since the last call."""


def drain(source: Source[T], body: bytes, content_type: str) -> Iterator[list[T]]:
    """What *source* makes of *body*, one list for each chunk; some are empty. Between two of them others can run.

    :raises Broken: at the end, if the document is not whole
    """
    try:
        for text in texts(body, content_type):
            source.feed(text)
            yield source.take()
        source.close()
    except Broken:
        yield source.take()
        raise
    yield source.take()


def texts(body: bytes, content_type: str = "") -> Iterator[str]:
    """*body* as text, some 64 KiB at a time; decompressed, if it is a .gz file itself.

    The encoding is told by a byte order mark, *content_type* or the XML declaration (RFC 7303, section 3), and is UTF-8
    else. What cannot be decoded becomes U+FFFD.

    :raises Broken: after all that can be read, if a .gz file is not whole or more than ``MAX_BYTES`` are in it
    """
    decoder: codecs.IncrementalDecoder | None = None
    for chunk in _bounded(_unzipped(body) if body.startswith(_GZIP) else _slices(body)):
        if decoder is not None:
            yield decoder.decode(chunk)
        else:
            decoder = _decoder(chunk, content_type)
            yield decoder.decode(chunk).lstrip(_LEADING)
    if decoder is not None:
        yield decoder.decode(b"", final=True)


def root_of(body: bytes, content_type: str = "") -> str:
    """The name of the first element, as it is written.

    :raises Broken: there is none
    """
    found: list[str] = []

    def start(name: str, _: dict[str, str]) -> None:
        found.append(name)
        raise Broken("found")

    reader = Reader(start, _nothing)
    room = _PROLOG
    try:
        for text in texts(body, content_type):
            reader.feed(text)
            room -= len(text)
            if room < 0:
                raise Broken(f"no element in the first {_PROLOG:,} characters")
        reader.close()
    except Broken:
        if not found:
            raise
    return found[0]


class Reader:
    """An expat parser within this file's bounds."""

    __slots__ = ("_fed", "_held", "_mends", "_names", "parser")

    def __init__(self, start: Callable[[str, dict[str, str]], None], end: Callable[[str], None]) -> None:
        """*start* and *end* are called for each tag; they may set ``parser.CharacterDataHandler`` to hear the text."""
        self._names: dict[str, str] = {}
        self._fed = 0
        self._held = ""
        self._mends = True
        self.parser = expat.ParserCreate("utf-8", None, self._names)
        self.parser.buffer_text = True
        self.parser.StartElementHandler = start
        self.parser.EndElementHandler = end
        self.parser.StartDoctypeDeclHandler = _refuse_declarations

    def feed(self, text: str) -> None:
        """Parse on.

        :raises Broken: it is no well-formed XML, or past a bound
        """
        data = self._mended(text).encode()
        self._fed += len(data)
        self._parse(data)
        if self._fed - max(self.parser.CurrentByteIndex, 0) > MAX_TOKEN:
            raise Broken(f"a tag or comment of more than {MAX_TOKEN:,} bytes")
        if len(self._names) > MAX_NAMES:
            raise Broken(f"more than {MAX_NAMES:,} different names of elements and attributes")

    def close(self) -> None:
        """The document ends here.

        :raises Broken: before its first element did
        """
        held, self._held = self._held, ""
        self._parse(held.encode(), is_final=True)

    def _mended(self, text: str) -> str:
        """What can be parsed of *text*, each stray ``&`` mended. In CDATA it is none, so with that the mending ends."""
        if not self._mends:
            return text
        text = self._held + text
        begin = text.find(_CDATA)
        if begin >= 0:
            self._mends, self._held = False, ""
            return _STRAY.sub(_meant, text[:begin]) + text[begin:]
        unfinished = _UNFINISHED.search(text, max(len(text) - _LONGEST, 0))
        text, self._held = (text[: unfinished.start()], unfinished[0]) if unfinished is not None else (text, "")
        return _STRAY.sub(_meant, text) if "&" in text else text

    def _parse(self, data: bytes, *, is_final: bool = False) -> None:
        try:
            self.parser.Parse(data, is_final)
        except expat.ExpatError as error:
            raise Broken(f"line {error.lineno}, column {error.offset + 1}: {expat.ErrorString(error.code)}") from None


def _meant(stray: re.Match[str]) -> str:
    return "&amp;" if stray[1] is None else escape(unescape(stray[0]))  # what has no name may come by the million


def local_name(name: str) -> str:
    """*name* without its prefix, in lower case: nobody's files agree in either."""
    return name[name.rfind(":") + 1 :].lower()


def absolute(href: str, base: Base) -> str:
    """*href* as an absolute http(s) URL; empty if it is none, or longer than any that is followed."""
    if not href or len(href) > MAX_URL:
        return ""
    if href.startswith(("http://", "https://")):
        return href  # the frontier reads it as browsers do; nothing needs to be joined
    joined = base.join(href)
    return joined if joined is not None and len(joined) <= MAX_URL else ""


def too_deep(depth: int) -> NoReturn:
    raise Broken(f"{depth} elements inside each other")


def _nothing(_: str) -> None:
    """The end of an element that nobody waits for."""


def _refuse_declarations(name: str, _system: str | None, _public: str | None, has_declarations: int) -> None:
    """Rule 1. A DOCTYPE that only names one, as in RSS 0.91, is passed over: expat reads nothing that it is not given."""
    if has_declarations:
        raise Broken(f"its DOCTYPE {name:.40} has declarations of its own, which are not read")


def _slices(body: bytes) -> Iterator[bytes]:
    for begin in range(0, len(body), _CHUNK):
        yield body[begin : begin + _CHUNK]


def _unzipped(body: bytes) -> Iterator[bytes]:
    """What is in a .gz file, all its members.

    :raises Broken: it is damaged or cut short
    """
    members = 1
    unzip = zlib.decompressobj(wbits=_GZIP_ALONE)
    for waiting in _slices(body):
        while waiting:
            if unzip.eof:
                if not waiting.startswith(_GZIP[: len(waiting)]):
                    return  # padding, or something else, after the last member: gzip itself passes over it
                members += 1
                if members > _MAX_MEMBERS:
                    raise Broken(f"a .gz file of more than {_MAX_MEMBERS:,} members")
                unzip = zlib.decompressobj(wbits=_GZIP_ALONE)
            yield _inflated(unzip, waiting)
            waiting = unzip.unused_data or unzip.unconsumed_tail
    if not unzip.eof:
        yield unzip.flush()  # what the last call had no room for: a few matches of 258 bytes
        if not unzip.eof:
            raise Broken("a .gz file that ends early")


def _inflated(unzip: zlib._Decompress, data: bytes) -> bytes:
    try:
        return unzip.decompress(data, _CHUNK)
    except zlib.error as error:
        raise Broken(f"a damaged .gz file: {error}") from None


def _bounded(chunks: Iterator[bytes]) -> Iterator[bytes]:
    room = MAX_BYTES
    for chunk in chunks:
        yield chunk[:room]
        room -= len(chunk)
        if room < 0:
            raise Broken(f"more than {MAX_BYTES:,} bytes; what is past them is not read")


def _decoder(begin: bytes, content_type: str) -> codecs.IncrementalDecoder:
    """What decodes the document that begins with *begin*."""
    codec = webencodings.lookup(_label(begin, content_type)) or webencodings.UTF8
    decoder: codecs.IncrementalDecoder = codec.codec_info.incrementaldecoder("replace")
    return decoder


def _label(begin: bytes, content_type: str) -> str:
    for mark, name in _BOMS:
        if begin.startswith(mark):
            return name
    header = _CHARSET.search(content_type)
    if header is not None and header[1].isascii() and webencodings.lookup(header[1]) is not None:
        return header[1]
    for mark, name in _NO_BOMS:
        if begin.startswith(mark):
            return name
    declared = _DECLARED.match(begin)
    if declared is None:
        return "utf-8"
    label = declared[1].decode("ascii")
    return "utf-8" if label.lower().startswith("utf-16") else label  # it could be read byte by byte: it is none
