"""What the benchmarks of large crawls share: their server, their crawl, and what is read of both."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent
SPIDER = HERE / "spiders" / "scale_bench.py"
BARE = HERE / "contenders" / "bare_many.py"


class BenchmarkFailed(Exception):
    """Something did not do its work."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """What a crawl had done by a moment. Times are in seconds, memory is in bytes."""

    pages: int
    seconds: float
    resident: int
    cpu: float
    kept: float
    """For which its loop could have run, and others had the cores."""


@contextmanager
def served(addresses: int = 1, pages: int = 0, nice: int = 0) -> Iterator[int]:
    """Run ``latency_server.py`` in a process of its own; the port that it answers at."""
    port = _free_port()
    command = ["nice", "-n", str(nice), sys.executable, str(HERE / "latency_server.py")]
    process = subprocess.Popen([*command, str(port), str(addresses), str(pages)])
    try:
        _wait_until_open(process, port)
        yield port
    finally:
        process.terminate()
        process.wait()


def write_urls(folder: Path, urls: Iterable[str]) -> Path:
    path = folder / "urls"
    path.write_text("".join(f"{url}\n" for url in urls))
    return path


def bare_command(urls: Path, log: Path, concurrency: int) -> list[str]:
    return [sys.executable, str(BARE), str(urls), str(log), str(concurrency)]


def crawl_command(
    folder: Path, urls: Path, log: Path, arguments: dict[str, object], settings: dict[str, object]
) -> list[str]:
    """*arguments* are the spider's, beside *urls* and *log*."""
    command = [sys.executable, "-m", "crawler", str(SPIDER), "-o", str(folder / "pages.jsonl"), "--quiet"]
    for name, value in {"urls": urls, "log": log, **arguments}.items():
        command += ["-a", f"{name}={value}"]
    for name, value in settings.items():
        command += ["--set", f"{name}={value}"]
    return command


@contextmanager
def running(
    command: list[str], folder: Path, nice: int = 0, terminal: int | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """The command, in *folder*; what it says is in ``output.log`` there, or on *terminal*, a file descriptor."""
    path = os.pathsep.join(filter(None, [str(REPOSITORY), os.environ.get("PYTHONPATH")]))
    with (folder / "output.log").open("wb") as stream:
        process = subprocess.Popen(
            ["nice", "-n", str(nice), *command],
            cwd=folder,
            env=os.environ | {"PYTHONPATH": path},
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream if terminal is None else terminal,
        )
        try:
            yield process
        except BaseException:
            process.kill()
            raise
        finally:
            process.wait()


def run(command: list[str], folder: Path, limit: float, nice: int = 0) -> None:
    """
    :param limit: seconds that it may take
    :raises BenchmarkFailed: it took longer, or ended with an error
    """
    with running(command, folder, nice) as process:
        try:
            code = process.wait(limit)
        except subprocess.TimeoutExpired:
            process.kill()
            raise BenchmarkFailed(f"not done after {limit:.0f} s: {' '.join(command)}") from None
    if code != 0:
        tail = "\n".join((folder / "output.log").read_text(errors="replace").splitlines()[-20:])
        raise BenchmarkFailed(f"exit code {code}: {' '.join(command)}\n{tail}")


def stop(process: subprocess.Popen[bytes], limit: float = 30.0) -> None:
    """As Ctrl-C does."""
    process.send_signal(signal.SIGINT)
    process.wait(limit)


def stretches(log: Path) -> list[Stretch]:
    """What a contender has written, up to its last whole line."""
    lines = log.read_text().splitlines() if log.is_file() else []
    return [Stretch(**json.loads(line)) for line in lines if line.startswith('{"pages"') and line.endswith("}")]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_until_open(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise BenchmarkFailed("the server did not start")
