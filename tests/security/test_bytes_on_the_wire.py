"""No control character of anybody's choice is sent: it is refused, percent-encoded, or was never part of the URL."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from proxy_servers import LittleProxy, running
from witness import Seen, Witness, reply, to

import crawler
from crawler.config import Project, resolve
from crawler.errors import ConfigError, FetchError, InvalidRequest
from crawler.fetch.http import HttpFetcher
from crawler.request import Request

StartWitness = Callable[..., Awaitable[Witness]]
OpenFetcher = Callable[..., HttpFetcher]
CONTROLS = [chr(code) for code in [*range(0x20), 0x7F]]
_RAW = re.compile(rb"[\x00-\x1f\x7f]")
KNOWN = {"host", "user-agent", "accept", "accept-encoding", "cookie", "content-type", "content-length", "authorization",
         "x-a", "x-own", "proxy-authorization", "connection"}  # fmt: skip


def is_clean(head: bytes) -> bool:
    """Whether *head* is lines of a request, each with a header that was meant, and nothing that splits or ends one."""
    lines = head.partition(b"\r\n\r\n")[0].split(b"\r\n")
    names = {line.partition(b":")[0].decode("latin-1").lower() for line in lines[1:]}
    method, _, version = lines[0].partition(b" ")[0], b"", lines[0].rpartition(b" ")[2]
    tidy = all(_RAW.search(line.replace(b"\t", b"")) is None for line in lines)
    return tidy and names <= KNOWN and method.isalpha() and version == b"HTTP/1.1" and lines[0].count(b" ") == 2


def requests(origin: str, bad: str) -> dict[str, Callable[[], Request]]:
    """Where a character may be put in a request."""
    return {
        "path": lambda: Request(f"{origin}/a{bad}X-B:1"),
        "query": lambda: Request(f"{origin}/a?b={bad}X-B:1"),
        "fragment": lambda: Request(f"{origin}/a#{bad}X-B:1"),
        "host": lambda: Request(f"{origin.replace('//', f'//a{bad}b')}/"),
        "behind the host": lambda: Request(f"{origin}{bad}/"),
        "user": lambda: Request(f"{origin.replace('//', f'//a{bad}b:c@')}/"),
        "password": lambda: Request(f"{origin.replace('//', f'//a:b{bad}c@')}/"),
        "scheme": lambda: Request(f"ht{bad}tp{origin[4:]}/"),
        "method": lambda: Request(f"{origin}/", method=f"GE{bad}T"),
        "method's end": lambda: Request(f"{origin}/", method=f"GET{bad}"),
        "header's name": lambda: Request(f"{origin}/", headers={f"X-A{bad}X-B": "1"}),
        "header's name's end": lambda: Request(f"{origin}/", headers={f"X-A{bad}": "1"}),
        "header's value": lambda: Request(f"{origin}/", headers={"X-A": f"1{bad}X-B: 2"}),
        "header's value's end": lambda: Request(f"{origin}/", headers={"X-A": f"1{bad}"}),
        "cookie's name": lambda: Request(f"{origin}/", cookies={f"a{bad}X-B: 1": "2"}),
        "cookie's value": lambda: Request(f"{origin}/", cookies={"a": f"1{bad}X-B: 2"}),
        "Cookie": lambda: Request(f"{origin}/", headers={"Cookie": f"a=1{bad}X-B: 2"}),
        "Authorization": lambda: Request(f"{origin}/", headers={"Authorization": f"Bearer 1{bad}X-B: 2"}),
        "Host": lambda: Request(f"{origin}/", headers={"Host": f"a{bad}X-B: 2"}),
        "User-Agent": lambda: Request(f"{origin}/", headers={"User-Agent": f"a{bad}X-B: 2"}),
        "Content-Type": lambda: Request(f"{origin}/", method="POST", headers={"Content-Type": f"a/b{bad}X-B: 2"}),
        "form's name": lambda: Request(f"{origin}/", method="POST", form={f"a{bad}b": "1"}),
        "form's value": lambda: Request(f"{origin}/", method="POST", form={"a": f"1{bad}2"}),
    }


PLACES = list(requests("http://x", ""))


async def send(fetcher: HttpFetcher, make: Callable[[], Request]) -> str:
    """What became of it: ``sent``, or the reason that it was not."""
    try:
        await fetcher.fetch(make())
    except FetchError as error:
        return error.reason
    except (ValueError, TypeError) as error:
        return f"not made: {error}"
    return "sent"


@pytest.mark.parametrize("place", PLACES)
async def test_no_control_character_is_sent(witness: StartWitness, open_fetcher: OpenFetcher, place: str) -> None:
    server = await witness()
    fetcher = open_fetcher()
    for bad in CONTROLS:
        before = len(server.seen)
        ended = await send(fetcher, requests(server.origin(), bad)[place])
        came = server.seen[before:]
        assert ended == "sent" or ended in ("invalid_request", "dns") or ended.startswith("not made"), (bad, ended)
        assert len(came) == (ended == "sent"), (bad, ended)
        for seen in came:
            assert is_clean(seen.raw), (bad, seen.raw)
    assert server.connections <= 1 + len(CONTROLS)


@pytest.mark.parametrize("place", [place for place in PLACES if place != "form's value"])
async def test_no_control_character_is_told_to_a_proxy(
    witness: StartWitness, open_fetcher: OpenFetcher, place: str
) -> None:
    server = await witness()
    proxy = LittleProxy("ann", "s3cret")
    async with running(proxy):
        fetcher = open_fetcher(proxies=(proxy.url,), timeout=5.0)
        for bad in ("\r\n", "\n", "\r", "\0", "\x0b", "\x7f"):
            for origin in (server.origin(), "https://127.0.0.1:9"):  # behind the second nobody is, which is told
                await send(fetcher, requests(origin, bad)[place])
    for head in proxy.heads:
        assert is_clean(head.encode("latin-1")), head
    assert all(is_clean(seen.raw) for seen in server.seen)


async def test_what_a_site_sends_back_and_forth_splits_no_request(witness: StartWitness) -> None:
    """Its cookies, its addresses and its Locations go into our next requests."""
    odd = [bad for bad in CONTROLS if bad not in "\r\n"]

    def answer(seen: Seen) -> bytes:
        if seen.path == "/":
            links = "".join(f'<a href="/l{ord(bad)}{bad}X-B: 2">x</a>' for bad in CONTROLS[1:])  # NUL: no text
            paths = "".join(f'<a href="/p{code}">x</a><a href="/c{code}">x</a>' for code in range(len(odd)))
            return reply(links + paths)
        bad = odd[int(seen.path[2:])] if seen.path[1] in "pc" else ""
        if seen.path[1] == "p":
            return to(f"/t{bad}X-B:2")
        cookies = [f"Set-Cookie: {seen.path[1:]}=1{bad}X-B: 2; Path=/", f"Set-Cookie: n{bad}X-B: 2=1; Path=/{bad}"]
        return reply("ok", *(cookies if bad else ()))

    server = await witness(answer)

    class Reader(crawler.Spider):
        name = "reader"
        start_urls = [f"{server.origin()}/"]

        def parse(self, page: Any) -> Any:
            yield {"url": page.url}
            yield from page.follow_all("a")

    items = [item async for item in crawler.crawl(Reader, settings={"delay": 0.0, "retries": 0})]
    assert len(items) > 30
    assert len(server.seen) > 60
    assert [seen.raw for seen in server.seen if not is_clean(seen.raw)] == []


# ----- settings ----------------------------------------------------------------------------------------------------

SETTINGS: dict[str, Callable[[str], Any]] = {
    "user_agent": lambda bad: {"user_agent": f"Bot/1{bad}X-B: 2"},
    "contact": lambda bad: {"contact": f"https://a.example/{bad}X-B:2"},
    "contact by mail": lambda bad: {"contact": f"a@b.example{bad}X-B"},
    "a header's name": lambda bad: {"headers": {f"X-A{bad}X-B": "1"}},
    "a header's value": lambda bad: {"headers": {"X-A": f"1{bad}X-B: 2"}},
    "a user name": lambda bad: {"credentials": {"http://a.example": f"basic a{bad}b:c"}},
    "a password": lambda bad: {"credentials": {"http://a.example": f"basic a:b{bad}c"}},
    "a token": lambda bad: {"credentials": {"http://a.example": f"bearer a{bad}b"}},
    "a header of an origin": lambda bad: {"credentials": {"http://a.example": f"header X-A: a{bad}b"}},
    "the name of a header of an origin": lambda bad: {"credentials": {"http://a.example": f"header X{bad}A: b"}},
    "a proxy's host": lambda bad: {"proxies": [f"http://a{bad}b:3128"]},
    "a proxy's port": lambda bad: {"proxies": [f"http://a:31{bad}28"]},
    "a proxy's user": lambda bad: {"proxies": [f"http://a{bad}b:c@a:3128"]},
    "a proxy's password": lambda bad: {"proxies": [f"http://a:b{bad}c@a:3128"]},
    "a proxy's escaped password": lambda bad: {"proxies": [f"http://a:b%{ord(bad):02X}c@a:3128"]},
}


@pytest.mark.parametrize("place", SETTINGS)
def test_no_control_character_is_taken_as_a_setting(tmp_path: Any, place: str) -> None:
    for bad in CONTROLS:
        if bad == "\t" and place in ("user_agent", "a header's value", "a header of an origin"):
            continue  # RFC 9110, section 5.5: white space within a value
        with pytest.raises(ConfigError) as caught:
            resolve(Project(tmp_path), None, SETTINGS[place](bad), {}, overrides_are_text=False)
        assert bad not in str(caught.value).replace("\n", "" if bad != "\n" else "\n"), (bad, caught.value)


async def test_a_request_that_cannot_be_sent_says_why(open_fetcher: OpenFetcher) -> None:
    with pytest.raises(InvalidRequest) as caught:
        await open_fetcher().fetch(Request("http://127.0.0.1:9/", headers={"X-A": "1\r\nX-B: 2"}))
    assert (caught.value.reason, caught.value.retryable) == ("invalid_request", False)
