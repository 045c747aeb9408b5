"""No secret leaves its origin: each kind of it, over each change of origin, as the bytes at the other end show."""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest
from certificates import Certificates
from proxy_servers import LittleProxy, running
from witness import Seen, Witness, reply, to

import crawler
from crawler.fetch.fetcher import FetchOptions
from crawler.fetch.http import HttpFetcher
from crawler.request import Entry, Request
from crawler.urls.redirect import redirected

StartWitness = Callable[..., Awaitable[Witness]]
NAMES = "DNS:a.localhost,DNS:b.localhost,DNS:sub.a.localhost,IP:127.0.0.1"


# ----- the twelve kinds --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Kind:
    """One way to have a secret: what the request for a page of the first origin is like."""

    name: str
    fields: dict[str, Any]
    userinfo: str = ""
    cookie: str = ""
    """Attributes of a cookie that the first origin sets with its redirect."""

    @property
    def secret(self) -> str:
        return f"s3cret-{self.name}"


def kinds(credential: str) -> list[Kind]:
    def twice(name: str, value: str) -> dict[str, Any]:
        """Two copies, under two spellings."""
        return {"headers": {name.title(): value, "".join(_odd(name)): f"{value}2"}}

    return [
        Kind(f"setting-{credential}", {}),
        Kind("authorization", twice("authorization", "Bearer s3cret-authorization")),
        Kind("userinfo", {}, userinfo="ann:s3cret-userinfo@"),
        Kind("cookie", twice("cookie", "a=s3cret-cookie")),
        Kind("cookies", {"cookies": {"a": "s3cret-cookies", "b": "s3cret-cookies"}}),
        Kind("jar-host", {}, cookie="Path=/"),
        Kind("jar-domain", {}, cookie="Path=/; Domain=a.localhost"),
        Kind("proxy-authorization", twice("proxy-authorization", "Basic s3cret-proxy-authorization")),
        Kind("x-api-key", twice("x-api-key", "s3cret-x-api-key")),
        Kind("referer", twice("referer", "http://intra/?s3cret-referer")),
        Kind("custom", twice("x-of-my-own", "s3cret-custom")),
        Kind("body", {"headers": {"Origin": "http://s3cret-body.example", "X-CSRF-Token": "s3cret-body"}}),
    ]


def _odd(name: str) -> list[str]:
    return [letter.upper() if place % 2 else letter for place, letter in enumerate(name)]


CREDENTIALS = {
    "basic": "basic ann:s3cret-setting-basic",
    "bearer": "bearer s3cret-setting-bearer",
    "key": "header X-Api-Key: s3cret-setting-key",
    "cookie": "header Cookie: id=s3cret-setting-cookie",
}


def needles(kind: Kind) -> list[bytes]:
    """How its secret looks on the wire."""
    plain = kind.secret.encode()
    return [plain, base64.b64encode(b"ann:" + plain)]


def has(raw: bytes, kind: Kind) -> bool:
    return any(needle in raw for needle in needles(kind))


# ----- the six changes of origin, and back -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Change:
    name: str
    source: tuple[str, str]
    """Scheme and host of the first origin."""
    target: tuple[str, str]
    other_port: bool = False
    back: bool = False
    shares: tuple[str, ...] = ()
    """Kinds that the target may see: to which hosts a cookie belongs is told by its site, and neither scheme nor port is
    part of that (RFC 6265, sections 5.4 and 8.5)."""


CHANGES = [
    Change("other host", ("http", "a.localhost"), ("http", "b.localhost")),
    Change("other port", ("http", "a.localhost"), ("http", "a.localhost"), True, shares=("jar-host", "jar-domain")),
    Change("https to http", ("https", "a.localhost"), ("http", "a.localhost")),
    Change("http to https", ("http", "a.localhost"), ("https", "a.localhost"), shares=("jar-host", "jar-domain")),
    Change("subdomain", ("http", "a.localhost"), ("http", "sub.a.localhost"), shares=("jar-domain",)),
    Change("parent domain", ("http", "sub.a.localhost"), ("http", "a.localhost"), shares=("jar-domain",)),
    Change("there and back", ("http", "a.localhost"), ("http", "b.localhost"), back=True),
]

WAYS = {
    "302": to,
    "301": lambda url, *lines: to(url, *lines, status=301),
    "303": lambda url, *lines: to(url, *lines, status=303),
    "307": lambda url, *lines: to(url, *lines, status=307),
    "308": lambda url, *lines: to(url, *lines, status=308),
    "refresh header": lambda url, *lines: reply("<p>soon", f"Refresh: 0; url={url}", *lines),
    "refresh tag": lambda url, *lines: reply(f'<meta http-equiv=refresh content="0; url={url}">', *lines),
    "userinfo in the location": lambda url, *lines: to(url.replace("://", "://eve:evil@"), *lines),
}


