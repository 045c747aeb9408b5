"""XPath, with results as those of CSS."""

from __future__ import annotations

import re
import sys

import parsel
import pytest
from a_page import a_page

from crawler.errors import MissingExtra, PageTooHeavy, SelectorError
from crawler.parse.page import Page, PageOptions
from crawler.parse.select import Node, Selection

HTML = """<html><body><div class="book new" id="one"><h3><a href="/b/1" title="First">The <i>first</i>  book</a></h3>
<p class="price">£ 10.50</p></div><div class="book"><h3><a href="/b/2" rel="x nofollow">Second</a></h3><p>£ 7</p>
<img src="2.png"></div><table><tr><td>cell<td>other</table><!-- note --></body></html>"""

QUERIES = [
    "//a",
    "//a/@href",
    "//a/text()",
    "//h3//text()",
    "//table/tr/td/text()",
    "string(//h3)",
    "//div[@class='book']//a/@href",
    "//div[has-class('new')]//p/text()",
    "//a[re:test(@href, '/b/[2-9]')]/@href",
    "//a[contains(., 'Sec')]",
    "//comment()",
    "//absent",
]


@pytest.fixture
def page() -> Page:
    return a_page(HTML)


@pytest.mark.parametrize("query", QUERIES)
def test_an_xpath_gives_the_strings_that_parsel_gives(page: Page, query: str) -> None:
    assert page.xpath(query).getall() == parsel.Selector(text=HTML).xpath(query).getall()


def test_the_results_are_a_selection(page: Page) -> None:
    links = page.xpath("//a")
    assert isinstance(links, Selection)
    assert all(isinstance(link, Node) for link in links)
    assert len(links) == 2
    assert links.attrib == {"href": "/b/1", "title": "First"}
    assert links.text == "The first book"
    assert links[1].text == "Second"
    assert links[:1].getall() == [links.get()]
    assert [link.tag for link in links] == ["a", "a"]
    assert page.xpath("//p").re(r"[\d.]+") == ["10.50", "7"]
    assert page.xpath("//p/text()").re_first(r"\d+") == "10"
    assert page.xpath("//p").re_first("absent", "-") == "-"
    assert page.xpath("//absent").get() is None
    assert page.xpath("//absent").get("-") == "-"
    assert repr(page.xpath("//i")) == "<Selection of 1: [<Node '<i>first</i>'>]>"


def test_a_string_is_no_element(page: Page) -> None:
    node = page.xpath("//a/@title")[0]
    assert (node.get(), node.text, node.tag, node.attrib, node.is_element) == ("First", "First", "", {}, False)
    assert type(node.get()) is str
    assert node.css("a").getall() == node.xpath("//a").getall() == []
    assert page.xpath("//comment()")[0].text == "note"
    assert page.xpath("//comment()")[0].tag == ""


@pytest.mark.parametrize(
    ("query", "value"), [("count(//a)", "2"), ("1 div 4", "0.25"), ("boolean(//a)", "1"), ("1 = 2", "0")]
)
def test_a_number_is_written_as_xpath_writes_it(page: Page, query: str, value: str) -> None:
    assert page.xpath(query).getall() == [value]


def test_xpath_and_css_can_be_asked_of_what_the_other_has_found(page: Page) -> None:
    assert page.xpath("//div").css("a::attr(href)").getall() == ["/b/1", "/b/2"]
    assert page.xpath("//div").css("p::text").getall() == ["£ 10.50", "£ 7"]
    assert page.css("div").xpath(".//a/@href").getall() == ["/b/1", "/b/2"]
    assert page.css("div")[1].xpath("./h3/a/text()").getall() == ["Second"]
    assert page.css("div.new").xpath("@id").get() == "one"
    assert page.css("td").xpath("text()").getall() == ["cell", "other"]
    assert page.css("tr").xpath("td[2]/text()").getall() == ["other"]
    assert page.css("body").xpath("count(./div)").get() == "2"
    assert page.css("a::text").xpath(".").getall() == []
    assert page.xpath("//div").xpath(".//a/@href").getall() == ["/b/1", "/b/2"]
    assert page.xpath("//div[2]")[0].xpath("//a[1]/@href").getall() == ["/b/1", "/b/2"]


