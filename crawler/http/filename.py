"""What to call the file that a response would be saved as: a plain name, good on every system, never a path.

The name comes from ``Content-Disposition`` (RFC 6266), else from the URL, else from the media type. Servers and pages
choose it, so it is cleaned whatever its source: it has no separator, no control, format or bidi character, does not
begin with a dot, is no device of Windows, and fits into every file system.
"""

from __future__ import annotations

import re
import unicodedata
from binascii import Error as Base64Error
from binascii import a2b_base64, a2b_qp
from collections.abc import Iterator
from urllib.parse import unquote_to_bytes

LONGEST = 150
"""Bytes of UTF-8, the ending among them. File systems have 255 (ext4, APFS, NTFS), or 143 (eCryptfs); what is left is for
a number or a digest that a spider puts before it."""
_ENDING = 20
"""Characters of an ending that is kept when a name is cut."""
_READ = 4_096
"""Characters of a header that are looked at."""
_FALLBACK = "index"
"""What a URL without a last segment is called, as Wget has it."""

_PARAMETER = re.compile(r""";\s*+([^\s=;"]++)\s*+=\s*+(?:"((?:[^"\\]|\\.)*+)"?|([^;]*+))|;|[^;]++""", re.DOTALL)
"""RFC 6266, section 4.1; an open quote ends with the header, and a bare value with the next semicolon, as browsers have
it. Nothing here is tried twice."""
_QUOTED_PAIR = re.compile(r'\\(["\\])')
"""Of all quoted pairs those that have to be: old servers write ``C:\\dir\\name`` as it stands."""
_EXTENDED = re.compile(r"([\w.-]*)'[^']*'(.*)", re.DOTALL)
"""RFC 8187, section 3.2.1: charset, language, value."""
_CHARSETS = {"utf-8": "utf-8", "utf8": "utf-8", "iso-8859-1": "cp1252", "us-ascii": "utf-8", "windows-1252": "cp1252"}
"""Those of RFC 8187, and what servers write; ISO-8859-1 is windows-1252 (Encoding Standard, section 4.2)."""
_ENCODED_WORD = re.compile(r"=\?([\w-]{1,40})\?([bq])\?([^?\s]*)\?=", re.IGNORECASE)
"""RFC 2047, section 2. RFC 6266, appendix C.1, forbids it here; servers send it, and browsers read it."""

_SEPARATORS = re.compile(r"[/\\\u2044\u2215\u2216\u29f5\u29f8\ufe68\uff0f\uff3c]")
"""Of POSIX and Windows, and what their "best fit" conversions make one of."""
_FORBIDDEN = re.compile(r'[<>:"|?*\uff1a]')
"""Windows: "Naming Files, Paths, and Namespaces". A colon begins an alternate stream."""
_SPACE = re.compile(r"\s+")
_DROPPED = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""General categories that are not shown, or show others elsewhere. A line break is white space before it is one."""
_DEVICE = re.compile(r"(?:con|prn|aux|nul|clock\$|conin\$|conout\$|(?:com|lpt)[0-9\u00b9\u00b2\u00b3])", re.IGNORECASE)
"""Names that Windows opens as a device, whatever ending they have. The superscripts count there."""
_COMPOUND = re.compile(r"\.(?:tar|warc)\.[a-z0-9]{1,5}$", re.IGNORECASE)

_PLAIN_ENDING = re.compile(r"(?<=[^.])\.[a-z0-9]{1,10}$", re.IGNORECASE)
_VAGUE = frozenset({".txt", ".xml", ".zip", ".gz", ".json"})
"""Endings of types that cover others: an EPUB may come as application/zip, and any text as text/plain."""

ENDINGS: dict[str, str] = {
    "text/html": ".html",
    "application/xhtml+xml": ".xhtml",
    "text/plain": ".txt",
    "text/css": ".css",
    "text/csv": ".csv",
    "text/markdown": ".md",
    "text/calendar": ".ics",
    "text/javascript": ".js",
    "application/javascript": ".js",
    "application/json": ".json",
    "application/ld+json": ".jsonld",
    "application/xml": ".xml",
    "text/xml": ".xml",
    "application/rss+xml": ".rss",
    "application/atom+xml": ".atom",
    "application/pdf": ".pdf",
    "application/epub+zip": ".epub",
    "application/rtf": ".rtf",
    "application/msword": ".doc",
    "application/vnd.ms-excel": ".xls",
    "application/vnd.ms-powerpoint": ".ppt",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": ".docx",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": ".xlsx",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation": ".pptx",
    "application/vnd.oasis.opendocument.text": ".odt",
    "application/vnd.oasis.opendocument.spreadsheet": ".ods",
    "application/zip": ".zip",
    "application/gzip": ".gz",
    "application/x-gzip": ".gz",
    "application/x-tar": ".tar",
    "application/x-7z-compressed": ".7z",
    "image/jpeg": ".jpg",
    "image/png": ".png",
    "image/gif": ".gif",
    "image/webp": ".webp",
    "image/avif": ".avif",
    "image/svg+xml": ".svg",
    "image/tiff": ".tiff",
    "image/bmp": ".bmp",
    "image/x-icon": ".ico",
    "image/vnd.microsoft.icon": ".ico",
    "audio/mpeg": ".mp3",
    "audio/ogg": ".ogg",
    "audio/wav": ".wav",
    "video/mp4": ".mp4",
    "video/webm": ".webm",
    "video/mpeg": ".mpeg",
    "font/woff": ".woff",
    "font/woff2": ".woff2",
}
"""Media type -> ending, by the IANA registrations. A table of our own: the system's would give other names elsewhere."""


