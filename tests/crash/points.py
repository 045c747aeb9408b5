"""``python points.py POINT N ARGUMENTS``: ``crawl ARGUMENTS``, in a process that kills itself with SIGKILL when it comes
by POINT for the N-th time.

The points are put around the crawler's functions from outside: the crawler itself knows nothing of them.
"""

from __future__ import annotations

import inspect
import os
import resource
import signal
import sqlite3
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import crawler.export.sink as sink_module
import crawler.frontier.job as job_module
import crawler.frontier.sqlite as sqlite_module
from crawler.cli.main import run
from crawler.engine.commit import Committer
from crawler.export.sink import FileSink, LazySink
from crawler.frontier.job import Job
from crawler.frontier.schema import FILE
from crawler.frontier.sqlite import SqliteStore

When = Callable[..., bool]
"""Asked with a call's arguments, whether it is the one that is meant."""

inside: set[str] = set()
"""What is under way now, of what :func:`during` watches."""
_left = 0


def passed() -> None:
    """The point was come by once more."""
    global _left
    _left -= 1
    if _left == 0:
        die()


def die() -> None:
    """As the kernel does it when memory is short: nothing is flushed, closed or said."""
    os.kill(os.getpid(), signal.SIGKILL)


def always(*args: object, **named: object) -> bool:
    return True


def before(owner: Any, name: str, when: When = always) -> None:
    """Just before ``owner.name`` is called."""
    _wrap(owner, name, when, is_after=False)


def after(owner: Any, name: str, when: When = always) -> None:
    """Just after ``owner.name`` has returned."""
    _wrap(owner, name, when, is_after=True)


def _wrap(owner: Any, name: str, when: When, *, is_after: bool) -> None:
    original = getattr(owner, name)

    @wraps(original)
    def called(*args: Any, **named: Any) -> Any:
        is_meant = when(*args, **named)
        if is_meant and not is_after:
            passed()
        result = original(*args, **named)
        if is_meant and is_after:
            passed()
        return result

    @wraps(original)
    async def awaited(*args: Any, **named: Any) -> Any:
        is_meant = when(*args, **named)
        if is_meant and not is_after:
            passed()
        result = await original(*args, **named)
        if is_meant and is_after:
            passed()
        return result

    setattr(owner, name, awaited if inspect.iscoroutinefunction(original) else called)


def during(owner: Any, name: str, word: str, when: When = always) -> None:
    """While ``owner.name`` runs, *word* is in :data:`inside`."""
    original = getattr(owner, name)

    @wraps(original)
    def called(*args: Any, **named: Any) -> Any:
        if not when(*args, **named):
            return original(*args, **named)
        inside.add(word)
        try:
            return original(*args, **named)
        finally:
            inside.discard(word)

    @wraps(original)
    async def awaited(*args: Any, **named: Any) -> Any:
        if not when(*args, **named):
            return await original(*args, **named)
        inside.add(word)
        try:
            return await original(*args, **named)
        finally:
            inside.discard(word)

    setattr(owner, name, awaited if inspect.iscoroutinefunction(original) else called)


def statements(word: str, begins: str, *, is_after: bool = False, of: str = "execute") -> Callable[[], None]:
    """At a statement that begins so, while *word* is under way."""

    def install() -> None:
        _watch_work()

        class Connection(sqlite3.Connection):
            pass

        _wrap(
            Connection,
            of,
            lambda self, sql, *values: word in inside and sql.lstrip().startswith(begins),
            is_after=is_after,
        )
        _connect_with(Connection)

    return install


def closing(word: str, *, is_after: bool = False) -> Callable[[], None]:
    """At the close of a connection, which writes the log back into the database, while *word* is under way."""

    def install() -> None:
        _watch_work()

        class Connection(sqlite3.Connection):
            pass

        _wrap(Connection, "close", lambda self: word in inside, is_after=is_after)
        _connect_with(Connection)

    return install


def _watch_work() -> None:
    during(SqliteStore, "_write", "commit")
    during(SqliteStore, "_close", "close")
    during(job_module, "create", "create")
    during(Job, "resume", "resume")


def _connect_with(factory: type[sqlite3.Connection]) -> None:
    connect = sqlite3.connect

    def connecting(*args: Any, **named: Any) -> sqlite3.Connection:
        return connect(*args, **named, factory=factory)

    sqlite3.connect = connecting  # type: ignore[assignment]  # it is overloaded


def has_records(self: object, records: list[object]) -> bool:
    return bool(records)


def is_new(self: object, position: int | None = None) -> bool:
    return position is None


def into(table: str) -> When:
    """An insertion of something into that table, in a commit."""
    return lambda connection, name, rows, *verb: name == table and bool(rows)


def named(name: str) -> When:
    """A path that ends so."""
    return lambda path, **more: path.name == name


def to_database(source: Path, target: Path) -> bool:
    return Path(target).name == FILE


def torn_line() -> None:
    """Half of a group is written, up to the middle of a line."""

    async def half(file: Any, data: bytes) -> None:
        global _left
        _left -= 1
        if _left:
            await whole(file, data)
            return
        end = len(data) // 2
        while data[end - 1 : end] == b"\n":
            end -= 1
        await whole(file, data[:end])
        die()

    whole, sink_module._write_all = sink_module._write_all, half


