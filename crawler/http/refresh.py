"""The ``Refresh`` header and ``<meta http-equiv=refresh>``: the HTML Standard's shared declarative refresh steps."""

from __future__ import annotations

import re
from typing import NamedTuple

_TIME = re.compile(r"[\t\n\f\r ]*+([0-9]*+)(\.?)[0-9.]*+")
_BLANKS = "\t\n\f\r "
_SEPARATOR = re.compile(r"[\t\n\f\r ]*+[;,]?[\t\n\f\r ]*+")
_PREFIX = re.compile(r"[uU][rR][lL][\t\n\f\r ]*+=[\t\n\f\r ]*+")
_MOST_DIGITS = 9
"""Of the seconds; thirty years are enough."""


class Refresh(NamedTuple):
    """What a page wants to become, and when."""

    seconds: int
    target: str | None
    """As it stands there, to be joined with the document's base URL. None: the page itself."""

    def leads_within(self, seconds: float) -> bool:
        """Whether it leads somewhere, and not later than that."""
        return self.seconds <= seconds and self.target is not None


def refresh_of(content: str) -> Refresh | None:
    """What *content*, as of ``5; url=/next``, asks for; None if it is nothing that a browser would heed."""
    match = _TIME.match(content)
    if match is None or not (match[1] or match[2]):
        return None
    seconds = int(match[1][:_MOST_DIGITS] or 0)
    rest = content[match.end() :]
    if not rest:
        return Refresh(seconds, None)
    if rest[0] not in ";," and rest[0] not in _BLANKS:
        return None
    rest = _SEPARATOR.sub("", rest, count=1)
    return Refresh(seconds, _target(rest) if rest else None)


def _target(text: str) -> str:
    """The address at the end, which may stand after ``url=`` and in quotes."""
    prefix = _PREFIX.match(text)
    if prefix is not None:
        text = text[prefix.end() :]
    elif text[0] in "uU":
        return text  # an address that only begins as the word does
    if text[:1] in ("'", '"'):
        return text[1:].partition(text[0])[0]
    return text
