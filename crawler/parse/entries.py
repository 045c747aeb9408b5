"""What a form sends: its entries, as a query or as a body (the HTML Standard, 4.10.21.5 to 4.10.21.8; the URL Standard, 5).

Pure. An entry is a name with a text or a file; names may repeat, and their order is kept.
"""

from __future__ import annotations

import hashlib
import re
from typing import NamedTuple, TypeAlias
from urllib.parse import quote_from_bytes

import webencodings

URLENCODED, MULTIPART, PLAIN = "application/x-www-form-urlencoded", "multipart/form-data", "text/plain"


class File(NamedTuple):
    """What is uploaded."""

    name: str = ""
    content: bytes = b""
    type: str = "application/octet-stream"


Entry: TypeAlias = tuple[str, str | File]

_LINE_BREAK = re.compile(r"\r\n|\r|\n")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+/[!#$%&'*+.^_`|~0-9A-Za-z-]+(?:;[ -~]*)?")


def charset_of_form(accept_charset: str, document: str) -> str:
    """The encoding that a form is sent in: the first of *accept_charset* that is known, else that of the *document*."""
    for label in accept_charset.split() or [document]:
        found = webencodings.lookup(label)
        if found is not None:
            return "utf-8" if found.name.startswith("utf-16") or found.name == "replacement" else str(found.name)
    return "utf-8"


def urlencoded(entries: list[Entry], charset: str) -> str:
    """``name=value&name=value``; of a file, its name."""
    return "&".join([f"{_escaped(name, charset)}={_escaped(_text(value), charset)}" for name, value in entries])


def plain(entries: list[Entry], charset: str) -> bytes:
    """A line for each, for people to read."""
    return b"".join([encoded(f"{with_crlf(name)}={with_crlf(_text(value))}\r\n", charset) for name, value in entries])


def multipart(entries: list[Entry], charset: str) -> tuple[bytes, str]:
    """The body, and its Content-Type with the boundary. The same entries give the same body."""
    parts = [_part(name, value, charset) for name, value in entries]
    digest = hashlib.sha256(b"\0".join(parts))
    while True:
        boundary = b"----form-" + digest.hexdigest()[:32].encode()
        if not any(boundary in part for part in parts):
            break
        digest.update(b"once more")
    body = b"".join([b"--" + boundary + b"\r\n" + part + b"\r\n" for part in parts]) + b"--" + boundary + b"--\r\n"
    return body, f"{MULTIPART}; boundary={boundary.decode()}"


def with_crlf(text: str) -> str:
    """*text* with the line breaks that are sent."""
    return _LINE_BREAK.sub("\r\n", text)


def encoded(text: str, charset: str) -> bytes:
    """*text* in that encoding; what it has not is written ``&#8364;``, as browsers do."""
    codec = webencodings.lookup(charset).codec_info
    found: bytes = codec.encode(text, "xmlcharrefreplace")[0]
    return found


def _part(name: str, value: str | File, charset: str) -> bytes:
    head = f'Content-Disposition: form-data; name="{_quoted(with_crlf(name))}"'
    if isinstance(value, str):
        return encoded(f"{head}\r\n\r\n{with_crlf(value)}", charset)
    head += f'; filename="{_quoted(value.name)}"\r\nContent-Type: {value.type}'
    return encoded(f"{head}\r\n\r\n", charset) + value.content


def _quoted(text: str) -> str:
    return text.replace("\r", "%0D").replace("\n", "%0A").replace('"', "%22")


def _escaped(text: str, charset: str) -> str:
    return quote_from_bytes(encoded(with_crlf(text), charset), safe="*-._ ").replace("~", "%7E").replace(" ", "+")


def _text(value: str | File) -> str:
    return value if isinstance(value, str) else value.name


def is_media_type(text: str) -> bool:
    """Whether *text* can stand in a header as the type of a file."""
    return _TOKEN.fullmatch(text) is not None
