"""Every error that this package raises on purpose.

CrawlerError
├── UsageError                the person who started the crawl can mend it: nothing was fetched, exit code 2
│   ├── ConfigError           a setting has a wrong name or value
│   ├── SpiderNotFound        no spider has that name, or several have
│   ├── SpiderLoadError       the spider's file cannot be imported (its own traceback comes with it)
│   ├── OutputError           an output exists already, or its format is unknown
│   └── JobError              a job is unfinished, in use, damaged, or not there
│       ├── JobLocked         another process works on it
│       └── JobUnfinished     it was left before its end, and nobody said what is to become of it
├── SpiderError               the spider's author can mend it: one page fails, the crawl goes on
│   ├── ForgottenAwait        a callback handed over a coroutine that nobody awaited
│   ├── WrongResult           a callback handed over something that is no item, Request, list or None
│   ├── SelectorError         a CSS query that cannot be read
│   ├── ItemDefinitionError   an Item class whose rules, types or key do not fit each other (a TypeError, too)
│   ├── NoFetchHere           self.fetch() where nothing can be fetched
│   └── MissingExtra          a feature whose optional library is not installed
├── FetchError                the web's fault: the URL is retried where that can help, then it is a failure
│   ├── FetchFailed           what a callback asked for with self.fetch() did not come; it may be caught there
│   ├── InvalidRequest  BlockedAddress  DNSFailed  ConnectFailed  TLSFailed
│   ├── FetchTimeout  Disconnected  TruncatedBody  MalformedResponse  BodyTooLarge  ProxyFailed
│   └── DownloadTooLarge  DownloadUnwanted  DownloadChanged  DownloadMisplaced
├── ParseProcessError         a parse process died or hung: the page is tried once more in a fresh one
│   ├── ParseProcessDied
│   │   └── NoParseProcess    none can be started here
│   ├── ParseTimeout
│   └── PageTooHeavy          the page's tree would take too long or too much memory: it is not tried again
├── SinkError                 a dataset cannot be written: the crawl stops, what was committed stays
│   ├── OutputClosed          the reader of standard output went away
│   └── RemoteError           a dataset cannot be sent elsewhere: it is whole on this machine
└── StoreError                the crawl's state cannot be read or written: the crawl stops, what was committed stays

Each takes positional arguments only, so that each survives pickling (an exception that does not would take a
whole process pool down with it). Each message says what to do next, where the reader can do something.
"""

from __future__ import annotations

import re

_PASSWORD = re.compile(r"(//[^/?#\s:@]*:)[^/?#\s]*@")
"""That of a URL, as in ``http://user:password@host/``: no message shows it."""


class CrawlerError(Exception):
    """The root of the tree."""


class UsageError(CrawlerError):
    """Nothing was started; the message says what to change."""


class ConfigError(UsageError):
    """A setting has a name that does not exist, or a value of the wrong type."""


class SpiderNotFound(UsageError):
    """No spider has that name, or more than one has."""


class SpiderLoadError(UsageError):
    """The file of a spider cannot be imported.

    *traceback* is the user's own, with no frame of this package or of the import system in it.
    """

    def __init__(self, message: str, traceback: str = "") -> None:
        super().__init__(message, traceback)
        self.message = message
        self.traceback = traceback

    def __str__(self) -> str:
        return self.message


class OutputError(UsageError):
    """An output file exists already, cannot be created, or has an ending that names no format."""


class JobError(UsageError):
    """The state of a job on disk does not allow what was asked; the message says what would be possible."""


class JobLocked(JobError):
    """Another process works on the job."""


class JobUnfinished(JobError):
    """The job was left before its end. To go on and to begin anew are both possible; the message has the commands."""


class SpiderError(CrawlerError):
    """The spider did something that cannot be right. The page fails; the crawl goes on."""


class ForgottenAwait(SpiderError):
    """A callback yielded or returned a coroutine object instead of awaiting it."""


class WrongResult(SpiderError):
    """A callback yielded or returned something that is neither item, Request, list nor None."""


class SelectorError(SpiderError):
    """A CSS query that the selector engine cannot read."""


class ItemDefinitionError(SpiderError, TypeError):
    """An ``Item`` class cannot mean what it says: the message names ``Class.field``, and what to write.

    Raised when the class is defined, or, for types that are named before they exist, when it is first filled.
    """


class MissingExtra(SpiderError):
    """A feature needs an optional library; the message gives the command that installs it."""


class FetchError(CrawlerError):
    """No usable response came for *url*; *detail* says why in the words of whoever noticed."""

    reason = "fetch_error"
    """The word under which failures of this kind are counted."""
    retryable = False
    """Whether asking again later may help."""
    is_refusal = False
    """Whether the machine was reached and refused the connection: then the way to it is no trouble."""

    def __init__(self, url: str, detail: str = "") -> None:
        super().__init__(url, detail)
        self.url = url
        self.detail = detail

    def __str__(self) -> str:
        url = _PASSWORD.sub(r"\1***@", self.url) if "@" in self.url else self.url
        return f"{self.detail or self.reason} ({url})"


