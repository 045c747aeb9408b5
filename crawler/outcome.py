"""What becomes of a request: records, rejects, discovered requests, and done or failed, as one unit.

An outcome is committed whole or not at all: that is what makes a dataset exact.
"""

from __future__ import annotations

from enum import Enum
from typing import Any

import msgspec

from crawler.request import Entry, Request


class Record(msgspec.Struct, frozen=True, gc=False):
    """An item as plain data."""

    data: bytes
    """One JSON object in UTF-8, without a line end."""
    item: Any = None  # the user's own object, of whatever type
    """The item as the spider made it; None if it came out of another process."""
    type: type | None = None
    """Its type; None for a plain dict."""


class Reject(msgspec.Struct, frozen=True, gc=False):
    """An item that failed its type."""

    url: str
    item_type: str
    field: str
    """The field that is wrong, as ``price`` or ``authors[0]``; empty if it is the item as a whole."""
    reason: str
    values: Any  # raw values of any kind, made plain
    """What the spider had, as plain data, for whoever mends the selector."""


class Failure(msgspec.Struct, frozen=True, gc=False):
    """A URL given up, with its reason. ``Spider.on_failure`` gets it."""

    url: str
    reason: str
    """One word to count by: ``timeout``, ``http_404``, ``robots``, ``callback_error`` ..."""
    detail: str = ""
    """One line for people."""
    status: int | None = None
    attempts: int = 1
    referrer: str = ""
    callback: str = "parse"
    traceback: str = ""
    """The spider's own traceback, where its callback raised."""
    request: Request | None = None


class Verdict(Enum):
    """How one lease ended."""

    DONE = "done"
    FAILED = "failed"
    RETRY = "retry"
    """Goes back into the frontier, not before ``Outcome.due``."""
    REDIRECTED = "redirected"
    """Answered by a redirect; its target is a discovered request."""
    SKIPPED = "skipped"
    """Not asked at all: robots.txt forbids it."""


class Outcome(msgspec.Struct, gc=False):
    """Everything that one lease led to."""

    entry: Entry
    verdict: Verdict
    records: list[Record] = []
    rejects: list[Reject] = []
    discovered: list[Entry] = []
    """Requests found on this page that are new to the crawl."""
    failure: Failure | None = None
    sent: bool = True
    """Whether there was a request on the wire, after which the host is owed its pause."""
    due: float = 0.0
    """With RETRY: not before this moment of the frontier's clock."""
    note: str = ""
    """For whoever asks later what became of the URL: where it redirects to, why it was not asked."""
    too_deep: list[tuple[int, str]] = []
    """Fingerprint and URL of what was found on this page and is past ``max_depth``."""


class Ending(msgspec.Struct, frozen=True):
    """That a crawl ended, as its outputs are told."""

    reason: str
    """``complete``, ``interrupted`` ..."""
    at: float
    """Unix time."""


class Filled(msgspec.Struct):
    """How well the fields of one type of item are filled."""

    items: int = 0
    fields: dict[str, int] = {}
    """The items in which a field has something in it: neither None nor an empty text, list, set or mapping. In the order
    in which the fields were met; those that never had anything are there, too, with 0."""

    def shares(self) -> dict[str, float]:
        """The part of all items in which each field is filled, from 0 to 1."""
        return {field: count / self.items for field, count in self.fields.items()}


class Tally(msgspec.Struct):
    """What a job has counted, over all its runs. *pages*, *items* and *rejects* are those of committed outcomes."""

    pages: int = 0
    items: int = 0
    rejects: int = 0
    seconds: float = 0.0
    """Of crawling."""
    requests: int = 0
    bytes: int = 0
    retries: int = 0
    redirects: int = 0
    duplicates: int = 0
    skipped: dict[str, int] = {}
    skipped_examples: dict[str, str] = {}
    rejected: dict[str, int] = {}
    cached: int = 0
    filled: dict[str, Filled] = {}
    """By type of item; those of committed outcomes."""
    dropped: dict[str, int] = {}
    """Items that a step kept back, by its name."""
    files: int = 0
    file_bytes: int = 0
    file_duplicates: int = 0
