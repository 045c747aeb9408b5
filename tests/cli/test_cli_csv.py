"""``-o items.csv``: a table at the end of a crawl, however it ends, and the same one after whatever has happened."""

import csv
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from crawler.cli.main import COMPLETE, LIMIT, USAGE

VARIED = """
from crawler import Spider


class Varied(Spider):
    name = "varied"
    start_urls = ["{url}"]

    def parse(self, page):
        if page.css(".product_main"):
            yield {{"url": page.url, "title": "=" + page.css("h1::text").get(), "tags": ["a"]}}
        else:
            yield {{"listing": page.url}}
        yield from page.follow_all("a")
"""


def cells(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file, strict=True))


@pytest.fixture
def varied(project: Any) -> Any:
    project.write("spiders/varied.py", VARIED.format(url=project.url))
    return project


def files(project: Any) -> set[str]:
    return project.files() - {"spiders/varied.py"}


def rows_of(project: Any, name: str = "a.csv") -> list[str]:
    """Which pages the table has, and that each is there once."""
    header, *rows = cells(project.root / name)
    assert sorted(header) == ["listing", "tags", "title", "url"]
    places = header.index("url"), header.index("listing")
    urls = [row[places[0]] or row[places[1]] for row in rows]
    assert len(urls) == len(set(urls))
    return sorted(urls)


def test_a_table_has_every_field_and_every_item(crawl, varied):
    ended = crawl("varied", "-o", "a.csv", "-o", "a.jsonl")
    assert ended.code == COMPLETE
    assert "dataset   a.csv (" in ended.err
    assert files(varied) == {"a.csv", "a.jsonl"}
    items = varied.lines("a.jsonl")
    assert rows_of(varied) == sorted(item.get("url") or item["listing"] for item in items)
    titles = [cell for row in cells(varied.root / "a.csv") for cell in row if "=" in cell]
    assert len(titles) == 20
    assert all(title.startswith("'=") for title in titles)


def test_formulas_are_written_as_they_are_where_that_is_asked_for(crawl, varied):
    assert crawl("varied", "-o", "a.csv", "-q", "--set", "csv_safe=false").code == COMPLETE
    assert len([cell for row in cells(varied.root / "a.csv") for cell in row if cell.startswith("=")]) == 20


def test_the_output_setting_may_name_a_table(crawl, varied):
    varied.write("config.toml", '[project]\noutput = "made/{spider}.csv"')
    assert crawl("varied", "-q").code == COMPLETE
    assert files(varied) == {"made/varied.csv"}


def test_a_limit_gives_a_table_and_the_resume_the_whole_one(crawl, varied):
    assert crawl("varied", "-o", "a.csv", "--max-pages", "5", "-q").code == LIMIT
    some = rows_of_any(varied)
    assert 0 < len(some) <= 5
    assert crawl("varied", "--resume", "-q", "--set", "max_pages=unset").code == COMPLETE
    assert crawl("varied", "-o", "whole.csv", "-q", "--fresh").code == COMPLETE
    assert rows_of(varied) == rows_of(varied, "whole.csv")


def rows_of_any(project: Any) -> list[list[str]]:
    return cells(project.root / "a.csv")[1:]


def test_what_exists_is_refused_replaced_or_added_to(crawl, varied):
    varied.write("a.csv", "url,mine\r\nhttp://old.example/,=1\r\n")
    ended = crawl("varied", "-o", "a.csv")
    assert (ended.code, ended.err) == (
        USAGE,
        "crawl: a.csv exists already: --overwrite replaces it, --append adds to it\n",
    )
    assert crawl("varied", "-o", "a.csv", "--append", "-q").code == COMPLETE
    header, first, *_ = cells(varied.root / "a.csv")
    assert header[:2] == ["url", "mine"]
    assert first[:2] == ["http://old.example/", "=1"]
    assert crawl("varied", "-o", "a.csv", "--overwrite", "-q").code == COMPLETE
    assert "mine" not in cells(varied.root / "a.csv")[0]


def test_standard_output_goes_on_where_its_reader_went_away_and_the_table_is_made(start, varied):
    process = start("varied", "-o", "-", "-o", "a.csv", "-q", "--set", "delay=0.02")
    process.stdout.readline()
    process.stdout.close()
    assert process.wait(20) == LIMIT
    assert rows_of_any(varied)


