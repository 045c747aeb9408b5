"""What a robots.txt allows."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.politeness.robots import ALLOW_ALL, ROBOTS_LIMIT, RobotsTxt, product_token

AGENT = "MyBot/1.2 (+https://a.example/bot)"
SITE = "http://a.example"


@pytest.mark.parametrize(
    ("user_agent", "token"),
    [
        (AGENT, "MyBot"),
        ("MyBot (+https://a.example/bot)", "MyBot"),
        ("MyBot", "MyBot"),
        ("My-Bot_2/3", "My-Bot_2"),
        ("", ""),
    ],
)
def test_a_robots_txt_calls_us_by_our_product_token(user_agent: str, token: str) -> None:
    assert product_token(user_agent) == token


@pytest.mark.parametrize(
    ("text", "path", "allowed"),
    [
        ("", "/", True),
        ("User-agent: *\nDisallow:", "/", True),
        ("User-agent: *\nDisallow: /", "/", False),
        ("User-agent: *\nDisallow: /p", "/private", False),
        ("User-agent: *\nDisallow: /p", "/q", True),
        ("User-agent: *\nDisallow: /\nAllow: /open", "/open/x", True),
        ("User-agent: *\nDisallow: /*.pdf$", "/a.pdf", False),
        ("User-agent: *\nDisallow: /*.pdf$", "/a.pdf?x", True),
        ("User-agent: *\nDisallow: /\n\nUser-agent: mybot\nDisallow: /x", "/y", True),
        ("User-agent: other\nDisallow: /", "/", True),
        ("\ufeffUser-agent: *\nDisallow: /", "/", False),
        ("User-agent: *\r\nDisallow: /x\r\n", "/x", False),
        ("<!doctype html><title>Not found</title>", "/", True),
        ("\x00\x01\x02", "/", True),
    ],
)
def test_rules_are_read_as_rfc_9309_has_them(text: str, path: str, allowed: bool) -> None:
    assert RobotsTxt(text.encode(), AGENT).allows(SITE + path) == allowed


@pytest.mark.parametrize(
    ("text", "delay"),
    [
        ("User-agent: *\nCrawl-delay: 2.5", 2.5),
        ("User-agent: *\nCrawl-delay: 2\n\nUser-agent: MyBot\nCrawl-delay: 9", 9.0),
        ("User-agent: *\nCrawl-delay: 0", 0.0),
        ("User-agent: other\nCrawl-delay: 9", None),
        ("User-agent: *\nCrawl-delay: soon", None),
        ("User-agent: *\nCrawl-delay: nan", None),
        ("User-agent: *\nCrawl-delay: -3", None),
        ("User-agent: *\nDisallow: /", None),
        ("", None),
    ],
)
def test_the_crawl_delay_is_a_time_or_nothing(text: str, delay: float | None) -> None:
    assert RobotsTxt(text.encode(), AGENT).crawl_delay == delay


def test_without_a_robots_txt_everything_is_allowed() -> None:
    assert (ALLOW_ALL.allows(SITE), ALLOW_ALL.crawl_delay) == (True, None)


def test_what_stands_past_500_kib_is_not_read() -> None:
    filling = b"#" * (ROBOTS_LIMIT - 1) + b"\n"
    assert RobotsTxt(filling + b"User-agent: *\nDisallow: /", AGENT).allows(SITE)


def test_a_rule_that_is_cut_through_forbids_nothing() -> None:
    head = b"User-agent: *\nDisallow: /x\n"
    body = head.ljust(ROBOTS_LIMIT - len(b"\nDisallow: /"), b"#") + b"\nDisallow: /private\n"
    rules = RobotsTxt(body, AGENT)
    assert (rules.allows(f"{SITE}/x"), rules.allows(f"{SITE}/y")) == (False, True)


def test_a_file_that_just_fits_is_read_to_its_end() -> None:
    tail = b"\nUser-agent: *\nDisallow: /"
    assert not RobotsTxt(b"#".ljust(ROBOTS_LIMIT - len(tail), b"#") + tail, AGENT).allows(SITE)


@given(st.binary(max_size=200) | st.text("user-agent:*dislow/$%\n ").map(str.encode), st.sampled_from([AGENT, ""]))
def test_whatever_a_site_calls_its_rules_can_be_asked(body: bytes, agent: str) -> None:
    rules = RobotsTxt(body, agent)
    assert rules.allows(f"{SITE}/x?y=%41") in (True, False)
    assert rules.crawl_delay is None or rules.crawl_delay >= 0


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", "\x0b", "\x0c", "\u2028"])
@pytest.mark.parametrize("word", ["Disallow", "disallow", "Dissallow", "Dissalow", "Disalow", "Diasllow", "Disallaw"])
def test_a_rule_is_seen_however_it_is_spelled_and_whatever_ends_its_lines(word: str, end: str) -> None:
    rules = RobotsTxt(f"User-agent: *{end}{word}: /private{end}".encode(), "crawler/0.1")

    assert (rules.allows("http://a.example/private"), rules.allows("http://a.example/open")) == (False, True)
