"""Which type a column has: worked out from all of its values, and from what the item's type says of them.

A format that is read by type (Parquet, SQLite) cannot begin before it has seen every record. So the records are looked
at once, a group at a time, and what is kept is a few words for each field.

Rule 1: data decides. A schema names the type of a field that no record has, and sharpens what data leaves open: a text
that is a date is a date if the schema says so and every value is one.
Rule 2: nothing is lost: values that no one type holds exactly are JSON text.
Rule 3: what is remembered is bounded by ``MOST_COLUMNS``, whatever field names pages make up.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping
from decimal import Decimal
from itertools import chain
from typing import Any, Literal

import msgspec

from crawler.export.kinds import NotWritable
from crawler.export.lines import GROUP, GROUP_BYTES, decoded, groups_of

MOST_COLUMNS = 16_384
"""As many as a sheet of Excel has, those of objects in objects among them."""
MOST_FIELDS = 256
"""Of an object within a record. One with more is no object with fields, but a table of its own: it is JSON text."""
MOST_LEVELS = 16
"""Of lists and objects within a record; what is deeper is JSON text."""
EXACT = 2**53
"""Whole numbers up to it are the same as floating ones."""

Kind = Literal[
    "text",
    "json",
    "flag",
    "whole",
    "unsigned",
    "large",
    "decimal",
    "real",
    "date",
    "time",
    "moment",
    "utc",
    "list",
    "object",
]
"""*large* is a whole number beyond 64 bits, of 38 digits at most; *moment* is a date and time without an offset, *utc* one
with it."""

_FORMS: Mapping[str, Any] = {
    "date": list[datetime.date],
    "date-time": list[datetime.datetime],
    "time": list[datetime.time],
    "decimal": list[Decimal],
}
"""Formats of JSON Schema that are types here, each as the type of many of them."""


_JSON_TYPES: dict[type, str] = {str: "string", int: "integer", float: "number", bool: "boolean"}
"""Those of the values that an ``enum`` names."""


class Type(msgspec.Struct, frozen=True):
    """That of a column."""

    kind: Kind
    is_nullable: bool = True
    precision: int = 0
    """Digits of a *decimal*, at most 38."""
    scale: int = 0
    """Those after its point."""
    values: Type | None = None
    """Of a *list*."""
    fields: dict[str, Type] = {}
    """Of an *object*."""


class Hint:
    """What a JSON Schema says of one place; nothing, if there is none."""

    def __init__(self, node: Mapping[str, Any], root: Mapping[str, Any]) -> None:
        self._node = _plain(node, root)
        self._root = root

    @property
    def kind(self) -> str:
        """``string``, ``integer``, ``number``, ``boolean``, ``array``, ``object``; empty if the schema leaves it open."""
        kind = self._node.get("type", "")
        if not kind and isinstance(self._node.get("enum"), list):
            kinds = {_JSON_TYPES.get(type(value), "") for value in self._node["enum"] if value is not None}
            kind = kinds.pop() if len(kinds) == 1 else ""
        return kind if isinstance(kind, str) else ""

    @property
    def form(self) -> str:
        """One of _FORMS; empty for what is text to everybody."""
        form = self._node.get("format", "") if self.kind == "string" else ""
        return form if form in _FORMS else ""

    @property
    def names(self) -> list[str]:
        """Of the fields of an object."""
        return list(self._node.get("properties", ()))

    def field(self, name: str) -> Hint:
        properties = self._node.get("properties") or {}
        return Hint(properties.get(name) or self._node.get("additionalProperties") or {}, self._root)

    def values(self) -> Hint:
        """Of a list."""
        return Hint(self._node.get("items") or {}, self._root)


def _plain(node: Any, root: Mapping[str, Any]) -> Mapping[str, Any]:  # Any: JSON
    """*node* without references and without null; empty if several types are left, or it is no schema."""
    for _ in range(MOST_LEVELS):  # a reference may lead to itself
        if not isinstance(node, Mapping):
            return {}
        choices = node.get("anyOf") or node.get("oneOf") or node.get("allOf")
        if "$ref" in node:
            node = _referred(str(node["$ref"]), root)
        elif choices:
            left = [choice for choice in choices if choice != {"type": "null"}]
            node = left[0] if len(left) == 1 else {}
        elif isinstance(node.get("type"), list):
            types = [kind for kind in node["type"] if kind != "null"]
            node = {**node, "type": types[0] if len(types) == 1 else ""}
        else:
            return node
    return {}


def _referred(reference: str, root: Mapping[str, Any]) -> Any:  # Any: JSON
    """What a reference within a schema names (RFC 6901), as ``#/$defs/Book``."""
    node: Any = root
    for step in reference.removeprefix("#").split("/")[1:]:
        node = node.get(step.replace("~1", "/").replace("~0", "~")) if isinstance(node, Mapping) else None
    return node


