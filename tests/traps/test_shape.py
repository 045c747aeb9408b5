from time import process_time
from timeit import timeit

import pytest

from crawler.traps.shape import folder, shape

SITE = "https://site.example"


@pytest.mark.parametrize(
    ("url", "path", "names"),
    [
        ("/", "/", ""),
        ("", "/", ""),
        ("/calendar/2031/03", "/calendar/{n}/{n}", ""),
        ("/events/2031-03-14.html", "/events/{n}-{n}-{n}.html", ""),
        ("/catalogue/blue-chair_17/index.html", "/catalogue/blue-chair_{n}/index.html", ""),
        ("/page7", "/page{n}", ""),
        ("/s/9f8e7d6c/cart", "/s/{x}/cart", ""),
        ("/s/f9e8/cart", "/s/{x}/cart", ""),
        ("/(S(zkrqpxwvutsonmlkjihgfedcba))/a", "/(S({x}))/a", ""),
        ("/wiki/Blue_chair", "/wiki/Blue_chair", ""),
        ("/shop?size=4&colour=red&size=5", "/shop", "colour&size"),
        ("/shop?&flag&", "/shop", "flag"),
    ],
)
def test_urls_of_one_kind_have_one_shape(url: str, path: str, names: str) -> None:
    assert shape(SITE + url) == (path, names)


def test_a_wide_kind_is_all_that_lies_in_a_folder() -> None:
    assert folder("/blog/on-chairs") == "/blog/**"
    assert folder("/blog/{n}/on-chairs") == "/blog/**"
    assert folder("/on-chairs") == "/**"


@pytest.mark.parametrize("part", ["a", "1", "a1", "1a", "-", "a-", "/", "1/", "_", "&a="])
def test_the_shape_of_a_long_url_takes_no_longer_than_its_length(part: str) -> None:
    short, long = (f"{SITE}/{'?' * ('&' in part)}" + part * (n // len(part)) for n in (1_000, 8_000))

    def cost(url: str) -> float:
        return min(timeit(lambda: shape(url), number=10, timer=process_time) for _ in range(5))

    assert cost(long) < 8 * 4 * cost(short) + 1e-4
