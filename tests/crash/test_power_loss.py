"""A power cut, replayed: from whatever the disk may hold after it, ``--resume`` ends exact, and no commit is undone.

A crawl's calls are recorded with strace and replayed on a model of a disk, cut off at each sync and in between. What a
sync has said to be written is there; of all else, each call may have reached the disk or not, and a write in part. The
model takes POSIX at its word: a file's name is as uncertain as its bytes until its *folder* is synced.
"""

from __future__ import annotations

import hashlib
import os
import random
import re
import shutil
import signal
import sqlite3
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import pytest
from crashing import Site, assert_exact, command, environment, lines, project, run, served

PAGES = 60
SETTINGS = ("concurrency=4", "commit_interval=5", "commit_size=10", "retry_backoff=0.01")
"""Groups by number, not by time."""
AT_ONCE = 3
"""Recordings, each with its share of the images. A job knows its outputs by their absolute paths, so an image must lie
where it was recorded, and one folder holds one at a time."""
IMAGES = 150 if "ALL_CALLS" in os.environ else 50
"""At most, for all recordings together: in CI those of every third cut, and more with ALL_CALLS set."""
SECONDS = 30

DATABASE, DATASET = ".crawl/site/frontier.sqlite3", "items.jsonl"
TRACED = (
    "?open ?openat ?openat2 ?creat write pwrite64 ?writev ?pwritev ?pwritev2 fsync fdatasync ?sync_file_range ftruncate "
    "?truncate ?fallocate ?rename ?renameat ?renameat2 ?link ?linkat ?symlinkat ?unlink ?unlinkat ?mkdir ?mkdirat ?rmdir"
)
"""Every call that changes a file: one that the model does not know must be seen, too."""


# --- the recording ---


class Call(NamedTuple):
    """One call that changes the disk, or makes a change durable. Paths are relative to the project's folder."""

    kind: str
    path: str
    data: bytes = b""
    offset: int | None = None
    """None for the end of the file."""
    to: str = ""


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    tried = subprocess.run(["strace", "-qqq", "-o", "/dev/null", "true"], capture_output=True, text=True, check=False)
    if tried.returncode:
        pytest.skip(f"strace cannot trace here: {tried.stderr.strip()}")
    with served(PAGES) as site:
        yield site


def recorded(folder: Path, site: Site, *more: str) -> list[Call]:
    """The calls of one crawl."""
    log = folder.with_suffix(".strace")
    traced = "trace=" + ",".join(TRACED.split())
    words = ["strace", "-f", "-y", "-xx", "-qqq", "-s", "10000000", "-e", "signal=none", "-e", traced, "-o", str(log)]
    ended = run(folder, [*words, "--", *command(site, *more, settings=SETTINGS)])
    assert (ended.returncode, ended.stderr) == (0, "")
    assert_exact(folder, site)
    return list(calls_in(log, folder))


def calls_in(log: Path, folder: Path) -> Iterator[Call]:
    for name, arguments, result in finished_calls(log):
        if int(result) >= 0:
            yield from understood(name, arguments, folder)


def finished_calls(log: Path) -> Iterator[tuple[str, str, str]]:
    """Name, arguments and result, in the order in which the calls returned."""
    begun: dict[str, str] = {}
    with log.open() as text:
        for line in text:
            thread, _, call = line.rstrip("\n").partition(" ")
            call = call.lstrip()
            if call.endswith("<unfinished ...>"):
                begun[thread] = call.removesuffix("<unfinished ...>")
                continue
            if resumed := re.match(r"<\.\.\. \w+ resumed>", call):
                call = begun.pop(thread) + call[resumed.end() :]
            whole = re.fullmatch(r"(\w+)\((.*)\) += (-?\d+).*", call)
            assert whole is not None or call.startswith(("+++", "exit")) or call.endswith("= ?"), call
            if whole is not None:
                yield whole[1], whole[2], whole[3]


