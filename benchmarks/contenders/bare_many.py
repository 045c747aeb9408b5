"""The yardstick for many requests at once: what they cost over aiohttp and uvloop alone.

Run as ``python bare_many.py URLS LOG CONCURRENCY``: every URL of the file URLS is fetched and its body read, by as many
tasks, and nothing else is done. LOG gets what ``spiders/scale_bench.py`` writes there.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

import aiohttp
import uvloop
import yarl

_PAGE_SIZE = os.sysconf("SC_PAGE_SIZE")
_EVERY = 1_000


class Log:
    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._begun = time.perf_counter()
        self._pages = 0
        self.note()

    def count(self) -> None:
        self._pages += 1
        if self._pages % _EVERY == 0:
            self.note()

    def note(self) -> None:
        resident = int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE_SIZE
        line = {
            "pages": self._pages,
            "seconds": time.perf_counter() - self._begun,
            "resident": resident,
            "cpu": time.process_time(),
            "kept": int(Path("/proc/self/schedstat").read_text().split()[1]) / 1e9,
        }
        self._stream.write(json.dumps(line) + "\n")


async def work(session: aiohttp.ClientSession, urls: Iterator[str], log: Log) -> None:
    for url in urls:
        async with session.get(yarl.URL(url, encoded=True)) as response:
            await response.read()
        log.count()


async def crawl(urls: Iterator[str], log: Log, concurrency: int) -> None:
    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None),
        raise_for_status=True,
    )
    async with session, asyncio.TaskGroup() as group:
        for _ in range(concurrency):
            group.create_task(work(session, urls, log))


if __name__ == "__main__":
    with Path(sys.argv[1]).open() as lines, Path(sys.argv[2]).open("w", buffering=1) as stream:
        uvloop.run(crawl(map(str.strip, lines), log := Log(stream), int(sys.argv[3])))
        log.note()
