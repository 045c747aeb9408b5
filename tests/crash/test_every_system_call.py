"""A crawl dies, or its disk fails, at a system call that it makes on its own files, at each single one with ALL_CALLS
set in the environment: ``--resume`` ends exact.

strace counts calls for each thread by itself. So a crawl is taken in two halves. Up to ``opened()`` all calls are the
main thread's, and strace starts the process. From then on they are other threads', and strace is attached while the
spider waits in ``opened()``: the main thread's calls are behind it then, and cannot be counted before theirs.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import sqlite3
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import Queue
from typing import Literal, NamedTuple

import pytest
from crashing import SPIDER, Site, assert_exact, command, environment, lines, project, run, served

PAGES = 120
SETTINGS = ("concurrency=4", "commit_interval=5", "commit_size=40", "retry_backoff=0.01")
"""Groups by number, not by time: as many on a busy machine as on an idle one."""
AT_ONCE = 4
"""Points at a time. A crawl of this size mostly waits for the site."""
SECONDS = 30
"""A process that takes longer hangs."""
ALL_CALLS = "ALL_CALLS" in os.environ
"""Whether each single call is taken, which takes ten minutes; else some of each kind, at fixed places."""

GROUPS = {
    "database": [
        f".crawl/site/{name}{ending}"
        for name in ("frontier.sqlite3", "new-frontier.sqlite3")
        for ending in ("", "-wal", "-shm", "-journal")
    ]
    + [".crawl/site"],
    "dataset": ["items.jsonl", "items.rejects.jsonl", "."],
    "lock": [".crawl/site/lock", ".crawl/.gitignore", ".crawl"],
}
"""The files of a crawl, by who writes them: a group's calls are one thread's after another's, never two at once."""
WRITES = ("write", "pwrite64", "writev", "pwritev", "pwritev2")
SYNCS = ("fdatasync", "fsync", "sync_file_range")
NAMES = ("rename", "renameat", "renameat2", "link", "linkat", "unlink", "unlinkat", "mkdir", "mkdirat", "rmdir")
KINDS = (*WRITES, *SYNCS, *NAMES, "ftruncate", "truncate", "fallocate", "copy_file_range", "sendfile")
"""Every call that changes a file, whether the crawl makes it or not."""

Half = Literal["begins", "runs"]
HALVES: tuple[Half, ...] = ("begins", "runs")

HELD = """
    def opened(self):
        import ctypes, glob, os, pathlib, time
        pathlib.Path("pid").write_text(f"{os.getpid()}\\n")
        if "HELD" in os.environ:
            ctypes.CDLL(None).prctl(0x59616D61, ctypes.c_ulong(-1))  # PR_SET_PTRACER: strace is no ancestor
            states = [pathlib.Path(path) for path in glob.glob("/proc/self/task/*/status")]
            until = time.monotonic() + 20
            while any("TracerPid:\\t0\\n" in state.read_text() for state in states):
                if time.monotonic() > until:
                    raise TimeoutError("no strace came")
                time.sleep(0.002)
"""


class Point(NamedTuple):
    """One call to interfere with."""

    half: Half
    group: str
    kind: str
    when: str
    """Its number, from 1; ``3+`` is the third and all that follow."""

    def __str__(self) -> str:
        return f"{self.kind} {self.when} on the {self.group} while it {self.half}"


class End(NamedTuple):
    """How a process ended."""

    code: int
    stderr: str
    seconds: float
    was_hit: bool
    """Whether the call was made at all."""


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    if reason := why_no_strace():
        pytest.skip(reason)
    with served(PAGES) as site:
        yield site


def why_no_strace() -> str:
    """Why nothing can be injected here; empty if it can."""
    if shutil.which("strace") is None:
        return "strace is not installed"
    words = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "inject=fsync:error=EIO", "-P", "/", "true"]
    tried = subprocess.run(words, capture_output=True, text=True, check=False)
    return f"strace cannot trace here: {tried.stderr.strip()}" if tried.returncode else ""


