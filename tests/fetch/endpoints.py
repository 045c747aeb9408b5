"""What servers send, right and wrong, what a browser does with it, and what is expected of us: a table to be played.

The column ``browser`` was measured, not remembered: each endpoint was served on 127.0.0.1 to Chromium 156 (headless, driven
over its debugging protocol, November 2026), and it was noted what its ``document.body.innerText`` held when the load had
ended, and with which network error. It says

- ``shows``: the page as a whole, and no error;
- ``partly``: some of it, or with bytes that are not of it, or with an error while it loaded;
- ``refuses``: an error page instead;
- ``nothing``: an empty page, or none (204, 205 and 304 leave the one before in its place).

Where ours is not what a browser does, it is so on purpose, for one of these reasons:

- a body that broke off is an error, never a page: a crawler's user does not see that the spinner did not stop;
- a packed body whose check sum is wrong is corrupt, whatever came out of it;
- two members of gzip are both of the page (RFC 1952; Chromium stops after the first); ``identity`` changes nothing;
- a status must have three digits to mean something to a spider; a hundred interim answers, two codings, are enough;
- of two Locations the first counts: one page of a spider's is not worth less than none.
"""

from __future__ import annotations

import gzip
import sys
import zlib
from dataclasses import dataclass
from typing import Literal

import brotli

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

PAGE = b"<p>hello</p>"


@dataclass(frozen=True)
class Endpoint:
    name: str
    reply: bytes
    then: Literal["close", "keep", "reset"] = "close"
    """What the server does next; ``keep``: it waits for another request."""
    browser: Literal["shows", "partly", "refuses", "nothing"] = "shows"
    ours: bytes | str = PAGE
    """The body that is stored, or the reason of the failure."""
    status: int = 200


def head(*lines: str | bytes, status: str | bytes = "HTTP/1.1 200 OK", end: bytes = b"\r\n") -> bytes:
    rows = [status, "Content-Type: text/html", *lines, ""]
    return b"".join((row.encode("latin-1") if isinstance(row, str) else row) + end for row in rows)


def sized(
    *lines: str | bytes, status: str | bytes = "HTTP/1.1 200 OK", end: bytes = b"\r\n", body: bytes = PAGE
) -> bytes:
    return head(*lines, f"Content-Length: {len(body)}", status=status, end=end) + body


def chunks(raw: bytes, *lines: str | bytes) -> bytes:
    return head(*lines, "Transfer-Encoding: chunked") + raw


WHOLE = b"c\r\n" + PAGE + b"\r\n0\r\n\r\n"


def status(line: str | bytes) -> bytes:
    return sized(status=line)