@dataclass
class Walk:
    """A crawl over one change of origin, and what each origin saw of it."""

    source: Witness
    target: Witness
    change: Change
    items: list[Any]

    def at_source(self) -> list[Seen]:
        return [seen for seen in self.source.seen if seen.host == self.change.source[1] and self._is_first(seen)]

    def at_target(self) -> list[Seen]:
        return [seen for seen in self.target.seen if not self._is_first(seen)]

    @staticmethod
    def _is_first(seen: Seen) -> bool:
        return seen.path.startswith("/from")


async def walked(
    witness: StartWitness,
    certificates: Certificates,
    change: Change,
    way: str = "302",
    credential: str = "basic",
    proxies: tuple[str, ...] = (),
) -> Walk:
    tls = certificates.server("origins", NAMES)
    plain, other = await witness(), await witness()
    secure = await witness(tls=tls)
    by_scheme = {"http": plain, "https": secure}
    source = by_scheme[change.source[0]]
    target = other if change.other_port else by_scheme[change.target[0]]
    begin, end = source.origin(change.source[1]), target.origin(change.target[1])
    cases = {kind.name: kind for kind in kinds(credential)}

    def answer(seen: Seen) -> bytes:
        place, _, name = seen.path[1:].partition("/")
        if place == "from":
            cookie = cases[name].cookie
            secure_only = "; Secure" if change.source[0] == "https" else ""
            lines = [f"Set-Cookie: a={cases[name].secret}; {cookie}{secure_only}"] if cookie else []
            return WAYS[way](f"{end}/to/{name}", *lines)
        if place == "to" and change.back:
            return to(f"{begin}/back/{name}")
        return reply("here")

    for one in (plain, other, secure):
        one.answer = answer

    class Walker(crawler.Spider):
        name = "walker"
        allowed_hosts = ["*"]

        async def start(self) -> Any:
            for kind in cases.values():
                url = f"{begin}/from/{kind.name}".replace("://", f"://{kind.userinfo}")
                yield Request(url, session=kind.name, **kind.fields)

        def parse(self, page: Any) -> Any:
            yield {"path": page.url.partition("localhost")[2].partition("/")[2]}

    settings = {
        "credentials": {begin: CREDENTIALS[credential]},
        "delay": 0.0,
        "obey_robots": False,
        "allow_private_hosts": True,
        "ca_file": str(certificates.ca),
        "proxies": proxies,
        "retries": 0,
    }
    items = [item async for item in crawler.crawl(Walker, settings=settings)]
    return Walk(source, target, change, items)


def leaked(walk: Walk, credential: str) -> list[str]:
    """The kinds of secrets that somebody saw who should not, or that were not even sent where they belong."""
    found = []
    for kind in kinds(credential):
        begun = b"".join(seen.raw for seen in walk.at_source() if seen.path == f"/from/{kind.name}")
        gone = b"".join(seen.raw for seen in walk.at_target() if seen.path.startswith(f"/to/{kind.name}"))
        back = b"".join(seen.raw for seen in walk.at_target() if seen.path == f"/back/{kind.name}")
        if not begun or not gone:
            found.append(f"{kind.name}: no exchange")
        if not kind.cookie and kind.name != "proxy-authorization" and not has(begun, kind):
            found.append(f"{kind.name}: not sent to its own origin")
        if kind.name == "proxy-authorization" and has(begun, kind):
            found.append(f"{kind.name}: sent to a host")
        if has(gone, kind) and kind.name not in walk.change.shares:
            found.append(f"{kind.name}: leaked")
        is_of_origin = bool(kind.cookie) or kind.name.startswith("setting")
        if walk.change.back and has(back, kind) != is_of_origin:
            found.append(f"{kind.name}: wrong on its way back")
    return found


@pytest.mark.parametrize("credential", CREDENTIALS)
@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.name)
async def test_no_secret_goes_along_to_another_origin(
    witness: StartWitness, certificates: Certificates, change: Change, credential: str
) -> None:
    walk = await walked(witness, certificates, change, credential=credential)
    assert leaked(walk, credential) == []
    assert len(walk.items) == len(kinds(credential)) == 12


