from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from crawler.fetch.suffixes import public_suffixes
from crawler.http import cookies as rules
from crawler.http.cookies import CookieJar, with_given
from crawler.response import Cookie

NOW = 1_800_000_000.0
HERE = "https://www.shop.example.org/a/b"


def a_jar() -> CookieJar:
    return CookieJar(public_suffixes())


def jar_with(*lines: str, url: str = HERE, session: str = "") -> CookieJar:
    jar = a_jar()
    jar.take(lines, url, session, NOW)
    return jar


def sent(jar: CookieJar, url: str = HERE, session: str = "", now: float = NOW) -> str:
    return jar.header(url, session, now)


# --- http-state: https://github.com/abarth/http-state, tests/data/parser.json ---

CASES: list[tuple[str, list[Any], str, str]] = [
    msgspec.json.decode(line) for line in (Path(__file__).parent / "http_state.jsonl").read_bytes().splitlines()
]
"""Its name, what is set at /cookie-parser, where the next request goes, and what it carries. ["a", 9] is nine a's."""
MISSES = {
    "DISABLED_CHROMIUM0022": ("", "a control character: the cookie is ignored, section 5.6, step 1"),
    "DISABLED_CHROMIUM0023": ("", "the same"),
    "DISABLED_PATH0029": ("", "no escape in a path is undone, section 5.1.4, and by no browser"),
    "OPTIONAL_DOMAIN0042": ("foo=bar", "the last Domain decides, and an empty one means the host, section 5.7, step 9"),
}
"""Where RFC 6265bis says otherwise: what is sent, and why."""
THEN = 1_420_070_400.0
"""The first day of 2015: the cases have cookies that have expired, and such that will."""


def test_there_are_all_the_cases() -> None:
    assert (len(CASES), len({case[0] for case in CASES}), len(MISSES)) == (222, 222, 4)


@pytest.mark.parametrize(("name", "received", "to", "expected"), CASES, ids=[case[0] for case in CASES])
def test_what_is_sent_in_the_cases_of_http_state(name: str, received: list[Any], to: str, expected: str) -> None:
    jar = a_jar()
    lines = [line if isinstance(line, str) else line[0] * line[1] for line in received]
    jar.take(lines, f"http://home.example.org:8888/cookie-parser?{name}", "", THEN)
    host, path = ("home.example.org", to) if to.startswith("/") else (to or "home.example.org", "/cookie-parser-result")
    header = jar.header(f"http://{host}:8888{path}?{name}", "", THEN)
    assert header == MISSES.get(name, (expected,))[0]


# --- who gets it: domain, path, scheme ---

