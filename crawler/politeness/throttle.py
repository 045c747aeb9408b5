"""How slowly a host wants to be asked just now, as its answers tell. Pure: durations go in, a duration comes out.

Rule 1: a host that has a pause is asked no more often than it answers: then one request is under way at a time, on
average. A server that takes two seconds for a page, and is asked four times a second, has eight of them to do at once,
and each one more slows down the others; asked at the pace of its own answers it has one, however loaded it is.
Rule 2: one that says "too much", or does not answer in time, is asked half as often as before, whether it had a pause
or not.
Rule 3: good answers alone make it quicker again, step by step. An error page takes no time to make.
"""

from __future__ import annotations

import msgspec

FIRST_PENALTY = 0.5
"""Seconds between two requests to a host that has just refused one, if it was asked more often than twice that."""
FORGIVEN = 0.9
"""What a good answer leaves of a penalty. After one refusal seven answers bring back the pace at which it came: of a
site that allows two requests a second, and is asked for four, every eighth is refused. With 0.5 it would be every other."""
_SHARE = 0.25
"""Of the newest answer in the smoothed latency: one slow page of ten is not felt, five in a row are."""
_LEAST = 0.05
"""Seconds. A penalty below this is none."""


class Throttle(msgspec.Struct, gc=False):
    """What the answers of one host have taught. All times are in seconds."""

    latency: float = 0.0
    """What an answer takes, smoothed; 0 before the first one."""
    penalty: float = 0.0
    """The pause that refusals and timeouts have led to; 0 without any."""

    def answered(self, elapsed: float, *, is_good: bool) -> None:
        """An answer came after *elapsed* seconds. One that is not good may slow the host down, and never speeds it up."""
        before = self.latency
        smoothed = before + (elapsed - before) * _SHARE if before else elapsed
        if is_good:
            self.latency = smoothed
            if self.penalty:
                left = self.penalty * FORGIVEN
                self.penalty = left if left >= _LEAST else 0.0
        elif smoothed > before:
            self.latency = smoothed

    def strained(self, pause: float, most: float) -> None:
        """The host, which was asked every *pause* seconds, had too much. It is never left alone for more than *most*."""
        self.penalty = min(max(FIRST_PENALTY, 2.0 * pause), most)

    def pause(self, floor: float, most: float) -> float:
        """Seconds between two requests, beside the *floor* that settings and robots.txt give; *most* at most.

        With a *floor* of 0 the host is this machine, or its owner asks: then it may be as slow as it likes.
        """
        return min(max(self.latency if floor > 0 else 0.0, self.penalty), most)
