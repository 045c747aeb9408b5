"""`crawl URL`: a whole site without a spider; and the spiders that `crawl new --kind` writes."""

import json
import re
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from crawler.cli.main import USAGE
from crawler.cli.shapes import SHAPES

PAGES = {
    "/": """<title>Home</title><meta name="description" content="All  of it"><nav><a href="/list/1">list</a></nav>
        <main><h1>Hello</h1><p>some <b>text</b></p></main><a href="/old/a">old</a><a href="/file.json">file</a>""",
    "/list/1": '<h1>List</h1><a href="/list/2">two</a><i class=tag>a</i><i class=tag> b  c </i>',
    "/list/2": "<h1>Two</h1>",
    "/old/a": '<a href="/old/b">b</a>',
    "/old/b": "",
}


@pytest.fixture
def site(serve) -> str:
    return serve({**PAGES, "/file.json": "{}"})


def paths(site: str, items: list) -> list[str]:
    return sorted(item["url"].removeprefix(site.rstrip("/")) for item in items)


def host_of(site: str) -> str:
    return site.removeprefix("http://").rstrip("/").replace(":", "-")


def test_every_page_is_an_item(crawl, project, site):
    ended = crawl(site, "-o", "-")
    assert ended.code == 0
    assert paths(site, ended.items) == ["/", "/file.json", "/list/1", "/list/2", "/old/a", "/old/b"]
    assert ended.items[0] == {
        "url": site,
        "status": 200,
        "title": "Home",
        "description": "All of it",
        "text": "Hello some text",
        "links": [f"{site}list/1", f"{site}old/a", f"{site}file.json"],
        "depth": 0,
    }
    assert {item["url"].removeprefix(site): item["depth"] for item in ended.items}["list/2"] == 2


def test_what_is_no_html_is_kept_without_a_text(crawl, project, door):
    [item] = crawl(f"{door}file.json", "-o", "-").items
    assert item == {
        "url": f"{door}file.json",
        "status": 200,
        "title": None,
        "description": None,
        "text": None,
        "links": [],
        "depth": 0,
    }


def test_the_jobs_of_two_sites_do_not_meet(crawl, project, site, serve):
    other = serve({"/": "<title>Other</title>"})
    assert crawl(site, "-o", "a.jsonl", "--max-pages", "1").code == 3
    assert crawl(other, "-o", "b.jsonl").code == 0
    assert crawl(site, "--resume").code == 0
    assert (len(project.lines("a.jsonl")), len(project.lines("b.jsonl"))) == (6, 1)


def test_without_an_output_the_dataset_has_the_host_s_name(crawl, project, site):
    assert crawl(site).code == 0
    [dataset] = (project.root / "datasets").glob("*.jsonl")
    assert dataset.name.startswith(f"{host_of(site)}-2")
    assert (project.root / ".crawl" / host_of(site)).is_dir()


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--include", "/list/"], ["/list/1", "/list/2"]),
        (["--exclude", "old", "--exclude", "*.json"], ["/", "/list/1", "/list/2"]),
        (["--include", "re:/(list|old)/", "--exclude", "/old/b"], ["/list/1", "/list/2", "/old/a"]),
        (["--depth", "0"], ["/"]),
        (["--depth", "1"], ["/", "/file.json", "/list/1", "/old/a"]),
        (["--set", "max_depth=1", "--exclude", "/old/"], ["/", "/file.json", "/list/1"]),
    ],
)
def test_patterns_and_depth_say_what_is_followed_and_kept(crawl, project, site, options, expected):
    ended = crawl(site, "-o", "-", *options)
    assert (ended.code, paths(site, ended.items)) == (0, expected)


def test_fields_of_ones_own_take_the_place_of_the_text(crawl, project, site):
    ended = crawl(site, "-o", "-", "--select", "title=h1::text", "--select", "tags[] = .tag", "--include", "/list/")
    assert ended.items == [
        {"url": f"{site}list/1", "status": 200, "title": "List", "tags": ["a", "b c"], "depth": 1},
        {"url": f"{site}list/2", "status": 200, "title": "Two", "tags": [], "depth": 2},
    ]
    assert len(crawl(site, "-o", "-", "--select", "tags[]=.tag", "--fresh").items) == 1


