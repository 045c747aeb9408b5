"""The ``Link`` header, RFC 8288."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.http.link_header import HeaderLink, links_of

READ = [
    ("</2>; rel=next", [HeaderLink("/2", "next")]),
    ('</2>; rel="next"', [HeaderLink("/2", "next")]),
    ('</2> ; REL = "next last"', [HeaderLink("/2", "next last")]),
    ('</2>;rel=next, </0>;rel="prev"', [HeaderLink("/2", "next"), HeaderLink("/0", "prev")]),
    ("</a,b;c>; rel=next", [HeaderLink("/a,b;c", "next")]),
    ('</2>; title="a, <b>; \\"c\\""; rel=next', [HeaderLink("/2", "next")]),
    ("</2>; rel=next; rel=prev", [HeaderLink("/2", "next")]),
    ('</f>; rel=alternate; type="application/rss+xml"', [HeaderLink("/f", "alternate", "application/rss+xml")]),
    ("</2>", [HeaderLink("/2", "")]),
    ("</2>; rel", [HeaderLink("/2", "")]),
    ("</2>;; rel=next", [HeaderLink("/2", "next")]),
    ('</2>; rel="next', [HeaderLink("/2", "next")]),
    ("</2>; rel=next junk, </3>; rel=up", [HeaderLink("/2", "next junk"), HeaderLink("/3", "up")]),
    (", ,</2>; rel=next,", [HeaderLink("/2", "next")]),
    ('</2>; rel=next; anchor="#part", </3>; rel=up', [HeaderLink("/3", "up")]),
    ("<>; rel=self", [HeaderLink("", "self")]),
    ("/2; rel=next", []),
    ("</2; rel=next", []),
    ("", []),
]


@pytest.mark.parametrize(("value", "links"), READ)
def test_a_link_header_is_read(value: str, links: list[HeaderLink]) -> None:
    assert list(links_of([value])) == links


def test_several_headers_are_one_list() -> None:
    assert [link.target for link in links_of(["</a>", "broken", "</b>"])] == ["/a", "/b"]


@given(st.text() | st.text('<>;,="\\ relnxt/'))
def test_whatever_stands_there_is_read_to_its_end(value: str) -> None:
    assert all(isinstance(link, HeaderLink) for link in links_of([value]))


@pytest.mark.parametrize("piece", ["<", "<a>,", "<a>;", '<a>;r="', '<a>;r="\\', "<a>;r= ", ";", ' ="'])
def test_an_endless_header_takes_no_time(piece: str) -> None:
    for _ in links_of([piece * 20_000]):
        pass
