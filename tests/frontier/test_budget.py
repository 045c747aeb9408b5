"""How many pages a site may give."""

from crawler.frontier.budget import SiteBudget
from crawler.outcome import Outcome, Verdict
from crawler.politeness.pace import Manners, Politeness
from crawler.request import Entry, Request


def site_of(hostname: str) -> str:
    return ".".join(hostname.split(".")[-2:])


def a_budget(limit: int | None = 2, **tables: dict[str, int | None]) -> SiteBudget:
    hosts = {name.replace("_", "."): table for name, table in tables.items()}
    return SiteBudget(Manners(Politeness(max_pages_per_site=limit), hosts), site_of)


def entry(number: int, host: str = "a.shop.test") -> Entry:
    return Entry(Request(f"http://{host}/{number}"), host, f"http://{host}", number, number=number)


def test_pages_under_way_count_and_others_wait_for_how_they_end() -> None:
    budget = a_budget(2)

    assert [budget.begin(entry(1)), budget.begin(entry(2, "b.shop.test:81")), budget.begin(entry(3))] == [
        True,
        True,
        False,
    ]
    assert not budget.is_spent("shop.test")


def test_a_page_that_fails_leaves_its_room_to_one_that_waits() -> None:
    budget = a_budget(2)
    for number, host in enumerate(("a.shop.test", "b.shop.test", "c.shop.test", "d.shop.test")):
        budget.begin(entry(number, host))

    assert list(budget.end(entry(0), is_page=False)) == ["c.shop.test"]
    assert budget.begin(entry(2, "c.shop.test"))


def test_a_budget_that_is_spent_lets_all_that_wait_come_to_be_left_out() -> None:
    budget = a_budget(2)
    for number, host in enumerate(("a.shop.test", "b.shop.test", "c.shop.test", "d.shop.test")):
        budget.begin(entry(number, host))

    assert list(budget.end(entry(0), is_page=True)) == []
    assert list(budget.end(entry(1), is_page=True)) == ["c.shop.test", "d.shop.test"]
    assert budget.is_spent("e.shop.test")
    assert budget.begin(entry(2, "c.shop.test"))
    assert not budget.has_room(entry(2, "c.shop.test"))
    assert list(budget.end(entry(2), is_page=False)) == []


def test_other_sites_have_budgets_of_their_own_and_some_have_none() -> None:
    budget = a_budget(1, big_test={"max_pages_per_site": None}, two_test={"max_pages_per_site": 2})

    begun = [
        [budget.begin(entry(number, host)) for number in range(base, base + 3)]
        for base, host in ((0, "shop.test"), (10, "two.test"), (20, "big.test"))
    ]

    assert begun == [[True, False, False], [True, True, False], [True, True, True]]
    assert budget.has_room(entry(20, "big.test"))


def test_what_was_fetched_is_counted_on() -> None:
    budget = a_budget(3)
    done = [Outcome(entry(number), Verdict.DONE) for number in range(2)]
    assert budget.fetched([*done, Outcome(entry(9), Verdict.FAILED)]) == [("shop.test", 2)]

    budget.restore({"shop.test": 2})
    assert [budget.begin(entry(3)), budget.begin(entry(4))] == [True, False]


def test_nothing_is_left_behind() -> None:
    budget = a_budget(1000)
    for number in range(500):
        budget.begin(entry(number))
        budget.end(entry(number), is_page=False)

    assert (len(budget._leases), len(budget._running), len(budget._barred)) == (0, 0, 0)
