"""The head of an answer that is not quite HTTP, read as browsers read it and written as it should have been."""

from __future__ import annotations

import re

_STATUS_LINE = re.compile(rb"http(?:/(\d{0,9}+)(?:\.(\d{0,9}+))?)?(?:[ \t]+(.*))?", re.IGNORECASE | re.DOTALL)
_STATUS = re.compile(rb"[-+]?(\d+)(.*)", re.DOTALL)
_LINE_END = re.compile(rb"\r?\n")
_TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
"""RFC 9110, section 5.6.2."""


class Unmendable(ValueError):
    """Browsers refuse this head, too, or it can be read in two ways."""


def mended(head: bytes) -> bytes:
    """*head*, from its status line to its empty line, with what is no HTTP put right or left out.

    Rule 1: how the body is framed is never guessed: one length or ``chunked`` is left, or nothing, which means that
    the body ends with the connection. Two lengths that differ could cut one answer into two (RFC 9112, section 11.2).
    Rule 2: a header that cannot be understood is left out, and the page is none the worse.

    :raises Unmendable: two different lengths, a NUL byte, a status of other than three digits, no HTTP at all
    """
    if b"\0" in head:
        raise Unmendable("a NUL byte among the headers")
    first, *lines = _LINE_END.split(head)
    fields = _fields(lines)
    return b"\r\n".join([_status_line(first), *_framing(fields), *_others(fields), b"", b""])


def _status_line(line: bytes) -> bytes:
    """Without a status an answer is a success: all browsers take it so."""
    found = _STATUS_LINE.fullmatch(line.strip())
    if found is None:
        raise Unmendable("the answer does not begin as HTTP does")
    major, minor, rest = int(found[1] or 1), int(found[2] or 0), found[3] or b""
    version = b"1.1" if (major, minor) >= (1, 1) else b"1.0"
    status = _STATUS.fullmatch(rest)
    if status is None:
        return b"HTTP/%b 200 %b" % (version, rest.replace(b"\r", b" "))
    if len(status[1]) != 3:
        raise Unmendable(f"status {status[1].decode()[:20]} has not three digits")
    return b"HTTP/%b %b %b" % (version, status[1], status[2].strip().replace(b"\r", b" "))


def _fields(lines: list[bytes]) -> list[tuple[bytes, bytes]]:
    """Name and value of each header; a line that begins with a space goes on with the one before (RFC 9112, 5.2)."""
    fields: list[tuple[bytes, list[bytes]]] = []
    for line in lines:
        if line[:1] in (b" ", b"\t") and fields:
            fields[-1][1].append(line.strip())
            continue
        name, colon, value = line.partition(b":")
        name = name.rstrip(b" \t")
        if colon and _TOKEN.fullmatch(name):
            fields.append((name, [value.replace(b"\r", b" ").strip()]))
    return [(name, b" ".join(pieces)) for name, pieces in fields]


def _framing(fields: list[tuple[bytes, bytes]]) -> list[bytes]:
    """``chunked`` goes over any length (RFC 9112, section 6.3); equal lengths are one; what is no length is none."""
    codings = [part.strip().lower() for part in _values(b"transfer-encoding", fields)]
    if b"chunked" in codings:
        return [b"Transfer-Encoding: chunked"]
    lengths = {part.strip() for part in _values(b"content-length", fields)}
    if len(lengths) > 1:
        raise Unmendable("two different lengths")
    length = lengths.pop() if lengths else b""
    digits = length.lstrip(b"0")  # counted before they are read: Python refuses to read thousands
    return [b"Content-Length: " + length] if length.isdigit() and len(digits) < 19 else []


def _values(wanted: bytes, fields: list[tuple[bytes, bytes]]) -> list[bytes]:
    return [part for name, value in fields if name.lower() == wanted for part in value.split(b",")]


def _others(fields: list[tuple[bytes, bytes]]) -> list[bytes]:
    framing = (b"transfer-encoding", b"content-length")
    return [b"%b: %b" % (name, value) for name, value in fields if name.lower() not in framing]
