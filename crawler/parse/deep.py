"""Queries on trees in which Lexbor would not come to an end: it reads a selector from right to left, and tries all ways.

``div span b`` is tried for each ``b`` with each ``span`` above it and each ``div`` above that: 3,000 of each in each other
are 45 kB that are parsed in 2 ms, and searched for hours. Rule 1: what the tree can bear is Lexbor's. Rule 2: elsewhere
a query is answered from left to right, one compound at a time, in a time that grows as the tree does, and its results
are Lexbor's; but for those that Lexbor itself misses, as of ``:is(section) b`` with an ``<i>`` between them. Rule 3: what can be answered neither way is refused.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from math import comb
from typing import NamedTuple

from selectolax.lexbor import LexborHTMLParser, LexborNode

from crawler.errors import PageTooHeavy
from crawler.parse.chain import Chain, Inner, Step
from crawler.parse.query import Branch

_EASY = 15_000_000
"""Steps of Lexbor's that are no matter: 0.1 s, at the 7 ns that each takes."""
_TOO_MANY = 45_000_000
"""Steps after which one query holds everything up: 0.3 s."""
_SMALL = {1: 5_400, 2: 440, 3: 130, 4: 70}
"""Descendant steps -> elements of which there are no more than ``_EASY`` ways, in whatever order they stand."""
_PREFIXES = 64
"""Queries on parts of one tree of which the first stages are remembered."""


class Extent(NamedTuple):
    """How large a tree is."""

    depths: tuple[tuple[int, int], ...]
    """Elements above one -> how many elements have so many."""
    widths: tuple[tuple[int, int], ...]
    """Children of one element -> how many have so many."""

    def ways(self, descents: int, siblings: int, inside: bool = False) -> int:
        """The most steps that so many descendant and sibling combinators can cost; *inside*: for each element above."""
        if not descents and not inside:
            return sum([count * comb(width, siblings + 1) for width, count in self.widths])
        ways = sum([count * comb(depth, descents) * (depth if inside else 1) for depth, count in self.depths])
        return int(ways * max([width for width, _ in self.widths], default=1) ** siblings)


class SizedTree(LexborHTMLParser):
    """A parser that remembers how large its tree is, and what page it is of."""

    url = ""
    is_light = True
    """Whether one descendant combinator is no matter in it: elements times depth are few, as of whatever is built at once."""
    is_trusted = False
    """Whether a query may take as long as it likes: in a process of its own."""
    elements: int | None = None
    extent: Extent | None = None
    prefixes: dict[tuple[Step, ...], set[int]] | None = None


def in_stages(root: LexborHTMLParser | LexborNode, branch: Branch) -> list[LexborNode] | None:
    """The elements under *root* that *branch* names, each once, in document order. None: Lexbor may look for them.

    :raises PageTooHeavy: they cannot be looked for
    """
    tree = root if isinstance(root, LexborHTMLParser) else root.parser
    if branch.risk < 2 and getattr(tree, "is_light", True):
        return None
    if _is_small(tree, branch):
        return None
    extent = _extent(tree)
    if sum([_ways(extent, chain) for chain in branch.chains]) <= _EASY:
        return None
    _refuse_hopeless(tree, branch, extent)
    if not all(chain.steps for chain in branch.chains):
        return None  # slow, but not too slow
    if len(branch.chains) == 1:
        return _answer(root, tree, branch.chains[0].steps)
    wanted = {node.mem_id for chain in branch.chains for node in _answer(root, tree, chain.steps)}
    found = root.css(", ".join([chain.steps[-1].css for chain in branch.chains]))
    return list({node.mem_id: node for node in found if node.mem_id in wanted}.values())


def _is_small(tree: LexborHTMLParser, branch: Branch) -> bool:
    """Told by the number of elements alone: it takes 8 µs once on a page of 18 kB, a tenth of what the extent takes."""
    elements = tree.elements if isinstance(tree, SizedTree) else None
    if elements is None:
        elements = len(tree.tags("*"))
        if isinstance(tree, SizedTree):
            tree.elements = elements
    return elements <= _SMALL.get(branch.risk, 0)


def _extent(tree: LexborHTMLParser) -> Extent:
    extent = tree.extent if isinstance(tree, SizedTree) else None
    if extent is None:
        extent = _measure(tree)
        if isinstance(tree, SizedTree):
            tree.extent = extent
    return extent


