"""What reaches a terminal: of all that a server, a page or an exception can say, no control character and no line of
their own."""

import ast
import json
import os
import pty
import re
import select
import socket
import subprocess
import sys
import threading
import time
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import crawler.cli
from crawler.cli.main import COMPLETE

EVIL = "T\x1b]0;pwned\x07\x1b[2J\x9b31m\x7f\u202etxt\u2066\u200f\u2028ERROR forged\u2029\u0085\x08\r\ufeff [red]m[/red] [link=http://a]l[/link] :smile:"
"""A page's title. Tab and line end are tried apart."""
ENTITIES = "".join(f"&#{ord(one)};" for one in EVIL if not 0x80 <= ord(one) < 0xA0)
"""As HTML may write it; C1 is written as it is, since a reference to it is one to windows-1252."""

SPIDER = """
import logging
import warnings
from crawler import Request, Spider, cpu_bound

log = logging.getLogger(__name__)


class Evil(Spider):
    name = "evil"
    start_urls = ["{url}"]
    settings = {{"retries": 0, "parse_processes": 1}}

    def __init__(self):
        super().__init__()

    def parse(self, page):
        title = page.css("h1::text").get()
        self.logger.warning("titled %s", title)
        self.logger.info("titled %s", title)
        log.warning("module %s", title)
        print("printed", title, "\\x1b[32mgreen\\x1b[0m")
        warnings.warn(title)
        yield {{"title": title}}
        yield {{title: object()}}
        yield page.follow("/raise", callback="raising")
        yield page.follow("/heavy", callback="heavy")
        for path in ("/status", "/location", "/header", "/refused\\u202e", "/gone?a=\\x1b[2J"):
            yield page.follow(path)

    def raising(self, page):
        raise ValueError("first\\nWARNING forged\\r\\n" + page.css("h1::text").get())

    @cpu_bound
    def heavy(self, page):
        title = page.css("h1::text").get()
        logging.getLogger("other").warning("in a process %s", title)
        raise KeyError(title)

    def closed(self, reason):
        raise RuntimeError("closing\\nERROR forged \\x1b[2J")
"""


ROOT = Path(__file__).parents[2]


class Shown(NamedTuple):
    """How a run on a terminal ended, and all that was shown there."""

    code: int
    out: str


