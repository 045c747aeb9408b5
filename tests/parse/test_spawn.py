from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import crawler.parse.spawn as spawn_module
from crawler.parse.spawn import available_cores

TOLD = """
import os
from crawler.parse.spawn import available_cores
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
print(available_cores())
"""


@pytest.fixture
def quota(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "cpu.max"
    monkeypatch.setattr(spawn_module, "_QUOTA", path)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)), raising=False)
    return path


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system does not keep programs from cores")
def test_cores_that_a_program_is_kept_from_are_not_its_own() -> None:
    told = subprocess.run([sys.executable, "-c", TOLD], capture_output=True, text=True, check=True)
    assert told.stdout == "1\n"


@pytest.mark.parametrize(
    ("written", "cores"),
    [
        ("max 100000\n", 8),
        ("100000 100000\n", 1),
        ("150000 100000\n", 2),
        ("50000 100000\n", 1),
        ("6400000 100000\n", 8),
        ("", 8),
        ("100000 0\n", 8),
    ],
)
def test_a_container_has_no_more_cores_than_its_share(quota: Path, written: str, cores: int) -> None:
    quota.write_text(written)
    assert available_cores() == cores


def test_without_a_container_all_cores_are_there(quota: Path) -> None:
    assert available_cores() == 8
