"""``crawl SPIDER``: run a spider."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import click

from crawler.api import run_loop, stopped_by_signals
from crawler.assemble import crawl_of
from crawler.cli.main import COMMANDS, COMPLETE, FAILURES, INTERRUPTED, LIMIT, NOTHING_WORKED
from crawler.cli.text import one_line, say
from crawler.config import Project, find_project, read_pairs
from crawler.discovery import Found, by_name, from_path
from crawler.engine.crawl import Report, SpiderFailed
from crawler.errors import SpiderNotFound, UsageError
from crawler.export.sink import Mode
from crawler.jobs import Choice, Plan, Wish, planned
from crawler.spider import Spider

_WENT_WRONG = ("max_errors", "spider_failed", "output_failed", "store_failed", "defect")
_JOB_OPTIONS = (
    click.option("--resume", is_flag=True, help="Go on with the job where it ended, however it ended."),
    click.option("--fresh", is_flag=True, help="Give up an unfinished job and begin anew."),
    click.option(
        "--job",
        type=click.Path(file_okay=False, path_type=Path),
        metavar="DIR",
        help="Where the crawl's state is kept, other than .crawl/SPIDER.",
    ),
)
C = TypeVar("C", bound=Callable[..., Any])

_OPTIONS = (
    click.option(
        "-o",
        "--output",
        "outputs",
        multiple=True,
        metavar="FILE",
        help="Where items go; the ending names the format (.jsonl, .json, .csv, .xml, .parquet, .sqlite; .gz and .zst "
        "behind it), - is standard output, s3://… an object store. {item} and {FIELD} make a file of each type and value. "
        "Repeatable. Without it: datasets/{spider}-{started}.jsonl.",
    ),
    click.option("-a", "args", multiple=True, metavar="KEY=VALUE", help="An argument for the spider. Repeatable."),
    click.option(
        "--set",
        "sets",
        multiple=True,
        metavar="KEY=VALUE",
        help="A setting, as in --set delay=1; `crawl settings` shows them all. Repeatable.",
    ),
    click.option("--overwrite", is_flag=True, help="Replace an output that exists."),
    click.option("--append", is_flag=True, help="Add to an output that exists."),
    click.option(
        "--update",
        type=click.Path(dir_okay=False, path_type=Path),
        metavar="OLD",
        help="Compare with an earlier dataset: what was added, changed and gone is written to FILE.changes.jsonl.",
    ),
    click.option("--max-pages", type=click.IntRange(1), metavar="N", help="Stop after so many pages."),
    click.option("--max-items", type=click.IntRange(1), metavar="N", help="Stop after so many items."),
    click.option("--strict", is_flag=True, help="Exit with 4 if any page failed, or any item its type."),
    click.option("-q", "--quiet", is_flag=True, help="Say nothing but errors."),
    click.option("-v", "--verbose", count=True, help="Log each failure (-v), or everything (-vv)."),
)


class UsageLine(click.Command):
    """Its usage line is ``crawl SPIDER [OPTIONS]``: the argument stands where others have the command's name."""

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        return [self.options_metavar or ""]


class RunOptions(NamedTuple):
    """What :func:`run_options` gives to a command, by the names that click has for them."""

    outputs: Sequence[str]
    args: Sequence[str]
    sets: Sequence[str]
    overwrite: bool
    append: bool
    update: Path | None
    max_pages: int | None
    max_items: int | None
    strict: bool
    quiet: bool
    verbose: int
    resume: bool = False
    fresh: bool = False
    job: Path | None = None

    @property
    def choice(self) -> Choice:
        """
        :raises UsageError: two options exclude each other
        """
        if self.resume and self.fresh:
            raise UsageError("--resume and --fresh exclude each other")
        if self.resume and (self.overwrite or self.append):
            raise UsageError("--resume goes on in the job's own outputs: leave --overwrite and --append away")
        return "resume" if self.resume else "fresh" if self.fresh else None

    @property
    def mode(self) -> Mode:
        """
        :raises UsageError: two options exclude each other
        """
        if self.overwrite and self.append:
            raise UsageError("--overwrite and --append exclude each other")
        return "overwrite" if self.overwrite else "append" if self.append else "new"


