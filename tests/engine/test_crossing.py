from __future__ import annotations

import pickle
from typing import Any

import msgspec
import pytest
import spiders_for_processes as spiders

from crawler.download import DownloadSpec, Saved
from crawler.engine.crossing import Task
from crawler.engine.harvest import Harvest
from crawler.http.refresh import Refresh
from crawler.outcome import Record, Reject
from crawler.parse.page import PageOptions
from crawler.request import Request
from crawler.response import Response, headers_of

URL = "http://a.test/"


def crossed(thing: Any) -> tuple[Any, list[Any]]:
    """*thing* as it is at the other end, and its buffers."""
    buffers: list[pickle.PickleBuffer] = []
    packed = pickle.dumps(thing, 5, buffer_callback=buffers.append)
    return pickle.loads(packed, buffers=[bytes(buffer) for buffer in buffers]), buffers


class Odd(Request):
    """A request of the user's own type."""


REQUESTS = [
    Request(URL),
    Request(
        URL, "other", "POST", {"A": "b"}, json={"a": [1, None, 2.5, 2**64 - 1, -(2**63), "ü"]}, meta={"x": {"y": []}}
    ),
    Request(URL, body=b"\0\xff", priority=-3, unique=False, session="s", cookies={"c": "d"}),
    Request(URL, form={"a": "b"}),
    Request(URL, download=DownloadSpec("x/{name}", 5, ("image/*",), {"k": [1]}, URL)),
    Request("http://a.test/\udcff"),
    Odd(URL),
]


@pytest.mark.parametrize("request_", REQUESTS, ids=range(len(REQUESTS)))
def test_a_task_arrives_as_it_was(request_: Request) -> None:
    headers = headers_of({"Content-Type": "text/html"})
    headers.add("Link", "<a>")
    headers.add("Link", "<b>")
    response = Response(URL, 203, headers, b"<h1>", 0.25, "fresh")
    task = Task(request_, response, 4, PageOptions("all", True, "me"), 5.0)
    there, _ = crossed(task)
    assert there == task
    assert type(there.request) is type(request_)
    assert there.response.headers.getall("link") == ["<a>", "<b>"]


def test_a_header_with_half_a_character_arrives_as_it_was() -> None:
    task = Task(Request(URL), Response(URL, 200, headers_of({"X": "\udce9"}), b"x"), 0)
    there, _ = crossed(task)
    assert there == task


def test_a_saved_file_arrives_as_it_was() -> None:
    saved = Saved(**{field.name: _sample(field.type) for field in msgspec.structs.fields(Saved)})
    task = Task(Request(URL), Response(URL, 200, headers_of(), saved=saved), 0)
    assert crossed(task)[0].response.saved == saved


def _sample(kind: Any) -> Any:
    return {str: "text", int: 7, float: 0.5, bool: True}.get(kind)


def test_a_body_is_a_buffer_of_its_own() -> None:
    body = b"x" * 100_000
    _, (buffer,) = crossed(Task(Request(URL), Response(URL, 200, headers_of(), body), 0))
    assert buffer.raw().obj is body


def test_a_harvest_arrives_as_it_was_but_for_the_items_themselves() -> None:
    harvest = Harvest(
        [Record(b"{}", object(), spiders.Price), Record(b"[]")],
        [Reject(URL, "Price", "amount", "it is no number", {"amount": "free"})],
        [request for request in REQUESTS if type(request) is Request and request.url == URL],
        {"step": 2},
        forbids_following=True,
        refresh=Refresh(3, URL),
    )
    there, _ = crossed(harvest)
    assert there.records == [Record(b"{}", None, spiders.Price), Record(b"[]")]
    harvest.records = there.records = []
    assert there == harvest


@pytest.mark.parametrize("requests", [[REQUESTS[5], REQUESTS[0]], [REQUESTS[6], REQUESTS[0]]])
def test_requests_that_do_not_fit_arrive_as_they_were(requests: list[Request]) -> None:
    there, _ = crossed(Harvest(requests=requests))
    assert there.requests == requests
    assert [type(request) for request in there.requests] == [type(request) for request in requests]
