"""The database of a job: its tables, how it is opened, and how a request is written down.

Every table is plain data: text, numbers and MessagePack of plain types. Nothing in it is ever executed.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from crawler.errors import StoreError
from crawler.request import Entry, Request
from crawler.urls.url import address

FILE = "frontier.sqlite3"
VERSION = 3
"""Raised with each change that an older program could not read."""
_BUSY_SECONDS = 5.0
_CACHE_KIB = 32 * 1024
"""A million URLs of 5,000 hosts were taken in as quickly as with twice as much, and the system remembers the file, too."""
_CHECKPOINT_PAGES = 4_000
"""Pages of 4 KiB in the log before they are written back: each is then written once for many commits."""
_ROWS = 1_024
"""Rows in one statement, at most."""
_STATEMENTS = 24
"""Statements that are kept prepared. There is one for each number of rows, and a large one takes half a megabyte."""

_TABLES = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE waiting (number INTEGER PRIMARY KEY, host TEXT, rank INTEGER, fingerprint INTEGER, request BLOB);
CREATE INDEX waiting_by_host ON waiting (host, rank);
CREATE TABLE finished (number INTEGER PRIMARY KEY, fingerprint INTEGER, verdict TEXT, at INTEGER, items INTEGER,
    url TEXT, note TEXT);
CREATE TABLE failures (id INTEGER PRIMARY KEY, number INTEGER, reason TEXT, status INTEGER, attempts INTEGER, at INTEGER, url TEXT,
    referrer TEXT, callback TEXT, detail TEXT, traceback TEXT, host TEXT, rank INTEGER, fingerprint INTEGER,
    request BLOB);
CREATE TABLE too_deep (fingerprint INTEGER PRIMARY KEY, url TEXT, depth INTEGER, referrer TEXT);
CREATE TABLE seen_groups (number INTEGER PRIMARY KEY, marks BLOB);
CREATE TABLE seen_parts (number INTEGER PRIMARY KEY, count INTEGER, marks BLOB);
CREATE TABLE hosts (host TEXT PRIMARY KEY, rest REAL, refusals INTEGER, latency REAL, penalty REAL) WITHOUT ROWID;
CREATE TABLE sites (site TEXT PRIMARY KEY, pages INTEGER) WITHOUT ROWID;
CREATE TABLE seed_hosts (host TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE robots (origin TEXT PRIMARY KEY, fetched REAL, body BLOB);
CREATE TABLE cookies (session TEXT, domain TEXT, path BLOB, name BLOB, value BLOB, host_only INTEGER, secure INTEGER,
    http_only INTEGER, same_site TEXT, created REAL, expires REAL,
    PRIMARY KEY (session, domain, host_only, path, name)) WITHOUT ROWID;
CREATE TABLE outputs (name TEXT PRIMARY KEY, position INTEGER) WITHOUT ROWID;
"""
"""``waiting``: requests without an outcome; one that is leased is still here. ``finished``: one row for each that has
its outcome. ``seen_groups``: the fingerprints that each commit added, 8 bytes each; ``seen_parts``: the table of them
all, as it was some time ago."""


def create(path: Path, meta: dict[str, Any], *, syncs: bool) -> None:  # Any: SQLite's plain types
    """Make a new database with those values in its table ``meta``.

    Without a log yet: what its first transaction says is in the file when this returns, and no error of writing it
    can be lost, as one can when a log is written back at the close. Nor is there a journal on disk: a file that is half made
    is made anew. That, and to say at once that there will be a log, leaves 2 of the 8 syncs that both took.
    """
    with translated(path):
        connection = sqlite3.connect(path, isolation_level=None)
        try:
            connection.execute("PRAGMA page_size = 4096")
            connection.execute("PRAGMA journal_mode = MEMORY")
            connection.execute(f"PRAGMA synchronous = {'FULL' if syncs else 'NORMAL'}")
            connection.execute("BEGIN IMMEDIATE")
            for statement in _TABLES.split(";")[:-1]:
                connection.execute(statement)
            connection.executemany("INSERT INTO meta VALUES (?, ?)", {"version": VERSION, **meta}.items())
            connection.execute("COMMIT")
            connection.execute("PRAGMA journal_mode = WAL")
        finally:
            connection.close()
        os.chmod(path, 0o600)  # cookies and arguments may be secrets


def connect(path: Path, *, syncs: bool) -> sqlite3.Connection:
    """Open the database at *path* for reading and writing, by any one thread at a time.

    :raises StoreError: it cannot be opened, is damaged, or was written by a later version
    """
    with translated(path):
        connection = _existing(path)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA synchronous = {'FULL' if syncs else 'NORMAL'}")
        connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        connection.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
    return connection


@contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    """The database at *path*, to be looked at, also while a crawl works on it.

    :raises StoreError: as :func:`connect`
    """
    with translated(path):
        connection = _existing(path)  # read-only, it could not take in what a dead process left in the log
        try:
            connection.execute("PRAGMA query_only = ON")
            yield connection
        finally:
            connection.close()