REACHES = [
    # where it is set, its Domain, where it goes, where it does not go
    ("http://a.test/", "", ["http://a.test/", "https://a.test/", "http://a.test:8080/"], ["http://www.a.test/"]),
    ("http://a.test:81/", "a.test", ["http://a.test/", "http://b.a.test/"], ["http://xa.test/", "http://test/"]),
    ("http://www.a.test/", "a.test", ["http://a.test/", "http://x.y.a.test:9/"], ["http://b.test/"]),
    ("http://www.a.test/", "www.a.test", ["http://www.a.test/", "http://x.www.a.test/"], ["http://a.test/"]),
    ("http://www.a.test/", "b.a.test", [], ["http://www.a.test/", "http://b.a.test/", "http://a.test/"]),
    ("http://www.a.test/", "ww.a.test", [], ["http://www.a.test/", "http://ww.a.test/"]),
    ("http://a.test/", "www.a.test", [], ["http://a.test/", "http://www.a.test/"]),
    ("http://A.TEST/", "a.Test", ["http://a.test/", "http://b.a.test/"], []),
    ("http://bücher.test/", "xn--bcher-kva.test", ["http://xn--bcher-kva.test/", "http://a.bücher.test/"], []),
    ("http://bücher.test/", "bücher.test", [], ["http://bücher.test/"]),
    ("http://evil.co.uk/", "co.uk", [], ["http://evil.co.uk/", "http://bank.co.uk/", "http://co.uk/"]),
    ("http://evil.com/", "com", [], ["http://evil.com/", "http://bank.com/"]),
    ("http://evil.com/", ".com", [], ["http://evil.com/", "http://bank.com/"]),
    ("http://me.github.io/", "github.io", [], ["http://me.github.io/", "http://you.github.io/", "http://github.io/"]),
    ("http://me.github.io/", "me.github.io", ["http://me.github.io/", "http://a.me.github.io/"], ["http://github.io/"]),
    ("http://github.io/", "github.io", ["http://github.io/"], ["http://me.github.io/"]),
    ("http://github.io/", "", ["http://github.io/"], ["http://me.github.io/"]),
    ("http://a.b.kobe.jp/", "b.kobe.jp", [], ["http://a.b.kobe.jp/", "http://c.b.kobe.jp/"]),
    ("http://a.city.kobe.jp/", "city.kobe.jp", ["http://city.kobe.jp/"], ["http://kobe.jp/"]),
    ("http://x.eu-west-1.compute.amazonaws.com/", "amazonaws.com", [], ["http://amazonaws.com/"]),
    ("http://a.test./", "a.test", [], ["http://a.test./", "http://a.test/"]),
    ("http://a.test./", "", ["http://a.test./"], ["http://a.test/"]),
    ("http://127.0.0.1/", "", ["http://127.0.0.1/", "http://127.0.0.1:8080/", "http://0x7f.1/"], ["http://127.0.0.2/"]),
    ("http://127.0.0.1/", "127.0.0.1", ["http://127.0.0.1/"], ["http://1.127.0.0.1/"]),
    ("http://127.0.0.1/", "0.0.1", [], ["http://127.0.0.1/"]),
    ("http://127.0.0.1/", ".1", [], ["http://127.0.0.1/"]),
    ("http://[::1]/", "", ["http://[::1]/", "http://[0:0::1]:81/"], ["http://[::2]/"]),
    ("http://[::1]/", "[::1]", ["http://[::1]/"], []),
    ("http://localhost/", "", ["http://localhost:8080/"], ["http://a.localhost/"]),
    ("http://localhost/", "localhost", ["http://localhost/"], ["http://a.localhost/"]),
    ("http://a.localhost/", "localhost", [], ["http://localhost/", "http://a.localhost/", "http://b.localhost/"]),
    ("http://a.localhost/", "a.localhost", ["http://a.localhost/", "http://b.a.localhost/"], ["http://localhost/"]),
    ("http://user:word@a.test/", "", ["http://a.test/", "http://other:word@a.test/"], []),
]


@pytest.mark.parametrize(("url", "domain", "there", "elsewhere"), REACHES)
def test_a_cookie_reaches_its_host_or_its_domain(url: str, domain: str, there: list[str], elsewhere: list[str]) -> None:
    jar = jar_with(f"a=b; Domain={domain}" if domain else "a=b", url=url)
    assert [sent(jar, each) for each in there] == ["a=b"] * len(there)
    assert [sent(jar, each) for each in elsewhere] == [""] * len(elsewhere)


def test_a_cookie_for_the_host_and_one_for_its_domain_are_two() -> None:
    jar = jar_with("a=1", "a=2; Domain=a.test", url="http://a.test/")
    assert (sent(jar, "http://a.test/"), sent(jar, "http://b.a.test/")) == ("a=1; a=2", "a=2")


PATHS = [
    ("http://a.test", "/"),
    ("http://a.test?q=/x/y", "/"),
    ("http://a.test/", "/"),
    ("http://a.test/x", "/"),
    ("http://a.test/x/", "/x"),
    ("http://a.test/x/y", "/x"),
    ("http://a.test/x/y/?q=/z/z#/f/f", "/x/y"),
    ("http://a.test//y", "/"),
    ("http://a.test/x//y", "/x/"),
    ("http://a.test/%78/y", "/%78"),
]


