"""The table of advisories is whole, and each of its tests exists."""

from __future__ import annotations

import ast
import importlib.metadata
import re
import tomllib
from functools import cache
from pathlib import Path

import pytest
from advisories import ADVISORIES, Advisory

TESTS = Path(__file__).parents[1]
_CVE = re.compile(r"CVE-\d{4}-\d{4,6}")
_GHSA = re.compile(r"GHSA(-[23456789cfghjmpqrvwx]{4}){3}")
FLOORS = {"aiohttp": (3, 14, 4), "brotli": (1, 2)}
"""Versions that mended what is in the table and that a test of ours cannot show: memory read out of bounds, above all."""


@cache
def functions(file: str) -> frozenset[str]:
    tree = ast.parse((TESTS / file).read_text("utf-8"))
    return frozenset(node.name for node in tree.body if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)))


@pytest.mark.parametrize("advisory", ADVISORIES, ids=lambda advisory: advisory.ids[0])
def test_each_advisory_has_tests_that_exist(advisory: Advisory) -> None:
    assert advisory.what
    assert advisory.tests
    for test in advisory.tests:
        file, _, name = test.partition("::")
        assert (TESTS / file).is_file(), test
        assert name in functions(file), test
        assert name.startswith("test_"), test


def test_no_advisory_is_there_twice_or_misspelt() -> None:
    ids = [name for advisory in ADVISORIES for name in advisory.ids]
    assert len(ids) == len(set(ids))
    for name in ids:
        if name.startswith(("CVE", "GHSA")):
            assert _CVE.fullmatch(name) or _GHSA.fullmatch(name), name
    assert (len(ADVISORIES), len(ids)) == (53, 119)  # a row that is taken out is taken out on purpose


def test_what_is_absent_is_shown_to_be() -> None:
    """By a test that reads the whole package or a running crawl, not by one of something that happens to be well."""
    shows = ("test_nothing_dangerous.py", "test_http_fetcher.py", "test_old_holes.py")
    for advisory in ADVISORIES:
        if advisory.absent:
            assert any(file in test for test in advisory.tests for file in shows), advisory


def test_versions_with_known_holes_are_not_installed() -> None:
    project = tomllib.loads((TESTS.parent / "pyproject.toml").read_text("utf-8"))["project"]
    for name, floor in FLOORS.items():
        [line] = [line for line in project["dependencies"] if re.match(rf"{name}\b", line, re.IGNORECASE)]
        asked = re.search(r">=\s*([\d.]+)", line)
        assert asked is not None
        assert tuple(map(int, asked[1].split("."))) >= floor, line
        installed = re.findall(r"\d+", importlib.metadata.version(name))
        assert tuple(map(int, installed)) >= floor
