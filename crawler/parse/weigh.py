"""What it will cost to build the tree of a document, told from its bytes: Lexbor's work is quadratic, or worse, in some.

Its tree builder walks the open elements at nearly every tag, compares each attribute of a tag with all others, and
writes every open formatting element (``<b>``) again wherever a block has closed around it (the HTML Standard, 13.2.4.3):
61 kB of them are 4 GB and 15 s. Rule 1: in doubt, a tag that opens counts and one that closes does not: what is found
is never less than what it will be, and may be more. Rule 2: the bytes are read once, from left to right. Pure.
"""

from __future__ import annotations

import re
from collections import Counter
from itertools import islice
from math import ceil, inf, sqrt
from typing import NamedTuple

_SHORT = 24 * 1024
"""Bytes. In fewer there are not enough attributes to take over 60 ms, whatever they are."""
_FEW = 700
"""Tags. Fewer cannot take over 60 MB, and no more than a few milliseconds, whatever they are."""
_TINY = 3 * 1024
"""Bytes. Not even of tags alone can fewer take more."""
_LONG = 2 * 1024 * 1024
"""Bytes from which to read them all would hold the event loop for too long: some 3 ms, and 15 for the tree."""
_SOME = 4_400
"""Tags from which their order has to be known: if all were open, they would take over 50 ms."""
_MANY = 20_000
"""Tags from which it would: some 15 ms, and 10 for the tree."""
LIGHT_SECONDS = 0.05
LIGHT_BYTES = 50 * 1024 * 1024
"""What the event loop and the memory of the crawl can bear without anybody's noticing."""

BEARABLE_SECONDS = 1.0
BEARABLE_BYTES = 512 * 1024 * 1024
"""What nobody would wait for."""
_BYTES_PER_BYTE = 80
"""Of the tree of an honest document that is all tags: ``<b>`` makes 62."""

_STEP = 5e-9
"""Seconds to pass one open element, or to compare two attributes; measured: 1 to 4 ns."""
_CLONE = 60e-9
"""Seconds to write a formatting element again; measured, with one attribute."""
_TAG = 250e-9
_TAG_BYTES = 250
"""Of an element and the text in it; measured: 60 to 250."""
_CLONE_BYTES = 150
_LETTER_BYTES = 16
"""Of a letter of a tag's attributes."""
_ATTRIBUTE_BYTES = 90
"""A name, a value and the string in it."""

_ATTRIBUTE = rb"""
    (?: =[^\t\n\f\r\x20/>=]*+ | [^\t\n\f\r\x20/>=]++ )
    (?: [\t\n\f\r\x20]*+ = [\t\n\f\r\x20]*+ (?: "[^"]*+"? | '[^']*+'? | [^\t\n\f\r\x20>"'][^\t\n\f\r\x20>]*+ )? )?"""
