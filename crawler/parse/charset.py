"""Which encoding a page is in: the order of the WHATWG HTML Standard, 13.2.3, with strict UTF-8 before guessing; and
its text, as the Encoding Standard reads it.
"""

from __future__ import annotations

import codecs
import re
from functools import lru_cache

import webencodings

from crawler.parse.prescan import declared_in_meta, declared_in_xml

_BOMS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xfe\xff", "utf-16be"), (b"\xff\xfe", "utf-16le"))
_BEGINNINGS = frozenset(bom[:1] for bom, _ in _BOMS)
_GUESS = 64 * 1024
"""Bytes given to the detector, which holds the GIL while it reads: 64 KiB take some 4 ms."""
_NEVER_WITHIN = {"utf-16le": "utf-8", "utf-16be": "utf-8", "x-user-defined": "windows-1252"}
"""The Standard: what could be read as a declaration in the document at all is no UTF-16."""
_WIDER = {"gbk": "gb18030", "euc-jp": "euc_jis_2004"}
"""Python's codecs that read all that its narrower ones do, and the € and ① that the Standard's read, too."""
_CHINESE = ("gbk", "gb18030")
_OTHERWISE = {
    "windows-1255": {0xCA: "\u05ba"},
    "koi8-u": {0xAE: "\u045e", 0xBE: "\u040e"},
}
"""Bytes that Python's codecs read otherwise than the Encoding Standard, section 9."""
_OF_SEVERAL_BYTES = frozenset(
    {
        "big5", "euc-jp", "euc-kr", "gb18030", "gbk", "iso-2022-jp", "shift_jis", "utf-16be", "utf-16le", "utf-8",
        "x-user-defined",
    }
)  # fmt: skip
"""Those whose characters take more than one byte; and one whose codec is exact."""
_C1 = range(0x80, 0xA0)
_PARAMETER = re.compile(r';[\t\n\r ]*+([^;=]*+)(?:=[\t\n\r ]*+(?:"((?:[^"\\]|\\.)*+)"?[^;]*+|([^;]*+)))?', re.DOTALL)
_QUOTED_PAIR = re.compile(r"\\(.)", re.DOTALL)


def encoding_of(body: bytes, content_type: str = "") -> str:
    """The WHATWG name of the encoding of *body*: BOM, header, declaration in the document, valid UTF-8, and else an
    educated guess. XML declares it in its first line, HTML in a ``<meta>`` or there.
    """
    if body[:1] in _BEGINNINGS:
        for bom, name in _BOMS:
            if body.startswith(bom):
                return name
    declared = _from_header(content_type) or _from_document(body, is_xml=_is_xml(content_type))
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
    if found.name == "replacement":
        return "\ufffd" if body else ""  # encodings in which ASCII can hide a script: nobody reads them any more
    table = _table(found.name)
    if table is not None:
        return codecs.charmap_decode(body, "replace", table)[0]
    errors = "crawler.euro" if found.name in _CHINESE else "replace"
    if found.name in _WIDER:
        return body.decode(_WIDER[found.name], errors)
    return str(found.codec_info.decode(body, errors)[0])


@lru_cache(maxsize=1024)
def charset_of(content_type: str) -> str:
    """The ``charset`` of a Content-Type, the first one that says something; empty if there is none.

    The MIME Sniffing Standard, 4.4, and what servers write besides: spaces around the name, and single quotes.
    """
    for name, quoted, plain in _PARAMETER.findall(content_type):
        if name.strip().lower() == "charset":
            label = _QUOTED_PAIR.sub(r"\1", quoted) if quoted else plain
            label = label.strip("\t\n\r '")
            if label:
                return label
    return ""


@lru_cache(maxsize=1024)
def _from_header(content_type: str) -> str | None:
    return _name(charset_of(content_type))


@lru_cache(maxsize=1024)
def _is_xml(content_type: str) -> bool:
    mime = content_type.partition(";")[0].strip().lower()
    return mime in ("text/xml", "application/xml") or mime.endswith("+xml")


def _from_document(body: bytes, *, is_xml: bool) -> str | None:
    declared = None if is_xml else declared_in_meta(body, _name)
    if declared is None and body.startswith(b"<?xml"):
        declared = _name(declared_in_xml(body))
    return None if declared is None else _NEVER_WITHIN.get(declared, declared)


@lru_cache(maxsize=1024)
def _name(label: str) -> str | None:
    """The Standard's name for *label*; None for one that it does not know, which is as if none had been given."""
    found = webencodings.lookup(label) if label.isascii() else None
    return None if found is None else str(found.name)


@lru_cache(maxsize=64)
def _table(name: str) -> str | None:
    """The 256 characters of a single-byte encoding; None for another.

    Where Python knows no character for a byte of 0x80 to 0x9F, the Standard has the control character of that number.
    """
    if name in _OF_SEVERAL_BYTES:
        return None
    codec = webencodings.lookup(name).codec_info
    singles = [codec.decode(bytes([byte]), "replace")[0] for byte in range(256)]
    otherwise = _OTHERWISE.get(name, {})
    return "".join(
        otherwise.get(byte) or (chr(byte) if single == "\ufffd" and byte in _C1 else single)
        for byte, single in enumerate(singles)
    )


def _euro(error: UnicodeError) -> tuple[str, int]:
    """A byte 0x80 alone is the euro sign of old Chinese pages. The Encoding Standard, 10.2.1."""
    if isinstance(error, UnicodeDecodeError) and error.object[error.start] == 0x80:
        return "€", error.start + 1
    return codecs.replace_errors(error)  # type: ignore[return-value]  # bytes when it encodes, text here


codecs.register_error("crawler.euro", _euro)


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
