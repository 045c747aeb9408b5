"""``crawl dataset``: what is in a dataset, and whether it is as its manifest says."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import click
import msgspec

from crawler.cli.main import COMPLETE
from crawler.cli.text import bytes_in_words, count, one_line, say, say_json
from crawler.errors import OutputError
from crawler.export import manifest as manifests
from crawler.export.formats import FORMATS
from crawler.export.manifest import SUFFIX, Manifest
from crawler.export.read import is_dataset
from crawler.export.statistics import Column, Range, Statistics, flat
from crawler.export.survey import FileFacts, Survey

PROBLEMS = 1
"""The dataset is not what its manifest says."""
_MOST_ROWS = 200
"""Fields that are shown. More are for --json."""
_WIDEST_NAME = 28
_WIDEST_VALUE = 24
_COMMONEST = 4
_OFTEN = 0.02
"""Values that are rarer are not shown among the commonest ones."""
_MOST_FILES = 10
_WIDTH = 80
"""Columns of a terminal that everybody has."""
_BETWEEN = "  "


class Found(NamedTuple):
    """A dataset, as it was named on the command line."""

    manifest: Manifest | None
    folder: Path
    """What the paths of its files are relative to."""
    files: list[Path]
    """Those of a dataset without a manifest."""


@click.command("dataset")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--sample", default=3, show_default=True, type=click.IntRange(0, 10_000), metavar="N", help="Show N items."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object, with everything that is known.")
def command(file: Path, sample: int, as_json: bool) -> int:
    """Show what is in a dataset, and check it against its manifest.

    FILE is a dataset, its manifest, or a folder. Every file is read: its size, its SHA-256, its number of items and
    whether they fit their schema must be as the manifest says. The sample is drawn from all items, and the same each time.

    Exit codes: 0 all is well, 1 something is not as the manifest says, 2 it cannot be read.
    """
    found = _find(file)
    if found.manifest is not None:
        problems, survey = manifests.survey_for(found.manifest, is_deep=True, sample=sample)
        problems += manifests.examine(found.manifest, found.folder, survey)
        files = found.manifest.files
    else:
        problems, survey = [], Survey(is_deep=True, sample=sample)
        files = [survey.read(path, _name(path, found.folder)) for path in found.files]
    if as_json:
        say_json(msgspec.json.encode(_everything(found, files, survey, problems)))
    else:
        _show(file, found, files, survey, problems)
    return PROBLEMS if problems else COMPLETE


def _find(file: Path) -> Found:
    """
    :raises OutputError: *file* is no dataset, or several
    """
    if file.is_dir():
        return _find_in(file)
    if file.name.endswith(SUFFIX):
        return Found(manifests.read(file), file.parent, [])
    beside = manifests.manifest_path(file)
    if beside.is_file():
        return Found(manifests.read(beside), beside.parent, [])
    if not file.exists():
        raise OutputError(f"there is no dataset {file}")
    if not is_dataset(file.name):
        raise OutputError(f"{file} is no dataset: their endings are {', '.join(FORMATS)}")
    return Found(None, file.parent, [file])


def _find_in(folder: Path) -> Found:
    found = sorted(folder.glob(f"*{SUFFIX}"))
    if len(found) == 1:
        return Found(manifests.read(found[0]), folder, [])
    if found:
        raise OutputError(f"{folder} has several datasets; name one: {_listed(path.name for path in found)}")
    files = sorted(path for path in folder.rglob("*") if _is_of_a_dataset(path))
    if not files:
        raise OutputError(f"{folder} has no dataset in it: their endings are {', '.join(FORMATS)}")
    return Found(None, folder, files)


def _is_of_a_dataset(path: Path) -> bool:
    """Whether it has items in it: rejects and changes are about them."""
    return is_dataset(path.name) and not {".rejects", ".changes"} & {*path.suffixes} and path.is_file()


def _listed(names: Iterator[str]) -> str:
    """The first few of *names*."""
    all_names = list(names)
    return ", ".join(all_names[:_MOST_FILES]) + (" ..." if len(all_names) > _MOST_FILES else "")


def _name(path: Path, folder: Path) -> str:
    return path.relative_to(folder).as_posix()


# ----- for people ----------------------------------------------------------------------------------------------------


def _show(file: Path, found: Found, files: Sequence[FileFacts], survey: Survey, problems: Sequence[str]) -> None:
    size = bytes_in_words(sum(one.bytes for one in files))
    items = survey.statistics.items
    _line(f"{file}: {count(items, 'item')}, {size}" + (f" in {count(len(files), 'file')}" if len(files) > 1 else ""))
    if found.manifest is not None:
        for label, text in _origin(found.manifest):
            _line(f"  {label:<10}{text}")
    if len(files) > 1:
        for one in files[:_MOST_FILES]:
            _line(f"  {one.path}  {count(one.items, 'item')}, {bytes_in_words(one.bytes)}")
        if len(files) > _MOST_FILES:
            _line(f"  and {count(len(files) - _MOST_FILES, 'more file')}")
    _line(_verdict(found.manifest, problems))
    for problem in problems:
        _line(f"  ! {problem}")
    if items:
        say("")
        for line in _table(survey.statistics):
            _line(line)
    _show_sample(survey.sample.records)


def _line(text: str) -> None:
    say(one_line(text))


def _origin(manifest: Manifest) -> Iterator[tuple[str, str]]:
    """Where the dataset comes from, as far as that is known."""
    if manifest.spider:
        yield "spider", manifest.spider + (f"  (code {manifest.code[:12]})" if manifest.code else "")
    if manifest.started:
        yield "run", f"{_moment(manifest.started)} to {_moment(manifest.ended) or '?'}" + _because(manifest.reason)
    for label, text in (("job", manifest.job), ("compared", manifest.compared_with or "")):
        if text:
            yield label, text
    for label, table in (("args", manifest.args), ("settings", _of_its_own(manifest.settings))):
        if table:
            yield label, ", ".join(f"{name}={_brief(value)}" for name, value in table.items())
    for name, known in manifest.types.items():
        schema = "inferred schema" if known.is_inferred else "schema" if known.schema else "no schema"
        key = f", key {', '.join(known.key)} (keeps the {known.keep})" if known.key else ""
        number = f"{count(known.items, 'item')}, " if known.items is not None else ""
        yield "type", f"{name}: {number}{schema}{key}"
    if manifest.crawler:
        yield "by", f"crawler {manifest.crawler}"


def _moment(iso: str) -> str:
    return iso.replace("T", " ").replace("+00:00", " UTC").removesuffix("Z") if iso else ""


def _because(reason: str) -> str:
    return f", {reason}" if reason else ""


def _verdict(manifest: Manifest | None, problems: Sequence[str]) -> str:
    if manifest is None:
        return "  no manifest: there is nothing to check it against"
    if problems:
        return f"  checked   {count(len(problems), 'problem')}"
    checked = "size, SHA-256, number of items" + (", schema" if any(t.schema for t in manifest.types.values()) else "")
    return f"  checked   all is as the manifest says: {checked}"


def _table(statistics: Statistics) -> Iterator[str]:
    rows = [(path, *_cells(column, statistics.items)) for path, column in flat(statistics.fields)]
    shown = [("FIELD", "FILLED", "KIND", "DISTINCT", "RANGE", ""), *rows[:_MOST_ROWS]]
    name, filled, kind, distinct = (min(max(len(row[i]) for row in shown), _WIDEST_NAME) for i in range(4))
    for path, share, kinds, number, extent, common in shown:
        if len(path) > name:  # a long name has a line of its own
            yield path
            path = ""
        yield f"{path:<{name}}  {share:>{filled}}  {kinds:<{kind}}  {number:>{distinct}}  {extent}".rstrip()
        if common:
            yield f"{'':<{name}}  {common}"[:_WIDTH].rpartition(_BETWEEN)[0]
    if len(rows) > _MOST_ROWS:
        yield f"and {count(len(rows) - _MOST_ROWS, 'more field')}: --json has them"
    if statistics.fields.others:
        yield "and more fields than are looked at one by one"


def _cells(column: Column, items: int) -> tuple[str, str, str, str, str]:
    kinds = "/".join(kind for kind, _ in column.kinds.most_common())
    if column.distinct is None or column.commonest is None:  # of a survey that is not deep
        return "", kinds, "", "", ""
    number = f"{'' if column.distinct.is_exact else '~'}{column.distinct.count():,}"
    whole = column.distinct.is_exact and column.distinct.count() == column.filled
    top = [
        f"{_brief(value)} {_percent(times, column.seen)}"
        for value, times in column.commonest.top(_COMMONEST)
        if not whole and times > column.seen * _OFTEN + column.commonest.missed
    ]
    common = "".join([text + _BETWEEN for text in top])
    return _percent(column.filled, max(items, column.seen)), kinds, number, _extent(column), common


def _percent(part: int, whole: int) -> str:
    """``100%`` only for all, ``0%`` only for none."""
    share = 100 * part / whole
    if 0 < share < 1:
        return "<1%"
    return ">99%" if 99 < share < 100 else f"{share:.0f}%"


def _extent(column: Column) -> str:
    parts = []
    if column.numbers is not None:
        parts.append(_between(column.numbers))
    if column.lengths is not None:
        unit = "elements" if column.kinds["array"] and not column.kinds["string"] else "characters"
        parts.append(f"{_between(column.lengths)} {unit}")
    return "; ".join(parts)


def _between(extent: Range) -> str:
    least, most = f"{extent.least:.10g}", f"{extent.most:.10g}"
    return least if least == most else f"{least} .. {most}"


def _of_its_own(settings: Mapping[str, Any]) -> dict[str, Any]:  # Any: JSON
    """Those that are not as they are without anybody's wish."""
    from crawler.config import SETTINGS  # the rest of the command needs none

    return {
        name: value
        for name, value in settings.items()
        if name not in SETTINGS or _plain(SETTINGS[name].default) != value
    }


