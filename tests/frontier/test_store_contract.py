"""What every store does. A new one is a row in STORES, and this file is its test."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from crawler.assemble import STORES
from crawler.frontier.job import Job, Spec
from crawler.frontier.store import Batch, Learned, Restored, Store, Want
from crawler.outcome import Failure, Outcome, Record, Tally, Verdict
from crawler.request import Download, Entry, Request
from crawler.response import Cookie, RobotsFile

R = TypeVar("R")

START = (-(2**63), 0)
"""A place before every request's."""
EXTREMES = [0, 1, 2**63 - 1, 2**63, 2**64 - 1]

COOKIES = [
    Cookie("", "site.test", "/", "a", "b", created=1.5),
    Cookie("", "site.test", "/é\udcff", "é", '"ü; \udcff"', False, True, True, "lax", 2.5, 3.25),
    Cookie("über", "127.0.0.1", "/x", "__Host-a", "", secure=True, same_site="strict", created=2.75),
]


@dataclass
class Place:
    """Where one kind of store is made, and made again."""

    name: str
    job: Job
    stores: list[Store] = field(default_factory=list)

    async def open(self) -> tuple[Store, Restored]:
        store = STORES[self.name](self.job, False, None)
        self.stores.append(store)
        return store, await store.open()

    async def reopen(self) -> tuple[Store, Restored]:
        """As after the end of a process."""
        await self.stores.pop().close()
        return await self.open()

    async def close(self) -> None:
        while self.stores:
            await self.stores.pop().close()


def a_place(name: str, folder: Path) -> Place:
    job = Job(folder / "job")
    job.folder.mkdir()
    job.create(Spec("books", "spiders/books.py"), syncs=False)
    return Place(name, job)


KEEPERS = [name for name in sorted(STORES) if STORES[name](Job(Path("nowhere")), False, None).keeps]


@pytest.fixture(params=sorted(STORES))
async def place(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Place]:
    place = a_place(request.param, tmp_path)
    yield place
    await place.close()


@pytest.fixture
async def store(place: Place) -> Store:
    return (await place.open())[0]


@pytest.fixture(params=KEEPERS)
async def keeper(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Place]:
    """The place of a store that can be gone on with."""
    place = a_place(request.param, tmp_path)
    yield place
    await place.close()


def entry(number: int, *, unique: bool = True, host: str = "site.test", priority: int = 0, **fields: Any) -> Entry:
    """The *number*-th request that was discovered; its fingerprint is its number."""
    request = Request(f"http://{host}/{number}", unique=unique, priority=priority)
    return Entry(request, host, f"http://{host}", number % 2**64, number=number, **fields)


def done(found_on: Entry, *discovered: Entry) -> Outcome:
    return Outcome(found_on, Verdict.DONE, discovered=list(discovered))


async def waiting(store: Store, host: str = "site.test") -> list[Entry]:
    """All that waits of *host*."""
    [entries] = await store.read([Want(host, START, 1_000_000)])
    return entries


async def numbers(store: Store, host: str = "site.test") -> list[int]:
    return [entry.number for entry in await waiting(store, host)]


# --- URL-seen ---


async def test_a_new_store_has_nothing_from_before(place: Place) -> None:
    assert (await place.open())[1] == Restored()


def test_what_was_not_seen_is_given_back_in_its_order(store: Store) -> None:
    entries = [entry(3), entry(1), entry(2)]

    assert store.add(entries) == entries


def test_what_was_seen_is_not_given_back(store: Store) -> None:
    store.add([entry(1), entry(2)])

    assert store.add([entry(2), entry(3), entry(1)]) == [entry(3)]


def test_what_stands_twice_in_one_question_is_given_back_once(store: Store) -> None:
    assert store.add([entry(1), entry(1), entry(2), entry(1)]) == [entry(1), entry(2)]


