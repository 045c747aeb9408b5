"""Jobs on the command line: what goes on, what begins anew, and what is told of a job afterwards."""

import json
import os
import signal
import time
from collections.abc import Callable

import pytest

from crawler.cli.main import COMPLETE, INTERRUPTED, LIMIT, NOTHING_WORKED, USAGE
from crawler.frontier.job import Job

SITE = """
from crawler import Spider

class Site(Spider):
    name = "site"
    start_urls = ["{url}"]

    def __init__(self, word="none"):
        super().__init__()
        self.word = word

    def parse(self, page):
        yield {{"url": page.url, "word": self.word}}
        yield from page.follow_all("a")
"""
PAGES = {
    "/": '<a href="/a">a</a><a href="/b">b</a><a href="/gone">gone</a><a href="/secret/x">x</a>',
    "/a": '<a href="/a/deep">deep</a><a href="http://elsewhere.test/">elsewhere</a>',
    "/b": '<a href="/a#part">again</a>',
    "/a/deep": '<a href="/a/deep/er">deeper</a>',
    "/a/deep/er": "",
    "/robots.txt": "User-agent: *\nDisallow: /nothing\nDisallow: /secret\n",
}


@pytest.fixture
def site(project, serve: Callable[[dict[str, str]], str]) -> str:
    """The URL of a small site, for which ``site.py`` is a spider."""
    url = serve(PAGES)
    project.write("site.py", SITE.format(url=url))
    return url


def interrupted(start, project, *more: str) -> None:
    """A crawl of the bookshop that was ended by SIGINT."""
    process = start("books", "-o", "books.jsonl", "--set", "delay=0.02", *more)
    wait_for(lambda: (project.root / "books.jsonl").is_file() and len(project.lines("books.jsonl")) >= 2)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)
    assert process.returncode == INTERRUPTED


def wait_for(condition: Callable[[], bool]) -> None:
    for _ in range(400):
        if condition():
            return
        time.sleep(0.025)
    raise AssertionError("it did not come")


def test_an_unfinished_job_is_neither_wiped_nor_continued_without_a_word(start, crawl, project):
    interrupted(start, project)
    before = (project.root / "books.jsonl").read_bytes()

    ended = crawl("books", "-o", "other.jsonl")

    assert ended.code == USAGE
    assert ended.err.startswith("crawl: books has an unfinished job (interrupted; ")
    assert "\n  crawl books --resume " in ended.err
    assert "\n  crawl books --fresh -o other.jsonl " in ended.err
    assert (project.root / "books.jsonl").read_bytes() == before
    assert project.files() == {"books.jsonl"}


def test_resume_goes_on_in_the_job_s_own_output(start, crawl, project):
    interrupted(start, project)

    ended = crawl("books", "--resume")

    assert ended.code == COMPLETE
    assert ended.err.startswith("books goes on (interrupted; ")
    lines = project.lines("books.jsonl")
    assert len({line["url"] for line in lines}) == len(lines) == 20
    assert crawl("books", "-o", "fresh.jsonl").code == COMPLETE
    assert sorted(map(str, project.lines("fresh.jsonl"))) == sorted(map(str, lines))


def test_a_resume_may_name_the_output_again_but_no_other(start, crawl, project):
    interrupted(start, project)

    ended = crawl("books", "--resume", "-o", "other.jsonl")
    assert ended.code == USAGE
    assert f"this job writes to {project.root / 'books.jsonl'}, and a resume goes on there" in ended.err

    assert crawl("books", "--resume", "-o", "./books.jsonl").code == COMPLETE


def test_fresh_begins_anew_and_leaves_the_old_dataset_alone(start, crawl, project):
    interrupted(start, project)
    before = (project.root / "books.jsonl").read_bytes()

    assert crawl("books", "--fresh", "-o", "books.jsonl").code == USAGE
    ended = crawl("books", "--fresh", "-o", "new.jsonl")

    assert ended.code == COMPLETE
    assert len(project.lines("new.jsonl")) == 20
    assert (project.root / "books.jsonl").read_bytes() == before


def test_a_job_may_have_a_folder_of_its_own(start, crawl, project):
    interrupted(start, project, "--job", "kept/here")

    assert not (project.root / ".crawl").exists()
    assert crawl("books", "-o", "-").code == COMPLETE
    refused = crawl("books", "--job", "kept/here", "-a", "b=c d").err
    assert "\n  crawl books --resume --job kept/here " in refused
    assert "\n  crawl books --fresh --job kept/here -a 'b=c d'  gives it up" in refused
    assert crawl("books", "--resume", "--job", "kept/here").code == COMPLETE
    assert len(project.lines("books.jsonl")) == 20


