"""What is read of pages as they are: 200 product pages of a bookshop, and the front pages of 45 well-known sites."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest
from a_page import a_page

from crawler.parse.page import Page

PAGES = Path(__file__).parents[3] / "shared" / "pages"

pytestmark = pytest.mark.skipif(not PAGES.exists(), reason="the real pages are not beside this checkout")


def pages_of(name: str) -> dict[str, Page]:
    with tarfile.open(PAGES / f"{name}.tar.gz") as archive:
        files = {Path(member.name).stem: archive.extractfile(member) for member in archive}
        return {stem: a_page(file.read()) for stem, file in files.items() if file is not None}


def test_the_table_of_each_book_is_read() -> None:
    for page in list(pages_of("books").values())[::5]:
        found = page.table("table.table-striped", vertical=True)
        assert list(found) == [
            "UPC", "Product Type", "Price (excl. tax)", "Price (incl. tax)", "Tax", "Availability", "Number of reviews"
        ]  # fmt: skip
        assert found["UPC"] == page.css("td::text").get() == page.xpath("//td/text()").get()


def test_what_the_sites_say_of_themselves_is_read() -> None:
    pages = pages_of("sites")
    kinds = {stem: [thing.get("@type") for thing in page.jsonld()] for stem, page in pages.items()}
    assert {stem: found for stem, found in kinds.items() if found} == {  # as extruct 0.18 reads them
        "1": ["WebSite"],
        "10": ["ItemList"],
        "12": ["Organization", "WebSite", "WebPage"],
        "17": ["Organization", "WebSite"],
        "24": ["WebSite"],
        "30": [None],
        "33": ["WebSite", "Organization"],
        "37": ["Organization"],
        "41": ["Organization", "WebSite"],
    }
    assert {stem: len(found) for stem, page in pages.items() if (found := page.microdata())} == {
        "24": 1, "3": 1, "31": 6, "34": 1
    }  # fmt: skip
    assert sum(bool(page.opengraph()) for page in pages.values()) == 21
    assert pages["10"].opengraph()["og:site_name"] == "9GAG"


def test_the_forms_of_the_sites_become_requests() -> None:
    requests = {}
    for stem, page in pages_of("sites").items():
        if page.css("form"):
            requests[stem] = page.form().submit()
    assert len(requests) == 38
    assert requests["25"].url == "https://shop.example/search?q=&go=&qs=ds&form=QBLH"
    assert requests["8"].form == {"language": "en-us"}
