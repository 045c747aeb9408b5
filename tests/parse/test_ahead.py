from __future__ import annotations

import pytest

from crawler.parse.ahead import BYTES, MOST, Ahead, has_core


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


@pytest.mark.parametrize(
    ("seconds", "tasks", "is_soon"),
    [(60.0, 0, True), (60.0, 1, False), (0.01, 1, False), (0.001, 5, True), (0.001, 6, False), (0.000_1, 50, True)],
)
def test_a_task_has_its_turn_soon_behind_a_few_milliseconds_of_work(seconds: float, tasks: int, is_soon: bool) -> None:
    assert an_ahead(seconds).is_soon(tasks) is is_soon


def test_behind_a_task_of_which_nothing_is_known_none_has_its_turn_soon() -> None:
    assert [Ahead().is_soon(0), Ahead().is_soon(1)] == [True, False]


@pytest.mark.parametrize(
    ("cores", "processes", "own", "is_free"),
    [
        (2, 1, 0.3, True),
        (2, 1, 0.8, False),
        (2, 2, 0.0, False),
        (8, 6, 1.0, True),
        (8, 7, 1.0, False),
        (1, 1, 0.0, False),
    ],
)
def test_a_core_is_free_where_neither_the_crawl_nor_a_process_is(
    cores: int, processes: int, own: float, is_free: bool
) -> None:
    assert has_core(cores, processes, own) is is_free
