"""robots.txt over real connections: what a server sends, and what may be fetched from it then. RFC 9309, section 2.3."""

from __future__ import annotations

import asyncio
import gzip
import socket
import zlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from itertools import pairwise

import pytest

from crawler.fetch.http import HttpFetcher
from crawler.fetch.robots import KEEP, RobotsCache, RobotsUnavailable
from crawler.politeness.robots import ROBOTS_LIMIT, Rules
from tests.fetch.conftest import RawServer, Talk

RULES = b"User-agent: *\nDisallow: /private\n"
EVERYTHING = b"User-agent: *\nDisallow: /\n"

Start = Callable[..., Awaitable[RawServer]]
Open = Callable[..., HttpFetcher]
Answer = bytes | Callable[[asyncio.StreamWriter], Awaitable[None]]


def reply(status: int = 200, body: bytes = RULES, **fields: str) -> bytes:
    head = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in fields.items())
    return f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\nConnection: close\r\n{head}\r\n".encode() + body


def moved(target: str, status: int = 301) -> bytes:
    return reply(status, b"", Location=target)


def site(answers: Mapping[str, Answer]) -> Talk:
    """A server that answers each path, once for each connection; what is not there is a 404."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        path = head.split()[1].decode()
        talk.asked.append(path)
        answer = answers.get(path, reply(404))
        if isinstance(answer, bytes):
            writer.write(answer)
            await writer.drain()
        else:
            await answer(writer)

    talk.asked = []
    return talk


class Asking:
    """Asks a site for its robots.txt, one request after the other, as workers do."""

    def __init__(self, server: RawServer, fetcher: HttpFetcher, clock: Callable[[], float] = lambda: 1000.0) -> None:
        self.origin = server.url.rstrip("/")
        self.sent = 0
        self.cache = RobotsCache(fetcher, lambda _: "crawler/0.1 (+https://a.example/bot)", clock)

    async def rules(self) -> Rules:
        while (rules := self.cache.known(self.origin)) is None:
            await self.cache.fetch(self.origin, self._count)
        return rules

    async def outcome(self) -> str:
        """``rules`` if those of RULES hold, ``all`` if everything is allowed, ``none`` if nothing is."""
        try:
            rules = await self.rules()
        except RobotsUnavailable:
            return "none"
        allowed = [rules.allows(f"{self.origin}/{path}") for path in ("open", "private")]
        return {(True, False): "rules", (True, True): "all", (False, False): "nothing"}[tuple(allowed)]

    def _count(self) -> None:
        self.sent += 1


async def outcome_of(raw_server: Start, open_fetcher: Open, answers: Mapping[str, Answer], **options: object) -> str:
    server = await raw_server(site(answers))
    return await Asking(server, open_fetcher(**options)).outcome()


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        *((status, "rules") for status in (200, 203, 206, 299)),
        *((status, "all") for status in (204, 300, 304, 306)),
        *((status, "all") for status in (400, 401, 402, 403, 404, 405, 406, 408, 410, 418, 425, 451, 499)),
        *((status, "none") for status in (429, 500, 501, 502, 503, 504, 511, 520, 599)),
    ],
)
async def test_each_status_means_what_rfc_9309_says(
    raw_server: Start, open_fetcher: Open, status: int, expected: str
) -> None:
    body = b"" if status in (204, 304) else RULES if expected == "rules" else EVERYTHING
    assert await outcome_of(raw_server, open_fetcher, {"/robots.txt": reply(status, body)}) == expected


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_each_redirect_is_followed(raw_server: Start, open_fetcher: Open, status: int) -> None:
    answers = {"/robots.txt": moved("/r.txt", status), "/r.txt": reply()}
    assert await outcome_of(raw_server, open_fetcher, answers) == "rules"


@pytest.mark.parametrize(
    ("hops", "expected"), [(1, "rules"), (2, "rules"), (4, "rules"), (5, "rules"), (6, "all"), (7, "all")]
)
async def test_five_redirects_are_followed(raw_server: Start, open_fetcher: Open, hops: int, expected: str) -> None:
    paths = ["/robots.txt", *(f"/{number}" for number in range(1, hops + 1))]
    answers: dict[str, Answer] = {path: moved(target) for path, target in pairwise(paths)}
    talk = site({**answers, paths[-1]: reply()})
    asking = Asking(await raw_server(talk), open_fetcher())
    assert await asking.outcome() == expected
    assert (talk.asked, asking.sent) == (paths[: min(hops, 5) + 1], min(hops, 5) + 1)


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("/robots.txt", "all"),
        ("/there", "all"),
        ("/missing", "all"),
        ("/broken", "none"),
        ("/page", "all"),
        ("r.txt", "rules"),
        ("?r", "rules"),
        ("//127.0.0.1:{port}/r.txt", "rules"),
        ("http://localhost:{port}/r.txt", "rules"),
        ("mailto:a@b.example", "all"),
        ("http://[", "all"),
        ("ftp://a.example/robots.txt", "all"),
    ],
)
async def test_a_redirect_leads_where_it_leads(
    raw_server: Start, open_fetcher: Open, target: str, expected: str
) -> None:
    answers: dict[str, Answer] = {
        "/there": moved("/robots.txt"),
        "/broken": reply(500),
        "/page": reply(200, b"<!doctype html><title>Welcome</title>"),
        "/r.txt": reply(),
        "/robots.txt?r": reply(),
    }
    talk = site(answers)
    server = await raw_server(talk)
    answers["/robots.txt"] = moved(target.format(port=server.port))
    assert await Asking(server, open_fetcher()).outcome() == expected
    assert len(talk.asked) <= 6


async def test_the_rules_of_another_origin_that_it_moved_to_hold_here(raw_server: Start, open_fetcher: Open) -> None:
    other = await raw_server(site({"/robots.txt": reply()}))
    server = await raw_server(site({"/robots.txt": moved(other.url + "robots.txt")}))
    fetcher = open_fetcher()
    asking = Asking(server, fetcher)
    assert await asking.outcome() == "rules"
    assert asking.cache.known(other.url.rstrip("/")) is None  # of that one nothing was asked yet


def packed(window: int) -> bytes:
    packing = zlib.compressobj(wbits=window)
    return packing.compress(RULES) + packing.flush()


FILLING = b"#" * 99 + b"\n"
FULL = RULES + FILLING * ((ROBOTS_LIMIT - len(RULES)) // 100)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        pytest.param(reply(body=b""), "all", id="empty"),
        pytest.param(reply(body=b"\n\n# nothing\n"), "all", id="no rule"),
        pytest.param(reply(body=RULES.rstrip()), "rules", id="no newline at the end"),
        pytest.param(reply(body=RULES.replace(b"\n", b"\r\n")), "rules", id="CRLF"),
        pytest.param(reply(body=RULES.replace(b"\n", b"\r")), "rules", id="CR"),
        pytest.param(reply(body=b"\xef\xbb\xbf" + RULES), "rules", id="byte order mark"),
        pytest.param(reply(body=b"# caf\xe9 \xff\xfe\n" + RULES), "rules", id="latin-1"),
        pytest.param(reply(body=b"\x00\x01\n" + RULES), "rules", id="control characters"),
        pytest.param(reply(body=RULES.decode().encode("utf-16")), "all", id="utf-16"),
        pytest.param(reply(body=b"<!doctype html>\n<title>Not found</title>\n" * 50), "all", id="HTML"),
        pytest.param(reply(Content_Type="image/png"), "rules", id="another type"),
        pytest.param(reply(Content_Type="text/plain; charset=idna"), "rules", id="a strange charset"),
        pytest.param(reply(body=gzip.compress(RULES), Content_Encoding="gzip"), "rules", id="gzip"),
        pytest.param(reply(body=packed(15), Content_Encoding="deflate"), "rules", id="deflate"),
        pytest.param(reply(body=packed(-15), Content_Encoding="deflate"), "rules", id="raw deflate"),
        pytest.param(reply(body=b"no gzip at all", Content_Encoding="gzip"), "none", id="broken gzip"),
        pytest.param(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + RULES, "rules", id="ended by the connection"),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n%x\r\n%b\r\n0\r\n\r\n"
            % (len(RULES), RULES),
            "rules",
            id="chunked",
        ),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\nConnection: close\r\n\r\n" + RULES, "none", id="cut short"
        ),
        pytest.param(b"", "none", id="no answer"),
        pytest.param(b"\x16\x03\x01 what is this?\r\n\r\n", "none", id="no HTTP"),
        pytest.param(reply(body=FULL), "rules", id="500 KiB"),
        pytest.param(reply(body=FULL + b"#" * (ROBOTS_LIMIT + 1 - len(FULL))), "rules", id="500 KiB and one byte"),
        pytest.param(reply(body=FULL + b"\n" * 200 + b"Disallow: /\n"), "rules", id="a rule past 500 KiB"),
        pytest.param(
            reply(body=FULL.ljust(ROBOTS_LIMIT - len(b"\nDisallow: /"), b"#") + b"\nDisallow: /open/not/this\n"),
            "rules",
            id="a rule across 500 KiB",
        ),
        pytest.param(reply(body=FULL * 4), "rules", id="2 MB"),
    ],
)
async def test_each_body_is_read_as_far_as_it_goes(
    raw_server: Start, open_fetcher: Open, answer: bytes, expected: str
) -> None:
    assert await outcome_of(raw_server, open_fetcher, {"/robots.txt": answer}) == expected


async def silence(writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(5)


async def half(writer: asyncio.StreamWriter) -> None:
    writer.write(reply()[:-10])
    await asyncio.sleep(5)


async def reset(writer: asyncio.StreamWriter) -> None:
    linger = b"\x01\x00\x00\x00\x00\x00\x00\x00"
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)


@pytest.mark.parametrize("answer", [silence, half, reset])
async def test_a_server_that_falls_silent_allows_nothing(raw_server: Start, open_fetcher: Open, answer: Answer) -> None:
    assert await outcome_of(raw_server, open_fetcher, {"/robots.txt": answer}, read_timeout=0.1) == "none"


async def test_a_server_that_is_not_there_allows_nothing(raw_server: Start, open_fetcher: Open) -> None:
    server = await raw_server(b"")
    asking = Asking(server, open_fetcher())
    await server.close()
    with pytest.raises(RobotsUnavailable) as caught:
        await asking.rules()
    assert (caught.value.reason, caught.value.retryable) == ("connect", True)


@pytest.mark.parametrize("status", [429, 503])
async def test_a_refusal_tells_how_long_it_wants_to_be_left_alone(
    raw_server: Start, open_fetcher: Open, status: int
) -> None:
    server = await raw_server(site({"/robots.txt": reply(status, Retry_After="120")}))
    with pytest.raises(RobotsUnavailable) as caught:
        await Asking(server, open_fetcher()).rules()
    assert (caught.value.status, caught.value.retry_after) == (status, "120")


async def test_the_trouble_of_a_server_may_pass(raw_server: Start, open_fetcher: Open) -> None:
    answers: dict[str, Answer] = {"/robots.txt": reply(503)}
    asking = Asking(await raw_server(site(answers)), open_fetcher())
    assert await asking.outcome() == "none"
    answers["/robots.txt"] = reply()
    assert await asking.outcome() == "rules"


async def test_a_file_is_asked_for_again_after_a_day_and_its_old_copy_serves_while_that_fails(
    raw_server: Start, open_fetcher: Open
) -> None:
    now = [1000.0]
    answers: dict[str, Answer] = {"/robots.txt": reply()}
    talk = site(answers)
    asking = Asking(await raw_server(talk), open_fetcher(), lambda: now[0])
    assert [await asking.outcome() for _ in range(3)] == ["rules"] * 3
    now[0] += KEEP
    assert await asking.outcome() == "rules"
    assert len(talk.asked) == 1
    answers["/robots.txt"] = reply(500)
    now[0] += 1
    with pytest.raises(RobotsUnavailable) as caught:
        await asking.rules()
    assert asking.cache.give_up(asking.origin, caught.value) is False
    assert await asking.outcome() == "rules"
    answers["/robots.txt"] = reply(404)
    now[0] += KEEP
    assert await asking.outcome() == "all"
    assert len(talk.asked) == 3


async def test_twenty_four_who_wait_ask_once(raw_server: Start, open_fetcher: Open) -> None:
    talk = site({"/robots.txt": reply()})
    asking = Asking(await raw_server(talk), open_fetcher())
    outcomes: Sequence[str] = await asyncio.gather(*(asking.outcome() for _ in range(24)))
    assert (list(outcomes), talk.asked, asking.sent) == (["rules"] * 24, ["/robots.txt"], 1)