@pytest.mark.parametrize(("url", "path"), PATHS)
def test_without_a_path_it_is_for_the_folder_of_the_page(url: str, path: str) -> None:
    assert [cookie.path for cookie in jar_with("a=b", url=url).news()] == [path]


GOES = [
    ("/", "/", True),
    ("/", "", True),
    ("/", "?x", True),
    ("/x", "/x", True),
    ("/x", "/x?y", True),
    ("/x", "/x#y", True),
    ("/x", "/x/", True),
    ("/x", "/x/y/z", True),
    ("/x", "/xy", False),
    ("/x", "/", False),
    ("/x", "", False),
    ("/x", "/X", False),
    ("/x", "/%78", False),
    ("/x", "/y?/x", False),
    ("/x/", "/x/", True),
    ("/x/", "/x/y", True),
    ("/x/", "/x", False),
    ("/x/", "/x?/", False),
    ("/x/y", "/x/y/z", True),
    ("/x/y", "/x/yz", False),
]


@pytest.mark.parametrize(("path", "target", "goes"), GOES)
def test_a_cookie_goes_to_its_path_and_below(path: str, target: str, goes: bool) -> None:
    jar = jar_with(f"a=b; Path={path}", url="http://a.test/")
    assert sent(jar, f"http://a.test{target}") == ("a=b" if goes else "")


SCHEMES = [
    ("https", "a=b", "a=b", "a=b"),
    ("https", "a=b; Secure", "a=b", ""),
    ("http", "a=b", "a=b", "a=b"),
    ("http", "a=b; Secure", "", ""),
    ("http", "__Secure-a=b; Secure", "", ""),
    ("http", "__Secure-a=b", "", ""),
    ("https", "__Secure-a=b", "", ""),
    ("https", "__sEcUrE-a=b", "", ""),
    ("https", "__Secure-a=b; Secure", "__Secure-a=b", ""),
    ("https", "__Secure-a=b; Secure; Domain=a.test; Path=/", "__Secure-a=b", ""),
    ("http", "__Host-a=b; Secure; Path=/", "", ""),
    ("https", "__Host-a=b; Path=/", "", ""),
    ("https", "__Host-a=b; Secure", "", ""),
    ("https", "__Host-a=b; Secure; Path=/x", "", ""),
    ("https", "__Host-a=b; Secure; Path=/; Domain=a.test", "", ""),
    ("https", "__Host-a=b; Secure; Path=/; Domain=", "__Host-a=b", ""),
    ("https", "__Host-a=b; Secure; Path=/", "__Host-a=b", ""),
    ("https", "__HOST-a=b; Secure; Path=/", "__HOST-a=b", ""),
    ("https", "__hOsT-a=b; Path=/", "", ""),
    ("https", "=__Host-a=b", "", ""),
    ("https", "__Hosta=b", "__Hosta=b", "__Hosta=b"),
]


@pytest.mark.parametrize(("scheme", "line", "https", "http"), SCHEMES)
def test_what_is_secure_goes_over_https_alone(scheme: str, line: str, https: str, http: str) -> None:
    jar = jar_with(line, url=f"{scheme}://a.test/x")
    assert (sent(jar, "https://a.test/x"), sent(jar, "http://a.test/x")) == (https, http)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]", "a.localhost"])
def test_http_on_this_machine_is_no_more_secure_than_elsewhere(host: str) -> None:
    assert sent(jar_with("a=b; Secure", url=f"http://{host}/"), f"https://{host}/") == ""


