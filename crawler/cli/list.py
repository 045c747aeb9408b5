"""``crawl list``: the project's spiders."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Sequence
from os.path import relpath
from pathlib import Path

import click

from crawler.cli.main import COMMANDS, COMPLETE, USAGE
from crawler.cli.text import one_line, say
from crawler.config import Project, find_project
from crawler.discovery import Found, nearest, scan_folders


@click.command("list")
def command() -> int:
    """List the project's spiders: name, file and first line of the docstring."""
    project = find_project(Path.cwd())
    found, broken = scan_folders(project.spider_folders, project.root)
    width = max((len(one.spider.name) for one in found), default=0)
    for one in sorted(found, key=lambda one: one.spider.name):
        summary = (inspect.cleandoc(one.spider.__doc__ or "").splitlines() or [""])[0]
        say(one_line(f"{one.spider.name:<{width}}  {relpath(one.file)}  {summary}".rstrip()))
    for problem in _problems(found, project, are_all=not broken):
        say(f"crawl: {problem}", err=True)
    for _, error in broken:
        say(f"{error.traceback.rstrip()}\ncrawl: {error}", err=True)
    if not found and not broken:
        where = ", ".join(relpath(folder) for folder in project.spider_folders)
        say(f"crawl: there are no spiders in {where}; `crawl new NAME` makes one", err=True)
    return USAGE if broken else COMPLETE


def _problems(found: Sequence[Found], project: Project, *, are_all: bool) -> Iterable[str]:
    """What keeps one of the spiders from being run, or from having its settings."""
    names = [one.spider.name for one in found]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"{names.count(name)} spiders are called {name!r}; rename one"
    for one in found:
        if one.spider.name in COMMANDS:
            yield f"{relpath(one.file)}: {one.spider.name!r} is a command's name; give the spider another"
    for name in project.tables.get("spider", {}):
        if are_all and name not in names:
            yield f"{project.place('spider', name)}: [spider.{name}] is for no spider{nearest(name, names)}"
