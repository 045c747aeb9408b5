"""``crawl demo``: a bundled bookshop, crawled."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from crawler.cli.main import COMPLETE
from crawler.cli.run import RunOptions, run_options, run_spider, standard_output
from crawler.cli.text import say
from crawler.config import Project, read_pairs
from crawler.demo.bookshop import Bookshop
from crawler.demo.spider import Bookshop as BookshopSpider


@click.command("demo")
@run_options
def command(**given: Any) -> int:  # Any: as click gives them
    """Start a bookshop of some 300 pages on this machine and crawl it, politely, into a dataset.

    It needs no internet and no project; nothing is left but the dataset. The options are those of a run.
    """
    options = RunOptions(**given)
    with Bookshop() as shop, standard_output(options.outputs) as stdout:
        if not options.quiet:
            say(f"a bookshop is open at {shop.url}", err=True)
        arguments = {"url": shop.url, **read_pairs(options.args, "-a")}
        code = run_spider(BookshopSpider, arguments, Project(Path.cwd()), options, stdout)
    if code == COMPLETE and not options.quiet:
        say("write a spider of your own: crawl new NAME URL", err=True)
    return code
