"""Spiders in files: found by name, by path, by class; broken ones; `crawl list` and `crawl new`."""

import subprocess
import sys
from pathlib import Path

import pytest

from crawler.cli.main import COMMANDS, USAGE

TWO = """
from crawler import Spider


class _Hidden(Spider):
    pass


class Shelf(Spider):
    start_urls = ["{url}"]

    def parse(self, page):
        yield {{"spider": type(self).__name__}}


class Upper(Shelf):
    pass


class Lower(Shelf):
    name = "below"
"""


def frames(err: str) -> list[str]:
    return [line.strip() for line in err.splitlines() if line.startswith('  File "')]


def test_a_file_with_one_spider_needs_no_more_than_its_path(crawl, project):
    ended = crawl("spiders/books.py", "-o", "-", "-q")
    assert ended.code == 0
    assert len(ended.items) == 20


@pytest.mark.parametrize(("asked", "made"), [("Upper", "Upper"), ("below", "Lower"), ("Shelf", "Shelf")])
def test_a_class_is_picked_out_of_a_file(crawl, project, asked, made):
    project.write("two.py", TWO.format(url=project.url))
    assert crawl(f"two.py:{asked}", "-o", "-", "-q").items == [{"spider": made}]


def test_a_file_with_several_spiders_asks_which_one_and_leaves_their_base_out(crawl, project):
    project.write("two.py", TWO.format(url=project.url))
    ended = crawl("two.py")
    assert ended.code == USAGE
    assert ended.err == (
        "crawl: two.py holds 3 spiders. Say which one you mean:\n"
        "  crawl two.py:_Hidden\n  crawl two.py:Upper\n  crawl two.py:Lower\n"
    )


def test_a_class_that_is_not_in_the_file_is_answered_with_the_nearest(crawl, project):
    project.write("two.py", TWO.format(url=project.url))
    ended = crawl("two.py:Uper")
    assert ended.code == USAGE
    assert "Did you mean 'Upper'?" in ended.err


def test_an_abstract_class_is_no_spider(crawl, project):
    text = "import abc\nfrom crawler import Spider\nclass Base(Spider, abc.ABC):\n    @abc.abstractmethod\n    def parse(self, page): ..."
    project.write("base.py", text)
    ended = crawl("base.py")
    assert ended.code == USAGE
    assert "base.py defines no spider" in ended.err


@pytest.mark.parametrize(
    ("name", "said"),
    [("absent.py", "there is no file absent.py"), ("empty.py", "empty.py defines no spider"), (".", "no spider '.'")],
)
def test_a_file_without_a_spider_is_a_usage_error(crawl, project, name, said):
    project.write("empty.py", "from crawler import Spider\n")
    ended = crawl(name)
    assert ended.code == USAGE
    assert said in ended.err


def test_a_folder_with_py_in_its_name_is_no_trouble(crawl, project):
    project.write(".pyenv/x.pyz/two.py", TWO.format(url=project.url))
    ended = crawl(project.root / ".pyenv/x.pyz/two.py:Upper", "-o", "-", "-q")
    assert ended.items == [{"spider": "Upper"}]


@pytest.mark.parametrize(
    ("text", "last", "count"),
    [
        ("def broken(:\n", "SyntaxError: invalid syntax", 1),
        ("import nosuchmodule\n", "ModuleNotFoundError: No module named 'nosuchmodule'", 1),
        ("from crawler import Itm\n", "ImportError: cannot import name 'Itm' from 'crawler'", 1),
        ("def deep():\n    return 1 / 0\n\ndeep()\n", "ZeroDivisionError: division by zero", 2),
        ("import helper\n", "ValueError: in the helper", 2),
        ("raise SystemExit(3)\n", "SystemExit: 3", 1),
        ("try:\n    1 / 0\nexcept Exception as e:\n    raise RuntimeError('then') from e\n", "RuntimeError: then", 2),
        ("from crawler import css\ncss('a', re=5)\ncss('a', re='(')", "unterminated subpattern", None),
    ],
)
def test_a_file_that_cannot_be_imported_is_told_with_its_own_traceback_alone(crawl, project, text, last, count):
    project.write("helper.py", "raise ValueError('in the helper')\n")
    broken = project.write("broken.py", text)
    ended = crawl("broken.py")
    assert ended.code == USAGE
    shown = frames(ended.err)
    assert f'File "{broken}"' in shown[0]
    assert not [frame for frame in shown if "/crawler/" in frame or "importlib" in frame]
    assert count is None or len(shown) == count
    assert last in ended.err
    assert ended.err.endswith(f"crawl: {broken} cannot be imported\n")