STATUS_LINES: list[Endpoint] = [
    Endpoint("plain", sized(), "keep"),
    Endpoint("no reason", status("HTTP/1.1 200"), "keep"),
    Endpoint("no reason but its space", status("HTTP/1.1 200 "), "keep"),
    Endpoint("a long reason", status("HTTP/1.1 200 " + "x" * 10_000), "keep"),
    Endpoint("a reason of UTF-8", status("HTTP/1.1 200 Très bien".encode()), "keep"),
    Endpoint("a reason of Latin-1", status("HTTP/1.1 200 Tr\xe8s bien"), "keep"),
    Endpoint("a tab in the reason", status("HTTP/1.1 200 a\tb"), "keep"),
    Endpoint("a control byte in the reason", status("HTTP/1.1 200 a\x01b"), "keep"),
    Endpoint("spaces after the reason", status("HTTP/1.1 200 OK   "), "keep"),
    Endpoint("version 1.0", status("HTTP/1.0 200 OK")),
    Endpoint("version 1.0 keeping alive", sized("Connection: keep-alive", status="HTTP/1.0 200 OK"), "keep"),
    Endpoint("version 1.2", status("HTTP/1.2 200 OK")),
    Endpoint("version 1.9", status("HTTP/1.9 200 OK")),
    Endpoint("version 2.0", status("HTTP/2.0 200 OK")),
    Endpoint("version 2", status("HTTP/2 200 OK")),
    Endpoint("version 3", status("HTTP/3 200 OK")),
    Endpoint("version 0.9 in words", status("HTTP/0.9 200 OK")),
    Endpoint("version 11.1", status("HTTP/11.1 200 OK")),
    Endpoint("version 1.10", status("HTTP/1.10 200 OK")),
    Endpoint("version 1", status("HTTP/1 200 OK")),
    Endpoint("no version", status("HTTP 200 OK")),
    Endpoint("no version but its slash", status("HTTP/ 200 OK")),
    Endpoint("a version in small letters", status("http/1.1 200 OK"), "keep"),
    Endpoint("a version in mixed letters", status("Http/1.1 200 OK"), "keep"),
    Endpoint("two spaces before the status", status("HTTP/1.1  200 OK"), "keep"),
    Endpoint("a tab before the status", status("HTTP/1.1\t200 OK")),
    Endpoint("an empty line first", b"\r\n" + sized(), "keep"),
    Endpoint("two empty lines first", b"\r\n\r\n" + sized(), "keep"),
    Endpoint("a line feed first", b"\n" + sized(), "keep"),
    Endpoint(
        "three empty lines first", b"\r\n\r\n\r\n" + sized(), "keep", browser="refuses", ours="malformed_response"
    ),
    Endpoint("spaces first", b"  " + sized()),
    Endpoint("four bytes of junk first", b"junk" + sized()),
    Endpoint("five bytes of junk first", b"junk!" + sized(), browser="refuses", ours="malformed_response"),
    Endpoint("status 999", status("HTTP/1.1 999 Denied"), "keep", status=999),
    Endpoint("status 600", status("HTTP/1.1 600 Odd"), "keep", status=600),
    Endpoint("status 299", status("HTTP/1.1 299 Odd"), "keep", status=299),
    Endpoint("status 404", status("HTTP/1.1 404 No"), "keep", status=404),
    Endpoint("status 500", status("HTTP/1.1 500 Oops"), "keep", status=500),
    Endpoint("status 000", status("HTTP/1.1 000 Nil"), status=0),
    Endpoint("status 099", status("HTTP/1.1 099 Less"), status=99),
    Endpoint("status 20", status("HTTP/1.1 20 Short"), ours="malformed_response"),
    Endpoint("status 2000", status("HTTP/1.1 2000 Much"), ours="malformed_response"),
    Endpoint("status 2xx", status("HTTP/1.1 2xx OK"), ours="malformed_response"),
    Endpoint("status -200", status("HTTP/1.1 -200 OK")),
    Endpoint("status +200", status("HTTP/1.1 +200 OK")),
    Endpoint("status 200.1", status("HTTP/1.1 200.1 OK")),
    Endpoint("status glued to its reason", status("HTTP/1.1 200OK")),
    Endpoint("a reason and no status", status("HTTP/1.1 OK")),
    Endpoint("a version and no status", status("HTTP/1.1")),
    Endpoint("a SHOUTcast status", status("ICY 200 OK"), browser="partly", ours="malformed_response"),
    Endpoint("a body and nothing else", PAGE, browser="refuses", ours="malformed_response"),
    Endpoint("a banner of SSH", b"SSH-2.0-OpenSSH_9.6\r\n\r\n", browser="refuses", ours="malformed_response"),
    Endpoint("binary", bytes(range(128, 256)) + b"\r\n\r\n", browser="refuses", ours="malformed_response"),
    Endpoint(
        "a status line ended by a line feed",
        b"HTTP/1.1 200 OK\nContent-Type: text/html\r\nContent-Length: 12\r\n\r\n" + PAGE,
        "keep",
    ),
    Endpoint("lines ended by carriage returns", sized(end=b"\r"), browser="nothing", ours="disconnected"),
]

