"""What has changed between two datasets: items that are new, that are gone, and that are not the same any more.

Rule 1: memory does not grow with the datasets. Both are put into a SQLite file, which is gone afterwards.
Rule 2: the changes stand in the order of the items: those of the new dataset first, as they follow in it, then those that
are gone, as they followed in the old one.
"""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any, Literal, Protocol

import msgspec

from crawler.errors import OutputError, SinkError

Keep = Literal["first", "last"]
"""Which of several items with one key counts."""
_Row = tuple[int, bytes, bytes, bytes]
"""As in the table of items."""

_TEMPORARY = "the temporary file of a comparison"
_GROUP = 1_000
"""Changes that are written together."""
_CACHE_KB = 64 * 1024
"""Pages of SQLite in memory."""
_SCHEMA = """
CREATE TABLE {side}_items (
    place INTEGER PRIMARY KEY,  -- in its dataset
    key BLOB NOT NULL,          -- digest of the key's values, or of the whole item
    digest BLOB NOT NULL,       -- of the item
    data BLOB NOT NULL
);
CREATE TABLE {side}_kept (
    key BLOB NOT NULL,
    number INTEGER NOT NULL,  -- of several items that are the same, where they have no key
    place INTEGER NOT NULL,
    digest BLOB NOT NULL,
    PRIMARY KEY (key, number)
) WITHOUT ROWID;
"""
_KEPT = {
    "first": "SELECT key, 0, min(place), digest FROM {side}_items GROUP BY key",
    "last": "SELECT key, 0, max(place), digest FROM {side}_items GROUP BY key",
    "all": "SELECT key, row_number() OVER (PARTITION BY key ORDER BY place), place, digest FROM {side}_items",
}
"""Which items count. A bare column beside min() and max() is of the row that has it (https://sqlite.org/lang_select.html)."""
_FIND = """
CREATE TABLE changes (new INTEGER, old INTEGER);
INSERT INTO changes
    SELECT new.place, old.place FROM new_kept AS new LEFT JOIN old_kept AS old USING (key, number)
    WHERE old.digest IS NOT new.digest;
INSERT INTO changes
    SELECT NULL, old.place FROM old_kept AS old
    WHERE NOT EXISTS (SELECT 1 FROM new_kept AS new WHERE new.key = old.key AND new.number = old.number);
"""
_CHANGES = """
SELECT new.data, old.data FROM changes
    LEFT JOIN new_items AS new ON new.place = changes.new LEFT JOIN old_items AS old ON old.place = changes.old
    ORDER BY changes.new IS NULL, changes.new, changes.old
"""


KeyOf = Callable[[Mapping[str, Any]], Sequence[str]]
"""Gives the fields of a record that tell it from others; none: all of it does."""


class Counts(msgspec.Struct, frozen=True):
    """How many items there are of each."""

    added: int = 0
    changed: int = 0
    gone: int = 0
    same: int = 0


class Writable(Protocol):
    """Where the changes go: a file that is open in binary."""

    def write(self, data: bytes, /) -> Any:  # Any: a file says how many bytes, others say nothing
        """Take *data*, which is some whole lines."""


def compare(
    old: Iterable[bytes],
    new: Iterable[bytes],
    key: Sequence[str] | KeyOf | None,
    out: Writable,
    *,
    as_text: bool = False,
    keep: Keep = "last",
    folder: Path | None = None,
) -> Counts:
    """Write what has changed from *old* to *new*, two datasets of JSON objects, as JSON lines::

        {"change":"added","item":{...}}
        {"change":"changed","key":{"url":"..."},"fields":["price"],"item":{...},"before":{...}}
        {"change":"gone","item":{...}}

    :param key: the fields that tell one item from another, or what gives those of each. None, or none of them: an item is
        the same only if all of it is, and one that is there three times and was there once is added twice
    :param as_text: compare values as text, as a CSV has them: ``"51.77"`` and ``51.77`` are the same, and so are nothing,
        null, and what is empty. For two datasets of which one does not keep items as they are (``read.is_json``)
    :param keep: which of several items with one key counts, in each of the datasets
    :param folder: where the temporary files are, as large as both datasets together; None: where the system has them
    :raises OutputError: an item is no JSON object
    :raises SinkError: the temporary file cannot be written
    """
    names = tuple(key or ()) if not callable(key) else ()
    key_of = key if callable(key) else lambda _: names
    try:
        scratch_folder = tempfile.TemporaryDirectory(prefix="crawl-compare-", dir=folder)
    except OSError as error:
        raise SinkError(_TEMPORARY, error.strerror or str(error)) from error
    try:
        with scratch_folder as scratch:
            connection = sqlite3.connect(Path(scratch, "items.sqlite"), isolation_level=None)
            try:
                _prepare(connection)
                for side, lines in (("old", old), ("new", new)):
                    _fill(connection, side, _rows(lines, side, key_of, as_text=as_text), keep if key else "all")
                connection.executescript(_FIND)
                return _write_changes(connection, key_of, out, as_text=as_text)
            finally:
                connection.close()
    except sqlite3.Error as error:
        raise SinkError(_TEMPORARY, str(error)) from error


def changed_fields(before: dict[str, Any], after: dict[str, Any], *, as_text: bool) -> list[str]:
    """The names of the fields that are not the same, in the order of *after*; those that are gone come last."""
    names = dict.fromkeys([*after, *before])
    if as_text:
        return [name for name in names if _as_text(after.get(name)) != _as_text(before.get(name))]
    return [name for name in names if _exact(after, name) != _exact(before, name)]