SHADOWS = [
    ("a=1; Secure", "a=2", False),
    ("a=1; Secure; Path=/x", "a=2; Path=/x", False),
    ("a=1; Secure; Path=/x", "a=2; Path=/x/y", False),
    ("a=1; Secure; Path=/x", "a=2; Path=/", True),
    ("a=1; Secure; Path=/x", "a=2; Path=/y", True),
    ("a=1; Secure; Domain=a.test", "a=2", False),
    ("a=1; Secure", "a=2; Domain=a.test", False),
    ("a=1; Secure", "b=2", True),
    ("a=1; Secure", "A=2", True),
    ("a=1; Secure", "a=; Max-Age=0", False),
    ("a=1", "a=2", True),
]


@pytest.mark.parametrize(("secure", "insecure", "is_taken"), SHADOWS)
def test_over_http_no_cookie_comes_before_a_secure_one(secure: str, insecure: str, is_taken: bool) -> None:
    jar = jar_with(secure, url="https://www.a.test/")
    jar.take([insecure], "http://www.a.test/", "", NOW)
    after = sent(jar, "https://www.a.test/x/y/z") + sent(jar, "http://www.a.test/y/z") + sent(jar, "http://www.a.test/")
    assert ("2" in after) == is_taken
    assert ("a=1" in sent(jar, "https://www.a.test/x/y/z")) == (secure != "a=1")


def test_over_https_a_secure_cookie_can_be_replaced_by_one_that_is_not() -> None:
    jar = jar_with("a=1; Secure", "a=2", url="https://a.test/")
    assert sent(jar, "http://a.test/") == "a=2"


@pytest.mark.parametrize("same_site", ["Strict", "Lax", "None", "other"])
def test_a_crawl_is_a_visitor_that_no_site_sent(same_site: str) -> None:
    jar = jar_with(f"a=b; SameSite={same_site}; HttpOnly")
    kept = jar.news()[0]
    assert (sent(jar), kept.same_site, kept.http_only) == ("a=b", same_site.lower().replace("other", ""), True)


@pytest.mark.parametrize("url", ["ftp://a.test/", "mailto:a@b.test", "nonsense", "", "http://", "data:,x"])
def test_what_is_no_http_url_has_no_cookies(url: str) -> None:
    jar = jar_with("a=b")
    jar.take(["c=d"], url, "", NOW)
    assert (sent(jar, url), len(jar)) == ("", 1)


ODD_URLS = [
    "HTTP://A.test/",
    "http:/a.test/",
    "http:\\\\a.test\\",
    "http:///a.test/",
    "http://a.test",
    " http://a.test/",
]


@pytest.mark.parametrize("url", [*ODD_URLS, "http://a.test?x=/y", "http://a.test#/y", "http://a.test\\@b.test/"])
def test_a_url_means_the_host_that_a_browser_finds_in_it(url: str) -> None:
    jar = jar_with("a=b; Path=/", url=url)
    assert (sent(jar, url), sent(jar, "http://a.test/"), sent(jar, "http://b.test/")) == ("a=b", "a=b", "")


# --- order, replacement, time ---


def test_longer_paths_come_first_then_older_cookies() -> None:
    jar = jar_with("a=1; Path=/", "b=2; Path=/a", "c=3; Path=/a/b", "d=4; Path=/", "e=5; Path=/a")
    jar.take(["d=6; Path=/", "a=7; Path=/"], HERE, "", NOW + 1)
    assert sent(jar) == "c=3; b=2; e=5; a=7; d=6"


def test_a_cookie_that_is_set_again_keeps_its_place_and_one_that_was_deleted_does_not() -> None:
    jar = jar_with("a=1", "b=1")
    jar.take(["a=2"], HERE, "", NOW + 1)
    assert sent(jar) == "a=2; b=1"
    jar.take(["a=; Max-Age=0", "a=3"], HERE, "", NOW + 2)
    assert sent(jar) == "b=1; a=3"


def test_a_clock_that_is_put_back_changes_no_order() -> None:
    jar = jar_with("a=1")
    jar.take(["b=2"], HERE, "", NOW - 1000)
    assert sent(jar) == "a=1; b=2"