class FetchFailed(FetchError):
    """``await self.fetch(...)`` gave up, after all retries. Caught by nobody, it is the failure of the page.

    *reason* is that of a :class:`crawler.Failure` (``http_404``, ``timeout`` ...), or ``robots``, ``crawl_delay``,
    ``out_of_scope``, ``malformed``; *status* the HTTP status, if there was an answer; *attempts* how often it was tried.
    """

    reason = "fetch_failed"

    def __init__(
        self, url: str, detail: str = "", reason: str = "fetch_failed", status: int | None = None, attempts: int = 0
    ) -> None:
        super().__init__(url, detail)
        self.args = (url, detail, reason, status, attempts)
        self.reason = reason
        self.status = status
        self.attempts = attempts


class NoFetchHere(SpiderError):
    """``self.fetch()`` was called where there is no crawl to fetch with, or no page that waits for it."""


class InvalidRequest(FetchError):
    """The request cannot be put on the wire: a malformed URL, a line break in a header."""

    reason = "invalid_request"


class BlockedAddress(FetchError):
    """The connection would have gone to a private address that this crawl may not reach."""

    reason = "private_address"


class DNSFailed(FetchError):
    """The host name could not be resolved."""

    reason = "dns"
    retryable = True


class ConnectFailed(FetchError):
    """No connection could be made: refused, unreachable, reset while connecting."""

    reason = "connect"
    retryable = True


class TLSFailed(FetchError):
    """The certificate or the TLS handshake was not acceptable."""

    reason = "tls"


class FetchTimeout(FetchError):
    """No complete response came within the time allowed."""

    reason = "timeout"
    retryable = True


class Disconnected(FetchError):
    """The server hung up before the response was complete."""

    reason = "disconnected"
    retryable = True


class TruncatedBody(FetchError):
    """The body ended before its Content-Length, its last chunk or the end of its compressed stream."""

    reason = "truncated_body"
    retryable = True


class MalformedResponse(FetchError):
    """What came back is not HTTP, or its body cannot be decoded."""

    reason = "malformed_response"


class BodyTooLarge(FetchError):
    """The decoded body is longer than ``max_body``."""

    reason = "body_too_large"


class ProxyFailed(FetchError):
    """The proxy, not the host, is the trouble: it cannot be reached, or refuses."""

    reason = "proxy"
    retryable = True


class DownloadTooLarge(FetchError):
    """The file is longer than ``max_bytes``, or ``max_download``."""

    reason = "download_too_large"


class DownloadUnwanted(FetchError):
    """The file has a media type that its download does not name."""

    reason = "download_type"


class DownloadChanged(FetchError):
    """What came does not fit to the part of the file that was here, which is gone now: the next try begins anew."""

    reason = "download_changed"
    retryable = True


class DownloadMisplaced(FetchError):
    """The file cannot stand where its template says: a link or a file is in the place of a folder, or the file system
    has no such names, or no such long files."""

    reason = "download_path"


class ParseProcessError(CrawlerError):
    """A parse process was lost with the page that it held."""

    reason = "parse_process"


class ParseProcessDied(ParseProcessError):
    """A parse process ended (killed, crashed, out of memory) before it gave an answer."""

    reason = "parse_process_died"


class NoParseProcess(ParseProcessDied):
    """A parse process could not be started at all, which is no page's fault."""

    reason = "no_parse_process"


class ParseTimeout(ParseProcessError):
    """A parse process gave no answer within ``parse_timeout`` and was killed."""

    reason = "parse_timeout"


class PageTooHeavy(ParseProcessError):
    """The tree of *url* was not built, for it would take too long or too much memory; *detail* says what is known.

    Raised by whatever needs the tree: ``page.tree``, ``css()``, ``links()``.
    """

    reason = "page_too_heavy"

    def __init__(self, url: str, detail: str = "its tree would take too long or too much memory") -> None:
        super().__init__(url, detail)
        self.url = url
        self.detail = detail

    def __str__(self) -> str:
        return (
            f"{self.detail}; a callback that is @cpu_bound parses it in a process of its own, within parse_timeout and "
            "parse_memory"
        )


class SinkError(CrawlerError):
    """A dataset cannot be written. What was committed before is whole and stays."""

    def __init__(self, name: str, detail: str) -> None:
        super().__init__(name, detail)
        self.name = name
        self.detail = detail

    def __str__(self) -> str:
        return f"cannot write {self.name}: {self.detail}"


class OutputClosed(SinkError):
    """The reader of standard output went away (as ``| head`` does)."""


class RemoteError(SinkError):
    """A dataset cannot be sent to where it belongs. On this machine it is whole."""


class StoreError(CrawlerError):
    """The crawl's state cannot be read or written. What was committed before is whole and stays.

    *path* is the file, *detail* says why; *is_damage* that nothing will mend it.
    """

    def __init__(self, path: str, detail: str, is_damage: bool = False) -> None:
        super().__init__(path, detail, is_damage)
        self.path = path
        self.detail = detail
        self.is_damage = is_damage

    def __str__(self) -> str:
        if self.is_damage:
            return (
                f"the crawl's state in {self.path} is damaged: {self.detail}. The datasets are as they were saved; "
                "--fresh begins a new job"
            )
        return f"the crawl's state in {self.path} cannot be kept: {self.detail}"
