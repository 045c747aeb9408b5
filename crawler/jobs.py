"""Which job a run works on: a new one, or one that goes on. Nobody loses an unfinished one by accident."""

from __future__ import annotations

import hashlib
import inspect
import os
import secrets
import shlex
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import replace
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any, Literal, NamedTuple
from urllib.parse import quote

import msgspec

from crawler import __version__
from crawler.config import Project, Settings, resolve
from crawler.errors import CrawlerError, JobError, JobUnfinished, OutputError, StoreError, UsageError
from crawler.export.dataset import blueprint_of, whole_name
from crawler.export.formats import FORMATS, ending_of, format_of
from crawler.export.made import earlier_files, is_made, make
from crawler.export.manifest import Provenance, manifest_path
from crawler.export.manifest import read as read_manifest
from crawler.export.remote import is_remote
from crawler.export.rotated import files_of, is_rotated, place_of
from crawler.export.sink import ExportOptions, Mode
from crawler.export.spool import discard_spools, spool_of
from crawler.export.template import Template
from crawler.frontier.frontier import FrontierOptions
from crawler.frontier.job import FOLDER, Job, Overview, Spec, jobs_in
from crawler.http.credentials import concealed
from crawler.http.filename import is_plain
from crawler.request import legible, plain
from crawler.spider import Spider
from crawler.urls.canonical import DEFAULT_STEPS

Choice = Literal["resume", "fresh"] | None
LIMITS = ("max_pages", "max_items")
_TORN = frozenset({"died", "output_failed", "output_closed", "store_failed", "defect"})
"""States in which an output may have more than was committed: the last group was written to some, not to all."""
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
    update: Path | None = None
    """An earlier dataset, with which the new one is to be compared."""
    words: tuple[str, ...] = ()
    """What *args* were told by on the command line, where that is not ``-a``."""


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
    spooled: list[str] | None = None
    """The outputs whose files are made at the end, if the job has decided that already."""
    update: Path | None = None
    """An earlier dataset, with which the new one is compared."""
    command: str = ""
    """What to type to go on with the job."""
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

    @property
    def was_in_vain(self) -> bool:
        """Whether the job that is over gave nothing."""
        tally = self.before.tally if self.before is not None else None
        return tally is not None and (not tally.pages or (tally.rejects > 0 and not tally.items))

    def begin(self, spider: Spider, outputs: list[str], spooled: list[str], rejects: str) -> None:
        """Write down what the job is, when nothing can be wrong with it any more.

        :param spooled: those of *outputs* whose files are made at the end
        :raises StoreError: it cannot be written
        """
        if self.job is None or self.spec is None:
            return
        self.spec.outputs, self.spec.spooled, self.spec.rejects = outputs, spooled, rejects
        hosts = spider.allowed_hosts or getattr(spider, "allowed_domains", ())
        self.spec.allowed_hosts = [str(host) for host in hosts or ()]
        syncs = self.settings.options(ExportOptions).durability == "power"
        if self.replaced is not None:
            _end_whole(self.replaced, syncs=syncs)
        if self.is_resumed:
            self.job.resume(self.spec, syncs=syncs)
        else:
            self.job.create(self.spec, syncs=syncs)
            discard_spools(self.job.folder)
        self.is_begun = True


@contextmanager
def planned(project: Project, spider: type[Spider], wish: Wish) -> Iterator[Plan]:
    """Decide what a run does, and hold its job's lock meanwhile.

    :raises UsageError: a setting is wrong, the job is in use, or it is unfinished and *wish* does not say what is to
        become of it
    :raises StoreError: the job cannot be read
    """
    _check_names(spider, wish)
    settings = _resolved(project, spider, wish, wish.sets)
    keeps = wish.keeps and settings.options(FrontierOptions).store != "memory"
    if not keeps and (wish.choice or wish.folder):
        raise UsageError("this crawl keeps no state that could be gone on with: set store=sqlite, and name an output")
    job = Job(wish.folder or folder_of(project, spider.name)) if keeps else None
    with job.locked() if job is not None else nullcontext():
        found = _found(job, spider, wish) if job is not None else None
        before = found if wish.choice == "resume" else None
        plan = Plan(dict(wish.args), settings, wish.outputs, wish.mode, job, update=wish.update)
        plan.command = resume_command(wish.source, wish.folder)
        if before is not None:
            _go_on(plan, before, project, spider, wish)
        elif found is not None and not found.is_complete and (found.has_outcomes or found.state in _TORN):
            plan.replaced = found
        if job is not None:
            names = {*wish.sets} | ({*_remembered(before)} if before is not None else set())
            plan.spec = _spec(spider, wish, plan, names)
            if before is not None:
                plan.spec.started, plan.spec.id = before.spec.started, before.spec.id
                _check_identity(before.spec, plan.spec, wish)
                plan.changes = list(_changes(before.spec, plan.spec))
        try:
            yield plan
        except CrawlerError:  # nothing was fetched: a job that begins has not begun, one that goes on has not gone on
            if plan.is_begun:
                _take_back(plan)
            raise