def test_a_broken_file_does_not_disturb_another_spider(crawl, project):
    project.write("spiders/aaa.py", 'SEE = "books"\nimport nosuchmodule\n')
    project.write("spiders/zzz.py", "def broken(:\n")
    ended = crawl("books", "-o", "-", "-q")
    assert (ended.code, len(ended.items), ended.err) == (0, 20, "")


def test_a_broken_file_is_shown_where_the_spider_is_in_it(crawl, project):
    project.write("spiders/art.py", "class Art(Spider): pass\n")
    ended = crawl("art")
    assert ended.code == USAGE
    assert "NameError: name 'Spider' is not defined" in ended.err


def test_two_spiders_of_one_name_are_told_with_the_commands_that_run_each(crawl, project):
    project.write("spiders/other.py", "from crawler import Spider\nclass Books(Spider):\n    pass\n")
    ended = crawl("books")
    assert ended.code == USAGE
    assert "2 spiders are called 'books'" in ended.err
    assert f"crawl {project.root / 'spiders/other.py'}:Books" in ended.err
    assert project.files() == {"spiders/other.py"}


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_a_spider_cannot_be_named_like_a_command(crawl, project, name):
    project.write("own.py", f"from crawler import Spider\nclass Own(Spider):\n    name = {name!r}\n")
    ended = crawl("own.py")
    assert ended.code == USAGE
    assert f"own.py: the name '{name}' is a command's; give the spider another" in ended.err


def test_without_a_name_a_spider_is_called_like_its_class(crawl, project):
    project.write("spiders/two.py", TWO.format(url=project.url))
    assert crawl("upper", "-o", "-", "-q").items == [{"spider": "Upper"}]


def test_a_base_can_be_run_by_its_name(crawl, project):
    project.write("spiders/two.py", TWO.format(url=project.url))
    assert crawl("shelf", "-o", "-", "-q").items == [{"spider": "Shelf"}]


def test_a_name_that_is_worked_out_is_found_too(crawl, project):
    text = TWO.replace('"below"', '"be" + "low"').format(url=project.url)
    project.write("spiders/two.py", text)
    assert crawl("below", "-o", "-", "-q").items == [{"spider": "Lower"}]


def test_spiders_share_code_through_their_package_and_with_their_neighbours(crawl, project):
    project.write("spiders/common.py", "WORD = 'shared'")
    project.write("spiders/_base.py", "raise AssertionError('not a spider file')")
    text = f'''
from crawler import Spider
from spiders.common import WORD
import common

class Sharing(Spider):
    start_urls = ["{project.url}"]

    def parse(self, page):
        return {{"words": [WORD, common.WORD]}}
'''
    project.write("spiders/sharing.py", text)
    assert crawl("sharing", "-o", "-", "-q").items == [{"words": ["shared", "shared"]}]


def test_a_spider_file_hides_nothing_of_python_s_own(crawl_apart, project):
    """What the framework imports late must not be the user's file of that name."""
    (project.root / "spiders/books.py").rename(project.root / "spiders/colorsys.py")
    project.write("spiders/statistics.py", "raise AssertionError('imported by accident')")
    project.write("spiders/spare.py", "")
    ended = crawl_apart("books", "-o", "-")
    assert (ended.code, len(ended.items)) == (0, 20)


def test_the_project_is_found_from_a_folder_below(crawl, project, monkeypatch):
    below = project.root / "notes" / "deep"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    assert crawl("books", "-q").code == 0
    [dataset] = (project.root / "datasets").glob("*.jsonl")
    assert crawl("books", "-q", "-o", "here.jsonl").code == 0
    assert (below / "here.jsonl").read_bytes().count(b"\n") == dataset.read_bytes().count(b"\n") == 20


def test_the_list_shows_name_file_and_first_line(crawl, project):
    project.write("spiders/art.py", "from crawler import Spider\nclass Art(Spider):\n    pass\n")
    assert crawl("list") == (0, "art    spiders/art.py\nbooks  spiders/books.py  Every book of the shop.\n", "")


