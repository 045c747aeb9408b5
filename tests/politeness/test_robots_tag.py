"""What a page's X-Robots-Tag headers and robots metas ask."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.politeness.robots_tag import directives

NO = {"noindex", "nofollow"}


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ([], set()),
        ([""], set()),
        (["nofollow"], {"nofollow"}),
        (["NoFollow"], {"nofollow"}),
        (["noindex, nofollow"], NO),
        (["noindex", "nofollow"], NO),
        (["noindex;nofollow"], NO),
        (["noindex nofollow"], NO),
        ([" none "], NO),
        (["all"], {"all"}),
        (["all, nofollow"], {"all", "nofollow"}),
        (["noarchive,nosnippet"], {"noarchive", "nosnippet"}),
        (["mybot: nofollow"], {"nofollow"}),
        (["MyBot: none"], NO),
        (["mybot:nofollow"], {"nofollow"}),
        (["otherbot: nofollow"], set()),
        (["otherbot: noindex, nofollow"], set()),
        (["otherbot: noindex", "nofollow"], {"nofollow"}),
        (["otherbot: none, mybot: nofollow"], {"nofollow"}),
        (["mybot: nofollow, otherbot: noindex"], {"nofollow"}),
        (["noindex, otherbot: nofollow"], {"noindex"}),
        (["*: nofollow"], {"nofollow"}),
        (["robots: nofollow"], {"nofollow"}),
        (["mybot-images: nofollow"], set()),
        (["unavailable_after: 25 Jun 2010 15:00:00 PST"], {"unavailable_after"}),
        (["unavailable_after: Wed, 03 Dec 2025 13:09:53 GMT, nofollow"], {"unavailable_after", "nofollow"}),
        (["otherbot: unavailable_after: 25 Jun 2010 15:00:00 PST"], set()),
        (["mybot: unavailable_after: 2025-12-03T13:09:53Z"], {"unavailable_after"}),
        (["max-snippet: 20, nofollow"], {"max-snippet", "nofollow"}),
        (["mybot: max-image-preview:large, nofollow"], {"max-image-preview", "nofollow"}),
        (["notranslate", "noimageindex", "none"], {"notranslate", "noimageindex", *NO}),
    ],
)
def test_headers_are_read_for_us_and_for_everyone(headers: list[str], expected: set[str]) -> None:
    assert directives(headers, [], "MyBot") == expected


@pytest.mark.parametrize(
    ("metas", "expected"),
    [
        ([("robots", "nofollow")], {"nofollow"}),
        ([("ROBOTS", "NOINDEX,NOFOLLOW")], NO),
        ([("robots", "none")], NO),
        ([("robots", "noindex"), ("mybot", "nofollow")], NO),
        ([("MyBot", "nofollow")], {"nofollow"}),
        ([("googlebot", "nofollow")], set()),
        ([("description", "nofollow")], set()),
        ([("", "nofollow")], set()),
        ([("robots", "index, follow, max-snippet:-1")], {"index", "follow", "max-snippet"}),
        ([("robots", "noindex nofollow")], NO),
        ([(" robots ", " nofollow ")], {"nofollow"}),
        ([("robots", "")], set()),
    ],
)
def test_metas_are_read_for_us_and_for_everyone(metas: list[tuple[str, str]], expected: set[str]) -> None:
    assert directives([], metas, "MyBot") == expected


def test_headers_and_metas_count_together() -> None:
    assert directives(["noindex"], [("robots", "nofollow")], "MyBot") == NO


def test_without_a_token_everyone_s_directives_count() -> None:
    assert directives(["mybot: noindex, robots: nofollow"], [("robots", "noarchive")], "") == {"nofollow", "noarchive"}


@given(st.lists(st.text()), st.lists(st.tuples(st.sampled_from(["robots", "mybot", "x"]), st.text())), st.text())
def test_whatever_a_page_says_can_be_read(headers: list[str], metas: list[tuple[str, str]], token: str) -> None:
    found = directives(headers, metas, token)
    assert "none" not in found
    assert all(word == word.lower() and word.strip() for word in found)
