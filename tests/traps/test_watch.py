"""Kinds of pages, one page after the other; crawls are in tests/engine/test_traps.py."""

import random
import tracemalloc
from collections.abc import Callable, Mapping
from time import process_time
from timeit import timeit
from typing import Any

import pytest
from selectolax.lexbor import LexborHTMLParser

from crawler.traps import watch
from crawler.traps.options import Caution, TrapOptions
from crawler.traps.watch import MANY, Traps
from crawler.urls.url import address

HOST = "site.example"


def traps(tables: Mapping[str, Mapping[str, Any]] | None = None, **options: Any) -> Traps:
    return Traps(Caution(TrapOptions(**{"trap_pages": 10, **options}), tables))


def url(number: int, folder: str = "page") -> str:
    return f"http://{HOST}/{folder}/{number}"


def see(watcher: Traps, body: str, numbers: range, folder: str = "page", *, has_items: bool = False) -> int | None:
    """Show one page after the other; the number of the one at which their kind was shut."""
    for number in numbers:
        page = body.format(number=number, words=random.Random(number).sample("abcdefghijklmnopqrst", 8))
        if watcher.saw(url(number, folder), HOST, page.encode(), has_items=has_items):
            return number
    return None


SAME = "<title>Page</title><h1>Page</h1><p>nothing</p>"
OWN = "<title>{words}</title><p>{words}</p>"


def test_a_kind_that_brings_nothing_new_is_shut_and_only_its_own_links_are_left_alone() -> None:
    watcher = traps()

    assert see(watcher, SAME, range(2_000)) is not None
    assert watcher.feeds(url(5_000))
    assert watcher.objection(url(5_001), HOST, is_fed=True) == "trap"
    assert watcher.objection(url(5_001), HOST, is_fed=False) == ""
    assert watcher.objection(url(5_001, "other"), HOST, is_fed=True) == ""
    assert watcher.objection(url(5_001), HOST, is_fed=True, is_listed=True) == ""
    assert watcher.is_spent(url(5_001), HOST, url(5_000))
    assert not watcher.is_spent(url(5_001), HOST, f"http://{HOST}/")
    assert not watcher.is_spent(url(5_001), HOST, "")


def test_a_kind_that_has_news_is_not() -> None:
    watcher = traps(trap_pages=1)

    assert see(watcher, OWN, range(5_000)) is None


def test_a_kind_is_free_again_when_it_has_news_again() -> None:
    watcher = traps()
    see(watcher, SAME, range(2_000))
    assert watcher.feeds(url(1))

    see(watcher, OWN, range(2_000, 4_000))

    assert not watcher.feeds(url(1))
    assert see(watcher, SAME, range(4_000, 8_000)) is not None


def test_nobody_looks_at_a_site_with_few_pages() -> None:
    watcher = traps(trap_pages=1)
    see(watcher, SAME, range(MANY))

    assert watcher._kinds == {}
    assert watcher._places[HOST].counts == {}


def test_pages_with_items_count_a_25th() -> None:
    bare, kept = see(traps(), SAME, range(5_000)), see(traps(), SAME, range(5_000), has_items=True)

    assert bare is not None
    assert kept is not None
    assert kept - bare == 10 * 24


def test_pages_without_text_say_nothing_either_way() -> None:
    assert see(traps(trap_pages=1), '{{"number": {number}}}', range(3_000)) is None


def test_each_rule_can_be_off() -> None:
    watcher = traps(trap_pages=None, max_path_segments=None, max_hosts_per_site=None)

    assert see(watcher, SAME, range(3_000)) is None
    assert watcher.objection(f"http://{HOST}/a/a/a/a/a/", HOST) == ""


def test_each_host_may_have_rules_of_its_own() -> None:
    watcher = traps({HOST: {"max_path_segments": None}})

    assert watcher.objection(f"http://{HOST}/a/a/a/a/a/", HOST) == ""
    assert watcher.objection("http://other.example/a/a/a/a/a/", "other.example") == "trap_path"


def test_memory_is_bounded_whatever_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "_PLACES", 50)
    monkeypatch.setattr(watch, "_COUNTS", 2_000)
    monkeypatch.setattr(watch, "_WATCHED", 8)
    watcher = traps()
    dice = random.Random(1)

    def some() -> None:
        for _ in range(20_000):
            name = f"h{dice.randrange(100)}.example"
            path = dice.choice(["a/1", "b/2?x=1", f"{dice.getrandbits(60):x}z", f"c?{dice.randrange(99)}n=1"])
            watcher.saw(f"http://{name}/{path}", name, SAME.encode(), has_items=False)

    some()
    tracemalloc.start()
    some()
    grown, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert len(watcher._places) <= 51
    assert watcher._counts <= 2_000 + watch._KINDS + watch._FOLDERS
    assert watcher._counts == sum(len(place.counts) for place in watcher._places.values())
    assert len(watcher._kinds) <= 9
    assert watcher._shut == sum(kind.is_shut for kind in watcher._kinds.values())
    assert grown < 2_000_000


def test_what_a_trap_costs_is_little_beside_what_its_pages_cost() -> None:
    """Measured against the cheapest things that are done for a page and for a link anyway, on the same machine."""
    watcher = traps(trap_pages=1_000)
    body = (OWN + "<p>a line of text that all have</p>" * 200).format(words="abc").encode()
    bodies = [b"<title>%d</title>" % number + body for number in range(1_000)]

    def look() -> None:
        for number, page in enumerate(bodies):
            watcher.saw(url(number), HOST, page, has_items=True)

    def build() -> None:
        for page in bodies:
            LexborHTMLParser(page)

    links = [url(number) for number in range(1_000)]

    def ask() -> None:
        for link in links:
            watcher.objection(link, HOST)

    def read() -> None:
        for link in links:
            address(link)

    def seconds(work: Callable[[], None]) -> float:
        return min(timeit(work, number=1, timer=process_time) for _ in range(5))

    assert seconds(look) < seconds(build) + 1e-2
    assert seconds(ask) < seconds(read) + 1e-3
