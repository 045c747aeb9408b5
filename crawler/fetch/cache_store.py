"""The store of the HTTP cache: what fetches want to read and to write, brought to the thread that owns the file."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path

from crawler.fetch.cache_codec import Key
from crawler.fetch.cache_file import AT_ONCE, CacheFile, Changes, Chooses, Kept, Want
from crawler.http.caching import Stored

_FLUSH_SECONDS = 0.5
_FLUSH_BYTES = 4 * 1024 * 1024
_MUCH = 32 * 1024 * 1024
"""Bytes that may wait to be written; past it the fetches wait."""
_GREATEST_SHARE = 8
"""A response is not stored if it would take more than this part of the cache."""


class CacheStore:
    """The file of one cache. Belongs to one event loop."""

    def __init__(self, path: Path, max_bytes: int, executor: Executor | None = None) -> None:
        """
        :param max_bytes: the file's size; what was not used for longest goes first
        :param executor: runs one thing at a time
        """
        self._thread = executor or ThreadPoolExecutor(1, "http-cache")
        self._file = CacheFile(path, max_bytes)
        self._max_body = max_bytes // _GREATEST_SHARE
        self._wants: list[tuple[Want | None, asyncio.Future[Kept | None]]] = []
        self._changes = Changes()
        self._wake = asyncio.Event()
        self._serving: asyncio.Task[None] | None = None
        self._is_closing = False

    async def read(self, key: Key, chooses: Chooses) -> Kept | None:
        """The latest response under *key* that *chooses* takes; None if there is none."""
        return await self._ask((key, chooses))

    async def write(self, key: Key, stored: Stored) -> None:
        """Store a response in place of that with the same key and ``vary``. Waits only if much is unwritten."""
        if len(stored.body) <= self._max_body:
            self._changes.put(key, stored)
            self._changed()
            if self._changes.size > _MUCH:
                await self._ask(None)

    def refresh(self, kept: Kept) -> None:
        """Store the headers and times of *kept* anew; its body is as it was."""
        self._changes.refresh(kept)
        self._changed()

    def remove(self, kept: Kept) -> None:
        self._changes.remove(kept)
        self._changed()

    def purge(self, url: bytes) -> None:
        """Remove all responses of the URL with that digest, whosever they are."""
        self._changes.purge(url)
        self._changed()

    async def close(self) -> None:
        """Write what is unwritten."""
        self._is_closing = True
        self._wake.set()
        if self._serving is not None:
            await self._serving
            await asyncio.get_running_loop().run_in_executor(self._thread, self._file.close)
        if isinstance(self._thread, ThreadPoolExecutor):
            self._thread.shutdown()

    async def _ask(self, want: Want | None) -> Kept | None:
        if self._is_closing:
            return None
        answer: asyncio.Future[Kept | None] = asyncio.get_running_loop().create_future()
        self._wants.append((want, answer))
        self._serve()
        self._wake.set()
        return await answer

    def _changed(self) -> None:
        loop = asyncio.get_running_loop()
        if self._changes.due is None:
            self._changes.due = loop.time() + _FLUSH_SECONDS
            loop.call_at(self._changes.due, self._wake.set)
        if self._changes.size >= _FLUSH_BYTES:
            self._wake.set()
        self._serve()

    def _serve(self) -> None:
        if self._serving is None:
            self._serving = asyncio.get_running_loop().create_task(self._work())

    async def _work(self) -> None:
        """Let the thread do what has come together while it did the last; until the cache is closed."""
        loop = asyncio.get_running_loop()
        while self._wants or self._changes or not self._is_closing:
            if not self._wants and not self._is_due(loop.time()):
                self._wake.clear()
                await self._wake.wait()
                continue
            asked, self._wants = self._wants[:AT_ONCE], self._wants[AT_ONCE:]
            wants = [want for want, _ in asked if want is not None]
            changes = None
            if len(wants) < len(asked) or self._is_due(loop.time()) or any(map(self._changes.concern, wants)):
                changes, self._changes = self._changes, Changes()
            found: Sequence[Kept | None] = [None] * len(wants)
            try:
                found = await loop.run_in_executor(self._thread, self._file.work, wants, changes)
            finally:
                answers = iter(found)
                for want, answer in asked:
                    kept = next(answers) if want is not None else None
                    if not answer.done():  # else whoever asked was cancelled
                        answer.set_result(kept)

    def _is_due(self, now: float) -> bool:
        changes = self._changes
        if not changes:
            return False
        return self._is_closing or changes.size >= _FLUSH_BYTES or (changes.due is not None and now >= changes.due)
