"""A server of damaged answers: each is a page or a failure with its reason, soon, and no socket is left behind.

In a process of its own, so that one that dies is seen; ``FUZZ_SECONDS=3600`` plays 50,000 answers, 60 play 2,000.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from search import ANSWERS, SEED

PATIENCE = 5.0
"""Seconds that the longest answer may take, from the first byte to the outcome."""


@pytest.mark.timeout(60 + ANSWERS / 50)
def test_damaged_answers_do_no_harm() -> None:
    here = Path(__file__).parent
    command = [sys.executable, str(here / "playing.py"), str(ANSWERS), str(SEED)]
    paths = os.pathsep.join(map(str, (here, here.parent / "fetch", here.parents[1])))
    done = subprocess.run(
        command,
        check=False,
        capture_output=True,
        text=True,
        timeout=40 + ANSWERS / 60,
        env={**os.environ, "PYTHONPATH": paths},
    )
    assert (done.returncode, done.stderr[-3_000:]) == (0, "")
    told = json.loads(done.stdout)
    assert told["answers"] == ANSWERS
    assert told["strange"] == []
    assert told["longest"] < PATIENCE
    assert told["sockets_after"] <= told["sockets_before"]
    assert told["pages"] > ANSWERS / 10
    assert told["failures"] > ANSWERS / 10
