"""What becomes of one request: retries, redirects, robots.txt, refusals, and everything that can be wrong with it."""

import asyncio
from collections import Counter
from dataclasses import dataclass
from typing import Any

import pytest
from aiohttp import web
from crawling import SITE, Scripted, crawled, html, refused, status
from pytest_aiohttp import AiohttpServer

import crawler.engine.worker as worker_module
from crawler.errors import (
    BodyTooLarge,
    Disconnected,
    DNSFailed,
    FetchError,
    FetchTimeout,
    MalformedResponse,
    TLSFailed,
)
from crawler.frontier.schedule import HostSchedule
from crawler.request import Request
from crawler.response import Response, headers_of
from crawler.spider import Spider

HOME = f"{SITE}/"


class One(Spider):
    """One page, and what is linked from it."""

    start_urls = [HOME]

    def parse(self, page: Any) -> Any:
        yield {"url": page.url, "depth": page.depth}
        yield from page.follow_all("a")


def links(*hrefs: str) -> str:
    return "".join(f'<a href="{href}">link</a>' for href in hrefs)


@pytest.mark.parametrize("error", [FetchTimeout, Disconnected, DNSFailed])
async def test_what_may_pass_is_tried_again(error: type[FetchError]) -> None:
    fetcher = Scripted({HOME: [error(HOME, "trouble"), error(HOME, "trouble"), "well again"]})

    run = await crawled(One, fetcher)

    assert (fetcher.asked, len(run.items), run.failures) == ([HOME] * 3, 1, {})
    assert run.report.stats.retries == 2


@pytest.mark.parametrize("code", [408, 425, 500, 502, 504, 520, 524])
async def test_a_server_s_trouble_is_tried_again(code: int) -> None:
    fetcher = Scripted({HOME: [status(HOME, code), "well again"]})

    run = await crawled(One, fetcher)

    assert (len(fetcher.asked), len(run.items)) == (2, 1)


async def test_a_retry_waits_twice_as_long_each_time() -> None:
    fetcher = Scripted({HOME: refused(HOME)})

    await crawled(One, fetcher, retries=3, retry_backoff=0.02)

    gaps = [later - earlier for earlier, later in zip(fetcher.times, fetcher.times[1:], strict=False)]
    for gap, nominal in zip(gaps, (0.02, 0.04, 0.08), strict=True):
        assert nominal * 0.5 <= gap < nominal * 1.5 + 0.05


async def test_when_the_retries_are_spent_it_is_a_failure_with_its_reason() -> None:
    run = await crawled(One, Scripted({HOME: FetchTimeout(HOME, "no complete answer in time")}), retries=2)

    failure = run.failure("timeout")
    assert (run.failures, run.report.stats.retries) == ({"timeout": 1}, 2)
    assert (failure.url, failure.attempts, failure.detail) == (HOME, 3, "no complete answer in time")
    assert failure.request == Request(HOME)


@pytest.mark.parametrize("error", [TLSFailed, MalformedResponse, BodyTooLarge])
async def test_what_will_not_pass_is_asked_once(error: type[FetchError]) -> None:
    fetcher = Scripted({HOME: error(HOME, "no")})

    run = await crawled(One, fetcher)

    assert (len(fetcher.asked), run.failures) == (1, {error.reason: 1})


@pytest.mark.parametrize("code", [300, 304, 400, 401, 403, 404, 410, 451, 501])
async def test_a_final_answer_is_not_asked_for_again(code: int) -> None:
    fetcher = Scripted({HOME: status(HOME, code)})

    run = await crawled(One, fetcher)

    assert (len(fetcher.asked), run.failures) == (1, {f"http_{code}": 1})
    assert (run.failure(f"http_{code}").status, run.failure(f"http_{code}").attempts) == (code, 1)


class Posting(Spider):
    """One POST."""

    async def start(self) -> Any:
        yield Request(HOME, method="POST", form={"q": "x"})

    def parse(self, page: Any) -> Any:
        return {"url": page.url, "method": page.request.method}