def test_what_is_not_unique_is_always_given_back_and_counts_as_seen(store: Store) -> None:
    again = entry(1, unique=False)

    assert store.add([again, again]) == [again, again]
    assert store.add([entry(1), again]) == [again]


def test_nothing_offered_is_nothing_new(store: Store) -> None:
    assert store.add([]) == []


@pytest.mark.parametrize("number", EXTREMES)
def test_every_number_of_64_bits_is_a_fingerprint(store: Store, number: int) -> None:
    assert store.known([number]) == [False]

    assert store.add([entry(number)]) == [entry(number)]

    assert store.known([number]) == [True]
    assert store.add([entry(number)]) == []


def test_to_ask_whether_something_is_known_marks_nothing(store: Store) -> None:
    assert store.known([7, 7]) == [False, False]
    assert store.known([]) == []
    assert store.add([entry(7)]) == [entry(7)]


async def test_a_job_has_a_random_number_of_its_own(store: Store, tmp_path: Path) -> None:
    others = []
    for name in sorted(STORES):
        (tmp_path / name).mkdir()
        place = a_place(name, tmp_path / name)
        others.append((await place.open())[0].seed)
        await place.close()

    assert store.seed not in others
    assert 0 <= store.seed < 2**64


async def test_outcomes_of_every_kind_are_committed(store: Store) -> None:
    store.add([entry(number) for number in range(10)])
    failure = Failure("http://site.test/2", "http_404", "answered 404", 404)
    outcomes = [
        Outcome(entry(1), Verdict.DONE, [Record(b"{}")], discovered=[entry(11), entry(12)]),
        Outcome(entry(2), Verdict.FAILED, failure=failure),
        Outcome(entry(3), Verdict.RETRY, due=10.0),
        Outcome(entry(4), Verdict.REDIRECTED, discovered=[entry(13)]),
        Outcome(entry(5), Verdict.SKIPPED),
    ]

    await store.commit(Batch(outcomes, [entry(1)], positions={"out.jsonl": 3}))
    await store.commit(Batch([], [entry(6)], positions={"out.jsonl": 3, "out.csv": 9}))
    await store.commit(Batch())

    assert store.add([entry(1), entry(20)]) == [entry(20)]  # a commit changes nothing about what was seen


async def test_a_store_may_be_closed_before_it_was_opened(place: Place) -> None:
    await STORES[place.name](place.job, False, None).close()


async def test_a_host_and_an_origin_of_which_nothing_is_known_have_nothing(store: Store) -> None:
    assert await store.read([Want("nowhere.test", START, 10)] * 2) == [[], []]
    assert await store.read([]) == []
    assert await store.hosts("", 10) == []
    assert await store.robots("http://nowhere.test") is None


# --- what can be gone on with ---


async def test_what_a_job_had_reached_comes_back_equal(keeper: Place) -> None:
    store, _ = await keeper.open()
    seed = store.seed
    seeds = [entry(1), entry(2, host="b.test:8080"), entry(3, host="[::1]")]
    tally = Tally(
        1,
        2,
        3,
        4.5,
        6,
        7,
        8,
        9,
        10,
        {"robots": 2, "out_of_scope": 1},
        {"robots": "http://site.test/é"},
        {"Book.price": 3},
    )
    batch = Batch(
        seeds=seeds,
        positions={"/data/out.jsonl": 3, "-": 2**40, "/data/ü.csv": 0},
        seeds_drawn=17,
        seeds_ended=True,
        hosts=[Learned("site.test", 3.25, 2, 0.75, 1.5), Learned("b.test:8080", 0.0, 0)],
        sites=[("site.test", 3), ("b.test", 1)],
        cookies=COOKIES,
        tally=tally,
    )
    await store.commit(batch)

    store, restored = await keeper.reopen()

    assert restored == Restored(
        waiting=3,
        number=3,
        positions=batch.positions,
        hosts={learned.host: learned for learned in batch.hosts},
        sites={"site.test": 3, "b.test": 1},
        seed_hosts=sorted(["site.test", "b.test", "[::1]"]),
        seeds_drawn=17,
        seeds_ended=True,
        cookies=batch.cookies,
        tally=tally,
    )
    assert store.seed == seed


