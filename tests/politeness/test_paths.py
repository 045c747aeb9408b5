"""Which of many path patterns says the last word."""

import re
from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.politeness.paths import NONE, Paths, pattern_of


def highest(patterns: list[str], path: str) -> int:
    """The place of the last of *patterns* that matches, each ranked by its place."""
    return Paths((pattern_of(text), rank) for rank, text in enumerate(patterns)).highest(path)


@pytest.mark.parametrize(
    ("pattern", "yes", "no"),
    [
        ("/", "/ /a /?", ""),
        ("/fish", "/fish /fish.html /fish/salmon /fishheads /fish?x", "/Fish /catfish /?id=fish /fis"),
        ("/fish*", "/fish /fish.html /fishheads", "/Fish /cat"),
        ("/fish/", "/fish/ /fish/x /fish/?x", "/fish /fish.html"),
        ("/*.php", "/a.php /b/c.php?x /a.php.html /.php", "/ /a.PHP /php"),
        ("/*.php$", "/a.php /b/c.php /.php /a.php.php", "/a.php?x /a.php/ /a.php5"),
        ("/fish*.php", "/fish.php /fishheads/cat.php?x", "/Fish.php /fish /fish.ph"),
        ("/a*b*c", "/abc /aXbYcZ /abbc", "/acb /ab /ac"),
        ("/a*b*c$", "/abc /axbxc /abcc", "/abcd /acb /ab"),
        ("/a**b", "/ab /axb", "/a /b"),
        ("/a*", "/a /ab", "/b"),
        ("/a*$", "/a /ab", "/b"),
        ("/a$", "/a", "/ab /"),
        ("/a$b", "/a$b /a$bc", "/a /ab"),
        ("/ab*ab$", "/abab /abxab", "/ab /abxabx"),
        ("/*aa*aa$", "/aaaa /aaxaa", "/aaa /aa"),
        ("*", "/ /a", ""),
        ("*.gif$", "/x.gif", "/x.gif?"),
        ("$", "", "/ /a"),
        ("a", "", "/a /"),
    ],
)
def test_a_pattern_matches_as_rfc_9309_has_it(pattern: str, yes: str, no: str) -> None:
    assert {path: highest([pattern], path) for path in yes.split()} == dict.fromkeys(yes.split(), 0)
    assert {path: highest([pattern], path) for path in no.split()} == dict.fromkeys(no.split(), NONE)


def test_nothing_matches_where_there_is_no_pattern() -> None:
    assert highest([], "/") == NONE


texts = st.text("ab/*$", max_size=8)
paths = st.text("ab/$*", max_size=12).map("/".__add__)


def matches(pattern: str, path: str) -> bool:
    """The same by a regular expression."""
    is_anchored = pattern.endswith("$")
    pieces = (pattern[:-1] if is_anchored else pattern).split("*")
    return re.match(".*".join(map(re.escape, pieces)) + (r"\Z" if is_anchored else ""), path, re.DOTALL) is not None


@given(st.lists(texts, max_size=12), paths)
def test_the_highest_rank_wins_whatever_the_patterns_are(patterns: list[str], path: str) -> None:
    expected = max((rank for rank, text in enumerate(patterns) if matches(text, path)), default=NONE)
    assert highest(patterns, path) == expected


@given(st.lists(texts, min_size=40, max_size=90, unique=True), paths)
def test_so_it_does_where_many_patterns_begin_alike(tails: list[str], path: str) -> None:
    patterns = [f"/*{text}" for text in tails]
    expected = max((rank for rank, text in enumerate(patterns) if matches(text, path)), default=NONE)
    assert highest(patterns, path) == expected


def seconds(patterns: list[str], path: str) -> float:
    """The quickest of three."""
    built = Paths((pattern_of(text), rank) for rank, text in enumerate(patterns))
    times = []
    for _ in range(3):
        begun = process_time()
        for _ in range(50):
            built.highest(path)
        times.append(process_time() - begun)
    return min(times)


def test_forty_stars_cost_forty_looks_and_no_more() -> None:
    path = "/" + "a" * 2_000 + "b"
    assert seconds(["/" + "*a" * 40 + "c"], path) < 0.05  # 50 times; a matcher that backtracks would not end


def test_twenty_thousand_patterns_cost_little_more_than_twenty() -> None:
    path = "/catalogue/category/books/page-50.html?sort=price"
    few = seconds([f"/p{number}/" for number in range(20)], path)
    many = seconds([f"/p{number}/" for number in range(20_000)], path)
    starred = seconds([f"/*p{number}x" for number in range(20_000)], path)
    assert many < few + 0.005  # 50 times: 0.1 ms each
    assert starred < few + 0.05
