"""The folder of downloads: files that grow in ``.partial``, and get their names when they are whole.

Rule 1: no name leads out of the folder: its parts are plain (:mod:`crawler.http.place`), and no link is followed.
Rule 2: a name is given in one step, to a file that is whole and on disk, and takes nothing from another file.
Rule 3: the disk has threads of its own. While it is slow, who downloads waits, and nobody else.
"""

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
import stat
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from crawler.download import DownloadSpec, Saved
from crawler.errors import DownloadChanged, DownloadMisplaced, DownloadTooLarge, DownloadUnwanted, SinkError
from crawler.fetch.part import ALONE, ENDING, Part, is_left
from crawler.http.filename import ending, filename
from crawler.http.place import admits, media_type_of, places
from crawler.http.ranges import WrongRange, asking, begin_of, validator_of
from crawler.request import Request, hostname_of
from crawler.response import Headers, Response
from crawler.urls.url import address

PARTIAL = ".partial"
"""Begins with a dot, as no name out of a template does."""
_THREADS = 4
_BUFFER, _LEAST_BUFFER, _BUFFERS = 256 * 1024, 64 * 1024, 64 * 1024 * 1024
"""Bytes that a download holds before they are written, that it holds however many there are, and of all of them."""
_STALE = 7 * 24 * 3600.0
"""Seconds after which a part that nobody went on with is deleted."""
_OF_ITS_NAME = frozenset(
    {errno.ENAMETOOLONG, errno.EILSEQ, errno.EINVAL, errno.EFBIG, errno.ELOOP, errno.ENOTDIR, errno.EISDIR}
)
"""Errors that another file would not meet."""
_NO_SECOND_NAMES = frozenset({errno.EPERM, errno.EMLINK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP})
"""What a file system says that has one name for a file alone."""

T = TypeVar("T")


