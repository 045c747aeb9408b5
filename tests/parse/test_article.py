from __future__ import annotations

import socket
import sys

import pytest
from a_page import URL, a_page

from crawler.errors import MissingExtra, PageTooHeavy
from crawler.parse import article
from crawler.parse.article import Article

PARAGRAPH = "The lighthouse keeper wrote down the weather of every day, and nobody ever asked him what it was for. "
PAGE = f"""<!doctype html><html lang="de-AT"><head><title>A title - The Paper</title>
<meta name="author" content="Jane Doe"><meta name="description" content="About it.">
<meta property="og:site_name" content="The Paper"><meta property="og:image" content="/i.png">
<meta property="article:published_time" content="2026-03-04T10:00:00Z"><link rel="canonical" href="https://paper.example/a">
</head><body><nav><a href="/">Home</a><a href="/x">Sports</a></nav><article><h1>A title</h1>
<p>{PARAGRAPH * 3}</p><p>Grüße: {PARAGRAPH * 3}</p></article><footer>Imprint</footer></body></html>"""


def test_an_article_has_its_text_and_what_the_page_says_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("something is fetched")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    found = a_page(PAGE.encode("windows-1252"), "text/html; charset=windows-1252").article()
    assert found == Article(
        title="A title",
        author="Jane Doe",
        date="2026-03-04",
        language="de-AT",
        text=found.text,
        description="About it.",
        image="https://shop.example/i.png",
        site_name="The Paper",
        url="https://paper.example/a",
    )
    assert found.text.endswith("\n".join([(PARAGRAPH * 3).strip(), "Grüße: " + (PARAGRAPH * 3).strip()]))
    assert "Sports" not in found.text
    assert "Imprint" not in found.text


@pytest.mark.parametrize("body", ["", " ", "x", "<p></p>", "\0", "<html></html>"])
def test_a_page_without_an_article_has_an_empty_one(body: str) -> None:
    found = a_page(body).article()
    assert (found.title, found.author, found.url) == ("", "", URL)


def test_a_page_that_is_no_text_has_an_empty_one() -> None:
    assert a_page(b"\x89PNG\0\0", "image/png").article() == Article(url=URL)


@pytest.mark.parametrize("body", ["x" * 1_100_000, "<p>a" * 20_001])
def test_a_long_page_is_left_to_a_process_of_its_own(body: str) -> None:
    with pytest.raises(PageTooHeavy, match="minutes; a callback that is @cpu_bound"):
        a_page(body).article()


def test_there_a_long_page_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(article, "MAX_TEXT", 100)
    monkeypatch.setattr(article, "MAX_ELEMENTS", 3)
    page = a_page(PAGE)
    page.trust()
    assert page.article().title == "A title"


def test_what_goes_wrong_in_it_is_a_value_error(monkeypatch: pytest.MonkeyPatch) -> None:
    import trafilatura

    def fail(*_: object, **__: object) -> None:
        raise RecursionError("too deep")

    monkeypatch.setattr(trafilatura, "bare_extraction", fail)
    with pytest.raises(ValueError, match=r"no article can be read from .*: RecursionError: too deep"):
        a_page(PAGE).article()


def test_without_trafilatura_it_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "trafilatura", None)
    with pytest.raises(MissingExtra, match="pip install trafilatura"):
        a_page(PAGE).article()
