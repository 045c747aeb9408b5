"""Crawling from Python: ``async for item in crawl(Books)``, and ``run(Books)`` for scripts and notebooks."""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import os
import signal
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from crawler.assemble import assemble, build_spider, crawl_of
from crawler.config import Project, Settings, find_project, resolve
from crawler.engine.crawl import Crawl, Report
from crawler.engine.stats import Stats
from crawler.errors import UsageError
from crawler.export.sink import MemorySink, Mode, NullSink, StreamSink
from crawler.fetch.fetcher import Fetcher
from crawler.items.check import item_of
from crawler.items.keys import settled
from crawler.jobs import Wish, planned
from crawler.spider import Spider

log = logging.getLogger("crawler")

_SIGNALS = [
    getattr(signal, name)
    for name in ("SIGINT", "SIGTERM", "SIGHUP")  # Ctrl-C, a supervisor, a terminal that is closed
    if hasattr(signal, name)  # Windows has no SIGHUP
]
R = TypeVar("R")
Outputs = str | Path | Sequence[str | Path] | None


class CrawlResult(Sequence[Any]):
    """What :func:`run` gives: the items, as a sequence, and how the crawl went."""

    def __init__(
        self, items: list[Any], rejects: list[dict[str, Any]], report: Report
    ) -> None:  # Any: the spider's own item types, and what they held
        self.items = items
        """The items, in the order in which they were saved; empty if an output was named. Of those of one key there is
        one, the last or the first, as their class has it: ``stats.items`` counts them all."""
        self.rejects = rejects
        """The items that failed their type: ``url item_type field reason values``; empty if an output was named."""
        self.report = report

    @property
    def reason(self) -> str:
        """Why it ended: ``complete``, ``max_pages`` ... (:class:`crawler.engine.crawl.Report`)."""
        return self.report.reason

    @property
    def stats(self) -> Stats:
        return self.report.stats

    def __getitem__(self, index: Any) -> Any:  # Any: an index or a slice; an item or a list of them
        return self.items[index]

    def __len__(self) -> int:
        return len(self.items)

    def __repr__(self) -> str:
        stats = self.stats
        rejected = f", {stats.rejects} rejected" if stats.rejects else ""
        return f"<CrawlResult {self.reason}: {stats.items} items{rejected}, {stats.pages} pages, {stats.failed} failed>"


class crawl:  # noqa: N801 (reads as a function at its call: async for item in crawl(Books))
    """Run a spider and iterate over its items as they are saved.

    ::

        async for item in crawl(Books, settings={"max_pages": 100}):
            print(item.title)

    The settings are those of ``crawl books`` on the command line: config.toml, the spider's own, the environment,
    and *settings* over them. Leaving the loop early stops the crawl: pages that run are given up. Each iteration is
    a crawl of its own; ``report`` tells, at its end, how it went. Items come as they are saved, those whose key came before
    or comes again among them: nothing is taken back.

    :param spider: a Spider class
    :param args: what ``-a key=value`` gives
    :param settings: what ``--set key=value`` gives, with values of the right type
    :param fetcher: instead of HTTP: :class:`crawler.CannedFetcher` answers from a dict, for tests
    :raises UsageError: with the first item, for a mistake in any of these
    """

    def __init__(
        self,
        spider: type[Spider],
        *,
        args: Mapping[str, Any] | None = None,  # Any: what the spider's constructor takes
        settings: Mapping[str, Any] | None = None,  # Any: each setting has its type
        fetcher: Fetcher | None = None,
    ) -> None:
        self._spider = _class_of(spider)
        self._args = dict(args or {})
        self._settings = dict(settings or {})
        self._fetcher = fetcher
        self.report: Report | None = None
        """How the crawl ended; None while it has not."""

    async def __aiter__(self) -> AsyncIterator[Any]:
        sink = StreamSink()
        _, settings = _resolved(self._spider, {**self._settings, "grace": 0})  # whoever leaves waits for no page
        spider = build_spider(self._spider, self._args)
        crawl = assemble(spider, self._args, settings, [sink, NullSink()], self._fetcher)
        running = asyncio.create_task(_run_and_end(crawl, sink))
        is_over = False
        try:
            while (record := await sink.next()) is not None:
                yield item_of(record)
            is_over = True
        finally:
            if not is_over:
                sink.leave()
                crawl.stop("interrupted")
            self.report = await running
            _tell_of_rejects(self.report)


