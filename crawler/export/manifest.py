"""What a dataset is, in a file beside it: its files and their digests, its fields and types, and where it comes from.

Rule 1: a manifest is made of the files as they are, in one pass, and of what only the crawl knows (:class:`Provenance`).
Rule 2: it is written whole or not at all, and names its files relative to itself: a dataset can be moved.
Rule 3: one that is read is foreign text: it leads to no file outside of its own folder.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import msgspec

from crawler.errors import OutputError, SinkError
from crawler.export.fit import checker
from crawler.export.formats import ending_of
from crawler.export.read import MANIFEST, is_json
from crawler.export.statistics import Statistics
from crawler.export.survey import FileFacts, Survey

VERSION = 1
"""Raised by a change that earlier readers would misunderstand."""
SUFFIX = MANIFEST
_WHOLE = f"dataset{SUFFIX}"
"""For a dataset that is a folder."""
_PLACEHOLDER = re.compile(r"[-_.]?\{[^{}]*\}")
_LARGEST = 64 << 20
"""Bytes. One with 100,000 files has 20 MB."""
_MOST_FIELDS = 1_000
"""Fields that a manifest lists. More are no table, and the schema has them."""


class ItemType(msgspec.Struct, omit_defaults=True):
    """One type of the items in a dataset."""

    schema: dict[str, Any] = {}
    """JSON Schema, draft 2020-12. Inferred from the records if the spider's items are plain dicts."""
    items: int | None = None
    """How many there are; None if nobody counted."""
    key: list[str] = []
    """The fields that tell one item from another; empty if there are none."""
    keep: str = "last"
    """Which of several with one key the dataset has: ``first`` or ``last``."""
    is_inferred: bool = False
    """Whether the schema was made of the records."""


class FieldFacts(msgspec.Struct):
    """What the records have in one field."""

    filled: int
    """How often it is there and is neither null nor an empty text, list or object."""
    share: float
    """The same as a part of all records, from 0 to 1."""
    kinds: dict[str, int]
    """How often its value is of each kind, in the words of JSON Schema: ``string``, ``integer``, ``number`` ..."""


class Provenance(msgspec.Struct, kw_only=True):
    """Where a dataset comes from: whatever does not stand in its files. Secrets in it are masked already."""

    dataset: str
    """Its name, as ``books``."""
    spider: str = ""
    code: str = ""
    """A hash of the spider's source."""
    settings: dict[str, Any] = {}
    args: dict[str, Any] = {}
    crawler: str = ""
    """The version of this package."""
    started: str = ""
    """ISO 8601, in UTC; so *ended*."""
    ended: str = ""
    reason: str = ""
    """Why the crawl ended: ``complete``, ``max_items``, ``interrupted`` ..."""
    job: str = ""
    types: dict[str, ItemType] = {}
    """By name. One without a schema, or none at all, gets that which is inferred."""
    compared_with: str | None = None
    """The dataset that its changes were found against."""


class Manifest(Provenance, kw_only=True):
    """A dataset, described."""

    version: int = VERSION
    format: str
    """The ending of its files, as ``.jsonl``."""
    items: int
    files: list[FileFacts]
    fields: dict[str, FieldFacts]


_ORDER = ("version", "dataset", "format", "items", "files", "fields")
"""What a reader looks for first stands first."""


def manifest_path(output: Path) -> Path:
    """Where the manifest of the output *output* is: ``books.jsonl.manifest.json`` beside ``books.jsonl``.

    A name with placeholders is that of several files with one manifest: ``books-{n}.jsonl`` has
    ``books.jsonl.manifest.json``, ``books/{category}/{n}.jsonl`` has ``books/dataset.jsonl.manifest.json``.
    """
    parts = output.parts
    first = next((place for place, part in enumerate(parts) if _PLACEHOLDER.search(part)), None)
    if first is None:
        return output / _WHOLE if output.is_dir() else output.with_name(output.name + SUFFIX)
    bare = _PLACEHOLDER.sub("", parts[first])
    is_file = first == len(parts) - 1
    named = is_file and bare != ending_of(parts[first]) and bool(bare)
    return Path(*parts[:first], bare + SUFFIX if named else f"dataset{ending_of(parts[-1])}{SUFFIX}")


def describe(files: Sequence[Path], provenance: Provenance, *, folder: Path | None = None) -> Manifest:
    """The manifest of the dataset that consists of *files*; each is read once.

    :param folder: where the manifest will be; None: where the first file is
    :raises OutputError: a file cannot be read, or is outside of *folder*
    """
    root = folder if folder is not None else (files[0].parent if files else Path())
    survey = Survey()
    facts = [survey.read(path, _inside(path, root)) for path in files]
    return Manifest(
        **{name: getattr(provenance, name) for name in Provenance.__struct_fields__ if name != "types"},
        format=ending_of(files[0].name) if files else "",
        items=survey.statistics.items,
        files=facts,
        fields=_fields(survey.statistics),
        types=_types(provenance, survey.statistics),
    )


