"""The whole table of attacks, played to crawls: each ends as its row says, within its bounds of time and memory.

The crawls run in a process of their own, the attacks that mostly wait all at once and the others one after the other; the
server runs in a third, so that only what the crawler does is measured.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hostile_process import ENVIRONMENT, hostile_server

from crawler.testing.attack import Attack
from crawler.testing.hostile import FAMILIES

PLAYER = Path(__file__).with_name("playing.py")
ELSEWHERE = {"markup", "traps"}
"""Families that take long, and have tests of their own."""
ATTACKS = {attack.name: attack for name, family in FAMILIES.items() if name not in ELSEWHERE for attack in family}
SLACK = 5
"""How much slower than written a busy machine may be. Work is measured in seconds of the processor, which are steadier."""
TRACED = 5 if any(name.startswith("COVERAGE_PROCESS") for name in os.environ) or sys.gettrace() is not None else 1
"""How much more work it is where each line that runs is written down, for the coverage of tests."""
HELD = 0.2 * TRACED
"""Seconds of work that the loop may do before it looks at other connections again. It is half of that where nothing else
runs: beside other programs on the same cores a second of the processor does less."""
HELD_BY_BOMBS = 0.1 * TRACED
BOMBS = [attack.name for attack in FAMILIES["bombs"] if "chunk" not in attack.name]
NEEDS_PROC = pytest.mark.skipif(
    not Path("/proc/self/clear_refs").exists(), reason="the peak of memory is read from /proc"
)

pytestmark = pytest.mark.timeout(180)  # the first test of them plays all that are wanted

Played = dict[str, dict[str, Any]]  # Any: figures, texts and a list of them; see playing.Played


@pytest.fixture(scope="session")
def played(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Played:
    """What became of the attacks of all tests of this run."""
    wanted = {item.callspec.params["name"] for item in request.session.items if "played" in item.fixturenames}
    with hostile_server([name for name in FAMILIES if name not in ELSEWHERE]) as (_, urls):
        done = subprocess.run(
            [sys.executable, str(PLAYER)],
            input=json.dumps({name: url for name, url in urls.items() if name in wanted}),
            check=False,
            capture_output=True,
            text=True,
            timeout=170,
            env=ENVIRONMENT,
            cwd=tmp_path_factory.mktemp("played"),
        )
    assert done.returncode == 0, done.stderr
    return dict(json.loads(line) for line in done.stdout.splitlines())


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_ends_as_the_table_says_in_time_and_no_error_is_left_over(name: str, played: Played) -> None:
    attack, came = ATTACKS[name], played[name]
    assert (came["ends"], came["trouble"], came["reason"]) == (attack.ends, [], "complete")
    assert came["requests"] <= attack.requests
    assert came["cpu"] <= max(attack.seconds, 1.0) * TRACED or is_shared(attack)
    assert came["seconds"] <= attack.seconds * SLACK * min(2, TRACED)
    assert came["held"] < HELD or is_shared(attack)


@NEEDS_PROC
@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_takes_no_more_memory_than_the_table_says(name: str, played: Played) -> None:
    assert played[name]["mebibytes"] <= ATTACKS[name].mebibytes


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_given_up_fast_and_others_have_their_turn_meanwhile(name: str, played: Played) -> None:
    assert played[name]["cpu"] < 0.5 * TRACED
    assert played[name]["held"] < HELD_BY_BOMBS


def is_shared(attack: Attack) -> bool:
    """Whether it is played beside others, so that work is not its own: all of them together are a crawl's."""
    return bool({"timeout", "read_timeout", "connect_timeout"} & attack.settings.keys())
