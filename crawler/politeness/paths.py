"""Which of many path patterns with ``*`` and ``$`` says the last word about a path. RFC 9309, section 2.2.3.

Rule 1: nothing here backtracks: where the pieces between the stars lie is found from left to right, each once.
Rule 2: a pattern without a star costs nothing of its own: those of one length are looked up together. Where many with
stars begin alike, those are tried that share three octets with the path.
Rule 3: no set of patterns takes more than some milliseconds for a path: what is not tried by then is guessed at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from operator import itemgetter
from typing import NamedTuple, TypeAlias

NONE = -1
"""The rank of no pattern at all."""

_FEW = 32
"""Patterns with stars behind one head that are tried one by one: some 100 ns each."""
_GRAM = 3
_MOST_READ = 2_000_000
"""Octets of a path that are read for it at most, once for each pattern that is tried: 4 ms. A robots.txt of 500 KiB has room
for 27,000 patterns like ``/*aaa1``, which would take 0.1 s for each URL of a host that has long ones to offer."""
_TRIAL = 100
"""Octets that could be read in the time that a pattern takes beside."""

_Starred: TypeAlias = tuple[int, tuple[str, ...], str | None]
"""Rank, the pieces behind the first star, and the last of them if the pattern ends with ``$``."""


class Pattern(NamedTuple):
    """A pattern, taken apart."""

    pieces: tuple[str, ...]
    """What stands between its stars: one more than there are stars."""
    is_anchored: bool
    """Whether it ends with ``$``: the path has to end there, too."""


def pattern_of(text: str) -> Pattern:
    """*text*, whose ``*`` stand for any octets, and whose ``$`` at the end for the end of the path."""
    is_anchored = text.endswith("$")
    return Pattern(tuple((text[:-1] if is_anchored else text).split("*")), is_anchored)


class Paths:
    """Ranked patterns, and the highest rank among those that match a path."""

    __slots__ = ("_guess", "_head_lengths", "_lengths", "_many", "_prefixes", "_starred", "_whole")

    def __init__(self, patterns: Iterable[tuple[Pattern, int]], guess: Callable[[int], bool] = lambda _: False) -> None:
        """
        :param patterns: each with its rank, 0 or more
        :param guess: whether a pattern of that rank is taken to match where there are too many to try them all
        """
        self._guess = guess
        self._whole: dict[str, int] = {}
        self._prefixes: dict[str, int] = {}
        self._starred: dict[str, list[_Starred]] = {}
        for (pieces, is_anchored), rank in patterns:
            head, rest = pieces[0], pieces[1:]
            if not rest:
                _keep_highest(self._whole if is_anchored else self._prefixes, head, rank)
                continue
            middle, tail = (rest[:-1], rest[-1]) if is_anchored else (rest, None)
            middle = tuple(filter(None, middle))
            if middle or tail:
                self._starred.setdefault(head, []).append((rank, middle, tail))
            else:  # a star at the end, before $ or not, changes the rank alone
                _keep_highest(self._prefixes, head, rank)
        for starred in self._starred.values():
            starred.sort(key=itemgetter(0), reverse=True)
        self._many = {head: _by_gram(starred) for head, starred in self._starred.items() if len(starred) > _FEW}
        self._lengths = _tops((len(prefix), rank) for prefix, rank in self._prefixes.items())
        self._head_lengths = _tops((len(head), starred[0][0]) for head, starred in self._starred.items())

    def highest(self, path: str) -> int:
        """The highest rank of the patterns that match *path*; ``NONE`` if none does."""
        highest = self._whole.get(path, NONE)
        prefixes = self._prefixes
        for length, top in self._lengths:
            if top <= highest:
                break
            rank = prefixes.get(path[:length], NONE)
            if rank > highest:  # noqa: PLR1730 - max() costs twice as much
                highest = rank
        return self._highest_starred(path, highest) if self._starred else highest

    def _highest_starred(self, path: str, highest: int) -> int:
        left = _MOST_READ // (len(path) + _TRIAL)
        for length, top in self._head_lengths:
            if top <= highest:
                break
            if length <= len(path):
                for starred in self._candidates(path[:length], path):
                    highest, left = self._first_match(starred, path, length, highest, left)
        return highest

    def _first_match(self, starred: list[_Starred], path: str, at: int, highest: int, left: int) -> tuple[int, int]:
        """The rank of the first of *starred* that matches, if it is above *highest*; and how many may still be tried."""
        for rank, middle, tail in starred:
            if rank <= highest:
                break
            if _matches(path, at, middle, tail) if left else self._guess(rank):
                return rank, left
            left -= left > 0
        return highest, left

    def _candidates(self, head: str, path: str) -> Iterable[list[_Starred]]:
        """The patterns behind *head* that *path* may match, in lists with the highest rank first."""
        many = self._many.get(head) if self._many else None
        if many is None:
            return (self._starred.get(head, []),)
        return [many[gram] for gram in many.keys() & {"", *(path[at : at + _GRAM] for at in range(len(path)))}]


def _matches(path: str, at: int, middle: tuple[str, ...], tail: str | None) -> bool:
    """Whether *path* holds the pieces in this order from *at* on, and ends with *tail*.

    The first place where a piece fits is the best one: whatever follows has the most room then.
    """
    end = len(path)
    if tail is not None:
        if not path.endswith(tail):
            return False
        end -= len(tail)
    for piece in middle:
        at = path.find(piece, at, end)
        if at < 0:
            return False
        at += len(piece)
    return at <= end


def _by_gram(starred: Iterable[_Starred]) -> dict[str, list[_Starred]]:
    """*starred* by the first octets of their longest piece, which a path must hold; by "" if it is shorter."""
    by_gram: dict[str, list[_Starred]] = {}
    for one in starred:
        _, middle, tail = one
        longest = max((*middle, tail or ""), key=len)
        by_gram.setdefault(longest[:_GRAM] if len(longest) >= _GRAM else "", []).append(one)
    return by_gram


def _keep_highest(ranks: dict[str, int], key: str, rank: int) -> None:
    if rank > ranks.get(key, NONE):
        ranks[key] = rank


def _tops(ranked: Iterable[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """Each length with the highest rank that it has, the highest first."""
    tops: dict[int, int] = {}
    for length, rank in ranked:
        if rank > tops.get(length, NONE):
            tops[length] = rank
    return tuple(sorted(tops.items(), key=itemgetter(1), reverse=True))
