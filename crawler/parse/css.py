"""Addresses in style sheets: ``url()`` and ``@import``. CSS Syntax Level 3. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

_FOUND = re.compile(
    r"""[uU][rR][lL]\([\t\n\f\r ]*+(?:"((?:[^"\n\\]|\\.)*+)"|'((?:[^'\n\\]|\\.)*+)'|((?:[^\t\n\f\r "'()\\]|\\.)*+))"""
    r"""|@[iI][mM][pP][oO][rR][tT][\t\n\f\r ]*+(?:"((?:[^"\n\\]|\\.)*+)"|'((?:[^'\n\\]|\\.)*+)')""",
    re.DOTALL,
)
_ESCAPE = re.compile(r"\\(?:([0-9a-fA-F]{1,6}+)[\t\n\f\r ]?|(.))", re.DOTALL)


def addresses_in_css(sheet: str) -> Iterator[str]:
    """What a sheet, or a ``style`` attribute, has in ``url()`` and ``@import``; not what is in its comments."""
    for match in _FOUND.finditer(_without_comments(sheet)):
        address = match[match.lastindex or 0]
        if "\\" in address:
            address = _ESCAPE.sub(_unescaped, address)
        if match.lastindex and address and address[0] != "#":
            yield address


def _without_comments(sheet: str) -> str:
    if "/*" not in sheet:
        return sheet
    kept, position = [], 0
    while (begin := sheet.find("/*", position)) >= 0:
        kept.append(sheet[position:begin])
        end = sheet.find("*/", begin + 2)
        if end < 0:
            return " ".join(kept)
        position = end + 2
    return " ".join([*kept, sheet[position:]])


def _unescaped(match: re.Match[str]) -> str:
    if match[1] is None:
        return "" if match[2] == "\n" else match[2]
    code = int(match[1], 16)
    return chr(code) if 0 < code < 0x110000 and not 0xD800 <= code < 0xE000 else "\ufffd"