def filename(disposition: str, url: str, content_type: str) -> str:
    """A file name for a response: of ``Content-Disposition``, else the last segment of the URL's path, else ``index``.

    One without an ending gets that of the media type, where it is a known one. It is in NFC, 1 to 150 bytes of UTF-8,
    and never ``.`` or ``..``. Two responses may have the same: whoever saves both tells them apart.

    :param disposition: the header's value; empty if there is none
    """
    ending = _ending_of(content_type)
    for name in _named(disposition[:_READ]):
        if cleaned := clean(name):
            return cleaned
    name = _last_segment(url)
    return clean(_with_ending(clean(name) or _FALLBACK, ending))


def clean(name: str) -> str:
    """The last part of *name* as a plain file name; empty if nothing of it is left."""
    name = unicodedata.normalize("NFC", _SEPARATORS.split(name)[-1])
    name = _SPACE.sub(" ", _FORBIDDEN.sub("_", name))
    if not name.isprintable():
        name = "".join([character for character in name if unicodedata.category(character) not in _DROPPED])
    name = unicodedata.normalize("NFC", _SPACE.sub(" ", name)).strip(". ")
    if name.startswith("-"):  # an option, to whoever types rm *
        name = f"_{name[1:]}"
    name = _cut(name, LONGEST)
    if _DEVICE.fullmatch(name.partition(".")[0].rstrip(" ")):
        name = "_" + _cut(name, LONGEST - 1)
    return name


def ending(name: str, media_type: str) -> str:
    """What a file is called after the last dot, dot included: by its media type, or by *name* where that says more than
    a type that servers give to anything. Empty if nothing is known; else lower case letters and digits.
    """
    known = _ending_of(media_type)
    found = (_COMPOUND.search(name) or _PLAIN_ENDING.search(name)) if not known or known in _VAGUE else None
    return found[0].lower() if found else known


def is_plain(name: str) -> bool:
    """Whether *name* can be that of a file as it stands."""
    return bool(name) and clean(name) == name


def _named(disposition: str) -> Iterator[str]:
    """The names that the header gives, the one to prefer first. RFC 6266, section 4.3: ``filename*`` before ``filename``."""
    plain: list[str] = []
    for name, quoted, bare in _PARAMETER.findall(
        f";{disposition}" if "=" in disposition.partition(";")[0] else disposition
    ):
        value = _QUOTED_PAIR.sub(r"\1", quoted) if quoted else bare.strip()
        if name.lower() == "filename*":
            yield from _extended(value)
        elif name.lower() == "filename":
            plain.append(value)
    for value in plain[:1]:
        yield _ENCODED_WORD.sub(_decoded_word, _percent_decoded(_from_octets(value)))


def _extended(value: str) -> Iterator[str]:
    """RFC 8187, section 3.2: nothing of a value that is none, so that ``filename`` counts (RFC 6266, section 4.3)."""
    found = _EXTENDED.fullmatch(value)
    charset = _CHARSETS.get(found[1].lower()) if found else None
    if found and charset:
        try:
            yield unquote_to_bytes(_from_octets(found[2])).decode(charset)
        except UnicodeError:
            pass


def _from_octets(value: str) -> str:
    """A header's bytes that are no UTF-8 came as halves of characters: they are windows-1252."""
    if not any("\udc80" <= character <= "\udcff" for character in value):
        return value
    try:
        return value.encode("utf-8", "surrogateescape").decode("cp1252", "replace")
    except UnicodeError:
        return value  # it did not come out of bytes at all


def _percent_decoded(value: str) -> str:
    """RFC 6266, appendix C.1, would leave it; servers write ``filename="na%C3%AFve.txt"``, and Chrome reads it."""
    if "%" not in value:
        return value
    try:
        return unquote_to_bytes(value).decode()
    except UnicodeError:
        return value


def _decoded_word(found: re.Match[str]) -> str:
    try:
        octets = a2b_base64(found[3]) if found[2].lower() == "b" else a2b_qp(found[3].encode(), header=True)
        return octets.decode(_CHARSETS.get(found[1].lower(), "utf-8"))
    except (Base64Error, UnicodeError, ValueError):
        return found[0]


def _last_segment(url: str) -> str:
    """Of the URL's path, decoded once. A query names no file."""
    path = url.partition("#")[0].partition("?")[0].partition("://")[2].partition("/")[2]
    segment = path.rpartition("/")[2]
    return unquote_to_bytes(segment.encode("utf-8", "replace")).decode("utf-8", "replace")


def _with_ending(name: str, ending: str) -> str:
    return name if not ending or "." in name.strip(".") else name + ending


def _ending_of(content_type: str) -> str:
    """Empty for a type that is not in the table."""
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type in ENDINGS:
        return ENDINGS[media_type]
    suffix = media_type.rpartition("+")[2]  # RFC 6839
    return f".{suffix}" if "+" in media_type and suffix in ("xml", "json", "zip") else ""


def _cut(name: str, longest: int) -> str:
    """*name* in at most *longest* bytes. The ending is kept, and no character is cut in two."""
    if len(name.encode("utf-8", "replace")) <= longest:
        return name
    compound = _COMPOUND.search(name[-_ENDING:])
    at = len(name) - len(compound[0]) if compound else name.rfind(".")
    ending = name[at:] if at > 0 and len(name) - at <= _ENDING else ""
    stem = name[: len(name) - len(ending)]
    room = longest - len(ending.encode())
    return stem.encode()[:room].decode("utf-8", "ignore").rstrip(". ") + ending
