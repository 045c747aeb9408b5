"""What Google's robots.txt parser states of itself in its tests, where those facts lie beside the checkout."""

import json
from pathlib import Path
from typing import Any

import pytest

from crawler.politeness.robots import MAX_LINE, RobotsTxt

FILE = Path(__file__).parents[3] / "shared" / "conformance" / "robots.json"

UNANSWERABLE = {83, 85, 86}
"""Row numbers of GoogleOnly_LineTooLong without the long line that each is about. What is left of them says the
opposite of rows 82, 4 and 4: the same text and agent, and a path that the same rule decides about. The test below puts
the lines back."""


def rows() -> Any:
    if not FILE.exists():
        pytest.skip("the conformance cases robots.json are not beside this checkout")
    return json.loads(FILE.read_text("utf-8"))


def test_every_fact_that_can_be_answered_holds() -> None:
    wrong = {
        number
        for number, (_, text, token, url, allowed) in enumerate(rows())
        if RobotsTxt(text.encode(), token).allows(url) != allowed
    }
    assert (len(rows()), wrong) == (145, UNANSWERABLE)


def test_the_others_contradict_rows_that_hold() -> None:
    facts = rows()
    assert facts[82][1:3] == facts[83][1:3] == ["user-agent: FooBot\n", "FooBot"]
    assert (facts[82][4], facts[83][4]) == (True, False)  # and there is no rule at all
    for number in (85, 86):
        assert facts[4][1:3] == facts[number][1:3] == ["user-agent: FooBot\ndisallow: /\n", "FooBot"]
        assert (facts[4][4], facts[number][4]) == (False, True)


def test_a_rule_that_is_too_long_for_a_line_is_cut_as_google_cuts_it() -> None:
    """Rows 82 to 86, with the lines that they are about."""

    def filled(start: str, key: str, letter: str) -> str:
        return start.ljust(MAX_LINE + 1 - len(start) - len(key) + 1, letter)

    long = filled("/x/", "disallow: ", "a")
    forbids = RobotsTxt(f"user-agent: FooBot\ndisallow: {long}/qux\n".encode(), "FooBot")
    assert forbids.allows("http://foo.bar/fux")
    assert not forbids.allows(f"http://foo.bar{long}/fux")

    one, other = filled("/x/", "allow: ", "a"), filled("/x/", "allow: ", "b")
    allows = RobotsTxt(f"user-agent: FooBot\ndisallow: /\nallow: {one}/qux\nallow: {other}/qux\n".encode(), "FooBot")
    assert not allows.allows("http://foo.bar/")
    assert allows.allows(f"http://foo.bar{one}/qux")
    assert allows.allows(f"http://foo.bar{other}/fux")
