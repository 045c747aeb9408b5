"""Items in items, lists of them, and addresses."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from crawler import Item, Page, Response, SelectorError, Url, css
from crawler.errors import ItemDefinitionError, PageTooHeavy
from crawler.items.check import to_record
from crawler.outcome import Record, Reject
from crawler.parse.deep import SizedTree
from crawler.parse.query import ELEMENT, Branch, with_chains
from crawler.parse.select import elements, first_element
from crawler.response import headers_of

URL = "https://shop.example/books/1"
HTML = """<main><h1>Sapiens</h1>
<div class="author"><b>Harari</b><a href="/authors/7">all</a></div>
<article class="review" data-stars="5"><b>Ann</b><p>Good.</p><a href="//img.example/a.png"></a></article>
<article class="review"><b>Bob</b><p>Long.</p></article>
<article class="review" data-stars="many"><b>Cid</b></article>
<dl class="size"><dt>pages</dt><dd>498</dd></dl></main>"""


def a_page(html: str = HTML) -> Page:
    return Page(Response(URL, 200, headers_of({"Content-Type": "text/html; charset=utf-8"}), html.encode()))


def plain(item: Any) -> Any:
    return msgspec.to_builtins(item)


class Author(Item):
    name: str = css("b::text")
    link: Url | None = css("a::attr(href)")


class Review(Item):
    by: str = css("b::text")
    text: str | None = css("p::text")
    stars: int = css("::attr(data-stars)", default=0)


class Size(Item):
    pages: int = css("dd::text")


class Book(Item):
    url: Url
    title: str = css("h1::text")
    author: Author = css(".author")
    editor: Author | None = css(".editor")
    reviews: list[Review] = css("article.review")
    size: Size


def test_inner_items_are_filled_from_inside_their_elements() -> None:
    assert plain(a_page().extract(Book)) == {
        "url": URL,
        "title": "Sapiens",
        "author": {"name": "Harari", "link": "https://shop.example/authors/7"},
        "editor": None,
        "reviews": [
            {"by": "Ann", "text": "Good.", "stars": 5},
            {"by": "Bob", "text": "Long.", "stars": 0},
            {"by": "Cid", "text": None, "stars": "many"},
        ],
        "size": {"pages": 498},
    }


@pytest.mark.parametrize(
    ("change", "field", "reason"),
    [
        (('data-stars="many"', ""), None, None),
        (("", ""), "reviews[2].stars", "Expected `int`, got `str`"),
        (("<b>Bob</b>", ""), "reviews[1].by", "nothing was found, and it has no default"),
        (('class="author"', ""), "author", "nothing was found, and it has no default"),
        (("<b>Harari</b>", ""), "author.name", "nothing was found, and it has no default"),
        (("/authors/7", "mailto:a@b.example"), "author.link", "it is no absolute http(s) URL"),
        (("<dd>498</dd>", ""), "size.pages", "nothing was found, and it has no default"),
        (("498", "1,498"), "size.pages", "Expected `int`, got `str`"),
    ],
)
def test_what_is_wrong_inside_is_named_by_its_path(
    change: tuple[str, str], field: str | None, reason: str | None
) -> None:
    item = a_page(HTML.replace(*change)).extract(Book)
    if field is not None and field != "reviews[2].stars":
        item.reviews = item.reviews[:2]
    outcome = to_record(item, URL)
    if field is None:
        assert isinstance(outcome, Record)
    else:
        assert isinstance(outcome, Reject)
        assert (outcome.field, outcome.reason, outcome.item_type) == (field, reason, "Book")
        assert outcome.values["reviews"][0] == {"by": "Ann", "text": "Good.", "stars": 5}


def test_inner_items_are_filled_inside_each_part_of_a_page() -> None:
    class Shelf(Item):
        url: str
        names: list[Review] = css(".review")

    html = '<ul><li><i class="review"><b>1</b></i><i class="review"><b>2</b></i></li><li></li></ul>'
    shelves = a_page(html).extract_all(Shelf, "li")
    assert [[review.by for review in shelf.names] for shelf in shelves] == [["1", "2"], []]
    assert {shelf.url for shelf in shelves} == {URL}


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (css(".absent"), msgspec.UNSET),
        (css(".absent", default=None), None),
        (css(".absent", default=Size(pages=1)), Size(pages=1)),
        (css(".absent, .size"), Size(pages=498)),
        (css("main > .size"), Size(pages=498)),
        (css("main .size dd"), Size(pages=498)),  # the element itself is inside itself
    ],
)
def test_an_inner_item_that_is_not_there(rule: Any, expected: Any) -> None:
    class Outer(Item):
        size: Size = rule

    assert a_page().extract(Outer).size == expected


def test_a_default_item_is_a_new_one_each_time() -> None:
    class Outer(Item):
        size: Size = css(".absent", default=Size(pages=1))

    first = a_page().extract(Outer)
    first.size.pages = 2
    assert a_page().extract(Outer).size.pages == 1


def test_an_optional_item_of_the_same_place_is_none_if_nothing_of_it_is_there() -> None:
    class Rating(Item):
        stars: int = css(".stars::text")
        count: int = css(".count::text", default=0)

    class Outer(Item):
        rating: Rating | None

    found = [a_page(html).extract(Outer).rating for html in ("<p>", "<b class=count>7</b>", "<b class=stars>4</b>")]
    assert found == [None, None, Rating(stars=4)]


@pytest.mark.parametrize(
    ("annotation", "rule", "expected"),
    [
        (Url, css("a::attr(href)"), "https://shop.example/authors/7"),
        (list[Url], css("a::attr(href)"), ["https://shop.example/authors/7", "https://img.example/a.png"]),
        (Url, css("h1::text", then=lambda text: f"../{text}"), "https://shop.example/Sapiens"),
        (list[Url], css("h1::text", then=lambda text: [text, "#x"]), [f"{URL[:-1]}Sapiens", f"{URL}#x"]),
        (Url, css("a::attr(href)", re="[0-9]"), f"{URL[:-1]}7"),
        (Url | None, css(".absent"), None),
        (Url, css("a::attr(href)", then=len), 10),
        (str, css("a::attr(href)"), "/authors/7"),
    ],
)
def test_an_address_is_joined_by_the_page_s_base_where_the_type_is_url(
    annotation: Any, rule: Any, expected: Any
) -> None:
    one = type(Item)("One", (Item,), {"__annotations__": {"value": annotation}, "value": rule, "__module__": __name__})
    assert a_page().extract(one).value == expected


def test_the_base_is_the_one_that_the_page_declares() -> None:
    html = '<base href="https://cdn.example/x/"><a href="y">'
    assert a_page(html).extract(Author).link == "https://cdn.example/x/y"
    assert a_page(html).extract_all(Author, "a")[0].link == "https://cdn.example/x/y"


def test_a_node_fills_an_item_as_the_page_does() -> None:
    page = a_page()
    assert page.css(".author")[0].extract(Author) == Author(name="Harari", link="https://shop.example/authors/7")
    assert [node.extract(Review) for node in page.css("article")] == page.extract_all(Review, "article")
    assert page.css("main")[0].extract(Book) == page.extract(Book)
    based = a_page('<base href="https://cdn.example/x/"><p><b>a</b><a href="y"></a></p>').css("p")[0]
    assert based.extract(Author).link == "https://cdn.example/x/y"


def test_a_text_fills_no_item() -> None:
    with pytest.raises(ValueError, match="an item is filled from an element: leave ::text or"):
        a_page().css("h1::text")[0].extract(Size)


class Comment(Item):
    text: str = css("p::text")
    replies: list[Comment] = css("div")


def test_an_item_may_have_items_of_its_own_type() -> None:
    class Thread(Item):
        text: str = css("p::text")
        replies: list[Thread] = css("ul > li")  # the direct ones: each li has one ul at most

    html = "<section><p>a</p><ul><li><p>b</p></li><li><p>c</p></li></ul></section>"
    [thread] = a_page(html).extract_all(Thread, "section")
    assert plain(thread) == {
        "text": "a",
        "replies": [{"text": "b", "replies": []}, {"text": "c", "replies": []}],
    }


def test_an_item_never_is_its_own_inner_one() -> None:
    found = a_page("<div><p>a</p><div><p>b</p></div></div>").extract_all(Comment, "div")
    inner = {"text": "b", "replies": []}
    assert plain(found) == [{"text": "a", "replies": [inner]}, inner]


def test_items_in_each_other_have_bounds() -> None:
    deep, wide = "<div>" * 12, "<div>" * 18  # each has all below it: 2 to the power of their number
    assert a_page(deep).extract(Comment).replies
    with pytest.raises(PageTooHeavy, match=r"Comment\.replies would be the 100,001st item in one: a narrower query"):
        a_page(wide).extract(Comment)


class Chain(Item):
    child: Chain | None = css("div > div")


def test_their_levels_are_bounded_too() -> None:
    def levels(page: Page) -> int:
        count, item = 0, page.extract(Chain)
        while item.child is not None:
            count, item = count + 1, item.child
        return count

    assert levels(a_page("<div>" * 101)) == 100
    with pytest.raises(PageTooHeavy, match=r"Chain\.child has items in each other, more than 100 levels deep"):
        levels(a_page("<div>" * 102))


def test_a_query_that_cannot_be_read_is_named_by_its_field_whatever_the_page() -> None:
    class Broken(Item):
        title: str = css("h1[")

    class Pseudo(Item):
        title: str = css("h1::html")

    class Outer(Item):
        inner: Review = css("b[")

    told = []
    for kind in (Broken, Pseudo, Outer):
        with pytest.raises(SelectorError) as raised:
            a_page("").extract(kind)
        told.append(str(raised.value))
    assert told == [
        "Broken.title: the CSS query 'h1[' cannot be read",
        "Pseudo.title: 'h1::html' in 'h1::html': the pseudo-elements here are ::text and ::attr(name)",
        "Outer.inner: the CSS query 'b[' cannot be read",
    ]


class TooEarly(Item):
    name: MadeLater = css("b")  # type: ignore[name-defined]  # noqa: F821


def test_what_a_type_is_that_comes_later_is_looked_at_when_it_is_first_filled() -> None:
    globals()["MadeLater"] = Plain
    with pytest.raises(ItemDefinitionError, match=r"^TooEarly\.name: Plain is no Item: derive it"):
        a_page().extract(TooEarly)


class Plain(msgspec.Struct):
    name: str


NESTED = "<i><b><u>1</u></b></i><b><i><u>2</u></i><b><i><b>3<u>4</u></b></i></b></b><u>5</u>"


@pytest.mark.parametrize(
    "query",
    ["b u", "b i u", "i b u", "b b u", "i b b", "b i b u", "b > i u", "b i > u", "b ~ b u", "b + u", "b b b b", "u u u",
     ":not(i u) b u", "u, b i u", "absent b u", "b i u:first-child"],
)  # fmt: skip
def test_the_first_element_is_the_first_of_all(query: str) -> None:
    branch = with_chains(Branch(query, ELEMENT, ""))
    tree = SizedTree(NESTED.encode())
    tree.is_light = False  # so that nothing is left to Lexbor unlooked at
    for root in (tree, tree.css_first("b")):
        found = first_element(root, branch)
        expected = [node.mem_id for node in elements(root, branch)][:1]
        assert ([] if found is None else [found.mem_id]) == expected
