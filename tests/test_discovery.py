"""Finding spiders, and finding them again in another process."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from crawler.discovery import (
    SpiderSource,
    build,
    by_name,
    from_path,
    in_file,
    nearest,
    own_traceback,
    scan_folders,
    source_of,
)
from crawler.errors import SpiderLoadError, SpiderNotFound, UsageError
from crawler.spider import Spider

ART = "from crawler import Spider\n\n\nclass Art(Spider):\n    pass\n"


class Here(Spider):
    """One that can be imported by its module's name."""


@pytest.fixture(autouse=True)
def _nothing_imported_stays(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    path, modules = sys.path[:], set(sys.modules)
    yield
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        del sys.modules[name]


def write(folder: Path, name: str, text: str) -> Path:
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, "utf-8")
    return file


def test_a_file_gives_its_own_spiders_and_none_that_it_imports(tmp_path: Path):
    write(tmp_path, "shelf.py", ART)
    file = write(tmp_path, "more.py", "from shelf import Art\n\nclass More(Art):\n    pass\n\nAgain = More\n")
    assert [(one.spider.__name__, one.is_base) for one in in_file(file)] == [("More", False)]


def test_a_base_is_marked_wherever_it_stands(tmp_path: Path):
    text = ART + "class Old(Art):\n    pass\nclass Oldest(Old):\n    pass\n"
    found = in_file(write(tmp_path, "art.py", text))
    assert [(one.spider.__name__, one.is_base) for one in found] == [("Art", True), ("Old", True), ("Oldest", False)]


def test_a_file_that_is_not_there(tmp_path: Path):
    with pytest.raises(SpiderNotFound, match="there is no file"):
        in_file(tmp_path / "absent.py")


def test_hidden_files_and_folders_are_left_alone(tmp_path: Path):
    for name in ("art.py", "deep/more.py", "_base.py", ".old.py", ".venv/lib/x.py", "__pycache__/y.py", "notes.txt"):
        write(tmp_path, name, ART)
    found, broken = scan_folders([tmp_path, tmp_path / "absent"])
    assert [one.file.relative_to(tmp_path).as_posix() for one in found] == ["art.py", "deep/more.py"]
    assert broken == []


def test_a_folder_may_be_a_file(tmp_path: Path):
    file = write(tmp_path, "art.py", ART)
    assert by_name("art", [file]).spider.__name__ == "Art"


def test_a_file_that_does_not_mention_the_name_is_not_imported(tmp_path: Path):
    write(tmp_path, "art.py", ART)
    write(tmp_path, "loud.py", "raise AssertionError\n")
    assert by_name("art", [tmp_path]).file == tmp_path / "art.py"
    assert not [name for name in sys.modules if "loud" in name]


def test_a_file_is_imported_once_in_a_search_that_finds_nothing(tmp_path: Path):
    counter = tmp_path / "count"
    write(
        tmp_path, "art.py", f"with open({str(counter)!r}, 'a') as file:\n    file.write('x')\nOTHER = 'music'\n" + ART
    )
    with pytest.raises(SpiderNotFound):
        by_name("music", [tmp_path])
    assert counter.read_text() == "x"


def test_many_spiders_are_not_all_listed(tmp_path: Path):
    write(tmp_path, "all.py", "from crawler import Spider\n" + "".join(f"class X{n}(Spider): ...\n" for n in range(30)))
    with pytest.raises(SpiderNotFound) as caught:
        by_name("quite_another", [tmp_path])
    assert str(caught.value).count("x1") == 10 - 1


def test_a_path_that_is_python_but_not_by_its_ending(tmp_path: Path):
    write(tmp_path, "art.txt", ART)
    with pytest.raises(SpiderLoadError, match="is no Python file"):
        from_path(f"{tmp_path}/art.txt:Art")


def test_a_class_in_a_file_without_spiders(tmp_path: Path):
    file = write(tmp_path, "empty.py", "")
    with pytest.raises(SpiderNotFound, match=r"empty\.py has no spider 'Art'\.$"):
        from_path(f"{file}:Art")


