from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.parse.literal import MAX_DEPTH, Literal, read_json, read_literal

READ: list[tuple[str, Any]] = [
    ('{"a": [1, 2.5, -3e2, true, null, "x"]}', {"a": [1, 2.5, -300.0, True, None, "x"]}),
    ("{a: 1, $b: 2, _c: 3, 'd e': 4, 5: 6, ключ: 7}", {"a": 1, "$b": 2, "_c": 3, "d e": 4, "5": 6, "ключ": 7}),
    ("[1, 2,]", [1, 2]),
    ("{a: 1,}", {"a": 1}),
    ("[,1,,2]", [None, 1, None, 2]),
    ("[undefined, NaN, Infinity, -Infinity, void 0]", [None] * 5),
    ("[!0, !1, true, false]", [True, False, True, False]),
    ("[0x1F, 0b11, 0o17, 12n, .5, 5., +1, -2, 1e400]", [31, 3, 15, 12, 0.5, 5.0, 1, -2, None]),
    ("'it\\'s' ", "it's"),
    ("`a template`", "a template"),
    ('"\\x41\\u0042\\u{1F600}\\n\\\n\\q\\/"', "AB😀\nq/"),
    ('["\\ud83d\\ude00", "\\ud800", "\\ude00x"]', ["😀", "\ufffd", "\ufffdx"]),
    ('{"a": "line\nbreak\tand tab"}', {"a": "line\nbreak\tand tab"}),
    ("/* a */ {a: 1, // b\n b: /**/ 2}", {"a": 1, "b": 2}),
    ("\ufeff[1]", [1]),
    ('JSON.parse("{\\"a\\": \\"\\\\u00e9\\"}")', {"a": "é"}),
    ("{a: JSON.parse('[1]'), b: decodeURIComponent('%C3%A9')}", {"a": [1], "b": "é"}),
    ("JSON.parse(decodeURIComponent('%7B%22a%22%3A1%7D'))", {"a": 1}),
    ("[[], {}, [{}]]", [[], {}, [{}]]),
    ("123456789012345678901234567890", 123456789012345678901234567890),
]


@pytest.mark.parametrize(("text", "value"), READ)
def test_what_scripts_write_is_read(text: str, value: Any) -> None:
    assert read_json(text) == value
    assert Literal(text).whole() == value
    assert read_literal(text + ";", 0)[0] == value


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "there is no literal"),
        ("[1, 2", "a comma or ']' is missing"),
        ("{a 1}", "a colon is missing"),
        ("{a: b}", "there is no literal"),
        ("{,}", "a key is missing"),
        ("{a: 1,,}", "a key is missing"),
        ("{[a]: 1}", "a key is missing"),
        ("{...a}", "a key is missing"),
        ("[1 2]", "a comma or ']' is missing"),
        ("[1}", "a comma or ']' is missing"),
        ("'abc", "a string does not end"),
        ("/* abc", "a comment does not end"),
        ("`a ${b}`", "is no literal"),
        ("f(1)", "there is no literal"),
        ("new Date(1)", "there is no literal"),
        ("1 + 2", "there is more after the literal"),
        ("[1] [2]", "there is more after the literal"),
        ("1a", "there is no literal"),
        ("trueish", "there is no literal"),
        ("'\\u12'", "is no escape"),
        ("'\\u{110000}'", "is no character"),
        ("'\\1'", "is no escape"),
        ("JSON.parse('{a: 1}')", "JSON.parse.* would fail"),
        ("JSON.parse('[1]'", "a bracket is missing"),
        ("[" + "1" * 401 + ",]", "a number is too long"),
    ],
)
def test_what_is_no_literal_is_an_error_that_shows_where(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        read_json(text)


def test_a_literal_in_the_middle_of_a_script_says_where_it_ends() -> None:
    text = 'x = {"a": "}"}; y = {b: [1,],} ;'
    assert read_literal(text, 4) == ({"a": "}"}, 14)
    assert read_literal(text, 20) == ({"b": [1]}, 30)


def test_what_is_too_deep_or_too_much_is_an_error() -> None:
    deepest = "[" * MAX_DEPTH + "undefined" + "]" * MAX_DEPTH
    assert read_json(deepest) != []
    for text in ("[" + deepest + "]", "[" * 200_000, "{a:" * 200_000):
        with pytest.raises(ValueError, match="deeper than"):
            Literal(text).whole()
        with pytest.raises(ValueError, match="deeper than"):
            read_json(text)
    with pytest.raises(ValueError, match="too many values"):
        Literal("[1,1,1,1,1]", most=4).whole()


@pytest.mark.parametrize("sign", ["/*", '"\\', "[1,", "[/**/", "'\\x", "/ ", "//\n", "- ", "JSON.parse("])
def test_a_text_is_read_in_a_time_that_grows_as_it_does(sign: str) -> None:
    began = time.process_time()
    with pytest.raises(ValueError):
        Literal(sign * 100_000).whole()
    assert time.process_time() - began < 1.0  # 2 to 60 ms; a quadratic reader takes minutes


_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(_VALUES)
def test_all_that_is_json_is_read_as_json(value: Any) -> None:
    assert Literal(json.dumps(value)).whole() == value
    assert read_literal(json.dumps(value, ensure_ascii=False) + " ;", 0)[0] == value


@given(st.text(alphabet="{}[]'\"`\\/*:,.!01xnue$ \n-+()"))
def test_whatever_stands_there_only_a_value_error_comes_of_it(text: str) -> None:
    try:
        read_json(text)
    except ValueError:
        pass