def test_resume_without_a_job_begins_one(crawl, project):
    ended = crawl("books", "--resume", "-o", "a.jsonl")

    assert ended.code == COMPLETE
    assert "books has no job to go on with: a new one begins" in ended.err
    assert len(project.lines("a.jsonl")) == 20


def test_resume_of_a_complete_job_does_nothing(crawl, project):
    crawl("books", "-o", "a.jsonl")
    (project.root / "a.jsonl").unlink()

    ended = crawl("books", "--resume")

    assert (ended.code, ended.err.splitlines()) == (
        COMPLETE,
        [
            "books is complete: 20 items, and nothing is left to fetch",
            "  failed    1 URL: `crawl retry books` lets them wait again",
            "  missing   a.jsonl is not there any more; --fresh crawls anew",
        ],
    )


def test_resume_reads_what_waits_where_no_request_was_answered(crawl, project):
    """A job of which nothing was fetched is worth nothing: it is replaced without a word."""
    project.write(
        "spiders/books.py", (project.root / "spiders/books.py").read_text().replace(project.url, "http://127.0.0.1:1/")
    )
    assert crawl("books", "-o", "a.jsonl", "--set", "retries=0").code == NOTHING_WORKED
    assert crawl("books", "-o", "b.jsonl", "--set", "retries=0").code == NOTHING_WORKED


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--resume", "--fresh"], "--resume and --fresh exclude each other"),
        (["--resume", "--append"], "--resume goes on in the job's own outputs"),
        (["--resume", "--set", "store=memory"], "this crawl keeps no state"),
    ],
)
def test_what_cannot_be_together_is_refused(crawl, project, options, said):
    ended = crawl("books", *options)
    assert ended.code == USAGE
    assert ended.err.startswith(f"crawl: {said}")


def test_the_memory_store_leaves_nothing_but_the_dataset(crawl, project):
    assert crawl("books", "-o", "a.jsonl", "--set", "store=memory", "--set", "manifest=false").code == COMPLETE
    assert sorted(path.name for path in project.root.iterdir()) == ["a.jsonl", "config.toml", "spiders"]


def test_a_trial_is_replaced_and_it_is_said(crawl, project):
    assert crawl("books", "-o", "a.jsonl", "--max-pages", 3).code == LIMIT

    ended = crawl("books", "-o", "b.jsonl", "--max-pages", 5)

    assert ended.code == LIMIT
    assert ended.err.startswith("books begins anew, in the place of its last job (stopped at max_pages; 3 pages, ")
    assert "5 pages" in ended.err


def test_a_limit_counts_the_whole_job_and_one_that_was_reached_is_not_remembered(crawl, site, project):
    crawl("site.py", "-o", "a.jsonl", "--max-pages", 2)
    assert crawl("site.py", "--resume", "--max-pages", 3).code == LIMIT
    assert len(project.lines("a.jsonl")) == 3

    again = crawl("site.py", "--resume", "--max-pages", 3)
    assert again.code == LIMIT
    assert "max_pages was reached before: a higher one lets the crawl go on" in again.err
    assert len(project.lines("a.jsonl")) == 3

    assert crawl("site.py", "--resume").code == COMPLETE
    assert len(project.lines("a.jsonl")) == 5


@pytest.mark.parametrize("first", [1, 2, 3, 4, 7])
def test_items_past_max_items_come_with_the_resume(crawl, serve, project, first):
    """A page whose items did not all fit is gone on with, not done."""
    url = serve({"/": '<a href="/2">2</a><a href="/3">3</a>', "/2": "", "/3": ""})
    lines = 'def parse(self, page):\n        yield from [{"url": page.url, "n": n} for n in range(3)]\n'
    body = f"class Many(Spider):\n    start_urls = [{url!r}]\n\n    {lines}        yield from page.follow_all('a')\n"
    project.write("many.py", f"from crawler import Spider\n\n\n{body}")
    assert crawl("many.py", "-o", "a.jsonl", "--max-items", first, "--set", "concurrency=1").code == LIMIT
    assert len(project.lines("a.jsonl")) == first

    assert crawl("many.py", "--resume").code == COMPLETE

    found = [(line["url"], line["n"]) for line in project.lines("a.jsonl")]
    assert sorted(found) == sorted((url + page, n) for page in ("", "2", "3") for n in range(3))


