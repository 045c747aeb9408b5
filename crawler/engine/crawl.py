"""One crawl, from its seeds to its report."""

from __future__ import annotations

import asyncio
import inspect
import logging
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, aclosing, suppress
from functools import partial
from typing import Any, Protocol, runtime_checkable

import msgspec

from crawler.discovery import own_traceback
from crawler.engine.commit import Sink
from crawler.engine.harvest import is_cancellation
from crawler.engine.stages import EngineOptions, Stages
from crawler.engine.stats import Stats
from crawler.engine.worker import Worker
from crawler.errors import CrawlerError, InvalidRequest, OutputClosed, OutputError, SinkError, StoreError, WrongResult
from crawler.frontier.store import Batch, Restored, Store
from crawler.outcome import Ending, Failure
from crawler.politeness.retry import Retry
from crawler.request import Request
from crawler.spider import Spider
from crawler.urls.url import why_not

log = logging.getLogger("crawler")

_SEED_BATCH = 100
"""Seeds after which others have their turn."""


class Output(Sink, Protocol):
    """A sink that is opened and closed with the crawl."""

    async def open(self, position: int | None) -> int:
        """Create it, or continue it after *position*, where an earlier run of the job committed it: what is past that
        is cut off. The position now.

        :raises OutputError: it cannot be created, or is shorter than that
        """

    async def close(self) -> None:
        """Let go of it."""


@runtime_checkable
class Finished(Protocol):
    """An output of which something is made when its last record is known."""

    async def finish(self, ending: Ending) -> None:
        """Make it of what was appended; nothing will be after this. To make it again makes the same.

        :raises SinkError: it cannot be written; its records are safe
        """


class SpiderFailed(CrawlerError):
    """The spider raised outside its callbacks: in ``opened()`` or in ``start()``. *trace* is its own traceback."""

    def __init__(self, message: str, trace: str) -> None:
        super().__init__(message, trace)
        self.message = message
        self.trace = trace

    def __str__(self) -> str:
        return self.message


class Defect(CrawlerError):
    """An exception that should not have been: this program's own fault."""


class Report(msgspec.Struct):
    """How a crawl ended."""

    reason: str
    """``complete``, ``max_pages``, ``max_items``, ``max_errors``, ``interrupted``, ``output_closed``,
    ``output_failed``, ``store_failed``, ``spider_failed`` or ``defect``."""
    stats: Stats
    waiting: int = 0
    """Requests that were left."""
    error: CrawlerError | None = None
    """What ended the crawl before its time, if something did."""


