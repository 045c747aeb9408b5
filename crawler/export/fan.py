"""Which file of a dataset a record goes to: by its type, by some of its fields, and by how full the last one is."""

from __future__ import annotations

import logging
import shutil
import sys
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO
from unicodedata import normalize

import msgspec

from crawler.export.rotated import Fullness
from crawler.export.template import ITEM, OTHER, Template

log = logging.getLogger("crawler")

MOST_FILES = 10_000
"""Of one dataset. A page that makes up values for a field must not make a file of each."""
_OPEN = 128
"""Files that are open at once; systems allow 256 at least."""
IS_FOLDED = sys.platform in ("darwin", "win32")
"""Whether file systems here usually take two names for one that differ by case, or by how an accent is written."""
Labelled = Callable[[], Iterable[tuple[str, bytes]]]
"""Gives the records, each with the name of its type."""


class Share(msgspec.Struct, frozen=True):
    """What one file gets."""

    path: Path
    types: frozenset[str]
    lines: Callable[[], Iterable[bytes]]
    """Its records, as often as one likes."""


def fanned(output: Template, lines: Labelled, folder: Path, fullness: Callable[[], Fullness]) -> Iterator[Share]:
    """Share *lines* out among the files of *output*, in *folder*, which is made anew and is gone afterwards.

    :param fullness: gives what a new file has: nothing
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
    try:
        fan = _Fan(output, folder, fullness)
        for item, line in lines():
            fan.put(item, line)
        fan.close()
        for path, (number, types) in fan.files.items():
            spooled = folder / str(number)
            yield Share(Path(path), frozenset(types), partial(_lines_of, spooled))
            spooled.unlink()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _lines_of(file: Path) -> Iterator[bytes]:
    with file.open("rb") as lines:
        for line in lines:
            yield line[:-1]


class _Fan:
    def __init__(self, output: Template, folder: Path, fullness: Callable[[], Fullness]) -> None:
        self.files: dict[str, tuple[int, set[str]]] = {}
        """Path -> the number of its file in the folder, and the types of its records."""
        self._spelt: dict[str, str] = {}
        """The paths, as the first record had them, by what a file system goes by."""
        self._output = output
        self._folder = folder
        self._new = fullness
        self._by_item = ITEM in output.places
        self._last: dict[tuple[Any, ...], tuple[int, Fullness]] = {}  # Any: of fields
        """Of the files that differ by nothing but their number, the last one."""
        self._open: OrderedDict[str, BinaryIO] = OrderedDict()
        names = [f"field{number}" for number in range(len(output.fields))]
        routed = msgspec.defstruct(
            "Routed",
            [(name, Any, None) for name in names],
            rename=dict(zip(names, output.fields, strict=True)),
        )
        self._values = msgspec.json.Decoder(routed).decode if names else None

    def put(self, item: str, line: bytes) -> None:
        values = dict(zip(self._output.fields, self._fields(line), strict=True))
        key = (item if self._by_item else "", *(_hashable(value) for value in values.values()))
        part, fullness = self._last.get(key) or (1, self._new())
        if not fullness.takes(len(line)):
            part, fullness = part + 1, self._new()
        fullness.add(len(line))
        if key in self._last or len(self.files) < MOST_FILES:  # more are not told apart: a page may make up values
            self._last[key] = part, fullness
        path = self._output.path(item, values, part)
        path = self._spelt.get(_folded(path), path)
        if path not in self.files:
            path = self._begin(path, item)
        self.files[path][1].add(item)
        self._file(path).write(line + b"\n")

    def close(self) -> None:
        for file in self._open.values():
            file.close()

    def _fields(self, line: bytes) -> tuple[Any, ...]:  # Any: of fields
        return msgspec.structs.astuple(self._values(line)) if self._values is not None else ()

    def _begin(self, path: str, item: str) -> str:
        """A new file; or, if there are too many, the one for all the rest."""
        if len(self.files) >= MOST_FILES:
            if len(self.files) == MOST_FILES:
                log.warning(
                    "%s would be more than %d files: the rest goes to those named %s",
                    self._output.text,
                    MOST_FILES,
                    OTHER,
                )
            path = self._output.path(item, dict.fromkeys(self._output.fields, OTHER), 1)
            path = self._spelt.get(_folded(path), path)
        if path not in self.files:
            self.files[path] = len(self.files), set()
            self._spelt[_folded(path)] = path
        return path

    def _file(self, path: str) -> BinaryIO:
        file = self._open.get(path)
        if file is None:
            if len(self._open) >= _OPEN:
                self._open.popitem(last=False)[1].close()
            file = self._open[path] = (self._folder / str(self.files[path][0])).open("ab", buffering=1 << 16)
        else:
            self._open.move_to_end(path)
        return file


def _folded(path: str) -> str:
    """What tells *path* from others: where case does not, ``Crime.csv`` would take the place of ``crime.csv``."""
    return normalize("NFC", path).casefold() if IS_FOLDED else path


def _hashable(value: Any) -> Any:  # Any: of a field
    return msgspec.json.encode(value) if isinstance(value, (list, dict)) else value
