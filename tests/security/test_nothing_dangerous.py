"""What the package does not have: read from its source, and seen in a running crawl."""

from __future__ import annotations

import ast
import json
import os
import sqlite3
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

import crawler
from crawler.fetch.fetcher import FetchOptions
from crawler.request import Request

PACKAGE = Path(crawler.__file__).parent
ROOT = PACKAGE.parent


class Rule(NamedTuple):
    """Names that the package does not use, but in the places that are listed with their reason."""

    names: frozenset[str]
    why: str
    permitted: dict[str, str] = {}
    """``file:function`` or a folder -> why it may."""


def names(text: str) -> frozenset[str]:
    return frozenset(text.split())


IMPORTS = {
    "objects from bytes": Rule(
        names("pickle cPickle _pickle marshal shelve dill cloudpickle joblib jsonpickle yaml ruamel copyreg dbm"),
        "whoever writes the bytes runs code here",
        {
            "parse/stream.py": "between the crawl and its own parse processes, over a pair of sockets without a name",
            "engine/crossing.py": "what that pickle makes of tasks and harvests: MessagePack",
            "engine/apart.py": "packs and unpacks a harvest of its own, to see how long it takes",
        },
    ),
    "another client": Rule(
        names(
            "urllib.request http.client requests urllib3 httpx httplib2 ftplib telnetlib smtplib xmlrpc pycurl obstore"
        ),
        "every connection goes through one guarded connector",
        {
            "export/remote.py": "sends a dataset to the place that the user named with -o; no page names it, and none is read"
        },
    ),
    "a console": Rule(names("code codeop pdb bdb telnetlib xmlrpc cmd"), "nobody steers a crawl from outside"),
    "other machines": Rule(
        names("redis boto3 botocore s3fs fsspec google azure paramiko kafka pika pymongo psycopg motor w3lib"),
        "what is crawled stays on this machine",
    ),
    "other programs": Rule(names("subprocess pty commands"), "a site must not get at a shell"),
    "a server": Rule(
        names("http.server socketserver wsgiref aiohttp.web asyncio.start_server"),
        "nothing inside is reachable from outside",
        {"demo": "the shop that `crawl demo` crawls, on 127.0.0.1"},
    ),
    "machine code": Rule(
        names("ctypes cffi"),
        "memory is Python's business",
        {"parse/heap.py": "one call of the C library, which takes no data: keep freed memory"},
    ),
}

CALLS = {
    "code from text": Rule(names("eval exec compile __import__ execfile input breakpoint"), "text is data, never code"),
    "code by its name": Rule(
        names("import_module exec_module run_path run_module spec_from_file_location find_class load_module"),
        "a name out of a page, a header or a job would be run",
        {
            "discovery.py:build": "in a parse process: the module of the user's own spider, named by its parent process",
            "discovery.py:_import_file": "the user's own spider files, from the folders of config.toml or the command line",
            "cli/main.py:get_command": "a row of COMMANDS, a table of constants",
            "__init__.py:__getattr__": "a row of a table of constants: public names that are loaded late",
        },
    ),
    "a shell": Rule(
        names("system popen popen2 spawnl spawnv spawnlp spawnvp execv execve execl execlp execvp Popen check_output"
              " check_call getoutput create_subprocess_shell create_subprocess_exec posix_spawn fork forkpty startfile"),
        "a site must not get at a shell",
    ),
    "a name that somebody else may take": Rule(names("mktemp tmpnam tempnam"), "a race with whoever makes it first"),
    "certificates unverified": Rule(
        names("_create_unverified_context _create_default_https_context _create_stdlib_context"), "TLS is verified"
    ),
    "a server": Rule(
        names("listen start_server start_unix_server create_server create_unix_server create_datagram_endpoint"
              " serve_forever Listener HTTPServer ThreadingHTTPServer TCPServer UDPServer run_app TCPSite UnixSite"
              " SockSite AppRunner start_serving connect_accepted_socket Manager BaseManager"),
        "nothing inside is reachable from outside",
        {
            "demo": "the shop that `crawl demo` crawls, on 127.0.0.1",
            "testing": "the hostile server for tests, on 127.0.0.1",
        },
    ),
    "a socket of its own": Rule(
        names("create_connection open_connection open_unix_connection sock_connect connect_ex socketpair bind"),
        "every connection goes through one guarded connector",
        {
            "parse/pool.py:__init__": "to its own parse process: a pair without a name, which nobody else can reach",
            "fetch/resolve.py:_has_ipv6": "asks whether this machine has ::1; it neither listens nor connects",
            "assemble.py": "Signature.bind, of the spider's own constructor",
            "engine/steps.py": "Signature.bind, of the spider's own steps",
        },
    ),
    "a session": Rule(
        names("ClientSession"),
        "requests are written in fetch/head.py: a session would add what nobody here decided",
    ),
    "a connector": Rule(
        names("TCPConnector UnixConnector NamedPipeConnector BaseConnector"),
        "every connection goes through one guarded connector",
        {"fetch/connect.py": "straight to hosts with the guard as socket factory, or to a proxy that the user named"},
    ),
    "loose XML": Rule(
        names("iterparse fromstring XMLParser parseString make_parser ExternalEntityParserCreate SetParamEntityParsing"),
        "XML is read in parse/xml.py, which resolves nothing",
    ),
}  # fmt: skip


