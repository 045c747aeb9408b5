"""What a crawl works with, and how it may be set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Protocol

from msgspec import Meta

if TYPE_CHECKING:  # whoever wants the options alone need not load the rest, aiohttp among it
    from crawler.engine.commit import Committer
    from crawler.engine.crossing import Task
    from crawler.engine.harvest import Harvest
    from crawler.engine.stats import Stats
    from crawler.fetch.fetcher import Fetcher
    from crawler.fetch.robots import RobotsCache
    from crawler.fetch.room import Room
    from crawler.frontier.frontier import Frontier
    from crawler.parse.page import Page, PageOptions
    from crawler.parse.pool import Told
    from crawler.politeness.pace import Manners


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """The size and the end of a crawl."""

    concurrency: Annotated[
        int,
        Meta(
            ge=1,
            le=100_000,
            description="requests in flight at once, over all hosts; those not answered in a second do not count",
        ),
    ] = 64
    max_items: Annotated[
        Annotated[int, Meta(ge=1)] | None, Meta(description="stop after so many items (unset: never)")
    ] = None
    max_errors: Annotated[
        Annotated[int, Meta(ge=1)] | None,
        Meta(description="stop after so many errors in the spider's callbacks (unset: never)"),
    ] = None
    slow_callback: Annotated[
        float, Meta(gt=0, description="seconds that a callback may hold the event loop unreported")
    ] = 0.25
    grace: Annotated[float, Meta(ge=0, description="seconds that running pages get after Ctrl-C")] = 10.0
    refresh_redirect: Annotated[
        Annotated[float, Meta(ge=0)] | None,
        Meta(description="a page that refreshes to another within so many seconds is a redirect (unset: it never is)"),
    ] = 5.0


class Trees(Protocol):
    async def build(self, page: Page, host: str, *, waits: bool = False) -> bool:
        """Build a tree that is not light, where that holds nobody up; False if others wait for theirs.

        :param waits: wait with them: the page cannot be fetched again
        :raises PageTooHeavy: it cannot be built
        """

    async def close(self) -> None:
        """End what is under way."""


class Processes(Protocol):
    cores: int
    """Those of the machine that the crawl may use."""

    def warm(self) -> None:
        """Pages will come soon."""

    async def run(self, task: Task, told: Told | None = None) -> Harvest:
        """Run the task's callback in a parse process. *told* hears what the way cost here, and the work there."""

    async def close(self) -> None:
        """End the processes."""


@dataclass(frozen=True, slots=True)
class Stages:
    """What a worker works with."""

    frontier: Frontier
    fetcher: Fetcher
    robots: RobotsCache
    manners: Manners
    processes: Processes
    chooses: bool
    """Whether it is chosen by what they take which ``@cpu_bound`` callbacks run there."""
    trees: Trees
    committer: Committer
    stats: Stats
    page: PageOptions
    room: Room
    """In memory, for what is fetched."""
