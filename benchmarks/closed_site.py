"""A closed site of real pages: built in a folder, served from a process of its own.

Rule 1: the same archive and the same number of pages give the same bytes, on every machine.
Rule 2: every link resolves inside the site, and every page is reachable from page 0.
Rule 3: only the ``href`` of the pages' own links changes; their number, their place and all text stay.
"""

from __future__ import annotations

import os
import posixpath
import re
import shutil
import socket
import subprocess
import sys
import tarfile
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
DEFAULT_ARCHIVE = HERE.parent.parent / "shared" / "pages" / "books.tar.gz"

START_PATH = "index.html"
ROBOTS = "User-agent: *\nAllow: /\n"

# Comments are matched first, so that the links inside them are left alone, as a browser leaves them.
_LINK = re.compile(r'<!--.*?-->|<a\s[^>]*?href="(?P<href>[^"]*)"', re.DOTALL)
_SLUG = re.compile(r"/catalogue/([^/\"]+)_\d+/reviews/")
_LEADING = re.compile(r"<base\b[^>]*>|<meta\b[^>]*\b(?:refresh|robots)\b[^>]*>", re.IGNORECASE)
"""Elements of other pages that lead out of the site, or forbid to follow."""

_NAVIGATION_LINKS = 3
"""Each real page opens with links to the shop, all books and its category: these hold the site together."""


class MissingArchive(Exception):
    """The archive of real pages is not where it was looked for."""


@dataclass(frozen=True, slots=True)
class Site:
    """A built site: the folder to serve and what a complete crawl of it finds."""

    root: Path
    paths: tuple[str, ...]
    links: int
    """All ``<a href>`` of all pages, duplicates included."""
    size: int
    """Bytes of all pages."""


def build(archive: Path, root: Path, pages: int) -> Site:
    """Write a site of *pages* pages below *root* (created) from the real pages in *archive*.

    :raises MissingArchive: there is no such file
    """
    templates = _read_templates(archive)
    paths = tuple(_path(templates, number) for number in range(pages))
    links = size = 0
    for number, path in enumerate(paths):
        template = templates[number % len(templates)]
        targets = [_relative(path, paths[target]) for target in _targets(number, template.distinct, pages)]
        body = template.render(targets).encode()
        _write(root / path, body)
        links += len(template.slots)
        size += len(body)
    _write(root / "robots.txt", ROBOTS.encode())
    return Site(root, paths, links, size)


@dataclass(frozen=True, slots=True)
class _Template:
    """One real page, cut at its links."""

    slug: str
    texts: tuple[str, ...]
    """What stands between the links: one more than ``slots``."""
    slots: tuple[int, ...]
    """For each link, which of the page's distinct targets it shows: an image and a title often share one."""
    distinct: int

    def render(self, hrefs: list[str]) -> str:
        """The page with its n-th distinct target replaced by ``hrefs[n]``."""
        pieces = [self.texts[0]]
        for slot, text in zip(self.slots, self.texts[1:], strict=True):
            pieces += hrefs[slot], text
        return "".join(pieces)


def _read_templates(archive: Path) -> list[_Template]:
    if not archive.is_file():
        raise MissingArchive(f"no archive of pages at {archive}: name another with --pages-archive FILE")
    with tarfile.open(archive) as tar:
        members = [member for member in tar if member.isfile() and member.name.endswith(".html")]
        members.sort(key=lambda member: (len(member.name), member.name))  # 2.html before 10.html
        pages = [(Path(member.name).stem, _read(tar, member)) for member in members]
    if all(_SLUG.search(page) for _, page in pages):
        return [_cut(page, _slug(page)) for _, page in pages]
    templates = [_cut(_LEADING.sub("", page), name) for name, page in pages]
    return [template for template in templates if template.distinct >= _NAVIGATION_LINKS]


def _slug(page: str) -> str:
    found = _SLUG.search(page)
    assert found is not None
    return found[1]


def _read(tar: tarfile.TarFile, member: tarfile.TarInfo) -> str:
    stream = tar.extractfile(member)
    assert stream is not None, f"{member.name} is no regular file"
    return stream.read().decode()


