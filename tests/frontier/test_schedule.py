"""Which host may be asked next. No loop and no clock: the time is an argument."""

from collections import Counter
from itertools import count
from sys import intern
from typing import TypeVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from crawler.frontier.lanes import Lanes
from crawler.frontier.schedule import HostSchedule

HOSTS = ["a.example", "b.example", "c.example"]

T = TypeVar("T")
_numbers = count(1)


def add(schedule: HostSchedule[T], host: str, item: T, priority: int = 0, number: int | None = None) -> None:
    """Let *item* wait in the place that a frontier gives it: by its priority, then by its number."""
    schedule.add(host, item, (-priority, next(_numbers) if number is None else number))


def filled(**items: str) -> HostSchedule[str]:
    """A schedule in which each host has its items, one letter each."""
    schedule: HostSchedule[str] = HostSchedule()
    for host, letters in items.items():
        for letter in letters:
            add(schedule, host, intern(letter))  # items are told apart by identity, as entries are
    return schedule


def known(limit: int = 8, pause: float = 0.0, **items: str) -> HostSchedule[str]:
    """The same, where each host may run *limit* at once: its robots.txt was read, at no time."""
    schedule: HostSchedule[str] = HostSchedule()
    for host in items:
        add(schedule, host, f"{host}/robots.txt", priority=1000)
    for host, letters in items.items():
        for letter in letters:
            add(schedule, host, intern(letter))  # items are told apart by identity, as entries are
    robots = {host: schedule.take(0.0) or "" for host in items}
    for host, item in robots.items():
        assert item == f"{host}/robots.txt"
        schedule.set_limits(host, item, limit, pause)
        schedule.finish(host, item, None)
    return schedule


def refused(schedule: HostSchedule[str], host: str) -> int:
    return schedule.refused(host, is_new=schedule.strained(host))


def taken(schedule: HostSchedule[str], now: float) -> str:
    """Everything that may be asked at *now*."""
    letters = ""
    while (item := schedule.take(now)) is not None:
        letters += item
    return letters


def test_an_empty_schedule_has_nothing_to_give_and_nothing_to_wait_for() -> None:
    schedule: HostSchedule[str] = HostSchedule()

    assert (schedule.take(0.0), schedule.next_ready(), len(schedule), schedule.hosts) == (None, None, 0, 0)


def test_a_host_that_is_not_known_yet_is_asked_for_one_thing_at_a_time() -> None:
    schedule = filled(a="xyz")

    assert taken(schedule, 0.0) == "x"

    schedule.finish("a", "x", 1.0)
    assert taken(schedule, 1.0) == "y"


def test_no_more_than_its_limit_runs_at_a_host_at_once() -> None:
    schedule = known(limit=3, a="vwxyz")

    assert taken(schedule, 0.0) == "vwx"

    schedule.finish("a", "w", 0.0)
    assert taken(schedule, 0.0) == "y"


def test_a_limit_that_is_raised_lets_more_run_at_once() -> None:
    schedule = filled(a="xyz")
    assert taken(schedule, 0.0) == "x"

    schedule.set_limits("a", "x", 2, 0.0)

    assert taken(schedule, 0.0) == "y"


def test_hosts_take_turns() -> None:
    schedule = known(a="123456", b="pqr", c="x")

    assert taken(schedule, 0.0) == "1px2q3r456"


def test_a_host_with_much_to_do_does_not_keep_a_new_one_waiting() -> None:
    schedule = known(limit=100, a="123456789")
    assert [schedule.take(0.0) for _ in range(3)] == ["1", "2", "3"]

    add(schedule, "b", "x")

    assert [schedule.take(0.0) for _ in range(3)] == ["4", "x", "5"]


def test_within_a_host_higher_priority_goes_first_then_what_was_discovered_first() -> None:
    schedule = known(a="")
    for letter, priority in (("c", 0), ("d", 0), ("e", -1), ("a", 5), ("b", 5)):
        add(schedule, "a", letter, priority)

    assert taken(schedule, 0.0) == "abcde"


def test_what_is_put_back_first_precedes_only_its_own_priority() -> None:
    schedule = known(a="")
    for number, letter in enumerate("bcz"):
        add(schedule, "a", letter, 0, number)
    assert [schedule.take(0.0), schedule.take(0.0)] == ["b", "c"]
    add(schedule, "a", "a", 1, 3)
    add(schedule, "a", "c", 0, 1)
    add(schedule, "a", "b", 0, 0)

    assert taken(schedule, 0.0) == "abcz"


def test_a_pause_is_kept_from_start_to_start_to_the_instant() -> None:
    schedule = known(pause=10.0, a="xy")
    assert taken(schedule, 100.0) == "x"

    schedule.started("a", "x", 103.0)

    assert taken(schedule, 112.999) == ""
    assert schedule.next_ready() == 113.0
    assert taken(schedule, 113.0) == "y"


def test_nothing_starts_while_something_is_on_its_way() -> None:
    schedule = known(pause=1.0, a="xy")
    assert taken(schedule, 0.0) == "x"

    assert (taken(schedule, 1000.0), schedule.next_ready()) == ("", None)  # connecting takes as long as it takes


def test_the_pause_runs_while_the_answer_is_awaited() -> None:
    schedule = known(limit=2, pause=1.0, a="xyz")
    for letter, now in (("x", 0.0), ("y", 1.0)):
        assert taken(schedule, now) == letter
        schedule.started("a", letter, now)

    assert taken(schedule, 2.0) == ""  # two run: that is the limit
    schedule.finish("a", "x", 5.0)
    assert taken(schedule, 5.0) == "z"


