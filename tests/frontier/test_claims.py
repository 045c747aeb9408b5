"""What a page under way waits for. A real event loop, with nothing fetched."""

import asyncio
from typing import Any

import pytest
from test_frontier import a_frontier, cancelled, done, leased, settled

from crawler.frontier.frontier import Frontier
from crawler.frontier.lanes import Lanes, Standing
from crawler.frontier.memory import MemoryStore
from crawler.frontier.schedule import HostSchedule
from crawler.outcome import Outcome, Verdict
from crawler.politeness.pace import Manners, Politeness
from crawler.request import Entry, Request
from crawler.urls.scope import Scope

SEED = "http://site.test/"


def adopted(frontier: Frontier, parent: Entry | None, url: str) -> Entry:
    entry = frontier.adopt(Request(url), parent)
    assert isinstance(entry, Entry)
    return entry


def claim(frontier: Frontier, parent: Entry, url: str) -> tuple[Entry, asyncio.Task[None]]:
    """*parent* steps aside and waits for *url*."""
    frontier.step_aside(parent, sent=True)
    entry = adopted(frontier, parent, url)
    return entry, asyncio.create_task(frontier.claim(entry))


async def test_a_claim_needs_no_worker() -> None:
    frontier = a_frontier(SEED)
    page = await leased(frontier)
    entry, claiming = claim(frontier, page, f"{SEED}a")
    await asyncio.wait_for(claiming, 1.0)
    frontier.yield_claim(entry, sent=True)

    frontier.seeds_ended()
    assert frontier.stopped is None
    done(frontier, page)
    assert await frontier.lease() is None
    assert frontier.stopped == "complete"


async def test_claims_go_before_what_waits_in_their_order() -> None:
    frontier = a_frontier(SEED, f"{SEED}1", f"{SEED}2")
    page = await leased(frontier)
    frontier.set_pace(page, alone=True)
    first, one = claim(frontier, page, f"{SEED}a")
    await settled()
    second, two = claim(frontier, page, f"{SEED}b")
    worker = asyncio.create_task(frontier.lease())
    await settled()
    assert (one.done(), two.done(), worker.done()) == (True, False, False)

    frontier.yield_claim(first, sent=True)
    await settled()
    assert (two.done(), worker.done()) == (True, False)

    frontier.yield_claim(second, sent=True)
    await settled()
    taken = worker.result()
    assert taken is not None
    assert taken.request.url == f"{SEED}1"


async def test_a_page_that_steps_aside_lets_others_of_its_host_go_once() -> None:
    frontier = a_frontier(SEED, f"{SEED}1", f"{SEED}2")
    page = await leased(frontier)
    frontier.set_pace(page, alone=True)
    worker = asyncio.create_task(frontier.lease())
    await settled()
    assert not worker.done()

    frontier.step_aside(page, sent=True)
    frontier.step_aside(page, sent=True)
    await settled()
    other = worker.result()
    assert other is not None

    done(frontier, page)  # its host's part has ended, and does not end again
    third = asyncio.create_task(frontier.lease())
    await settled()
    assert not third.done()
    assert frontier.leased == 1
    done(frontier, other)
    await cancelled(third)


@pytest.mark.parametrize("ends", ["put_back", "retry"])
async def test_a_page_that_stepped_aside_may_wait_for_another_turn(ends: str) -> None:
    frontier = a_frontier(SEED)
    page = await leased(frontier)
    frontier.step_aside(page, sent=True)
    if ends == "put_back":
        frontier.put_back(page)
    else:
        frontier.finish(Outcome(page, Verdict.RETRY))

    assert frontier.waiting == 1
    again = await leased(frontier)
    assert again is page
    frontier.step_aside(again, sent=True)
    done(frontier, again)
    assert (frontier.waiting, frontier.leased) == (0, 0)


async def test_a_claim_waits_for_the_rest_of_its_host_without_any_worker() -> None:
    frontier = a_frontier(SEED, delay=0.05)
    page = await leased(frontier)
    frontier.started(page)
    begun = asyncio.get_running_loop().time()
    _, claiming = claim(frontier, page, f"{SEED}a")
    await settled()
    assert not claiming.done()

    await asyncio.wait_for(claiming, 1.0)
    assert asyncio.get_running_loop().time() - begun >= 0.045


async def test_claims_go_on_past_the_budget_and_after_a_stop() -> None:
    frontier = a_frontier(SEED, f"{SEED}1", max_pages=1)
    page = await leased(frontier)
    for url in ("a", "b"):
        entry, claiming = claim(frontier, page, f"{SEED}{url}")
        await asyncio.wait_for(claiming, 1.0)
        frontier.yield_claim(entry, sent=True)
        frontier.stop("interrupted")

    assert await frontier.lease() is None


async def test_a_claim_that_is_cancelled_while_it_waits_is_passed_over() -> None:
    frontier = a_frontier(SEED)
    page = await leased(frontier)
    frontier.set_pace(page, alone=True)
    first, one = claim(frontier, page, f"{SEED}a")
    await settled()
    _, two = claim(frontier, page, f"{SEED}b")
    _, three = claim(frontier, page, f"{SEED}c")
    await settled()
    await cancelled(two)
    assert (one.done(), three.done()) == (True, False)

    frontier.yield_claim(first, sent=True)
    await settled()
    assert three.done()


