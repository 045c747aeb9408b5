"""The rules about URLs, HTTP fields and robots, each with what must hold whatever a stranger writes."""

from __future__ import annotations

from email.utils import parsedate_to_datetime
from math import isfinite
from urllib.parse import urlsplit

from inputs import Target, field, octets, text
from seeds import lines_of, octets_of, texts_of, urls

from crawler.fetch.suffixes import public_suffixes
from crawler.http import caching, credentials, fields, proxies
from crawler.http.cookies import HEADER_BYTES, CookieJar
from crawler.http.link_header import links_of
from crawler.http.refresh import refresh_of
from crawler.http.set_cookie import MAX_PAIR, cookie_date, parse_set_cookie
from crawler.http.set_cookie import octets as octets_in
from crawler.politeness.robots import ALLOW_ALL, RobotsTxt, line_against, rules_of
from crawler.politeness.robots_tag import directives
from crawler.request import Entry, Request
from crawler.response import Cookie, Headers
from crawler.urls.canonical import DEFAULT_STEPS, STEPS, canonicalizer
from crawler.urls.fingerprint import fingerprint, fingerprints
from crawler.urls.redirect import redirected
from crawler.urls.scope import Scope
from crawler.urls.url import MAX_URL, Base, address, why_not

NOW = 1_772_625_600.0
ORDINARY = [*STEPS]  # before any test adds its own
CANONICAL = {name: canonicalizer([name]) for name in ORDINARY}
CANONICAL["by default"] = canonicalizer(DEFAULT_STEPS)
CANONICAL["all"] = canonicalizer(ORDINARY)
SUFFIXES = public_suffixes()
SECRET = "hush-4f1c"

URL_WORDS = ["http://", "https://", "//", "///", "\\", "/", "?", "#", "%", "%25", "%2e", "%2E%2e", "..", "../", "./", "@", ":", ":80", ":443", ":0", "&", "=", ";", ";jsessionid=1", "index.html", "/index.html", "www.", "utm_source=", "sid=1", "[", "]", "[::1]", "[::ffff:7f00:1]", "0x7f", "0177", "127.1", "xn--", "xn--a", "xn--fiq", "a.example", "javascript:", "data:", "mailto:", "file:", "ftp:", "user:pass@", "\t", " ", "%00", "%zz", "%c3%a9", "|", "^", "`", "{", "<", ">", '"', "'", "*", "$", "~", "+", ",", "!", "(", ")"]  # fmt: skip
FIELD_WORDS = [";", ",", "=", '"', "\\", "\\\"", " ", "\t", "<", ">", "<a>", "rel=next", "anchor=", "max-age=", "max-age=1", "no-store", "private", "stale-if-error=9", "must-revalidate", "Expires=", "Domain=", "Path=/", "Secure", "HttpOnly", "SameSite=None", "__Host-", "__Secure-", "Max-Age=-1", "a=b", "url=", "5;url='", "GMT", "Thu, 01 Jan 1970 00:00:00", "Jan", "70", "23:59:60", "charset=", "unavailable_after:", "none", "nofollow", "*", ":", "Tue", "2026-", "W/", "Age", "-"]  # fmt: skip
ROBOTS_WORDS = [b"User-agent:", b"User-agent: *\n", b"user-agent: bot\n", b"Disallow:", b"Allow:", b"Sitemap:", b"Crawl-delay:", b"Request-rate:", b"*", b"$", b"*a*a*", b"/", b"%", b"%2a", b"%24", b"%c3%a9", b"#", b":", b"\n", b"\r", b"\r\n", b" ", b"1/5s", b"index.html", b"\xef\xbb\xbf", b"/a", b"?", b"&"]  # fmt: skip
A_URL = text(urls(), URL_WORDS)
A_FIELD = field(texts_of("http/*.py", "politeness/test_robots_tag.py") + lines_of("http/http_state.jsonl"), FIELD_WORDS)


def _joins(base: str, href: str) -> None:
    by_one = Base(base)
    joined, resolved = by_one.join(href), by_one.resolve(href)
    assert joined is None or joined == resolved, (joined, resolved)
    assert by_one.join_all([href, None, href]) == ([] if joined is None else [joined])
    if joined is None:
        return
    assert joined.isascii(), "a URL is sent as it stands"
    assert joined.startswith(("http://", "https://"))
    assert not set(joined.partition("#")[0]) & set(" \t\r\n\0<>"), "nothing breaks out of a request line"
    assert Base(joined).join("") == joined.partition("#")[0]
    assert Base(joined).join(joined) == joined, "what was serialized is read as the same"


