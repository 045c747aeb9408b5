"""Who takes part: one row per contender, each a command line that makes the same crawl."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
SPIDERS = HERE.parent / "spiders"

CONCURRENCY = 16
"""Requests at once, the same for all. 16 is Scrapy's default; between 8 and 64 it matters little."""


@dataclass(frozen=True, slots=True)
class Job:
    """What a contender is asked to do."""

    start_url: str
    output: Path
    """The JSONL file to write; it does not exist yet."""
    concurrency: int = CONCURRENCY


def bare(python: str, job: Job) -> list[str]:
    return [python, str(HERE / "bare.py"), job.start_url, str(job.output), str(job.concurrency)]


def plain(python: str, job: Job) -> list[str]:
    return [*bare(python, job), "plain"]


def crawler(python: str, job: Job) -> list[str]:
    settings = ["delay=0", f"concurrency={job.concurrency}", f"concurrency_per_host={job.concurrency}"]
    command = [python, "-m", "crawler", str(SPIDERS / "books_bench.py"), "-o", str(job.output)]
    command += ["-a", f"url={job.start_url}", "--quiet"]
    for setting in settings:
        command += ["--set", setting]
    return command


def memory(python: str, job: Job) -> list[str]:
    return [*crawler(python, job), "--set", "store=memory"]


def scrapy(python: str, job: Job) -> list[str]:
    return [python, str(HERE / "scrapy_spider.py"), job.start_url, str(job.output), str(job.concurrency)]


def scrapling(python: str, job: Job) -> list[str]:
    return [python, str(HERE / "scrapling_spider.py"), job.start_url, str(job.output), str(job.concurrency)]


CONTENDERS: dict[str, Callable[[str, Job], list[str]]] = {
    "bare": bare,
    "plain": plain,
    "crawler": crawler,
    "memory": memory,
    "scrapy": scrapy,
    "scrapling": scrapling,
}
"""Name -> (path of a Python, job) -> command line. In this order they run within a round."""

PEERS = ("scrapy", "scrapling")
"""Those that are dependencies of nothing here: they run when they are asked for, each with a Python of its own."""
