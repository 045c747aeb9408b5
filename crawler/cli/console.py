"""What a person sees of a crawl: one live line while it runs, and a summary at its end. All of it on standard error."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from os.path import relpath
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from crawler.cli.filled import filled_in_words
from crawler.cli.text import bytes_in_words, count, one_line, say, seconds_in_words, tamed
from crawler.engine.crawl import Crawl, Output, Report
from crawler.engine.stats import Stats
from crawler.errors import OutputClosed, SinkError, StoreError
from crawler.export.compare import Counts
from crawler.export.dataset import Dataset
from crawler.export.logs import InertFormatter
from crawler.export.sink import LazySink
from crawler.frontier.job import Overview
from crawler.http.credentials import without_secret
from crawler.jobs import LIMITS, Plan, describe

if TYPE_CHECKING:
    from rich.console import Console as RichConsole

_LIVE_SECONDS = 0.2
_PLAIN_SECONDS = 10.0
_REASONS = {
    "complete": "complete",
    "max_pages": "stopped at max_pages",
    "max_items": "stopped at max_items",
    "max_errors": "stopped: too many errors in the spider (max_errors)",
    "interrupted": "interrupted",
    "output_closed": "stopped: the reader of standard output went away",
    "output_failed": "stopped: the dataset cannot be written",
    "store_failed": "stopped: the crawl's state cannot be kept",
    "spider_failed": "ended early: the spider's start() raised",
    "defect": "ended by a defect in crawler itself",
}
_SKIPPED = {
    "robots": "forbidden by robots.txt",
    "out_of_scope": "outside allowed_hosts",
    "private": "of public pages to private hosts (allow_private_hosts)",
    "too_deep": "deeper than max_depth",
    "malformed": "no http URL",
    "crawl_delay": "of hosts whose robots.txt asks for a longer pause than max_crawl_delay",
    "nofollow": "on pages that ask not to be followed (obey_robots_tags)",
    "site_budget": "past max_pages_per_site",
    "trap": "that seem to go on for ever, and brought nothing new (a new job with trap_pages = unset follows them all: --fresh)",
    "trap_path": "that repeat themselves or are too long to be real (max_path_segments)",
    "trap_hosts": "to ever more hosts of one site (max_hosts_per_site)",
}


class Console:
    """Standard error: a live line on a terminal, a plain line every ten seconds elsewhere, nothing if quiet.

    Used as a context manager: within it the log is shown, too.
    """

    _LOGGERS = ("crawler", "spider")

    def __init__(self, *, quiet: bool = False, verbose: int = 0) -> None:
        self._quiet = quiet
        self._level = logging.WARNING if verbose == 0 else logging.INFO if verbose == 1 else logging.DEBUG
        self._rich = None if quiet else _terminal()
        self._rate = _Rate()
        self._has_root = False

    def __enter__(self) -> Self:
        handler = self._handler()
        for name in self._LOGGERS:
            logger = logging.getLogger(name)
            logger.handlers[:] = [handler]
            logger.setLevel(self._level)
            logger.propagate = False
        root = logging.getLogger()
        self._has_root = not root.handlers  # a spider that sets logging up itself is let alone
        if self._has_root:  # the loggers of the spiders' modules, and of libraries
            root.addHandler(handler)
            root.setLevel(self._level)
            logging.captureWarnings(True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for name in self._LOGGERS:
            logger = logging.getLogger(name)
            logger.handlers.clear()
            logger.setLevel(logging.NOTSET)
            logger.propagate = True
        if self._has_root:
            root = logging.getLogger()
            root.handlers.clear()
            root.setLevel(logging.WARNING)
            logging.captureWarnings(False)

    def _handler(self) -> logging.Handler:
        handler: logging.Handler
        if self._rich is not None:
            from rich.logging import RichHandler

            handler = RichHandler(console=self._rich, show_time=False, show_path=False, markup=False, highlighter=None)
        else:
            handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(_LogFormatter("%(message)s" if self._rich is not None else "%(levelname)s %(message)s"))
        return handler

    @asynccontextmanager
    async def watching(self, crawl: Crawl) -> AsyncIterator[None]:
        """Show how *crawl* goes, for as long as the block runs."""
        with tamed(self._rich):
            if self._quiet:
                yield
                return
            show = self._show_plain(crawl) if self._rich is None else self._show_live(crawl, self._rich)
            watching = asyncio.create_task(show)
            try:
                yield
            finally:
                watching.cancel()
                await asyncio.gather(watching, return_exceptions=True)

    async def _show_live(self, crawl: Crawl, terminal: RichConsole) -> None:
        from rich.live import Live
        from rich.text import Text

        with Live(
            console=terminal, auto_refresh=False, transient=True, redirect_stdout=False, redirect_stderr=False
        ) as live:
            terminal.show_cursor()  # a second Ctrl-C ends at once: nobody would show it again
            while True:
                line = Text(one_line(self._line(crawl)), no_wrap=True, overflow="ellipsis")
                live.update(line, refresh=True)
                await asyncio.sleep(_LIVE_SECONDS)

    async def _show_plain(self, crawl: Crawl) -> None:
        while True:
            await asyncio.sleep(_PLAIN_SECONDS)
            self._say(self._line(crawl))

    def _line(self, crawl: Crawl) -> str:
        stats, frontier = crawl.stats, crawl.frontier
        rate = self._rate.of(stats)
        return (
            f"{crawl.spider.name}  {seconds_in_words(stats.seconds)}  pages {stats.pages:,}  items {stats.items:,}  "
            f"{rate:.1f} pages/s  errors {stats.failed:,}  waiting {frontier.waiting:,}  hosts {frontier.hosts:,}"
        )

    def begins(self, name: str, plan: Plan, *, asked: bool) -> None:
        """Before the first request: what is gone on with. *asked* says that --resume was given."""
        if self._quiet:
            return
        if plan.replaced is not None:
            self._say(f"{name} begins anew, in the place of its last job ({describe(plan.replaced)})")
        elif asked and plan.before is None:
            self._say(f"{name} has no job to go on with: a new one begins")
        elif plan.before is not None and plan.is_over:
            self._say_over(name, plan, plan.before)
        elif plan.before is not None:
            self._say(f"{name} goes on ({describe(plan.before)})")
            for change in plan.changes:
                self._say(f"  changed   {change}")
            if "-" in plan.outputs:
                self._say("  note      standard output goes on after the last commit, whatever its reader has had")

    def _say_over(self, name: str, plan: Plan, job: Overview) -> None:
        self._say(f"{name} is complete: {count(job.tally.items, 'item')}, and nothing is left to fetch")
        if job.failed:
            self._say(f"  failed    {count(job.failed, 'URL')}: `crawl retry {name}` lets them wait again")
        for output in plan.outputs:
            if output != "-" and not Path(output).exists():
                self._say(f"  missing   {_shown(output)} is not there any more; --fresh crawls anew")

    def stopping(self, crawl: Crawl, grace: float) -> None:
        """The first Ctrl-C."""
        if not self._quiet:
            leased = crawl.frontier.leased
            running = f": {count(leased, 'page')} still running, at most {grace:g} s" if leased else ""
            self._say(f"stopping{running}; Ctrl-C again ends at once")

    def summarize(self, report: Report, outputs: Sequence[Output], resume: str | None = None) -> None:
        """How it went. Errors are said even if quiet. *resume* is the command that goes on; None if none does."""
        if report.error is not None and not isinstance(report.error, OutputClosed):
            self._say(f"crawl: {report.error}")
            is_damage = isinstance(report.error, StoreError) and report.error.is_damage
            if resume is not None and isinstance(report.error, (SinkError, StoreError)) and not is_damage:
                self._say(f"crawl: what was saved before is whole; `{resume}` goes on when that is mended")
        if self._quiet:
            return
        stats = report.stats
        nothing = report.reason == "complete" and not stats.pages
        self._say(
            f"{'no page succeeded' if nothing else _REASONS[report.reason]} in {seconds_in_words(stats.seconds)}: "
            f"{count(stats.items, 'item')} from {count(stats.pages, 'page')} "
            f"({stats.pages / max(stats.seconds, 1e-6):.1f} pages/s, {bytes_in_words(stats.bytes)})"
        )
        self._say_datasets(outputs[:-1], stats.items)
        self._say_files(stats)
        if stats.cached:
            self._say(f"  cached    {count(stats.cached, 'answer')} out of the HTTP cache")
        self._say_filled(stats)
        self._say_rejects(stats, outputs[-1])
        self._say_failures(stats)
        self._say_skipped(stats)
        if report.waiting:
            then = "the next run begins anew" if resume is None else f"`{resume}` goes on"
            self._say(f"  left      {count(report.waiting, 'request')} not fetched; {then}")
        if report.reason in LIMITS and stats.pages_before and stats.pages == stats.pages_before:
            self._say(f"  limit     {report.reason} was reached before: a higher one lets the crawl go on")
        if nothing and not stats.failed:
            self._say("  why       " + _why_nothing(stats))
        if stats.pages and not (stats.items or stats.rejects):
            self._say("  no items  no callback gave one: do its selectors fit the pages?")

    def _say_filled(self, stats: Stats) -> None:
        for number, line in enumerate(filled_in_words(stats.filled)):
            self._say(f"  {'filled' if number == 0 else '':<9} {line}")

    def _say_datasets(self, outputs: Sequence[Output], emitted: int) -> None:
        for output in outputs:
            self._say(f"  dataset   {_shown(output.name)} ({_size(output, emitted)})")
            comparison = output.comparison if isinstance(output, Dataset) else None
            if comparison is not None and isinstance(output, Dataset):
                found = _changes(output.changes) if output.changes is not None else "not compared: it is not complete"
                self._say(f"  changes   {_shown(str(comparison.changes))} ({found})")

    def _say_files(self, stats: Stats) -> None:
        if not stats.files:
            return
        same = f" ({stats.file_duplicates:,} had the same content)" if stats.file_duplicates else ""
        where = f"{bytes_in_words(stats.file_bytes)} in {_shown(stats.downloads)}/{same}"
        self._say(f"  files     {count(stats.files, 'file')}, {where}")

    def _say_rejects(self, stats: Stats, rejects: Output) -> None:
        for step, times in stats.dropped.most_common():
            self._say(f"  dropped   {count(times, 'item')} by {step}")
        if not stats.rejects:
            return
        where = f" in {_shown(rejects.name)}" if isinstance(rejects, LazySink) else ""
        self._say(f"  rejected  {count(stats.rejects, 'item')}{where}")
        for reason, times in stats.rejected.most_common(5):
            self._say(f"            {times:>6,}  {reason}")

    def _say_failures(self, stats: Stats) -> None:
        if not stats.failed:
            return
        self._say(f"  failed    {count(stats.failed, 'page')}")
        for reason, times in stats.failures.most_common():
            for number, failure in enumerate(stats.examples[reason]):
                shown = f"{times:>6,}  {reason:<18}" if number == 0 else f"{'':>6}  {'':<18}"
                found_on = f"  (on {failure.referrer})" if failure.referrer else ""
                self._say(f"            {shown}  {failure.url}{found_on}")
                if failure.detail and not failure.detail.startswith("answered "):
                    self._say(f"            {'':>6}  {'':<18}  {failure.detail}")

    def _say_skipped(self, stats: Stats) -> None:
        for reason, times in stats.skipped.most_common():
            words = _SKIPPED.get(reason, reason)
            self._say(f"  skipped   {count(times, 'link')} {words}, e.g. {stats.skipped_examples[reason]}")
        if stats.traps:
            kinds = list(stats.traps)
            rest = f" and {len(kinds) - 3:,} more" if len(kinds) > 3 else ""
            self._say(f"  endless   {count(len(kinds), 'kind')} of pages: {', '.join(kinds[:3])}{rest}")

    def _say(self, line: str) -> None:
        if self._rich is None:
            say(one_line(line), err=True)
        else:
            self._rich.print(one_line(line), markup=False, emoji=False, soft_wrap=True)


def _terminal() -> RichConsole | None:
    """Standard error, if it is a terminal that can clear a line. rich is loaded for one alone."""
    if not sys.stderr.isatty():  # a CI that forces colour has no cursor to move
        return None
    from rich.console import Console as RichConsole

    terminal = RichConsole(stderr=True, highlight=False, soft_wrap=True)
    return None if terminal.is_dumb_terminal else terminal


class _Rate:
    """Pages a second over the last few looks."""

    _LOOKS = 15

    def __init__(self) -> None:
        self._looks: list[tuple[float, int]] = []

    def of(self, stats: Stats) -> float:
        self._looks = [*self._looks[-self._LOOKS :], (stats.seconds, stats.pages)]
        (begun, before), (now, pages) = self._looks[0], self._looks[-1]
        return (pages - before) / (now - begun) if now > begun else stats.rate


class _LogFormatter(InertFormatter):
    """What a page or a URL holds must not steer the terminal; and the password of a URL is nobody's to read."""

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        return without_secret(text) if "@" in text else text


