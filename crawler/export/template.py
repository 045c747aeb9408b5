"""Names of outputs with places to fill in, as ``books/{category}/{item}-{part}.parquet``. Pure.

``{spider}`` and ``{started}`` are filled in once. ``{item}`` is the type of a record, ``{part}`` counts the files of a
dataset that is rotated, and any other name is a field of the record: a dataset with such places is several files.

Rule 1: what fills a place is one plain component of a path, whatever a page put into the field: no separator, no way
up, no device, at most 100 bytes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from hashlib import blake2b
from string import Formatter
from typing import Any
from urllib.parse import quote

import msgspec

from crawler.errors import OutputError
from crawler.export.formats import ending_of
from crawler.http.filename import is_plain

ITEM, PART = "item", "part"
ABSENT = "__none__"
"""Fills the place of a field that the record does not have, or that is null."""
OTHER = "__other__"
"""Fills the place of every field once there are as many files as a dataset may have."""
_LONGEST = 100
"""Bytes of one filled place: with what stands around it, a name must fit into 255."""
_DIGITS = 5


class Template:
    """The name of an output."""

    def __init__(self, text: str) -> None:
        """
        :raises OutputError: its braces do not fit together
        """
        self.text = text
        self._parts = list(_parse(text))
        self.places = tuple(dict.fromkeys(name for _, name in self._parts if name))
        """What is filled in, each once."""
        self.fields = tuple(name for name in self.places if name not in (ITEM, PART))
        """The fields of a record among them."""

    @property
    def is_single(self) -> bool:
        """Whether it names one file."""
        return not self.places

    @property
    def plain(self) -> str:
        """The name itself, of one without places."""
        return "".join(literal for literal, _ in self._parts)

    def filled(self, **known: str) -> Template:
        """With some places filled in for good."""
        return Template("".join(escaped(literal) + _place(name, known) for literal, name in self._parts))

    def rotated(self) -> Template:
        """With a place for the number of the file: before the ending, unless its author has put it elsewhere."""
        if PART in self.places:
            return self
        ending = ending_of(self.text)
        return Template(f"{self.text[: len(self.text) - len(ending)]}-{{{PART}}}{ending}")

    def path(self, item: str, values: Mapping[str, Any], part: int) -> str:  # Any: of a record's fields
        """The name of the file that a record goes to.

        :param item: the name of its type
        :param values: its fields, those of ``fields`` at least
        :param part: from 1 on
        """
        filling = {ITEM: item, PART: f"{part:0{_DIGITS}}"}
        return "".join(
            literal + (component(filling.get(name, values.get(name))) if name else "") for literal, name in self._parts
        )

    @property
    def collective(self) -> str:
        """A name for all its files together, in the folder that they have in common: ``out/{kind}-all.csv`` for
        ``out/{kind}/all-{part}.csv``.
        """
        literal = self._parts[0][0] if self._parts else ""
        folder = literal[: literal.rfind("/") + 1]
        rest = self.text[len(escaped(folder)) :].replace("/", "-")
        without = rest.replace(f"-{{{PART}}}", "").replace(f"{{{PART}}}", "")
        return folder + (without if ending_of(without) and ending_of(without) != without else rest)

    def item_in(self) -> Callable[[str], str | None]:
        """Tells of a path whether it is that of one of its files, and of which type its records are: an empty name
        where the path does not say.
        """
        pattern = "".join(
            re.escape(literal)
            + ("" if not name else f"(?P<{ITEM}>[^/]+)" if name == ITEM else r"\d{5,}" if name == PART else "[^/]+")
            for literal, name in _each_item_once(self._parts)
        )
        matches = re.compile(pattern).fullmatch

        def item(path: str) -> str | None:
            found = matches(path)
            return None if found is None else found.groupdict().get(ITEM) or ""

        return item


def component(value: Any) -> str:  # Any: of a record's field
    """*value* as one component of a path: as it stands where that is a plain name, else escaped as in a URL."""
    if value is None or value == "":
        return ABSENT
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    if len(text) <= _LONGEST // 4 and is_plain(text) and "%" not in text:
        return text
    quoted = quote(text, safe=" ,;()[]+=@!$&'", errors="replace").replace(".", "%2E")
    if quoted.strip(" ") != quoted or not is_plain(quoted):
        quoted = quote(text, safe="", errors="replace").replace(".", "%2E")
    if len(quoted) > _LONGEST:
        quoted = f"{quoted[: _LONGEST - 17]}-{blake2b(text.encode('utf-8', 'replace'), digest_size=8).hexdigest()}"
    return quoted if is_plain(quoted) else f"_{quoted}"


def _parse(text: str) -> list[tuple[str, str]]:
    """(literal, name of the place behind it); the last name may be empty."""
    parts: list[tuple[str, str]] = []
    try:
        for literal, name, spec, conversion in Formatter().parse(text):
            if name is not None and (spec or conversion or not name.replace("-", "_").isidentifier()):
                raise ValueError(f"{{{name}}} is no name of a field")
            if parts and not parts[-1][1]:  # behind an escaped brace
                literal = parts.pop()[0] + literal
            parts.append((literal, name or ""))
    except ValueError as error:
        raise OutputError(
            f"{text}: {error}. In the name of an output {{spider}}, {{started}}, {{item}}, {{part}} and {{FIELD}} are "
            "filled in; a brace itself is written twice"
        ) from None
    return parts


def _place(name: str, known: Mapping[str, str]) -> str:
    if not name:
        return ""
    return escaped(known[name]) if name in known else f"{{{name}}}"


def escaped(literal: str) -> str:
    """*literal* as it is written in a template."""
    return literal.replace("{", "{{").replace("}", "}}")


def _each_item_once(parts: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """A pattern names a group once; where the type stands twice, the second one may be anything."""
    seen = False
    once = []
    for literal, name in parts:
        once.append((literal, "_" if name == ITEM and seen else name))
        seen = seen or name == ITEM
    return once
