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
_META = re.compile(rb"<!--.*?(?:-->|\Z)|<meta[\s/]([^>]*)", re.IGNORECASE | re.DOTALL)
_META_CHARSET = re.compile(rb"charset\s*=\s*[\"']?\s*([^\s\"'/>;]+)", re.IGNORECASE)
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
    return str(found.codec_info.decode(body, "replace")[0])


@lru_cache(maxsize=1024)
def _from_header(content_type: str) -> str | None:
    match = _HEADER_CHARSET.search(content_type)
    return None if match is None else _name(match[1])


def _from_meta(body: bytes) -> str | None:
    for match in _META.finditer(body, 0, _PRESCAN):
        if match[1] is None:
            continue  # a comment
        charset = _META_CHARSET.search(match[1])
        if charset is not None:
            name = _name(charset[1].decode("latin-1"))
            if name is not None:
                return "utf-8" if name.startswith("utf-16") else name  # the Standard: a meta in UTF-16 cannot be
    return None


@lru_cache(maxsize=1024)
def _name(label: str) -> str | None:
    """The Standard's name for *label*; None for one that it does not know, which is as if none had been given."""
    found = webencodings.lookup(label)
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
    return _name(str(detector.guess(tld=None, allow_utf8=False))) or "windows-1252"
