"""Nothing inside is reached from outside: not by a link, a redirect, a robots.txt, a sitemap, a proxy or a name server."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from crawling import crawled
from dialling import FORMS, INTERNET, MISSING, Dialled, Form, Names, Server, listening, moved, reply
from proxy_servers import LittleProxy, LittleSocks, running

import crawler
from crawler.errors import BlockedAddress, FetchError, InvalidRequest
from crawler.fetch.fetcher import FetchOptions
from crawler.fetch.http import HttpFetcher
from crawler.fetch.resolve import KEEP, Resolver
from crawler.request import Request
from crawler.spider import Spider

PUBLIC = "public.example"
Start = Callable[..., Any]  # Any: a coroutine that gives a Server


@pytest.fixture
def dialled() -> Any:
    with listening() as heard:
        yield heard


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    """Starts servers; they are closed at the end of the test."""
    servers: list[Server] = []

    async def start_one(answer: Any = lambda host, path: reply(), *ips: str, port: int = 0, **options: Any) -> Server:
        servers.append(Server(answer, **options))
        await servers[-1].start(*ips, port=port)
        return servers[-1]

    yield start_one
    for server in servers:
        await server.close()


def fetcher_of(
    names: Names | None = None,
    permitted: bool | Sequence[str] = (INTERNET,),
    clock: Callable[[], float] | None = None,
    **options: Any,
) -> HttpFetcher:
    permitted = permitted if isinstance(permitted, bool) else tuple(permitted)
    return HttpFetcher(
        FetchOptions(allow_private_hosts=permitted, timeout=5.0, **options), None, Resolver(names or Names(), clock)
    )


def spider(*seeds: str, **attributes: Any) -> type[Spider]:
    """One that goes wherever a page leads."""

    class Everywhere(Spider):
        name = "everywhere"
        start_urls = list(seeds)
        allowed_hosts = ["*"]

        def parse(self, page: Any) -> Any:
            yield {"url": page.url}
            yield from page.follow_all(page.links("all"))

    for name, value in attributes.items():
        setattr(Everywhere, name, value)
    return Everywhere


# ----- nineteen forms by eight ways -----------------------------------------------------------------------------------


class Urls(NamedTuple):
    """What a public page may lead to."""

    inside: str
    """As one of the forms."""
    other: str
    """Another public host."""
    named: str
    """A public name, whose address is inside."""


def by_link(host: str, path: str, urls: Urls) -> bytes:
    return reply(f'<a href="{urls.inside}">in</a>')


def by_redirect(host: str, path: str, urls: Urls) -> bytes:
    return moved(urls.inside) if path == "/go" else reply('<a href="/go">go</a>')


def by_refresh(host: str, path: str, urls: Urls) -> bytes:
    refresh = f'<meta http-equiv="refresh" content="0; url={urls.inside}">'
    return reply(refresh if path == "/go" else '<a href="/go">go</a>')


def by_robots(host: str, path: str, urls: Urls) -> bytes:
    if path != "/robots.txt":
        return reply(f'<a href="{urls.other}">other</a>')
    return moved(urls.inside) if host == "other.example" else MISSING


def by_sitemap(host: str, path: str, urls: Urls) -> bytes:
    return reply(f"<urlset><url><loc>{urls.inside}</loc></url></urlset>", kind="application/xml")


def by_header(host: str, path: str, urls: Urls) -> bytes:
    return reply("ok", f'Link: <{urls.inside}>; rel="canonical"')


def by_name(host: str, path: str, urls: Urls) -> bytes:
    return reply(f'<a href="{urls.named}">in</a>')


WAYS: dict[str, Callable[[str, str, Urls], bytes]] = {
    "link": by_link,
    "redirect": by_redirect,
    "refresh": by_refresh,
    "robots.txt": by_robots,
    "sitemap": by_sitemap,
    "header": by_header,
    "proxy": by_link,
    "name server": by_name,
}


def test_there_are_152_cases() -> None:
    assert len(WAYS) * len(FORMS) == 152


@pytest.mark.parametrize("form", FORMS, ids=[form.host for form in FORMS])
@pytest.mark.parametrize("way", WAYS)
async def test_no_public_page_leads_inside(way: str, form: Form, start: Start, dialled: Dialled) -> None:
    inside = await start(lambda host, path: reply("secret"), "127.0.0.1", "::1")
    named = f"http://inside.example:{inside.port}/"

    def answer(host: str, path: str) -> bytes:
        urls = Urls(f"http://{form.host}:{inside.port}/", f"http://other.example:{public.port}/", named)
        return WAYS[way](host, path, urls)

    public = await start(answer, INTERNET if way != "proxy" else "127.0.0.1", closes=way == "proxy")
    names = Names(lambda name: [form.ip] if name == "inside.example" else [])
    seed = f"http://{PUBLIC}:{public.port}/"
    led = spider(seed) if way != "sitemap" else spider(sitemaps=[f"{seed}sitemap.xml"])

    proxy = LittleProxy()
    async with running(proxy):
        got = await crawled(
            led,
            fetcher_of(names, proxies=(proxy.url,) if way == "proxy" else ()),
            allow_private_hosts=(INTERNET,),
            obey_robots=way == "robots.txt",
        )

    stats = got.report.stats
    assert (inside.connections, dialled.inside(proxy.port, public.port)) == ([], [])
    assert {host for host, _ in proxy.targets} == ({PUBLIC} if way == "proxy" else set())
    assert stats.pages >= 1
    if way == "name server" or (way == "robots.txt" and "%" not in form.host):
        assert (got.failures, dict(stats.skipped)) == ({"private_address": 1}, {})
    elif "%" not in form.host:  # that is no URL, and nobody asks for it
        assert (got.failures, dict(stats.skipped)) == ({}, {"private": 1})


@pytest.mark.parametrize("form", FORMS, ids=[form.host for form in FORMS])
async def test_a_form_is_refused_by_the_fetcher_alone(form: Form, start: Start, dialled: Dialled) -> None:
    """As if the frontier had let it pass, and the name server understood its numbers as the system's does."""
    inside = await start(lambda host, path: reply("secret"), "127.0.0.1", "::1")
    fetcher = fetcher_of(Names(lambda name: [form.ip]))
    with pytest.raises((BlockedAddress, InvalidRequest)):
        await fetcher.fetch(Request(f"http://{form.host}:{inside.port}/"))
    await fetcher.close()
    assert (inside.connections, dialled) == ([], [])


