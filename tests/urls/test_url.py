"""Joining and reading URLs."""

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.urls.url import MAX_URL, Address, Base, address, why_not

LONE_SURROGATE = "http://a.example/\ud800"


@pytest.mark.parametrize(
    ("href", "joined"),
    [
        ("b", "http://a.example/x/b"),
        ("/b", "http://a.example/b"),
        ("//c.example", "http://c.example/"),
        ("?q=1", "http://a.example/x/y?q=1"),
        ("#part", "http://a.example/x/y#part"),
        ("", "http://a.example/x/y"),
        ("  /b\n", "http://a.example/b"),
        ("\\b", "http://a.example/b"),
        ("../../../b", "http://a.example/b"),
        ("HTTPS://C.example:443", "https://c.example/"),
        ("http://bücher.example/ö", "http://xn--bcher-kva.example/%C3%B6"),
        ("http://2130706433/", "http://127.0.0.1/"),
        ("mailto:a@a.example", None),
        ("javascript:void(0)", None),
        ("ftp://a.example/", None),
        ("http://", None),
        ("http://[::1", None),
        (LONE_SURROGATE, None),
    ],
)
def test_a_link_means_what_a_browser_makes_of_it(href: str, joined: str | None) -> None:
    assert Base("http://a.example/x/y").join(href) == joined


@pytest.mark.parametrize(
    ("href", "resolved"),
    [("mailto:a@a.example", "mailto:a@a.example"), ("b", "http://a.example/x/b"), ("http://", None)],
)
def test_resolving_keeps_schemes_that_are_not_crawled(href: str, resolved: str | None) -> None:
    assert Base("http://a.example/x/y").resolve(href) == resolved


@pytest.mark.parametrize("url", ["not a url", "", LONE_SURROGATE])
def test_a_base_that_is_no_url_joins_only_absolute_links(url: str) -> None:
    base = Base(url)
    assert [base.join("/b"), base.join("http://a.example")] == [None, "http://a.example/"]
    assert base.join_all(["/b", "http://a.example"]) == ["http://a.example/"]


def test_links_are_joined_together_each_once_in_their_order() -> None:
    hrefs = ["b", None, "mailto:a@a.example", "/a", LONE_SURROGATE, "b", "./b", "http://["]
    assert Base("http://a.example/").join_all(hrefs) == ["http://a.example/b", "http://a.example/a"]


@given(st.lists(st.text(max_size=8)))
def test_joining_together_is_joining_one_by_one(hrefs: list[str]) -> None:
    base = Base("http://a.example/x/y")
    one_by_one = [url for url in map(base.join, hrefs) if url is not None]
    assert base.join_all(hrefs) == list(dict.fromkeys(one_by_one))


@pytest.mark.parametrize(
    ("url", "parts"),
    [
        (
            "HTTP://A.Example:80/p?q#f",
            Address("http://a.example/p?q", "a.example", "a.example", "http://a.example"),
        ),
        (
            "https://a.example:8443",
            Address("https://a.example:8443/", "a.example:8443", "a.example", "https://a.example:8443"),
        ),
        ("http://[::1]:8080/", Address("http://[::1]:8080/", "[::1]:8080", "[::1]", "http://[::1]:8080")),
        ("http://0x7f.1/", Address("http://127.0.0.1/", "127.0.0.1", "127.0.0.1", "http://127.0.0.1")),
        ("http://u:p@a.example/", Address("http://u:p@a.example/", "a.example", "a.example", "http://a.example")),
    ],
)
def test_an_address_has_the_parts_that_a_crawl_decides_by(url: str, parts: Address) -> None:
    assert address(url) == parts


@pytest.mark.parametrize(
    ("url", "clause"),
    [
        ("/relative", "it is not an absolute URL; one begins with http:// or https://"),
        ("", "it is not an absolute URL; one begins with http:// or https://"),
        ("http://", "it is not an absolute URL; one begins with http:// or https://"),
        (LONE_SURROGATE, "it is not an absolute URL; one begins with http:// or https://"),
        ("mailto:a@a.example", "mailto: is a scheme that a crawl does not follow; only http and https are"),
        ("http://a.example/" + "x" * MAX_URL, f"it is longer than {MAX_URL} characters"),
    ],
)
def test_what_has_no_address_is_explained_in_one_clause(url: str, clause: str) -> None:
    assert (address(url), why_not(url)) == (None, clause)


def test_the_longest_url_is_still_followed_whatever_its_fragment() -> None:
    longest = "http://a.example/".ljust(MAX_URL, "x")
    found = address(f"{longest}#{'f' * MAX_URL}")
    assert found is not None
    assert (found.href, address(longest + "x")) == (longest, None)


@given(st.text(max_size=60))
def test_an_address_is_its_own_address(text: str) -> None:
    found = address(f"http://{text}")
    assert found is None or address(found.href) == found


@given(st.text())
def test_whatever_has_no_address_has_a_reason(text: str) -> None:
    assert address(text) is not None or why_not(text) != ""


@given(st.text())
def test_a_joined_link_is_absolute(text: str) -> None:
    base = Base("http://a.example/x/y")
    joined = base.join(text)
    assert joined is None or Base("").join(joined) == joined


@pytest.mark.parametrize(
    "url", ["http://a.example", "https://u:p@a.example//x/y/z?q/r#f/g", "ftp://a.example/x/y/", "nonsense"]
)
def test_links_that_were_joined_for_another_document_mean_the_same_as_if_they_had_not_been(url: str) -> None:
    hrefs = [
        *(
            "../b",
            "../../b?c#d",
            "../",
            "..",
            ".../b",
            "../../../%2e%2e/b",
            "../\tb",
            "/b",
            "/",
            "//b.example/c",
            "/../b",
        ),
        *(
            "http://b.example",
            "http:b",
            "https://b.example/../c",
            "HTTP://b.example",
            "http://",
            "b",
            "?b",
            "#b",
            "",
            "data:b",
        ),
    ]
    Base("http://a.example/other/folder/page").join_all(hrefs)
    joined = [Base(url).join(href) for href in hrefs]
    assert Base(url).join_all(hrefs) == list(dict.fromkeys(url for url in joined if url is not None))


def test_links_that_are_remembered_take_a_bounded_memory() -> None:
    tracemalloc.start()
    try:
        for number in range(8_000):
            Base(f"http://a.example/{number}{'a' * 1_900}/b/c").join_all(["../x", f"../{'y' * 200}"])
        taken, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert taken < 8_000_000
    assert most < 9_000_000
