"""Datasets of several files, with keys, compared and described, from the command line."""

import json
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from crawler.cli.main import COMPLETE, LIMIT, USAGE
from crawler.export.manifest import manifest_path, read, verify
from crawler.export.read import lines_of
from crawler.frontier.job import Job

SHOP = """
from crawler import Item, Spider, css


class Category(Item, key="name", keep="first"):
    name: str
    page: int = 0


class Book(Item, key="upc"):
    url: str
    upc: str = css("table.table td::text")
    price: float = css(".price_color::text", re=r"[\\d.]+")
    category: str = css(".breadcrumb li:nth-child(3) a::text")


class Shop(Spider):
    name = "shop"
    start_urls = ["{url}"]
    raised = 0

    def parse(self, page):
        if page.css(".product_main"):
            book = page.extract(Book)
            book.price += float(self.raised)
            yield book
            yield Category(name=book.category)
        yield from page.follow_all("h3 a, li.next a, ul.categories a")
"""
BOOKS = 20


@pytest.fixture(autouse=True)
def _shop(project: Any) -> None:
    project.write("spiders/shop.py", SHOP.format(url=project.url))


def records(*paths: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for path in paths for line in lines_of(path)]


def test_each_type_of_items_has_a_file_of_its_own(crawl: Any, project: Any) -> None:
    ended = crawl("shop", "-o", "{item}.jsonl")
    assert ended.code == COMPLETE
    books, categories = records(project.root / "Book.jsonl"), records(project.root / "Category.jsonl")
    assert len({book["upc"] for book in books}) == len(books) == BOOKS
    assert {category["name"] for category in categories} == {book["category"] for book in books}
    assert len(categories) == len({category["name"] for category in categories})
    manifest = manifest_path(project.root / "{item}.jsonl")
    assert verify(manifest) == []
    assert {name: (known.key, known.keep) for name, known in read(manifest).types.items()} == {
        "Book": (["upc"], "last"),
        "Category": (["name"], "first"),
    }
    assert f"{{item}}.jsonl ({len(books) + len(categories)} items in 2 files" in ended.err
    assert "gave way to others of the same key" in ended.err


def test_a_field_makes_a_folder_of_each_of_its_values(crawl: Any, project: Any) -> None:
    assert crawl("shop", "-o", "out/category={category}/{item}.csv", "-q").code == COMPLETE
    files = sorted((project.root / "out").rglob("Book.csv"))
    by_folder = Counter({file.parent.name: len(records(file)) for file in files})
    assert by_folder.total() == BOOKS
    assert by_folder == Counter(f"category={book['category']}" for book in records(*files))
    assert verify(manifest_path(project.root / "out/category={category}/{item}.csv")) == []


def test_a_dataset_is_rotated(crawl: Any, project: Any) -> None:
    settings = ("--set", "rotate_items=8")
    assert crawl("books", "-o", "grown.jsonl", "-o", "made.parquet", "-q", *settings).code == COMPLETE
    for stem, ending in (("grown", ".jsonl"), ("made", ".parquet")):
        files = sorted(project.root.glob(f"{stem}-*{ending}"))
        assert [len(records(file)) for file in files] == [8, 8, 4]
        assert verify(project.root / f"{stem}{ending}.manifest.json") == []


def test_what_is_added_with_keys_takes_the_places_of_what_was_there(crawl: Any, project: Any) -> None:
    for ending in (".jsonl", ".sqlite"):
        name = f"all{ending}"
        assert crawl("shop", "-o", name, "-q", "--max-pages", "15").code == LIMIT
        before = [record for record in records(project.root / name) if record.get("upc")]
        assert crawl("shop", "-o", name, "-q", "--append", "-a", "raised=1000").code == COMPLETE
        after = [record for record in records(project.root / name) if record.get("upc")]
        assert 0 < len(before) < len(after) == BOOKS
        assert min(book["price"] for book in after) > 1000
        crawl("shop", "--fresh", "-o", f"other{ending}", "-q", "--max-pages", "1")


def test_a_dataset_is_compared_with_an_earlier_one(crawl: Any, project: Any) -> None:
    assert crawl("shop", "-o", "old.parquet", "-q").code == COMPLETE
    same = crawl("shop", "-o", "new.jsonl", "--update", "old.parquet")
    assert "new.changes.jsonl (0 added, 0 changed, 0 gone," in same.err
    raised = crawl("shop", "-o", "raised.jsonl", "--update", "new.jsonl", "-a", "raised=1")
    assert f"raised.changes.jsonl (0 added, {BOOKS} changed, 0 gone," in raised.err
    changes = records(project.root / "raised.changes.jsonl")
    assert {(change["change"], *change["fields"]) for change in changes} == {("changed", "price")}
    assert len({change["key"]["upc"] for change in changes}) == BOOKS
    assert read(project.root / "raised.jsonl.manifest.json").compared_with == "new.jsonl"


