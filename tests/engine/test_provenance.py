"""Who may go inside: seeds that are written as private, and what they lead to; never what a public page leads to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from crawling import Kept, Scripted, crawled, html, status

from crawler import run
from crawler.cli.console import Console
from crawler.cli.main import run as command_line
from crawler.config import Project, resolve
from crawler.errors import BlockedAddress, ConfigError, FetchTimeout
from crawler.fetch.robots import RobotsCache, RobotsUnavailable
from crawler.politeness.robots import Rules
from crawler.request import Request
from crawler.response import Response
from crawler.spider import Spider

PUBLIC = "http://public.example/"
HERE = "http://127.0.0.1/"
THERE = "http://10.0.0.7/"


class Noting(Scripted):
    """Notes which requests may reach private addresses."""

    def __init__(self, answers: Mapping[str, Any]) -> None:
        super().__init__({url: self._written(url, answer) for url, answer in answers.items()})
        self.inside: dict[str, bool] = {}

    async def fetch(
        self, request: Request, on_sent: Callable[[], None] | None = None, inside: bool = False
    ) -> Response:
        self.inside[request.url] = inside
        return await super().fetch(request, on_sent)

    def _written(self, url: str, answer: Any) -> Any:
        """A list is the links of a page, a tuple the Location of a redirect."""
        if isinstance(answer, list):
            return html(url, "".join(f"<a href='{link}'>x</a>" for link in answer))
        return status(url, 302, Location=answer[0]) if isinstance(answer, tuple) else answer


def spider(*seeds: str) -> type[Spider]:
    class Everywhere(Spider):
        name = "everywhere"
        start_urls = list(seeds)
        allowed_hosts = ["*"]

        def parse(self, page: Any) -> Any:
            yield {"url": page.url}
            yield from page.follow_all("a")

    return Everywhere


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "[::1]", "2130706433", "10.0.0.1", "nas", "nas.lan", "a.localhost", "x.internal"],
)
async def test_a_seed_that_is_written_as_private_may_be_inside_and_so_may_what_it_links_to(host: str) -> None:
    url = {"2130706433": HERE}.get(host, f"http://{host}/")
    fetcher = Noting({url: [THERE, PUBLIC], THERE: ["http://nas/deep"], "http://nas/deep": "x", PUBLIC: []})

    got = await crawled(spider(f"http://{host}/"), fetcher)

    assert fetcher.inside == {url: True, THERE: True, PUBLIC: False, "http://nas/deep": True}
    assert (got.failures, got.report.stats.skipped) == ({}, {})


async def test_a_public_page_leads_inside_by_no_link_whatever_seeds_there_are() -> None:
    fetcher = Noting({HERE: [], PUBLIC: [THERE, "http://127.0.0.2/", "http://nas.lan/", "/more"], f"{PUBLIC}more": []})

    got = await crawled(spider(HERE, PUBLIC), fetcher)

    assert fetcher.inside == {HERE: True, PUBLIC: False, f"{PUBLIC}more": False}
    assert got.report.stats.skipped == {"private": 3}


async def test_a_private_page_may_lead_where_a_public_one_was_refused() -> None:
    fetcher = Noting({PUBLIC: [THERE], HERE: [THERE], THERE: []})

    got = await crawled(spider(PUBLIC, HERE), fetcher, concurrency=1)

    assert fetcher.asked == [PUBLIC, HERE, THERE]
    assert (fetcher.inside[THERE], got.report.stats.skipped) == (True, {"private": 1})


@pytest.mark.parametrize("by", [(THERE,), f"<meta http-equiv='refresh' content='0; url={THERE}'>"])
async def test_a_seed_that_redirects_inside_is_a_failure_that_says_what_to_set(by: Any) -> None:
    fetcher = Noting({PUBLIC: by})

    got = await crawled(spider(PUBLIC), fetcher)

    assert fetcher.asked == [PUBLIC]
    assert got.failure("private_address").detail == (
        f"it redirects to {THERE}: 10.0.0.7 is a private address (private network): no public page or public name may "
        'lead there; allow_private_hosts = ["10.0.0.7"] permits it'
    )


CHAINS = {
    "public, private": [f"{PUBLIC}go", THERE],
    "public, public, private": [f"{PUBLIC}go", "http://other.example/", THERE],
    "private, public, private": ["http://127.0.0.2/", PUBLIC, THERE],
}


@pytest.mark.parametrize("chain", CHAINS.values(), ids=CHAINS)
@pytest.mark.parametrize("is_seed", [True, False])
async def test_no_chain_of_redirects_leads_inside_over_a_public_host(chain: list[str], is_seed: bool) -> None:
    hops = {url: (target,) for url, target in pairwise(chain)}
    start = HERE if chain[0] == "http://127.0.0.2/" else "http://start.example/"
    fetcher = Noting(hops if is_seed else {start: [chain[0]], **hops})

    got = await crawled(spider(chain[0] if is_seed else start), fetcher)

    assert THERE not in fetcher.inside
    assert fetcher.asked[-1] == chain[-2]
    assert fetcher.inside[chain[-2]] is False
    assert (got.failures.get("private_address", 0), got.report.stats.skipped.get("private", 0)) == (
        (1, 0) if is_seed else (0, 1)
    )


async def test_a_private_page_may_redirect_inside_and_to_the_internet() -> None:
    fetcher = Noting(
        {HERE: ["/a", "/b"], f"{HERE}a": (THERE,), THERE: ["http://nas/"], "http://nas/": [],
         f"{HERE}b": (PUBLIC,), PUBLIC: ["http://nas/x"]}
    )  # fmt: skip

    got = await crawled(spider(HERE), fetcher)

    assert (fetcher.inside[THERE], fetcher.inside["http://nas/"], fetcher.inside[PUBLIC]) == (True, True, False)
    assert got.report.stats.skipped == {"private": 1}


async def test_a_public_name_is_never_inside_whoever_links_to_it() -> None:
    """Where it leads is for a name server to say, which may be anybody's."""
    fetcher = Noting({HERE: ["http://wiki.corp.example/"], "http://wiki.corp.example/": ["/a"]})

    await crawled(spider(HERE), fetcher)

    assert fetcher.inside["http://wiki.corp.example/"] is False