class Downloads:
    """The folder. Nothing is made before there is a first file for it."""

    def __init__(self, folder: Path, root: Path, spider: str = "", *, syncs: bool = True) -> None:
        """
        :param root: the project's folder, from which paths in records are written
        :param spider: what ``{spider}`` in a template stands for
        :param syncs: whether a file survives a power cut, once it has its name
        """
        self.folder = Path(os.path.abspath(folder))
        self.spider = spider
        self._root = Path(os.path.abspath(root))
        self.syncs = syncs
        self._pool: ThreadPoolExecutor | None = None
        self._active = 0

    @property
    def buffer(self) -> int:
        """Bytes that each download may hold before it writes them."""
        return max(_LEAST_BUFFER, min(_BUFFER, _BUFFERS // max(self._active, 1)))

    async def open(self, request: Request) -> Saving:
        """Begin to save the body of *request*, or go on where an earlier try broke off. To be closed.

        :raises SinkError: the folder cannot be written
        """
        assert request.download is not None
        saving = Saving(self, request, request.download)
        self._active += 1
        try:
            await self.do(request.url, saving.part.take_up)
        except BaseException:
            await saving.close()
            raise
        return saving

    async def keep(self, request: Request, response: Response) -> Response:
        """*response*, its body saved as if it had come over the network. One that is no success is left as it is."""
        if request.download is None or not response.is_success:
            return response
        saving = await self.open(request)
        try:
            await saving.begin(200, response.headers, len(response.body), None, is_packed=False)
            await saving.write(response.body)
            saved = await saving.finish(response.headers)
        finally:
            await saving.close()
        return msgspec.structs.replace(response, body=b"", saved=saved)

    async def close(self) -> None:
        """Delete what nobody will go on with."""
        if self._pool is None:
            return
        pool, self._pool = self._pool, None
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(pool, self._sweep)
        await loop.run_in_executor(None, pool.shutdown)

    async def do(self, url: str, work: Callable[..., T], *args: Any) -> T:  # Any: what *work* takes
        """Do *work* in a thread, for the download of *url*."""
        if self._pool is None:
            self._pool = ThreadPoolExecutor(_THREADS, "download")
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work, *args)
        except OSError as error:
            words = error.strerror or str(error)
            if error.errno in _OF_ITS_NAME:
                raise DownloadMisplaced(url, f"it cannot be saved as {error.filename}: {words}") from error
            hint = ": free some space" if error.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", None)) else ""
            raise SinkError(str(error.filename or self.folder), words + hint) from error

    def closed(self) -> None:
        """One that was open is no more."""
        self._active -= 1

    def part_of(self, key: str, *, keeps: bool) -> Part:
        return Part(self.folder / PARTIAL / f"{key}{ENDING}", keeps=keeps, syncs=self.syncs)

    def make_partial(self, url: str) -> None:
        """Make the folder for parts, readable by this user alone."""
        new = not self.folder.exists()
        self.folder.mkdir(parents=True, exist_ok=True)
        if new and self.syncs:
            _sync(self.folder.parent)
        self._made(url, (PARTIAL,), 0o700)

    def place(self, url: str, part: Part, spec: DownloadSpec, known: dict[str, str]) -> tuple[Path, bool]:
        """Give the whole *part* its name. Where it is, and whether it was there already.

        :raises DownloadMisplaced: something that is no folder is in its way
        """
        part.seal()
        choices = places(spec, known)
        for choice in choices:
            folder = self._made(url, choice[:-1])
            path = folder / choice[-1]
            if _named(part.path, path):
                break
            if _has(path, part.size, known["sha256"]):
                return path, True
            if len(choices) == 1:  # by its name it has this content: it was torn
                os.replace(part.path, path)
                break
        else:
            raise DownloadMisplaced(url, f"{path} is there already, and has other content than its name says")
        if self.syncs:
            _sync(folder)
        return path, False

    def shown(self, path: Path) -> str:
        """*path* as a record has it."""
        return (path.relative_to(self._root) if path.is_relative_to(self._root) else path).as_posix()

    def _made(self, url: str, folders: tuple[str, ...], mode: int = 0o777) -> Path:
        path = self.folder
        for name in folders:
            inner = path / name
            try:
                os.mkdir(inner, mode)
            except FileExistsError:
                if not stat.S_ISDIR(os.lstat(inner).st_mode):  # Rule 1
                    raise DownloadMisplaced(url, f"{inner} is a link or a file, where a folder should be") from None
            else:
                if self.syncs:
                    _sync(path)
            path = inner
        return path

    def _sweep(self) -> None:
        folder = self.folder / PARTIAL
        with suppress(OSError):  # it is of no consequence
            oldest = time.time() - _STALE
            for path in folder.glob(f"*{ENDING}"):
                is_old = path.lstat().st_mtime < oldest
                if (path.name.startswith(ALONE) or is_old) and is_left(path):
                    path.with_suffix(".json").unlink(missing_ok=True)
                    path.unlink(missing_ok=True)
            folder.rmdir()  # if it is empty


class Saving:
    """One download on its way to disk."""

    def __init__(self, downloads: Downloads, request: Request, spec: DownloadSpec) -> None:
        self._downloads = downloads
        self._url = request.url
        self._spec = spec
        is_whole = not any(name.lower() == "range" for name in request.headers)
        has_payload = request.body is not None or request.json is not None or request.form is not None
        self.is_own_range = not is_whole
        keeps = request.method == "GET" and is_whole and not has_payload
        self.part = downloads.part_of(_key(request), keeps=keeps)
        self._received = 0

    @property
    def headers(self) -> dict[str, str]:
        """What is to be asked. Not packed: the ranges of a packed body are those of its packed bytes."""
        return {"Accept-Encoding": "identity", **asking(self.part.size, self.part.validator)}

    @property
    def buffer(self) -> int:
        """Bytes that it may hold before it writes them."""
        return self._downloads.buffer

    def limit(self, usual: int) -> int:
        """Bytes that the file may have."""
        return self._spec.max_bytes or usual

    async def begin(
        self, status: int, headers: Headers, length: int | None, limit: int | None, *, is_packed: bool
    ) -> None:
        """An answer has come that brings the file, or the rest of it.

        :param length: bytes of its body, if that is known
        :param limit: bytes that the whole file may have at most
        :raises DownloadUnwanted: it is of another type than is wanted
        :raises DownloadTooLarge: it says that it is longer than *limit*
        :raises DownloadChanged: it does not fit to the part that is here
        """
        media_type = media_type_of(headers.get("Content-Type", ""))
        if not admits(self._spec.types, media_type):
            await self.discard()
            said = media_type or "of no type that it says"
            raise DownloadUnwanted(self._url, f"it is {said}; types has {', '.join(self._spec.types)}")
        at, total = await self._range(status, headers, length, is_packed=is_packed)
        if limit is not None and total is not None and total > limit:
            await self.discard()
            raise too_large(self._url, f"has {total} bytes", limit)
        if self.part.size == 0:
            await self._do(self._downloads.make_partial, self._url)
        validator = "" if is_packed else self.part.validator if at else validator_of(headers)
        await self._do(self.part.begin, at, validator, total)

    async def write(self, data: bytes | bytearray) -> None:
        self._received += len(data)
        await self._do(self.part.write, data)

    async def finish(self, headers: Headers) -> Saved:
        """The file is whole, and gets its name."""
        part, media_type = self.part, media_type_of(headers.get("Content-Type", ""))
        name = filename(headers.get("Content-Disposition", ""), self._url, media_type)
        ext = ending(name, media_type)
        target = address(self._url)
        known = {
            "name": name,
            "stem": name.removesuffix(ext) if ext else name,
            "ext": ext,
            "host": hostname_of(target.host) if target is not None else "",
            "sha256": part.digest,
            "spider": self._downloads.spider,
        }
        size = part.size
        path, is_duplicate = await self._do(self._downloads.place, self._url, part, self._spec, known)
        await self._do(part.discard)
        shown = self._downloads.shown(path)
        return Saved(shown, str(path), size, known["sha256"], media_type, name, is_duplicate, self._received)

    async def discard(self) -> None:
        await self._do(self.part.discard)

    async def close(self) -> None:
        """What can be gone on with stays, unless the file is whole."""
        self._downloads.closed()
        await self._do(self.part.close)

    async def refused(self) -> DownloadChanged:
        """The server has no such range: what is here is gone."""
        await self.discard()
        return DownloadChanged(self._url, "the server has no bytes after those that came before: it begins anew")

    async def _range(
        self, status: int, headers: Headers, length: int | None, *, is_packed: bool
    ) -> tuple[int, int | None]:
        """Where its body begins, and how many bytes the whole file has."""
        part = self.part
        if status != 206 or self.is_own_range:
            return 0, None if is_packed else length
        try:
            if is_packed:
                raise WrongRange("the rest came packed")
            return begin_of(headers, part.size, part.validator, part.total)
        except WrongRange as error:
            await self.discard()
            raise DownloadChanged(self._url, f"{error}: it begins anew") from None

    async def _do(self, work: Callable[..., T], *args: Any) -> T:  # Any: what *work* takes
        return await self._downloads.do(self._url, work, *args)


def too_large(url: str, what: str, limit: int) -> DownloadTooLarge:
    return DownloadTooLarge(url, f"the file {what}; {limit} are allowed (max_bytes, or the setting max_download)")


def _key(request: Request) -> str:
    """What tells a request's part from those of others."""
    url = request.url.partition("#")[0].encode("utf-8", "surrogatepass")
    rest = msgspec.json.encode((request.method, request.session, request.headers, request.cookies), order="sorted")
    return hashlib.sha256(url + b"\0" + rest).hexdigest()[:32]


def _named(part: Path, path: Path) -> bool:
    """Give *part* the name *path*, too; False if something else has it."""
    try:
        os.link(part, path)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in _NO_SECOND_NAMES:
            raise
        if os.path.lexists(path):
            return False
        os.rename(part, path)
    return True


def _has(path: Path, size: int, sha256: str) -> bool:
    """Whether the file at *path* is one, and has that content."""
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        file = os.open(path, flags)
    except OSError:
        return False
    with open(file, "rb") as content:
        found = os.fstat(file)
        if not stat.S_ISREG(found.st_mode) or found.st_size != size:
            return False
        return hashlib.file_digest(content, "sha256").hexdigest() == sha256


def _sync(folder: Path) -> None:
    """A new name survives a power cut when its folder is synced, too."""
    if os.name == "nt":  # a folder cannot be opened there
        return
    with suppress(PermissionError):  # one may write in it, and not read
        file = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(file)
        finally:
            os.close(file)