HEADERS: list[Endpoint] = [
    Endpoint("line feeds alone", sized(end=b"\n"), "keep"),
    Endpoint("an empty line of a line feed", head("Content-Length: 12")[:-2] + b"\n" + PAGE, "keep"),
    Endpoint("two carriage returns a line", sized(end=b"\r\r\n"), browser="nothing", ours="disconnected"),
    Endpoint("a folded header", sized("X-A: one", " two"), "keep"),
    Endpoint("a header folded by a tab", sized("X-A: one", "\ttwo"), "keep"),
    Endpoint("a folded length", head("Content-Length:", " 12") + PAGE, "keep"),
    Endpoint("a folded type", sized("Content-Type: text/html;", " charset=utf-8"), "keep"),
    Endpoint(
        "a first header that is folded",
        b"HTTP/1.1 200 OK\r\n X: 1\r\nContent-Type: text/html\r\nContent-Length: 12\r\n\r\n" + PAGE,
        "keep",
    ),
    Endpoint("a space before the colon", head("Content-Length : 12") + PAGE, "keep"),
    Endpoint("a tab before the colon", sized("X-A\t: 1"), "keep"),
    Endpoint("a space before the colon of chunked", head("Transfer-Encoding : chunked") + WHOLE, "keep"),
    Endpoint("a line without a colon", sized("no colon"), "keep"),
    Endpoint("a word without a colon", sized("nocolon"), "keep"),
    Endpoint("HTML among the headers", sized("<!-- served by me -->"), "keep"),
    Endpoint("a second status line among the headers", sized("HTTP/1.1 200 OK"), "keep"),
    Endpoint("a header without a name", sized(": 1"), "keep"),
    Endpoint("a name with a space", sized("X Y: 1"), "keep"),
    Endpoint("a name with brackets", sized("X(Y): 1"), "keep"),
    Endpoint("a name with an at sign", sized("X@Y: 1"), "keep"),
    Endpoint("a name with quotes", sized('"X": 1'), "keep"),
    Endpoint("a name of UTF-8", sized("Très: 1".encode()), "keep"),
    Endpoint("a name of Latin-1", sized("Tr\xe8s: 1"), "keep"),
    Endpoint("a control byte in a name", sized("X\x01Y: 1"), "keep"),
    Endpoint("a value of UTF-8", sized("X-A: très".encode()), "keep"),
    Endpoint("a value of Latin-1", sized("X-A: tr\xe8s"), "keep"),
    Endpoint("a control byte in a value", sized("X-A: a\x01b"), "keep"),
    Endpoint("a DEL in a value", sized("X-A: a\x7fb"), "keep"),
    Endpoint("a NUL in a value", sized("X-A: a\x00b"), browser="refuses", ours="malformed_response"),
    Endpoint("a NUL in a name", sized("X\x00A: b"), browser="refuses", ours="malformed_response"),
    Endpoint("a carriage return in a value", sized("X-A: a\rb"), "keep"),
    Endpoint("an empty value", sized("X-A:"), "keep"),
    Endpoint("a line of spaces", sized("   "), "keep"),
    Endpoint("a line of 64 KB", sized("X-A: " + "x" * 64_000), "keep"),
    Endpoint("a line of 100 KB", sized("X-A: " + "x" * 100_000), "keep"),
    Endpoint("a line of 200 KB", sized("X-A: " + "x" * 200_000), "keep"),
    Endpoint("a line of 300 KB", sized("X-A: " + "x" * 300_000), browser="refuses", ours="malformed_response"),
    Endpoint("129 headers", sized(*["X-A: 1"] * 129), "keep"),
    Endpoint("1,000 headers", sized(*["X-A: 1"] * 1_000), "keep"),
    Endpoint("5,000 headers", sized(*["X-A: 1"] * 5_000), "keep"),
    Endpoint("a status line and its end", b"HTTP/1.1 200 OK\r\n", browser="nothing", ours="disconnected"),
    Endpoint("a status line without an end", b"HTTP/1.1 200 OK", browser="nothing", ours="disconnected"),
    Endpoint(
        "headers without their empty line",
        b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n",
        browser="nothing",
        ours="disconnected",
    ),
    Endpoint("headers that break off", b"HTTP/1.1 200 OK\r\nContent-Ty", browser="nothing", ours="disconnected"),
    Endpoint(
        "two equal locations",
        sized("Location: /plain", "Location: /plain", status="HTTP/1.1 302 Found"),
        "keep",
        ours=b"",
        status=302,
    ),
    Endpoint(
        "two locations",
        sized("Location: /plain", "Location: /other", status="HTTP/1.1 302 Found"),
        "keep",
        browser="refuses",
        ours=b"",
        status=302,
    ),
    Endpoint("two locations and no redirect", sized("Location: /plain", "Location: /other"), "keep", browser="refuses"),
    Endpoint("two content types", sized("Content-Type: text/html; charset=utf-8"), "keep"),
    Endpoint("two dispositions", sized("Content-Disposition: inline", "Content-Disposition: inline"), "keep"),
    Endpoint(
        "two of each that there is once",
        sized("ETag: 1", "ETag: 2", "Server: a", "Server: b", "Host: a", "Host: b"),
        "keep",
    ),
    Endpoint("an upgrade nobody asked for", sized("Upgrade: h2,h2c", "Connection: Upgrade"), "keep"),
    Endpoint("a connection header with junk", sized("Connection: ,, ;x"), "keep"),
]

