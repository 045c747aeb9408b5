"""Filling an ``Item`` from a page or from a part of one.

Each type is made into a list of small functions, one for each field, when it is first filled: what can be decided about
a field is decided then, and its query is read then. That makes a page of six fields cost a fifth more than selectolax
code written by hand (benchmarks/extract.py).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, TypeAlias, TypeVar

import msgspec
from selectolax.lexbor import LexborHTMLParser, LexborNode, SelectolaxError

from crawler.errors import PageTooHeavy, SelectorError
from crawler.items.item import Item, plan_of, reaches
from crawler.items.rules import HERE, MISSING, Css, FieldRule, fresh
from crawler.items.types import converter_of
from crawler.parse.deep import SizedTree
from crawler.parse.links import base_for, base_of
from crawler.parse.query import ATTR, ELEMENT, TEXT, Branch, compile_query
from crawler.parse.select import elements, first_element, select, texts
from crawler.urls.url import Base

I = TypeVar("I", bound=Item)  # noqa: E741 (a type variable, and the only one here)
_INNER = 100_000
"""Items inside one item. A list has thousands; items that are in each other, each with all below it, have millions."""
_ABSENT: Any = object()  # Any: passes through attrs.get's typed default
_LEVELS = 100
"""Of items in each other. Forums nest their comments ten deep; Reddit's pages ask for a click after that."""

Root: TypeAlias = LexborHTMLParser | LexborNode
Match: TypeAlias = Callable[[str], str | None]
Find: TypeAlias = Callable[[Root], str | None]
Step: TypeAlias = "Callable[[Root, _Place], Any]"  # Any: of the field's type


class _Place:
    """Where items are filled: the page, and how many there may be in each other."""

    __slots__ = ("join", "left", "level", "url")

    def __init__(self, url: str, join: Callable[[str], str]) -> None:
        self.url = url
        self.join = join
        self.left = _INNER
        self.level = 0


def extract(item_type: type[I], root: Root, url: str, join: Callable[[str], str]) -> I:
    """An *item_type* with each field filled by its rule. Nothing is raised for what fails its type.

    A required field that was not found is left unset, and one that cannot be converted keeps its text: both are
    rejected, with the reason, when the item is emitted.

    :param join: makes an address that stands in the page an absolute URL
    :raises SelectorError: a query cannot be read
    :raises ItemDefinitionError: a rule and its type do not fit
    :raises PageTooHeavy: there are more than 100,000 items in each other, or 100 levels of them
    """
    item: I = _filler(item_type).fill(root, _Place(url, join))
    return item


def extract_inside(item_type: type[I], node: LexborNode) -> I:
    """The same, for a node of a page that need not be at hand."""
    tree = node.parser
    url = tree.url if isinstance(tree, SizedTree) else ""
    bases: list[Base] = []  # looked for when the first address is joined

    def join(href: str) -> str:
        if not bases:
            bases.append(base_for(url, base_of(tree)))
        return bases[0].resolve(href) or href

    return extract(item_type, node, url, join)


class _Filler:
    """Fills items of one type."""

    __slots__ = ("_item_type", "_steps", "_takes_url", "_unset", "found_by_rule")

    def __init__(self, item_type: type[Item]) -> None:
        plan = plan_of(item_type)
        self._item_type = item_type
        self._steps = [(rule.name, _step(item_type, rule)) for rule in plan.rules]
        self._takes_url = plan.takes_url
        required = [name for name in plan.required if name != "url" or not plan.takes_url]
        self._unset = dict.fromkeys(required, msgspec.UNSET)
        self.found_by_rule = [rule.name for rule in plan.rules if rule.css.default is MISSING and not rule.css.many]

    def fill(self, root: Root, place: _Place) -> Any:  # Any: the item type
        values = {name: step(root, place) for name, step in self._steps}
        if self._unset:
            values = {**self._unset, **values}
        if self._takes_url:
            values["url"] = place.url
        return self._item_type(**values)


_filler = lru_cache(maxsize=256)(_Filler)


def _step(item_type: type[Item], rule: FieldRule) -> Step:
    where = f"{item_type.__name__}.{rule.name}"
    if rule.css.query == HERE:
        return _item_here(rule)
    branches = _compiled(where, rule.css.query)
    if rule.item is not None:
        leaves_root_out = reaches(rule.item, item_type) or rule.item is item_type
        return (_items if rule.css.many else _item)(where, rule, branches, leaves_root_out)
    finish = _finish(rule)
    if rule.css.many:
        return _many(rule.css, finish)
    return _one(_first(branches, rule.css), _default_of(rule), finish)


def _compiled(where: str, query: str) -> tuple[Branch, ...]:
    """The query, read by this package and, on a page without anything, by Lexbor."""
    try:
        branches = compile_query(query)
    except SelectorError as error:
        raise SelectorError(f"{where}: {error}") from None
    for branch in branches:
        try:
            LexborHTMLParser("").css_first(branch.css or "*")
        except SelectolaxError:
            raise SelectorError(f"{where}: the CSS query {branch.css!r} cannot be read") from None
    return branches


def _one(first: Find, default: Callable[[], Any], finish: Callable[[Any, _Place], Any] | None) -> Step:
    if finish is None:

        def text_alone(root: Root, place: _Place) -> Any:
            found = first(root)
            return default() if found is None else found

        return text_alone

    def one(root: Root, place: _Place) -> Any:
        found = first(root)
        return default() if found is None else finish(found, place)

    return one