@pytest.mark.parametrize(
    ("trouble", "tries"),
    [
        (FetchTimeout(HOME), 1),  # it may have been acted on
        (Disconnected(HOME), 1),
        (status(HOME, 500), 1),
        (refused(HOME), 2),  # it never arrived
        (DNSFailed(HOME), 2),
        (status(HOME, 429, Retry_After="0"), 2),  # it was turned away
        (status(HOME, 503, Retry_After="0"), 2),
    ],
)
async def test_a_post_is_repeated_only_where_the_first_had_no_effect(trouble: Any, tries: int) -> None:
    fetcher = Scripted({HOME: [trouble, "accepted"]})

    await crawled(Posting, fetcher)

    assert len(fetcher.asked) == tries


async def test_a_post_is_not_repeated_while_other_heavy_pages_wait_for_their_trees() -> None:
    class Submitting(Spider):
        async def start(self) -> Any:
            for number in range(3):
                yield Request(f"http://{number}.test/", method="POST", form={"q": "x"})

        def parse(self, page: Any) -> Any:
            return {"rows": len(page.css("tr"))}

    table = "<table>" + "<tr><td>1</td></tr>" * 40_000 + "</table>"
    fetcher = Scripted({f"http://{number}.test/": table for number in range(3)})

    run = await crawled(Submitting, fetcher, concurrency=4)  # one of four may wait

    assert (len(fetcher.asked), run.items) == (3, [{"rows": 40_000}] * 3)


@pytest.mark.parametrize("code", [429, 503])
async def test_a_refusal_rests_the_whole_host_and_no_other(code: int) -> None:
    other = "http://other.test"

    class Both(Spider):
        start_urls = [f"{SITE}/{n}" for n in range(4)] + [f"{other}/{n}" for n in range(4)]

        def parse(self, page: Any) -> Any:
            return {"url": page.url}

    answers: dict[str, Any] = dict.fromkeys(Both.start_urls, "page")
    answers[f"{SITE}/0"] = [status(f"{SITE}/0", code, Retry_After="1"), "page"]
    fetcher = Scripted(answers)

    run = await crawled(
        Both, fetcher, max_delay=0.1, concurrency_per_host=1
    )  # the longest rest, and no other on its way

    times = dict(zip(fetcher.asked, fetcher.times, strict=True))
    begin = fetcher.times[0]
    assert fetcher.asked.count(f"{SITE}/0") == 2
    assert len(run.items) == 8
    assert all(times[f"{other}/{n}"] - begin < 0.1 for n in range(4))
    assert all(times[f"{SITE}/{n}"] - begin >= 0.1 for n in range(1, 4))


async def test_one_moment_of_refusal_is_one_refusal() -> None:
    """Eight answers that were under way together say no more than one of them."""

    class Wide(Spider):
        start_urls = [f"{SITE}/{n}" for n in range(9)]

        def parse(self, page: Any) -> Any:
            return {"url": page.url}

    answers: dict[str, Any] = {url: [status(url, 503), "page"] for url in Wide.start_urls}
    answers[f"{SITE}/0"] = "page"
    rests: list[float] = []
    fetcher = Scripted(answers, latency=0.005)

    rest = HostSchedule.rest

    def noted(self: Any, host: str, until: float) -> None:
        rests.append(until - asyncio.get_running_loop().time())
        rest(self, host, asyncio.get_running_loop().time() + 0.01)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(HostSchedule, "rest", noted)
        await crawled(Wide, fetcher)

    assert max(rests) <= 2.0


async def test_a_redirect_is_a_request_of_its_own() -> None:
    fetcher = Scripted({HOME: status(HOME, 302, Location="/home"), f"{SITE}/home": "here"})

    run = await crawled(One, fetcher)

    assert fetcher.asked == [HOME, f"{SITE}/home"]
    assert run.items == [{"url": f"{SITE}/home", "depth": 0}]
    assert (run.report.stats.redirects, run.report.stats.pages) == (1, 1)


async def test_redirects_to_a_page_that_is_known_end_there() -> None:
    answers: dict[str, Any] = {HOME: links("/a", "/b", "/target"), f"{SITE}/target": "here"}
    answers |= {f"{SITE}/{name}": status(f"{SITE}/{name}", 301, Location="/target") for name in "ab"}
    fetcher = Scripted(answers)

    run = await crawled(One, fetcher)

    assert Counter(fetcher.asked)[f"{SITE}/target"] == 1
    assert run.report.stats.duplicates == 2


