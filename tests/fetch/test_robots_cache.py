from __future__ import annotations

import asyncio
import pickle
from collections.abc import Callable
from itertools import pairwise

import pytest

from crawler.errors import FetchError, FetchTimeout, TLSFailed
from crawler.fetch import robots as robots_module
from crawler.fetch.canned import Canned, CannedFetcher
from crawler.fetch.robots import KEEP, KEEP_FAILURE, RobotsCache, RobotsUnavailable
from crawler.politeness.robots import ROBOTS_LIMIT, Rules
from crawler.request import Request
from crawler.response import Response, headers_of

ORIGIN = "http://a.example"
ROBOTS = f"{ORIGIN}/robots.txt"
NO_PRIVATE = "User-agent: *\nDisallow: /private"


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


class GatedFetcher(CannedFetcher):
    """Answers when ``gate`` is set."""

    def __init__(self, answers: dict[str, Canned]) -> None:
        super().__init__(answers)
        self.gate = asyncio.Event()

    async def fetch(self, request: Request, on_sent: Callable[[], None] | None = None) -> Response:
        await self.gate.wait()
        return await super().fetch(request, on_sent)


def status(code: int, body: bytes = b"User-agent: *\nDisallow: /") -> Response:
    return Response(ROBOTS, code, headers_of(), body)


def redirect(location: str, code: int = 301) -> Response:
    return Response(ROBOTS, code, headers_of({"Location": location}))


def a_cache(
    answers: dict[str, Canned], clock: Callable[[], float] | None = None, agent: str = "crawler/0.1"
) -> tuple[RobotsCache, CannedFetcher]:
    fetcher = CannedFetcher(answers)
    return RobotsCache(fetcher, agent, clock or Clock()), fetcher


async def rules_of(answer: Canned, **more: Canned) -> Rules:
    cache, _ = a_cache({ROBOTS: answer, **more})
    return await known_at_last(cache)


async def known_at_last(cache: RobotsCache, on_sent: Callable[[], None] | None = None) -> Rules:
    """The rules, when every redirect has been followed: each costs a call."""
    while (rules := cache.known(ORIGIN)) is None:
        assert await cache.fetch(ORIGIN, on_sent) is True
    return rules


async def test_nothing_is_known_before_it_was_fetched() -> None:
    cache, fetcher = a_cache({ROBOTS: NO_PRIVATE})
    assert cache.known(ORIGIN) is None
    assert fetcher.requests == []


async def test_what_was_fetched_decides() -> None:
    rules = await rules_of(NO_PRIVATE)
    assert rules.allows(f"{ORIGIN}/private/a") is False
    assert rules.allows(f"{ORIGIN}/public") is True
    assert rules.crawl_delay is None


async def test_a_robots_txt_is_asked_for_once_however_many_wait() -> None:
    fetcher = GatedFetcher({ROBOTS: NO_PRIVATE})
    cache = RobotsCache(fetcher, "crawler/0.1", Clock())
    sent: list[int] = []
    waiting = [asyncio.create_task(cache.fetch(ORIGIN, lambda: sent.append(1))) for _ in range(100)]
    other = asyncio.create_task(cache.fetch("http://b.example"))
    await asyncio.sleep(0)
    fetcher.gate.set()
    assert await asyncio.gather(*waiting) == [True] + [False] * 99
    assert await other is True
    assert [request.url for request in fetcher.requests] == [ROBOTS, "http://b.example/robots.txt"]
    assert sent == [1]


async def test_one_who_waits_and_is_cancelled_disturbs_nobody() -> None:
    fetcher = GatedFetcher({ROBOTS: NO_PRIVATE})
    cache = RobotsCache(fetcher, "crawler/0.1", Clock())
    first, second, third = (asyncio.create_task(cache.fetch(ORIGIN)) for _ in range(3))
    await asyncio.sleep(0)
    second.cancel()
    fetcher.gate.set()
    assert (await first, await third) == (True, False)
    assert second.cancelled()
    assert cache.known(ORIGIN) is not None


