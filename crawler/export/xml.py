"""XML 1.0: an element for each record, and in it one for each field.

::

    <?xml version="1.0" encoding="UTF-8"?>
    <items>
    <item><title>A &amp; B</title><tags><value>x</value><value>y</value></tags><field name="dc:date">2026</field></item>
    </items>

Rule 1: a field is an element of its name. A name that is none in every edition of XML, one with a colon or that begins
with ``xml``, and the names ``field`` and ``value`` are written ``<field name="...">``.
Rule 2: a list is an element with a ``<value>`` for each of its values; an object one with its fields.
Rule 3: a field that is null is left out; a null in a list is ``<value nil="true"/>``.
Rule 4: what no XML can hold (U+0000 to U+001F but tab and line ends, U+FFFE, U+FFFF) becomes U+FFFD.
Rule 5: of another's file, elements of one name within one element are a list.
Rule 6: what is read back is text; so are an empty list and an empty object, which are elements without content.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, BinaryIO
from xml.parsers import expat

import msgspec

from crawler.export.compress import Streamed
from crawler.export.kinds import Lines, Making, NotReadable, NotWritable
from crawler.export.lines import TOO_DEEP, decoded, groups_of

_LETTERS = (
    "A-Za-z\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u0131\u0134-\u013e\u0141-\u0148\u014a-\u017e\u0391-\u03a1\u03a3-\u03ce"
    "\u0410-\u044f\u05d0-\u05ea\u0621-\u063a\u0905-\u0939\u3041-\u3094\u30a1-\u30fa\u4e00-\u9fa5\uac00-\ud7a3"
)
"""Letters to every edition of XML 1.0 (the fifth has more, and expat does not know them). No colon: it is for namespaces."""
_TAKEN = ("field", "value")
_SPECIAL = re.compile("[\x00-\x08\x0b-\x1f&<>\ufffe\uffff]")
_SPECIAL_IN_NAME = re.compile('[\x00-\x1f&<>"\ufffe\uffff]')
_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\t": "&#9;", "\n": "&#10;", "\r": "&#13;"}
_MOST_NAMES = 20_000
"""Field names whose tags are kept. More are made up by a page, and written all the same."""
_CHUNK = 1 << 16


@cache
def _name() -> re.Pattern[str]:
    """What is a field's own tag. Made when it is needed: it takes 3 ms."""
    return re.compile(f"(?![xX][mM][lL])[{_LETTERS}_][{_LETTERS}_.0-9-]*")


_number: Callable[[Any], bytes] = msgspec.json.Encoder().encode


def _escaped(found: re.Match[str]) -> str:
    return _ESCAPES.get(found[0], "\ufffd")


class Xml(Streamed):
    """An element for each record, within one that has the name of the item type, or ``items``."""

    def put(self, lines: Lines, file: BinaryIO, making: Making) -> None:
        root = making.name if _name().fullmatch(making.name) else "items"
        tags = _Tags()
        file.write(f'<?xml version="1.0" encoding="UTF-8"?>\n<{root}>\n'.encode())
        try:
            for group in groups_of(lines()):
                text = [f"<item>{_fields(record, tags)}</item>\n" for record in decoded(group)]
                file.write("".join(text).encode())
        except RecursionError:
            raise NotWritable(TOO_DEEP) from None
        file.write(f"</{root}>\n".encode())

    def take(self, file: BinaryIO) -> Iterator[bytes]:
        reader = _Reader()
        while True:
            chunk = file.read(_CHUNK)
            for record in reader.feed(chunk):
                try:
                    yield msgspec.json.encode(record)
                except RecursionError:
                    raise NotReadable("a record is nested too deeply") from None
            if not chunk:
                return


class _Tags(dict[str, tuple[str, str]]):
    """The tags of each field name, worked out once."""

    def __missing__(self, name: str) -> tuple[str, str]:
        tags = (f"<{name}>", f"</{name}>")
        if name in _TAKEN or not _name().fullmatch(name):
            tags = (f'<field name="{_SPECIAL_IN_NAME.sub(_escaped, name)}">', "</field>")
        if len(self) < _MOST_NAMES:
            self[name] = tags
        return tags


