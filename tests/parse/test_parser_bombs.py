"""Pages made to keep a parser busy: they end as failures, and nobody else notices."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from crawler import Page, Request, Spider, cpu_bound, run
from crawler.errors import NoParseProcess, PageTooHeavy
from crawler.fetch.canned import CannedFetcher
from crawler.items.item import Item, css
from crawler.parse.pool import ParsePool
from crawler.parse.trial import Trial, try_out
from crawler.response import Response, headers_of
from crawler.testing.markup import SHAPES, TOO_HEAVY, bold_and_italic, nested

HERE = Path(__file__).parent
SHOWN = list(SHAPES) if os.environ.get("ALL_BOMBS") else ["blocks in each other", "attributes", "bold and italic", "bold and blocks"]  # fmt: skip
"""In CI those of each kind; with ALL_BOMBS set all of them, of which each takes a second of the processor."""
TABLE = b"<h1>long</h1><table>" + b"<tr><td>1</td><td>two</td></tr>\n" * 60_000 + b"</table>"
THREAD = b"<h1>deep</h1>" + b"<ul><li><p>said he" * 3_000 + b"</ul>" * 3_000
QUIET = {"obey_robots": False, "delay": 0.0}


def page_of(body: bytes, content_type: str = "text/html; charset=utf-8", url: str = "http://a.localhost/") -> Page:
    return Page(Response(url, 200, headers_of({"Content-Type": content_type}), body))


def bombed(each: int, *shapes: str) -> dict[str, Any]:
    """What became of a crawl over so many bombs of each of *shapes*; see bombing.py."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}  # it works, too
    environment = {**plain, "PYTHONPATH": os.pathsep.join([str(HERE), str(HERE.parents[1])])}
    done = subprocess.run(
        [sys.executable, str(HERE / "bombing.py"), str(each), *shapes],
        check=True,
        capture_output=True,
        text=True,
        env=environment,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.timeout(170)
def test_bombs_fail_and_the_crawl_of_others_does_not_feel_them() -> None:
    found = bombed(1, *SHOWN)
    reasons = {reason for url, reason in found["pages"].items() if "//bomb" in url}
    assert (reasons, len(found["pages"])) == ({TOO_HEAVY}, len(SHOWN) + 400)
    assert found["good"] < found["seconds"] / 2  # they were done long before the bombs
    assert found["seconds"] < 30.0 * len(SHOWN)  # 1.2 here; left alone, each takes minutes
    assert found["grown"] < 50
    worked, waited = found["stall"]
    assert worked < 0.2  # 0.06 here; it counts all threads
    assert waited < 5.0  # other programs run, too


@pytest.mark.timeout(170)
def test_a_host_that_sends_bombs_again_and_again_has_three_trials() -> None:
    found = bombed(1_000 if os.environ.get("ALL_BOMBS") else 40, "bold and italic")
    bombs = {url: reason for url, reason in found["pages"].items() if "//bomb" in url}
    assert set(bombs.values()) == {TOO_HEAVY}
    assert sum("took too much already" not in found["details"][url] for url in bombs) == 3
    assert found["grown"] < 50


async def built(body: bytes, host: str = "a.localhost", trial: Trial | None = None) -> Page:
    page = page_of(body)
    trials = trial or Trial(4)
    try:
        assert not page.is_light
        assert await trials.build(page, host)
    finally:
        if trial is None:
            await trials.close()
    return page


@pytest.mark.parametrize("body", [TABLE, THREAD], ids=["long", "deep"])
async def test_a_heavy_page_that_is_honest_is_parsed(body: bytes) -> None:
    page = await built(body)
    assert page.is_light  # now that it is there
    assert page.css("h1::text").get() == body[4:8].decode()


async def test_a_page_that_takes_too_much_memory_is_refused() -> None:
    with pytest.raises(PageTooHeavy, match=r"64 MiB.*@cpu_bound"):
        await built(bold_and_italic())


SCRIPT = """
import asyncio
from crawler import CannedFetcher, Spider, run

print("begins")

class Large(Spider):
    name = "large"
    start_urls = ["http://a.localhost/"]

    def parse(self, page):
        yield {"rows": len(page.css("tr"))}

body = "<table>" + "<tr><td>1</td></tr>" * 40_000 + "</table>"
print(list(run(Large, fetcher=CannedFetcher({"http://a.localhost/": body}), settings={"obey_robots": False})))
"""


@pytest.mark.parametrize("is_typed", [False, True], ids=["file", "standard input"])
def test_a_script_without_a_main_guard_crawls_heavy_pages_and_begins_once(tmp_path: Path, is_typed: bool) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, "-" if is_typed else str(script)],
        input=SCRIPT if is_typed else None,
        check=True,
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(HERE.parents[1])},
    )
    assert done.stdout == "begins\n[{'rows': 40000}]\n", done.stderr