class Found(NamedTuple):
    file: str
    function: str
    line: int
    name: str

    def may(self, rule: Rule) -> bool:
        places = (self.file, f"{self.file}:{self.function}", self.file.partition("/")[0])
        return any(place in rule.permitted for place in places)


class _Reader(ast.NodeVisitor):
    """Imports and calls of one file, with the function that they stand in."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._functions = [""]
        self.imports: list[Found] = []
        self.calls: list[Found] = []
        self.others: list[tuple[str, ast.AST]] = []

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            self._imported(alias.name, node.lineno)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        self._imported(node.module or "", node.lineno)
        for alias in node.names:
            self._imported(f"{node.module}.{alias.name}", node.lineno)

    def visit_FunctionDef(self, node: Any) -> None:
        self._functions.append(node.name)
        self.generic_visit(node)
        self._functions.pop()

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        """To derive from something is to use it."""
        for base in node.bases:
            self.calls.append(self._found(ast.unparse(base).rpartition(".")[2], node.lineno))
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        function = node.func
        if isinstance(function, ast.Name):
            self.calls.append(self._found(function.id, node.lineno))
        elif isinstance(function, ast.Attribute):
            owner = ast.unparse(function.value)
            if not (function.attr == "compile" and owner in ("re", "regex")):
                self.calls.append(self._found(function.attr, node.lineno))
        for keyword in node.keywords:
            self.others.append((self._functions[-1], keyword))
        self.generic_visit(node)

    def visit_Assign(self, node: ast.Assign) -> None:
        self.others.append((self._functions[-1], node))
        self.generic_visit(node)

    def _imported(self, name: str, line: int) -> None:
        parts = name.split(".")
        self.imports += [self._found(".".join(parts[:length]), line) for length in range(1, len(parts) + 1)]

    def _found(self, name: str, line: int) -> Found:
        return Found(self._file, self._functions[-1], line, name)


def read(text: str, file: str) -> _Reader:
    reader = _Reader(file)
    reader.visit(ast.parse(text))
    return reader


@cache
def sources() -> dict[str, _Reader]:
    files = {file.relative_to(PACKAGE).as_posix(): file for file in sorted(PACKAGE.rglob("*.py"))}
    return {name: read(file.read_text("utf-8"), name) for name, file in files.items()}


def objections(found: list[Found], rule: Rule) -> list[str]:
    return [
        f"{one.file}:{one.line} {one.name} in {one.function or 'the module'}: {rule.why}"
        for one in found
        if one.name in rule.names and not one.may(rule)
    ]


@pytest.mark.parametrize("kind", IMPORTS)
def test_no_module_imports(kind: str) -> None:
    found = [one for reader in sources().values() for one in reader.imports]
    assert objections(found, IMPORTS[kind]) == []


@pytest.mark.parametrize("kind", CALLS)
def test_no_function_calls(kind: str) -> None:
    found = [one for reader in sources().values() for one in reader.calls]
    assert objections(found, CALLS[kind]) == []


@pytest.mark.parametrize(
    "text",
    [
        "import pickle",
        "from pickle import loads",
        "from urllib import request",
        "import http.client as c",
        "import yaml",
    ],
)
def test_an_import_in_any_spelling_is_seen(text: str) -> None:
    found = read(text, "a.py").imports
    assert [kind for kind, rule in IMPORTS.items() if objections(found, rule)]


@pytest.mark.parametrize(
    "text",
    ["eval(x)", "exec('1')", "compile(x, '', 'exec')", "importlib.import_module(x)", "__import__(x)", "os.system(x)",
     "async def f():\n await asyncio.start_server(a, '0.0.0.0')", "x.listen()", "tempfile.mktemp()"],
)  # fmt: skip
def test_a_call_in_any_spelling_is_seen(text: str) -> None:
    found = read(text, "a.py").calls
    assert [kind for kind, rule in CALLS.items() if objections(found, rule)]
    assert not [rule for rule in CALLS.values() if objections(read("re.compile(x)", "a.py").calls, rule)]


def test_every_place_that_is_permitted_exists() -> None:
    """A reason that outlives its place would cover the next one of that name."""
    rules = [(IMPORTS, "imports"), (CALLS, "calls")]
    for table, kind in rules:
        for rule in table.values():  # type: ignore[attr-defined]
            used = {
                place
                for reader in sources().values()
                for one in getattr(reader, kind)
                if one.name in rule.names
                for place in (one.file, f"{one.file}:{one.function}", one.file.partition("/")[0])
            }
            assert {*rule.permitted} <= used, rule


def test_no_keyword_opens_a_door() -> None:
    """``shell=True``, ``verify=False``, ``ssl=False``, ``trust_env=True``, ``check_hostname = False`` ..."""
    found = []
    for file, reader in sources().items():
        for function, node in reader.others:
            text = ast.unparse(node).replace(" ", "")
            door = text in ("shell=True", "verify=False", "ssl=False", "verify_ssl=False", "trust_env=True")
            door = door or text.endswith(
                (".check_hostname=False", ".verify_mode=ssl.CERT_NONE", "resolve_entities=True")
            )
            if door:
                found.append(f"{file}:{function} {text}")
    assert found == [
        "fetch/connect.py:tls_of context.check_hostname=False",
        "fetch/connect.py:tls_of context.verify_mode=ssl.CERT_NONE",
    ]  # where a user has set verify_tls = false
    assert FetchOptions().verify_tls is True
    assert FetchOptions().allow_private_hosts in (False, (), "")
    assert FetchOptions().proxies == ()


def test_what_listens_for_a_demonstration_or_a_test_listens_on_this_machine_alone() -> None:
    for file in sources():
        if file.startswith(("demo/", "testing/")):
            text = (PACKAGE / file).read_text("utf-8")
            assert "0.0.0.0" not in text, file
            assert '"::"' not in text, file
    assert 'HOST = "127.0.0.1"' in (PACKAGE / "testing/server.py").read_text("utf-8")
    assert '("127.0.0.1", ' in (PACKAGE / "demo/site.py").read_text("utf-8")


# ----- nothing that a site names is imported -----------------------------------------------------------------------

CANARY = "crawler_canary_of_the_tests"


@pytest.fixture
def canary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A module that leaves a trace if it is imported, and a name that is one of its functions."""
    trace = tmp_path / "trace"
    (tmp_path / f"{CANARY}.py").write_text(
        f"open({str(trace)!r}, 'w').close()\ndef exit(*a, **k): open({str(trace)!r}, 'w')"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    yield trace
    sys.modules.pop(CANARY, None)


async def test_nothing_that_a_site_names_is_imported_or_called(witness: Any, canary: Path) -> None:
    from witness import Seen, reply

    name = f"{CANARY}.exit"
    lines = [f"{field}: {name}" for field in (
        "Referrer-Policy", "Content-Type", "Server", "X-Robots-Tag", "Refresh", "Set-Cookie", "Link", "ETag",
        "Cache-Control", "Content-Language", "Last-Modified", "Vary", "Warning", "Retry-After", "Content-Location",
    )]  # fmt: skip
    page = (
        f"<html lang='{name}'><meta name=referrer content={name}><meta charset={name}><meta http-equiv=refresh "
        f"content='9;{name}'><base target={name}><script type={name}></script><a href='/x' class={name}>x</a>"
    )

    def answer(seen: Seen) -> bytes:
        if seen.path == "/robots.txt":
            return reply(f"User-agent: *\nCrawl-delay: {name}\nSitemap: {name}\n", "Content-Type: text/plain")
        encoding = [f"Content-Encoding: {name}"] if seen.path == "/coded" else []
        return reply(page, *lines, *encoding)

    server = await witness(answer)

    class Reader(crawler.Spider):
        name = "reader"
        start_urls = [f"{server.origin()}/", f"{server.origin()}/coded"]

        def parse(self, page: Any) -> Any:
            page.links(), page.text, page.css("a"), page.encoding
            yield {"url": page.url, name: name, "__class__": name, "__reduce__": name, "py/object": name}

    items = [item async for item in crawler.crawl(Reader, settings={"delay": 0.0, "links": "all"})]
    assert len(items) >= 1
    assert not canary.exists()
    assert CANARY not in sys.modules


PICKLED = b"\x80\x04\x95\x00\x00\x00\x00\x00\x00\x00\x00cposix\nsystem\n(V%s\ntR."
"""Calls ``os.system`` when it is unpickled."""


def test_pickled_bytes_in_a_job_are_told_of_and_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who can write into a job's folder can lose its pages, but runs nothing."""
    trace = tmp_path / "trace"
    bomb = PICKLED.replace(b"%s", f"touch {trace}".encode())
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.toml").write_text("[crawl]\nobey_robots = false\nretries = 0\noutage_patience = 0\ndelay = 0\n")
    (tmp_path / "s.py").write_text(
        "from crawler import Spider\nclass S(Spider):\n name = 's'\n"
        " start_urls = [f'http://127.0.0.1:9/{n}' for n in range(9)]\n def parse(self, page): yield {}\n"
    )
    from crawler.cli.main import run

    run(["s.py", "-o", "out.jsonl", "-q"])
    database = tmp_path / ".crawl" / "s" / "frontier.sqlite3"
    with sqlite3.connect(database) as connection:
        rows = connection.execute("SELECT count(*) FROM failures WHERE request IS NOT NULL").fetchone()[0]
        connection.execute("UPDATE failures SET request = ?, traceback = ?", (bomb, bomb))
        connection.execute("UPDATE seen_groups SET marks = ?", (bomb,))
        connection.execute("UPDATE meta SET value = ? WHERE typeof(value) = 'blob'", (bomb,))
    connection.close()
    assert rows > 0
    for words in (["retry", "s"], ["s.py", "--resume", "-q"], ["failures", "s"], ["jobs"], ["s.py", "--fresh", "-q"]):
        assert isinstance(run([*words]), int)
    assert not trace.exists()


def test_a_request_is_read_back_by_its_schema() -> None:
    """What is no request is an error, whatever it would become elsewhere."""
    for data in (PICKLED, b'{"py/reduce": ["os.system"]}', b"!!python/object/apply:os.system ['x']", b"\xc1", b""):
        with pytest.raises(msgspec.MsgspecError):
            msgspec.msgpack.decode(data, type=Request)
        with pytest.raises(msgspec.MsgspecError):
            msgspec.json.decode(data, type=Request)


# ----- nothing listens ---------------------------------------------------------------------------------------------

NET = Path("/proc/self/net/tcp")

RUNNER = """
import sys
from crawler.cli.main import main
sys.argv = ["crawl", *sys.argv[1:]]
main()
"""
SPIDER = """
from crawler import Spider, cpu_bound

class S(Spider):
    name = "s"
    start_urls = ["{url}first"]

    @cpu_bound
    def parse(self, page):
        yield {{"path": page.url}}
        yield page.follow("/wait", callback="last")

    def last(self, page):
        yield {{"path": page.url}}
"""


class Process(NamedTuple):
    """What the system knows of one process."""

    pid: int
    inodes: set[str]
    """Of its sockets."""
    paths: list[str]
    """What else its descriptors lead to."""


def family(pid: int) -> list[int]:
    """*pid* and all that it started."""
    found = [pid]
    for one in found:
        for task in Path(f"/proc/{one}/task").glob("*/children"):
            found += [int(child) for child in task.read_text().split()]
    return found


def looked_at(pid: int) -> Process:
    inodes, paths = set(), []
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        try:
            target = os.readlink(descriptor)
            if target.startswith("socket:["):
                inodes.add(target[8:-1])
            elif target.startswith("/") and stat.S_ISFIFO(descriptor.stat().st_mode):
                paths.append(target)
        except OSError:  # closed meanwhile
            continue
    return Process(pid, inodes, paths)


def listening(pid: int) -> list[str]:
    """Each socket that somebody could connect to, of *pid* and all that it started."""
    processes = [looked_at(one) for one in family(pid)]
    mine = {inode for process in processes for inode in process.inodes}
    found = [path for process in processes for path in process.paths]
    for kind, listens in (("tcp", ("0A",)), ("tcp6", ("0A",)), ("udp", ("07",)), ("udp6", ("07",))):
        table = Path(f"/proc/{pid}/net/{kind}")
        for row in table.read_text().splitlines()[1:] if table.exists() else ():
            fields = row.split()
            if fields[9] in mine and fields[3] in listens:
                found.append(f"{kind} {fields[1]}")
    for row in Path(f"/proc/{pid}/net/unix").read_text().splitlines()[1:]:
        fields = row.split()
        accepts = int(fields[3], 16) & 0x10000
        if fields[6] in mine and (accepts or len(fields) > 7):
            found.append(f"unix {row}")
    return found


@pytest.mark.skipif(not NET.exists(), reason="sockets are read from /proc")
def test_a_running_crawl_and_its_parse_processes_listen_nowhere(tmp_path: Path) -> None:
    """Between our processes there are pipes without a name: nobody else can feed what is unpickled there."""
    is_asked, may_answer = threading.Event(), threading.Event()

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/wait":
                is_asked.set()
                may_answer.wait(30)
            self.send_response(404 if self.path == "/robots.txt" else 200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing is logged."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        (tmp_path / "s.py").write_text(SPIDER.format(url=f"http://127.0.0.1:{server.server_port}/"))
        words = [sys.executable, "-c", RUNNER, "s.py", "-o", "out.jsonl", "-q", "--set", "parse_processes=2"]
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": tempfile.mkdtemp(dir=tmp_path)}
        crawl = subprocess.Popen(words, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        try:
            assert is_asked.wait(30), crawl.communicate(timeout=5)[0]
            processes = family(crawl.pid)
            found = listening(crawl.pid)
            left = [path.name for path in Path(environment["TMPDIR"]).rglob("*")]
        finally:
            may_answer.set()
            output = crawl.communicate(timeout=30)[0].decode()
            server.shutdown()
            thread.join()
    assert crawl.returncode == 0, output
    assert len([json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]) == 2
    assert len(processes) >= 2  # a parse process was there
    assert found == []
    assert left == []  # no socket, no pipe and no key of a listener lies in the folder for such things


@pytest.mark.skipif(not NET.exists(), reason="sockets are read from /proc")
def test_a_socket_that_listens_would_be_seen() -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as one:
        port = f":{one.getsockname()[1]:04X}"
        assert [row for row in listening(os.getpid()) if row.startswith("tcp ") and row.endswith(port)]
