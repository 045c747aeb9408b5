"""The outputs of a crawl: from the names that people give to what is written."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import ModuleType
from typing import cast

from crawler.config import Project
from crawler.engine.crawl import Output
from crawler.errors import OutputError
from crawler.export.dataset import Comparison, Dataset, blueprint_of, changes_of, folder_of, must_be_made, whole_name
from crawler.export.formats import FORMATS, Growing, JsonLines, ending_of, format_of
from crawler.export.made import MadeSink
from crawler.export.manifest import Provenance
from crawler.export.remote import is_remote
from crawler.export.rotated import RotatedSink
from crawler.export.sink import ExportOptions, FileSink, LazySink, Mode, StdoutSink, is_special, refuse_existing
from crawler.export.template import Template, escaped
from crawler.export.types import ItemTypes
from crawler.items.keys import keyed_types
from crawler.jobs import Plan, provenance_of
from crawler.spider import Spider

_NOT_THEIRS = frozenset({"crawler", "builtins", *sys.stdlib_module_names})
"""Modules in which nobody defines items."""


@dataclass(frozen=True)
class Wanted:
    """Where a crawl is to write, and what is known of it."""

    names: Sequence[str]
    """What ``-o`` gives; empty for the setting ``output``."""
    spider: type[Spider]
    root: Path
    """The project's folder."""
    options: ExportOptions
    mode: Mode = "new"
    rejects: str = ""
    """The file for rejects, if a job has one already."""
    job: Path | None = None
    """The job's folder, if there is one."""
    spooled: Sequence[str] | None = None
    """The names whose files are made at the end, if a job has decided that already."""
    provenance: Provenance | None = None
    """What the manifests say of the crawl; None for no manifests."""
    update: Path | None = None
    """An earlier dataset, with which the first one is compared."""
    stdout: int = 1
    """The descriptor that ``-`` stands for."""


def wanted_of(plan: Plan, spider: type[Spider], project: Project, stdout: int) -> Wanted:
    """What *plan* says of the outputs of *spider*."""
    return Wanted(
        plan.outputs,
        spider,
        project.root,
        plan.settings.options(ExportOptions),
        plan.mode,
        plan.rejects,
        plan.job.folder if plan.job is not None else None,
        plan.spooled,
        provenance_of(plan, spider),
        plan.update,
        stdout,
    )


def build_outputs(wanted: Wanted) -> list[Output]:
    """A sink for each name. The last one is for rejects.

    :raises OutputError: a file exists already, an ending names no format, or a name cannot be one
    """
    types = ItemTypes(wanted.job)
    usual = _unused(_filled(os.path.join(escaped(str(wanted.root)), wanted.options.output), wanted))
    outputs: list[Output] = []
    datasets: list[Dataset] = []
    for name in _distinct([_filled(name, wanted) for name in wanted.names] or [usual]):
        if name == "-":
            outputs.append(StdoutSink(JsonLines(), wanted.stdout))
        elif not is_remote(name) and is_special(Path(name)):
            outputs.append(FileSink(Path(name), _special(name), wanted.mode, syncs=False))
        else:
            if os.path.isdir(name):
                refuse_existing(Path(name), wanted.mode)  # before one asks for its ending
            has_begun = wanted.spooled is not None  # what it is called was decided then, whatever the settings are now
            whole = name if has_begun else whole_name(name, wanted.options)
            datasets.append(_dataset(whole, wanted, types, is_first=not datasets))
            outputs.append(datasets[-1])
    if wanted.update is not None and not datasets:
        raise OutputError("--update compares files: name one with -o, or leave -o away")
    outputs.append(_rejects(wanted, datasets, usual))
    return outputs


def may_have_keys(spider: type[Spider]) -> bool:
    """Whether *spider* may emit items with keys: whether its modules, or those that they know, define such types."""
    wanted = {item_type.__module__ for item_type in keyed_types()}
    waiting = [cls.__module__ for cls in spider.__mro__]
    seen: set[str] = set()
    while wanted and waiting:
        name = waiting.pop()
        if name in wanted:
            return True
        module = sys.modules.get(name)
        if name in seen or module is None or name.partition(".")[0] in _NOT_THEIRS:
            continue
        seen.add(name)
        for value in list(vars(module).values()):
            of = value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", None)
            if isinstance(of, str):
                waiting.append(of)
    return False


