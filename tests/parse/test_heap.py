from __future__ import annotations

import ctypes
import subprocess
import sys

import pytest

from crawler.parse import heap
from crawler.parse.heap import keep_freed_memory

PARSE = """
import resource
from selectolax.lexbor import LexborHTMLParser
from crawler.parse.heap import keep_freed_memory
if {kept}:
    keep_freed_memory()
page = b"<div><p class=a>text <a href=/x>link</a></p></div>" * 400
for warming in (True, False):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(300):
        LexborHTMLParser(page)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallopt"), reason="this C library has no mallopt")
def test_pages_are_parsed_in_memory_that_earlier_pages_left() -> None:
    given_back, kept = (
        int(subprocess.run([sys.executable, "-c", PARSE.format(kept=kept)], capture_output=True, check=True).stdout)
        for kept in (False, True)
    )

    assert given_back > 1_000  # page faults of 300 pages: the kernel is asked again for each
    assert kept < 100


@pytest.mark.parametrize("trouble", [OSError("no such library"), TypeError("no name")])
def test_where_there_is_no_such_setting_nothing_happens(monkeypatch: pytest.MonkeyPatch, trouble: Exception) -> None:
    def no_library(name: object) -> None:
        raise trouble

    monkeypatch.setattr(heap.ctypes, "CDLL", no_library)

    keep_freed_memory()