async def test_where_no_process_can_be_started_a_page_is_judged_by_its_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    async def cannot(*_: object) -> None:
        raise NoParseProcess("a parse process could not be started: it ended at once")

    monkeypatch.setattr(ParsePool, "run", cannot)
    assert (await built(b"<h1>long</h1>" + b"<p>x</p>" * 30_000)).css("h1::text").get() == "long"
    with pytest.raises(PageTooHeavy, match="could not be tried"):
        await built(nested("<div>", 30_000))


async def test_when_many_pages_wait_for_their_trees_others_come_again_later() -> None:
    trial = Trial(4)  # a quarter of four workers
    try:
        first = asyncio.create_task(built(TABLE, "a.localhost", trial))
        await asyncio.sleep(0.01)
        assert not await trial.build(page_of(TABLE), "b.localhost")
        await first
        assert await trial.build(page_of(TABLE), "b.localhost")
    finally:
        await trial.close()


async def test_a_page_that_is_parsed_makes_good_for_one_that_was_not() -> None:
    trial = Trial(4)
    try:
        for body in (bold_and_italic(), bold_and_italic(), THREAD, bold_and_italic()):
            page = page_of(body)
            if body is THREAD:
                assert await trial.build(page, "a.localhost")
            else:
                with pytest.raises(PageTooHeavy, match="64 MiB"):
                    await trial.build(page, "a.localhost")
    finally:
        await trial.close()


def test_a_trial_of_a_light_page_finds_no_fault() -> None:
    assert try_out(b"<p>x") == "" if sys.platform != "linux" else True  # it would limit the memory of this process


class Titled(Item):
    title: str = css("h1::text")


@pytest.mark.parametrize(
    "asked",
    [
        lambda page: page.tree,
        lambda page: page.css("div"),
        lambda page: page.links(),
        lambda page: page.extract(Titled),
        lambda page: page.follow_all("a"),
    ],
    ids=["tree", "css", "links", "extract", "follow_all"],
)
@pytest.mark.parametrize("content_type", ["text/html", "application/json", "", "text/plain; charset=latin-1"])
def test_a_bomb_that_nobody_has_tried_is_refused_wherever_its_tree_is_needed(asked: Any, content_type: str) -> None:
    with pytest.raises(PageTooHeavy, match="@cpu_bound"):
        asked(page_of(nested("<div>", 30_000), content_type))


def test_what_needs_no_tree_can_be_had_of_a_bomb() -> None:
    page = page_of(b"<meta http-equiv=refresh content='0;url=/x'><meta name=robots content=nofollow>" + nested("<div>"))
    assert (page.refresh, page.robots, page.urljoin("/x")) == (None, frozenset(), "http://a.localhost/x")
    assert page.follow("/x") == Request("http://a.localhost/x")
    assert page.text.endswith("<div>")


def test_a_page_that_is_trusted_is_parsed() -> None:
    page = page_of(nested("<div>", 8_000))
    page.trust()
    assert len(page.css("div")) == 8_000


@pytest.mark.parametrize("depth", [10_000, 100_000])
def test_json_that_is_too_deep_is_no_json(depth: int) -> None:
    with pytest.raises(ValueError, match="is no JSON"):
        page_of(b"[" * depth + b"]" * depth, "application/json").json()


def test_a_deep_tree_is_searched_shown_and_freed() -> None:
    page = page_of(b"<span>" * 100_000 + b"x<b>y</b>")
    page.trust()
    assert page.css("span b::text").getall() == ["y"]
    assert page.css("b")[0].text == "y"
    assert page.tree.body is not None
    assert len(page.tree.body.text()) == 2
    assert len(page.tree.html or "") > 600_000
    assert page.tree.clone().css_first("b").text() == "y"


class InProcess(Spider):
    name = "in_process"
    start_urls = ("http://a.localhost/",)

    @cpu_bound
    def parse(self, page: Page) -> Any:
        yield {"divs": len(page.css("div"))}


def test_a_cpu_bound_callback_may_parse_what_is_heavy() -> None:
    fetcher = CannedFetcher({"http://a.localhost/": nested("<div>", 8_000)})
    result = run(InProcess, settings={**QUIET, "parse_processes": 1}, fetcher=fetcher)
    assert list(result) == [{"divs": 8_000}]


class Json(Spider):
    name = "json"
    start_urls = ("http://a.localhost/",)

    def parse(self, page: Page) -> Any:
        yield {"divs": len(page.css("div"))}


def test_a_bomb_that_does_not_say_to_be_html_is_no_error_of_the_spider() -> None:
    headers = headers_of({"Content-Type": "application/json"})
    answer = Response("http://a.localhost/", 200, headers, nested("<div>", 30_000))
    result = run(Json, settings=QUIET, fetcher=CannedFetcher({"http://a.localhost/": answer}))
    assert (dict(result.stats.failures), result.stats.callback_errors) == ({TOO_HEAVY: 1}, 0)
