"""What a person sees: the live line, the plain line, the summary; and what a page must not do to the terminal."""

import fcntl
import io
import logging
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from types import SimpleNamespace

import pytest

from crawler.cli import console as console_module
from crawler.cli.console import Console
from crawler.cli.main import INTERRUPTED, LIMIT
from crawler.engine.crawl import Report
from crawler.engine.stats import Stats
from crawler.export.formats import JsonLines
from crawler.export.sink import FileSink, LazySink
from crawler.outcome import Failure

LINE = re.compile(r"books  \d+\.\d s  pages (\d+)  items (\d+)  [\d.]+ pages/s  errors \d+  waiting \d+  hosts \d+")
EVIL = "\x1b[31mred\x07\x9b2J\u202e\u2028"


class Terminal:
    """A process whose standard error is a terminal."""

    def __init__(self, start, *arguments, stdout_too=False, columns=200, env=None):
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        stdout = slave if stdout_too else subprocess.PIPE
        environment = {"TERM": "xterm-256color", **(env or {})}
        self.process = start(*arguments, stderr=slave, stdout=stdout, env=environment)
        os.close(slave)
        self.seen = ""

    def read_until(self, found, seconds=10.0):
        """Read until *found* is true of what has been seen, or the process ended."""
        until = time.monotonic() + seconds
        while not found(self.seen):
            assert time.monotonic() < until, self.seen
            if select.select([self._master], [], [], 0.05)[0]:
                try:
                    chunk = os.read(self._master, 65536)
                except OSError:  # the other end was closed
                    return self.seen
                self.seen += chunk.decode("utf-8", "replace")
        return self.seen

    def read_all(self):
        self.read_until(lambda _: False)
        self.process.wait(10)
        os.close(self._master)
        return self.seen


def crawl_of(**stats):
    frontier = SimpleNamespace(waiting=12_345, hosts=2, leased=3)
    return SimpleNamespace(spider=SimpleNamespace(name="books"), stats=Stats(**stats), frontier=frontier)


def test_the_line_shows_pages_items_rate_errors_waiting_and_hosts():
    crawl = crawl_of(started=time.monotonic() - 125, pages=1_000, items=990)
    crawl.stats.fail(Failure("http://a.example/", "timeout"))
    line = Console()._line(crawl)
    assert line == "books  2 min 05 s  pages 1,000  items 990  8.0 pages/s  errors 1  waiting 12,345  hosts 2"


def test_the_rate_is_that_of_the_last_moments(monkeypatch):
    rate = console_module._Rate()
    looks = [(0.0, 0), (10.0, 100), (10.2, 104), (10.4, 108)]
    shown = [
        rate.of(SimpleNamespace(seconds=seconds, pages=pages, rate=pages / seconds if seconds else 0.0))
        for seconds, pages in looks
    ]
    assert shown[0] == 0
    for place in range(30):
        last = rate.of(SimpleNamespace(seconds=11 + place / 5, pages=200 + place * 4))
    assert last == pytest.approx(20)


def test_elsewhere_than_on_a_terminal_a_plain_line_comes_now_and_then(crawl, project, monkeypatch):
    monkeypatch.setattr(console_module, "_PLAIN_SECONDS", 0.05)
    ended = crawl("books", "-o", "-", "--set", "delay=0.02", "--max-pages", "10")
    lines = [line for line in ended.err.splitlines() if LINE.fullmatch(line)]
    assert len(lines) >= 2
    assert "\x1b" not in ended.err
    assert "\r" not in ended.err


def test_colour_that_is_forced_makes_no_terminal(crawl_apart, project):
    """A build server that forces colour keeps a log, which no line can be cleared in."""
    ended = crawl_apart("books", "-o", "-", "--max-pages", "2", env={"FORCE_COLOR": "1", "TTY_COMPATIBLE": "1"})
    assert "\x1b" not in ended.err


@pytest.mark.parametrize("words", [("-q",), ("--quiet",), ("-q", "-v")])
def test_quiet_says_nothing(crawl, project, words):
    ended = crawl("books", "-o", "a.jsonl", "--set", "delay=0.01", "--max-pages", "5", *words)
    assert (ended.code, ended.out) == (LIMIT, "")
    assert [line for line in ended.err.splitlines() if not line.startswith("INFO ")] == []


