"""The ``Link`` header. RFC 8288, appendix B.2."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

_TARGET = re.compile(r"[\t ,]*+<([^>]*+)>")
_PARAMETER = re.compile(
    r"[\t ]*+;[\t ]*+(?P<name>[^\t =;,\"]*+)[\t ]*+"
    r'(?:=[\t ]*+(?:"(?P<quoted>(?:[^"\\]|\\.)*+)(?:"|\\?\Z)|(?P<plain>[^;,]*+)))?',
    re.DOTALL,
)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)


class HeaderLink(NamedTuple):
    """One link of a header."""

    target: str
    """As it stands there, to be joined with the URL of the response."""
    rel: str
    """Relation types, with spaces between them."""
    type: str = ""
    """The media type that is to be expected; empty if none is named."""


def links_of(values: Iterable[str]) -> Iterator[HeaderLink]:
    """The links of each ``Link`` header's value. What is malformed ends its header, and what stood before it counts.

    Links with an ``anchor`` are left out: they are about another page than the one that was asked for.
    """
    for value in values:
        position = 0
        while (match := _TARGET.match(value, position)) is not None:
            parameters, position = _parameters(value, match.end())
            if "anchor" not in parameters:
                yield HeaderLink(match[1], parameters.get("rel", ""), parameters.get("type", ""))


def _parameters(value: str, position: int) -> tuple[dict[str, str], int]:
    """The parameters from *position* on, the first of each name, and where they end."""
    found: dict[str, str] = {}
    while (match := _PARAMETER.match(value, position)) is not None:
        position = match.end()
        quoted, plain = match["quoted"], match["plain"]
        given = _ESCAPED.sub(r"\1", quoted) if quoted is not None else (plain or "").strip()
        found.setdefault(match["name"].lower(), given)
    rest = value.find(",", position)  # what is no parameter is passed over, up to the next link
    return found, len(value) if rest < 0 else rest
