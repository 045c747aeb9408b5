"""Addresses in lists of images and in style sheets."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.parse.css import addresses_in_css
from crawler.parse.srcset import candidates

SRCSETS = [
    ("a.png", ["a.png"]),
    ("a.png 1x, b.png 2x", ["a.png", "b.png"]),
    ("a.png 100w,b.png 200w", ["a.png", "b.png"]),
    ("a.png,b.png", ["a.png,b.png"]),
    ("a.png, b.png", ["a.png", "b.png"]),
    ("a.png,, ,b.png 1.5x", ["a.png", "b.png"]),
    (" , a.png  1e2x  ,", ["a.png"]),
    ("a.png 100w 50h, b.png 1x 2x, c.png 100w 1x", ["a.png"]),
    ("a.png 0w, b.png -1x, c.png 1, d.png x, e.png 50h", []),
    ("a.png (1x, 2x), b.png", ["b.png"]),
    ("a.png (1x, b.png", []),
    ("data:image/png;base64,AA== 1x, b.png 2x", ["data:image/png;base64,AA==", "b.png"]),
    ("a.png\t.5x\n,\fb.png", ["a.png", "b.png"]),
    ("", []),
    (", ,", []),
]


@pytest.mark.parametrize(("value", "found"), SRCSETS)
def test_a_srcset_is_read_by_the_algorithm_of_the_standard(value: str, found: list[str]) -> None:
    assert list(candidates(value)) == found


SHEETS = [
    ("p{background:url(a.png)}", ["a.png"]),
    ("p{background:URL( 'a b.png' ) no-repeat, url(\"c.png\")}", ["a b.png", "c.png"]),
    ("@import 'a.css'; @IMPORT \"b.css\" screen; @import url(c.css);", ["a.css", "b.css", "c.css"]),
    ("/* url(no.png) */p{background:url(a.png)}/* url(no", ["a.png"]),
    ("url(a\\ b\\(1\\).png) url('\\61 .png')", ["a b(1).png", "a.png"]),
    ("fill:url(#gradient); x:url(); y:url('')", []),
    ("url(", []),
    ("@font-face{src:url(a.woff2)format('woff2'),url(b.woff)}", ["a.woff2", "b.woff"]),
    ("url('unterminated\n) url(a.png)", ["a.png"]),
    ("no-url", []),
]


@pytest.mark.parametrize(("sheet", "found"), SHEETS)
def test_addresses_in_a_sheet(sheet: str, found: list[str]) -> None:
    assert list(addresses_in_css(sheet)) == found


@given(st.text() | st.text("url(\"') \\/*@import#\n0a;"))
def test_whatever_stands_there_is_read_to_its_end(text: str) -> None:
    assert all(isinstance(address, str) for address in [*addresses_in_css(text), *candidates(text)])
