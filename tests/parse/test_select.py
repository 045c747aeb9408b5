from __future__ import annotations

import re

import parsel
import pytest
from selectolax.lexbor import LexborHTMLParser

from crawler.errors import SelectorError
from crawler.parse.select import Node, Selection, select

HTML = """<!doctype html>
<html><head><title>Books &amp; more</title></head><body>
<nav id="top" class="menu"><a href="/">Home</a> <a href="/books">All <b>books</b></a> <a name="here">no link</a></nav>
<div class="book new" data-id="1"><h3><a href="/b/1" title="First">The <i>first</i> book</a></h3>
  <p class="price">£ 10.50</p><p class="price old">£ 12.00</p></div>
<div class="book" data-id="2"><h3><a href="/b/2">The second</a></h3><p class="price">£ 7</p><img src="2.png" alt></div>
<div class="book sold" data-id=""><h3>No link</h3><p></p><!-- a comment --></div>
<ul><li>one</li><li>two <ul><li>two and a half</li></ul></li><li> </li></ul>
<table><tr><td>cell</td><td>other</td></tr></table>
<p class="note" title='a, "b" (c)'>Tail<br>after a break<script>var x = "<b>";</script></p>
</body></html>"""


@pytest.fixture
def tree() -> LexborHTMLParser:
    return LexborHTMLParser(HTML)


@pytest.fixture
def theirs() -> parsel.Selector:
    return parsel.Selector(text=HTML)


STRINGS = [
    "title::text",
    "a::text",
    "h3 a::text",
    "h3 a ::text",
    "h3::text",
    "h3 ::text",
    "div.book ::text",
    "div ::text",
    "ul li::text",
    "ul > li::text",
    "li::text",
    ".note::text",
    "script::text",
    "p::text",
    ".sold p::text",  # an element without text
    "img::text",
    "br::text",
    ".absent::text",
    "body > *::text",
    "a::attr(href)",
    "a::attr(title)",
    "a::attr(absent)",
    "a::attr( href )",
    "div::attr(data-id)",  # one of them is empty
    "img::attr(alt)",  # without a value
    ".absent::attr(href)",
    "*::attr(class)",
    "[href]::attr(href)",
    "h3 > a::attr(href)",
    "nav + div::attr(data-id)",
    "nav ~ div::attr(data-id)",
    "div.book:first-of-type h3 a::text",
    "div.book:nth-of-type(2) .price::text",
    "div.book:not(.sold) h3 a::attr(href)",
    "p:last-of-type::text",
    "td:nth-child(2)::text",
    "p.note[title*=',']::text",
    """p[title='a, "b" (c)']::text""",
    "h3 a::text, .price::text",
    "h3 a::text, .price::text, h3 a::text",
    ".price::text, h3 a::text",  # not the order of the page
    "a::attr(href), img::attr(src)",
    "a::attr(href), div::attr(data-id)",
    ".price::text, .price.old::text",  # one element in two parts
    "title::text, .absent::text",
    "div ::attr(href)",
    "div::attr(data-id), div ::attr(href)",
    "::text",
    "::attr(href)",
    " a::text ",
    "\n  h3\n  a::text\n",
    "A::text",
    "h3 a::text,img::attr(src) , .price::text",
]


@pytest.mark.parametrize("query", STRINGS)
def test_strings_are_those_of_parsel(tree: LexborHTMLParser, theirs: parsel.Selector, query: str) -> None:
    ours = select(tree, query)
    assert ours.getall() == theirs.css(query).getall()
    assert ours.get() == theirs.css(query).get()
    assert [node.is_element for node in ours] == [False] * len(ours)


NESTED = [
    "ul li ::text",
    "body ::text, h3 ::text",
    "ul ::text, h3::text",
    "h3 a::text, li ::text",
]


@pytest.mark.parametrize("query", NESTED)
def test_a_text_is_named_once_though_several_elements_around_it_are_selected(
    tree: LexborHTMLParser, theirs: parsel.Selector, query: str
) -> None:
    ours = [text.strip() for text in select(tree, query).getall()]
    expected = [text.strip() for text in theirs.css(query).getall()]
    assert [text for text in ours if text] == [text for text in expected if text]


INTERLEAVED = [
    "h3::text, h3 a::text, h3 i::text",
    "h3 a::text, h3 a::attr(href)",
    "a::text,a::attr(href) , img::attr(src)",
]


@pytest.mark.parametrize("query", INTERLEAVED)
def test_strings_of_elements_inside_each_other_stand_in_document_order(
    tree: LexborHTMLParser, theirs: parsel.Selector, query: str
) -> None:
    assert select(tree, query).getall() == theirs.css(query).getall()


