from __future__ import annotations

import pytest

from crawler.http.proxies import FIRST_REST, LONGEST_REST, Proxy, ProxyPool, read_proxies

ONE, TWO, THREE = (Proxy("http", host, 3128) for host in ("one", "two", "three"))


@pytest.mark.parametrize(
    ("url", "proxy"),
    [
        ("http://proxy.example:8080", Proxy("http", "proxy.example", 8080)),
        ("HTTP://Proxy.Example:8080/", Proxy("http", "proxy.example", 8080)),
        ("http://proxy.example", Proxy("http", "proxy.example", 3128)),
        ("https://proxy.example", Proxy("https", "proxy.example", 443)),
        ("socks5://proxy.example", Proxy("socks5", "proxy.example", 1080)),
        ("socks5h://proxy.example:9050", Proxy("socks5", "proxy.example", 9050)),
        ("http://[::1]:3128", Proxy("http", "[::1]", 3128)),
        ("http://[::1]", Proxy("http", "[::1]", 3128)),
        ("http://ann:s3cret@h:1", Proxy("http", "h", 1, "ann", "s3cret")),
        ("http://ann:p%40ss%3A%2F@h:1", Proxy("http", "h", 1, "ann", "p@ss:/")),
        ("http://token:@h:1", Proxy("http", "h", 1, "token", "")),
        ("http://ann:${PASSWORD}@h:1", Proxy("http", "h", 1, "ann", "from outside")),
    ],
)
def test_the_url_of_a_proxy_is_read(url: str, proxy: Proxy) -> None:
    assert read_proxies([url], {"PASSWORD": "from outside"}) == (proxy,)


@pytest.mark.parametrize(
    "url",
    [
        "proxy.example:3128",
        "ftp://proxy.example",
        "socks4://proxy.example",
        "http://",
        "http://h:port",
        "http://h:0",
        "http://h:65536",
        "http://h:1/path",
        "http://h h:1",
        "",
        "socks5://ann@h",
        "http://ann:s3cret@h:99999",
        "http://ann:s3cret@h:1?x",
        "http://ann:s3cret\r\nX: 1@h:1",
        "http://ann:s3cret${NO_SUCH}@h:1",
        "socks4://ann:s3cret@h:1",
    ],
)
def test_a_mistake_in_a_url_is_told_without_its_password(url: str) -> None:
    with pytest.raises(ValueError) as caught:
        read_proxies([url], {})
    assert "s3cret" not in str(caught.value)


def test_a_proxy_is_shown_without_its_password() -> None:
    [proxy] = read_proxies(["http://ann:s3cret@h:1"], {})
    assert (str(proxy), repr(proxy), f"{proxy}") == ("http://h:1", "<Proxy http://h:1>", "http://h:1")
    assert proxy.authorization == "Basic YW5uOnMzY3JldA=="
    assert ONE.authorization is None


def test_the_same_proxy_twice_is_one() -> None:
    assert len(read_proxies(["http://h:1", "http://H:1/", "http://ann:x@h:1"], {})) == 2


def chosen(pool: ProxyPool, count: int, now: float = 0.0, session: str = "") -> list[Proxy]:
    return [pool.choose(session, now) for _ in range(count)]


def test_requests_go_round_the_proxies() -> None:
    assert chosen(ProxyPool((ONE, TWO, THREE)), 6) == [ONE, TWO, THREE, ONE, TWO, THREE]


def test_a_proxy_that_fails_rests_and_comes_back_with_one_probe() -> None:
    pool = ProxyPool((ONE, TWO))
    pool.fail(ONE, begun=0.0, now=1.0)
    assert chosen(pool, 3, now=10.9) == [TWO, TWO, TWO]
    assert chosen(pool, 3, now=11.0) == [ONE, TWO, TWO]
    pool.succeed(ONE, now=12.0)
    assert set(chosen(pool, 4, now=12.0)) == {ONE, TWO}


def test_a_probe_that_never_comes_back_does_not_keep_its_proxy_away_for_ever() -> None:
    pool = ProxyPool((ONE, TWO))
    pool.fail(ONE, begun=0.0, now=0.0)
    assert chosen(pool, 2, now=10.0) == [ONE, TWO]
    assert chosen(pool, 2, now=20.0) == [ONE, TWO]


def test_each_further_failure_doubles_the_rest_up_to_ten_minutes() -> None:
    pool = ProxyPool((ONE, TWO))
    now, rests = 0.0, []
    for _ in range(9):
        pool.fail(ONE, begun=now, now=now)
        rests.append(pool._health[ONE].due - now)
        now = pool._health[ONE].due
    assert rests == [10.0, 20.0, 40.0, 80.0, 160.0, 320.0, 600.0, 600.0, 600.0]
    assert (rests[0], rests[-1]) == (FIRST_REST, LONGEST_REST)
    pool.succeed(ONE, now)
    pool.fail(ONE, begun=now, now=now)
    assert pool._health[ONE].due == now + FIRST_REST


def test_requests_that_fail_together_count_as_one_failure() -> None:
    pool = ProxyPool((ONE, TWO))
    for number in range(64):
        pool.fail(ONE, begun=0.0, now=1.0 + number / 100)
    assert pool._health[ONE].failures == 1


def test_a_failure_from_before_the_proxy_was_seen_to_work_is_no_news() -> None:
    pool = ProxyPool((ONE, TWO))
    pool.succeed(ONE, now=5.0)
    pool.fail(ONE, begun=4.0, now=6.0)
    assert set(chosen(pool, 4, now=6.0)) == {ONE, TWO}


def test_if_none_works_the_one_that_is_due_soonest_is_tried() -> None:
    pool = ProxyPool((ONE, TWO))
    pool.fail(TWO, begun=0.0, now=0.0)
    pool.fail(ONE, begun=1.0, now=1.0)
    assert chosen(pool, 2, now=2.0) == [TWO, ONE]


def test_a_session_keeps_its_proxy_while_that_works() -> None:
    pool = ProxyPool((ONE, TWO, THREE))
    [first] = set(chosen(pool, 20, session="ann"))
    pool.fail(first, begun=0.0, now=0.0)
    [second] = set(chosen(pool, 20, now=1.0, session="ann"))
    assert second != first
    pool.succeed(first, now=2.0)
    assert set(chosen(pool, 20, now=3.0, session="ann")) == {second}


def test_a_session_has_the_same_proxy_in_the_next_run_and_sessions_are_spread() -> None:
    names = [f"session {number}" for number in range(300)]
    first, second = ([pool.choose(name, 0.0) for name in names] for pool in (ProxyPool((ONE, TWO, THREE)),) * 2)
    assert first == second
    assert all(first.count(proxy) > 60 for proxy in (ONE, TWO, THREE))


def test_endless_sessions_take_a_bounded_memory() -> None:
    pool = ProxyPool((ONE, TWO))
    for number in range(10_100):
        pool.choose(f"session {number}", 0.0)
    assert len(pool._sessions) == 10_000