async def test_redirects_in_a_circle_end() -> None:
    fetcher = Scripted({HOME: status(HOME, 302, Location="/b"), f"{SITE}/b": status(f"{SITE}/b", 302, Location="/")})

    run = await asyncio.wait_for(crawled(One, fetcher), 5.0)

    assert run.failures == {"redirect": 1}
    assert run.failure("redirect").detail == f"it redirects in a circle: {HOME} was asked for 3 times"
    assert len(fetcher.asked) == 6


async def test_a_redirect_that_leads_nowhere_is_a_failure_in_words() -> None:
    run = await crawled(One, Scripted({HOME: status(HOME, 302, Location="ftp://site.test/")}))

    assert run.failure("redirect").detail == "it redirects to 'ftp://site.test/', which is no http URL"
    assert run.failure("redirect").status == 302


async def test_a_redirect_without_a_location_is_what_its_status_says() -> None:
    run = await crawled(One, Scripted({HOME: status(HOME, 302)}))

    assert run.failures == {"http_302": 1}


async def test_a_seed_that_redirects_out_of_the_crawl_says_what_to_do() -> None:
    run = await crawled(One, Scripted({HOME: status(HOME, 301, Location="http://new.test/")}))

    assert run.failures == {"redirect": 1}
    assert run.failure("redirect").detail == (
        "it redirects to http://new.test/, outside the crawl: add that host to allowed_hosts"
    )


async def test_a_link_that_redirects_out_of_the_crawl_is_only_left_out() -> None:
    answers = {HOME: links("/out"), f"{SITE}/out": status(f"{SITE}/out", 301, Location="http://new.test/")}

    run = await crawled(One, Scripted(answers))

    assert (run.failures, run.report.stats.skipped) == ({}, {"out_of_scope": 1})


async def test_a_redirected_page_is_as_deep_as_its_first_address() -> None:
    answers = {
        HOME: links("/hop"),
        f"{SITE}/hop": status(f"{SITE}/hop", 302, Location="/page"),
        f"{SITE}/page": links("/next"),
        f"{SITE}/next": "",
    }

    run = await crawled(One, Scripted(answers), max_depth=2)

    assert [(item["url"], item["depth"]) for item in run.items] == [
        (HOME, 0),
        (f"{SITE}/page", 1),
        (f"{SITE}/next", 2),
    ]


async def test_a_page_that_redirects_to_itself_after_setting_a_cookie_works(aiohttp_server: AiohttpServer) -> None:
    async def page(request: web.Request) -> web.Response:
        if "seen" in request.cookies:
            return web.Response(text="welcome", content_type="text/html")
        response = web.Response(status=302, headers={"Location": request.path})
        response.set_cookie("seen", "1")
        return response

    app = web.Application()
    app.router.add_get("/", page)
    server = await aiohttp_server(app)

    class Welcome(Spider):
        start_urls = [str(server.make_url("/"))]

        def parse(self, page: Any) -> Any:
            return {"text": page.text}

    run = await crawled(Welcome)

    assert (run.items, run.failures) == ([{"text": "welcome"}], {})


async def test_a_crawl_over_http_leaves_no_task_and_no_socket(aiohttp_server: AiohttpServer) -> None:
    async def page(request: web.Request) -> web.Response:
        number = int(request.match_info["number"])
        body = links(*[str(number * 3 + step) for step in (1, 2, 3) if number < 20])
        return web.Response(text=body, content_type="text/html")

    app = web.Application()
    app.router.add_get(r"/{number:\d+}", page)
    server = await aiohttp_server(app)
    before = asyncio.all_tasks()

    class Tree(One):
        start_urls = [str(server.make_url("/0"))]

    run = await crawled(Tree, obey_robots=True)
    await asyncio.sleep(0)

    assert (run.reason, run.report.stats.pages, run.failures) == ("complete", 61, {})
    mine = {task for task in asyncio.all_tasks() - before if "web_protocol" not in repr(task.get_coro())}
    assert mine == set()


ROBOTS = f"{SITE}/robots.txt"


