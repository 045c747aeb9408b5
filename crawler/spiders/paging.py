"""How an API says where its next page is. Each way gives the request for it, or None at the end.

A parameter is one of the URL's query; where the request has a JSON body or a form it is one of that, and a name with
dots, as ``variables.after``, goes into the objects of a body.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import quote, unquote_plus

from crawler.http.link_header import links_of
from crawler.parse.page import Page
from crawler.request import Request


class Paging(Protocol):
    """A way from page to page."""

    def after(self, page: Page, data: Any, count: int) -> Request | None:  # Any: it is JSON
        """The request for what comes after *page*, whose body is *data* and had *count* rows; None at the end.

        :raises ValueError: what *page* says of it cannot be used
        """


@dataclass(frozen=True, slots=True)
class LinkHeader:
    """By a ``Link`` header with ``rel=next`` (RFC 8288), as GitHub's API has it."""

    def after(self, page: Page, data: Any, count: int) -> Request | None:
        for link in links_of(page.headers.getall("Link", ())):
            if "next" in link.rel.lower().split():
                return page.request.replace(url=page.urljoin(link.target))
        return None


@dataclass(frozen=True, slots=True)
class NextUrl:
    """By a URL in the body, absolute or not."""

    path: str
    """Where it is, as ``links.next``. Missing, null or empty: that was the last page."""

    def after(self, page: Page, data: Any, count: int) -> Request | None:
        url = found_at(data, self.path)
        if not url:
            return None
        if not isinstance(url, str):
            raise ValueError(f"{page.url}: {self.path} is no URL but {url!r:.60}")  # noqa: TRY004 - the page's fault
        return page.request.replace(url=page.urljoin(url))


@dataclass(frozen=True, slots=True)
class Cursor:
    """By a word in the body that is sent back."""

    path: str
    """Where it is, as ``meta.next_cursor``. Missing, null or empty: that was the last page."""
    param: str = "cursor"
    """What it is sent back as."""
    more: str = ""
    """Where the body says whether there is more, as ``pageInfo.hasNextPage``. Empty: it does not."""

    def after(self, page: Page, data: Any, count: int) -> Request | None:
        cursor = found_at(data, self.path)
        if cursor is None or cursor == "" or cursor is False or (self.more and not found_at(data, self.more)):
            return None
        if not isinstance(cursor, (str, int)):
            raise ValueError(f"{page.url}: {self.path} is no cursor but {cursor!r:.60}")  # noqa: TRY004
        return with_param(page.request, self.param, cursor)


@dataclass(frozen=True, slots=True)
class PageNumber:
    """By counting pages."""

    param: str = "page"
    first: int = 1
    """The number of the page that is had without one."""
    last: str = ""
    """Where the body says how many pages there are, as ``meta.total_pages``. Empty: until a page is empty."""
    more: str = ""
    """Where the body says whether there is more, as ``has_next``. Empty: it does not."""

    def after(self, page: Page, data: Any, count: int) -> Request | None:
        if self.more and not found_at(data, self.more):
            return None
        number = number_in(page.request, self.param, self.first)
        last = found_at(data, self.last) if self.last else None
        if isinstance(last, int) and number >= last + self.first - 1:
            return None
        return with_param(page.request, self.param, number + 1)


@dataclass(frozen=True, slots=True)
class Offset:
    """By counting rows."""

    param: str = "offset"
    total: str = ""
    """Where the body says how many rows there are. Empty: until a page is empty."""

    def after(self, page: Page, data: Any, count: int) -> Request | None:
        offset = number_in(page.request, self.param, 0) + count
        total = found_at(data, self.total) if self.total else None
        if isinstance(total, int) and offset >= total:
            return None
        return with_param(page.request, self.param, offset)


WAYS = (LinkHeader, NextUrl, Cursor, PageNumber, Offset)


def found_at(data: Any, path: str) -> Any:  # Any: it is JSON
    """What is at *path* (``data.results``, ``pages.0.rows``) in *data*; None if there is nothing."""
    for step in path.split(".") if path else ():
        if isinstance(data, dict):
            data = data.get(step)
        elif isinstance(data, list) and step.isdecimal() and int(step[:9]) < len(data):
            data = data[int(step[:9])]
        else:
            return None
    return data


def number_in(request: Request, param: str, default: int) -> int:
    """The number that *param* has in *request*; *default* if it has none.

    :raises ValueError: it is no number
    """
    if request.json is not None:
        value = found_at(request.json, param)
    elif request.form is not None:
        value = request.form.get(param)
    else:
        pairs = request.url.partition("#")[0].partition("?")[2].split("&")
        value = next((unquote_plus(pair.partition("=")[2]) for pair in pairs if _is_named(pair, param)), None)
    if value is None:
        return default
    try:
        return int(value)
    except (TypeError, ValueError):
        raise ValueError(f"{request.url}: its {param} is no number but {value!r:.60}") from None


def with_param(request: Request, param: str, value: str | int) -> Request:
    """*request* with another value of *param*; all else of it as it was written."""
    if request.json is not None:
        return request.replace(json=_put(request.json, param.split("."), value))
    if request.form is not None:
        return request.replace(form={**request.form, param: str(value)})
    url, _, query = request.url.partition("#")[0].partition("?")
    pairs = [pair for pair in query.split("&") if pair and not _is_named(pair, param)]
    pairs.append(f"{quote(param, safe='[]')}={quote(str(value), safe='')}")
    return request.replace(url=f"{url}?{'&'.join(pairs)}")


def _is_named(pair: str, param: str) -> bool:
    return unquote_plus(pair.partition("=")[0]) == param


def _put(data: Any, path: list[str], value: str | int) -> Any:  # Any: it is JSON
    """A copy of *data* with *value* at *path*."""
    if not path:
        return value
    there = data if isinstance(data, dict) else {}
    return {**there, path[0]: _put(there.get(path[0]), path[1:], value)}