def test_variables_and_namespaces_are_given(page: Page) -> None:
    assert page.xpath("//a[@title=$title]/@href", title="First").getall() == ["/b/1"]
    feed = '<r xmlns="urn:a"><b:x xmlns:b="urn:b">1</b:x><link>2</link></r>'
    page = a_page(feed, "application/xml")
    assert page.xpath("//n:x/text()", namespaces={"n": "urn:b"}).getall() == ["1"]
    assert page.xpath("//n:link/text()", namespaces={"n": "urn:a"}).getall() == ["2"]


def test_an_entity_of_a_file_is_not_read() -> None:
    bomb = '<!DOCTYPE a [<!ENTITY e SYSTEM "file:///etc/passwd">]><a>x&e;y</a>'
    assert "root:" not in (a_page(bomb, "application/xml").xpath("string(/)").get() or "")


@pytest.mark.parametrize("root", ["<r>&e7;</r>", "<r a='&e7;'/>"])
def test_entities_of_entities_do_not_grow_without_end(root: str) -> None:
    entities = "".join([f'<!ENTITY e{level} "{f"&e{level - 1};" * 10}">' for level in range(1, 8)])
    page = a_page(f'<!DOCTYPE r [<!ENTITY e0 "0123456789">{entities}]>{root}', "application/xml")
    assert len(page.xpath("string(/)").get() or "") < 1_000_000  # of a hundred million
    assert len(page.xpath("//@a").get() or "") < 1_000_000
    assert len(page.xpath("/*").get() or "") < 1_000_000


@pytest.mark.parametrize("query", ["//a[", "", "foo()", "//a[@x=$undefined]", "x:a", "//a[re:test(@href, '[')]"])
def test_an_xpath_that_cannot_be_answered_is_a_selector_error(page: Page, query: str) -> None:
    for ask in (page.xpath, page.xpath("//div").xpath, page.css("div").xpath):
        with pytest.raises(SelectorError, match=re.escape(repr(query))):
            ask(query)


def test_a_variable_of_a_strange_type_and_bad_css_are_selector_errors(page: Page) -> None:
    with pytest.raises(SelectorError):
        page.xpath("//a[@x=$x]", x=object())
    with pytest.raises(SelectorError, match="CSS"):
        page.xpath("//div").css("a[")


def test_links_that_an_xpath_has_found_are_followed(page: Page) -> None:
    one, two = "https://shop.example/b/1", "https://shop.example/b/2"
    assert page.follow(page.xpath("//a")[0]).url == one
    assert page.follow(page.xpath("//a[@rel]/@href")).url == two
    assert page.follow(page.xpath("//img")).url == "https://shop.example/list/2.png"
    assert [request.url for request in page.follow_all(page.xpath("//a"))] == [one, two]
    assert [request.url for request in page.follow_all(page.xpath("//a/@href"))] == [one, two]
    with pytest.raises(ValueError, match="no address"):
        page.follow(page.xpath("//h3")[0])


@pytest.mark.parametrize("query", ["//a", "//a/@href"])
def test_nofollow_is_obeyed_in_what_an_xpath_has_found(page: Page, query: str) -> None:
    page = Page(page.response, options=PageOptions(obey_nofollow=True))
    assert [request.url for request in page.follow_all(page.xpath(query))] == ["https://shop.example/b/1"]


def test_the_tree_is_built_once(page: Page) -> None:
    assert page.xpath("//a")[0].raw is page.xpath("//a")[0].raw


def test_a_page_that_is_too_heavy_is_refused() -> None:
    page = a_page("<div>" * 100_000)
    with pytest.raises(PageTooHeavy):
        page.xpath("//a")


def test_elements_that_are_in_each_other_are_not_parsed_without_end() -> None:
    page = a_page("<div>" * 1_500 + "<a href=x>")
    with pytest.raises(PageTooHeavy, match="in each other"):
        page.css("div").xpath(".//a")


def test_without_parsel_an_element_says_how_to_install_it(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "parsel", None)
    with pytest.raises(MissingExtra, match="pip install parsel"):
        page.css("div").xpath("//a")
