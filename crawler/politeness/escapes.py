"""Percent-encoding, where paths are compared. RFC 9309, section 2.2.2; RFC 3986, section 2."""

from __future__ import annotations

_PAIRS = [high + low for high in "0123456789abcdefABCDEF" for low in "0123456789abcdefABCDEF"]
_UPPER = {pair: f"%{pair.upper()}" for pair in _PAIRS}
_UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
"""RFC 3986, section 2.3: whether they are escaped makes no difference."""
_PLAIN = _UPPER | {pair: chr(int(pair, 16)) for pair in _PAIRS if chr(int(pair, 16)) in _UNRESERVED}


def escaped(text: str) -> str:
    """*text*, one character for each octet, with those outside of ASCII as escapes, and all escapes in capitals."""
    if not text.isascii():
        text = "".join(octet if octet < "\x80" else f"%{ord(octet):02X}" for octet in text)
    return capitalized(text)


def unescaped(text: str) -> str:
    """Without the escapes that make no difference."""
    return _respelled(text, _PLAIN)


def capitalized(text: str) -> str:
    """With all escapes in capitals."""
    return _respelled(text, _UPPER)


def _respelled(text: str, spelling: dict[str, str]) -> str:
    if "%" not in text:
        return text
    first, *rest = text.split("%")
    return first + "".join([spelling.get(part[:2], "%" + part[:2]) + part[2:] for part in rest])
