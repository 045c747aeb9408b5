"""A job's folder: its lock, its database, and what it says of itself.

Rule 1: whoever works on a job holds its lock. The operating system lets go of it when the process dies, however it
dies, so that a lock is never left behind.
"""

from __future__ import annotations

import os
import secrets
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from crawler.errors import JobError, JobLocked, StoreError
from crawler.frontier.schema import FILE, connect, create, insert, reading, signed, translated
from crawler.outcome import Tally

LOCK = "lock"
_NO_LINK = getattr(os, "O_NOFOLLOW", 0)
"""The lock is written to: through a link that somebody has put there, another file would be. Windows has no such flag."""
_TRIES = 10
"""Tries to get the lock, 0.02 s apart."""
FOLDER = ".crawl"
"""Beside config.toml: one folder in it for each spider."""


class Spec(msgspec.Struct):
    """What a job was started with: what a resume goes by, and compares."""

    spider: str
    source: str
    """How the spider was named: ``books``, ``spiders/books.py``."""
    args: dict[str, Any] = {}  # Any: plain data
    sets: dict[str, Any] = {}  # Any: plain data
    """``--set`` of the command line, limits included; without those of ``withheld``."""
    withheld: list[str] = []
    """Names of those that have secrets in them, which are not written down."""
    settings: dict[str, Any] = {}  # Any: plain data
    """Every setting, as it was resolved."""
    allowed_hosts: list[str] = []
    outputs: list[str] = []
    """Absolute paths, or ``-``."""
    spooled: list[str] | None = None
    """Those of them whose files are made when the crawl ends; None if an earlier version began the job."""
    rejects: str = ""
    update: str = ""
    """The absolute path of an earlier dataset, with which the new one is compared; empty if it is with none."""
    id: str = ""
    """A name for the job that no other has."""
    appends: bool = False
    """Whether the outputs were there before."""
    code: str = ""
    """A digest of the spider's file."""
    version: str = ""
    started: float = 0.0
    """Unix time."""


class Overview(msgspec.Struct):
    """A job, at a glance."""

    folder: Path
    spec: Spec
    state: str
    """``running``, or why it ended: ``complete``, ``interrupted``, ``max_pages`` ... ``died`` if it did not say."""
    tally: Tally
    waiting: int
    failed: int
    positions: dict[str, int]
    """How far each output is committed, in bytes."""
    size: int
    """Bytes on disk."""
    owner: int | None
    """The process that works on it; None if none does."""

    @property
    def is_complete(self) -> bool:
        return self.state == "complete" and not self.waiting

    @property
    def has_outcomes(self) -> bool:
        """Whether anything would be lost with it."""
        return bool(self.tally.pages or self.failed or self.tally.items)


