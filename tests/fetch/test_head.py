"""How a request is written: what the shortest way to its bytes says is what the long one says."""

from __future__ import annotations

import re
from typing import Any

import pytest
from aiohttp import InvalidURL, NonHttpUrlClientError
from multidict import CIMultiDict

from crawler.fetch import head
from crawler.fetch.head import Origin, Target
from crawler.request import Request

COMMON = CIMultiDict({"Accept": "*/*", "User-Agent": "crawler"})
NEVER = re.compile("(?!)()()")


def parts(url: str) -> tuple[str, str, str]:
    target = Target(url)
    return target.origin, target.path, target.authorization


URLS = [
    "http://a.example/",
    "https://a.example/a/b.html",
    "https://a.example:8443/a?b=c&d=%20+",
    "http://127.0.0.1:81/?q=a/b?c",
    "http://a.example/a//b/./c/../d;e=1/,x!$'()*:@~",
    "http://a.example/%7Euser/%zz%/%c3%a9",
    'http://a.example/a|b^c`d\\e"<f>?x={1}^[2]',
    "http://a-b.c--d.example./x",
    "http://A.example/",
    "http://a.example",
    "http://a.example?q",
    "http://a.example/a?",
    "http://a.example/a#b",
    "http://a.example/a?b#c?d",
    "http://a.example/é?ü",
    "http://[::1]:81/a",
    "http://a_b.example/",
    "http://ann:s3cret@a.example/a",
]


@pytest.mark.parametrize("url", URLS)
def test_a_url_is_cut_the_same_with_and_without_being_parsed(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    short = parts(url)
    monkeypatch.setattr(head, "_PLAIN", NEVER)
    assert short == parts(url)


def test_most_of_these_urls_are_not_parsed() -> None:
    assert sum(head._PLAIN.fullmatch(url) is not None for url in URLS) == 8


@pytest.mark.parametrize("url", ["http://a.example/a b", "http://a.example/a\tb", "HTTP://a.example/", "http:/a", ""])
def test_what_is_not_plain_is_left_to_the_parser(url: str) -> None:
    assert head._PLAIN.fullmatch(url) is None


@pytest.mark.parametrize(
    "url", ["", "a.example", "ws://a.example/", "http:///a", "http://a.example:99999", "http://:81/"]
)
def test_what_is_no_url_of_http_is_refused(url: str) -> None:
    with pytest.raises((InvalidURL, NonHttpUrlClientError)):
        Target(url)


def test_who_is_named_in_the_url_asks_unless_the_request_says_otherwise() -> None:
    url = "http://ann:s%C3%A9cret@a.example/a"
    assert parts(url) == ("http://a.example", "/a", "Basic YW5uOnPpY3JldA==")
    assert Target(url, has_authorization=True).authorization == ""


BEGIN = b"Host: a.example\r\nAccept: */*\r\nUser-Agent: crawler\r\n"
COOKIE = b"Cookie: a=1\r\n"
WRITTEN: list[tuple[dict[str, Any], bytes]] = [
    ({}, b"GET /p HTTP/1.1\r\n" + BEGIN + COOKIE + b"\r\n"),
    ({"method": "HEAD"}, b"HEAD /p HTTP/1.1\r\n" + BEGIN + COOKIE + b"\r\n"),
    ({"headers": {"X-A": "é"}}, b"GET /p HTTP/1.1\r\n" + BEGIN + b"X-A: \xc3\xa9\r\n" + COOKIE + b"\r\n"),
    (
        {"headers": {"accept": "a/b", "Host": "b"}},
        b"GET /p HTTP/1.1\r\nHost: b\r\naccept: a/b\r\nUser-Agent: crawler\r\n" + COOKIE + b"\r\n",
    ),
    (
        {"method": "POST"},
        b"POST /p HTTP/1.1\r\n" + BEGIN + COOKIE + b"Content-Length: 0\r\nContent-Type: application/octet-stream\r\n\r\n",
    ),
    ({"method": "DELETE"}, b"DELETE /p HTTP/1.1\r\n" + BEGIN + COOKIE + b"Content-Length: 0\r\n\r\n"),
    (
        {"method": "PUT", "body": b"abc", "headers": {"Content-Length": "2"}},
        b"PUT /p HTTP/1.1\r\n" + BEGIN + b"Content-Length: 2\r\n" + COOKIE + b"Content-Type: application/octet-stream\r\n\r\nab",
    ),
    (
        {"method": "POST", "form": {"a": "é b"}},
        b"POST /p HTTP/1.1\r\n" + BEGIN + COOKIE + b"Content-Length: 10\r\nContent-Type: application/x-www-form-urlencoded\r\n\r\na=%C3%A9+b",
    ),
    (
        {"method": "POST", "json": [1], "headers": {"content-type": "a/b"}},
        b"POST /p HTTP/1.1\r\n" + BEGIN + b"content-type: a/b\r\n" + COOKIE + b"Content-Length: 3\r\n\r\n[1]",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("fields", "expected"), WRITTEN)
def test_a_request_is_written_as_aiohttp_would(fields: dict[str, Any], expected: bytes) -> None:
    request = Request("http://a.example/p", **fields)
    target = Target(request.url)
    assert Origin(target.origin, COMMON).written(request, target, "a=1") == expected
    assert Origin(target.origin, COMMON).written(request, target) == expected.replace(COOKIE, b"")


def test_a_proxy_is_told_the_whole_url() -> None:
    request = Request("http://a.example:81/p?q#r")
    target = Target(request.url)
    raw = Origin(target.origin, COMMON, is_absolute=True).written(request, target)
    assert raw.startswith(b"GET http://a.example:81/p?q HTTP/1.1\r\nHost: a.example:81\r\n")


def test_the_headers_of_a_download_are_under_those_of_the_request() -> None:
    request = Request("http://a.example/p", headers={"range": "bytes=1-"})
    target = Target(request.url)
    raw = Origin(target.origin, COMMON).written(request, target, saving={"Range": "bytes=9-", "If-Range": '"a"'})
    assert raw == b"GET /p HTTP/1.1\r\n" + BEGIN + b'range: bytes=1-\r\nIf-Range: "a"\r\n\r\n'


@pytest.mark.parametrize("length", ["-1", "1_0", "٣", "a"])
def test_a_length_of_ones_own_is_a_number(length: str) -> None:
    request = Request("http://a.example/p", method="POST", body=b"abc", headers={"Content-Length": length})
    with pytest.raises(ValueError, match="Content-Length"):
        Origin("http://a.example", COMMON).written(request, Target(request.url))
