"""A crawl whose callbacks fetch, and whose items go through steps, is killed and stopped while they are under way."""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path

from crashing import SETTINGS, Site, assert_exact, command, environment, project, run, served

PAGES = 150
KILLS = 3
SPIDER = """
import asyncio
from crawler import Spider, step

class Site(Spider):
    name = "site"

    def __init__(self, url):
        super().__init__()
        self.start_urls = [url]

    async def parse(self, page):
        for item in page.css("li"):
            yield {"page": page.css("h1::text").get(), "item": item.css("::text").get(), "text": ""}
        yield {"page": "dropped"}
        for request in page.follow_all("a"):
            yield request

    def drop(self, item):
        return None if item["page"] == "dropped" else item

    @step(concurrency=3)
    async def fill(self, item):
        more = await asyncio.gather(self.fetch(f"/more/{item['item']}"), self.fetch("/moved-more"))
        return {**item, "text": more[0].json() + more[1].json()}

    steps = [drop, fill]
"""


class Answering(Site):
    """Half of each text is in an answer of its own; the other half is where ``/moved-more`` leads."""

    def answer(self, name: str) -> tuple[int, dict[str, str], bytes]:
        if name == "moved-more":
            return 302, {"Location": "/more"}, b""
        return (200, {}, b'"%s"' % (b"x" * 100)) if name.startswith("more") else super().answer(name)


def test_nothing_is_lost_or_doubled_when_it_is_killed_meanwhile(tmp_path: Path) -> None:
    folder = project(tmp_path)
    (folder / "site.py").write_text(SPIDER)
    with served(PAGES, Answering) as site:
        words = command(site)
        for kill in range(KILLS):
            _end(folder, [*words, "--resume"] if kill else words, site, PAGES // 10, signal.SIGKILL)
        ended = run(folder, [*words, "--resume"])
        pages = sum(asked for name, asked in site.hits.items() if name.isdigit())
        inner = sum(asked for name, asked in site.hits.items() if name.startswith("more/"))

        assert (ended.returncode, ended.stderr) == (0, "")
        assert_exact(folder, site)
        assert inner >= 2 * PAGES
        assert PAGES <= pages < 2 * PAGES


def test_ctrl_c_meanwhile_leaves_a_crawl_that_goes_on(tmp_path: Path) -> None:
    folder = project(tmp_path)
    (folder / "site.py").write_text(SPIDER)
    with served(40, Answering) as site:
        words = command(site, settings=(*SETTINGS, "delay=0.005"))
        assert _end(folder, words, site, 12, signal.SIGINT) == 130
        before = site.hits.copy()
        ended = run(folder, [*command(site), "--resume"])

        assert (ended.returncode, ended.stderr) == (0, "")
        assert_exact(folder, site)
        assert {name for name, asked in (site.hits - before).items() if name.isdigit() and before[name]} == set()


def _end(folder: Path, words: list[str], site: Site, pages: int, how: signal.Signals) -> int:
    """End one run after so many more *pages*. Its exit code."""
    goal = _pages(site) + pages
    with subprocess.Popen(words, cwd=folder, env=environment(), stderr=subprocess.DEVNULL) as process:
        while process.poll() is None and _pages(site) < goal:
            time.sleep(0.001)
        process.send_signal(how)
        return process.wait(30)


def _pages(site: Site) -> int:
    return sum(asked for name, asked in list(site.hits.items()) if name.isdigit())
