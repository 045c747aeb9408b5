"""What stands on the command line: help, version, commands, spiders, options, and what is close to one."""

import gc
import os
import resource
import subprocess
import sys
from pathlib import Path

import click
import pytest

from crawler import __version__
from crawler.cli.main import COMMANDS, USAGE, main, run
from crawler.cli.main import crawl as group
from crawler.cli.run import command as run_command

ROOT = Path(__file__).parents[2]


def test_the_help_names_every_command_and_every_exit_code(crawl):
    ended = crawl("--help")
    assert ended.code == 0
    assert ended.err == ""
    for name, row in COMMANDS.items():
        assert f"{name} " in ended.out
        assert row.help in ended.out
    for code in (
        "0 complete",
        "1 nothing worked",
        "2 usage",
        "3 stopped",
        "4 pages or items failed",
        "130 interrupted",
    ):
        assert code in " ".join(ended.out.split())


def cpu_of(*words: str) -> float:
    """Seconds of CPU that a process of Python takes: on a busy machine it waits, but works no longer for that."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}  # it takes longer
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *words], cwd=ROOT, env=plain, stdout=subprocess.DEVNULL, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def test_the_help_takes_a_few_times_as_long_as_python_alone():
    """Measured: 5 times, which on a quiet machine is 50 ms; at most 150 ms are wanted."""
    rounds = [(cpu_of("-m", "crawler", "--help"), cpu_of("-c", "pass")) for _ in range(5)]
    assert min(ours for ours, _ in rounds) < 10 * min(python for _, python in rounds)


def test_the_door_imports_nothing_heavy():
    heavy = ("aiohttp", "selectolax", "rich", "msgspec", "asyncio", "aiofiles", "yarl", "uvloop", "multiprocessing")
    script = f"import sys, crawler.cli.main; print([name for name in {heavy!r} if name in sys.modules])"
    plain = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}  # it imports, too
    command = [sys.executable, "-c", script]
    shown = subprocess.run(command, cwd=ROOT, env=plain, capture_output=True, text=True, check=True)
    assert shown.stdout == "[]\n"


def test_what_a_command_imports_is_left_alone_by_the_garbage_collector_and_what_comes_later_is_not():
    script = """
