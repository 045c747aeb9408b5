"""The one place where concrete classes are chosen and joined."""

from __future__ import annotations

import asyncio
import inspect
import logging
import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import crawler.fetch.authorities  # noqa: F401 isort: skip (before anything imports aiohttp)
from crawler.config import Project, Settings, find_project
from crawler.discovery import nearest, own_traceback, source_of
from crawler.engine.commit import CommitOptions, Committer, News
from crawler.engine.crawl import Crawl, Output
from crawler.engine.remote import prepare, work
from crawler.engine.stages import EngineOptions, Stages
from crawler.engine.stats import Stats
from crawler.errors import SpiderLoadError, UsageError
from crawler.export.sink import ExportOptions
from crawler.fetch.cache_options import CacheOptions, cache_path
from crawler.fetch.canned import CannedFetcher
from crawler.fetch.download import Downloads
from crawler.fetch.fetcher import Fetcher, FetchOptions, user_agent_of
from crawler.fetch.http import HttpFetcher
from crawler.fetch.robots import RobotsCache
from crawler.fetch.room import Room
from crawler.frontier.frontier import Frontier, FrontierOptions
from crawler.frontier.job import Job
from crawler.frontier.memory import MemoryStore
from crawler.frontier.sqlite import SqliteStore
from crawler.frontier.store import Store
from crawler.http.addresses import read_private_hosts
from crawler.http.credentials import without_secret
from crawler.jobs import Plan
from crawler.outputs import build_outputs, spooled_names, wanted_of
from crawler.parse.heap import keep_freed_memory
from crawler.parse.links import LinkOptions
from crawler.parse.page import PageOptions
from crawler.parse.pool import ParsePool, PoolOptions
from crawler.parse.trial import Trial
from crawler.politeness.overrides import Overrides
from crawler.politeness.pace import Manners, Politeness
from crawler.politeness.retry import Retry
from crawler.politeness.robots import product_token
from crawler.spider import Spider, is_cpu_bound
from crawler.spiders.declared import DeclaredSpider
from crawler.traps.options import Caution, TrapOptions
from crawler.traps.watch import Traps
from crawler.urls.canonical import CanonicalOptions, canonicalizer
from crawler.urls.scope import Scope
from crawler.urls.url import address

log = logging.getLogger("crawler")

_OTHER_NAMES = {
    "start_requests": "start",
    "custom_settings": "settings",
    "start_url": "start_urls",
    "sitemap_urls": "sitemaps",
}
"""Names that are not read -> the right ones."""


Begin = Callable[[], None] | None


def _sqlite(job: Job | None, syncs: bool, begin: Begin) -> Store:
    assert job is not None
    return SqliteStore(job.database, syncs=syncs, begin=begin)


def _memory(job: Job | None, syncs: bool, begin: Begin) -> Store:
    return MemoryStore()


STORES: dict[str, Callable[[Job | None, bool, Begin], Store]] = {
    "sqlite": _sqlite,
    "memory": _memory,
}
"""Where a frontier is kept. Each is made from the job, whether a commit must survive a power cut, and what makes the job
ready to be opened."""


def build_spider(spider_type: type[Spider], args: dict[str, Any]) -> Spider:  # Any: what its constructor takes
    """The spider, with its arguments; checked for what can be seen before the first request.

    :raises UsageError: its constructor does not take *args*, it has nowhere to begin, or no ``parse``
    :raises SpiderLoadError: its constructor raised
    """
    name = spider_type.__name__
    _check_arguments(spider_type, args)
    try:
        spider = spider_type(**args)
    except Exception as error:  # the spider's own
        message = f"{name}() raised {type(error).__name__}: {error}"
        raise SpiderLoadError(message, own_traceback(error)) from error
    _check_lists(spider)
    _check_names(spider)
    if isinstance(spider.allowed_hosts, Iterator):
        spider.allowed_hosts = tuple(spider.allowed_hosts)  # it is read more than once
    own_start = spider_type.start is not Spider.start
    if not own_start and _is_empty(spider.start_urls) and _is_empty(spider.sitemaps):
        raise UsageError(
            f"{name} has nowhere to begin: give it start_urls, sitemaps, or a start() that yields Requests"
        )
    if isinstance(spider, DeclaredSpider):
        spider.check_declarations()
    elif not own_start and spider_type.parse is Spider.parse:
        raise UsageError(f"{name} has no parse method: write def parse(self, page): ...")
    for method in _cpu_bound_of(spider):
        if inspect.iscoroutinefunction(method) or inspect.isasyncgenfunction(method):
            raise UsageError(
                f"{name}.{method.__name__} is async and @cpu_bound, but a parse process has no event loop: "
                "write def, without async, or take @cpu_bound away"
            )
    return spider