def _existing(path: Path) -> sqlite3.Connection:
    uri = f"{path.resolve().as_uri()}?mode=rw"  # it is not made if it is not there
    connection = sqlite3.connect(
        uri,
        uri=True,
        isolation_level=None,
        timeout=_BUSY_SECONDS,
        check_same_thread=False,
        cached_statements=_STATEMENTS,
    )
    try:
        found = connection.execute("SELECT value FROM meta WHERE key = 'version'").fetchone()
        if found is None or found[0] != VERSION:
            version = found[0] if found else "none"
            raise StoreError(
                str(path),
                f"it was written by another version of this program (format {version}, not {VERSION}): go on with that "
                "one, or begin a new job with --fresh",
            )
    except BaseException:
        connection.close()
        raise
    return connection


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """SQLite's errors, as ours; and those of reading what is not what was written."""
    try:
        yield
    except sqlite3.Error as error:
        raise StoreError(str(path), *_words(error)) from error
    except (ValueError, KeyError) as error:  # msgspec's own, and what is no text, no number or no table of marks
        raise StoreError(str(path), "it holds something else than was written", True) from error
    except OSError as error:
        raise StoreError(str(path), error.strerror or str(error)) from error


def _words(error: sqlite3.Error) -> tuple[str, bool]:
    """What went wrong, or what can be done; and whether it is damage, for which nothing can."""
    name = getattr(error, "sqlite_errorname", "") or ""
    for prefix, text in _DAMAGE.items():
        if name.startswith(prefix):
            return text, True
    for prefix, text in _WORDS.items():
        if name.startswith(prefix):
            return text, False
    if "no such table" in str(error) or "no such column" in str(error):
        return "a table is missing", True
    if "decode" in str(error):  # the module's own error; its text has the whole value in it, which may be a secret
        return "it holds text that is none", True
    return f"SQLite says: {str(error)[:200]}", False


_WORDS = {
    "SQLITE_FULL": "the disk is full: free some space",
    "SQLITE_IOERR": "the disk failed to read or write: look at the system's log before you go on",
    "SQLITE_BUSY": "another program holds the database locked: close it",
    "SQLITE_LOCKED": "another program holds the database locked: close it",
    "SQLITE_READONLY": "it may not be written: look at its permissions and its folder's",
    "SQLITE_CANTOPEN": "it cannot be opened: look at its permissions and its folder's",
}
_DAMAGE = {
    "SQLITE_CORRUPT": "its pages do not fit together",
    "SQLITE_NOTADB": "the file is no database",
}


# --- rows ---


def insert(
    connection: sqlite3.Connection, table: str, rows: Sequence[tuple[Any, ...]], verb: str = "INSERT", end: str = ""
) -> None:
    """Insert many rows with few statements. *end* says what becomes of those that are there already.

    The module releases the interpreter at each step of a statement and waits for it afterwards, up to 5 ms beside a
    busy event loop: 512 rows took 2.9 s one by one, 0.05 s by the hundred.
    """
    if not rows:
        return
    width = len(rows[0])
    marks = f"({','.join('?' * width)})"
    at_once = min(_ROWS, connection.getlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER) // width)
    for start in range(0, len(rows), at_once):
        some = rows[start : start + at_once]
        values = [value for row in some for value in row]
        connection.execute(f"{verb} INTO {table} VALUES {','.join([marks] * len(some))}{end}", values)


def delete(connection: sqlite3.Connection, table: str, numbers: Sequence[int], key: str = "number") -> None:
    """Delete many rows by their keys with one statement."""
    if numbers:
        query = f"DELETE FROM {table} WHERE {key} IN (SELECT value FROM json_each(?))"
        connection.execute(query, (msgspec.json.encode(numbers).decode(),))


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(tuple[Request, int, int, int, int, tuple[str, ...], str, bool]).decode


def pack(entry: Entry) -> bytes:
    """An entry, less what its row has beside it."""
    return _encode(
        (
            entry.request,
            entry.depth,
            entry.attempts,
            entry.process_losses,
            entry.taken,
            entry.redirects,
            entry.referrer,
            entry.inside,
        )
    )


def waiting_row(entry: Entry) -> tuple[int, str, int, int, bytes]:
    """*entry* as the table ``waiting`` has it."""
    return entry.number, entry.host, -entry.request.priority, signed(entry.fingerprint), pack(entry)


def entry_of(number: int, host: str, fingerprint: int, data: bytes) -> Entry:
    """The entry that :func:`waiting_row` wrote."""
    request, depth, attempts, process_losses, taken, redirects, referrer, inside = _decode(data)
    target = address(request.url)
    origin = target.origin if target is not None else ""
    return Entry(
        request,
        host,
        origin,
        fingerprint % 2**64,
        depth,
        attempts,
        process_losses,
        redirects,
        referrer,
        taken,
        number,
        inside,
    )


def signed(fingerprint: int) -> int:
    """SQLite's integers have a sign."""
    return fingerprint - 2**64 if fingerprint >= 2**63 else fingerprint
