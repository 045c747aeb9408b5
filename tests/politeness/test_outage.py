"""Whose failure it is. The whole of it, in time, is in tests/simulation/test_outages.py."""

import pytest

from crawler.politeness.outage import INTERRUPTED, PROBES, UNREACHED, Outages

A, B = "http://a.test", "http://b.test"


def heard(*origins: str) -> Outages:
    outages = Outages(120.0)
    for number, origin in enumerate(origins):
        outages.answered(origin, number)
    return outages


def cut_off(origins: int = 5, begin: float = 0.0) -> Outages:
    """Nobody has been reached for a second."""
    outages = Outages(120.0)
    for number in range(origins):
        outages.missed(f"http://h{number}.test", number, "dns", begin + number * 0.25, 120.0)
    return outages


@pytest.mark.parametrize("reason", sorted(UNREACHED))
def test_a_site_that_answered_before_is_out_when_it_cannot_be_reached(reason: str) -> None:
    assert heard(A).missed(A, 7, reason, 10.0, 120.0) == 1.0


@pytest.mark.parametrize("reason", [*sorted(INTERRUPTED), "tls", "http_503", "malformed_response"])
def test_other_failures_are_the_page_s_own(reason: str) -> None:
    assert heard(A).missed(A, 7, reason, 10.0, 120.0) is None


@pytest.mark.parametrize("reason", sorted(INTERRUPTED))
def test_what_breaks_while_the_site_is_out_is_the_outage_s(reason: str) -> None:
    outages = heard(A, B)
    outages.missed(A, 7, "connect", 10.0, 120.0)

    assert outages.missed(A, 8, reason, 10.5, 120.0) == 0.5
    assert outages.missed(B, 9, reason, 10.5, 120.0) is None


def test_a_site_that_never_answered_is_no_outage() -> None:
    assert heard(A).missed(B, 7, "dns", 10.0, 120.0) is None


def test_the_tries_come_less_and_less_often_up_to_five_seconds() -> None:
    outages, now, waits = heard(A), 0.0, []
    for number in range(6):
        wait = outages.missed(A, number, "connect", now, 120.0)
        assert wait is not None
        waits.append(wait)
        now += wait

    assert waits == [1.0, 2.0, 4.0, 5.0, 5.0, 5.0]


def test_what_was_under_way_together_fails_as_one() -> None:
    outages = heard(A)
    assert [outages.missed(A, number, "connect", 10.0, 120.0) for number in range(8)] == [1.0] * 8


def test_patience_ends_and_does_not_begin_anew() -> None:
    outages = heard(A)
    assert outages.missed(A, 1, "connect", 0.0, 120.0) is not None
    assert outages.missed(A, 2, "connect", 119.9, 120.0) is not None
    assert outages.missed(A, 3, "connect", 120.0, 120.0) is None
    assert outages.missed(A, 4, "connect", 1e6, 120.0) is None

    assert outages.answered(A, 5)
    assert outages.missed(A, 6, "connect", 1e6 + 1, 120.0) is not None


def test_a_url_that_fails_again_after_others_were_answered_is_to_blame_itself() -> None:
    outages = heard(A)
    assert outages.missed(A, 7, "connect", 0.0, 120.0) is not None
    outages.answered(A, 8)
    assert outages.missed(A, 7, "connect", 2.0, 120.0) is None

    outages.answered(A, 7)
    assert outages.missed(A, 7, "connect", 3.0, 120.0) is not None


def test_failures_of_several_hosts_and_of_nobody_else_are_an_outage_of_ours() -> None:
    outages = cut_off()
    assert outages.is_ours
    assert outages.missed("http://new.test", 99, "dns", 1.0, 120.0) == 0.0
    assert len(outages.news) == 1

    assert outages.answered("http://new.test", 99)
    assert not outages.is_ours


@pytest.mark.parametrize(("hosts", "seconds", "answer_after"), [(2, 9.0, None), (5, 0.5, None), (5, 9.0, 3)])
def test_less_than_that_is_none(hosts: int, seconds: float, answer_after: int | None) -> None:
    outages = Outages(120.0)
    for number in range(5):
        outages.missed(f"http://h{number % hosts}.test", number, "dns", number * seconds / 4, 120.0)
        if number == answer_after:
            outages.answered(A, 0)

    assert not outages.is_ours


def test_where_dead_links_are_usual_it_takes_more_of_them() -> None:
    outages = Outages(120.0)
    for number in range(300):
        outages.answered(A, 0)
        outages.missed(f"http://dead{number}.test", number, "dns", float(number), 120.0)
    outages.answered(A, 0)

    tries = 0
    while not outages.is_ours:
        outages.missed(f"http://dead{tries % 9}.test", tries, "dns", 1000.0 + tries, 120.0)
        tries += 1
    assert 15 <= tries <= 40


def test_a_few_tries_go_out_while_the_outage_is_ours() -> None:
    outages = cut_off()
    now = 1.0
    outages.missed("http://x.test", 1, "dns", now, 120.0)
    assert not outages.may_probe(outages.probe_at - 0.01, 0)
    assert [outages.may_probe(outages.probe_at, running) for running in (0, PROBES - 1, PROBES)] == [True, True, False]
    assert outages.next_look(None, now, 0) == outages.probe_at
    assert outages.next_look(None, now, PROBES) is None
    assert outages.next_look(77.0, outages.probe_at, 0) == 77.0


def test_an_outage_of_ours_that_does_not_end_is_given_up_for_good_until_somebody_answers() -> None:
    outages = cut_off()
    assert outages.missed(A, 1, "dns", 130.0, 120.0) is None
    for number in range(50):
        assert outages.missed(f"http://h{number}.test", number, "dns", 131.0 + number, 120.0) is None
    assert len(outages.news) == 2

    outages.answered(A, 1)
    assert outages.missed(A, 1, "dns", 200.0, 120.0) == 1.0


def test_no_patience_is_no_outage() -> None:
    outages = Outages(0.0)
    outages.answered(A, 1)
    assert [outages.missed(A, number, "dns", float(number), 0.0) for number in range(20)] == [None] * 20


def test_sites_beyond_number_take_a_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crawler.politeness.outage._HEARD", 10)
    monkeypatch.setattr("crawler.politeness.outage._SILENT", 4)
    monkeypatch.setattr("crawler.politeness.outage._SUSPECTS", 3)
    outages = heard(*(f"http://h{number}.test" for number in range(100)))
    assert len(outages._heard) == 10

    for number in range(90, 100):
        outages.missed(f"http://h{number}.test", number, "connect", 0.0, 120.0)
    assert len(outages._silent) == 4
    for number in range(90, 100):
        outages.answered(f"http://h{number}.test", 1000)
    assert (len(outages._silent), len(outages._suspects)) == (0, 3)


def test_a_machine_that_refuses_connections_was_reached() -> None:
    outages = Outages(120.0)
    for number in range(40):
        missed = outages.missed(f"http://h{number}.test", number, "connect", float(number), 120.0, is_refusal=True)
        assert missed is None
    assert not outages.is_ours

    outages.remember(A)
    assert outages.missed(A, 50, "connect", 50.0, 120.0, is_refusal=True) == 1.0  # the site itself may be out
