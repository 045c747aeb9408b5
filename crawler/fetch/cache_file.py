"""The SQLite file in which the HTTP cache keeps its responses. Several crawls may use it at once.

Rule 1: nothing here fails a page. What cannot be read was not stored; what cannot be written is not stored.
Rule 2: what is read is what was written: each part has a checksum, and a damaged file is begun anew.
Rule 3: few statements for many pages: beside a busy event loop each step of one waits for the interpreter.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from crawler.errors import UsageError
from crawler.fetch.cache_codec import Key, head_of, row_of, stored_from, vary_from
from crawler.http.caching import Stored, Vary

log = logging.getLogger("crawler")

VERSION = 1
"""Raised with each change that an older program could not read. A file of another version is begun anew."""
_LOGS = ("-wal", "-shm", "-journal")

_BUSY_SECONDS = 5.0
_PAGE = 8192
"""Bytes of a database page: a compressed web page is two of them."""
_CHECKPOINT_PAGES = 2_000
AT_ONCE = 100
"""Rows in one statement, and pages that are read at once, at most."""
_TOUCH_SECONDS = 3600
"""How exactly the last use of a response is known: a write for each read would cost more than a page too many."""
_EVICTED = 2_000
"""Responses that go in one transaction, at most."""

_TABLES = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS entries (id INTEGER PRIMARY KEY, url BLOB, visitor BLOB, vary BLOB, used INTEGER,
    size INTEGER, head BLOB);
CREATE INDEX IF NOT EXISTS entries_by_url ON entries (url, visitor, vary);
CREATE INDEX IF NOT EXISTS entries_by_use ON entries (used, size);
CREATE TABLE IF NOT EXISTS bodies (id INTEGER PRIMARY KEY, body BLOB);
"""
_READ = """
SELECT e.url, e.visitor, e.id, e.vary, e.used, e.head, b.body FROM entries e JOIN bodies b ON b.id = e.id
WHERE (e.url, e.visitor) IN (VALUES {}) ORDER BY e.id DESC"""


class Kept(NamedTuple):
    """A response, and where it is stored."""

    number: int
    key: Key
    stored: Stored


Chooses = Callable[[Vary], bool]
"""Whether the response that was chosen by those request fields is the right one."""
Want = tuple[Key, Chooses]


class Changes:
    """What is to be written, in one transaction. A purge comes before what was stored after it."""

    def __init__(self) -> None:
        self.put_in: dict[tuple[Key, Vary], Stored] = {}
        self.refreshed: dict[int, Kept] = {}
        self.removed: list[int] = []
        self.purged: set[bytes] = set()
        self.size = 0
        self.due: float | None = None
        self._keys: set[Key] = set()

    def __bool__(self) -> bool:
        return bool(self.put_in or self.refreshed or self.removed or self.purged)

    def put(self, key: Key, stored: Stored) -> None:
        self.put_in[key, stored.vary] = stored
        self._keys.add(key)
        self.size += len(stored.body)

    def refresh(self, kept: Kept) -> None:
        self.refreshed[kept.number] = kept
        self._keys.add(kept.key)

    def remove(self, kept: Kept) -> None:
        self.removed.append(kept.number)
        self._keys.add(kept.key)

    def purge(self, url: bytes) -> None:
        self.purged.add(url)
        for place in [place for place in self.put_in if place[0].url == url]:
            del self.put_in[place]

    def concern(self, want: Want) -> bool:
        """Whether what is wanted depends on what is unwritten."""
        return want[0] in self._keys or want[0].url in self.purged


