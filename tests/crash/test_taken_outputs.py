"""A job that died is cut back to what it committed; but not in a file that another crawl has written since."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from crashing import run

SPIDERS = """
import os
import signal

from crawler import Spider


class Dies(Spider):
    start_urls = ["http://127.0.0.1:9/"]
    settings = {"retries": 0}

    def parse(self, page):
        pass

    def on_failure(self, failure):
        if os.environ.get("DIE"):
            os.kill(os.getpid(), signal.SIGKILL)
        yield {"n": 1}


class Other(Dies):
    def on_failure(self, failure):
        yield from ({"n": 100 + number} for number in range(3))
"""
OTHERS = b'{"n":100}\n{"n":101}\n{"n":102}\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "config.toml").write_text("")
    (tmp_path / "spider.py").write_text(SPIDERS)
    return tmp_path


def crawl(folder: Path, *words: str, dies: bool = False) -> subprocess.CompletedProcess[str]:
    ended = run(folder, [sys.executable, "-m", "crawler", *words], **({"DIE": "1"} if dies else {}))
    assert ended.returncode == -signal.SIGKILL or not dies
    return ended


@pytest.mark.parametrize("tells", ["manifest", "job"])
def test_a_dataset_that_another_crawl_made_there_is_left_as_it_is(folder: Path, tells: str) -> None:
    data = folder / "out.jsonl"
    other = ("--job", "elsewhere") if tells == "manifest" else ("--set", "manifest=false")
    crawl(folder, "spider.py:Dies", "-o", "out.jsonl", dies=True)
    data.unlink()
    crawl(folder, "spider.py:Other", "-o", "out.jsonl", *other)
    assert data.read_bytes() == OTHERS
    refused = crawl(folder, "spider.py:Dies", "--resume")
    assert refused.returncode == 2
    assert f"{data}, which " in refused.stderr
    assert "crawl of other has written since, is 30 bytes longer than this job left it" in refused.stderr
    crawl(folder, "spider.py:Dies", "-o", "new.jsonl")
    assert data.read_bytes() == OTHERS
    assert (folder / "new.jsonl").read_bytes() == b'{"n":1}\n'


def test_what_another_crawl_has_appended_stays(folder: Path) -> None:
    data = folder / "out.jsonl"
    crawl(folder, "spider.py:Dies", "-o", "out.jsonl", "--append", dies=True)
    crawl(folder, "spider.py:Other", "-o", "out.jsonl", "--append")
    crawl(folder, "spider.py:Dies", "-o", "out.jsonl", "--append")
    assert data.read_bytes() == OTHERS + b'{"n":1}\n'


def test_a_crawl_that_ended_there_before_is_no_reason_to_keep_what_was_never_committed(folder: Path) -> None:
    data = folder / "out.jsonl"
    crawl(folder, "spider.py:Other", "-o", "out.jsonl")
    crawl(folder, "spider.py:Dies", "-o", "out.jsonl", "--append", dies=True)
    with data.open("ab") as file:
        file.write(b'{"n":1}\n{"n"')
    crawl(folder, "spider.py:Dies", "-o", "out.jsonl", "--append")
    assert data.read_bytes() == OTHERS + b'{"n":1}\n'
