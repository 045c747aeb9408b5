"""What a robots.txt allows."""

import re
import tracemalloc
from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.politeness.robots import (
    ALLOW_ALL,
    MAX_LINE,
    MAX_SITEMAPS,
    ROBOTS_LIMIT,
    RobotsTxt,
    line_against,
    product_token,
    rules_of,
    within_limit,
)

AGENT = "MyBot/1.2 (+https://a.example/bot)"
TOKEN = "MyBot"
SITE = "http://a.example"


def allowed(text: str | bytes, *paths: str, token: str = TOKEN) -> list[bool]:
    rules = RobotsTxt(text if isinstance(text, bytes) else text.encode(), token)
    return [rules.allows(SITE + path) for path in paths]


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
    ("text", "path", "expected"),
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
def test_rules_are_read_as_rfc_9309_has_them(text: str, path: str, expected: bool) -> None:
    assert RobotsTxt(text.encode(), TOKEN).allows(SITE + path) == expected


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
    assert RobotsTxt(text.encode(), TOKEN).crawl_delay == delay


def test_without_a_robots_txt_everything_is_allowed() -> None:
    assert (ALLOW_ALL.allows(SITE), ALLOW_ALL.crawl_delay) == (True, None)


def test_what_stands_past_500_kib_is_not_read() -> None:
    filling = b"#" * (ROBOTS_LIMIT - 1) + b"\n"
    assert RobotsTxt(filling + b"User-agent: *\nDisallow: /", TOKEN).allows(SITE)


def test_a_rule_that_is_cut_through_forbids_nothing() -> None:
    head = b"User-agent: *\nDisallow: /x\n"
    body = head.ljust(ROBOTS_LIMIT - len(b"\nDisallow: /"), b"#") + b"\nDisallow: /private\n"
    rules = RobotsTxt(body, TOKEN)
    assert (rules.allows(f"{SITE}/x"), rules.allows(f"{SITE}/y")) == (False, True)


def test_a_file_that_just_fits_is_read_to_its_end() -> None:
    tail = b"\nUser-agent: *\nDisallow: /"
    assert not RobotsTxt(b"#".ljust(ROBOTS_LIMIT - len(tail), b"#") + tail, TOKEN).allows(SITE)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("word", ["Disallow", "DISALLOW", "Dissallow", "Dissalow", "Disalow", "Diasllow", "Disallaw"])
def test_a_rule_is_read_however_it_is_spelled_and_whatever_ends_its_lines(word: str, end: str) -> None:
    assert allowed(f"User-agent: *{end}{word}: /private{end}", "/private", "/open") == [False, True]


@pytest.mark.parametrize(
    "word", ["User-agent", "USER-AGENT", "useragent", "User agent", " user-agent ", "\tUser-agent"]
)
def test_the_name_of_an_agent_is_introduced_in_many_spellings(word: str) -> None:
    assert allowed(f"{word}: *\nDisallow: /x", "/x") == [False]


@pytest.mark.parametrize(
    ("line", "forbids"),
    [
        ("Disallow: /x", True),
        ("Disallow:/x", True),
        ("Disallow : /x", True),
        ("\tDisallow\t:\t/x\t", True),
        ("Disallow /x", True),
        ("Disallow\t/x", True),
        ("Disallow  /x  # why", True),
        ("Disallow /x /y", False),
        ("Disallow", False),
        ("Disallow:", False),
        ("Disallow: # /x", False),
        ("# Disallow: /x", False),
        ("Disallow: /x#y", True),
        ("Disallow: /x y", False),
        ("Disallow: x", False),
        (": /x", False),
        ("Disallow-not: /x", True),  # Google's parser looks at the beginning of the word alone
        ("Noindex: /x", False),
        ("Disallow: /x\x00", False),
    ],
)
def test_a_line_is_read_as_google_reads_it(line: str, forbids: bool) -> None:
    assert allowed(f"User-agent: *\n{line}\n", "/x") == [not forbids]