def understood(name: str, arguments: str, folder: Path) -> Iterator[Call]:
    """What a call does to the project's folder, if anything."""
    strings = [unhexed(text) for text in re.findall(r'"((?:\\x[0-9a-f]{2})*)"', arguments)]
    opened = re.match(r"(?:\d+|AT_FDCWD)<((?:\\x[0-9a-f]{2})*)>", arguments)
    by_descriptor = os.fsdecode(unhexed(opened[1])) if opened is not None else str(folder)
    numbers = arguments.rsplit(", ", 2)
    makes = name in ("open", "openat", "creat") and ("O_CREAT" in arguments or "O_TRUNC" in arguments)
    if name in ("open", "openat", "openat2", "creat", "rename", "unlink", "mkdir", "rmdir"):
        paths = [os.path.join(by_descriptor, os.fsdecode(string)) for string in strings]
    else:
        paths = [by_descriptor]
    paths = [os.path.relpath(path, folder) for path in paths]
    if paths[0].startswith("..") or paths[0].endswith("-shm") or "(deleted)" in arguments:
        return  # another's; or rebuilt from the log after a crash, and never synced; or gone
    path = paths[0]
    if makes:
        yield Call("create" if "O_CREAT" in arguments else "empty", path)
        if "O_TRUNC" in arguments:
            yield Call("truncate", path, offset=0)
    elif name == "write":
        yield Call("write", path, strings[0])
    elif name == "pwrite64":
        yield Call("write", path, strings[0], int(numbers[-1]))
    elif name == "ftruncate":
        yield Call("truncate", path, offset=int(numbers[-1]))
    elif name in ("fsync", "fdatasync"):
        yield Call("sync", path)
    elif name == "rename":
        yield Call("rename", path, to=paths[1])
    elif name in ("unlink", "mkdir", "rmdir"):
        yield Call({"rmdir": "unlink"}.get(name, name), path)
    else:
        assert name in ("open", "openat", "openat2"), f"the model does not know {name}({arguments[:200]})"


def unhexed(text: str) -> bytes:
    return bytes.fromhex(text.replace("\\x", ""))


# --- the disk ---


@dataclass
class File:
    """What was synced, and what was done since. A folder is one, too."""

    home: str
    """Where it was made."""
    durable: bytes = b""
    pending: list[Call] = field(default_factory=list)
    is_folder: bool = False


Keeps = Callable[[Call], Call | None]
"""Which of the pending calls has reached the disk: as it is, in part, or not at all."""


class Disk:
    """The project's folder, as a power cut may leave it."""

    def __init__(self, files: dict[str, bytes], folders: Iterable[str] = ()) -> None:
        """*files* and *folders* are durable."""
        self.names = {path: File(path, data) for path, data in files.items()}
        self.names.update({path: File(path, is_folder=True) for path in folders})
        self.durable_names = dict(self.names)
        self.pending_names: list[tuple[Call, File | None]] = []

    def apply(self, call: Call) -> None:
        path = call.path
        if call.kind == "sync":
            self._sync(path)
        elif call.kind in ("create", "mkdir"):
            if path not in self.names:
                self.names[path] = File(path, is_folder=call.kind == "mkdir")
                self.pending_names.append((call, self.names[path]))
        elif call.kind == "unlink":
            del self.names[path]
            self.pending_names.append((call, None))
        elif call.kind == "rename":
            assert os.path.dirname(path) == os.path.dirname(call.to)
            self.names[call.to] = self.names.pop(path)
            self.pending_names.append((call, self.names[call.to]))
        else:
            self.names[path].pending.append(call)

    def _sync(self, path: str) -> None:
        file = self.names.get(path)
        if path == "." or (file is not None and file.is_folder):
            here = [entry for entry in self.pending_names if (os.path.dirname(entry[0].path) or ".") == path]
            self.pending_names = [entry for entry in self.pending_names if entry not in here]
            for call, named in here:
                _name(self.durable_names, call, named)
        elif file is not None:
            file.durable, file.pending = _content(file, lambda call: call), []

    @property
    def pending(self) -> list[Call]:
        named = [call for call, _ in self.pending_names]
        return named + [call for file in self.names.values() for call in file.pending]

    def image(self, keeps: Keeps) -> dict[str, bytes | None]:
        """What is there after the power cut; None for a folder."""
        names = dict(self.durable_names)
        for call, file in self.pending_names:
            if keeps(call) is not None:
                _name(names, call, file)
        reached: dict[str, bytes | None] = {}
        for path in sorted(names):
            above = os.path.dirname(path)
            if not above or above in reached:  # a name in a folder that is lost is lost with it
                reached[path] = None if names[path].is_folder else _content(names[path], keeps)
        return reached


def _name(names: dict[str, File], call: Call, file: File | None) -> None:
    names.pop(call.path, None)
    if file is not None:
        names[call.to or call.path] = file


