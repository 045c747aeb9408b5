"""The frontier in a real event loop, with nothing fetched."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from crawler.frontier.frontier import Frontier, FrontierOptions
from crawler.frontier.job import Job, Spec
from crawler.frontier.memory import MemoryStore
from crawler.frontier.sqlite import SqliteStore
from crawler.frontier.store import Batch, Learned
from crawler.outcome import Outcome, Tally, Verdict
from crawler.politeness.pace import Manners, Politeness
from crawler.request import Entry, Request
from crawler.urls.scope import Scope

SEED = "http://site.test/"


def a_frontier(
    *seeds: str, hosts: Iterable[str] = (), delay: float = 0.0, max_delay: float = 300.0, **options: Any
) -> Frontier:
    """A frontier with *seeds* planted, that waits for more."""
    manners = Manners(Politeness(delay=delay, max_delay=max_delay))
    frontier = Frontier(MemoryStore(), Scope(hosts), manners, FrontierOptions(**options))
    plant(frontier, *seeds)
    return frontier


def plant(frontier: Frontier, *urls: str) -> None:
    frontier.plant(frontier.admit([Request(url) for url in urls]).entries)


async def leased(frontier: Frontier) -> Entry:
    """The next lease, which must be there or come at once."""
    entry = await asyncio.wait_for(frontier.lease(), 1.0)
    assert entry is not None
    frontier.set_pace(entry)
    return entry


def done(frontier: Frontier, entry: Entry, *links: str) -> None:
    discovered = frontier.admit([Request(link) for link in links], entry).entries
    frontier.finish(Outcome(entry, Verdict.DONE, discovered=discovered))


async def settled() -> None:
    """Let every task go as far as it can."""
    for _ in range(5):
        await asyncio.sleep(0)


async def cancelled(task: asyncio.Task[Any]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_seed_is_leased_to_whoever_asks() -> None:
    frontier = a_frontier(SEED)

    entry = await leased(frontier)

    assert (entry.request.url, entry.depth, entry.is_seed) == (SEED, 0, True)
    assert (frontier.leased, frontier.waiting, frontier.hosts) == (1, 0, 1)


async def test_a_worker_waits_until_there_is_something_for_it() -> None:
    frontier = a_frontier()
    worker = asyncio.create_task(frontier.lease())
    await settled()
    assert not worker.done()

    plant(frontier, SEED)

    entry = await worker
    assert entry is not None
    assert entry.request.url == SEED


async def test_workers_that_wait_are_served_in_turn() -> None:
    frontier = a_frontier()
    workers = [asyncio.create_task(frontier.lease()) for _ in range(3)]
    await settled()

    plant(frontier, "http://a.test/", "http://b.test/", "http://c.test/")

    entries = await asyncio.gather(*workers)
    assert [entry.host for entry in entries if entry is not None] == ["a.test", "b.test", "c.test"]


async def test_what_a_page_discovers_goes_to_workers_that_wait() -> None:
    frontier = a_frontier(SEED, hosts=["*"])
    page = await leased(frontier)
    others = [asyncio.create_task(frontier.lease()) for _ in range(2)]
    await settled()

    done(frontier, page, "http://a.test/", "http://b.test/", "http://c.test/")
    own = await frontier.lease()

    found = [own, *await asyncio.wait_for(asyncio.gather(*others), 0.2)]
    assert sorted(entry.host for entry in found if entry is not None) == ["a.test", "b.test", "c.test"]


async def test_workers_that_wait_are_served_as_soon_as_a_host_may_be_asked_for_more() -> None:
    frontier = a_frontier(SEED, SEED + "1", SEED + "2")
    others = [asyncio.create_task(frontier.lease()) for _ in range(3)]
    await settled()
    assert [worker.done() for worker in others] == [True, False, False]  # nothing is known of the host yet

    entry = await others[0]
    assert entry is not None
    frontier.set_pace(entry)

    await asyncio.wait_for(asyncio.gather(*others), 0.2)


async def test_what_a_page_discovers_tells_where_it_was_found_and_how_deep() -> None:
    frontier = a_frontier(SEED)
    done(frontier, await leased(frontier), SEED + "1")
    page = await leased(frontier)
    done(frontier, page, SEED + "2")

    entry = await leased(frontier)

    assert (entry.depth, entry.referrer, entry.is_seed) == (2, SEED + "1", False)


async def test_a_retry_comes_when_it_is_due() -> None:
    frontier = a_frontier(SEED)
    frontier.seeds_ended()
    loop = asyncio.get_running_loop()
    due = loop.time() + 0.05
    frontier.finish(Outcome(await leased(frontier), Verdict.RETRY, due=due))

    entry = await leased(frontier)

    assert entry.request.url == SEED
    assert due <= loop.time() < due + 0.2


async def test_a_host_that_rests_is_leased_by_nobody_until_its_time() -> None:
    frontier = a_frontier(SEED, SEED + "1", delay=0.05)
    entry = await leased(frontier)
    frontier.started(entry)
    started = asyncio.get_running_loop().time()

    await leased(frontier)

    assert 0.05 <= asyncio.get_running_loop().time() - started < 0.25


async def test_an_earlier_due_time_moves_the_alarm() -> None:
    frontier = a_frontier("http://a.test/", "http://b.test/")
    loop = asyncio.get_running_loop()
    late, early = await leased(frontier), await leased(frontier)
    frontier.finish(Outcome(late, Verdict.RETRY, due=loop.time() + 30.0))
    waiting = [asyncio.create_task(frontier.lease()) for _ in range(2)]
    await settled()

    frontier.finish(Outcome(early, Verdict.RETRY, due=loop.time() + 0.02))
    waiting.append(asyncio.create_task(frontier.lease()))

    first, _ = await asyncio.wait(waiting, timeout=1.0, return_when=asyncio.FIRST_COMPLETED)
    assert [task.result() for task in first] == [early]
    for task in waiting:
        await cancelled(task)


async def test_a_host_that_refuses_rests_as_long_as_it_wishes() -> None:
    frontier = a_frontier(SEED, SEED + "1")
    entry = await leased(frontier)

    frontier.refuse(entry, 0.05)
    refused_at = asyncio.get_running_loop().time()
    frontier.finish(Outcome(entry, Verdict.FAILED))

    await leased(frontier)
    assert asyncio.get_running_loop().time() - refused_at >= 0.05


async def test_no_host_makes_the_crawl_wait_longer_than_the_longest_delay() -> None:
    frontier = a_frontier(SEED, SEED + "1", max_delay=0.02)
    entry = await leased(frontier)

    frontier.refuse(entry, 86_400.0)
    frontier.finish(Outcome(entry, Verdict.FAILED))

    assert (await leased(frontier)).request.url == SEED + "1"


async def test_what_was_put_back_goes_first() -> None:
    frontier = a_frontier(SEED, SEED + "1")

    frontier.put_back(await leased(frontier))

    assert (await leased(frontier)).request.url == SEED
    assert (frontier.leased, frontier.waiting) == (1, 1)


async def test_a_worker_that_is_cancelled_while_it_waits_gets_nothing() -> None:
    frontier = a_frontier()
    impatient, patient = [asyncio.create_task(frontier.lease()) for _ in range(2)]
    await settled()
    await cancelled(impatient)

    plant(frontier, SEED)

    entry = await patient
    assert entry is not None
    assert (entry.request.url, frontier.leased) == (SEED, 1)


async def test_a_lease_handed_to_a_worker_that_is_cancelled_is_given_back() -> None:
    frontier = a_frontier()
    worker = asyncio.create_task(frontier.lease())
    await settled()

    plant(frontier, SEED)  # it is handed over, but the worker has not run since
    await cancelled(worker)

    assert (frontier.leased, frontier.waiting) == (0, 1)
    assert (await leased(frontier)).request.url == SEED


async def test_a_lease_that_is_given_back_goes_to_another_worker_that_waits() -> None:
    frontier = a_frontier()
    impatient, patient = [asyncio.create_task(frontier.lease()) for _ in range(2)]
    await settled()

    plant(frontier, SEED)
    await cancelled(impatient)

    entry = await asyncio.wait_for(patient, 0.2)
    assert entry is not None
    assert entry.request.url == SEED


async def test_dismissing_a_worker_that_is_cancelled_at_once_harms_nobody() -> None:
    frontier = a_frontier()
    worker = asyncio.create_task(frontier.lease())
    await settled()

    frontier.stop("interrupted")
    await cancelled(worker)

    assert (frontier.leased, await frontier.lease()) == (0, None)


async def test_the_crawl_is_over_when_nothing_waits_nothing_runs_and_no_seed_will_come() -> None:
    frontier = a_frontier(SEED)
    entry = await leased(frontier)
    workers = [asyncio.create_task(frontier.lease()) for _ in range(3)]
    await settled()

    frontier.seeds_ended()
    await settled()
    assert (frontier.is_complete, [worker.done() for worker in workers]) == (False, [False] * 3)

    done(frontier, entry)
    assert await frontier.lease() is None
    assert (await asyncio.gather(*workers), frontier.stopped) == ([None] * 3, "complete")


async def test_a_crawl_without_seeds_is_over_when_that_is_known() -> None:
    frontier = a_frontier()
    worker = asyncio.create_task(frontier.lease())
    await settled()
    assert not worker.done()

    frontier.seeds_ended()

    assert (await worker, frontier.stopped, frontier.is_complete) == (None, "complete", True)


async def test_the_crawl_is_not_over_while_a_retry_waits_for_its_time() -> None:
    frontier = a_frontier(SEED)
    frontier.seeds_ended()
    loop = asyncio.get_running_loop()
    frontier.finish(Outcome(await leased(frontier), Verdict.RETRY, due=loop.time() + 0.03))

    assert frontier.is_complete is False
    done(frontier, await leased(frontier))
    assert (await frontier.lease(), frontier.stopped) == (None, "complete")


async def test_after_a_stop_nothing_is_leased_and_what_waits_stays() -> None:
    frontier = a_frontier(SEED, SEED + "1", "http://b.test/")
    entry = await leased(frontier)

    frontier.stop("interrupted")
    frontier.stop("second thoughts")
    done(frontier, entry, SEED + "2")

    assert (await frontier.lease(), frontier.stopped) == (None, "interrupted")
    assert (frontier.waiting, frontier.leased, frontier.is_complete) == (3, 0, False)


async def test_a_stop_releases_workers_that_wait_for_a_resting_host() -> None:
    frontier = a_frontier(SEED, SEED + "1")
    entry = await leased(frontier)
    frontier.refuse(entry, 60.0)
    frontier.finish(Outcome(entry, Verdict.FAILED))
    workers = [asyncio.create_task(frontier.lease()) for _ in range(3)]
    await settled()

    frontier.stop("interrupted")

    assert await asyncio.wait_for(asyncio.gather(*workers), 0.2) == [None] * 3


@pytest.mark.parametrize("limit", [1, 2, 7, 40])
async def test_no_more_pages_than_asked_for_however_many_workers(limit: int) -> None:
    frontier = a_frontier(*[f"http://h{number}.test/" for number in range(100)], max_pages=limit)
    pages = 0

    async def work() -> None:
        nonlocal pages
        while (entry := await frontier.lease()) is not None:
            frontier.set_pace(entry)
            await asyncio.sleep(0)
            pages += 1
            done(frontier, entry, f"{entry.request.url}{pages}")

    await asyncio.wait_for(asyncio.gather(*[work() for _ in range(20)]), 5.0)

    assert (pages, frontier.stopped) == (limit, "max_pages")


async def test_failures_are_no_pages_and_are_made_up_for() -> None:
    frontier = a_frontier(*[f"http://h{number}.test/" for number in range(40)], max_pages=10)
    verdicts: list[Verdict] = []

    async def work() -> None:
        while (entry := await frontier.lease()) is not None:
            await asyncio.sleep(0)
            verdict = Verdict.FAILED if len(verdicts) % 2 else Verdict.DONE
            verdicts.append(verdict)
            frontier.finish(Outcome(entry, verdict))

    await asyncio.wait_for(asyncio.gather(*[work() for _ in range(8)]), 5.0)

    assert (verdicts.count(Verdict.DONE), frontier.stopped) == (10, "max_pages")


async def test_a_spent_budget_costs_no_time_while_the_last_pages_run() -> None:
    frontier = a_frontier(SEED, "http://b.test/", "http://b.test/1", max_pages=1)
    loop = asyncio.get_running_loop()
    running = await leased(frontier)
    frontier.queue(frontier.admit([Request(SEED + "2")]).entries)
    frontier._schedule.add_later(
        "c.test", running, (0, 99), loop.time() - 1.0
    )  # its time has come; its turn never will
    looks = 0
    settle = frontier._settle

    def counted() -> None:
        nonlocal looks
        looks += 1
        settle()

    frontier._settle = counted
    worker = asyncio.create_task(frontier.lease())
    await asyncio.sleep(0.05)

    assert looks < 10
    await cancelled(worker)


async def test_links_further_from_a_seed_than_max_depth_are_left_out() -> None:
    frontier = a_frontier(SEED, max_depth=1)
    done(frontier, await leased(frontier), SEED + "1")
    page = await leased(frontier)

    admission = frontier.admit([Request(SEED + "2")], page)

    assert (admission.entries, admission.skipped) == ([], [("too_deep", SEED + "2")])


async def test_a_depth_of_none_is_only_the_seeds() -> None:
    frontier = a_frontier(SEED, max_depth=0)

    admission = frontier.admit([Request(SEED + "1")], await leased(frontier))

    assert admission.skipped == [("too_deep", SEED + "1")]


async def test_a_scope_without_hosts_grows_by_the_seeds_and_by_nothing_else() -> None:
    frontier = a_frontier("http://www.a.test/")
    page = await leased(frontier)
    links = ["http://a.test/1", "http://shop.a.test/", "http://b.test/", "http://nota.test/"]

    admission = frontier.admit([Request(link) for link in links], page)

    assert [entry.host for entry in admission.entries] == ["a.test", "shop.a.test"]
    assert admission.skipped == [("out_of_scope", "http://b.test/"), ("out_of_scope", "http://nota.test/")]

    plant(frontier, "http://b.test/seed")
    assert [entry.host for entry in frontier.admit([Request("http://b.test/")], page).entries] == ["b.test"]


async def test_named_hosts_are_the_whole_scope_for_seeds_too() -> None:
    frontier = a_frontier(hosts=["a.test"])

    admission = frontier.admit([Request("http://b.test/"), Request("http://a.test/")])

    assert [entry.host for entry in admission.entries] == ["a.test"]
    assert admission.skipped == [("out_of_scope", "http://b.test/")]


async def test_a_malformed_address_is_reported_not_raised() -> None:
    frontier = a_frontier()
    addresses = ["", "no url", "mailto:a@b.test", "http://", "http://a.test:99999/"]

    admission = frontier.admit([Request(address) for address in addresses])

    assert (admission.entries, admission.skipped) == ([], [("malformed", address) for address in addresses])


async def test_a_page_is_admitted_once_however_it_is_spelled() -> None:
    frontier = a_frontier(SEED)
    spellings = ["a?x=1&y=2", "a?y=2&x=1", "a?x=1&y=2#top", "./b/../a?x=1&y=2", "%61?x=1&y=2"]

    admission = frontier.admit([Request(SEED + spelling) for spelling in spellings], await leased(frontier))

    assert (len(admission.entries), admission.duplicates) == (1, 4)


async def test_what_is_not_unique_is_admitted_again_and_again() -> None:
    frontier = a_frontier(SEED)
    request = Request(SEED, unique=False)

    admission = frontier.admit([request, request, Request(SEED)], await leased(frontier))

    assert (len(admission.entries), admission.duplicates) == (2, 1)


async def test_method_and_payload_make_another_page_of_one_address() -> None:
    frontier = a_frontier()
    requests = [
        Request(SEED),
        Request(SEED, method="POST", json={"page": 1}),
        Request(SEED, method="POST", json={"page": 2}),
        Request(SEED, method="POST", json={"page": 1}),
    ]

    assert [entry.request for entry in frontier.admit(requests).entries] == requests[:3]


async def test_a_redirect_adds_no_depth_and_keeps_what_the_page_was_found_on() -> None:
    frontier = a_frontier(SEED, max_depth=1)
    done(frontier, await leased(frontier), SEED + "1")
    page = await leased(frontier)

    hop = frontier.admit([Request(SEED + "2")], page, hop=True).entries[0]
    further = frontier.admit([Request(SEED + "3")], hop, hop=True).entries[0]

    assert (hop.depth, hop.referrer, hop.redirects) == (1, SEED, (SEED + "1",))
    assert (further.depth, further.referrer, further.redirects) == (1, SEED, (SEED + "1", SEED + "2"))


async def test_a_redirected_seed_is_still_a_seed() -> None:
    frontier = a_frontier(SEED)

    hop = frontier.admit([Request(SEED + "home")], await leased(frontier), hop=True).entries[0]

    assert (hop.is_seed, hop.depth) == (True, 0)


async def test_seeds_are_drawn_only_while_there_is_room() -> None:
    frontier = a_frontier(*[f"{SEED}{number}" for number in range(10_000)])
    drawing = asyncio.create_task(frontier.room())
    await settled()
    assert not drawing.done()

    entry = await leased(frontier)
    await asyncio.wait_for(drawing, 0.2)

    done(frontier, entry, SEED + "more")
    assert frontier.waiting == 10_000


async def test_whoever_draws_seeds_is_let_go_by_a_stop() -> None:
    frontier = a_frontier(*[f"{SEED}{number}" for number in range(10_000)])
    drawing = asyncio.create_task(frontier.room())
    await settled()

    frontier.stop("interrupted")

    await asyncio.wait_for(drawing, 0.2)


async def test_a_cancelled_drawing_of_seeds_disturbs_nobody() -> None:
    frontier = a_frontier(*[f"{SEED}{number}" for number in range(10_000)])
    drawing = asyncio.create_task(frontier.room())
    await settled()
    await cancelled(drawing)

    assert (await leased(frontier)).request.url == SEED + "0"


@pytest.mark.parametrize(
    ("chain", "target"),
    [
        ([SEED], SEED),
        ([SEED + "old"], SEED + "old#top"),
        ([SEED + "?b=1&a=2"], SEED + "?a=2&b=1"),
        ([SEED + "%7eme"], SEED + "~me"),
        ([SEED + "old", SEED + "set-cookie"], SEED + "old"),
    ],
)
async def test_a_page_that_redirects_back_into_its_own_chain_is_asked_again(chain: list[str], target: str) -> None:
    frontier = a_frontier(chain[0])
    for url in [*chain[1:], target]:
        entry = await leased(frontier)
        hops = frontier.admit([Request(url)], entry, hop=True).entries
        frontier.finish(Outcome(entry, Verdict.REDIRECTED, discovered=hops))

    assert (await leased(frontier)).redirects == tuple(chain)


async def test_a_redirect_to_a_page_that_is_known_from_elsewhere_is_a_duplicate() -> None:
    frontier = a_frontier(SEED, SEED + "known")
    entry = await leased(frontier)

    admission = frontier.admit([Request(SEED + "known")], entry, hop=True)

    assert (admission.entries, admission.duplicates) == ([], 1)


async def test_an_address_is_fetched_as_it_is_judged() -> None:
    frontier = a_frontier("HTTP://SITE.test:80/./a/../private#top")

    assert (await leased(frontier)).request.url == SEED + "private"


# --- a crawl that goes on ---


def a_job(folder: Path) -> Job:
    job = Job(folder)
    job.create(Spec("books", "books"), syncs=False)
    return job


@asynccontextmanager
async def a_run(
    job: Job, *, delay: float = 0.0, hosts: Iterable[str] = ("*",), **options: Any
) -> AsyncIterator[Frontier]:
    """The frontier of a run of *job*, with its store read from as in a crawl."""
    store = SqliteStore(job.database, syncs=False)
    manners = Manners(Politeness(delay=delay, throttle=False))
    restored = await store.open()
    frontier = Frontier(store, Scope(hosts), manners, FrontierOptions(**options))
    frontier.restore(restored)
    stocking = asyncio.create_task(frontier.stock())
    try:
        yield frontier
    finally:
        await cancelled(stocking)
        await store.close()


async def committed(frontier: Frontier, batch: Batch) -> None:
    batch.tally = batch.tally or Tally()
    await frontier.commit(frontier.seal(), batch)


async def planted(frontier: Frontier, *urls: str) -> list[Entry]:
    """Seeds that wait and are committed."""
    seeds = frontier.admit([Request(url) for url in urls]).entries
    frontier.plant(seeds)
    await committed(frontier, Batch(seeds=seeds))
    return seeds


async def test_a_run_goes_on_with_what_waits_and_what_was_leased(tmp_path: Path) -> None:
    job = a_job(tmp_path)
    async with a_run(job) as frontier:
        await planted(frontier, SEED, SEED + "1", "http://b.test/")
        entry = await leased(frontier)
        done(frontier, entry, SEED + "2")  # nobody commits it
        await leased(frontier)

    async with a_run(job) as frontier:
        assert (frontier.waiting, frontier.is_complete) == (3, False)
        frontier.seeds_ended()
        urls = []
        while (entry_ := await asyncio.wait_for(frontier.lease(), 1.0)) is not None:
            urls.append(entry_.request.url)
            done(frontier, entry_)
        assert (sorted(urls), frontier.stopped) == (["http://b.test/", SEED, SEED + "1"], "complete")


async def test_what_a_new_run_discovers_comes_after_what_waits(tmp_path: Path) -> None:
    job = a_job(tmp_path)
    async with a_run(job) as frontier:
        await planted(frontier, SEED, SEED + "1")

    async with a_run(job) as frontier:
        await planted(frontier, SEED, SEED + "2", SEED + "1")

        urls = [(await leased(frontier)).request.url for _ in range(3)]
        assert (urls, frontier.waiting) == ([SEED, SEED + "1", SEED + "2"], 0)


async def test_pages_of_earlier_runs_count_towards_the_limit(tmp_path: Path) -> None:
    job = a_job(tmp_path)
    async with a_run(job) as frontier:
        await planted(frontier, *[f"{SEED}{number}" for number in range(10)])
        await committed(frontier, Batch(tally=Tally(pages=3)))

    async with a_run(job, max_pages=5) as frontier:
        for _ in range(2):
            done(frontier, await leased(frontier))
        assert (await frontier.lease(), frontier.stopped) == (None, "max_pages")


async def test_the_hosts_of_earlier_seeds_belong_to_the_crawl(tmp_path: Path) -> None:
    job = a_job(tmp_path)
    async with a_run(job, hosts=()) as frontier:
        await planted(frontier, SEED)

    async with a_run(job, hosts=()) as frontier:
        page = await leased(frontier)
        admission = frontier.admit([Request(SEED + "1"), Request("http://b.test/")], page)
        assert [entry.host for entry in admission.entries] == ["site.test"]
        assert admission.skipped == [("out_of_scope", "http://b.test/")]


async def test_every_host_of_a_resumed_crawl_is_owed_its_pause_once(tmp_path: Path) -> None:
    """It may have been asked just before the process died. A host of a link that comes only now is one of them."""
    job = a_job(tmp_path)
    async with a_run(job, delay=0.1) as frontier:
        await planted(frontier, "http://a.test/1", "http://b.test/1", "http://a.test/2")
        begun = asyncio.get_running_loop().time()
        await asyncio.wait_for(frontier.lease(), 0.05)  # a first run owes nothing

    async with a_run(job, delay=0.1) as frontier:
        loop = asyncio.get_running_loop()
        begun = loop.time()
        await planted(frontier, "http://c.test/1")
        entries = [await leased(frontier) for _ in range(3)]
        assert sorted(entry.host for entry in entries) == ["a.test", "b.test", "c.test"]
        assert 0.09 <= loop.time() - begun < 0.19

        for entry in entries:
            frontier.started(entry)
            done(frontier, entry)
        await asyncio.sleep(0.1)
        await planted(frontier, "http://b.test/2")  # by now it is a host like any other
        waited = loop.time()
        assert {(await leased(frontier)).host for _ in range(2)} == {"a.test", "b.test"}
        assert loop.time() - waited < 0.09


async def test_a_host_that_was_to_rest_rests_on_in_the_next_run(tmp_path: Path) -> None:
    job = a_job(tmp_path)
    async with a_run(job) as frontier:
        await planted(frontier, "http://a.test/1", "http://b.test/1")
        await committed(frontier, Batch())
        entries = [await leased(frontier) for _ in range(2)]
        refused = next(entry for entry in entries if entry.host == "a.test")
        frontier.refuse(refused, 0.4)
        await committed(frontier, Batch())

    async with a_run(job) as frontier:
        begun = asyncio.get_running_loop().time()
        assert (await leased(frontier)).host == "b.test"
        assert asyncio.get_running_loop().time() - begun < 0.2
        assert (await leased(frontier)).host == "a.test"
        assert 0.3 <= asyncio.get_running_loop().time() - begun < 0.6


async def a_job_that_was_refused(folder: Path) -> Job:
    """Its only host said "too much" once; the run has ended."""
    job = a_job(folder)
    async with a_run(job) as frontier:
        [entry] = await planted(frontier, SEED)
        await leased(frontier)
        frontier.refuse(entry, 0.0)
        await committed(frontier, Batch())
    return job


async def test_refusals_of_an_earlier_run_are_counted_on(tmp_path: Path) -> None:
    job = await a_job_that_was_refused(tmp_path)
    async with a_run(job) as frontier:
        entry = await leased(frontier)
        assert frontier._schedule.learned("site.test")[0] == 1
        frontier.refuse(entry, None)
        assert frontier._schedule.learned("site.test")[0] == 2


async def test_refusals_of_an_earlier_run_are_forgiven_once_and_for_all(tmp_path: Path) -> None:
    job = await a_job_that_was_refused(tmp_path)
    async with a_run(job) as frontier:
        entry = await leased(frontier)
        frontier.accept(entry)
        done(frontier, entry)
        await settled()
        assert frontier.hosts == 0

        await planted(frontier, SEED + "1")
        await leased(frontier)
        assert frontier._schedule.learned("site.test")[0] == 0


async def test_what_a_host_taught_is_committed_once_and_a_rest_until_it_is_over(tmp_path: Path) -> None:
    job = a_job(tmp_path)
    async with a_run(job) as frontier:
        [entry] = await planted(frontier, SEED)
        await leased(frontier)
        lessons = []
        for teach in (
            lambda: frontier.set_pace(entry, 7.0),
            lambda: None,
            lambda: frontier.refuse(entry, 60.0),
            lambda: frontier.accept(entry),
            lambda: frontier.accept(entry),
        ):
            teach()
            batch = Batch()
            await committed(frontier, batch)
            lessons.append(batch.hosts)

    assert [len(each) for each in lessons] == [1, 0, 1, 1, 1]  # a rest is noted until it is over
    assert lessons[0] == [Learned("site.test", 7.0, 0)]  # as long as robots.txt asks
    assert [(round(lesson.rest), lesson.refusals) for (lesson,) in (lessons[2], lessons[3])] == [(60, 1), (60, 0)]


async def test_the_moment_of_the_next_probe_cannot_slip_between_two_looks_at_the_clock(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    urls = [f"http://{name}.test/" for name in "abcdef"]
    frontier = a_frontier(*urls, hosts=["*"])
    loop = asyncio.get_running_loop()
    now, step = loop.time(), 0.0

    def time() -> float:
        nonlocal now
        now += step
        return now

    monkeypatch.setattr(frontier, "_loop", _Clock(loop, time))
    monkeypatch.setattr(frontier._courtesy, "_clock", time)
    entries = [await leased(frontier) for _ in urls]
    for entry in entries:
        now += 0.5
        frontier.miss(entry, "dns")
    for entry in entries:
        frontier.put_back(entry)
    assert frontier._outages.is_ours
    now = frontier._outages.probe_at - 0.0045
    step = 0.002  # of three looks at the clock the last one alone is past that moment
    worker = asyncio.create_task(frontier.lease())
    await settled()
    assert not worker.done()
    assert frontier._timer is not None  # nothing runs: else nobody would ever look again
    await cancelled(worker)


class _Clock:
    """A loop that tells another time."""

    def __init__(self, loop: asyncio.AbstractEventLoop, time: Callable[[], float]) -> None:
        self.create_future = loop.create_future
        self.call_at = loop.call_at
        self.time = time
