"""What leads from one page to another without a callback: statuses with a Location, Refresh headers and metas; and
pages whose links nobody may follow.
"""

from typing import Any

import pytest
from crawling import SITE, Scripted, crawled, html, status
from spiders_for_processes import FollowsInProcess

from crawler.response import Response, headers_of
from crawler.spider import Spider

HOME = f"{SITE}/"
NEXT = f"{SITE}/next"


class One(Spider):
    """One page, and what is linked from it."""

    start_urls = [HOME]

    def parse(self, page: Any) -> Any:
        yield {"url": page.url, "depth": page.depth}
        yield from page.follow_all("a")


def urls_of(run: Any) -> list[str]:
    return [item["url"] for item in run.items]


def refreshing(url: str, content: str, body: str = "") -> Response:
    return html(url, f'<meta http-equiv="refresh" content="{content}">{body}')


def linking(url: str, *paths: str) -> Response:
    return html(url, "".join(f"<a href='{path}'>x</a>" for path in paths))


@pytest.mark.parametrize("code", [300, 304, 305, 306])
async def test_other_statuses_are_no_redirects_even_with_a_location(code: int) -> None:
    fetcher = Scripted({HOME: status(HOME, code, Location="/next"), NEXT: ""})

    run = await crawled(One, fetcher)

    assert (run.failures, fetcher.asked) == ({f"http_{code}": 1}, [HOME])


async def test_chains_that_lead_on_and_on_end_after_20_hops() -> None:
    hops = {f"{SITE}/{number}": status("", 302, Location=f"/{number + 1}") for number in range(40)}
    fetcher = Scripted({HOME: status(HOME, 302, Location="/0"), **hops})

    run = await crawled(One, fetcher)

    assert run.failure("redirect").detail == "more than 20 redirects"
    assert len(fetcher.asked) == 21


async def test_a_page_that_redirects_to_itself_forever_is_asked_three_times() -> None:
    fetcher = Scripted({HOME: status(HOME, 302, Location="")})

    run = await crawled(One, fetcher)

    assert (run.failures, len(fetcher.asked)) == ({"redirect": 1}, 3)


async def test_locations_that_differ_are_a_failure() -> None:
    headers = headers_of({"Location": "/next"})
    headers.add("Location", "/other")

    run = await crawled(One, Scripted({HOME: Response(HOME, 302, headers), NEXT: ""}))

    assert run.failure("redirect").detail == "it has 2 Location headers that differ"


# Refresh.


@pytest.mark.parametrize(
    "answer",
    [
        refreshing(HOME, "0; url=/next"),
        refreshing(HOME, "5;URL='next'"),
        html(HOME, "<base href='/dir/'><meta http-equiv=refresh content='1;../next'>"),
        Response(HOME, 200, headers_of({"Refresh": "0;url=/next"}), b"<p>moved"),
        Response(HOME, 200, headers_of({"Refresh": "0;url=/next", "Content-Type": "image/png"}), b"\x89PNG\0"),
    ],
)
async def test_a_page_that_wants_to_be_left_at_once_is_a_redirect(answer: Response) -> None:
    fetcher = Scripted({HOME: answer, NEXT: ""})

    run = await crawled(One, fetcher)

    assert (run.items, fetcher.asked) == ([{"url": NEXT, "depth": 0}], [HOME, NEXT])
    assert (run.report.stats.redirects, run.report.stats.pages) == (1, 1)


@pytest.mark.parametrize(
    "content", ["6; url=/next", "30", "0", "0; url=/", "0; url=/#top", "0; url=javascript:a()", "0; url=http://[", "no"]
)
async def test_a_page_that_stays_or_refreshes_itself_is_a_page(content: str) -> None:
    run = await crawled(One, Scripted({HOME: refreshing(HOME, content), NEXT: ""}))

    assert (urls_of(run), run.report.stats.redirects) == ([HOME], 0)


@pytest.mark.parametrize(("limit", "urls"), [(None, [HOME]), (0.0, [HOME]), (60.0, [NEXT])])
async def test_how_soon_is_a_setting(limit: float | None, urls: list[str]) -> None:
    run = await crawled(One, Scripted({HOME: refreshing(HOME, "9;/next"), NEXT: ""}), refresh_redirect=limit)

    assert urls_of(run) == urls


async def test_the_last_picture_of_a_slide_show_is_a_page() -> None:
    answers = {HOME: refreshing(HOME, "3;/next"), NEXT: refreshing(NEXT, "3;/")}

    run = await crawled(One, Scripted(answers))

    assert (urls_of(run), run.failures) == ([NEXT], {})


async def test_pages_that_refresh_on_and_on_are_pages_after_20_hops() -> None:
    hops = {f"{SITE}/{number}": refreshing(f"{SITE}/{number}", f"0;/{number + 1}") for number in range(22)}

    run = await crawled(One, Scripted({HOME: refreshing(HOME, "0;/0"), **hops, f"{SITE}/22": ""}))

    assert (urls_of(run), run.failures) == ([f"{SITE}/19"], {})


async def test_a_seed_that_refreshes_out_of_the_crawl_says_what_to_do() -> None:
    run = await crawled(One, Scripted({HOME: refreshing(HOME, "0;http://new.test/")}))

    assert run.failure("redirect").detail == (
        "it redirects to http://new.test/, outside the crawl: add that host to allowed_hosts"
    )