import atexit, gc, sys
from crawler.cli.main import main
atexit.register(lambda: print(gc.isenabled(), gc.get_freeze_count() > 10_000, file=sys.stderr))
sys.argv = ["crawl", *sys.argv[1:]]
main()
"""
    said = [
        subprocess.run([sys.executable, "-c", script, *words], cwd=ROOT, capture_output=True, text=True, check=True)
        for words in (["settings", "--help"], ["--help"])
    ]
    assert [ended.stderr for ended in said] == ["True True\n", "True False\n"]


def test_a_process_that_is_not_the_command_s_own_is_collected_as_before(crawl):
    before = gc.get_freeze_count()
    crawl("settings", "--help")
    assert (gc.isenabled(), gc.get_freeze_count()) == (True, before)


def test_every_command_in_the_table_can_be_imported_and_says_what_it_does(crawl):
    for name in COMMANDS:
        command = group.get_command(click.Context(group), name)
        assert command.name == name
        ended = crawl(name, "--help")
        assert ended.code == 0
        assert f"Usage: crawl {name} [OPTIONS]" in ended.out


def test_the_version_is_the_package_s(crawl):
    assert crawl("--version") == (0, f"crawl {__version__}\n", "")


def test_without_a_word_the_help_is_shown_on_standard_error(crawl):
    ended = crawl()
    assert ended.code == USAGE
    assert ended.out == ""
    assert "Usage: crawl" in ended.err


@pytest.mark.parametrize("words", [("books", "--help"), ("--help", "books"), ("nosuch", "-h")])
def test_the_help_needs_no_spider_that_exists(crawl, project, words):
    assert crawl(*words).code == 0


def test_the_help_of_a_spider_lists_the_options_of_a_run(crawl, project):
    ended = crawl("books", "--help")
    assert ended.out.startswith("Usage: crawl SPIDER [OPTIONS]\n")
    for parameter in run_command.params:
        if isinstance(parameter, click.Option):
            assert parameter.opts[0] in ended.out
            assert parameter.help


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (("books", "--overwite"), "--overwrite"),
        (("--qiet", "books"), "--quiet"),
        (("books", "--max-page", "3"), "--max-pages"),
        (("books", "--strickt"), "--strict"),
    ],
)
def test_an_unknown_option_is_answered_with_the_nearest(crawl, project, words, hint):
    ended = crawl(*words)
    assert ended.code == USAGE
    assert hint in ended.err
    assert "crawl SPIDER --help" in ended.err
    assert project.files() == set()


def test_options_may_stand_before_the_spider(crawl, project):
    assert crawl("--quiet", "-o", "b.jsonl", "books") == (0, "", "")
    assert len(project.lines("b.jsonl")) == 20


@pytest.mark.parametrize(
    ("word", "hint"), [("lits", "'list'"), ("settngs", "'settings'"), ("bokos", "'books'"), ("BOOKS", "'books'")]
)
def test_an_unknown_word_is_answered_with_the_nearest_spider_or_command(crawl, project, word, hint):
    ended = crawl(word)
    assert ended.code == USAGE
    assert f"there is no spider '{word}'. Did you mean {hint}?" in ended.err


def test_an_unknown_word_that_is_close_to_nothing_is_answered_with_what_there_is(crawl, project):
    assert "There are: books." in crawl("xylophone").err


def test_where_there_are_no_spiders_the_answer_says_where_it_looked_and_what_to_do(crawl, project):
    (project.root / "spiders/books.py").unlink()
    project.write("config.toml", '[project]\nspiders = ["spiders", "more"]')
    err = crawl("books").err
    assert f"{project.root / 'spiders'} (no spider), {project.root / 'more'} (no such folder)" in err
    assert "`crawl new books` writes one" in err


def test_a_path_without_its_ending_is_answered_with_the_path(crawl, project):
    ended = crawl("spiders/books")
    assert ended.code == USAGE
    assert "crawl spiders/books.py" in ended.err


@pytest.mark.parametrize("words", [("-q", "list"), ("--max-pages", "2", "demo")])
def test_a_command_after_an_option_is_told_apart_from_a_spider(crawl, project, words):
    ended = crawl(*words)
    assert ended.code == USAGE
    assert f"is a command, and its word comes first: crawl {words[-1]}" in ended.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("books", "more"), "unexpected extra argument (more)"),
        (("-q",), "Missing argument 'SPIDER'"),
        (("books", "--max-pages", "0"), "0 is not in the range x>=1"),
        (("books", "--max-items", "ten"), "'ten' is not a valid integer"),
        (("books", "-o"), "requires an argument"),
        (("books", "--overwrite", "--append"), "--overwrite and --append exclude each other"),
        (("books", "-a", "category"), "-a category: write -a key=value"),
        (("books", "-a", "=art"), "-a =art: write -a key=value"),
        (("books", "--set", "delay"), "--set delay: write --set key=value"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_anything_starts(crawl, project, words, said):
    ended = crawl(*words)
    assert ended.code == USAGE
    assert said in ended.err
    assert "Traceback" not in ended.err
    assert ended.out == ""
    assert project.files() == set()


def test_a_word_from_the_shell_cannot_steer_the_terminal(crawl, project):
    assert "\x1b" not in crawl("\x1b[31mbooks").err


def test_the_console_script_exits_with_the_code(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["crawl", "--version"])
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 0
    assert __version__ in capsys.readouterr().out


def test_an_interrupt_before_the_start_is_told_by_the_exit_code(monkeypatch):
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(group, "main", interrupted)
    assert run(["books"]) == 130


def test_the_module_is_the_command(project):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    ended = subprocess.run(
        [sys.executable, "-m", "crawler", "nosuch"],
        cwd=project.root,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == USAGE
    assert ended.stdout == ""
    assert ended.stderr.startswith("crawl: there is no spider 'nosuch'")


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("books.example", "crawl https://books.example/"),
        ("books.example/list?x=1", "crawl https://books.example/list?x=1"),
        ("localhost:8000", "crawl https://localhost:8000/"),
    ],
)
def test_a_site_without_its_scheme_is_answered_with_the_whole_address(crawl, project, word, said):
    ended = crawl(word)
    assert ended == (
        USAGE,
        "",
        f"crawl: there is no spider {word!r}. A site is crawled by its whole address: {said}\n",
    )
