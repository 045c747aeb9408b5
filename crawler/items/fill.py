"""How well the fields of a dataset are filled: per type of item and field, how many have something in it. Pure.

A field that is None, or an empty text, list, set or mapping, has nothing in it; 0 and False are values like others.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from functools import lru_cache
from itertools import filterfalse
from operator import attrgetter
from typing import Any, NamedTuple, TypeAlias

import msgspec

from crawler.outcome import Filled, Record

_TYPES = 100
"""Types of items that are counted: a crawl has a handful."""
_FIELDS = 1_000
"""Fields of one type. Those of a dict may be a page's own words."""
_LONG = 100
"""Characters of a field's name, for the same reason."""

Row: TypeAlias = Sequence[Any]  # Any: values of whatever type


class _Table(NamedTuple):
    """Items that have the same fields."""

    names: tuple[str, ...]
    rows: list[Row]


def filled_in(records: Iterable[Record]) -> dict[str, Filled]:
    """What *records* have, by the name of their type; ``dict`` for those without one. Takes 0.3 µs for eight fields."""
    by_type: dict[type | None, list[Record]] = {}
    for record in records:
        try:
            by_type[record.type].append(record)
        except KeyError:
            by_type[record.type] = [record]
    counted: dict[str, Filled] = {}
    for kind, alike in by_type.items():
        one = counted.setdefault("dict" if kind is None else kind.__name__, Filled())
        one.items += len(alike)
        for names, rows in _tables(kind, alike):
            for field, column in zip(names, zip(*rows, strict=True), strict=True):
                one.fields[field] = one.fields.get(field, 0) + _present(column)
    return counted


def add_filled(total: dict[str, Filled], counted: Mapping[str, Filled]) -> None:
    """Add *counted* to *total*, within its bounds: what comes after 100 types, or 1,000 fields of one, is not counted."""
    for name, more in counted.items():
        one = total.get(name)
        if one is None:
            if len(total) >= _TYPES:
                continue
            one = total[name] = Filled()
        one.items += more.items
        for field, count in more.fields.items():
            field = field[:_LONG]
            if field in one.fields:
                one.fields[field] += count
            elif len(one.fields) < _FIELDS:
                one.fields[field] = count


def _tables(kind: type | None, records: Sequence[Record]) -> Iterable[_Table]:
    """*records*, all of one type, as columns: from the items as they are, where that is less work than from the JSON."""
    if kind is not None and (reader := _reader(kind)) is not None:
        names, read = reader
        try:
            return [_Table(names, [read(record.item) for record in records])]
        except (AttributeError, TypeError):
            pass  # items out of a parse process, or a dataclass that was made without one of its fields
    tables: dict[tuple[str, ...], _Table] = {}
    for record in records:
        item = record.item if isinstance(record.item, dict) else msgspec.json.decode(record.data)
        names = tuple(item)
        if names not in tables:
            tables[names] = _Table(tuple(map(str, names)), [])
        tables[names].rows.append(tuple(item.values()))
    return tables.values()


@lru_cache(maxsize=256)
def _reader(kind: type) -> tuple[tuple[str, ...], Callable[[Any], Row]] | None:  # Any: an item of that type
    """The names of the fields of *kind*, as they are written, and what gives their values; None: its JSON does."""
    if issubclass(kind, msgspec.Struct):
        return kind.__struct_encode_fields__, msgspec.structs.astuple
    if hasattr(kind, "__attrs_attrs__"):
        names = [field.name for field in kind.__attrs_attrs__ if not field.name.startswith("_")]
    elif is_dataclass(kind):
        names = [field.name for field in fields(kind)]
    else:
        return None
    if len(names) < 2:  # of which attrgetter makes no tuple
        return None
    return tuple(names), attrgetter(*names)


def _present(column: Sequence[Any]) -> int:  # Any: values of one field
    """How many of *column* have something in them."""
    if all(column):
        return len(column)
    empty = Counter(map(type, filterfalse(None, column)))
    return len(column) - sum(times for kind, times in empty.items() if kind in _NOTHING or hasattr(kind, "__len__"))


_NOTHING = frozenset((type(None), msgspec.UnsetType))
