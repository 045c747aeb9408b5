"""What a page says of itself: JSON-LD, microdata, Open Graph."""

from __future__ import annotations

import logging
import time
from typing import Any

import pytest
from a_page import a_page


def ld(*scripts: str) -> str:
    return "".join([f'<script type="application/ld+json">{script}</script>' for script in scripts])


# JSON-LD.


def test_objects_come_out_of_arrays_and_graphs_in_the_order_of_the_document() -> None:
    page = a_page(
        ld('{"@type": "A"}', '[{"@type": "B"}, [{"@type": "C"}]]')
        + ld('{"@context": "https://schema.org", "@graph": [{"@type": "D"}, {"@graph": {"@type": "E"}}]}', '"text"')
    )
    assert [thing["@type"] for thing in page.jsonld()] == ["A", "B", "C", "D", "E"]


def test_an_object_that_has_a_graph_and_says_something_itself_stays() -> None:
    page = a_page(ld('{"@type": "Dataset", "name": "x", "@graph": [{"@type": "A"}]}'))
    assert page.jsonld() == [{"@type": "Dataset", "name": "x"}, {"@type": "A"}]


def test_what_is_a_property_is_reached_by_its_property() -> None:
    page = a_page(ld('{"@type": "WebPage", "mainEntity": {"@type": "Product"}}'))
    assert page.jsonld("Product") == []
    assert page.jsonld("WebPage")[0]["mainEntity"] == {"@type": "Product"}


@pytest.mark.parametrize(
    "said", ["Product", "schema:Product", "http://schema.org/Product", "https://schema.org/Product"]
)
@pytest.mark.parametrize("asked", ["Product", "schema:Product", "https://schema.org/Product"])
def test_a_type_is_the_same_however_it_is_written(said: str, asked: str) -> None:
    page = a_page(ld(f'{{"@type": "{said}"}}', f'{{"@type": ["Thing", "{said}"]}}', '{"@type": "ProductGroup"}', "{}"))
    assert len(page.jsonld(asked)) == 2


@pytest.mark.parametrize(
    "script",
    [
        ' \n{"a": 1}\n ',
        '<!-- {"a": 1} -->',
        '<!--\n{"a": 1}\n//-->',
        '<![CDATA[{"a": 1}]]>',
        '//<![CDATA[\n{"a": 1}\n//]]>',
        '/*<![CDATA[*/ {"a": 1} /*]]>*/',
        '{"a": 1};',
        '{"a": 1,}',
        "{'a': 1}",
        '{"a": 1 /* one */}',
        '\ufeff{"a": 1}',
    ],
)
def test_what_is_broken_a_little_is_read(script: str) -> None:
    assert a_page(ld(script)).jsonld() == [{"a": 1}]


def test_line_breaks_in_strings_are_read() -> None:
    assert a_page(ld('{"a": "one\ntwo\tthree"}')).jsonld() == [{"a": "one\ntwo\tthree"}]


def test_what_cannot_be_read_costs_itself_alone_and_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "crawler.parse.jsonld")
    page = a_page(ld('{"a": 1}', '{"a": "x" "y"}', "", '{"b": 2}'))
    assert page.jsonld() == [{"a": 1}, {"b": 2}]
    assert [record.getMessage() for record in caplog.records] == [
        f"a JSON-LD script of {page.url} was left out: a comma or '}}' is missing, at character 10: '\"y\"}}'"
    ]


@pytest.mark.parametrize("kind", ["application/ld+json", " APPLICATION/LD+JSON ", "application/ld+json; charset=utf-8"])
def test_a_script_is_known_by_its_media_type(kind: str) -> None:
    page = a_page(f'<script type="{kind}">{{"a": 1}}</script><script type="application/json">{{"b": 1}}</script>')
    assert page.jsonld() == [{"a": 1}]


@pytest.mark.parametrize(
    "html",
    [
        ld("[" * 500_000),
        ld('{"@graph":[' * 900 + "]}" * 900),
        ld(*["[" + "{a:1}," * 40_000 + "]"] * 5),
        ld(*["{a:1,}"] * 5_000),
    ],
)
def test_hostile_scripts_are_read_in_time(html: str) -> None:
    page = a_page(html)
    assert page.tree
    began = time.process_time()
    page.jsonld()
    assert time.process_time() - began < 2.0  # 1 to 300 ms


# Microdata. Values by the HTML Standard, 5.2.4.

VALUES: list[tuple[str, str]] = [
    ('<meta itemprop=p content=" a b ">', " a b "),
    ("<meta itemprop=p>", ""),
    ("<img itemprop=p src=a.png>", "https://shop.example/list/a.png"),
    ("<video itemprop=p src=/v></video>", "https://shop.example/v"),
    ("<img itemprop=p>", ""),
    ("<a itemprop=p href=../b>text</a>", "https://shop.example/b"),
    ("<link itemprop=p href=//c.example/>", "https://c.example/"),
    ("<a itemprop=p>text</a>", ""),
    ("<object itemprop=p data=d></object>", "https://shop.example/list/d"),
    ("<data itemprop=p value=12>twelve</data>", "12"),
    ("<meter itemprop=p value=3>three</meter>", "3"),
    ("<time itemprop=p datetime=2026-11-22>today</time>", "2026-11-22"),
    ("<time itemprop=p>2026-11-22</time>", "2026-11-22"),
    ("<p itemprop=p>a\n  <b>b</b> </p>", "a b"),
]


@pytest.mark.parametrize(("html", "value"), VALUES)
def test_the_value_of_a_property_is_by_its_element(html: str, value: str) -> None:
    assert a_page(f"<div itemscope>{html}</div>").microdata() == [
        {"type": [], "id": None, "properties": {"p": [value]}}
    ]


