"""What spiders that are declared, rather than written, have in common."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from crawler.errors import SelectorError, UsageError
from crawler.parse.page import Page
from crawler.response import Response, headers_of
from crawler.spider import Spider, is_cpu_bound


class DeclaredSpider(Spider):
    """A spider with declarations that can be wrong."""

    def check_declarations(self) -> None:
        """Called before anything is fetched.

        :raises UsageError: a declaration cannot be right; the message names it
        """


def one_or_many(given: str | Iterable[str], name: str) -> tuple[str, ...]:
    """*given* as a tuple: a text is one of them.

    :raises UsageError: it is neither; *name* is what it is called
    """
    if isinstance(given, str):
        return (given,)
    if not isinstance(given, Iterable):
        raise UsageError(f"{name} is a text, or a list of texts, not {given!r}")
    found = tuple(given)
    for text in found:
        if not isinstance(text, str):
            raise UsageError(f"{name} is a text, or a list of texts, and {text!r} is none")
    return found


def check_callback(spider: Spider, name: Any, where: str) -> None:  # Any: what a user may have written
    """
    :raises UsageError: *name* is no method of *spider*; *where* says who names it
    """
    if not isinstance(name, str):
        raise UsageError(f'{where}: a callback is the name of a method, as "parse_book", not {name!r}')
    if not callable(getattr(spider, name, None)):
        raise UsageError(f"{where}: {type(spider).__name__} has no method {name!r}")


def check_runs_here(spider: Spider, name: str, why: str) -> None:
    """
    :raises UsageError: the callback *name* is ``@cpu_bound``, and *why* it must not be
    """
    if is_cpu_bound(getattr(spider, name)):
        raise UsageError(f"{type(spider).__name__}.{name} is @cpu_bound: {why}")


def check_css(query: str, name: str) -> None:
    """
    :raises UsageError: *query* is no CSS query; *name* is what it is called
    """
    try:
        Page(Response("http://nowhere.invalid/", 200, headers_of())).css(query)
    except SelectorError as error:
        raise UsageError(f"{name}: {error}") from None


def batches(values: Iterable[Any], size: int) -> Iterator[list[Any]]:  # Any: whatever they are
    """*values* in lists of *size*, so that a coroutine can let others run in between."""
    batch: list[Any] = []
    for value in values:
        batch.append(value)
        if len(batch) == size:
            yield batch
            batch = []
    yield batch
