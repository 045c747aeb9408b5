"""The tree of errors."""

import copy
import pickle
import re
from collections.abc import Iterator

import pytest

from crawler import errors
from crawler.errors import (
    CrawlerError,
    FetchError,
    OutputClosed,
    ParseProcessError,
    SinkError,
    SpiderLoadError,
    StoreError,
)


def tree(root: type[CrawlerError]) -> Iterator[type[CrawlerError]]:
    """*root* and all below it, as errors.py has them."""
    yield root
    for child in root.__subclasses__():
        if child.__module__ == errors.__name__:
            yield from tree(child)


ALL = sorted(set(tree(CrawlerError)), key=lambda error: error.__name__)
FETCH = sorted(set(tree(FetchError)), key=lambda error: error.__name__)


def made(error_type: type[CrawlerError]) -> CrawlerError:
    if issubclass(error_type, FetchError):
        return error_type("http://a.example/ü", "the server hung up")
    if issubclass(error_type, SinkError):
        return error_type("books.jsonl", "no space is left")
    if issubclass(error_type, StoreError):
        return error_type("frontier.sqlite3", "the disk is full")
    if issubclass(error_type, SpiderLoadError):
        return error_type("books.py cannot be imported", "Traceback ...")
    return error_type("say what to do next")


@pytest.mark.parametrize("error_type", ALL)
@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_every_error_survives_another_process(error_type: type[CrawlerError], protocol: int) -> None:
    error = made(error_type)
    read = pickle.loads(pickle.dumps(error, protocol))
    assert (type(read), str(read), vars(read), read.args) == (error_type, str(error), vars(error), error.args)


@pytest.mark.parametrize("error_type", ALL)
def test_every_error_can_be_copied_and_says_something(error_type: type[CrawlerError]) -> None:
    error = made(error_type)
    assert str(copy.copy(error)) == str(error) != ""


def test_the_module_opens_with_its_whole_tree() -> None:
    drawn = set(re.findall(r"\b[A-Z]\w+", "".join(re.findall(r"[├└│].*?(?=  +[a-z]|\n)", errors.__doc__ or ""))))
    assert drawn | {"CrawlerError"} == {error.__name__ for error in ALL}


def test_each_kind_of_fetch_error_has_its_own_reason() -> None:
    reasons = [error.reason for error in FETCH]
    assert (sorted(set(reasons)), all(re.fullmatch("[a-z_]+", reason) for reason in reasons)) == (sorted(reasons), True)


def test_each_loss_of_a_parse_process_has_its_own_reason() -> None:
    reasons = [error.reason for error in tree(ParseProcessError)]
    assert sorted(set(reasons)) == sorted(reasons)


def test_only_what_may_pass_is_tried_again() -> None:
    assert [error.__name__ for error in FETCH if error.retryable] == [
        "ConnectFailed",
        "DNSFailed",
        "Disconnected",
        "DownloadChanged",
        "FetchTimeout",
        "ProxyFailed",
        "TruncatedBody",
    ]


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (FetchError("http://a.example/", "refused"), "refused (http://a.example/)"),
        (errors.FetchTimeout("http://a.example/"), "timeout (http://a.example/)"),
        (SpiderLoadError("cannot import", "its traceback"), "cannot import"),
        (OutputClosed("-", "broken pipe"), "cannot write -: broken pipe"),
        (
            StoreError("a.sqlite3", "the disk is full"),
            "the crawl's state in a.sqlite3 cannot be kept: the disk is full",
        ),
    ],
)
def test_a_message_names_what_it_is_about(error: CrawlerError, text: str) -> None:
    assert str(error) == text
