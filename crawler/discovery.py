"""Where spider classes are: found by name in the project's folders, or in a file, and found again in another process."""

from __future__ import annotations

import difflib
import hashlib
import importlib
import importlib.util
import inspect
import os
import re
import sys
import sysconfig
import traceback
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec

from crawler.errors import SpiderLoadError, SpiderNotFound
from crawler.spider import Spider
from crawler.urls.url import address

_MODULE = "crawl_spider_"
"""Files are imported under names of their own: a spider called json.py hides nothing."""
_OURS = str(Path(__file__).parent) + os.sep


class Found(msgspec.Struct, frozen=True):
    """A spider class, and the file that it is in."""

    spider: type[Spider]
    file: Path
    is_base: bool = False
    """Whether another spider of the file derives from it: then it only counts where it is asked for by its name."""


class SpiderSource(msgspec.Struct, frozen=True):
    """A spider as plain data: enough to build it in another process."""

    module: str
    qualname: str
    file: str | None
    """Set where the module was loaded from a file, and cannot be imported by its name."""
    path: tuple[str, ...]
    args: dict[str, Any]  # Any: what the spider's constructor takes


def in_file(path: Path, project: Path | None = None) -> list[Found]:
    """The spiders that the file *path* defines; neither abstract ones nor those that it imports.

    :raises SpiderNotFound: there is no such file
    :raises SpiderLoadError: it cannot be imported; with the user's own traceback
    """
    if not path.is_file():
        raise SpiderNotFound(f"there is no file {path}")
    module = _import_file(path.resolve(), project)
    classes = dict.fromkeys(
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, Spider) and value.__module__ == module.__name__
    )
    return [
        Found(cls, path, any(cls in other.__mro__[1:] for other in classes))
        for cls in classes
        if not inspect.isabstract(cls)
    ]


def from_path(text: str, project: Path | None = None) -> Found:
    """The spider that ``file.py`` or ``file.py:Class`` names.

    :raises SpiderNotFound: there is none, or several and no class was named
    """
    file, class_name = (text, "") if text.endswith(".py") else text.rsplit(":", 1)
    path = Path(file)
    found = in_file(path, project)
    leaves = [one for one in found if not one.is_base]
    if class_name:
        for one in found:
            if class_name in (one.spider.__name__, one.spider.name):
                return one
        names = [one.spider.__name__ for one in found]
        there = f" It has: {', '.join(names)}" if names else ""
        raise SpiderNotFound(f"{path} has no spider {class_name!r}{nearest(class_name, names)}{there}")
    if not leaves:
        raise SpiderNotFound(f"{path} defines no spider: write a class that derives from crawler.Spider in it")
    if len(leaves) > 1:
        raise SpiderNotFound(f"{path} holds {len(leaves)} spiders. Say which one you mean:\n{_commands(leaves)}")
    return leaves[0]


def by_name(name: str, folders: Sequence[Path], project: Path | None = None, other_words: Iterable[str] = ()) -> Found:
    """The spider called *name* in *folders*. Files that seem not to hold it are only imported if no other does.

    *other_words* are what *name* may also have been meant for: the commands.

    :raises SpiderNotFound: there is none, or there are several
    :raises SpiderLoadError: there is none, but a file that may hold it cannot be imported
    """
    files = list(_files(folders))
    likely = [file for file in files if _mentions(file, name)]
    known, broken = scan(likely, project)
    found = [one for one in known if one.spider.name == name]
    if not found:
        others, _ = scan([file for file in files if file not in likely], project)
        known += others
        found = [one for one in others if one.spider.name == name]
    if not found and broken:
        raise broken[0][1]
    if not found:
        names = [one.spider.name for one in known if not one.is_base]
        raise SpiderNotFound(_no_such(name, names, folders, other_words))
    leaves = [one for one in found if not one.is_base] or found
    if len(leaves) > 1:
        raise SpiderNotFound(
            f"{len(leaves)} spiders are called {name!r}. Rename one, or say which one you mean:\n{_commands(leaves)}"
        )
    return leaves[0]


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
    """What `crawl list` shows: every spider in *folders* but bases, and the files that could not be imported."""
    found, broken = scan(_files(folders), project)
    return [one for one in found if not one.is_base], broken


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
    words = {other.lower(): other for other in known}
    close = difflib.get_close_matches(word.lower(), list(words), n=1, cutoff=0.6)
    return f". Did you mean {words[close[0]]!r}?" if close else "."