_ATTRIBUTES = (
    rb"(?: [\t\n\f\r\x20]++ [^\t\n\f\r\x20/>=]++ = \"[^\"]*+\" | [\t\n\f\r\x20/]++ | %b )*+" % _ATTRIBUTE
)  # what is usual comes first: it says nothing that the rest does not
"""Up to the end of a tag, as the HTML Standard, 13.2.5.32 and further, reads it."""
_TAGS = re.compile(
    rb"""<(?:
      ([a-zA-Z][^\t\n\f\r\x20/>]*+)(%b)              # 1, 2: the name of a tag that opens, and its attributes
    | /([a-zA-Z][^\t\n\f\r\x20/>]*+)                 # 3: the name of one that closes
    | !--(?: -?> | (?: [^-]++ | -(?!-!?>) )*+ )       # a comment
    | (!\[CDATA\[)                                   # 4
    | [!?/][^>]*+                                    # what is read as a comment
    )"""
    % _ATTRIBUTES,
    re.VERBOSE,
)
_OPENING = re.compile(rb"<[a-zA-Z][^\t\n\f\r\x20/>]*+" + _ATTRIBUTES, re.VERBOSE)
"""Tags that open. Those without attributes, too: to look for others would read a name without an end again and again."""
_EACH_ATTRIBUTE = re.compile(_ATTRIBUTE, re.VERBOSE)
_A = re.compile(rb"<[aA][\t\n\f\r\x20/]")
"""The formatting element of which only one is open, and written again with all its attributes."""
_LETTER = re.compile(rb"<[a-zA-Z]")
_MARKED = re.compile(
    rb"<([bisuBISU]|[bcefnsthBCEFNSTH][iomteIOMTE][a-zA-Z]{0,13}+)(?=[\t\n\f\r\x20/>])(%b)" % _ATTRIBUTES, re.VERBOSE
)
"""Formatting elements but ``a``, those of ``_ONCE`` and the one that copies, with their attributes; and some others."""
_VOID = frozenset(
    b"area base basefont bgsound br col embed frame hr image img input keygen link meta param source track wbr".split()
)
_ONCE = frozenset((b"html", b"body", b"head"))
"""Never opened twice: further ones give their attributes to the first."""
_FORMATTING = frozenset(b"a b big code em font i nobr s small strike strong tt u".split())
_IMPLIED = frozenset(b"p li dd dt option optgroup rb rp rt rtc tr td th tbody thead tfoot caption colgroup".split())
"""Those whose end tag may be left out."""
_REPLACED = frozenset(b"p li dd dt option tr td th".split())
"""Those that another of their name ends, wherever they stand but in SVG and MathML."""
_LEFT_OUT = 8
"""End tags that are left out in a row, at most. Pages have three: of a cell, its row and its table's body."""
_BARRIERS = frozenset(b"applet caption marquee object td template th".split())
"""What is formatted outside is not so inside: the Standard's markers."""
_RAW = frozenset(b"script style title textarea xmp iframe noembed noframes".split())
"""Elements in which there are no tags."""
_DOUBTFUL = frozenset((b"svg", b"math", b"select", b"frameset"))
"""Elements in which those may be ordinary ones."""
_COPIED = b"selectedcontent"
"""The element that holds a copy of the option that is selected: copies of copies, if one likes."""
_SPECIAL = frozenset((b"option", _COPIED)) | _BARRIERS | _RAW | _DOUBTFUL
_NOTABLE = _FORMATTING | _SPECIAL | _ONCE
"""Those of which more has to be known than that they are open."""
_MARKS = {name: re.compile(rb"</" + name + rb"(?=[\t\n\f\r />])", re.IGNORECASE) for name in _RAW}
"""The end tags of raw text."""
_ENDS = re.compile(rb"</|-->|]]>")
"""What a raw text, a comment or a section of CDATA may end with."""
_COMMENT, _COMMENT_END, _CDATA_END = re.compile(rb"<!--"), re.compile(rb"-->"), re.compile(rb"]]>")
_ALIKE = 3
"""Formatting elements that are remembered of one kind, attributes included. The Standard's "Noah's Ark"."""


_WIDE = 128
"""Bytes of attributes up to which it does not matter how many they are."""
_OFTEN = 4
"""Times that all bytes may be read for tags in tags."""
_PLENTY = 512
"""Bytes of a tag that is written but once, up to which a hundred of them may be all attributes."""
_CROWD = 100
"""Attributes of one tag up to which it does not matter how many they are exactly."""
_ENOUGH = 25_000
"""Attributes of one tag that are far too many."""


class Weight(NamedTuple):
    """The most that a tree can cost. More than was asked for is not told."""

    seconds: float
    bytes: int

    def is_within(self, seconds: float, memory: int) -> bool:
        return self.seconds <= seconds and self.bytes <= memory


_UNBEARABLE = Weight(inf, 0)


def is_light(document: bytes) -> bool:
    """Whether the tree of *document*, in UTF-8, can be built here and now; if not, it may still be an honest one.

    Takes 0.2 µs/kB up to 24 kB, 3 to 8 µs/kB of what is longer, which is more than parsing takes; 15 ms at most.
    """
    length = len(document)
    if length <= _TINY or length > _LONG:
        return length <= _TINY
    if length <= _SHORT and _has_few_tags(document):
        return True
    tags = document.count(b"<")
    if tags > _MANY:
        return False
    if tags <= _SOME and _estimate(document, tags).is_within(LIGHT_SECONDS, LIGHT_BYTES):
        return True
    return weight(document).is_within(LIGHT_SECONDS, LIGHT_BYTES)


def _has_few_tags(document: bytes) -> bool:
    """Whether it has no more than ``_FEW``: to take them away finds each by ``memchr``, which is a third less time than
    to count them takes, where each byte is looked at.
    """
    return len(document) - len(document.replace(b"<", b"", _FEW + 1)) <= _FEW