LENGTHS: list[Endpoint] = [
    Endpoint("two equal lengths", sized("Content-Length: 12"), "keep"),
    Endpoint("three equal lengths", sized("Content-Length: 12", "Content-Length: 12"), "keep"),
    Endpoint("two equal lengths in one line", head("Content-Length: 12, 12") + PAGE, "keep"),
    Endpoint("two lengths", sized("Content-Length: 13") + b"x", browser="refuses", ours="malformed_response"),
    Endpoint(
        "two lengths in one line", head("Content-Length: 12, 13") + PAGE, browser="refuses", ours="malformed_response"
    ),
    Endpoint("a length with a plus", head("Content-Length: +12") + PAGE),
    Endpoint("a negative length", head("Content-Length: -1") + PAGE),
    Endpoint("a length with spaces around", head("Content-Length:   12  ") + PAGE, "keep"),
    Endpoint("a length with zeros", head("Content-Length: 00012") + PAGE, "keep"),
    Endpoint("a hexadecimal length", head("Content-Length: 0xc") + PAGE),
    Endpoint("a length with a semicolon", head("Content-Length: 12;") + PAGE),
    Endpoint("a length with letters", head("Content-Length: 12abc") + PAGE),
    Endpoint("a length with a space inside", head("Content-Length: 1 2") + PAGE),
    Endpoint("a length with a point", head("Content-Length: 12.0") + PAGE),
    Endpoint("a length of letters", head("Content-Length: ten") + PAGE),
    Endpoint("an empty length", head("Content-Length:") + PAGE),
    Endpoint("a quoted length", head('Content-Length: "12"') + PAGE),
    Endpoint("a length past 64 bits", head("Content-Length: 99999999999999999999") + PAGE),
    Endpoint("a length of all 64 bits", head("Content-Length: 18446744073709551615") + PAGE, ours="body_too_large"),
    Endpoint(
        "one length and a broken one",
        head("Content-Length: 12", "Content-Length: ten") + PAGE,
        "keep",
        browser="refuses",
        ours="malformed_response",
    ),
    Endpoint("no length", head() + PAGE),
    Endpoint("no length, keeping alive", head("Connection: keep-alive") + PAGE),
    Endpoint("no length, closing", head("Connection: close") + PAGE),
    Endpoint("no length, version 1.0", head(status="HTTP/1.0 200 OK") + PAGE),
    Endpoint("no length, a long body", head() + PAGE + b" " * 300_000, ours=PAGE + b" " * 300_000),
    Endpoint("a long body", sized(body=PAGE + b" " * 300_000), "keep", ours=PAGE + b" " * 300_000),
    Endpoint("chunked", head("Transfer-Encoding: chunked") + WHOLE, "keep"),
    Endpoint("a length before chunked", head("Content-Length: 12", "Transfer-Encoding: chunked") + WHOLE),
    Endpoint("a length after chunked", head("Transfer-Encoding: chunked", "Content-Length: 12") + WHOLE),
    Endpoint("a short length beside chunked", head("Content-Length: 3", "Transfer-Encoding: chunked") + WHOLE),
    Endpoint("a broken length beside chunked", head("Content-Length: ten", "Transfer-Encoding: chunked") + WHOLE),
    Endpoint(
        "two equal lengths beside chunked",
        head("Content-Length: 12", "Content-Length: 12", "Transfer-Encoding: chunked") + WHOLE,
    ),
    Endpoint(
        "chunked, version 1.0", head("Transfer-Encoding: chunked", status="HTTP/1.0 200 OK") + WHOLE, browser="partly"
    ),
    Endpoint("chunked in large letters", head("Transfer-Encoding: CHUNKED") + WHOLE, "keep"),
    Endpoint("chunked with spaces around", head("Transfer-Encoding:   chunked  ") + WHOLE, "keep"),
    Endpoint("chunked twice in one line", head("Transfer-Encoding: chunked, chunked") + WHOLE),
    Endpoint("chunked twice in two lines", head("Transfer-Encoding: chunked", "Transfer-Encoding: chunked") + WHOLE),
    Endpoint("chunked with a parameter", head("Transfer-Encoding: chunked;q=1") + WHOLE, browser="partly", ours=WHOLE),
    Endpoint("chunked after a comma", head("Transfer-Encoding: ,chunked") + WHOLE),
    Endpoint("identity", head("Transfer-Encoding: identity") + PAGE),
    Endpoint("identity with a length", sized("Transfer-Encoding: identity")),
    Endpoint("identity, then chunked", head("Transfer-Encoding: identity, chunked") + WHOLE),
    Endpoint("chunked, then identity", head("Transfer-Encoding: chunked, identity") + WHOLE),
    Endpoint("gzip, then chunked", head("Transfer-Encoding: gzip, chunked") + WHOLE),
    Endpoint("a transfer encoding nobody knows", head("Transfer-Encoding: xchunked") + PAGE),
    Endpoint("an empty transfer encoding", sized("Transfer-Encoding:")),
    Endpoint("bytes after the body", sized() + b"junk", "keep"),
    Endpoint("an empty line after the body", sized() + b"\r\n", "keep"),
    Endpoint("another answer after the body", sized() + sized(body=b"<p>smuggled</p>"), "keep"),
    Endpoint("half an answer after the body", sized() + b"HTTP/1.1 200 OK\r\nContent-Le", "keep"),
    Endpoint("bytes after no body", sized(body=b"") + b"junk", "keep", browser="nothing", ours=b""),
    Endpoint(
        "an answer after no body", sized(body=b"") + sized(body=b"<p>smuggled</p>"), "keep", browser="nothing", ours=b""
    ),
    Endpoint("bytes after the chunks", chunks(WHOLE + b"junk"), "keep"),
    Endpoint("another answer after the chunks", chunks(WHOLE) + sized(body=b"<p>smuggled</p>"), "keep"),
    Endpoint("status 204", head(status="HTTP/1.1 204 None"), "keep", browser="nothing", ours=b"", status=204),
    Endpoint(
        "status 204 with a body", sized(status="HTTP/1.1 204 None"), "keep", browser="nothing", ours=b"", status=204
    ),
    Endpoint(
        "status 204 with junk",
        head(status="HTTP/1.1 204 None") + b"junk",
        "keep",
        browser="nothing",
        ours=b"",
        status=204,
    ),
    Endpoint(
        "status 304 with a body", sized(status="HTTP/1.1 304 Same"), "keep", browser="nothing", ours=b"", status=304
    ),
    Endpoint(
        "status 304 with a length and no body",
        head("Content-Length: 12", status="HTTP/1.1 304 Same"),
        "keep",
        browser="nothing",
        ours=b"",
        status=304,
    ),
    Endpoint("status 205 with a body", sized(status="HTTP/1.1 205 Reset"), "keep", browser="nothing", status=205),
    Endpoint("a body that is too short", head("Content-Length: 13") + PAGE, browser="partly", ours="truncated_body"),
    Endpoint("a body that never comes", head("Content-Length: 12"), browser="partly", ours="truncated_body"),
    Endpoint(
        "a reset in the body", head("Content-Length: 13") + PAGE, "reset", browser="partly", ours="truncated_body"
    ),
    Endpoint("a reset in a body without a length", head() + PAGE, "reset", browser="partly", ours="truncated_body"),
    Endpoint("a reset after the body", sized(), "reset"),
    Endpoint("a reset in the chunks", chunks(WHOLE[:-5]), "reset", browser="partly", ours="truncated_body"),
    Endpoint("nothing", b"", browser="refuses", ours="disconnected"),
]

