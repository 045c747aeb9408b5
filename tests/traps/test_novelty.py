import random
from time import process_time
from timeit import timeit

import pytest

from crawler.traps.novelty import Memory, heading_mark, is_news, text_of, title_mark

URL = "http://site.example/calendar/2031/03"


def news(*pages: tuple[str, str]) -> list[bool]:
    """Of each page, a URL and a body, whether it says what those before have not said."""
    memory = Memory()
    found = []
    for url, body in pages:
        text = text_of(body.encode(), url)
        assert text is not None
        found.append(is_news(text, url, memory))
    return found


def test_a_page_that_was_seen_before_is_no_news() -> None:
    assert news((URL, "<p>one</p>"), (URL, "<p>one</p>"), (URL, "<p>one</p><p>two</p>")) == [True, False, True]


def test_a_title_of_its_own_is_news() -> None:
    pages = [(f"{URL}/{word}", f"<title>Chairs: {word.title()}</title><p>Out of stock</p>") for word in ("red", "blue")]

    assert news(*pages) == [True, True]


def test_a_clock_and_a_counter_are_none() -> None:
    pages = [
        (URL, f"<p>one</p><i>made at 12:{n}:07 for visitor {n * 7919}, request {n:x}9f</i>") for n in range(10, 16)
    ]

    assert news(*pages) == [True] + [False] * 5


def test_what_describes_a_picture_or_the_page_is_news_and_keys_are_none() -> None:
    frame = '<title>Photos</title><meta name="key" content="%s"><meta name="description" content="%s"><img alt="%s">x'
    pages = [
        (URL, frame % parts)
        for parts in (
            ("qwe", "a gallery", "a boat"),
            ("rty", "a gallery", "a house at night"),
            ("uio", "a gallery of cats", "a boat"),
            ("pas", "a gallery", "a boat"),
        )
    ]

    assert news(*pages) == [True, True, True, False]


def test_what_stands_below_many_scripts_and_styles_is_read() -> None:
    styles = "<style>" + "a{b:c}" * 20_000 + "</style>"
    pages = [(URL, f"<title>Shop</title>{styles * 4}<p>{words}</p>") for words in ("a red chair", "a blue one")]

    assert news(*pages) == [True, True]


def test_many_numbers_are() -> None:
    dice = random.Random(1)
    pages = [
        (URL, "<table>" + "".join(f"<td>{dice.gauss(12, 8):.1f}</td>" for _ in range(12)) + "</table>")
        for _ in range(5)
    ]

    assert news(*pages) == [True] * 5


def test_what_echoes_the_url_is_none() -> None:
    pages = [
        (
            f"http://{name}.site.example/{name}-x?q={name}%20y",
            f"<p>{name}-x at {name}.site.example, {name} y</p><p>no</p>",
        )
        for name in ("qwerty", "asdfgh", "zxcvbn")
    ]

    assert news(*pages) == [True, False, False]


def test_a_calendar_has_little_to_say() -> None:
    months = [
        (
            f"http://site.example/{n // 12}/{n % 12}",
            f"<h1>Month {n % 12} of {n // 12}</h1>" + "<td>1</td><td>2</td>" * 15,
        )
        for n in range(24_000, 24_050)
    ]

    assert sum(news(*months)) < 5


def test_scripts_and_styles_are_no_text() -> None:
    page = "<p>one</p><script>token('{0}')</script><style>a.{0} {{}}</style><p>two</p><script>{0}"

    assert news(*[(URL, page.format(word)) for word in ("abc", "def")]) == [True, False]


@pytest.mark.parametrize("body", [b"", b'{"a": 1}', b"\x89PNG\r\n", b"<p></p> <br>\n", b"plain"])
def test_what_has_no_text_between_tags_is_no_evidence(body: bytes) -> None:
    assert text_of(body, URL) is None


def test_a_memory_forgets_rather_than_grows() -> None:
    memory = Memory()
    marks = [random.Random(1).getrandbits(63)]
    dice = random.Random(2)

    assert memory.learn(marks) == 1
    assert memory.learn(marks) == 0
    memory.learn(dice.getrandbits(63) for _ in range(1_000_000))
    assert memory.learn(marks) == 1


def test_content_is_known_by_its_title_and_heading() -> None:
    one, other = b"<head><title>A</title><h1>B</h1>", b"<head><title>A</title><h1>C</h1>"
    padding = b" " * 120

    assert title_mark(b"x" + one.replace(b"<h1>", padding)) == title_mark(other.replace(b"<h1>", padding))
    assert heading_mark(one) != heading_mark(other)
    assert (title_mark(b""), heading_mark(b"")) == (0, 0)


@pytest.mark.parametrize(
    "part",
    [
        "<",
        ">",
        "<a",
        "a>",
        "<script",
        "</script>",
        "<script></script",
        "<style>",
        "a1",
        "1,",
        "1:1.",
        "&#",
        "\n",
        "<p>a",
    ],
)
def test_a_hostile_page_takes_no_longer_than_its_length(part: str) -> None:
    small, large = ((part * (n // len(part))).encode() for n in (16_000, 128_000))

    def cost(body: bytes) -> float:
        def look() -> None:
            title_mark(body)
            heading_mark(body)
            is_news(text_of(body, URL) or b"", URL, Memory())

        return min(timeit(look, number=1, timer=process_time) for _ in range(5))

    assert cost(large) < 8 * 5 * cost(small) + 2e-3
