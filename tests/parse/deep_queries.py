"""Queries on pages that are made to keep Lexbor busy, in a process of its own; prints what each took, and gave."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

from crawler import Item, Page, css
from crawler.errors import PageTooHeavy
from crawler.response import Response, headers_of

NESTED = b"<span>" * 3_000 + b"<b>x" * 3_000
FLAT = b"<b>x</b>" * 4_000
CLONED = b"".join(b"<b id=i%d>" % number for number in range(300)) + b"<p>x" * 300
QUERIES = [
    (NESTED, "div span b", 0),
    (NESTED, "div span b::text", 0),
    (NESTED, "div span span b", 0),
    (NESTED, "div span span b b", 0),
    (NESTED, "body span span b b::text", 2_999),
    (NESTED, "body > span span b > b::attr(id)", 0),
    (NESTED, "h1::text, div span b::attr(id), div span b", 0),
    (NESTED, "b:not(div span b)", None),
    (NESTED, "span:has(div b)", None),
    (FLAT, "b ~ b ~ b", 3_998),
    (FLAT, "i ~ b ~ b", 0),
    (FLAT * 10, "i ~ b", 0),
    (FLAT, "b:has(~ i ~ i)", None),
    (CLONED, "i b b", 0),
]


class Deep(Item):
    first: str | None = css("div span b::text", default=None)
    found: str | None = css("body span b::text")
    every: list[str] = css("div span b::text")


def page_of(body: bytes) -> Page:
    page = Page(Response("http://a.localhost/", 200, headers_of({"Content-Type": "text/html"}), body))
    page.build()
    return page


def timed(ask: Callable[[], Any]) -> tuple[Any, float]:
    begin = time.process_time()
    try:
        found = ask()
    except PageTooHeavy:
        found = None
    return found, time.process_time() - begin


def main() -> dict[str, tuple[Any, float]]:
    took: dict[str, tuple[Any, float]] = {}
    for body, query, _ in QUERIES:
        page = page_of(body)
        took[query] = timed(lambda page=page, query=query: len(page.css(query)))  # type: ignore[misc]  # it is called at once
    page = page_of(NESTED)
    took["extract"] = timed(lambda: page.extract(Deep).found)
    took["inside each"] = timed(lambda: len(page.css("span").css("div span b")))
    took["too many"] = timed(lambda: len(page.css("span").css("body span b")))
    return took


if __name__ == "__main__":
    print(json.dumps(main()))
