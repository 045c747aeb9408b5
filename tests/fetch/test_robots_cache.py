from __future__ import annotations

import asyncio
import pickle
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from crawler.errors import FetchError, FetchTimeout, TLSFailed
from crawler.fetch.canned import Canned, CannedFetcher
from crawler.fetch.recent import Known, Recent
from crawler.fetch.robots import KEEP, KEEP_FAILURE, PATIENCE, RobotsCache, RobotsUnavailable
from crawler.frontier.job import Job, Spec
from crawler.frontier.sqlite import SqliteStore
from crawler.frontier.store import Batch
from crawler.politeness.robots import ALLOW_ALL, ROBOTS_LIMIT, RobotsTxt, Rules
from crawler.request import Request
from crawler.response import Response, RobotsFile, headers_of

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

    async def fetch(
        self, request: Request, on_sent: Callable[[], None] | None = None, inside: bool = False
    ) -> Response:
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
    return RobotsCache(fetcher, lambda _: agent, clock or Clock()), fetcher


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
    cache = RobotsCache(fetcher, lambda _: "crawler/0.1", Clock())
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
    cache = RobotsCache(fetcher, lambda _: "crawler/0.1", Clock())
    first, second, third = (asyncio.create_task(cache.fetch(ORIGIN)) for _ in range(3))
    await asyncio.sleep(0)
    second.cancel()
    fetcher.gate.set()
    assert (await first, await third) == (True, False)
    assert second.cancelled()
    assert cache.known(ORIGIN) is not None


async def test_if_the_one_who_asked_is_cancelled_the_others_are_let_go_and_may_ask() -> None:
    fetcher = GatedFetcher({ROBOTS: NO_PRIVATE})
    cache = RobotsCache(fetcher, lambda _: "crawler/0.1", Clock())
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
    cache = RobotsCache(fetcher, lambda _: "crawler/0.1", Clock())
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
    assert cache.give_up(ORIGIN, error) is True
    clock.now += KEEP_FAILURE
    with pytest.raises(RobotsUnavailable) as caught:
        cache.known(ORIGIN)
    assert (caught.value.url, caught.value.detail) == (error.url, error.detail)
    clock.now += 1
    assert cache.known(ORIGIN) is None
    assert KEEP_FAILURE == 600


async def test_an_error_that_is_told_again_and_again_gathers_no_frames() -> None:
    cache, _ = a_cache({})
    cache.give_up(ORIGIN, RobotsUnavailable(ROBOTS, "down"))
    depths = []
    for _ in range(3):
        with pytest.raises(RobotsUnavailable) as caught:
            cache.known(ORIGIN)
        depths.append(len(caught.traceback))
    assert depths == [2, 2, 2]
    assert caught.value.__cause__ is None


async def test_the_origins_that_are_asked_for_are_those_that_are_remembered() -> None:
    fetcher = CannedFetcher({})
    cache = RobotsCache(fetcher, lambda _: "crawler/0.1", Clock(), recent=Recent(room=12_000))
    origins = [f"http://h{number}.example" for number in range(1_000)]
    for origin in origins:
        await cache.fetch(origin)
        assert cache.known(origins[0]) is not None  # which is asked for all the time
    assert len(cache._recent) < 30
    assert cache.known(origins[-1]) is not None
    assert cache.known(origins[1]) is None


def test_what_many_origins_share_is_counted_once() -> None:
    rules = RobotsTxt(b"User-agent: *\n" + b"".join(b"Disallow: /%d\n" % n for n in range(100)), "bot")
    shared, apart = Recent(room=100_000), Recent(room=100_000)
    for number in range(60):
        shared.put(f"http://h{number}.example", Known(rules))
        apart.put(f"http://h{number}.example", Known(RobotsTxt(b"User-agent: *\n" + b"Disallow: /x\n" * 100, "bot")))
    assert (shared.has_forgotten, apart.has_forgotten) == (False, True)


async def test_origins_with_the_same_file_share_its_rules() -> None:
    other = "http://b.example"
    cache, _ = a_cache({ROBOTS: NO_PRIVATE, f"{other}/robots.txt": NO_PRIVATE, "http://c.example/robots.txt": "Foo: x"})
    for origin in (ORIGIN, other, "http://c.example"):
        await cache.fetch(origin)
    assert cache.known(ORIGIN) is cache.known(other)
    assert cache.known("http://c.example") is ALLOW_ALL


async def test_origins_that_see_another_user_agent_have_their_own_rules() -> None:
    other = "http://b.example"
    body = "User-agent: one\nDisallow: /one\n\nUser-agent: two\nDisallow: /two"
    fetcher = CannedFetcher({ROBOTS: body, f"{other}/robots.txt": body})
    agents = {ORIGIN: "One/1.0", other: "Two/1.0"}
    cache = RobotsCache(fetcher, agents.__getitem__, Clock())
    allowed = []
    for origin in (ORIGIN, other):
        await cache.fetch(origin)
        rules = cache.known(origin)
        assert rules is not None
        allowed.append([rules.allows(f"{origin}/{path}") for path in ("one", "two")])
    assert allowed == [[False, True], [True, False]]