class Job:
    """A folder for one crawl's state."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.database = folder / FILE

    def exists(self) -> bool:
        """Whether a job is there that was begun."""
        try:
            return self.database.stat().st_size > 0
        except OSError:  # not there, or not ours to look at
            return False

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Work on it alone.

        :raises JobLocked: another process does
        :raises JobError: the folder cannot be made or written
        """
        try:
            new = not self.folder.exists()
            self.folder.mkdir(parents=True, exist_ok=True)
            if new:
                os.chmod(self.folder, 0o700)  # cookies and arguments may be secrets
            if self.folder.parent.name == FOLDER and not (ignore := self.folder.parent / ".gitignore").exists():
                ignore.write_text("*\n")
            lock, is_free = self._take()
            if is_free:
                os.ftruncate(lock, 0)
                os.write(lock, f"{os.getpid()}\n".encode())
        except OSError as error:
            raise JobError(
                f"the crawl's state cannot be kept in {self.folder}: {error.strerror}. --job DIR puts it elsewhere, "
                "--set store=memory keeps none"
            ) from error
        try:
            if not is_free:
                raise JobLocked(
                    f"process {_pid(lock) or '?'} is running the job in {self.folder}: wait for it, stop it, or give "
                    "this one a folder of its own with --job DIR"
                )
            try:
                yield
            finally:
                if not self.exists():
                    self._vanish()
        finally:
            os.close(lock)

    def _take(self) -> tuple[int, bool]:
        """The lock file, and whether it is ours now."""
        tries = 0
        while True:
            lock = os.open(self.folder / LOCK, os.O_RDWR | os.O_CREAT | _NO_LINK, 0o600)
            if not _lock(lock):
                tries += 1
                if tries > _TRIES:
                    return lock, False
                os.close(lock)  # whoever only looks lets go at once
                time.sleep(0.02)
                continue
            try:
                if os.path.samestat(os.fstat(lock), os.stat(self.folder / LOCK)):
                    return lock, True
            except FileNotFoundError:
                pass
            os.close(lock)  # its last owner has just removed it

    def _vanish(self) -> None:
        """Nothing was begun: leave nothing behind."""
        try:
            (self.folder / LOCK).unlink(missing_ok=True)
            self.folder.rmdir()
            if self.folder.parent.name == FOLDER and [path.name for path in self.folder.parent.iterdir()] == [
                ".gitignore"
            ]:
                (self.folder.parent / ".gitignore").unlink()
                self.folder.parent.rmdir()
        except OSError:
            pass  # something else is in it, or another process came

    def owner(self) -> int | None:
        """The process that holds the lock; None if none does."""
        try:
            lock = os.open(self.folder / LOCK, os.O_RDWR)
        except OSError:
            return None
        try:
            return None if _lock(lock, shared=True) else _pid(lock) or 0
        finally:
            os.close(lock)

    def create(self, spec: Spec, *, syncs: bool) -> None:
        """Begin the job anew: what was there is gone.

        :raises StoreError: it cannot be written
        """
        made = self.folder / f"new-{FILE}"
        _remove(made)
        meta = {
            "seed": signed(secrets.randbits(64)),
            "spec": msgspec.json.encode(spec).decode(),
            "state": "running",
        }
        create(made, meta, syncs=syncs)
        _remove(self.database, _LOGS)
        with translated(self.database):
            os.replace(made, self.database)
            if syncs and os.name != "nt":
                for folder in (self.folder, self.folder.parent, self.folder.parent.parent):
                    descriptor = os.open(folder, os.O_RDONLY)
                    try:
                        os.fsync(descriptor)
                    finally:
                        os.close(descriptor)

    def discard(self) -> None:
        """Give the job up.

        :raises StoreError: it cannot be removed
        """
        _remove(self.database)

    def resume(self, spec: Spec, *, syncs: bool) -> None:
        """Go on with the job, as *spec* says it is now.

        :raises StoreError: it cannot be written
        """
        self._tell(spec, "running", syncs=syncs)

    def take_back(self, before: Overview) -> None:
        """The run that went on with the job did nothing: it is as *before*.

        :raises StoreError: it cannot be written
        """
        self._tell(before.spec, "running" if before.state == "died" else before.state, syncs=False)

    def _tell(self, spec: Spec, state: str, *, syncs: bool) -> None:
        with translated(self.database):
            connection = connect(self.database, syncs=syncs)
            try:
                rows = [("spec", msgspec.json.encode(spec).decode()), ("state", state)]
                insert(connection, "meta", rows, "INSERT OR REPLACE")
            finally:
                connection.close()

    def overview(self, *, is_mine: bool = False) -> Overview:
        """*is_mine* says that the caller holds the lock.

        :raises StoreError: the database cannot be read
        """
        with reading(self.database) as connection:
            meta = dict(connection.execute("SELECT key, value FROM meta"))
            waiting, failed = (
                connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in ("waiting", "failures")
            )
            positions = dict(connection.execute("SELECT name, position FROM outputs"))
            spec = msgspec.json.decode(meta["spec"], type=Spec)
            tally = msgspec.json.decode(meta["tally"], type=Tally) if "tally" in meta else Tally()
        owner = None if is_mine else self.owner()
        ended = "died" if meta["state"] == "running" else meta["state"]
        return Overview(
            self.folder,
            spec,
            ended if owner is None else "running",
            tally,
            waiting,
            failed,
            positions,
            sum(map(_size, self.folder.iterdir())),
            owner,
        )


def jobs_in(project: Path) -> list[Job]:
    """The jobs beside a project's config.toml, by name."""
    folder = project / FOLDER
    if not folder.is_dir():
        return []
    return [job for path in sorted(folder.iterdir()) if (job := Job(path)).exists()]


_LOGS = ("-wal", "-shm", "-journal")


def _remove(database: Path, endings: tuple[str, ...] = (*_LOGS, "")) -> None:
    """The logs go first: left alone, they would be taken for those of the next database of that name."""
    try:
        for ending in endings:
            database.with_name(database.name + ending).unlink(missing_ok=True)
    except OSError as error:
        raise StoreError(str(database), error.strerror or str(error)) from error


def _lock(descriptor: int, *, shared: bool = False) -> bool:
    """Whether this process has the lock now; *shared* for those who only look."""
    try:
        if sys.platform == "win32":
            import msvcrt

            os.lseek(descriptor, 100, os.SEEK_SET)  # past the number, which others must be able to read
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:  # a log that has just been written back
        return 0


def _pid(descriptor: int) -> int | None:
    os.lseek(descriptor, 0, os.SEEK_SET)
    text = os.read(descriptor, 20).strip()
    return int(text) if text.isdigit() else None