def _take_back(plan: Plan) -> None:
    """Leave nothing of a job that did not begin: neither its state, nor the empty files that were made for it. One that
    did not go on is left as it was.
    """
    assert plan.job is not None
    assert plan.spec is not None
    if plan.before is not None:
        with suppress(StoreError):  # the same disk, most likely: the error that is told came first
            plan.job.take_back(plan.before)
        return
    plan.job.discard()
    discard_spools(plan.job.folder)
    if plan.mode == "new":  # else they were there before
        for output in (Template(name) for name in plan.spec.outputs if name != "-" and not is_remote(name)):
            path = Path(output.path("", {}, 1) if is_rotated(output) else output.plain if output.is_single else "")
            if path.is_file() and not path.stat().st_size:
                path.unlink()


def _check_names(spider: type[Spider], wish: Wish) -> None:
    """A spider's name becomes that of its dataset and of its job's folder, here and on whatever system they are taken to.

    :raises UsageError: it cannot, or a dataset's name is none
    """
    for name in wish.outputs:
        if name != legible(name):
            raise UsageError(f"-o {legible(name)}: this name is no UTF-8 text, as the name of a dataset must be")
    if wish.keeps and not is_plain(spider.name):
        name = spider.name if len(spider.name) <= 100 else f"{spider.name[:97]}..."
        raise UsageError(
            f"{spider.__name__}.name is {name!r}, and files cannot be called so on every system: give it another, of at "
            'most 150 bytes, without / and \\ and <>:"|?* and control characters, that begins with a letter or digit'
        )


def folder_of(project: Project, name: str) -> Path:
    """Where the job of the spider *name* is kept."""
    quoted = quote(name, safe=" ")
    return project.root / FOLDER / (quoted if quoted.strip(".") else quoted.replace(".", "%2E") or "%")


def resume_command(source: str, folder: Path | None) -> str:
    """What to type to go on with the job in *folder*; None stands for the usual place."""
    return shlex.join(["crawl", source, "--resume", *(["--job", str(folder)] if folder else [])])


def command_of(job: Overview, project: Project) -> str:
    """What to type to go on with *job*."""
    is_usual = job.folder.resolve() == folder_of(project, job.spec.spider).resolve()
    return resume_command(job.spec.source, None if is_usual else job.folder)


def _fresh_command(wish: Wish) -> str:
    """What the person typed, with ``--fresh``."""
    words = ["crawl", wish.source, "--fresh"]
    words += ["--job", str(wish.folder)] if wish.folder else []
    words += [word for name in wish.outputs for word in ("-o", name)]
    words += [f"--{wish.mode}"] if wish.mode != "new" else []
    words += ["--update", str(wish.update)] if wish.update else []
    words += wish.words or [word for name, value in wish.args.items() for word in ("-a", f"{name}={value}")]
    words += [word for name, value in wish.sets.items() for word in ("--set", f"{name}={concealed(name, value)}")]
    return shlex.join(words)


def _resolved(project: Project, spider: type[Spider], wish: Wish, sets: Mapping[str, Any]) -> Settings:
    return resolve(project, spider, sets, overrides_are_text=wish.are_text)


def _found(job: Job, spider: type[Spider], wish: Wish) -> Overview | None:
    """The job that is there and may go on or be replaced, as *wish* says; None if there is none, or nobody cares."""
    if not job.exists():
        return None
    try:
        before = job.overview(is_mine=True)
    except StoreError:
        if wish.choice == "fresh":
            return None
        raise
    before.spec.spooled = _spooled(before.spec)
    if before.spec.spider != spider.name:
        raise JobError(f"{job.folder} holds a job of the spider {before.spec.spider!r}: name another folder")
    if wish.choice or before.is_complete or not before.has_outcomes or _is_trial(before):
        return before
    goes_on, anew = resume_command(wish.source, wish.folder), _fresh_command(wish)
    width = max(len(goes_on), len(anew))
    raise JobUnfinished(
        f"{spider.name} has an unfinished job ({describe(before)}):\n"
        f"  {goes_on:<{width}}  goes on with it\n"
        f"  {anew:<{width}}  gives it up and begins anew; its dataset stays as it is"
    )


