"""The data that a page's scripts bring along: a script that is JSON, or a literal that one assigns to a variable."""

from __future__ import annotations

import re
from functools import lru_cache

from crawler.parse.literal import MAX_VALUES, Value, read_json, read_literal
from crawler.parse.select import Tree, select

_VARIABLE = re.compile(r"(?:[^\W\d]|\$)[\w$]*+(?:\.(?:[^\W\d]|\$)[\w$]*+)*+")
_GLOBAL = ("window", "self", "globalThis")
"""The names under which a script finds its global variables."""
_ATTEMPTS = 100
"""Assignments of one name that are tried. A page has one, or a few."""
_GOES_ON = frozenset(".[(+-*%?&|<>=")
"""What, after a literal, makes an expression of it."""


def script_json(tree: Tree, wanted: str, url: str) -> Value:
    """What *wanted*, a variable or a CSS query, holds on the page of *url*; :meth:`Page.script_json` tells which is which.

    :raises SelectorError: the CSS query cannot be read
    :raises ValueError: there is no such thing, or it is no literal
    """
    if is_variable(wanted):
        return _of_variable(tree, wanted, url)
    found = select(tree, wanted)
    if not found:
        raise ValueError(f"{url} has no element {wanted!r} that could hold JSON")
    first = found[0]
    try:
        return read_json(str(first.raw.text()) if first.is_element else first.get())
    except ValueError as error:
        raise ValueError(
            f"what {wanted!r} names on {url} is no JSON: {error}. (A variable that a script assigns is asked for by its "
            "name, as in window.__STATE__)"
        ) from None


def is_variable(wanted: str) -> bool:
    """Whether *wanted* is a variable, as ``dataLayer`` or ``window.app.state``, and no CSS query."""
    return _VARIABLE.fullmatch(wanted) is not None and wanted.partition(".")[0] != "script"


def _of_variable(tree: Tree, name: str, url: str) -> Value:
    assigned = _assignment(name)
    attempts, error = 0, None
    for script in tree.tags("script"):
        text = script.text()
        for found in assigned.finditer(text):
            if attempts >= _ATTEMPTS:
                break
            attempts += 1
            try:
                value, end = read_literal(text, found.end(), MAX_VALUES // (1 if attempts < 4 else _ATTEMPTS))
            except ValueError as reason:
                error = error or reason
                continue
            if text[end : end + 1] not in _GOES_ON or end >= len(text):
                return value
            error = error or ValueError(f"the literal is part of an expression: {text[end : end + 40]!r}")
    if error is not None:
        raise ValueError(f"a script of {url} assigns {name}, but no literal: {error}") from None
    raise ValueError(f"no script of {url} assigns {name}, or calls it")


@lru_cache(maxsize=64)
def _assignment(name: str) -> re.Pattern[str]:
    """What stands before the literal: ``var name =``, ``window["name"] = name ||``, ``name(``."""
    parts = name.split(".")
    if parts[0] in _GLOBAL and len(parts) > 1:
        parts = parts[1:]
    first = f"(?:{re.escape(parts[0])}(?![\\w$])|(?:{'|'.join(_GLOBAL)}){_member(parts[0])})"
    path = "(?<![\\w$.])" + first + "".join(_member(part) for part in parts[1:])
    other = r"(?:[\w$.]{1,99}+\s*+=(?![=>])\s*+){0,8}"  # window.name = window.other = ...
    default = rf"(?:{path}\s*+(?:\|\||\?\?)\s*+)?"
    return re.compile(rf"{path}\s*+(?:(?:\|\||\?\?)?=(?![=>])\s*+{other}{default}|\(\s*+)")


def _member(name: str) -> str:
    return rf"(?:\s*+\.\s*+{re.escape(name)}(?![\w$])|\s*+\[\s*+[\"']{re.escape(name)}[\"']\s*+\])"
