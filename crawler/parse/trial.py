"""Heavy pages: their trees are built in a process that may be lost, before they are built in the crawl's own.

Rule 1: one process for all of them, at a low priority: the crawl of other pages goes on beside it.
Rule 2: a page has one trial. It ends within seconds, whatever the page is.
Rule 3: pages wait for theirs on at most a quarter of the workers, unless they cannot be fetched again; and a host whose
pages keep failing has no more.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from time import process_time

from crawler.errors import NoParseProcess, PageTooHeavy, ParseProcessDied, ParseTimeout
from crawler.parse.page import Page
from crawler.parse.pool import ParsePool, PoolOptions
from crawler.parse.select import Tree, Unparsable
from crawler.parse.spawn import limit_memory, memory_now
from crawler.parse.weigh import is_bearable

SECONDS = 1.0
"""Of the CPU, for one tree. The largest honest pages, of 30 MB, take 0.2 to 0.8."""
_ANSWER = 15.0
"""Seconds within which the trial is over: on a busy machine the process, at its low priority, waits for its turn."""
MEMORY = 64 * 1024 * 1024
"""Bytes that any tree may take."""
_MEMORY_PER_BYTE = 64
"""Bytes for each of the document's: a page that is all ``<b>`` takes 62, an ordinary one 2 to 10."""
MOST_MEMORY = 512 * 1024 * 1024
"""Bytes that no tree may take, however long the document is."""
_NICE = 10
"""Lower than the crawl, which then has nine tenths of a core that both want."""
_QUEUE = 8
"""Pages that wait at most, however many workers there are: the last one does so for some ten seconds, or a minute or
two on a machine that has no time for it."""
_PATIENCE = 3
"""Failed trials of one host, after which its heavy pages have none: one page in a crawl may be odd, three are a habit."""
_HOSTS = 10_000
"""Hosts whose failed trials are remembered."""


class Trial:
    """Builds trees that are not light."""

    def __init__(self, workers: int) -> None:
        """
        :param workers: of the crawl; a quarter of them may wait here
        """
        self._processes: ParsePool[bytes, str] = ParsePool(
            try_out, prepare, None, PoolOptions(parse_processes=1, parse_timeout=_ANSWER), needs_main=False
        )
        self._threads: ThreadPoolExecutor | None = None
        self._places = max(1, min(_QUEUE, workers // 4))
        self._turn = asyncio.Lock()
        self._failed: dict[str, int] = {}

    async def build(self, page: Page, host: str, *, waits: bool = False) -> bool:
        """Build the tree of *page*, of *host*; False if too many pages wait for theirs.

        :param waits: wait beside them, however many they are
        :raises PageTooHeavy: it takes too long or too much memory
        """
        await asyncio.sleep(0)  # to weigh it took some milliseconds
        self._refuse(page, host)
        if self._places <= 0 and not waits:
            return False
        self._places -= 1
        try:
            await self._try(page, host)
            await self._build(page)
        finally:
            self._places += 1
        return True

    async def close(self) -> None:
        """End the process. A tree that is just being built is finished: it takes a second at most."""
        await self._processes.close()
        if self._threads is not None:
            self._threads.shutdown(wait=False)

    def _refuse(self, page: Page, host: str) -> None:
        """No trial for the pages of a host that has had enough."""
        if self._failed.get(host, 0) >= _PATIENCE:
            raise PageTooHeavy(page.url, f"it was not parsed: {_PATIENCE} pages of its host took too much already")

    async def _try(self, page: Page, host: str) -> None:
        try:
            async with self._turn:
                self._refuse(page, host)  # others of it may have failed meanwhile
                trouble = await self._processes.run(page.document)
        except NoParseProcess as error:
            if not is_bearable(page.document):
                raise PageTooHeavy(page.url, f"it looks heavy, and could not be tried: {error}") from error
            return
        except (ParseProcessDied, ParseTimeout):
            trouble = f"it takes more than {SECONDS:g} s or {_allowance(len(page.document)) >> 20:,} MiB to be parsed"
        if trouble:
            self._remember(host)
            raise PageTooHeavy(page.url, trouble)
        self._failed.pop(host, None)

    def _remember(self, host: str) -> None:
        self._failed[host] = self._failed.pop(host, 0) + 1
        if len(self._failed) > _HOSTS:
            del self._failed[next(iter(self._failed))]

    async def _build(self, page: Page) -> None:
        if self._threads is None:
            self._threads = ThreadPoolExecutor(1, "tree")
        await asyncio.get_running_loop().run_in_executor(self._threads, page.build)


_before = 0
"""Bytes that the process had before its first tree."""


def prepare(_: object) -> None:
    """Called once in the process."""
    global _before
    _before = memory_now()
    with suppress(AttributeError, OSError):  # not on Windows
        os.nice(_NICE)


def try_out(document: bytes) -> str:
    """Build the tree of *document* in this process; what is wrong with it, empty if nothing is. The process ends when it
    has worked on it for ``SECONDS``.
    """
    most = _allowance(len(document))
    limit_memory(_before + len(document) + most)
    _end_after(SECONDS)
    begin = process_time()
    try:
        Tree(document)
    except (MemoryError, Unparsable):  # it tells no more: there is nothing else that Lexbor does not parse
        return f"its tree takes more than {most >> 20:,} MiB"
    finally:
        _end_after(0.0)
    seconds = process_time() - begin
    return f"its tree takes {seconds:.1f} s of CPU time" if seconds > SECONDS else ""


def _allowance(length: int) -> int:
    return max(MEMORY, min(_MEMORY_PER_BYTE * length, MOST_MEMORY))


def _end_after(seconds: float) -> None:
    """Let the kernel end this process when it has used so many more *seconds* of the CPU; 0.0: never. On Windows the time
    until the answer is the only bound.
    """
    if sys.platform != "win32":
        signal.setitimer(signal.ITIMER_PROF, seconds)