def _spooled(spec: Spec) -> list[str]:
    """The outputs of a job whose files are made at the end. Of a job of an earlier version, the formats tell."""
    if spec.spooled is not None:
        return spec.spooled
    return [name for name in spec.outputs if ending_of(name) in FORMATS and format_of(name).is_made]


def _is_trial(job: Overview) -> bool:
    """Whether it stopped where it was told to, be it by ``| head``, before it was worth much."""
    return job.state in (*LIMITS, "output_closed") and job.tally.pages <= TRIAL_PAGES


def describe(job: Overview) -> str:
    """``stopped at max_pages; 60 pages, 58 items, 37 requests waiting``."""
    numbers = (job.tally.pages, "page"), (job.tally.items, "item"), (job.waiting, "request")
    counted = ", ".join(f"{number:,} {noun}{'' if number == 1 else 's'}" for number, noun in numbers)
    return f"{STATES.get(job.state, job.state)}; {counted} waiting"


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
    options = _export_options(spec)
    given = tuple(_absolute(whole_name(name, options)) for name in wish.outputs)
    if given and {*given} != {_absolute(name) for name in spec.outputs}:
        there = ", ".join("standard output" if name == "-" else name for name in spec.outputs)
        raise UsageError(
            f"this job writes to {there}, and a resume goes on there: leave -o away, or begin with --fresh"
        )
    plan.before = before
    plan.args = {**spec.args, **wish.args}
    plan.outputs, plan.rejects, plan.spooled = tuple(spec.outputs), spec.rejects, spec.spooled
    if plan.update is None and spec.update:
        plan.update = Path(spec.update)
    plan.mode = "append" if spec.appends else "overwrite"
    if missing := [name for name in spec.withheld if name not in wish.sets]:
        given_so = "--set {}=… again" if wish.are_text else "{} in settings= again"
        raise UsageError(
            f"this job was started with {' and '.join(missing)}, whose secrets are not written down: give "
            + ", ".join(given_so.format(name) for name in missing)
            + ". With ${NAME}, a variable of the environment, in the place of the secret it is remembered"
        )
    remembered = _remembered(before)
    if wish.are_text:
        remembered = {name: _as_text(value) for name, value in remembered.items()}
    plan.settings = _resolved(project, spider, wish, {**remembered, **wish.sets})
    plan.command = command_of(before, project)
    _refuse_longer(before)


def _end_whole(given_up: Overview, *, syncs: bool) -> None:
    """What a job that died wrote after its last commit may be half a record: its datasets end with a whole one. Tables
    that it did not come to make are made.

    :raises OutputError: a table cannot be written
    """
    if given_up.state in _TORN:
        for path, position, _, owner in _longer(given_up):
            if not owner:
                os.truncate(path, position)
    options = _export_options(given_up.spec)
    for name in _spooled(given_up.spec):
        if is_remote(name) or name not in given_up.positions:
            continue  # what goes elsewhere goes there when its crawl ends, or not at all
        blueprint = replace(
            blueprint_of(name, options, given_up.folder, (*given_up.spec.outputs, given_up.spec.rejects)), syncs=syncs
        )
        if not is_made(earlier_files(blueprint), blueprint.spool):
            make(blueprint)


def _export_options(spec: Spec) -> ExportOptions:
    """Those by which a job's datasets are called and made."""
    settings = spec.settings
    return ExportOptions(
        csv_safe=bool(settings.get("csv_safe", True)),
        rotate_items=settings.get("rotate_items"),
        rotate_bytes=settings.get("rotate_bytes"),
    )


def _refuse_longer(before: Overview) -> None:
    """A job that came to its end has written nothing after that: what is there now is somebody else's. So is a dataset
    that another crawl has written since.

    :raises JobError: an output is longer than the job left it
    """
    for path, position, size, owner in _longer(before):
        if owner or before.state not in _TORN:
            since = f", which {owner} has written since," if owner else ""
            raise JobError(
                f"{path}{since} is {size - position} bytes longer than this job left it, and a resume would cut them off: "
                "take them out, or begin a new job with --fresh"
            )


class _Longer(NamedTuple):
    """An output that has more than its job committed."""

    path: Path
    position: int
    """Bytes that were committed."""
    size: int
    """Bytes that there are."""
    owner: str
    """Who has written it since, if it is not that job's any more; else empty."""


