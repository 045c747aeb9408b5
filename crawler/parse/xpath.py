"""Selecting by XPath 1.0, with the ``xpath`` extra (parsel, on lxml): results are the Nodes of a Selection, as those of CSS.

Rule 1: the page's own text is parsed by lxml, once a page, when the first XPath is asked: its tree is the one that users
of parsel know, not a browser's (a table has no ``tbody`` that it does not write). Rule 2: of an element that CSS has
found, its HTML alone is parsed, so an XPath on it sees nothing around it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from crawler.errors import MissingExtra, PageTooHeavy, SelectorError
from crawler.parse.select import Node, Selection

_MOST = 5_000_000
"""Characters of HTML that one ``selection.xpath()`` parses, or twice the page: those of elements in each other are parsed
again for each."""


class XPathNode(Node):
    """One result of an XPath: an element, or a text, attribute value or number of one."""

    __slots__ = ("_selector",)

    raw: Any  # Any: lxml's element, or a string; lxml is an extra
    """The lxml element itself; of a text or an attribute, the string."""

    def __init__(self, selector: Any) -> None:  # Any: parsel's, which is an extra
        root = selector.root
        super().__init__(root, None if _is_node(root) else _written(root))
        self._selector = selector

    @property
    def tag(self) -> str:
        tag = self.raw.tag if self._value is None else ""
        return tag if isinstance(tag, str) else ""  # a comment has a function there

    @property
    def attrib(self) -> dict[str, str]:
        """The element's attributes."""
        return dict(self.raw.attrib) if self._value is None else {}

    @property
    def rel(self) -> str:
        parent = self.raw if self._value is None else getattr(self.raw, "getparent", lambda: None)()
        return "" if parent is None else str(parent.get("rel") or "")

    @property
    def address(self) -> str | None:
        attrs = self.attrib
        return attrs.get("href", attrs.get("src"))

    @property
    def page_size(self) -> int:
        return 0  # what XPath has found is no tree of Lexbor's, and no results are counted by its size

    @property
    def text(self) -> str:
        """All text inside, as a reader sees it: runs of white space are one space."""
        inner = self.raw.xpath("string()") if self._value is None else self._value
        return " ".join(inner.split())

    def get(self, default: str | None = None) -> str:
        """The element's HTML, or the text or attribute value itself. (*default* is for :class:`Selection`.)"""
        return self._value if self._value is not None else str(self._selector.get())

    def css(self, query: str) -> Selection:
        """Select inside this element, itself included, by CSS as parsel reads it.

        :raises SelectorError: the query cannot be read
        """
        if self._value is not None:
            return Selection([])
        from cssselect import SelectorError as Unreadable

        try:
            return _selection(self._selector.css(query))
        except (Unreadable, ValueError) as error:
            raise SelectorError(f"the CSS query {query!r} cannot be read: {error}") from error

    def xpath(self, query: str, namespaces: Mapping[str, str] | None = None, **variables: Any) -> Selection:
        """Select from here: ``.//a`` inside this element, ``//a`` in the whole page."""
        return _evaluate(self._selector, query, namespaces, variables)


def _selector_type() -> Any:  # Any: a class of an extra
    """parsel's Selector.

    :raises MissingExtra: parsel is not installed
    """
    try:
        from parsel import Selector  # an extra
    except ImportError:
        raise MissingExtra("page.xpath() needs the xpath extra: pip install parsel") from None
    return _with_owners(Selector)


@cache
def _with_owners(selector: Any) -> Any:  # Any: as above
    """Of that type, with attributes and texts that know their element."""
    return type("PageSelector", (selector,), {"__slots__": (), "_lxml_smart_strings": True})


def root_of(text: str, url: str, *, is_xml: bool = False) -> Any:  # Any: parsel's Selector, which is an extra
    """The tree of a whole document.

    :raises MissingExtra: parsel is not installed
    """
    return _selector_type()(text=text, base_url=url, type="xml" if is_xml else "html")


def xpath_of_root(
    root: Any, query: str, namespaces: Mapping[str, str] | None, variables: Mapping[str, Any]
) -> Selection:
    """What *query* names in the tree of :func:`root_of`.

    :raises SelectorError: it cannot be read, or names something that is not there (a prefix, a variable, a function)
    """
    return _evaluate(root, query, namespaces, variables)


def xpath_of_elements(
    nodes: list[Node], query: str, namespaces: Mapping[str, str] | None, variables: Mapping[str, Any]
) -> Selection:
    """What *query* names in each of *nodes*, which CSS or an XPath has found.

    :raises PageTooHeavy: they are far too many in each other
    """
    found: list[Node] = []
    left = max(_MOST, 2 * nodes[0].page_size) if nodes else 0
    for node in nodes:
        if isinstance(node, XPathNode):
            found += node.xpath(query, namespaces, **variables)
        elif node.is_element:
            html = node.get()
            left -= len(html)
            if left < 0:
                raise PageTooHeavy("", f"the XPath {query!r} is asked of too many elements that are in each other")
            found += _evaluate(_fragment(html, node.tag), query, namespaces, variables)
    return Selection(found)


def _fragment(html: str, tag: str) -> Any:  # Any: as above
    """The element of that HTML, as the context of an XPath."""
    document = root_of(html, "")
    try:
        element = next(document.root.iter(tag), None)
    except ValueError:  # a name that lxml has not
        return document
    return document if element is None else type(document)(root=element, type="html")


def _evaluate(
    selector: Any, query: str, namespaces: Mapping[str, str] | None, variables: Mapping[str, Any]
) -> Selection:
    try:
        return _selection(selector.xpath(query, namespaces=namespaces, **variables))
    except (
        ValueError,
        TypeError,
        re.error,
    ) as error:  # of a variable without a type in XPath; of a pattern in re:test()
        raise SelectorError(f"the XPath {query!r} cannot be answered: {error}") from error


def _selection(found: Any) -> Selection:
    return Selection([XPathNode(selector) for selector in found])


def _is_node(root: Any) -> bool:
    return hasattr(root, "itertext")


def _written(root: Any) -> str:
    """A string as it is; a number as XPath writes it; true and false as 1 and 0, as parsel does."""
    if isinstance(root, str):
        return str.__str__(root)
    if isinstance(root, bool):
        return "1" if root else "0"
    return str(int(root)) if isinstance(root, float) and root.is_integer() else str(root)