def _fields(record: dict[str, Any], tags: _Tags) -> str:
    parts = []
    for name, value in record.items():
        if value is not None:
            opening, closing = tags[name]
            parts.append(opening)
            parts.append(_content(value, tags))
            parts.append(closing)
    return "".join(parts)


def _content(value: Any, tags: _Tags) -> str:
    if type(value) is str:
        return _SPECIAL.sub(_escaped, value) if _SPECIAL.search(value) else value
    if type(value) is dict:
        return _fields(value, tags)
    if type(value) is list:
        return "".join(
            ['<value nil="true"/>' if inner is None else f"<value>{_content(inner, tags)}</value>" for inner in value]
        )
    return _number(value).decode()


class _Element:
    """One that is open."""

    __slots__ = ("fields", "is_null", "name", "repeated", "text", "values")

    def __init__(self, name: str | None, is_null: bool) -> None:
        self.name = name
        """Of its field; None if it is a value of a list."""
        self.is_null = is_null
        self.text: list[str] = []
        self.fields: dict[str, Any] | None = None
        self.values: list[Any] | None = None
        self.repeated: set[str] = set()


class _Reader:
    """Takes bytes, and gives the records whose elements have ended."""

    def __init__(self) -> None:
        self._parser = expat.ParserCreate()
        self._parser.buffer_text = True
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._characters
        self._parser.StartDoctypeDeclHandler = self._refuse  # entities may name other files, and grow without end
        self._open: list[_Element] = []
        self._records: list[dict[str, Any]] = []
        self._is_empty = True

    def feed(self, data: bytes) -> list[dict[str, Any]]:
        """
        :raises NotReadable: what came is no XML of records
        """
        self._is_empty = self._is_empty and not data
        if self._is_empty:
            return []
        try:
            self._parser.Parse(data, not data)
        except expat.ExpatError as error:
            raise NotReadable(f"it is no whole XML document: {error}") from None
        records, self._records = self._records, []
        return records

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        name: str | None = tag
        is_null = False
        if len(self._open) > 1:  # the root and a record may have any
            if tag in _TAKEN:
                name = attributes.pop("name", tag) if tag == "field" else None
            is_null = attributes.pop("nil", "") == "true"
            if attributes:
                raise NotReadable(
                    f"{self._place} has the attribute {next(iter(attributes))!r}, which no field can hold"
                )
        self._open.append(_Element(name, is_null))

    def _end(self, _: str) -> None:
        element = self._open.pop()
        depth = len(self._open)
        if depth == 1:
            self._records.append(self._value(element, is_record=True))
        elif depth > 1:
            self._put(self._open[-1], element.name, self._value(element))

    def _value(self, element: _Element, *, is_record: bool = False) -> Any:  # Any: what JSON has
        text = "".join(element.text)
        has_more = element.fields is not None or element.values is not None
        if (has_more or is_record) and text.strip():
            raise NotReadable(f"text stands beside elements before {self._place}: a field holds the one or the others")
        if element.values is not None and (is_record or element.fields is not None):
            raise NotReadable(f"a <value> stands beside fields before {self._place}")
        if has_more or is_record:
            return element.values if element.values is not None else element.fields or {}
        return None if element.is_null else text

    def _put(self, parent: _Element, name: str | None, value: Any) -> None:
        if name is None:
            parent.values = parent.values or []
            parent.values.append(value)
            return
        parent.fields = parent.fields or {}
        if name not in parent.fields:
            parent.fields[name] = value
        elif name in parent.repeated:
            parent.fields[name].append(value)
        else:  # as others write a list
            parent.fields[name] = [parent.fields[name], value]
            parent.repeated.add(name)

    def _characters(self, text: str) -> None:
        if len(self._open) > 1:
            self._open[-1].text.append(text)
        elif text.strip():
            raise NotReadable(f"text stands between its records in {self._place}")

    def _refuse(self, *_: object) -> None:
        raise NotReadable("it has a document type declaration, which is not read: take it out")

    @property
    def _place(self) -> str:
        return f"line {self._parser.CurrentLineNumber}"