def _addresses(url: str) -> None:
    found = address(url)
    if found is None:
        assert why_not(url)
        return
    assert len(found.href) <= MAX_URL
    assert address(found.href) == found
    assert "@" in found.href or found.href.startswith(f"{found.origin}/")
    assert found.host in (found.hostname, found.origin.partition("://")[2])
    if found.hostname.strip("*."):  # http://./ is nobody's
        assert Scope([found.hostname]).admits(found.hostname)
        assert Scope([found.href]).admits(found.hostname)
        grown = Scope()
        grown.grow(found.hostname)
        assert grown.admits(found.hostname)
    split = urlsplit(found.href)
    assert split.scheme == found.origin.partition(":")[0]
    registrable = SUFFIXES.registrable(found.hostname)
    assert registrable is None or found.hostname.rstrip(".").endswith(registrable.rstrip("."))


def _canonical(url: str) -> None:
    found = address(url)
    if found is None:
        return
    for name, canonical in CANONICAL.items():
        once = canonical(found.href)
        assert canonical(once) == once, (name, found.href, once, canonical(once))
        assert once.isascii()
        assert Base("").join(once) is not None, (name, found.href, once)
        reread = address(once[:MAX_URL])  # a bare % became three characters
        assert reread is not None, (name, found.href, once)
        if name not in ("drop_www", "https_is_http", "all"):
            assert reread.origin == found.origin, (name, found.href, once)


def _fingerprints(url: str, session: str) -> None:
    request = Request(url, session=session)
    assert fingerprints([request], 7) == [fingerprint(url, request, 7)]
    assert 0 <= fingerprint(url, request, 7) < 2**64


def _redirects(url: str, location: str, status: str) -> None:
    here = address(url)
    if here is None:
        return
    request = Request(
        here.href, headers={"X-Api-Key": SECRET}, cookies={"a": SECRET}, body=SECRET.encode(), method="PUT"
    )
    for asked in (request, Request(here.href, headers={"Accept": "a", "Authorization": SECRET}, cookies={"a": SECRET})):
        entry = Entry(asked, here.host, here.origin, 1)
        following = redirected(entry, 301 + len(status) % 8, location)
        if isinstance(following, str):
            assert following
            continue
        there = address(following.url)
        assert there is not None
        if there.origin != here.origin:
            assert SECRET not in repr(following)
            assert "@" not in there.href.partition("://")[2].partition("/")[0]


def _cookies(lines: str, url: str, other: str) -> None:
    found = address(url)
    jar = CookieJar(SUFFIXES)
    headers = lines.split("\n")
    for at in range(3):
        jar.take(headers, url, "", NOW + at)
    news = jar.news()
    assert jar.news() == []
    header = jar.header(url, "", NOW + 5)
    assert octets_in(header) <= HEADER_BYTES
    assert not set(header) & set("\r\n\0")
    elsewhere = address(other)
    if found is not None and elsewhere is not None and elsewhere.hostname != found.hostname:
        sent = jar.header(other, "", NOW + 5)
        site = SUFFIXES.registrable(found.hostname)
        assert not sent or site == SUFFIXES.registrable(elsewhere.hostname) is not None, (url, other, sent)
    back = CookieJar(SUFFIXES)
    back.restore(news, NOW)
    assert back.header(url, "", NOW + 5) == header
    assert all(isinstance(cookie, Cookie) for cookie in news)


def _set_cookie(line: str) -> None:
    told = parse_set_cookie(line, NOW)
    if told is not None:
        assert octets_in(told.name) + octets_in(told.value) <= MAX_PAIR
        assert told.expires is None or 0 <= told.expires <= NOW + 400 * 86_400
    moment = cookie_date(line)
    assert moment is None or isfinite(moment)


def _http_dates(value: str) -> None:
    found = fields.http_date(value, NOW)
    if found is not None and len(value) == len("Sun, 06 Nov 1994 08:49:37 GMT") and ":60" not in value:
        assert found == parsedate_to_datetime(value).timestamp()