def _plain(value: Any) -> Any:  # Any: a setting's default
    """As JSON gives it back."""
    return msgspec.json.decode(msgspec.json.encode(value))


def _brief(value: Any) -> str:  # Any: whatever JSON holds
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    text = " ".join(text.split())
    return (text if len(text) <= _WIDEST_VALUE else text[: _WIDEST_VALUE - 3] + "...") or '""'


def _show_sample(records: Sequence[dict[str, Any]]) -> None:
    """Each over several lines on a terminal, else each in one."""
    if records:
        say("")
    for record in records:
        data = msgspec.json.encode(record)
        say_json(msgspec.json.format(data, indent=2) if sys.stdout.isatty() else data)


# ----- for machines --------------------------------------------------------------------------------------------------


def _everything(found: Found, files: Sequence[FileFacts], survey: Survey, problems: Sequence[str]) -> dict[str, Any]:
    return {
        "items": survey.statistics.items,
        "files": files,
        "manifest": found.manifest,
        "is_checked": found.manifest is not None,
        "problems": problems,
        "fields": {path: _facts(column) for path, column in flat(survey.statistics.fields)},
        "schema": survey.statistics.schema(),
        "sample": survey.sample.records,
    }


def _facts(column: Column) -> dict[str, Any]:
    facts: dict[str, Any] = {"seen": column.seen, "filled": column.filled, "kinds": column.kinds}
    if column.distinct is not None and column.commonest is not None:
        facts["distinct"] = column.distinct.count()
        facts["is_distinct_exact"] = column.distinct.is_exact
        facts["commonest"] = column.commonest.top(10)
    extents = {"values": column.numbers, "lengths": column.lengths}
    return facts | {name: extent for name, extent in extents.items() if extent is not None}
