from __future__ import annotations

import pytest

from crawler.parse.ahead import BYTES, MOST, Ahead


def an_ahead(*seconds: float) -> Ahead:
    ahead = Ahead()
    for each in seconds:
        ahead.took(each)
    return ahead


def test_a_process_of_which_nothing_is_known_has_one_task() -> None:
    ahead = Ahead()
    assert [ahead.takes(100, tasks, 100 * tasks) for tasks in (0, 1)] == [True, False]


@pytest.mark.parametrize(
    ("seconds", "most"), [(0.0, MOST), (0.000_1, MOST), (0.01, 11), (0.04, 3), (0.1, 2), (0.15, 1), (60.0, 1)]
)
def test_so_many_are_there_as_are_done_in_a_tenth_of_a_second(seconds: float, most: int) -> None:
    ahead = an_ahead(seconds)
    assert [ahead.takes(1, most - 1, most), ahead.takes(1, most, most)] == [True, False]


def test_one_that_takes_long_stops_what_is_sent_ahead_at_once() -> None:
    assert an_ahead(*[0.001] * 50, 1.0).most == 1


def test_short_ones_bring_it_back() -> None:
    assert an_ahead(1.0, *[0.001] * 50).most > 10


def test_what_is_there_is_bounded_in_bytes() -> None:
    ahead = an_ahead(0.001)
    assert [ahead.takes(BYTES, 1, 0), ahead.takes(BYTES, 1, 1)] == [True, False]


def test_a_task_of_any_size_is_taken_by_a_process_that_has_none() -> None:
    assert an_ahead(1.0).takes(10 * BYTES, 0, 0)