async def test_the_pages_of_a_site_are_added_up(keeper: Place) -> None:
    store, _ = await keeper.open()
    for sites in ([("a.test", 2), ("b.test", 1)], [], [("a.test", 5)]):
        await store.commit(Batch(sites=sites))

    _, restored = await keeper.reopen()

    assert restored.sites == {"a.test": 7, "b.test": 1}


async def test_cookies_are_told_apart_by_all_that_makes_them_different(keeper: Place) -> None:
    store, _ = await keeper.open()
    kept = Cookie("", "a.test", "/", "a", "1", created=1.0)
    others = [{"session": "b"}, {"domain": "b.test"}, {"path": "/b"}, {"name": "b"}, {"host_only": False}]
    cookies = [kept]
    cookies += [msgspec.structs.replace(kept, created=2.0 + number, **other) for number, other in enumerate(others)]
    await store.commit(Batch(cookies=cookies))

    store, restored = await keeper.reopen()

    assert restored.cookies == cookies


async def test_a_cookie_that_was_deleted_is_forgotten(keeper: Place) -> None:
    store, _ = await keeper.open()
    await store.commit(Batch(cookies=COOKIES))
    gone = [msgspec.structs.replace(cookie, value="", expires=0.0) for cookie in COOKIES[:2]]
    await store.commit(Batch(cookies=[*gone, Cookie("", "never.test", "/", "a", "", expires=0.0)]))

    store, restored = await keeper.reopen()

    assert restored.cookies == COOKIES[2:]


async def test_a_later_commit_replaces_what_an_earlier_one_said(keeper: Place) -> None:
    store, _ = await keeper.open()
    first = Batch(
        positions={"a": 1, "b": 2},
        seeds_drawn=5,
        hosts=[Learned("a.test", 1.0, 1), Learned("b.test", 2.0, 2)],
        robots=[RobotsFile("http://a.test", 1.0, b"old")],
        cookies=[Cookie("", "a.test", "/", "a", "1", created=1.0), Cookie("", "a.test", "/", "b", "1", created=2.0)],
        tally=Tally(pages=1),
    )
    second = Batch(
        positions={"b": 3},
        seeds_drawn=6,
        hosts=[Learned("b.test", 0.0, 0)],
        robots=[RobotsFile("http://a.test", 2.0, b"")],
        cookies=[Cookie("", "a.test", "/", "a", "2", created=1.0, secure=True)],
        tally=Tally(pages=2),
    )
    await store.commit(first)
    await store.commit(second)

    store, restored = await keeper.reopen()

    assert (restored.positions, restored.seeds_drawn, restored.tally) == ({"a": 1, "b": 3}, 6, Tally(pages=2))
    assert restored.hosts == {"a.test": Learned("a.test", 1.0, 1), "b.test": Learned("b.test", 0.0, 0)}
    assert restored.cookies == [*second.cookies, first.cookies[1]]
    assert await store.robots("http://a.test") == second.robots[0]


async def test_a_commit_without_a_tally_leaves_the_last_one(keeper: Place) -> None:
    store, _ = await keeper.open()
    await store.commit(Batch(tally=Tally(pages=3)))
    await store.commit(Batch())

    assert (await keeper.reopen())[1].tally == Tally(pages=3)


async def test_robots_txt_is_given_back_within_the_run_and_after_it(keeper: Place) -> None:
    store, _ = await keeper.open()
    files = [
        RobotsFile("http://site.test", 1.25, b"User-agent: *\nDisallow: /\xff\x00\n"),
        RobotsFile("https://site.test", 2.5, b""),
        RobotsFile("http://site.test:8080", 3.0, b"x" * 500_000),
    ]
    await store.commit(Batch(robots=files))
    assert [await store.robots(file.origin) for file in files] == files

    store, _ = await keeper.reopen()

    assert [await store.robots(file.origin) for file in files] == files
    assert await store.robots("http://other.test") is None


