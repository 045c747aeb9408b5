"""``crawl https://example.com/``: a whole site, without a spider."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from crawler.cli.run import C, RunOptions, UsageLine, job_options, run_options, run_spider, standard_output
from crawler.config import find_project
from crawler.errors import JobError, UsageError
from crawler.frontier.job import Job
from crawler.jobs import folder_of
from crawler.spiders.site import name_for, site_spider
from crawler.urls.url import Address, address, why_not

STANDARD_INPUT = "-"
_MOST_TOLD = 20
"""Lines of a file that are told to be wrong; whoever gave another file altogether need not see them all."""

_OPTIONS = (
    click.option(
        "--urls",
        "files",
        multiple=True,
        metavar="FILE",
        help="A file with URLs, one on each line; - is standard input. Empty lines, and those that begin with #, are "
        "passed over. Repeatable.",
    ),
    click.option("--depth", type=click.IntRange(0), metavar="N", help="Links to follow from a URL given; 0: none."),
    click.option(
        "--include",
        multiple=True,
        metavar="PATTERN",
        help="Follow and keep only such URLs: /catalogue/ (and all below), *.html, '/blog/*/2024-**', "
        "https://example.com/**, or re:REGEX. Repeatable. The URLs given are always fetched.",
    ),
    click.option("--exclude", multiple=True, metavar="PATTERN", help="Leave such URLs out. Repeatable."),
    click.option(
        "--select",
        "fields",
        multiple=True,
        metavar="NAME=CSS",
        help="A field of your own, as --select title=h1 --select price=.price::text; tags[]=.tag gives a list. "
        "Repeatable. Pages that have none of them give no item.",
    ),
    click.option("--sitemap", is_flag=True, help="Begin also with the pages that the site's sitemaps list."),
)


def site_options(function: C) -> C:
    """Where to begin, and what to take."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


@click.command("URL", cls=UsageLine)
@click.argument("urls", nargs=-1)
@site_options
@run_options
@job_options
def command(
    urls: Sequence[str], files: Sequence[str], depth: int | None, **given: Any
) -> int:  # Any: as click gives them
    """Crawl the site at URL, or several, without a spider: each page with its title, description, text and links.

    Links are followed on the hosts of the URLs given, and on their sub-domains. What is known of a crawl is kept under
    the name of the first one's host.
    """
    told = {name: given.pop(name) for name in ("include", "exclude", "fields", "sitemap")}
    options = RunOptions(args=(), **given)
    targets = _targets(urls, files)
    args: dict[str, Any] = {  # Any: texts, lists and a dict
        "start_urls": [target.href for target in targets],
        "sitemaps": list(dict.fromkeys(f"{target.origin}/" for target in targets)) if told["sitemap"] else [],
        "include": list(told["include"]),
        "exclude": list(told["exclude"]),
        "select": _selectors(told["fields"]),
    }
    source, project, spider = targets[0].href, find_project(Path.cwd()), site_spider(name_for(targets[0].host))
    if options.choice == "resume":
        _leave_to_the_job(args, Job(options.job or folder_of(project, spider.name)), spider.name)
    if depth is not None:
        options = options._replace(sets=[*options.sets, f"max_depth={depth}"])
    args = {name: value for name, value in args.items() if value}
    with standard_output(options.outputs) as stdout:
        return run_spider(
            spider, args, project, options, stdout, source=source, words=_words([*urls], files, told, source)
        )


command.params = [option for option in command.params if option.name != "args"]  # -a is for spiders


def _targets(urls: Sequence[str], files: Sequence[str]) -> list[Address]:
    """Where to begin: every URL on the command line and in *files*, each once.

    :raises UsageError: some are none; all of them are told. Or there is none at all
    """
    found: dict[str, Address] = {}
    wrong: list[str] = []
    files = [*files, *(STANDARD_INPUT for url in urls if url == STANDARD_INPUT)]
    places = [("", url) for url in urls if url != STANDARD_INPUT]
    for place, text in [*places, *(line for file in dict.fromkeys(files) for line in _lines(file))]:
        target = address(text)
        if target is None:
            wrong.append(f"{place}{text[:200]!r} cannot be crawled: {why_not(text)}{_hint(text)}")
        else:
            found.setdefault(target.href, target)
    if wrong:
        more = [f"and {len(wrong) - _MOST_TOLD:,} more"] if len(wrong) > _MOST_TOLD else []
        raise UsageError("\n       ".join([*wrong[:_MOST_TOLD], *more]))
    if not found:
        raise UsageError("there is no URL to begin with" + (f" in {', '.join(files)}" if files else ""))
    return list(found.values())


def _lines(file: str) -> Iterator[tuple[str, str]]:
    """Each URL in *file*, and where it stands."""
    name = "standard input" if file == STANDARD_INPUT else file
    try:
        body = sys.stdin.buffer.read() if file == STANDARD_INPUT else Path(file).read_bytes()
    except OSError as error:
        raise UsageError(f"--urls {file}: {error.strerror or error}") from None
    for number, line in enumerate(body.decode("utf-8-sig", "replace").splitlines(), 1):
        text = line.strip()
        if text and not text.startswith("#"):
            yield f"{name}:{number}: ", text


def _hint(text: str) -> str:
    return f". Did you mean https://{text} ?" if "://" not in text and address(f"https://{text}") else ""


def _selectors(fields: Sequence[str]) -> dict[str, str]:
    """
    :raises UsageError: one has no ``=``, or no selector
    """
    found: dict[str, str] = {}
    for field in fields:
        name, _, query = map(str.strip, field.partition("="))
        if not name or not query:
            raise UsageError(f"--select {field}: write --select NAME=CSS, as in --select title=h1::text")
        if name in found:
            raise UsageError(f"--select {field}: {name} is named twice")
        found[name] = query
    return found


def _leave_to_the_job(args: dict[str, Any], job: Job, name: str) -> None:  # Any: as the command has them
    """With ``--resume`` the job knows where it began; what is named now must be a part of that.

    :raises JobError: it is not
    """
    if not job.exists():
        return
    began: list[str] = job.overview().spec.args.get("start_urls", [])
    strange = [url for url in args["start_urls"] if url not in began]
    if strange:
        raise JobError(
            f"the job of {name} did not begin at {strange[0]}, but at {began[0] if began else 'another place'}: go on with "
            "that, or name another folder with --job DIR for a crawl of its own"
        )
    args.update(start_urls=[], sitemaps=[])


def _words(urls: list[str], files: Sequence[str], told: dict[str, Any], source: str) -> tuple[str, ...]:
    """What was typed beside the first URL: for a command that begins anew."""
    words = [url for url in urls if url != source]
    words += [word for file in files for word in ("--urls", file)]
    words += [word for name in ("include", "exclude") for text in told[name] for word in (f"--{name}", text)]
    words += [word for field in told["fields"] for word in ("--select", field)]
    return (*words, *(["--sitemap"] if told["sitemap"] else []))
