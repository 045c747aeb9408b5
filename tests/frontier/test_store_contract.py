"""What every store does. A new one is a row in STORES, and this file is its test."""

from collections.abc import AsyncIterator

import pytest

from crawler.assemble import STORES
from crawler.frontier.store import Batch, Restored, Store
from crawler.outcome import Failure, Outcome, Record, Verdict
from crawler.request import Entry, Request


@pytest.fixture(params=sorted(STORES))
async def store(request: pytest.FixtureRequest) -> AsyncIterator[Store]:
    store = STORES[request.param]()
    assert await store.open() == Restored()
    yield store
    await store.close()


def entry(number: int, *, unique: bool = True) -> Entry:
    return Entry(Request(f"http://site.test/{number}", unique=unique), "site.test", "http://site.test", number)


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


@pytest.mark.parametrize("number", [0, 1, 2**63, 2**64 - 1])
def test_every_number_of_64_bits_is_a_fingerprint(store: Store, number: int) -> None:
    assert store.known([number]) == [False]

    assert store.add([entry(number)]) == [entry(number)]

    assert store.known([number]) == [True]
    assert store.add([entry(number)]) == []


def test_to_ask_whether_something_is_known_marks_nothing(store: Store) -> None:
    assert store.known([7, 7]) == [False, False]
    assert store.known([]) == []
    assert store.add([entry(7)]) == [entry(7)]


async def test_a_job_has_a_random_number_of_its_own(store: Store) -> None:
    others = [STORES[name]() for name in sorted(STORES)]
    for other in others:
        await other.open()

    assert store.seed not in [other.seed for other in others]
    assert 0 <= store.seed < 2**64

    for other in others:
        await other.close()


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

    await store.commit(Batch(outcomes, [entry(1)], {"out.jsonl": 3}))
    await store.commit(Batch([], [entry(6)], {"out.jsonl": 3, "out.csv": 9}))
    await store.commit(Batch())

    assert store.add([entry(1), entry(20)]) == [entry(20)]  # a commit changes nothing about what was seen