class Shelf:
    """What a job keeps: the files by origin, and who asked for them."""

    def __init__(self, *files: RobotsFile) -> None:
        self.files = {file.origin: file for file in files}
        self.asked: list[str] = []

    async def __call__(self, origin: str) -> RobotsFile | None:
        self.asked.append(origin)
        return self.files.get(origin)

    def keep(self, cache: RobotsCache) -> None:
        self.files.update({file.origin: file for file in cache.news()})


NOW = 2_000_000_000.0
DAY = 24 * 3600.0


def resumed(
    answer: Canned, shelf: Shelf, wall: Callable[[], float] = lambda: NOW, clock: Callable[[], float] | None = None
) -> tuple[RobotsCache, CannedFetcher]:
    fetcher = CannedFetcher({ROBOTS: answer})
    return RobotsCache(fetcher, lambda _: "crawler/0.1", clock or Clock(), shelf, wall=wall), fetcher


@pytest.mark.parametrize(("age", "asked"), [(0.0, 0), (KEEP - 1, 0), (KEEP, 1), (KEEP + 1, 1), (-1.0, 1)])
async def test_a_copy_of_an_earlier_run_is_believed_as_long_as_one_of_this_run(age: float, asked: int) -> None:
    cache, fetcher = resumed("", Shelf(RobotsFile(ORIGIN, NOW - age, NO_PRIVATE.encode())))
    await cache.fetch(ORIGIN)
    assert len(fetcher.requests) == asked
    rules = cache.known(ORIGIN)
    assert rules is not None
    assert rules.allows(f"{ORIGIN}/private") is bool(asked)


async def test_what_is_left_of_its_day_is_what_an_earlier_run_left() -> None:
    clock = Clock()
    cache, _ = resumed("", Shelf(RobotsFile(ORIGIN, NOW - KEEP + 10, NO_PRIVATE.encode())), clock=clock)
    await cache.fetch(ORIGIN)
    clock.now += 10
    assert cache.known(ORIGIN) is not None
    clock.now += 1
    assert cache.known(ORIGIN) is None


async def test_what_was_forgotten_is_recalled_and_not_asked_for_again() -> None:
    shelf = Shelf()
    fetcher = CannedFetcher({ROBOTS: NO_PRIVATE})
    cache = RobotsCache(
        fetcher, lambda _: "crawler/0.1", Clock(), shelf, has_past=False, recent=Recent(room=4_000), wall=lambda: NOW
    )
    for origin in (ORIGIN, *(f"http://h{number}.example" for number in range(20))):
        await cache.fetch(origin)
        shelf.keep(cache)
    assert cache.known(ORIGIN) is None
    asked = len(fetcher.requests)
    assert await cache.fetch(ORIGIN) is False
    rules = cache.known(ORIGIN)
    assert rules is not None
    assert (rules.allows(f"{ORIGIN}/private"), len(fetcher.requests)) == (False, asked)


async def test_a_first_run_does_not_look_for_what_it_cannot_have_kept() -> None:
    shelf = Shelf()
    cache = RobotsCache(CannedFetcher({}), lambda _: "crawler/0.1", Clock(), shelf, has_past=False)
    await cache.fetch(ORIGIN)
    assert shelf.asked == []


async def tried_in_vain(cache: RobotsCache, tries: int = 3) -> bool:
    """What :meth:`RobotsCache.give_up` says after so many tries."""
    for _ in range(tries):
        with pytest.raises(RobotsUnavailable) as caught:
            await cache.fetch(ORIGIN)
    return cache.give_up(ORIGIN, caught.value)


@pytest.mark.parametrize("answer", [status(500), status(429), FetchTimeout(ROBOTS)])
async def test_an_old_copy_serves_while_no_new_one_can_be_had(answer: Canned) -> None:
    clock = Clock()
    cache, fetcher = a_cache({ROBOTS: NO_PRIVATE}, clock)
    await cache.fetch(ORIGIN)
    fetcher._answers[ROBOTS] = answer
    clock.now += KEEP + 1
    assert cache.known(ORIGIN) is None
    assert await tried_in_vain(cache) is False
    rules = cache.known(ORIGIN)
    assert rules is not None
    assert rules.allows(f"{ORIGIN}/private") is False
    clock.now += KEEP_FAILURE + 1
    assert cache.known(ORIGIN) is None  # and then it is asked for again
    fetcher._answers[ROBOTS] = ""
    await cache.fetch(ORIGIN)
    assert cache.known(ORIGIN) is ALLOW_ALL