@pytest.mark.parametrize("proxy_type", [LittleProxy, LittleSocks])
async def test_no_proxy_is_asked_for_a_private_host(proxy_type: type[LittleProxy]) -> None:
    proxy = proxy_type()
    async with running(proxy):
        fetcher = fetcher_of(permitted=["nas.lan"], proxies=(proxy.url,))
        for host in ("127.0.0.1", "[::1]", "10.0.0.1", "nas", "x.local", "nas.home", "metadata.google.internal"):
            for scheme in ("http", "https"):
                with pytest.raises(BlockedAddress, match="allow_private_hosts"):
                    await fetcher.fetch(Request(f"{scheme}://{host}/"))
        assert proxy.connections == 0
        with pytest.raises(FetchError) as caught:
            await fetcher.fetch(Request("http://nas.lan:1/"))
        await fetcher.close()
    assert not isinstance(caught.value, BlockedAddress)
    assert proxy.connections > 0


# ----- names that change ----------------------------------------------------------------------------------------------

INSIDE = ("127.0.0.1", "::1", "0.0.0.0", "::", "::ffff:127.0.0.1", "10.0.0.1", "169.254.169.254", "fe80::1", "fd00::1")


def rebinding(rng: random.Random) -> Callable[[str], Sequence[str]]:
    """The internet, then the inside, by turns; and both at once, in any order."""
    turns = Counter[str]()

    def answer(name: str) -> Sequence[str]:
        turns[name] += 1
        if name.startswith("turns"):
            return [INTERNET] if turns[name] % 2 else [rng.choice(INSIDE)]
        ips = [INTERNET] * (turns[name] % 3 > 0) + rng.sample(INSIDE, rng.randint(1, 4))
        rng.shuffle(ips)
        return ips

    return answer


async def test_a_name_that_changes_leads_inside_in_none_of_1000_tries(start: Start, dialled: Dialled) -> None:
    public = await start(lambda host, path: reply(), INTERNET, closes=True)
    inside = await start(lambda host, path: reply("secret"), "127.0.0.1", "::1", port=public.port)
    now = [0.0]
    names = Names(rebinding(random.Random(12)))
    fetcher = fetcher_of(names, clock=lambda: now[0])
    ends: Counter[str] = Counter()
    for number in range(1_000):
        name = f"{'turns' if number % 2 else 'mixed'}{number % 7}.example"
        try:
            response = await fetcher.fetch(Request(f"http://{name}:{public.port}/"))
            ends[response.body.decode()] += 1
        except BlockedAddress:
            ends["refused"] += 1
        now[0] += KEEP + 1  # an answer is never believed for the next try: as if all had a TTL of 0
    await fetcher.close()
    assert (inside.connections, dialled.inside()) == ([], [])
    assert len(names.asked) == 1_000
    assert set(ends) == {"ok", "refused"}
    assert min(ends.values()) > 200