def test_several_sites_are_crawled_at_once_each_by_its_own_hosts(crawl, project, site, serve):
    other = serve({"/": f'<title>Other</title><a href="{site}old/b">elsewhere</a>'})
    ended = crawl(f"{site}list/2", other, "-o", "-")
    assert ended.code == 0
    assert {item["url"] for item in ended.items} == {f"{site}list/2", other, f"{site}old/b"}


def test_urls_come_from_a_file_or_standard_input(crawl, crawl_apart, project, site):
    project.write("urls.txt", f"# these\n\n{site}list/2\n  {site}old/b  \n{site}list/2\n")
    by_file = crawl("--urls", "urls.txt", "--depth", "0", "-o", "-")
    assert (by_file.code, paths(site, by_file.items)) == (0, ["/list/2", "/old/b"])
    for words in (["-"], ["--urls", "-"], ["-q", "--urls=-"]):
        with (project.root / "urls.txt").open() as file:
            by_input = crawl_apart(*words, "--depth", "0", "-o", "-", stdin=file)
        assert (by_input.code, paths(site, by_input.items)) == (0, ["/list/2", "/old/b"])


def test_every_line_that_is_no_url_is_told_and_nothing_is_started(crawl, project, site):
    project.write("urls.txt", f"{site}\nbooks.example\n#\nftp://a.example/\n" + "x\n" * 30)
    ended = crawl("--urls", "urls.txt", "http://")
    assert (ended.code, ended.out) == (USAGE, "")
    lines = ended.err.splitlines()
    assert lines[0].startswith("crawl: 'http://' cannot be crawled")
    assert lines[1].endswith("Did you mean https://books.example ?")
    assert lines[1].strip().startswith("urls.txt:2: 'books.example'")
    assert "urls.txt:4: 'ftp://a.example/' cannot be crawled: ftp: is a scheme" in lines[2]
    assert lines[-1].strip() == "and 13 more"
    assert project.files() == {"urls.txt"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--urls", "nosuch.txt"], "--urls nosuch.txt: No such file"),
        (["--urls", "empty.txt"], "there is no URL to begin with in empty.txt"),
        (["http://a.test/", "--include", "re:("], "'re:(' is no regular expression"),
        (["http://a.test/", "--select", "title"], "write --select NAME=CSS"),
        (["http://a.test/", "--select", "url=h1"], "url is a field of each item already"),
        (["http://a.test/", "--select", "a b=h1"], "'a b' is no name of a field"),
        (["http://a.test/", "--select", "a=h1", "--select", "a=h2"], "a is named twice"),
        (["http://a.test/", "--select", "a=h1 >"], "select a: "),
        (["http://a.test/", "--resume", "--fresh"], "exclude each other"),
        (["http://a.test/", "-a", "x=y"], "-a"),
        (["ftp://a.test/"], "only http and https"),
    ],
)
def test_a_mistake_stops_before_anything_is_fetched(crawl, project, words, said):
    project.write("empty.txt", "# nothing\n")
    ended = crawl(*words)
    assert ended.code == USAGE
    assert said in ended.err
    assert not (project.root / "datasets").exists()


def test_exit_codes_are_those_of_every_crawl(crawl, project, site, serve):
    assert crawl(site, "-o", "a.jsonl", "--max-pages", "2").code == 3
    broken = serve({"/": '<a href="/gone">gone</a>'})
    assert crawl(broken, "-o", "b.jsonl", "--strict").code == 4
    assert crawl(f"{broken}nothing", "-o", "c.jsonl").code == 1


def test_the_help_shows_the_options_of_a_site(crawl, project):
    ended = crawl("https://shop.example/", "--help")
    assert ended.code == 0
    assert ended.out.startswith("Usage: crawl URL [OPTIONS]\n")
    for option in ("--urls", "--depth", "--include", "--exclude", "--select", "--sitemap", "--resume", "--max-pages"):
        assert option in ended.out
    assert "-a KEY=VALUE" not in ended.out


def test_sitemaps_are_seeds_too(crawl, project, serve):
    pages = {"/": "", "/hidden": "", "/left-out": ""}
    site = serve(pages)
    locations = "".join(f"<url><loc>{site}{path}</loc></url>" for path in ("hidden", "left-out"))
    pages["/sitemap.xml"] = f"<urlset>{locations}</urlset>"
    ended = crawl(site, "--sitemap", "--exclude", "left-out", "-o", "-")
    assert (ended.code, paths(site, ended.items)) == (0, ["/", "/hidden"])


