"""When a host that keeps its askers waiting for nothing is left alone, and when it is given up."""

from crawler.politeness.stall import KEEP, MOST, URLS, Stalls

HOST = "tarpit.test"


def stall(stalls: Stalls, times: int, urls: int = URLS, begun: float = 0.0) -> float:
    """So many tries in a row, 30 s each, of *urls* URLs in turn; when the last one ended."""
    for number in range(times):
        stalls.stalled(HOST, number % urls, begun, begun + 30.0)
        begun += 30.0
    return begun


def test_a_host_rests_longer_with_each_stall() -> None:
    stalls = Stalls()

    rests = [stalls.stalled(HOST, 1, 100.0 * number, 100.0 * number + 30.0) for number in range(7)]

    assert rests == [1.0, 2.0, 4.0, 8.0, 15.0, 15.0, 15.0]


def test_tries_that_were_under_way_together_are_one() -> None:
    stalls = Stalls()

    rests = [stalls.stalled(HOST, url, 0.1 * url, 30.0 + 0.1 * url) for url in range(8)]

    assert rests == [1.0] + [0.0] * 7


def test_after_eight_in_a_row_a_host_is_given_up_for_ten_minutes() -> None:
    stalls = Stalls()
    now = stall(stalls, MOST - 1)
    assert not stalls.gives_up(HOST, now)

    now = stall(stalls, 1, begun=now)

    assert stalls.gives_up(HOST, now + KEEP - 1.0)
    assert not stalls.gives_up(HOST, now + KEEP)
    assert not stalls.gives_up("other.test", now)
    assert [line.partition(" ")[0] for line in stalls.news] == [HOST]


def test_the_next_stall_after_that_gives_it_up_again_and_is_no_news() -> None:
    stalls = Stalls()
    now = stall(stalls, MOST) + KEEP
    stalls.news = []

    now = stall(stalls, 1, begun=now)

    assert stalls.gives_up(HOST, now + 1.0)
    assert stalls.news == []


def test_three_urls_that_hang_do_not_give_up_their_host() -> None:
    stalls = Stalls()

    now = stall(stalls, 50, urls=URLS - 1)

    assert not stalls.gives_up(HOST, now)


def test_anything_that_comes_ends_all_of_that() -> None:
    stalls = Stalls()
    now = stall(stalls, MOST)

    assert stalls.answered(HOST)

    assert (stalls.gives_up(HOST, now), bool(stalls.hosts), stalls.answered(HOST)) == (False, False, False)
    assert stalls.stalled(HOST, 1, now, now + 30.0) == 1.0


def test_five_hosts_are_told_of() -> None:
    stalls = Stalls()
    for host in range(7):
        for number in range(MOST):
            stalls.stalled(f"h{host}.test", number, 30.0 * number, 30.0 * number + 30.0)

    assert len(stalls.news) == 5
    assert stalls.news[-1].endswith("of further hosts nothing is said")
