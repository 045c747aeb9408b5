"""A spider written for the ecosystem's best known framework runs here after its import line is changed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from crawler.cli.main import COMPLETE, run
from crawler.demo.bookshop import Bookshop

SPIDER = Path(__file__).parent / "ported" / "bookshop_ported.py"


def test_a_ported_spider_finds_every_book(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    with Bookshop(books=40, slow_seconds=0.0) as shop:
        code = run([str(SPIDER), "-a", f"url={shop.url}", "-o", "books.jsonl", "--quiet"])

    books = [json.loads(line) for line in Path("books.jsonl").read_text("utf-8").splitlines()]
    assert code == COMPLETE
    assert len({book["url"] for book in books}) == len(books) == 40
    for book in books:
        assert book["title"]
        assert float(book["price"]) > 0
        assert book["stars"] in ("One", "Two", "Three", "Four", "Five")
        assert len(book["rows"]) >= 4
