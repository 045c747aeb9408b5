from time import process_time
from timeit import timeit

import pytest

from crawler.traps.spelling import is_endless


@pytest.mark.parametrize(
    "path",
    [
        "/docs/docs/docs/docs/",
        "/a/b/a/b/a/b/a/b",
        "/shop/en/x/en/x/en/x/en/x/end.html",
        "/a/b/c/a/b/c/a/b/c/a/b/c/",
        "/" + "/".join("abcdefghijklmnopqrstu"),
        "/?a=1&a=1&a=1&a=1",
        "/list?sort=up&page=2&sort=up&x=1&sort=up&sort=up",
    ],
)
def test_a_url_that_repeats_itself_or_is_too_long_was_written_by_no_person(path: str) -> None:
    assert is_endless(f"http://site.example{path}", 20)


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/docs/docs/docs/",
        "/a/b/a/b/a/b/",
        "/a/x/a/y/a/z/a",
        "/tiles/0/0/0/0.png",
        "/0/0/0/0/17",
        "/2026/11/11/11/11/",
        "/" + "/".join("abcdefghijklmnopqrst") + "/",
        "/?id=1&id=2&id=3&id=4&id=5",
        "/?a=&b=&c=&d=&e=",
        "/?a=1&a=1&a=1",
        "/?next=http://a.example/a/a/a/a/",
        "/?&&&&&",
    ],
)
def test_an_ordinary_url_is_one(path: str) -> None:
    assert not is_endless(f"http://site.example{path}", 20)


def test_the_limit_of_segments_is_the_users() -> None:
    assert is_endless("http://site.example/1/2/3/4/5", 4)
    assert not is_endless("http://site.example/1/2/3/4", 4)


@pytest.mark.parametrize("part", ["/a", "/a/b", "&a=1", "/%", "=&", "//"])
def test_a_long_url_takes_no_longer_than_its_length(part: str) -> None:
    short, long = ("http://site.example/?"[: 19 + ("&" in part) * 2] + part * (n // len(part)) for n in (1_000, 8_000))

    def cost(url: str) -> float:
        return min(timeit(lambda: is_endless(url, 100_000), number=20, timer=process_time) for _ in range(5))

    assert cost(long) < 8 * 4 * cost(short) + 1e-4