def half_written_back() -> None:
    """After a COMMIT the log is written back into the first half of the database, and not into the second.

    SQLite writes pages back by their numbers. A write past the limit fails, so that the ones before it are done, and
    nothing that follows them is.
    """
    global passed
    path = Path()
    connect = sqlite_module.connect

    def connecting(database: Path, **named: Any) -> sqlite3.Connection:
        nonlocal path
        path = database
        return connect(database, **named)

    def write_back() -> None:
        global _left
        _left -= 1
        if _left:
            return
        limit = path.stat().st_size // 8192 * 4096
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
        connection = sqlite3.connect(path)
        try:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        except sqlite3.Error:
            die()
        raise AssertionError("the limit was not reached")

    sqlite_module.connect = connecting
    passed = write_back  # type: ignore[assignment]  # it replaces a function
    after(SqliteStore, "_write")


def creating(name: str, *, is_after: bool) -> Callable[[], None]:
    """At a call of the sink's ``name``, while a new output is made."""

    def install() -> None:
        during(FileSink, "open", "open", is_new)
        _wrap(sink_module, name, lambda *args: "open" in inside, is_after=is_after)

    return install


def cut_back() -> None:
    """The tail is cut off, which is not synced yet."""
    during(FileSink, "_cut_back", "cut")
    after(os, "ftruncate", lambda *args: "cut" in inside)


POINTS: dict[str, Callable[[], None]] = {
    # a group is committed
    "before the append": lambda: before(FileSink, "append", has_records),
    "a torn line": torn_line,
    "written, not synced": lambda: before(sink_module, "_sync"),
    "synced, not told": lambda: after(sink_module, "_sync"),
    "appended, before the transaction": lambda: before(SqliteStore, "commit"),
    "before BEGIN": statements("commit", "BEGIN"),
    "in the transaction, requests inserted": lambda: after(sqlite_module, "insert", into("waiting")),
    "in the transaction, requests deleted": lambda: after(sqlite_module, "delete", into("waiting")),
    "in the transaction, positions written": lambda: after(sqlite_module, "insert", into("outputs")),
    "before COMMIT": statements("commit", "COMMIT"),
    "after COMMIT": statements("commit", "COMMIT", is_after=True),
    "committed, before the frontier hears it": lambda: after(SqliteStore, "commit"),
    "half of the log is written back": half_written_back,
    # the crawl ends
    "before the last commit": lambda: before(Committer, "commit", lambda self, *a, ended=None: ended is not None),
    "after the last commit": lambda: after(Committer, "commit", lambda self, *a, ended=None: ended is not None),
    "before the log is written back at the close": closing("close"),
    "closed": closing("close", is_after=True),
    # a job is begun
    "locked": lambda: after(Job, "_take"),
    "before the database is made": lambda: before(job_module, "create"),
    "the database is made, and empty": statements("create", "BEGIN"),
    "half of the tables are made": statements("create", "CREATE INDEX"),
    "the tables are made, and empty": statements("create", "INSERT", of="executemany"),
    "before the COMMIT of the tables": statements("create", "COMMIT"),
    "after the COMMIT of the tables": statements("create", "COMMIT", is_after=True),
    "the database is made, and has another name": lambda: after(job_module, "create"),
    "before the database gets its name": lambda: before(os, "replace", to_database),
    "the database has its name, which is not synced": lambda: after(os, "replace", to_database),
    "before the output is made": lambda: before(FileSink, "open", is_new),
    "the output is made, its folder not synced": creating("sync_names", is_after=False),
    "the output is made, its folder synced": creating("sync_names", is_after=True),
    "outputs opened, before their first positions": lambda: before(Committer, "commit", lambda self, *a: bool(a)),
    "outputs opened, after their first positions": lambda: after(Committer, "commit", lambda self, *a: bool(a)),
    # a job is begun anew, in the place of another one
    "anew: the new database is made, the old one in its place": lambda: after(job_module, "create"),
    "anew: before the old log is removed": lambda: before(Path, "unlink", named(f"{FILE}-wal")),
    "anew: the old log is removed": lambda: after(Path, "unlink", named(f"{FILE}-wal")),
    "anew: the new database is in its place": lambda: after(os, "replace", to_database),
    # a job is gone on with
    "resuming: before its state is set": lambda: before(Job, "resume"),
    "resuming: its state is set, not closed": closing("resume"),
    "resuming: its state is set": lambda: after(Job, "resume"),
    "resuming: before the database is read": lambda: before(SqliteStore, "_open"),
    "resuming: the database was read": lambda: after(SqliteStore, "_open"),
    "resuming: before the cut": lambda: before(FileSink, "_cut_back"),
    "resuming: cut, not synced": cut_back,
    "resuming: cut and synced": lambda: after(FileSink, "_cut_back"),
    "resuming: before the rejects are opened": lambda: before(LazySink, "open"),
    "resuming: before the hosts are read": lambda: before(SqliteStore, "hosts"),
    "resuming: before the requests are read": lambda: before(SqliteStore, "read"),
    "resuming: the first requests were read": lambda: after(SqliteStore, "read"),
}
"""Where a crawl may be killed, and how it is brought about."""


def main(point: str, number: int, arguments: list[str]) -> int:
    global _left
    _left = number
    POINTS[point]()
    return run(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2]), sys.argv[3:]))
