"""``crawl jobs``: what there is to go on with."""

from __future__ import annotations

import shlex
from os.path import relpath
from pathlib import Path

import click

from crawler.cli.main import COMPLETE, USAGE
from crawler.cli.text import bytes_in_words, count, one_line, say, when
from crawler.config import Project, find_project
from crawler.errors import JobError, StoreError
from crawler.frontier.job import FOLDER, Job, Overview, jobs_in
from crawler.jobs import STATES, command_of, folder_of


@click.command("jobs")
def command() -> int:
    """List the project's jobs: state, pages, size on disk, and the command that goes on."""
    project = find_project(Path.cwd())
    jobs = jobs_in(project.root)
    if not jobs:
        say("crawl: there are no jobs here; `crawl SPIDER` makes one", err=True)
        return COMPLETE
    broken = False
    for job in jobs:
        try:
            _show(job.overview(), project)
        except StoreError as error:
            broken = True
            say(f"{job.folder.name}: {error}", err=True)
    return USAGE if broken else COMPLETE


def _show(job: Overview, project: Project) -> None:
    tally, spec = job.tally, job.spec
    state = STATES.get(job.state, job.state) + (f" (process {job.owner})" if job.owner else "")
    say(one_line(f"{spec.spider}  {state}, begun {when(spec.started)}"))
    failed = f", {count(job.failed, 'URL')} given up" if job.failed else ""
    say(
        f"  {count(tally.pages, 'page')}, {count(tally.items, 'item')}, {count(job.waiting, 'request')} waiting{failed}; "
        f"state {bytes_in_words(job.size)}"
    )
    for output in spec.outputs:
        say(one_line(f"  dataset   {output if output == '-' else relpath(output)}"))
    if not job.is_complete and job.owner is None:
        say(one_line(f"  go on     {command_of(job, project)}"))
    if job.failed:
        say(one_line(f"  given up  {shlex.join(['crawl', 'failures', job.folder.name])}"))


def find_job(name: str, project: Project) -> Job:
    """The job that a person means by *name*: a spider's, a folder, or what its spider was started by, as ``books.py``.

    :raises JobError: there is none
    """
    for folder in (folder_of(project, name), project.root / FOLDER / name, Path(name)):
        if (job := Job(folder)).exists():
            return job
    started = [job for job in jobs_in(project.root) if _source_of(job) == name]
    if len(started) == 1:
        return started[0]
    names = ", ".join(job.folder.name for job in jobs_in(project.root))
    raise JobError(f"there is no job {name!r}; " + (f"there are: {names}" if names else "`crawl SPIDER` makes one"))


def _source_of(job: Job) -> str:
    """Empty for a damaged job."""
    try:
        return job.overview().spec.source
    except StoreError:
        return ""
