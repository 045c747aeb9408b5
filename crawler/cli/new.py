"""``crawl new``: write a spider that runs."""

from __future__ import annotations

import keyword
import re
from os.path import relpath
from pathlib import Path

import click

from crawler.cli.main import COMMANDS
from crawler.cli.shapes import SHAPES
from crawler.cli.text import say
from crawler.config import FILE, find_project
from crawler.discovery import scan_folders
from crawler.errors import UsageError
from crawler.http.filename import is_plain
from crawler.urls.url import address, why_not

_NAME = re.compile(r"[a-z][a-z0-9_]*")

_CONFIG = """\
[project]
spiders = ["spiders"]

[crawl]
# user_agent = "mybot/1.0 (+https://example.com/bot; bot@example.com)"
"""


@click.command("new")
@click.argument("name")
@click.argument("url", default="https://example.com/")
@click.option(
    "--kind",
    type=click.Choice(list(SHAPES)),
    default="pages",
    show_default=True,
    help="; ".join(f"{kind}: {shape.help}" for kind, shape in SHAPES.items()) + ".",
)
def command(name: str, url: str, kind: str) -> None:
    """Write spiders/NAME.py: a spider that crawls the site at URL.

    Where there is no config.toml, one is written too.
    """
    start = _checked(name, url)
    project = find_project(Path.cwd())
    folder = next((folder for folder in project.spider_folders if not folder.is_file()), project.root / "spiders")
    file = folder / f"{name}.py"
    if file.exists():
        raise UsageError(f"{relpath(file)} exists already; it is left as it is")
    if name in {one.spider.name for one in scan_folders(project.spider_folders, project.root)[0]}:
        raise UsageError(f"there is a spider {name!r} already; `crawl list` shows where")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if project.file is None:
            (project.root / FILE).write_text(_CONFIG, "utf-8")
            say(f"wrote {FILE}")
        text = SHAPES[kind].text
        file.write_text(text.format(class_name=_class_name(name, text), name=name, url=start), "utf-8")
    except OSError as error:
        raise UsageError(f"cannot write {relpath(file)}: {error.strerror}") from None
    say(f"wrote {relpath(file)}\nrun it: crawl {name} --max-pages 20")


def _class_name(name: str, text: str) -> str:
    """``MyBooks`` for ``my_books``; ``PageSpider`` for ``page``, where *text*, the file, has a Page of its own."""
    plain = "".join(word.capitalize() for word in name.split("_"))
    return next(name for name in (plain, f"{plain}Spider", f"My{plain}") if not re.search(rf"\b{name}\b", text))


def _checked(name: str, url: str) -> str:
    """The URL to begin with."""
    if not _NAME.fullmatch(name) or keyword.iskeyword(name):
        raise UsageError(f"{name!r} cannot be a spider's name: small letters, digits and _ alone, as in my_books")
    if not is_plain(f"{name}.py"):
        raise UsageError(f"{name[:100]!r} cannot be a spider's name: its file could not be called so on every system")
    if name in COMMANDS:
        raise UsageError(f"{name!r} is a command; a spider cannot be called like one")
    target = address(url)
    if target is None:
        hint = f". Did you mean https://{url} ?" if "://" not in url and address(f"https://{url}") else ""
        raise UsageError(f"{url!r} cannot be crawled: {why_not(url)}{hint}")
    return target.href.replace("\\", "%5C")  # a quote is encoded already