def test_arguments_and_settings_are_remembered_and_changes_are_told(crawl, site, project):
    crawl("site.py", "-a", "word=first", "-o", "a.jsonl", "--max-pages", 1, "--set", "timeout=7")
    assert {line["word"] for line in project.lines("a.jsonl")} == {"first"}

    ended = crawl("site.py", "--resume", "--max-pages", 2)
    assert "changed   max_pages: 1 -> 2" in ended.err
    assert "timeout" not in ended.err
    assert [line["word"] for line in project.lines("a.jsonl")] == ["first", "first"]

    project.write("site.py", SITE.format(url=site) + "\n# changed\n")
    ended = crawl("site.py", "--resume", "-a", "word=second", "--set", "timeout=9", "--max-pages", 3)
    assert "  changed   the spider's file\n" in ended.err
    assert "  changed   -a word: first -> second\n" in ended.err
    assert "  changed   timeout: 7.0 -> 9.0\n" in ended.err
    assert [line["word"] for line in project.lines("a.jsonl")] == ["first", "first", "second"]


def test_what_makes_two_urls_one_page_cannot_change_within_a_job(crawl, site, project):
    crawl("site.py", "-a", "word=first", "-o", "a.jsonl", "--max-pages", 1)
    before = project.lines("a.jsonl")

    other = 'canonicalization=["drop_fragment"]'
    ended = crawl("site.py", "--resume", "--set", other)
    assert ended.code == USAGE
    assert "began with canonicalization = ['drop_fragment', 'normalize_escapes'" in ended.err
    assert f"crawl site.py --fresh --set '{other}'" in ended.err
    assert project.lines("a.jsonl") == before

    assert crawl("site.py", "--resume", "--max-pages", 2).code == LIMIT


def test_a_job_of_another_spider_is_not_taken(crawl, site, project):
    crawl("site.py", "--job", "kept", "-o", "-")
    ended = crawl("books", "--job", "kept", "--resume")
    assert ended.code == USAGE
    assert "holds a job of the spider 'site'" in ended.err


def test_what_was_not_begun_leaves_no_job(crawl, project):
    assert crawl("books", "-o", "a.unknown").code == USAGE
    assert crawl("books", "-o", "config.toml/a.jsonl").code == USAGE
    assert not (project.root / ".crawl").exists()


def test_jobs_are_listed_with_what_goes_on(start, crawl, project):
    assert "there are no jobs here" in crawl("jobs").err
    interrupted(start, project)

    out = crawl("jobs").out

    assert out.startswith("books  interrupted, begun 20")
    assert "requests waiting; state " in out
    assert "  dataset   books.jsonl\n" in out
    assert "  go on     crawl books --resume\n" in out


def test_a_damaged_job_is_told_among_the_others(crawl, project):
    crawl("books", "-o", "-")
    Job(project.root / ".crawl" / "books").database.write_bytes(b"no database at all" * 100)

    listed, run = crawl("jobs"), crawl("books", "-o", "-", "--resume")

    assert (listed.code, run.code) == (USAGE, USAGE)
    for told in (listed, run):
        assert (
            "is damaged: the file is no database. The datasets are as they were saved; --fresh begins a new" in told.err
        )
    assert crawl("books", "-o", "-", "--fresh").code == COMPLETE


def test_failures_are_listed_with_reason_status_and_page(crawl, site):
    crawl("site.py", "-o", "-")

    ended = crawl("failures", "site")

    assert "REASON" in ended.out
    assert f"{site}gone  (on {site})" in ended.out
    assert "1 http_404; `crawl retry site` lets them wait again" in ended.err
    [row] = [json.loads(line) for line in crawl("failures", "site", "--json").out.splitlines()]
    assert row["reason"] == "http_404"
    assert row["status"] == 404
    assert row["attempts"] == 1
    assert row["referrer"] == site
    assert row["callback"] == "parse"
    assert abs(row["at"] - time.time()) < 60
    assert crawl("failures", "site", "--reason", "timeout").out == ""


def test_a_url_that_was_given_up_gets_another_chance(crawl, serve, project):
    pages = dict(PAGES)
    url = serve(pages)
    project.write("site.py", SITE.format(url=url))
    crawl("site.py", "-o", "a.jsonl")
    pages["/gone"] = '<a href="/new">new</a>'
    pages["/new"] = ""

    told = " for timout; there are: 1 http_404\n"
    assert crawl("retry", "site", "--reason", "timout").err == f"0 URLs put back{told}"
    assert crawl("failures", "site", "--reason", "timout").err == f"crawl: no URL was given up{told}"
    assert crawl("retry", "site").err == "1 URL put back; `crawl site.py --resume` fetches it\n"
    assert crawl("why", f"{url}gone", "site").out.startswith(f"waiting: discovered on {url}, not fetched yet")
    assert crawl("site.py", "-o", "b.jsonl").code == USAGE
    ended = crawl("site.py", "--resume")

    assert ended.code == COMPLETE
    found = [line["url"] for line in project.lines("a.jsonl")]
    assert sorted(found) == sorted(url + path for path in ("", "a", "b", "a/deep", "a/deep/er", "gone", "new"))
    assert crawl("failures", "site").out == ""


