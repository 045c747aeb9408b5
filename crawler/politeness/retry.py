"""Whether a failed request is worth another try, and when."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta

RETRYABLE_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524})
"""RFC 9110 and 8470 say that these may pass; 520 to 524 are Cloudflare's words for a silent origin."""
REFUSALS = frozenset({429, 503})
"""The host says "too much": it rests, for all its URLs."""
IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"})
"""RFC 9110, section 9.2.2. Others are repeated only where the first one had no effect."""
_NEVER_SENT = frozenset({"dns", "connect"})


@dataclass(frozen=True, slots=True)
class Retry:
    """Exponential backoff with jitter. All times are in seconds."""

    retries: Annotated[int, Meta(ge=0, le=100, description="tries after the first one (2, as Scrapy has)")] = 2
    retry_backoff: Annotated[
        float, Meta(ge=0, description="seconds before the first retry; doubled for each further one")
    ] = 1.0
    retry_backoff_max: Annotated[float, Meta(ge=0, description="longest wait before a retry, in seconds")] = 60.0

    def wait(self, attempts: int, chance: float) -> float | None:
        """Seconds before another try after *attempts* of them; None if that was the last one.

        *chance* is a random number in [0, 1): the wait is spread over half to one and a half of its nominal length,
        so that the URLs that one outage struck do not come back together. It is never past ``retry_backoff_max``.
        """
        if attempts > self.retries:
            return None
        longest = self.retry_backoff_max / 1.5  # what is left when the spread is taken off
        return min(self.retry_backoff * 2.0 ** (attempts - 1), longest) * (0.5 + chance)


def may_repeat(method: str, reason: str, status: int | None) -> bool:
    """Whether asking again can do no harm: the method is idempotent, or the server never acted on the first one."""
    return method in IDEMPOTENT or reason in _NEVER_SENT or status in REFUSALS
