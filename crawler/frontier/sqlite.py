"""The store in a SQLite database: the embedded default. A crawl in it survives anything but the loss of the disk.

Rule 1: one thread owns the connection; every statement runs there.
Rule 2: what a batch says is written in one transaction. The log (WAL) is synced with it where a power cut must lose
nothing.
Rule 3: a request stays in ``waiting`` until its outcome is committed: there is no lease on disk that could be lost.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from array import array
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from crawler.frontier.schema import connect, delete, entry_of, insert, pack, signed, translated, waiting_row
from crawler.frontier.seen import SeenSet, Sweep
from crawler.frontier.store import Batch, Learned, Restored, Want
from crawler.outcome import Failure, Outcome, Tally, Verdict
from crawler.request import Entry, legible
from crawler.response import Cookie, RobotsFile

R = TypeVar("R")

_ADD_PAGES = " ON CONFLICT (site) DO UPDATE SET pages = pages + excluded.pages"
_EXAMPLES = 3
_URL, _DETAIL, _TRACE = 4_000, 2_000, 20_000
"""Characters that are kept of a failure: a site, or an author's message, may have any number of them."""
_DEEP = 10_000
"""URLs too deep that are written down in one run: there may be fifty on each page of the last level."""


class SqliteStore:
    """One job's database, which :func:`crawler.frontier.schema.create` made."""

    keeps = True

    def __init__(
        self,
        path: Path,
        *,
        syncs: bool,
        executor: Executor | None = None,
        begin: Callable[[], None] | None = None,
    ) -> None:
        """
        :param syncs: whether a commit survives a power cut
        :param executor: runs one thing at a time
        :param begin: called in the store's thread before the database is opened: it may make it
        """
        self.seed = 0
        self._begin = begin
        self._path = path
        self._syncs = syncs
        self._thread = executor or ThreadPoolExecutor(1, "frontier")
        self._connection: sqlite3.Connection | None = None
        self._seen = SeenSet()
        self._group = 0
        self._deep: set[int] = set()

    async def open(self) -> Restored:
        return await self._run(self._open)

    def known(self, fingerprints: Sequence[int]) -> list[bool]:
        return self._seen.known(fingerprints)

    def add(self, entries: Sequence[Entry]) -> list[Entry]:
        add = self._seen.add
        return [entry for entry in entries if add(entry.fingerprint) or not entry.request.unique]

    async def commit(self, batch: Batch) -> None:
        rows = _Rows(batch, int(time.time()), self._deep)
        self._group += 1
        group, sweep = self._group, self._seen.sweep()
        await self._run(lambda: self._write(batch, rows, group, sweep))
        self._seen.saved(group, rows.marks)

    async def hosts(self, after: str, limit: int) -> list[str]:
        return await self._run(lambda: self._hosts(after, limit))

    async def read(self, wants: Sequence[Want]) -> list[list[Entry]]:
        return await self._run(lambda: [self._read(want) for want in wants])

    async def robots(self, origin: str) -> RobotsFile | None:
        rows = await self._run(lambda: self._rows("SELECT fetched, body FROM robots WHERE origin = ?", origin))
        return RobotsFile(origin, *rows[0]) if rows else None

    async def close(self) -> None:
        await self._run(self._close)
        self._thread.shutdown()

    async def _run(self, work: Callable[[], R]) -> R:
        def guarded() -> R:
            with translated(self._path):
                return work()

        return await asyncio.get_running_loop().run_in_executor(self._thread, guarded)

    # --- in the thread ---

    def _rows(self, query: str, *values: object) -> list[Any]:  # Any: SQLite's rows
        assert self._connection is not None
        return self._connection.execute(query, values).fetchall()

    def _open(self) -> Restored:
        if self._begin is not None:
            self._begin()
        self._connection = connect(self._path, syncs=self._syncs)
        meta: dict[str, Any] = dict(self._rows("SELECT key, value FROM meta"))  # Any: SQLite's plain types
        self.seed = meta["seed"] % 2**64
        groups = self._rows("SELECT number, marks FROM seen_groups ORDER BY number")
        self._group = groups[-1][0] if groups else 0
        self._seen.restore(self._connection.execute("SELECT number, count, marks FROM seen_parts"), groups)
        highest = [self._rows(f"SELECT max(number) FROM {table}")[0][0] or 0 for table in ("waiting", "finished")]
        return Restored(
            waiting=self._rows("SELECT count(*) FROM waiting")[0][0],
            number=max(highest),
            positions=dict(self._rows("SELECT name, position FROM outputs")),
            hosts={
                host: Learned(host, *learned)
                for host, *learned in self._rows("SELECT host, rest, refusals, latency, penalty FROM hosts")
            },
            sites=dict(self._rows("SELECT site, pages FROM sites")),
            seed_hosts=[host for (host,) in self._rows("SELECT host FROM seed_hosts")],
            seeds_drawn=meta.get("seeds_drawn", 0),
            seeds_ended=bool(meta.get("seeds_ended", 0)),
            cookies=[_cookie(row) for row in self._rows("SELECT * FROM cookies ORDER BY created")],
            tally=msgspec.json.decode(meta["tally"], type=Tally) if "tally" in meta else None,
            failures=list(self._failures()),
        )

    def _failures(self) -> Iterable[tuple[str, int, list[Failure]]]:
        for reason, times in self._rows("SELECT reason, count(*) FROM failures GROUP BY reason"):
            query = (
                "SELECT url, reason, detail, status, attempts, referrer, callback FROM failures WHERE reason = ? "
                "ORDER BY rowid LIMIT ?"
            )
            yield reason, times, [Failure(*row) for row in self._rows(query, reason, _EXAMPLES)]

    def _hosts(self, after: str, limit: int) -> list[str]:
        """Each found by one step down the index, however many requests lie between them."""
        query = """
            WITH RECURSIVE found (host) AS (
                SELECT min(host) FROM waiting WHERE host > ?
                UNION ALL
                SELECT (SELECT min(host) FROM waiting WHERE host > found.host) FROM found WHERE host IS NOT NULL
            ) SELECT host FROM found WHERE host IS NOT NULL LIMIT ?"""
        return [host for (host,) in self._rows(query, after, limit)]

    def _read(self, want: Want) -> list[Entry]:
        query = (
            "SELECT number, fingerprint, request FROM waiting WHERE host = ? AND (rank, number) > (?, ?) "
            "ORDER BY rank, number LIMIT ?"
        )
        rows = self._rows(query, want.host, *want.after, want.limit)
        return [entry_of(number, want.host, fingerprint, data) for number, fingerprint, data in rows]

    def _write(self, batch: Batch, rows: _Rows, group: int, sweep: Sweep | None) -> None:
        connection = self._connection
        assert connection is not None
        connection.execute("BEGIN IMMEDIATE")
        try:
            insert(connection, "waiting", rows.waiting)
            insert(connection, "waiting", rows.again, "INSERT OR REPLACE")
            delete(connection, "waiting", rows.gone)
            insert(connection, "finished", rows.finished, "INSERT OR REPLACE")
            insert(connection, "failures", rows.failures)
            insert(connection, "too_deep", rows.too_deep, "INSERT OR IGNORE")
            insert(connection, "seed_hosts", rows.seed_hosts, "INSERT OR IGNORE")
            insert(connection, "outputs", list(batch.positions.items()), "INSERT OR REPLACE")
            insert(connection, "robots", rows.robots, "INSERT OR REPLACE")
            insert(connection, "cookies", rows.cookies, "INSERT OR REPLACE")
            if any(cookie.is_deleted for cookie in batch.cookies):
                connection.execute("DELETE FROM cookies WHERE expires = 0")
            insert(connection, "hosts", rows.hosts, "INSERT OR REPLACE")
            insert(connection, "sites", batch.sites, "INSERT", _ADD_PAGES)
            insert(connection, "meta", rows.meta, "INSERT OR REPLACE")
            if rows.marks:
                insert(connection, "seen_groups", [(group, rows.marks.tobytes())])
            if sweep is not None:
                insert(connection, "seen_parts", sweep.parts, "INSERT OR REPLACE")
                if sweep.covers is not None:
                    connection.execute("DELETE FROM seen_groups WHERE number <= ?", (sweep.covers,))
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()