def test_a_pipe_takes_no_table(crawl, varied):
    os.mkfifo(varied.root / "pipe.csv")
    ended = crawl("varied", "-o", "pipe.csv")
    assert ended.code == USAGE
    assert ended.err == (
        "crawl: -o pipe.csv: a .csv is made at the end, of a file; a device or a pipe takes JSON lines\n"
    )


def test_a_table_that_somebody_changed_is_left_alone(crawl, varied):
    assert crawl("varied", "-o", "a.csv", "--max-pages", "5", "-q").code == LIMIT
    table = varied.root / "a.csv"
    later = table.stat().st_mtime_ns + 10**9
    table.write_text("mine\n")
    os.utime(table, ns=(later, later))
    ended = crawl("varied", "--resume")
    assert ended.code == USAGE
    assert "a.csv was changed since this job made it" in ended.err
    assert table.read_text() == "mine\n"


def test_a_resume_that_is_refused_leaves_the_job_as_it_was(crawl, varied):
    assert crawl("varied", "-o", "a.csv", "--max-pages", "5", "-q").code == LIMIT
    table = varied.root / "a.csv"
    made, whole = table.stat(), table.read_bytes()
    table.write_text("mine\n")
    os.utime(table, ns=(made.st_mtime_ns + 10**9,) * 2)
    jobs = crawl("jobs").out
    assert "stopped at max_pages" in jobs

    for _ in range(2):
        assert crawl("varied", "--resume", "--max-pages", "7").code == USAGE
        state = crawl("jobs").out
        assert [line for line in state.splitlines() if "; state " not in line] == [
            line for line in jobs.splitlines() if "; state " not in line
        ]

    table.write_bytes(whole)
    os.utime(table, ns=(made.st_mtime_ns,) * 2)
    assert crawl("varied", "--resume", "-q").code == COMPLETE


def test_a_header_that_is_made_inert_is_one_column_however_often_it_is_added_to(crawl, varied):
    varied.write("spiders/varied.py", VARIED.format(url=varied.url).replace('"title"', '"=key"'))
    for _ in range(3):
        assert crawl("varied", "-o", "k.csv", "--append", "-q").code == COMPLETE
    header, *rows = cells(varied.root / "k.csv")
    assert sorted(header) == ["'=key", "listing", "tags", "url"]
    assert sum(row[header.index("'=key")].startswith("'=") for row in rows) == 60


def test_an_interrupted_crawl_has_a_table(start, varied):
    process = start("varied", "-o", "a.csv", "-q", "--set", "delay=0.05", "--set", "concurrency=1")
    wait_for(lambda: spools(varied) and spools(varied)[0].stat().st_size > 200)
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 130
    assert rows_of_any(varied)


def test_a_job_that_died_and_is_given_up_has_a_table_too(start, crawl, varied):
    process = start("varied", "-o", "a.csv", "-q", "--set", "delay=0.05", "--set", "concurrency=1")
    wait_for(lambda: spools(varied) and spools(varied)[0].stat().st_size > 200)
    process.kill()
    process.wait(20)
    assert (varied.root / "a.csv").read_bytes() == b""
    assert crawl("varied", "-o", "b.csv", "--fresh", "-q").code == COMPLETE
    assert rows_of_any(varied)
    assert len(spools(varied)) == 1


def spools(project: Any) -> list[Path]:
    return list((project.root / ".crawl" / "varied").glob("*.part"))


def wait_for(condition: Any, seconds: float = 20.0) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.01)


def test_a_job_that_does_not_begin_leaves_nothing(crawl, varied):
    (varied.root / "b.csv").mkdir()
    ended = crawl("varied", "-o", "a.csv", "-o", "b.csv")
    assert ended.code == USAGE
    varied.write(
        "spiders/varied.py", VARIED.format(url=varied.url) + "    def opened(self):\n        raise ValueError\n"
    )
    assert crawl("varied", "-o", "a.csv").code != COMPLETE
    assert files(varied) == set()
    assert not spools(varied)


def test_run_from_python_writes_a_table_without_a_job(varied):
    from crawler import CannedFetcher, Spider, run

    class Small(Spider):
        start_urls = ("http://a.example/",)

        def parse(self, page):
            yield {"title": page.css("h1::text").get()}

    run(Small, output="small.csv", fetcher=CannedFetcher({"http://a.example/": "<h1>@SUM(1)</h1>"}))
    assert cells(varied.root / "small.csv") == [["title"], ["'@SUM(1)"]]
    assert files(varied) == {"small.csv"}
