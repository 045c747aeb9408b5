"""Who is said to ask."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from crawler.errors import FetchError
from crawler.fetch.fetcher import FetchOptions, check_contact, has_contact, user_agent_of
from crawler.fetch.http import HttpFetcher
from crawler.fetch.resolve import Resolver
from crawler.request import Request

OpenFetcher = Callable[..., HttpFetcher]
StartRaw = Callable[..., Awaitable[Any]]  # of a RawServer, in conftest.py
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
BOT = "https://example.org/bot"
WARNING = "no contact is configured"


def headers_of(head: bytes) -> dict[str, str]:
    return dict(line.split(": ", 1) for line in head.decode("latin-1").split("\r\n")[1:] if line)


@pytest.mark.parametrize(
    ("options", "agent", "known"),
    [
        ({}, "crawler/0.1", False),
        ({"contact": BOT}, f"crawler/0.1 (+{BOT})", True),
        ({"contact": "bot@example.org"}, "crawler/0.1 (bot@example.org)", True),
        ({"user_agent": "shopbot/2", "contact": BOT}, f"shopbot/2 (+{BOT})", True),
        ({"user_agent": f"shopbot/2 ({BOT})"}, f"shopbot/2 ({BOT})", True),
        ({"user_agent": f"shopbot/2 ({BOT})", "contact": "a@b.example"}, f"shopbot/2 ({BOT})", True),
        ({"user_agent": "shopbot/2 ann@example.org"}, "shopbot/2 ann@example.org", True),
        ({"user_agent": "shopbot/2 (www.example.org)"}, "shopbot/2 (www.example.org)", True),
        ({"headers": {"user-agent": "own/1"}}, "own/1", False),
        ({"headers": {"User-Agent": "own/1"}, "contact": BOT}, f"own/1 (+{BOT})", True),
        ({"headers": {"From": "ann@example.org"}}, "crawler/0.1", True),
    ],
)
async def test_the_user_agent_has_a_contact(
    raw_server: StartRaw, open_fetcher: OpenFetcher, options: dict[str, Any], agent: str, known: bool
) -> None:
    assert (user_agent_of(FetchOptions(**options)), has_contact(FetchOptions(**options))) == (agent, known)
    server = await raw_server(OK)
    await open_fetcher(**options).fetch(Request(server.url))
    assert headers_of(server.requests[0])["User-Agent"] == agent


@pytest.mark.parametrize(
    ("options", "sender"),
    [
        ({}, None),
        ({"contact": BOT}, None),
        ({"contact": "bot@example.org"}, "bot@example.org"),
        ({"contact": "bot@example.org", "headers": {"from": "ann@example.org"}}, "ann@example.org"),
        ({"contact": "bot@example.org", "user_agent": f"shopbot ({BOT})"}, "bot@example.org"),
    ],
)
async def test_an_address_for_mail_is_the_from_header(
    raw_server: StartRaw, open_fetcher: OpenFetcher, options: dict[str, Any], sender: str | None
) -> None:
    server = await raw_server(OK)
    await open_fetcher(**options).fetch(Request(server.url))
    sent = headers_of(server.requests[0])
    assert sent.get("From", sent.get("from")) == sender


@pytest.mark.parametrize("contact", [BOT, "http://example.org", "bot@example.org", "a+b@x.example"])
def test_a_contact_is_a_url_or_an_address(contact: str) -> None:
    check_contact(contact)


@pytest.mark.parametrize(
    "contact",
    ["", "example.org", "ftp://example.org", "@", "a@", "a b@example.org", "https://", "https://ex ample.org",
     "https://example.org/(x)", "bot@example.org\r\nX: 1", "https://example.org/\r\nX: 1", "bö@example.org", "mail me"],
)  # fmt: skip
def test_what_is_neither_is_told(contact: str) -> None:
    with pytest.raises(ValueError, match="write a URL"):
        check_contact(contact)


async def test_a_host_is_asked_under_another_name(raw_server: StartRaw, open_fetcher: OpenFetcher) -> None:
    server = await raw_server(OK)
    hosts = {
        "a.localhost": {"user_agent": "abot/1", "headers": {"X-A": "1"}},
        "b.a.localhost": {},
        "c.localhost": {"contact": BOT},
    }
    fetcher = open_fetcher(hosts=hosts, headers={"X-All": "1"})
    for host in ("127.0.0.1", "a.localhost", "www.a.localhost", "b.a.localhost", "c.localhost"):
        await fetcher.fetch(Request(f"http://{host}:{server.port}/"))
    sent = [headers_of(head) for head in server.requests]
    agents = ["crawler/0.1", "abot/1", "abot/1", "crawler/0.1", f"crawler/0.1 (+{BOT})"]
    assert [each["User-Agent"] for each in sent] == agents
    assert [("X-All" in each, "X-A" in each) for each in sent] == [
        (True, False), (False, True), (False, True), (True, False), (True, False),
    ]  # fmt: skip


async def test_limits_are_those_of_the_host(raw_server: StartRaw, open_fetcher: OpenFetcher) -> None:
    server = await raw_server(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
    fetcher = open_fetcher(hosts={"a.localhost": {"max_body": 4}}, max_body=5)
    assert (await fetcher.fetch(Request(server.url))).body == b"hello"
    with pytest.raises(FetchError, match="max_body is 4"):
        await fetcher.fetch(Request(f"http://a.localhost:{server.port}/"))


class Nobody(Resolver):
    """No name has an address."""

    async def resolve(self, host: str, port: int = 0, family: Any = 0) -> Any:
        raise OSError(None, "no such name")


async def asked(fetcher: HttpFetcher, *urls: str) -> None:
    for url in urls:
        try:
            await fetcher.fetch(Request(url))
        except FetchError:
            pass


async def test_it_is_said_once_that_there_is_no_contact(
    raw_server: StartRaw, open_fetcher: OpenFetcher, caplog: pytest.LogCaptureFixture
) -> None:
    server = await raw_server(OK)
    fetcher = open_fetcher(resolver=Nobody())
    await asked(fetcher, server.url, server.url, "http://a.localhost:1/", "http://printer.local:1/", "nonsense", "a://")
    assert WARNING not in caplog.text
    await asked(fetcher, "http://public.example/", "http://other.example/")
    [record] = [record for record in caplog.records if WARNING in record.message]
    assert (record.levelno, 'set contact = "https://…"' in record.message) == (logging.WARNING, True)


@pytest.mark.parametrize(
    "options",
    [
        {"contact": BOT},
        {"user_agent": f"shopbot ({BOT})"},
        {"hosts": {"public.example": {"contact": BOT}}},
        {"headers": {"From": "ann@example.org"}},
    ],
)
async def test_nothing_is_said_where_there_is_one(
    open_fetcher: OpenFetcher, caplog: pytest.LogCaptureFixture, options: dict[str, Any]
) -> None:
    await asked(open_fetcher(resolver=Nobody(), **options), "http://public.example/")
    assert WARNING not in caplog.text