def _why_nothing(stats: Stats) -> str:
    if stats.skipped["robots"]:
        return "robots.txt forbids the start URLs (obey_robots = false would not ask it)"
    if stats.skipped["crawl_delay"]:
        return "robots.txt asks for a longer pause than max_crawl_delay"
    if stats.skipped["out_of_scope"]:
        return "the start URLs are outside allowed_hosts"
    return "the spider gave no start URLs"


def _shown(name: str) -> str:
    if name == "-":
        return "standard output"
    shorter = relpath(name)
    return shorter if len(shorter) < len(name) else name


def _size(output: Output, emitted: int) -> str:
    """What there is of *output*, of so many items *emitted*."""
    files = output.files if isinstance(output, Dataset) else [Path(output.name)]
    items = output.items if isinstance(output, Dataset) else None
    words = [count(emitted if items is None else items, "item")]
    if len(files) != 1:
        words[0] += f" in {count(len(files), 'file')}"
    if items is not None and items < emitted:
        words.append(f"{emitted - items:,} of {emitted:,} gave way to others of the same key")
    sizes = [path.stat().st_size for path in files if path.is_file()]
    return ", ".join(words + ([bytes_in_words(sum(sizes))] if sizes else []))


def _changes(counts: Counts) -> str:
    return f"{counts.added:,} added, {counts.changed:,} changed, {counts.gone:,} gone, {counts.same:,} the same"
