"""The 64 bits that stand for a request."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.request import Download, Request
from crawler.urls.canonical import canonical
from crawler.urls.fingerprint import fingerprint

URL = "http://a.example/"
HREFS = st.text(alphabet="ab=&?#%7eE2", max_size=12).map(URL.__add__)


@given(HREFS, HREFS)
def test_fingerprints_are_equal_exactly_where_canonical_urls_are(one: str, other: str) -> None:
    same_print = fingerprint(one, Request(one)) == fingerprint(other, Request(other))
    assert same_print == (canonical(one) == canonical(other))


@given(HREFS, st.integers(0, 2**64 - 1))
def test_a_fingerprint_has_64_bits(href: str, seed: int) -> None:
    assert 0 <= fingerprint(href, Request(href), seed) < 2**64


@pytest.mark.parametrize(
    "request_",
    [
        Request(URL, callback="other"),
        Request(URL, headers={"A": "b"}),
        Request(URL, cookies={"a": "b"}),
        Request(URL, meta={"a": 1}),
        Request(URL, priority=9),
        Request(URL, unique=False),
        Request(URL, method="get"),
        Request(URL, body=b""),
        Request(URL, form={}),
    ],
)
def test_what_a_server_answers_by_decides_and_nothing_else(request_: Request) -> None:
    assert fingerprint(URL, request_) == fingerprint(URL, Request(URL))


def test_method_and_payload_make_another_request() -> None:
    requests = [
        Request(URL),
        Request(URL, method="HEAD"),
        Request(URL, method="POST"),
        Request(URL, method="PUT"),
        Request(URL, method="POST", body=b"a=1"),
        Request(URL, method="POST", form={"a": "1"}),
        Request(URL, method="POST", json={"a": "1"}),
        Request(URL, method="POST", json={"a": 1}),
        Request(URL, json=0),
        Request(URL, body=b"x"),
        Request(URL, session="true"),
        Download(URL),
        Download(URL, session="true"),
    ]
    assert len({fingerprint(URL, request) for request in requests}) == len(requests)


def test_a_file_is_the_same_wherever_it_is_to_go() -> None:
    requests = [Download(URL), Download(URL, to="x"), Download(URL, max_bytes=1, fields={"a": 1}, types="a/b")]
    assert len({fingerprint(URL, request) for request in requests}) == 1


def test_the_order_of_names_in_a_payload_says_nothing() -> None:
    one = Request(URL, method="POST", json={"a": 1, "b": {"c": 2, "d": 3}})
    other = Request(URL, method="POST", json={"b": {"d": 3, "c": 2}, "a": 1})
    assert fingerprint(URL, one) == fingerprint(URL, other)


def test_another_job_has_other_fingerprints() -> None:
    assert fingerprint(URL, Request(URL), seed=1) != fingerprint(URL, Request(URL), seed=2)


def test_a_fingerprint_on_disk_keeps_its_meaning() -> None:
    """A change of these numbers makes every stored job start anew."""
    assert fingerprint("http://a.example/?b=1&a=2#x", Request(URL)) == 1545247128480428320
    assert fingerprint(URL, Request(URL, method="POST", form={"a": "1"}), seed=7) == 6543682920767161293
