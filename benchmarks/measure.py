"""Run one crawl in a fresh process, say what it cost, and check that it found everything."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from threading import Timer

from contenders import CONCURRENCY, CONTENDERS, Job

REPOSITORY = Path(__file__).resolve().parent.parent
_PROBES = {
    "crawler": ("-m", "crawler", "--help"),
    "memory": ("-m", "crawler", "--help"),
    "scrapy": ("-m", "scrapy", "version"),
    "scrapling": ("-c", "import scrapling.spiders"),
}
"""What works in a Python that has the contender's package."""


class ContenderFailed(Exception):
    """A contender did not do the work, or not the same work as the others."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What one whole process cost, its start and its end included. Times are in seconds."""

    pages: int
    wall: float
    user: float
    system: float
    peak_rss: int
    """Bytes. Never less than this process's own peak, some 30 MB: a child begins as its copy."""

    @property
    def cpu_per_page(self) -> float:
        """Microseconds of user and system time."""
        return (self.user + self.system) / self.pages * 1e6

    @property
    def pages_per_second(self) -> float:
        return self.pages / self.wall


@dataclass(frozen=True, slots=True)
class Crawl:
    """A finished crawl."""

    cost: Cost
    records: list[str]
    """Sorted, in one spelling of JSON, so that two crawls of one site are equal or not."""


def crawl(name: str, python: str, start_url: str, expected: Iterable[str], concurrency: int = CONCURRENCY) -> Crawl:
    """Let the contender *name* crawl from *start_url* in an empty folder of its own.

    :param expected: the URL of every page of the site, each once
    :raises ContenderFailed: it ended with an error, or its records are not those of the expected pages
    """
    urls = sorted(expected)
    with tempfile.TemporaryDirectory(prefix="crawl-") as folder:
        output = Path(folder) / "books.jsonl"
        command = CONTENDERS[name](python, Job(start_url, output, concurrency))
        cost = run(command, Path(folder), len(urls))
        return Crawl(cost, _read_records(name, output, urls))


def compile_package() -> None:
    """Compile this checkout to bytecode, as pip compiles what it installs: the peers' packages, and all libraries, are."""
    subprocess.run([sys.executable, "-m", "compileall", "-q", str(REPOSITORY / "crawler")], check=True)


def why_absent(name: str, python: str) -> str | None:
    """Why the contender's package cannot be used by *python*, in a line; None if it can."""
    probe = _PROBES.get(name)
    if probe is None:
        return None
    try:
        answer = subprocess.run([python, *probe], env=environment(), capture_output=True, text=True, check=False)
    except OSError as error:
        return f"{python}: {error.strerror}"
    if answer.returncode == 0:
        return None
    last_line = answer.stderr.strip().rpartition("\n")[2]
    return f"`{python} {' '.join(probe)}` says: {last_line or f'exit code {answer.returncode}'}"


def environment() -> dict[str, str]:
    """This checkout comes before any installed version of the package."""
    path = os.pathsep.join(filter(None, [str(REPOSITORY), os.environ.get("PYTHONPATH")]))
    return os.environ | {"PYTHONPATH": path}


def run(command: list[str], folder: Path, pages: int) -> Cost:
    limit = 60 + pages / 10  # seconds: ten pages a second is a fifth of what the slowest contender makes
    log = folder / "output.log"
    with log.open("wb") as stream:
        started = time.perf_counter()
        process = subprocess.Popen(
            command, cwd=folder, env=environment(), stdin=subprocess.DEVNULL, stdout=stream, stderr=stream
        )
        alarm = Timer(limit, process.kill)
        alarm.start()
        try:
            _, status, usage = os.wait4(process.pid, 0)  # process.wait() would not say what this one child used
            wall = time.perf_counter() - started
        except BaseException:
            process.kill()
            process.wait()
            raise
        finally:
            alarm.cancel()
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-20:])
        ended = f"exit code {process.returncode} after {wall:.1f} s"
        raise ContenderFailed(f"{ended}: {' '.join(command)}\n{tail}")
    unit = 1 if sys.platform == "darwin" else 1024  # ru_maxrss is in bytes on macOS, in KB elsewhere
    return Cost(pages, wall, usage.ru_utime, usage.ru_stime, usage.ru_maxrss * unit)


def _read_records(name: str, output: Path, urls: list[str]) -> list[str]:
    with output.open(encoding="utf-8") as lines:
        records = [json.loads(line) for line in lines]
    found = sorted(record["url"] for record in records)
    if found != urls:
        missing, unknown = sorted(set(urls) - set(found)), sorted(set(found) - set(urls))
        raise ContenderFailed(
            f"{name} wrote {len(found)} records of {len(set(found))} pages; the site has {len(urls)}. "
            f"Missing: {missing[:3]}; not of the site: {unknown[:3]}"
        )
    return sorted(json.dumps(record, sort_keys=True) for record in records)