@pytest.mark.parametrize("way", WAYS)
async def test_no_secret_goes_along_however_a_page_sends_on(
    witness: StartWitness, certificates: Certificates, way: str
) -> None:
    walk = await walked(witness, certificates, CHANGES[0], way)
    assert leaked(walk, "basic") == []
    assert b"ZXZlOmV2aWw" not in walk.target.raw  # eve:evil
    assert all(not seen.values("referer") for seen in walk.at_target())


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.name)
async def test_no_secret_goes_along_over_a_proxy(
    witness: StartWitness, certificates: Certificates, change: Change
) -> None:
    proxy = LittleProxy("bob", "s3cret-of-the-proxy")
    async with running(proxy):
        walk = await walked(witness, certificates, change, proxies=(proxy.url,))
    assert leaked(walk, "basic") == []
    wire = walk.source.raw + walk.target.raw
    assert base64.b64encode(b"bob:s3cret-of-the-proxy") not in wire
    assert b"s3cret-of-the-proxy" not in wire
    tunnels = [head for head in proxy.heads if head.startswith("CONNECT")]
    assert bool(tunnels) == ("https" in change.name)
    for head in tunnels:  # names of hosts, and nothing of what is said there
        assert not any(has(head.encode("latin-1"), kind) for kind in kinds("basic"))
        names = {line.partition(":")[0].lower() for line in head.split("\r\n")[1:] if line}
        assert names <= {"host", "user-agent", "proxy-authorization", "accept", "accept-encoding"}, head
    onward = [head for head in proxy.heads if "/to/" in head.split("\r\n", 1)[0]]
    own = {kind.name for kind in kinds("basic")} - set(change.shares)
    for head in onward:
        assert not any(has(head.encode("latin-1"), kind) for kind in kinds("basic") if kind.name in own), head


# ----- bodies ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("payload", [{"body": b"s3cret"}, {"json": {"s3cret": 1}}, {"form": {"a": "s3cret"}}], ids=str)
async def test_no_body_is_sent_to_another_origin(witness: StartWitness, status: int, payload: dict[str, Any]) -> None:
    target = await witness()
    source = await witness(lambda seen: to(f"{target.origin()}/to", status=status))

    class Poster(crawler.Spider):
        name = "poster"
        allowed_hosts = ["*"]

        async def start(self) -> Any:
            yield Request(source.origin() + "/from", method="POST", headers={"Content-Language": "s3cret"}, **payload)

        def parse(self, page: Any) -> Any:
            yield {"url": page.url}

    run = crawler.crawl(Poster, settings={"delay": 0.0, "obey_robots": False, "retries": 0})
    items = [item async for item in run]
    assert b"s3cret" in source.raw
    assert b"s3cret" not in target.raw
    if status in (307, 308):  # nothing with an effect is repeated elsewhere
        assert (items, target.seen, run.report.stats.failures) == ([], [], {"redirect": 1})
    else:
        [seen] = target.seen
        assert seen.raw.startswith(b"GET /to ")
        assert seen.values("content-length") == seen.values("content-type") == []


# ----- robots.txt, sitemaps, links --------------------------------------------------------------------------------


async def test_robots_txt_takes_the_credentials_of_its_origin_and_of_no_other(witness: StartWitness) -> None:
    """The robots.txt of a leads to b's, with a name of a's choice in the address."""
    there = await witness(lambda seen: reply("User-agent: *\nDisallow: /no", "Content-Type: text/plain"))
    elsewhere = f"http://eve:evil@127.0.0.1:{there.port}/robots.txt"
    here = await witness(lambda seen: to(elsewhere) if seen.path == "/robots.txt" else reply("<a href=/no>no</a>"))

    class Reader(crawler.Spider):
        name = "reader"

        async def start(self) -> Any:
            yield Request(f"{here.origin()}/", headers={"X-Api-Key": "s3cret"}, cookies={"a": "s3cret"})

        def parse(self, page: Any) -> Any:
            yield {"url": page.url}
            yield from page.follow_all("a")

    settings = {"delay": 0.0, "credentials": {here.origin(): "basic ann:s3cret"}}
    items = [item async for item in crawler.crawl(Reader, settings=settings)]
    assert items == [{"url": f"{here.origin()}/"}]
    basic = f"Basic {base64.b64encode(b'ann:s3cret').decode()}"
    assert [seen.values("authorization") for seen in here.seen] == [[basic], [basic]]
    assert [(seen.path, seen.values("authorization")) for seen in there.seen] == [("/robots.txt", [])]
    assert [seen.path for seen in here.seen if b"s3cret" in seen.raw] == ["/"]


