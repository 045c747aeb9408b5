"""Cases that others wrote, where they lie beside the checkout."""

import json
from pathlib import Path
from typing import Any

import pytest

from crawler.politeness.robots import RobotsTxt
from crawler.urls.url import Base, address

FOLDER = Path(__file__).parents[3] / "shared" / "conformance"


def cases(name: str) -> Any:
    file = FOLDER / name
    if not file.exists():
        pytest.skip(f"the conformance cases {name} are not beside this checkout")
    return json.loads(file.read_text("utf-8"))


def test_every_whatwg_url_is_read_as_browsers_read_it() -> None:
    rows = [case for case in cases("whatwg-urls.json") if isinstance(case, dict)]
    wrong = []
    for case in rows:
        href = None if case.get("failure") else case["href"]
        followed = href if href is not None and href.startswith(("http:", "https:")) else None
        base = Base(case["base"] or "")
        read = (base.resolve(case["input"]), base.join(case["input"]))
        if read != (href, followed):
            wrong.append((case["input"], case["base"], read, href))
    assert (len(rows), wrong) == (891, [])


def test_every_whatwg_url_has_the_parts_of_the_standard() -> None:
    rows = [case for case in cases("whatwg-urls.json") if isinstance(case, dict) and not case.get("failure")]
    rows = [case for case in rows if case["protocol"] in ("http:", "https:")]
    expected = [
        (case["href"].partition("#")[0], case["host"], case["hostname"], case.get("origin", "?")) for case in rows
    ]
    found = [address(case["href"]) for case in rows]
    read = [
        (*part[:3], part[3] if "origin" in case else "?") if part is not None else None
        for part, case in zip(found, rows, strict=True)
    ]
    assert read == expected


ROBOTS_MISSES = {
    # An unknown line between two user-agent lines ends protego's group: the first agent loses its rules.
    19: "ID_LineSyntax_Groups_OtherRules",
    # protego takes "Foo Bar" as one name; by RFC 9309 the name ends with its first letter that is none of a token.
    30: "ID_UserAgentValueCaseInsensitive",
    31: "ID_UserAgentValueCaseInsensitive",
    32: "ID_UserAgentValueCaseInsensitive",
    36: "ID_UserAgentValueCaseInsensitive",
    37: "ID_UserAgentValueCaseInsensitive",
    38: "ID_UserAgentValueCaseInsensitive",
    39: "GoogleOnly_AcceptUserAgentUpToFirstSpace",
    # protego makes the escapes of rule and URL alike before it compares them, as RFC 9309, section 2.2.2 says;
    # Google's parser leaves the URL as it stands.
    63: "ID_Encoding",
    65: "ID_Encoding",
    66: "ID_Encoding",
    # The rows lack the overlong lines that they are about: no parser can answer them.
    83: "GoogleOnly_LineTooLong",
    85: "GoogleOnly_LineTooLong",
    86: "GoogleOnly_LineTooLong",
}
"""Row numbers that are answered otherwise than Google's parser does, with its test."""


def test_google_s_robots_txt_facts_hold_but_for_the_known_misses() -> None:
    rows = cases("robots.json")
    misses = {
        number: test
        for number, (test, text, agent, url, allowed) in enumerate(rows)
        if RobotsTxt(text.encode(), agent).allows(url) != allowed
    }
    assert (len(rows), misses) == (145, ROBOTS_MISSES)
