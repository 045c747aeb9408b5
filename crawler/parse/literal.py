"""JSON, and what scripts write in its place: unquoted keys, single quotes, trailing commas, comments, ``undefined``.

Rule 1: nothing is run. A literal is data from its first sign to its last one; a name, a call or an operator in it is an
error (but for ``JSON.parse("...")``, which is data in a string). Rule 2: the text is read once, from left to right,
without recursion, to a depth and a number of values that are bounded. Rule 3: what JSON has no word for (``undefined``,
``NaN``, a hole in an array) is None, as ``JSON.stringify`` writes ``null``. Pure.
"""

from __future__ import annotations

import json
import re
from typing import Any, TypeAlias
from urllib.parse import unquote

import msgspec

Value: TypeAlias = Any  # Any: it is JSON

MAX_DEPTH = 200
"""Containers in each other. The state of a large shop has some 30."""
MAX_VALUES = 300_000
"""Values that are read of one text that is no strict JSON: half a second's work. The state of a large shop has 50,000."""
_LONGEST_NUMBER = 400
"""Characters: the largest double has 309 digits, and Python's reading of long ones takes quadratic time."""
_SHOWN = 40
"""Characters of the text that an error shows."""

_BLANK = re.compile(r"(?:[\s\ufeff]++|//[^\n\r\u2028\u2029]*+)++")
_DOUBLE = re.compile(r'"([^"\\]*+(?:\\.[^"\\]*+)*+)"', re.DOTALL)
_SINGLE = re.compile(r"'([^'\\]*+(?:\\.[^'\\]*+)*+)'", re.DOTALL)
_BACKTICK = re.compile(r"`([^`\\]*+(?:\\.[^`\\]*+)*+)`", re.DOTALL)
_STRING = {'"': _DOUBLE.match, "'": _SINGLE.match, "`": _BACKTICK.match}
_ESCAPE = re.compile(r"\\(?:u\{([0-9a-fA-F]{1,6})\}|u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|(\r\n|.))", re.DOTALL)
_ESCAPED = {"n": "\n", "t": "\t", "b": "\b", "f": "\f", "v": "\v", "r": "\r", "0": "\0"}
_ESCAPED |= dict.fromkeys(["\n", "\r", "\r\n", "\u2028", "\u2029"], "")  # a line that goes on
_BAD_ESCAPES = frozenset("123456789ux")
_HALF = re.compile("[\ud800-\udfff]")
_NUMBER = re.compile(
    r"([+-]?)(?:(0[xX][0-9a-fA-F]++|0[oO][0-7]++|0[bB][01]++|[0-9]++(?![.0-9eE]))n?|"
    r"((?:[0-9]++\.?+[0-9]*+|\.[0-9]++)(?:[eE][+-]?[0-9]++)?))(?![\w$])"
)
_NAME = re.compile(r"[^\W\d][\w$]*+|\$[\w$]*+")
_WORD = re.compile(r"void\s++0(?![\w$.])|!\s*+[01](?![\w$.])|[+-]?[A-Za-z]++(?![\w$.(])")
_WORDS: dict[str, Value] = {
    "true": True,
    "false": False,
    "null": None,
    "undefined": None,
    "void0": None,
    "NaN": None,
    "Infinity": None,
    "+Infinity": None,
    "-Infinity": None,
    "!0": True,  # as minifiers write them
    "!1": False,
}
_CALL = re.compile(r"(JSON\s*+\.\s*+parse|decodeURIComponent)\s*+\(")
_QUICK = frozenset('{["')
_CLOSE = {dict: "}", list: "]"}


def read_json(text: str) -> Value:
    """The whole of *text* as JSON, or as a literal.

    :raises ValueError: it is neither, is too deep, or has too many values; the message shows where
    """
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
        return Literal(text).whole()


def read_literal(text: str, at: int, most: int = MAX_VALUES) -> tuple[Value, int]:
    """The literal that begins at *at*, and where it ends. *most*: values, if it is no strict JSON.

    :raises ValueError: there is none, it is too deep, or has too many values; the message shows where
    """
    if text[at : at + 1] in _QUICK:
        try:
            value, end = _DECODER.raw_decode(text, at)
        except (ValueError, RecursionError):
            pass
        else:
            if "\\ud" not in text[at:end].lower():  # else there may be half a character in it
                return value, end
    literal = Literal(text, at, most)
    return literal.read(), literal.at


