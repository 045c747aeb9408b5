"""Callbacks that are ``@cpu_bound``: in a parse process; or here, while that is cheaper than the way there."""

from __future__ import annotations

import pickle
from time import perf_counter, thread_time

from crawler.engine.callback import run_callback
from crawler.engine.choice import Choice
from crawler.engine.crossing import Task
from crawler.engine.harvest import Harvest
from crawler.engine.inner import Turn
from crawler.engine.stages import Stages
from crawler.engine.steps import Steps
from crawler.engine.visit import led_to
from crawler.engine.watchdog import Watchdog
from crawler.errors import PageTooHeavy
from crawler.outcome import Record
from crawler.parse.page import Page
from crawler.parse.stream import pack
from crawler.request import Entry, Request
from crawler.spider import FETCHING, LISTINGS, Spider, is_cpu_bound


class Apart:
    """Those of one spider."""

    def __init__(
        self, spider: Spider, stages: Stages, steps: Steps, watchdog: Watchdog, refresh_within: float | None
    ) -> None:
        """
        :param refresh_within: seconds within which a page that goes on to another one is but a sign-post to it
        """
        self._spider = spider
        self._processes = stages.processes
        self._steps = steps
        self._watchdog = watchdog
        self._refresh_within = refresh_within
        self.names = frozenset(name for name in dir(type(spider)) if is_cpu_bound(getattr(type(spider), name, None)))
        # with an async step items would be checked before it or after it, by turns
        chooses = stages.chooses and steps.first_async is None
        has_core = stages.processes.cores > 1
        self._choices = {name: Choice(has_core=has_core) for name in self.names} if chooses else {}

    def warm(self) -> None:
        """The crawl begins."""
        if self.names and not self._choices:
            self._processes.warm()

    def sends(self, name: str, page: Page) -> bool:
        """Whether *page* goes to a process for its callback *name*. What is heavy does, whatever is chosen for others."""
        if name not in self.names:
            return False
        choice = self._choices.get(name)
        return choice is None or choice.goes() or (page.is_document and not page.is_light)

    async def send(self, entry: Entry, page: Page, turn: Turn) -> Harvest:
        """What the callback gives in a process; or its ``refresh``, if *page* goes on to another one.

        :raises CallbackError: it raised, or a step did
        :raises ParseProcessError: the process was lost
        """
        name = entry.request.callback
        within = None if name in LISTINGS else self._refresh_within
        task = Task(entry.request, page.response, entry.depth, page.options, within)
        choice = self._choices.get(name)
        told = choice.went if choice is not None else None
        harvest = await self._processes.run(task, told)
        if harvest.refresh is not None:
            if led_to(entry, page.url, harvest.refresh) is not None:
                return harvest
            harvest = await self._processes.run(Task(entry.request, page.response, entry.depth, page.options), told)
        self._steps.resume(harvest)
        if harvest.pending:
            turn.step_aside()
            await self._steps.finish(harvest, page.url, self._watchdog)
        return harvest

    async def stay(self, entry: Entry, page: Page, turn: Turn) -> Harvest:
        """What the callback gives here, timed. It must do without ``self.fetch()``, as there, and what is too heavy here
        is sent after all.
        """
        name = entry.request.callback
        callback, choice, harvest = getattr(self._spider, name), self._choices[name], None
        used = thread_time() if choice.is_timed else None
        begun = perf_counter()
        FETCHING.set(None)
        try:
            harvest = await run_callback(callback, page, page.url, self._watchdog, self._steps)
        except PageTooHeavy:
            pass
        finally:
            choice.stayed(perf_counter() - begun, None if used is None else thread_time() - used)
        if harvest is None:
            return await self.send(entry, page, turn)
        if harvest.requests and name not in LISTINGS:
            harvest.forbids_following = page.forbids_following
        if choice.wants_trial and type(entry.request) is Request:
            choice.tried(_trial(Task(entry.request, page.response, entry.depth, page.options), harvest))
        return harvest


def _trial(task: Task, harvest: Harvest) -> float:
    """Seconds that it takes to pack *task* and to unpack *harvest*."""
    records = [Record(record.data) for record in harvest.records]
    requests = [request for request in harvest.requests if type(request) is Request]
    given = pickle.dumps(Harvest(records, requests=requests), 5)
    used = thread_time()
    pack(task)
    pickle.loads(given)  # noqa: S301 (it was packed just now)
    return thread_time() - used
