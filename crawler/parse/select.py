"""Selecting from a page: ``css()`` with ``::text`` and ``::attr(name)``, as users of parsel know them.

Together with page.py the only file that imports selectolax. Its engine, Lexbor, builds the tree that a browser
builds.
"""

from __future__ import annotations

import re as regex
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, NamedTuple, overload

from selectolax.lexbor import LexborHTMLParser, LexborNode, SelectolaxError

from crawler.errors import SelectorError

_ELEMENT, _TEXT, _DEEP_TEXT, _ATTR = range(4)
_PSEUDO = regex.compile(r"^(.*?)::(?:(text)|attr\(\s*([^\s()]+)\s*\))\s*$", regex.DOTALL)
_SPACE = regex.compile(r"\s+")


class Branch(NamedTuple):
    """One part of a query between top-level commas."""

    css: str
    """For Lexbor. Empty: the node that is asked, itself."""
    kind: int
    attr: str


class Node:
    """One result: an element, or a text or attribute value of one."""

    __slots__ = ("_value", "raw")

    def __init__(self, raw: LexborNode, value: str | None = None) -> None:
        self.raw = raw
        """The selectolax node itself (for a text or attribute: the element that has it), for what is not offered here."""
        self._value = value

    @property
    def is_element(self) -> bool:
        return self._value is None

    @property
    def tag(self) -> str:
        return self.raw.tag or ""

    @property
    def attrib(self) -> dict[str, str]:
        """The element's attributes; one without a value is an empty string."""
        if self._value is not None:
            return {}
        return {name: value or "" for name, value in self.raw.attributes.items()}

    @property
    def text(self) -> str:
        """All text inside, as a reader sees it: runs of white space are one space."""
        inner = self.raw.text() if self._value is None else self._value
        return _SPACE.sub(" ", inner).strip()

    def get(self, default: str | None = None) -> str:
        """The element's HTML, or the text or attribute value itself. (*default* is for :class:`Selection`.)"""
        return self._value if self._value is not None else self.raw.html or ""

    def getall(self) -> list[str]:
        return [self.get()]

    def css(self, query: str) -> Selection:
        """Select inside this element, itself included."""
        return select(self.raw if self._value is None else None, query)

    def re(self, pattern: str | regex.Pattern[str]) -> list[str]:
        """Every match: the groups if the pattern has some, else the whole."""
        return _matches(pattern, self.get())

    @overload
    def re_first(self, pattern: str | regex.Pattern[str]) -> str | None: ...
    @overload
    def re_first(self, pattern: str | regex.Pattern[str], default: str) -> str: ...
    def re_first(self, pattern: str | regex.Pattern[str], default: str | None = None) -> str | None:
        found = _matches(pattern, self.get())
        return found[0] if found else default

    def __str__(self) -> str:
        return self.get()

    def __repr__(self) -> str:
        shown = self.get()
        return f"<Node {shown if len(shown) <= 60 else shown[:57] + '...'!r}>"


class Selection(Sequence[Node]):
    """The results of a query, in document order."""

    __slots__ = ("_nodes",)

    def __init__(self, nodes: list[Node]) -> None:
        self._nodes = nodes

    @overload
    def get(self) -> str | None: ...
    @overload
    def get(self, default: str) -> str: ...
    @overload
    def get(self, default: None) -> str | None: ...
    def get(self, default: str | None = None) -> str | None:
        """The first result as a string (HTML, text or attribute value); *default* if there is none."""
        return self._nodes[0].get() if self._nodes else default

    def getall(self) -> list[str]:
        """Every result as a string."""
        return [node.get() for node in self._nodes]

    def re(self, pattern: str | regex.Pattern[str]) -> list[str]:
        """Every match in every result: the groups if the pattern has some, else the whole."""
        return [match for node in self._nodes for match in node.re(pattern)]

    @overload
    def re_first(self, pattern: str | regex.Pattern[str]) -> str | None: ...
    @overload
    def re_first(self, pattern: str | regex.Pattern[str], default: str) -> str: ...
    def re_first(self, pattern: str | regex.Pattern[str], default: str | None = None) -> str | None:
        """The first match in any result."""
        for node in self._nodes:
            found = node.re_first(pattern)
            if found is not None:
                return found
        return default

    @property
    def attrib(self) -> dict[str, str]:
        """The attributes of the first element; empty if there is none."""
        return self._nodes[0].attrib if self._nodes else {}

    @property
    def text(self) -> str:
        """The text of the first result as a reader sees it; empty if there is none."""
        return self._nodes[0].text if self._nodes else ""

    def css(self, query: str) -> Selection:
        """Select inside each result."""
        found = [inner for node in self._nodes for inner in node.css(query)]
        return Selection(found)

    @overload
    def __getitem__(self, index: int) -> Node: ...
    @overload
    def __getitem__(self, index: slice) -> Selection: ...
    def __getitem__(self, index: int | slice) -> Node | Selection:
        return Selection(self._nodes[index]) if isinstance(index, slice) else self._nodes[index]

    def __len__(self) -> int:
        return len(self._nodes)

    def __iter__(self) -> Iterator[Node]:
        return iter(self._nodes)

    def __repr__(self) -> str:
        return f"<Selection of {len(self._nodes)}: {self._nodes[:3]!r}>"


