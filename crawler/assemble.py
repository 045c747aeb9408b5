"""The one place where concrete classes are chosen and joined."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from crawler.config import Project, Settings
from crawler.discovery import source_of
from crawler.engine.commit import CommitOptions, Committer
from crawler.engine.crawl import Crawl, Output
from crawler.engine.remote import prepare, work
from crawler.engine.stats import Stats
from crawler.engine.worker import EngineOptions, Stages
from crawler.errors import UsageError
from crawler.export.formats import JsonLines, format_of
from crawler.export.sink import ExportOptions, FileSink, LazySink, Mode, StdoutSink, refuse_existing
from crawler.fetch.fetcher import Fetcher, FetchOptions
from crawler.fetch.http import HttpFetcher
from crawler.fetch.robots import RobotsCache
from crawler.frontier.frontier import Frontier, FrontierOptions
from crawler.frontier.memory import MemoryStore
from crawler.frontier.store import Store
from crawler.parse.pool import ParsePool, PoolOptions
from crawler.politeness.pace import Manners, Politeness
from crawler.politeness.retry import Retry
from crawler.spider import Spider, is_cpu_bound
from crawler.urls.scope import Scope

STORES: dict[str, Callable[[], Store]] = {"memory": MemoryStore}
"""Where a frontier is kept."""


def build_spider(spider_type: type[Spider], args: dict[str, Any]) -> Spider:  # Any: what its constructor takes
    """The spider, with its arguments; checked for what can be seen before the first request.

    :raises UsageError: its constructor does not take *args*, it has nowhere to begin, or no ``parse``
    """
    name = spider_type.__name__
    try:
        spider = spider_type(**args)
    except TypeError as error:
        if "__init__" not in str(error):
            raise
        raise UsageError(f"the arguments do not fit spider {spider_type.name!r}: {error}") from None
    if isinstance(spider.start_urls, str):
        raise UsageError(f'{name}.start_urls is a string; write a list of URLs: start_urls = ["{spider.start_urls}"]')
    own_start = spider_type.start is not Spider.start
    if isinstance(spider.allowed_hosts, str):
        raise UsageError(f'{name}.allowed_hosts is a string; write a list: allowed_hosts = ["{spider.allowed_hosts}"]')
    if not own_start and isinstance(spider.start_urls, Collection) and not spider.start_urls:
        raise UsageError(f"{name} has nowhere to begin: give it start_urls, or a start() that yields Requests")
    if not own_start and spider_type.parse is Spider.parse:
        raise UsageError(f"{name} has no parse method: write def parse(self, page): ...")
    for method in vars(spider_type).values():
        if callable(method) and is_cpu_bound(method) and asyncio.iscoroutinefunction(method):
            raise UsageError(f"{name}.{method.__name__} is async and @cpu_bound; a parse process has no event loop")
    return spider


def build_outputs(
    names: Sequence[str], settings: Settings, spider_name: str, project: Project, mode: Mode
) -> list[Output]:
    """A sink for each ``-o``; without any, for the ``output`` setting. The last one is for rejects.

    :raises OutputError: a file exists already, or its ending names no format
    """
    options = settings.options(ExportOptions)
    syncs = options.durability == "power"
    if not names:
        names = [str(_unused(project.root / _filled(options.output, spider_name)))]
    outputs: list[Output] = []
    for name in dict.fromkeys(names):
        form = format_of(name)
        if name == "-":
            outputs.append(StdoutSink(form))
        else:
            refuse_existing(Path(name), mode)
            outputs.append(FileSink(Path(name), form, mode, syncs=syncs))
    files = [output for output in outputs if isinstance(output, FileSink)]
    beside = Path(files[0].name) if files else project.root / _filled(options.output, spider_name)
    rejects = beside.with_suffix(".rejects.jsonl")
    again: Mode = "append" if mode == "append" else "overwrite"
    outputs.append(LazySink(FileSink(rejects, JsonLines(), again, syncs=syncs), rejects, again))
    return outputs


def assemble(
    spider: Spider,
    args: dict[str, Any],  # Any: what the spider was made with
    settings: Settings,
    outputs: Sequence[Output],
    fetcher: Fetcher | None = None,
) -> Crawl:
    """A crawl, ready to run; called with its event loop running. The last of *outputs* gets the rejects."""
    stats = Stats()
    store = STORES["memory"]()
    manners = Manners(settings.options(Politeness), settings.hosts)
    fetch_options = settings.options(FetchOptions)
    scope = Scope(spider.allowed_hosts or getattr(spider, "allowed_domains", ()))
    frontier = Frontier(store, scope, manners, settings.options(FrontierOptions))
    fetcher = fetcher or HttpFetcher(fetch_options)
    robots = RobotsCache(fetcher, fetch_options.user_agent, asyncio.get_running_loop().time)
    pool = ParsePool(work, prepare, source_of(type(spider), args), settings.options(PoolOptions))
    committer = Committer(store, outputs[:-1], outputs[-1], stats, settings.options(CommitOptions))
    stages = Stages(frontier, fetcher, robots, manners, pool, committer, stats)
    return Crawl(spider, stages, store, outputs, settings.options(Retry), settings.options(EngineOptions))


def _filled(output: str, spider_name: str) -> str:
    started = datetime.now().strftime("%Y%m%dT%H%M%S")
    try:
        return output.format(spider=spider_name, started=started)
    except (KeyError, IndexError, ValueError):
        raise UsageError(f"output = {output!r}: what is filled in is {{spider}} and {{started}}") from None


def _unused(path: Path) -> Path:
    """*path*, or with a number behind it if a crawl began in the same second."""
    number, free = 1, path
    while free.exists():
        number += 1
        free = path.with_stem(f"{path.stem}-{number}")
    return free