def test_a_crawl_that_is_not_complete_is_not_compared(crawl: Any, project: Any) -> None:
    crawl("shop", "-o", "old.jsonl", "-q")
    ended = crawl("shop", "-o", "new.jsonl", "--update", "old.jsonl", "--max-pages", "5")
    assert "new.changes.jsonl (not compared: it is not complete)" in ended.err
    ended = crawl("shop", "--resume", "--max-pages", "1000")
    assert "new.changes.jsonl (0 added, 0 changed, 0 gone," in ended.err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("-o", "{.jsonl"), "a brace itself is written twice"),
        (("-o", "{a.b}.jsonl"), "{a.b} is no name of a field"),
        (("-o", "x.jsonl", "--update", "missing.jsonl"), "--update missing.jsonl: there is no such file"),
        (("-o", "-", "--update", "config.toml"), "--update compares files"),
        (("-o", "x.jsonl", "--update", "config.toml"), "no format has the ending '.toml'"),
        (("-o", "x.jsonl", "--set", "rotate_items=0"), "rotate_items"),
        (("-o", "ftp://host/x.jsonl"), "ftp"),
        (("-o", "http://example.com/x.jsonl"), "https"),
    ],
)
def test_mistakes_are_told_and_nothing_is_started(
    crawl: Any, project: Any, options: tuple[str, ...], message: str
) -> None:
    ended = crawl("shop", *options)
    assert ended.code == USAGE
    assert message in ended.err
    assert sorted(path.name for path in project.root.iterdir()) == ["config.toml", "spiders"]


def test_a_dataset_that_replaces_another_leaves_none_of_its_files(crawl: Any, project: Any) -> None:
    assert crawl("shop", "-o", "out/{category}.jsonl", "-q").code == COMPLETE
    (project.root / "out" / "mine.jsonl").write_text('{"mine":1}\n')
    ended = crawl("shop", "-o", "out/{category}.jsonl")
    assert (ended.code, "exists already" in ended.err) == (USAGE, True)
    assert crawl("shop", "-o", "out/{category}.jsonl", "-q", "--overwrite", "--max-pages", "10").code == LIMIT
    files = {path.name for path in (project.root / "out").iterdir()}
    listed = {file.path for file in read(project.root / "out" / "dataset.jsonl.manifest.json").files}
    assert files == {*listed, "dataset.jsonl.manifest.json", "mine.jsonl"}


def test_there_is_no_manifest_if_none_is_wanted(crawl: Any, project: Any) -> None:
    assert crawl("books", "-o", "a.jsonl", "-q", "--set", "manifest=false", "--max-pages", "3").code == LIMIT
    assert not list(project.root.glob("*.manifest.json"))


@pytest.mark.parametrize("line", ["from shared import Book", "import shared\nBook = None", "from helpers import made"])
def test_a_type_with_a_key_is_found_wherever_the_spider_has_it_from(crawl: Any, project: Any, line: str) -> None:
    project.write("spiders/_shared.py", "")
    project.write("shared.py", "from crawler import Item\nclass Book(Item, key='n'):\n    n: int\n")
    project.write("helpers.py", "from shared import Book\ndef made():\n    return Book(n=1)\n")
    project.write(
        "spiders/keyed.py",
        f"from crawler import Spider\n{line}\nclass Keyed(Spider):\n    start_urls = ['{project.url}']\n"
        "    def parse(self, page):\n        import shared\n        yield shared.Book(n=1)\n        yield shared.Book(n=1)\n",
    )
    assert crawl("keyed", "-o", "a.jsonl").code == COMPLETE
    assert records(project.root / "a.jsonl") == [{"n": 1}]


def test_a_type_with_a_key_that_nobody_could_know_of_is_told(crawl: Any, project: Any) -> None:
    project.write("hidden.py", "from crawler import Item\nclass Hidden(Item, key='n'):\n    n: int\n")
    project.write(
        "spiders/late.py",
        f"from crawler import Spider\nclass Late(Spider):\n    start_urls = ['{project.url}']\n"
        "    def parse(self, page):\n        from hidden import Hidden\n        yield Hidden(n=1)\n        yield Hidden(n=1)\n",
    )
    ended = crawl("late", "-o", "a.jsonl")
    assert (
        "items of Hidden with the same key stay: define the class, or import it, in the module of the spider"
        in ended.err
    )
    assert len(records(project.root / "a.jsonl")) == 2


def test_lines_that_are_no_items_are_added_to_without_a_manifest(crawl: Any, project: Any) -> None:
    project.write("a.jsonl", '"old"\n')
    ended = crawl("books", "-o", "a.jsonl", "--append")
    assert ended.code == COMPLETE
    assert "has no manifest" in ended.err
    assert not (project.root / "a.jsonl.manifest.json").exists()


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (["-o", "out/books.jsonl", "--set", "rotate_items=5"], ["-o", "out/books.jsonl"]),
        (["-o", "out/{upc}.csv"], ["-o", "out/{category}.csv"]),
    ],
)
def test_a_dataset_whose_manifest_has_the_same_name_is_left_alone(
    crawl: Any, project: Any, first: list[str], second: list[str]
) -> None:
    limits = ["-q", "--set", "max_pages=8"]
    assert crawl("shop", *first, *limits).code == LIMIT
    before = {path: path.read_bytes() for path in (project.root / "out").iterdir()}
    ended = crawl("shop", *second, *limits)
    assert (ended.code, "exists already, and so does the dataset" in ended.err) == (USAGE, True)
    assert {path: path.read_bytes() for path in (project.root / "out").iterdir()} == before


