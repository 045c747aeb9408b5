"""Going on with a file of which a part is here already: RFC 9110, sections 13.1.5 and 14. Pure.

Rule 1: two parts are joined only if the server says, by a strong validator, that they are of one file.
Rule 2: what the server says of the part that it sends is checked against what was asked, not believed.
"""

from __future__ import annotations

import re

from crawler.http.fields import http_date
from crawler.response import Headers

_STRONG_TAG = re.compile(r'"[\x21\x23-\x7e]{0,512}"')
"""RFC 9110, section 8.8.3; of its bytes past ASCII none, which not every server gives back as they were."""
_RANGE = re.compile(r"bytes\s+(\d{1,18})-(\d{1,18})/(\d{1,18}|\*)", re.IGNORECASE)
_CLOCKS = 60.0
"""Seconds that a date must be older than its answer: else the file could have changed twice in one second. RFC 9110,
section 8.8.2.2, leaves the margin to whoever asks; RFC 7232 had this one."""


class WrongRange(ValueError):
    """What came is no continuation of what is here; the text says why."""


def validator_of(headers: Headers) -> str:
    """By what ``If-Range`` can ask for the rest of this very file; empty if it cannot.

    An entity tag that is strong; a date only where there is no tag at all.
    """
    if headers.get("Accept-Ranges", "").strip().lower() == "none":
        return ""
    tag = headers.get("ETag")
    if tag is not None:
        return tag if _STRONG_TAG.fullmatch(tag) else ""
    modified, sent = headers.get("Last-Modified", ""), headers.get("Date", "")
    then, now = http_date(modified, 0.0), http_date(sent, 0.0)
    return modified if then is not None and now is not None and now - then >= _CLOCKS else ""


def asking(size: int, validator: str) -> dict[str, str]:
    """The header fields that ask for what comes after *size* bytes; nothing, without a validator."""
    return {"Range": f"bytes={size}-", "If-Range": validator} if size and validator else {}


def begin_of(headers: Headers, size: int, validator: str, total: int | None) -> tuple[int, int]:
    """Where the body of a 206 begins, and how many bytes the whole file has; *size*, *validator* and *total* are of the
    part that is here.

    :raises WrongRange: it is not what was asked for, or of another file
    """
    if "multipart/byteranges" in headers.get("Content-Type", "").lower():
        raise WrongRange("several ranges came, and one was asked for")
    found = _RANGE.fullmatch(headers.get("Content-Range", "").strip())
    if found is None:
        raise WrongRange("a part came, and its Content-Range says not which")
    first, last = int(found[1]), int(found[2])
    whole = last + 1 if found[3] == "*" else int(found[3])
    if first != size:
        raise WrongRange(f"bytes from {first} on came, and those from {size} on were asked for")
    if not first <= last < whole:
        raise WrongRange(f"its Content-Range contradicts itself: bytes {first}-{last} of {whole}")
    if total is not None and whole != total:
        raise WrongRange(f"the file has {whole} bytes now, and had {total}")
    name = "ETag" if validator.startswith('"') else "Last-Modified"
    if headers.get(name, validator) != validator:
        raise WrongRange("the file was changed meanwhile")
    return first, whole