CHUNKS: list[Endpoint] = [
    Endpoint("an extension", chunks(b"c;a=b\r\n" + PAGE + b"\r\n0\r\n\r\n"), "keep"),
    Endpoint("an extension without a value", chunks(b"c;a\r\n" + PAGE + b"\r\n0;z\r\n\r\n"), "keep"),
    Endpoint("a quoted extension", chunks(b'c;a="b;c"\r\n' + PAGE + b"\r\n0\r\n\r\n"), "keep"),
    Endpoint("a space before an extension", chunks(b"c ;a=b\r\n" + PAGE + b"\r\n0\r\n\r\n"), "keep"),
    Endpoint("a space in an extension", chunks(b"c; a = b\r\n" + PAGE + b"\r\n0\r\n\r\n"), "keep"),
    Endpoint("an empty extension", chunks(b"c;\r\n" + PAGE + b"\r\n0\r\n\r\n"), "keep"),
    Endpoint("a long extension", chunks(b"c;a=" + b"x" * 10_000 + b"\r\n" + PAGE + b"\r\n0\r\n\r\n"), "keep"),
    Endpoint("a size in large letters", chunks(b"C\r\n" + PAGE + b"\r\n0\r\n\r\n"), "keep"),
    Endpoint("a size with zeros", chunks(b"0000000c\r\n" + PAGE + b"\r\n00000\r\n\r\n"), "keep"),
    Endpoint("a size with many zeros", chunks(b"0" * 40 + b"c\r\n" + PAGE + b"\r\n0\r\n\r\n"), "keep"),
    Endpoint("a space after a size", chunks(b"c  \r\n" + PAGE + b"\r\n0 \r\n\r\n"), "keep"),
    Endpoint("a tab after a size", chunks(b"c\t\r\n" + PAGE + b"\r\n0\r\n\r\n"), browser="partly"),
    Endpoint(
        "a space before a size",
        chunks(b" c\r\n" + PAGE + b"\r\n0\r\n\r\n"),
        browser="partly",
        ours="malformed_response",
    ),
    Endpoint("line feeds alone in chunks", chunks(b"c\n" + PAGE + b"\n0\n\n"), "keep"),
    Endpoint("line feeds after sizes", chunks(b"c\n" + PAGE + b"\r\n0\n\r\n"), "keep"),
    Endpoint(
        "no line end after a chunk", chunks(b"c\r\n" + PAGE + b"0\r\n\r\n"), browser="partly", ours="malformed_response"
    ),
    Endpoint(
        "two line ends after a chunk",
        chunks(b"c\r\n" + PAGE + b"\r\n\r\n0\r\n\r\n"),
        browser="partly",
        ours="malformed_response",
    ),
    Endpoint(
        "a chunk that is longer than told",
        chunks(b"b\r\n" + PAGE + b"\r\n0\r\n\r\n"),
        browser="partly",
        ours="malformed_response",
    ),
    Endpoint(
        "a size with 0x", chunks(b"0xc\r\n" + PAGE + b"\r\n0\r\n\r\n"), browser="partly", ours="malformed_response"
    ),
    Endpoint(
        "a size with a plus", chunks(b"+c\r\n" + PAGE + b"\r\n0\r\n\r\n"), browser="partly", ours="malformed_response"
    ),
    Endpoint(
        "a negative size", chunks(b"-c\r\n" + PAGE + b"\r\n0\r\n\r\n"), browser="partly", ours="malformed_response"
    ),
    Endpoint("no size", chunks(b"\r\n" + PAGE + b"\r\n0\r\n\r\n"), browser="partly", ours="malformed_response"),
    Endpoint(
        "a size of letters", chunks(b"zz\r\n" + PAGE + b"\r\n0\r\n\r\n"), browser="partly", ours="malformed_response"
    ),
    Endpoint(
        "a size past 64 bits",
        chunks(b"1000000000000000c\r\n" + PAGE + b"\r\n0\r\n\r\n"),
        browser="partly",
        ours="malformed_response",
    ),
    Endpoint(
        "a broken size after a chunk",
        chunks(b"c\r\n" + PAGE + b"\r\nzz\r\n"),
        browser="partly",
        ours="malformed_response",
    ),
    Endpoint("trailers", chunks(b"c\r\n" + PAGE + b"\r\n0\r\nX-A: 1\r\nX-B: 2\r\n\r\n"), "keep"),
    Endpoint("a broken trailer", chunks(b"c\r\n" + PAGE + b"\r\n0\r\nno colon\r\n\r\n")),
    Endpoint(
        "a trailer that breaks off",
        chunks(b"c\r\n" + PAGE + b"\r\n0\r\nX-A: 1\r\n"),
        browser="partly",
        ours="truncated_body",
    ),
    Endpoint(
        "no empty line after the last chunk",
        chunks(b"c\r\n" + PAGE + b"\r\n0\r\n"),
        browser="partly",
        ours="truncated_body",
    ),
    Endpoint(
        "a last chunk that breaks off", chunks(b"c\r\n" + PAGE + b"\r\n0"), browser="partly", ours="truncated_body"
    ),
    Endpoint("no last chunk", chunks(b"c\r\n" + PAGE + b"\r\n"), browser="partly", ours="truncated_body"),
    Endpoint("a chunk that breaks off", chunks(b"d\r\n" + PAGE), browser="partly", ours="truncated_body"),
    Endpoint("no chunk at all", chunks(b""), browser="partly", ours="truncated_body"),
    Endpoint("chunks of one byte", chunks(b"".join(b"1\r\n%c\r\n" % byte for byte in PAGE) + b"0\r\n\r\n"), "keep"),
    Endpoint("an empty body in chunks", chunks(b"0\r\n\r\n"), "keep", browser="nothing", ours=b""),
    Endpoint("a plain body that calls itself chunked", chunks(PAGE), browser="partly", ours="truncated_body"),
]