ENDS = [("a=b; Max-Age=60", 60), ("a=b; Expires=Fri, 15 Jan 2027 08:01:00 GMT", 60), ("a=b; Max-Age=1e9", None)]


@pytest.mark.parametrize(("line", "seconds"), ENDS)
def test_a_cookie_is_sent_until_it_ends(line: str, seconds: int | None) -> None:
    jar = jar_with(line)
    end = seconds if seconds is not None else 10**9
    assert (sent(jar, now=NOW + end - 0.001), len(jar)) == ("a=b", 1)
    assert (sent(jar, now=NOW + end), len(jar)) == (("a=b", 1) if seconds is None else ("", 0))


@pytest.mark.parametrize("line", ["a=x; Max-Age=0", "a=; Max-Age=-1", "a=; Expires=Thu, 01 Jan 1970 00:00:00 GMT"])
def test_a_cookie_that_ends_at_once_is_deleted(line: str) -> None:
    jar = jar_with("a=b", "c=d")
    jar.take([line], HERE, "", NOW)
    assert sent(jar) == "c=d"


def test_only_the_very_same_cookie_is_deleted() -> None:
    jar = jar_with("a=1; Path=/", "a=2; Domain=shop.example.org; Path=/", "a=3; Path=/a")
    jar.take(["a=; Max-Age=0; Path=/"], HERE, "", NOW)
    assert sent(jar) == "a=3; a=2"


VALUES = ['"quoted; not"', "a=b=c==", '"', "{1:2}", "a b", "%20+", "é中", "\udcff\udce9", "a,b", ""]


@pytest.mark.parametrize("value", VALUES)
def test_a_value_goes_back_as_it_came(value: str) -> None:
    assert sent(jar_with(f"a={value}")) == f"a={value.partition(';')[0]}"


# --- sessions ---


def test_sessions_do_not_see_each_other() -> None:
    jar = a_jar()
    for session in ("", "a", "b"):
        jar.take([f"who={session or 'default'}"], HERE, session, NOW)
    jar.take(["who=; Max-Age=0"], HERE, "b", NOW)
    assert [sent(jar, session=session) for session in ("", "a", "b", "c")] == ["who=default", "who=a", "", ""]


# --- bounds ---


def test_a_site_has_so_many_cookies_in_a_session() -> None:
    jar = a_jar()
    for number in range(50_000):
        host = f"h{number % 7}.a.test"
        jar.take([f"n{number}=x; Path=/; Domain={'a.test' if number % 2 else host}"], f"https://{host}/", "", NOW)
    jar.take(["other=1; Path=/"], "https://b.test/", "", NOW)
    jar.take(["other=1; Path=/"], "https://a.test/", "second", NOW)
    assert rules.PER_SITE - 30 <= len(jar) - 2 <= rules.PER_SITE
    assert "n49999=x" in sent(jar, f"https://h{49_999 % 7}.a.test/")
    assert (sent(jar, "https://b.test/"), sent(jar, "https://a.test/", "second")) == ("other=1", "other=1")


def test_of_too_many_the_expired_go_then_the_insecure_then_the_least_recently_sent() -> None:
    jar = jar_with("old=1; Path=/", "secure=1; Path=/; Secure", "asked=1; Path=/asked", "brief=1; Path=/; Max-Age=5")
    assert sent(jar, "https://www.shop.example.org/asked", now=NOW + 3).startswith("asked=1")
    filler = [f"n{number}=1; Path=/n" for number in range(177)]

    jar.take(filler[:177], HERE, "", NOW + 10)  # 181 with the one that has expired
    assert len(jar) == 180
    jar.take(["last=1; Path=/"], HERE, "", NOW + 11)

    assert len(jar) == 151
    assert sent(jar, now=NOW + 12) == "secure=1; last=1"
    assert sent(jar, "https://www.shop.example.org/n", now=NOW + 12).count("n") >= 140


