from __future__ import annotations

import pytest

from crawler.errors import FetchTimeout
from crawler.fetch.canned import CannedFetcher
from crawler.request import Request
from crawler.response import Response, headers_of

URL = "http://a.example/"


@pytest.mark.parametrize("body", ["<p>naïve", "<p>naïve".encode()])
async def test_a_body_is_answered_as_html(body: str | bytes) -> None:
    response = await CannedFetcher({URL: body}).fetch(Request(URL))
    assert (response.url, response.status, response.body) == (URL, 200, "<p>naïve".encode())
    assert response.headers["content-type"] == "text/html; charset=utf-8"


async def test_a_response_is_answered_as_it_is() -> None:
    canned = Response(URL, 301, headers_of({"Location": "/b"}))
    assert await CannedFetcher({URL: canned}).fetch(Request(URL)) is canned


async def test_an_error_is_raised() -> None:
    error = FetchTimeout(URL, "too slow")
    with pytest.raises(FetchTimeout) as caught:
        await CannedFetcher({URL: error}).fetch(Request(URL))
    assert caught.value is error


async def test_a_url_without_an_answer_is_a_404() -> None:
    response = await CannedFetcher({}).fetch(Request(URL))
    assert (response.status, response.body) == (404, b"")


@pytest.mark.parametrize("url", ["HTTP://A.example", "http://a.example:80/", "http://a.example/#part"])
async def test_urls_are_compared_as_the_crawl_writes_them(url: str) -> None:
    assert (await CannedFetcher({url: "found"}).fetch(Request(URL))).body == b"found"


async def test_what_is_no_url_is_compared_as_it_stands() -> None:
    assert (await CannedFetcher({"no url": "found"}).fetch(Request("no url"))).body == b"found"


async def test_requests_are_listed_in_their_order_and_announced_when_sent() -> None:
    fetcher = CannedFetcher({URL: FetchTimeout(URL)})
    sent = []
    first, second = Request(f"{URL}1"), Request(URL)
    await fetcher.fetch(first, lambda: sent.append(1))
    with pytest.raises(FetchTimeout):
        await fetcher.fetch(second, lambda: sent.append(2))
    assert (fetcher.requests, sent) == ([first, second], [1, 2])


async def test_it_serves_one_crawl_after_the_other() -> None:
    fetcher = CannedFetcher({URL: "x"})
    assert fetcher.is_closed is False
    await fetcher.close()
    assert fetcher.is_closed is True
    assert (await fetcher.fetch(Request(URL))).body == b"x"
    assert fetcher.is_closed is False