class CacheFile:
    """The database, in its thread."""

    def __init__(self, path: Path, max_bytes: int) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._connection: sqlite3.Connection | None = None
        self._is_off = False
        self._is_full = False
        self._was_renewed = False
        self._touched: set[int] = set()

    def work(self, wants: Sequence[Want], changes: Changes | None) -> list[Kept | None]:
        """Write, then read. Nothing that happens to a file is raised."""
        try:
            if self._connection is None and not self._is_off:
                self._connection = self._open()
            if changes is not None and not self._is_full and self._connection is not None:
                self._write(self._connection, changes)
            if wants and self._connection is not None:
                return self._read(self._connection, wants)
        except Exception as error:  # Rule 1
            self._fail(error)
        return [None] * len(wants)

    def close(self) -> None:
        if self._connection is None:
            return
        try:
            if self._touched and not self._is_full:
                self._write(self._connection, Changes())
            self._connection.close()
        except (sqlite3.Error, OSError):
            pass  # it is a cache: what it did not keep is fetched

    def _open(self) -> sqlite3.Connection:
        try:
            return connect(self._path)
        except (sqlite3.Error, UnicodeDecodeError) as error:
            if not is_damage(error):
                raise
            self._begin_anew(error)
            return connect(self._path)

    def _fail(self, error: Exception) -> None:
        """One line for the user, and the crawl goes on: with a new file, without writing, or without the cache."""
        if _is_busy(error) and self._connection is not None:
            return  # another crawl writes much: what it was about is fetched, or not stored
        if is_damage(error) and not self._was_renewed:
            if self._connection is not None:
                self._connection.close()
                self._connection = None
            self._begin_anew(error)
        elif _is_full(error) and self._connection is not None:
            self._is_full = True
            log.warning("the disk is full: the HTTP cache %s takes in nothing more", self._path)
        else:
            self._is_off = True
            self._connection = None
            log.warning("the HTTP cache %s cannot be used, the crawl goes on without it: %s", self._path, error)

    def _begin_anew(self, error: Exception) -> None:
        self._was_renewed = True
        remove(self._path)
        if not isinstance(error, OtherVersion):
            log.warning("the HTTP cache %s was damaged and begins anew: %s", self._path, error)

    def _read(self, connection: sqlite3.Connection, wants: Sequence[Want]) -> list[Kept | None]:
        keys = list({key: None for key, _ in wants})
        query = _READ.format(",".join(["(?,?)"] * len(keys)))
        rows: dict[Key, list[tuple[Any, ...]]] = {}  # Any: SQLite's plain types
        for url, visitor, *row in connection.execute(query, [part for key in keys for part in key]).fetchall():
            rows.setdefault(Key(url, visitor), []).append(tuple(row))
        return [self._chosen(key, chooses, rows.get(key, ())) for key, chooses in wants]

    def _chosen(self, key: Key, chooses: Chooses, rows: Iterable[tuple[Any, ...]]) -> Kept | None:  # Any: as above
        for number, vary, used, head, body in rows:
            try:
                fields = vary_from(vary)
                if not chooses(fields):
                    continue
                kept = Kept(number, key, stored_from(key, fields, head, body))
            except (ValueError, msgspec.DecodeError):
                continue
            if used < time.time() - _TOUCH_SECONDS:
                self._touched.add(number)
            return kept
        return None

    def _write(self, connection: sqlite3.Connection, changes: Changes) -> None:
        now = int(time.time())
        rows = [row_of(key, stored) for (key, _), stored in changes.put_in.items()]
        places = [(url, visitor, vary) for url, visitor, vary, _, _ in rows]
        heads = [(number, head_of(kept.key, kept.stored)) for number, kept in changes.refreshed.items()]
        touched, self._touched = self._touched, set()
        connection.execute("BEGIN IMMEDIATE")
        try:
            for some in _in_parts(list(changes.purged)):
                _delete(connection, f"url IN ({_marks(some, 0)})", some)
            _delete(connection, "id IN (SELECT value FROM json_each(?))", [_json(changes.removed)])
            for part in _in_parts(places):
                _delete(connection, f"(url, visitor, vary) IN (VALUES {_marks(part, 3)})", _flat(part))
            first = _numbers(connection, len(rows))
            for start, some_rows in enumerate(_in_parts(rows)):
                _insert(connection, some_rows, first + start * AT_ONCE, now)
            for part in _in_parts(heads):
                query = f"UPDATE entries SET head = n.column2 FROM (VALUES {_marks(part, 2)}) n WHERE id = n.column1"
                connection.execute(query, _flat(part))
            query = "UPDATE entries SET used = ? WHERE id IN (SELECT value FROM json_each(?))"
            connection.execute(query, (now, _json([*touched, *changes.refreshed])))
            self._evict(connection)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        self._shrink(connection)

    def _evict(self, connection: sqlite3.Connection) -> None:
        """Let go of what was not used for longest, until a twentieth of the cache is free."""
        size = size_of(connection)
        if size <= self._max_bytes:
            return
        excess = size - self._max_bytes * 19 // 20
        gone = []
        query = "SELECT id, size FROM entries ORDER BY used, id LIMIT ?"
        for number, bytes_of_it in connection.execute(query, (_EVICTED,)).fetchall():
            gone.append(number)
            excess -= bytes_of_it
            if excess <= 0:
                break
        _delete(connection, "id IN (SELECT value FROM json_each(?))", [_json(gone)])

    def _shrink(self, connection: sqlite3.Connection) -> None:
        """Give back the disk that much more of was once taken than may be now."""
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        if pages * _PAGE > self._max_bytes * 5 // 4:
            connection.executescript(f"PRAGMA incremental_vacuum({_EVICTED})")  # execute() would take one step of it


