"""What became of each URL, for those who ask afterwards: the failures of a job, and why a URL was or was not crawled."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

import msgspec

from crawler.frontier.job import Job
from crawler.frontier.schema import connect, delete, entry_of, insert, reading, signed, translated
from crawler.request import Request
from crawler.urls.canonical import Canonical, canonical
from crawler.urls.fingerprint import fingerprint
from crawler.urls.url import address


class LedgerRow(msgspec.Struct):
    """One URL that was given up."""

    url: str
    reason: str
    status: int | None
    attempts: int
    at: int
    """Unix time."""
    referrer: str
    """The page that it was found on; empty for a seed."""
    callback: str
    detail: str
    traceback: str


class Trace(msgspec.Struct):
    """What a job knows of one URL."""

    state: str
    """``done``, ``failed``, ``redirected``, ``skipped``, ``waiting``, ``too_deep`` or ``unknown``."""
    url: str = ""
    """As it was first discovered, which may be another spelling."""
    at: int = 0
    items: int = 0
    note: str = ""
    depth: int = 0
    referrer: str = ""
    failure: LedgerRow | None = None


_COLUMNS = "url, reason, status, attempts, at, referrer, callback, detail, traceback"


def failures(job: Job, reasons: Sequence[str] = ()) -> list[LedgerRow]:
    """Every URL given up, in order; those of some *reasons* alone if there are any.

    :raises StoreError: the database cannot be read
    """
    with reading(job.database) as connection:
        rows = connection.execute(f"SELECT {_COLUMNS} FROM failures ORDER BY id").fetchall()
    ledger = [LedgerRow(*row) for row in rows]
    return [row for row in ledger if row.reason in reasons] if reasons else ledger


def put_back(job: Job, reasons: Sequence[str] = ()) -> int:
    """Let the URLs that were given up wait again, as if they had never been tried. How many there are.

    The caller holds the job's lock.

    :raises StoreError: the database cannot be written
    """
    connection = connect(job.database, syncs=True)
    with translated(job.database):
        try:
            connection.execute("BEGIN IMMEDIATE")
            rows = [
                (id_, number, reason, waiting)
                for id_, number, reason, *waiting in connection.execute(
                    "SELECT id, number, reason, host, rank, fingerprint, request FROM failures"
                )
                if number is not None and (not reasons or reason in reasons)
            ]
            insert(connection, "waiting", [(number, *waiting) for _, number, _, waiting in rows], "INSERT OR REPLACE")
            delete(connection, "finished", [number for _, number, _, _ in rows])
            delete(connection, "failures", [id_ for id_, _, _, _ in rows], "id")
            if rows:
                connection.execute("INSERT OR REPLACE INTO meta VALUES ('state', 'retry')")
            connection.execute("COMMIT")
        finally:
            connection.close()
    return len(rows)


def trace(job: Job, url: str, canonical: Canonical = canonical) -> Trace:
    """What became of *url*, an http URL. *canonical* is the job's.

    :raises StoreError: the database cannot be read
    """
    target = address(url)
    assert target is not None
    with reading(job.database) as connection:
        [(seed,)] = connection.execute("SELECT value FROM meta WHERE key = 'seed'")
        mark = signed(fingerprint(target.href, Request(target.href), seed % 2**64, canonical))
        return _finished(connection, mark) or _waiting(connection, mark) or _deep(connection, mark) or Trace("unknown")


def robots_of(job: Job, origin: str) -> bytes | None:
    """The robots.txt that the job goes by for *origin*; None if it never asked.

    :raises StoreError: the database cannot be read
    """
    with reading(job.database) as connection:
        row = connection.execute("SELECT body FROM robots WHERE origin = ?", (origin,)).fetchone()
    return None if row is None else row[0]


def seed_hosts(job: Job) -> list[str]:
    """The host names of the job's seeds.

    :raises StoreError: the database cannot be read
    """
    with reading(job.database) as connection:
        return [host for (host,) in connection.execute("SELECT host FROM seed_hosts ORDER BY host")]


def _finished(connection: sqlite3.Connection, mark: int) -> Trace | None:
    query = "SELECT number, verdict, at, items, url, note FROM finished WHERE fingerprint = ? ORDER BY number DESC"
    row: tuple[Any, ...] | None = connection.execute(query, (mark,)).fetchone()  # Any: SQLite's row
    if row is None:
        return None
    number, verdict, at, items, url, note = row
    found = Trace(verdict, url, at, items, note)
    if verdict == "failed":
        failure = connection.execute(f"SELECT {_COLUMNS} FROM failures WHERE number = ?", (number,)).fetchone()
        found.failure = LedgerRow(*failure)
    return found


def _waiting(connection: sqlite3.Connection, mark: int) -> Trace | None:
    query = "SELECT number, host, fingerprint, request FROM waiting WHERE fingerprint = ?"
    row = connection.execute(query, (mark,)).fetchone()
    if row is None:
        return None
    entry = entry_of(*row)
    return Trace("waiting", entry.request.url, depth=entry.depth, referrer=entry.referrer)


def _deep(connection: sqlite3.Connection, mark: int) -> Trace | None:
    query = "SELECT url, depth, referrer FROM too_deep WHERE fingerprint = ?"
    row = connection.execute(query, (mark,)).fetchone()
    return None if row is None else Trace("too_deep", row[0], depth=row[1], referrer=row[2])
