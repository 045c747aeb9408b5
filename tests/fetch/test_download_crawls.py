"""Downloads of whole crawls over the wire: what broke off is gone on with, disk and servers may be slow, and memory stays."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from asyncio.subprocess import PIPE, create_subprocess_exec
from pathlib import Path
from typing import Any

import pytest
from file_server import File

from crawler import CrawlResult, Download, Spider, run

MiB = 1024 * 1024
QUICK = {"obey_robots": False, "retry_backoff": 0.01, "delay": 0.0}
BODY = bytes(range(256)) * 2_000


def crawled(port: int, names: list[str], folder: Path, **settings: Any) -> CrawlResult:
    class Files(Spider):
        def start(self) -> Any:
            for name in names:
                yield Download(f"http://127.0.0.1:{port}/{name}", to="{name}")

    return run(Files, settings={"downloads": str(folder), **QUICK, **settings})


async def test_what_broke_off_is_gone_on_with_by_the_retry(raw_server: Any, tmp_path: Path) -> None:
    file = File(BODY, cuts=[300_000, 100_000])
    server = await raw_server(file.talk)
    result = await asyncio.to_thread(crawled, server.port, ["a.bin"], tmp_path)

    assert [Path(record.path).read_bytes() for record in result] == [BODY]
    assert file.ranges == ["", "bytes=300000-", "bytes=400000-"]
    assert (result.stats.retries, result.stats.files, result.stats.file_bytes) == (2, 1, len(BODY))


async def test_the_cache_of_pages_has_no_files(raw_server: Any, tmp_path: Path, monkeypatch: Any) -> None:
    (tmp_path / "config.toml").write_text("")
    monkeypatch.chdir(tmp_path)
    file = File(BODY)
    server = await raw_server(file.talk)
    for times in (1, 2):
        result = await asyncio.to_thread(crawled, server.port, ["a.bin"], tmp_path / "files", cache="replay")
        assert (len(file.heads), result.stats.cached, result.stats.file_duplicates) == (times, 0, times - 1)


async def test_a_server_that_gives_a_byte_now_and_then_is_given_up(
    raw_server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crawler.fetch.deadline.WINDOW", 0.2)

    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
        while True:
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.02)

    server = await raw_server(drip)
    result = await asyncio.to_thread(
        crawled, server.port, ["a"], tmp_path, retries=0, connect_timeout=0.1, read_timeout=0.1
    )
    [failure] = result.stats.examples["timeout"]
    assert failure.detail == "the body comes at less than 1024 bytes a second"


CHILD = """
import json, sys, time
from crawler import Download, Spider, run
from crawler.fetch.part import Part

port, number, seconds, folder = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), sys.argv[4]
write = Part.write

def slowly(self, data):
    time.sleep(seconds)
    write(self, data)

Part.write = slowly

class Files(Spider):
    def start(self):
        for each in range(number):
            yield Download(f"http://127.0.0.1:{port}/{each}", to="{name}")

settings = {"downloads": folder, "obey_robots": False, "delay": 0.0, "durability": "process", "throttle": False,
            "concurrency": number, "concurrency_per_host": number, "download_timeout": 600.0}
result = run(Files, settings=settings)
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(json.dumps([len(result), dict(result.stats.failures), int(peak.split()[1]) / 1024]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the peak is read from /proc")
async def test_many_files_at_once_and_a_slow_disk_take_little_memory(raw_server: Any, tmp_path: Path) -> None:
    """CVE-2017-14158: as of a thousand files that were held whole. DOWNLOADS=200x50 is the long form: so many files of so many MiB."""
    number, size = map(int, os.environ.get("DOWNLOADS", "60x8").split("x"))
    block = bytes(range(256)) * 4096

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (size * MiB))
        for _ in range(size):
            writer.write(block)
            await writer.drain()

    server = await raw_server(talk)
    words = [str(server.port), str(number), "0.004", str(tmp_path / "files")]
    child = await create_subprocess_exec(sys.executable, "-c", CHILD, *words, stdout=PIPE, cwd=tmp_path)
    out, _ = await child.communicate()
    files, failures, peak = json.loads(out)

    assert (files, failures) == (number, {})
    assert sum(path.stat().st_size for path in (tmp_path / "files").iterdir()) == number * size * MiB
    assert peak < 110 + 1.5 * number, (
        f"{peak} MiB"
    )  # an empty crawl takes 70; each file 1.1, of which half waits to be read