async def test_an_old_copy_of_an_earlier_run_serves_too_and_stays_kept() -> None:
    shelf = Shelf(RobotsFile(ORIGIN, NOW - 90 * DAY, NO_PRIVATE.encode()))
    cache, _ = resumed(status(503), shelf)
    assert await tried_in_vain(cache) is False
    rules = cache.known(ORIGIN)
    assert rules is not None
    assert rules.allows(f"{ORIGIN}/private") is False
    assert cache.news() == []


@pytest.mark.parametrize(("days", "is_given_up"), [(0.0, True), (29.99, True), (30.0, False), (400.0, False)])
async def test_after_thirty_days_of_failure_over_all_runs_there_is_none(days: float, is_given_up: bool) -> None:
    first, _ = resumed(status(500), shelf := Shelf())
    assert await tried_in_vain(first) is True
    shelf.keep(first)
    assert shelf.files == {ORIGIN: RobotsFile(ORIGIN, NOW, None)}

    later, fetcher = resumed(status(500), shelf, wall=lambda: NOW + days * DAY)
    assert await tried_in_vain(later) is is_given_up
    assert len(fetcher.requests) == 3  # it was asked for all the same
    assert later.news() == []  # the first failure is what counts
    if not is_given_up:
        assert later.known(ORIGIN) is ALLOW_ALL
    assert PATIENCE == 30 * DAY


async def test_thirty_days_of_failure_may_pass_in_one_run() -> None:
    wall, clock = Clock(), Clock()
    cache, fetcher = resumed(status(500), Shelf(), wall, clock)
    for _ in range(29):
        assert await tried_in_vain(cache, 1) is True
        wall.now, clock.now = wall.now + DAY, clock.now + DAY
    wall.now, clock.now = wall.now + DAY, clock.now + DAY
    assert await tried_in_vain(cache, 1) is False
    assert cache.known(ORIGIN) is ALLOW_ALL
    assert len(fetcher.requests) == 30


async def test_a_file_that_came_back_ends_the_thirty_days() -> None:
    shelf = Shelf(RobotsFile(ORIGIN, NOW - 40 * DAY, None))
    cache, _ = resumed(NO_PRIVATE, shelf)
    await cache.fetch(ORIGIN)
    shelf.keep(cache)
    assert shelf.files[ORIGIN] == RobotsFile(ORIGIN, NOW, NO_PRIVATE.encode())


async def test_a_failure_that_was_an_outage_is_forgiven() -> None:
    cache, _ = a_cache({ROBOTS: FetchTimeout(ROBOTS)})
    counted = []
    for _ in range(3):
        with pytest.raises(RobotsUnavailable) as caught:
            await cache.fetch(ORIGIN)
        counted.append(caught.value.failures)
        cache.forgive(ORIGIN)
    cache.forgive("http://unknown.example")
    assert counted == [1, 1, 1]


async def test_what_is_kept_is_cut_at_the_end_of_a_line() -> None:
    head = b"User-agent: *\nDisallow: /x\n"
    cache, _ = a_cache({ROBOTS: head + b"#" * (ROBOTS_LIMIT - len(head) - 5) + b"\nDisallow: /private"})
    await cache.fetch(ORIGIN)
    [file] = cache.news()
    assert file.body is not None
    assert (len(file.body), file.body[-2:]) == (ROBOTS_LIMIT - 4, b"#\n")


async def test_a_fetcher_that_can_is_asked_for_the_head_alone() -> None:
    class Heads(CannedFetcher):
        limits: list[int] = []

        async def fetch_head(
            self, request: Request, limit: int, on_sent: Callable[[], None] | None = None, inside: bool = False
        ) -> Response:
            self.limits.append(limit)
            return await self.fetch(request, on_sent)

    fetcher = Heads({ROBOTS: NO_PRIVATE})
    await RobotsCache(fetcher, lambda _: "crawler/0.1", Clock()).fetch(ORIGIN)
    assert fetcher.limits == [ROBOTS_LIMIT + 1]


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


async def test_a_job_keeps_since_when_a_robots_txt_cannot_be_had(tmp_path: Path) -> None:
    files = [RobotsFile(ORIGIN, NOW, None), RobotsFile("http://b.example", NOW, b""), RobotsFile(ORIGIN, NOW + 1, b"x")]
    job = Job(tmp_path)
    job.create(Spec("books", "spiders/books.py"), syncs=False)
    store = SqliteStore(job.database, syncs=False)
    await store.open()
    await store.commit(Batch(robots=files[:2]))
    assert [await store.robots(file.origin) for file in files[:2]] == files[:2]
    await store.commit(Batch(robots=files[2:]))
    assert await store.robots(ORIGIN) == files[2]
    await store.close()
