"""Selecting from a page: ``css()`` with ``::text`` and ``::attr(name)``, as users of parsel know them.

Together with page.py, extract.py and deep.py the only file that imports selectolax. Its engine, Lexbor, builds the tree that a browser
builds.
"""

from __future__ import annotations

import re as regex
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, TypeAlias, TypeVar, overload

from selectolax.lexbor import LexborHTMLParser, LexborNode, SelectolaxError

from crawler.errors import PageTooHeavy, SelectorError
from crawler.items.item import Item
from crawler.parse.deep import in_stages
from crawler.parse.query import ATTR, DEEP_TEXT, ELEMENT, TEXT, Branch, compile_query, divided, with_chains

I = TypeVar("I", bound=Item)  # noqa: E741 (a type variable, and the only one here)
_SPACE = regex.compile(r"\s+")
_MANY = 250_000
"""Results. More than that, and than the page has bytes, only elements in each other have: each those of all within."""
_NEAR = 5
"""Elements that are looked at by hand, the outer one included."""
_LONG = 32
"""Characters. No element has so long a name, and selectolax refuses to look for one of a hundred."""


Tree: TypeAlias = LexborHTMLParser
Element: TypeAlias = LexborNode
Unparsable: TypeAlias = SelectolaxError
"""selectolax's, for files that do not import it."""
Wanted = Mapping[int, tuple[Branch, ...]]
"""The ``mem_id`` of an element -> what is wanted of it."""


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

    @property
    def rel(self) -> str:
        """What its link says of itself, as ``nofollow``; of an attribute or a text, that of its element."""
        return self.raw.attrs.get("rel") or ""

    @property
    def address(self) -> str | None:
        """Where it leads to: its ``href`` or ``src``."""
        return _address(self.raw)

    @property
    def page_size(self) -> int:
        """Bytes of the document that it is in."""
        return len(self.raw.parser.raw_html)

    def get(self, default: str | None = None) -> str:
        """The element's HTML, or the text or attribute value itself. (*default* is for :class:`Selection`.)"""
        return self._value if self._value is not None else self.raw.html or ""

    def getall(self) -> list[str]:
        return [self.get()]

    def css(self, query: str) -> Selection:
        """Select inside this element, itself included."""
        return select(self.raw if self._value is None else None, query)

    def xpath(self, query: str, namespaces: Mapping[str, str] | None = None, **variables: Any) -> Selection:
        """Select inside this element by XPath, with the ``xpath`` extra: ``./a`` is a child of it, ``.//a`` anywhere in it.

        Of what CSS has found, the XPath sees the element alone, as if it were a page of its own.
        """
        return Selection([self]).xpath(query, namespaces, **variables)

    def extract(self, item_type: type[I]) -> I:
        """An item of that type, its fields filled from inside this element, itself included.

        :raises ValueError: this is a text or an attribute
        """
        from crawler.parse.extract import extract_inside  # which selects

        if self._value is not None:
            raise ValueError("an item is filled from an element: leave ::text or ::attr() out of the query")
        return extract_inside(item_type, self.raw)

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
        found: list[Node] = []
        for node in self._nodes:
            found += node.css(query)
            if len(found) > _MANY and len(found) > node.page_size:
                raise PageTooHeavy("", f"{query!r} has far too many results in elements that are in each other")
        return Selection(found)

    def xpath(self, query: str, namespaces: Mapping[str, str] | None = None, **variables: Any) -> Selection:
        """Select inside each result by XPath, as :meth:`Node.xpath` does.

        :raises MissingExtra: parsel is not installed
        :raises SelectorError: the XPath cannot be read
        """
        from crawler.parse.xpath import xpath_of_elements  # an extra

        return xpath_of_elements(self._nodes, query, namespaces, variables)

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
    return Selection(_gather(root, compile_query(query)))


def texts(root: LexborHTMLParser | LexborNode, query: str) -> list[str]:
    """The strings of ``select(root, query).getall()``."""
    return [node.get() for node in _gather(root, compile_query(query))]


def hrefs(root: LexborHTMLParser | LexborNode, query: str) -> list[str | None]:
    """The address that each element or attribute of *query* has; None for one that has none."""
    branches = compile_query(query)
    if len(branches) > 1 or branches[0].kind != ELEMENT:
        return [address_of(node) for node in select(root, query)]
    found = elements(root, branches[0])
    addresses = [element.attrs.get("href") for element in found]
    return addresses if None not in addresses else [_address(element) for element in found]


