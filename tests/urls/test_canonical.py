"""Which spellings of a URL are the same page."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.errors import ConfigError
from crawler.urls.canonical import DEFAULT_STEPS, STEPS, canonical, canonicalization_step, canonicalizer
from crawler.urls.url import address

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


def test_the_steps_stand_in_a_visible_table_under_the_names_of_their_functions() -> None:
    assert [row.apply.__name__ for row in STEPS.values()] == list(STEPS)
    assert all(row.apply.__doc__ for row in STEPS.values())


def test_by_default_only_what_is_right_for_every_site_is_done() -> None:
    """A change here makes every stored job start anew."""
    assert DEFAULT_STEPS == ("drop_fragment", "normalize_escapes", "sort_query", "drop_empty_query")


ON_OFFER = [
    ("drop_tracking", "http://a.example/p?utm_source=x&id=1&gclid=2", "http://a.example/p?id=1"),
    ("drop_tracking", "http://a.example/p?UTM_Medium=x&fbclid=y", "http://a.example/p"),
    ("drop_tracking", "http://a.example/p?utm=1&source=utm_x", "http://a.example/p?utm=1&source=utm_x"),
    ("drop_session_ids", "http://a.example/p;jsessionid=1A?id=1", "http://a.example/p?id=1"),
    ("drop_session_ids", "http://a.example/p;v=1;JSESSIONID=2/q;x", "http://a.example/p;v=1/q;x"),
    ("drop_session_ids", "http://a.example/?PHPSESSID=1&sid=2", "http://a.example/"),
    ("drop_session_ids", "http://a.example/?aspsessionidqwert=1&a=2", "http://a.example/?a=2"),
    ("drop_session_ids", "http://a.example/?resid=1&side=2", "http://a.example/?resid=1&side=2"),
    ("drop_www", "http://www.a.example/www.x", "http://a.example/www.x"),
    ("drop_www", "http://www.www.a.example:8080/", "http://a.example:8080/"),
    ("drop_www", "http://www.com/", "http://www.com/"),
    ("drop_www", "http://www2.a.example/", "http://www2.a.example/"),
    ("https_is_http", "https://a.example/?u=https://b", "http://a.example/?u=https://b"),
    ("https_is_http", "http://a.example/", "http://a.example/"),
    ("drop_index", "http://a.example/b/index.html?x=1", "http://a.example/b/?x=1"),
    ("drop_index", "http://a.example/Default.ASPX", "http://a.example/"),
    ("drop_index", "http://a.example/index.html/index.html/", "http://a.example/"),
    ("drop_index", "http://index.html/", "http://index.html/"),
    ("drop_index", "http://a.example/my-index.html", "http://a.example/my-index.html"),
    ("drop_trailing_slash", "http://a.example/b//?x=/", "http://a.example/b?x=/"),
    ("drop_trailing_slash", "http://a.example/", "http://a.example/"),
    ("lowercase_path", "http://a.example/A/%C3%84?Q=%41", "http://a.example/a/%C3%84?Q=%41"),
    ("lowercase_path", "http://a.example/%41", "http://a.example/a"),
]


@pytest.mark.parametrize(("name", "url", "same_as"), ON_OFFER)
def test_a_step_on_offer_does_what_it_says(name: str, url: str, same_as: str) -> None:
    assert canonicalizer([name])(url) == same_as


def test_every_step_on_offer_is_shown_at_work() -> None:
    assert {name for name, _, _ in ON_OFFER} == set(STEPS) - set(DEFAULT_STEPS)


def test_chosen_steps_are_done_in_the_order_of_the_list() -> None:
    both = canonicalizer(["drop_index", "drop_trailing_slash"])
    turned = canonicalizer(["drop_trailing_slash", "drop_index"])
    assert (both("http://a.example/b/index.html"), turned("http://a.example/b/index.html")) == (
        "http://a.example/b",
        "http://a.example/b/",
    )


def test_a_step_that_is_not_there_is_an_error_that_names_those_that_are() -> None:
    with pytest.raises(ConfigError, match=r"no step 'drop_ww'\. There are: drop_fragment, .*drop_www"):
        canonicalizer(["drop_fragment", "drop_ww"])


def test_a_user_s_own_step_is_named_like_any_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crawler.urls.canonical.STEPS", steps := dict(STEPS))

    @canonicalization_step
    def drop_page_size(url: str) -> str:
        return url.replace("/by-20", "")

    assert "drop_page_size" in steps
    assert canonicalizer(["drop_fragment", "drop_page_size"])("http://a.example/by-20/x#y") == "http://a.example/x"


def test_a_file_may_be_loaded_twice_but_no_step_takes_the_name_of_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crawler.urls.canonical.STEPS", dict(STEPS))
    for _ in range(2):

        @canonicalization_step
        def mine(url: str) -> str:
            return url

    def drop_www(url: str) -> str:
        return url

    with pytest.raises(ValueError, match="there is a canonicalization step 'drop_www' already"):
        canonicalization_step(drop_www)


@given(SPELLINGS)
def test_doing_it_twice_changes_nothing_more(text: str) -> None:
    once = canonical(f"http://a.example/{text}")
    assert canonical(once) == once


@pytest.mark.parametrize("name", [name for name, row in STEPS.items() if not row.always])
@given(text=SPELLINGS)
def test_a_url_without_mark_escape_and_fragment_is_left_alone_by_most_steps(name: str, text: str) -> None:
    plain = text.replace("?", "").replace("%", "").replace("#", "")
    assert STEPS[name].apply(plain) == plain


PIECES = [
    *"/?&#=%;.~:@Aaé ", "%7e", "%41", "%C3%a4", "%2", "%%", "//", "../", "index.html", "www.", "utm_x=1", "sid=2",
    ";jsessionid=3", "/b/", "a=1", "b", "\\", "\t", "İ",
]  # fmt: skip


def test_doing_it_twice_changes_nothing_more_for_100_000_urls_made_at_random() -> None:
    chance, everything = random.Random(17), canonicalizer(list(STEPS))
    hosts = ["http://a.example", "https://www.www.a.example:8443", "http://u:p@www.a.example", "https://index.html"]
    wrong = []
    for _ in range(100_000):
        text = "".join(chance.choices(PIECES, k=chance.randrange(9)))
        target = address(f"{chance.choice(hosts)}/{text}")
        assert target is not None
        for form in (canonical, everything):
            once = form(target.href)
            if form(once) != once:
                wrong.append(target.href)
    assert wrong == []


@given(st.lists(st.sampled_from(["a=1", "b=2", "c", "d=", "e=x%2fy"]), unique=True).flatmap(st.permutations))
def test_the_order_of_different_names_says_nothing(pieces: list[str]) -> None:
    ordered = canonical("http://a.example/?" + "&".join(sorted(pieces)))
    assert canonical("http://a.example/?" + "&".join(pieces)) == ordered
