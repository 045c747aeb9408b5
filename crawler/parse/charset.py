"""Which encoding a page is in: the order of the WHATWG HTML Standard, 13.2.3, with strict UTF-8 before guessing."""

from __future__ import annotations

import re
from functools import lru_cache

import webencodings

_BOMS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xfe\xff", "utf-16be"), (b"\xff\xfe", "utf-16le"))
_PRESCAN = 1024
"""Bytes in which a ``<meta charset>`` is looked for; the Standard's number."""
_GUESS = 64 * 1024
"""Bytes given to the detector, which holds the GIL while it reads: 64 KiB take some 4 ms."""
_META = re.compile(rb"<(?:!--|meta[\s/]([^>]*)>)", re.IGNORECASE)
"""A comment's begin, or a whole ``<meta>`` tag."""
_META_TAGS = frozenset(b"<meta" + bytes([after]) for after in b" \t\n\r\f/")
_ATTRIBUTE = re.compile(rb"([^\s=/\"']+)\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s\"']+))")
_CONTENT_CHARSET = re.compile(rb"charset\s*=\s*[\"']?\s*([^\s\"';]+)", re.IGNORECASE)
_NEVER_IN_META = {"utf-16le": "utf-8", "utf-16be": "utf-8", "x-user-defined": "windows-1252"}
"""The Standard: what could be read as a ``<meta>`` at all is no UTF-16."""
_WIDER = {"gbk": "gb18030", "euc-jp": "euc_jis_2004"}
"""Python's codecs that read all that its narrower ones do, and the € and ① that the Standard's read, too."""
_HEADER_CHARSET = re.compile(r"charset\s*=\s*\"?([^\s\";]+)", re.IGNORECASE)


def encoding_of(body: bytes, content_type: str = "") -> str:
    """The WHATWG name of the encoding of *body*: BOM, header, ``<meta>``, valid UTF-8, and else an educated guess."""
    for bom, name in _BOMS:
        if body.startswith(bom):
            return name
    declared = _from_header(content_type) or _from_meta(body)
    if declared is not None:
        return declared
    return "utf-8" if _is_utf8(body) else _guess(body)


def decode(body: bytes, encoding: str) -> str:
    """*body* as text; what cannot be read becomes U+FFFD, and a byte order mark goes."""
    for bom, _ in _BOMS:
        if body.startswith(bom):
            body = body[len(bom) :]
            break
    found = webencodings.lookup(encoding)
    if found is None:
        return body.decode("utf-8", "replace")
    if found.name in _WIDER:
        return body.decode(_WIDER[found.name], "replace")
    return str(found.codec_info.decode(body, "replace")[0])


@lru_cache(maxsize=1024)
def _from_header(content_type: str) -> str | None:
    match = _HEADER_CHARSET.search(content_type)
    return None if match is None else _name(match[1])


def _from_meta(body: bytes) -> str | None:
    head = body[:_PRESCAN]
    lower = head.lower()
    first = lower.find(b"charset")
    if first < 0:
        return None
    tag, end, comment = lower.rfind(b"<", 0, first), head.find(b">", first), lower.rfind(b"<!--", 0, first)
    is_commented = comment >= 0 and lower.find(b"-->", comment + 2, tag) < 0
    if end >= 0 and not is_commented and lower[tag : tag + 6] in _META_TAGS:
        name = _declared(head[tag + 5 : end])
        if name is not None:
            return name  # as on nearly every page
    return _scan(head)


def _scan(head: bytes) -> str | None:
    """The first declaration among the tags of *head*, comments left out: the Standard's own way, and a slow one."""
    position = 0
    while (match := _META.search(head, position)) is not None:
        position = match.end()
        if match[1] is None:  # a comment: what it holds is no tag
            end = head.find(b"-->", position - 2)
            if end < 0:
                return None
            position = end
        else:
            name = _declared(match[1])
            if name is not None:
                return name
    return None


@lru_cache(maxsize=1024)
def _declared(attributes: bytes) -> str | None:
    """The encoding that a ``<meta>`` with *attributes* declares: by ``charset``, or by the ``content`` beside
    ``http-equiv="content-type"``; a description may say anything.
    """
    values: dict[bytes, bytes] = {}
    for name, *quotings in _ATTRIBUTE.findall(attributes):
        values.setdefault(name.lower(), b"".join(quotings))
    label = values.get(b"charset")
    if label is None and values.get(b"http-equiv", b"").lower() == b"content-type":
        match = _CONTENT_CHARSET.search(values.get(b"content", b""))
        label = None if match is None else match[1]
    encoding = None if label is None else _name(label.rstrip(b"/").decode("latin-1"))
    return None if encoding is None else _NEVER_IN_META.get(encoding, encoding)


@lru_cache(maxsize=1024)
def _name(label: str) -> str | None:
    """The Standard's name for *label*; None for one that it does not know, which is as if none had been given."""
    found = webencodings.lookup(label) if label.isascii() else None
    return None if found is None else str(found.name)


def _is_utf8(body: bytes) -> bool:
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True


def _guess(body: bytes) -> str:
    from chardetng_py import EncodingDetector  # not needed by pages that say what they are

    detector = EncodingDetector()
    detector.feed(body[:_GUESS], last=len(body) <= _GUESS)
    guess = str(detector.guess(tld=None, allow_utf8=False))
    return "windows-874" if guess == "cp874" else _name(guess) or "windows-1252"  # the one that it calls as Python does