class _Room:
    """For the columns that objects within records have, of all records together."""

    def __init__(self) -> None:
        self._left = MOST_COLUMNS

    def takes_one(self) -> bool:
        self._left -= 1
        return self._left >= 0


class Column:
    """What was seen in one place of the records."""

    def __init__(self, hint: Hint, levels: int, room: _Room | None = None) -> None:
        """
        :param levels: of lists and objects that are looked into
        :param room: None for the records as a whole, which have a room of their own
        """
        self.hint = hint
        self.count = 0
        """Values, null among them."""
        self.objects = 0
        self.kinds: set[type] = set()
        self.has_null = False
        self.low = self.high = 0
        """Of the whole numbers, and of 0."""
        self.form = hint.form
        """What every text is; empty if one is not."""
        self.zones: set[bool] = set()
        """Whether there are dates and times with an offset, and without one."""
        self.digits = self.scale = 0
        """Of decimals: the most before and after the point."""
        self.values: Column | None = None
        self.fields: dict[str, Column] = {}
        self.is_wide = False
        """Whether there are more fields than are kept."""
        self._levels = levels
        self._room = room
        self._rooms = room or _Room()

    def see(self, values: list[Any]) -> None:
        """Take note of *values*, which are what JSON has."""
        self.count += len(values)
        kinds = set(map(type, values))
        if type(None) in kinds:
            self.has_null = True
            kinds.discard(type(None))
        self.kinds |= kinds
        if int in kinds:
            whole = _only(int, values)
            self.low, self.high = min(self.low, min(whole)), max(self.high, max(whole))  # noqa: PLW3301  # faster
        if self.form and str in kinds:
            self._see_form(_only(str, values))
        if self._levels and list in kinds:
            self._see_lists(_only(list, values))
        if self._levels and dict in kinds:
            self.see_objects(_only(dict, values))

    def see_objects(self, objects: list[dict[str, Any]]) -> None:
        """Take note of the fields of *objects*."""
        self.objects += len(objects)
        if self.is_wide:
            return
        cells: dict[str, list[Any]] = {}
        for fields in objects:
            for name, value in fields.items():
                if name in cells:
                    cells[name].append(value)
                else:
                    cells[name] = [value]
        for name, values in cells.items():
            column = self.fields.get(name)
            if column is None:
                if not self._has_room():
                    self.is_wide = True
                    self.fields = {}
                    return
                column = self.fields[name] = self._column(self.hint.field(name))
            column.see(values)

    def _has_room(self) -> bool:
        if self._room is None:
            return len(self.fields) < MOST_COLUMNS
        return len(self.fields) < MOST_FIELDS and self._room.takes_one()

    def _column(self, hint: Hint) -> Column:
        return Column(hint, self._levels - 1, self._rooms)

    def _see_lists(self, lists: list[list[Any]]) -> None:
        if self.values is None:
            self.values = self._column(self.hint.values())
        self.values.see(list(chain.from_iterable(lists)))

    def _see_form(self, texts: list[str]) -> None:
        try:
            parsed = msgspec.convert(texts, _FORMS[self.form])
        except msgspec.ValidationError:
            self.form = ""
            return
        if self.form == "decimal":
            self._see_decimals(parsed)
        elif self.form != "date":
            self.zones |= {value.tzinfo is not None for value in parsed}
            if self.zones != {False} and (self.form == "time" or len(self.zones) > 1):
                self.form = ""  # Arrow has no time of day with an offset, and no column of both

    def _see_decimals(self, numbers: list[Decimal]) -> None:
        for number in numbers:
            _, digits, exponent = number.as_tuple()
            if not isinstance(exponent, int):  # NaN and Infinity
                self.form = ""
                return
            self.scale = max(self.scale, -exponent)
            self.digits = max(self.digits, len(digits) + exponent)


def _only(kind: type, values: list[Any]) -> list[Any]:
    return [value for value in values if type(value) is kind]


class Survey(msgspec.Struct, frozen=True):
    """What one look at all records has found."""

    records: Column
    """Its fields are the columns."""
    group: int
    """As many records, wherever they stand, are no more than twice ``GROUP_BYTES`` of JSON."""

    def columns(self) -> dict[str, Column]:
        """Those that the schema names come first, be there records that have them or not."""
        return _in_order(self.records)