async def test_what_a_page_leads_to_has_nothing_of_its_request(witness: StartWitness) -> None:
    """Links, a sitemap's entries, what on_failure yields: each is a request of its own."""
    other = await witness()

    def answer(seen: Seen) -> bytes:
        if seen.path == "/sitemap.xml":
            return reply(f"<urlset><url><loc>{other.origin()}/listed</loc></url></urlset>")
        return reply(f"<a href='{other.origin()}/linked'>x</a>", status="200 OK") if seen.path == "/" else reply("")

    here = await witness(answer)

    class Follower(crawler.Spider):
        name = "follower"
        allowed_hosts = ["*"]

        async def start(self) -> Any:
            mine: Any = {"headers": {"Authorization": "s3cret", "X-Api-Key": "s3cret"}, "cookies": {"a": "s3cret"}}
            yield Request(f"{here.origin()}/", **mine)
            yield Request(f"{here.origin()}/sitemap.xml", "parse_sitemap", **mine)

        def parse(self, page: Any) -> Any:
            yield {"url": page.url}
            yield from page.follow_all("a")
            yield from (page.follow(a, unique=False) for a in page.css("a"))

    assert [item async for item in crawler.crawl(Follower, settings={"delay": 0.0, "obey_robots": False})]
    assert sorted(seen.path for seen in other.seen) == ["/linked", "/linked", "/listed"]
    assert here.raw.count(b"s3cret") == 6
    assert b"s3cret" not in other.raw


# ----- challenges --------------------------------------------------------------------------------------------------

CHALLENGES = [
    'Digest realm="a", nonce="n", qop="auth", algorithm=MD5, domain="/ http://127.0.0.1/"',
    'Digest realm="a", nonce="n", algorithm=SHA-256',
    'Basic realm="a"',
    "Negotiate",
    "NTLM",
    'Bearer realm="a"',
]


@pytest.mark.parametrize("challenge", CHALLENGES)
@pytest.mark.parametrize("status", [401, 407])
async def test_a_challenge_of_a_foreign_origin_is_not_answered(
    witness: StartWitness, challenge: str, status: int
) -> None:
    field = "WWW-Authenticate" if status == 401 else "Proxy-Authenticate"
    foreign = await witness(lambda seen: reply("who?", f"{field}: {challenge}", status=f"{status} Who"))
    home = await witness(lambda seen: to(f"{foreign.origin()}/"))

    class Visitor(crawler.Spider):
        name = "visitor"
        allowed_hosts = ["*"]

        async def start(self) -> Any:
            yield Request(home.origin().replace("://", "://ann:s3cret@"), headers={"X-Api-Key": "s3cret"})

    settings = {"delay": 0.0, "obey_robots": False, "credentials": {home.origin(): "bearer s3cret"}}
    run = crawler.crawl(Visitor, settings=settings)
    assert [item async for item in run] == []
    assert run.report.stats.failures == {f"http_{status}": 1}
    [seen] = foreign.seen  # asked once, and not again with an answer
    assert seen.values("authorization") == seen.values("proxy-authorization") == []
    assert b"s3cret" not in seen.raw


# ----- proxies -----------------------------------------------------------------------------------------------------


async def test_each_scheme_of_a_host_goes_over_the_proxy_that_its_table_names(
    witness: StartWitness, certificates: Certificates
) -> None:
    """A redirect from one host to another, each with a proxy of its own: neither proxy sees the other's password."""
    secure = await witness(tls=certificates.server("origins", NAMES))
    plain = await witness(lambda seen: to(f"{secure.origin('b.localhost')}/to"))
    one, two = LittleProxy("ann", "s3cret-one"), LittleProxy("bob", "s3cret-two")
    async with running(one, two):
        fetcher = HttpFetcher(
            FetchOptions(allow_private_hosts=True, ca_file=str(certificates.ca), proxies=(one.url,)),
            {"b.localhost": {"proxies": (two.url,)}},
        )
        try:
            request = Request(f"{plain.origin('a.localhost')}/from", headers={"Proxy-Authorization": "s3cret-own"})
            moved = await fetcher.fetch(request)
            entry = Entry(request, f"a.localhost:{plain.port}", plain.origin("a.localhost"), 0)
            target = redirected(entry, 302, moved.headers["Location"])
            assert isinstance(target, Request)
            assert (await fetcher.fetch(target)).status == 200
        finally:
            await fetcher.close()
    assert [head.split(" ")[0] for head in one.heads] == ["GET"]
    assert [head.split(" ")[0] for head in two.heads] == ["CONNECT"]
    ann, bob = (base64.b64encode(pair).decode() for pair in (b"ann:s3cret-one", b"bob:s3cret-two"))
    assert (ann in one.heads[0], bob in one.heads[0]) == (True, False)
    assert (ann in two.heads[0], bob in two.heads[0]) == (False, True)
    assert b"s3cret" not in plain.raw + secure.raw