@pytest.mark.parametrize(
    ("agent", "token", "means_us"),
    [
        ("mybot", "MyBot", True),
        ("MYBOT", "MyBot", True),
        ("MyBot/2.0", "MyBot", True),
        ("MyBot News", "MyBot", True),
        ("MyBot2", "MyBot", True),  # "2" is in no token: the name ends before it
        ("MyBot-News", "MyBot", False),
        ("MyBotNews", "MyBot", False),
        ("My", "MyBot", False),
        ("bot", "bot2", False),
        ("bot2", "bot2", True),
        ("bot2/1.0 x", "bot2", True),
        ("bot22", "bot2", False),
        ("Foo Bar", "Foo Bar", False),  # which is no token
        ("", "", False),
    ],
)
def test_a_group_is_ours_if_it_names_our_token(agent: str, token: str, means_us: bool) -> None:
    text = f"User-agent: *\nDisallow: /all\n\nUser-agent: {agent}\nDisallow: /ours"
    assert allowed(text, "/ours", "/all", token=token) == [not means_us, means_us]


@pytest.mark.parametrize(
    ("agent", "is_everyone"), [("*", True), ("* x", True), ("*\t", True), ("*x", False), ("**", False)]
)
def test_a_star_alone_names_everyone(agent: str, is_everyone: bool) -> None:
    assert allowed(f"User-agent: {agent}\nDisallow: /", "/") == [not is_everyone]


def test_the_groups_of_one_agent_are_one() -> None:
    text = "User-agent: mybot\nDisallow: /a\n\nUser-agent: x\nDisallow: /b\n\nUser-agent: MyBot\nDisallow: /c"
    assert allowed(text, "/a", "/b", "/c") == [False, True, False]


def test_a_group_may_name_several_agents_with_anything_between_them() -> None:
    text = "User-agent: mybot\nSitemap: /s\nCrawl-delay: 2\nFoo: bar\n\nUser-agent: x\nDisallow: /a"
    assert [allowed(text, "/a", token=token) for token in ("mybot", "x", "y")] == [[False], [False], [True]]


def test_our_own_empty_group_frees_us_from_everyone_s() -> None:
    assert allowed("User-agent: *\nDisallow: /\n\nUser-agent: mybot\nDisallow:", "/") == [True]


def test_rules_before_any_agent_are_nobody_s() -> None:
    assert allowed("Disallow: /\nUser-agent: *\nDisallow: /x", "/", "/x") == [True, False]


RFC_SIMPLE = """
User-Agent: *
Disallow: *.gif$
Disallow: /example/
Allow: /publications/

User-Agent: foobot
Disallow:/
Allow:/example/page.html
Allow:/example/allowed.gif

User-Agent: barbot
User-Agent: bazbot
Disallow: /example/page.html

User-Agent: quxbot
"""


@pytest.mark.parametrize(
    ("token", "path", "expected"),
    [
        ("foobot", "/", False),
        ("foobot", "/example/page.html", True),
        ("foobot", "/example/allowed.gif", True),
        ("foobot", "/example/other.gif", False),
        ("barbot", "/example/page.html", False),
        ("bazbot", "/example/page.html", False),
        ("bazbot", "/example/", True),
        ("bazbot", "/a.gif", True),
        ("quxbot", "/example/", True),
        ("quxbot", "/a.gif", True),
        ("other", "/a.gif", False),
        ("other", "/a.gif?x", True),
        ("other", "/example/x", False),
        ("other", "/publications/x", True),
    ],
)
def test_the_simple_example_of_rfc_9309_holds(token: str, path: str, expected: bool) -> None:
    assert allowed(RFC_SIMPLE, path, token=token) == [expected]


def test_the_longest_match_of_rfc_9309_holds() -> None:
    text = "User-Agent: foobot\nAllow: /example/page/\nDisallow: /example/page/disallowed.gif\n"
    paths = ("/example/page/x", "/example/page/disallowed.gif")
    assert allowed(text, *paths, token="foobot") == [True, False]


