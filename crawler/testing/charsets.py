"""Attacks by the name of an encoding, by what is encoded, and by values that nest."""

from __future__ import annotations

from crawler.testing.attack import Attack, answer

_PAGE = b"<!DOCTYPE html><title>hello</title><p>hello</p>"


def _named(charset: str, body: bytes = _PAGE) -> bytes:
    return answer(body, type_=f"text/html; charset={charset}")


def _meta(charset: str, body: bytes = b"<p>hello</p>") -> bytes:
    return answer(b'<meta charset="' + charset.encode() + b'">' + body)


def _json(body: bytes) -> bytes:
    return answer(body, type_="application/json")


_CODECS = ("idna", "undefined", "zlib", "rot13", "hex", "bz2", "base64", "unicode_escape", "raw_unicode_escape", "mbcs")
"""Codecs of Python that are no encodings of web pages: some raise what nobody expects, some run code that is slow."""

ATTACKS = (
    *(Attack(f"charset {name}", _named(name)) for name in _CODECS),
    Attack("charset punycode of 300 KB", _named("punycode", b"a" * 150_000 + b"-" + b"9" * 150_000)),
    Attack("charset idna of 300 KB", _named("idna", b"xn--" + b"9" * 300_000)),
    Attack("charset utf-7", _named("utf-7", b"+ADw-script+AD4-alert(1)+ADw-/script+AD4-")),
    Attack("charset utf-7 in a meta tag", _meta("utf-7", b"+ADw-script+AD4-")),
    Attack("charset idna in a meta tag", _meta("idna")),
    Attack("charset os.system", _named("os.system")),
    Attack("a charset of 100 KB", _named("x" * 100_000)),
    Attack("a charset of dots and slashes", _named("../../../../etc/passwd")),
    Attack("a charset with a NUL in a meta tag", _meta("utf-8\0x")),
    Attack("UTF-16 that is none", _named("utf-16")),
    Attack("UTF-16 in a meta tag", _meta("utf-16")),
    Attack("UTF-16 of half characters", _named("utf-16le", b"\0\xd8" * 100_000 + b"x")),
    Attack("a mark of UTF-16 before UTF-8", _named("utf-8", b"\xff\xfe" + _PAGE)),
    Attack("a mark of UTF-8 before Latin-1", _named("iso-8859-1", b"\xef\xbb\xbf" + b"\xe4" * 100_000)),
    Attack("UTF-8 with 1 MB of wrong bytes", _named("utf-8", b"\xf0\x9f" * 500_000)),
    Attack("ISO-2022-JP that switches 300,000 times", _named("iso-2022-jp", b"\x1b$B!!\x1b(B" * 300_000)),
    Attack("no charset, and bytes of every kind", answer(bytes(range(256)) * 4_000, type_="text/html")),
    Attack("100,000 meta tags", answer(b'<meta charset="x">' * 100_000)),
    Attack("JSON 100,000 deep", _json(b"[" * 100_000 + b"]" * 100_000), "callback_error"),
    Attack("JSON objects 100,000 deep", _json(b'{"a":' * 100_000 + b"1" + b"}" * 100_000), "callback_error"),
    Attack("a JSON number of 1,000,000 digits", _json(b"9" * 1_000_000), "callback_error"),
    Attack("a JSON number with an exponent of 9 digits", _json(b"[1e999999999]"), "callback_error"),
    Attack("JSON of half a surrogate", _json(b'"\\ud800"'), "callback_error"),
)