def spooled_names(outputs: Sequence[Output]) -> list[str]:
    """Those of *outputs* whose files are made at the end."""
    return [output.name for output in outputs if isinstance(output, Dataset) and output.is_made]


def _dataset(name: str, wanted: Wanted, types: ItemTypes, *, is_first: bool) -> Dataset:
    options = wanted.options
    syncs = options.durability == "power"
    blueprint = blueprint_of(name, options, wanted.job)
    place = blueprint.place
    is_made = must_be_made(name, blueprint) or may_have_keys(wanted.spider)
    if wanted.spooled is not None:  # a job goes on as it began
        is_made = name in wanted.spooled
    sink: FileSink | RotatedSink | MadeSink
    if is_made:
        is_here = not is_remote(name)
        sink = MadeSink(blueprint, wanted.mode, types.schema, keeps=wanted.job is not None, is_here=is_here)
    elif blueprint.output.is_single:
        refuse_existing(place, wanted.mode)
        sink = FileSink(place, cast(Growing, blueprint.form), wanted.mode, syncs=syncs)
    else:
        form = cast(Growing, blueprint.form)
        sink = RotatedSink(blueprint.output, form, wanted.mode, blueprint.fullness, syncs=syncs)
    return Dataset(
        name,
        sink,
        types,
        blueprint.output,
        wanted.provenance if options.manifest else None,
        Comparison(wanted.update, changes_of(wanted.update, place)) if wanted.update is not None and is_first else None,
        folder_of(name) if is_remote(name) else None,
        mode=wanted.mode,
        syncs=syncs,
    )


def _rejects(wanted: Wanted, datasets: Sequence[Dataset], usual: str) -> LazySink:
    """Beside the first dataset that is here."""
    here = [Path(Template(dataset.name).collective) for dataset in datasets if dataset.remote is None]
    beside = here[0] if here else Path(Template(usual).collective)
    path = Path(wanted.rejects) if wanted.rejects else beside.with_name(f"{_split(beside.name)[0]}.rejects.jsonl")
    refuse_existing(path, "append")  # it may be there, but no directory
    if path.resolve() in [place.resolve() for place in here]:
        raise OutputError(f"-o {path}: that is where the rejects of {beside.name} go; name another file")
    syncs = wanted.options.durability == "power"
    return LazySink(path, JsonLines(), "append" if wanted.mode == "append" else "overwrite", syncs=syncs)


def _special(name: str) -> Growing:
    if ending_of(name) in FORMATS and format_of(name).is_made:
        raise OutputError(
            f"-o {name}: a {ending_of(name)} is made at the end, of a file; a device or a pipe takes JSON lines"
        )
    return JsonLines()


def _distinct(names: Iterable[str]) -> list[str]:
    """One owner for each file, however often it is named."""
    distinct: dict[str, str] = {}
    for name in names:
        distinct.setdefault(name if name == "-" or is_remote(name) else str(Path(name).resolve()), name)
    return list(distinct.values())


def _filled(name: str, wanted: Wanted) -> str:
    """*name*, with what stands for the whole crawl filled in."""
    started = datetime.now().strftime("%Y%m%dT%H%M%S")
    return Template(name).filled(spider=wanted.spider.name, started=started).text


def _unused(name: str) -> str:
    """*name*, or with a number behind it if a crawl began in the same second."""
    number, free = 1, name
    stem, ending = _split(name)
    while Path(Template(free).collective).exists():
        number += 1
        free = f"{stem}-{number}{ending}"
    return free


def _split(name: str) -> tuple[str, str]:
    """*name* without, and the ending that names its format."""
    length = len(name) - len(ending_of(name))
    return name[:length], name[length:]
