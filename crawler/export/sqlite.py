"""A SQLite database with one table, in which each field that any record has is a column.

A column's type is the one that holds all of its values: INTEGER, REAL, BOOLEAN (0 and 1), TEXT, or JSON TEXT for lists
and objects. Values of several kinds are TEXT: numbers as JSON has them, lists and objects as JSON. So are whole numbers
beyond 64 bits. https://www.sqlite.org/datatype3.html
"""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, ClassVar, Literal

import msgspec

from crawler.export.columns import Column, distinct, survey, type_of
from crawler.export.kinds import Lines, Making, NotReadable, NotWritable
from crawler.export.lines import decoded, groups_of

NO_FIELDS = "no_fields"
"""The column of a table whose records have none: SQLite has no table without columns."""
_LONGEST = 1_000_000_000
"""Bytes of a value, SQLite's default."""
_JSON = "JSON TEXT"

_json: Callable[[Any], bytes] = msgspec.json.Encoder().encode


class Sqlite:
    """A database file."""

    is_made: ClassVar[Literal[True]] = True

    def write(self, lines: Lines, target: Path, making: Making) -> None:
        columns = survey(lines(), making.schema, levels=0).columns()
        types = {field: _declared(column) for field, column in columns.items()} or {NO_FIELDS: "TEXT"}
        target.open("xb").close()  # sqlite3 would follow a link
        try:
            with closing(sqlite3.connect(target, isolation_level=None)) as database:
                most = database.getlimit(sqlite3.SQLITE_LIMIT_COLUMN)
                if len(columns) > most:
                    raise NotWritable(
                        f"its records have {len(columns):,} different fields, and a table of SQLite has at most {most:,} "
                        "columns: name a .parquet, or a .jsonl"
                    )
                _fill(database, making.name, types, lines())
        except sqlite3.DataError:
            raise NotWritable(f"a value is longer than {_LONGEST:,} bytes, the most that SQLite holds") from None
        except sqlite3.Error as error:
            is_full = error.sqlite_errorcode == sqlite3.SQLITE_FULL
            raise OSError(errno.ENOSPC if is_full else errno.EIO, str(error)) from error

    def read(self, path: Path) -> Iterator[bytes]:
        """The rows of the only table, in the order of their numbers."""
        _check_length(path)
        try:
            with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as database:
                yield from _rows(database)
        except sqlite3.Error as error:
            raise NotReadable(f"SQLite cannot read it: {error}") from None

    def take_over(self, path: Path, making: Making) -> Iterator[bytes]:
        return self.read(path)


def _declared(column: Column) -> str:
    """The type of a column, as CREATE TABLE has it."""
    kinds = column.kinds
    if kinds and kinds <= {list, dict}:
        return _JSON
    kind = type_of(column, 0).kind
    if not kinds and kind in ("json", "list"):
        return _JSON
    return {"flag": "BOOLEAN", "whole": "INTEGER", "real": "REAL"}.get(kind, "TEXT")


def _fill(database: sqlite3.Connection, name: str, types: dict[str, str], lines: Iterable[bytes]) -> None:
    own = distinct(types, ignores_case=True)
    table = _quoted(_table_name(name))
    database.execute("PRAGMA journal_mode = OFF")  # a new file, that nobody reads before it is whole
    database.execute("PRAGMA synchronous = OFF")
    database.execute("PRAGMA locking_mode = EXCLUSIVE")
    database.execute("BEGIN")
    database.execute(f"CREATE TABLE {table} ({', '.join(f'{_quoted(own[field])} {types[field]}' for field in types)})")
    marks = ", ".join("?" * len(types))
    for group in groups_of(lines):
        records = decoded(group)
        cells = [_cells([record.get(field) for record in records], types[field]) for field in types]
        database.executemany(f"INSERT INTO {table} VALUES ({marks})", zip(*cells, strict=True))
    database.execute("COMMIT")


def _cells(values: list[Any], declared: str) -> list[Any]:
    if declared in ("TEXT", _JSON) and not set(map(type, values)) <= {str, type(None)}:
        return [value if value is None or type(value) is str else _json(value).decode() for value in values]
    return values


def _table_name(name: str) -> str:
    """SQLite keeps names that begin with ``sqlite_`` for itself."""
    bare = name.replace("\0", "\u2400") or "items"
    return f"_{bare}" if bare.lower().startswith("sqlite_") else bare


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _check_length(path: Path) -> None:
    """https://www.sqlite.org/fileformat2.html, 1.3: SQLite itself sees only later, or never, that pages are missing.

    :raises NotReadable: the file is shorter than it says
    """
    with path.open("rb") as file:
        head = file.read(100)
        size = file.seek(0, 2)
    page = int.from_bytes(head[16:18], "big")
    pages = int.from_bytes(head[28:32], "big") if head[24:28] == head[92:96] else 0
    if head.startswith(b"SQLite format 3") and pages * (65_536 if page == 1 else page) > size:
        raise NotReadable("it is a SQLite database that was cut off")


def _rows(database: sqlite3.Connection) -> Iterator[bytes]:
    query = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite^_%' ESCAPE '^'"
    tables = [name for (name,) in database.execute(query)]
    if len(tables) > 1:
        raise NotReadable(f"it has {len(tables)} tables, and a dataset is one: {', '.join(map(repr, tables[:5]))}")
    if not tables:
        return
    columns = [(row[1], row[2].upper()) for row in database.execute(f"PRAGMA table_info({_quoted(tables[0])})")]
    made = [_READ.get(declared) for _, declared in columns]
    for row in database.execute(f"SELECT * FROM {_quoted(tables[0])}"):
        record = {
            name: function(value) if function is not None and value is not None else value
            for (name, _), function, value in zip(columns, made, row, strict=True)
        }
        if len(columns) == 1:
            _drop_placeholder(record)
        yield _line(record)


def _drop_placeholder(record: dict[str, Any]) -> None:
    if record.get(NO_FIELDS, "") is None:
        del record[NO_FIELDS]


def _line(record: dict[str, Any]) -> bytes:
    for name, value in record.items():
        if type(value) is bytes:
            raise NotReadable(f"its column {name!r} holds bytes (a BLOB), and JSON has none")
    return _json(record)


def _flag(value: Any) -> Any:
    return bool(value) if value in (0, 1) else value


def _parsed(value: Any) -> Any:
    """What another program has put there may be no JSON."""
    try:
        return msgspec.json.decode(value) if isinstance(value, str) else value
    except msgspec.DecodeError:
        return value


_READ: dict[str, Callable[[Any], Any]] = {"BOOLEAN": _flag, _JSON: _parsed}
"""By a column's type: its values as they were."""