def test_settings_of_the_host_s_name_hold_for_it(crawl, project, site):
    project.write("config.toml", f'[spider."{host_of(site)}"]\nmax_pages = 1\n')
    assert crawl(site, "-o", "-").code == 3


def test_a_killed_crawl_goes_on_by_the_command_that_is_told(start, crawl, crawl_apart, project, shop):
    words = (shop.url, "-o", "pages.jsonl", "--select", "title=h1", "--exclude", "*romance*")
    process = start(*words, "--set", "delay=0.03", "--set", "concurrency_per_host=1")
    while not re.search(r"\d pages?, [1-9]\d* items", crawl("jobs").out):
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    refused = crawl(*words)
    assert refused.code == USAGE
    goes_on, anew = (shlex.split(line.partition("  g")[0]) for line in refused.err.splitlines()[1:])
    assert anew[1:] == [
        shop.url, "--fresh", "-o", "pages.jsonl", "--exclude", "*romance*", "--select", "title=h1",
    ]  # fmt: skip
    ended = crawl_apart(*goes_on[1:], "--set", "delay=0")
    assert ended.code == 0, ended.err
    resumed = project.lines("pages.jsonl")
    whole = crawl(*words[:1], "--job", "other", "-o", "-", *words[3:])
    assert sorted(map(json.dumps, resumed)) == sorted(map(json.dumps, whole.items))


def test_a_resume_of_another_place_is_refused(crawl, project, site):
    assert crawl(f"{site}list/1", "-o", "a.jsonl", "--max-pages", "1").code == 3
    ended = crawl(f"{site}old/a", "--resume")
    assert ended.code == USAGE
    assert f"did not begin at {site}old/a, but at {site}list/1" in ended.err
    assert crawl(f"{site}list/1", "--resume").code == 0
    assert paths(site, project.lines("a.jsonl")) == ["/list/1", "/list/2"]


# ----- crawl new --kind ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", list(SHAPES))
def test_a_new_spider_of_each_kind_runs_as_it_is(crawl, project, serve, kind):
    pages: dict[str, str] = {**PAGES, "/rows.csv": "a,b\n1,2\n", "/rows": '[{"a": 1}]'}
    site = serve(pages)
    pages["/sitemap.xml"] = f"<urlset><url><loc>{site}list/1</loc></url></urlset>"
    url = site + {"feed": "rows.csv", "api": "rows"}.get(kind, "")
    assert crawl("new", f"my_{kind}", url, "--kind", kind).code == 0
    ruff = Path(sys.executable).with_name("ruff")
    file = f"spiders/my_{kind}.py"
    subprocess.run([ruff, "format", "--isolated", "--check", "--line-length", "120", file], check=True)
    subprocess.run([ruff, "check", "--isolated", "--select", "E,F,I", "--line-length", "120", file], check=True)
    if kind == "form":
        return  # there is no form here: see below
    ended = crawl(f"my_{kind}", "-o", "-")
    assert ended.code == 0, ended.err
    expected = {"pages": 5, "rules": 4, "site": 3}.get(kind, 1)
    assert len(ended.items) == expected, ended.items


class Door(BaseHTTPRequestHandler):
    """A login form; what lies behind it is shown to those who sent the right words."""

    def do_GET(self) -> None:
        self._answer(
            '<form method="post" action="/in"><input name="token" value="t"><input name="username">'
            '<input type="password" name="password"></form>'
        )

    def do_POST(self) -> None:
        sent = self.rfile.read(int(self.headers["Content-Length"])).decode()
        is_known = sent == "token=t&username=anna&password=secret"
        self._answer("<title>Inside</title>" if is_known else f"<title>{sent}</title>")

    def _answer(self, text: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json" if self.path.endswith(".json") else "text/html")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: object) -> None:
        """Nothing is logged."""


@pytest.fixture
def door() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


def test_a_new_spider_logs_in_by_a_form(crawl: Callable, project, door, monkeypatch):
    monkeypatch.setenv("SITE_USER", "anna")
    monkeypatch.setenv("SITE_PASSWORD", "secret")
    assert crawl("new", "member", door, "--kind", "form").code == 0
    ended = crawl("member", "-o", "-")
    assert ended.code == 0, ended.err
    assert ended.items == [{"url": f"{door}in", "title": "Inside"}]
