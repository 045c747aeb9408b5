from __future__ import annotations

import time
from typing import Any

import pytest

from crawler.engine import watchdog as watchdog_module
from crawler.engine.watchdog import Watchdog


def parse(page: Any) -> None: ...


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watchdog_module, "_LOOK", 0.01)
    monkeypatch.setattr(watchdog_module, "_STUCK", 0.03)


def test_a_callback_that_does_not_return_is_named_while_it_runs(
    caplog: pytest.LogCaptureFixture,
) -> None:
    watchdog = Watchdog(100.0)

    with watchdog.watching():
        watchdog.stopwatch(parse, "http://a.test/stuck")
        time.sleep(0.15)  # what a callback does that never returns

    [record] = caplog.records
    assert "parse (" in record.getMessage()
    assert "has not returned for 0 s at http://a.test/stuck" in record.getMessage()


def test_a_callback_that_waits_for_others_is_not(
    caplog: pytest.LogCaptureFixture,
) -> None:
    watchdog = Watchdog(100.0)

    with watchdog.watching():
        watchdog.stopwatch(parse, "http://a.test/waits").pause()
        time.sleep(0.08)

    assert caplog.records == []
