"""Attacks by the head of an answer: too long, too many, of two meanings, with bytes that belong to nobody."""

from __future__ import annotations

from crawler.testing.attack import BODY, Attack, answer, head

_CHUNKS = b"c\r\n" + BODY + b"\r\n0\r\n\r\n"
_SMUGGLED = answer(b"<p>smuggled</p>")
_COOKIES = [f"Set-Cookie: c{number}={'x' * 8_000}" for number in range(30)]
_NAMES = [f"Set-Cookie: {number}=" for number in range(9_000)]
_SUPERCOOKIES = ["Set-Cookie: a=1; Domain=0.0.1", "Set-Cookie: b=1; Domain=1", "Set-Cookie: c=1; Domain=com"]

ATTACKS = (
    Attack("a header of 64 KB", answer(BODY, "X-A: " + "x" * 65_536)),
    Attack("a header of 1 MB", answer(BODY, "X-A: " + "x" * 1_000_000), "malformed_response"),
    Attack("a header name of 200 KB", answer(BODY, "x" * 200_000 + ": 1")),
    Attack("a reason of 200 KB", answer(status="200 " + "x" * 200_000)),
    Attack("a type of 200 KB", answer(type_="text/html; " + "x=y; " * 40_000)),
    Attack("9,990 headers", answer(BODY, *["X-A: 1"] * 9_990)),
    Attack("30,000 headers", answer(BODY, *["X: 1"] * 30_000), "malformed_response"),
    Attack("20,000 lines without a colon", answer(BODY, *["x"] * 20_000)),
    Attack("20,000 folded lines", answer(BODY, "X: 1", *[" y"] * 20_000)),
    Attack("cookies of 8 KB", answer(BODY, *_COOKIES)),
    Attack("9,000 cookies", answer(BODY, *_NAMES)),
    Attack("cookies for everybody", answer(BODY, *_SUPERCOOKIES)),
    Attack("a cookie of 100,000 semicolons", answer(BODY, "Set-Cookie: a=1" + ";" * 100_000)),
    Attack("a link header of 60,000 commas", answer(BODY, "Link: " + "<a>;rel=next," * 15_000)),
    Attack("a NUL in a header", answer(BODY, b"X-A: a\0b"), "malformed_response"),
    Attack("a NUL in a cookie", answer(BODY, b"Set-Cookie: a=b\0c"), "malformed_response"),
    Attack("a carriage return that hides a header", answer(BODY, b"X-A: a\rSet-Cookie: evil=1")),
    Attack("a line feed that hides a header", answer(BODY, b"X-A: a\nSet-Cookie: evil=1")),
    Attack("two lengths", head("Content-Length: 12", "Content-Length: 60") + BODY + _SMUGGLED, "malformed_response"),
    Attack("a length beside chunked", head("Content-Length: 3", "Transfer-Encoding: chunked") + _CHUNKS + _SMUGGLED),
    Attack("a second answer behind the first", answer() + _SMUGGLED),
    Attack("an answer behind a 204", head("Content-Length: 12", status="204 None") + BODY + _SMUGGLED),
    Attack("a length of 4,000 digits", head("Content-Length: " + "9" * 4_000) + BODY),
    Attack("a length of 200,000 digits", head("Content-Length: " + "9" * 200_000) + BODY),
    Attack(
        "a chunk size of 10,000 digits",
        head("Transfer-Encoding: chunked") + b"f" * 10_000 + b"\r\n",
        "malformed_response",
    ),
    Attack("a status of 4,000 digits", answer(status=b"2" * 4_000), "malformed_response"),
    Attack("a version of 5,000 digits", b"HTTP/" + b"1" * 5_000 + b".1 200 OK\r\n\r\n", "malformed_response"),
    Attack("an age of 4,000 digits", answer(BODY, "Age: " + "9" * 4_000, "Cache-Control: max-age=" + "9" * 4_000)),
    Attack(
        "a protocol that nobody asked for", head("Upgrade: h2c", status="101 Switching") + BODY, "malformed_response"
    ),
    Attack(
        "Retry-After for ever", answer(BODY, "Retry-After: " + "9" * 400, status="503 Busy"), "http_503", alone=True
    ),
    Attack("a refresh header of 100 KB", answer(BODY, "Refresh: 0; url=" + "'" * 100_000)),
    Attack("a Referrer-Policy that names code", answer(BODY, "Referrer-Policy: sys.exit")),
    Attack("a file name that climbs", answer(BODY, 'Content-Disposition: attachment; filename="../../../x"')),
)