async def test_failures_are_counted_by_reason_with_a_few_of_the_first_ones(keeper: Place) -> None:
    store, _ = await keeper.open()
    failures = [
        Failure(
            f"http://site.test/{number}", "http_404", "answered 404", 404, number, "http://site.test/é", "parse_book"
        )
        for number in range(1, 9)
    ]
    odd = Failure("http://site.test/9", "callback_error", "ValueError: ✗", None, 1, "", "parse", "Traceback ...")
    malformed = Failure("no url", "invalid_request", "a start URL that cannot be asked")
    entries = [entry(number) for number in range(1, 10)]
    outcomes = [Outcome(e, Verdict.FAILED, failure=f) for e, f in zip(entries, [*failures, odd], strict=True)]
    await store.commit(Batch(seeds=entries))
    await store.commit(Batch(outcomes[:4], failures=[malformed]))
    await store.commit(Batch(outcomes[4:]))

    _, restored = await keeper.reopen()

    found = {reason: (times, kept) for reason, times, kept in restored.failures}
    times, kept = found.pop("http_404")
    assert (times, 1 <= len(kept) <= 8) == (8, True)
    assert kept == failures[: len(kept)]
    assert found == {
        "callback_error": (1, [msgspec.structs.replace(odd, traceback="")]),
        "invalid_request": (1, [malformed]),
    }


async def test_the_hosts_of_seeds_are_kept_and_those_of_links_are_not(keeper: Place) -> None:
    store, _ = await keeper.open()
    await store.commit(Batch(seeds=[entry(1), entry(2), entry(3, host="b.test")]))
    await store.commit(Batch([done(entry(1), entry(4, host="link.test"))], [entry(5, host="b.test")]))

    assert sorted((await keeper.reopen())[1].seed_hosts) == ["b.test", "site.test"]


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
    max_leaves=5,
)
TEXTS = st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=2)
REQUESTS = st.one_of(
    [
        st.builds(
            Request,
            url=st.sampled_from(["http://site.test/", "http://site.test/%C3%A9?a=b&c"]),
            callback=st.sampled_from(["parse", "parse_book", "café"]),
            method=st.sampled_from(["GET", "POST"]),
            headers=TEXTS,
            cookies=TEXTS,
            meta=st.dictionaries(st.text(max_size=5), PLAIN, max_size=3),
            priority=st.sampled_from([0, 1, -1, 2**63 - 1, 1 - 2**63]) | st.integers(1 - 2**63, 2**63 - 1),
            unique=st.booleans(),
            **payload,
        )
        for payload in ({}, {"body": st.binary(max_size=50)}, {"json": PLAIN}, {"form": TEXTS})
    ]
)
ENTRIES = st.builds(
    Entry,
    request=REQUESTS,
    host=st.just("site.test"),
    origin=st.just("http://site.test"),
    fingerprint=st.sampled_from(EXTREMES) | st.integers(0, 2**64 - 1),
    depth=st.integers(0, 2**40),
    attempts=st.integers(0, 99),
    process_losses=st.integers(0, 99),
    redirects=st.lists(st.sampled_from(["http://site.test/a", "https://b.test/"]), max_size=3).map(tuple),
    referrer=st.sampled_from(["", "http://site.test/from"]),
    taken=st.integers(0, 2**40),
)