def write(manifest: Manifest, path: Path, *, syncs: bool) -> None:
    """Put *manifest* at *path*: whole, or not at all. *syncs*: it survives a power cut.

    :raises SinkError: it cannot be written
    """
    from crawler.export.sink import sync_names, why  # brings asyncio, which a reader need not load

    plain = msgspec.to_builtins(manifest)
    ordered = {**{name: plain[name] for name in _ORDER}, **plain}
    text = msgspec.json.format(msgspec.json.encode(ordered), indent=2) + b"\n"
    target = Path(os.path.realpath(path))
    made = target.with_name(f".{target.name}.new"[-200:])
    try:
        made.unlink(missing_ok=True)
        with made.open("xb") as file:
            file.write(text)
            file.flush()
            if syncs:
                os.fsync(file.fileno())
        os.replace(made, target)
        if syncs:
            sync_names([target.parent])
    except OSError as error:
        raise SinkError(str(path), why(error)) from error
    finally:
        made.unlink(missing_ok=True)


def read(path: Path) -> Manifest:
    """The manifest at *path*.

    :raises OutputError: it cannot be read, or is none
    """
    try:
        with path.open("rb") as file:
            text = file.read(_LARGEST + 1)
        if len(text) > _LARGEST:
            raise OutputError(f"{path} is no manifest: it is larger than {_LARGEST >> 20} MB")
        manifest = msgspec.json.decode(text, type=Manifest)
    except OSError as error:
        raise OutputError(f"cannot read {path}: {error.strerror or error}") from error
    except (msgspec.DecodeError, RecursionError) as error:
        raise OutputError(f"{path} is no manifest of a dataset: {error}") from None
    if manifest.version > VERSION:
        raise OutputError(f"{path} was written by a later version: it is of version {manifest.version}")
    return manifest


def verify(path: Path) -> list[str]:
    """What is not as the manifest at *path* says, a line for each thing: a file that is missing, has another size,
    another SHA-256 or another number of records; records that do not fit their schema. Empty if all is well.

    :raises OutputError: the manifest cannot be read
    """
    manifest = read(path)
    problems, survey = survey_for(manifest)
    return problems + examine(manifest, path.parent, survey)


def survey_for(manifest: Manifest, *, is_deep: bool = False, sample: int = 0) -> tuple[list[str], Survey]:
    """What :func:`examine` needs, and what is wrong with the schemas of *manifest*.

    A CSV, say, keeps no types: what is read of it is not asked whether it fits any.
    """
    schemas = [known.schema for known in manifest.types.values() if known.schema]
    problems = []
    check = None
    if schemas and is_json(f"_{manifest.format}"):
        try:
            check = checker(schemas)
        except (ValueError, TypeError, AttributeError, RecursionError) as error:
            problems = [f"the schema cannot be used: {error}"]
    return problems, Survey(is_deep=is_deep, sample=sample, check=check)


def examine(manifest: Manifest, folder: Path, survey: Survey) -> list[str]:
    """The same as :func:`verify` for a manifest in *folder*; *survey* has seen all records that there are."""
    problems: list[str] = []
    for told in manifest.files:
        if not is_inside(told.path):
            problems.append(f"{told.path} is outside of the manifest's folder: it was not looked at")
            continue
        path = folder / told.path
        if not path.is_file():
            problems.append(f"{told.path} is missing")
            continue
        try:
            problems += _differences(told, survey.read(path, told.path))
        except OutputError as error:
            problems.append(f"{told.path}: {error}")
    listed = sum(told.items for told in manifest.files)
    if listed != manifest.items:
        problems.append(f"the manifest has {manifest.items:,} items, its files {listed:,}")
    if survey.misfits:
        words = "record does not" if survey.misfits == 1 else "records do not"
        problems.append(f"{survey.misfits:,} {words} fit the schema: {survey.first_misfit}")
    return problems


def _differences(told: FileFacts, found: FileFacts) -> list[str]:
    problems = []
    if found.bytes != told.bytes:
        problems.append(f"{told.path} has {found.bytes:,} bytes, not {told.bytes:,}")
    elif found.sha256 != told.sha256:
        problems.append(f"{told.path} was changed: its SHA-256 is {found.sha256}, not {told.sha256}")
    if found.items != told.items:
        problems.append(f"{told.path} has {found.items:,} records, not {told.items:,}")
    return problems


def _types(provenance: Provenance, statistics: Statistics) -> dict[str, ItemType]:
    if not provenance.types:
        return {"items": ItemType(statistics.schema(), statistics.items, is_inferred=True)} if statistics.items else {}
    is_alone = len(provenance.types) == 1
    return {
        name: known
        if known.schema or not is_alone or not statistics.items  # the records of several types are not told apart
        else msgspec.structs.replace(known, schema=statistics.schema(), is_inferred=True)
        for name, known in provenance.types.items()
    }


def _fields(statistics: Statistics) -> dict[str, FieldFacts]:
    columns = list(statistics.fields.columns.items())[:_MOST_FIELDS]
    return {
        name: FieldFacts(column.filled, round(column.filled / statistics.items, 4), dict(column.kinds))
        for name, column in columns
    }


def _inside(path: Path, root: Path) -> str:
    """*path* as a manifest in *root* names it."""
    name = Path(os.path.relpath(path, root)).as_posix()
    if not is_inside(name):
        raise OutputError(f"{path} is outside of {root}: a manifest lies in or above the folder of its files")
    return name


def is_inside(name: str) -> bool:
    """Whether the file *name*, as a manifest has it, is in the manifest's folder."""
    pure = PurePosixPath(name)
    return not (pure.is_absolute() or ".." in pure.parts or "\\" in name or Path(name).drive)
