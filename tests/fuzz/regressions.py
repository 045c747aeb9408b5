"""What was found: each input that a target could not take once, by the target's name."""

from __future__ import annotations

from typing import Any

REGRESSIONS: list[tuple[str, tuple[Any, ...]]] = [
    ("a URL is made canonical", ("http://;sessionid/",)),  # a host was taken for a path with a session in it
    ("a URL is made canonical", ("http://=1;jsessionid=2/q;x",)),
    ("a declaration is found", (b"<meta charset=a t='>",)),  # the tag ends nowhere, so it declares nothing
    (
        "links are found",
        (b'<html><link rel="copyright"href=#>', "", "", ""),
    ),  # a page that the wider levels did not have
    ("a query is read", ("\ud800", b"")),  # selectolax's UnicodeEncodeError
    ("a query is read", ("::attr(\udcff)", b"<p>")),
    ("a query is read", ("a" * 101, b"")),  # selectolax's ValueError for the name of a tag
    ("a head is mended", (b"HTTP/" + b"1" * 5_000 + b".1 200 OK\r\nA",)),  # more digits than Python reads as a number
    ("a head is mended", (b"HTTP/1.1 200 OK\r\nContent-Length: " + b"0" * 5_000 + b"7\r\nA",)),
    ("a head is mended", (b"HTTP/1.1 200 OK\r\nContent-Length: " + b"1" * 5_000 + b"\r\nA",)),
    ("a head is mended", (b"HTTP/1.1 200 OK\r\nA: b" + b"\n a" * 80_000,)),  # each line copied all before it
    ("a text is searched", ("http://a" + ")" * 500_000,)),  # each bracket looked for its other half
    ("a URL is joined", ("", "//" + "".join(chr(0x4E00 + at % 20_000) for at in range(200_000)))),  # punycode
    ("a setting is given", ("headers", "[" * 5_000)),  # msgspec's RecursionError
    ("a config.toml is read", ("a = " + "[" * 3_000,)),  # tomllib's
    ("a URL is an address", ("http://" + "".join(chr(0x4E00 + at % 20_000) for at in range(200_000)),)),
]
