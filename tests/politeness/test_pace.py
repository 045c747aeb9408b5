"""How long a host is left alone."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import format_datetime
from math import nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.politeness.pace import DEFAULT_DELAY, Manners, Politeness, is_address, is_loopback, retry_after_seconds

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC).timestamp()
SECONDS = st.floats(0, 1e6)


@pytest.fixture
def far_from_utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "XXX-9")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.parametrize(
    ("politeness", "hostname", "crawl_delay", "pause"),
    [
        (Politeness(), "a.example", None, DEFAULT_DELAY),
        (Politeness(), "localhost", None, 0.0),
        (Politeness(), "127.0.0.1", 2.0, 2.0),
        (Politeness(), "a.example", 0.1, DEFAULT_DELAY),
        (Politeness(), "a.example", 5.0, 5.0),
        (Politeness(), "a.example", 400.0, 400.0),
        (Politeness(), "a.example", nan, DEFAULT_DELAY),
        (Politeness(delay=0.0), "a.example", None, 0.0),
        (Politeness(delay=0.0), "a.example", 5.0, 5.0),
        (Politeness(delay=3.0), "localhost", None, 3.0),
        (Politeness(max_delay=0.0), "a.example", 9.0, 9.0),
    ],
)
def test_the_pause_is_ours_or_what_robots_txt_asks(
    politeness: Politeness, hostname: str, crawl_delay: float | None, pause: float
) -> None:
    assert politeness.pause(hostname, crawl_delay) == pause


@pytest.mark.parametrize(
    ("politeness", "hostname", "gap"),
    [
        (Politeness(), "a.example", DEFAULT_DELAY / 5),
        (Politeness(), "127.0.0.1", 0.0),
        (Politeness(delay=1.0), "127.0.0.1", 0.2),
        (Politeness(delay=0.0), "a.example", 0.0),
        (Politeness(delay_per_ip=0.1), "127.0.0.1", 0.1),
        (Politeness(delay=1.0, delay_per_ip=0.0), "a.example", 0.0),
        (Politeness(delay=1.0, delay_per_ip=3.0), "a.example", 3.0),
    ],
)
def test_an_address_is_left_alone_for_a_fifth_of_the_pause_or_as_is_said(
    politeness: Politeness, hostname: str, gap: float
) -> None:
    assert politeness.pause_per_ip(hostname) == pytest.approx(gap)


@pytest.mark.parametrize(
    ("hostname", "is_one"),
    [("10.0.0.1", True), ("[::1]", True), ("a.example", False), ("1.example", False), ("", False)],
)
def test_which_names_are_addresses(hostname: str, is_one: bool) -> None:
    assert is_address(hostname) == is_one


@given(SECONDS | st.none(), SECONDS | st.none())
def test_a_pause_is_never_shorter_than_ours_or_than_robots_txt_asks(delay, crawl_delay) -> None:
    own = DEFAULT_DELAY if delay is None else delay
    assert Politeness(delay=delay).pause("a.example", crawl_delay) == max(own, crawl_delay or 0.0)


@pytest.mark.parametrize(
    ("refusals", "retry_after", "rest"),
    [
        (1, None, 1.0),
        (2, None, 2.0),
        (4, None, 8.0),
        (9, None, 256.0),
        (10, None, 300.0),
        (10_000, None, 300.0),
        (9, 0.0, 0.0),
        (1, 7.0, 7.0),
        (1, 1e9, 300.0),
    ],
)
def test_a_host_that_refuses_rests_as_it_asks_or_twice_as_long_each_time(
    refusals: int, retry_after: float | None, rest: float
) -> None:
    assert Politeness().rest_after_refusal(refusals, retry_after) == rest


@pytest.mark.parametrize(
    ("hostname", "loopback"),
    [
        ("localhost", True),
        ("localhost.", True),
        ("shop.localhost", True),
        ("127.0.0.1", True),
        ("127.255.0.3", True),
        ("[::1]", True),
        ("notlocalhost", False),
        ("localhost.example", False),
        ("10.0.0.1", False),
        ("[::2]", False),
        ("", False),
    ],
)
def test_which_hosts_are_this_machine(hostname: str, loopback: bool) -> None:
    assert is_loopback(hostname) == loopback


OWN = {
    "example.com": {"delay": 5.0},
    "api.example.com": {"delay": 0.0, "concurrency_per_host": 2},
    "[::1]": {"delay": 1.0},
}


@pytest.mark.parametrize(
    ("hostname", "delay", "concurrency"),
    [
        ("example.com", 5.0, 8),
        ("example.com.", 5.0, 8),
        ("shop.example.com", 5.0, 8),
        ("api.example.com", 0.0, 2),
        ("v2.api.example.com", 0.0, 2),
        ("notexample.com", None, 8),
        ("com", None, 8),
        ("[::1]", 1.0, 8),
    ],
)
def test_the_nearest_host_table_holds(hostname: str, delay: float | None, concurrency: int) -> None:
    manners = Manners(Politeness(), OWN)
    first, again = manners.of(hostname), manners.of(hostname)
    assert (first.delay, first.concurrency_per_host, again) == (delay, concurrency, first)


@pytest.mark.parametrize("overrides", [None, {}])
def test_without_tables_the_default_holds_everywhere(overrides: dict | None) -> None:
    default = Politeness(delay=1.0)
    assert Manners(default, overrides).of("a.example") is default


def test_endless_sub_domains_take_a_bounded_memory_here_too() -> None:
    manners = Manners(Politeness(), OWN)
    delays = {manners.of(f"h{number}.example.com").delay for number in range(10_001)}
    assert (delays, len(manners._cache)) == ({5.0}, 1)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120.0),
        (" 7 ", 7.0),
        ("0", 0.0),
        ("9" * 400, 999_999_999.0),
        ("Wed, 04 Mar 2026 12:01:00 GMT", 60.0),
        ("Wed, 04 Mar 2026 12:01:00 -0000", 60.0),
        ("Wed, 04 Mar 2026 13:01:00 +0100", 60.0),
        ("Wednesday, 04-Mar-26 12:01:00 GMT", 60.0),
        ("Wed Mar  4 12:01:00 2026", 60.0),
        ("Wed, 04 Mar 2026 11:00:00 GMT", 0.0),
        (None, None),
        ("", None),
        ("  ", None),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("１２", None),
        ("Wed, 99 Mar 2026 12:00:00 GMT", None),
    ],
)
@pytest.mark.usefixtures("far_from_utc")
def test_retry_after_is_seconds_or_a_date(value: str | None, seconds: float | None) -> None:
    assert retry_after_seconds(value, NOON) == seconds


@given(st.datetimes(datetime(1971, 1, 1), datetime(2999, 1, 1)).map(lambda date: date.replace(microsecond=0)))
def test_every_date_that_http_can_say_is_understood(date: datetime) -> None:
    moment = date.replace(tzinfo=UTC)
    assert retry_after_seconds(format_datetime(moment, usegmt=True), NOON) == max(0.0, moment.timestamp() - NOON)


@given(st.text() | st.text("0123456789 :-+,GMTWedMar"))
def test_whatever_stands_in_retry_after_is_no_negative_time(value: str) -> None:
    seconds = retry_after_seconds(value, NOON)
    assert seconds is None or seconds >= 0
