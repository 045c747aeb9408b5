"""What the ``<meta>`` tags of a page may say, found in its bytes: most pages need no search in the tree. Pure."""

from __future__ import annotations

import re

_SHORT = 4096
"""Bytes. Pages that only send their reader on are short, and some have their ``<meta>`` in the body; in longer ones it
stands in the head, and to search a whole page for what is not there costs 15 µs."""
_META = re.compile(rb"<meta(?:[^>\"']++|\"[^\"]*+\"?|'[^']*+'?)*+")
"""A tag, whose quotes may hold a ``>``. One that nobody closes goes on to the end: rather too much than too little."""


def head_of(body: bytes) -> bytes:
    """Where *body*, a document in which ASCII is ASCII, speaks of itself: what comes before its ``<body>``, and never less
    than ``_SHORT``.
    """
    end = body.find(b"<body")
    if end < 0:
        end = body.find(b"<BODY")
    return body if end < 0 else body[: max(end, _SHORT)]


def words_of_metas(head: bytes) -> bytes:
    """All ``<meta>`` tags of *head*, which is in lower case. What is not in there, no ``<meta>`` says; what is may stand in
    a comment, too, and the tree has to tell.
    """
    return b"".join(_META.findall(head))
