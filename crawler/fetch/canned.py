"""A fetcher that answers from a dict: for the tests of spiders, without a network."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from crawler.errors import FetchError, InvalidRequest
from crawler.fetch.download import Downloads
from crawler.request import Request
from crawler.response import Cookie, Response, headers_of
from crawler.urls.url import address

Canned = str | bytes | Response | FetchError
_HTML = {"Content-Type": "text/html; charset=utf-8"}


class CannedFetcher:
    """Answers each URL with what *answers* holds: a body (status 200, HTML), a Response, or a FetchError to raise.

    A URL that is not there gets a 404. ``requests`` lists what was asked, in order. It may serve
    one crawl after the other. Downloads are saved as in any crawl: the setting ``downloads`` says where.
    """

    def __init__(self, answers: Mapping[str, Canned]) -> None:
        self._answers = {_key(url): answer for url, answer in answers.items()}
        self.requests: list[Request] = []
        self.is_closed = False
        self.downloads: Downloads | None = None
        """Where files are saved. A crawl sets it."""

    async def fetch(
        self, request: Request, on_sent: Callable[[], None] | None = None, inside: bool = False
    ) -> Response:
        self.is_closed = False
        self.requests.append(request)
        if on_sent is not None:
            on_sent()
        response = self._response(request)
        if request.download is None:
            return response
        if self.downloads is None:
            raise InvalidRequest(request.url, "a download needs a folder: fetcher.downloads = Downloads(...)")
        return await self.downloads.keep(request, response)

    def _response(self, request: Request) -> Response:
        answer = self._answers.get(_key(request.url))
        if answer is None:
            return Response(request.url, 404, headers_of(_HTML))
        if isinstance(answer, FetchError):
            raise answer
        if isinstance(answer, Response):
            return answer
        body = answer.encode() if isinstance(answer, str) else answer
        return Response(request.url, 200, headers_of(_HTML), body)

    def address_of(self, hostname: str) -> str:
        return ""

    def new_cookies(self) -> list[Cookie]:
        return []

    def restore_cookies(self, cookies: Sequence[Cookie]) -> None:
        """It sends none."""

    async def close(self) -> None:
        self.is_closed = True
        if self.downloads is not None:
            await self.downloads.close()


def _key(url: str) -> str:
    target = address(url)
    return target.href if target else url
