"""Text that does nothing: what came from a page may be shown, logged and printed, and steers no terminal.

Escaped are control characters (C0, DEL and C1), format characters (those of bidirectional text and those without a
width among them), the line and paragraph separators of Unicode, and halves of characters. They move cursors, set
titles, turn the order of letters round and begin lines that nobody wrote (CWE-150, CWE-117; Unicode Technical Report
36, section 3).
"""

from __future__ import annotations

import re
import unicodedata

_STEERING = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""General categories, by the Unicode Standard, section 4.5."""
_COLOUR = re.compile(r"(\x1b\[[\d;]{0,40}m)")
"""Colour and weight: what an author may print, and what does no more than that."""


def inert(text: str) -> str:
    """*text*, which may have several lines and tabs, with all else that steers as an escape: ``\\x1b``, ``\\u202e``."""
    if text.replace("\n", " ").replace("\t", " ").isprintable():
        return text
    return "".join([_escaped(character) for character in text])


def inert_line(text: str) -> str:
    """The same for what is one line: a line break in it is an escape, too."""
    return inert(text).replace("\n", "\\n").replace("\t", "\\t")


def inert_but_coloured(text: str) -> str:
    """*text* as its author prints it: lines, tabs and colours do what they do."""
    if "\x1b[" not in text:
        return inert(text)
    parts = _COLOUR.split(text)
    return "".join([part if number % 2 else inert(part) for number, part in enumerate(parts)])


def inert_json(data: bytes) -> bytes:
    """JSON, or lines of it, with what steers as ``\\uXXXX``: it stands in strings alone, so that the data is the same."""
    text = data.decode("utf-8", "surrogatepass")
    if text.replace("\n", " ").isprintable():
        return data
    return "".join([_escaped_in_json(character) for character in text]).encode()


def _steers(character: str) -> bool:
    return not character.isprintable() and unicodedata.category(character) in _STEERING


def _escaped(character: str) -> str:
    if character in "\n\t" or not _steers(character):
        return character
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")


def _escaped_in_json(character: str) -> str:
    """RFC 8259, section 7: a character beyond U+FFFF is two escapes."""
    if character == "\n" or not _steers(character):
        return character
    units = character.encode("utf-16-be", "surrogatepass").hex()
    return "".join([f"\\u{units[place : place + 4]}" for place in range(0, len(units), 4)])