class _Rows:
    """A batch as rows of the tables."""

    def __init__(self, batch: Batch, now: int, deep: set[int]) -> None:
        """*now* is a Unix time; *deep* holds what was written down as too deep before."""
        discovered = [entry for outcome in batch.outcomes for entry in outcome.discovered]
        entries = batch.seeds + discovered
        self.waiting = [waiting_row(entry) for entry in entries]
        self.marks = array("Q", [entry.fingerprint for entry in entries])
        self.seed_hosts = [(host,) for host in {entry.hostname for entry in batch.seeds}]
        ended = [outcome for outcome in batch.outcomes if outcome.verdict is not Verdict.RETRY]
        self.again = [waiting_row(outcome.entry) for outcome in batch.outcomes if outcome.verdict is Verdict.RETRY]
        self.gone = [outcome.entry.number for outcome in ended]
        self.finished = [_finished_row(outcome, now) for outcome in ended]
        self.failures = [
            _failure_row(outcome.failure, outcome.entry, now) for outcome in ended if outcome.failure is not None
        ] + [_failure_row(failure, None, now) for failure in batch.failures]
        self.too_deep = list(_too_deep(batch.outcomes, deep))
        self.robots = [(file.origin, file.fetched, file.body) for file in batch.robots]
        self.cookies = [_cookie_row(cookie) for cookie in batch.cookies]
        self.hosts = [msgspec.structs.astuple(learned) for learned in batch.hosts]
        self.meta: list[tuple[str, Any]] = []  # Any: SQLite's plain types
        if batch.tally is not None:
            tally = msgspec.json.encode(batch.tally).decode()
            self.meta += [("tally", tally), ("seeds_drawn", batch.seeds_drawn), ("seeds_ended", batch.seeds_ended)]
        if batch.ended is not None:
            self.meta.append(("state", batch.ended))


