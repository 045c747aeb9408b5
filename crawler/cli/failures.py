"""``crawl failures``: the URLs that a job gave up."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import click
import msgspec

from crawler.cli.jobs import find_job
from crawler.cli.main import COMPLETE
from crawler.cli.text import one_line, say, say_json, when
from crawler.config import find_project
from crawler.frontier.job import Job
from crawler.frontier.ledger import LedgerRow, failures


@click.command("failures")
@click.argument("job")
@click.option("--reason", "reasons", multiple=True, metavar="REASON", help="Only those of this reason. Repeatable.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, with everything that is known.")
def command(job: str, reasons: Sequence[str], as_json: bool) -> int:
    """List every URL that JOB gave up: reason, status, attempts, when, and the page it was found on.

    JOB is a spider's name, or a folder that was given with --job.
    """
    found = find_job(job, find_project(Path.cwd()))
    rows = failures(found, reasons)
    if as_json:
        for row in rows:
            say_json(msgspec.json.encode(row))
        return COMPLETE
    if not rows:
        say("crawl: no URL was given up" + of_no_reason(found, reasons), err=True)
    for line in _table(rows):
        say(one_line(line))
    if rows:
        counts = ", ".join(f"{times:,} {reason}" for reason, times in Counter(row.reason for row in rows).most_common())
        again = shlex.join(["crawl", "retry", job, *(word for reason in reasons for word in ("--reason", reason))])
        say(f"crawl: {counts}; `{again}` lets them wait again", err=True)
    return COMPLETE


def of_no_reason(job: Job, reasons: Sequence[str]) -> str:
    """Where nothing has one of *reasons*: which reasons there are."""
    counts = Counter(row.reason for row in failures(job)) if reasons else Counter()
    if not counts or any(reason in counts for reason in reasons):
        return ""
    return f" for {', '.join(reasons)}; there are: " + ", ".join(
        f"{n:,} {reason}" for reason, n in counts.most_common()
    )


def _table(rows: Sequence[LedgerRow]) -> list[str]:
    if not rows:
        return []
    cells = [("REASON", "STATUS", "ATTEMPTS", "WHEN", "URL")] + [
        (row.reason, str(row.status or "-"), str(row.attempts), when(row.at), row.url) for row in rows
    ]
    widths = [max(len(line[column]) for line in cells) for column in range(4)]
    lines = []
    for cell, row in zip(cells, [None, *rows], strict=True):
        line = "  ".join(text.ljust(width) for text, width in zip(cell, widths, strict=False)) + "  " + cell[4]
        lines.append(line + (f"  (on {row.referrer})" if row is not None and row.referrer else ""))
        if row is not None and row.detail and not row.detail.startswith("answered "):
            lines.append("  " + row.detail)
    return lines