def run(
    spider: type[Spider],
    *,
    args: Mapping[str, Any] | None = None,  # Any: what the spider's constructor takes
    settings: Mapping[str, Any] | None = None,  # Any: each setting has its type
    output: Outputs = None,
    overwrite: bool = False,
    append: bool = False,
    job: str | Path | None = None,
    resume: bool = False,
    fresh: bool = False,
    fetcher: Fetcher | None = None,
) -> CrawlResult:
    """Run a spider to its end. Works in a script and, where a loop is running already, in a notebook.

    :param output: one file, or several; without any the items are in the result
    :param overwrite: replace files that exist (``append``: continue them); otherwise they are refused
    :param job: a folder for the crawl's state, so that it can go on after whatever ends it; needs an *output*
    :param resume: go on with the job if there is one (``fresh``: begin anew); otherwise an unfinished one is refused
    :raises UsageError: for a mistake in any of these; nothing was fetched
    """
    if overwrite and append:
        raise UsageError("overwrite and append exclude each other")
    if resume and fresh:
        raise UsageError("resume and fresh exclude each other")
    if job is not None and not output and not resume:
        raise UsageError("a job needs an output: items in memory are gone with the process")
    if job is None and (resume or fresh):
        raise UsageError("name the job: job=FOLDER")
    mode: Mode = "overwrite" if overwrite else "append" if append else "new"
    names = [str(output)] if isinstance(output, (str, Path)) else [str(name) for name in output or ()]
    spider_type, arguments = _class_of(spider), dict(args or {})

    wish = Wish(
        spider_type.name,
        arguments,
        dict(settings or {}),
        tuple(names),
        mode,
        "resume" if resume else "fresh" if fresh else None,
        Path(job) if job is not None else None,
        are_text=False,
        keeps=job is not None,
    )

    async def whole() -> CrawlResult:
        project = find_project(Path.cwd())
        items, rejects = MemorySink(), MemorySink()
        with planned(project, spider_type, wish) as plan:
            outputs = () if plan.outputs or plan.job is not None else (items, rejects)
            crawl, _ = crawl_of(plan, spider_type, project, outputs=outputs, fetcher=fetcher)
            with stopped_by_signals(crawl):
                report = await crawl.run()
        if not names:
            _tell_of_rejects(report)
        told = [msgspec.json.decode(record.data) for record in rejects.records]
        return CrawlResult([item_of(record) for record in settled(items.records)], told, report)

    return run_loop(whole)


def run_loop(main: Callable[[], Coroutine[Any, Any, R]]) -> R:
    """Run *main* in an event loop of its own, uvloop's where it is installed; in a thread if one runs here already."""
    if not _a_loop_runs():
        return _run_here(main)
    outcome: list[R] = []
    errors: list[BaseException] = []
    loops: list[asyncio.AbstractEventLoop] = []

    async def noted() -> R:
        loops.append(asyncio.get_running_loop())
        return await main()

    def in_thread() -> None:
        try:
            outcome.append(_run_here(noted))
        except BaseException as error:  # carried over to the caller's thread
            errors.append(error)

    thread = threading.Thread(target=in_thread, name="crawl")
    thread.start()
    try:
        thread.join()
    except BaseException:  # Ctrl-C in a notebook: the crawl ends with the call that began it
        for loop in loops:
            loop.call_soon_threadsafe(_cancel_all, loop)
        thread.join()
        raise
    if errors:
        raise errors[0]
    return outcome[0]


def _cancel_all(loop: asyncio.AbstractEventLoop) -> None:
    for task in asyncio.all_tasks(loop):
        task.cancel()


def _a_loop_runs() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _run_here(main: Callable[[], Coroutine[Any, Any, R]]) -> R:
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        return runner.run(main())


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:  # there is none for Windows
        return None
    return uvloop.new_event_loop


def _resolved(spider: type[Spider], settings: dict[str, Any]) -> tuple[Project, Settings]:
    project = find_project(Path.cwd())
    return project, resolve(project, spider, settings, overrides_are_text=False)


def _class_of(spider: type[Spider]) -> type[Spider]:
    if getattr(multiprocessing.current_process(), "_inheriting", False):  # multiprocessing's own word for this moment
        raise UsageError(
            "a parse process imports the script that started the crawl, and must not start it again: put the call "
            'below if __name__ == "__main__":'
        )
    if isinstance(spider, type) and issubclass(spider, Spider):
        return spider
    raise UsageError(f"{spider!r} is no Spider class; give the class itself, as in run(Books)")


async def _run_and_end(crawl: Crawl, sink: StreamSink) -> Report:
    try:
        return await crawl.run()
    finally:
        sink.end()


@contextmanager
def stopped_by_signals(crawl: Crawl, told: Callable[[Crawl, float], None] | None = None) -> Iterator[None]:
    """SIGINT, SIGTERM and SIGHUP stop the crawl: what is running ends, what is done is saved. A second one ends the process.

    *told* is called with the first one, and the seconds that running pages get. The handlers are Python's own, not the
    event loop's: a callback that never returns to the loop can be ended, too.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    signalled = False

    def stop() -> None:
        crawl.stop("interrupted")
        if told is not None:
            told(crawl, crawl.grace)

    def on_signal(number: int, frame: object) -> None:
        nonlocal signalled
        if signalled:
            os.write(2, b"\nended at once; what was saved before is whole\n")
            os._exit(130)
        signalled = True
        loop.call_soon_threadsafe(stop)

    ignored = getattr(signal, "SIGHUP", None) if _hangup_is_ignored() else None  # nohup
    before = {number: signal.signal(number, on_signal) for number in _SIGNALS if number != ignored}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _hangup_is_ignored() -> bool:
    return hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) == signal.SIG_IGN


def _tell_of_rejects(report: Report) -> None:
    """Without a file that holds them, rejects must not go unnoticed."""
    stats = report.stats
    if stats.rejects:
        [(reason, times)] = stats.rejected.most_common(1)
        log.warning("%d items failed their type and were rejected; %d of them: %s", stats.rejects, times, reason)
