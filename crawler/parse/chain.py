"""A selector taken apart: its compounds and combinators, and how many ways there are to find an element by it. Pure."""

from __future__ import annotations

import re
from typing import NamedTuple

_SPACE = " \t\n\r\f"
_SIGNS = ">+~"
_ODD = re.compile(r"/\*|:scope|:root|\|\|", re.IGNORECASE)
"""What only Lexbor reads, or what means something else in a part of the tree."""
_BY_SIBLINGS = 100
"""A risk that only a look at the tree makes small: it may have a hundred thousand elements side by side."""


class Step(NamedTuple):
    """One compound of a selector, and how it stands to the one before it."""

    relation: str
    """A combinator; empty for the first one."""
    css: str


class Inner(NamedTuple):
    """What stands in brackets, as in ``:not(div b)``, and asks for more than one look at an element."""

    descents: int
    siblings: int
    is_has: bool


class Chain(NamedTuple):
    """A selector without top-level commas."""

    steps: tuple[Step, ...]
    """Empty: it cannot be taken apart."""
    descents: int
    """Descendant combinators."""
    siblings: int
    """``~``. In ``+`` and ``>`` there is no choice."""
    inner: Inner

    @property
    def risk(self) -> int:
        """How often the ways to find an element multiply: by those above it, or beside it."""
        if self.siblings or self.inner.siblings or self.inner.is_has:
            return _BY_SIBLINGS
        return max(self.descents, self.inner.descents)


def chain_of(css: str) -> Chain:
    """*css*, a selector without top-level commas, taken apart."""
    outer, bracketed = _tear(css)
    steps = _steps(outer) if not _ODD.search(css) else ()
    relations = _relations(outer)
    inner = Inner(
        max([_relations(part).count(" ") for part in bracketed], default=0),
        max([_relations(part).count("~") for part in bracketed], default=0),
        ":has(" in css.lower(),
    )
    return Chain(steps, relations.count(" "), relations.count("~"), inner)


def _tear(css: str) -> tuple[list[str], list[list[str]]]:
    """The words and separators of *css*; and those in round brackets, at each comma a new list."""
    outer: list[str] = [""]
    bracketed: list[list[str]] = []
    depth, quote, square, index = 0, "", False, 0
    while index < len(css):
        character = css[index : index + 2] if css[index] == "\\" else css[index]
        index += len(character)
        is_literal = bool(quote) or square or len(character) > 1
        quote = _quote_after(quote, character)
        square = not quote and character != "]" and (square or character == "[")
        if not is_literal and character == ")":
            depth = max(depth - 1, 0)
        if depth == 0:
            _append(outer, character, is_literal or character == ")")
        else:
            outer[-1] += character
            if not is_literal and character in "(,":
                bracketed.append([""])
            else:
                _append(bracketed[-1], character, is_literal)
        if not is_literal and character == "(":
            depth += 1
            bracketed.append([""])
    return outer, bracketed


def _quote_after(quote: str, character: str) -> str:
    if quote:
        return "" if character == quote else quote
    return character if character in ("'", '"') else ""


def _append(parts: list[str], character: str, is_literal: bool) -> None:
    """Add to the word at the end, which stands after a separator: words have even places."""
    if is_literal or character not in _SPACE + _SIGNS:
        parts[-1] += character
        return
    sign = " " if character in _SPACE else character
    if parts[-1] or len(parts) == 1:
        parts += [sign, ""]
    elif sign != " ":
        parts[-2] = sign if parts[-2] == " " else "?"  # two signs in a row


def _relations(parts: list[str]) -> list[str]:
    """The combinators between words. What begins or ends with white space has none there."""
    return [
        sign
        for place, sign in enumerate(parts)
        if place % 2 and (sign != " " or (parts[place - 1] and parts[place + 1]))
    ]


def _steps(parts: list[str]) -> tuple[Step, ...]:
    if len(parts) > 1 and parts[-2:] == [" ", ""]:
        parts = parts[:-2]
    if len(parts) > 1 and parts[:2] == ["", " "]:
        parts = parts[2:]
    if "?" in parts[1::2] or not all(parts[::2]):
        return ()
    return tuple(Step(parts[place - 1] if place else "", parts[place]) for place in range(0, len(parts), 2))