class HostileServer:
    """Answers raw: what no honest library would send."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/"
        page = f"<title>x</title><h1>{ENTITIES}{EVIL}</h1>".encode()
        html = b"Content-Type: text/html; charset=utf-8\r\n"
        shown = EVIL.replace("\r", "").encode()
        self._answers = {
            "/": b"HTTP/1.1 200 OK\r\n" + html + b"Content-Length: %d\r\n\r\n" % len(page) + page,
            "/status": b"HTTP/1.1 500 " + shown + b"\r\nContent-Length: 0\r\n\r\n",
            "/location": b"HTTP/1.1 302 Found\r\nLocation: http://" + shown + b"/\r\nContent-Length: 0\r\n\r\n",
            "/header": b"HTTP/1.1 200 OK\r\n" + shown + b"\r\nSet-Cookie: a\x1b=b\x1b\r\n\r\n",
        }
        self._answers["/raise"] = self._answers["/heavy"] = self._answers["/"]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection:
                path = connection.recv(65_536).split(b" ")[1].decode()
                connection.sendall(self._answers.get(path, b"HTTP/1.1 404 N\x1b[2J\r\nContent-Length: 0\r\n\r\n"))

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(5)


@pytest.fixture
def evil(project: Any) -> Iterator[Any]:
    server = HostileServer()
    project.write("spiders/evil.py", SPIDER.format(url=server.url))
    yield project
    server.close()


@pytest.fixture
def on_terminal(project: Any) -> Callable[..., Shown]:
    """``crawl ARGUMENTS`` on a terminal of its own: what it shows there, byte for byte."""

    def call(*arguments: str, only: str = "both") -> Shown:
        master, slave = pty.openpty()
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1", "TERM": "xterm"}
        stream = {"both": (slave, slave), "out": (slave, subprocess.DEVNULL)}[only]
        process = subprocess.Popen(
            [sys.executable, "-m", "crawler", *arguments],
            cwd=project.root,
            env={name: value for name, value in environment.items() if not name.startswith("COV")},
            stdin=slave,
            stdout=stream[0],
            stderr=stream[1],
        )
        os.close(slave)
        shown, until = b"", time.monotonic() + 40
        while time.monotonic() < until:
            if not select.select([master], [], [], 0.2)[0]:
                continue
            try:
                read = os.read(master, 65_536)
            except OSError:  # Linux's word for the end of a terminal
                break
            if not read:
                break
            shown += read
        if time.monotonic() >= until:
            process.kill()
        code = process.wait(10)
        os.close(master)
        return Shown(code, shown.decode("utf-8", "surrogateescape"))

    return call


OWN = re.compile(r"\x1b\[(?:[\d;]*m|\?25[lh]|\d*A|2K)")
"""What the live line is made with: colours, the cursor, and one line erased."""


def raw_controls(shown: str) -> dict[str, int]:
    """Characters that steer, beside those that the program itself means."""
    text = OWN.sub("", shown).replace("\r\n", "\n").replace("\r", "")
    kinds = {"Cc", "Cf", "Cs", "Zl", "Zp"}
    return {
        f"{ord(one):04x}": text.count(one) for one in set(text) - {"\n", "\t"} if unicodedata.category(one) in kinds
    }


def test_a_crawl_of_a_hostile_site_sends_no_control_character_to_the_terminal(evil, on_terminal):
    ended = on_terminal("evil", "-vv", "-o", "a.jsonl")
    assert raw_controls(ended.out) == {}
    text = OWN.sub("", ended.out)
    for words in ("titled", "module", "printed", "in a process", "closed() raised", "http_500", "callback_error"):
        assert words in text, words
    assert "\\x1b]0;pwned\\x07\\x1b[2J\\x9b31m" in text
    assert "[red]m[/red]" in text
    assert ":smile:" in text
    assert "\x1b[32mgreen" in ended.out
    assert "forged" in text
    assert not re.search(r"^(?:WARNING|ERROR) +forged", text, re.MULTILINE)
    item = json.loads((evil.root / "a.jsonl").read_text("utf-8").split("\n")[0])
    assert "\x1b]0;pwned\x07" in item["title"]


def test_what_is_told_of_the_job_afterwards_has_none_either(evil, on_terminal, crawl):
    assert on_terminal("evil", "-q", "-o", "a.jsonl").code == COMPLETE
    url = re.search(r'"(http://[^"]*)"', (evil.root / "spiders/evil.py").read_text())[1]
    for arguments in (["failures", "evil"], ["failures", "evil", "--json"]):
        ended = on_terminal(*arguments)
        assert raw_controls(ended.out) == {}, arguments
        assert "pwned" in ended.out
    for arguments in (
        ["failures", EVIL],
        ["why", f"{url}raise"],
        ["why", f"{url}heavy"],
        ["why", EVIL],
        ["jobs"],
        ["list"],
        ["cache"],
        ["settings", "evil"],
        ["retry", "evil", "--reason", EVIL],
        ["evil", "--fresh", "--set", f"{EVIL}={EVIL}"],
        ["evil", "--fresh", "-o", f"{EVIL}.txt"],
        ["evil", "--fresh", "-o", "b.jsonl", "-a", f"{EVIL}={EVIL}"],
        ["evil", f"--{EVIL}"],
        ["new", EVIL],
        [EVIL],
    ):
        ended = crawl(*arguments)
        assert raw_controls(ended.out + ended.err) == {}, arguments
        assert "ERROR forged" not in re.split(r"\r|\n", ended.out + ended.err)


def test_data_on_a_terminal_is_the_same_data_without_what_steers_it(evil, on_terminal, crawl_apart):
    shown = on_terminal("evil", "-o", "-", "--fresh", only="out").out
    assert raw_controls(shown) == {}
    items = [json.loads(line) for line in shown.splitlines()]
    others = [json.loads(line) for line in crawl_apart("evil", "-o", "-", "--fresh").out.split("\n") if line]
    assert sorted(map(str, items)) == sorted(map(str, others))
    assert any("\u202etxt\u2066\u200f\u2028" in (item["title"] or "") for item in items)


def test_data_for_a_program_is_not_touched(evil, crawl_apart):
    ended = crawl_apart("evil", "-o", "-")
    assert "\u202etxt\u2066\u200f\\u2028" in ended.out  # a line must not be torn by who splits it


def test_no_line_of_a_log_is_made_by_a_page(evil, crawl_apart):
    ended = crawl_apart("evil", "-vv", "-o", "a.jsonl")
    lines = ended.err.splitlines()
    assert [line for line in lines if line.startswith(("WARNING forged", "ERROR forged", "  dataset   forged"))] == []
    assert [line for line in lines if "forged" in line]


def test_what_is_said_is_said_in_one_place() -> None:
    """Nothing else in cli/ writes to a stream."""
    writers = {"echo", "secho", "print", "write", "writelines", "echo_via_pager"}
    found = {
        f"{file.name}: {ast.unparse(node)}"
        for file in Path(crawler.cli.__file__).parent.glob("*.py")
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(node, ast.Call) and _name_of(node.func) in writers
    }
    assert found == {
        "text.py: click.echo(printable(text), err=err)",
        "text.py: click.echo(inert_json(data) if sys.stdout.isatty() else data)",
        "text.py: self._stream.write(inert_but_coloured(text))",
        "text.py: self.write(line)",
        "console.py: self._rich.print(one_line(line), markup=False, emoji=False, soft_wrap=True)",
    }


def _name_of(function: Any) -> str:
    return getattr(function, "attr", None) or getattr(function, "id", "")