def _caching(control: str, other: str, wish: str) -> None:
    headers = Headers(
        [
            ("Cache-Control", control),
            ("Vary", other),
            ("ETag", other),
            ("Age", other),
            ("Date", wish),
            ("Expires", control),
            ("Last-Modified", wish),
            ("Connection", control),
        ]
    )
    asked = Headers([("Cache-Control", wish), ("Pragma", other), ("Accept", wish)])
    stored = caching.Stored(200, headers, NOW - 9, NOW - 8, caching.vary_of(headers, asked))
    assert isinstance(caching.is_usable(stored, asked, NOW), bool)
    assert caching.lifetime(stored, NOW) >= 0
    assert caching.age(stored, NOW) >= 0
    assert caching.is_chosen_by(stored.vary, asked)
    assert all(value.isprintable() and value.isascii() for value in caching.conditions(headers).values())
    caching.may_store(200, headers, asked)
    caching.is_worth_storing(stored, NOW)
    caching.may_stand_in(stored, asked, NOW)
    caching.wants_only_stored(asked)
    caching.confirms(stored, asked)
    caching.agrees(stored, asked)
    caching.freshened(stored, caching.storable_headers(headers), NOW, NOW)
    date = fields.http_date(control, NOW)
    assert date is None or isfinite(date)


def _fields(value: str) -> None:
    for link in links_of([value, value]):
        assert link.target in value
    refresh = refresh_of(value)
    assert refresh is None or refresh.seconds >= 0
    said = directives([value], [("robots", value), (value, value)], "bot")
    assert all(word == word.strip() and word for word in said)
    hidden = credentials.without_secret(f"http://user:{SECRET}@a.example/ {value}")
    assert SECRET not in hidden
    assert isinstance(credentials.without_password(value), str)


def _credentials(key: str, value: str) -> None:
    read = credentials.read_credentials({key: value}, {"NAME": "a:b"})
    assert all(not set(text) & set("\r\n\0") for text in read.values())


def _proxies(url: str) -> None:
    for proxy in proxies.read_proxies([url], {"NAME": "a:b"}):
        assert 0 < proxy.port < 65_536
        assert repr(proxy) == f"<Proxy {proxy.scheme}://{proxy.host}:{proxy.port}>"
        assert proxy.authorization is None or not set(proxy.authorization) & set("\r\n\0")


def _robots(body: bytes, url: str, token: str) -> None:
    rules = rules_of(body, token)
    parsed = RobotsTxt(body, token)
    delay = rules.crawl_delay
    assert delay is None or (isfinite(delay) and delay >= 0)
    assert all(sitemap.isprintable() or sitemap for sitemap in rules.sitemaps)
    found = address(url)
    for asked in [found.href] if found is not None else []:
        allowed = rules.allows(asked)
        assert allowed == parsed.allows(asked) or rules is ALLOW_ALL
        against = line_against(body, f"{token}/1", asked)
        assert (against is None) == RobotsTxt(body, f"{token}/1".partition("/")[0].partition(" ")[0]).allows(asked)
        assert RobotsTxt(body.replace(b"\r\n", b"\n").replace(b"\r", b"\n"), token).allows(asked) == parsed.allows(
            asked
        )


ROBOTS = octets(octets_of("politeness/test_robots_rules.py", "politeness/test_paths.py"), ROBOTS_WORDS)

TARGETS = [
    Target("a URL is joined", _joins, (A_URL, A_URL)),
    Target("a URL is an address", _addresses, (A_URL,)),
    Target("a URL is made canonical", _canonical, (A_URL,), share=2.0),
    Target("a URL has a fingerprint", _fingerprints, (A_URL, text(["", "a"])), ours=(ValueError,)),
    Target("a redirect is followed", _redirects, (A_URL, A_URL, text([""]))),
    Target("cookies come and go", _cookies, (A_FIELD, A_URL, A_URL)),
    Target("a cookie is read", _set_cookie, (field(lines_of("http/http_state.jsonl") + lines_of("http/cookie_dates.jsonl"), FIELD_WORDS),)),
    Target("a date of HTTP is read", _http_dates, (field(lines_of("http/cookie_dates.jsonl") + texts_of("http/test_caching.py"), FIELD_WORDS),)),
    Target("a cache decides", _caching, (A_FIELD, A_FIELD, A_FIELD)),
    Target("fields of messages are read", _fields, (A_FIELD,)),
    Target("credentials are read", _credentials, (A_URL, text(["basic user:${NAME}", "bearer x", "${OTHER}"])), ours=(ValueError,)),
    Target("a proxy is read", _proxies, (text(["http://user:pass@a.example:3128", "socks5://${NAME}@[::1]:1", "https://a"], URL_WORDS),), ours=(ValueError,)),
    Target("a robots.txt is asked", _robots, (ROBOTS, A_URL, text(["bot", "*", "", "Bot-x", "a/b", "é"]))),
]  # fmt: skip