def test_a_manifest_leads_to_no_file_outside_of_its_folder(crawl: Any, project: Any) -> None:
    mine = project.write("Book.csv", "abc\n")
    listed = {"path": "../Book.csv", "bytes": 4, "items": 1, "sha256": ""}
    told = {"dataset": "x", "format": ".csv", "items": 1, "files": [listed], "fields": {}}
    project.write("out/dataset.csv.manifest.json", json.dumps(told))
    crawl("shop", "-o", "out/{category}/{item}.csv", "-q", "--max-pages", "3")
    assert mine.read_text() == "abc\n"


def test_a_resume_goes_on_in_the_same_file_whatever_is_set_of_rotation(crawl: Any, project: Any) -> None:
    project.write("spiders/plain.py", PLAIN.format(url=project.url))
    assert crawl("plain", "-o", "all.jsonl", "-q", "--max-pages", "5").code == LIMIT
    assert crawl("plain", "--resume", "-q", "--set", "rotate_items=2").code == COMPLETE
    urls = [record["url"] for record in records(project.root / "all.jsonl")]
    assert len({*urls}) == len(urls) > 5
    assert sorted(path.name for path in project.root.glob("all*")) == ["all.jsonl", "all.jsonl.manifest.json"]


def test_a_job_of_an_earlier_version_goes_on_with_its_tables(crawl: Any, project: Any) -> None:
    assert crawl("shop", "-o", "{item}.csv", "-o", "all.csv", "-q", "--max-pages", "12").code == LIMIT
    with closing(sqlite3.connect(Job(project.root / ".crawl/shop").database)) as database, database:
        spec = json.loads(database.execute("SELECT value FROM meta WHERE key = 'spec'").fetchone()[0])
        assert spec.pop("spooled")
        database.execute("UPDATE meta SET value = ? WHERE key = 'spec'", (json.dumps(spec),))
    assert crawl("shop", "--resume", "-q").code == COMPLETE
    assert len(records(project.root / "Book.csv")) == BOOKS


ROTATED = ("--set", "rotate_items=5", "-q")
PLAIN = """
from crawler import Spider


class Plain(Spider):
    name = "plain"
    start_urls = ["{url}"]

    def parse(self, page):
        yield {{"url": page.url}}
        yield from page.follow_all("h3 a")
"""


def test_a_crawl_that_could_not_begin_leaves_no_empty_file(crawl: Any, project: Any) -> None:
    project.write("spiders/plain.py", PLAIN.format(url=project.url))
    project.write("file", "")
    assert crawl("plain", "-o", "all.jsonl", "-o", "file/all.jsonl", *ROTATED).code == USAGE
    assert list(project.root.glob("all*")) == []


def test_a_job_whose_files_were_deleted_can_be_given_up(crawl: Any, project: Any) -> None:
    project.write("spiders/plain.py", PLAIN.format(url=project.url))
    assert crawl("plain", "-o", "all.jsonl", "--max-pages", "8", *ROTATED).code == LIMIT
    for path in project.root.glob("all-*"):
        path.unlink()
    with closing(sqlite3.connect(Job(project.root / ".crawl/plain").database)) as database, database:
        database.execute("UPDATE meta SET value = 'running' WHERE key = 'state'")
    assert crawl("plain", "-o", "new.jsonl", "--fresh", "-q").code == COMPLETE


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device that is always full")
def test_a_resume_cuts_off_what_one_output_took_and_another_did_not(crawl: Any, project: Any) -> None:
    project.write("spiders/plain.py", PLAIN.format(url=project.url))
    crawl("plain", "-o", "all.jsonl", "-o", "/dev/full", "-q")
    assert "No space left" in crawl("plain", "--resume", "-q").err


def test_outputs_whose_names_fit_each_other_are_told_apart(crawl: Any, project: Any) -> None:
    outputs = ("-o", "all.csv", "-o", "{item}.csv", "-o", "{item}.jsonl", "-o", "all.jsonl")
    assert crawl("shop", *outputs, "-q", "--max-pages", "10").code == LIMIT
    (project.root / "shop.rejects.jsonl").write_text("{}\n")
    assert crawl("shop", "--resume", "-q").code == COMPLETE
    names = {path.name for path in project.root.glob("*.*") if path.is_file() and "manifest" not in path.name}
    assert names == {
        "config.toml",
        "shop.rejects.jsonl",
        *(f"{stem}{end}" for stem in ("all", "Book", "Category") for end in (".csv", ".jsonl")),
    }
    assert len(records(project.root / "all.csv")) == len(records(project.root / "all.jsonl")) > BOOKS
    for manifest in project.root.glob("*.manifest.json"):
        assert verify(manifest) == []
    assert crawl("shop", *outputs, "-q", "--append").code == COMPLETE
    assert len(records(project.root / "Book.csv")) == BOOKS
