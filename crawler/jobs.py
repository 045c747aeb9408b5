"""Which job a run works on: a new one, or one that goes on. Nobody loses an unfinished one by accident."""

from __future__ import annotations

import hashlib
import inspect
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, Literal, NamedTuple
from urllib.parse import quote

import msgspec

from crawler import __version__
from crawler.config import Project, Settings, resolve
from crawler.errors import CrawlerError, JobError, JobUnfinished, UsageError
from crawler.export.sink import ExportOptions, Mode
from crawler.frontier.frontier import FrontierOptions
from crawler.frontier.job import FOLDER, Job, Overview, Spec
from crawler.spider import Spider

Choice = Literal["resume", "fresh"] | None
LIMITS = ("max_pages", "max_items")
TRIAL_PAGES = 1_000
"""A job that stopped at such a limit after no more pages is a trial: the next one takes its place. Four minutes of
polite crawling."""


class Wish(NamedTuple):
    """What the person who starts a run asks for."""

    source: str
    """How the spider is named: ``books``, ``spiders/books.py``."""
    args: Mapping[str, Any]  # Any: what the spider's constructor takes
    sets: Mapping[str, Any]  # Any: as ``--set`` or a call gives it
    outputs: tuple[str, ...] = ()
    mode: Mode = "new"
    choice: Choice = None
    folder: Path | None = None
    """None for the usual one, beside config.toml."""
    are_text: bool = True
    """Whether the values of *sets* are strings."""
    keeps: bool = True
    """Whether there is a job at all, unless the settings say otherwise."""


class Plan(msgspec.Struct):
    """What a run is going to do."""

    args: dict[str, Any]  # Any: what the spider's constructor takes
    settings: Settings
    outputs: tuple[str, ...]
    mode: Mode
    job: Job | None = None
    """None if nothing is kept."""
    spec: Spec | None = None
    before: Overview | None = None
    """The job that goes on; None for a new one."""
    changes: list[str] = []
    """What is not as it was when that job last ran."""
    rejects: str = ""
    replaced: Overview | None = None
    """A trial whose state the new job takes the place of."""
    is_begun: bool = False

    @property
    def is_resumed(self) -> bool:
        return self.before is not None

    @property
    def is_over(self) -> bool:
        """Whether the job that is to go on has nothing left to do."""
        return self.before is not None and self.before.is_complete

    def begin(self, spider: Spider, outputs: list[str], rejects: str) -> None:
        """Write down what the job is, when nothing can be wrong with it any more.

        :raises StoreError: it cannot be written
        """
        if self.job is None or self.spec is None:
            return
        self.spec.outputs, self.spec.rejects = outputs, rejects
        self.spec.allowed_hosts = [str(host) for host in spider.allowed_hosts or ()]
        syncs = self.settings.options(ExportOptions).durability == "power"
        if self.is_resumed:
            self.job.resume(self.spec, syncs=syncs)
        else:
            self.job.create(self.spec, syncs=syncs)
        self.is_begun = True


@contextmanager
def planned(project: Project, spider: type[Spider], wish: Wish) -> Iterator[Plan]:
    """Decide what a run does, and hold its job's lock meanwhile.

    :raises UsageError: a setting is wrong, the job is in use, or it is unfinished and *wish* does not say what is to
        become of it
    :raises StoreError: the job cannot be read
    """
    settings = _resolved(project, spider, wish, wish.sets)
    keeps = wish.keeps and settings.options(FrontierOptions).store != "memory"
    if not keeps and (wish.choice or wish.folder):
        raise UsageError("this crawl keeps no state that could be gone on with: set store=sqlite, and name an output")
    job = Job(wish.folder or folder_of(project, spider.name)) if keeps else None
    with job.locked() if job is not None else nullcontext():
        found = _found(job, spider, wish) if job is not None else None
        before = found if wish.choice == "resume" else None
        plan = Plan(dict(wish.args), settings, wish.outputs, wish.mode, job)
        if before is not None:
            _go_on(plan, before, project, spider, wish)
        elif found is not None and not found.is_complete and found.has_outcomes:
            plan.replaced = found
        if job is not None:
            sets = dict(wish.sets) if before is None else {**_remembered(before), **wish.sets}
            plan.spec = _spec(spider, wish, plan, sets)
            if before is not None:
                plan.spec.started = before.spec.started
                plan.changes = list(_changes(before.spec, plan.spec))
        try:
            yield plan
        except CrawlerError:  # nothing was fetched: a job that begins has not begun
            if before is None and plan.is_begun:
                _take_back(plan)
            raise


def _take_back(plan: Plan) -> None:
    """Leave nothing of a job that did not begin: neither its state, nor the empty files that were made for it."""
    assert plan.job is not None
    assert plan.spec is not None
    plan.job.discard()
    if plan.mode == "new":  # else they were there before
        for path in map(Path, plan.spec.outputs):
            if path.is_file() and not path.stat().st_size:
                path.unlink()


def folder_of(project: Project, name: str) -> Path:
    """Where the job of the spider *name* is kept."""
    return project.root / FOLDER / quote(name, safe=" ")