@pytest.mark.parametrize("query", ["h3 *::text", "div *::attr(data-id)"])
def test_a_star_before_the_pseudo_element_means_all_inside_and_itself(
    tree: LexborHTMLParser, theirs: parsel.Selector, query: str
) -> None:
    ours = [text.strip() for text in select(tree, query).getall()]
    assert ours == [text.strip() for text in theirs.css(query).getall()]


def test_names_of_elements_and_attributes_are_known_in_any_case(tree: LexborHTMLParser) -> None:
    assert select(tree, "DIV.book H3 a::attr(HREF)").getall() == ["/b/1", "/b/2"]


def test_selectors_that_parsel_does_not_know_work_too(tree: LexborHTMLParser) -> None:
    assert select(tree, "a:is(h3 a)::attr(href)").getall() == ["/b/1", "/b/2"]
    assert select(tree, "div:has(> img) h3 a::text").getall() == ["The second"]
    assert select(tree, "a[href='/B/1' i]::attr(href)").getall() == ["/b/1"]


ELEMENTS = [
    "a",
    "h3 a",
    "div.book",
    ".price, h3",
    "h3, .price",
    "a, a[href]",
    "ul li",
    "li, ul",
    ".absent",
    "#top",
    "div:has(img)",
    "div.book > p:first-of-type",
    "li:only-child",
    "a[href^='/b']",
    "a[href$='2']",
    "p:empty",
    "ul ul, h3",
]


@pytest.mark.parametrize("query", ELEMENTS)
def test_elements_are_those_of_parsel(tree: LexborHTMLParser, theirs: parsel.Selector, query: str) -> None:
    expected = [(node.root.tag, dict(node.attrib)) for node in theirs.css(query)]
    assert [(node.tag, node.attrib) for node in select(tree, query)] == expected


MIXED = ["h3, a::attr(href)", "a::text, ul", "div.book, h3 a::text, .price::text", "title, title::text"]


@pytest.mark.parametrize("query", MIXED)
def test_elements_and_strings_of_one_query_stand_in_document_order(
    tree: LexborHTMLParser, theirs: parsel.Selector, query: str
) -> None:
    expected = [node.get() if isinstance(node.root, str) else node.root.tag for node in theirs.css(query)]
    assert [node.tag if node.is_element else node.get() for node in select(tree, query)] == expected


SCOPED = ["a::attr(href)", "a::text", "::text", "::attr(data-id)", ".price::text", "h3 ::text", "p, a", "nav a"]


@pytest.mark.parametrize("query", SCOPED)
@pytest.mark.parametrize("scope", ["div.book", "nav", "h3", "li", ".absent"])
def test_a_selection_inside_elements_is_that_of_parsel(
    tree: LexborHTMLParser, theirs: parsel.Selector, scope: str, query: str
) -> None:
    ours = select(tree, scope).css(query)
    if query == "p, a":
        assert [node.tag for node in ours] == [node.root.tag for node in theirs.css(scope).css(query)]
    else:
        assert ours.getall() == theirs.css(scope).css(query).getall()


REGEXES = [r"\d+", r"(\d+)\.(\d+)", r"£ (\d+)(?:\.(\d+))?", r"nothing", re.compile(r"£\s*(\S+)"), r"(x)?£"]


@pytest.mark.parametrize("pattern", REGEXES, ids=str)
def test_regular_expressions_give_what_those_of_parsel_give(
    tree: LexborHTMLParser, theirs: parsel.Selector, pattern: str | re.Pattern[str]
) -> None:
    ours, expected = select(tree, ".price::text"), theirs.css(".price::text")
    assert ours.re(pattern) == expected.re(pattern)
    assert ours.re_first(pattern) == expected.re_first(pattern)
    assert ours.re_first(pattern, default="none") == expected.re_first(pattern, default="none")
    assert ours[0].re(pattern) == expected[0].re(pattern)
    assert ours[0].re_first(pattern) == expected[0].re_first(pattern)
    assert ours[0].re_first(pattern, "none") == expected[0].re_first(pattern, "none")


def test_regular_expressions_search_the_html_of_elements(tree: LexborHTMLParser) -> None:
    assert select(tree, "h3 a").re(r'href="(.*?)"') == ["/b/1", "/b/2"]


def test_what_is_not_there_is_none_or_the_default(tree: LexborHTMLParser) -> None:
    nothing = select(tree, ".absent")
    assert (nothing.get(), nothing.get("none"), nothing.get(default="none")) == (None, "none", "none")
    assert (nothing.getall(), nothing.attrib, nothing.text, len(nothing), bool(nothing)) == ([], {}, "", 0, False)
    assert (nothing.re("x"), nothing.re_first("x"), nothing.css("a").getall()) == ([], None, [])