def _many(css: Css, finish: Callable[[Any, _Place], Any] | None) -> Step:
    match, query = _match(css), css.query

    def many(root: Root, place: _Place) -> Any:
        found = [text for text in map(match, texts(root, query)) if text is not None]
        return found if finish is None else finish(found, place)

    return many


def _finish(rule: FieldRule) -> Callable[[Any, _Place], Any] | None:
    """What becomes of found text, or texts; None: nothing."""
    then, is_many, convert = rule.css.then, bool(rule.css.many), converter_of(rule.type)
    if then is None and not rule.is_url:
        return None if convert is None else lambda found, place: convert(found)

    def finish(found: Any, place: _Place) -> Any:
        if then is not None:
            found = [then(one) for one in found] if is_many else then(found)
        if rule.is_url:
            found = _joined(found, place.join)
        return found if convert is None else convert(found)

    return finish


def _joined(found: Any, join: Callable[[str], str]) -> Any:
    if isinstance(found, str):
        return join(found)
    return [_joined(one, join) for one in found] if isinstance(found, (list, tuple)) else found


def _default_of(rule: FieldRule) -> Callable[[], Any]:
    default: Any = rule.css.default
    if default is MISSING:
        default = None if rule.allows_none else msgspec.UNSET
    return fresh(default)


def _first(branches: tuple[Branch, ...], css: Css) -> Find:
    """Finds the first text that matches, without a search of the whole page where that can be spared."""
    match, query, branch = _match(css), css.query, branches[0]
    selector, kind, attr, risk = branch.css, branch.kind, branch.attr, branch.risk

    def in_all(root: Root) -> str | None:
        return next((found for found in map(match, texts(root, query)) if found is not None), None)

    def in_element(root: Root) -> str | None:
        is_easy = not risk or (risk == 1 and getattr(root, "is_light", False))  # as first_element() has it
        element = root.css_first(selector) if is_easy else first_element(root, branch)
        if element is None:
            return None
        if kind == TEXT:
            child = element.first_child
            while child is not None:
                text = child.text_content
                if text is not None:
                    found = match(text)
                    if found is not None:
                        return found
                elif child.first_child is not None and child.css_first(selector) is not None:
                    break  # its texts come before what follows
                child = child.next
        else:
            value = element.html if kind == ELEMENT else element.attrs.get(attr, _ABSENT)
            found = None if value is _ABSENT else match(value or "")
            if found is not None:
                return found
        return in_all(root)

    is_plain = len(branches) == 1 and selector and kind in (TEXT, ATTR, ELEMENT)
    return in_element if is_plain else in_all


def _match(css: Css) -> Match:
    """What gives the part of a text that is wanted; None, if it is not that text."""
    pattern = css.pattern
    if pattern is None:
        return str.strip
    search = pattern.search
    if not pattern.groups:

        def match_whole(text: str) -> str | None:
            found = search(text)
            return None if found is None else found[0].strip()

        return match_whole

    def match_group(text: str) -> str | None:
        found = search(text)
        if found is None:
            return None
        group: str | None = found[1]
        return (found[0] if group is None else group).strip()

    return match_group


def _item_here(rule: FieldRule) -> Step:
    def item_here(root: Root, place: _Place) -> Any:
        filler = _filler(rule.item)
        item = filler.fill(root, place)
        names = filler.found_by_rule
        if rule.allows_none and names and all(getattr(item, name) in (None, msgspec.UNSET) for name in names):
            return None
        return item

    return item_here


def _item(where: str, rule: FieldRule, branches: tuple[Branch, ...], leaves_root_out: bool) -> Step:
    default, query, branch = _default_of(rule), rule.css.query, branches[0]
    is_plain = len(branches) == 1 and not leaves_root_out

    def item(root: Root, place: _Place) -> Any:
        if is_plain:
            node = first_element(root, branch)
        else:
            node = next(iter(_named(root, query, branches, leaves_root_out)), None)
        return default() if node is None else _inside(where, rule.item, node, place)

    return item


def _items(where: str, rule: FieldRule, branches: tuple[Branch, ...], leaves_root_out: bool) -> Step:
    query, convert = rule.css.query, converter_of(rule.type)

    def items(root: Root, place: _Place) -> Any:
        nodes = _named(root, query, branches, leaves_root_out)
        found = [_inside(where, rule.item, node, place) for node in nodes]
        return found if convert is None or not found else convert(found)

    return items


def _named(root: Root, query: str, branches: tuple[Branch, ...], leaves_root_out: bool) -> list[LexborNode]:
    """The elements that are named; an item inside one of its own type never begins where that does."""
    is_one = len(branches) == 1 and branches[0].css
    nodes = elements(root, branches[0]) if is_one else [node.raw for node in select(root, query)]
    if leaves_root_out and isinstance(root, LexborNode):
        own = root.mem_id
        return [node for node in nodes if node.mem_id != own]
    return nodes


def _inside(where: str, item_type: type[Item], node: LexborNode, place: _Place) -> Any:
    place.left -= 1
    if place.left < 0:
        raise PageTooHeavy(place.url, f"{where} would be the 100,001st item in one: a narrower query can be asked")
    place.level += 1
    if place.level > _LEVELS:
        raise PageTooHeavy(place.url, f"{where} has items in each other, more than {_LEVELS} levels deep")
    item = _filler(item_type).fill(node, place)
    place.level -= 1
    return item