async def test_what_robots_txt_disallows_is_not_asked_for() -> None:
    robots = html(ROBOTS, "User-agent: *\nDisallow: /private")
    fetcher = Scripted({ROBOTS: robots, HOME: links("/private/1", "/open"), f"{SITE}/open": ""})

    run = await crawled(One, fetcher, obey_robots=True)

    assert fetcher.asked == [ROBOTS, HOME, f"{SITE}/open"]
    assert (run.report.stats.skipped, run.failures) == ({"robots": 1}, {})
    assert run.report.stats.skipped_examples == {"robots": f"{SITE}/private/1"}


async def test_a_redirect_into_what_is_disallowed_is_not_followed() -> None:
    robots = html(ROBOTS, "User-agent: *\nDisallow: /private")
    fetcher = Scripted({ROBOTS: robots, HOME: status(HOME, 302, Location="/private")})

    run = await crawled(One, fetcher, obey_robots=True)

    assert (fetcher.asked, run.report.stats.skipped) == ([ROBOTS, HOME], {"robots": 1})


@pytest.mark.parametrize("code", [404, 403, 410])
async def test_no_robots_txt_allows_everything(code: int) -> None:
    fetcher = Scripted({ROBOTS: status(ROBOTS, code), HOME: ""})

    run = await crawled(One, fetcher, obey_robots=True)

    assert (fetcher.asked, len(run.items)) == ([ROBOTS, HOME], 1)


async def test_a_robots_txt_that_cannot_be_had_makes_the_pages_fail() -> None:
    fetcher = Scripted({ROBOTS: status(ROBOTS, 500), HOME: ""})

    run = await crawled(One, fetcher, obey_robots=True, retries=2)

    assert (fetcher.asked, run.failures) == ([ROBOTS] * 3, {"robots_unavailable": 1})
    assert run.failure("robots_unavailable").detail == "robots.txt answered 500"


async def test_an_origin_given_up_is_remembered() -> None:
    class Two(Spider):
        start_urls = [HOME]

        def parse(self, page: Any) -> None:
            pass

        def on_failure(self, failure: Any) -> Any:
            if failure.url == HOME:
                return [Request(f"{SITE}/{n}") for n in range(5)]
            return None

    fetcher = Scripted({ROBOTS: refused(ROBOTS)})

    run = await crawled(Two, fetcher, obey_robots=True, retries=1)

    assert (fetcher.asked, run.failures) == ([ROBOTS] * 2, {"connect": 6})


async def test_a_robots_txt_that_comes_at_the_second_try_is_obeyed() -> None:
    robots = html(ROBOTS, "User-agent: *\nDisallow: /private")
    fetcher = Scripted({ROBOTS: [status(ROBOTS, 503), robots], HOME: links("/private")})

    run = await crawled(One, fetcher, obey_robots=True)

    assert (fetcher.asked, len(run.items)) == ([ROBOTS, ROBOTS, HOME], 1)


async def test_one_robots_txt_for_each_origin_however_many_workers() -> None:
    hosts = [f"http://h{n}.test" for n in range(3)]

    class Wide(Spider):
        start_urls = [f"{host}/{n}" for n in range(40) for host in hosts]

        def parse(self, page: Any) -> None:
            pass

    fetcher = Scripted(dict.fromkeys(Wide.start_urls, "page"), latency=0.002)

    run = await crawled(Wide, fetcher, obey_robots=True, concurrency=64)

    asked = Counter(fetcher.asked)
    assert [asked[f"{host}/robots.txt"] for host in hosts] == [1, 1, 1]
    assert run.report.stats.pages == 120


async def test_both_schemes_of_a_host_have_a_robots_txt_of_their_own() -> None:
    secure = "https://site.test"

    class Both(Spider):
        start_urls = [f"{SITE}/a", f"{secure}/a"]

        def parse(self, page: Any) -> Any:
            return {"url": page.url}

    answers = {
        ROBOTS: html(ROBOTS, "User-agent: *\nDisallow: /a"),
        f"{SITE}/a": "",
        f"{secure}/a": "",
    }
    run = await crawled(Both, Scripted(answers), obey_robots=True)

    assert run.items == [{"url": f"{secure}/a"}]