def test_what_ends_without_having_left_is_followed_by_a_pause() -> None:
    schedule = known(pause=1.0, a="xy")
    assert taken(schedule, 0.0) == "x"

    schedule.finish("a", "x", 7.0)

    assert (taken(schedule, 7.9), taken(schedule, 8.0)) == ("", "y")


def test_what_was_not_sent_at_all_owes_no_pause() -> None:
    schedule = known(pause=1.0, a="xy")
    assert taken(schedule, 0.0) == "x"

    schedule.finish("a", "x", None)

    assert taken(schedule, 0.0) == "y"


def test_what_leaves_a_second_time_begins_the_pause_anew() -> None:
    schedule = known(pause=1.0, a="xy")
    assert taken(schedule, 0.0) == "x"

    schedule.started("a", "x", 0.0)
    schedule.started("a", "x", 0.5)  # the connection was stale: it went once more over another one

    assert (taken(schedule, 1.2), taken(schedule, 1.5)) == ("", "y")


def test_a_new_host_with_a_pause_waits_for_the_first_item_to_leave() -> None:
    schedule = filled(a="xy")
    assert taken(schedule, 0.0) == "x"
    schedule.set_limits("a", "x", 8, 2.0)
    assert taken(schedule, 0.0) == ""

    schedule.started("a", "x", 1.0)

    assert (taken(schedule, 2.9), taken(schedule, 3.0)) == ("", "y")


def test_a_pause_that_grows_holds_for_what_has_left_already() -> None:
    schedule = filled(a="xy")
    assert taken(schedule, 0.0) == "x"
    schedule.set_limits("a", "x", 8, 1.0)
    schedule.started("a", "x", 0.0)

    schedule.set_limits("a", "x", 8, 10.0)  # its robots.txt, which has just come, asks for more

    assert (taken(schedule, 9.9), taken(schedule, 10.0)) == ("", "y")


def test_a_pause_of_one_host_holds_up_no_other() -> None:
    schedule = known(pause=60.0, a="xyz")
    assert taken(schedule, 0.0) == "x"
    schedule.started("a", "x", 0.0)

    add(schedule, "b", "y")

    assert taken(schedule, 0.0) == "y"


def test_a_host_that_rests_is_left_alone_until_then() -> None:
    schedule = known(a="x")
    schedule.rest("a", 30.0)

    assert (taken(schedule, 29.9), schedule.next_ready(), taken(schedule, 30.0)) == ("", 30.0, "x")


def test_a_rest_is_made_longer_while_it_lasts_never_shorter() -> None:
    schedule = known(a="x")
    schedule.rest("a", 30.0)
    assert taken(schedule, 0.0) == ""

    schedule.rest("a", 40.0)
    schedule.rest("a", 10.0)

    assert (taken(schedule, 30.0), taken(schedule, 40.0)) == ("", "x")


def test_refusals_are_counted_and_half_of_them_forgiven_by_an_answer() -> None:
    schedule = filled(a="x")

    assert [refused(schedule, "a") for _ in range(3)] == [1, 2, 3]

    schedule.accepted("a")
    assert refused(schedule, "a") == 2

    for _ in range(5):
        schedule.accepted("a")
    assert refused(schedule, "a") == 1


def test_an_answer_tells_whether_there_was_a_refusal_to_forgive() -> None:
    schedule = filled(a="x")
    assert schedule.accepted("a") is False

    for _ in range(3):
        refused(schedule, "a")

    assert [schedule.accepted("a") for _ in range(3)] == [True, True, False]  # three, one, none


def test_what_was_on_its_way_together_is_refused_as_one() -> None:
    schedule = known(limit=3, a="uvwxyz")
    assert taken(schedule, 0.0) == "uvw"

    assert [refused(schedule, "a") for _ in "uvw"] == [1, 1, 1]
    schedule.accepted("a")
    assert refused(schedule, "a") == 1
    for letter in "uvw":
        schedule.finish("a", intern(letter), 0.0)

    assert taken(schedule, 1.0) == "xyz"
    assert refused(schedule, "a") == 1  # the answer between them forgave the first one
    for letter in "xyz":
        schedule.finish("a", intern(letter), 1.0)
    assert schedule.hosts == 0


def test_what_is_refused_after_the_rest_counts_again() -> None:
    schedule = known(limit=1, a="xyz")
    counted = []
    for letter in "xyz":
        assert taken(schedule, 0.0) == letter
        counted.append(refused(schedule, "a"))
        schedule.finish("a", intern(letter), 0.0)

    assert counted == [1, 2, 3]


def test_what_is_added_for_later_waits_until_it_is_due() -> None:
    schedule: HostSchedule[str] = HostSchedule()
    schedule.add_later("a", "retry", (0, 1), due=5.0)
    schedule.add_later("b", "sooner", (0, 2), due=3.0)

    assert (len(schedule), schedule.next_ready()) == (2, 3.0)
    assert (taken(schedule, 2.9), taken(schedule, 3.0), taken(schedule, 5.0)) == ("", "sooner", "retry")
    assert len(schedule) == 0


def test_what_was_delayed_keeps_its_priority() -> None:
    schedule = known(a="y")
    schedule.add_later("a", "x", (-1, 10**9), due=5.0)

    assert taken(schedule, 5.0) == "xy"


