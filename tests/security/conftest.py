"""Servers that remember every byte, and certificates for them."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

_TESTS = Path(__file__).parents[1]
for _folder in ("fetch", "engine"):  # the little proxies, the certificates and the crawls of their tests
    if str(_TESTS / _folder) not in sys.path:
        sys.path.append(str(_TESTS / _folder))

from certificates import Certificates  # noqa: E402 - found by the lines above
from witness import Answer, Witness, nothing  # noqa: E402 - as above

from crawler.fetch.fetcher import FetchOptions  # noqa: E402 - as above
from crawler.fetch.http import HttpFetcher  # noqa: E402 - as above


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
async def witness() -> AsyncIterator[Callable[..., Any]]:
    """Starts servers; they are closed at the end of the test."""
    started: list[Witness] = []

    async def start(answer: Answer = nothing, tls: Any = None) -> Witness:
        started.append(Witness(answer))
        await started[-1].start(tls)
        return started[-1]

    yield start
    for one in started:
        await one.close()


@pytest.fixture
async def open_fetcher() -> AsyncIterator[Callable[..., HttpFetcher]]:
    """Makes fetchers that may reach this machine; closed at the end of the test."""
    fetchers: list[HttpFetcher] = []

    def open_one(*, hosts: Any = None, resolver: Any = None, **options: Any) -> HttpFetcher:
        fetchers.append(HttpFetcher(FetchOptions(**{"allow_private_hosts": True, **options}), hosts, resolver))
        return fetchers[-1]

    yield open_one
    for fetcher in fetchers:
        await fetcher.close()