@pytest.mark.parametrize(
    ("rule", "path", "matches"),
    [
        ("/foo/bar?baz=quz", "/foo/bar?baz=quz", True),
        ("/foo/bar?baz=https://foo.bar", "/foo/bar?baz=https://foo.bar", True),
        ("/foo/bar/ツ", "/foo/bar/%E3%83%84", True),
        ("/foo/bar/%E3%83%84", "/foo/bar/%E3%83%84", True),
        ("/foo/bar/%e3%83%84", "/foo/bar/%E3%83%84", True),
        ("/foo/bar/%E3%83%84", "/foo/bar/%e3%83%84", True),
        ("/foo/bar/%62%61%7A", "/foo/bar/baz", True),
        ("/foo/bar/baz", "/foo/bar/%62%61%7A", True),
        ("/foo/bar/baz", "/foo/b%61r/b%61z", True),
        ("/private~x", "/private%7Ex", True),
        ("/private%7ex", "/private~x", True),
        ("/a%2Fb", "/a/b", False),
        ("/a/b", "/a%2Fb", False),
        ("/a%20b", "/a%20b", True),
        ("/100%", "/100%", True),
        ("/100%zz", "/100%zz", True),
        ("/file-with-a-%2A.html", "/file-with-a-*.html", True),
        ("/file-with-a-%2A.html", "/file-with-a-%2A.html", True),
        ("/file-with-a-%2A.html", "/file-with-a-b.html", False),
        ("/foo-%24", "/foo-$", True),
        ("/foo-%24", "/foo-", False),
    ],
)
def test_escapes_are_compared_as_rfc_9309_has_it_where_something_is_forbidden(
    rule: str, path: str, matches: bool
) -> None:
    assert allowed(f"User-agent: *\nDisallow: {rule}", path) == [not matches]


def test_what_is_allowed_is_what_is_written() -> None:
    text = "User-agent: *\nDisallow: /\nAllow: /%62\nAllow: /c~\nAllow: /%2A"
    assert allowed(text, "/%62", "/b", "/c~", "/c%7E", "/*", "/%2A") == [True, False, True, True, True, True]


def test_the_robots_txt_itself_is_always_allowed() -> None:
    assert allowed("User-agent: *\nDisallow: /", "/robots.txt", "/robots.txt#x", "/robots.txt?x", "/x/robots.txt") == [
        True,
        True,
        False,
        False,
    ]


def test_a_fragment_is_no_part_of_a_path() -> None:
    assert allowed("User-agent: *\nDisallow: /a$", "/a#b", "/a#/b") == [False, False]


def test_a_url_without_a_path_is_the_front_page() -> None:
    assert allowed("User-agent: *\nDisallow: /", "") == [False]


def test_lines_of_html_are_no_rules() -> None:
    page = b"<!DOCTYPE html>\n<html><head><style>a: b; disallow: /</style>\n<p>User-agent: *</p>\n<p>Disallow: /</p>"
    assert RobotsTxt(page, TOKEN).allows(f"{SITE}/")
    assert rules_of(page, TOKEN) is ALLOW_ALL


@pytest.mark.parametrize(
    "text", ["", "User-agent: *\nDisallow:", "User-agent: *\nAllow: /", "User-agent: x\nDisallow: /\nCrawl-delay: 5"]
)
def test_files_that_say_nothing_to_us_are_one_object(text: str) -> None:
    assert rules_of(text.encode(), TOKEN) is ALLOW_ALL


@pytest.mark.parametrize("text", ["User-agent: *\nDisallow: /", "User-agent: *\nCrawl-delay: 0", "Sitemap: /s"])
def test_files_that_say_something_are_not(text: str) -> None:
    assert isinstance(rules_of(text.encode(), TOKEN), RobotsTxt)