def _content(file: File, keeps: Keeps) -> bytes:
    data = bytearray(file.durable)
    for call in map(keeps, file.pending):
        if call is None:
            continue
        at = len(data) if call.offset is None else call.offset
        data.extend(bytes(max(0, at - len(data))))
        if call.kind == "truncate":
            del data[at:]
        else:
            data[at : at + len(call.data)] = call.data
    return bytes(data)


def is_datasets(call: Call) -> bool:
    return not call.path.startswith(".crawl")


def everything(call: Call) -> Call | None:
    return call


def variants(disk: Disk, seed: int) -> Iterator[tuple[str, Keeps]]:
    """Ways in which the disk may have treated what was not synced."""
    pending = disk.pending
    writes = [call for call in pending if call.kind == "write"]
    last = writes[-1] if writes else None
    chance = random.Random(seed)
    lucky = {id(call) for call in pending if chance.random() < 0.5}

    def torn(call: Call) -> Call | None:
        return call._replace(data=call.data[: len(call.data) // 2]) if call is last else call

    def sizes(call: Call) -> Call | None:  # names and lengths are there, the bytes are not
        return call._replace(data=bytes(len(call.data))) if call.kind == "write" else call

    yield "nothing", lambda call: None
    yield "everything", everything
    yield "the dataset's", lambda call: call if is_datasets(call) else None
    yield "the database's", lambda call: None if is_datasets(call) else call
    yield "the last write torn", torn
    yield "lengths without bytes", sizes
    yield "names without bytes", lambda call: None if call.kind in ("write", "truncate") else call
    yield "any", lambda call: call if id(call) in lucky else None


# --- what was promised ---


class State(NamedTuple):
    """What a database says: how much of the dataset is committed, and each request that has its outcome."""

    position: int
    finished: frozenset[tuple[int, str]]


def state(image: dict[str, bytes | None], scratch: Path) -> State | None:
    """None if there is no job."""
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    for ending in ("", "-wal", "-journal"):
        data = image.get(DATABASE + ending)
        if data is not None:
            (scratch / f"copy{ending}").write_bytes(data)
    if not image.get(DATABASE):
        return None
    connection = sqlite3.connect(scratch / "copy")
    try:
        positions = connection.execute("SELECT position FROM outputs WHERE name LIKE ?", [f"%/{DATASET}"]).fetchall()
        finished = connection.execute("SELECT number, verdict FROM finished").fetchall()
    finally:
        connection.close()
    return State(positions[0][0] if positions else 0, frozenset(finished))


class Recording:
    """One crawl, and what it had to keep at each moment."""

    def __init__(self, folder: Path, site: Site, *more: str) -> None:
        self.folder = folder
        self.before = on_disk(folder)
        self.calls = recorded(folder, site, *more)
        self.dataset = (folder / DATASET).read_bytes()
        everything_there = self.disk(len(self.calls)).image(everything)
        assert everything_there == on_disk(folder), "the model, or the recording, is wrong"

    def disk(self, cut: int) -> Disk:
        """After that many calls."""
        files = {path: data for path, data in self.before.items() if data is not None}
        disk = Disk(files, [path for path, data in self.before.items() if data is None])
        for call in self.calls[:cut]:
            disk.apply(call)
        return disk

    def promised(self, cut: int, scratch: Path) -> State | None:
        """What was committed: all that had been written when the dataset was turned to again. The committer goes on
        when a commit is done, and not before."""
        turned = [at for at, call in enumerate(self.calls[:cut]) if call.path == DATASET and call.kind != "sync"]
        at = cut if cut == len(self.calls) else turned[-1] if turned else None
        return state(self.disk(at).image(everything), scratch) if at is not None else None

    def cuts(self) -> list[int]:
        """Before and after each sync; and some more."""
        syncs = [at for at, call in enumerate(self.calls) if call.kind == "sync"]
        names = [at for at, call in enumerate(self.calls) if call.kind in ("rename", "unlink", "create", "mkdir")]
        some = range(0, len(self.calls), 20)
        return sorted({*syncs, *(at + 1 for at in syncs), *names, *some, len(self.calls)})


def on_disk(folder: Path) -> dict[str, bytes | None]:
    return {
        str(path.relative_to(folder)): None if path.is_dir() else path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if not path.name.endswith("-shm")
    }


class Image(NamedTuple):
    """What one power cut leaves."""

    title: str
    files: dict[str, bytes | None]
    promised: State | None


def images(recording: Recording, scratch: Path, share: int) -> list[Image]:
    """Those that differ from each other. If there are too many: all that have lost most, and of the others some."""
    most, others = [], []
    seen = set()
    for cut in recording.cuts():
        disk = recording.disk(cut)
        promised = recording.promised(cut, scratch)
        for name, keeps in variants(disk, cut):
            files = disk.image(keeps)
            mark = hashlib.sha256(repr((sorted(files.items()), promised)).encode()).digest()
            if mark not in seen:
                seen.add(mark)
                title = f"cut at call {cut} of {len(recording.calls)}, kept of what was not synced: {name}"
                (most if name == "nothing" else others).append(Image(title, files, promised))
    random.Random(0).shuffle(others)
    return (most + others)[share::AT_ONCE]


def survives(recording: Recording, image: Image, site: Site, scratch: Path) -> None:
    folder = recording.folder
    found = state(image.files, scratch)
    if image.promised is not None:
        assert found is not None, "the job is lost"
        assert found.position >= image.promised.position, "a commit is lost"
        assert found.finished >= image.promised.finished, "an outcome is lost"
    shutil.rmtree(folder)
    folder.mkdir()
    for path, data in image.files.items():
        if data is None:
            (folder / path).mkdir()
        else:
            (folder / path).write_bytes(data)
    resumed = run(folder, command(site, "--resume", settings=SETTINGS), seconds=SECONDS)
    assert (resumed.returncode, resumed.stderr) == (0, ""), f"exit {resumed.returncode}: {resumed.stderr}"
    assert_exact(folder, site)
    kept = image.promised.position if image.promised is not None else 0
    assert (folder / DATASET).read_bytes()[:kept] == recording.dataset[:kept], "what was committed is not as it was"


def replay(make: Callable[[Path], Recording], site: Site, folder: Path, title: str) -> None:
    wrong: list[str] = []
    counts: Counter[str] = Counter()

    def one(share: int) -> None:
        recording = make(folder / f"crawl{share}")
        scratch = folder / f"scratch{share}"
        all_of_them = images(recording, scratch, share)
        mine = all_of_them[: IMAGES // AT_ONCE]
        for image in mine:
            try:
                survives(recording, image, site, scratch)
            except (AssertionError, OSError, ValueError, sqlite3.Error, subprocess.TimeoutExpired) as error:
                wrong.append(f"{image.title}: {type(error).__name__}: {str(error).splitlines()[0]}")
        syncs = sum(call.kind == "sync" for call in recording.calls)
        counts.update(images=len(mine), left_out=len(all_of_them) - len(mine), calls=len(recording.calls), syncs=syncs)
        counts.update(promises=sum(image.promised is not None for image in mine))

    began = time.monotonic()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(one, range(AT_ONCE)))
    print(f"\n{title}: {dict(counts)} in {time.monotonic() - began:.0f} s")
    assert not wrong, f"{len(wrong)} of {counts['images']} images:\n" + "\n".join(sorted(wrong))
    assert counts["images"] > IMAGES // 3
    assert counts["promises"] > 0


@pytest.mark.timeout(600)
def test_a_crawl_that_a_power_cut_ended_at_any_sync_resumes_exact_and_no_commit_is_lost(
    site: Site, tmp_path: Path
) -> None:
    def make(folder: Path) -> Recording:
        return Recording(project(folder), site)

    replay(make, site, tmp_path.resolve(), "a power cut in a crawl")


@pytest.mark.timeout(600)
def test_a_resume_that_a_power_cut_ended_at_any_sync_resumes_exact_and_no_commit_is_lost(
    site: Site, tmp_path: Path
) -> None:
    def make(folder: Path) -> Recording:
        killed(project(folder), site)
        return Recording(folder, site, "--resume")

    replay(make, site, tmp_path.resolve(), "a power cut in a resume")


def killed(folder: Path, site: Site) -> None:
    """Leave a crawl behind that was killed when some of its dataset was there."""
    process = subprocess.Popen(command(site, settings=SETTINGS), cwd=folder, env=environment())
    try:
        while sum(lines_so_far(folder)) < site.expected.total() // 4:
            assert process.poll() is None, "it was too fast"
            time.sleep(0.002)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert 0 < lines(folder).total() < site.expected.total()


def lines_so_far(folder: Path) -> Sequence[int]:
    data = (folder / DATASET).read_bytes() if (folder / DATASET).exists() else b""
    return [data.count(b"\n")]