async def test_a_callback_that_is_not_there_is_a_failure_with_the_nearest_name() -> None:
    class Typo(Spider):
        start_urls = [HOME]

        def parse(self, page: Any) -> Any:
            yield Request(f"{SITE}/1", callback="parse_bok")

        def parse_book(self, page: Any) -> None:
            pass

    run = await crawled(Typo, Scripted({HOME: "", f"{SITE}/1": ""}))

    assert run.failures == {"callback_error": 1}
    assert run.failure("callback_error").detail == "Typo has no method 'parse_bok'. Did you mean 'parse_book'?"
    assert run.report.stats.callback_errors == 1


async def test_a_failure_says_where_the_page_was_found_and_who_asked() -> None:
    run = await crawled(One, Scripted({HOME: links("/gone")}))

    failure = run.failure("http_404")
    assert (failure.url, failure.referrer, failure.callback) == (f"{SITE}/gone", HOME, "parse")


async def test_links_out_of_scope_are_counted_and_not_asked_for() -> None:
    fetcher = Scripted({HOME: links("http://elsewhere.test/", "http://shop.site.test/", "/")})

    run = await crawled(One, fetcher)

    assert fetcher.asked == [HOME, "http://shop.site.test/"]
    assert (run.report.stats.skipped, run.report.stats.duplicates) == ({"out_of_scope": 1}, 1)


async def test_a_request_reaches_its_callback_as_it_was_made() -> None:
    class Carrying(Spider):
        start_urls = [HOME]

        def parse(self, page: Any) -> Any:
            yield Request(f"{SITE}/1", callback=self.parse_item, meta={"from": ["home", 1]}, headers={"X-A": "b"})

        def parse_item(self, page: Any) -> Any:
            return {"meta": page.meta, "headers": page.request.headers, "depth": page.depth}

    run = await crawled(Carrying, Scripted({HOME: "", f"{SITE}/1": ""}))

    assert run.items == [{"meta": {"from": ["home", 1]}, "headers": {"X-A": "b"}, "depth": 1}]


async def test_rejects_are_counted_and_written_and_cost_no_page() -> None:
    @dataclass
    class Price:
        amount: float

    class Shop(Spider):
        start_urls = [HOME]

        def parse(self, page: Any) -> Any:
            yield Price("free")  # type: ignore[arg-type]  # that is the mistake
            yield Price(1.5)

    run = await crawled(Shop, Scripted({HOME: ""}))

    assert (run.items, [reject["field"] for reject in run.rejects]) == ([{"amount": 1.5}], ["amount"])
    assert (run.report.stats.rejects, run.report.stats.pages, run.report.stats.items) == (1, 1, 1)
    assert list(run.report.stats.rejected) == ["Price.amount: Expected `float`, got `str`"]


async def test_a_fetcher_that_breaks_its_contract_costs_one_page() -> None:
    answers: dict[str, Any] = {HOME: links("/broken", "/fine"), f"{SITE}/fine": ""}
    answers[f"{SITE}/broken"] = RuntimeError("no FetchError")

    run = await crawled(One, Scripted(answers))

    assert (run.reason, len(run.items), run.report.stats.failed) == ("complete", 2, 1)


async def test_a_fetcher_that_was_cancelled_inside_costs_one_page() -> None:
    async def cancelled_inside(request: Request) -> Response:
        other = asyncio.create_task(asyncio.Event().wait())
        await asyncio.sleep(0)
        other.cancel()
        await other
        raise AssertionError

    answers: dict[str, Any] = {HOME: links("/broken", "/fine"), f"{SITE}/fine": "", f"{SITE}/broken": cancelled_inside}

    run = await asyncio.wait_for(crawled(One, Scripted(answers), concurrency=2), 1.0)

    assert (run.reason, len(run.items), run.report.stats.failed) == ("complete", 2, 1)


async def test_a_callback_error_after_retries_counts_them_all() -> None:
    class Bad(Spider):
        start_urls = [HOME]

        def parse(self, page: Any) -> Any:
            raise ValueError

    run = await crawled(Bad, Scripted({HOME: [refused(HOME), "page"]}))

    assert run.failure("callback_error").attempts == 2


async def test_links_of_the_first_page_are_fetched_together() -> None:
    hrefs = [f"/{n}" for n in range(8)]
    fetcher = Scripted({HOME: links(*hrefs), **{SITE + href: "" for href in hrefs}}, latency=0.03)

    await crawled(One, fetcher, concurrency=8)

    assert max(fetcher.times) - fetcher.times[1] < 0.02


