"""Where spider classes are: found by name in the project's folders, or in a file, and found again in another process."""

from __future__ import annotations

import difflib
import hashlib
import importlib
import importlib.util
import sys
import traceback
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec

from crawler.errors import SpiderLoadError, SpiderNotFound
from crawler.spider import Spider

_MODULE = "crawl_spider_"
"""Files are imported under names of their own: a spider called json.py hides nothing."""


class Found(msgspec.Struct, frozen=True):
    """A spider class, and the file that it is in."""

    spider: type[Spider]
    file: Path


class SpiderSource(msgspec.Struct, frozen=True):
    """A spider as plain data: enough to build it in another process."""

    module: str
    qualname: str
    file: str | None
    """Set where the module was loaded from a file, and cannot be imported by its name."""
    path: tuple[str, ...]
    args: dict[str, Any]  # Any: what the spider's constructor takes


def in_file(path: Path, project: Path | None = None) -> list[Found]:
    """The spiders that the file *path* defines, without those that others in it derive from.

    :raises SpiderNotFound: there is no such file
    :raises SpiderLoadError: it cannot be imported; with the user's own traceback
    """
    if not path.is_file():
        raise SpiderNotFound(f"there is no file {path}")
    module = _import_file(path.resolve(), project)
    classes = [
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, Spider) and value.__module__ == module.__name__
    ]
    leaves = [cls for cls in dict.fromkeys(classes) if not any(cls in other.__mro__[1:] for other in classes)]
    return [Found(cls, path) for cls in leaves]


def from_path(text: str, project: Path | None = None) -> Found:
    """The spider that ``file.py`` or ``file.py:Class`` names.

    :raises SpiderNotFound: there is none, or several and no class was named
    """
    file, _, class_name = text.partition(".py")
    class_name = class_name.removeprefix(":")
    path = Path(file + ".py")
    found = in_file(path, project)
    if class_name:
        for one in found:
            if class_name in (one.spider.__name__, one.spider.name):
                return one
        names = [one.spider.__name__ for one in found]
        raise SpiderNotFound(f"{path} has no spider {class_name!r}{nearest(class_name, names)}")
    if not found:
        raise SpiderNotFound(f"{path} defines no spider: write a class that derives from crawler.Spider in it")
    if len(found) > 1:
        choices = ", ".join(f"{path}:{one.spider.__name__}" for one in found)
        raise SpiderNotFound(f"{path} holds several spiders; say which one: {choices}")
    return found[0]


def by_name(name: str, folders: Sequence[Path], project: Path | None = None, other_words: Iterable[str] = ()) -> Found:
    """The spider called *name* in *folders*. A file that does not hold the name as a string is not imported.

    *other_words* are what *name* may also have been meant for: the commands.

    :raises SpiderNotFound: there is none, or there are several
    """
    files = list(_files(folders))
    candidates = [file for file in files if _mentions(file, name)]
    found = [one for file in candidates for one in in_file(file, project) if one.spider.name == name]
    known: list[str] = []
    if not found:
        everything, broken = scan([file for file in files if file not in candidates], project)
        found = [one for one in everything if one.spider.name == name]
        if not found and broken and any(_stem_is(file, name) for file, _ in broken):
            raise next(error for file, error in broken if _stem_is(file, name))
        known = [one.spider.name for one in everything]
        known += [one.spider.name for file in candidates for one in in_file(file, project)]
    if len(found) > 1:
        choices = "\n".join(f"  crawl {one.file}:{one.spider.__name__}" for one in found)
        raise SpiderNotFound(
            f"{len(found)} spiders are called {name!r}. Rename one, or say which one you mean:\n{choices}"
        )
    if not found:
        raise SpiderNotFound(_no_such(name, known, folders, other_words))
    return found[0]


def scan(files: Iterable[Path], project: Path | None = None) -> tuple[list[Found], list[tuple[Path, SpiderLoadError]]]:
    """Every spider in *files*, and the files that could not be imported."""
    found: list[Found] = []
    broken: list[tuple[Path, SpiderLoadError]] = []
    for file in files:
        try:
            found += in_file(file, project)
        except SpiderLoadError as error:
            broken.append((file, error))
    return found, broken


def scan_folders(
    folders: Sequence[Path], project: Path | None = None
) -> tuple[list[Found], list[tuple[Path, SpiderLoadError]]]:
    """Every spider in *folders*, and the files that could not be imported."""
    return scan(_files(folders), project)


def source_of(spider: type[Spider], args: dict[str, Any]) -> SpiderSource:
    """Where *spider* can be had again."""
    module = sys.modules.get(spider.__module__)
    file = getattr(module, "__file__", None) if spider.__module__.startswith(_MODULE) else None
    return SpiderSource(spider.__module__, spider.__qualname__, file, tuple(sys.path), args)


def build(source: SpiderSource) -> Spider:
    """The spider that *source* tells of, made afresh.

    :raises SpiderLoadError: its class cannot be imported here, as one typed into a notebook cannot
    """
    sys.path[:] = [*source.path, *(entry for entry in sys.path if entry not in source.path)]
    try:
        if source.file is not None:
            found: Any = _import_file(Path(source.file), None)
        else:
            found = sys.modules.get(source.module) or importlib.import_module(source.module)
        for part in source.qualname.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError) as error:
        raise SpiderLoadError(
            f"{source.module}.{source.qualname} cannot be imported in a parse process ({error}): @cpu_bound needs "
            "the spider at the top level of a file, not in a notebook or inside a function"
        ) from None
    spider: Spider = found(**source.args)
    return spider


def nearest(word: str, known: Iterable[str]) -> str:
    """ " Did you mean …?" with the closest of *known*, as the end of a sentence; a full stop if none is close."""
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f". Did you mean {close[0]!r}?" if close else "."


def _files(folders: Iterable[Path]) -> Iterable[Path]:
    for folder in folders:
        if folder.is_file():
            yield folder
        else:
            yield from sorted(file for file in folder.rglob("*.py") if not file.name.startswith(("_", ".")))


def _mentions(file: Path, name: str) -> bool:
    text = file.read_text("utf-8", "replace")
    return f'"{name}"' in text or f"'{name}'" in text


def _stem_is(file: Path, name: str) -> bool:
    return file.stem.lower() == name.lower()


def _no_such(name: str, known: list[str], folders: Sequence[Path], other_words: Iterable[str]) -> str:
    places = ", ".join(str(folder) for folder in folders) or "no folder (there is no config.toml here or above)"
    hint = nearest(name, [*known, *other_words])
    if hint == "." and known:
        hint = ". There are: " + ", ".join(sorted(set(known))[:10]) + "."
    return f"there is no spider {name!r} in {places}{hint}\n`crawl list` shows them all; `crawl new {name}` makes one."


def _import_file(path: Path, project: Path | None) -> ModuleType:
    for folder in (str(path.parent), str(project) if project else None):
        if folder and folder not in sys.path:
            sys.path.insert(0, folder)  # as python itself does for a script, so that spiders can share code
    name = f"{_MODULE}{path.stem}_{hashlib.blake2b(str(path).encode(), digest_size=4).hexdigest()}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise SpiderLoadError(f"{path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # before it runs: dataclasses look their own module up
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        raise SpiderLoadError(f"{path} cannot be imported", _own_traceback(error, path)) from None
    return module


def _own_traceback(error: Exception, path: Path) -> str:
    """From the first line of the user's file on; nothing of the import system's, nothing of ours."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename != str(path):
        trace = trace.tb_next
    return "".join(traceback.format_exception(type(error), error, trace))