def outermost(found: Selection) -> list[Node]:
    """Those elements of *found* that are in no other one of it."""
    wanted: Wanted = {node.raw.mem_id: () for node in found if node.is_element}
    known: dict[int, int] = {}
    return [node for node in found if _outermost(node.raw, wanted, known) == node.raw.mem_id]


def address_of(link: str | Node | Selection | None) -> str | None:
    """What a link leads to: *link* itself, an element's ``href`` or ``src``, a selected attribute or text."""
    if isinstance(link, Selection):
        if len(link) != 1:
            raise ValueError(f"follow() takes one link, not {len(link)}; follow_all() takes many")
        link = link[0]
    if link is None or isinstance(link, str):
        return link
    if not link.is_element:
        return link.get()
    return link.address


def elements(root: LexborHTMLParser | LexborNode, branch: Branch) -> list[LexborNode]:
    """The elements that *branch* names, each once, in document order."""
    if not branch.css:
        node = root.root if isinstance(root, LexborHTMLParser) else root
        return [] if node is None else [node]
    if len(branch.css) < _LONG and branch.css.isalpha() and isinstance(root, LexborHTMLParser):
        return root.tags(branch.css)  # a bare name, as in "a", needs no selector engine: 5 µs less on a page of 18 KB
    if branch.risk and not _is_easy(root, branch) and (staged := _staged(root, branch)) is not None:
        return staged
    try:
        found: list[LexborNode] = root.css(branch.css)
    except SelectolaxError as error:
        raise SelectorError(f"the CSS query {branch.css!r} cannot be read") from error
    return _unique(found) if "," in branch.css else found


def first_element(root: LexborHTMLParser | LexborNode, branch: Branch) -> LexborNode | None:
    """The first of :func:`elements`, without a search of the whole tree where that can be spared.

    :raises SelectorError: the query cannot be read
    """
    if not branch.css:
        return next(iter(elements(root, branch)), None)
    if branch.risk and not _is_easy(root, branch):
        if isinstance(root, LexborHTMLParser) and (parts := divided(branch.css)) is not None:
            outer = first_element(root, parts[0])
            if outer is None:
                return None
            inner = _nearest(outer, parts[1]) or outer.css_first(parts[1])
            # no other one comes before the first in the first
            if inner is not None and inner.mem_id != outer.mem_id:
                return inner
        if (staged := _staged(root, branch)) is not None:
            return next(iter(staged), None)
    try:
        return root.css_first(branch.css)
    except SelectolaxError as error:
        raise SelectorError(f"the CSS query {branch.css!r} cannot be read") from error


def _nearest(outer: LexborNode, css: str) -> LexborNode | None:
    """The first element in *outer* that *css* names, if that is a bare name and the element one of the first: to find it by
    hand is a quarter of what it takes the selector engine to read the query. None: it has to be looked for.
    """
    if len(css) < _LONG and css.isalpha() and css.islower():
        for node in islice(outer.traverse(), 1, _NEAR):
            if node.tag == css:
                return node
    return None


def _is_easy(root: LexborHTMLParser | LexborNode, branch: Branch) -> bool:
    """Told without a look at the tree."""
    return branch.risk == 0 or (branch.risk == 1 and getattr(root, "is_light", False))


def _staged(root: LexborHTMLParser | LexborNode, branch: Branch) -> list[LexborNode] | None:
    """Those elements, if Lexbor had better not look for them itself."""
    try:
        return in_stages(root, branch)
    except SelectolaxError as error:
        raise SelectorError(f"the CSS query {branch.css!r} cannot be read") from error


def _unique(nodes: list[LexborNode]) -> list[LexborNode]:
    """Lexbor names an element once for each part of the query that matches it."""
    seen: dict[int, LexborNode] = {}
    for node in nodes:
        seen.setdefault(node.mem_id, node)
    return list(seen.values())


def _address(element: LexborNode) -> str | None:
    attrs = element.attrs
    href: str | None = attrs.get("href")
    return href if href is not None else attrs.get("src")


