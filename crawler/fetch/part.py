"""A file that is not whole yet: its bytes, and a note beside it by which a later try can go on.

Rule 1: a part has one owner, among all processes: the system lets go of its lock with the process.
Rule 2: a note is believed only if the bytes have the digest that it says. Whatever is wrong with either of them costs
both, and nothing else: the file is fetched from its begin.
Rule 3: what a note says is on disk before the note is.
Rule 4: a part that has another name already (a try died while it was given its place) is never written to.

All of it blocks: it is called in threads. A write that is under way is over before the part is closed.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import sys
from contextlib import suppress
from pathlib import Path
from secrets import token_hex
from threading import Lock
from time import monotonic

import msgspec

ENDING = ".part"
ALONE = "~"
"""The names of parts begin with it that no later try goes on with."""
_NO_LINK = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
_NOTE_EVERY = 8 * 1024 * 1024
"""Bytes after which a note is made, and seconds: what a killed process loses at most."""
_NOTE_SECONDS = 1.0
_NOTE_SIZE = 1_024
"""Bytes of a note: always as many, so that writing it anew is one step."""
_BLOCK = 1024 * 1024
_TRIES = 10


class _Note(msgspec.Struct):
    size: int
    sha256: str
    validator: str
    total: int | None


class Part:
    """What there is of one file."""

    def __init__(self, path: Path, *, keeps: bool, syncs: bool) -> None:
        """
        :param keeps: whether a later try may go on with it
        :param syncs: whether that is to hold after a power cut, too
        """
        self.path = path if keeps else _alone(path)
        self.size = 0
        self.validator = ""
        """By what the rest can be asked for; empty if it cannot."""
        self.total: int | None = None
        """Bytes of the whole file, if that is known."""
        self._keeps = keeps
        self._syncs = syncs
        self._hash = hashlib.sha256()
        self._file = -1
        self._lock = Lock()
        self._noted = 0
        self._noted_at = 0.0

    @property
    def digest(self) -> str:
        return self._hash.hexdigest()

    def take_up(self) -> None:
        """Go on with what an earlier try has left, if there is anything and it is as it was left."""
        note = _read_note(self._note) if self._keeps else None
        if note is None or not self._open(makes=False):
            return
        if not self._keeps or not self._is_as_noted(note):
            self.discard()
            return
        os.ftruncate(self._file, self.size)
        os.lseek(self._file, self.size, os.SEEK_SET)
        self.validator, self.total, self._noted = note.validator, note.total, self.size

    def begin(self, at: int, validator: str, total: int | None) -> None:
        """What is written from now on comes after the first *at* bytes: those that are here, or none."""
        with self._lock:
            if self._file < 0:
                self._open(makes=True)
            if at != self.size or not at:
                os.ftruncate(self._file, 0)
                os.lseek(self._file, 0, os.SEEK_SET)
                self._hash, self.size, self._noted = hashlib.sha256(), 0, 0
                with suppress(FileNotFoundError):
                    self._note.unlink()
            self.validator, self.total = validator, total
            self._noted_at = monotonic()

    def write(self, data: bytes | bytearray) -> None:
        """Append *data*. Nothing happens once the part is closed."""
        with self._lock:
            if self._file < 0:
                return
            rest = memoryview(data)
            while rest:
                rest = rest[os.write(self._file, rest) :]
            self._hash.update(data)
            self.size += len(data)
            if self.size - self._noted >= _NOTE_EVERY or monotonic() - self._noted_at >= _NOTE_SECONDS:
                self._take_note()

    def seal(self) -> None:
        """It is whole: on disk, if that is asked for."""
        if self._syncs:
            os.fsync(self._file)

    def discard(self) -> None:
        """It is gone, and its note with it."""
        with self._lock:
            if self._file < 0:
                return
            for path in (self._note, self.path):
                with suppress(FileNotFoundError):
                    path.unlink()
            self._let_go()
            self._hash, self.size, self.validator, self.total = hashlib.sha256(), 0, "", None

    def close(self) -> None:
        """What a later try can go on with stays; the rest is discarded."""
        try:
            with self._lock:
                if self._file >= 0 and self._keeps and self.validator and self.size:
                    self._take_note()
                    self._let_go()
        finally:
            self.discard()

    @property
    def _note(self) -> Path:
        return self.path.with_suffix(".json")

    def _take_note(self) -> None:
        """Rule 3."""
        self._noted_at = monotonic()
        if not self._keeps or not self.validator or self.size == self._noted:
            return
        if self._syncs:
            os.fsync(self._file)
        note = msgspec.json.encode(_Note(self.size, self.digest, self.validator, self.total))
        file = os.open(self._note, os.O_WRONLY | os.O_CREAT | _NO_LINK, 0o600)
        try:
            os.write(file, note.ljust(_NOTE_SIZE))
        finally:
            os.close(file)
        self._noted = self.size

    def _is_as_noted(self, note: _Note) -> bool:
        """Rule 2. Of a file that has come as a whole the last byte is left to be asked for: with it the server says
        whether it is still that file.
        """
        size = note.size - 1 if note.size == note.total else note.size
        if size < 1 or os.fstat(self._file).st_size < note.size or (note.total or size + 1) <= size:
            return False
        with open(self._file, "rb", buffering=0, closefd=False) as file:
            left = size
            while left and (block := file.read(min(left, _BLOCK))):
                self._hash.update(block)
                left -= len(block)
            whole = self._hash.copy()
            whole.update(file.read(note.size - size))
        self.size = size
        return whole.hexdigest() == note.sha256

    def _open(self, *, makes: bool) -> bool:
        """Open the part, as its only owner. False if there is none, and none is to be made."""
        for _ in range(_TRIES):
            try:
                file = os.open(self.path, os.O_RDWR | _NO_LINK | (os.O_CREAT if makes else 0), 0o666)
            except FileNotFoundError:
                if makes:
                    raise
                return False
            except OSError as error:
                if error.errno != errno.ELOOP:
                    raise
                self.path.unlink(missing_ok=True)  # a link, which nobody here has made
                continue
            if self._owns(file):
                self._file = file
                return True
            os.close(file)
        raise OSError(errno.EBUSY, os.strerror(errno.EBUSY), str(self.path))

    def _owns(self, file: int) -> bool:
        """Whether *file* is this part, a file of one name, and nobody else's. If not, the way is cleared for another."""
        if not _is_free(file):
            self.path, self._keeps = _alone(self.path), False  # another one fetches the same URL at the moment
            return False
        found = os.fstat(file)
        if stat.S_ISREG(found.st_mode) and found.st_nlink == 1:
            return os.path.samestat(found, os.lstat(self.path))
        if found.st_nlink:
            self.path.unlink(missing_ok=True)  # Rule 4
        return False

    def _let_go(self) -> None:
        file, self._file = self._file, -1
        os.close(file)


def is_left(path: Path) -> bool:
    """Whether nobody works on the part at *path*."""
    try:
        file = os.open(path, os.O_RDWR | _NO_LINK)
    except OSError:
        return False
    try:
        return _is_free(file)
    finally:
        os.close(file)


def _is_free(file: int) -> bool:
    """Take the lock of *file*, if nobody has it."""
    if sys.platform == "win32":
        return True
    import fcntl

    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        pass  # a file system without locks
    return True


def _alone(path: Path) -> Path:
    return path.with_name(f"{ALONE}{token_hex(8)}{ENDING}")


def _read_note(path: Path) -> _Note | None:
    """None if there is none, or something else in its place."""
    try:
        file = os.open(path, os.O_RDONLY | _NO_LINK | getattr(os, "O_NONBLOCK", 0))
    except OSError:
        return None
    try:
        note = msgspec.json.decode(os.read(file, _NOTE_SIZE + 1), type=_Note)
    except (OSError, ValueError):
        return None
    finally:
        os.close(file)
    return note if note.validator else None
