"""Text from pages, shown: nothing in it steers a terminal, and nothing of it is lost."""

import json
import logging
import sys
import unicodedata

import pytest

from crawler.export.inert import inert, inert_but_coloured, inert_json, inert_line
from crawler.export.logs import InertFormatter

EVERY_CHARACTER = "".join(map(chr, range(sys.maxunicode + 1)))
STEERING = {
    "C0": "".join(map(chr, {*range(0x20)} - {9, 10})),
    "DEL and C1": "".join(map(chr, range(0x7F, 0xA0))),
    "bidi": "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c",
    "separators": "\u2028\u2029",
    "without a width": "\u200b\u200c\u200d\u2060\ufeff\u00ad",
    "tags": "\U000e0001\U000e0041",
    "halves of characters": "\ud800\udfff\udc80",
}


@pytest.mark.parametrize("kind", STEERING)
def test_what_steers_is_an_escape(kind: str) -> None:
    shown = inert(STEERING[kind])
    assert shown.isascii()
    assert shown.isprintable()
    assert shown.count("\\") == len(STEERING[kind])


def test_of_all_characters_only_those_that_steer_are_changed() -> None:
    kinds = {"Cc", "Cf", "Cs", "Zl", "Zp"}
    kept = "".join(one for one in EVERY_CHARACTER if one in "\n\t" or unicodedata.category(one) not in kinds)
    assert inert(kept) == kept
    assert {unicodedata.category(one) for one in inert(EVERY_CHARACTER)} & kinds == {"Cc"}  # the line end and the tab


@pytest.mark.parametrize(
    "text", ["", "plain", "two\nlines\tand a tab", "Zürich 東京 🎈 \u00a0", "[red]not markup[/red] :smile:"]
)
def test_other_text_is_left_as_it_is(text: str) -> None:
    assert inert(text) == text


def test_one_line_is_one_line() -> None:
    assert inert_line("a\nb\tc\r\u2028d\x85e\x0bf") == "a\\nb\\tc\\r\\u2028d\\x85e\\x0bf"
    assert len(inert_line(EVERY_CHARACTER).splitlines()) == 1


def test_colours_of_an_author_stay_and_nothing_else_does() -> None:
    text = "\x1b[1;31mred\x1b[0m \x1b[2J\x1b]0;title\x07\x1b[31\x1b[mx\n"
    assert inert_but_coloured(text) == "\x1b[1;31mred\x1b[0m \\x1b[2J\\x1b]0;title\\x07\\x1b[31\x1b[mx\n"


def test_json_for_a_terminal_is_the_same_data() -> None:
    text = "".join(one for one in EVERY_CHARACTER if not "\ud800" <= one <= "\udfff")
    lines = json.dumps({text: [text, 1]}, ensure_ascii=False).encode() + b'\n{"a":2}\n'
    shown = inert_json(lines)
    assert [json.loads(line) for line in shown.decode().splitlines()] == [{text: [text, 1]}, {"a": 2}]
    assert {unicodedata.category(one) for one in shown.decode() if one != "\n"} & {"Cc", "Cf", "Zl", "Zp"} == set()


def test_json_that_steers_nothing_is_not_touched() -> None:
    data = '{"a":"Zürich 🎈"}\n{"b":1}\n'.encode()
    assert inert_json(data) is data


def test_no_message_makes_a_line_that_looks_like_another_one() -> None:
    form = InertFormatter("%(levelname)s %(message)s")
    try:
        raise ValueError("first\nERROR forged \x1b[2J")
    except ValueError:
        record = logging.LogRecord(
            "x", logging.INFO, "", 0, "at %s", ("http://a/\nERROR forged\u2028ERROR",), sys.exc_info()
        )
    lines = form.format(record).splitlines()
    assert lines[:2] == ["INFO at http://a/", "  ERROR forged\\u2028ERROR"]
    assert all(line.startswith("  ") for line in lines[1:])
    assert "  ERROR forged \\x1b[2J" in lines
    assert record.args == ("http://a/\nERROR forged\u2028ERROR",)  # other handlers have it as it was
