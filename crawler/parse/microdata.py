"""Microdata: the items that a page's elements say they are (the HTML Standard, 5.2, "Values", and 5.2.5, "Associating
names with items").

Rule 1: an item that contains itself, by ``itemref``, is left out of itself. Rule 2: ``itemref`` makes a tree of a graph,
which can be exponentially larger: what may be visited is bounded.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeAlias

from crawler.parse.jsonld import is_of_type
from crawler.parse.select import Element, Tree

Microdata: TypeAlias = dict[str, Any]  # Any: "type" is a list, "id" a text or None, "properties" a dict of lists

MAX_DEPTH = 64
"""Items in each other that are read. Deeper ones are left out."""
_VISITS = 100_000
"""Elements that are visited: half a second's work. Without ``itemref`` each is visited once, and a page has a few thousand."""
_SPACE = re.compile(r"\s+")
_ADDRESSES = {
    **dict.fromkeys(["audio", "embed", "iframe", "img", "source", "track", "video"], "src"),
    **dict.fromkeys(["a", "area", "link"], "href"),
    "object": "data",
}
"""Elements whose value is an address -> the attribute that has it."""
_TEXTS = {"meta": "content", "data": "value", "meter": "value", "time": "datetime"}
"""Elements whose value is an attribute; of a time without one it is the text."""


def microdata(tree: Tree, urljoin: Callable[[str], str], wanted: str | None = None) -> list[Microdata]:
    """The items of the page that are no property of another one, in the order of the document; of type *wanted* alone.

    :raises ValueError: they refer to each other far too often
    """
    tops = [element for element in tree.css("[itemscope]") if "itemprop" not in element.attrs]
    if not tops:
        return []
    reader = _Reader(tree, urljoin)
    items = [reader.item(element, frozenset()) for element in tops]
    return items if wanted is None else [item for item in items if is_of_type(item["type"], wanted)]


class _Reader:
    """What is known of one page on the way."""

    def __init__(self, tree: Tree, urljoin: Callable[[str], str]) -> None:
        self._tree = tree
        self._urljoin = urljoin
        self._left = _VISITS
        self._by_id: dict[str, Element] | None = None
        self._order: dict[int, int] = {}

    def item(self, root: Element, above: frozenset[int]) -> Microdata:
        """*root* as an item; *above*: those that it is in."""
        attrs = root.attrs
        identity = (attrs.get("itemid") or "").strip()
        properties: dict[str, list[Any]] = {}  # Any: a value is a text or an item
        inside = above | {root.mem_id}
        for element in self._properties(root):
            names = (element.attrs.get("itemprop") or "").split()
            if "itemscope" not in element.attrs:
                value: Any = self._value(element)
            elif element.mem_id in inside or len(inside) > MAX_DEPTH:
                continue
            else:
                value = self.item(element, inside)
            for name in dict.fromkeys(names):
                properties.setdefault(name, []).append(value)
        return {
            "type": list(dict.fromkeys((attrs.get("itemtype") or "").split())),
            "id": self._urljoin(identity) if identity else None,
            "properties": properties,
        }

    def _properties(self, root: Element) -> list[Element]:
        """The elements that add properties to the item of *root*, in tree order."""
        references = (root.attrs.get("itemref") or "").split()
        found: list[Element] = []
        visited = {root.mem_id}
        waiting = _children(root)
        if references:
            waiting = [*reversed([there for name in references if (there := self._called(name)) is not None]), *waiting]
        while waiting:
            element = waiting.pop()
            if element.mem_id in visited:
                continue
            visited.add(element.mem_id)
            self._left -= 1
            if self._left < 0:
                raise ValueError(f"the page's microdata refer to each other more than {_VISITS} times (itemref)")
            attrs = element.attrs
            if "itemscope" not in attrs:
                waiting += _children(element)
            if (attrs.get("itemprop") or "").strip():
                found.append(element)
        return sorted(found, key=lambda element: self._order[element.mem_id]) if references else found

    def _called(self, name: str) -> Element | None:
        """The first element with that ID."""
        if self._by_id is None:
            self._by_id = {}
            for index, element in enumerate(self._tree.tags("*")):
                self._order[element.mem_id] = index
                own = element.attrs.get("id")
                if own:
                    self._by_id.setdefault(own, element)
        return self._by_id.get(name)

    def _value(self, element: Element) -> str:
        tag, attrs = element.tag or "", element.attrs
        name = _ADDRESSES.get(tag)
        if name is not None:
            address = attrs.get(name)
            return self._urljoin(address) if address is not None else ""
        name = _TEXTS.get(tag)
        if name is not None and (tag != "time" or name in attrs):
            return attrs.get(name) or ""
        return _SPACE.sub(" ", element.text()).strip()


def _children(element: Element) -> list[Element]:
    """Last one first, as a stack wants them."""
    return [child for child in element.iter() if child.is_element_node][::-1]
