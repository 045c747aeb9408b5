"""One crawl, as the tests of the engine run it: its spider, its pages, and what became of them."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from crawler.assemble import assemble, build_spider
from crawler.config import SETTINGS, Settings
from crawler.engine.crawl import Crawl, Report
from crawler.errors import ConnectFailed, FetchError
from crawler.outcome import Record
from crawler.request import Request
from crawler.response import Cookie, Response, headers_of
from crawler.spider import Spider

SITE = "http://site.test"
QUICK = {"obey_robots": False, "delay": 0.0, "retry_backoff": 0.01, "commit_interval": 0.01, "parse_processes": 1}
"""No courtesy, for hosts that are not there; and no waiting."""


class Kept:
    """A sink that keeps what it gets."""

    def __init__(self, name: str = "kept") -> None:
        self.name = name
        self.records: list[Any] = []
        self.is_open = False

    async def open(self, position: int | None = None) -> int:
        self.is_open = True
        return 0

    async def append(self, records: Sequence[Record]) -> int:
        self.records += [msgspec.json.decode(record.data) for record in records]
        return len(self.records)

    async def close(self) -> None:
        self.is_open = False


Answer = str | Response | Exception | Callable[[Request], Awaitable[Response]]


class Scripted:
    """A fetcher whose URLs answer differently each time: the answers of a list come in turn, the last one stays."""

    def __init__(self, answers: Mapping[str, Answer | list[Answer]], latency: float = 0.0) -> None:
        self._answers = {url: list(answer) if isinstance(answer, list) else [answer] for url, answer in answers.items()}
        self._latency = latency
        self.asked: list[str] = []
        self.times: list[float] = []
        self.in_flight = 0
        self.most_in_flight = 0
        self.is_closed = False

    async def fetch(
        self, request: Request, on_sent: Callable[[], None] | None = None, inside: bool = False
    ) -> Response:
        self.asked.append(request.url)
        self.times.append(asyncio.get_running_loop().time())
        if on_sent is not None:
            on_sent()
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            await asyncio.sleep(self._latency)
            return await self._answer(request)
        finally:
            self.in_flight -= 1

    async def _answer(self, request: Request) -> Response:
        answers = self._answers.get(request.url)
        if answers is None:
            return Response(request.url, 404, headers_of())
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, str):
            return html(request.url, answer)
        return answer if isinstance(answer, Response) else await answer(request)

    def new_cookies(self) -> list[Cookie]:
        return []

    def restore_cookies(self, cookies: Sequence[Cookie]) -> None:
        """It sends none."""

    def address_of(self, hostname: str) -> str:
        return ""

    async def close(self) -> None:
        self.is_closed = True


def html(url: str, body: str = "") -> Response:
    return Response(url, 200, headers_of({"Content-Type": "text/html; charset=utf-8"}), body.encode())


def status(url: str, code: int, **headers: str) -> Response:
    return Response(url, code, headers_of({name.replace("_", "-"): value for name, value in headers.items()}))


def refused(url: str) -> FetchError:
    return ConnectFailed(url, "refused")


def prepared(
    spider_type: type[Spider],
    fetcher: Any = None,
    *,
    args: Mapping[str, Any] | None = None,
    sinks: Sequence[Any] = (),
    hosts: Mapping[str, Mapping[str, Any]] | None = None,
    rejects: Any = None,
    **settings: Any,
) -> Crawl:
    """A crawl that has not begun. Hosts rest for nothing, and robots.txt is not asked, unless *settings* say so."""
    values = {name: setting.default for name, setting in SETTINGS.items()}
    arguments = dict(args or {})
    resolved = Settings({**values, **QUICK, **spider_type.settings, **settings}, {}, dict(hosts or {}))
    spider = build_spider(spider_type, arguments)
    return assemble(spider, arguments, resolved, [*sinks, rejects or Kept("rejects")], fetcher)


@dataclass
class Crawled:
    """How a crawl went."""

    report: Report
    spider: Any
    items: list[Any] = field(default_factory=list)
    rejects: list[Any] = field(default_factory=list)

    @property
    def reason(self) -> str:
        return self.report.reason

    @property
    def failures(self) -> dict[str, int]:
        return dict(self.report.stats.failures)

    def failure(self, reason: str) -> Any:
        """The first failure of that reason."""
        return self.report.stats.examples[reason][0]


async def crawled(spider_type: type[Spider], fetcher: Any = None, **options: Any) -> Crawled:
    """Run a crawl to its end."""
    kept, rejects = Kept(), Kept("rejects")
    sinks = options.pop("sinks", [kept])
    crawl = prepared(spider_type, fetcher, sinks=sinks, rejects=rejects, **options)
    report = await crawl.run()
    return Crawled(report, crawl.spider, kept.records, rejects.records)
