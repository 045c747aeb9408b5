"""What a ``Refresh`` asks for: the shared declarative refresh steps of the HTML Standard."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.http.refresh import Refresh, refresh_of

ASKED = [
    ("5", 5, None),
    (" 5 ", 5, None),
    ("5;", 5, None),
    ("5 ; ", 5, None),
    ("5;url=/next", 5, "/next"),
    ("5; url=/next", 5, "/next"),
    ("5;URL='/a b'", 5, "/a b"),
    ("5;uRl = '/a' left out", 5, "/a"),
    ('5;url="/a\'b"', 5, "/a'b"),
    ("5;url='/unterminated", 5, "/unterminated"),
    ("5;url=", 5, ""),
    ("5;url=''", 5, ""),
    ("5;/next", 5, "/next"),
    ("5;'/next'", 5, "/next"),
    ("5,url=/next", 5, "/next"),
    ("5 url=/next", 5, "/next"),
    ("5 /next", 5, "/next"),
    ("0, url", 0, "url"),
    ("5;u=/next", 5, "u=/next"),
    ("5;ur'x'", 5, "ur'x'"),
    ("5;url /next", 5, "url /next"),
    ("5;;url=/next", 5, ";url=/next"),
    ("5;url=/next ", 5, "/next "),
    ("\t5\n;\furl\r=\t/next", 5, "/next"),
    ("5.9;url=/next", 5, "/next"),
    ("5..9.;url=/next", 5, "/next"),
    (".5;url=/next", 0, "/next"),
    (".", 0, None),
    ("0005", 5, None),
    ("9" * 5000, 999_999_999, None),
]


@pytest.mark.parametrize(("content", "seconds", "target"), ASKED)
def test_a_refresh_is_read_as_browsers_read_it(content: str, seconds: int, target: str | None) -> None:
    assert refresh_of(content) == Refresh(seconds, target)


@pytest.mark.parametrize(
    "content", ["", " ", "url=/next", ";url=/next", "-5;url=/next", "5x;url=/next", "5url=/next", "٥"]
)
def test_what_browsers_do_not_heed_is_none(content: str) -> None:
    assert refresh_of(content) is None


@given(st.text() | st.text("0159.;, urlURL='\"/x\t"))
def test_whatever_stands_there_is_a_refresh_or_none(content: str) -> None:
    refresh = refresh_of(content)
    assert refresh is None or refresh.seconds >= 0