@pytest.mark.parametrize("name", KEEPERS)
@settings(max_examples=20, deadline=None, derandomize=True)
@given(entries=st.lists(ENTRIES, min_size=1, max_size=12), retried=st.integers(0, 12))
def test_every_field_of_a_request_comes_back_equal(name: str, entries: list[Entry], retried: int) -> None:
    """Whether it was written as it was discovered, or as a retry."""
    for number, each in enumerate(entries, 1):
        each.number = number
    expected = sorted(entries, key=lambda each: each.key)

    async def write_and_read() -> None:
        with tempfile.TemporaryDirectory() as folder:
            place = a_place(name, Path(folder))
            store, _ = await place.open()
            fresh = [msgspec.structs.replace(each, attempts=0, taken=0) for each in entries[:retried]]
            await store.commit(Batch(seeds=fresh + entries[retried:]))
            await store.commit(Batch([Outcome(each, Verdict.RETRY) for each in entries[:retried]]))
            assert await waiting(store) == expected

            store, restored = await place.reopen()
            assert await waiting(store) == expected
            assert (restored.waiting, restored.number) == (len(entries), len(entries))
            assert store.known([each.fingerprint for each in entries]) == [True] * len(entries)
            await place.close()

    asyncio.run(write_and_read())


@pytest.mark.parametrize(
    "request_",
    [
        Request("http://site.test/", body=b"\x00\xff\r\n"),
        Request("http://site.test/", body=b""),
        Request("http://site.test/", method="POST", json={"é": [1, 2.5, None, True, {"a": []}], "n": 2**64 - 1}),
        Request("http://site.test/", json=0),
        Request("http://site.test/", form={"a": "ü", "": ""}),
        Request("http://site.test/", form={}),
        Request("http://site.test/", cookies={"a": "b"}, headers={"X-A": "1", "x-a": "2"}),
        Request("http://site.test/", meta={"deep": {"list": [[], [1, -(2**63)]], "float": 1e300, "none": None}}),
        Request("http://site.test/", "parse_book", "HEAD", priority=1 - 2**63, unique=False),
        Download("http://site.test/"),
        Download(
            "http://site.test/",
            "parse_book",
            to="{isbn}/{name}",
            max_bytes=2**40,
            types=["image/*", "a/b"],
            fields={"isbn": "é", "n": [None, {}]},
            referrer="http://site.test/é",
        ),
    ],
)
async def test_a_request_of_every_kind_comes_back_equal(keeper: Place, request_: Request) -> None:
    store, _ = await keeper.open()
    kept = msgspec.structs.replace(entry(1), request=request_)
    await store.commit(Batch(seeds=[kept]))

    assert await waiting((await keeper.reopen())[0]) == [kept]


@pytest.mark.parametrize("url", ["http://site.test:8080/", "https://site.test/", "http://[::1]:81/", "http://1.2.3.4/"])
async def test_a_request_knows_its_host_and_origin_again(keeper: Place, url: str) -> None:
    origin = url.rstrip("/")
    host = origin.partition("://")[2]
    store, _ = await keeper.open()
    kept = Entry(Request(url), host, origin, 5, number=1)
    await store.commit(Batch(seeds=[kept]))

    assert await waiting((await keeper.reopen())[0], host) == [kept]


async def test_requests_are_read_by_priority_then_as_they_were_discovered(keeper: Place) -> None:
    store, _ = await keeper.open()
    priorities = {4: 0, 2: 5, 9: 5, 1: -1, 3: 0, 7: 2**63 - 1, 8: 1 - 2**63}
    await store.commit(Batch(seeds=[entry(number, priority=given) for number, given in priorities.items()]))

    assert await numbers(store) == [7, 2, 9, 3, 4, 1, 8]


async def test_as_many_are_read_as_are_wanted_from_the_first_one_past_a_place(keeper: Place) -> None:
    store, _ = await keeper.open()
    entries = [entry(number, priority=number % 3) for number in range(1, 31)]
    await store.commit(Batch(seeds=entries + [entry(100 + number, host="site.test:81") for number in range(5)]))
    in_order = sorted(entries, key=lambda each: each.key)

    for position, each in enumerate(in_order):
        for limit in (1, 4, 100):
            [found] = await store.read([Want("site.test", each.key, limit)])
            assert found == in_order[position + 1 : position + 1 + limit]
    [between] = await store.read([Want("site.test", (-1, 0), 2)])  # a place that nobody has
    assert between == [each for each in in_order if each.request.priority == 1][:2]


