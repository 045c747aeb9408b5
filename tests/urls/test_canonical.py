"""Which spellings of a URL are the same page."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.urls.canonical import STEPS, canonical, drop_empty_query, drop_fragment, normalize_escapes, sort_query

SPELLINGS = st.text(alphabet="/ab=&?#%37eE25~.") | st.text()


@pytest.mark.parametrize(
    ("url", "same_as"),
    [
        ("http://a.example/p", "http://a.example/p"),
        ("http://a.example/p#top", "http://a.example/p"),
        ("http://a.example/p#a?b#c", "http://a.example/p"),
        ("http://a.example/p?", "http://a.example/p"),
        ("http://a.example/p?#", "http://a.example/p"),
        ("http://a.example/p?&&", "http://a.example/p"),
        ("http://a.example/p?q=what?", "http://a.example/p?q=what?"),
        ("http://a.example/p??", "http://a.example/p??"),
        ("http://a.example/p?b=1&a=2", "http://a.example/p?a=2&b=1"),
        ("http://a.example/p?b=2&a&b=1&&", "http://a.example/p?a&b=2&b=1"),
        ("http://a.example/p?a=1", "http://a.example/p?a=1"),
        ("http://a.example/%7eme", "http://a.example/~me"),
        ("http://a.example/%c3%a4", "http://a.example/%C3%A4"),
        ("http://a.example/a%2fb", "http://a.example/a%2Fb"),
        ("http://a.example/?%61=1", "http://a.example/?a=1"),
        ("http://a.example/100%", "http://a.example/100%25"),
        ("http://a.example/%%37e", "http://a.example/%257e"),
        ("http://a.example/%zz", "http://a.example/%25zz"),
    ],
)
def test_spellings_of_one_page(url: str, same_as: str) -> None:
    assert canonical(url) == same_as


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("http://a.example/p", "http://a.example/p/"),
        ("http://a.example/p", "https://a.example/p"),
        ("http://a.example/P", "http://a.example/p"),
        ("http://a.example/?a=1&a=2", "http://a.example/?a=2&a=1"),
        ("http://a.example/?q=a%26b", "http://a.example/?q=a&b"),
        ("http://a.example/?q=what", "http://a.example/?q=what?"),
        ("http://a.example/%7e", "http://a.example/%257e"),
    ],
)
def test_different_pages_stay_different(one: str, other: str) -> None:
    assert canonical(one) != canonical(other)


def test_the_steps_stand_in_a_visible_table() -> None:
    assert list(STEPS) == [drop_fragment, normalize_escapes, sort_query, drop_empty_query]


@given(SPELLINGS)
def test_doing_it_twice_changes_nothing_more(text: str) -> None:
    once = canonical(f"http://a.example/{text}")
    assert canonical(once) == once


@pytest.mark.parametrize("step", STEPS)
@given(text=SPELLINGS)
def test_a_url_without_mark_escape_and_fragment_is_left_alone_by_every_step(step, text: str) -> None:
    plain = text.replace("?", "").replace("%", "").replace("#", "")
    assert step(plain) == plain


@given(st.lists(st.sampled_from(["a=1", "b=2", "c", "d=", "e=x%2fy"]), unique=True).flatmap(st.permutations))
def test_the_order_of_different_names_says_nothing(pieces: list[str]) -> None:
    ordered = canonical("http://a.example/?" + "&".join(sorted(pieces)))
    assert canonical("http://a.example/?" + "&".join(pieces)) == ordered
