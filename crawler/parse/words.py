"""What the ``<meta>`` tags of a page say, found in its bytes: most pages need no search in the tree. Pure."""

from __future__ import annotations

import re

_SHORT = 4096
"""Bytes. Pages that only send their reader on are short, and some have their ``<meta>`` in the body; in longer ones it
stands in the head, and to search a whole page for what is not there costs 15 µs."""
_META = re.compile(rb"<(?:([mM][eE][tT][aA](?:[^>=]++|=[\t\n\f\r ]*+(?:\"[^\"]*+\"?|'[^']*+'?)?)*+)|(/?script|!--))")
"""A tag, whose quotes may hold a ``>``: one that nobody closes goes on to the end, rather too much than too little. And
where a script begins and ends, and a comment begins.
"""
_HEAD = re.compile(
    rb"""(?:
      [^<]++
    | <(?!(?:body|BODY)[\t\n\f\r\x20/>]|!--|script|style|title|textarea|template|noframes)
    | <!-- (?: [^-]++ | -(?!->) )*+
    | <(script|style|title|textarea|template|noframes) (?: [^<]++ | <(?!/\1) )*+
    )*+""",
    re.VERBOSE,
)
"""All up to the ``<body>``, which is none in a comment, a script or the like."""
_LETTER = re.compile(rb"&#(?:[xX]0*+[4-7]|0*+(?:6[5-9]|[7-9][0-9]|1[0-2][0-9]))")
"""A reference to an ASCII letter, more or less."""


def words_of_metas(body: bytes) -> bytes:
    """All ``<meta>`` tags in which *body*, a document in which ASCII is ASCII, speaks of itself, in lower case: those that
    come before its ``<body>``, or in its first ``_SHORT`` bytes. What is not in there, no ``<meta>`` of those says; what is may
    stand in a comment, too, and the tree has to tell.
    """
    end = body.find(b"<body")
    if end < 0:
        end = body.find(b"<BODY")
    if end < 0:
        end = len(body)
    found = _META.findall(body, 0, end)
    if end < len(body) and _is_hidden(body, end, [mark for _, mark in found if mark]):
        found = _META.findall(body, 0, max(_real(body), _SHORT))
    elif end < _SHORT:
        found += _META.findall(body, end, _SHORT)
    words = b"".join([meta for meta, _ in found])
    if b"&#" in words and _LETTER.search(words):
        import html  # it has a table of all names, which nearly no crawl needs

        words = html.unescape(words.decode("latin-1")).encode("utf-8", "replace")
    return words.lower()


def _is_hidden(body: bytes, end: int, marks: list[bytes]) -> bool:
    """Whether what looks like a ``<body>`` at *end*, behind *marks*, stands in a script, a comment or a tag: then it is none."""
    if marks and marks[-1] == b"script":
        return True
    if b"!--" in marks and body.rfind(b"<!--", 0, end) > body.rfind(b"-->", 0, end):
        return True
    return _is_in_tag(body, end)


def _is_in_tag(body: bytes, end: int) -> bool:
    return body.rfind(b"<", 0, end) > body.rfind(b">", 0, end)


def _real(body: bytes) -> int:
    """Where the ``<body>`` is that is one; the end, if none can be found."""
    match = _HEAD.match(body)
    return len(body) if match is None or _is_in_tag(body, match.end()) else match.end()
