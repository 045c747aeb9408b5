"""``crawl retry``: another chance for the URLs that a job gave up."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from crawler.cli.failures import of_no_reason
from crawler.cli.jobs import find_job
from crawler.cli.main import COMPLETE
from crawler.cli.text import count, say
from crawler.config import find_project
from crawler.frontier.ledger import put_back
from crawler.jobs import command_of


@click.command("retry")
@click.argument("job")
@click.option("--reason", "reasons", multiple=True, metavar="REASON", help="Only those of this reason. Repeatable.")
def command(job: str, reasons: Sequence[str]) -> int:
    """Let every URL that JOB gave up wait again, with all its attempts before it.

    Nothing is fetched yet: `crawl SPIDER --resume` does that. JOB is a spider's name, or a folder that was given
    with --job.
    """
    project = find_project(Path.cwd())
    found = find_job(job, project)
    with found.locked():
        told = of_no_reason(found, reasons)
        number = put_back(found, reasons)
        command = command_of(found.overview(is_mine=True), project)
    then = f"; `{command}` fetches {'it' if number == 1 else 'them'}" if number else told
    say(f"{count(number, 'URL')} put back{then}", err=True)
    return COMPLETE