def _measure(tree: LexborHTMLParser) -> Extent:
    depth_of: dict[int, int] = {}
    children: Counter[int] = Counter()
    for node in tree.tags("*"):  # in the order of the document
        parent = node.parent
        above = 0 if parent is None else parent.mem_id
        depth_of[node.mem_id] = depth_of.get(above, 0) + 1
        children[above] += 1
    return Extent(tuple(Counter(depth_of.values()).items()), tuple(Counter(children.values()).items()))


def _ways(extent: Extent, chain: Chain) -> int:
    """What Lexbor may have to try."""
    return extent.ways(chain.descents, chain.siblings) + _ways_inside(extent, chain.inner)


def _ways_inside(extent: Extent, inner: Inner) -> int:
    """What it may have to try for what stands in brackets, once for each element."""
    if inner == (0, 0, False):
        return 0
    return extent.ways(inner.descents, inner.siblings, inner.is_has)


def _refuse_hopeless(tree: LexborHTMLParser, branch: Branch, extent: Extent) -> None:
    """What takes too long and cannot be done in stages: what stands in brackets, and what only Lexbor can read."""
    if getattr(tree, "is_trusted", False):
        return
    for chain in branch.chains:
        ways = _ways_inside(extent, chain.inner) if chain.steps else _ways(extent, chain)
        if ways > _TOO_MANY:
            raise PageTooHeavy(
                "",
                f"the query {branch.css!r} may take far too long in its tree: a simpler one, without combinators "
                "in brackets, can be asked",
            )


def _answer(root: LexborHTMLParser | LexborNode, tree: LexborHTMLParser, steps: tuple[Step, ...]) -> list[LexborNode]:
    """The elements under *root* that all *steps* lead to; the first ones may begin outside it, as they may for Lexbor."""
    if len(steps) == 1:
        return list({node.mem_id: node for node in root.css(steps[0].css)}.values())
    known = _before(root, tree, steps[:-1])
    if not known:
        root.css_first(steps[-1].css)  # which may be what cannot be read
        return []
    return _related(root.css(steps[-1].css), steps[-1].relation, known)


def _before(root: LexborHTMLParser | LexborNode, tree: LexborHTMLParser, steps: tuple[Step, ...]) -> set[int]:
    """The elements of the whole tree that *steps* lead to. Remembered for queries on parts of it, which may be many."""
    prefixes = None
    if root is not tree and isinstance(tree, SizedTree):
        prefixes = tree.prefixes = tree.prefixes or {}
        if steps in prefixes:
            return prefixes[steps]
    top = root if isinstance(root, LexborHTMLParser) else _top(root)
    known = {node.mem_id for node in top.css(steps[0].css)}
    for step in steps[1:]:
        known = {node.mem_id for node in _related(top.css(step.css), step.relation, known)}
    if prefixes is not None and len(prefixes) < _PREFIXES:
        prefixes[steps] = known
    return known


def _top(node: LexborNode) -> LexborNode:
    """The element that all others are in."""
    above = node.parent
    while above is not None and above.is_element_node:
        node, above = above, above.parent
    return node


def _parent(node: LexborNode) -> LexborNode | None:
    return node.parent


def _previous(node: LexborNode) -> LexborNode | None:
    return node.prev


def _related(found: Iterable[LexborNode], relation: str, known: set[int]) -> list[LexborNode]:
    """Those of *found* that stand in *relation* to one of *known*."""
    if relation in (" ", "~"):
        verdicts: dict[int, bool] = {}
        back = _parent if relation == " " else _previous
        return [node for node in found if _leads_to(node, back, known, verdicts)]
    before = _parent if relation == ">" else _previous_element
    return [node for node in found if (other := before(node)) is not None and other.mem_id in known]


def _leads_to(
    node: LexborNode, back: Callable[[LexborNode], LexborNode | None], known: set[int], verdicts: dict[int, bool]
) -> bool:
    """Whether one goes *back* from *node* to one of *known*. *verdicts*: of those that were passed, on themselves, too."""
    passed: list[int] = []
    verdict = False
    at = back(node)
    while at is not None:
        identity = at.mem_id
        if identity in known:
            verdict = True
            break
        if identity in verdicts:
            verdict = verdicts[identity]
            break
        passed.append(identity)
        at = back(at)
    verdicts.update(dict.fromkeys(passed, verdict))
    return verdict


def _previous_element(node: LexborNode) -> LexborNode | None:
    before = node.prev
    while before is not None and not before.is_element_node:
        before = before.prev
    return before
