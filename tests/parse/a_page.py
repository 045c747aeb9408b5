"""A page of HTML, as a callback would get it."""

from crawler.parse.page import Page
from crawler.request import Request
from crawler.response import Response, headers_of

URL = "https://shop.example/list/page?x=1"


def a_page(body: str | bytes, content_type: str = "text/html; charset=utf-8", session: str = "") -> Page:
    octets = body.encode() if isinstance(body, str) else body
    response = Response(URL, 200, headers_of({"Content-Type": content_type}), octets)
    return Page(response, Request(URL, session=session))
