"""What a target is fed with: pieces of real input and of the words of its language, put together and damaged."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, Generic, TypeVar

from hypothesis import strategies as st

T = TypeVar("T", str, bytes)

LONGEST = 4_096
"""Characters or bytes of an input. What is slow in long ones is found by repetition, in test_repetitions.py."""
_ODD_TEXT = (
    "\0",
    "\t",
    "\n",
    "\r",
    "\x0b",
    "\x7f",
    "\x85",
    "\xa0",
    "\ufeff",
    "\u2028",
    "\ud800",
    "\udcff",
    "é",
    "中",
    "🕷",
    "ß",
    "İ",
    "٣",
    "²",
    "Ⅷ",
    "．",
    "％",
    "\u200d",
    "\u0301",
)
_ODD_BYTES = (
    b"\0",
    b"\t",
    b"\n",
    b"\r",
    b"\x80",
    b"\xff",
    b"\xfe\xff",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    b"\x1b$B",
    b"\xed\xa0\x80",
    b"\x81\x30",
    b"\xc3",
)
_NUMBERS = (
    "0",
    "-1",
    "1",
    "1e999",
    "nan",
    "inf",
    "-0.0",
    "1_0",
    "007",
    "2147483648",
    "9223372036854775808",
    "99999999999999999999",
    "9" * 5_000,
)


class Source(Generic[T]):
    """One argument of a target."""

    def __init__(self, seeds: Sequence[T], words: Sequence[T] = (), finish: Callable[[T], T] | None = None) -> None:
        """*finish* makes what could come of anything at all."""
        assert seeds
        self.finish = finish or (lambda made: made)
        self.seeds = [self.finish(seed[:LONGEST]) for seed in seeds]
        kind = type(seeds[0])
        self._is_text = kind is str
        odd: Sequence[Any] = _ODD_TEXT if self._is_text else _ODD_BYTES
        numbers: Sequence[Any] = _NUMBERS if self._is_text else [number.encode() for number in _NUMBERS]
        self.words: list[T] = [*words] * (1 + 40 // (len(words) or 40)) + [*odd, *numbers]
        self._nothing: T = kind()

    def random(self, random: Random) -> T:
        """A seed with some damage, or a heap of words."""
        if random.random() < 0.2:
            made = self._nothing.join(random.choices(self.words, k=random.randrange(1, 30)))
        else:
            made = random.choice(self.seeds)
        for _ in range(random.choice((0, 1, 1, 2, 3, 5, 8, 20))):
            made = random.choice(self._DAMAGES)(self, made, random)
        return self.finish(made[:LONGEST])

    def strategy(self) -> st.SearchStrategy[Any]:
        """The same for hypothesis, which knows odder characters, and finds a short example."""
        anything: st.SearchStrategy[Any] = (
            st.text(st.characters(), max_size=20) if self._is_text else st.binary(max_size=20)
        )
        piece = st.one_of(st.sampled_from(self.words), anything, st.sampled_from(self.seeds))
        return st.lists(piece, max_size=12).map(self._nothing.join).map(lambda made: self.finish(made[:LONGEST]))

    def _place(self, made: T, random: Random) -> tuple[int, int]:
        begin = random.randrange(len(made) + 1)
        return begin, min(len(made), begin + random.choice((0, 1, 1, 2, 4, 8, 30)))

    def _put(self, made: T, random: Random) -> T:
        begin, _ = self._place(made, random)
        return made[:begin] + random.choice(self.words) + made[begin:]

    def _swap(self, made: T, random: Random) -> T:
        begin, end = self._place(made, random)
        return made[:begin] + random.choice(self.words) + made[end:]

    def _drop(self, made: T, random: Random) -> T:
        begin, end = self._place(made, random)
        return made[:begin] + made[end:]

    def _cut(self, made: T, random: Random) -> T:
        return made[: random.randrange(len(made) + 1)]

    def _repeat(self, made: T, random: Random) -> T:
        begin, end = self._place(made, random)
        return made[:begin] + made[begin:end] * random.choice((2, 3, 10, 100)) + made[end:]

    def _flip(self, made: T, random: Random) -> T:
        if not made:
            return made
        at = random.randrange(len(made))
        one: Any = (
            chr(random.choice((random.randrange(128), random.randrange(0x110000))))
            if self._is_text
            else bytes([random.randrange(256)])
        )
        return made[:at] + one + made[at + 1 :]

    def _splice(self, made: T, random: Random) -> T:
        other = random.choice(self.seeds)
        begin, end = self._place(other, random)
        at, _ = self._place(made, random)
        return made[:at] + other[begin : end + random.randrange(200)] + made[at:]

    _DAMAGES: Sequence[Callable[..., Any]] = (_put, _put, _swap, _swap, _drop, _cut, _repeat, _flip, _flip, _splice)


def text(seeds: Sequence[str], words: Sequence[str] = ()) -> Source[str]:
    return Source(seeds, words)


def field(seeds: Sequence[str], words: Sequence[str] = ()) -> Source[str]:
    """What can be a header: bytes that are no UTF-8 are ``surrogateescape``, and there is no other half of a character."""
    return Source(seeds, words, lambda made: made.encode("utf-8", "surrogatepass").decode("utf-8", "surrogateescape"))


def octets(seeds: Sequence[bytes], words: Sequence[bytes] = ()) -> Source[bytes]:
    return Source(seeds, words)


@dataclass(frozen=True)
class Target:
    """One row: something that is fed with strangers' input."""

    name: str
    run: Callable[..., object]
    """Does it, and asserts what must hold of the outcome."""
    sources: Sequence[Source[Any]]
    """Of each argument."""
    ours: tuple[type[Exception], ...] = ()
    """The errors that it may raise. They are its answer to bad input."""
    share: float = 1.0
    """Of the time, against other targets."""


def size_of(given: Sequence[Any]) -> int:
    return sum(len(one) for one in given)