def resume_command(source: str, folder: Path | None) -> str:
    """What to type to go on."""
    return f"crawl {source} --resume" + (f" --job {folder}" if folder else "")


def _resolved(project: Project, spider: type[Spider], wish: Wish, sets: Mapping[str, Any]) -> Settings:
    return resolve(project, spider, sets, overrides_are_text=wish.are_text)


def _found(job: Job, spider: type[Spider], wish: Wish) -> Overview | None:
    """The job that is there and may go on or be replaced, as *wish* says; None if there is none, or nobody cares."""
    if wish.choice == "fresh" or not job.exists():
        return None
    anew = f"crawl {wish.source} --fresh" + (f" --job {wish.folder}" if wish.folder else "")
    before = job.overview(is_mine=True)
    if before.spec.spider != spider.name:
        raise JobError(f"{job.folder} holds a job of the spider {before.spec.spider!r}: name another folder")
    if wish.choice == "resume" or before.is_complete or not before.has_outcomes or _is_trial(before):
        return before
    if wish.outputs:
        anew += "".join(f" -o {name}" for name in wish.outputs) + " --overwrite"
    raise JobUnfinished(
        f"{spider.name} has an unfinished job ({describe(before)}):\n"
        f"  {resume_command(wish.source, wish.folder):<32} goes on with it\n"
        f"  {anew:<32} gives it up and begins anew"
    )


def _is_trial(job: Overview) -> bool:
    """Whether it stopped where it was told to, be it by ``| head``, before it was worth much."""
    return job.state in (*LIMITS, "output_closed") and job.tally.pages <= TRIAL_PAGES


def describe(job: Overview) -> str:
    """``stopped at max_pages; 60 pages, 58 items, 37 requests wait``."""
    return f"{STATES.get(job.state, job.state)}; {job.tally.pages:,} pages, {job.tally.items:,} items, {job.waiting:,} requests wait"


STATES = {
    "running": "running",
    "died": "died",
    "complete": "complete",
    "interrupted": "interrupted",
    "max_pages": "stopped at max_pages",
    "max_items": "stopped at max_items",
    "max_errors": "too many errors",
    "output_closed": "its reader went away",
    "output_failed": "an output could not be written",
    "store_failed": "its state could not be kept",
    "spider_failed": "start() raised",
    "defect": "a defect in crawler",
    "retry": "failures to be retried",
}
"""A job's state, in words."""


def _go_on(plan: Plan, before: Overview, project: Project, spider: type[Spider], wish: Wish) -> None:
    spec = before.spec
    given = tuple(_absolute(name) for name in wish.outputs)
    if given and {*given} != {_absolute(name) for name in spec.outputs}:
        there = " ".join(f"-o {name}" for name in spec.outputs)
        raise UsageError(f"this job writes to {there}: a resume goes on there, and no -o is needed")
    plan.before = before
    plan.args = {**spec.args, **wish.args}
    plan.outputs, plan.rejects = tuple(spec.outputs), spec.rejects
    plan.mode = "append" if spec.appends else "overwrite"
    plan.settings = _resolved(project, spider, wish, {**_remembered(before), **wish.sets})


def _remembered(before: Overview) -> dict[str, Any]:
    """The settings that the job was started with; but a limit that it reached is not set again."""
    return {name: value for name, value in before.spec.sets.items() if not (name in LIMITS and name == before.state)}


def _spec(spider: type[Spider], wish: Wish, plan: Plan, sets: Mapping[str, Any]) -> Spec:
    try:
        args, kept = msgspec.to_builtins((plan.args, dict(sets)))
        msgspec.json.encode((args, kept))
    except (TypeError, ValueError, OverflowError) as error:
        raise UsageError(f"a job writes its arguments down, and one of these is no plain data: {error}") from error
    return Spec(
        spider=spider.name,
        source=wish.source,
        args=args,
        sets=kept,
        settings=msgspec.to_builtins(dict(plan.settings.values)),
        appends=plan.mode == "append",
        code=_code(spider),
        version=__version__,
        started=time.time(),
    )


def _changes(old: Spec, new: Spec) -> Iterator[str]:
    if old.code != new.code:
        yield "the spider's file"
    for title, before, after in (("-a ", old.args, new.args), ("", old.settings, new.settings)):
        for name in sorted(before.keys() | after.keys()):
            if before.get(name) != after.get(name):
                yield f"{title}{name}: {_shown(before.get(name))} -> {_shown(after.get(name))}"
    if old.version != new.version:
        yield f"crawler {old.version} -> {new.version}"


def _shown(value: object) -> str:
    return "unset" if value is None else str(value)


def _code(spider: type[Spider]) -> str:
    try:
        file = inspect.getsourcefile(spider)
        return hashlib.sha256(Path(file).read_bytes()).hexdigest() if file else ""
    except (TypeError, OSError):  # typed into a prompt
        return ""


def _absolute(name: str) -> str:
    return name if name == "-" else str(Path(name).resolve())