async def test_a_name_that_changes_during_a_crawl_leads_inside_for_no_page(start: Start, dialled: Dialled) -> None:
    """Ten pages of one host, whose name means another machine from the second on."""
    links = "".join(f'<a href="/{number}">x</a>' for number in range(9))
    now = [0.0]

    def answer(host: str, path: str) -> bytes:
        now[0] += KEEP + 1  # what is known of the name is too old for the next page
        return reply(links)

    public = await start(answer, INTERNET, closes=True)
    inside = await start(lambda host, path: reply("secret"), "127.0.0.1", port=public.port)
    names = Names(lambda name: ["127.0.0.1"] if now[0] else [INTERNET])

    got = await crawled(
        spider(f"http://{PUBLIC}:{public.port}/"),
        fetcher_of(names, clock=lambda: now[0]),
        allow_private_hosts=(INTERNET,),
        concurrency_per_host=1,
    )
    assert (inside.connections, dialled.inside()) == ([], [])
    assert (len(got.items), got.failures) == (1, {"private_address": 9})
    assert got.failure("private_address").detail == (
        f"{PUBLIC} is at 127.0.0.1, a private address (this machine): no public page or public name may lead there; "
        f'allow_private_hosts = ["{PUBLIC}"] permits it'
    )


# ----- connections ----------------------------------------------------------------------------------------------------


async def test_a_connection_that_may_be_inside_is_not_lent_to_a_request_that_may_not(
    start: Start, dialled: Dialled
) -> None:
    server = await start(lambda host, path: reply(), "127.0.0.1")
    url = f"http://127.0.0.1:{server.port}/"
    fetcher = fetcher_of()
    for _ in range(2):
        assert (await fetcher.fetch(Request(url), inside=True)).status == 200
        with pytest.raises(BlockedAddress):
            await fetcher.fetch(Request(url))
    with pytest.raises(BlockedAddress):
        await fetcher.fetch_head(Request(url), 10)
    assert (await fetcher.fetch_head(Request(url), 10, inside=True)).status == 200
    await fetcher.close()
    assert len(server.asked) == 3
    assert dialled == [("127.0.0.1", server.port)]  # one connection, kept and used again by those who may


async def test_one_connector_is_made_for_a_crawl_that_is_all_public_or_all_private(start: Start) -> None:
    server = await start(lambda host, path: reply(), "127.0.0.1", INTERNET)
    for host, inside, permitted in (
        (PUBLIC, False, (INTERNET,)),
        ("127.0.0.1", True, ()),
        ("127.0.0.1", False, True),
    ):
        fetcher = fetcher_of(permitted=permitted)
        for _ in range(3):
            await fetcher.fetch(Request(f"http://{host}:{server.port}/"), inside=inside)
        assert len(fetcher._routes._connectors) == 1
        await fetcher.close()
    assert len(server.connections) == 3


# ----- what the setting lets through ----------------------------------------------------------------------------------


async def test_exactly_the_listed_hosts_are_let_through(start: Start, dialled: Dialled) -> None:
    listed = (INTERNET, "127.0.1.0/30", "127.0.0.5", "wiki.corp.example", "nas")
    ways_in = ["127.0.1.1", "127.0.1.2", "127.0.0.5", "wiki.corp.example", "a.wiki.corp.example", "nas", "near.lan"]
    ways_out = ["127.0.1.4", "127.0.0.4", "127.0.0.6", "localhost", "corp.example", "x.nas.example", "[::1]", "far.lan"]
    addresses = {
        "wiki.corp.example": "127.0.0.3", "a.wiki.corp.example": "127.0.0.3", "nas": "127.0.0.3", "near.lan": "127.0.1.3",
        "corp.example": "127.0.0.3", "x.nas.example": "127.0.0.3", "far.lan": "127.0.0.4",
    }  # fmt: skip

    def answer(host: str, path: str) -> bytes:
        if host in (PUBLIC, "127.0.0.5", "wiki.corp.example"):  # one that is let in leads no further than the others
            return reply("".join(f'<a href="http://{to}:{server.port}/">x</a>' for to in [*ways_out, *ways_in]))
        return reply()

    ips = ("127.0.0.1", "127.0.0.3", "127.0.0.4", "127.0.0.5", "127.0.0.6", "127.0.1.1", "127.0.1.2", "127.0.1.3")
    server = await start(answer, INTERNET, *ips, "127.0.1.4")
    names = Names(lambda name: [addresses[name]] if name in addresses else [])
    got = await crawled(
        spider(f"http://{PUBLIC}:{server.port}/"), fetcher_of(names, listed), allow_private_hosts=listed
    )
    assert {host for host, _ in server.asked} == {PUBLIC, *ways_in}
    assert {ip for ip, _ in dialled} == {INTERNET, "127.0.1.1", "127.0.1.2", "127.0.1.3", "127.0.0.5", "127.0.0.3"}
    assert got.failures == {"private_address": 3}  # corp.example, x.nas.example, far.lan: known when they are dialled
    assert set(got.report.stats.skipped) == {"private"}