@pytest.mark.parametrize(
    ("lines", "delay"),
    [
        ("Crawl-delay: 5", 5.0),
        ("Crawl-delay:.5", 0.5),
        ("Crawl-delay: 5 # s", 5.0),
        ("Crawl-delay: inf", None),
        ("Crawl-delay: 1e400", None),
        ("Crawl-delay: 5 s", None),
        ("crawl-delay 7", 7.0),
        ("Request-rate: 1/5", 5.0),
        ("Request-rate: 1/5s", 5.0),
        ("Request-rate: 10/1m", 6.0),
        ("Request-rate: 1/1M", 60.0),
        ("Request-rate: 1/1h", 3600.0),
        ("Request-rate: 4 / 2", 0.5),
        ("Request-rate: 1/5 0600-0845", 5.0),
        ("Request-rate: 1/5d", None),
        ("Request-rate: 0/5", None),
        ("Request-rate: 5", None),
        ("Request-rate: -1/5", None),
        ("Request-rate: 1/99999999999", None),
        ("Crawl-delay: 2\nRequest-rate: 1/5", 5.0),
        ("Crawl-delay: 8\nRequest-rate: 1/5", 8.0),
        ("Crawl-delay: 8\nCrawl-delay: 3", 8.0),
        ("Crawl-delay: 8\nDisallow: /x\n\nUser-agent: *\nCrawl-delay: 9", 9.0),
        ("Crawl-delay: 8\nDisallow: /x\n\nUser-agent: x\nCrawl-delay: 9", 8.0),
    ],
)
def test_the_longest_delay_that_is_asked_holds(lines: str, delay: float | None) -> None:
    assert RobotsTxt(f"User-agent: *\n{lines}".encode(), TOKEN).crawl_delay == delay


def test_sitemaps_are_named_for_everyone_wherever_they_stand() -> None:
    text = (
        "Sitemap: https://a.example/1.xml\nUser-agent: x\nDisallow: /\nsite-map: /2.xml\n"
        "SITEMAP:https://a.example/é.xml # new\nSitemap:\nSitemap: /2.xml\n"
    )
    rules = RobotsTxt(text.encode(), TOKEN)
    assert rules.sitemaps == ("https://a.example/1.xml", "/2.xml", "https://a.example/é.xml")
    assert (ALLOW_ALL.sitemaps, ALLOW_ALL.size) == ((), 0)


def test_the_sitemaps_of_one_file_are_bounded() -> None:
    text = "".join(f"Sitemap: /{number}\n" for number in range(2 * MAX_SITEMAPS)) + f"Sitemap: /{'x' * 3000}\n"
    assert RobotsTxt(text.encode(), TOKEN).sitemaps == tuple(f"/{number}" for number in range(MAX_SITEMAPS))


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("/private/x", (4, "Disallow: /private")),
        ("/open", None),
        ("/a.pdf", (5, "disallow /*.pdf$  # é")),
        ("/private/open", None),
        ("/robots.txt", None),
        ("/caf%C3%A9", (8, "Disallow: /café")),
    ],
)
def test_the_line_that_forbids_is_told(url: str, expected: tuple[int, str] | None) -> None:
    text = (
        "\ufeff# robots\r\n\r\nUser-agent: *\r\nDisallow: /private\r\n disallow /*.pdf$  # é\r\n"
        "Allow: /private/open\rDisallow: /private\rDisallow: /café"
    )
    assert line_against(text.encode(), AGENT, SITE + url) == expected


def test_a_file_is_cut_at_the_end_of_a_line() -> None:
    for end in (b"\n", b"\r", b"\r\n"):
        line = b"Disallow: /x" + end
        cut = within_limit(line * 60_000)
        assert ROBOTS_LIMIT - len(line) < len(cut) <= ROBOTS_LIMIT
        assert cut.endswith(end)
    assert within_limit(b"x" * ROBOTS_LIMIT) == b"x" * ROBOTS_LIMIT
    assert within_limit(b"x" * (ROBOTS_LIMIT + 1)) == b""


def test_a_line_is_read_up_to_a_bound() -> None:
    text = b"User-agent: *\nDisallow: /x".ljust(40_000, b"y") + b"\nDisallow: /z"
    assert allowed(text, "/x", "/z", "/x" + "y" * MAX_LINE) == [True, False, False]


def spelled(alphabet: str) -> st.SearchStrategy[bytes]:
    return st.text(alphabet).map(str.encode)


words = st.sampled_from(["User-agent: *", "User-agent: mybot", "Disallow: /", "Allow: /", "Crawl-delay: ", "Sitemap:"])
lines = st.lists(st.tuples(words, st.text("ab/*$%41:#\r \x00é"))).map(
    lambda pairs: "\n".join(word + rest for word, rest in pairs).encode()
)


