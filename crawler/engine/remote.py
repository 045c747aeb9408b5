"""The other end of a parse process: the spider is built afresh there, and runs one callback at a time."""

from __future__ import annotations

import gc
import logging
import sys

from crawler.discovery import SpiderSource, build, own_traceback
from crawler.engine.callback import run_callback_here
from crawler.engine.crossing import Task
from crawler.engine.harvest import CallbackError, Harvest
from crawler.engine.steps import NO_STEPS, Intake, steps_of
from crawler.errors import SpiderLoadError
from crawler.export.logs import InertFormatter
from crawler.outcome import Record
from crawler.parse.heap import keep_freed_memory
from crawler.parse.page import Page
from crawler.spider import Spider

_source: SpiderSource | None = None
_spider: Spider | None = None
_steps = NO_STEPS


def prepare(source: object) -> None:
    """Remember the spider; it is built with the first task, so that an error in it has somebody to be told to."""
    global _source, _spider
    assert isinstance(source, SpiderSource)
    keep_freed_memory()
    if logging.lastResort is not None:  # what is logged here goes to the terminal past the crawl's own handlers
        logging.lastResort.setFormatter(InertFormatter())
    _source, _spider = source, None


def work(task: Task) -> Harvest:
    """Run the callback of ``task.request``, unless the page goes on to another one.

    :raises CallbackError: it raised, or the spider cannot be built here
    """
    page = Page(task.response, task.request, task.depth, task.options)
    page.trust()  # this process is there to be lost
    if task.refresh_within is not None:
        refresh = page.refresh
        if refresh is not None and refresh.leads_within(task.refresh_within):
            return Harvest(refresh=refresh)
    spider = _built()
    harvest = run_callback_here(getattr(spider, task.request.callback), page, page.url, _steps)
    _check_pending(harvest, page.url)
    if harvest.requests:
        harvest.forbids_following = page.forbids_following
    harvest.records = [Record(record.data, None, _by_reference(record.type)) for record in harvest.records]
    return harvest


def _check_pending(harvest: Harvest, url: str) -> None:
    """What waits for an ``async`` step crosses as a record, and goes on from there in the crawl's own process."""
    intake = Intake(harvest, NO_STEPS, url)
    for item, _ in harvest.pending:
        intake.keep(item)
    harvest.pending = []


def _built() -> Spider:
    global _spider, _steps
    if _spider is None:
        assert _source is not None
        try:
            _spider = build(_source)
            _steps = steps_of(_spider)
        except SpiderLoadError as error:
            raise CallbackError(str(error), error.traceback or str(error)) from None
        except Exception as error:  # its module or its constructor raised, as it did not in the crawl's own process
            raise CallbackError(f"it cannot be built in a parse process: {error}", own_traceback(error)) from None
        gc.freeze()  # what was imported for it stays, and need not be looked through for garbage again and again
    return _spider


def _by_reference(item_type: type | None) -> type | None:
    """A class crosses by its name, so only one that can be found by it."""
    if item_type is None:
        return None
    module = sys.modules.get(item_type.__module__)
    return item_type if getattr(module, item_type.__qualname__, None) is item_type else None