async def test_several_hosts_are_read_with_one_question(keeper: Place) -> None:
    store, _ = await keeper.open()
    ours = [entry(number) for number in (1, 3, 5)]
    theirs = [entry(number, host="b.test") for number in (2, 4)]
    await store.commit(Batch(seeds=ours + theirs))

    wants = [
        Want("b.test", START, 9),
        Want("c.test", START, 9),
        Want("site.test", (0, 1), 1),
        Want("b.test", (0, 2), 9),
    ]
    assert await store.read(wants) == [theirs, [], [ours[1]], [theirs[1]]]


async def test_what_is_not_committed_is_not_read(keeper: Place) -> None:
    store, _ = await keeper.open()
    store.add([entry(1), entry(2)])
    await store.commit(Batch(seeds=[entry(1)]))

    assert await numbers(store) == [1]
    assert await store.hosts("", 9) == ["site.test"]


async def test_hosts_are_paged_through_by_their_names(keeper: Place) -> None:
    store, _ = await keeper.open()
    names = sorted(
        [f"h{number}.test" for number in range(50)] + ["a.test:8080", "[::1]", "1.2.3.4", "xn--bcher-kva.test"]
    )
    entries = [entry(number, host=name) for number, name in enumerate(names * 3, 1)]
    await store.commit(Batch(seeds=entries))

    for limit in (1, 7, len(names), 1000):
        found: list[str] = []
        while page := await store.hosts(found[-1] if found else "", limit):
            assert len(page) <= limit
            found += page
        assert found == names


async def test_a_host_of_which_nothing_waits_any_more_is_none_of_the_hosts(keeper: Place) -> None:
    store, _ = await keeper.open()
    ours, theirs, third = entry(1), entry(2, host="b.test"), entry(3, host="c.test")
    await store.commit(Batch(seeds=[ours, theirs, third]))
    await store.commit(Batch([done(theirs), Outcome(third, Verdict.RETRY)]))

    assert await store.hosts("", 9) == ["c.test", "site.test"]


@pytest.mark.parametrize("verdict", Verdict)
async def test_only_a_retry_goes_on_waiting(keeper: Place, verdict: Verdict) -> None:
    store, _ = await keeper.open()
    ours, other = entry(1), entry(2)
    await store.commit(Batch(seeds=[ours, other]))
    failure = Failure(ours.request.url, "http_404") if verdict is Verdict.FAILED else None
    tried = msgspec.structs.replace(ours, attempts=2, process_losses=1, taken=5)
    await store.commit(Batch([Outcome(tried, verdict, failure=failure)]))

    expected = [tried, other] if verdict is Verdict.RETRY else [other]
    assert await waiting(store) == expected
    store, restored = await keeper.reopen()
    assert await waiting(store) == expected
    assert (restored.waiting, restored.number) == (len(expected), 2)


async def test_what_is_discovered_and_finished_within_one_group_does_not_wait(keeper: Place) -> None:
    store, _ = await keeper.open()
    page, link, retried, last = (entry(number) for number in (1, 2, 3, 4))
    outcomes = [
        done(page, link, retried),
        done(link, last),
        Outcome(msgspec.structs.replace(retried, attempts=1), Verdict.RETRY),
        Outcome(msgspec.structs.replace(retried, attempts=2), Verdict.RETRY),
    ]
    await store.commit(Batch(outcomes, [page]))

    assert [(each.number, each.attempts) for each in await waiting(store)] == [(3, 2), (4, 0)]

    await store.commit(Batch([Outcome(retried, Verdict.RETRY), done(retried), done(last)]))
    assert (await keeper.reopen())[1].waiting == 0


