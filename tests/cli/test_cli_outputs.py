"""Where the data goes: default names, -o, what exists already, standard output, rejects, and a disk that is full."""

import re
import time
from pathlib import Path

import pytest

from crawler.cli.main import COMPLETE, NOTHING_WORKED, USAGE
from crawler.export.formats import FORMATS

TYPED = """
from dataclasses import dataclass
from crawler import Spider


@dataclass
class Book:
    title: str
    price: float


class Typed(Spider):
    start_urls = ["{url}"]

    def parse(self, page):
        if page.css(".product_main"):
            title = page.css("h1::text").get()
            yield Book(title, 9.5 if page.css("a[href*=vanished]") else "dear")
        yield from page.follow_all("a")
"""


def wait_for(condition, seconds=10.0):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.01)


def test_without_an_output_the_dataset_has_the_spider_s_name_and_the_time(crawl, project):
    assert crawl("books", "-q").code == 0
    assert crawl("books", "-q").code == 0
    names = sorted(project.files())
    assert len(names) == 2
    assert all(re.fullmatch(r"datasets/books-\d{8}T\d{6}(-2)?\.jsonl", name) for name in names)
    assert [len(project.lines(name)) for name in names] == [20, 20]


def test_the_output_setting_names_the_dataset_beside_config_toml(crawl, project):
    project.write("config.toml", '[project]\noutput = "made/{spider}.jsonl"')
    assert crawl("books", "-q").code == 0
    assert project.files() == {"made/books.jsonl"}


@pytest.mark.parametrize("pattern", ["{0}.jsonl", "{spider.x}.jsonl", "{.jsonl"])
def test_an_output_setting_with_an_unknown_blank_is_refused(crawl, project, pattern):
    ended = crawl("books", "--set", f"output={pattern}")
    assert ended.code == USAGE
    assert "{spider}, {started}, {item}, {part} and {FIELD} are filled in" in ended.err


def test_every_output_gets_every_item(crawl, project):
    ended = crawl("books", "-o", "a.jsonl", "-o", "deep/er/b.jsonl", "-o", "-", "-o", "a.jsonl")
    assert ended.code == 0
    assert project.files() == {"a.jsonl", "deep/er/b.jsonl"}
    assert project.lines("a.jsonl") == project.lines("deep/er/b.jsonl") == ended.items
    assert len(ended.items) == 20


def test_a_file_that_exists_is_refused_and_left_alone(crawl, project):
    project.write("a.jsonl", "old\n")
    ended = crawl("books", "-o", "new.jsonl", "-o", "a.jsonl")
    assert ended.code == USAGE
    assert ended.err == "crawl: a.jsonl exists already: --overwrite replaces it, --append adds to it\n"
    assert (project.root / "a.jsonl").read_text() == "old\n"
    assert project.files() == {"a.jsonl"}


def test_overwrite_replaces(crawl, project):
    project.write("a.jsonl", '"old"\n' * 1000)
    assert crawl("books", "-o", "a.jsonl", "--overwrite", "-q").code == 0
    assert len(project.lines("a.jsonl")) == 20


@pytest.mark.parametrize("old", ['"old"\n', '"old"'])
def test_append_continues_also_behind_a_line_without_its_end(crawl, project, old):
    project.write("a.jsonl", old)
    assert crawl("books", "-o", "a.jsonl", "--append", "-q").code == 0
    lines = project.lines("a.jsonl")
    assert lines[0] == "old"
    assert len(lines) == 21


def test_append_makes_the_file_where_there_is_none(crawl, project):
    assert crawl("books", "-o", "a.jsonl", "--append", "-q").code == 0
    assert len(project.lines("a.jsonl")) == 20


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("a.txt", f"a.txt: no format has the ending '.txt'; there are {', '.join(FORMATS)}"),
        ("a", "a: the ending names the format, as in a.jsonl"),
        (".", ". is a directory; name a file in it, as in -o items.jsonl"),
        ("spiders", "spiders is a directory; name a file in it, as in -o spiders/items.jsonl"),
    ],
)
def test_an_output_that_names_no_file_of_a_known_format_is_refused(crawl, project, name, said):
    ended = crawl("books", "-o", name)
    assert (ended.code, ended.err) == (USAGE, f"crawl: {said}\n")
    assert project.files() == set()


