"""What a callback gives, and what is said when it gives something else or raises."""

from __future__ import annotations

import asyncio
import inspect
import os
import traceback
from types import TracebackType
from typing import Any

import msgspec

from crawler.engine.watchdog import where_of
from crawler.errors import CrawlerError, ForgottenAwait, SpiderError, WrongResult
from crawler.http.refresh import Refresh
from crawler.outcome import Record, Reject
from crawler.request import Request

_HERE = os.path.dirname(__file__) + os.sep
_PACKAGE = os.path.dirname(os.path.dirname(__file__)) + os.sep
_CALLERS = {_HERE + name for name in ("callback.py", "steps.py", "watchdog.py")}
_GIVES = (
    "A callback gives items (dict, dataclass, attrs, msgspec.Struct, pydantic, Item), Requests, lists of them, or None."
)


class Harvest(msgspec.Struct):
    """What one callback gave. Plain data but for the items themselves, so that it can come from another process."""

    records: list[Record] = []
    rejects: list[Reject] = []
    requests: list[Request] = []
    dropped: dict[str, int] = {}
    """Items that a step kept back, by its name."""
    pending: list[tuple[Any, int]] = []
    """Items that wait for an ``async`` step, and the number of that step."""
    forbids_following: bool = False
    """Whether the page asks that none of its links is followed; looked for only where there are requests."""
    refresh: Refresh | None = None
    """Of a page that a parse process did not give to its callback, because it goes on to another one."""


class CallbackError(CrawlerError):
    """A callback raised. *trace* is the user's own traceback, from the callback on."""

    def __init__(self, summary: str, trace: str) -> None:
        super().__init__(summary, trace)
        self.summary = summary
        self.trace = trace

    def __str__(self) -> str:
        return self.summary


def is_cancellation(error: BaseException) -> bool:
    """Whether *error* ends this task, rather than being the end of another one that the spider awaited."""
    task = asyncio.current_task()
    return isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling() > 0


def misfit(value: Any, source: Any, gives: str = _GIVES) -> SpiderError:
    """What to tell the author of *source*, which gave *value*: nothing that can be kept."""
    where, name = where_of(source), getattr(value, "__qualname__", "")
    called = name.rpartition(".")[2]
    if inspect.iscoroutine(value):
        value.close()  # or Python would warn about it a second time
        return ForgottenAwait(f"{where} gave the coroutine {name}() without awaiting it: write await {called}(...)")
    if inspect.isasyncgen(value):
        return ForgottenAwait(
            f"{where} gave the async generator {name}() itself: write async for result in {called}(...): yield result"
        )
    if inspect.isawaitable(value):
        return ForgottenAwait(f"{where} gave a {type(value).__name__} without awaiting it: write await before it")
    return WrongResult(f"{where} gave {value!r:.80}, a {type(value).__name__}. {gives}")


def in_own_words(error: BaseException, step: str = "") -> CallbackError:
    """The error as its author needs it: their frames alone. *step* is the step that raised it."""
    if isinstance(error, CallbackError):
        return error  # of a step, in its words already
    shown = traceback.TracebackException(type(error), error, _skip_ours(error.__traceback__))
    del shown.stack[_end_of_own(shown.stack) :]
    only = list(shown.format_exception_only())
    words = only[0].strip()[:500]
    if isinstance(error, SpiderError):  # its own words say all; how a library put it is of no use to an author
        words = str(error)[:500]
        shown.__cause__ = shown.__context__ = None
    if step:
        words = f"step {step}: {words}"
    if not shown.stack:
        return CallbackError(words, "".join(only))
    last = shown.stack[-1]
    return CallbackError(f"{words} at {last.filename}:{last.lineno}", "".join(shown.format()))


def _skip_ours(trace: TracebackType | None) -> TracebackType | None:
    """*trace* without the frames at its top that call a spider's code."""
    while trace is not None and trace.tb_frame.f_code.co_filename in _CALLERS:
        trace = trace.tb_next
    return trace


def _end_of_own(stack: traceback.StackSummary) -> int:
    """How many frames of *stack* there are up to the last one that is not this package's."""
    own = [number for number, frame in enumerate(stack, 1) if not frame.filename.startswith(_PACKAGE)]
    return own[-1] if own else len(stack)
