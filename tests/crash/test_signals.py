"""What a crawl does when it is told to end, is stopped, finds its clock set or its job in use, and when the place where
its job or its dataset is kept is locked, damaged or full: nothing is lost, doubled or torn, and it says what to do."""

from __future__ import annotations

import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from itertools import pairwise
from pathlib import Path

import pytest
from crashing import SETTINGS, Site, assert_exact, command, environment, lines, project, run, served

PAGES = 300
PACED = (*SETTINGS, "delay=0.005")
"""A crawl that is still under way when a third of its pages have been asked for, however late that is seen."""
RESUME = "crawl site.py --resume"
CLOCK = """
import sys, time
from itertools import pairwise
from pathlib import Path

real, offset = time.time, Path("offset")
time.time = lambda: real() + float(offset.read_text() or 0)

from crawler.cli.main import run
sys.exit(run(sys.argv[1:]))
"""
"""``crawl``, where the clock on the wall is off by what a file says."""


# --- a crawl that runs, and a site that takes notes ---


@contextmanager
def started(folder: Path, words: list[str]) -> Iterator[subprocess.Popen[str]]:
    """A crawl, which does not outlive the block."""
    process = subprocess.Popen(
        words, cwd=folder, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        assert process.stderr is not None
        process.stderr.close()


def until(holds: Callable[[], bool], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it never came to that"
        time.sleep(0.002)


def ended(process: subprocess.Popen[str], seconds: float = 20) -> tuple[int, str, float]:
    """Its exit code, what is left of its standard error, and how long that took."""
    begin = time.monotonic()
    _, err = process.communicate(timeout=seconds)
    return process.returncode, err, time.monotonic() - begin


def told_to_stop(process: subprocess.Popen[str], number: int = signal.SIGINT) -> None:
    """Send the signal, and wait until it was heard."""
    process.send_signal(number)
    assert process.stderr is not None
    while not (line := process.stderr.readline()).startswith("stopping"):
        assert line, "it ended without a word"


def loud(site: Site, *more: str, settings: tuple[str, ...] = SETTINGS) -> list[str]:
    return [word for word in command(site, *more, settings=settings) if word != "--quiet"]


class Log(Counter[str]):
    """Hits, and when they were."""

    def __init__(self) -> None:
        self.times: list[tuple[float, str]] = []
        super().__init__()

    def __setitem__(self, name: str, asked: int) -> None:
        self.times.append((time.monotonic(), name))
        super().__setitem__(name, asked)


@contextmanager
def held_up(site: Site, number: int) -> Iterator[threading.Event]:
    """Within the block, that page is answered when the event is set."""
    html, go = site.html, threading.Event()

    def slowly(asked: int) -> bytes:
        if asked == number:
            go.wait(30)
        return html(asked)

    site.html = slowly  # type: ignore[method-assign]  # this one site alone
    try:
        yield go
    finally:
        go.set()


def assert_goes_on(folder: Path, site: Site) -> None:
    process = run(folder, command(site, "--resume"))
    assert (process.returncode, process.stderr) == (0, "")
    assert_exact(folder, site)


def refetched(site: Site) -> dict[str, int]:
    """What was asked more than once."""
    return {name: asked for name, asked in site.hits.items() if asked > 1}


def database(folder: Path) -> Path:
    return folder / ".crawl" / "site" / "frontier.sqlite3"


def interrupted(folder: Path, site: Site) -> bytes:
    """Begin a crawl, and interrupt it. Its dataset."""
    with started(folder, command(site, settings=PACED)) as process:
        until(lambda: site.hits.total() > site.pages // 3)
        process.send_signal(signal.SIGINT)
        code, err, _ = ended(process)
        assert (code, err) == (130, "")
    return (folder / "items.jsonl").read_bytes()


# --- signals ---


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_crawl_and_after_a_resume_no_page_was_asked_twice(number: int, tmp_path: Path) -> None:
    folder = project(tmp_path)
    with served(PAGES) as site:
        with started(folder, loud(site, settings=PACED)) as process:
            until(lambda: site.hits.total() > PAGES // 3)
            process.send_signal(number)
            code, err, seconds = ended(process)
        assert code == 130
        assert f"`{RESUME}` goes on" in err
        assert lines(folder)
        assert sum(lines(folder).values()) < 2 * PAGES, "it was complete before the signal came"
        assert_goes_on(folder, site)
        print(f"\nended {seconds:.2f} s after the signal; {len(refetched(site))} pages fetched twice")
        assert refetched(site) == {}


def test_a_page_that_ends_within_its_grace_is_kept(tmp_path: Path) -> None:
    folder = project(tmp_path)
    with served(PAGES) as site, held_up(site, 9) as go:
        with started(folder, loud(site)) as process:
            until(lambda: site.hits["9"] == 1)
            told_to_stop(process)
            go.set()
            code, _, seconds = ended(process)
        assert code == 130
        assert seconds < 5, "ten are the grace"
        assert_goes_on(folder, site)
        assert refetched(site) == {}


def test_a_page_that_outlasts_its_grace_is_put_back(tmp_path: Path) -> None:
    folder = project(tmp_path)
    with served(PAGES) as site, held_up(site, 9) as go:
        with started(folder, loud(site, settings=(*SETTINGS, "grace=1"))) as process:
            until(lambda: site.hits["9"] == 1)
            told_to_stop(process)
            code, err, seconds = ended(process)
        assert code == 130
        assert 0.9 < seconds < 4
        assert f"`{RESUME}` goes on" in err
        go.set()
        assert_goes_on(folder, site)
        assert refetched(site) == {"9": 2}


@pytest.mark.parametrize("second", [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_ends_the_crawl_at_once(second: int, tmp_path: Path) -> None:
    folder = project(tmp_path)
    with served(PAGES) as site, held_up(site, 9) as go:
        with started(folder, loud(site)) as process:
            until(lambda: site.hits["9"] == 1)
            told_to_stop(process)
            process.send_signal(second)
            code, err, seconds = ended(process)
        assert code == 130
        assert seconds <= 1
        assert "Traceback" not in err
        go.set()
        assert_goes_on(folder, site)


def test_a_crawl_that_is_killed_while_it_ends_is_gone_on_with(tmp_path: Path) -> None:
    folder = project(tmp_path)
    with served(PAGES) as site, held_up(site, 9) as go:
        with started(folder, loud(site)) as process:
            until(lambda: site.hits["9"] == 1)
            told_to_stop(process, signal.SIGTERM)
            process.kill()
            assert process.wait() == -signal.SIGKILL
        go.set()
        assert_goes_on(folder, site)


def test_a_crawl_that_was_stopped_for_a_while_goes_on(tmp_path: Path) -> None:
    folder = project(tmp_path)
    with served(PAGES) as site, started(folder, command(site, settings=PACED)) as process:
        until(lambda: site.hits.total() > PAGES // 3)
        process.send_signal(signal.SIGSTOP)
        time.sleep(2)
        asked = site.hits.total()
        assert asked < PAGES
        process.send_signal(signal.SIGCONT)
        code, err, _ = ended(process)
        assert code == 0
        assert not err or "held the event loop" in err  # a callback that was stopped with it looks slow
        assert_exact(folder, site)
        assert refetched(site) == {}


# --- whose job it is ---


@pytest.mark.parametrize("more", [(), ("--resume",), ("--fresh", "--overwrite")])
def test_a_second_process_on_a_job_is_refused(more: tuple[str, ...], tmp_path: Path) -> None:
    folder = project(tmp_path)
    with served(PAGES) as site, held_up(site, 9) as go, started(folder, command(site)) as process:
        until(lambda: site.hits["9"] == 1)
        second = run(folder, command(site, *more))
        assert second.returncode == 2
        assert f"process {process.pid} is running the job" in second.stderr
        assert "Traceback" not in second.stderr
        go.set()
        assert ended(process)[0] == 0
        assert_exact(folder, site)


def test_the_lock_of_a_killed_process_is_taken_over_without_a_word(tmp_path: Path) -> None:
    folder = project(tmp_path)
    with served(PAGES) as site:
        with started(folder, command(site, settings=PACED)) as process:
            until(lambda: site.hits.total() > PAGES // 3)
            process.kill()
            process.wait()
        assert (database(folder).parent / "lock").read_text() == f"{process.pid}\n"
        assert_goes_on(folder, site)


def test_a_plain_run_on_an_unfinished_job_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    folder = project(tmp_path)
    with served(PAGES) as site:
        before, asked = interrupted(folder, site), site.hits.total()
        refused = run(folder, command(site))
        assert refused.returncode == 2
        words = [" ".join(line.split()) for line in refused.stderr.splitlines()]
        assert f"{RESUME} goes on with it" in words
        assert any(line.startswith("crawl site.py --fresh -o items.jsonl -a url=") for line in words)
        assert (folder / "items.jsonl").read_bytes() == before
        assert site.hits.total() == asked
        assert_goes_on(folder, site)


def test_fresh_begins_anew(tmp_path: Path) -> None:
    folder = project(tmp_path)
    with served(PAGES) as site:
        before = interrupted(folder, site)
        refused = run(folder, command(site, "--fresh"))
        assert (refused.returncode, (folder / "items.jsonl").read_bytes()) == (2, before)
        assert "--overwrite" in refused.stderr
        site.hits.clear()
        anew = run(folder, command(site, "--fresh", "--overwrite"))
        assert (anew.returncode, anew.stderr) == (0, "")
        assert_exact(folder, site)
        assert {site.hits[str(number)] for number in range(PAGES)} == {1}


def test_a_complete_job_is_left_as_it_is(tmp_path: Path) -> None:
    folder = project(tmp_path)
    with served(40) as site:
        assert run(folder, command(site)).returncode == 0
        before, asked = (folder / "items.jsonl").read_bytes(), site.hits.total()
        again = run(folder, command(site, "--resume"))
        assert (again.returncode, again.stderr) == (0, "")
        assert ((folder / "items.jsonl").read_bytes(), site.hits.total()) == (before, asked)


def test_an_output_behind_a_link_may_be_named_again_with_resume(tmp_path: Path) -> None:
    folder = project(tmp_path / "project")
    (tmp_path / "elsewhere").mkdir()
    (folder / "link").symlink_to(tmp_path / "elsewhere")
    with served(PAGES) as site:
        words = [
            str(folder / "link" / word) if word == "items.jsonl" else word for word in command(site, settings=PACED)
        ]
        with started(folder, words) as process:
            until(lambda: site.hits.total() > PAGES // 3)
            process.kill()
            process.wait()
        resumed = run(folder, [*words, "--resume"])
        assert (resumed.returncode, resumed.stderr) == (0, "")
        assert_exact(tmp_path / "elsewhere", site)


# --- clocks ---


def with_clock(folder: Path, words: list[str]) -> list[str]:
    (folder / "clock.py").write_text(CLOCK)
    return [sys.executable, "clock.py", *words[3:]]


def set_clock(folder: Path, seconds: float) -> None:
    """From now on the clock is off by so much."""
    (folder / "new").write_text(str(seconds))
    (folder / "new").replace(folder / "offset")


def test_a_clock_that_jumps_changes_no_delay_and_harms_no_resume(tmp_path: Path) -> None:
    folder = project(tmp_path)
    with served(20) as site:
        site.hits = log = Log()
        words = with_clock(folder, command(site, settings=(*SETTINGS, "delay=0.2")))
        set_clock(folder, 0)
        with started(folder, words) as process:
            for asked, offset in (4, -3600), (8, 3600), (12, 0):
                until(lambda asked=asked: len(log.times) >= asked)  # type: ignore[misc]  # the default is of a loop variable
                set_clock(folder, offset)
            process.kill()
            process.wait()
        first = [at for at, _ in log.times]
        set_clock(folder, -3600)
        with started(folder, [*words, "--resume"]) as process:
            until(lambda: len(log.times) >= len(first) + 4)
            set_clock(folder, 3600)
            code, err, _ = ended(process)
            assert (code, err) == (0, "")
        assert_exact(folder, site)
        second = [at for at, _ in log.times[len(first) :]]
        gaps = [after - before for times in (first, second) for before, after in pairwise(times)]
        print(f"\n{len(gaps)} gaps of {1000 * min(gaps):.1f} to {1000 * max(gaps):.1f} ms, where 200 were asked for")
        for times in (first, second):
            assert times[-1] - times[0] >= 0.2 * (len(times) - 1) - 0.02
        assert min(gaps) >= 0.2 - 0.1, "a thread of the server may be late by so much, never the crawler early"
        assert max(gaps) < 1


class Refusing(Site):
    """Says 503 and ``Retry-After: 3`` to the first one who asks for its page 7."""

    def answer(self, name: str) -> tuple[int, dict[str, str], bytes]:
        if name == "7" and self.hits[name] == 1:
            return 503, {"Retry-After": "3"}, b""
        return super().answer(name)


@pytest.mark.parametrize("offset", [0, 3600])
def test_a_host_that_wants_a_rest_has_it_from_the_resumed_crawl_too(offset: int, tmp_path: Path) -> None:
    folder = project(tmp_path)
    with served(30, Refusing) as site:
        site.hits = log = Log()
        words = with_clock(folder, command(site, settings=("concurrency=1", "commit_interval=0.02")))
        set_clock(folder, 0)
        with started(folder, words) as process:
            until(lambda: log["7"] == 1)
            refused_at = log.times[-1][0]
            time.sleep(0.5)
            process.kill()
            process.wait()
        asked = len(log.times)
        set_clock(folder, offset)
        resumed = run(folder, [*words, "--resume"])
        assert (resumed.returncode, resumed.stderr) == (0, "")
        assert_exact(folder, site)
        rest = log.times[asked][0] - refused_at
        print(f"\nasked again {rest:.2f} s after it wanted to be left alone for 3")
        assert 3 <= rest < 7


# --- places that cannot be used ---


def assert_says(process: subprocess.CompletedProcess[str], *words: str) -> None:
    assert "Traceback" not in process.stderr
    assert "defect" not in process.stderr
    for word in words:
        assert word in process.stderr, process.stderr


def test_a_state_folder_that_is_a_file_is_one_line_of_error(tmp_path: Path) -> None:
    folder = project(tmp_path)
    (folder / ".crawl").write_text("mine")
    with served(5) as site:
        refused = run(folder, command(site))
        assert refused.returncode == 2
        assert_says(refused, ".crawl", "--job DIR")
        assert len(refused.stderr.splitlines()) == 1
        assert (folder / ".crawl").read_text() == "mine"
        assert not (folder / "items.jsonl").exists()
        assert site.hits.total() == 0


def test_a_database_that_another_program_locks_ends_the_crawl_which_is_gone_on_with_later(tmp_path: Path) -> None:
    folder = project(tmp_path)
    with served(PAGES) as site:
        slowly = (*SETTINGS, "delay=0.02")  # or it might be over before the lock is had
        with started(folder, command(site, settings=slowly)) as process:
            until(lambda: site.hits.total() > PAGES // 3)
            with closing(sqlite3.connect(database(folder), isolation_level=None)) as other:
                other.execute("BEGIN EXCLUSIVE")
                code, err, _ = ended(process)
                process_ended = subprocess.CompletedProcess([], code, "", err)
                lines(folder)
                refused = run(folder, command(site, "--resume"))
                other.execute("ROLLBACK")
        assert (code, refused.returncode) == (1, 2)
        assert_says(process_ended, "another program holds the database locked", RESUME)
        assert_says(refused, "another program holds the database locked")
        assert_goes_on(folder, site)


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Site]]:
    """An unfinished job, with a copy of its files in the folder ``copy``."""
    folder = project(tmp_path_factory.mktemp("begun"))
    with served(PAGES) as site:
        interrupted(folder, site)
        shutil.copytree(folder / ".crawl", folder / "copy" / ".crawl")
        shutil.copy(folder / "items.jsonl", folder / "copy")
        yield folder, site


@pytest.fixture
def unfinished(begun: tuple[Path, Site]) -> tuple[Path, Site, bytes]:
    """The folder of an unfinished job, its site and its dataset, as if they were new."""
    folder, site = begun
    shutil.rmtree(folder / ".crawl")
    shutil.copytree(folder / "copy" / ".crawl", folder / ".crawl")
    shutil.copy(folder / "copy" / "items.jsonl", folder)
    return folder, site, (folder / "items.jsonl").read_bytes()


def scribbled(data: bytes) -> bytes:
    """Whichever table is read, it is damaged: the first page tells only where they are."""
    return data[:4096] + random.Random(7).randbytes(len(data) - 4096)


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "random bytes behind its first page": scribbled,
    "its second half is gone": lambda data: data[: len(data) // 2],
    "a text in its place": lambda data: b"This is no database.\n" * 1000,
    "its first page is gone": lambda data: bytes(4096) + data[4096:],
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_database_is_told_of_and_the_dataset_left_alone(
    name: str, unfinished: tuple[Path, Site, bytes]
) -> None:
    folder, site, before = unfinished
    file = database(folder)
    file.write_bytes(DAMAGES[name](file.read_bytes()))
    for more in ((), ("--resume",)):
        refused = run(folder, command(site, *more))
        assert refused.returncode == 2
        assert_says(refused, "is damaged", "--fresh")
        assert (folder / "items.jsonl").read_bytes() == before
    anew = run(folder, command(site, "--fresh", "--overwrite"))
    assert (anew.returncode, anew.stderr) == (0, "")
    assert_exact(folder, site)


TABLES = (
    *("meta", "waiting", "waiting_by_host", "finished", "failures", "seen_groups", "seen_parts"),
    *("hosts", "seed_hosts", "sites", "robots", "cookies", "outputs"),
)


@pytest.mark.parametrize("table", TABLES)
def test_a_damaged_table_costs_no_page_that_is_not_told_of(table: str, unfinished: tuple[Path, Site, bytes]) -> None:
    folder, site, before = unfinished
    file = database(folder)
    with closing(sqlite3.connect(file)) as connection:
        query = "SELECT rootpage FROM sqlite_master WHERE name = ?"
        [root] = connection.execute(query, (table,)).fetchone()
    data = bytearray(file.read_bytes())
    data[4096 * (root - 1) : 4096 * root] = random.Random(7).randbytes(4096)
    file.write_bytes(data)
    resumed = run(folder, command(site, "--resume"))
    if resumed.returncode == 0:
        assert resumed.stderr == ""
        assert_exact(folder, site)
    else:
        assert_says(resumed, "damaged", "--fresh")
        assert (folder / "items.jsonl").read_bytes().startswith(before)
        lines(folder)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE waiting SET request = x'c1'",
        "UPDATE meta SET value = '{' WHERE key = 'tally'",
        "UPDATE meta SET value = CAST(x'ff' AS TEXT) WHERE key = 'spec'",
        "DELETE FROM meta WHERE key = 'spec'",
    ],
)
def test_a_row_that_is_damaged_is_told_of_without_a_traceback(
    statement: str, unfinished: tuple[Path, Site, bytes]
) -> None:
    folder, site, before = unfinished
    with closing(sqlite3.connect(database(folder), isolation_level=None)) as connection:
        connection.execute(statement)
    resumed = run(folder, command(site, "--resume"))
    assert resumed.returncode in (1, 2)
    assert_says(resumed, "damaged", "--fresh")
    assert (folder / "items.jsonl").read_bytes() == before


# --- a disk that is full ---


@contextmanager
def small_disk(folder: Path, kilobytes: int) -> Iterator[Path]:
    """A file system of that size, mounted at *folder*."""
    folder.mkdir()
    if not sys.platform.startswith("linux") or os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("only root may mount a small disk, on Linux")
    mount = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(folder)]
    mounted = subprocess.run(mount, capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {mounted.stderr.strip()}")
    try:
        yield folder
    finally:
        if subprocess.run(["umount", str(folder)], check=False).returncode:
            subprocess.run(["umount", "-l", str(folder)], check=True)


def enlarge(disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,size=64m", str(disk)], check=True)


FULL = {"the dataset": 80, "the job": 300, "both": 400}
"""What is on the small disk, and its kilobytes: there is room to begin, and too little to end."""


@pytest.mark.parametrize("what", FULL)
def test_a_full_disk_is_one_clear_error_and_the_crawl_goes_on_when_there_is_room(what: str, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", FULL[what]) as disk, served(PAGES) as site:
        folder = project(disk if what == "both" else tmp_path / "project")
        data = folder if what == "the job" else disk
        settings = (*SETTINGS, "commit_size=4")  # many commits, however slow they are: the database grows past the disk
        words = [str(data / word) if word == "items.jsonl" else word for word in command(site, settings=settings)]
        words += ["--job", str(disk / "job")] if what == "the job" else []
        full = run(folder, words)
        print(f"\n{what}: exit {full.returncode}, {full.stderr.strip()}")
        assert full.returncode == 1
        assert_says(full, "--resume")
        assert "No space left" in full.stderr or "the disk is full" in full.stderr
        assert 0 < sum(lines(data).values()) <= 2 * PAGES  # what was not committed may be there, whole
        still_full = run(folder, [*words, "--resume"])
        if still_full.returncode:  # else so little was left to do that it fitted, once the log had been written back
            assert still_full.returncode in (1, 2)
            assert_says(still_full)
        enlarge(disk)
        resumed = run(folder, [*words, "--resume"])
        assert (resumed.returncode, resumed.stderr) == (0, "")
        assert_exact(data, site)
