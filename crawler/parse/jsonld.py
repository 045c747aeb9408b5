"""JSON-LD: what a page says of itself in ``<script type="application/ld+json">`` (W3C JSON-LD 1.1, section 7).

Such scripts are written by hand and by templates, and many are broken. Rule 1: what Google's reader forgives is
forgiven: line breaks in strings, comments and CDATA around the object, a semicolon after it; so are trailing commas and
single quotes. Rule 2: one that cannot be read costs itself alone, and is logged.
"""

from __future__ import annotations

import logging
import re
from typing import Any, TypeAlias

import msgspec

from crawler.parse.literal import Literal
from crawler.parse.select import Tree

Thing: TypeAlias = dict[str, Any]  # Any: it is JSON
_log = logging.getLogger(__name__)
_MEDIA_TYPE = "application/ld+json"
_MENDED = 256 * 1024
"""Characters of broken scripts that are read on one page: 0.3 s at the most. Whole ones are read a hundred times faster."""
_OPENING = re.compile(r"(?:\s*+(?://|/\*)?+\s*+(?:<!--|<!\[CDATA\[)(?:\s*+(?:\*/|//))?+)*+")
_TAIL = " \t\r\n;*/->"
_WRAPPING = frozenset({"@context", "@graph", "@id"})
"""Keys of an object that is nothing but the graph in it."""
_SCHEMA = re.compile(r"(?:https?://(?:www\.)?schema\.org/|schema:)")


def jsonld(tree: Tree, url: str, wanted: str | None = None) -> list[Thing]:
    """The objects of all scripts, in the order of the document, out of their arrays and graphs; of type *wanted* alone."""
    things: list[Thing] = []
    left = _MENDED
    for script in tree.tags("script"):
        if (script.attrs.get("type") or "").partition(";")[0].strip().lower() != _MEDIA_TYPE:
            continue
        text = script.text()
        try:
            value = msgspec.json.decode(text)
        except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
            left -= len(text)
            try:
                value = _mended(text, left)
            except ValueError as error:
                if text.strip():
                    _log.debug("a JSON-LD script of %s was left out: %s", url, error)
                continue
        things += _things(value)
    return things if wanted is None else [thing for thing in things if is_of_type(thing.get("@type"), wanted)]


def is_of_type(types: Any, wanted: str) -> bool:  # Any: it is JSON
    """Whether *types*, one or several, have *wanted*: ``Product`` is also ``schema:Product``, and
    ``https://schema.org/Product``.
    """
    plain = _SCHEMA.sub("", wanted, count=1) if _SCHEMA.match(wanted) else wanted
    for name in types if isinstance(types, list) else [types]:
        if isinstance(name, str) and (_SCHEMA.sub("", name, count=1) if _SCHEMA.match(name) else name) == plain:
            return True
    return False


def _mended(text: str, left: int) -> Any:  # Any: it is JSON
    if left < 0:
        raise ValueError(f"there are more than {_MENDED} characters of broken ones")
    opening = _OPENING.match(text)
    begin = 0 if opening is None else opening.end()
    inner = text[begin:].rstrip(_TAIL)
    if "CDATA" in text[:begin]:
        inner = inner.removesuffix("]]").rstrip(_TAIL)
    return Literal(inner).whole()


def _things(value: Any) -> list[Thing]:  # Any: it is JSON
    """The objects in *value*: arrays and graphs are opened, properties are not."""
    things: list[Thing] = []
    waiting = [value]
    while waiting:
        value = waiting.pop()
        if isinstance(value, list):
            waiting += reversed(value)
        elif isinstance(value, dict):
            graph = value.get("@graph")
            if not isinstance(graph, (list, dict)):
                things.append(value)
                continue
            waiting.append(graph)
            if not value.keys() <= _WRAPPING:
                things.append({key: inner for key, inner in value.items() if key != "@graph"})
    return things