async def test_a_page_that_is_not_text_is_a_page_too() -> None:
    image = Response(HOME, 200, headers_of({"Content-Type": "image/png"}), b"\x89PNG\r\n\x1a\n")

    class Images(Spider):
        start_urls = [HOME]

        def parse(self, page: Any) -> Any:
            return {"size": len(page.body), "links": page.links()}

    assert (await crawled(Images, Scripted({HOME: image}))).items == [{"size": 8, "links": []}]


async def test_what_robots_txt_forbids_owes_no_pause() -> None:
    """Nothing was sent for it."""
    robots = html(ROBOTS, "User-agent: *\nDisallow: /private")
    fetcher = Scripted({ROBOTS: robots, HOME: links(*(f"/private/{n}" for n in range(50)))})
    loop = asyncio.get_running_loop()
    begun = loop.time()

    run = await crawled(One, fetcher, obey_robots=True, delay=0.05)

    assert run.report.stats.skipped == {"robots": 50}
    assert 0.05 <= loop.time() - begun < 1.0


async def test_a_host_that_was_given_up_owes_no_pause_for_each_of_its_urls() -> None:
    class Many(Spider):
        start_urls = [f"{SITE}/{n}" for n in range(50)]

        def parse(self, page: Any) -> None: ...

    loop = asyncio.get_running_loop()
    begun = loop.time()

    run = await crawled(Many, Scripted({ROBOTS: refused(ROBOTS)}), obey_robots=True, retries=0, delay=0.05)

    assert run.failures == {"connect": 50}
    assert loop.time() - begun < 1.0


async def test_a_robots_txt_in_trouble_is_asked_for_again_after_the_backoff() -> None:
    asked: list[float] = []
    loop = asyncio.get_running_loop()

    async def trouble(request: Request) -> Response:
        asked.append(loop.time())
        return status(ROBOTS, 503)

    class Many(Spider):
        start_urls = [f"{SITE}/{n}" for n in range(5)]

        def parse(self, page: Any) -> None: ...

    run = await crawled(Many, Scripted({ROBOTS: trouble}), obey_robots=True, retries=1, retry_backoff=0.2)

    assert (len(asked), run.failures) == (2, {"robots_unavailable": 5})
    assert asked[1] - asked[0] >= 0.1  # half of it, at least


async def test_a_limit_gives_pages_that_run_no_longer_than_the_grace() -> None:
    class Waiting(Spider):
        start_urls = [HOME, f"{SITE}/other"]

        async def parse(self, page: Any) -> Any:
            if page.url == HOME:
                await asyncio.Event().wait()
            return {"url": page.url}

    run = await asyncio.wait_for(
        crawled(Waiting, Scripted({HOME: "", f"{SITE}/other": ""}), max_items=1, grace=0.05), 5
    )

    assert (run.reason, len(run.items)) == ("max_items", 1)


class Joint(Scripted):
    """A fetcher whose pages come together."""

    def __init__(self) -> None:
        super().__init__({})
        self.turns = ""
        self._gate: asyncio.Event | None = None

    async def fetch(self, request: Request, on_sent: Any = None, inside: bool = False) -> Response:
        self.turns += "a"
        if self._gate is None:
            self._gate = asyncio.Event()
            asyncio.get_running_loop().call_later(0.02, self._open)
        await self._gate.wait()
        return html(request.url)

    def _open(self) -> None:
        assert self._gate is not None
        self._gate.set()
        self._gate = None


@pytest.mark.parametrize(("short", "is_together"), [(60.0, True), (0.0, False)])
async def test_after_a_short_page_the_next_is_asked_for_when_all_that_have_come_are_done(
    short: float, is_together: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_module, "_SHORT", short)
    fetcher = Joint()

    class Noting(Spider):
        start_urls = [f"{SITE}/{number}" for number in range(40)]

        def parse(self, page: Any) -> None:
            fetcher.turns += "p"

    await crawled(Noting, fetcher, concurrency=4, concurrency_per_host=4)

    assert ("papapa" not in fetcher.turns) is is_together, fetcher.turns
