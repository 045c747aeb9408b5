"""How well fields are filled, as the summary says it."""

import pytest

from crawler.cli.console import Console
from crawler.cli.filled import filled_in_words, percent
from crawler.engine.crawl import Report
from crawler.engine.stats import Stats
from crawler.export.sink import NullSink
from crawler.outcome import Filled


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"url": 200, "title": 200}, "all 2 fields 100 %"),
        ({"url": 200}, "1 field 100 %"),
        ({"url": 200, "title": 0}, "title 0 %, the other field 100 %"),
        ({"url": 200, "title": 199, "isbn": 24, "price": 1, "upc": 200},
         "price <1 %, isbn 12 %, title 99 %, the other 2 fields 100 %"),
        ({"a": 100, "b": 50}, "b 25 %, a 50 %"),
        ({f"f{number}": number for number in range(11)},
         "f0 0 %, f1 <1 %, f2 1 %, f3 2 %, f4 2 %, f5 2 %, f6 3 %, f7 4 %, 3 more below 100 %"),
        ({}, "no fields"),
    ],
)  # fmt: skip
def test_the_emptiest_fields_come_first_and_full_ones_are_counted(fields, words):
    assert list(filled_in_words({"Book": Filled(200, fields)})) == [f"Book: {words}"]


@pytest.mark.parametrize(
    ("part", "whole", "shown"),
    [(0, 9, "0 %"), (9, 9, "100 %"), (1, 1000, "<1 %"), (999, 1000, "99 %"), (1, 2, "50 %"), (2, 3, "67 %")],
)
def test_a_share_is_rounded_but_never_to_all_or_nothing(part, whole, shown):
    assert percent(part, whole) == shown


def test_the_types_with_most_items_get_a_line():
    filled = {f"T{number}": Filled(number, {"a": number}) for number in range(1, 8)} | {"dict": Filled(9, {"a": 9})}
    lines = list(filled_in_words(filled))
    assert lines[:2] == ["items: 1 field 100 %", "T7: 1 field 100 %"]
    assert (len(lines), lines[-1]) == (6, "and 3 more types of items")


def test_the_summary_shows_it_and_nothing_in_it_steers_the_terminal(capsys):
    stats = Stats(pages=2, items=4)
    stats.filled = {"Book": Filled(2, {"url": 2, "sub\x1b[31mtitle": 1}), "dict": Filled(2, {"a": 2})}
    Console().summarize(Report("complete", stats, waiting=0), [NullSink(), NullSink()])
    shown = [line for line in capsys.readouterr().err.splitlines() if " 100 %" in line]
    assert shown == [
        "  filled    Book: sub\\x1b[31mtitle 50 %, the other field 100 %",
        "            items: 1 field 100 %",
    ]
