"""How a crawl ends: the exit codes, the limits, what raises, and signals."""

import signal
import time

import pytest

from crawler.cli.main import COMPLETE, FAILURES, INTERRUPTED, LIMIT, NOTHING_WORKED, USAGE, run
from crawler.cli.run import exit_code
from crawler.engine.crawl import Report
from crawler.engine.stats import Stats
from crawler.outcome import Failure

ONE = """
from crawler import Spider, Request, cpu_bound


class One(Spider):
    start_urls = ["{url}"]

    {body}
"""


def one(project, body, url=None):
    project.write("one.py", ONE.format(url=url or project.url, body=body))


def test_the_table_of_exit_codes():
    fetched, failed = Stats(pages=1), Stats(pages=1)
    failed.fail(Failure("http://a.example/", "http_404"))
    rejecting = Stats(pages=1, items=1, rejects=1)
    cases = [
        ("complete", fetched, False, COMPLETE),
        ("complete", fetched, True, COMPLETE),
        ("complete", failed, False, COMPLETE),
        ("complete", failed, True, FAILURES),
        ("complete", Stats(), True, NOTHING_WORKED),
        ("max_pages", failed, False, LIMIT),
        ("max_pages", failed, True, FAILURES),
        ("complete", rejecting, False, COMPLETE),
        ("complete", rejecting, True, FAILURES),
        ("complete", Stats(pages=1, rejects=2), False, NOTHING_WORKED),
        ("defect", fetched, False, NOTHING_WORKED),
        ("max_items", fetched, False, LIMIT),
        ("max_errors", fetched, False, NOTHING_WORKED),
        ("spider_failed", fetched, False, NOTHING_WORKED),
        ("output_failed", fetched, False, NOTHING_WORKED),
        ("output_closed", fetched, False, LIMIT),
        ("interrupted", Stats(), True, INTERRUPTED),
    ]
    assert [exit_code(Report(reason, stats), strict=strict) for reason, stats, strict, _ in cases] == [
        code for *_, code in cases
    ]


def test_a_complete_crawl_ends_with_0_though_pages_failed_and_with_4_if_strict(crawl, project):
    ended = crawl("books", "-o", "-")
    assert (ended.code, len(ended.items)) == (COMPLETE, 20)
    assert "http_404" in ended.err
    assert crawl("books", "-o", "-", "--strict").code == FAILURES


def test_strict_is_content_where_nothing_failed(crawl, project):
    one(project, 'def parse(self, page): yield {"url": page.url}')
    assert crawl("one.py", "-o", "-", "--strict").code == COMPLETE


@pytest.mark.parametrize("count", [1, 2, 7, 20])
def test_max_items_gives_exactly_as_many_lines(crawl, project, count):
    ended = crawl("books", "-o", "-", "--max-items", count)
    assert ended.code == LIMIT
    assert len(ended.items) == count
    assert "stopped at max_items in" in ended.err


@pytest.mark.parametrize("count", [1, 2, 7])
def test_max_pages_fetches_exactly_as_many_pages(crawl, project, count):
    one(project, 'def parse(self, page):\n        yield {"url": page.url}\n        yield from page.follow_all("a")')
    ended = crawl("one.py", "-o", "-", "--max-pages", count)
    assert ended.code == LIMIT
    assert len(ended.items) == count
    assert "stopped at max_pages in" in ended.err
    assert f"from {count} page" in ended.err


def test_a_limit_that_is_not_reached_is_a_complete_crawl(crawl, project):
    assert crawl("books", "-o", "-", "--max-items", 21).code == COMPLETE


def test_a_limit_may_be_a_setting_and_the_option_wins(crawl, project):
    assert len(crawl("books", "-o", "-", "--set", "max_items=3").items) == 3
    assert len(crawl("books", "-o", "-", "--set", "max_items=3", "--max-items", "2").items) == 2


