"""What the records of a dataset are like: how often each field is filled, of what kinds its values are, and which.

Records come in groups, and each group is looked at field by field: nearly all of the work is done by loops in C.

Rule 1: memory does not grow with the number of records. What has a bound says so: ``others``, ``is_exact``.
Rule 2: the same records give the same statistics, on every machine.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from operator import itemgetter
from typing import Any, Final

import msgspec
from xxhash import xxh3_64_intdigest

KINDS: Final[dict[type, str]] = {
    str: "string",
    int: "integer",
    float: "number",
    bool: "boolean",
    type(None): "null",
    list: "array",
    dict: "object",
}
"""The types that JSON is read into -> the words of JSON Schema (2020-12, core, 4.2.1)."""
MOST_FIELDS = 4_096
"""Fields with statistics of their own, nested ones among them. The names in a record may be a page's own words."""
_DEEPEST = 20
"""Levels of nesting that are told apart."""
_SKETCH = 2_048
"""Hashes that an estimate of distinct values is made of: off by 1 / sqrt(2048), some 2%, two times of three."""
_COUNTED = 2_000
"""Values that are counted one by one in a field, when there are more of them."""
_LONGEST_COUNTED = 200
"""Characters of a text that is counted: what is longer is hardly there twice, and would fill the memory."""
_HASHES = float(1 << 64)


class Range(msgspec.Struct):
    """The least and the most."""

    least: float
    most: float

    def widen(self, least: float, most: float) -> None:
        self.least = min(self.least, least)
        self.most = max(self.most, most)


class Distinct:
    """How many different values there are: exact for few, estimated from the least of their hashes for many.

    Z. Bar-Yossef et al., "Counting Distinct Elements in a Data Stream", 2002 (k minimum values).
    """

    def __init__(self) -> None:
        self._least: set[int] = set()
        self._bar = 1 << 64
        self.is_exact = True

    def add(self, values: Iterable[bytes]) -> None:
        bar = self._bar
        self._least.update([digest for digest in map(xxh3_64_intdigest, values) if digest < bar])
        if len(self._least) > _SKETCH:
            kept = heapq.nsmallest(_SKETCH, self._least)
            self._least = set(kept)
            self._bar = kept[-1]
            self.is_exact = False

    def count(self) -> int:
        return len(self._least) if self.is_exact else round((_SKETCH - 1) / (self._bar / _HASHES))


class Commonest:
    """The values that come most often. J. Misra and D. Gries, "Finding repeated elements", 1982.

    A count is too low by at most :attr:`missed`.
    """

    def __init__(self) -> None:
        self._counts: Counter[Any] = Counter()  # Any: texts, numbers, truth values
        self.missed = 0

    def add(self, values: Iterable[Any]) -> None:
        self._counts.update(values)
        if len(self._counts) > 2 * _COUNTED:
            least = heapq.nlargest(_COUNTED, self._counts.values())[-1]
            self.missed += least
            self._counts = Counter({value: n - least for value, n in self._counts.items() if n > least})

    def top(self, number: int) -> list[tuple[Any, int]]:
        """Those that are surely there twice, in the order of their counts, then of the values."""
        found = [(value, n) for value, n in self._counts.items() if n > 1]
        return heapq.nsmallest(number, found, key=lambda pair: (-pair[1], str(pair[0])))


class Column:
    """What is known of the values of one field, or of the elements of its lists."""

    def __init__(self, depth: int, *, is_deep: bool) -> None:
        self.seen = 0
        """Values, nulls among them."""
        self.empty = 0
        """Those that are null, an empty text, list or object."""
        self.kinds: Counter[str] = Counter()
        self.numbers: Range | None = None
        self.lengths: Range | None = None
        """Characters of texts, elements of lists."""
        self.elements: Column | None = None
        self.fields: Fields | None = None
        self.distinct = Distinct() if is_deep else None
        self.commonest = Commonest() if is_deep else None
        self._depth = depth
        self._is_deep = is_deep

    @property
    def filled(self) -> int:
        return self.seen - self.empty

    def add(self, values: Sequence[Any], budget: Budget) -> None:
        self.seen += len(values)
        types = Counter(map(type, values))
        for kind, number in types.items():
            self.kinds[KINDS[kind]] += number
            mine: Sequence[Any] = values if len(types) == 1 else [value for value in values if type(value) is kind]
            if kind is type(None):
                self.empty += number
            elif kind is list:
                self._add_lists(mine, budget)
            elif kind is dict:
                self._add_objects(mine, budget)
            elif kind is str:
                self._add_texts(mine)
            elif self._is_deep:
                self._add_numbers(mine, is_boolean=kind is bool)

    def _add_texts(self, values: Sequence[str]) -> None:
        self.empty += values.count("")
        if self.distinct is None or self.commonest is None:
            return
        different = set(values)
        self.distinct.add(map(str.encode, different))
        lengths = [*map(len, different)]
        most = max(lengths)
        self.lengths = _widened(self.lengths, min(lengths), most)
        if most > _LONGEST_COUNTED:
            values = [value for value in values if len(value) <= _LONGEST_COUNTED]
        self.commonest.add(values)

    def _add_numbers(self, values: Sequence[Any], *, is_boolean: bool) -> None:
        if self.distinct is None or self.commonest is None:
            return
        different = set(values)
        self.distinct.add([b"\0" + repr(value).encode() for value in different])  # not the text "1"
        if not is_boolean:
            self.numbers = _widened(self.numbers, min(different), max(different))
            self.commonest.add(values)
        else:
            self.commonest.add(map(_TRUTH.__getitem__, values))  # else True would be counted with 1

    def _add_lists(self, values: Sequence[list[Any]], budget: Budget) -> None:
        lengths = [*map(len, values)]
        self.empty += lengths.count(0)
        if self.distinct is not None:
            self.lengths = _widened(self.lengths, min(lengths), max(lengths))
            self.distinct.add(set(map(msgspec.json.encode, values)))
        elements = [*chain.from_iterable(values)]
        if elements and (self.elements is not None or (self._depth < _DEEPEST and budget.allows())):
            if self.elements is None:
                self.elements = Column(self._depth + 1, is_deep=self._is_deep)
            self.elements.add(elements, budget)

    def _add_objects(self, values: Sequence[dict[str, Any]], budget: Budget) -> None:
        self.empty += [*map(len, values)].count(0)
        if self.distinct is not None:
            self.distinct.add(set(map(msgspec.json.encode, values)))
        if self.fields is None:
            self.fields = Fields(self._depth + 1, is_deep=self._is_deep)
        if self._depth < _DEEPEST:
            self.fields.add(values, budget)
        else:
            self.fields.others += 1


