"""How slowly a host wants to be asked."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.politeness.throttle import FIRST_PENALTY, FORGIVEN, Throttle

SECONDS = st.floats(0, 1e4)


def taught(*answers: float) -> Throttle:
    throttle = Throttle()
    for elapsed in answers:
        throttle.answered(elapsed, is_good=True)
    return throttle


def test_nothing_heard_is_nothing_to_wait_for() -> None:
    assert Throttle().pause(0.25, 300.0) == 0.0


def test_a_host_with_a_pause_is_asked_no_more_often_than_it_answers() -> None:
    assert taught(2.0, 2.0, 2.0).pause(0.25, 300.0) == 2.0


def test_a_host_without_a_pause_may_be_as_slow_as_it_likes() -> None:
    assert taught(2.0, 2.0, 2.0).pause(0.0, 300.0) == 0.0


def test_one_slow_answer_of_ten_is_hardly_felt_five_in_a_row_are() -> None:
    one = taught(*[0.1] * 9, 2.0)
    five = taught(*[0.1] * 9, *[2.0] * 5)

    assert one.latency == pytest.approx(0.575)
    assert five.latency > 1.5


def test_a_host_that_gets_quicker_is_asked_more_quickly() -> None:
    throttle = taught(*[2.0] * 5, *[0.1] * 20)

    assert throttle.pause(0.25, 300.0) < 0.25


def test_nobody_waits_longer_than_the_most() -> None:
    throttle = taught(1e6)
    throttle.strained(1e6, 300.0)

    assert (throttle.pause(0.25, 300.0), throttle.penalty) == (300.0, 300.0)


def test_an_answer_that_is_not_good_may_slow_a_host_down_and_never_speeds_it_up() -> None:
    throttle = taught(1.0)
    throttle.answered(0.001, is_good=False)
    assert throttle.latency == 1.0

    throttle.answered(5.0, is_good=False)
    assert throttle.latency == 2.0

    throttle.strained(1.0, 300.0)
    throttle.answered(0.001, is_good=False)
    assert throttle.penalty == 2.0


@pytest.mark.parametrize(("pause", "penalty"), [(0.0, FIRST_PENALTY), (0.1, FIRST_PENALTY), (0.25, 0.5), (3.0, 6.0)])
def test_a_host_that_had_enough_is_asked_half_as_often_or_less(pause: float, penalty: float) -> None:
    throttle = Throttle()
    throttle.strained(pause, 300.0)

    assert throttle.pause(0.0, 300.0) == penalty


def test_good_answers_walk_a_penalty_back_to_nothing() -> None:
    throttle = Throttle()
    throttle.strained(0.0, 300.0)
    penalties = []
    while throttle.penalty:
        penalties.append(throttle.penalty)
        throttle.answered(0.01, is_good=True)

    assert penalties[:3] == pytest.approx([0.5, 0.5 * FORGIVEN, 0.5 * FORGIVEN**2])
    assert len(penalties) == 22


@given(st.lists(st.tuples(st.sampled_from(["good", "bad", "strained"]), SECONDS)), SECONDS, SECONDS)
def test_whatever_happens_the_pause_is_no_negative_time_and_within_bounds(
    happened: list[tuple[str, float]], floor: float, most: float
) -> None:
    throttle = Throttle()
    for what, seconds in happened:
        if what == "strained":
            throttle.strained(seconds, most)
        else:
            throttle.answered(seconds, is_good=what == "good")

    assert 0.0 <= throttle.pause(floor, most) <= most