def test_no_page_fetched_ends_with_1(crawl, project):
    one(project, "def parse(self, page): ...", url=project.url + "nowhere")
    ended = crawl("one.py", "-o", "a.jsonl")
    assert ended.code == NOTHING_WORKED
    assert "no page succeeded in" in ended.err
    assert "http_404" in ended.err


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("allowed_hosts = ['a.example']", "why       the start URLs are outside allowed_hosts"),
        ("start_urls = iter(())", "why       the spider gave no start URLs"),
        ("start_urls = ['PRIVATE']", "why       robots.txt forbids the start URLs"),
    ],
)
def test_nothing_fetched_is_explained(crawl, project, body, said):
    body = body.replace("PRIVATE", project.url + "private/stock-list.html")
    one(project, body + "\n    def parse(self, page): ...")
    ended = crawl("one.py", "-o", "-")
    assert ended.code == NOTHING_WORKED
    assert said in ended.err


def test_max_errors_ends_with_1(crawl, project):
    body = 'start_urls = [f"{url}?{{n}}" for n in range(9)]\n    def parse(self, page): 1 / 0'
    one(project, body.replace("{url}", project.url).replace("{{n}}", "{n}"))
    ended = crawl("one.py", "-o", "-", "--set", "max_errors=2", "--set", "concurrency=1")
    assert ended.code == NOTHING_WORKED
    assert "stopped: too many errors in the spider (max_errors)" in ended.err
    assert "ZeroDivisionError" in ended.err


@pytest.mark.parametrize("hook", ["opened", "start"])
@pytest.mark.parametrize("form", ["def", "async def"])
def test_a_hook_that_raises_is_shown_with_the_user_s_own_traceback(crawl, project, hook, form):
    one(project, f"{form} {hook}(self):\n        return 1 / 0\n    def parse(self, page): ...")
    ended = crawl("one.py", "-o", "a.jsonl", "-q")
    assert ended.code == NOTHING_WORKED
    assert f"crawl: One.{hook}() raised ZeroDivisionError: division by zero" in ended.err
    assert "return 1 / 0" in ended.err
    assert 'one.py", line 9, in ' in ended.err
    assert "/crawler/" not in ended.err


def test_what_start_gave_before_it_raised_is_crawled(crawl, project):
    body = "async def start(self):\n        yield Request(self.start_urls[0])\n        raise KeyError('more')"
    one(project, body + "\n    def parse(self, page): return {'url': page.url}")
    ended = crawl("one.py", "-o", "-")
    assert ended.code == NOTHING_WORKED
    assert len(ended.items) == 1
    assert "ended early: the spider's start() raised" in ended.err


def test_a_constructor_that_raises_is_a_usage_error_with_the_user_s_own_traceback(crawl, project):
    one(project, "def __init__(self):\n        raise ValueError('no such category')\n    def parse(self, page): ...")
    ended = crawl("one.py", "-o", "a.jsonl")
    assert ended.code == USAGE
    assert "raise ValueError('no such category')" in ended.err
    assert ended.err.endswith("crawl: One() raised ValueError: no such category\n")
    assert "/crawler/" not in ended.err
    assert project.files() == {"one.py"}


@pytest.mark.parametrize(
    ("body", "words", "said"),
    [
        ("def __init__(self, category): ...", (), "missing a required argument: 'category'. It takes: category"),
        (
            "def __init__(self, category=''): ...",
            ("-a", "categry=x"),
            "unexpected keyword argument 'categry'. Did you mean 'category'? It takes: category",
        ),
        ("def __init__(self): ...", ("-a", "x=y"), "unexpected keyword argument 'x'. It takes none"),
        ("start_urls = 'http://a.example/'", (), 'write a list of URLs: start_urls = ["http://a.example/"]'),
        ("allowed_hosts = 'a.example'", (), 'write a list: allowed_hosts = ["a.example"]'),
        ("start_urls = []", (), "One has nowhere to begin"),
        ("", (), "One has no parse method"),
        ("@cpu_bound\n    async def parse(self, page): ...", (), "One.parse is async and @cpu_bound"),
        ("@cpu_bound\n    async def parse(self, page): yield", (), "One.parse is async and @cpu_bound"),
        ("settings = ['delay']\n    def parse(self, page): ...", (), "One.settings is a dict"),
    ],
)
def test_a_spider_that_cannot_run_is_refused_before_anything_starts(crawl, project, body, words, said):
    one(project, body)
    ended = crawl("one.py", "-o", "a.jsonl", *words)
    assert ended.code == USAGE
    assert said in ended.err
    assert "Traceback" not in ended.err
    assert project.files() == {"one.py"}


