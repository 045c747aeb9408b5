"""``crawl cache``: what the HTTP cache holds, and how to be rid of it."""

from __future__ import annotations

from os.path import relpath
from pathlib import Path

import click

from crawler.cli.text import bytes_in_words, count, say
from crawler.config import find_project
from crawler.fetch.cache_options import cache_path


@click.command("cache")
@click.option("--clear", is_flag=True, help="Take everything out of it.")
def command(clear: bool) -> None:
    """Show how large the project's HTTP cache is. All its spiders share it: see the settings cache and cache_size."""
    from crawler.fetch import cache_file

    path = cache_path(find_project(Path.cwd()).root)
    if clear:
        cache_file.clear(path)
        say(f"{relpath(path)} is empty")
        return
    responses, size = cache_file.overview(path)
    say(f"{relpath(path)}: {count(responses, 'response')}, {bytes_in_words(size)}")
