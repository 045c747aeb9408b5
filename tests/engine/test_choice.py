from __future__ import annotations

from crawler.engine.choice import Choice

MILLI, MICRO = 1e-3, 1e-6


def stays(choice: Choice, cpu: float, pages: int, seconds: float = 0.0, trial: float = 50 * MICRO) -> int:
    """How many of *pages*, of so many seconds each, stay here before one goes."""
    for page in range(pages):
        if choice.goes():
            return page
        choice.stayed(max(cpu, seconds), cpu if choice.is_timed else None)
        if choice.wants_trial:
            choice.tried(trial)
    return pages


def goes(choice: Choice, crossing: float, cpu: float, pages: int) -> int:
    """How many of *pages* go; those that do not take as long here."""
    gone = 0
    for _ in range(pages):
        if choice.goes():
            choice.went(crossing, cpu, cpu)
            gone += 1
        else:
            choice.stayed(cpu, cpu)
    return gone


def gone() -> Choice:
    """One whose pages have been long enough to go."""
    choice = Choice()
    assert stays(choice, 1.15 * MILLI, 1_000) < 1_000
    return choice


def test_short_pages_never_go() -> None:
    assert stays(Choice(), 50 * MICRO, 100_000) == 100_000


def test_longer_pages_go_when_staying_has_cost_a_twentieth_of_a_second() -> None:
    assert 45 <= stays(Choice(), 1.06 * MILLI, 1_000) <= 55  # a thousandth of a second is lost with each


def test_with_one_core_only_those_go_that_hold_the_loop_long() -> None:
    choice = Choice(has_core=False)
    assert stays(choice, 20 * MILLI, 1_000) == 1_000
    assert stays(choice, 0.2, 10) == 1
    assert goes(choice, 40 * MICRO, 0.2, 100) == 100
    assert goes(choice, 40 * MICRO, 20 * MILLI, 100) < 50
    assert stays(choice, 20 * MILLI, 1_000) == 1_000


def test_those_that_are_too_short_to_go_are_seldom_timed() -> None:
    choice, timed = Choice(), 0
    for _ in range(8_000):
        timed += choice.is_timed
        choice.stayed(50 * MICRO, 50 * MICRO if choice.is_timed else None)
    assert 1_000 <= timed <= 1_100


def test_on_a_slow_machine_the_same_pages_stay_and_go_as_on_a_fast_one() -> None:
    assert stays(Choice(), 250 * MICRO, 100_000, trial=250 * MICRO) == 100_000
    assert stays(Choice(), 25 * MICRO, 100_000, trial=5 * MICRO) < 20_000


def test_after_a_page_that_holds_the_loop_long_the_next_one_goes() -> None:
    assert stays(Choice(), 0.2, 10) == 1
    assert stays(Choice(), 0.0, 10, seconds=0.2) == 1


def test_that_the_system_lets_others_run_meanwhile_is_no_fault_of_a_page() -> None:
    assert stays(Choice(), 50 * MICRO, 10_000, seconds=50 * MILLI) == 10_000


def test_now_and_then_one_stays_to_be_timed_unless_they_are_long() -> None:
    slow = Choice()
    stays(slow, 0.2, 10)
    assert goes(gone(), 40 * MICRO, 1.15 * MILLI, 512) == 510
    assert goes(slow, 40 * MICRO, 0.2, 512) == 512


def test_pages_that_have_become_short_stay_again_and_go_when_they_are_long_again() -> None:
    choice = gone()
    assert goes(choice, 40 * MICRO, 30 * MICRO, 1_000) < 200
    assert not choice.goes()
    assert stays(choice, 2 * MILLI, 1_000) < 100


def test_where_the_way_turns_out_to_be_dear_pages_stay() -> None:
    choice = gone()
    goes(choice, 2 * MILLI, 1.15 * MILLI, 100)
    assert not choice.goes()
    assert stays(choice, 1.15 * MILLI, 200) == 200


def test_one_page_that_was_interrupted_on_its_way_changes_nothing() -> None:
    choice = gone()
    choice.went(1.0, 1.15 * MILLI, 1.15 * MILLI)
    assert goes(choice, 40 * MICRO, 1.15 * MILLI, 100) >= 99