def test_of_all_sites_the_one_goes_that_was_least_recently_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "IN_ALL", 3)
    jar = a_jar()
    for host in ("a", "b", "c"):
        jar.take(["x=1"], f"http://{host}.test/", "", NOW)
    sent(jar, "http://a.test/")
    jar.take(["x=1"], "http://d.test/", "", NOW)
    assert [sent(jar, f"http://{host}.test/") for host in "abcd"] == ["x=1", "", "x=1", "x=1"]


def test_all_cookies_have_so_many_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "BYTES_IN_ALL", 9_000)
    jar = a_jar()
    for host in ("a", "b", "c"):
        jar.take(["x=" + "y" * 4000], f"http://{host}.test/", "", NOW)
    assert [len(sent(jar, f"http://{host}.test/")) for host in "abc"] == [0, 4002, 4002]
    jar.take(["x=1"], "http://b.test/", "", NOW)
    jar.take(["x=" + "y" * 4000], "http://a.test/", "", NOW)
    assert len(jar) == 3


def test_sessions_without_end_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "IN_ALL", 100)
    monkeypatch.setattr(rules, "_PLACES", 10)
    jar = a_jar()
    for number in range(1000):
        jar.take(["x=1"], f"http://h{number}.test/", f"s{number}", NOW)
    assert (len(jar), len(jar._sites), len(jar._places) <= 10) == (100, 100, True)
    assert len(jar.news()) == 100  # what came and went in between was never told


def test_a_header_is_no_longer_than_servers_take() -> None:
    jar = jar_with(*(f"n{number}={'x' * 1000}; Path=/" for number in range(20)), "long=1; Path=/a", "last=1; Path=/")
    header = sent(jar)
    assert 8_000 < len(header) <= rules.HEADER_BYTES
    assert header.startswith("long=1; n0=")
    assert header.endswith("; last=1")


def test_a_million_cookies_of_one_host_take_seconds() -> None:
    """A fiftieth of them here; and a header after each answer of a thousand."""
    jar = a_jar()
    begun = time.process_time()
    for start in range(0, 20_000, 1000):
        jar.take([f"n{number}=x" for number in range(start, start + 1000)], "http://a.test/", "", NOW)
        sent(jar, "http://a.test/")
    assert time.process_time() - begun < 6  # 1 s; what grows with the square takes minutes
    assert (len(jar) <= 180, len(jar.news()) <= 180) == (True, True)


# --- what a job keeps ---

KEPT = [
    "plain=1; Path=/",
    'quoted="a b"; Path=/',
    "bytes=\udcff; Path=/",
    "domain=1; Domain=shop.example.org; Path=/",
    "secure=1; Secure; Path=/",
    "__Host-x=1; Secure; Path=/",
    "deep=1; Path=/a/b",
    "brief=1; Max-Age=100; Path=/",
    "briefer=1; Max-Age=10; Path=/",
]


def restored(jar: CookieJar, now: float) -> CookieJar:
    another = a_jar()
    another.restore(reversed(jar.news()), now)
    return another


ASKED = [HERE, HERE.replace("https", "http"), "https://sub.www.shop.example.org/", "https://shop.example.org/a/b"]


@pytest.mark.parametrize("later", [0, 50, 200])
def test_a_jar_that_was_put_back_sends_what_the_first_would(later: float) -> None:
    first = jar_with(*KEPT)
    first.take(["other=1"], HERE, "a", NOW)
    second = restored(first, NOW + later)
    for session in ("", "a", "b"):
        for url in ASKED:
            assert sent(second, url, session, NOW + later) == sent(first, url, session, NOW + later)
    first.take(["plain=2; Path=/", "new=1; Path=/"], HERE, "", NOW + later)
    second.take(["plain=2; Path=/", "new=1; Path=/"], HERE, "", NOW + later)
    assert sent(second, now=NOW + later) == sent(first, now=NOW + later)