@pytest.mark.parametrize("name", ["/dev/null/a.jsonl", "config.toml/deep/a.jsonl", "/proc/nosuch/a.jsonl"])
def test_an_output_that_cannot_be_created_is_one_clear_error(crawl_apart, project, name):
    ended = crawl_apart("books", "-o", name)
    assert ended.code == USAGE
    assert f"crawl: cannot create the folder {Path(name).parent}: " in ended.err
    assert "Traceback" not in ended.err
    assert project.files() == set()


def test_standard_output_holds_data_and_nothing_else(crawl_apart, project):
    text = f'''
import os, subprocess
from crawler import Spider, cpu_bound
print("on import")

class Loud(Spider):
    start_urls = ["{project.url}"]
    settings = {{"parse_processes": 1}}

    def __init__(self):
        super().__init__()
        print("on construction")

    def opened(self):
        os.write(1, b"past python\\n")
        subprocess.run(["echo", "from a child"])

    def parse(self, page):
        print("in parse")
        self.logger.warning("in the log")
        yield page.follow("/about.html", callback="heavy")
        yield {{"url": page.url}}

    @cpu_bound
    def heavy(self, page):
        print("in a parse process", flush=True)
        return {{"status": page.status}}
'''
    project.write("loud.py", text)
    ended = crawl_apart("loud.py", "-o", "-")
    assert ended.code == 0
    assert ended.items == [{"url": project.url}, {"status": 200}]
    said = ("on import", "on construction", "past python", "from a child", "in parse", "WARNING in the log")
    assert [words for words in (*said, "in a parse process") if words not in ended.err] == []


def test_a_reader_that_goes_away_ends_the_crawl_quietly(start, project):
    process = start("books", "-o", "-", "--set", "delay=0.02")
    assert process.stdout.readline().startswith('{"url"')
    process.stdout.close()
    err = process.stderr.read()
    assert process.wait(10) == 3
    assert "the reader of standard output went away" in err
    assert "Traceback" not in err
    assert "Exception" not in err
    assert err.count("went away") == 1


def test_standard_output_that_is_closed_is_a_usage_error(crawl_apart, project):
    ended = crawl_apart("books", "-o", "-", before=["sh", "-c", 'exec "$@" >&-', "sh"])
    assert ended.code == USAGE
    assert "crawl: -o - writes to standard output, which is closed here" in ended.err


def test_the_dataset_grows_while_the_crawl_runs(start, project):
    process = start("books", "-o", "a.jsonl", "--set", "delay=0.1", "-q")
    file = project.root / "a.jsonl"
    wait_for(lambda: file.exists() and file.stat().st_size > 0)
    assert process.poll() is None
    assert file.read_bytes().endswith(b"}\n")


def test_text_is_written_as_it_is_but_for_what_would_tear_its_line(crawl, project, serve):
    url = serve({"/": "<h1>Zürich, 東京 🎈 &lt;b&gt; \u2028</h1>"})
    project.write("spiders/books.py", (project.root / "spiders/books.py").read_text().replace(project.url, url))
    text = project.root / "spiders/books.py"
    text.write_text(text.read_text().replace(".product_main", "h1"))
    assert crawl("books", "-o", "a.jsonl", "-q").code == 0
    expected = f'{{"url":"{url}","title":"Zürich, 東京 🎈 <b> \\u2028"}}\n'
    assert (project.root / "a.jsonl").read_bytes() == expected.encode()


def test_rejects_are_written_beside_the_dataset_with_their_reason(crawl, project):
    project.write("typed.py", TYPED.format(url=project.url))
    ended = crawl("typed.py", "-o", "deep/a.jsonl")
    assert ended.code == 0
    assert project.files() == {"typed.py", "deep/a.jsonl", "deep/a.rejects.jsonl"}
    assert [item["price"] for item in project.lines("deep/a.jsonl")] == [9.5]
    rejects = project.lines("deep/a.rejects.jsonl")
    assert len(rejects) == 19
    assert {(reject["item_type"], reject["field"], reject["values"]["price"]) for reject in rejects} == {
        ("Book", "price", "dear")
    }
    assert all(reject["url"].startswith(project.url) and reject["reason"] for reject in rejects)
    assert "rejected  19 items in deep/a.rejects.jsonl" in ended.err
    assert "Book.price" in ended.err


