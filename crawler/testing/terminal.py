"""Attacks on whoever looks: text that drives a terminal, turns lines round, or begins one of its own."""

from __future__ import annotations

from crawler.testing.attack import Attack, answer, html

ESCAPES: dict[str, str] = {
    "an escape": "\x1b]0;owned\x07\x1b[2J\x1b[31m",
    "a C1 escape": "\x9b2J\x9d0;owned\x9c",
    "right-to-left": "\u202egnp.exe\u2066x",
    "a line separator": "a\u2028crawl: complete\u2029b",
    "a backspace": "good\b\b\b\bevil\x7f",
    "a carriage return": "100 pages\rcrawl: complete",
    "a zero-width joiner": "a\u200d\u2060\ufeffb",
    "1,000 marks on a letter": "Z" + "\u0323" * 1_000,
    "a tag character": "a\U000e0041\U000e007fb",
    "rich markup": "[red]evil[/red] [link=http://10.0.0.1]x[/link] [/nothing]",
}
"""What -> text that a terminal, or a reader, takes for something else."""


def _bytes(text: str) -> bytes:
    return text.replace("\r", "").replace("\n", "").encode()


def _quoted(text: str) -> str:
    return "".join(f"%{byte:02X}" for byte in text.encode())


ATTACKS = (
    *(Attack(f"{name} in a title", html(text)) for name, text in ESCAPES.items()),
    *(
        Attack(
            f"{name} in a link",
            html("links", links=[f"/dead/{text}", f"/dead/{_quoted(text)}", f"//{text}/"]),
            requests=6,
        )
        for name, text in ESCAPES.items()
    ),
    *(
        Attack(f"{name} in a reason", answer(b"", status=b"500 " + _bytes(text)), "http_500")
        for name, text in ESCAPES.items()
    ),
    *(
        Attack(
            f"{name} in a header",
            answer(b"", b"Content-Encoding: gzip, gzip, gzip", b"X-A: " + _bytes(text)),
            "malformed_response",
        )
        for name, text in ESCAPES.items()
    ),
    *(
        Attack(f"{name} in a Location", answer(b"", b"Location: x://" + _bytes(text), status="302 Found"), "redirect")
        for name, text in ESCAPES.items()
    ),
    *(
        Attack(
            f"{name} in a chunk", answer(_bytes(text) + b"\r\n", b"Transfer-Encoding: chunked"), "malformed_response"
        )
        for name, text in ESCAPES.items()
    ),
)