class Crawl:
    """The stages of one crawl, joined. :meth:`run` may be called once."""

    def __init__(
        self,
        spider: Spider,
        stages: Stages,
        store: Store,
        outputs: Sequence[Output],
        retry: Retry,
        options: EngineOptions,
    ) -> None:
        self.spider = spider
        self.stats = stages.stats
        self.frontier = stages.frontier
        self._stages = stages
        self._store = store
        self._outputs = outputs
        self._options = options
        self._worker = Worker(spider, stages, retry, options, self.stop)
        self._crew: list[asyncio.Task[None]] = []
        self._deadline: asyncio.TimerHandle | None = None
        self._error: CrawlerError | None = None
        self._restored = Restored()

    async def run(self) -> Report:
        """Crawl until nothing is left, a limit is reached, or :meth:`stop` is called.

        :raises SpiderFailed: ``opened()`` raised; nothing was fetched
        :raises OutputError: an output could not be created or continued; nothing was fetched
        :raises StoreError: the store could not be opened; nothing was fetched
        """
        async with AsyncExitStack() as closing:
            closing.push_async_callback(self._stages.fetcher.close)
            closing.push_async_callback(self._stages.processes.close)
            closing.push_async_callback(self._stages.trees.close)
            self._worker.warm()
            await self._call_opened()  # before there is an output: one that stays empty would be in the next run's way
            try:
                closing.push_async_callback(self._store.close)
                restored = await self._store.open()
                self._restore(restored)
                await self._open_outputs(restored, closing)
            except (OutputError, StoreError) as error:
                await self._call_closed("output_failed" if isinstance(error, OutputError) else "store_failed")
                raise
            try:
                with self._worker.watchdog.watching():
                    await self._crawl()
            finally:
                report = self._report()
                await self._call_closed(report.reason)
            return report

    def _restore(self, restored: Restored) -> None:
        """Go on where an earlier run of the job ended, if there was one."""
        self._restored = restored
        self._stages.committer.restore(restored)
        self.frontier.restore(restored)
        self._stages.fetcher.restore_cookies(restored.cookies)
        if restored.tally is not None:
            self.stats.restore(restored.tally, restored.failures)
            self._worker.restore(restored.tally.items)

    async def _open_outputs(self, restored: Restored, closing: AsyncExitStack) -> None:
        """Where each output begins is committed before anything is appended to it."""
        positions = {}
        for output in self._outputs:
            closing.push_async_callback(output.close)
            positions[output.name] = await output.open(restored.positions.get(output.name))
        await self._stages.committer.commit(positions)

    @property
    def is_stopping(self) -> bool:
        """Whether :meth:`stop` was called."""
        return self._deadline is not None

    @property
    def grace(self) -> float:
        """Seconds that running pages get after :meth:`stop`."""
        return self._options.grace

    def stop(self, reason: str) -> None:
        """Lease nothing more. Pages that run get ``grace`` seconds, then they are cancelled; all that ended is kept."""
        self.frontier.stop(reason)
        if self._deadline is None:
            self._deadline = asyncio.get_running_loop().call_later(self._options.grace, self._dismiss)

    def _dismiss(self) -> None:
        for task in self._crew:
            task.cancel()

    async def _crawl(self) -> None:
        """Seeds, workers and committer. Every task is owned by a group, and what it raises is seen."""
        committer = self._stages.committer
        try:
            async with asyncio.TaskGroup() as group:
                committing = group.create_task(committer.run(), name="committer")
                stocking = group.create_task(self.frontier.stock(), name="stock")
                try:
                    await self._fetch_all()
                except Exception:  # an error of ours: what ended before it is kept
                    committer.close()
                    await asyncio.wait([committing])
                    raise
                finally:
                    stocking.cancel()
                committer.close()
            await self._finish_outputs()
            await committer.commit(ended=self._report().reason)
        except* (SinkError, StoreError) as errors:
            error = _first(errors)
            self._error = error if isinstance(error, (SinkError, StoreError)) else None
            if isinstance(error, SinkError):
                await self._finish_others()
                await self._note_end()
        except* Exception as errors:
            log.error("a defect in crawler itself: please report it", exc_info=errors)
            self._error = Defect("a defect in crawler itself ended the crawl; what was saved before is whole")
        finally:
            self.frontier.stop("interrupted")  # if nothing has stopped it before
            if self._deadline is not None:
                self._deadline.cancel()

    async def _finish_outputs(self) -> None:
        """Before the job says that it ended: else a resume would take for made what is not."""
        ending = self._ending()
        for output in self._outputs:
            if isinstance(output, Finished):
                await output.finish(ending)

    async def _finish_others(self) -> None:
        """One output cannot be written, or its reader went away: the others are made nevertheless."""
        ending = self._ending()
        for output in self._outputs:
            if isinstance(output, Finished):
                with suppress(SinkError):
                    await output.finish(ending)

    def _ending(self) -> Ending:
        return Ending(self._report().reason, time.time())

    async def _note_end(self) -> None:
        """What was not committed must not be; but why it ended can be told."""
        try:
            await self._store.commit(Batch(ended=self._report().reason))
        except StoreError:
            pass  # the same disk, most likely: the error that is told came first

    async def _fetch_all(self) -> None:
        async with asyncio.TaskGroup() as group:
            seeding = group.create_task(self._plant(), name="seeds")
            async with asyncio.TaskGroup() as crew:
                for _ in range(self._options.concurrency):
                    self._hire(crew)
                self.frontier.call_worker = partial(self._hire, crew)
            seeding.cancel()  # a limit was reached: nobody is left to fetch what start() may still wait for

    def _hire(self, crew: asyncio.TaskGroup) -> None:
        """One more worker. Nobody is hired by a crew that goes home."""
        work = self._worker.work()
        try:
            self._crew.append(crew.create_task(work, name=f"worker {len(self._crew)}"))
        except RuntimeError:
            work.close()

    async def _plant(self) -> None:
        """Draw seeds as fast as the frontier has room for them."""
        drawn = 0
        self._worker.let_start_fetch()
        try:
            async with aclosing(self._seeds()) as seeds:
                async for request in seeds:
                    drawn += 1
                    self._admit_seed(request, drawn)
                    if drawn % _SEED_BATCH == 0:
                        await asyncio.sleep(0)  # start() may be a plain generator that never waits itself
                        await self.frontier.room()
                    if self.frontier.stopped is not None:
                        break
                else:
                    self._stages.committer.seeds_ended()
        except (Exception, asyncio.CancelledError) as error:  # the spider's own; what it gave before is crawled
            if is_cancellation(error):
                raise
            message = f"{type(self.spider).__name__}.start() raised {type(error).__name__}: {error}"
            self._error = SpiderFailed(message, own_traceback(error))
            log.error("%s\n%s", message, self._error.trace)
        finally:
            self.frontier.seeds_ended()

    async def _seeds(self) -> AsyncGenerator[Request, None]:
        """What ``start()`` gives, whichever way its author wrote it. Nothing, if it ended in an earlier run; a list of
        start URLs is gone through again, since it may have grown."""
        if self._restored.seeds_ended and type(self.spider).start is not Spider.start:
            return
        given: Any = self.spider.start()  # Any: for that reason
        if inspect.iscoroutine(given):
            given = await given
        async with AsyncExitStack() as closing:
            if hasattr(given, "aclose"):
                closing.push_async_callback(given.aclose)
            if hasattr(given, "__aiter__"):
                async for seed in given:
                    yield _request(seed)
            else:
                for seed in given or ():
                    yield _request(seed)

    def _admit_seed(self, seed: Request, number: int) -> None:
        """Take in the *number*-th request of ``start()``."""
        is_old = number <= self._restored.seeds_drawn
        if is_old and not seed.unique:
            return  # URL-seen does not know that an earlier run has had it
        admission = self.frontier.admit([seed])
        self.stats.duplicates += 0 if is_old else admission.duplicates
        for reason, url in admission.skipped:
            if is_old:
                continue
            if reason == "malformed":
                failure = Failure(url, InvalidRequest.reason, f"a start URL that cannot be asked: {why_not(url)}")
                self.stats.fail(failure)
                self._stages.committer.put_failure(failure)
            else:
                self.stats.skip(reason, url)
        self._stages.committer.put_seeds(admission.entries, number)
        self.frontier.plant(admission.entries)

    async def _call_opened(self) -> None:
        try:
            given = self.spider.opened()
            if inspect.isawaitable(given):
                await given
        except Exception as error:  # the spider's own
            message = f"{type(self.spider).__name__}.opened() raised {type(error).__name__}: {error}"
            raise SpiderFailed(message, own_traceback(error)) from None

    async def _call_closed(self, reason: str) -> None:
        try:
            given = self.spider.closed(reason)
            if inspect.isawaitable(given):
                await given
        except Exception as error:  # the spider's own; the data is safe already
            log.error("%s.closed() raised\n%s", type(self.spider).__name__, own_traceback(error))

    def _report(self) -> Report:
        reason = self.frontier.stopped or "complete"
        if isinstance(self._error, SinkError):  # perhaps with the very last records, when all else was complete
            reason = "output_closed" if isinstance(self._error, OutputClosed) else "output_failed"
        elif isinstance(self._error, StoreError):
            reason = "store_failed"
        elif isinstance(self._error, Defect):
            reason = "defect"
        elif reason == "complete" and self._error is not None:
            reason = "spider_failed"
        return Report(reason, self.stats, self.frontier.waiting, self._error)


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """One of its exceptions, however deep they lie."""
    error = group.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error


def _request(seed: object) -> Request:
    if isinstance(seed, Request):
        return seed
    if isinstance(seed, str):
        return Request(seed)
    raise WrongResult(f"start() gave {seed!r:.80}, a {type(seed).__name__}; it gives Requests, or URLs as strings")