def run_options(function: C) -> C:
    """The options that every run has, the demo's too."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def job_options(function: C) -> C:
    """The options of a run that keeps its state."""
    for option in reversed(_JOB_OPTIONS):
        function = option(function)
    return function


@click.command("SPIDER", cls=UsageLine)
@click.argument("spider")
@run_options
@job_options
def command(spider: str, **given: Any) -> int:  # Any: as click gives them
    """Run SPIDER: the name of a spider in the project, file.py, or file.py:Class."""
    options = RunOptions(**given)
    project = find_project(Path.cwd())
    with standard_output(options.outputs) as stdout:
        found = find_spider(spider, project)
        return run_spider(found.spider, read_pairs(options.args, "-a"), project, options, stdout, source=spider)


def find_spider(text: str, project: Project) -> Found:
    """
    :raises SpiderNotFound: there is none of that name, or its name is a command's
    """
    if text in COMMANDS:
        raise SpiderNotFound(f"{text!r} is a command, and its word comes first: crawl {text} ...")
    if text.endswith(".py") or ".py:" in text:
        found = from_path(text, project.root)
    else:
        found = by_name(text, project.spider_folders, project.root, COMMANDS)
    if found.spider.name in COMMANDS:
        raise SpiderNotFound(f"{found.file}: the name {found.spider.name!r} is a command's; give the spider another")
    return found


@contextmanager
def standard_output(outputs: Sequence[str]) -> Iterator[int]:
    """The descriptor for data. With ``-o -`` it is theirs alone: what else writes to standard output, be it a print()
    in a spider, in a parse process, or a program that it starts, writes to standard error.
    """
    if "-" not in outputs:
        yield 1
        return
    if sys.stdout is None:
        raise UsageError("-o - writes to standard output, which is closed here")
    sys.stdout.flush()
    data = os.dup(1)
    os.dup2(2, 1)
    try:
        with redirect_stdout(sys.stderr):  # at once, where standard output would be written in blocks
            yield data
    finally:
        os.dup2(data, 1)
        os.close(data)


def run_spider(
    spider_type: type[Spider],
    args: Mapping[str, Any],  # Any: what its constructor takes
    project: Project,
    options: RunOptions,
    stdout: int = 1,
    *,
    source: str = "",
    words: tuple[str, ...] = (),
) -> int:
    """Run a spider as the command line says; the exit code.

    :param source: how the spider was named; without one the crawl leaves no state
    :param words: what *args* were told by, where that is not ``-a``
    """
    from crawler.cli.console import Console  # rich takes a while to load: errors need not wait for it

    limits = {"max_pages": options.max_pages, "max_items": options.max_items}
    given = {name: str(value) for name, value in limits.items() if value}
    sets = {**read_pairs(options.sets, "--set"), **given}
    wish = Wish(
        source,
        args,
        sets,
        tuple(options.outputs),
        options.mode,
        options.choice,
        options.job,
        keeps=bool(source),
        words=words,
        update=options.update,
    )

    async def whole(console: Console, plan: Plan) -> Report:
        crawl, sinks = crawl_of(plan, spider_type, project, stdout=stdout)
        console.begins(spider_type.name, plan, asked=options.resume)
        with stopped_by_signals(crawl, console.stopping):
            async with console.watching(crawl):
                report = await crawl.run()
        console.summarize(report, sinks, plan.command if plan.job is not None else None)
        return report

    try:
        with (
            planned(project, spider_type, wish) as plan,
            Console(quiet=options.quiet, verbose=options.verbose) as console,
        ):
            if plan.is_over:
                console.begins(spider_type.name, plan, asked=options.resume)
                return NOTHING_WORKED if plan.was_in_vain else COMPLETE
            report = run_loop(lambda: whole(console, plan))
    except SpiderFailed as error:
        say(error.trace.rstrip(), err=True)
        say(one_line(f"crawl: {error}"), err=True)
        return NOTHING_WORKED
    return exit_code(report, strict=options.strict)


def exit_code(report: Report, *, strict: bool) -> int:
    """How the crawl ended, as one number."""
    if report.reason == "interrupted":
        return INTERRUPTED
    stats = report.stats
    if report.reason in _WENT_WRONG or not stats.pages or (stats.rejects and not stats.items):
        return NOTHING_WORKED
    if strict and (stats.failed or stats.rejects):
        return FAILURES
    return COMPLETE if report.reason == "complete" else LIMIT