class Budget:
    """How many more columns there may be, in all."""

    def __init__(self) -> None:
        self._left = MOST_FIELDS

    def allows(self) -> bool:
        self._left -= 1
        return self._left >= 0


class Fields:
    """The columns of objects, in the order in which their names appeared."""

    def __init__(self, depth: int, *, is_deep: bool) -> None:
        self.count = 0
        """Objects."""
        self.columns: dict[str, Column] = {}
        self.others = 0
        """How often there was a field that has no column, for there are too many."""
        self._depth = depth
        self._is_deep = is_deep

    def add(self, records: Sequence[dict[str, Any]], budget: Budget) -> None:
        self.count += len(records)
        names = dict.fromkeys(records[0])
        if any(record.keys() != names.keys() for record in records):
            names = dict.fromkeys(chain.from_iterable(records))
        for name in names:
            column = self.columns.get(name)
            if column is None:
                if not budget.allows():
                    self.others += 1
                    continue
                column = self.columns[name] = Column(self._depth, is_deep=self._is_deep)
            try:
                values = [*map(itemgetter(name), records)]
            except KeyError:
                values = [record[name] for record in records if name in record]
            column.add(values, budget)


class Statistics:
    """The statistics of records. *is_deep*: of their values, too, which costs as much again as all the rest."""

    def __init__(self, *, is_deep: bool = False) -> None:
        self.fields = Fields(0, is_deep=is_deep)
        self._budget = Budget()

    @property
    def items(self) -> int:
        return self.fields.count

    def add(self, records: Sequence[dict[str, Any]]) -> None:
        if records:
            self.fields.add(records, self._budget)

    def schema(self) -> dict[str, Any]:
        """A JSON Schema (draft 2020-12) that all of the records fit, and no more than they show."""
        return {"$schema": "https://json-schema.org/draft/2020-12/schema", **_schema_of_objects(self.fields)}


def flat(fields: Fields, prefix: str = "") -> Iterator[tuple[str, Column]]:
    """Every field with its column, nested ones after what they are in: ``author``, ``author.name``, ``tags[]``."""
    for name, column in fields.columns.items():
        yield from _flat(prefix + name, column)


def _flat(path: str, column: Column) -> Iterator[tuple[str, Column]]:
    yield path, column
    if column.fields is not None:
        yield from flat(column.fields, f"{path}.")
    if column.elements is not None:
        yield from _flat(f"{path}[]", column.elements)


_TRUTH = {True: "true", False: "false"}


def _widened(known: Range | None, least: float, most: float) -> Range:
    if known is None:
        return Range(least, most)
    known.widen(least, most)
    return known


def _schema_of(column: Column) -> dict[str, Any]:
    kinds = [kind for kind in KINDS.values() if column.kinds[kind]]
    if "number" in kinds and "integer" in kinds:
        kinds.remove("integer")  # an integer is a number
    if not kinds:
        return {}
    schema: dict[str, Any] = {"type": kinds[0] if len(kinds) == 1 else kinds}
    if column.elements is not None:
        schema["items"] = _schema_of(column.elements)
    if column.fields is not None:
        schema |= {name: value for name, value in _schema_of_objects(column.fields).items() if name != "type"}
    return schema


def _schema_of_objects(fields: Fields) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {name: _schema_of(column) for name, column in fields.columns.items()},
        "required": [name for name, column in fields.columns.items() if column.seen == fields.count],
    }