def _exact(record: dict[str, Any], name: str) -> bytes | None:
    """The JSON of a field: to Python, ``True`` is 1."""
    value = record.get(name)  # what is null counts as missing: a table has a cell for it
    return msgspec.json.encode(_as_numbers(value), order="deterministic") if value is not None else None


def _prepare(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA journal_mode = OFF")  # what is in it is of no use after a crash
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("PRAGMA temp_store = FILE")
    connection.execute(f"PRAGMA cache_size = -{_CACHE_KB}")
    for side in ("old", "new"):
        connection.executescript(_SCHEMA.format(side=side))


def _fill(connection: sqlite3.Connection, side: str, rows: Iterator[_Row], keep: str) -> None:
    connection.execute("BEGIN")
    connection.executemany(f"INSERT INTO {side}_items VALUES (?, ?, ?, ?)", rows)
    connection.execute(f"CREATE INDEX {side}_keys ON {side}_items (key, place)")
    connection.execute(f"INSERT INTO {side}_kept " + _KEPT[keep].format(side=side))
    connection.execute("COMMIT")


def _rows(lines: Iterable[bytes], side: str, key_of: KeyOf, *, as_text: bool) -> Iterator[_Row]:
    """The items of a dataset, made comparable. One that has not all fields of *key* is compared as a whole."""
    decode = msgspec.json.Decoder().decode
    canonical = msgspec.json.Encoder(order="deterministic").encode
    plain = _as_text if as_text else _as_numbers
    for number, line in enumerate(lines, 1):
        try:
            record = decode(line)
        except (msgspec.DecodeError, RecursionError) as error:
            raise OutputError(f"item {number:,} of the {side} dataset is no JSON: {error}") from None
        if type(record) is not dict:
            raise OutputError(f"item {number:,} of the {side} dataset is no JSON object")
        comparable = {field: plain(value) for field, value in record.items() if value is not None}
        if as_text:
            comparable = {field: value for field, value in comparable.items() if value}
        digest = _digest(canonical(comparable))
        key = key_of(record)
        values = [comparable.get(field) for field in key]
        yield number, _digest(canonical([key, values])) if key and None not in values else digest, digest, line


def _write_changes(connection: sqlite3.Connection, key_of: KeyOf, out: Writable, *, as_text: bool) -> Counts:
    added = changed = gone = 0
    rows = connection.execute(_CHANGES)
    while group := rows.fetchmany(_GROUP):
        lines = []
        for after, before in group:
            if before is None:
                added += 1
                lines.append(b'{"change":"added","item":' + after + b"}\n")
            elif after is None:
                gone += 1
                lines.append(b'{"change":"gone","item":' + before + b"}\n")
            else:
                changed += 1
                lines.append(_change(key_of, before, after, as_text=as_text))
        out.write(b"".join(lines))
    (kept,) = connection.execute("SELECT count(*) FROM new_kept").fetchone()
    return Counts(added, changed, gone, kept - added - changed)


def _change(key_of: KeyOf, before: bytes, after: bytes, *, as_text: bool) -> bytes:
    earlier, later = msgspec.json.decode(before), msgspec.json.decode(after)
    head = {
        "change": "changed",
        "key": {field: later[field] for field in key_of(later)},
        "fields": changed_fields(earlier, later, as_text=as_text),
    }
    return msgspec.json.encode(head)[:-1] + b',"item":' + after + b',"before":' + before + b"}\n"


def _as_numbers(value: Any) -> Any:  # Any: whatever JSON holds
    """*value*, in which ``1.0`` is ``1``: to JSON they are one number."""
    kind = type(value)
    if kind is float:
        return int(value) if value.is_integer() else value
    if kind is list:
        return [_as_numbers(inner) for inner in value]
    if kind is dict:
        return {name: _as_numbers(inner) for name, inner in value.items() if inner is not None}
    return value


def _as_text(value: Any) -> str:  # Any: whatever JSON holds
    """*value* as a table has it: numbers as JSON writes them, but ``1.0`` is ``1``, for a column may be all of one kind;
    nothing for null and for empty lists and objects; other lists and objects as JSON.
    """
    if value is None:
        return ""
    if isinstance(value, str):
        if not value.startswith(("[", "{")):
            return _without_point(value)
        try:
            value = msgspec.json.decode(value)  # written by a table, which has no other way
        except (msgspec.DecodeError, RecursionError):
            return str(value)
    if isinstance(value, (list, dict)):
        leaves = _leaves(value)
        return msgspec.json.encode(leaves, order="deterministic").decode() if leaves else ""
    return _without_point(msgspec.json.encode(value).decode())


def _without_point(text: str) -> str:
    return text[:-2] if text.endswith(".0") and text[:-2].removeprefix("-").isdigit() else text


def _leaves(value: Any) -> Any:
    if isinstance(value, list):
        return [_leaves(inner) for inner in value]
    if isinstance(value, dict):
        return {name: text for name, inner in value.items() if (text := _leaves(inner))}
    return _as_text(value)


def _digest(data: bytes) -> bytes:
    """Of 16 bytes: among 10**12 items the chance that two have one is 1 in 10**14."""
    return blake2b(data, digest_size=16).digest()
