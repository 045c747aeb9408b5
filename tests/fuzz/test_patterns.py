"""No regular expression of the package takes more than linear time, in the way in which it is used."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import pytest
from search import seconds_of

import crawler

PACKAGE = Path(crawler.__file__).parent
NAMES = sorted(info.name for info in pkgutil.walk_packages([str(PACKAGE)], "crawler."))
NOT_IMPORTED = ("crawler.__main__",)
"""It is the program itself."""
METHODS: dict[str, Callable[[re.Pattern[Any], Any], object]] = {
    "match": lambda pattern, given: pattern.match(given),
    "fullmatch": lambda pattern, given: pattern.fullmatch(given),
    "search": lambda pattern, given: pattern.search(given),
    "finditer": lambda pattern, given: sum(1 for _ in pattern.finditer(given)),
    "findall": lambda pattern, given: pattern.findall(given),
    "sub": lambda pattern, given: pattern.sub(lambda found: found[0], given),
    "split": lambda pattern, given: pattern.split(given),
}
LENGTHS = (10, 40, 200, 1_500, 12_000)
"""Characters: eight times as many take eight times as long, or 64 times where each is looked at from each."""
NOTICEABLE = 0.01
"""Seconds. What takes less is not compared: clocks are coarse."""
_ALWAYS = ("a", "1", " ", "\n", "\\", '"', "'", "x.")
_CLASSES = {
    "\\s": " ",
    "\\d": "1",
    "\\w": "a",
    "\\S": "x",
    "\\t": "\t",
    "\\n": "\n",
    "\\f": "\f",
    "\\r": "\r",
    "\\b": "",
    "\\Z": "",
    "\\D": "a",
    "\\x": "",
    "\\0": "\0",
}
_TOKEN = re.compile(r"[A-Za-z]{2,}|\\.|.", re.DOTALL)


def modules() -> Iterator[Any]:
    for name in NAMES:
        if name not in NOT_IMPORTED:
            yield importlib.import_module(name)


@cache
def patterns() -> dict[tuple[str, str], re.Pattern[Any]]:
    """Each compiled pattern that a module holds, by the module and the name in it."""
    found: dict[tuple[str, str], re.Pattern[Any]] = {}
    for module in modules():
        for name, value in vars(module).items():
            for pattern in _within(value):
                if not any(pattern is known for known in found.values()):
                    found[module.__name__, name] = pattern
    return found


def _within(value: object, depth: int = 3) -> Iterator[re.Pattern[Any]]:
    if isinstance(value, re.Pattern):
        yield value
    elif depth and isinstance(value, dict):
        for inner in value.values():
            yield from _within(inner, depth - 1)
    elif depth and isinstance(value, (list, tuple, set, frozenset)):
        for inner in value:
            yield from _within(inner, depth - 1)
    elif depth and isinstance(value, type) and value.__module__.startswith("crawler."):
        for inner in vars(value).values():
            yield from _within(inner, depth - 1)


def methods_of(module: str, name: str) -> list[str]:
    """How a pattern of that name is used in its module; every way if that cannot be seen."""
    file = importlib.import_module(module).__file__
    assert file is not None
    used = set(re.findall(rf"\b{re.escape(name)}\.(\w+)\b", Path(file).read_text("utf-8")))
    return sorted(used & METHODS.keys()) or sorted(METHODS)


def _words_of(pattern: re.Pattern[Any]) -> list[str]:
    """What stands in a pattern, as texts to be repeated."""
    written = pattern.pattern if isinstance(pattern.pattern, str) else pattern.pattern.decode("latin-1")
    words = [_CLASSES.get(token, token.removeprefix("\\")) for token in _TOKEN.findall(written)]
    return [word for word in dict.fromkeys([*words, *_ALWAYS]) if word][:40]


def _attacks(pattern: re.Pattern[Any]) -> Iterator[Callable[[int], Any]]:
    words = _words_of(pattern)
    written = pattern.pattern if isinstance(pattern.pattern, str) else pattern.pattern.decode("latin-1")
    begins = [
        "",
        *dict.fromkeys(word for word in _TOKEN.findall(written) if word.isalpha() and len(word) > 1),
        "".join(words[:3]),
    ]
    pumps = [*words, *("".join(pair) for pair in product(words[:10], repeat=2) if pair[0] != pair[1])]
    for begin, pump, end in product(begins[:4], pumps, ("", "\0")):
        yield _attack(pattern, begin, pump, end)


def _attack(pattern: re.Pattern[Any], begin: str, pump: str, end: str) -> Callable[[int], Any]:
    def of_length(length: int) -> Any:
        text = begin + pump * (length // len(pump)) + end
        return text if isinstance(pattern.pattern, str) else text.encode("utf-8")

    return of_length


def slow_attacks(pattern: re.Pattern[Any], methods: Iterable[str]) -> Iterator[tuple[str, str, float, float]]:
    for method in methods:
        for attack in _attacks(pattern):
            for short, long in pairwise(LENGTHS):
                found = _growth(METHODS[method], pattern, attack(short), attack(long))
                if found is not None and found[1] > 3 * long / short * found[0]:
                    yield method, repr(attack(20)), *found
                    break


def _growth(use: Callable[..., object], pattern: re.Pattern[Any], short: Any, long: Any) -> tuple[float, float] | None:
    """Seconds for each, the best of some tries; None if there is nothing to be seen."""
    took = seconds_of(lambda: use(pattern, long))
    if took < NOTICEABLE:
        return None
    took = min(took, *(seconds_of(lambda: use(pattern, long)) for _ in range(2)))
    return (min(seconds_of(lambda: use(pattern, short)) for _ in range(5)), took) if took > NOTICEABLE else None


@pytest.mark.parametrize("place", patterns(), ids=".".join)
def test_no_pattern_is_slow(place: tuple[str, str]) -> None:
    assert next(slow_attacks(patterns()[place], methods_of(*place)), None) is None


def test_a_slow_pattern_would_be_seen() -> None:
    assert next(slow_attacks(re.compile(r"\s*(\w+)\s*=\s*x$"), ["search"]), None) is not None
    assert next(slow_attacks(re.compile("(a|b|ab)*c"), ["match"]), None) is not None
    assert next(slow_attacks(re.compile(r"[^@]+@[^.]+"), ["search"]), None) is not None


def test_there_are_no_patterns_but_those_that_modules_hold() -> None:
    """What is compiled within a function is compiled anew, and not seen here; but for what the user writes."""
    known = {pattern.pattern for pattern in patterns().values()}
    hidden = []
    for file in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Call) and _is_of_re(node.func) and node.args:
                given = node.args[0]
                if isinstance(given, ast.Constant) and given.value not in known and given.value not in OF_OWN_TEXTS:
                    hidden.append((file.name, given.value))
    assert hidden == []


OF_OWN_TEXTS = (r", got `\w+`", r"`([\w |]+)`", "[^a-z0-9]+")
"""Patterns that read what the package itself, or a library that it uses, has written."""


def _is_of_re(function: ast.expr) -> bool:
    return (
        isinstance(function, ast.Attribute)
        and isinstance(function.value, ast.Name)
        and function.value.id in ("re", "regex")
    )