def is_bearable(document: bytes, *, is_own: bool = False) -> bool:
    """Whether its tree can be built where nobody has tried it: of what does not say to be HTML, or, *is_own*, in a test
    that its reader wrote."""
    memory = BEARABLE_BYTES + _BYTES_PER_BYTE * len(document)
    return weight(document, BEARABLE_SECONDS, memory, may_hide=not is_own).is_within(BEARABLE_SECONDS, memory)


def weight(
    document: bytes, seconds: float = LIGHT_SECONDS, memory: int = LIGHT_BYTES, *, may_hide: bool = True
) -> Weight:
    """The cost of the tree of *document*, in UTF-8; read no further than to where it passes *seconds* or *memory* (bytes).

    :param may_hide: what can be read in two ways, so that one hides tags, is too heavy: old pages have such scripts, too
    """
    scale = _Scale(document, may_hide=may_hide)
    scale.read(seconds, memory)
    return Weight(scale.seconds, scale.bytes)


def _estimate(document: bytes, tags: int) -> Weight:
    """The most that so many tags can cost, whatever their order: found in a fifth of the time, and enough for most."""
    found = _OPENING.findall(document)
    if b"".join(found).count(b"<") == len(found):
        marked = _MARKED.findall(document)
    else:  # one in another
        both = _overlapping(document, found)
        if both is None:
            return _UNBEARABLE
        found, marked = both
    alike = Counter(marked)
    if len(alike) * tags * _CLONE_BYTES > LIGHT_BYTES:
        return _UNBEARABLE
    count, clone, roots = 0, 0, 0
    for (written, attributes), number in alike.items():
        name = written.lower()
        if name in _FORMATTING:
            count += min(number, _ALIKE)
            clone += min(number, _ALIKE) * _clone_bytes(attributes)
        elif name in _ONCE:
            roots += number * _count(attributes)
        elif name == _COPIED:
            return _UNBEARABLE
    wide = _wide(found, tags * tags + roots * roots)
    if wide is None:
        return _UNBEARABLE
    anchor = _CLONE_BYTES + max(wide.anchor, _ATTRIBUTE_BYTES * _WIDE // 3)  # of them only one is open
    seconds = tags * (_TAG + (count + 1) * _CLONE) + wide.steps * _STEP / 2
    return Weight(seconds, 20 * len(document) + tags * (_TAG_BYTES + clone + anchor) + wide.bytes)


class _Wide(NamedTuple):
    """Tags of which it matters how many attributes they have."""

    steps: int
    """In which all tags are built."""
    bytes: int
    anchor: int
    """Bytes of the largest ``a``."""


def _wide(tags: list[bytes], steps: int) -> _Wide | None:
    """What those of *tags* cost, beside *steps* for what they stand in; None: far too much."""
    memory, anchor = 0, 0
    for tag in tags:
        if len(tag) > _WIDE:
            count = _most_attributes(tag)
            steps += count * count
            if steps * _STEP / 2 > LIGHT_SECONDS:
                return None
            memory += _ATTRIBUTE_BYTES * count
            if _A.match(tag):
                anchor = max(anchor, _ATTRIBUTE_BYTES * count + 2 * len(tag))
    return _Wide(steps, memory, anchor)


def _most_attributes(tag: bytes) -> int:
    """No fewer than it has: each takes two bytes, and stands behind a blank, a slash or a quote."""
    if len(tag) <= _PLENTY and not _A.match(tag):
        return len(tag) // 2
    most = len(tag.split()) + tag.count(b"/") + tag.count(b'"') + tag.count(b"'")
    return most if most <= _CROWD else _count(tag)


def _overlapping(document: bytes, tags: list[bytes]) -> tuple[list[bytes], list[tuple[bytes, bytes]]] | None:
    """What ``_OPENING`` and ``_MARKED`` find at every ``<``: in a comment or a text, what looks like a tag may have others
    in its attributes, which are those that count. None: the bytes would have to be read too often.

    :param tags: what ``_OPENING`` finds, one after the other
    """
    found = tags.copy()
    marked = {mark.start(): (mark[1], mark[2]) for mark in _MARKED.finditer(document)}
    room, position = _OFTEN * len(document), 0
    for tag in tags:
        if tag.find(b"<", 1) < 0:
            continue
        begin = document.index(tag, position)  # the same text further in front would be one of those, or stand in one
        position = begin + len(tag)
        for letter in _LETTER.finditer(document, begin + 1, position):
            inner = _OPENING.match(document, letter.start())
            assert inner is not None, "any letter will do"
            found.append(inner[0])
            room -= len(inner[0])
            if room < 0:
                return None
            if mark := _MARKED.match(document, letter.start()):
                marked[mark.start()] = mark[1], mark[2]
    return found, list(marked.values())


class _Scope:
    """The formatting elements between two markers."""

    __slots__ = ("alike", "open")

    def __init__(self) -> None:
        self.open: dict[bytes, list[bytes]] = {}
        """Name -> the attributes of each."""
        self.alike: dict[tuple[bytes, bytes], int] = {}


class _Scale:
    """What was read so far."""

    def __init__(self, document: bytes, *, may_hide: bool) -> None:
        self._document = document
        self._may_hide = may_hide
        self._open: list[bytes] = []
        """No fewer than the elements that are open, but for those that are in ``_formatted``."""
        self._scopes = [_Scope()]
        self._formatted = 0
        """Formatting elements that may have to be written again."""
        self._clone_bytes = 0
        """Of all of them."""
        self._clones: dict[bytes, int] = {}
        """Of each, by its attributes."""
        self._options = 0
        self._root_attributes = 0
        self._is_doubtful = False
        """Whether raw text may be markup."""
        self._doubtful_until = 0
        """A position. What closes before it may not."""
        self._marks: dict[re.Pattern[bytes], tuple[int, int]] = {}
        """From where on one was looked for, and where it is."""
        self.seconds = 0.0
        self.bytes = 3 * len(document)

    def read(self, seconds: float, memory: int) -> None:
        """Read to the end, or to where one of both is passed."""
        position: int | None = 0
        while position is not None:
            position = self._read_from(position, seconds, memory)

    def _read_from(self, position: int, seconds: float, memory: int) -> int | None:
        """Read up to the end of the next raw text. None: there is nothing more to read."""
        stack, spent, held = self._open, self.seconds, self.bytes
        doubtful_until, (each, each_bytes) = self._doubtful_until, self._each
        for tag in _TAGS.finditer(self._document, position):
            opens, attributes, closes, _ = tag.groups()
            spent += each + len(stack) * _STEP
            held += each_bytes
            if spent > seconds or held > memory:
                break
            is_certain = not doubtful_until or tag.start() >= doubtful_until
            name = (opens or closes or b"").lower()
            if name not in _NOTABLE and is_certain:  # as most tags: what _start() and _end() do of them, without a call
                if closes is not None and stack and name == stack[-1]:
                    stack.pop()
                    continue
                if opens is not None and len(attributes) <= _WIDE:
                    held += _LETTER_BYTES * len(attributes)
                    is_replaced = name in _REPLACED and stack and name == stack[-1] and not self._is_doubtful
                    if not is_replaced and name not in _VOID:
                        stack.append(name)
                    continue
            self.seconds, self.bytes = spent, held
            end = self._read(tag, name, is_certain=is_certain)
            if end is not None:
                return end
            spent, held = self.seconds, self.bytes
            doubtful_until, (each, each_bytes) = self._doubtful_until, self._each
        self.seconds, self.bytes = spent, held
        return None

    def _read(self, tag: re.Match[bytes], name: bytes, *, is_certain: bool) -> int | None:
        """A tag of which more has to be known, and what stands like one; where to read on, if not behind it."""
        opens, attributes, closes, cdata = tag.groups()
        if self._may_hide and not is_certain and _ENDS.search(tag[0], 2):
            self.seconds = inf  # the text that it may stand in may end in it, and tags begin that it hides
            return len(self._document)
        if opens is not None:
            return self._start(name, attributes, tag.end())
        if closes is not None:
            if is_certain:
                self._end(name)
        elif cdata is not None:
            self._doubt_until(self._next(_CDATA_END, tag.end()))
        return None

    @property
    def _each(self) -> tuple[float, int]:
        """Seconds that the next tag takes, however many are open, and bytes."""
        return _TAG + self._formatted * (_STEP + _CLONE), _TAG_BYTES + self._clone_bytes

    def _start(self, name: bytes, attributes: bytes, position: int) -> int | None:
        """A tag that opens, and ends at *position*; where to read on, if not there."""
        if attributes:
            self._count_attributes(name, attributes)
        if name in _FORMATTING:
            self._format(name, attributes)
        elif name in _SPECIAL:
            if name in _RAW:
                return self._skip(name, position)
            self._note(name)
        if name in _VOID or (self._open and name == self._open[-1] and name in _REPLACED and not self._is_doubtful):
            return None
        self._open.append(name)
        return None

    def _note(self, name: bytes) -> None:
        """An element that changes how others are read."""
        if name in _BARRIERS:
            self._scopes.append(_Scope())
        elif name in _DOUBTFUL:
            self._is_doubtful = True
        elif name == b"option":
            self._options += 1
            self.seconds += self._options * _STEP
        elif name == _COPIED:
            self.seconds = inf

    def _count_attributes(self, name: bytes, attributes: bytes) -> None:
        self.bytes += _LETTER_BYTES * len(attributes)
        if len(attributes) > _WIDE or name in _ONCE:
            count = _count(attributes)
            self.bytes += _ATTRIBUTE_BYTES * count
            if name in _ONCE:
                self._root_attributes += count
                count = max(count, int((count * self._root_attributes) ** 0.5))
            self.seconds += count * count * _STEP / 2

    def _format(self, name: bytes, attributes: bytes) -> None:
        scope = self._scopes[-1]
        kinds = scope.open.setdefault(name, [])
        if kinds and name in (b"a", b"nobr"):  # another one ends it
            self.seconds += 8 * (len(self._open) + self._formatted) * _STEP
            self._forget(scope, name)
        alike = scope.alike.get((name, attributes), 0)
        if alike < _ALIKE:
            scope.alike[name, attributes] = alike + 1
            kinds.append(attributes)
            self._formatted += 1
            if attributes not in self._clones:
                self._clones[attributes] = _clone_bytes(attributes)
            self._clone_bytes += self._clones[attributes]

    def _forget(self, scope: _Scope, name: bytes) -> None:
        attributes = scope.open[name].pop()
        scope.alike[name, attributes] -= 1
        self._formatted -= 1
        self._clone_bytes -= self._clones[attributes]

    def _skip(self, name: bytes, position: int) -> int | None:
        """Where the raw text that begins at *position* ends. None: it is read as if there were tags in it."""
        close = self._next(_MARKS[name], position)
        if name == b"script" and (comment := self._next(_COMMENT, position)) < close:
            after = self._next(_COMMENT_END, comment)  # up to there, a <script> in it is one more to be closed
            self._doubt_until(self._next(_MARKS[name], after))
            return None
        if self._is_doubtful:
            self._doubt_until(close)
            return None
        return close

    def _next(self, mark: re.Pattern[bytes], position: int) -> int:
        """Where *mark* is found next; the end, if it is not. Nothing is looked through twice."""
        begin, found = self._marks.get(mark, (0, -1))
        if not begin <= position <= found:
            match = mark.search(self._document, position)
            found = len(self._document) if match is None else match.start()
            self._marks[mark] = position, found
        return found

    def _doubt_until(self, position: int) -> None:
        self._doubtful_until = max(self._doubtful_until, position)

    def _end(self, name: bytes) -> None:
        """A tag that closes."""
        if name in _FORMATTING:
            scope = self._scopes[-1]
            if scope.open.get(name):
                self._forget(scope, name)
            if not self._open or self._open[-1] != name:
                self.seconds += 8 * (len(self._open) + self._formatted) * _STEP
        if self._open and self._open[-1] == name:
            self._open.pop()
            self._unmark(name)
        elif name not in _FORMATTING:
            self._close_implied(name)

    def _close_implied(self, name: bytes) -> None:
        """Close *name* if nothing but elements that it ends stands in it."""
        stack = self._open
        lowest = max(len(stack) - _LEFT_OUT, 0)
        at = len(stack) - 1
        while at > lowest and stack[at] in _IMPLIED and stack[at] != name:
            at -= 1
        if at >= 0 and stack[at] == name:
            for inner in stack[at:]:
                self._unmark(inner)
            del stack[at:]

    def _unmark(self, name: bytes) -> None:
        if name in _BARRIERS and len(self._scopes) > 1:
            self._scopes.pop()


def _count(attributes: bytes) -> int:
    """How many there are, up to ``_ENOUGH``. A name that comes again is compared, but not kept."""
    if len(attributes) <= _ENOUGH:
        found = _EACH_ATTRIBUTE.findall(attributes)
    else:
        found = [match[0] for match in islice(_EACH_ATTRIBUTE.finditer(attributes), _ENOUGH)]
    if len(found) < _WIDE:
        return len(found)
    names = {(one[:1] + one[1:].partition(b"=")[0]).rstrip().lower() for one in found}
    return ceil(sqrt(len(found) * len(names)))


def _clone_bytes(attributes: bytes) -> int:
    return _CLONE_BYTES + _ATTRIBUTE_BYTES * _count(attributes) + 2 * len(attributes)