@pytest.fixture(scope="module")
def outcomes(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Counter[tuple[str, str]]:
    """What a crawl that nothing happens to says of each URL."""
    folder = prepared(tmp_path_factory.mktemp("whole"))
    assert run(folder, command(site, settings=SETTINGS)).returncode == 0
    assert_exact(folder, site)
    return outcomes_in(folder)


def outcomes_in(folder: Path) -> Counter[tuple[str, str]]:
    connection = sqlite3.connect(folder / ".crawl/site/frontier.sqlite3")
    try:
        assert connection.execute("SELECT count(*) FROM waiting").fetchone() == (0,)
        return Counter(connection.execute("SELECT url, verdict FROM finished"))
    finally:
        connection.close()


def prepared(folder: Path) -> Path:
    project(folder)
    (folder / "site.py").write_text(SPIDER + HELD)
    return folder.resolve()


# --- strace ---


def strace(folder: Path, log: Path, kinds: str, groups: Iterable[str], *more: str) -> list[str]:
    files = [str((folder / name).resolve()) for group in groups for name in GROUPS[group]]
    only = [word for file in files for word in ("-P", file)]
    return ["strace", "-qqq", "-o", str(log), "-e", f"trace={kinds}", *only, *more]


def calls(folder: Path, site: Site, *more: str) -> Counter[tuple[Half, str, str]]:
    """How often each kind of call is made on each group of files, in each half, in a crawl that nothing happens to."""
    found: Counter[tuple[Half, str, str]] = Counter()
    log = folder / "strace.log"
    kinds = ",".join(f"?{kind}" for kind in KINDS)
    before = shutil.copytree(folder, folder.with_name(f"{folder.name}.before"))
    for group in GROUPS:
        restore(folder, before)
        words = [*strace(folder, log, kinds, [group], "-f"), "--", *command(site, *more, settings=SETTINGS)]
        code, stderr = finish(start(words, folder))
        assert (code, stderr) == (0, "")
        assert_exact(folder, site)
        main = (folder / "pid").read_text().strip()
        made = Counter(re.findall(r"^(\d+) +(\w+)\(", log.read_text(), re.MULTILINE))
        for (thread, kind), times in made.items():
            half: Half = "begins" if thread == main else "runs"
            found[half, group, kind] = max(found[half, group, kind], times)
    return found


def restore(folder: Path, saved: Path) -> None:
    shutil.rmtree(folder)
    shutil.copytree(saved, folder)


def start(words: Sequence[str], folder: Path, **more: str) -> subprocess.Popen[str]:
    """In a session of its own, so that all of it can be ended."""
    return subprocess.Popen(
        words,
        cwd=folder,
        env=environment(**more),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def finish(process: subprocess.Popen[str]) -> tuple[int, str]:
    try:
        _, stderr = process.communicate(timeout=SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        _, stderr = process.communicate()
        stderr += "\nIT HANGS"
    return process.returncode, stderr


def crawl_hit(folder: Path, site: Site, point: Point, what: str, *more: str) -> End:
    """Crawl, while *what* happens to the call at *point*."""
    log = folder / "strace.log"
    log.unlink(missing_ok=True)
    inject = f"inject={point.kind}:{what}:when={point.when}"
    tracing = strace(folder, log, point.kind, [point.group], "-e", inject)
    words = command(site, *more, settings=SETTINGS)
    began = time.monotonic()
    if point.half == "begins":
        code, stderr = finish(start([*tracing, "--", *words], folder))
    else:
        code, stderr = crawl_hit_when_held(folder, [*tracing, "-f"], words)
    was_hit = code == -signal.SIGKILL or "(INJECTED)" in log.read_text()
    return End(code, stderr, time.monotonic() - began, was_hit)


def crawl_hit_when_held(folder: Path, tracing: list[str], words: list[str]) -> tuple[int, str]:
    pid = folder / "pid"
    pid.unlink(missing_ok=True)
    process = start(words, folder, HELD="1")
    until = time.monotonic() + SECONDS
    while not (pid.exists() and pid.read_text().endswith("\n")):
        if process.poll() is not None or time.monotonic() > until:
            return finish(process)
        time.sleep(0.005)
    tracer = start([*tracing, "-p", pid.read_text().strip()], folder)
    code, stderr = finish(process)
    _, complaint = finish(tracer)
    return code, stderr + complaint


# --- the sweeps ---


def sweep(folder: Path, points: Sequence[Point], check: Callable[[Path, Point], str], title: str, make: Maker) -> None:
    """Check each point, some at a time, each time in a folder that *make* made, and say how many there were.

    A job knows its outputs by their absolute paths. So a folder is used again and again, where it is."""
    slots: Queue[tuple[Path, Path]] = Queue()
    for number in range(AT_ONCE):
        made = make(folder / f"slot{number}")
        slots.put((made, shutil.copytree(made, folder / f"saved{number}")))
    results: Counter[str] = Counter()
    wrong: list[str] = []

    def one(point: Point) -> None:
        slot, saved = slots.get()
        try:
            restore(slot, saved)
            results[check(slot, point)] += 1
        except (AssertionError, OSError, ValueError, sqlite3.Error, subprocess.TimeoutExpired) as error:
            wrong.append(f"{point}: {type(error).__name__}: {str(error).splitlines()[0]}")
        finally:
            slots.put((slot, saved))

    began = time.monotonic()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(one, points))
    kinds = Counter(f"{point.group} {point.kind}" for point in points)
    print(f"\n{title}: {len(points)} points in {time.monotonic() - began:.0f} s, {dict(results)}, {dict(kinds)}")
    assert not wrong, f"{len(wrong)} of {len(points)} points:\n" + "\n".join(sorted(wrong))
    assert results.total() - results["not reached"] > 0


Maker = Callable[[Path], Path]


def points_of(
    made: Counter[tuple[Half, str, str]], half: Half, kinds: Iterable[str] = KINDS, ending: str = ""
) -> list[Point]:
    return [
        Point(half, group, kind, f"{number}{ending}")
        for (at, group, kind), times in sorted(made.items())
        for number in numbers(times)
        if at == half and kind in kinds
    ]


def numbers(times: int) -> list[int]:
    """Of so many calls of one kind, those that are taken: the first three, the last, and each fourth between them."""
    every = range(1, times + 1)
    return [number for number in every if ALL_CALLS or number <= 3 or number % 4 == 0 or number == times]


def assert_resumes(folder: Path, site: Site, outcomes: Counter[tuple[str, str]]) -> None:
    resumed = run(folder, command(site, "--resume", settings=SETTINGS))
    assert (resumed.returncode, resumed.stderr) == (0, ""), f"exit {resumed.returncode}: {resumed.stderr}"
    assert_exact(folder, site)
    assert outcomes_in(folder) == outcomes


@pytest.fixture(scope="module")
def made(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Counter[tuple[Half, str, str]]:
    """The calls of a crawl."""
    return calls(prepared(tmp_path_factory.mktemp("counted") / "crawl"), site)


def killing(site: Site, outcomes: Counter[tuple[str, str]], *more: str) -> Callable[[Path, Point], str]:
    """Kill a crawl at a point; what a resume makes of it must be exact."""

    def check(folder: Path, point: Point) -> str:
        end = crawl_hit(folder, site, point, "signal=SIGKILL", *more)
        if not end.was_hit:
            assert end.code == 0, end
        assert_resumes(folder, site, outcomes)
        return "killed and exact" if end.was_hit else "not reached"

    return check


@pytest.mark.timeout(600)
@pytest.mark.parametrize("half", HALVES)
def test_killed_at_any_system_call_a_crawl_resumes_to_exactly_its_items(
    half: Half, site: Site, made: Counter[tuple[Half, str, str]], outcomes: Counter[tuple[str, str]], tmp_path: Path
) -> None:
    check = killing(site, outcomes, "--resume")
    sweep(tmp_path, points_of(made, half), check, f"killed while it {half}", prepared)


def half_way(site: Site) -> Maker:
    """A folder with a crawl that was killed in its midst."""

    def make(folder: Path) -> Path:
        folder = prepared(folder)
        end = crawl_hit(folder, site, Point("runs", "dataset", "write", "2"), "signal=SIGKILL")
        assert end.was_hit
        assert 0 < lines(folder).total() < site.expected.total()
        return folder

    return make


@pytest.mark.timeout(600)
@pytest.mark.parametrize("half", HALVES)
def test_a_resume_killed_at_any_system_call_resumes_once_more(
    half: Half, site: Site, outcomes: Counter[tuple[str, str]], tmp_path: Path
) -> None:
    made = calls(half_way(site)(tmp_path / "counted"), site, "--resume")

    check = killing(site, outcomes, "--resume")
    sweep(tmp_path, points_of(made, half), check, f"a resume killed while it {half}", half_way(site))


@pytest.mark.timeout(600)
def test_a_beginning_anew_that_is_killed_leaves_the_old_job_or_the_new_one(
    site: Site, outcomes: Counter[tuple[str, str]], tmp_path: Path
) -> None:
    anew = ("--fresh", "--overwrite")
    made = calls(half_way(site)(tmp_path / "counted"), site, *anew)

    points = points_of(made, "runs", (*NAMES, *SYNCS, "ftruncate", "write"))
    check = killing(site, outcomes, *anew)
    sweep(tmp_path, points, check, "a beginning anew killed", half_way(site))


def assert_says_so(end: End) -> None:
    """One error, in words. Exit 2 if nothing was begun; else how to go on is said, too."""
    assert end.code in (1, 2), end
    assert end.seconds < SECONDS / 2, end
    said = end.stderr.splitlines()
    assert all(line.startswith("crawl: ") for line in said), end
    assert len(said) == (2 if end.code == 1 else 1), end
    assert end.code == 2 or "crawl site.py --resume" in said[1], end


def failing(site: Site, outcomes: Counter[tuple[str, str]], error: str) -> Callable[[Path, Point], str]:
    def check(folder: Path, point: Point) -> str:
        end = crawl_hit(folder, site, point, f"error={error}", "--resume")
        whole = (folder / "items.jsonl").exists() and lines(folder) == site.expected
        if not end.was_hit:
            result = "not reached"
            assert (end.code, end.stderr) == (0, ""), end
        elif end.code == 0 and not end.stderr and whole:
            result = "harmless"  # as the checkpoint of a database that is closed: its log is whole, and is read again
        else:
            result = f"exit {end.code} and exact"
            assert_says_so(end)
        assert_resumes(folder, site, outcomes)
        return result

    return check


@pytest.mark.timeout(600)
def test_a_sync_that_fails_ends_the_crawl_with_one_clear_error_and_it_resumes_exact(
    site: Site, made: Counter[tuple[Half, str, str]], outcomes: Counter[tuple[str, str]], tmp_path: Path
) -> None:
    points = points_of(made, "runs", SYNCS)
    sweep(tmp_path, points, failing(site, outcomes, "EIO"), "a sync fails", prepared)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("ending", ["", "+"], ids=["once", "for_good"])
@pytest.mark.parametrize("half", HALVES)
def test_a_full_disk_ends_the_crawl_with_one_clear_error_nothing_torn_and_it_resumes_exact(
    half: Half,
    ending: str,
    site: Site,
    made: Counter[tuple[Half, str, str]],
    outcomes: Counter[tuple[str, str]],
    tmp_path: Path,
) -> None:
    every = points_of(made, half, WRITES, ending)
    some = [point for point in every if point.group == "database"][bool(ending) :: 3]  # they are many, and alike
    points = [point for point in every if point.group != "database"] + some
    title = f"the disk is full {'from then on' if ending else 'once'} while it {half}"
    sweep(tmp_path, points, failing(site, outcomes, "ENOSPC"), title, prepared)
