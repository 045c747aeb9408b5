"""What happened so far, in numbers."""

from __future__ import annotations

from collections import Counter
from time import monotonic

import msgspec

from crawler.outcome import Failure

_EXAMPLES = 3
"""Examples kept for each reason of failure."""


class Stats(msgspec.Struct):
    """Counters of one crawl. Bounded: reasons are few, examples three for each."""

    started: float = msgspec.field(default_factory=monotonic)
    pages: int = 0
    """Pages fetched whose callback ended well."""
    items: int = 0
    """Records that are in the dataset for good."""
    rejects: int = 0
    bytes: int = 0
    """Of decoded bodies."""
    requests: int = 0
    """Sent, of whatever kind."""
    retries: int = 0
    redirects: int = 0
    duplicates: int = 0
    """Links to URLs that were known already."""
    callback_errors: int = 0
    failures: Counter[str] = msgspec.field(default_factory=Counter)
    """URLs given up, by reason."""
    skipped: Counter[str] = msgspec.field(default_factory=Counter)
    """URLs that were never asked for, by reason."""
    rejected: Counter[str] = msgspec.field(default_factory=Counter)
    """Items that failed their type, by type, field and reason."""
    examples: dict[str, list[Failure]] = {}
    skipped_examples: dict[str, str] = {}

    @property
    def failed(self) -> int:
        """URLs given up."""
        return self.failures.total()

    @property
    def seconds(self) -> float:
        """Since the crawl began."""
        return monotonic() - self.started

    def fail(self, failure: Failure) -> None:
        self.failures[failure.reason] += 1
        examples = self.examples.setdefault(failure.reason, [])
        if len(examples) < _EXAMPLES:
            examples.append(failure)

    def skip(self, reason: str, url: str) -> None:
        self.skipped[reason] += 1
        self.skipped_examples.setdefault(reason, url)

    def reject(self, item_type: str, field: str, reason: str) -> None:
        self.rejects += 1
        key = f"{item_type}.{field}: {reason}" if field else f"{item_type}: {reason}"
        if key in self.rejected or len(self.rejected) < 1000:
            self.rejected[key] += 1