def own_traceback(error: BaseException) -> str:
    """The traceback of *error* as the author of a spider needs it: no frame of ours or of the import system's."""
    told = traceback.TracebackException.from_exception(error)
    shown: traceback.TracebackException | None = told
    while shown is not None:
        shown.stack = traceback.StackSummary.from_list(
            [frame for frame in shown.stack if not frame.filename.startswith((_OURS, "<frozen "))]
        )
        shown = shown.__cause__ or (None if shown.__suppress_context__ else shown.__context__)
    return "".join(told.format())


def _files(folders: Iterable[Path]) -> Iterable[Path]:
    for folder in folders:
        if folder.is_file():
            yield folder
        else:
            yield from sorted(file for file in folder.rglob("*.py") if not _is_hidden(file.relative_to(folder)))


def _is_hidden(file: Path) -> bool:
    """Whether it, or a folder on the way to it, is not meant for us: ``_base.py``, ``.venv/``."""
    return any(part.startswith(("_", ".")) for part in file.parts)


def _mentions(file: Path, name: str) -> bool:
    """Whether *file* may define the spider *name*: it holds the name as a string, or as a class's name."""
    text = file.read_text("utf-8", "replace")
    pattern = rf"""["']{re.escape(name)}["']|^\s*class\s+{re.escape(name)}\b"""
    return file.stem == name or re.search(pattern, text, re.MULTILINE | re.IGNORECASE) is not None


def _commands(found: Iterable[Found]) -> str:
    return "\n".join(f"  crawl {one.file}:{one.spider.__name__}" for one in found)


def _no_such(name: str, known: list[str], folders: Sequence[Path], other_words: Iterable[str]) -> str:
    if name not in known and Path(f"{name}.py").is_file():
        return f"there is no spider {name!r}, but a file: crawl {name}.py"
    if name not in known and (site := _as_site(name)):
        return f"there is no spider {name!r}. A site is crawled by its whole address: crawl {site}"
    hint = nearest(name, [*known, *other_words])
    if hint == "." and known:
        hint = ". There are: " + ", ".join(sorted(set(known))[:10]) + "."
    places = [f"{folder} ({'no spider' if folder.exists() else 'no such folder'})" for folder in folders]
    looked = "" if known else "\nLooked for in: " + ", ".join(places)
    next_step = f"; `crawl new {name}` writes one" if name.isidentifier() else ""
    return f"there is no spider {name!r}{hint}{looked}\n`crawl list` shows them all{next_step}."


def _as_site(name: str) -> str:
    """The address that *name* may be without its scheme, as ``example.com``, ``localhost:8000``; empty if it is none."""
    host = name.partition("/")[0]
    is_host = "." in host.strip(".") or (":" in host and host.rpartition(":")[2].isdigit())
    target = address(f"https://{name}") if is_host and not Path(name).exists() else None
    return target.href if target is not None else ""


def _import_file(path: Path, project: Path | None) -> ModuleType:
    for folder in (str(path.parent), str(project) if project else None):
        if folder and folder not in sys.path:  # so that spiders can share code
            sys.path.insert(_after_the_standard_library(), folder)
    name = f"{_MODULE}{path.stem}_{hashlib.blake2b(str(path).encode(), digest_size=4).hexdigest()}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise SpiderLoadError(f"{path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # before it runs: dataclasses look their own module up
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise SpiderLoadError(f"{path} cannot be imported", own_traceback(error)) from None
    return module


def _after_the_standard_library() -> int:
    """Where in ``sys.path``: a spider called calendar.py hides nothing of Python's own, which we import late."""
    standard = sysconfig.get_path("stdlib")
    places = [
        place
        for place, entry in enumerate(sys.path)
        if entry.startswith(standard) and not entry.endswith(("site-packages", "dist-packages"))
    ]
    return max(places, default=-1) + 1