def _check_lists(spider: Spider) -> None:
    """A string is a sequence too: of its letters."""
    name = type(spider).__name__
    for attribute, of_what in (("start_urls", " of URLs"), ("sitemaps", " of URLs"), ("allowed_hosts", "")):
        given = getattr(spider, attribute)
        if isinstance(given, str):
            raise UsageError(f'{name}.{attribute} is a string; write a list{of_what}: {attribute} = ["{given}"]')
    if isinstance(getattr(spider, "allowed_domains", ()), str):
        raise UsageError(f"{name}.allowed_domains is a string; write a list of hosts, and call it allowed_hosts")


def _is_empty(urls: object) -> bool:
    """Whether it can be seen to be: of an iterator nobody knows before the crawl."""
    return isinstance(urls, Collection) and not urls


def _check_names(spider: Spider) -> None:
    """Attributes that another framework reads, or that are misspelt: to ignore them would crawl something else."""
    name = type(spider).__name__
    for theirs, ours in _OTHER_NAMES.items():
        if getattr(spider, theirs, None):
            raise UsageError(
                f"{name}.{theirs} is not read here: call it {ours} (docs/coming-from-scrapy.md has a table)"
            )
    file = getattr(sys.modules.get(type(spider).__module__), "__file__", None)
    is_typed = type(spider).__module__ == "__main__" and (file is None or not Path(file).is_file())
    if is_typed and _cpu_bound_of(spider):
        raise UsageError(
            f"{name} has a @cpu_bound callback, which runs in another process, but the class is typed into a notebook "
            "or a prompt, where that process cannot find it: put the spider into a file and import it"
        )


def _cpu_bound_of(spider: Spider) -> list[Callable[..., Any]]:
    methods = (method for cls in type(spider).__mro__ for method in vars(cls).values())
    return [method for method in methods if callable(method) and is_cpu_bound(method)]


def _check_arguments(spider_type: type[Spider], args: dict[str, Any]) -> None:  # Any: what its constructor takes
    signature = inspect.signature(spider_type)
    try:
        signature.bind(**args)
    except TypeError as error:
        takes = [
            name for name, parameter in signature.parameters.items() if parameter.kind is not parameter.VAR_KEYWORD
        ]
        unknown = next((nearest(name, takes) for name in args if name not in takes), ".")
        there = f" It takes: {', '.join(takes)}" if takes else " It takes none"
        raise UsageError(f"the arguments do not fit spider {spider_type.name!r}: {error}{unknown}{there}") from None


def crawl_of(
    plan: Plan,
    spider_type: type[Spider],
    project: Project,
    *,
    stdout: int = 1,
    outputs: Sequence[Output] = (),
    fetcher: Fetcher | None = None,
) -> tuple[Crawl, Sequence[Output]]:
    """The crawl that is planned, and where it writes.

    :param outputs: instead of those of the plan
    :raises UsageError: as :func:`build_spider` and :func:`build_outputs`
    """
    spider = build_spider(spider_type, dict(plan.args))
    sinks = outputs or build_outputs(wanted_of(plan, spider_type, project, stdout))
    names = [sink.name for sink in sinks[:-1]]
    begin = partial(plan.begin, spider, names, spooled_names(sinks), sinks[-1].name)
    crawl = assemble(
        spider,
        plan.args,
        plan.settings,
        sinks,
        fetcher,
        plan.job,
        begin,
        is_resumed=plan.is_resumed,
        root=project.root,
    )
    return crawl, sinks