def test_elements_come_as_html(tree: LexborHTMLParser, theirs: parsel.Selector) -> None:
    assert select(tree, "h3 a").getall() == theirs.css("h3 a").getall()
    assert select(tree, "ul ul").get() == "<ul><li>two and a half</li></ul>"


def test_a_selection_is_a_sequence_of_nodes(tree: LexborHTMLParser) -> None:
    links = select(tree, "a")
    assert (len(links), links[-1].get()) == (5, '<a href="/b/2">The second</a>')
    assert isinstance(links[1:3], Selection)
    assert links[1:3].getall() == links.getall()[1:3]
    assert [node.tag for node in links] == ["a"] * 5
    assert all(isinstance(node, Node) for node in links)
    with pytest.raises(IndexError):
        links[5]


def test_attributes_are_a_dict_and_one_without_a_value_is_empty(tree: LexborHTMLParser) -> None:
    assert select(tree, "img").attrib == {"src": "2.png", "alt": ""}
    assert select(tree, "img")[0].attrib["alt"] == ""
    assert select(tree, "h3 a::text").attrib == {}


def test_text_is_what_a_reader_sees(tree: LexborHTMLParser) -> None:
    assert select(tree, "h3").text == "The first book"
    assert select(tree, "ul li")[1].text == "two two and a half"
    assert select(tree, ".price::text").text == "£ 10.50"


def test_a_string_contains_nothing_that_could_be_selected(tree: LexborHTMLParser) -> None:
    string = select(tree, "h3 a::text")[0]
    assert (string.is_element, string.css("a").getall(), string.getall()) == (False, [], ["The "])


def test_a_node_is_its_string_and_shows_itself(tree: LexborHTMLParser) -> None:
    title = select(tree, "title::text")
    assert (str(title[0]), repr(title[0])) == ("Books & more", "<Node 'Books & more'>")
    assert repr(title) == "<Selection of 1: [<Node 'Books & more'>]>"
    assert len(repr(select(tree, "body")[0])) < 80


def test_a_node_gives_the_raw_node_and_needs_no_default(tree: LexborHTMLParser) -> None:
    node = select(tree, "h3 a")[0]
    assert (node.raw.tag, node.raw.attributes["href"]) == ("a", "/b/1")
    assert node.get("unused") == node.get()


WRONG = [
    "",
    "  ",
    "a,,b",
    "a,",
    ",a",
    "a[",
    "p:",
    "p:no-such-thing",
    "div >",
    "> > a",
    "a::",
    "a::html",
    "a::attr",
    "a::attr()",
    "a::text::text",
    "a::text b",
    "::first-line",
    "..a",
    "#",
    "a::text, b[",
    "a)",
    "!",
]


@pytest.mark.parametrize("query", WRONG)
def test_a_query_that_cannot_be_read_is_an_error(tree: LexborHTMLParser, query: str) -> None:
    with pytest.raises(SelectorError):
        select(tree, query)
    with pytest.raises(SelectorError):  # again: a mistake is not remembered as an answer
        select(tree, query)


def test_the_error_tells_what_there_is(tree: LexborHTMLParser) -> None:
    with pytest.raises(SelectorError, match=r"'a::html' in 'b, a::html'.*::text and ::attr\(name\)"):
        select(tree, "b, a::html")
    with pytest.raises(SelectorError, match="'a\\[' cannot be read"):
        select(tree, "a[")


def test_commas_and_colons_in_strings_and_brackets_separate_nothing() -> None:
    tree = LexborHTMLParser('<a href="x,y">1</a><a href="::text">2</a><a href=")">3</a><p id="a,b">4</p>')
    assert select(tree, "a[href='x,y']::text").getall() == ["1"]
    assert select(tree, "a[href='::text']::text").getall() == ["2"]
    assert select(tree, "a[href=')']::text, p::text").getall() == ["3", "4"]
    assert select(tree, "a:is([href=')'], [href='x,y'])::text").getall() == ["1", "3"]
    assert select(tree, "p#a\\,b::text").getall() == ["4"]


def test_nothing_under_no_root() -> None:
    assert select(None, "a").getall() == []


@pytest.mark.parametrize(
    "html", ["", " ", "plain", "<p>open <b>broken</p>x</b>", "<table><p>a", "\x00<p>a", "<a <b>>c"]
)
def test_any_html_can_be_selected_from(html: str) -> None:
    tree = LexborHTMLParser(html)
    assert isinstance(select(tree, "*::text").getall(), list)
    assert isinstance(select(tree, "::text, p").getall(), list)
    assert isinstance(select(tree, "p b, a::attr(href)").getall(), list)