async def test_a_claim_whose_task_is_cancelled_just_when_its_turn_comes_is_given_back() -> None:
    frontier = a_frontier(SEED)
    page = await leased(frontier)
    frontier.set_pace(page, alone=True)
    first, one = claim(frontier, page, f"{SEED}a")
    await settled()
    _, two = claim(frontier, page, f"{SEED}b")
    _, three = claim(frontier, page, f"{SEED}c")
    await settled()
    frontier.yield_claim(first, sent=True)  # the second one has its turn, and does not know yet
    await cancelled(two)
    await settled()

    assert (one.done(), three.done()) == (True, True)


async def test_a_claim_needs_a_lane_and_gets_one_when_others_are_overdue() -> None:
    frontier = Frontier(MemoryStore(), Scope(["*"]), Manners(Politeness(delay=0.0)), width=2)
    frontier.plant(frontier.admit([Request(f"http://{name}.test/") for name in "abc"]).entries)
    one, two = await leased(frontier), await leased(frontier)
    frontier.step_aside(one, sent=True)
    three = await leased(frontier)
    _, claiming = claim(frontier, one, "http://d.test/")
    await settled()
    assert not claiming.done()

    done(frontier, three)
    worker = asyncio.create_task(frontier.lease())
    await asyncio.wait_for(claiming, 1.0)
    done(frontier, two)
    await cancelled(worker)


NOT_ADOPTED: list[tuple[str, bool, str]] = [
    ("http:///", False, "malformed"),
    ("http://other.test/", False, "out_of_scope"),
    ("http://127.0.0.1/", False, "private"),
    ("http://127.0.0.1/", True, ""),
]


@pytest.mark.parametrize(("url", "inside", "why"), NOT_ADOPTED)
async def test_what_does_not_belong_to_the_crawl_is_not_adopted(url: str, inside: bool, why: str) -> None:
    frontier = a_frontier("http://127.0.0.1:8000/" if inside else SEED, hosts=["site.test", "127.0.0.1"])
    page = await leased(frontier)
    adopted: Any = frontier.adopt(Request(url), page)

    assert (adopted if why else "") == why
    assert why or adopted.inside


async def test_start_may_fetch_from_anywhere_but_its_redirects_may_not_leave() -> None:
    frontier = a_frontier(hosts=["site.test"])
    entry = adopted(frontier, None, "http://api.test/list")

    assert entry.is_seed
    assert frontier.adopt(Request("http://third.test/"), entry, hop=True) == "out_of_scope"
    hop = frontier.adopt(Request("http://site.test/#top"), entry, hop=True)
    assert isinstance(hop, Entry)
    assert (hop.request.url, hop.redirects) == ("http://site.test/", ("http://api.test/list",))


def urged(schedule: HostSchedule[str], host: str = "a") -> HostSchedule[str]:
    schedule.urge(host, 0.0, is_urged=True)
    return schedule


def test_a_host_that_a_page_waits_for_is_named_when_it_may_be_asked() -> None:
    schedule = urged(HostSchedule[str]())
    assert list(schedule.stirred) == ["a"]
    schedule.stirred.clear()

    assert schedule.take_ahead("a", "one", 1.0) == 1.0
    assert schedule.take_ahead("a", "two", 1.0) == float("inf")
    schedule.stirred.clear()
    schedule.set_limits("a", "one", 8, 0.5)
    assert list(schedule.stirred) == ["a"]
    schedule.started("a", "one", 1.0)
    assert schedule.take_ahead("a", "two", 1.0) == 1.5
    schedule.finish("a", "one", 1.2)
    assert schedule.take_ahead("a", "two", 1.5) == 1.5


def test_a_host_is_forgotten_when_nobody_waits_for_it_any_more() -> None:
    schedule = urged(HostSchedule[str]())
    assert schedule.hosts == 1
    schedule.urge("a", 1.0, is_urged=False)
    assert schedule.hosts == 0


def test_hosts_at_one_address_are_spaced_for_claims_too() -> None:
    schedule = urged(urged(HostSchedule[str](lambda host: ("192.0.2.1", 0.25))), "b")
    assert schedule.take_ahead("a", "one", 1.0) == 1.0
    assert schedule.take_ahead("b", "two", 1.0) == 1.25  # the first one has not left yet
    schedule.started("a", "one", 1.1)
    assert schedule.take_ahead("b", "two", 1.25) == 1.35
    assert schedule.take_ahead("b", "two", 1.35) == 1.35


def test_a_site_that_has_given_all_its_pages_still_serves_the_last_of_them() -> None:
    schedule = urged(HostSchedule[str]())
    schedule.bar("a")
    assert schedule.take_ahead("a", "one", 1.0) == 1.0


def test_a_slow_host_s_claims_leave_places_to_prompt_ones() -> None:
    class Known:
        standing = Standing.SLOW

    lanes = Lanes(4)
    for lease in range(3):
        lanes.begin(lease, Known(), 0.0)  # all the places for overdue ones
    for lease in range(3, 6):
        lanes.begin(lease, Known(), 0.0)
    schedule = urged(HostSchedule[str](lanes=lanes))

    assert lanes.keeps_places
    assert schedule.take_ahead("a", "one", 5.0) == 6.0
