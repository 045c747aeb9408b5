"""The public Request, the frontier's Entry, and the raw Response."""

import copy
import json
import pickle
from collections import OrderedDict
from enum import Enum, IntEnum
from types import MappingProxyType
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from crawler.outcome import Failure, Outcome, Record, Verdict
from crawler.request import Entry, Request, callback_name, plain
from crawler.response import Response, headers_of

HERE = "http://a.example/"
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
NAMES = st.dictionaries(TEXT, TEXT, max_size=3)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
REQUESTS = st.one_of(
    [
        st.builds(
            Request,
            url=TEXT,
            callback=TEXT,
            method=st.sampled_from(["GET", "post", "Put"]),
            headers=NAMES,
            cookies=NAMES,
            meta=st.dictionaries(TEXT, JSON, max_size=3),
            priority=st.integers(-(2**31), 2**31),
            unique=st.booleans(),
            **payload,
        )
        for payload in (
            {},
            {"body": st.binary() | TEXT},
            {"json": JSON.filter(lambda value: value is not None)},
            {"form": NAMES},
        )
    ]
)


class Colour(str, Enum):  # noqa: UP042 (as many spiders have it)
    RED = "red"


class Size(IntEnum):
    BIG = 3


class Text(str):
    """A text of its own kind, as lxml gives them."""

    __slots__ = ()


class Real(float):
    """A number of its own kind, as numpy gives them."""

    __slots__ = ()


def undecorated(function):
    def wrapper(self, page):
        return function(self, page)

    return wrapper


class Books:
    def parse_book(self, page: object) -> None: ...

    @classmethod
    def parse_all(cls, page: object) -> None: ...

    @undecorated
    def parse_wrapped(self, page: object) -> None: ...

    def __parse(self, page: object) -> None: ...

    @staticmethod
    def parse_static(page: object) -> None: ...

    def private(self):
        return self.__parse


@given(REQUESTS)
def test_a_request_is_stored_and_read_back_equal(request: Request) -> None:
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(request), type=Request) == request


@given(REQUESTS)
def test_a_request_is_sent_to_another_process_and_arrives_equal(request: Request) -> None:
    assert [pickle.loads(pickle.dumps(request)), copy.deepcopy(request), request.replace()] == [request] * 3


@given(REQUESTS, st.integers(0, 2**64 - 1))
def test_an_entry_is_stored_and_read_back_equal(request: Request, fingerprint: int) -> None:
    entry = Entry(request, "a.example", "http://a.example", fingerprint, 2, 1, 1, ("http://b.example/",), HERE)
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(entry), type=Entry) == entry


def test_a_request_needs_nothing_but_its_url() -> None:
    assert Request(HERE) == Request(
        HERE, "parse", "GET", {}, body=None, json=None, form=None, cookies={}, meta={}, priority=0, unique=True
    )


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ({"url": URL(HERE)}, {"url": HERE}),
        ({"url": Text(HERE)}, {"url": HERE}),
        ({"callback": None}, {"callback": "parse"}),
        ({"callback": Books().parse_book}, {"callback": "parse_book"}),
        ({"method": "post"}, {"method": "POST"}),
        ({"headers": {"X": 1, "Y": URL(HERE)}}, {"headers": {"X": "1", "Y": HERE}}),
        ({"headers": headers_of({"X": "1"})}, {"headers": {"X": "1"}}),
        ({"headers": None, "cookies": None, "meta": None}, {"headers": {}, "cookies": {}, "meta": {}}),
        ({"cookies": {"a": Text("b")}}, {"cookies": {"a": "b"}}),
        ({"form": {"page": 2, "all": True}}, {"form": {"page": "2", "all": "True"}}),
        ({"form": {}}, {"form": {}}),
        ({"body": "ä"}, {"body": b"\xc3\xa4"}),
        ({"json": (1, 2)}, {"json": [1, 2]}),
        ({"json": 0}, {"json": 0}),
        ({"priority": Size.BIG}, {"priority": 3}),
        ({"priority": True}, {"priority": 1}),
        ({"priority": 2**63 - 1}, {"priority": 2**63 - 1}),
        ({"priority": 1 - 2**63}, {"priority": 1 - 2**63}),
    ],
)
def test_what_is_given_is_kept_as_plain_data(given: dict[str, Any], kept: dict[str, Any]) -> None:
    request = Request(**({"url": HERE} | given))
    values = {name: getattr(request, name) for name in kept}
    assert (values, [type(value) for value in values.values()]) == (kept, [type(value) for value in kept.values()])


