"""Looking for an input that a target cannot take, for as long as there is time.

``FUZZ_SECONDS`` is the time of all of tests/fuzz together (60, as in CI), ``FUZZ_SEED`` another place to begin; a failure names
the seed and the input. ``FUZZ_TRACE`` is a file that always holds the input at hand, for one that ends the process.
"""

from __future__ import annotations

import gc
import os
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

import hypothesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from inputs import Target, size_of

SECONDS = float(os.environ.get("FUZZ_SECONDS", "60"))
ANSWERS = max(2_000, min(50_000, int(SECONDS * 33)))
"""That a hostile server plays in test_mutated_responses.py."""
REST = max(5.0, SECONDS - 35 - ANSWERS / 400)
"""What is left when everything that needs a time of its own has had it: two thirds for searching, one for repeating."""
SEED = int(os.environ.get("FUZZ_SEED", "0"))
TRACE = os.environ.get("FUZZ_TRACE")
BASE = 0.1
"""Seconds of processor time that any input may take: the machine is shared, and a garbage collection may fall into it."""
PER_UNIT = 20e-6
"""Seconds for each character or byte more. Nothing here takes a tenth of it."""
_EXAMPLES_PER_SECOND = 200
"""Of hypothesis, whose own part is the greater one."""


def seconds_of(run: Callable[[], object]) -> float:
    """Processor time that it takes, without what measuring the coverage of tests adds to each line, and without looking for
    garbage among all that the tests before it have left.
    """
    tracer, collects = sys.gettrace(), gc.isenabled()
    sys.settrace(None)
    gc.disable()
    begun = time.thread_time()
    try:
        run()
        return time.thread_time() - begun
    finally:
        sys.settrace(tracer)
        if collects:
            gc.enable()


class Found(AssertionError):
    """An input that a target cannot take."""


def check(target: Target, args: Sequence[Any]) -> None:
    """Feed *target* once.

    :raises Found: it raised an error that is not ours, or took too long each of three times
    """
    if TRACE:
        Path(TRACE).write_text(f"{target.name}\n{args!r}\n", "utf-8", "surrogatepass")
    bound = BASE + PER_UNIT * size_of(args)
    for _ in range(3):
        try:
            took = seconds_of(lambda: feed(target, args))
        except Exception as error:
            raise Found(f"{target.name} raised {type(error).__name__}: {error}\nfor {args!r}") from error
        if took <= bound:
            return
    raise Found(f"{target.name} took {took:.2f} s for {size_of(args)} characters: {args!r}")


def feed(target: Target, args: Sequence[Any]) -> None:
    """Once; an error of ours is an answer, too."""
    with suppress(*target.ours):
        target.run(*args)


def search(target: Target, seconds: float) -> int:
    """Feed *target* for so long; how often it was.

    :raises Found: with the shortest such input that was soon at hand
    """
    begun = time.monotonic()
    tries = 0
    for args in _by_hypothesis(target, begun + seconds / 3):
        _check_or_shorten(target, args)
    random = Random(f"{SEED} {target.name}")
    while not tries or time.monotonic() - begun < seconds:
        tries += 1
        _check_or_shorten(target, [source.random(random) for source in target.sources])
    return tries


def _check_or_shorten(target: Target, args: Sequence[Any]) -> None:
    try:
        check(target, args)
    except Found:
        check(target, _shorter(args, lambda given: _fails(target, given)))
        raise


def _by_hypothesis(target: Target, until: float) -> Sequence[Sequence[Any]]:
    """The first input that fails, if one was found. Its own search for a shorter one could take minutes."""
    found: list[Sequence[Any]] = []

    @hypothesis.seed(SEED)
    @settings(
        max_examples=max(10, int((until - time.monotonic()) * _EXAMPLES_PER_SECOND)),
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.tuples(*(source.strategy() for source in target.sources)))
    def examples(args: tuple[Any, ...]) -> None:
        if not found and time.monotonic() < until and _fails(target, args):
            found.append(args)

    examples()
    return found


def _fails(target: Target, args: Sequence[Any]) -> bool:
    try:
        check(target, args)
    except Found:
        return True
    return False


def _shorter(args: Sequence[Any], fails: Callable[[Sequence[Any]], bool]) -> Sequence[Any]:
    """*args* without what is not needed to fail, as far as ten seconds go."""
    until = time.monotonic() + 10
    best = list(args)
    for place in range(len(best)):
        piece = max(1, len(best[place]) // 2)
        while piece and time.monotonic() < until:
            at = 0
            while at < len(best[place]) and time.monotonic() < until:
                given = [*best]
                given[place] = best[place][:at] + best[place][at + piece :]
                if fails(given):
                    best = given
                else:
                    at += piece
            piece //= 2
    return best