def test_the_folders_of_spiders_come_after_the_standard_library_and_before_what_is_installed(tmp_path: Path):
    import sysconfig

    in_file(write(tmp_path, "spiders/art.py", ART), tmp_path)
    root, spiders = sys.path.index(str(tmp_path)), sys.path.index(str(tmp_path / "spiders"))
    assert sys.path.index(sysconfig.get_path("stdlib")) < root < spiders < sys.path.index(sysconfig.get_path("purelib"))
    before = sys.path[:]
    in_file(tmp_path / "spiders/art.py", tmp_path)
    assert sys.path == before


def test_two_files_of_one_name_are_two_modules(tmp_path: Path):
    one = in_file(write(tmp_path, "a/art.py", ART))[0].spider
    two = in_file(write(tmp_path, "b/art.py", ART))[0].spider
    assert one.__module__ != two.__module__
    assert sys.modules[one.__module__].__file__ == str(tmp_path / "a/art.py")


def test_a_file_that_failed_leaves_no_module_behind(tmp_path: Path):
    before = set(sys.modules)
    with pytest.raises(SpiderLoadError):
        in_file(write(tmp_path, "art.py", "1 / 0\n"))
    assert set(sys.modules) == before


def test_an_interrupt_while_a_file_is_imported_is_no_broken_file(tmp_path: Path):
    with pytest.raises(KeyboardInterrupt):
        in_file(write(tmp_path, "art.py", "raise KeyboardInterrupt\n"))


@pytest.mark.parametrize(
    ("word", "known", "said"),
    [
        ("dely", ["delay", "relay"], ". Did you mean 'delay'?"),
        ("BOOKS", ["Books"], ". Did you mean 'Books'?"),
        ("xyz", ["delay"], "."),
        ("x", [], "."),
    ],
)
def test_the_nearest_word(word: str, known: list[str], said: str):
    assert nearest(word, known) == said


def test_an_own_traceback_leaves_our_frames_out_of_every_error_in_the_chain():
    def by_user() -> None:
        try:
            build(SpiderSource("nosuchmodule", "X", None, (), {}))
        except SpiderLoadError as error:
            raise ValueError("second") from error

    try:
        by_user()
    except ValueError as error:
        shown = own_traceback(error)
    assert shown.count('File "') == shown.count(", in by_user") + 1 == 3
    assert "crawler/discovery.py" not in shown
    assert "cannot be imported in a parse process" in shown
    assert shown.endswith("ValueError: second\n")


def test_a_spider_of_a_module_is_built_again_by_its_name():
    source = source_of(Here, {"color": "red"})
    assert source == SpiderSource(__name__, "Here", None, tuple(sys.path), {"color": "red"})
    spider = build(source)
    assert type(spider) is Here
    assert spider.color == "red"  # type: ignore[attr-defined]


def test_a_spider_of_a_file_is_built_again_in_a_fresh_process(tmp_path: Path):
    write(tmp_path, "common.py", "WORD = 'shared'\n")
    found = in_file(write(tmp_path, "art.py", "from common import WORD\n" + ART + "    word = WORD\n"))[0]
    source = source_of(found.spider, {"color": "red"})
    assert source.file == str(tmp_path / "art.py")
    script = (
        "import sys, msgspec; from crawler.discovery import SpiderSource, build\n"
        "spider = build(msgspec.json.decode(sys.stdin.read(), type=SpiderSource))\n"
        "print(type(spider).__name__, spider.word, spider.color, type(spider).__module__)"
    )
    import msgspec

    shown = subprocess.run(
        [sys.executable, "-c", script],
        input=msgspec.json.encode(source).decode(),
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        check=True,
    )
    assert shown.stdout.split() == ["Art", "shared", "red", found.spider.__module__]


def test_a_spider_that_no_other_process_can_find_is_an_error_that_says_so():
    class Inner(Spider):
        pass

    for source in (source_of(Inner, {}), SpiderSource("nosuchmodule", "X", None, (), {})):
        with pytest.raises(SpiderLoadError, match="@cpu_bound needs the spider at the top level of a file"):
            build(source)


def test_what_cannot_be_found_is_the_user_s_to_mend():
    assert issubclass(SpiderNotFound, UsageError)
    assert issubclass(SpiderLoadError, UsageError)