async def test_if_the_one_who_asked_is_cancelled_the_others_are_let_go_and_may_ask() -> None:
    fetcher = GatedFetcher({ROBOTS: NO_PRIVATE})
    cache = RobotsCache(fetcher, "crawler/0.1", Clock())
    asking, waiting = (asyncio.create_task(cache.fetch(ORIGIN)) for _ in range(2))
    await asyncio.sleep(0)
    asking.cancel()
    assert await waiting is False
    assert asking.cancelled()
    assert cache.known(ORIGIN) is None
    fetcher.gate.set()
    assert await cache.fetch(ORIGIN) is True
    assert cache.known(ORIGIN) is not None


async def test_who_waited_for_a_fetch_that_failed_may_ask_anew() -> None:
    fetcher = GatedFetcher({ROBOTS: status(503)})
    cache = RobotsCache(fetcher, "crawler/0.1", Clock())
    asking, waiting = (asyncio.create_task(cache.fetch(ORIGIN)) for _ in range(2))
    await asyncio.sleep(0)
    fetcher.gate.set()
    with pytest.raises(RobotsUnavailable):
        await asking
    assert await waiting is False
    assert cache.known(ORIGIN) is None
    with pytest.raises(RobotsUnavailable):
        await cache.fetch(ORIGIN)
    assert len(fetcher.requests) == 2


@pytest.mark.parametrize("code", [400, 401, 403, 404, 410, 418, 451])
async def test_a_robots_txt_that_is_not_there_allows_everything(code: int) -> None:
    assert (await rules_of(status(code))).allows(f"{ORIGIN}/") is True


@pytest.mark.parametrize("body", [b"", b"<!doctype html><p>Welcome", b"\x00\x01\x02", b"Disallow: /", b"\n\n# nothing"])
async def test_a_robots_txt_without_rules_allows_everything(body: bytes) -> None:
    assert (await rules_of(body)).allows(f"{ORIGIN}/private") is True


@pytest.mark.parametrize("code", [429, 500, 502, 503, 504, 599])
async def test_a_server_in_trouble_allows_nothing_and_says_so(code: int) -> None:
    cache, _ = a_cache({ROBOTS: status(code)})
    with pytest.raises(RobotsUnavailable, match=f"answered {code}") as caught:
        await cache.fetch(ORIGIN)
    assert (caught.value.url, caught.value.reason, caught.value.retryable) == (ROBOTS, "robots_unavailable", True)
    assert cache.known(ORIGIN) is None  # not remembered: the caller decides about asking again


@pytest.mark.parametrize(
    ("error", "words"), [(FetchTimeout(ROBOTS, "no answer"), "no answer"), (FetchTimeout(ROBOTS), "timeout")]
)
async def test_a_network_error_allows_nothing_and_tells_its_cause(error: FetchError, words: str) -> None:
    cache, _ = a_cache({ROBOTS: error})
    with pytest.raises(RobotsUnavailable, match=words) as caught:
        await cache.fetch(ORIGIN)
    assert caught.value.__cause__ is error


async def test_failures_are_counted_until_one_fetch_works() -> None:
    cache, fetcher = a_cache({ROBOTS: status(503)})
    counted = []
    for _ in range(3):
        with pytest.raises(RobotsUnavailable) as caught:
            await cache.fetch(ORIGIN)
        counted.append(caught.value.failures)
    fetcher._answers[ROBOTS] = NO_PRIVATE
    await cache.fetch(ORIGIN)

    assert counted == [1, 2, 3]
    assert cache.known(ORIGIN) is not None


async def test_what_no_retry_can_mend_says_so() -> None:
    cache, _ = a_cache({ROBOTS: TLSFailed(ROBOTS, "self-signed")})
    with pytest.raises(RobotsUnavailable) as caught:
        await cache.fetch(ORIGIN)
    assert caught.value.retryable is False


def test_the_error_survives_pickling() -> None:
    error = pickle.loads(pickle.dumps(RobotsUnavailable(ROBOTS, "why")))
    assert (type(error), error.url, error.detail) == (RobotsUnavailable, ROBOTS, "why")


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
async def test_redirects_are_followed_to_other_origins_too(code: int) -> None:
    rules = await rules_of(redirect("//www.a.example/r", code), **{"http://www.a.example/r": NO_PRIVATE})
    assert rules.allows(f"{ORIGIN}/private") is False


