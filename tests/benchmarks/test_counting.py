"""The guard of what a page costs: when it fails, and what it crawls."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def benchmark_module(monkeypatch: pytest.MonkeyPatch) -> Iterator[object]:
    """Import a module of the benchmarks, which are no package; it is gone afterwards."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    before = set(sys.modules)
    yield importlib.import_module
    for name in set(sys.modules) - before:
        if (getattr(sys.modules[name], "__file__", None) or "").startswith(str(BENCHMARKS)):
            del sys.modules[name]


@pytest.fixture
def guard(benchmark_module) -> ModuleType:
    return benchmark_module("guard")


@pytest.mark.parametrize(
    ("ours", "code"),
    [(1_600_000, 0), (1_755_000, 0), (1_765_000, 1), (2_400_000, 1), (1_400_000, 0)],
    ids=str,
)
def test_it_fails_if_a_page_costs_a_tenth_more_than_what_is_stored(guard: ModuleType, ours: int, code: int) -> None:
    assert guard.judge(ours, 1_000_000, 1.6) == code


def test_a_page_that_costs_more_is_told_with_what_to_do(guard: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    guard.judge(1_840_000, 1_000_000, 1.6)
    told = capsys.readouterr()
    assert "pages = 1.840 " in told.out
    assert "guard: a page costs 15% more than it did." in told.err
    assert "write the new figure into benchmarks/guard.toml" in told.err


def test_a_page_that_costs_less_is_worth_storing(guard: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    guard.judge(1_400_000, 1_000_000, 1.6)
    assert "a tenth less than it did: store the new figure" in capsys.readouterr().out


def test_start_and_end_of_the_process_are_not_counted(guard: ModuleType) -> None:
    small, large = guard.SIZES
    assert guard.pages_of({small: 7_000 + 3 * small, large: 7_000 + 3 * large}) == 3.0


def test_without_valgrind_it_is_skipped(
    guard: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "")
    assert guard.main() == 0
    assert capsys.readouterr().out.startswith("guard: skipped, since valgrind is not installed")


def test_its_pages_are_made_alike_everywhere_and_hold_what_is_looked_for(benchmark_module, tmp_path: Path) -> None:
    shop, closed = benchmark_module("shop_pages"), benchmark_module("closed_site")
    bare = benchmark_module("contenders.bare")
    shop.archive(tmp_path / "pages.tar", 40)
    site = closed.build(tmp_path / "pages.tar", tmp_path / "site", 40)
    again = closed.build(tmp_path / "pages.tar", tmp_path / "again", 40)
    assert (site.links / 40, 17_000 < site.size / 40 < 21_000) == (16.0, True)
    found = set()
    for path in site.paths:
        body = (site.root / path).read_bytes()
        assert body == (again.root / path).read_bytes()
        tree = bare.LexborHTMLParser(body)
        found.add(bare.extract(tree, path).upc)
        known = {f"http://a.example/{each}" for each in site.paths}
        assert set(bare.links(tree, f"http://a.example/{path}")) <= known
    assert len(found) == 40