@given(
    st.binary(max_size=200) | spelled("user-agent:*dislow/$%\n ") | lines,
    st.sampled_from([TOKEN, "", "bot2", "Foo Bar", "é"]),
)
def test_whatever_a_site_calls_its_rules_can_be_asked(body: bytes, token: str) -> None:
    rules = RobotsTxt(body, token)
    assert rules.allows(f"{SITE}/x?y=%41") in (True, False)
    assert rules.crawl_delay is None or 0 <= rules.crawl_delay < float("inf")
    against = line_against(body, token, f"{SITE}/a")
    assert (against is None) == RobotsTxt(body, product_token(token)).allows(f"{SITE}/a")


patterns = st.text("ab/*$", max_size=6).map("/".__add__)
rules_lists = st.lists(st.tuples(st.booleans(), patterns), max_size=15)


@given(rules_lists, st.text("ab/", max_size=8).map("/".__add__))
def test_the_longest_rule_that_matches_decides_and_allow_wins_a_tie(rules: list[tuple[bool, str]], path: str) -> None:
    text = "User-agent: *\n" + "".join(f"{'Allow' if allows else 'Disallow'}: {rule}\n" for allows, rule in rules)

    def matches(rule: str) -> bool:
        is_anchored = rule.endswith("$")
        pieces = (rule[:-1] if is_anchored else rule).split("*")
        return bool(re.match(".*".join(map(re.escape, pieces)) + (r"\Z" if is_anchored else ""), path))

    _, expected = max(((len(rule), allows) for allows, rule in rules if matches(rule)), default=(0, True))
    assert allowed(text, path) == [expected]


@pytest.mark.parametrize(
    "lines",
    [
        [b"Disallow: /%d" % number for number in range(45_000)],
        [b"Disallow: /*%dx" % number for number in range(35_000)],
        [b"Disallow: /" + b"*a" * 40 + b"%d" % number for number in range(5_000)],
        [b"Disallow: /*" + b"a" * 40 + b"b" + b"a" * (40 + number % 9) + b"%d" % number for number in range(5_000)],
        [b"Disallow: /" + b"a" * number for number in range(1_000)],
        [b"Disallow: /" + b"*a" * 250_000],
        [b"Disallow: /" + b"%41" * 150_000],
        [b"Disallow: /%41%\xe3"] * 25_000,
        [b""] * ROBOTS_LIMIT,
        [b"User-agent: MyBot2"] * 25_000,
        [b"Sitemap: /%d" % number for number in range(30_000)],
        [b"<p>"] * 120_000,
    ],
    ids=lambda lines: lines[-1][:24].decode("latin-1"),
)
def test_a_hostile_file_is_read_and_asked_in_bounded_time(lines: list[bytes]) -> None:
    body = b"User-agent: *\n" + b"\n".join(lines)
    begun = process_time()
    rules = RobotsTxt(body, TOKEN)
    parsed = process_time()
    for path in ("/catalogue/page-50.html", "/" + "a" * 2_000 + "b", "/" + "a%41" * 500):
        rules.allows(SITE + path)
    assert parsed - begun < 3.0  # 0.15 s; what grows with the square takes minutes
    assert process_time() - parsed < 4.0  # 0.3 s in the worst case


def test_fifty_megabytes_are_cut_before_they_are_read() -> None:
    body = b"User-agent: *\n" + b"Disallow: /some/path\n" * 2_500_000
    tracemalloc.start()
    begun = process_time()
    rules = RobotsTxt(body, TOKEN)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(body) > 50_000_000
    assert (rules.allows(f"{SITE}/some/path"), rules.allows(f"{SITE}/other")) == (False, True)
    assert process_time() - begun < 3.0  # 0.1 s; tracing memory triples it
    assert most < 20_000_000


@pytest.mark.parametrize("rules", [1, 20, 1000])
@pytest.mark.parametrize("end", ["", "*x"])
def test_the_size_of_rules_is_known_well_enough(rules: int, end: str) -> None:
    bodies = [
        b"User-agent: *\n" + "".join(f"Disallow: /{at}/{n}{end}\n" for n in range(rules)).encode() for at in range(50)
    ]
    RobotsTxt(bodies[0], TOKEN)
    tracemalloc.start()
    parsed = [RobotsTxt(body, TOKEN) for body in bodies]
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert 0.6 < sum(each.size for each in parsed) / taken < 2.5
