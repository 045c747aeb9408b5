"""How many records there are does not show in memory. ``MILLION=1`` makes it a million of them, in every format."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from crawler.export.formats import FORMATS

pytestmark = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak is read from /proc")

MOST = {".json.zst": 32, ".csv": 16, ".xml": 56, ".parquet": 64, ".sqlite": 56}
"""MB: one line, or a group of 4 MB of JSON as it is, as objects, and as what is made of them."""
ROOT = Path(__file__).parents[2]


def grown(ending: str, folder: Path, count: int, size: int) -> dict[str, float]:
    command = [sys.executable, "-m", "tests.export.writing", ending, str(folder), str(count), str(size)]
    said = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT)
    return json.loads(said.stdout)


@pytest.mark.parametrize("ending", MOST)
def test_sixteen_thousand_records_of_some_kilobytes_take_the_memory_of_a_few_thousand(
    ending: str, tmp_path: Path
) -> None:
    """They are 48 MB of JSON, and 110 MB when decoded."""
    figures = grown(ending, tmp_path, 16_000, 3_000)
    assert figures["found"] == 16_000
    assert figures["written"] < MOST[ending]
    assert figures["read"] < MOST[ending]


@pytest.mark.skipif(not os.environ.get("MILLION"), reason="MILLION=1 asks for it; it takes minutes")
@pytest.mark.timeout(600)
@pytest.mark.parametrize("ending", FORMATS)
def test_a_million_records_take_no_more(ending: str, tmp_path: Path) -> None:
    figures = grown(ending, tmp_path, 1_000_000, 100)
    assert figures["found"] == 1_000_000
    assert figures["written"] < 64
    assert figures["read"] < 64
