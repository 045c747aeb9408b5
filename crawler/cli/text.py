"""Numbers and strange strings, as a person can read them."""

from __future__ import annotations

import unicodedata
from datetime import datetime

from crawler.http.credentials import without_secret

_KEPT = "\n\t"


def count(number: int, noun: str) -> str:
    """``1 page``, ``2,000 pages``."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def bytes_in_words(number: float) -> str:
    """``17 B``, ``3.5 kB``, ``12 MB``."""
    for unit in ("B", "kB", "MB", "GB"):
        if number < 999.5:  # what is rounded up to 1000 has the next unit
            return f"{number:.0f} {unit}" if number >= 99.95 or unit == "B" else f"{number:.1f} {unit}"
        number /= 1000
    return f"{number:.1f} TB"


def seconds_in_words(seconds: float) -> str:
    """``8.3 s``, ``2 min 05 s``, ``3 h 10 min``."""
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(max(60, int(seconds)), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02} s"
    return f"{minutes // 60} h {minutes % 60:02} min"


def printable(text: str) -> str:
    """*text* without what could steer a terminal or mislead a reader: control, format and bidi characters are escaped.
    The password of a URL is ``***``.
    """
    if "@" in text:
        text = without_secret(text)
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        character
        if character in _KEPT or unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Zl", "Zp")
        else character.encode("unicode_escape", "surrogatepass").decode("ascii")
        for character in text
    )


def when(moment: float) -> str:
    """A Unix time, on this machine's clock: ``2026-11-22 19:14``."""
    return datetime.fromtimestamp(moment).strftime("%Y-%m-%d %H:%M")
