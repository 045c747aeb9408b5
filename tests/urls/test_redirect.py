"""What a redirect asks for, by method, status and origin."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.request import Entry, Request
from crawler.urls.redirect import MAX_REDIRECTS, redirected
from crawler.urls.url import MAX_URL, address

HERE = "http://a.example/old"
SAME, OTHER = "http://a.example/new", "http://b.example/new"
STATUSES = (301, 302, 303, 307, 308)
PAYLOADS = ({}, {"body": b"x"}, {"json": {"a": 1}}, {"form": {"a": "1"}})


def entry_of(request: Request, redirects: tuple[str, ...] = ()) -> Entry:
    target = address(request.url)
    assert target is not None
    return Entry(request, target.host, target.origin, 0, redirects=redirects)


def followed(request: Request, status: int, location: str, redirects: tuple[str, ...] = ()) -> Request:
    target = redirected(entry_of(request, redirects), status, location)
    assert isinstance(target, Request), target
    return target


@pytest.mark.parametrize(
    ("method", "statuses", "becomes"),
    [
        ("GET", STATUSES, "GET"),
        ("HEAD", STATUSES, "HEAD"),
        ("OPTIONS", (301, 302, 307, 308), "OPTIONS"),
        ("OPTIONS", (303,), "GET"),
        ("POST", (301, 302, 303), "GET"),
        ("POST", (307, 308), "POST"),
        ("PUT", (301, 302, 307, 308), "PUT"),
        ("PUT", (303,), "GET"),
        ("DELETE", (301, 302, 307, 308), "DELETE"),
        ("DELETE", (303,), "GET"),
    ],
)
def test_the_method_that_follows_within_an_origin(method: str, statuses: tuple[int, ...], becomes: str) -> None:
    assert {followed(Request(HERE, method=method), status, SAME).method for status in statuses} == {becomes}


@pytest.mark.parametrize("payload", PAYLOADS[1:])
@pytest.mark.parametrize("status", [301, 302, 303])
def test_a_post_that_becomes_a_get_leaves_its_body_behind(status: int, payload: dict) -> None:
    headers = {"Content-Type": "text/x", "content-length": "9", "Content-Encoding": "br", "X-Own": "1"}
    target = followed(Request(HERE, method="POST", headers=headers, **payload), status, SAME)
    assert target == Request(SAME, headers={"X-Own": "1"})


@pytest.mark.parametrize("payload", PAYLOADS)
@pytest.mark.parametrize("status", [307, 308])
def test_307_and_308_repeat_the_request_within_the_origin(status: int, payload: dict) -> None:
    request = Request(HERE, method="POST", headers={"Content-Type": "text/x"}, **payload)
    assert followed(request, status, SAME) == request.replace(url=SAME)


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (Request(HERE, method="POST", body=b"x"), 307),
        (Request(HERE, method="POST"), 308),
        (Request(HERE, method="DELETE"), 302),
        (Request(HERE, method="PUT", json=0), 301),
        (Request(HERE, json={"a": 1}), 302),
        (Request(HERE, form={"a": "1"}), 307),
    ],
)
@pytest.mark.parametrize("origin", ["http://b.example", "https://a.example", "http://a.example:8080"])
def test_nothing_with_a_body_or_an_effect_is_repeated_at_another_origin(
    request_: Request, status: int, origin: str
) -> None:
    refused = redirected(entry_of(request_), status, f"{origin}/new")
    assert refused == f"its {request_.method} would be repeated at another origin ({origin})"


def test_a_body_with_a_get_or_a_head_ends_at_a_303() -> None:
    requests = [Request(HERE, method=method, body=b"x") for method in ("GET", "HEAD")]
    assert [followed(request, 303, OTHER) for request in requests] == [Request(OTHER), Request(OTHER, method="HEAD")]


SECRETS = {
    "Authorization": "Basic eDp5",
    "aUtHoRiZaTiOn": "Bearer z",
    "Cookie": "s=1",
    "Proxy-Authorization": "p",
    "X-Api-Key": "k",
    "Referer": HERE,
    "Host": "a.example",
}
HARMLESS = {"Accept": "text/html", "accept-language": "de", "User-Agent": "Bot/1"}


@pytest.mark.parametrize(
    "location",
    [OTHER, "https://a.example/new", "http://a.example:8080/new", "//sub.a.example/new", "http://127.0.0.1/"],
)
@pytest.mark.parametrize("status", STATUSES)
def test_no_secret_leaves_its_origin(status: int, location: str) -> None:
    request = Request(HERE, headers=SECRETS | HARMLESS, cookies={"s": "1"}, meta={"mine": 1}, priority=3)
    target = followed(request, status, location)
    assert (target.headers, target.cookies, target.meta, target.priority) == (HARMLESS, {}, {"mine": 1}, 3)


@pytest.mark.parametrize("location", [SAME, "new", "HTTP://A.EXAMPLE:80/new", "//a.example/new"])
def test_within_the_origin_headers_and_cookies_go_along(location: str) -> None:
    request = Request(HERE, headers=SECRETS | HARMLESS, cookies={"s": "1"})
    assert followed(request, 302, location) == request.replace(url=SAME)


@pytest.mark.parametrize(
    ("url", "location", "asked"),
    [
        (HERE, "http://u:p@a.example/new", "http://a.example/new"),
        (HERE, "http://u@b.example/new", "http://b.example/new"),
        (HERE, "//u:p@b.example?next=x@y", "http://b.example/?next=x@y"),
        (HERE, "/@me", "http://a.example/@me"),
        ("http://me:pw@a.example/old", "/new", "http://me:pw@a.example/new"),
        ("http://me:pw@a.example", "/new", "http://me:pw@a.example/new"),
        ("http://me:pw@a.example/old", "http://a.example/new", "http://a.example/new"),
        ("http://me:pw@a.example/old", "http://you:pw@a.example/new", "http://a.example/new"),
        ("http://me:pw@a.example/old", "http://me:pw@b.example/new", "http://b.example/new"),
    ],
)
def test_a_site_cannot_have_us_log_in_under_a_name_of_its_choice(url: str, location: str, asked: str) -> None:
    assert followed(Request(url), 302, location).url == asked


@pytest.mark.parametrize(
    ("location", "url"),
    [
        ("/new#part", f"{SAME}#part"),
        ("/a b", "http://a.example/a%20b"),
        ("/\u00e4", "http://a.example/%C3%A4"),
        ("..\\new", SAME),
        (" /new ", SAME),
        ("", HERE),
        ("?q=ä", "http://a.example/old?q=%C3%A4"),
        ("/caf\udce9", "http://a.example/caf%E9"),
        ("\\\\b.example\\new", OTHER),
    ],
)
def test_a_location_is_read_as_browsers_read_it(location: str, url: str) -> None:
    assert followed(Request(HERE), 302, location).url == url


@pytest.mark.parametrize(
    "location", ["ftp://a.example/", "file:///etc/passwd", "data:,x", "http://", "http://[", "\ud800"]
)
def test_a_location_that_is_no_http_url_is_not_followed(location: str) -> None:
    refused = redirected(entry_of(Request(HERE)), 302, location)
    assert refused == f"it redirects to {location!r}, which is no http URL"


def test_an_endless_location_is_cut_short_in_the_reason() -> None:
    refused = redirected(entry_of(Request(HERE)), 302, "/" + "x" * 100_000)
    assert isinstance(refused, str)
    assert len(refused) < 300


@pytest.mark.parametrize("status", STATUSES)
def test_a_location_that_is_longer_than_any_url_is_not_followed(status: int) -> None:
    refused = redirected(entry_of(Request(HERE)), status, "/" + "x" * MAX_URL)
    assert isinstance(refused, str)
    assert refused.endswith(f"which is longer than {MAX_URL} characters")


def test_several_locations_must_agree() -> None:
    assert redirected(entry_of(Request(HERE)), 302, "/new", "/new") == Request(SAME)
    assert redirected(entry_of(Request(HERE)), 302, "/new", OTHER) == "it has 2 Location headers that differ"


def test_a_url_that_comes_back_again_and_again_ends_the_chain() -> None:
    once, twice = (SAME, HERE), (SAME, HERE, SAME, HERE)
    assert followed(Request(HERE), 302, f"{SAME}#x", once).url == f"{SAME}#x"
    assert followed(Request(HERE), 302, SAME, twice).url == SAME
    circle = redirected(entry_of(Request(HERE), (*twice, SAME)), 302, SAME)
    assert circle == f"it redirects in a circle: {SAME} was asked for 3 times"


def test_a_page_may_ask_for_itself_twice_as_one_that_sets_two_cookies() -> None:
    assert [
        isinstance(redirected(entry_of(Request(HERE), (HERE,) * times), 302, ""), Request) for times in range(4)
    ] == [
        True,
        True,
        False,
        False,
    ]


def test_redirects_are_bounded() -> None:
    hops = tuple(f"http://a.example/{number}" for number in range(MAX_REDIRECTS))
    assert followed(Request(HERE), 302, SAME, hops[1:]).url == SAME
    assert redirected(entry_of(Request(HERE), hops), 302, SAME) == "more than 20 redirects"


@pytest.mark.parametrize("unique", [True, False])
def test_the_target_is_as_unique_as_the_request_was(unique: bool) -> None:
    assert followed(Request(HERE, unique=unique), 302, SAME).unique == unique


@given(st.sampled_from(STATUSES), st.text() | st.text("/:@?#\\.ab[]%").map("http://".__add__))
def test_whatever_a_site_answers_is_a_request_or_a_reason(status: int, location: str) -> None:
    request = Request(HERE, headers={"Authorization": "x"})
    target = redirected(entry_of(request), status, location)
    if isinstance(target, Request):
        found = address(target.url)
        assert found is not None
        assert ("Authorization" in target.headers) == (found.origin == "http://a.example")
        assert "@" not in target.url.split("/")[2]