def select(root: LexborHTMLParser | LexborNode | None, query: str) -> Selection:
    """Everything under *root* that *query* names.

    :raises SelectorError: the query cannot be read
    """
    if root is None:
        return Selection([])
    branches = compile_query(query)
    if len(branches) == 1:
        branch = branches[0]
        return Selection([node for element in elements(root, branch) for node in _yield(element, branch)])
    return Selection(_select_mixed(root, branches))


def first_values(root: LexborHTMLParser | LexborNode, query: str) -> Iterator[str]:
    """The strings of ``select(root, query).getall()``, without the objects in between."""
    branches = compile_query(query)
    if len(branches) > 1:
        yield from (node.get() for node in _select_mixed(root, branches))
        return
    branch = branches[0]
    for element in elements(root, branch):
        for node in _yield(element, branch):
            yield node.get()


@lru_cache(maxsize=1024)
def compile_query(query: str) -> tuple[Branch, ...]:
    """A query as Lexbor can read it, and what is wanted of each element. Parts of one kind stay together.

    :raises SelectorError: a pseudo-element other than ``::text`` and ``::attr(name)``
    """
    branches = [_branch(part, query) for part in _split(query)]
    if len({(branch.kind, branch.attr) for branch in branches}) == 1 and all(branch.css for branch in branches):
        return (branches[0]._replace(css=", ".join(branch.css for branch in branches)),)
    return tuple(branches)


def elements(root: LexborHTMLParser | LexborNode, branch: Branch) -> list[LexborNode]:
    """The elements that *branch* names, each once, in document order."""
    if not branch.css:
        node = root.root if isinstance(root, LexborHTMLParser) else root
        return [] if node is None else [node]
    try:
        found: list[LexborNode] = root.css(branch.css)
    except SelectolaxError as error:
        raise SelectorError(f"the CSS query {branch.css!r} cannot be read") from error
    return _unique(found) if "," in branch.css else found


def _unique(nodes: list[LexborNode]) -> list[LexborNode]:
    """Lexbor names an element once for each part of the query that matches it."""
    seen: dict[int, LexborNode] = {}
    for node in nodes:
        seen.setdefault(node.mem_id, node)
    return list(seen.values())


def _yield(element: LexborNode, branch: Branch) -> Iterator[Node]:
    kind = branch.kind
    if kind == _ELEMENT:
        yield Node(element)
    elif kind == _ATTR:
        value = element.attrs.get(branch.attr, _ABSENT)
        if value is not _ABSENT:
            yield Node(element, value or "")
    elif kind == _TEXT:
        for child in element.iter(include_text=True):
            if child.is_text_node:
                yield Node(element, child.text_content or "")
    else:
        for child in element.traverse(include_text=True):
            if child.is_text_node:
                yield Node(element, child.text_content or "")


def _select_mixed(root: LexborHTMLParser | LexborNode, branches: tuple[Branch, ...]) -> list[Node]:
    """``h1::text, a::attr(href)``: the parts want different things of their elements; document order all the same."""
    wanted: dict[int, list[Branch]] = {}
    for branch in branches:
        for element in elements(root, branch):
            wanted.setdefault(element.mem_id, []).append(branch)
    everything = Branch(", ".join(branch.css or "*" for branch in branches), _ELEMENT, "")
    return [
        node
        for element in elements(root, everything)
        for branch in wanted.get(element.mem_id, ())
        for node in _yield(element, branch)
    ]


def _branch(part: str, query: str) -> Branch:
    match = _PSEUDO.match(part)
    if match is None:
        if "::" in part:
            raise SelectorError(f"{part.strip()!r} in {query!r}: the pseudo-elements here are ::text and ::attr(name)")
        if not part.strip():
            raise SelectorError(f"the CSS query {query!r} is empty, or has an empty part")
        return Branch(part.strip(), _ELEMENT, "")
    css, text, attr = match.groups()
    if text is None:
        return Branch(_under(css) or "*", _ATTR, attr)
    if css.rstrip().endswith((">", "+", "~")):
        return Branch(f"{css.strip()} *", _TEXT, "")
    if not css.strip() or css != css.rstrip():  # "::text", "div ::text": all text inside, as parsel has it
        return Branch(css.strip(), _DEEP_TEXT, "")
    return Branch(css.strip(), _TEXT, "")


def _under(css: str) -> str:
    """``div ::attr(x)`` is about the elements inside the div, and itself, as parsel has it."""
    bare = css.strip()
    if bare.endswith((">", "+", "~")):
        return f"{bare} *"
    return f"{bare}, {bare} *" if bare and css != css.rstrip() else bare


def _split(query: str) -> list[str]:
    """The parts between top-level commas; those in brackets and strings are no separators."""
    parts, depth, quote, begin, index = [], 0, "", 0, 0
    while index < len(query):
        character = query[index]
        if character == "\\":
            index += 1
        elif quote:
            quote = "" if character == quote else quote
        elif character in "\"'":
            quote = character
        elif character in "([":
            depth += 1
        elif character in ")]":
            depth -= 1
        elif character == "," and depth == 0:
            parts.append(query[begin:index])
            begin = index + 1
        index += 1
    return [*parts, query[begin:]]


def _matches(pattern: str | regex.Pattern[str], text: str) -> list[str]:
    compiled = regex.compile(pattern) if isinstance(pattern, str) else pattern
    if compiled.groups == 0:
        return [match[0] for match in compiled.finditer(text)]
    return [group for match in compiled.finditer(text) for group in match.groups("")]


_ABSENT: Any = object()  # Any: passes through attrs.get's typed default
