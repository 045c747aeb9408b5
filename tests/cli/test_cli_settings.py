"""`crawl settings`, and mistakes in the configuration as the command line tells them."""

import pytest

from crawler.cli.main import USAGE
from crawler.config import SETTINGS


def test_every_setting_is_shown_with_its_value_and_its_meaning(crawl, project):
    ended = crawl("settings")
    assert (ended.code, ended.err) == (0, "")
    lines = ended.out.splitlines()
    assert [line.partition(" = ")[0] for line in lines[::2]] == list(SETTINGS)
    assert all(line.startswith("    ") and line.strip() for line in lines[1::2])
    assert "max_pages = unset" in lines
    assert "obey_robots = true" in lines
    assert "concurrency = 64" in lines
    assert "durability = 'power'" in lines


def test_a_value_that_is_not_the_default_says_who_set_it(crawl, project, monkeypatch):
    project.write("config.toml", '[crawl]\ndelay = 2\n\n[spider.books]\nmax_pages = 9\n[host."a.example"]\ndelay = 3\n')
    monkeypatch.setenv("CRAWL_TIMEOUT", "7")
    out = crawl("settings").out
    assert "delay = 2.0   (config.toml:2 [crawl])" in out
    assert "timeout = 7.0   (CRAWL_TIMEOUT in the environment)" in out
    assert "max_pages = unset\n" in out
    assert '[host."a.example"] delay = 3.0' in out
    assert "max_pages = 9   (config.toml:5 [spider.books])" in crawl("settings", "books").out
    assert "max_pages = 9" in crawl("settings", "spiders/books.py").out


def test_settings_of_a_spider_that_does_not_exist(crawl, project):
    ended = crawl("settings", "bokos")
    assert ended.code == USAGE
    assert "Did you mean 'books'?" in ended.err


@pytest.mark.parametrize("words", [("books",), ("settings",), ("list",), ("new", "other"), ("spiders/books.py",)])
def test_a_broken_config_toml_stops_every_command_with_its_line(crawl, project, words):
    project.write("config.toml", "[crawl]\nconcurrency 5\n")
    ended = crawl(*words)
    assert ended.code == USAGE
    assert ended.err.startswith("crawl: config.toml:2:13: Expected '='")
    assert project.files() == set()


def test_all_mistakes_are_told_at_once(crawl, project, monkeypatch):
    project.write("config.toml", "[crawl]\nconcurency = 5\n[spider.books]\ndelay = 'slow'\n")
    text = (project.root / "spiders/books.py").read_text()
    project.write("spiders/books.py", text.replace('name = "books"', 'name = "books"\n    settings = {"max_page": 3}'))
    monkeypatch.setenv("CRAWL_TIMEOUTS", "5")
    ended = crawl("books", "--set", "obey_robot=false", "--set", "retries=-1")
    assert ended.code == USAGE
    seen = "`crawl settings` shows them all"
    assert ended.err.splitlines() == [
        f"crawl: config.toml:2 [crawl]: there is no setting 'concurency'. Did you mean 'concurrency'? {seen}",
        f"spiders/books.py:9 Books.settings: there is no setting 'max_page'. Did you mean 'max_pages'? {seen}",
        "config.toml:4 [spider.books]: delay = 'slow': expected a number or unset",
        f"CRAWL_TIMEOUTS in the environment: there is no setting 'timeouts'. Did you mean 'timeout'? {seen}",
        f"--set: there is no setting 'obey_robot'. Did you mean 'obey_robots'? {seen}",
        "--set: retries = '-1': expected a whole number >= 0",
    ]
    assert project.files() == set()


def test_what_the_spider_did_not_say_the_environment_and_the_command_line_do(crawl, project, monkeypatch):
    project.write("config.toml", "[crawl]\nmax_items = 2\n")
    assert len(crawl("books", "-o", "-", "-q").items) == 2
    monkeypatch.setenv("CRAWL_MAX_ITEMS", "3")
    assert len(crawl("books", "-o", "-", "-q").items) == 3
    assert len(crawl("books", "-o", "-", "-q", "--set", "max_items=none").items) == 20


SECRETS = """
[crawl]
proxies = ["http://ann:s3cret@proxy.example:3128"]
headers = {"X-Tokens" = "s3cret", "Accept-Language" = "de"}
[crawl.credentials]
"https://a.example" = "basic ann:s3cret"
"https://b.example" = "bearer ${API_TOKEN}"
[host."c.example"]
proxies = ["socks5://bob:s3cret@other.example"]
"""


def test_secrets_are_shown_to_be_there_but_not_what_they_are(crawl, project, monkeypatch):
    monkeypatch.setenv("API_TOKEN", "s3cret")
    project.write("config.toml", SECRETS)
    ended = crawl("settings")
    assert (ended.code, ended.err) == (0, "")
    assert "s3cret" not in ended.out
    assert "proxies = ['http://ann:***@proxy.example:3128']   (config.toml:3 [crawl])" in ended.out
    assert "headers = {'X-Tokens': '***', 'Accept-Language': 'de'}" in ended.out
    assert (
        "credentials = {'https://a.example': 'basic ann:***', 'https://b.example': 'bearer ${API_TOKEN}'}" in ended.out
    )
    assert "[host.\"c.example\"] proxies = ['socks5://bob:***@other.example']" in ended.out


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("ca_file=missing.pem", "missing.pem': No such file"),
        ("client_key=key.pem", "set client_certificate, too"),
        ("contact=nobody", "contact: write a URL"),
        ('proxies=["http://ann:s3cret@h:none"]', "'http://ann:***@h:none' is no URL of a proxy"),
        ('headers={"Authorization": "Bearer s3cret"}', "would be sent to every host"),
    ],
)
def test_what_cannot_be_used_is_told_before_the_first_request(crawl, project, setting, said):
    before = project.files()
    ended = crawl("books", "--set", setting)
    assert ended.code == USAGE
    assert said in ended.err
    assert "s3cret" not in ended.err
    assert "Traceback" not in ended.err
    assert project.files() == before