def test_the_list_tells_what_keeps_a_spider_from_running(crawl, project):
    project.write("spiders/books2.py", "from crawler import Spider\nclass Books(Spider):\n    pass\n")
    project.write("spiders/demo.py", "from crawler import Spider\nclass Demo(Spider):\n    pass\n")
    project.write("config.toml", "[spider.books]\ndelay = 1\n[spider.boks]\ndelay = 2\n")
    ended = crawl("list")
    assert ended.code == 0
    assert "2 spiders are called 'books'; rename one" in ended.err
    assert "spiders/demo.py: 'demo' is a command's name" in ended.err
    assert "config.toml:3: [spider.boks] is for no spider. Did you mean 'books'?" in ended.err


def test_the_list_goes_on_behind_a_broken_file(crawl, project):
    project.write("spiders/broken.py", "import nosuchmodule\n")
    ended = crawl("list")
    assert ended.code == USAGE
    assert "books" in ended.out
    assert "No module named 'nosuchmodule'" in ended.err


def test_the_list_of_an_empty_project_says_how_to_begin(crawl, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ended = crawl("list")
    assert (ended.code, ended.out) == (0, "")
    assert ended.err == "crawl: there are no spiders in spiders; `crawl new NAME` makes one\n"


@pytest.mark.parametrize("name", ["shop", "my_shop2", "page", "item", "spider", "json"])
def test_a_new_spider_runs_as_it_is(crawl, tmp_path, monkeypatch, shop, name):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    ended = crawl("new", name, shop.url)
    assert (ended.code, ended.err) == (0, "")
    assert ended.out == f"wrote config.toml\nwrote spiders/{name}.py\nrun it: crawl {name} --max-pages 20\n"
    run = crawl(name, "--max-items", "5", "-o", "-")
    assert run.code == 3
    assert len(run.items) == 5
    assert run.items[0] == {"url": shop.url, "title": "Welcome | Lantern Lane Books", "heading": "All books"}


def test_a_new_spider_is_formatted_and_a_second_one_leaves_config_toml_alone(crawl, project):
    project.write("config.toml", "# mine\n")
    assert crawl("new", "second").out.startswith("wrote spiders/second.py")
    assert (project.root / "config.toml").read_text() == "# mine\n"
    ruff = Path(sys.executable).with_name("ruff")
    subprocess.run([ruff, "format", "--isolated", "--check", "spiders/second.py"], check=True, capture_output=True)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("Shop",), "small letters, digits and _ alone"),
        (("my-shop",), "small letters, digits and _ alone"),
        (("2shop",), "small letters"),
        (("../shop",), "small letters"),
        (("class",), "small letters"),
        (("demo",), "'demo' is a command"),
        (("shop", "ftp://x.example/"), "only http and https"),
        (("shop", "books.example"), "Did you mean https://books.example ?"),
        (("shop", "http://"), "cannot be crawled"),
        (("books",), "spiders/books.py exists already; it is left as it is"),
        (("second",), "there is a spider 'second' already"),
    ],
)
def test_a_new_spider_that_cannot_be_is_refused(crawl, project, words, said):
    project.write("spiders/other.py", "from crawler import Spider\nclass Second(Spider):\n    pass\n")
    before = (project.root / "spiders/books.py").read_text()
    ended = crawl("new", *words)
    assert ended.code == USAGE
    assert said in ended.err
    assert project.files() == {"spiders/other.py"}
    assert (project.root / "spiders/books.py").read_text() == before


def test_a_url_cannot_break_out_of_the_new_file(crawl, project):
    assert crawl("new", "odd", 'https://x.example/a\\b?c="d\\e"#f').code == 0
    text = (project.root / "spiders/odd.py").read_text()
    assert 'start_urls = ["https://x.example/a/b?c=%22d%5Ce%22"]' in text
    compile(text, "odd.py", "exec")


def test_a_new_spider_that_cannot_be_written_is_one_clear_error(crawl, project):
    (project.root / "spiders/books.py").unlink()
    (project.root / "spiders").rmdir()
    (project.root / "config.toml").write_text('[project]\nspiders = ["config.toml/spiders"]')
    ended = crawl("new", "shop")
    assert ended.code == USAGE
    assert "cannot write config.toml/spiders/shop.py" in ended.err