INTERIM: list[Endpoint] = [
    Endpoint("100 before the answer", b"HTTP/1.1 100 Continue\r\n\r\n" + sized(), "keep"),
    Endpoint("102 before the answer", b"HTTP/1.1 102 Processing\r\n\r\n" + sized(), "keep"),
    Endpoint("103 before the answer", b"HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\n" + sized(), "keep"),
    Endpoint("199 before the answer", b"HTTP/1.1 199 Odd\r\n\r\n" + sized(), "keep"),
    Endpoint("10 before the answer", b"HTTP/1.1 100 Continue\r\n\r\n" * 10 + sized(), "keep"),
    Endpoint(
        "1,000 before the answer", b"HTTP/1.1 100 Continue\r\n\r\n" * 1_000 + sized(), "keep", ours="malformed_response"
    ),
    Endpoint("100 with a length", b"HTTP/1.1 100 Continue\r\nContent-Length: 0\r\n\r\n" + sized(), "keep"),
    Endpoint("100 with line feeds", b"HTTP/1.1 100 Continue\n\n" + sized(), "keep"),
    Endpoint("100 and nothing else", b"HTTP/1.1 100 Continue\r\n\r\n", browser="nothing", ours="disconnected"),
    Endpoint(
        "101 nobody asked for",
        head("Upgrade: websocket", "Connection: Upgrade", status="HTTP/1.1 101 Switching") + PAGE,
        browser="refuses",
        ours="malformed_response",
    ),
    Endpoint(
        "101 without a protocol",
        head(status="HTTP/1.1 101 Switching") + PAGE,
        browser="refuses",
        ours="malformed_response",
    ),
]


def packed(body: bytes, coding: str | bytes, *lines: str) -> bytes:
    return sized(b"Content-Encoding: " + (coding.encode() if isinstance(coding, str) else coding), *lines, body=body)


