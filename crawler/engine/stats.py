"""What happened so far, in numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from time import monotonic

import msgspec

from crawler.download import Saved
from crawler.outcome import Failure, Filled, Tally
from crawler.request import legible

_EXAMPLES = 3
"""Examples kept for each reason of failure."""
_EXAMPLE_LENGTH = 300
_TRAPS = 1_000
"""Endless kinds of pages whose names are kept."""
_SHARED = (
    "requests",
    "cached",
    "bytes",
    "retries",
    "redirects",
    "duplicates",
    "files",
    "file_bytes",
    "file_duplicates",
)


class Stats(msgspec.Struct):
    """Counters of a crawl, over all runs of its job. Bounded: reasons are few, examples three for each."""

    started: float = msgspec.field(default_factory=monotonic)
    pages_before: int = 0
    """Of ``pages``, those of earlier runs."""
    seconds_before: float = 0.0
    """Of ``seconds``, those of earlier runs."""
    pages: int = 0
    """Pages fetched whose callback ended well."""
    items: int = 0
    """Records that are in the dataset for good."""
    rejects: int = 0
    bytes: int = 0
    """Of decoded bodies that came over the network."""
    requests: int = 0
    """Sent, of whatever kind."""
    cached: int = 0
    """Answers whose body came out of the HTTP cache, whether or not their server was asked."""
    retries: int = 0
    redirects: int = 0
    duplicates: int = 0
    """Links to URLs that were known already."""
    files: int = 0
    """Downloads that were saved, those included whose file was there already."""
    file_bytes: int = 0
    """Of the files that were not."""
    file_duplicates: int = 0
    """Downloads whose file was there already, with the same content."""
    downloads: str = ""
    """The folder that they are in."""
    callback_errors: int = 0
    failures: Counter[str] = msgspec.field(default_factory=Counter)
    """URLs given up, by reason."""
    skipped: Counter[str] = msgspec.field(default_factory=Counter)
    """URLs that were never asked for, by reason."""
    rejected: Counter[str] = msgspec.field(default_factory=Counter)
    """Items that failed their type, by type, field and reason."""
    filled: dict[str, Filled] = {}
    """By type of item, ``dict`` among them: how well the fields are filled of what is in the dataset. At most 100 types, and
    1,000 fields of each: ``stats.filled["Book"].shares()``."""
    dropped: Counter[str] = msgspec.field(default_factory=Counter)
    """Items that a step kept back, by its name."""
    examples: dict[str, list[Failure]] = {}
    skipped_examples: dict[str, str] = {}
    traps: dict[str, None] = {}
    """Kinds of pages that were found to be endless in this run: ``example.com/calendar/{n}/{n}``."""

    @property
    def failed(self) -> int:
        """URLs given up."""
        return self.failures.total()

    @property
    def seconds(self) -> float:
        """Of crawling, in all runs."""
        return monotonic() - self.started + self.seconds_before

    @property
    def rate(self) -> float:
        """Pages a second, in this run."""
        return (self.pages - self.pages_before) / max(monotonic() - self.started, 1e-6)

    def restore(self, tally: Tally, failures: Iterable[tuple[str, int, list[Failure]]]) -> None:
        """Count on from what an earlier run of the job counted."""
        for name in _SHARED:
            setattr(self, name, getattr(tally, name))
        self.skipped, self.rejected = Counter(tally.skipped), Counter(tally.rejected)
        self.dropped = Counter(tally.dropped)
        self.skipped_examples = dict(tally.skipped_examples)
        self.filled = {name: Filled(of_type.items, dict(of_type.fields)) for name, of_type in tally.filled.items()}
        self.pages = self.pages_before = tally.pages
        self.items, self.rejects, self.seconds_before = tally.items, tally.rejects, tally.seconds
        for reason, times, examples in failures:
            self.failures[reason] = times
            self.examples[reason] = examples

    def fill(self, tally: Tally) -> None:
        """Put into *tally* what it does not count itself."""
        for name in _SHARED:
            setattr(tally, name, getattr(self, name))
        tally.seconds = self.seconds
        tally.skipped, tally.rejected, tally.skipped_examples = self.skipped, self.rejected, self.skipped_examples
        tally.dropped = self.dropped

    def fail(self, failure: Failure) -> None:
        self.failures[failure.reason] += 1
        examples = self.examples.setdefault(failure.reason, [])
        if len(examples) < _EXAMPLES:
            examples.append(failure)

    def save(self, saved: Saved) -> None:
        self.files += 1
        self.file_duplicates += saved.is_duplicate
        self.file_bytes += 0 if saved.is_duplicate else saved.bytes
        self.bytes += saved.received

    def skip(self, reason: str, url: str) -> None:
        self.skipped[reason] += 1
        if reason not in self.skipped_examples:  # a page may hold a link of any length and of any characters
            self.skipped_examples[reason] = legible(url[:_EXAMPLE_LENGTH])

    def trap(self, kind: str) -> None:
        if len(self.traps) < _TRAPS:
            self.traps[legible(kind[:_EXAMPLE_LENGTH])] = None

    def reject(self, item_type: str, field: str, reason: str) -> None:
        self.rejects += 1
        key = f"{item_type}.{field}: {reason}" if field else f"{item_type}: {reason}"
        if key in self.rejected or len(self.rejected) < 1000:
            self.rejected[key] += 1
