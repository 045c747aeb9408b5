"""Datasets that a crawl sends to an object store, wherever the crawl dies."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from object_stores import S3

SPIDER = """
from crawler import Request, Spider

class Numbers(Spider):
    name = "numbers"
    settings = {"commit_size": 2, "commit_interval": 0.01, "obey_robots": False, "delay": 0.0}

    async def start(self):
        for number in range(12):
            yield Request(f"http://numbers.test/{number}")

    def parse(self, page):
        yield {"n": int(page.url.rpartition("/")[2]), "kind": "even" if page.url[-1] in "02468" else "odd"}
"""
PROGRAM = """
import os, signal, sys
import crawler.assemble
from crawler import CannedFetcher
from crawler.cli.main import run
from crawler.export.remote import Remote

answers = {f"http://numbers.test/{number}": "x" for number in range(12)}
crawler.assemble.HttpFetcher = lambda *args, **named: CannedFetcher(answers)
left = int(sys.argv[1])
upload = Remote.upload

def counted(self, local):
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    upload(self, local)

Remote.upload = counted
sys.exit(run(sys.argv[2:]))
"""


@pytest.fixture(scope="module")
def s3() -> Iterator[S3]:
    server = S3()
    server.make_bucket("data")
    yield server
    server.close()


def crawled(folder: Path, s3: S3, killed_at: int, *words: str) -> subprocess.CompletedProcess[str]:
    (folder / "counting.py").write_text(SPIDER)
    (folder / "config.toml").write_text("")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "COV"))}
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, str(killed_at), "counting.py", *words],
        cwd=folder,
        env={**kept, **s3.env, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def numbers(data: bytes) -> list[int]:
    return sorted(json.loads(line)["n"] for line in data.splitlines())


@pytest.mark.parametrize("killed_at", [0, 1, 2, 4])
def test_a_dataset_is_sent_whole_wherever_the_crawl_dies(s3: S3, tmp_path: Path, killed_at: int) -> None:
    folder = f"run{killed_at}"
    words = ("-o", f"s3://data/{folder}/all.jsonl", "-o", f"s3://data/{folder}/{{kind}}.jsonl")
    ended = crawled(tmp_path, s3, killed_at, *words)
    if killed_at:
        assert ended.returncode == -signal.SIGKILL, ended.stderr
        ended = crawled(tmp_path, s3, 0, "--resume")
    assert ended.returncode == 0, ended.stderr
    assert numbers(s3.read("data", f"{folder}/all.jsonl")) == list(range(12))
    assert numbers(s3.read("data", f"{folder}/even.jsonl")) == list(range(0, 12, 2))
    assert numbers(s3.read("data", f"{folder}/odd.jsonl")) == list(range(1, 12, 2))
    assert json.loads(s3.read("data", f"{folder}/all.jsonl.manifest.json"))["items"] == 12
    here = {path.name for path in tmp_path.rglob("*") if path.is_file() and ".crawl" not in path.parts}
    assert here == {"counting.py", "config.toml"}
    assert not list((tmp_path / ".crawl").rglob("*.remote"))


def test_what_is_there_is_refused_or_replaced(s3: S3, tmp_path: Path) -> None:
    name = "s3://data/again/all.jsonl"
    assert crawled(tmp_path, s3, 0, "-o", name).returncode == 0
    ended = crawled(tmp_path, s3, 0, "-o", name)
    assert (ended.returncode, ended.stderr) == (2, f"crawl: {name} exists already: --overwrite replaces it\n")
    ended = crawled(tmp_path, s3, 0, "-o", name, "--append")
    assert (ended.returncode, "--append adds to files on this machine" in ended.stderr) == (2, True)
    assert crawled(tmp_path, s3, 0, "-o", name, "--overwrite").returncode == 0


def test_a_store_that_is_not_there_is_told_before_anything_is_fetched(s3: S3, tmp_path: Path) -> None:
    ended = crawled(tmp_path, s3, 0, "-o", "s3://nowhere/all.jsonl")
    assert ended.returncode == 2
    assert "create the bucket" in ended.stderr
    assert not (tmp_path / ".crawl").exists()