async def test_true_lets_everything_through(start: Start) -> None:
    def answer(host: str, path: str) -> bytes:
        links = "".join(f'<a href="http://{to}:{server.port}/">x</a>' for to in ("127.0.0.1", "inside.example"))
        return reply(links if host == PUBLIC else "ok")

    server = await start(answer, INTERNET, "127.0.0.1")
    names = Names(lambda name: ["127.0.0.1"] if name == "inside.example" else [])
    got = await crawled(spider(f"http://{PUBLIC}:{server.port}/"), fetcher_of(names, True), allow_private_hosts=True)
    assert (len(got.items), got.failures, got.report.stats.skipped) == (3, {}, {})


async def test_a_seed_with_a_public_name_at_a_private_address_is_refused_with_what_to_set(
    start: Start, dialled: Dialled
) -> None:
    server = await start(lambda host, path: reply(), "127.0.0.1")
    seed = f"http://wiki.corp.example:{server.port}/"
    names = Names(lambda name: ["127.0.0.1"])
    got = await crawled(spider(seed), fetcher_of(names, False))
    assert (got.failures, dialled) == ({"private_address": 1}, [])
    detail = got.failure("private_address").detail
    assert 'allow_private_hosts = ["wiki.corp.example"] permits it' in detail

    again = await crawled(
        spider(seed), fetcher_of(names, ["wiki.corp.example"]), allow_private_hosts=("wiki.corp.example",)
    )
    assert (len(again.items), again.failures) == (1, {})


async def test_a_host_with_one_private_address_of_two_is_asked_at_the_other(start: Start, dialled: Dialled) -> None:
    server = await start(lambda host, path: reply(), INTERNET)
    fetcher = fetcher_of(Names(lambda name: ["10.0.0.1", INTERNET, "::1"]))
    assert (await fetcher.fetch(Request(f"http://{PUBLIC}:{server.port}/"))).status == 200
    await fetcher.close()
    assert dialled.inside() == []


async def test_a_host_whose_public_address_did_not_answer_may_be_tried_again(start: Start) -> None:
    server = await start(lambda host, path: reply(), INTERNET)
    await server.close()
    fetcher = fetcher_of(Names(lambda name: ["10.0.0.1", INTERNET]))
    with pytest.raises(FetchError) as caught:
        await fetcher.fetch(Request(f"http://{PUBLIC}:{server.port}/"))
    await fetcher.close()
    assert (caught.value.reason, caught.value.retryable) == ("connect", True)


# ----- one way out ----------------------------------------------------------------------------------------------------

_CRAWLER = Path(crawler.__file__).parent
_OPENERS = {
    "TCPConnector(": {"fetch/connect.py"},
    "ClientSession(": set(),
    "_connector.connect(": {"fetch/lines.py"},
    "socket.socket(": {"fetch/guard.py", "fetch/resolve.py"},  # the second asks whether this machine has an ::1
    "open_connection(": set(),
    "create_connection(": set(),
    "urlopen(": set(),
}
"""What opens a connection, and where it may stand."""
_PLAYS_SERVERS = ("testing", "demo")


@pytest.mark.parametrize("opener", _OPENERS)
def test_nothing_but_the_guarded_connector_opens_a_connection(opener: str) -> None:
    files = [file.relative_to(_CRAWLER) for file in _CRAWLER.rglob("*.py")]
    found = {
        file.as_posix()
        for file in files
        if file.parts[0] not in _PLAYS_SERVERS and opener in (_CRAWLER / file).read_text("utf-8")
    }
    assert found == _OPENERS[opener]