class Literal:
    """A reader of one literal after the other, each from where the last one ended."""

    def __init__(self, text: str, at: int = 0, most: int = MAX_VALUES) -> None:
        self.text = text
        self.at = at
        self._left = most

    def whole(self) -> Value:
        """The one literal that the text consists of."""
        value = self.read()
        if self._peek():
            raise self._error("there is more after the literal")
        return value

    def read(self) -> Value:
        """The next literal.

        :raises ValueError: as of :func:`read_literal`
        """
        open_ones: list[tuple[dict[str, Value] | list[Value], str]] = []  # each with its key in the one around it
        key = ""
        while True:
            sign = self._peek()
            if sign in ("{", "["):
                self.at += 1
                value: Value = {} if sign == "{" else []
                if len(open_ones) >= MAX_DEPTH:
                    raise self._error(f"it is deeper than {MAX_DEPTH} containers in each other")
                open_ones.append((value, key))
                is_fresh = True
            else:
                value, is_fresh = self._scalar(sign), False
                if not open_ones:
                    return value
                _put(open_ones[-1][0], key, value)
            self._count()
            while (next_key := self._next_key(open_ones[-1][0], is_fresh)) is None:
                value, key = open_ones.pop()
                if not open_ones:
                    return value
                _put(open_ones[-1][0], key, value)
                is_fresh = False
            key = next_key

    def _next_key(self, container: dict[str, Value] | list[Value], is_fresh: bool) -> str | None:
        """Where the next value belongs: its key, empty in a list. None: the container ends here, and was passed."""
        close = _CLOSE[type(container)]
        sign = self._peek()
        if not is_fresh:
            if sign == ",":
                self.at += 1
                sign = self._peek()
            elif sign != close:
                raise self._error(f"a comma or {close!r} is missing")
        while sign == "," and isinstance(container, list):  # a hole
            self._count()
            container.append(None)
            self.at += 1
            sign = self._peek()
        if sign == close:
            self.at += 1
            return None
        return self._key(sign) if isinstance(container, dict) else ""

    def _key(self, sign: str) -> str:
        if sign in _STRING:
            key = self._string(sign)
        else:
            found = _NAME.match(self.text, self.at)
            if found is not None:
                key, self.at = found[0], found.end()
            elif sign.isdigit():
                key = str(self._scalar(sign))
            else:
                raise self._error("a key is missing")
        if self._peek() != ":":
            raise self._error("a colon is missing")
        self.at += 1
        return key

    def _scalar(self, sign: str) -> Value:
        if sign in _STRING:
            return self._string(sign)
        number = _NUMBER.match(self.text, self.at)
        if number is not None:
            if number.end() - number.start() > _LONGEST_NUMBER:
                raise self._error("a number is too long")
            self.at = number.end()
            return _number(*number.groups())
        word = _WORD.match(self.text, self.at)
        if word is not None and (name := "".join(word[0].split())) in _WORDS:
            self.at = word.end()
            return _WORDS[name]
        return self._call()

    def _string(self, quote: str) -> str:
        found = _STRING[quote](self.text, self.at)
        if found is None:
            raise self._error("a string does not end")
        body = found[1]
        if quote == "`" and "${" in body:
            raise self._error("a template with ${...} is no literal")
        if "\\" in body:
            body = _unescaped(body)
        self.at = found.end()
        return body

    def _call(self) -> Value:
        """``JSON.parse("...")``, ``decodeURIComponent("...")``, or the former of the latter."""
        names: list[str] = []
        while (call := _CALL.match(self.text, self.at)) is not None and len(names) < 2:
            names.append(call[1])
            self.at = call.end()
            self._peek()
        sign = self._peek()
        if not names or sign not in _STRING:
            raise self._error("there is no literal")
        value: Value = self._string(sign)
        for name in reversed(names):
            if self._peek() != ")":
                raise self._error("a bracket is missing")
            self.at += 1
            value = unquote(value) if name == "decodeURIComponent" else self._parsed(value)
        return value

    def _parsed(self, text: Value) -> Value:
        try:
            return msgspec.json.decode(text)  # strict, as JSON.parse is
        except (msgspec.DecodeError, RecursionError, TypeError) as error:
            raise self._error(f"JSON.parse() would fail ({error})") from None

    def _peek(self) -> str:
        """The next sign that is no white space and in no comment; empty at the end."""
        at = self.at
        sign = self.text[at : at + 1]
        while sign and (sign <= " " or sign == "/" or sign >= "\x80"):
            self.at = self._past_blank()
            if self.at == at:
                break
            at = self.at
            sign = self.text[at : at + 1]
        return sign

    def _past_blank(self) -> int:
        """Where white space, or a comment, ends that begins here."""
        if self.text.startswith("/*", self.at):
            end = self.text.find("*/", self.at + 2)
            if end < 0:
                raise self._error("a comment does not end")
            return end + 2
        found = _BLANK.match(self.text, self.at)
        return self.at if found is None else found.end()

    def _count(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise self._error("it has too many values")

    def _error(self, why: str) -> ValueError:
        return ValueError(f"{why}, at character {self.at}: {self.text[self.at : self.at + _SHOWN]!r}")


def _put(container: dict[str, Value] | list[Value], key: str, value: Value) -> None:
    if isinstance(container, dict):
        container[key] = value
    else:
        container.append(value)


def _number(sign: str, whole: str | None, fraction: str | None) -> Value:
    if whole is None:
        value = float(fraction or 0)
        return None if value == float("inf") else -value if sign == "-" else value
    is_decimal = whole.isdigit()
    integer = int(whole) if is_decimal else int(whole, 0)
    return -integer if sign == "-" else integer


def _unescaped(body: str) -> str:
    text = _ESCAPE.sub(_unescape, body)
    if _HALF.search(text) is not None:  # a pair is one character, a half is none
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def _unescape(found: re.Match[str]) -> str:
    code = found[1] or found[2] or found[3]
    if code is not None:
        if int(code, 16) > 0x10FFFF:
            raise ValueError(f"{found[0]} is no character")
        return chr(int(code, 16))
    sign = found[4]
    if sign in _BAD_ESCAPES:
        raise ValueError(f"{found[0]!r} is no escape that a string may have")
    return _ESCAPED.get(sign, sign)


def _integer(digits: str) -> Value:
    if len(digits) > _LONGEST_NUMBER:
        raise ValueError("a number is too long")
    return int(digits)


def _nothing(_: str) -> None:
    """NaN and its like."""


_DECODER = json.JSONDecoder(strict=False, parse_int=_integer, parse_constant=_nothing)
"""The standard library's, as it says where a value ends; not strict about line breaks in strings."""