@pytest.mark.parametrize(("hops", "allowed", "asked"), [(5, False, 6), (6, True, 6)])
async def test_five_redirects_are_followed_and_a_sixth_means_that_there_is_none(
    hops: int, allowed: bool, asked: int
) -> None:
    urls = [ROBOTS, *(f"{ORIGIN}/hop{number}" for number in range(1, hops + 1))]
    answers: dict[str, Canned] = {url: redirect(target) for url, target in pairwise(urls)}
    cache, fetcher = a_cache({**answers, urls[-1]: "User-agent: *\nDisallow: /"})
    sent: list[int] = []
    rules = await known_at_last(cache, lambda: sent.append(1))
    assert (rules.allows(f"{ORIGIN}/x"), len(fetcher.requests), len(sent)) == (allowed, asked, asked)


@pytest.mark.parametrize("location", ["mailto:a@b", "http://[", "javascript:1"])
async def test_a_redirect_to_nowhere_means_that_there_is_none(location: str) -> None:
    assert (await rules_of(redirect(location))).allows(f"{ORIGIN}/x") is True


async def test_a_redirect_without_a_location_means_that_there_is_none() -> None:
    assert (await rules_of(status(302))).allows(f"{ORIGIN}/x") is True


async def test_a_robots_txt_is_believed_for_a_day() -> None:
    clock = Clock()
    cache, _ = a_cache({ROBOTS: NO_PRIVATE}, clock)
    await cache.fetch(ORIGIN)
    clock.now += KEEP
    assert cache.known(ORIGIN) is not None
    clock.now += 1
    assert cache.known(ORIGIN) is None
    assert KEEP == 24 * 3600


async def test_an_origin_that_was_given_up_is_left_alone_for_ten_minutes() -> None:
    clock = Clock()
    cache, _ = a_cache({}, clock)
    error = RobotsUnavailable(ROBOTS, "down")
    cache.give_up(ORIGIN, error)
    clock.now += KEEP_FAILURE
    with pytest.raises(RobotsUnavailable) as caught:
        cache.known(ORIGIN)
    assert caught.value is error
    clock.now += 1
    assert cache.known(ORIGIN) is None
    assert KEEP_FAILURE == 600


async def test_the_number_of_origins_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(robots_module, "_ORIGINS", 3)
    cache, _ = a_cache({})
    origins = [f"http://{letter}.example" for letter in "abcd"]
    for origin in (*origins[:3], origins[0], origins[3]):  # a is asked again, so b is the oldest
        await cache.fetch(origin)
    assert [cache.known(origin) is not None for origin in origins] == [True, False, True, True]


async def test_a_byte_order_mark_voids_nothing() -> None:
    assert (await rules_of(b"\xef\xbb\xbf" + NO_PRIVATE.encode())).allows(f"{ORIGIN}/private") is False


async def test_bytes_that_are_no_utf_8_void_nothing() -> None:
    body = b"# caf\xe9\n" + NO_PRIVATE.encode()
    assert (await rules_of(body)).allows(f"{ORIGIN}/private") is False


async def test_rules_past_500_kib_are_not_read() -> None:
    assert ROBOTS_LIMIT == 500 * 1024
    head = b"User-agent: *\nDisallow: /early\n"
    filler = b"#" * (ROBOTS_LIMIT - len(head) - 1) + b"\n"
    rules = await rules_of(head + filler + b"Disallow: /late\n")
    assert (rules.allows(f"{ORIGIN}/early"), rules.allows(f"{ORIGIN}/late")) == (False, True)


@pytest.mark.parametrize(
    ("line", "expected"),
    [("Crawl-delay: 2.5", 2.5), ("Crawl-delay: 10", 10.0), ("", None), ("Crawl-delay: soon", None)],
)
async def test_a_crawl_delay_is_read(line: str, expected: float | None) -> None:
    assert (await rules_of(f"User-agent: *\nDisallow: /x\n{line}\n")).crawl_delay == expected


async def test_our_own_group_is_found_by_the_first_word_of_the_user_agent() -> None:
    body = "User-agent: *\nDisallow: /\n\nUser-agent: mybot\nDisallow: /private\nCrawl-delay: 3"
    cache, _ = a_cache({ROBOTS: body}, agent="MyBot/2.0 (+https://a.example/bot)")
    await cache.fetch(ORIGIN)
    rules = cache.known(ORIGIN)
    assert rules is not None
    assert (rules.allows(f"{ORIGIN}/"), rules.allows(f"{ORIGIN}/private"), rules.crawl_delay) == (True, False, 3.0)