def test_verbose_tells_each_failure(crawl, project):
    assert "INFO " not in crawl("books", "-o", "-").err
    err = crawl("books", "-o", "-", "-v").err
    assert re.search(r"INFO .*the-vanished-almanac.* failed: answered 404", err)
    assert crawl("books", "-o", "-", "-vv").code == 0


@pytest.mark.parametrize("env", [{}, {"NO_COLOR": "1"}])
def test_on_a_terminal_one_line_is_kept_up_to_date(start, project, env):
    terminal = Terminal(start, "books", "-o", "a.jsonl", "--set", "delay=0.02", env=env)
    seen = terminal.read_all()
    shown = LINE.findall(seen)
    assert len(shown) >= 2
    assert int(shown[-1][0]) > int(shown[0][0])
    assert "complete in" in seen
    assert "dataset   a.jsonl (20 items" in seen
    last = seen.rpartition("pages/s  errors")[2]
    assert "\x1b[2K" in last  # the line is gone before the summary comes
    assert re.search(r"\x1b\[[\d;]*m", seen) is None
    assert "\x1b[?25l" not in last


def test_on_a_narrow_terminal_the_line_is_cut(start, project):
    terminal = Terminal(start, "books", "-o", "a.jsonl", "--set", "delay=0.02", columns=30)
    seen = terminal.read_all()
    lines = [line for line in re.split(r"[\r\n]|\x1b\[\S*?[A-Za-z]", seen) if line.startswith("books  ")]
    assert lines
    assert max(map(len, lines)) <= 30
    assert "…" in lines[-1]


def test_a_dumb_terminal_gets_no_live_line(start, project):
    terminal = Terminal(start, "books", "-o", "a.jsonl", "--max-pages", "3", env={"TERM": "dumb"})
    assert "\x1b" not in terminal.read_all()


def test_quiet_is_silent_on_a_terminal(start, project):
    terminal = Terminal(start, "books", "-o", "a.jsonl", "-q", "--set", "delay=0.01", "--max-pages", "20")
    assert terminal.read_all() == ""


def test_print_in_a_spider_goes_where_the_user_sent_standard_output(start, project):
    text = (project.root / "spiders/books.py").read_text()
    project.write(
        "spiders/books.py", text.replace("def parse(self, page):", "def parse(self, page):\n        print('hello')")
    )
    terminal = Terminal(start, "books", "-o", "a.jsonl")
    seen = terminal.read_all()
    assert "hello" not in seen
    assert terminal.process.stdout.read().splitlines() == ["hello"] * 33


def test_print_in_a_spider_does_not_garble_the_line_on_a_shared_terminal(start, project):
    text = (project.root / "spiders/books.py").read_text()
    project.write(
        "spiders/books.py", text.replace("def parse(self, page):", "def parse(self, page):\n        print('hello')")
    )
    terminal = Terminal(start, "books", "-o", "a.jsonl", "--max-pages", "5", stdout_too=True)
    assert re.findall(r"(?m)^.*hello.*$", terminal.read_all())


def test_a_second_interrupt_leaves_the_cursor_visible(start, project, silent_host):
    project.write(
        "spiders/books.py", (project.root / "spiders/books.py").read_text().replace(project.url, silent_host.url)
    )
    terminal = Terminal(start, "books", "-o", "a.jsonl")
    terminal.read_until(LINE.search)
    terminal.process.send_signal(signal.SIGINT)
    terminal.read_until(lambda seen: "stopping: 1 page still running" in seen)
    terminal.process.send_signal(signal.SIGINT)
    seen = terminal.read_all()
    assert terminal.process.returncode == INTERRUPTED
    assert seen.rfind("\x1b[?25h") >= seen.rfind("\x1b[?25l")


def test_what_a_page_holds_does_not_reach_the_terminal_raw(crawl, project, serve):
    url = serve({"/": "<title>&#27;]0;evil&#7;</title>", "/\u202e": "x"})
    text = f'''
from crawler import Spider
class Evil(Spider):
    start_urls = ["{url}"]
    def parse(self, page):
        title = page.css("title::text").get() + {EVIL!r}
        self.logger.warning("title %s", title)
        try:
            raise KeyError(title)
        except KeyError:
            self.logger.exception("again")
        raise ValueError(title)
'''
    project.write("evil.py", text)
    err = crawl("evil.py", "-o", "-").err
    assert err.count("ValueError") >= 2
    assert "\\x1b" in err
    assert [character for character in "\x1b\x07\x9b\u202e\u2028" if character in err] == []