def test_the_next_time_to_look_is_the_earliest_of_all_hosts() -> None:
    schedule = known(a="w", b="x", c="y")
    for host, until in (("a", 9.0), ("b", 4.0), ("c", 7.0)):
        schedule.rest(host, until)
    schedule.add_later("a", "z", (0, 10**9), due=5.0)

    assert taken(schedule, 0.0) == ""
    assert schedule.next_ready() == 4.0
    assert taken(schedule, 4.0) == "x"
    schedule.finish("b", "x", 4.0)
    assert schedule.next_ready() == 5.0


def test_a_host_that_is_owed_nothing_is_forgotten_when_its_last_item_ends() -> None:
    schedule = filled(a="x", b="y")
    assert taken(schedule, 0.0) == "xy"

    schedule.finish("a", "x", 0.0)
    schedule.finish("b", "y", 0.0)

    assert schedule.hosts == 0


def test_a_host_is_remembered_as_long_as_it_rests_and_no_longer() -> None:
    schedule = known(pause=10.0, a="x")
    assert taken(schedule, 0.0) == "x"
    schedule.started("a", "x", 0.0)
    schedule.finish("a", "x", 1.0)
    assert schedule.hosts == 1

    add(schedule, "a", "y")
    assert taken(schedule, 9.9) == ""  # its pause was not forgotten with it
    assert taken(schedule, 10.0) == "y"
    schedule.started("a", "y", 10.0)
    schedule.finish("a", "y", 10.0)

    assert (taken(schedule, 20.0), schedule.hosts) == ("", 0)


def test_many_hosts_leave_nothing_behind() -> None:
    schedule: HostSchedule[int] = HostSchedule()
    for number in range(10_000):
        add(schedule, f"h{number}.example", number)
        item = schedule.take(float(number))
        assert item == number
        schedule.set_limits(f"h{number}.example", item, 8, 0.5)
        schedule.started(f"h{number}.example", item, float(number))
        schedule.finish(f"h{number}.example", item, float(number))

    assert schedule.hosts <= 2
    assert schedule.take(20_000.0) is None
    assert (schedule.hosts, schedule.next_ready()) == (0, None)


def test_a_host_that_was_only_skipped_is_forgotten_at_the_next_look() -> None:
    schedule = filled(a="x")
    assert schedule.take(5.0) == "x"

    schedule.finish("a", "x", None)

    assert (schedule.take(5.0), schedule.hosts) == (None, 0)


def test_what_waits_for_its_turn_is_held_what_runs_or_waits_for_its_time_is_not() -> None:
    schedule = known(a="xyz")
    assert (schedule.held("a"), schedule.held("b")) == (3, None)

    assert schedule.take(0.0) == "x"
    schedule.add_later("a", "later", (0, 10**9), due=5.0)
    assert (schedule.held("a"), len(schedule)) == (2, 3)

    assert taken(schedule, 5.0) == "yzlater"
    assert (schedule.held("a"), len(schedule)) == (0, 0)  # it runs: the host is known, and nothing of it waits


def test_the_last_key_is_the_greatest_of_those_that_wait() -> None:
    schedule = known(a="")
    for number, priority in ((7, 0), (3, -2), (9, 1), (5, -2), (8, 0)):
        add(schedule, "a", f"{number}", priority, number)
    schedule.add_later("a", "later", (100, 100), due=5.0)

    assert schedule.last_key("a") == (2, 5)


def test_trimming_keeps_the_first_ones_and_tells_which_went() -> None:
    schedule = known(a="", b="x")
    for number, letter, priority in ((1, "d", 0), (2, "b", 1), (3, "a", 2), (4, "e", -1), (5, "c", 1)):
        add(schedule, "a", letter, priority, number)

    assert schedule.trim("a", 3) == [(0, 1), (1, 4)]

    assert (len(schedule), schedule.held("a"), schedule.last_key("a")) == (4, 3, (-1, 5))
    assert taken(schedule, 0.0) == "xabc"


def test_trimming_to_more_than_there_is_takes_nothing_away() -> None:
    schedule = known(a="xyz")

    assert (schedule.trim("a", 3), schedule.trim("a", 10)) == ([], [])
    assert taken(schedule, 0.0) == "xyz"


def test_trimming_touches_nothing_that_runs_or_waits_for_its_time() -> None:
    schedule = known(a="wxy")
    assert schedule.take(0.0) == "w"
    schedule.add_later("a", "z", (0, 10**9), due=5.0)

    assert len(schedule.trim("a", 1)) == 1

    assert (len(schedule), taken(schedule, 5.0)) == (2, "xz")


def test_what_is_added_after_a_trim_finds_its_place() -> None:
    schedule = known(a="")
    for number in (5, 4, 3, 2, 1):
        add(schedule, "a", f"{number}", 0, number)
    schedule.trim("a", 2)

    add(schedule, "a", "0", 0, 0)
    add(schedule, "a", "9", 0, 9)

    assert taken(schedule, 0.0) == "0129"


def test_a_host_that_was_trimmed_to_nothing_gives_nothing_and_is_forgotten() -> None:
    schedule = filled(a="xy")
    schedule.trim("a", 0)

    assert (schedule.take(0.0), len(schedule), schedule.hosts) == (None, 0, 0)


def test_a_host_that_is_held_is_not_forgotten_when_its_last_item_ends() -> None:
    schedule = filled(a="x")
    schedule.hold("a")
    assert taken(schedule, 0.0) == "x"
    schedule.set_limits("a", "x", 3, 2.0)
    schedule.started("a", "x", 0.0)
    schedule.finish("a", "x", 0.0)

    assert (schedule.take(100.0), schedule.hosts, schedule.held("a"), schedule.pause_of("a")) == (None, 1, 0, 2.0)

    schedule.release("a", 100.0)
    assert (schedule.hosts, schedule.held("a")) == (0, None)


