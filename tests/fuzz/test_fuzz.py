"""Strangers' input is read, or refused with an error that is ours, in time that grows with its length alone.

``FUZZ_SECONDS=3600 pytest tests/fuzz`` looks for longer; see search.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any

import parse_targets
import pytest
import web_targets
import wire_targets
from inputs import Target
from regressions import REGRESSIONS
from search import REST, SEED, check, search, seconds_of

from crawler.urls.url import Base, address

TARGETS = [*web_targets.TARGETS, *parse_targets.TARGETS, *wire_targets.TARGETS]
BY_NAME = {target.name: target for target in TARGETS}
SHARE = REST * 2 / 3 / sum(target.share for target in TARGETS)


@pytest.mark.timeout(60 + 10 * REST)
@pytest.mark.parametrize("target", TARGETS, ids=BY_NAME)
def test_whatever_comes(target: Target) -> None:
    assert search(target, SHARE * target.share) > 0


@pytest.mark.parametrize("row", REGRESSIONS, ids=[f"{name} {number}" for number, (name, _) in enumerate(REGRESSIONS)])
def test_what_was_found_is_mended(row: tuple[str, tuple[Any, ...]]) -> None:
    name, args = row
    check(BY_NAME[name], args)


def test_every_seed_is_taken() -> None:
    for target in TARGETS:
        for at in range(max(len(source.seeds) for source in target.sources)):
            check(target, [source.seeds[at % len(source.seeds)] for source in target.sources])


@pytest.mark.timeout(600)  # 5 s, where nothing else runs
def test_what_is_canonical_stays_so_for_100_000_urls() -> None:
    wrong: list[str] = []
    seconds_of(lambda: wrong.extend(_unstable(100_000)))
    assert wrong == []


def _unstable(count: int) -> Iterator[str]:
    """Those of so many URLs that are made canonical a second time otherwise than the first time."""
    random, base = Random(SEED), Base("https://shop.example/a/b/c.html?d=e")
    while count:
        url = base.join(web_targets.A_URL.random(random))
        found = address(url) if url is not None else None
        if found is None:
            continue
        count -= 1
        for name in ("by default", "all"):
            once = web_targets.CANONICAL[name](found.href)
            if web_targets.CANONICAL[name](once) != once:
                yield found.href
