"""``crawl list``: the project's spiders."""

from __future__ import annotations

import inspect
from os.path import relpath
from pathlib import Path

import click

from crawler.cli.main import COMPLETE, USAGE
from crawler.config import find_project
from crawler.discovery import scan_folders


@click.command("list")
def command() -> int:
    """List the project's spiders: name, file and first line of the docstring."""
    project = find_project(Path.cwd())
    found, broken = scan_folders(project.spider_folders, project.root)
    width = max((len(one.spider.name) for one in found), default=0)
    for one in sorted(found, key=lambda one: one.spider.name):
        summary = (inspect.cleandoc(one.spider.__doc__ or "").splitlines() or [""])[0]
        click.echo(f"{one.spider.name:<{width}}  {relpath(one.file)}  {summary}".rstrip())
    names = [one.spider.name for one in found]
    for name in sorted({name for name in names if names.count(name) > 1}):
        click.echo(f"crawl: {names.count(name)} spiders are called {name!r}; rename one", err=True)
    for _, error in broken:
        click.echo(f"{error.traceback.rstrip()}\ncrawl: {error}", err=True)
    if not found and not broken:
        where = ", ".join(relpath(folder) for folder in project.spider_folders) or "a folder called spiders"
        click.echo(f"crawl: there are no spiders in {where}; `crawl new NAME` makes one", err=True)
    return USAGE if broken else COMPLETE