def test_a_host_is_held_before_anything_of_it_is_here() -> None:
    schedule: HostSchedule[str] = HostSchedule()
    schedule.hold("a")

    assert (schedule.hosts, schedule.held("a"), len(schedule)) == (1, 0, 0)
    assert (schedule.take(0.0), schedule.next_ready()) == (None, None)

    add(schedule, "a", "x")
    assert taken(schedule, 0.0) == "x"


def test_a_host_that_is_let_go_is_remembered_while_it_has_something_to_do() -> None:
    schedule = filled(a="xy")
    schedule.hold("a")
    schedule.release("a", 0.0)
    assert (schedule.hosts, taken(schedule, 0.0)) == (1, "x")

    schedule.hold("a")
    schedule.release("a", 0.0)  # one runs, and one waits
    schedule.finish("a", "x", 0.0)

    assert taken(schedule, 0.0) == "y"
    schedule.finish("a", "y", 0.0)
    assert schedule.hosts == 0


def test_a_host_that_is_let_go_while_it_rests_is_forgotten_when_its_rest_is_over() -> None:
    schedule = filled(a="x")
    schedule.hold("a")
    assert taken(schedule, 0.0) == "x"
    schedule.rest("a", 10.0)
    schedule.finish("a", "x", 0.0)

    schedule.release("a", 1.0)

    assert (schedule.take(9.9), schedule.hosts, schedule.next_ready()) == (None, 1, 10.0)
    assert (schedule.take(10.0), schedule.hosts, schedule.next_ready()) == (None, 0, None)


def test_what_an_earlier_run_learned_of_a_host_holds_from_its_first_item_on() -> None:
    schedule: HostSchedule[str] = HostSchedule()
    schedule.remember("a", 3, 50.0)
    add(schedule, "a", "x")
    add(schedule, "b", "y")

    assert (taken(schedule, 49.9), schedule.next_ready()) == ("y", 50.0)
    assert taken(schedule, 50.0) == "x"
    assert refused(schedule, "a") == 4


def test_what_is_remembered_shortens_no_rest() -> None:
    schedule = known(a="x")
    schedule.rest("a", 50.0)
    schedule.remember("a", 1, 10.0)

    assert (taken(schedule, 49.9), taken(schedule, 50.0)) == ("", "x")


def test_what_was_learned_of_a_host_is_its_refusals_its_rest_and_its_pause() -> None:
    schedule = filled(a="xy")
    assert schedule.learned("a") == (0, 0.0, 0.0)
    assert taken(schedule, 0.0) == "x"
    schedule.set_limits("a", "x", 8, 2.0)
    schedule.started("a", "x", 1.0)
    assert schedule.learned("a") == (0, 3.0, 2.0)

    refused(schedule, "a")
    schedule.rest("a", 30.0)

    assert schedule.learned("a") == (1, 30.0, 2.0)


def test_nothing_was_learned_of_a_host_that_is_not_known() -> None:
    schedule: HostSchedule[str] = HostSchedule()

    assert (schedule.learned("a"), schedule.hosts) == ((0, 0.0, 0.0), 0)


# --- a pause that falls ---


def test_a_pause_may_be_longer_for_a_while_and_never_shorter_than_the_floor() -> None:
    schedule = known(pause=1.0, a="wxyz")
    pauses = []
    for pause in (3.0, 2.0, 0.0, 0.5):
        schedule.slow("a", pause, 0.0)
        pauses.append(schedule.pause_of("a"))

    assert (pauses, schedule.floor_of("a")) == ([3.0, 2.0, 1.0, 1.0], 1.0)


def test_a_pause_that_grows_counts_from_the_last_start_one_that_falls_from_the_next() -> None:
    schedule = known(pause=1.0, limit=8, a="wxyz")
    assert taken(schedule, 0.0) == "w"
    schedule.started("a", intern("w"), 0.0)

    schedule.slow("a", 3.0, 0.5)
    assert (taken(schedule, 2.9), taken(schedule, 3.0)) == ("", "x")
    schedule.started("a", intern("x"), 3.0)

    schedule.slow("a", 0.0, 3.5)
    assert (taken(schedule, 5.9), taken(schedule, 6.0)) == ("", "y")
    schedule.started("a", intern("y"), 6.0)
    assert taken(schedule, 7.0) == "z"


def test_a_host_that_gets_a_pause_while_several_run_waits_for_all_of_them() -> None:
    """They may not have left yet: nobody was to tell when they do."""
    schedule = known(limit=3, a="vwxyz")
    assert taken(schedule, 0.0) == "vwx"

    schedule.slow("a", 0.5, 1.0)
    for letter, now in (("v", 1.0), ("x", 5.0)):
        schedule.finish("a", intern(letter), now)
        assert taken(schedule, 9.0) == ""
    schedule.finish("a", intern("w"), 9.0)

    assert (taken(schedule, 9.4), taken(schedule, 9.5)) == ("", "y")


def test_a_host_that_is_known_to_be_slow_begins_with_one() -> None:
    schedule = filled(a="xyz")
    assert taken(schedule, 0.0) == "x"
    schedule.set_limits("a", "x", 8, 0.0)
    schedule.slow("a", 0.5, 0.0, "x")
    schedule.started("a", "x", 1.0)

    assert (taken(schedule, 1.4), taken(schedule, 1.5)) == ("", "y")