async def test_the_highest_number_is_known_even_if_its_request_is_finished(keeper: Place) -> None:
    store, _ = await keeper.open()
    await store.commit(Batch(seeds=[entry(5), entry(9)]))
    await store.commit(Batch([done(entry(9))]))

    assert (await keeper.reopen())[1].number == 9


@pytest.mark.parametrize("verdict", Verdict)
@pytest.mark.parametrize("number", EXTREMES)
async def test_what_was_committed_is_seen_for_ever(keeper: Place, number: int, verdict: Verdict) -> None:
    store, _ = await keeper.open()
    ours = msgspec.structs.replace(entry(7), fingerprint=number)
    store.add([ours])
    await store.commit(Batch(seeds=[ours]))
    await store.commit(Batch([Outcome(ours, verdict)]))

    for _ in range(2):
        store, _ = await keeper.reopen()
        others = [other for other in EXTREMES if other != number]
        assert (store.known([number]), store.known(others)) == ([True], [False] * len(others))
        assert store.add([ours]) == []


async def test_what_was_not_committed_is_not_seen_by_the_next_run(keeper: Place) -> None:
    store, _ = await keeper.open()
    store.add([entry(1), entry(2), entry(3)])
    await store.commit(Batch([done(entry(1), entry(2))], [entry(1)]))

    store, _ = await keeper.reopen()

    assert store.known([1, 2, 3]) == [True, True, False]
    assert store.add([entry(1), entry(2), entry(3)]) == [entry(3)]


@pytest.mark.parametrize("name", sorted(set(STORES) - set(KEEPERS)))
async def test_a_store_that_keeps_nothing_begins_anew(name: str, tmp_path: Path) -> None:
    place = a_place(name, tmp_path)
    store, _ = await place.open()
    store.add([entry(1)])
    await store.commit(Batch(seeds=[entry(1)], positions={"a": 1}, tally=Tally(pages=1)))
    assert (await waiting(store), await store.hosts("", 9)) == ([], [])

    store, restored = await place.reopen()

    assert (restored, store.known([1])) == (Restored(), [False])
    await place.close()


# --- any history ---