HALF = "holds half a character"


@pytest.mark.parametrize(
    ("given", "error", "says"),
    [
        ({"url": None}, TypeError, "a string, not a NoneType (a selector that found nothing?)"),
        ({"url": 7}, TypeError, "the url of a Request is a string, not an int"),
        ({"url": b"http://a.example"}, TypeError, "the url of a Request is a string, not a bytes"),
        ({"callback": lambda page: None}, TypeError, "is no method of the spider"),
        ({"callback": Books.parse_book}, TypeError, "is no method of the spider"),
        ({"callback": Books.parse_static}, TypeError, "is no method of the spider"),
        ({"callback": 7}, TypeError, "is no method of the spider"),
        ({"callback": Books().parse_wrapped}, TypeError, "needs functools.wraps"),
        ({"callback": Books().private()}, TypeError, "must not begin with two underscores"),
        ({"headers": [("X", "1")]}, TypeError, "headers is a dict, not a list"),
        ({"headers": {"X": None}}, TypeError, "headers['X'] is a NoneType: a value is one text"),
        ({"headers": {"X": b"1"}}, TypeError, "headers['X'] is a bytes: a value is one text"),
        ({"headers": {"X": "\udce9"}}, ValueError, f"headers {HALF}"),
        ({"headers": {"\ud800": "x"}}, ValueError, f"headers {HALF}"),
        ({"cookies": {"a": {"b": "c"}}}, TypeError, "cookies['a'] is a dict: a value is one text"),
        ({"form": {"a": ["x", "y"]}}, TypeError, "form['a'] is a list: a value is one text"),
        ({"form": "a=1"}, TypeError, "form is a dict, not a str"),
        ({"meta": [1]}, TypeError, "meta is a dict, not a list"),
        ({"meta": {"a": [1, {"b": {1, 2}}]}}, TypeError, "meta['a'][1]['b'] is a set"),
        ({"meta": {"a": object()}}, TypeError, "meta['a'] is an object"),
        ({"meta": {1: 2}}, TypeError, "meta has the key 1: keys are strings"),
        ({"meta": {"a": "x\ud800"}}, ValueError, f"meta['a'] {HALF}"),
        ({"meta": {"\ud800": 1}}, ValueError, f"meta {HALF}"),
        ({"meta": {"a": 2**64}}, ValueError, "meta['a'] is an integer of more than 64 bits"),
        ({"json": {"a": b"x"}}, TypeError, "json['a'] is a bytes"),
        ({"body": bytearray(b"x")}, TypeError, "body is bytes or str, not bytearray"),
        ({"body": b"x", "json": 1}, TypeError, "one of body=, json= and form="),
        ({"json": 0, "form": {}}, TypeError, "one of body=, json= and form="),
        ({"priority": 1.5}, TypeError, "priority is a whole number, not a float"),
        ({"priority": "high"}, TypeError, "priority is a whole number, not a str"),
        (
            {"priority": 2**63},
            ValueError,
            "priority is a whole number of 64 bits, and 9223372036854775808 is past them",
        ),
        ({"priority": -(2**63)}, ValueError, "priority is a whole number of 64 bits"),
        ({"unique": 0}, TypeError, "unique is True or False, not an int"),
        ({"unique": None}, TypeError, "unique is True or False, not a NoneType"),
    ],
)
def test_what_could_not_be_stored_is_refused_at_once(given: dict[str, Any], error: type[Exception], says: str) -> None:
    with pytest.raises(error) as raised:
        Request(**({"url": HERE} | given))
    assert says in str(raised.value)


def test_a_request_cannot_be_changed() -> None:
    request = Request(HERE)
    with pytest.raises(AttributeError):
        request.url = "http://b.example/"  # type: ignore[misc]


def test_a_replaced_copy_is_checked_like_any_other() -> None:
    request = Request(HERE, method="POST", body=b"x")
    assert request.replace(body=None, json=(1,)) == Request(HERE, method="POST", json=[1])
    with pytest.raises(TypeError, match="one of body="):
        request.replace(json=1)


def test_what_the_spider_changes_later_does_not_change_the_request() -> None:
    headers, meta = {"X": "1"}, {"list": [1], "dict": {"a": 1}}
    request = Request(HERE, headers=headers, meta=meta)
    headers["X"] = "2"
    meta["list"].append(2)
    meta["dict"]["a"] = 2
    assert (request.headers, request.meta) == ({"X": "1"}, {"list": [1], "dict": {"a": 1}})