def test_items_are_in_each_other_and_have_types_and_an_id() -> None:
    page = a_page(
        "<div itemscope itemtype='https://schema.org/Product https://schema.org/Book' itemid=urn:isbn:1>"
        "<h1 itemprop='name alternateName'>Anvil</h1>"
        "<!-- c --><div itemprop=offers itemscope itemtype=http://schema.org/Offer><b itemprop=price>7</b></div>"
        "<b itemprop=name>Amboss</b><p itemscope><i itemprop=name>another</i></p></div>"
    )
    offer = {"type": ["http://schema.org/Offer"], "id": None, "properties": {"price": ["7"]}}
    product = {
        "type": ["https://schema.org/Product", "https://schema.org/Book"],
        "id": "urn:isbn:1",
        "properties": {"name": ["Anvil", "Amboss"], "alternateName": ["Anvil"], "offers": [offer]},
    }
    other = {"type": [], "id": None, "properties": {"name": ["another"]}}
    assert page.microdata() == [product, other]
    assert page.microdata("Product") == page.microdata("https://schema.org/Book") == [product]
    assert page.microdata("Offer") == []


def test_itemref_brings_properties_from_elsewhere_in_tree_order() -> None:
    page = a_page(
        "<p id=a itemprop=n>1</p><div itemscope itemref='b a absent a'><p itemprop=n>2</p></div>"
        "<div id=b><p itemprop=n>3</p></div><div id=b itemprop=n>no: the second of that ID</div>"
    )
    assert [item["properties"] for item in page.microdata()] == [{"n": ["1", "2", "3"]}]


@pytest.mark.parametrize(
    "html",
    [
        "<div itemscope itemref=a><p itemprop=n>1</p></div><div id=a itemprop=self itemscope itemref=a></div>",
        "<div itemscope itemref=a><p itemprop=n>1</p></div><b id=a itemprop=x itemscope itemref=b></b><b id=b itemprop=y itemscope itemref=a></b>",
    ],
)
def test_an_item_is_no_part_of_itself(html: str) -> None:
    (item,) = a_page(html).microdata()
    assert item["properties"].pop("n") == ["1"]
    (inner,) = (value for values in item["properties"].values() for value in values)
    while inner["properties"]:
        ((inner,),) = inner["properties"].values()
    assert inner["properties"] == {}


def test_items_that_refer_to_each_other_without_end_are_an_error() -> None:
    rows = [
        f"<div id=r{i}><p itemprop=a itemscope itemref=r{i + 1}></p><p itemprop=b itemscope itemref=r{i + 1}></p></div>"
        for i in range(40)
    ]
    with pytest.raises(ValueError, match="itemref"):
        a_page("<div itemscope itemref=r0></div>" + "".join(rows)).microdata()


def test_items_deep_in_each_other_are_cut_off() -> None:
    page = a_page("<div itemscope>" + "<div itemprop=a itemscope>" * 400)
    depth, item = 0, page.microdata()[0]
    while item["properties"]:
        depth, item = depth + 1, item["properties"]["a"][0]
    assert depth == 64


# Open Graph.


def meta(**pairs: str) -> str:
    return "".join([f'<meta property="{name.replace("_", ":")}" content="{value}">' for name, value in pairs.items()])


OPEN: list[tuple[str, Any]] = [
    (meta(og_title="A", og_type="article"), {"og:title": "A", "og:type": "article"}),
    ('<meta property="og:title" content="A"><meta property="og:title" content="B">', {"og:title": "A"}),
    ('<meta name="og:title" content=" A "><meta name=description content=x>', {"og:title": "A"}),
    ('<meta property="OG:Title twitter:title" content="A">', {"og:title": "A", "twitter:title": "A"}),
    ('<meta property="og:title"><meta property="og:title" content="">', {}),
    (meta(og_url="/a"), {"og:url": "https://shop.example/a"}),
    (meta(og_image="a.png"), {"og:image": [{"url": "https://shop.example/list/a.png"}]}),
    (
        meta(og_image="http://a.example/1") + meta(og_image_width="8") + meta(og_image="http://a.example/2"),
        {"og:image": [{"url": "http://a.example/1", "width": "8"}, {"url": "http://a.example/2"}]},
    ),
    (
        meta(og_image_url="http://a.example/1", og_image="http://a.example/1", og_image_alt="x"),
        {"og:image": [{"url": "http://a.example/1", "alt": "x"}]},
    ),
    (meta(og_image_width="8", og_image="http://a.example/1"), {"og:image": [{"width": "8", "url": "http://a.example/1"}]}),
    (meta(article_tag="a") + meta(article_tag="b"), {"article:tag": ["a", "b"]}),
    (meta(article_author="a"), {"article:author": ["a"]}),
    (meta(product_price_amount="7", product_price_currency="EUR"), {"product:price:amount": "7", "product:price:currency": "EUR"}),
    (meta(twitter_card="summary", fb_app="1"), {"twitter:card": "summary", "fb:app": "1"}),
]  # fmt: skip


@pytest.mark.parametrize(("html", "found"), OPEN)
def test_the_shape_of_a_property_is_by_its_name(html: str, found: dict[str, Any]) -> None:
    assert a_page(html).opengraph() == found


def test_properties_without_end_are_cut_off() -> None:
    page = a_page('<meta property="' + "og:image og:title " * 100_000 + '" content=a>')
    assert len(page.opengraph()["og:image"]) == 1
    page = a_page("".join([f'<meta property="og:x{i}" content=a>' for i in range(6_000)]))
    assert len(page.opengraph()) == 5_000