def test_rejects_of_an_earlier_crawl_are_removed_with_its_dataset(crawl, project):
    project.write("a.jsonl", "")
    project.write("a.rejects.jsonl", "{}\n")
    assert crawl("books", "-o", "a.jsonl").code == USAGE
    assert project.files() == {"a.jsonl", "a.rejects.jsonl"}
    assert crawl("books", "-o", "a.jsonl", "--overwrite", "-q").code == 0
    assert project.files() == {"a.jsonl"}


def test_rejects_are_continued_where_the_dataset_is(crawl, project):
    project.write("typed.py", TYPED.format(url=project.url))
    project.write("a.rejects.jsonl", "{}\n")
    assert crawl("typed.py", "-o", "a.jsonl", "--append", "-q").code == 0
    assert len(project.lines("a.rejects.jsonl")) == 20


def test_rejects_of_data_on_standard_output_have_a_file_in_the_usual_place(crawl, project):
    project.write("typed.py", TYPED.format(url=project.url))
    ended = crawl("typed.py", "-o", "-")
    [rejects] = project.files() - {"typed.py"}
    assert re.fullmatch(r"datasets/typed-\d{8}T\d{6}\.rejects\.jsonl", rejects)
    assert len(project.lines(rejects)) == 19
    assert len(ended.items) == 1


def test_a_device_takes_data_under_any_name(crawl, project):
    ended = crawl("books", "-o", "/dev/null")
    assert ended.code == 0
    assert "dataset   /dev/null (20 items)" in ended.err
    assert project.files() == set()


def test_a_named_pipe_takes_data(start, project):
    import os

    os.mkfifo(project.root / "pipe")
    process = start("books", "-o", "pipe", "-q")
    with (project.root / "pipe").open() as pipe:
        assert len(pipe.read().splitlines()) == 20
    assert process.wait(10) == 0


def test_a_full_disk_is_one_clear_error(crawl, project):
    ended = crawl("books", "-o", "/dev/full")
    assert ended.code == NOTHING_WORKED
    assert ended.err.startswith("crawl: cannot write /dev/full: No space left on device\n")
    assert "stopped: the dataset cannot be written" in ended.err
    assert "Traceback" not in ended.err


def test_a_full_disk_behind_standard_output_is_one_clear_error(crawl_apart, project):
    with open("/dev/full", "wb") as full:
        ended = crawl_apart("books", "-o", "-", stdout=full)
    assert ended.code == NOTHING_WORKED
    assert "crawl: cannot write standard output: No space left on device" in ended.err
    assert "Traceback" not in ended.err


def test_a_disk_that_becomes_full_leaves_whole_lines_alone(crawl_apart, project):
    unmeasured = ["env", "-u", "COVERAGE_PROCESS_CONFIG", "-u", "COVERAGE_PROCESS_START"]  # its file would not fit
    limit = [*unmeasured, "sh", "-c", 'ulimit -f 1; exec "$@"', "sh"]  # one block: 512 bytes or 1 KiB
    options = ["--set", "commit_size=1", "--set", "concurrency=1"]  # or the first group might not fit
    options += ["--set", "store=memory"]  # the state of the job alone would not fit
    ended = crawl_apart("books", "-o", "a.jsonl", *options, before=limit)
    assert ended.code == NOTHING_WORKED
    saved = (project.root / "a.jsonl").read_bytes()
    assert 0 < len(saved) <= 1024
    assert len(project.lines("a.jsonl")) == saved.count(b"\n") > 0
    assert "crawl: cannot write a.jsonl: File too large" in ended.err
    assert f"; what was saved before is whole ({len(saved)} bytes)" in ended.err
    assert "Traceback" not in ended.err


def test_one_file_under_two_names_has_one_owner(crawl, project):
    assert crawl("books", "-o", "a.jsonl", "-o", "./a.jsonl", "-q").code == COMPLETE
    assert len(project.lines("a.jsonl")) == 20


def test_an_output_where_the_rejects_would_go_is_refused(crawl, project):
    ended = crawl("books", "-o", "a.jsonl", "-o", "a.rejects.jsonl")
    assert ended.code == USAGE
    assert "that is where the rejects of a.jsonl go" in ended.err


@pytest.mark.parametrize("option", ["--overwrite", "--append"])
def test_a_directory_where_the_rejects_would_go_is_refused(crawl, project, option):
    (project.root / "a.rejects.jsonl").mkdir()
    ended = crawl("books", "-o", "a.jsonl", option)
    assert ended.code == USAGE
    assert "a.rejects.jsonl is a directory" in ended.err