def test_why_answers_for_every_url(crawl, site):
    crawl("site.py", "-o", "-", "--set", "max_depth=2")

    def why(path: str) -> str:
        return crawl("why", path if "://" in path else site + path, "site").out

    assert why("a").startswith("done: fetched 20")
    assert why("a").endswith(", 1 item\n")
    assert why("gone").startswith("failed: http_404 after 1 attempt, 20")
    assert f"found on {site}" in why("gone")
    assert why("secret/x") == "robots: the site's robots.txt forbids it, line 3: Disallow: /secret\n"
    assert why("a/deep/er") == f"too deep: 3 links from a seed on {site}a/deep; max_depth = 2\n"
    assert why("never").startswith("never discovered: no callback asked for it (a page may")
    assert why("http://elsewhere.test/").startswith("out of scope: elsewhere.test is not among the hosts of the crawl")
    assert "those of the seeds: 127.0.0.1" in why("http://elsewhere.test/")
    assert f"it is a duplicate of {site}a, which was found first" in why("%61")
    assert crawl("why", "ftp://x.test/").code == USAGE
    assert crawl("why", site).out.startswith("done")


def test_a_resume_calls_nothing_changed_that_is_as_it_was(crawl, site):
    crawl("site.py", "-o", "a.jsonl", "--max-pages", 1)

    resumed = crawl("site.py", "--resume").err.splitlines()

    assert [line.strip() for line in resumed if "changed" in line] == ["changed   max_pages: 1 -> unset"]


def test_why_tells_that_a_site_gave_all_its_pages(crawl, serve, project):
    url = serve({"/": "<a href=a>a</a>", "/a": ""})
    project.write("site.py", SITE.format(url=url))
    crawl("site.py", "-o", "-", "--set", "max_pages_per_site=1")

    told = "site_budget: the site had given as many pages as max_pages_per_site allows\n"
    assert crawl("why", f"{url}a", "site").out == told


def test_why_tells_of_links_that_a_page_asks_not_to_follow(crawl, serve, project):
    url = serve({"/": "<meta name=robots content=nofollow><a href=a>a</a>", "/a": ""})
    project.write("site.py", SITE.format(url=url))
    crawl("site.py", "-o", "-")

    told = "  it may be on a page that asks not to be followed: 1 link left out (obey_robots_tags)\n"
    assert crawl("why", f"{url}a", "site").out.endswith(told)


def test_why_tells_of_a_budget_and_of_a_callback_that_raised(crawl, site, project):
    project.write("site.py", SITE.format(url=site).replace("yield {", 'assert "/b" not in page.url\n        yield {'))
    crawl("site.py", "-o", "-", "--max-pages", 2, "--set", "concurrency=1")

    assert "the crawl's budget was spent (max_pages = 2)" in crawl("why", site + "a/deep", "site").out
    crawl("site.py", "--resume")
    assert 'assert "/b" not in page.url' in crawl("why", site + "b", "site").out


@pytest.mark.parametrize("command", [("failures", "nosuch"), ("retry", "nosuch"), ("why", "http://a.test/", "nosuch")])
def test_a_job_that_is_not_there_is_named_with_those_that_are(crawl, site, command):
    assert "there is no job 'nosuch'; `crawl SPIDER` makes one" in crawl(*command).err
    crawl("site.py", "-o", "-")
    ended = crawl(*command)
    assert ended.code == USAGE
    assert "there is no job 'nosuch'; there are: site" in ended.err


def test_a_running_job_is_locked_and_listed(start, crawl, project, silent_host):
    project.write(
        "spiders/books.py", (project.root / "spiders/books.py").read_text().replace(project.url, silent_host.url)
    )
    process = start("books", "-o", "a.jsonl")
    job = Job(project.root / ".crawl" / "books")
    wait_for(lambda: job.exists() and job.owner() == process.pid)

    ended = crawl("books", "--resume")

    assert ended.code == USAGE
    assert f"process {process.pid} is running the job" in ended.err
    assert f"running (process {process.pid})" in crawl("jobs").out
    os.kill(process.pid, signal.SIGKILL)
    process.wait(10)
    assert job.owner() is None
    assert "died" in crawl("jobs").out


