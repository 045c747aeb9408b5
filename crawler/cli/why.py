"""``crawl why``: what became of a URL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from crawler.cli.jobs import find_job
from crawler.cli.main import COMPLETE, USAGE
from crawler.cli.text import count, one_line, say, when
from crawler.config import find_project
from crawler.errors import StoreError
from crawler.frontier.job import Job, Overview, jobs_in
from crawler.frontier.ledger import Trace, robots_of, seed_hosts, trace
from crawler.http.addresses import is_private_host, refusal
from crawler.jobs import STATES
from crawler.politeness.robots import RobotsTxt, line_against, product_token
from crawler.traps.shape import shape
from crawler.traps.spelling import is_endless
from crawler.urls.canonical import DEFAULT_STEPS, STEPS, Canonical, canonicalizer
from crawler.urls.scope import Scope
from crawler.urls.url import Address, address, why_not


@click.command("why")
@click.argument("url")
@click.argument("job", required=False)
def command(url: str, job: str | None) -> int:
    """Tell why URL was or was not crawled: done, failed, waiting, forbidden, out of scope, too deep, never discovered.

    JOB is a spider's name, or a folder that was given with --job; without it every job of the project is asked, and those
    that know URL answer.
    """
    target = address(url)
    if target is None:
        say(one_line(f"crawl: {url} cannot be crawled: {why_not(url)}"), err=True)
        return USAGE
    project = find_project(Path.cwd())
    jobs = [find_job(job, project)] if job else jobs_in(project.root)
    if not jobs:
        say("crawl: there are no jobs here; `crawl SPIDER` makes one", err=True)
        return USAGE
    asked: list[tuple[Job, Overview, Trace]] = []
    for one in jobs:
        try:
            overview = one.overview()
        except StoreError as error:
            if job:
                raise
            say(f"{one.folder.name}: {error}", err=True)
            continue
        asked.append((one, overview, trace(one, target.href, _canonical(overview))))
    knowing = [answer for answer in asked if answer[2].state in _ANSWERS]
    for one, overview, found in knowing or asked:
        prefix = f"{overview.spec.spider}: " if len(jobs) > 1 else ""
        for number, line in enumerate(_answer(one, overview, found, target.href)):
            say(one_line((prefix if number == 0 else " " * len(prefix)) + line))
    return COMPLETE


def _answer(job: Job, overview: Overview, found: Trace, url: str) -> Iterator[str]:
    if found.state in _ANSWERS:
        yield from _ANSWERS[found.state](found, job, overview)
    else:
        yield from _unknown(job, overview, url)
    if found.url and found.url != url:
        yield f"it is a duplicate of {found.url}, which was found first"


def _canonical(overview: Overview) -> Canonical:
    """How the job tells which URLs are one page."""
    steps = overview.spec.settings.get("canonicalization", DEFAULT_STEPS)
    if any(step not in STEPS for step in steps):
        from crawler.cli.run import find_spider  # loads much; only the spider's own file has the step

        find_spider(overview.spec.source, find_project(Path.cwd()))
    return canonicalizer(steps)


def _done(found: Trace, job: Job, overview: Overview) -> Iterator[str]:
    rejected = f", {found.note}" if found.note else ""
    yield f"done: fetched {when(found.at)}, {count(found.items, 'item')}{rejected}"


def _failed(found: Trace, job: Job, overview: Overview) -> Iterator[str]:
    failure = found.failure
    if failure is None:
        yield f"failed {when(found.at)}"
        return
    yield f"failed: {failure.reason} after {count(failure.attempts, 'attempt')}, {when(failure.at)}"
    if failure.detail:
        yield f"  {failure.detail}"
    if failure.referrer:
        yield f"  found on {failure.referrer}"
    if failure.traceback:
        yield from ("  " + line for line in failure.traceback.rstrip().split("\n"))


def _redirected(found: Trace, job: Job, overview: Overview) -> Iterator[str]:
    yield f"redirected {when(found.at)} to {found.note}"


def _skipped(found: Trace, job: Job, overview: Overview) -> Iterator[str]:
    if found.note == "site_budget":
        yield "site_budget: the site had given as many pages as max_pages_per_site allows"
        return
    if found.note == "trap":
        pages = overview.spec.settings.get("trap_pages")
        yield f"trap: its kind of pages seemed to go on for ever, and brought nothing new; trap_pages = {pages}"
        return
    target = address(found.url)
    body = robots_of(job, target.origin) if target is not None else None
    agent = str(overview.spec.settings.get("user_agent", ""))
    if found.note == "crawl_delay":
        asked = RobotsTxt(body or b"", product_token(agent)).crawl_delay
        seconds = f"{asked:g} seconds" if asked is not None else "more time"
        limit = overview.spec.settings.get("max_crawl_delay")
        yield f"crawl_delay: the site's robots.txt asks for {seconds} between two requests; max_crawl_delay = {limit}"
        return
    line = line_against(body, agent, found.url) if body else None
    yield "robots: the site's robots.txt forbids it" + (f", line {line[0]}: {line[1]}" if line else "")


def _waiting(found: Trace, job: Job, overview: Overview) -> Iterator[str]:
    state = STATES.get(overview.state, overview.state)
    why = "" if overview.owner is not None else f"; the crawl is not running ({state})"
    if overview.state in ("max_pages", "max_items"):
        limit = overview.spec.settings.get(overview.state)
        why = f"; the crawl's budget was spent ({overview.state} = {limit})"
    yield f"waiting: discovered{_where(found)}, not fetched yet{why}"


def _too_deep(found: Trace, job: Job, overview: Overview) -> Iterator[str]:
    limit = overview.spec.settings.get("max_depth")
    yield f"too deep: {found.depth} links from a seed{_where(found)}; max_depth = {limit}"


_ANSWERS = {
    "done": _done,
    "failed": _failed,
    "redirected": _redirected,
    "skipped": _skipped,
    "waiting": _waiting,
    "too_deep": _too_deep,
}


_LEFT_ALONE = {
    "trap": "of a kind of pages that seemed endless (trap_pages)",
    "trap_hosts": "on one of too many hosts of its site (max_hosts_per_site)",
}
"""Links that are not followed, and not written down one by one."""


def _unknown(job: Job, overview: Overview, url: str) -> Iterator[str]:
    """Nothing is written down of it: its host tells whether it would have been taken."""
    target = address(url)
    assert target is not None
    allowed = overview.spec.allowed_hosts
    scope = Scope(allowed)
    hosts = seed_hosts(job)
    for host in hosts:
        scope.grow(host)
    if not scope.admits(target.hostname):
        rule = f"allowed_hosts = {allowed}" if allowed else f"without allowed_hosts, those of the seeds: {_some(hosts)}"
        yield f"out of scope: {target.hostname} is not among the hosts of the crawl ({rule})"
        return
    refused = overview.tally.skipped.get("private", 0)
    if refused and is_private_host(target.hostname):
        yield f"private: {refusal(target.hostname)}"
        yield f"  left out of this crawl: {count(refused, 'link')} of public pages to private hosts"
        return
    most = overview.spec.settings.get("max_path_segments")
    if most is not None and overview.tally.skipped.get("trap_path") and is_endless(target.href, most):
        yield f"trap_path: it repeats itself, or has more than {most} segments (max_path_segments)"
        return
    if like := _like_a_trap(overview, target):
        links = count(overview.tally.skipped["trap"], "link")
        yield f"trap: it is of the kind of {like}, and that seemed endless: {links} left alone (trap_pages)"
        return
    so_far = "" if overview.is_complete else " so far"
    yield f"never discovered: no callback asked for it{so_far} (a page may link to it that the spider did not follow)"
    left_out = overview.tally.skipped.get("nofollow", 0)
    if left_out:
        links = count(left_out, "link")
        yield f"  it may be on a page that asks not to be followed: {links} left out (obey_robots_tags)"
    for reason, words in _LEFT_ALONE.items():
        if times := overview.tally.skipped.get(reason):
            yield f"  it may be {words}: {count(times, 'link')} left alone"
    if overview.spec.settings.get("max_depth") is not None and overview.is_complete:
        yield f"  it may lie deeper than max_depth = {overview.spec.settings['max_depth']}"


def _like_a_trap(overview: Overview, target: Address) -> str:
    """The link of the same kind that was left alone; empty if none is known: one is written down."""
    example = address(overview.tally.skipped_examples.get("trap", ""))
    if example is None or example.origin != target.origin or shape(example.href) != shape(target.href):
        return ""
    return example.href


def _where(found: Trace) -> str:
    return f" on {found.referrer}" if found.referrer else " as a seed"


def _some(hosts: list[str]) -> str:
    return ", ".join(hosts[:5]) + (f" and {len(hosts) - 5:,} more" if len(hosts) > 5 else "")