def test_a_jar_that_was_put_back_has_no_news_but_what_has_expired() -> None:
    second = restored(jar_with(*KEPT), NOW + 50)
    assert [(cookie.name, cookie.is_deleted) for cookie in second.news()] == [("briefer", True)]
    assert second.news() == []


def test_a_cookie_of_the_host_stays_one_over_a_resume() -> None:
    second = restored(jar_with("a=b", url="http://a.test/"), NOW)
    assert (sent(second, "http://a.test/"), sent(second, "http://b.a.test/")) == ("a=b", "")


def test_a_secure_cookie_stays_one_over_a_resume() -> None:
    second = restored(jar_with("a=b; Secure", url="https://a.test/"), NOW)
    assert (sent(second, "https://a.test/"), sent(second, "http://a.test/")) == ("a=b", "")
    second.take(["a=c"], "http://a.test/", "", NOW)
    assert sent(second, "https://a.test/") == "a=b"


def test_news_are_told_once() -> None:
    jar = jar_with("a=1; Max-Age=100; Domain=shop.example.org", "b=2; HttpOnly; SameSite=Lax; Secure")
    assert jar.news() == [
        Cookie("", "shop.example.org", "/a", "a", "1", host_only=False, created=NOW, expires=NOW + 100),
        Cookie(
            *("", "www.shop.example.org", "/a", "b", "2"),
            secure=True,
            http_only=True,
            same_site="lax",
            created=jar._latest,
        ),
    ]
    assert jar.news() == []
    jar.take(["b=2; HttpOnly; SameSite=Lax; Secure"], HERE, "", NOW + 5)
    assert jar.news() == []  # nothing changed
    jar.take(["b=3; Secure"], HERE, "", NOW + 6)
    assert [(cookie.value, cookie.created > NOW) for cookie in jar.news()] == [("3", True)]


def test_a_deletion_is_news_if_the_cookie_was() -> None:
    jar = jar_with("a=1", "b=1")
    jar.take(["a=; Max-Age=0"], HERE, "", NOW)
    assert [cookie.name for cookie in jar.news()] == ["b"]
    jar.take(["b=; Max-Age=0", "c=; Max-Age=0"], HERE, "", NOW)
    assert [(cookie.name, cookie.is_deleted, cookie.value) for cookie in jar.news()] == [("b", True, "")]
    assert (jar.news(), len(jar)) == ([], 0)


def test_a_cookie_that_was_deleted_and_set_again_is_news_and_then_its_deletion_is() -> None:
    jar = jar_with("a=1")
    jar.news()
    jar.take(["a=; Max-Age=0", "a=2"], HERE, "", NOW)
    jar.take(["a=; Max-Age=0"], HERE, "", NOW)
    assert [(cookie.name, cookie.is_deleted) for cookie in jar.news()] == [("a", True)]


def test_an_expired_cookie_is_forgotten_where_it_is_kept() -> None:
    jar = jar_with("a=1; Max-Age=5")
    jar.news()
    assert sent(jar, now=NOW + 5) == ""
    assert [cookie.is_deleted for cookie in jar.news()] == [True]


# --- those of one request ---

GIVEN = [
    ("a=1; b=2", {}, "", "a=1; b=2"),
    ("", {}, "", ""),
    ("", {"a": "1", "b": '"x y"'}, "", 'a=1; b="x y"'),
    ("a=1; b=2; a=3", {"a": "9"}, "", "b=2; a=9"),
    ("a=1; b=2", {}, "a=7; c=8", "b=2; a=7; c=8"),
    ("a=1; b=2", {"d": "9"}, "a=7;c=8", "b=2; a=7;c=8; d=9"),
]


@pytest.mark.parametrize(("header", "given", "text", "expected"), GIVEN)
def test_what_the_user_gives_goes_over_what_the_site_set(
    header: str, given: dict[str, str], text: str, expected: str
) -> None:
    assert with_given(header, given, text) == expected
