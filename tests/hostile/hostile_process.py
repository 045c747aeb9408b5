"""A hostile server in a process of its own, so that what it does is not counted as the crawl's."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from html import unescape
from pathlib import Path

import crawler

ENVIRONMENT = {
    **{name: value for name, value in os.environ.items() if not name.startswith("CRAWL_")},
    "PYTHONPATH": str(Path(crawler.__file__).parents[1]),
}


@contextmanager
def hostile_server(families: Sequence[str] = ()) -> Iterator[tuple[str, dict[str, str]]]:
    """Its root, and the URL of each attack."""
    command = [sys.executable, "-m", "crawler.testing.hostile", *families]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT) as server:
        try:
            assert server.stdout is not None
            root = server.stdout.readline().strip()
            page = urllib.request.urlopen(root).read().decode()
            links = re.findall(r'<a href="([^"]*)">([^<]*)</a>', page)
            yield root, {unescape(name): unescape(url) for url, name in links}
        finally:
            server.terminate()