def survey(lines: Iterable[bytes], schema: Mapping[str, Any] | None, *, levels: int = MOST_LEVELS) -> Survey:
    """Look at all records.

    :param levels: of lists and objects that are looked into, the record not among them
    :raises NotWritable: they have more fields than a table can have
    """
    records = Column(Hint(schema or {}, schema or {}), levels + 1)
    sizes = [GROUP]
    for group in groups_of(lines):
        records.see_objects(decoded(group))
        if records.is_wide:
            raise NotWritable(
                f"its records have more than {MOST_COLUMNS:,} different fields, and a table has as many columns at "
                "most: JSON lines (.jsonl) hold them"
            )
        if sum(map(len, group)) >= GROUP_BYTES:
            sizes = [min(*sizes, len(group))]
    return Survey(records, sizes[0])


def _in_order(column: Column) -> dict[str, Column]:
    named = [name for name in column.hint.names if name not in column.fields]
    unseen = {name: Column(column.hint.field(name), 0, _Room()) for name in named}
    return {
        name: column.fields.get(name) or unseen[name] for name in {**dict.fromkeys(column.hint.names), **column.fields}
    }


def type_of(column: Column, objects: int) -> Type:
    """The type that holds every value of *column*.

    :param objects: how many there are that could have it
    """
    kind = _typed(column)
    return msgspec.structs.replace(kind, is_nullable=column.has_null or column.count < objects or not column.kinds)


def _typed(column: Column) -> Type:
    kinds = column.kinds
    if not kinds:
        return _unseen(column.hint) or Type("text")
    if kinds <= {int, float}:
        return _number(column)
    if kinds == {list} and column.values is not None:
        values = column.values
        return Type("list", values=type_of(values, 0)) if values.kinds else _unseen_list(values.hint)
    if kinds == {dict} and column.fields:
        fields = {name: type_of(field, column.objects) for name, field in _in_order(column).items()}
        return Type("object", fields=fields)
    if kinds == {bool}:
        return Type("flag")
    return _text(column) if kinds == {str} else Type("json")


_SCALARS: Mapping[str, Kind] = {"string": "text", "integer": "whole", "number": "real", "boolean": "flag"}
_TEXTS: Mapping[str, Kind] = {"date": "date", "date-time": "moment", "time": "time"}


def _unseen(hint: Hint) -> Type | None:
    """What a schema says of a place where no value is; None if it does not say."""
    if hint.kind in _SCALARS:
        return Type(_TEXTS.get(hint.form, _SCALARS[hint.kind]))
    if hint.kind == "array":
        return _unseen_list(hint.values())
    return Type("json") if hint.kind == "object" else None


def _unseen_list(values: Hint) -> Type:
    """Of lists that are all empty. Not even the schema's own objects are columns before there is one."""
    inner = _unseen(values) if values.kind in _SCALARS else None
    return Type("list", values=inner) if inner else Type("json")


def _text(column: Column) -> Type:
    if column.form == "date-time":
        return Type("utc" if column.zones == {True} else "moment")
    if column.form == "decimal":
        precision = max(1, column.digits, 0) + column.scale
        return Type("decimal", precision=precision, scale=column.scale) if precision <= 38 else Type("text")
    return Type(_TEXTS.get(column.form, "text"))


def _number(column: Column) -> Type:
    low, high = column.low, column.high
    if float in column.kinds or column.hint.kind == "number":
        if low >= -EXACT and high <= EXACT:
            return Type("real")
        if float in column.kinds:
            return Type("json")
    if low >= -(2**63) and high < 2**63:
        return Type("whole")
    if low >= 0 and high < 2**64:
        return Type("unsigned")
    return Type("large") if max(-low, high) < 10**38 else Type("json")


def distinct(names: Iterable[str], *, ignores_case: bool = False) -> dict[str, str]:
    """The columns' own names for fields of *names*: U+0000, which no name can have, is U+2400 in them, and what would be
    one name for two columns gets a number, as ``title_2``.

    :param ignores_case: whether ``Title`` and ``title`` are one name
    """
    own: dict[str, str] = {}
    taken: set[str] = set()
    for field in names:
        name = bare = field.replace("\0", "\u2400")
        number = 1
        while (name.lower() if ignores_case else name) in taken:
            number += 1
            name = f"{bare}_{number}"
        taken.add(name.lower() if ignores_case else name)
        own[field] = name
    return own