def test_arguments_reach_the_spider(crawl, project):
    one(project, "def parse(self, page): return {'category': self.category, 'year': self.year}")
    ended = crawl("one.py", "-a", "category=a=b c", "-a", "year=1", "-a", "year=2", "-o", "-")
    assert ended.items == [{"category": "a=b c", "year": "2"}]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_crawl_and_saves_what_is_done(start, project, number):
    process = start("books", "-o", "a.jsonl", "--set", "delay=0.1")
    file = project.root / "a.jsonl"
    until = time.monotonic() + 10
    while not (file.exists() and file.stat().st_size) and time.monotonic() < until:
        time.sleep(0.01)
    process.send_signal(number)
    _, err = process.communicate(timeout=10)
    assert process.returncode == INTERRUPTED
    lines = project.lines("a.jsonl")
    assert 0 < len(lines) < 20
    assert len({line["url"] for line in lines}) == len(lines)
    assert "interrupted in" in err
    assert f"{len(lines)} item" in err
    assert "left " in err
    assert "Traceback" not in err


def test_a_signal_in_the_midst_of_a_page_lets_it_end(crawl, project):
    body = "def parse(self, page):\n        import os, signal\n        os.kill(os.getpid(), signal.SIGTERM)\n"
    one(project, body + "        yield {'url': page.url}\n        yield from page.follow_all('a')")
    ended = crawl("one.py", "-o", "-", "--set", "delay=0.3")
    assert (ended.code, len(ended.items)) == (INTERRUPTED, 1)
    assert "stopping; Ctrl-C again ends at once" in ended.err
    assert "left " in ended.err


def test_the_first_interrupt_says_what_it_waits_for_and_the_second_one_ends_at_once(start, project, silent_host):
    one(project, "def parse(self, page): ...", url=silent_host.url)
    process = start("one.py", "-o", "a.jsonl")
    silent_host.until_asked()
    process.send_signal(signal.SIGINT)
    assert process.stderr.readline() == "stopping: 1 page still running, at most 10 s; Ctrl-C again ends at once\n"
    begun = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=10)
    assert process.returncode == INTERRUPTED
    assert time.monotonic() - begun < 2
    assert err == "\nended at once; what was saved before is whole\n"


def test_an_interrupt_ends_even_a_callback_that_never_returns(start, project):
    one(project, "def parse(self, page):\n        self.logger.warning('in it')\n        while True: pass")
    process = start("one.py", "-o", "a.jsonl")
    assert process.stderr.readline() == "WARNING in it\n"
    process.send_signal(signal.SIGINT)
    time.sleep(0.1)  # two signals at once are one
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=10)
    assert process.returncode == INTERRUPTED


def test_pages_that_do_not_end_within_the_grace_are_given_up(start, project, silent_host):
    one(project, "def parse(self, page): ...", url=silent_host.url)
    process = start("one.py", "-o", "a.jsonl", "--set", "grace=0.1")
    silent_host.until_asked()
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=10)
    assert process.returncode == INTERRUPTED
    assert "interrupted in" in err
    assert "left      1 request not fetched" in err
    assert "why" not in err


def test_a_crawl_leaves_the_process_as_it_was(project, capfd):
    """Twice in one process: no handler of a signal or of the log stays behind."""
    import logging

    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    for _ in range(2):
        assert run(["books", "-o", "-", "-q", "--max-pages", "1"]) == LIMIT
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before
    for name in ("crawler", "spider"):
        assert logging.getLogger(name).handlers == []
        assert logging.getLogger(name).propagate
