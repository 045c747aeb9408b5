"""Wherever in the commit, at the begin of a job or while it is gone on with the crawler is killed, and killed there
once more: after ``--resume`` each item is in the dataset once, and no line is torn."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import pytest
from crashing import SETTINGS, Site, assert_exact, command, project, run, served
from points import POINTS

from crawler.frontier.job import jobs_in
from crawler.outcome import Filled

PROGRAM = Path(__file__).with_name("points.py")
PAGES = 60
GROUPS_OF_FOUR = (*SETTINGS, "commit_size=4")
"""Eight groups at the least: one has up to eight pages, where commits are slow."""

BEGUN: dict[str, tuple[int, ...]] = {
    "before the append": (5,),
    "a torn line": (1, 5),
    "written, not synced": (1, 5),
    "synced, not told": (5,),
    "appended, before the transaction": (2, 6),
    "before BEGIN": (1,),
    "in the transaction, requests inserted": (1, 2),
    "in the transaction, requests deleted": (5,),
    "in the transaction, positions written": (1, 6),
    "before COMMIT": (2, 6),
    "after COMMIT": (1, 6),
    "committed, before the frontier hears it": (2, 6),
    "half of the log is written back": (2, 6),
    "before the last commit": (1,),
    "after the last commit": (1,),
    "before the log is written back at the close": (1,),
    "closed": (1,),
    "locked": (1,),
    "before the database is made": (1,),
    "the database is made, and empty": (1,),
    "half of the tables are made": (1,),
    "the tables are made, and empty": (1,),
    "before the COMMIT of the tables": (1,),
    "after the COMMIT of the tables": (1,),
    "the database is made, and has another name": (1,),
    "before the database gets its name": (1,),
    "the database has its name, which is not synced": (1,),
    "before the output is made": (1,),
    "the output is made, its folder not synced": (1,),
    "the output is made, its folder synced": (1,),
    "outputs opened, before their first positions": (1,),
    "outputs opened, after their first positions": (1,),
}
"""Points that a new job passes, and the times at which it is killed there."""
ANEW = tuple(name for name in POINTS if name.startswith("anew: "))
RESUMING = tuple(name for name in POINTS if name.startswith("resuming: "))


def killed_at(point: str, number: int, folder: Path, site: Site, *more: str) -> int:
    """The exit code of a crawl that is killed at *point*, if it comes there."""
    arguments = command(site, *more, settings=GROUPS_OF_FOUR)[3:]
    ended = run(folder, [sys.executable, str(PROGRAM), point, str(number), *arguments])
    assert ended.returncode in (0, -signal.SIGKILL), ended.stderr
    return ended.returncode


def assert_goes_on(folder: Path, site: Site) -> None:
    ended = run(folder, command(site, "--resume"))
    assert (ended.returncode, ended.stderr) == (0, "")
    assert_exact(folder, site)
    [job] = jobs_in(folder)
    assert job.overview().tally.filled == {
        "dict": Filled(2 * PAGES, dict.fromkeys(("page", "item", "text"), 2 * PAGES))
    }


def assert_asked_at_most(times: int, site: Site) -> None:
    pages = {name: asked for name, asked in site.hits.items() if name.isdigit()}
    assert max(pages.values()) <= times, pages


def test_every_point_is_in_a_table_of_those_that_are_tried() -> None:
    assert sorted([*BEGUN, *ANEW, *RESUMING]) == sorted(POINTS)


@pytest.mark.parametrize(("point", "number"), [(point, number) for point in BEGUN for number in BEGUN[point]])
def test_a_new_job_that_is_killed_there_is_gone_on_with(point: str, number: int, tmp_path: Path) -> None:
    folder = project(tmp_path)
    with served(PAGES) as site:
        assert killed_at(point, number, folder, site) == -signal.SIGKILL
        killed_at(point, number, folder, site, "--resume")
        assert_goes_on(folder, site)
        assert_asked_at_most(3, site)


def test_what_a_job_wrote_before_its_first_commit_is_not_appended_to(tmp_path: Path) -> None:
    folder = project(tmp_path)
    with served(PAGES) as site:
        assert killed_at("appended, before the transaction", 2, folder, site) == -signal.SIGKILL
        assert (folder / "items.jsonl").read_bytes()
        refused = run(folder, command(site))
        assert (refused.returncode, "--append adds to it" in refused.stderr) == (2, True)
        ended = run(folder, command(site, "--append"))
        assert (ended.returncode, ended.stderr) == (0, "")
        assert_exact(folder, site)


@pytest.mark.parametrize("point", RESUMING)
def test_a_resume_that_is_killed_there_twice_is_gone_on_with(point: str, tmp_path: Path) -> None:
    folder = project(tmp_path)
    with served(PAGES) as site:
        assert killed_at("appended, before the transaction", 4, folder, site) == -signal.SIGKILL
        tail = (folder / "items.jsonl").read_bytes()
        assert tail
        for _ in range(2):
            assert killed_at(point, 1, folder, site, "--resume") == -signal.SIGKILL
        assert_goes_on(folder, site)
        assert_asked_at_most(4, site)


@pytest.mark.parametrize("point", ANEW)
def test_a_job_whose_new_begin_is_killed_there_twice_is_begun_anew(point: str, tmp_path: Path) -> None:
    folder, anew = project(tmp_path), ("--fresh", "--overwrite")
    with served(PAGES) as site:
        assert killed_at("after COMMIT", 6, folder, site) == -signal.SIGKILL
        assert killed_at(point, 1, folder, site, *anew) == -signal.SIGKILL
        killed_at(point, 1, folder, site, *anew)
        ended = run(folder, command(site, *anew))
        assert (ended.returncode, ended.stderr) == (0, "")
        assert_exact(folder, site)


@pytest.mark.parametrize("point", ANEW)
def test_a_job_whose_new_begin_is_killed_there_is_gone_on_with_or_its_dataset_left_alone(
    point: str, tmp_path: Path
) -> None:
    folder = project(tmp_path)
    with served(PAGES) as site:
        assert killed_at("after COMMIT", 6, folder, site) == -signal.SIGKILL
        assert killed_at(point, 1, folder, site, "--fresh", "--overwrite") == -signal.SIGKILL
        before = (folder / "items.jsonl").read_bytes()
        ended = run(folder, command(site, "--resume"))
        if ended.returncode == 0:
            assert_exact(folder, site)
        else:  # there is no job any more, and a new one may not touch what is there
            assert ended.returncode == 2
            assert "items.jsonl exists already: --overwrite replaces it" in ended.stderr
            assert (folder / "items.jsonl").read_bytes() == before