def test_a_host_that_is_probed_is_asked_for_one_thing_at_a_time() -> None:
    schedule = known(limit=3, a="vwxyz")
    schedule.probe("a", is_probed=True)
    assert taken(schedule, 0.0) == "v"

    schedule.probe("a", is_probed=False)
    assert taken(schedule, 0.0) == "wx"


def test_a_host_that_is_barred_gives_nothing_until_it_is_let_go() -> None:
    schedule = known(a="x", b="y")
    schedule.bar("a")
    assert (taken(schedule, 0.0), schedule.next_ready(), len(schedule)) == ("y", None, 1)

    schedule.unbar("a")
    schedule.unbar("nobody")
    assert taken(schedule, 0.0) == "x"


# --- addresses ---

ADDRESSES = {"a": ("10.0.0.1", 0.2), "b": ("10.0.0.1", 0.2), "c": ("10.0.0.2", 0.2)}


def at_addresses(**items: str) -> HostSchedule[str]:
    """Each host at its address, its pace known, and nothing to rest for."""
    schedule: HostSchedule[str] = HostSchedule(ADDRESSES.get)
    for host, letters in items.items():
        for letter in letters:
            add(schedule, host, intern(letter))
    return schedule


def test_hosts_at_one_address_start_one_after_the_other() -> None:
    schedule = at_addresses(a="x", b="y", c="z")
    assert taken(schedule, 0.0) == "xz"  # "x" is on its way

    assert (taken(schedule, 9.0), schedule.next_ready()) == ("", None)
    schedule.started("a", "x", 9.0)

    assert (taken(schedule, 9.1), schedule.next_ready()) == ("", 9.2)
    assert taken(schedule, 9.2) == "y"


def test_who_waits_at_an_address_goes_before_those_that_come_later() -> None:
    schedule = at_addresses(a="x", b="y")
    assert taken(schedule, 0.0) == "x"
    schedule.started("a", "x", 0.0)
    schedule.finish("a", "x", 0.0)
    assert taken(schedule, 0.1) == ""
    add(schedule, "a", "z")

    assert taken(schedule, 0.2) == "y"
    schedule.started("b", "y", 0.2)
    assert taken(schedule, 0.4) == "z"


def test_what_was_not_sent_owes_its_address_nothing() -> None:
    schedule = at_addresses(a="x", b="y")
    assert taken(schedule, 0.0) == "x"
    schedule.finish("a", "x", None)

    assert taken(schedule, 0.0) == "y"


def test_what_ends_without_having_left_is_followed_by_the_gap_of_its_address() -> None:
    schedule = at_addresses(a="x", b="y")
    assert taken(schedule, 0.0) == "x"
    schedule.finish("a", "x", 5.0)

    assert (taken(schedule, 5.1), taken(schedule, 5.2)) == ("", "y")


def test_an_address_that_is_found_out_holds_from_then_on() -> None:
    schedule = filled(a="x", b="yz")
    assert taken(schedule, 0.0) == "xy"
    schedule.set_limits("b", "y", 8, 0.0)
    for host, item in (("a", "x"), ("b", "y")):
        schedule.place(host, ADDRESSES[host])
        schedule.started(host, item, 1.0)

    assert (taken(schedule, 1.1), taken(schedule, 1.2)) == ("", "z")


def test_a_host_that_moves_leaves_nobody_waiting_at_its_old_address() -> None:
    schedule = at_addresses(a="x", b="y")
    assert taken(schedule, 0.0) == "x"
    assert taken(schedule, 0.1) == ""

    schedule.place("a", ("10.0.0.9", 0.2))
    assert taken(schedule, 0.1) == "y"


def test_addresses_are_forgotten_with_their_hosts_and_not_before_their_gap_is_over() -> None:
    schedule: HostSchedule[int] = HostSchedule(lambda host: (f"10.0.{host}", 0.5))
    for number in range(10_000):
        add(schedule, f"h{number}", number)
        assert schedule.take(float(number)) == number
        schedule.started(f"h{number}", number, float(number))
        schedule.finish(f"h{number}", number, float(number))
    assert 1 <= len(schedule._addresses) <= 2

    assert schedule.take(20_000.0) is None
    assert (schedule.hosts, len(schedule._addresses), schedule.next_ready()) == (0, 0, None)


def test_thousands_of_hosts_at_one_address_cost_a_turn_each_and_no_more() -> None:
    schedule: HostSchedule[int] = HostSchedule(lambda host: ("10.0.0.1", 1.0))
    for number in range(5_000):
        add(schedule, f"h{number}", number)
    now, order = 0.0, []
    while (item := schedule.take(now)) is not None:
        order.append(item)
        schedule.started(f"h{item}", item, now)
        schedule.finish(f"h{item}", item, now)
        assert len(schedule._called) <= 1
        now += 1.0

    assert order == list(range(5_000))


