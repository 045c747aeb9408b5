from __future__ import annotations

import re
from typing import Any

import msgspec
import pytest

from crawler.errors import SelectorError
from crawler.items.item import Item
from crawler.items.rules import css
from crawler.parse.page import Page
from crawler.response import Response, headers_of

URL = "https://shop.example/book"
HTML = """<h1> Sapiens &amp; more </h1><p class="price">was £ 60</p><p class="price">now £ 54.23</p>
<a class="tag" href="/t/1"> history </a><a class="tag" href="/t/2">science</a><p class="stock"></p>
<div class="book" data-id="7"><h3>First</h3><b>1</b><div class="book"><h3>Inner</h3></div></div>
<div class="book"><h3>Second</h3></div>"""


def a_page(html: str = HTML) -> Page:
    return Page(Response(URL, 200, headers_of({"Content-Type": "text/html; charset=utf-8"}), html.encode()))


def as_dict(item: Item) -> dict[str, Any]:
    return {name: getattr(item, name) for name in item.__struct_fields__}


def extracted(annotation: Any, rule: Any, html: str = HTML) -> Any:
    """The value of an item's only field."""
    one = type(Item)("One", (Item,), {"__annotations__": {"value": annotation}, "value": rule, "__module__": __name__})
    return a_page(html).extract(one).value


def test_fields_are_filled_by_their_rules_and_the_url_by_itself() -> None:
    class Book(Item):
        url: str
        title: str = css("h1::text")
        price: float = css(".price::text", re=r"[\d.]+")
        stock: int = css(".stock::text", re=r"\d+", default=0)
        shop: str = "example"

    expected = {"url": URL, "title": "Sapiens & more", "price": 60.0, "stock": 0, "shop": "example"}
    assert as_dict(a_page().extract(Book)) == expected


def test_a_url_with_a_rule_of_its_own_is_filled_by_it() -> None:
    assert (
        a_page().extract(type("Linked", (Item,), {"__annotations__": {"url": "str"}, "url": css("a::attr(href)")})).url
        == "/t/1"
    )


@pytest.mark.parametrize(
    ("annotation", "rule", "expected"),
    [
        # What is found.
        (str, css("h1::text"), "Sapiens & more"),
        (str, css("a::attr(href)"), "/t/1"),
        (str, css("h3"), "<h3>First</h3>"),
        (str, css(".absent::text, h3::text"), "First"),
        (str, css("h3::text, a::attr(href)"), "/t/1"),
        (int, css("b::text"), 1),
        (float, css("b::text"), 1.0),
        (bool, css("b::text"), True),
        (int | None, css("b::text"), 1),
        # Patterns.
        (str, css(".price::text", re=r"£ [\d.]+"), "£ 60"),
        (str, css(".price::text", re=r"£ ([\d.]+)"), "60"),
        (str, css(".price::text", re=r"now £ ([\d.]+)"), "54.23"),  # the first text in which it is found
        (str, css(".price::text", re=re.compile(r"WAS", re.IGNORECASE)), "was"),
        (str, css(".price::text", re=r"£(x)?"), "£"),  # the group took no part
        (float, css(".price::text", re=r"(\d+\.\d+)"), 54.23),
        # Many.
        (list[str], css(".tag::text", many=True), ["history", "science"]),
        (list[str], css(".absent::text", many=True), []),
        (list[int], css(".tag::attr(href)", re=r"\d+", many=True), [1, 2]),
        (set[str], css(".tag::text", many=True), {"history", "science"}),
        (list[str], css(".price::text", re="now.*", many=True), ["now £ 54.23"]),
        # A function.
        (str, css("h1::text", then=str.upper), "SAPIENS & MORE"),
        (int, css("h1::text", then=len), 14),
        (list[int], css(".tag::text", many=True, then=len), [7, 7]),
        (int, css(".price::text", re=r"\d+", then=lambda text: int(text) * 2), 120),
        # Nothing is found.
        (str, css(".absent::text"), msgspec.UNSET),
        (str, css(".stock::text"), msgspec.UNSET),
        (str, css("h1::text", re="nothing"), msgspec.UNSET),
        (str, css(".absent::text", then=str.upper), msgspec.UNSET),
        (str, css(".absent::text", default="none"), "none"),
        (int, css("h1::text", re=r"\d+", default=-1), -1),
        (str | None, css(".absent::text"), None),
        (str | None, css(".absent::text", default="none"), "none"),
        (str, css(".absent::text", default=None), None),
        # What is no such type stays as it was found.
        (int, css("h1::text"), "Sapiens & more"),
        (list[int], css(".tag::text", many=True), ["history", "science"]),
    ],
)
def test_a_rule_gives(annotation: Any, rule: Any, expected: Any) -> None:
    value = extracted(annotation, rule)
    assert value == expected
    assert type(value) is type(expected)


def test_a_required_field_without_a_rule_is_left_unset() -> None:
    class Book(Item):
        title: str = css("h1::text")
        isbn: str

    assert as_dict(a_page().extract(Book)) == {"title": "Sapiens & more", "isbn": msgspec.UNSET}


def test_what_a_function_raises_is_the_spiders() -> None:
    with pytest.raises(ZeroDivisionError):
        extracted(float, css("b::text", then=lambda text: 1 / 0))


def test_a_rule_that_cannot_be_read_is_an_error() -> None:
    with pytest.raises(SelectorError):
        extracted(str, css("h1["))


@pytest.mark.parametrize("html", ["", "<p>", "words"])
def test_a_page_without_anything_leaves_everything_unset(html: str) -> None:
    assert extracted(str, css("h1::text"), html) is msgspec.UNSET


class Part(Item):
    url: str
    title: str = css("h3::text")
    number: int | None = css("b::text")
    ident: str = css("::attr(data-id)", default="")


def test_extract_all_fills_an_item_from_inside_each_element() -> None:
    parts = [as_dict(part) for part in a_page().extract_all(Part, ".book")]
    assert parts == [
        {"url": URL, "title": "First", "number": 1, "ident": "7"},
        {"url": URL, "title": "Inner", "number": None, "ident": ""},
        {"url": URL, "title": "Second", "number": None, "ident": ""},
    ]


def test_extract_all_of_nothing_is_an_empty_list() -> None:
    assert a_page().extract_all(Part, ".absent") == []


def test_a_rule_may_name_the_element_itself() -> None:
    class Tag(Item):
        name: str = css("::text")
        href: str = css("a::attr(href)")

    tags = [as_dict(tag) for tag in a_page().extract_all(Tag, "a.tag")]
    assert tags == [{"name": "history", "href": "/t/1"}, {"name": "science", "href": "/t/2"}]


@pytest.mark.parametrize(
    "query", ["div p b::text", "div div div::text", "div p i::text", "div p *::text", "section div em::text"]
)
@pytest.mark.parametrize(
    "html",
    [
        "<div><p>x<b>near</b><i>it</i></p></div>",
        "<div><p>" + "<i></i>" * 9 + "<b>far</b></p></div>",
        "<div>1<div>2<div>3<div>4</div></div></div></div>",
        "<section><div><p>x</p></div></section><section><div><em>second</em></div></section>",
    ],
    ids=["near", "far", "in each other", "in the second"],
)
def test_the_first_element_in_the_first_of_others_is_the_first_of_all(query: str, html: str) -> None:
    assert extracted(str | None, css(query), html) == a_page(html).css(query).get()