def _cut(page: str, slug: str) -> _Template:
    order: dict[str, int] = {}
    texts, slots, position = [], [], 0
    for match in _LINK.finditer(page):
        if match["href"] is None:
            continue
        texts.append(page[position : match.start("href")])
        slots.append(order.setdefault(match["href"], len(order)))
        position = match.end("href")
    texts.append(page[position:])
    return _Template(slug, tuple(texts), tuple(slots), len(order))


def _path(templates: list[_Template], number: int) -> str:
    if number == 0:
        return START_PATH
    return f"catalogue/{templates[number % len(templates)].slug}_{number}/index.html"


def _targets(number: int, distinct: int, pages: int) -> list[int]:
    """The page numbers that page *number* links to, in the order of its distinct links.

    The first leads home; the next two to the children in a binary tree, which makes every page reachable
    within log2(pages) steps; the others anywhere, by a checksum: fixed, spread evenly, mostly known already.
    """
    tree = [0, (2 * number + 1) % pages, (2 * number + 2) % pages]
    spread = [zlib.crc32(f"{number}/{link}".encode()) % pages for link in range(_NAVIGATION_LINKS, distinct)]
    return tree + spread


def _relative(source: str, target: str) -> str:
    """The link as the shop itself writes it: relative to the folder of the page."""
    return posixpath.relpath(target, posixpath.dirname(source) or ".")


def _write(file: Path, body: bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(body)


# Serving


@dataclass(frozen=True, slots=True)
class Server:
    """Where the site answers, and what answers there."""

    url: str
    """Of the root folder; ends with a slash."""
    kind: str


@contextmanager
def served(site: Site, scratch: Path, nginx: str | None = None) -> Iterator[Server]:
    """Serve *site* on a free loopback port by a child process, which is ended on leaving.

    :param scratch: an existing folder for the server's own files
    :param nginx: the nginx program; None looks for it, ``""`` goes without and uses file_server.py
    """
    port = _free_port()
    program = find_nginx() if nginx is None else nginx
    command = _nginx_command(program, site, scratch, port) if program else _fallback_command(site, port)
    log = scratch / "server.log"
    with log.open("wb") as stderr:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=stderr, stderr=stderr)
    try:
        _wait_until_open(process, port, log)
        kind = "nginx" if program else "file_server.py (no nginx)"
        yield Server(f"http://127.0.0.1:{port}/", kind)
    finally:
        process.terminate()
        process.wait()


def find_nginx() -> str | None:
    """The path of the nginx program, also where system programs live outside a user's PATH."""
    folders = [os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"]
    return shutil.which("nginx", path=os.pathsep.join(folders))


_NGINX_CONF = """\
daemon off;
master_process off;             # one process, whose pid is the child's, running as whoever started it
pid {scratch}/nginx.pid;
error_log {scratch}/nginx.log warn;
events {{ worker_connections 4096; }}
http {{
    types {{ text/html html; text/plain txt; }}
    access_log off;
    sendfile on;
    tcp_nopush on;
    keepalive_requests 1000000000;  # the default of 1000 would make the contenders reconnect
    keepalive_timeout 300s;
    client_body_temp_path {scratch}/body;
    proxy_temp_path {scratch}/proxy;
    fastcgi_temp_path {scratch}/fastcgi;
    uwsgi_temp_path {scratch}/uwsgi;
    scgi_temp_path {scratch}/scgi;
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        root {root};
    }}
}}
"""


def _nginx_command(program: str, site: Site, scratch: Path, port: int) -> list[str]:
    conf = scratch / "nginx.conf"
    conf.write_text(_NGINX_CONF.format(scratch=scratch, root=site.root, port=port))
    return [program, "-p", str(scratch), "-e", str(scratch / "nginx.log"), "-c", str(conf)]


def _fallback_command(site: Site, port: int) -> list[str]:
    return [sys.executable, str(HERE / "file_server.py"), str(site.root), str(port)]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_until_open(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + 30  # seconds: file_server.py reads every page first
    while time.monotonic() < deadline and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    said = log.read_text(errors="replace").strip() or "nothing"
    raise RuntimeError(f"the server did not start; it said: {said}")