def assemble(
    spider: Spider,
    args: dict[str, Any],  # Any: what the spider was made with
    settings: Settings,
    outputs: Sequence[Output],
    fetcher: Fetcher | None = None,
    job: Job | None = None,
    begin: Begin = None,
    *,
    is_resumed: bool = False,
    root: Path | None = None,
) -> Crawl:
    """A crawl, ready to run; called with its event loop running. The last of *outputs* gets the rejects.

    :param job: where its state is kept; None keeps it in memory
    :param begin: called before the job is opened, when the spider's ``opened()`` has had its say
    :param root: the project's folder; None for that of the working directory
    """
    keep_freed_memory()
    log.addFilter(_conceal)  # once, however often it is added
    stats = Stats()
    syncs = settings.options(ExportOptions).durability == "power"
    store = STORES["memory" if job is None else "sqlite"](job, syncs, begin)
    politeness = settings.options(Politeness)
    if isinstance(fetcher, CannedFetcher) and politeness.delay is None:
        politeness = replace(politeness, delay=0.0, outage_patience=0.0)  # nobody is at the other end
    manners = Manners(politeness, settings.hosts_of(Politeness))
    fetch_options = settings.options(FetchOptions)
    scope = Scope(spider.allowed_hosts or getattr(spider, "allowed_domains", ()))
    canonical = canonicalizer(settings.options(CanonicalOptions).canonicalization)
    fetch_hosts = settings.hosts_of(FetchOptions)
    identities = Overrides(fetch_options, fetch_hosts)
    engine = settings.options(EngineOptions)
    room = Room(fetch_options.body_memory, 2 * engine.concurrency)
    folder = root or find_project(Path.cwd()).root
    downloads = Downloads(folder / fetch_options.downloads, folder, spider.name, syncs=syncs)
    stats.downloads = str(downloads.folder)
    if isinstance(fetcher, CannedFetcher):
        fetcher.downloads = downloads
    fetcher = fetcher or HttpFetcher(fetch_options, fetch_hosts, room=room, downloads=downloads)
    fetcher = _cached(fetcher, settings.options(CacheOptions), identities, folder)
    frontier = Frontier(
        store,
        scope,
        manners,
        settings.options(FrontierOptions),
        canonical,
        address_of=fetcher.address_of,
        site_of=_site_of,
        permitted=read_private_hosts(fetch_options.allow_private_hosts),
        width=engine.concurrency,
        traps=Traps(Caution(settings.options(TrapOptions), settings.hosts_of(TrapOptions)), _site_of),
    )
    robots = RobotsCache(
        fetcher, partial(_agent_of, identities), asyncio.get_running_loop().time, store.robots, has_past=is_resumed
    )
    processes = settings.options(PoolOptions)
    pool = ParsePool(work, prepare, source_of(type(spider), args), processes)
    options = settings.options(CommitOptions)

    def news() -> News:
        return robots.news(), fetcher.new_cookies()

    committer = Committer(frontier, outputs[:-1], outputs[-1], stats, options, news)
    page_options = PageOptions(settings.options(LinkOptions).links, token=product_token(user_agent_of(fetch_options)))
    stages = Stages(
        frontier,
        fetcher,
        robots,
        manners,
        pool,
        processes.parse_processes == "auto",
        Trial(engine.concurrency),
        committer,
        stats,
        page_options,
        room,
    )
    return Crawl(spider, stages, store, outputs, settings.options(Retry), engine)


def _cached(fetcher: Fetcher, options: CacheOptions, identities: Overrides[FetchOptions], root: Path) -> Fetcher:
    """*fetcher* behind the project's HTTP cache, if there is to be one. Answers of a test are never stored."""
    if options.cache == "off" or isinstance(fetcher, CannedFetcher):
        return fetcher
    from crawler.fetch.cache import CachingFetcher

    return CachingFetcher(fetcher, options, identities, cache_path(root))


def _conceal(record: logging.LogRecord) -> bool:
    """Nobody's log has the password of a URL, whoever reads it: programs have handlers of their own."""
    text = record.getMessage()
    if "@" in text:
        record.msg, record.args = without_secret(text), None
    if record.exc_info and "@" in (trace := logging.Formatter().formatException(record.exc_info)):
        record.exc_text = without_secret(trace)
    return True


def _agent_of(identities: Overrides[FetchOptions], origin: str) -> str:
    """Who asks the host of *origin*."""
    target = address(origin)
    return user_agent_of(identities.of(target.hostname) if target is not None else identities.default)


def _site_of(hostname: str) -> str:
    """What one owner has registered, or the host itself."""
    from crawler.fetch.suffixes import public_suffixes  # 3 to 6 ms, where it takes many hosts or a budget

    return public_suffixes().registrable(hostname) or hostname