def test_a_reader_that_has_enough_leaves_a_trial(start, crawl, project):
    process = start("books", "-o", "-", "--set", "delay=0.02")
    process.stdout.readline()
    process.stdout.close()
    assert process.wait(20) == LIMIT
    process.stdout = None

    ended = crawl("books", "-o", "-")

    assert ended.code == COMPLETE
    assert ended.err.startswith("books begins anew, in the place of its last job (its reader went away; ")


def test_a_resume_does_not_cut_off_what_others_wrote(crawl, site, project):
    crawl("site.py", "-o", "a.jsonl", "--max-pages", 2)
    crawl("books", "-o", "a.jsonl", "--append", "--max-items", 3)
    before = (project.root / "a.jsonl").read_bytes()

    ended = crawl("site.py", "--resume")

    assert ended.code == USAGE
    assert "bytes longer than this job left it, and a resume would cut them off" in ended.err
    assert (project.root / "a.jsonl").read_bytes() == before


def test_a_job_may_be_named_as_the_run_was(crawl, site):
    crawl("site.py", "-o", "-")
    assert crawl("failures", "site.py").out == crawl("failures", "site").out != ""
    assert crawl("why", site, "site.py").out.startswith("done")


def test_two_crawls_do_not_write_one_file(start, crawl, site, project):
    process = start("books", "-o", "a.jsonl", "--set", "delay=0.05")
    wait_for(lambda: (project.root / "a.jsonl").is_file() and len(project.lines("a.jsonl")) >= 1)

    for mode in ("--append", "--overwrite"):
        ended = crawl("site.py", "-o", "a.jsonl", mode)
        assert ended.code == USAGE
        assert "another crawl is writing a.jsonl: wait for it, or name another file" in ended.err

    assert process.wait(30) == COMPLETE
    assert len(project.lines("a.jsonl")) == 20


def test_fresh_does_not_give_up_the_job_of_another_spider(crawl, site, project):
    crawl("site.py", "--job", "kept", "-o", "-", "--max-pages", 2)

    ended = crawl("books", "--job", "kept", "--fresh", "-o", "-")

    assert ended.code == USAGE
    assert "holds a job of the spider 'site'" in ended.err


def test_a_begin_that_fails_gives_no_job_up(crawl, site, project):
    project.write("a.jsonl", "")
    crawl("site.py", "-o", "b.jsonl", "--max-pages", 2)
    text = SITE.format(url=site) + "\n    def opened(self):\n        raise RuntimeError('no login')\n"
    project.write("site.py", text)

    assert crawl("site.py", "--fresh", "-o", "c.jsonl").code == NOTHING_WORKED

    project.write("site.py", SITE.format(url=site))
    assert crawl("site.py", "--resume").code == COMPLETE
    assert len(project.lines("b.jsonl")) == 5


def test_a_retry_after_a_limit_is_no_trial_of_that_limit(crawl, site, project):
    crawl("site.py", "-o", "a.jsonl", "--max-pages", 4)
    assert crawl("retry", "site").code == COMPLETE
    assert crawl("site.py", "--resume").code == COMPLETE
    assert len(project.lines("a.jsonl")) == 5


def test_a_limit_that_was_reached_costs_no_request_more(crawl, site, project):
    crawl("site.py", "-o", "a.jsonl", "--max-items", 2)
    state = Job(project.root / ".crawl" / "site").overview()
    requests = state.tally.requests

    assert crawl("site.py", "--resume", "--max-items", 2).code == LIMIT

    assert Job(project.root / ".crawl" / "site").overview().tally.requests == requests


def test_half_a_character_in_a_link_costs_that_link(crawl, serve, project):
    url = serve({"/": "", "/b": ""})
    body = 'yield {"url": page.url}\n        yield Request("http://h.test/\\ud800x")\n        yield page.follow("/b")'
    project.write(
        "odd.py",
        "from crawler import Request, Spider\n\n\nclass Odd(Spider):\n"
        f"    start_urls = [{url!r}]\n\n    def parse(self, page):\n        {body}\n",
    )

    ended = crawl("odd.py", "-o", "-")

    assert ended.code == COMPLETE
    assert len(ended.items) == 2


def test_a_rejected_item_is_told_by_why(crawl, serve, project):
    url = serve({"/": ""})
    project.write(
        "typed.py",
        "from crawler import Item, Spider\n\n\nclass Book(Item):\n    price: float\n\n\nclass Typed(Spider):\n"
        f"    start_urls = [{url!r}]\n\n    def parse(self, page):\n        yield Book(price='free')\n",
    )
    crawl("typed.py", "-o", "-")

    assert ", 0 items, 1 rejected; Book.price: " in crawl("why", url).out
