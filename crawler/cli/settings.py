"""``crawl settings``: every setting, its value, and who set it."""

from __future__ import annotations

from pathlib import Path

import click

from crawler.cli.run import find_spider
from crawler.cli.text import say
from crawler.config import SETTINGS, find_project, resolve
from crawler.http.credentials import concealed


@click.command("settings")
@click.argument("spider", required=False)
def command(spider: str | None) -> None:
    """Show every setting: its value here, what it means, and who set it if it is not the default.

    With SPIDER as that spider would have them.
    """
    project = find_project(Path.cwd())
    settings = resolve(project, find_spider(spider, project).spider if spider else None)
    for name, setting in SETTINGS.items():
        origin = settings.origins[name]
        say(f"{name} = {_shown(name, settings.values[name])}" + ("" if origin == "default" else f"   ({origin})"))
        say(f"    {setting.description}")
    for host, values in settings.hosts.items():
        say(f'[host."{host}"] ' + ", ".join(f"{name} = {_shown(name, value)}" for name, value in values.items()))


def _shown(name: str, value: object) -> str:
    """Secrets are told to be there, not what they are."""
    value = concealed(name, value)
    if value is None:
        return "unset"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        value = list(value)
    return repr(value) if isinstance(value, str) else str(value)