def _finished_row(outcome: Outcome, now: int) -> tuple[Any, ...]:  # Any: SQLite's plain types
    entry = outcome.entry
    items = entry.taken + len(outcome.records)
    url = entry.request.url
    return entry.number, signed(entry.fingerprint), outcome.verdict.value, now, items, url, legible(outcome.note)


def _failure_row(failure: Failure, entry: Entry | None, now: int) -> tuple[Any, ...]:  # Any: as above
    kept: tuple[Any, ...] = (None, None, None, None)
    if entry is not None:
        fresh = msgspec.structs.replace(entry, attempts=0, process_losses=0)
        kept = entry.host, -entry.request.priority, signed(entry.fingerprint), pack(fresh)
    return (
        None,
        None if entry is None else entry.number,
        failure.reason,
        failure.status,
        failure.attempts,
        now,
        legible(failure.url[:_URL]),
        failure.referrer,
        failure.callback,
        legible(failure.detail[:_DETAIL]),
        legible(failure.traceback[-_TRACE:]),
        *kept,
    )


def _cookie_row(cookie: Cookie) -> tuple[Any, ...]:  # Any: SQLite's plain types
    session, domain, path, name, value, *rest = msgspec.structs.astuple(cookie)
    return session, domain, _bytes(path), _bytes(name), _bytes(value), *rest


def _cookie(row: Sequence[Any]) -> Cookie:  # Any: as above
    session, domain, path, name, value, host_only, secure, http_only, *rest = row
    flags = bool(host_only), bool(secure), bool(http_only)
    return Cookie(session, domain, _text(path), _text(name), _text(value), *flags, *rest)


def _bytes(text: str) -> bytes:
    """A header's bytes, whatever they mean."""
    return text.encode("utf-8", "surrogateescape")


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def _too_deep(outcomes: Iterable[Outcome], deep: set[int]) -> Iterable[tuple[int, str, int, str]]:
    for outcome in outcomes:
        for mark, url in outcome.too_deep:
            if len(deep) < _DEEP and mark not in deep:
                deep.add(mark)
                yield signed(mark), url, outcome.entry.depth + 1, outcome.entry.request.url