class _AnyHistory(RuleBasedStateMachine):
    """A store beside a dict and two sets. Nothing is ever looked up in the store's own inside."""

    name = ""
    fingerprints = st.sampled_from([*EXTREMES, 2, 3, 2**64 - 2, 2**62, 2**62 + 1])
    hosts = st.sampled_from(["a.test", "b.test", "b.test:81"])

    @initialize()
    def begin(self) -> None:
        self.runner = asyncio.Runner()
        self.folder = tempfile.TemporaryDirectory()
        self.place = a_place(self.name, Path(self.folder.name))
        self.store, restored = self._run(self.place.open())
        assert restored == Restored()
        self.number = 0
        self.seen: set[int] = set()
        self.durable: set[int] = set()
        self.waiting: dict[int, Entry] = {}
        self.seeds: list[Entry] = []
        self.outcomes: list[Outcome] = []
        self.open_: dict[int, Entry] = {}
        """Requests without an outcome, those not committed among them."""
        self.positions: dict[str, int] = {}

    def _run(self, work: Awaitable[R]) -> R:
        async def awaited() -> R:
            return await work

        return self.runner.run(awaited())

    def _new(self, offered: Iterable[tuple[int, str, int, bool]]) -> list[Entry]:
        """What the store takes in of requests with these fingerprints, hosts, priorities, and whether unique."""
        entries = []
        expected = []
        for mark, host, priority, unique in offered:
            request = Request(f"http://{host}/{mark}", priority=priority, unique=unique)
            each = Entry(request, host, f"http://{host}", mark)
            entries.append(each)
            if mark not in self.seen or not unique:
                expected.append(each)
            self.seen.add(mark)
        assert self.store.add(entries) == expected
        for each in expected:
            self.number += 1
            each.number = self.number
            self.open_[each.number] = each
        return expected

    offers = st.lists(st.tuples(fingerprints, hosts, st.integers(-1, 1), st.booleans()), max_size=4)

    @rule(offered=offers)
    def seed(self, offered: list[tuple[int, str, int, bool]]) -> None:
        self.seeds += self._new(offered)

    @precondition(lambda self: self.open_)
    @rule(data=st.data(), verdict=st.sampled_from(Verdict), offered=offers)
    def end(self, data: st.DataObject, verdict: Verdict, offered: list[tuple[int, str, int, bool]]) -> None:
        number = data.draw(st.sampled_from(sorted(self.open_)))
        if verdict is Verdict.RETRY:
            ended = self.open_[number]
            self.outcomes.append(Outcome(ended, verdict))
            ended.attempts += 1
        else:
            ended = self.open_.pop(number)
            self.outcomes.append(Outcome(ended, verdict, discovered=self._new(offered)))

    @rule(output=st.sampled_from(["a", "b"]), position=st.integers(0, 2**62))
    def commit(self, output: str, position: int) -> None:
        self._run(self.store.commit(Batch(self.outcomes, self.seeds, positions={output: position}, tally=Tally())))
        self.positions[output] = position
        self.seeds, self.outcomes = [], []
        self.durable |= self.seen
        self.waiting = {number: msgspec.structs.replace(each) for number, each in self.open_.items()}

    @rule(marks=st.lists(fingerprints, max_size=5))
    def ask(self, marks: list[int]) -> None:
        assert self.store.known(marks) == [mark in self.seen for mark in marks]

    @rule(host=hosts, rank=st.integers(-2, 2), number=st.integers(0, 30), limit=st.integers(1, 5))
    def read(self, host: str, rank: int, number: int, limit: int) -> None:
        mine = sorted((each for each in self._kept() if each.host == host), key=lambda each: each.key)
        [found] = self._run(self.store.read([Want(host, (rank, number), limit)]))
        assert [each.number for each in found] == [each.number for each in mine if each.key > (rank, number)][:limit]

    def _kept(self) -> list[Entry]:
        return list(self.waiting.values()) if self.store.keeps else []

    @rule()
    def close_and_reopen(self) -> None:
        """What was not committed is gone; so is all of a store that keeps nothing."""
        self.store, restored = self._run(self.place.reopen())
        self.seeds, self.outcomes = [], []
        if not self.store.keeps:
            assert restored == Restored()
            self.seen, self.durable, self.waiting, self.open_, self.positions = set(), set(), {}, {}, {}
            return
        assert (restored.waiting, restored.positions) == (len(self.waiting), self.positions)
        assert max(self.waiting, default=0) <= restored.number <= self.number
        self.number = restored.number
        self.seen = set(self.durable)
        self.open_ = {number: msgspec.structs.replace(each) for number, each in self.waiting.items()}

    @invariant()
    def it_has_what_the_model_has(self) -> None:
        if not hasattr(self, "store"):
            return
        hosts = sorted({each.host for each in self._kept()})
        assert self._run(self.store.hosts("", 9)) == hosts
        found = self._run(self.store.read([Want(host, START, 1000) for host in hosts]))
        expected = sorted(self._kept(), key=lambda each: each.key)
        # a retry that is not committed is the same object with another number of attempts
        assert found == [[each for each in expected if each.host == host] for host in hosts]

    def teardown(self) -> None:
        if hasattr(self, "runner"):
            self._run(self.place.close())
            self.runner.close()
            self.folder.cleanup()


def _history(name: str) -> Callable[..., Any]:
    machine = type(f"_AnyHistoryOf{name.title()}", (_AnyHistory,), {"name": name})
    machine.TestCase.settings = settings(max_examples=25, stateful_step_count=25, deadline=None, derandomize=True)
    return machine.TestCase


TestAnyHistoryInSqlite = _history("sqlite")
TestAnyHistoryInMemory = _history("memory")


def test_every_store_has_its_history() -> None:
    assert sorted(STORES) == ["memory", "sqlite"]
