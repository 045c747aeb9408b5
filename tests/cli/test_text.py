"""Numbers and strange strings, as a person can read them."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.cli.text import bytes_in_words, count, printable, seconds_in_words


@pytest.mark.parametrize(("number", "said"), [(0, "0 pages"), (1, "1 page"), (2, "2 pages"), (12_345, "12,345 pages")])
def test_counts(number, said):
    assert count(number, "page") == said


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1_000, "1.0 kB"),
        (3_456, "3.5 kB"),
        (99_949, "99.9 kB"),
        (123_456, "123 kB"),
        (999_999, "1.0 MB"),
        (12_345_678, "12.3 MB"),
        (5e9, "5.0 GB"),
        (7e15, "7000.0 TB"),
    ],
)
def test_bytes(number, said):
    assert bytes_in_words(number) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0.0 s"),
        (8.34, "8.3 s"),
        (59.94, "59.9 s"),
        (59.96, "1 min 00 s"),
        (60, "1 min 00 s"),
        (125.9, "2 min 05 s"),
        (3_600, "1 h 00 min"),
        (100_000, "27 h 46 min"),
    ],
)
def test_seconds(seconds, said):
    assert seconds_in_words(seconds) == said


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("Zürich 東京 🎈", "Zürich 東京 🎈"),
        ("two\nlines\tand a tab", "two\nlines\tand a tab"),
        ("\x1b[31m", "\\x1b[31m"),
        ("\r\x00\x7f\x9b", "\\r\\x00\\x7f\\x9b"),
        ("\u202eevil\u2066", "\\u202eevil\\u2066"),
        ("\u2028\u200b\ufeff", "\\u2028\\u200b\\ufeff"),
        ("\ud800", "\\ud800"),
        ("http://ann:s3cret@a.example/ failed", "http://ann:***@a.example/ failed"),
    ],
)
def test_what_could_steer_a_terminal_is_escaped(text, shown):
    assert printable(text) == shown


@given(st.text())
def test_nothing_that_is_shown_steers_a_terminal_or_cannot_be_encoded(text):
    shown = printable(text)
    shown.encode("utf-8")
    assert {unicodedata.category(character) for character in shown if character not in "\n\t"} & {
        "Cc",
        "Cf",
        "Cs",
    } == set()
