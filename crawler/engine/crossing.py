"""What crosses to a parse process and back, in few bytes: a pickle of every field costs four times as much.

Rule 1: what MessagePack cannot hold (half a character in a header) is pickled as it is. Nothing is lost on the way.
Rule 2: a body is a buffer of its own, which nobody copies but the socket.
"""

from __future__ import annotations

import copyreg
from pickle import PickleBuffer
from typing import Any, TypeAlias

import msgspec
from multidict import CIMultiDict

from crawler.download import Saved
from crawler.engine.harvest import Harvest
from crawler.http.refresh import Refresh
from crawler.outcome import Record, Reject
from crawler.parse.page import PageOptions
from crawler.request import Request
from crawler.response import Response

Reduced: TypeAlias = tuple[Any, tuple[Any, ...]]  # Any: as pickle has it, a callable and its arguments
_CANNOT = (UnicodeEncodeError, TypeError, ValueError, OverflowError)
"""What MessagePack says of something that it cannot hold."""


class Task(msgspec.Struct, frozen=True):
    """A page for a callback."""

    request: Request
    response: Response
    depth: int
    options: PageOptions = PageOptions()
    refresh_within: float | None = None
    """Seconds: a page that goes on to another one within so many is told of, and not given to the callback. None: it is
    given whatever it says."""


_encode = msgspec.msgpack.Encoder().encode
_decode_requests = msgspec.msgpack.Decoder(list[Request]).decode
_Head: TypeAlias = tuple[
    Request, str, int, list[tuple[str, str]], float, str, Saved | None, int, PageOptions, float | None
]
_decode_task = msgspec.msgpack.Decoder(_Head).decode


def _reduced_task(task: Task) -> Reduced:
    request, response = task.request, task.response
    headers = [(str(name), value) for name, value in response.headers.items()]  # multidict has names of its own type
    saved, elapsed, cached = response.saved, response.elapsed, response.cached
    head = (request, response.url, response.status, headers, elapsed, cached, saved, task.depth, task.options)
    try:
        packed = _encode((*head, task.refresh_within)) if type(request) is Request else None
    except _CANNOT:
        packed = None
    if packed is None:
        return Task, (request, response, task.depth, task.options, task.refresh_within)
    return _task, (packed, PickleBuffer(response.body))


def _task(packed: bytes, body: bytes) -> Task:
    request, url, status, headers, elapsed, cached, saved, depth, options, refresh_within = _decode_task(packed)
    response = Response(url, status, CIMultiDict(headers), body, elapsed, cached, saved)
    return Task(request, response, depth, options, refresh_within)


def _reduced_harvest(harvest: Harvest) -> Reduced:
    """Records without their items, which are here."""
    requests: bytes | list[Request] = b""
    if harvest.requests:
        requests = harvest.requests
        if all(type(request) is Request for request in requests):
            try:
                requests = _encode(requests)
            except _CANNOT:
                pass
    data = [record.data for record in harvest.records]
    types = [record.type for record in harvest.records]
    rest = (harvest.rejects, harvest.dropped, harvest.refresh) if _has_more(harvest) else None
    return _harvest, (data, types, requests, harvest.forbids_following, rest)


def _has_more(harvest: Harvest) -> bool:
    return bool(harvest.rejects or harvest.dropped or harvest.refresh)


def _harvest(
    data: list[bytes],
    types: list[type | None],
    requests: bytes | list[Request],
    forbids_following: bool,
    rest: tuple[list[Reject], dict[str, int], Refresh | None] | None,
) -> Harvest:
    harvest = Harvest([Record(each, None, kind) for each, kind in zip(data, types, strict=True)])
    if requests:
        harvest.requests = _decode_requests(requests) if isinstance(requests, bytes) else requests
        harvest.forbids_following = forbids_following
    if rest is not None:
        harvest.rejects, harvest.dropped, harvest.refresh = rest
    return harvest


copyreg.pickle(Task, _reduced_task)
copyreg.pickle(Harvest, _reduced_harvest)