class _AnyCrawl(RuleBasedStateMachine):
    """Workers that take, send, end, skip and retry in any order, while time goes on; now and then what comes last of
    a host goes elsewhere, a host is held because it has more there, one is barred, or gets a longer pause for a while.
    Two of the hosts share an address."""

    shared, gap = HOSTS[:2], 0.3

    def __init__(self) -> None:
        super().__init__()
        self.schedule: HostSchedule[tuple[str, int]] = HostSchedule(
            lambda host: ("10.0.0.1", self.gap) if host in self.shared else None
        )
        self.shared_left_at = 0.0
        self.barred: set[str] = set()
        self.now = 1000.0
        self.added = 0
        self.waiting: Counter[tuple[str, int]] = Counter()
        self.keys: dict[tuple[str, int], tuple[int, int]] = {}
        self.held: set[str] = set()
        self.running: dict[tuple[str, int], bool] = {}
        self.limits: dict[str, tuple[int, float]] = {}
        self.left_at: dict[str, float] = {}
        self.resting: dict[str, float] = {}
        self.due: dict[tuple[str, int], float] = {}

    hosts = st.sampled_from(HOSTS)

    @rule(host=hosts, priority=st.integers(-1, 1), first=st.booleans())
    def add(self, host: str, priority: int, first: bool) -> None:
        self.added += 1
        item = (host, self.added)
        self.waiting[item] += 1
        self.keys[item] = (-priority, -self.added if first else self.added)
        self.schedule.add(host, item, self.keys[item])

    def _in_turn(self, host: str) -> list[tuple[str, int]]:
        """What waits for *host*'s turn, not for its time; the least key first."""
        waiting = [item for item in self.waiting if item[0] == host and self.waiting[item] and item not in self.due]
        return sorted(waiting, key=self.keys.__getitem__)

    def _wake(self) -> None:
        """A look at the schedule lets what is due by now wait for its turn."""
        self.due = {item: due for item, due in self.due.items() if due > self.now}

    @rule(host=hosts, keep=st.integers(0, 4))
    def trim(self, host: str, keep: int) -> None:
        if self.schedule.held(host) is None:
            return
        gone = self._in_turn(host)[keep:]
        assert self.schedule.trim(host, keep) == [self.keys[item] for item in gone]
        for item in gone:
            self.waiting[item] -= 1

    @rule(host=hosts)
    def hold(self, host: str) -> None:
        self.schedule.hold(host)
        self.held.add(host)

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        host = data.draw(st.sampled_from(sorted(self.held)))
        self.held.remove(host)
        self.schedule.release(host, self.now)

    @rule(seconds=st.sampled_from([0.0, 0.1, 0.5, 1.0, 3.0]))
    def let_time_pass(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def take(self) -> None:
        item = self.schedule.take(self.now)
        self._wake()
        if item is None:
            due = self.schedule.next_ready()
            assert due is None or due > self.now
            return
        assert item == self._in_turn(item[0])[0]
        host = item[0]
        limit, pause = self.limits.get(host, (1, 0.0))
        others = [other for other in self.running if other[0] == host]
        assert len(others) < limit
        assert self.now >= self.resting.get(host, 0.0)
        assert host not in self.barred
        if host in self.shared:
            assert all(sent for other, sent in self.running.items() if other[0] in self.shared)
            assert self.now >= self.shared_left_at + self.gap
        if pause:
            assert all(self.running[other] for other in others), "two are on their way at once"
            assert self.now >= self.left_at.get(host, 0.0) + pause
        self.waiting[item] -= 1
        assert self.waiting[item] == 0, "an item came twice"
        self.running[item] = False

    def _any_running(self, data: st.DataObject) -> tuple[str, int]:
        return data.draw(st.sampled_from(sorted(self.running)))

    @precondition(lambda self: self.running)
    @rule(data=st.data(), limit=st.integers(1, 3), pause=st.sampled_from([0.5, 1.0, 2.0]))
    def send(self, data: st.DataObject, limit: int, pause: float) -> None:
        item = self._any_running(data)
        host = item[0]
        if self.running[item]:
            return
        pause = max(pause, self.limits.get(host, (1, 0.0))[1])
        self.limits[host] = (limit, pause)
        self.schedule.set_limits(host, item, limit, pause)
        self.schedule.started(host, item, self.now)
        self.running[item] = True
        self.left_at[host] = self.now
        if host in self.shared:
            self.shared_left_at = self.now

    @precondition(lambda self: self.running)
    @rule(data=st.data(), pause=st.sampled_from([0.0, 0.7, 3.0]))
    def slow(self, data: st.DataObject, pause: float) -> None:
        self.schedule.slow(self._any_running(data)[0], pause, self.now)

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def bar(self, data: st.DataObject) -> None:
        host = self._any_running(data)[0]
        self.schedule.bar(host)
        self.barred.add(host)

    @precondition(lambda self: self.barred)
    @rule(data=st.data())
    def unbar(self, data: st.DataObject) -> None:
        host = data.draw(st.sampled_from(sorted(self.barred)))
        self.schedule.unbar(host)
        self.barred.remove(host)

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def finish(self, data: st.DataObject) -> None:
        item = self._any_running(data)
        was_sent = self.running.pop(item)
        self.schedule.finish(item[0], item, self.now if was_sent else None)
        self._forget(item[0])

    @precondition(lambda self: self.running)
    @rule(data=st.data(), seconds=st.sampled_from([0.0, 0.3, 2.0]))
    def retry(self, data: st.DataObject, seconds: float) -> None:
        item = self._any_running(data)
        was_sent = self.running.pop(item)
        self.schedule.finish(item[0], item, self.now if was_sent else None)
        self.schedule.add_later(item[0], item, self.keys[item], self.now + seconds)
        self.waiting[item] += 1
        self.due[item] = self.now + seconds
        self._forget(item[0])

    @precondition(lambda self: self.running)
    @rule(data=st.data(), seconds=st.sampled_from([0.2, 4.0]))
    def refuse(self, data: st.DataObject, seconds: float) -> None:
        host = self._any_running(data)[0]
        self.schedule.rest(host, self.now + seconds)
        self.resting[host] = max(self.resting.get(host, 0.0), self.now + seconds)

    def _forget(self, host: str) -> None:
        """What is idle may be forgotten: its limits are then those of a new host, once its rest is over."""
        if not any(other[0] == host for other in self.running):
            self.limits[host] = (1, self.limits.get(host, (1, 0.0))[1])
            if self.schedule.held(host) is None:
                self.barred.discard(host)

    @invariant()
    def nothing_is_lost(self) -> None:
        assert len(self.schedule) == self.waiting.total()

    @invariant()
    def each_host_is_as_it_was_left(self) -> None:
        for host in HOSTS:
            mine = self._in_turn(host)
            held = self.schedule.held(host)
            assert (held or 0) == len(mine)
            assert held is not None or not (mine or host in self.held)
            if mine:
                assert self.schedule.last_key(host) == self.keys[mine[-1]]

    def teardown(self) -> None:
        for host in self.barred:
            self.schedule.unbar(host)
        for host in self.held:
            self.schedule.release(host, self.now)
        for _ in range(10_000):
            for item in list(self.running):
                self.finish_one(item)
            if not self.schedule:
                break
            item = self.schedule.take(self.now)
            if item is None:
                due = self.schedule.next_ready()
                assert due is not None, "something waits, and time alone will not bring it"
                self.now = due
            else:
                self.running[item] = False
        assert (len(self.schedule), self.running) == (0, {})
        self.now += 100.0
        assert (self.schedule.take(self.now), self.schedule.hosts) == (None, 0)

    def finish_one(self, item: tuple[str, int]) -> None:
        del self.running[item]
        self.schedule.finish(item[0], item, self.now)


_AnyCrawl.TestCase.settings = settings(max_examples=60, stateful_step_count=60, deadline=None, derandomize=True)
TestAnyCrawlKeepsItsManners = _AnyCrawl.TestCase


@pytest.mark.parametrize("hosts", [1, 7])
def test_every_item_comes_once_however_many_hosts_there_are(hosts: int) -> None:
    schedule: HostSchedule[int] = HostSchedule()
    for number in range(500):
        add(schedule, f"h{number % hosts}", number)
    seen = []
    while (item := schedule.take(0.0)) is not None:
        seen.append(item)
        schedule.finish(f"h{item % hosts}", item, 0.0)

    assert sorted(seen) == list(range(500))


def test_the_longer_of_two_pauses_holds_as_long_as_the_host_is_known() -> None:
    """Its http and its https side may ask for different ones."""
    schedule: HostSchedule[str] = HostSchedule()
    add(schedule, "a", "one")
    add(schedule, "a", "two")
    assert schedule.take(0.0) == "one"

    schedule.set_limits("a", "one", 8, 2.0)
    schedule.set_limits("a", "one", 8, 0.1)
    schedule.started("a", "one", 0.0)

    assert (schedule.pause_of("a"), schedule.take(1.9), schedule.take(2.0)) == (2.0, None, "two")


def test_the_pause_follows_whichever_of_a_crowd_was_sent_and_not_only_the_last_one_to_end() -> None:
    schedule = known(a="xyz")
    x, y = schedule.take(0.0), schedule.take(0.0)
    assert (x, y) == ("x", "y")
    assert x is not None
    assert y is not None
    schedule.set_limits("a", x, 8, 5.0)  # the robots.txt of its other scheme
    schedule.finish("a", x, 10.0)
    schedule.finish("a", y, None)  # came out of the cache
    assert schedule.take(14.9) is None
    assert schedule.take(15.0) == "z"


def test_who_comes_on_another_errand_has_a_turn_among_the_items() -> None:
    schedule = known(pause=2.0, a="xyz")
    assert schedule.take(10.0) == "x"
    schedule.started("a", "x", 10.0)
    assert schedule.visit("a", 10.5, 1.0) == 12.0  # the host's own pause is the longer one
    assert schedule.visit("a", 10.5, 1.0) == 14.0
    assert schedule.take(12.5) is None
    assert schedule.visit("a", 12.5, 1.0, booked=12.0) == 12.5
    assert schedule.visit("a", 14.0, 1.0, booked=14.0) > 14.0  # the one before came late
    schedule.finish("a", "x", 15.0)
    assert schedule.take(15.0) is None


def test_a_host_that_was_visited_alone_is_left_alone_and_then_forgotten() -> None:
    schedule: HostSchedule[str] = HostSchedule()
    assert schedule.visit("a", 1.0, 2.0) == 1.0
    add(schedule, "a", "x")
    assert schedule.take(2.9) is None
    assert schedule.take(3.0) == "x"
    schedule.finish("a", "x", None)
    assert schedule.visit("b", 4.0, 2.0) == 4.0
    assert schedule.take(9.0) is None
    assert schedule.hosts == 0


# --- hosts that keep others waiting ---


def in_lanes(width: int, proven: str = "", **items: str) -> tuple[HostSchedule[str], Lanes]:
    """As :func:`known`, but no more than *width* run at once, beside the overdue ones. The *proven* host has answered."""
    lanes = Lanes(width)
    schedule: HostSchedule[str] = HostSchedule(lanes=lanes)
    for host in items:
        add(schedule, host, intern(f"{host}/robots.txt"), priority=1000)
    robots = {host: schedule.take(0.0) or "" for host in items}
    for host, letters in items.items():
        for letter in letters:
            add(schedule, host, intern(letter))
        schedule.set_limits(host, robots[host], 8, 0.0)
        if host == proven:
            schedule.answered(host, robots[host], 0.0)
    for host in items:
        schedule.finish(host, robots[host], None)
    return schedule, lanes


def given(schedule: HostSchedule[str], lanes: Lanes, now: float) -> str:
    """Everything that may be asked at *now*, as a frontier gives it."""
    letters = ""
    while lanes.has_room(now) and (item := schedule.take(now)) is not None:
        letters += item
    return letters


def answer(schedule: HostSchedule[str], host: str, items: str, now: float) -> None:
    for item in items:
        schedule.answered(host, intern(item), now)
        schedule.finish(host, intern(item), now)


def test_what_is_overdue_takes_the_place_of_no_other() -> None:
    schedule, lanes = in_lanes(4, "a", a="abcdefgh", b="ij")
    assert given(schedule, lanes, 0.0) == "aibc"
    assert given(schedule, lanes, 0.9) == ""

    assert len(given(schedule, lanes, 1.0)) == 2  # of four that are overdue three do not count, and one place is kept
    assert (lanes.overdue, lanes.taken) == (4, 3)
    assert given(schedule, lanes, 5.0) == ""


def test_what_was_answered_in_time_takes_its_place_until_its_end() -> None:
    schedule, lanes = in_lanes(2, a="abcd")
    assert given(schedule, lanes, 0.0) == "ab"
    schedule.answered("a", intern("a"), 0.5)

    assert given(schedule, lanes, 10.0) == "c"  # in the place of the other one

    schedule.finish("a", intern("a"), 10.0)
    assert given(schedule, lanes, 10.0) == "d"


def test_one_place_alone_is_never_two() -> None:
    schedule, lanes = in_lanes(1, a="ab")

    assert given(schedule, lanes, 0.0) + given(schedule, lanes, 100.0) == "a"


def test_while_places_are_short_a_host_that_has_given_nothing_yet_is_asked_for_one_thing() -> None:
    schedule, lanes = in_lanes(6, a="abcdef", b="ghijkl")
    assert given(schedule, lanes, 0.0) == "agbh"  # half of the places are taken with the third

    answer(schedule, "a", "a", 0.1)

    assert given(schedule, lanes, 0.1) == "cde"
    assert lanes.taken == 6


def test_a_host_without_others_beside_it_is_asked_for_as_many_as_it_may_be() -> None:
    schedule, lanes = in_lanes(64, a="abcdefghij")

    assert given(schedule, lanes, 0.0) == "abcdefgh"
    assert given(schedule, lanes, 2.0) == ""
    answer(schedule, "a", "ab", 2.0)

    assert given(schedule, lanes, 2.0) == "ij"


def test_what_is_asked_of_a_slow_host_does_not_count_from_its_begin() -> None:
    schedule, lanes = in_lanes(8, a="abc")
    assert given(schedule, lanes, 0.0) == "abc"
    lanes.age(1.0)
    answer(schedule, "a", "a", 1.5)
    assert (lanes.overdue, lanes.taken) == (2, 0)

    add(schedule, "a", intern("d"))
    assert given(schedule, lanes, 1.5) == "d"
    assert (lanes.overdue, lanes.taken) == (3, 0)
    answer(schedule, "a", "d", 1.6)  # it is quick again
    add(schedule, "a", intern("e"))
    assert given(schedule, lanes, 1.6) == "e"

    assert (lanes.overdue, lanes.taken) == (2, 1)


def test_when_overdue_ones_are_everywhere_a_quarter_of_the_places_is_left_for_quick_hosts() -> None:
    slow = {f"s{number}": letter for number, letter in enumerate("abcdefghijklmnopqrst")}
    schedule, lanes = in_lanes(8, "good", good="0", **slow)
    first = given(schedule, lanes, 0.0)
    schedule.answered("good", intern("0"), 0.1)
    first += given(schedule, lanes, 1.0) + given(schedule, lanes, 2.0)
    assert (len(first), lanes.overdue, lanes.taken) == (13, 12, 6)
    assert given(schedule, lanes, 3.0) == ""

    for letter in "1234":
        add(schedule, "good", intern(letter))

    assert given(schedule, lanes, 3.0) == "12"


def test_hosts_that_had_to_wait_have_their_turn_when_there_is_room() -> None:
    schedule, lanes = in_lanes(4, "", **{f"s{number}": letter for number, letter in enumerate("abcdefghij")})
    first = given(schedule, lanes, 0.0) + given(schedule, lanes, 1.0) + given(schedule, lanes, 2.0)
    assert (len(first), given(schedule, lanes, 3.0)) == (6, "")  # three overdue, and three of four places

    for letter in first:
        schedule.finish(f"s{'abcdefghij'.index(letter)}", intern(letter), 3.0)
    rest = given(schedule, lanes, 3.0)

    assert sorted(first + rest) == list("abcdefghij")[: len(first + rest)]
    assert len(rest) == 4


def test_what_ended_leaves_nothing_in_the_lanes() -> None:
    schedule, lanes = in_lanes(8, a="abc", b="def")
    items = given(schedule, lanes, 0.0)
    lanes.age(1.0)

    for item in items:
        schedule.finish("a" if item in "abc" else "b", intern(item), 2.0)

    assert (lanes.overdue, lanes.taken, lanes._waited_for, lanes._running) == (0, 0, {}, 0)


def test_a_request_is_ignored_if_it_waits_in_vain_while_nothing_of_its_host_comes() -> None:
    schedule, lanes = in_lanes(8, a="ab", b="c")
    given(schedule, lanes, 0.0)
    assert schedule.ignored("a", intern("a"), 0.9) is None

    assert schedule.ignored("a", intern("a"), 1.0) == 0.0
    schedule.answered("a", intern("b"), 5.0)
    assert schedule.ignored("a", intern("a"), 6.0) is None
    assert schedule.ignored("b", intern("c"), 6.0) == 0.0