def test_two_requests_share_no_defaults() -> None:
    one, other = Request(HERE), Request(HERE)
    one.meta["a"] = 1
    assert other.meta == {}


@pytest.mark.parametrize(
    ("callback", "name"),
    [
        (None, "parse"),
        ("parse_book", "parse_book"),
        (Text("parse_book"), "parse_book"),
        (Books().parse_book, "parse_book"),
        (Books.parse_all, "parse_all"),
    ],
)
def test_a_callback_is_kept_by_its_name(callback: Any, name: str) -> None:
    assert (callback_name(callback), type(callback_name(callback))) == (name, str)


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        (Colour.RED, "red"),
        (Size.BIG, 3),
        (Text("a"), "a"),
        (Real(1.5), 1.5),
        (True, True),
        (None, None),
        ((1, [2, (3,)]), [1, [2, [3]]]),
        (OrderedDict(a=1), {"a": 1}),
        (MappingProxyType({"a": (1,)}), {"a": [1]}),
        (-(2**63), -(2**63)),
        (2**64 - 1, 2**64 - 1),
    ],
)
def test_plain_data_is_made_of_json_types_alone(value: Any, kept: Any) -> None:
    made = plain(value, "meta")
    assert (made, type(made)) == (kept, type(kept))


@given(JSON)
def test_plain_data_is_what_json_reads_back(value: Any) -> None:
    assert json.loads(json.dumps(plain(value, "meta"))) == value


@pytest.mark.parametrize("value", [-(2**63) - 1, 2**64])
def test_an_integer_past_64_bits_is_no_plain_data(value: int) -> None:
    with pytest.raises(ValueError, match="give it as text"):
        plain(value, "meta")


@pytest.mark.parametrize(
    ("host", "hostname"),
    [
        ("a.example", "a.example"),
        ("a.example:8080", "a.example"),
        ("127.0.0.1:1", "127.0.0.1"),
        ("[::1]", "[::1]"),
        ("[::1]:8080", "[::1]"),
        ("[2001:db8::1234]", "[2001:db8::1234]"),
    ],
)
def test_a_hostname_is_the_host_without_its_port(host: str, hostname: str) -> None:
    assert Entry(Request(HERE), host, "", 0).hostname == hostname


@pytest.mark.parametrize(("referrer", "is_seed"), [("", True), (HERE, False)])
def test_a_seed_was_found_on_no_page(referrer: str, is_seed: bool) -> None:
    assert Entry(Request(HERE), "a.example", "", 0, referrer=referrer).is_seed == is_seed


@pytest.mark.parametrize(
    ("status", "headers", "is_success", "is_redirect"),
    [
        (200, {}, True, False),
        (204, {"Location": "/x"}, True, False),
        (299, {}, True, False),
        (300, {"Location": "/x"}, False, False),
        *((status, {"location": "/x"}, False, True) for status in (301, 302, 303, 307, 308)),
        (302, {}, False, False),
        (304, {"Location": "/x"}, False, False),
        (404, {}, False, False),
        (199, {}, False, False),
    ],
)
def test_a_response_says_what_its_status_means(
    status: int, headers: dict[str, str], is_success: bool, is_redirect: bool
) -> None:
    response = Response(HERE, status, headers_of(headers))
    assert (response.is_success, response.is_redirect) == (is_success, is_redirect)


def test_headers_have_no_case_and_may_stand_several_times() -> None:
    headers = headers_of({"Set-Cookie": "a=1"})
    headers.add("set-cookie", "b=2")
    assert (headers.getall("SET-COOKIE"), headers_of()) == (["a=1", "b=2"], headers_of({}))


@pytest.mark.parametrize(
    "value",
    [
        Response(HERE, 200, headers_of({"A": "b"}), b"body", 0.5),
        Failure(HERE, "timeout", "no answer", request=Request(HERE, meta={"a": 1})),
        Record(b'{"a":1}', {"a": 1}),
        Outcome(Entry(Request(HERE), "a.example", "http://a.example", 1), Verdict.DONE, [Record(b"{}")]),
    ],
)
def test_plain_nouns_cross_processes(value: Any) -> None:
    assert pickle.loads(pickle.dumps(value)) == value


def test_two_outcomes_share_no_lists() -> None:
    entry = Entry(Request(HERE), "a.example", "http://a.example", 1)
    one, other = Outcome(entry, Verdict.DONE), Outcome(entry, Verdict.DONE)
    one.records.append(Record(b"{}"))
    assert other.records == []