def test_what_opened_raises_does_not_reach_the_terminal_raw(crawl, project):
    body = f"from crawler import Spider\nclass Evil(Spider):\n    start_urls = ['{project.url}']\n"
    body += f"    def parse(self, page): ...\n    def opened(self):\n        raise ValueError({EVIL!r})\n"
    project.write("evil.py", body)
    err = crawl("evil.py", "-o", "-").err
    assert "ValueError" in err
    assert "\x1b" not in err


def stats_of_a_rich_crawl():
    stats = Stats(started=time.monotonic() - 8.3, pages=1_240, items=1_000, bytes=12_345_678)
    for number in range(5):
        referrer = "http://a.example/" if number == 0 else ""
        stats.fail(Failure(f"http://a.example/{number}\x1b", "http_404", "answered 404", 404, 1, referrer))
    stats.fail(Failure("http://b.example/", "timeout", "no complete answer in time"))
    stats.skip("robots", "http://a.example/private")
    stats.skip("out_of_scope", "http://c.example/")
    stats.skip("out_of_scope", "http://c.example/2")
    stats.reject("Book", "price", "expected float")
    return stats


def test_the_summary_has_everything_in_its_place(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.jsonl").write_bytes(b"x" * 3_500)
    file = FileSink(tmp_path / "a.jsonl", JsonLines(), "new", syncs=False)
    path = tmp_path / "a.rejects.jsonl"
    rejects = LazySink(path, JsonLines(), "overwrite", syncs=False)
    Console().summarize(Report("max_pages", stats_of_a_rich_crawl(), waiting=7), [file, rejects])
    first, *others = capsys.readouterr().err.splitlines()
    assert re.fullmatch(
        r"stopped at max_pages in \d+\.\d s: 1,000 items from 1,240 pages \(1\d\d\.\d pages/s, 12\.3 MB\)", first
    )
    assert others == [
        "  dataset   a.jsonl (1,000 items, 3.5 kB)",
        "  rejected  1 item in a.rejects.jsonl",
        "                 1  Book.price: expected float",
        "  failed    6 pages",
        "                 5  http_404            http://a.example/0\\x1b  (on http://a.example/)",
        "                                        http://a.example/1\\x1b",
        "                                        http://a.example/2\\x1b",
        "                 1  timeout             http://b.example/",
        "                                        no complete answer in time",
        "  skipped   2 links outside allowed_hosts, e.g. http://c.example/",
        "  skipped   1 link forbidden by robots.txt, e.g. http://a.example/private",
        "  left      7 requests not fetched; the next run begins anew",
    ]


def test_every_way_to_end_has_words_of_its_own(capsys):
    words = set()
    for reason in (
        "complete",
        "max_pages",
        "max_items",
        "max_errors",
        "interrupted",
        "output_closed",
        "output_failed",
        "spider_failed",
    ):
        Console().summarize(Report(reason, Stats(pages=1)), [SimpleNamespace(name="-"), SimpleNamespace(name="x")])
        words.add(capsys.readouterr().err.partition(" in ")[0])
    assert len(words) == 8
    assert not [word for word in words if "_" in word.replace("max_", "")]


def test_the_log_of_the_process_is_given_back(capsys):
    with Console():
        logging.getLogger("spider.x").warning("within")
    assert capsys.readouterr().err == "WARNING within\n"
    for name in ("crawler", "spider"):
        logger = logging.getLogger(name)
        assert (logger.handlers, logger.level, logger.propagate) == ([], logging.NOTSET, True)


def test_on_a_terminal_the_log_goes_through_the_live_line(monkeypatch):
    class Screen(io.StringIO):
        def isatty(self):
            return True

    screen = Screen()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("TERM", "xterm")
    with Console():
        logging.getLogger("crawler").warning("careful\x1b")
    assert "careful\\x1b" in screen.getvalue()
