"""Spiders of APIs: each way from page to page, where it ends, and what becomes of the rows."""

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from crawler import ApiSpider, Cursor, Item, LinkHeader, NextUrl, Offset, PageNumber, Request
from crawler.assemble import build_spider
from crawler.errors import UsageError
from crawler.response import Response, headers_of
from crawler.spiders.paging import found_at, number_in, with_param
from tests.engine.crawling import SITE, Scripted, crawled

URL = f"{SITE}/api"
ROWS = [{"id": number} for number in range(5)]


class Api(Scripted):
    """Answers whatever is asked of it: *serve* gets the parameters, and gives a body and headers."""

    def __init__(self, serve: Callable[[dict[str, Any]], Any], headers: Callable[..., dict[str, str]] | None = None):
        super().__init__({})
        self._serve = serve
        self._headers = headers
        self.given: list[dict[str, Any]] = []

    async def _answer(self, request: Request) -> Response:
        query = {name: values[-1] for name, values in parse_qs(urlsplit(request.url).query).items()}
        given = {**query, **(request.json or {}), **(request.form or {})}
        self.given.append(given)
        headers = {"Content-Type": "application/json", **(self._headers(given) if self._headers else {})}
        return Response(request.url, 200, headers_of(headers), json.dumps(self._serve(given)).encode())


def spider(**attributes: Any) -> type[ApiSpider]:
    return type("Products", (ApiSpider,), {"start_urls": [URL], **attributes})


def part(begin: int) -> list[dict[str, int]]:
    return ROWS[begin : begin + 2]


def by_cursor(given: dict[str, Any]) -> Any:
    begin = int(given.get("after", 0))
    return {"data": {"rows": part(begin)}, "meta": {"next": str(begin + 2) if begin < 4 else None, "more": begin < 4}}


def by_page(given: dict[str, Any]) -> Any:
    number = int(given.get("page", 1))
    return {"rows": part(2 * number - 2), "pages": 3, "more": number < 3}


def by_offset(given: dict[str, Any]) -> Any:
    return {"rows": part(int(given.get("offset", 0))), "total": 5}


def by_url(given: dict[str, Any]) -> Any:
    begin = int(given.get("from", 0))
    return {"rows": part(begin), "links": {"next": f"/api?from={begin + 2}" if begin < 4 else ""}}


@pytest.mark.parametrize(
    ("serve", "attributes", "asked"),
    [
        (by_cursor, {"rows": "data.rows", "paging": Cursor("meta.next", "after")}, 3),
        (by_cursor, {"rows": "data.rows", "paging": Cursor("meta.next", "after", more="meta.more")}, 3),
        (by_page, {"rows": "rows", "paging": PageNumber()}, 4),
        (by_page, {"rows": "rows", "paging": PageNumber("page", last="pages")}, 3),
        (by_page, {"rows": "rows", "paging": PageNumber("page", more="more")}, 3),
        (by_offset, {"rows": "rows", "paging": Offset()}, 4),
        (by_offset, {"rows": "rows", "paging": Offset("offset", total="total")}, 3),
        (by_url, {"rows": "rows", "paging": NextUrl("links.next")}, 3),
        (by_page, {"rows": "rows", "paging": PageNumber(), "payload": {"query": "all"}}, 4),
    ],
)
async def test_each_way_leads_to_every_row_once(serve, attributes, asked):
    api = Api(serve)
    found = await crawled(spider(**attributes), api)
    assert found.failures == {}
    assert found.items == ROWS
    assert len(api.given) == asked


async def test_a_link_header_leads_on_without_a_word():
    def link(given: dict[str, Any]) -> dict[str, str]:
        begin = int(given.get("from", 0))
        return {"Link": f'</first>; rel="first", <{URL}?from={begin + 2}>; rel="next"'} if begin < 4 else {}

    api = Api(lambda given: part(int(given.get("from", 0))), link)
    assert (await crawled(spider(), api)).items == ROWS
    assert len(api.given) == 3


async def test_graphql_is_paged_in_its_variables():
    def serve(given: dict[str, Any]) -> Any:
        begin = int(given["variables"].get("after") or 0)
        info = {"endCursor": str(begin + 2), "hasNextPage": begin < 4}
        return {"data": {"items": {"nodes": part(begin), "pageInfo": info}}}

    paging = Cursor("data.items.pageInfo.endCursor", "variables.after", more="data.items.pageInfo.hasNextPage")
    payload = {"query": "{ items }", "variables": {"size": 2}}
    api = Api(serve)
    found = await crawled(spider(rows="data.items.nodes", paging=paging, payload=payload), api)
    assert found.items == ROWS
    assert [given["variables"] for given in api.given] == [
        {"size": 2},
        {"size": 2, "after": "2"},
        {"size": 2, "after": "4"},
    ]


