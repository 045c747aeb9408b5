"""Patterns of URLs: what a person means by one."""

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.errors import UsageError
from crawler.urls.patterns import Patterns, pattern_of

HOST = "https://shop.example"


@pytest.mark.parametrize(
    ("pattern", "path", "matches"),
    [
        ("/catalogue/", "/catalogue/", True),
        ("/catalogue/", "/catalogue/a/b.html?x=1", True),
        ("/catalogue/", "/catalogue", False),
        ("/catalogue/", "/old/catalogue/", False),
        ("/catalogue", "/catalogue", True),
        ("/catalogue", "/catalogue/a", False),
        ("/catalogue", "/catalogue?page=2", True),
        ("/blog/*", "/blog/one", True),
        ("/blog/*", "/blog/", True),
        ("/blog/*", "/blog/one/two", False),
        ("/blog/**", "/blog/one/two", True),
        ("/blog/*/comments", "/blog/one/comments", True),
        ("/blog/*/comments", "/blog/one/two/comments", False),
        ("/**/comments", "/blog/one/two/comments", True),
        ("**/comments", "/comments", True),
        ("/a*b*b", "/abab", True),
        ("/a*b*b", "/ab", False),
        ("/**a*b", "/a/ab", True),
        ("/**a*b**c", "/a/ab/c", True),
        ("/**a*b**c", "/a/ab/cd", False),
        ("*.pdf", "/files/a.pdf", True),
        ("*.pdf", "/files/a.pdf?v=2", True),
        ("*.pdf", "/files/a.pdfx", False),
        ("cart", "/cart", True),
        ("cart", "/shop/cart/items", True),
        ("cart", "/shop/carts", False),
        ("*romance*", "/category/romance_8/page-1.html", True),
        ("/list?page=*", "/list?page=2", True),
        ("/list?page=*", "/list?sort=a&page=2", False),
        ("/list?**page=*", "/list?sort=a&page=2", True),
        ("list?page=*", "/deep/list?page=2", True),
        ("/a.b", "/axb", False),
        ("/[ab]", "/a", False),
        ("/straße/*", "/stra%C3%9Fe/1", True),
        ("/two words", "/two%20words", True),
        ("https://shop.example/**", "/anything/at?all", True),
        ("https://other.example/**", "/anything", False),
        ("*://shop.example/", "/deep/er", True),
        (r"re:[?&]page=\d+$", "/list?page=22", True),
        (r"re:[?&]page=\d+$", "/list?page=x", False),
        (r"re:^https://shop\.example/$", "/", True),
    ],
)
def test_a_pattern_means_what_it_says(pattern, path, matches):
    assert pattern_of(pattern).matches(HOST + path) is matches


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("", "a pattern is empty"),
        ("  ", "a pattern is empty"),
        ("re:", "would be found in every URL"),
        ("re:(", "'re:(' is no regular expression: missing )"),
        ("a/b", "write /a/b, **/a/b or https://a/b"),
        ("shop.example/list", "or https://shop.example/list"),
    ],
)
def test_a_pattern_that_cannot_be_meant_is_refused(pattern, said):
    with pytest.raises(UsageError) as refused:
        pattern_of(pattern)
    assert said in str(refused.value)


def test_what_is_excluded_is_out_whatever_includes_it():
    patterns = Patterns(include=["/list/", "*.html"], exclude=["/list/old/"])
    urls = [f"{HOST}{path}" for path in ("/list/1", "/list/old/1.html", "/other", "/a.html")]
    assert patterns.admitted(urls) == [urls[0], urls[3]]
    assert Patterns().admitted(urls) == urls


def _plainly(glob: str, text: str) -> bool:
    """The same, as a regular expression that tries every way."""
    parts = [{"*": "[^/]*", "**": ".*"}.get(part) or re.escape(part) for part in re.split(r"(\*\*|\*)", glob)]
    return re.fullmatch("".join(parts), text, re.DOTALL) is not None


@given(
    st.lists(st.sampled_from(["a", "b", "/", "*", "**"]), max_size=7)
    .map("".join)
    .filter(lambda glob: "***" not in glob),
    st.text(alphabet="ab/", max_size=12),
)
def test_taking_the_first_place_misses_nothing(glob, text):
    glob, path = f"/{glob}", f"/{text}"
    meant = _plainly(f"{glob}**" if glob.endswith("/") else glob, path)
    assert pattern_of(glob).matches(HOST + path) is meant


@pytest.mark.parametrize(
    "glob", ["/**a**a**a**a**a**a**b", "/*a*a*a*a*a*a*a*b", "/**a*a*a*a**a*a*a*b*a", "*a*a*a*a*a*b"]
)
def test_no_url_makes_a_pattern_slow(glob):
    pattern, begun = pattern_of(glob), time.perf_counter()
    for url in (HOST + "/" + "a" * 2_060, HOST + "/a" * 1_030):
        assert not pattern.matches(url)
    assert time.perf_counter() - begun < 1.0