def raw_deflated(body: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(body) + packer.flush()


def windowed(body: bytes, log: int) -> bytes:
    """A frame that asks for a window of 2 to the power of *log* bytes."""
    packer = zstd.ZstdCompressor(options={zstd.CompressionParameter.window_log: log})
    half = packer.compress(body, zstd.ZstdCompressor.FLUSH_BLOCK)  # so that the frame does not tell its size
    return half + packer.compress(b"", zstd.ZstdCompressor.FLUSH_FRAME)


GZIP = gzip.compress(PAGE, mtime=0)
DEFLATE = zlib.compress(PAGE)
RAW = raw_deflated(PAGE)
BR = brotli.compress(PAGE)
ZSTD = zstd.compress(PAGE)
NAMED = b"\x1f\x8b\x08\x08" + GZIP[4:10] + b"page.html\0" + GZIP[10:]
CODINGS: list[Endpoint] = [
    Endpoint("gzip", packed(GZIP, "gzip"), "keep"),
    Endpoint("gzip in chunks", chunks(b"%x\r\n%b\r\n0\r\n\r\n" % (len(GZIP), GZIP), "Content-Encoding: gzip"), "keep"),
    Endpoint("gzip without a length", head("Content-Encoding: gzip") + GZIP),
    Endpoint("x-gzip", packed(GZIP, "x-gzip"), "keep"),
    Endpoint("gzip in large letters", packed(GZIP, "GZIP"), "keep"),
    Endpoint("gzip with spaces around", packed(GZIP, "  gzip  "), "keep"),
    Endpoint("gzip with a file name", packed(NAMED, "gzip"), "keep"),
    Endpoint("deflate", packed(DEFLATE, "deflate"), "keep"),
    Endpoint("deflate without its header", packed(RAW, "deflate"), "keep"),
    Endpoint("x-deflate", packed(DEFLATE, "x-deflate"), "keep", browser="partly", ours=DEFLATE),
    Endpoint("br", packed(BR, "br"), "keep"),
    Endpoint("br in large letters", packed(BR, "BR"), "keep"),
    Endpoint("zstd", packed(ZSTD, "zstd"), "keep"),
    Endpoint("identity coding", packed(PAGE, "identity"), "keep"),
    Endpoint("an empty coding", packed(PAGE, ""), "keep"),
    Endpoint("a coding nobody knows", packed(PAGE, "utf-8"), "keep"),
    Endpoint("a coding nobody knows after gzip", packed(PAGE, "gzip, utf-8"), "keep"),
    Endpoint("compress", packed(PAGE, "compress"), "keep"),
    Endpoint("gzip with a parameter", packed(PAGE, "gzip;q=1"), "keep", browser="refuses"),
    Endpoint("gzip, then identity", packed(GZIP, "gzip, identity"), "keep", browser="partly"),
    Endpoint("gzip after a comma", packed(GZIP, ",gzip"), "keep", browser="partly"),
    Endpoint("gzip twice", packed(gzip.compress(GZIP), "gzip, gzip"), "keep"),
    Endpoint("gzip twice in two lines", packed(gzip.compress(GZIP), "gzip", "Content-Encoding: gzip"), "keep"),
    Endpoint(
        "gzip told twice and done once", packed(GZIP, "gzip, gzip"), "keep", browser="partly", ours="malformed_response"
    ),
    Endpoint("br, then gzip", packed(gzip.compress(BR), "br, gzip"), "keep"),
    Endpoint(
        "gzip three times",
        packed(gzip.compress(gzip.compress(GZIP)), "gzip, gzip, gzip"),
        "keep",
        ours="malformed_response",
    ),
    Endpoint("zeros after gzip", packed(GZIP + bytes(512), "gzip"), "keep"),
    Endpoint("junk after gzip", packed(GZIP + b"junk", "gzip"), "keep"),
    Endpoint("junk after deflate", packed(DEFLATE + b"junk", "deflate"), "keep"),
    Endpoint("junk after br", packed(BR + b"junk", "br"), "keep", ours="malformed_response"),
    Endpoint("junk after zstd", packed(ZSTD + b"junk", "zstd"), "keep", browser="partly", ours="malformed_response"),
    Endpoint(
        "two members of gzip",
        packed(gzip.compress(PAGE[:5]) + gzip.compress(PAGE[5:]), "gzip"),
        "keep",
        browser="partly",
    ),
    Endpoint("two frames of zstd", packed(zstd.compress(PAGE[:5]) + zstd.compress(PAGE[5:]), "zstd"), "keep"),
    Endpoint("an empty frame of zstd first", packed(zstd.compress(b"") + ZSTD, "zstd"), "keep"),
    Endpoint("a skippable frame of zstd", packed(b"\x50\x2a\x4d\x18\x04\0\0\0skip" + ZSTD, "zstd"), "keep"),
    Endpoint("zstd with a window of 8 MB", packed(windowed(PAGE, 23), "zstd"), "keep"),
    Endpoint(
        "zstd with a window of 16 MB",
        packed(windowed(PAGE, 24), "zstd"),
        "keep",
        browser="partly",
        ours="malformed_response",
    ),
    Endpoint(
        "gzip with a wrong sum", packed(GZIP[:-8] + b"\0\0\0\0" + GZIP[-4:], "gzip"), "keep", ours="malformed_response"
    ),
    Endpoint("gzip with a wrong length", packed(GZIP[:-4] + b"\0\0\0\0", "gzip"), "keep", ours="malformed_response"),
    Endpoint("gzip without its sum", packed(GZIP[:-8], "gzip"), "keep", ours="truncated_body"),
    Endpoint("gzip without half of its sum", packed(GZIP[:-4], "gzip"), "keep", ours="truncated_body"),
    Endpoint("deflate without its sum", packed(DEFLATE[:-4], "deflate"), "keep", ours="truncated_body"),
    Endpoint("half of gzip", packed(GZIP[:18], "gzip"), "keep", browser="partly", ours="truncated_body"),
    Endpoint("half of deflate", packed(DEFLATE[:10], "deflate"), "keep", browser="partly", ours="truncated_body"),
    Endpoint("half of br", packed(BR[:10], "br"), "keep", browser="partly", ours="truncated_body"),
    Endpoint("half of zstd", packed(ZSTD[:12], "zstd"), "keep", browser="nothing", ours="truncated_body"),
    Endpoint("half of the header of gzip", packed(GZIP[:5], "gzip"), "keep", browser="nothing", ours="truncated_body"),
    Endpoint("half of a second member", packed(GZIP + GZIP[:18], "gzip"), "keep", ours="truncated_body"),
    Endpoint(
        "half of gzip in whole chunks",
        chunks(b"12\r\n" + GZIP[:18] + b"\r\n0\r\n\r\n", "Content-Encoding: gzip"),
        "keep",
        browser="partly",
        ours="truncated_body",
    ),
    Endpoint(
        "half of gzip without a length",
        head("Content-Encoding: gzip") + GZIP[:18],
        browser="partly",
        ours="truncated_body",
    ),
    Endpoint(
        "half of gzip for a whole length",
        head("Content-Encoding: gzip", f"Content-Length: {len(GZIP)}") + GZIP[:18],
        browser="partly",
        ours="truncated_body",
    ),
    Endpoint(
        "a plain body that calls itself gzip", packed(PAGE, "gzip"), "keep", browser="partly", ours="malformed_response"
    ),
    Endpoint(
        "a plain body that calls itself deflate",
        packed(PAGE, "deflate"),
        "keep",
        browser="partly",
        ours="malformed_response",
    ),
    Endpoint(
        "a plain body that calls itself br", packed(PAGE, "br"), "keep", browser="partly", ours="malformed_response"
    ),
    Endpoint(
        "a plain body that calls itself zstd", packed(PAGE, "zstd"), "keep", browser="partly", ours="malformed_response"
    ),
    Endpoint(
        "deflate that calls itself gzip", packed(DEFLATE, "gzip"), "keep", browser="partly", ours="malformed_response"
    ),
    Endpoint(
        "gzip that calls itself deflate", packed(GZIP, "deflate"), "keep", browser="partly", ours="malformed_response"
    ),
    Endpoint(
        "corrupt gzip",
        packed(GZIP[:12] + b"\xff\xff\xff\xff" + GZIP[16:], "gzip"),
        "keep",
        browser="partly",
        ours="malformed_response",
    ),
    Endpoint("nothing that calls itself gzip", packed(b"", "gzip"), "keep", browser="nothing", ours=b""),
    Endpoint(
        "no chunk that calls itself gzip",
        chunks(b"0\r\n\r\n", "Content-Encoding: gzip"),
        "keep",
        browser="nothing",
        ours=b"",
    ),
    Endpoint("nothing that calls itself br", packed(b"", "br"), "keep", browser="nothing", ours=b""),
    Endpoint("nothing that calls itself zstd", packed(b"", "zstd"), "keep", browser="nothing", ours=b""),
    Endpoint("nothing that calls itself deflate", packed(b"", "deflate"), "keep", browser="nothing", ours=b""),
    Endpoint(
        "status 404 in gzip", sized("Content-Encoding: gzip", status="HTTP/1.1 404 No", body=GZIP), "keep", status=404
    ),
    Endpoint(
        "status 204 that calls itself gzip",
        head("Content-Encoding: gzip", status="HTTP/1.1 204 None"),
        "keep",
        browser="nothing",
        ours=b"",
        status=204,
    ),
]

ENDPOINTS = [*STATUS_LINES, *HEADERS, *LENGTHS, *CHUNKS, *INTERIM, *CODINGS]