def _longer(job: Overview) -> Iterator[_Longer]:
    spooled = _spooled(job.spec)
    for name, position in job.positions.items():
        longer: list[tuple[Path, int]] = []
        if name in spooled:
            path = spool_of(name, job.folder)
        elif name in job.spec.outputs and name != "-" and is_rotated(output := Template(name)):
            try:
                number, path, position = place_of(output, position)
            except OutputError:
                continue  # some of it is gone, which a resume is told when it opens it
            longer += [(later, 0) for later in islice(files_of(output), number, None)]
        else:
            path = Path(name)
        if name != "-" and path.is_file() and path.stat().st_size > position:
            longer.append((path, position))
        owner = _owner_since(name, job) if longer and name not in spooled else ""
        for each, committed in longer:
            yield _Longer(each, committed, each.stat().st_size, owner)


def _owner_since(output: str, job: Overview) -> str:
    """Who has written *output* since *job* did: another job beside it, or the one that the manifest names."""
    if job.folder.parent.name == FOLDER:
        for other in jobs_in(job.folder.parent.parent):
            if other.folder == job.folder:
                continue
            with suppress(StoreError):
                spec = other.overview().spec
                if spec.started > job.spec.started and output in (*spec.outputs, spec.rejects):
                    return f"the crawl of {spec.spider}"
    path = manifest_path(Path(output))
    with suppress(OSError, OutputError):  # there is none, or none that can be read
        if path.stat().st_mtime > job.spec.started and (told := read_manifest(path)).job not in ("", job.spec.id):
            return f"a crawl of {told.spider}"
    return ""


def _remembered(before: Overview) -> dict[str, Any]:
    """The settings that the job was started with; but a limit that it reached is not set again."""
    reached = {"max_pages": before.tally.pages, "max_items": before.tally.items}
    return {
        name: value
        for name, value in before.spec.sets.items()
        if not (name in LIMITS and value is not None and reached[name] >= value)
    }


def _as_text(value: Any) -> str:  # Any: plain data
    """*value* as ``--set`` takes it."""
    if value is None:
        return "unset"
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _spec(spider: type[Spider], wish: Wish, plan: Plan, names: Iterable[str]) -> Spec:
    """*names* are those of the settings that this job was given."""
    try:
        args = {name: plain(value, name) for name, value in plan.args.items()}
    except (TypeError, ValueError) as error:
        raise UsageError(f"a job writes its arguments down: {error}") from error
    settings = msgspec.json.decode(msgspec.json.encode(dict(plan.settings.values)))  # as it is read back: no tuples
    shown = {name: concealed(name, value) for name, value in settings.items()}
    known = [name for name in names if name in settings]
    return Spec(
        spider=spider.name,
        source=wish.source,
        args=args,
        sets={name: settings[name] for name in known if shown[name] == settings[name]},
        withheld=sorted(name for name in known if shown[name] != settings[name]),
        settings=shown,
        appends=plan.mode == "append",
        update=_absolute(str(plan.update)) if plan.update is not None else "",
        id=secrets.token_hex(8),
        code=_code(spider),
        version=__version__,
        started=time.time(),
    )


def _check_identity(old: Spec, new: Spec, wish: Wish) -> None:
    """URL-seen is made of canonical forms: other ones, and every page would come a second time.

    :raises JobError: the steps are not those that the job began with
    """
    before, now = (list(spec.settings.get("canonicalization", DEFAULT_STEPS)) for spec in (old, new))
    if before != now:
        raise JobError(
            f"the job of {new.spider} began with canonicalization = {before}, and now it is {now}: what it has crawled "
            f"would be crawled again. Put it back, or begin anew: {_fresh_command(wish)}"
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
    return name if name == "-" or is_remote(name) else str(Path(name).resolve())


def provenance_of(plan: Plan, spider: type[Spider]) -> Provenance:
    """What the manifests of its datasets say of a run."""
    settings = {name: concealed(name, value) for name, value in plan.settings.values.items()}
    spec = plan.spec
    return Provenance(
        dataset=spider.name,
        spider=spider.name,
        code=_code(spider),
        settings=msgspec.json.decode(msgspec.json.encode(settings)),
        args={name: value if isinstance(value, str) else repr(value) for name, value in plan.args.items()},
        crawler=__version__,
        started=datetime.fromtimestamp(spec.started if spec is not None else time.time(), UTC).isoformat(
            timespec="seconds"
        ),
        job=spec.id if spec is not None else "",
    )