async def test_a_post_that_is_answered_by_a_refresh_goes_on_as_a_get() -> None:
    asked = []

    class Posting(One):
        async def start(self) -> Any:
            from crawler import Request

            yield Request(HOME, method="POST", form={"a": "1"}, headers={"Authorization": "secret"})

    class Recorded(Scripted):
        async def fetch(self, request: Any, on_sent: Any = None, inside: bool = False) -> Response:
            asked.append((request.method, request.url, request.form, dict(request.headers)))
            return await super().fetch(request, on_sent)

    fetcher = Recorded({HOME: refreshing(HOME, "0;http://b.test/"), "http://b.test/": ""})
    await crawled(Posting, fetcher, args={})

    assert asked == [("POST", HOME, {"a": "1"}, {"Authorization": "secret"})]  # out of scope

    asked.clear()
    fetcher = Recorded({HOME: refreshing(HOME, "0;/next"), NEXT: ""})
    await crawled(Posting, fetcher)

    assert [row[:3] for row in asked] == [("POST", HOME, {"a": "1"}), ("GET", NEXT, None)]


# Links that nobody may follow.


def answers_with(**headers: str) -> dict[str, Any]:
    page = linking(HOME, "/next", "/other")
    for name, value in headers.items():
        page.headers[name.replace("_", "-")] = value
    return {HOME: page, NEXT: "", f"{SITE}/other": ""}


async def test_links_of_a_page_that_says_nofollow_are_left_out_and_counted() -> None:
    fetcher = Scripted(answers_with(X_Robots_Tag="nofollow"))

    run = await crawled(One, fetcher)

    assert (urls_of(run), fetcher.asked) == ([HOME], [HOME])
    assert (run.report.stats.skipped, run.report.stats.skipped_examples) == ({"nofollow": 2}, {"nofollow": NEXT})


@pytest.mark.parametrize("name", ["robots", "ROBOTS", "crawler"])
async def test_a_meta_says_it_too_for_all_or_for_this_crawler(name: str) -> None:
    answers = {HOME: html(HOME, f"<meta name={name} content='noindex, nofollow'><a href=/next>x</a>"), NEXT: ""}

    run = await crawled(One, Scripted(answers), user_agent="Crawler/1.0 (+http://a.example/bot)")

    assert (urls_of(run), run.report.stats.skipped) == ([HOME], {"nofollow": 1})


@pytest.mark.parametrize("value", ["noindex", "other: nofollow", "index, follow"])
async def test_what_does_not_forbid_the_links_to_us_changes_nothing(value: str) -> None:
    run = await crawled(One, Scripted(answers_with(X_Robots_Tag=value)))

    assert (len(run.items), run.report.stats.skipped) == (3, {})


async def test_a_crawl_or_a_host_can_be_told_not_to_obey() -> None:
    answers = answers_with(X_Robots_Tag="none")

    everywhere = await crawled(One, Scripted(answers), obey_robots_tags=False)
    here = await crawled(One, Scripted(answers), hosts={"site.test": {"obey_robots_tags": False}})

    assert (len(everywhere.items), len(here.items)) == (3, 3)


async def test_rel_nofollow_is_left_out_where_a_host_is_set_so() -> None:
    answers = {HOME: html(HOME, "<a href=/next rel=nofollow>x</a><a href=/other>y</a>"), NEXT: "", f"{SITE}/other": ""}

    free = await crawled(One, Scripted(answers))
    bound = await crawled(One, Scripted(answers), hosts={"site.test": {"obey_rel_nofollow": True}})

    assert (urls_of(free), urls_of(bound)) == ([HOME, NEXT, f"{SITE}/other"], [HOME, f"{SITE}/other"])


async def test_a_callback_in_a_parse_process_is_no_exception() -> None:
    answers = {
        HOME: refreshing(HOME, "0;/next"),
        NEXT: html(
            NEXT,
            "<link rel=stylesheet href=s.css><a href=/tagged rel=nofollow>x</a><a href=/a>y</a><a href=/forbidding>z</a>",
        ),
        f"{SITE}/a": "",
        f"{SITE}/s.css": "",
        f"{SITE}/forbidding": html(f"{SITE}/forbidding", "<meta name=robots content=nofollow><a href=/never>x</a>"),
    }

    run = await crawled(FollowsInProcess, Scripted(answers), obey_rel_nofollow=True, links="resources")

    assert sorted(urls_of(run)) == sorted([NEXT, f"{SITE}/a", f"{SITE}/forbidding", f"{SITE}/s.css"])
    assert (run.failures, run.report.stats.skipped) == ({}, {"nofollow": 1})


# Which spellings are one page.


async def test_the_steps_of_canonicalization_are_a_setting() -> None:
    answers = {HOME: linking(HOME, "/next", "/next/", "/next?utm_source=x"), NEXT: ""}
    steps = ["drop_fragment", "drop_tracking", "drop_trailing_slash"]

    run = await crawled(One, Scripted(answers), canonicalization=steps)

    assert (urls_of(run), run.report.stats.duplicates) == ([HOME, NEXT], 2)


async def test_a_redirect_between_two_spellings_of_one_page_is_followed() -> None:
    answers = {HOME: linking(HOME, "/next"), NEXT: status(NEXT, 301, Location="/next/"), f"{NEXT}/": ""}

    run = await crawled(One, Scripted(answers), canonicalization=["drop_trailing_slash"])

    assert urls_of(run) == [HOME, f"{NEXT}/"]