async def test_an_api_that_repeats_its_last_page_forever_is_left(caplog):
    api = Api(lambda given: {"rows": part(2 * min(int(given.get("page", 1)), 2) - 2)})
    found = await crawled(spider(rows="rows", paging=PageNumber()), api)
    assert found.items == ROWS[:4]
    assert len(api.given) == 3
    assert "holds what the page before it held" in caplog.text


async def test_a_next_url_that_leads_back_ends_it():
    api = Api(lambda given: {"rows": ROWS[:2] if "from" in given else ROWS[2:4], "next": "/api?from=1"})
    found = await crawled(spider(rows="rows", paging=NextUrl("next")), api)
    assert len(found.items) == 4
    assert len(api.given) == 2


async def test_rows_become_items_and_those_that_do_not_fit_are_rejects():
    class Product(Item):
        id: int

    api = Api(lambda given: [{"id": 1, "other": 2}, {"id": "1"}, {}])
    found = await crawled(spider(item=Product), api)
    assert found.items == [{"id": 1}]
    assert [(reject["field"], reject["values"]) for reject in found.rejects] == [("id", {"id": "1"}), ("id", {})]


@pytest.mark.parametrize(
    ("body", "attributes", "said"),
    [
        ({"count": 1, "results": []}, {}, "there is no list in it (rows says where); it has: count, results"),
        ({"data": None, "errors": []}, {"rows": "data.items"}, "no list at 'data.items'; it has: data, errors"),
        ({"rows": [1], "next": 7}, {"rows": "rows", "paging": NextUrl("next")}, "next is no URL but 7"),
        ({"rows": [1], "next": {}}, {"rows": "rows", "paging": Cursor("next")}, None),
        ({"rows": [1], "next": [1]}, {"rows": "rows", "paging": Cursor("next")}, "next is no cursor but [1]"),
    ],
)
async def test_what_has_no_rows_or_no_next_page_that_can_be_used_is_a_failure(body, attributes, said):
    found = await crawled(
        spider(**{"parse_row": lambda self, page, row: {"n": row}, **attributes}), Api(lambda _: body)
    )
    if said is None:
        said = "next is no cursor but {}"
    assert found.items == []
    assert said in found.failure("callback_error").detail


@pytest.mark.parametrize(
    ("request_", "param", "url"),
    [
        (Request(URL), "page", f"{URL}?page=2"),
        (Request(f"{URL}?a=1&page=1&b=%20"), "page", f"{URL}?a=1&b=%20&page=2"),
        (Request(f"{URL}?page%5Bno%5D=1"), "page[no]", f"{URL}?page[no]=2"),
        (Request(f"{URL}?pages=1#top"), "page", f"{URL}?pages=1&page=2"),
    ],
)
def test_a_parameter_is_put_into_the_query(request_, param, url):
    assert with_param(request_, param, 2).url == url


def test_a_parameter_is_put_where_the_request_has_its_own():
    form = Request(URL, method="POST", form={"a": "1"})
    body = Request(URL, method="POST", json={"a": {"b": 1}})
    assert with_param(form, "page", 2).form == {"a": "1", "page": "2"}
    assert with_param(body, "a.page", 2).json == {"a": {"b": 1, "page": 2}}
    assert body.json == {"a": {"b": 1}}
    assert number_in(form, "a", 9) == 1
    assert number_in(body, "a.b", 9) == 1
    assert number_in(Request(f"{URL}?page=%31"), "page", 9) == 1
    assert number_in(Request(URL), "page", 9) == 9
    with pytest.raises(ValueError, match="its page is no number but 'x'"):
        number_in(Request(f"{URL}?page=x"), "page", 9)


@pytest.mark.parametrize(
    ("path", "found"),
    [("", {"a": [{"b": 1}]}), ("a.0.b", 1), ("a.1.b", None), ("a.b", None), ("x.y", None), ("a.99999999999", None)],
)
def test_a_path_leads_into_json(path, found):
    assert found_at({"a": [{"b": 1}]}, path) == found


@pytest.mark.parametrize(
    ("attributes", "said"),
    [
        ({"rows": ["data"]}, "Products.rows is the path to the list"),
        ({"paging": PageNumber}, "as in PageNumber"),
        ({"paging": "page"}, "give one of LinkHeader, NextUrl, Cursor, PageNumber, Offset"),
        ({"payload": {"a": object()}}, "Products.payload['a'] is an object"),
        ({"item": "Product"}, "give the class of an item"),
    ],
)
def test_a_declaration_that_cannot_be_right_stops_the_start(attributes, said):
    with pytest.raises(UsageError) as refused:
        build_spider(spider(**attributes), {})
    assert said in str(refused.value)


def test_link_header_is_the_way_when_none_is_told():
    assert ApiSpider.paging == LinkHeader()
