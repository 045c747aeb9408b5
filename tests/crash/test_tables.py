"""A crawl into a table is killed at each step of its end, and twice at the same: after ``--resume`` the table has each
item once, and nothing else lies about."""

import csv
import json
import signal
import sys
from collections import Counter
from pathlib import Path

import pytest
from crashing import SETTINGS, Site, command, project, run, served

PROGRAM = """
import os, sys
from points import after, before, die
import points
import crawler.export.table as table
from crawler.cli.main import run
from crawler.engine.commit import Committer
from crawler.export.table import TableSink

point, number, *arguments = sys.argv[1:]
points._left = int(number)
POINTS = {
    "a group is appended": lambda: after(TableSink, "append"),
    "a group is committed": lambda: after(Committer, "commit"),
    "before the table": lambda: before(TableSink, "finish"),
    "the fields are known": lambda: after(table, "fields_of"),
    "the table is written, not synced": lambda: after(table, "write_table"),
    "before the table gets its name": lambda: before(os, "replace", lambda a, b: str(b).endswith(".csv")),
    "the table has its name": lambda: after(os, "replace", lambda a, b: str(b).endswith(".csv")),
    "the table is made, the job does not know": lambda: after(TableSink, "finish"),
    "the table is closed": lambda: after(TableSink, "close"),
}
POINTS[point]()
sys.exit(run(arguments))
"""
POINTS = {
    "a group is appended": 3,
    "a group is committed": 4,
    "before the table": 1,
    "the fields are known": 1,
    "the table is written, not synced": 1,
    "before the table gets its name": 1,
    "the table has its name": 1,
    "the table is made, the job does not know": 1,
    "the table is closed": 1,
}
PAGES = 20


def into_a_table(site: Site, *more: str) -> list[str]:
    words = command(site, *more, settings=(*SETTINGS, "commit_size=4"))
    return [word.replace("items.jsonl", "items.csv") for word in words]


def assert_exact(folder: Path, site: Site) -> None:
    with (folder / "items.csv").open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file, strict=True)
    found = Counter(json.dumps(dict(zip(header, row, strict=True)), separators=(",", ":")) for row in rows)
    assert found == site.expected
    files = {path.name for path in folder.iterdir() if path.is_file()}
    assert files == {"config.toml", "site.py", "items.csv", "killed.py"}


@pytest.mark.parametrize("point", POINTS)
def test_a_crawl_into_a_table_that_is_killed_there_is_gone_on_with(point: str, tmp_path: Path) -> None:
    folder = project(tmp_path)
    program = folder / "killed.py"
    program.write_text(f"import sys\nsys.path.insert(0, {str(Path(__file__).parent)!r})\n{PROGRAM}")
    with served(PAGES) as site:
        for more in ((), ("--resume",)):
            arguments = into_a_table(site, *more)[3:]
            ended = run(folder, [sys.executable, str(program), point, str(POINTS[point]), *arguments])
            assert ended.returncode in (0, -signal.SIGKILL), ended.stderr
            if not more:
                assert ended.returncode == -signal.SIGKILL
        ended = run(folder, into_a_table(site, "--resume"))
        assert ended.returncode == 0, ended.stderr
        assert_exact(folder, site)