async def test_what_a_public_page_leads_to_by_the_setting_leads_no_further_than_the_setting() -> None:
    answers = {PUBLIC: [HERE], HERE: ["http://127.0.0.2/", "/a"], f"{HERE}a": []}
    fetcher = Noting(answers)

    got = await crawled(spider(PUBLIC), fetcher, allow_private_hosts=("127.0.0.1",))

    assert fetcher.inside == {PUBLIC: False, HERE: False, f"{HERE}a": False}
    assert got.report.stats.skipped == {"private": 1}

    both = Noting({**answers, "http://127.0.0.2/": []})  # a seed that is listed is not less than one that is not
    await crawled(spider(HERE), both, allow_private_hosts=("127.0.0.1",))
    assert both.inside["http://127.0.0.2/"] is True


@pytest.mark.parametrize("seed", [HERE, PUBLIC])
def test_what_may_be_inside_is_remembered_by_the_job(
    seed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    answers = {HERE: [THERE], THERE: ["http://nas/"], "http://nas/": [], PUBLIC: ["/a"], f"{PUBLIC}a": [THERE, "/b"]}
    answers[f"{PUBLIC}b"] = []
    options: dict[str, Any] = {"output": "out.jsonl", "job": tmp_path / "job"}
    quick = {"obey_robots": False, "delay": 0.0, "concurrency": 1}
    everywhere = spider(seed)

    first = run(everywhere, settings={**quick, "max_pages": 1}, fetcher=Noting(answers), **options)
    fetcher = Noting(answers)
    second = run(everywhere, settings=quick, fetcher=fetcher, resume=True, **options)

    assert (first.reason, second.reason) == ("max_pages", "complete")
    if seed == HERE:
        assert fetcher.inside == {THERE: True, "http://nas/": True}
    else:
        assert fetcher.inside == {f"{PUBLIC}a": False, f"{PUBLIC}b": False}
        assert second.stats.skipped == {"private": 1}


# ----- robots.txt -----------------------------------------------------------------------------------------------------


async def robots_of(answers: Mapping[str, Any], *asking: bool) -> tuple[Noting, Rules | None]:
    """Those of the private origin, asked for by requests that may be inside, or not, in turn."""
    fetcher = Noting({f"{url}robots.txt": answer for url, answer in answers.items()})
    cache = RobotsCache(fetcher, lambda _: "crawler/0.1", lambda: 1000.0)
    for inside in asking:
        await cache.fetch("http://127.0.0.1", inside=inside)
    return fetcher, cache.known("http://127.0.0.1")


async def test_a_robots_txt_is_asked_for_as_the_page_that_needs_it() -> None:
    for inside in (True, False):
        fetcher, _ = await robots_of({HERE: "User-agent: *"}, inside)
        assert fetcher.inside == {f"{HERE}robots.txt": inside}


async def test_a_robots_txt_that_moves_within_the_inside_is_followed_there() -> None:
    moves = {HERE: (f"{THERE}robots.txt",), THERE: ("http://nas/robots.txt",), "http://nas/": "User-agent: *"}
    fetcher, rules = await robots_of(moves, True, True, True)
    assert list(fetcher.inside.values()) == [True, True, True]
    assert rules is not None


@pytest.mark.parametrize("asking", [(False, True), (True, True, True)])
async def test_a_robots_txt_that_moved_over_a_public_request_or_host_leads_inside_no_more(
    asking: tuple[bool, ...],
) -> None:
    by_host = {HERE: (f"{PUBLIC}robots.txt",), PUBLIC: (f"{THERE}robots.txt",), THERE: "User-agent: *"}
    by_request = {HERE: (f"{THERE}robots.txt",), THERE: "User-agent: *"}
    fetcher, _ = await robots_of(by_host if len(asking) == 3 else by_request, *asking)
    assert fetcher.inside[f"{THERE}robots.txt"] is False


async def test_a_refusal_is_no_failure_of_the_robots_txt_for_those_who_may_reach_it() -> None:
    """A public page and a private one lead to one host, of which a name alone is known."""

    class Guarded(Noting):
        async def fetch(
            self, request: Request, on_sent: Callable[[], None] | None = None, inside: bool = False
        ) -> Response:
            if request.url.startswith("http://nas.lan/") and not inside:
                raise BlockedAddress(request.url, "no")
            return await super().fetch(request, on_sent, inside)

    fetcher = Guarded(
        {PUBLIC: ["http://nas.lan/a", "http://nas.lan/b"], HERE: ["http://nas.lan/c"], "http://nas.lan/c": []}
    )
    got = await crawled(
        spider(PUBLIC, HERE), fetcher, obey_robots=True, concurrency=1, allow_private_hosts=("10.0.0.0/8",)
    )
    assert got.failures == {"private_address": 2}
    assert got.failure("private_address").detail == "robots.txt: no"
    assert "http://nas.lan/c" in [item["url"] for item in got.items]


async def test_refusals_are_none_of_the_tries_that_a_robots_txt_has() -> None:
    troubles = [FetchTimeout("http://nas.lan/robots.txt", "no answer")]

    async def once_in_trouble(request: Request) -> Response:
        if troubles:
            raise troubles.pop()
        return html(request.url, "User-agent: *")

    class Guarded(Noting):
        async def fetch(
            self, request: Request, on_sent: Callable[[], None] | None = None, inside: bool = False
        ) -> Response:
            if request.url.startswith("http://nas.lan/") and not inside:
                raise BlockedAddress(request.url, "no")
            return await super().fetch(request, on_sent, inside)

    fetcher = Guarded(
        {
            PUBLIC: [f"http://nas.lan/{number}" for number in range(4)],
            HERE: ["http://nas.lan/c"],
            "http://nas.lan/robots.txt": once_in_trouble,
            "http://nas.lan/c": "",
        }
    )
    got = await crawled(
        spider(PUBLIC, HERE), fetcher, obey_robots=True, concurrency=1, retries=2, allow_private_hosts=("10.0.0.0/8",)
    )
    assert got.failures == {"private_address": 4}
    assert "http://nas.lan/c" in [item["url"] for item in got.items]


async def test_the_refusal_of_a_robots_txt_is_not_tried_again() -> None:
    cache = RobotsCache(Noting({f"{HERE}robots.txt": BlockedAddress(HERE, "no")}), lambda _: "a/1", lambda: 1000.0)
    with pytest.raises(RobotsUnavailable) as caught:
        await cache.fetch("http://127.0.0.1")
    assert (caught.value.reason, caught.value.retryable) == ("private_address", False)


# ----- what a person sees, and sets -----------------------------------------------------------------------------------


def test_why_tells_what_was_left_out_and_what_permits_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    fetcher = Noting({PUBLIC: [THERE, "http://nas/"]})
    run(spider(PUBLIC), settings={"obey_robots": False}, fetcher=fetcher, output="out.jsonl", job=tmp_path / "job")
    capsys.readouterr()

    command_line(["why", f"{THERE}x", "job"])

    assert capsys.readouterr().out == (
        "private: 10.0.0.7 is a private address (private network): no public page or public name may lead there; "
        'allow_private_hosts = ["10.0.0.7"] permits it\n'
        "  left out of this crawl: 2 links of public pages to private hosts\n"
    )


async def test_the_summary_tells_how_many_links_were_left_out_and_which_setting_permits_them(
    capsys: pytest.CaptureFixture[str],
) -> None:
    got = await crawled(spider(PUBLIC), Noting({PUBLIC: [THERE, "http://nas/"]}))

    Console().summarize(got.report, [Kept("rejects")])

    told = f"  skipped   2 links of public pages to private hosts (allow_private_hosts), e.g. {THERE}\n"
    assert told in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "expected"),
    [("true", True), ("false", False), ('["10.0.0.0/8", "nas"]', ("10.0.0.0/8", "nas")), ("[]", ())],
)
def test_the_setting_is_yes_or_no_or_a_list_from_every_layer(text: str, expected: Any) -> None:
    nowhere = Project(Path())
    for settings in (
        resolve(nowhere, None, {"allow_private_hosts": text}, {}),
        resolve(nowhere, None, None, {"CRAWL_ALLOW_PRIVATE_HOSTS": text}),
    ):
        assert settings.values["allow_private_hosts"] == expected
    given = list(expected) if isinstance(expected, tuple) else expected
    settings = resolve(nowhere, None, {"allow_private_hosts": given}, {}, overrides_are_text=False)
    assert settings.values["allow_private_hosts"] == expected


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("10.0.0.5", "--set: allow_private_hosts = '10.0.0.5': expected true or false or a list (in JSON: "),
        ('["10.0.0.5/8"]', "'10.0.0.5/8' is an address and a network at once: write \"10.0.0.0/8\""),
        ('["http://wiki/"]', "'http://wiki/' is a URL: write its host alone, \"wiki\""),
        ("[5]", "expected text"),
    ],
)
def test_a_bad_value_is_told_with_what_to_write(text: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        resolve(Project(Path()), None, {"allow_private_hosts": text}, {})
    assert says in str(caught.value)
