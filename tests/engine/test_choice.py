from __future__ import annotations

from crawler.engine.choice import Choice

MILLI, MICRO = 1e-3, 1e-6


def stays(choice: Choice, seconds: float, pages: int) -> int:
    """How many of *pages*, of so many seconds each, stay here before one goes."""
    for page in range(pages):
        if choice.goes():
            return page
        choice.stayed(seconds)
    return pages


def goes(choice: Choice, crossing: float, seconds: float, pages: int) -> int:
    """How many of *pages* go; those that do not take as long here."""
    gone = 0
    for _ in range(pages):
        if choice.goes():
            choice.went(crossing, seconds)
            gone += 1
        else:
            choice.stayed(seconds)
    return gone


def test_short_pages_never_go() -> None:
    assert stays(Choice(), 60 * MICRO, 100_000) == 100_000


def test_longer_pages_go_when_staying_has_cost_a_tenth_of_a_second() -> None:
    assert stays(Choice(), 1.2 * MILLI, 1_000) == 100  # a thousandth of a second is lost with each


def test_after_a_page_that_holds_the_loop_long_the_next_one_goes() -> None:
    assert stays(Choice(), 0.2, 10) == 1


def test_now_and_then_one_stays_to_be_timed_unless_they_are_long() -> None:
    choice, slow = Choice(), Choice()
    stays(choice, 1.2 * MILLI, 1_000)
    stays(slow, 0.2, 10)
    assert goes(choice, 40 * MICRO, 1.2 * MILLI, 512) == 510
    assert goes(slow, 40 * MICRO, 0.2, 512) == 512


def test_pages_that_have_become_short_stay_again_and_go_when_they_are_long_again() -> None:
    choice = Choice()
    stays(choice, 1.2 * MILLI, 1_000)
    assert goes(choice, 40 * MICRO, 30 * MICRO, 1_000) < 200
    assert not choice.goes()
    assert stays(choice, 2 * MILLI, 1_000) < 100


def test_where_the_way_is_dear_pages_stay_that_would_go_elsewhere() -> None:
    choice = Choice()
    stays(choice, 1.2 * MILLI, 1_000)
    goes(choice, 2 * MILLI, 1.2 * MILLI, 1_000)
    assert not choice.goes()
    assert stays(choice, 1.2 * MILLI, 10_000) == 10_000


def test_one_page_that_was_interrupted_on_its_way_changes_nothing() -> None:
    choice = Choice()
    stays(choice, 1.2 * MILLI, 1_000)
    choice.went(1.0, 1.2 * MILLI)
    assert goes(choice, 40 * MICRO, 1.2 * MILLI, 100) >= 99
