"""``crawl``: the table of commands, the exit codes, and what becomes of an error."""

from __future__ import annotations

import gc
import io
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any, NamedTuple

import click

from crawler import __version__
from crawler.cli.text import say
from crawler.errors import CrawlerError, SpiderLoadError

COMPLETE = 0
NOTHING_WORKED = 1
"""The crawl ended, but no page was fetched, or the spider failed."""
USAGE = 2
"""A usage or configuration error: nothing was started."""
LIMIT = 3
"""It stopped on a limit that the user set."""
FAILURES = 4
"""With --strict: some pages failed, or some items their type."""
INTERRUPTED = 130


class Row(NamedTuple):
    """One command."""

    module: str
    """Imported when the command is used; its ``command`` is a click command."""
    help: str


COMMANDS: dict[str, Row] = {
    "cache": Row("crawler.cli.cache", "Show how large the HTTP cache is, or clear it."),
    "dataset": Row("crawler.cli.dataset", "Show what is in a dataset, and check it against its manifest."),
    "demo": Row("crawler.cli.demo", "Crawl a bundled bookshop: a real run, without internet."),
    "failures": Row("crawler.cli.failures", "List the URLs that a job gave up, with their reasons."),
    "jobs": Row("crawler.cli.jobs", "List the jobs: their state, their size, and how to go on."),
    "list": Row("crawler.cli.list", "List the project's spiders."),
    "new": Row("crawler.cli.new", "Write a new spider."),
    "retry": Row("crawler.cli.retry", "Let the URLs that a job gave up wait again."),
    "settings": Row("crawler.cli.settings", "Show every setting, its value, and who set it."),
    "why": Row("crawler.cli.why", "Tell why a URL was or was not crawled."),
}
"""A command is a file and a row here. A first word that is not here is a spider."""

_RUN = "SPIDER"
"""The name of the command that runs a spider; nobody types it."""
_SITE = "URL"
"""The name of the one that crawls a site without a spider; nobody types that either."""
_UNNAMED = {_RUN: "crawler.cli.run", _SITE: "crawler.cli.site"}
_OWN_OPTIONS = ("-h", "--help", "--version")

_HELP = """Crawl websites into datasets.

\b
  crawl SPIDER [OPTIONS]      run a spider: its name, file.py, or file.py:Class
  crawl URL [OPTIONS]         crawl a whole site without a spider: its pages' titles, texts and links
  crawl SPIDER --help         the options of a run (crawl URL --help: those of a site, too)
  crawl COMMAND [OPTIONS]     one of the commands below
"""
_EXAMPLES = """Examples:

\b
  crawl demo                                 see a crawl, without internet
  crawl https://example.com/ -o pages.jsonl  a whole site, without code
  crawl new books https://books.example/     write a spider
  crawl books                                run it: the dataset grows in datasets/
  crawl books --resume                       go on after Ctrl-C, a crash, a power cut
  crawl books -o books.jsonl --max-pages 50  run a little of it
  crawl books -o - | jq .title               items on standard output
  crawl books --set delay=1 -a category=art  a setting, and an argument for the spider

\b
Exit codes: 0 complete, 1 nothing worked, 2 usage error, 3 stopped on a limit, 4 pages or items failed (with --strict),
130 interrupted.
"""


class SpiderOrCommand(click.Group):
    """A group whose commands are imported when they are used, and for which any other word is a spider."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command:
        command: click.Command = import_module(COMMANDS[name].module if name in COMMANDS else _UNNAMED[name]).command
        _collect_from_here()
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if name in COMMANDS or name in _UNNAMED:
            return name, self.get_command(ctx, name), args[1:]
        unnamed = _SITE if _is_site(args) else _RUN
        return unnamed, self.get_command(ctx, unnamed), args

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, row.help) for name, row in COMMANDS.items()])


@click.group(
    cls=SpiderOrCommand,
    help=_HELP,
    epilog=_EXAMPLES,
    no_args_is_help=True,
    subcommand_metavar="SPIDER | URL | COMMAND [OPTIONS]",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
@click.version_option(__version__, message="%(prog)s %(version)s")
def crawl() -> None:
    """The group itself does nothing."""


def _is_site(arguments: Sequence[str]) -> bool:
    """Whether the first word is an address; or an option, and there is an address or a file of them after it."""
    first = arguments[0]
    if not first.startswith("-"):
        return "://" in first
    return first == "-" or any(
        word == "--urls" or word.startswith(("http://", "https://", "--urls=")) for word in arguments
    )


def main() -> None:
    """The console script. Never a traceback of ours for a user's mistake."""
    gc.disable()  # until a command is loaded
    try:
        sys.exit(run(sys.argv[1:]))
    finally:
        gc.enable()


def _collect_from_here() -> None:
    """Leave what was imported to itself: it stays until the process ends, and there is no garbage in it.

    To look through it while it comes (115 times), once more in each full collection, and at the exit, cost a fifth of the
    CPU time of a short run: 68 ms of 343. A process that is not ours alone is left as it is.
    """
    if not gc.isenabled():
        gc.freeze()
        gc.enable()


def run(arguments: list[str]) -> int:
    """``crawl`` with *arguments*; the exit code."""
    if arguments and arguments[0].startswith("-") and arguments[0] not in _OWN_OPTIONS:
        arguments = [_SITE if _is_site(arguments) else _RUN, *arguments]  # crawl --quiet books
    try:
        code: Any = crawl.main(arguments, prog_name="crawl", standalone_mode=False)  # Any: what a command returns
    except click.ClickException as error:
        shown = io.StringIO()
        error.show(shown)
        say(shown.getvalue().rstrip("\n"), err=True)
        return USAGE
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except CrawlerError as error:
        trace = error.traceback.rstrip() + "\n" if isinstance(error, SpiderLoadError) and error.traceback else ""
        say(f"{trace}crawl: {error}", err=True)
        return USAGE
    return code if isinstance(code, int) else COMPLETE