# --- the file ---


class OtherVersion(sqlite3.DatabaseError):
    """It was written by another version of this program."""


def connect(path: Path) -> sqlite3.Connection:
    """Open the cache at *path*, or make it.

    :raises sqlite3.Error: it cannot be opened, is damaged, or was written by another version
    :raises OSError: its folder cannot be made
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path, isolation_level=None, timeout=_BUSY_SECONDS, check_same_thread=False)
    try:
        connection.execute(f"PRAGMA page_size = {_PAGE}")
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        _patiently(connection, "PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")  # a power cut costs the last responses, not the file
        connection.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
        _prepare(connection)
        os.chmod(path, 0o600)  # pages behind a login, and cookies
    except BaseException:
        connection.close()
        raise
    return connection


def _patiently(connection: sqlite3.Connection, statement: str) -> None:
    """Two crawls may make the file at once, and for this SQLite does not wait by itself."""
    give_up = time.monotonic() + _BUSY_SECONDS
    while True:
        try:
            connection.execute(statement)
        except sqlite3.OperationalError as error:
            if not _is_busy(error) or time.monotonic() > give_up:
                raise
            time.sleep(0.01)
        else:
            return


def _prepare(connection: sqlite3.Connection) -> None:
    connection.execute("BEGIN IMMEDIATE")  # two crawls may begin at once
    try:
        for statement in _TABLES.split(";")[:-1]:
            connection.execute(statement)
        connection.execute("INSERT OR IGNORE INTO meta VALUES ('version', ?)", (VERSION,))
        connection.execute("INSERT OR IGNORE INTO meta SELECT 'last', coalesce(max(id), 0) FROM entries")
        version = connection.execute("SELECT value FROM meta WHERE key = 'version'").fetchone()[0]
        if version != VERSION:
            raise OtherVersion(f"format {version}, not {VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def remove(path: Path) -> None:
    """Delete the file and its logs; these first, else they would be taken for those of the next one.

    :raises OSError: it cannot be deleted
    """
    for ending in (*_LOGS, ""):
        path.with_name(path.name + ending).unlink(missing_ok=True)


def overview(path: Path) -> tuple[int, int]:
    """How many responses there are, and the bytes that they take.

    :raises UsageError: it cannot be read
    """
    if not path.exists():
        return 0, 0
    try:
        with closing(connect(path)) as connection:
            return connection.execute("SELECT count(*) FROM entries").fetchone()[0], size_of(connection)
    except (sqlite3.Error, OSError) as error:
        hint = "; `crawl cache --clear` begins it anew" if is_damage(error) else ""
        raise UsageError(f"the HTTP cache {path} cannot be read: {error}{hint}") from error


def clear(path: Path) -> None:
    """Take everything out, also from under a crawl that uses it. A damaged file is deleted.

    :raises UsageError: it cannot be written
    """
    if not path.exists():
        return
    try:
        try:
            with closing(connect(path)) as connection:
                connection.executescript("BEGIN IMMEDIATE; DELETE FROM bodies; DELETE FROM entries; COMMIT")
                connection.executescript("PRAGMA incremental_vacuum")
        except sqlite3.DatabaseError as error:
            if not is_damage(error):
                raise
            remove(path)
    except (sqlite3.Error, OSError) as error:
        raise UsageError(f"the HTTP cache {path} cannot be cleared: {error}") from error


def size_of(connection: sqlite3.Connection) -> int:
    """Bytes that are in use in the file."""
    pages, free = (connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count"))
    return int(pages - free) * _PAGE


def is_damage(error: Exception) -> bool:
    """Whether the file holds something else than was written."""
    name = getattr(error, "sqlite_errorname", None) or ""
    return (
        isinstance(error, (OtherVersion, UnicodeDecodeError, sqlite3.IntegrityError))
        or name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB"))
        or "no such table" in str(error)
        or "no column named" in str(error)
        or "no such column" in str(error)
    )


def _is_busy(error: Exception) -> bool:
    return (getattr(error, "sqlite_errorname", None) or "").startswith("SQLITE_BUSY")


def _is_full(error: Exception) -> bool:
    name = getattr(error, "sqlite_errorname", None) or ""
    return name == "SQLITE_FULL" or name.startswith("SQLITE_IOERR_WRITE")


# --- statements ---


def _numbers(connection: sqlite3.Connection, many: int) -> int:
    """The first of so *many* numbers that no response ever had: what somebody read under one must not be refreshed, or
    removed, when another one has taken its place.
    """
    last: int = connection.execute("SELECT value FROM meta WHERE key = 'last'").fetchone()[0]
    connection.execute("UPDATE meta SET value = ? WHERE key = 'last'", (last + many,))
    return last + 1


def _insert(connection: sqlite3.Connection, rows: Sequence[tuple[bytes, ...]], first: int, now: int) -> None:
    entries: list[object] = []
    bodies: list[object] = []
    for number, (url, visitor, vary, head, body) in enumerate(rows, first):
        entries += (number, url, visitor, vary, now, len(head) + len(body), head)
        bodies += (number, body)
    connection.execute(f"INSERT INTO entries VALUES {_marks(rows, 7)}", entries)
    connection.execute(f"INSERT INTO bodies VALUES {_marks(rows, 2)}", bodies)


def _delete(connection: sqlite3.Connection, where: str, values: Sequence[Any]) -> None:  # Any: SQLite's plain types
    connection.execute(f"DELETE FROM bodies WHERE id IN (SELECT id FROM entries WHERE {where})", values)
    connection.execute(f"DELETE FROM entries WHERE {where}", values)


def _in_parts(rows: Sequence[Any]) -> Iterable[Sequence[Any]]:  # Any: rows, or values
    return (rows[start : start + AT_ONCE] for start in range(0, len(rows), AT_ONCE))


def _marks(rows: Sequence[object], width: int) -> str:
    """Question marks for the values of *rows*; without parentheses if *width* is 0."""
    return ",".join([f"({','.join('?' * width)})" if width else "?"] * len(rows))


def _flat(rows: Iterable[Iterable[object]]) -> list[object]:
    return [value for row in rows for value in row]


def _json(numbers: Sequence[int]) -> str:
    return msgspec.json.encode(numbers).decode()