def _gather(root: LexborHTMLParser | LexborNode, branches: tuple[Branch, ...]) -> list[Node]:
    """What *branches* want, in document order, each node once."""
    if len(branches) > 1:
        return _gather_mixed(root, branches)
    branch = branches[0]
    found = elements(root, branch)
    if branch.kind in (ELEMENT, ATTR):
        return [node for element in found for node in _yield(element, branch)]
    return _in_order(found, dict.fromkeys([element.mem_id for element in found], branches))


def _gather_mixed(root: LexborHTMLParser | LexborNode, branches: tuple[Branch, ...]) -> list[Node]:
    """``h1::text, a::attr(href)``: the parts want different things of their elements."""
    wanted: dict[int, tuple[Branch, ...]] = {}
    for branch in sorted(branches, key=lambda branch: branch.kind):  # an element, its attributes, its texts
        for element in elements(root, branch):
            wanted[element.mem_id] = (*wanted.get(element.mem_id, ()), branch)
    everything = with_chains(Branch(", ".join(branch.css or "*" for branch in branches), ELEMENT, ""))
    return _in_order([element for element in elements(root, everything) if element.mem_id in wanted], wanted)


def _in_order(found: list[LexborNode], wanted: Wanted) -> list[Node]:
    """What is wanted of each of *found*; where one contains others, their parts stand between its own."""
    nodes: list[Node] = []
    outermost: dict[int, int] = {}
    index = 0
    while index < len(found):
        outer = found[index]
        index += 1
        begin = index
        if not _is_leaf(outer):
            while index < len(found) and _outermost(found[index], wanted, outermost) == outer.mem_id:
                index += 1
        branches = wanted[outer.mem_id]
        if index == begin and len(branches) == 1:
            nodes += _yield(outer, branches[0])
        else:
            nodes += _walk(outer, wanted)
    return nodes


def _is_leaf(element: LexborNode) -> bool:
    """Whether there is nothing but a text in it, as in most."""
    child = element.first_child
    return child is None or (child.is_text_node and child.next is None)


def _outermost(inner: LexborNode, wanted: Wanted, known: dict[int, int]) -> int:
    """The ``mem_id`` of the highest of *wanted* that *inner* is in, or is; 0: there is none. *known*: of what was passed."""
    passed: list[int] = []
    at: LexborNode | None = inner
    while at is not None and at.mem_id not in known:
        passed.append(at.mem_id)
        at = at.parent
    highest = 0 if at is None else known[at.mem_id]
    for identity in reversed(passed):
        if not highest and identity in wanted:
            highest = identity
        known[identity] = highest
    return highest


def _walk(outer: LexborNode, wanted: Wanted) -> Iterator[Node]:
    """Each thing that is wanted of *outer* and of what is inside it, where it stands."""
    own_text: set[int] = set()
    all_text: set[int] = set()
    for node in outer.traverse(include_text=True):
        parent = node.parent
        above = 0 if parent is None else parent.mem_id
        if node.is_text_node:
            if parent is not None and (above in own_text or above in all_text):
                yield Node(parent, node.text_content or "")
            continue
        if above in all_text:
            all_text.add(node.mem_id)
        for branch in wanted.get(node.mem_id, ()):
            if branch.kind == TEXT:
                own_text.add(node.mem_id)
            elif branch.kind == DEEP_TEXT:
                all_text.add(node.mem_id)
            else:
                yield from _yield(node, branch)


def _yield(element: LexborNode, branch: Branch) -> list[Node]:
    """What *branch* wants of *element*."""
    kind = branch.kind
    if kind == TEXT:
        children = element.iter(include_text=True)
        return [Node(element, child.text_content or "") for child in children if child.is_text_node]
    if kind == ATTR:
        value = element.attrs.get(branch.attr, _ABSENT)
        return [] if value is _ABSENT else [Node(element, value or "")]
    if kind == DEEP_TEXT:
        inner = element.traverse(include_text=True)
        return [Node(element, child.text_content or "") for child in inner if child.is_text_node]
    return [Node(element)]


def _matches(pattern: str | regex.Pattern[str], text: str) -> list[str]:
    compiled = regex.compile(pattern) if isinstance(pattern, str) else pattern
    if compiled.groups == 0:
        return [match[0] for match in compiled.finditer(text)]
    return [group for match in compiled.finditer(text) for group in match.groups("")]


_ABSENT: Any = object()  # Any: passes through attrs.get's typed default
