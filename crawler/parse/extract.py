"""Filling an ``Item`` from a page or from a part of one."""

from __future__ import annotations

from copy import copy
from typing import Any, TypeVar

import msgspec
from selectolax.lexbor import LexborHTMLParser, LexborNode

from crawler.items.item import MISSING, Css, FieldRule, Item, plan_of
from crawler.parse.select import first_texts, texts

I = TypeVar("I", bound=Item)  # noqa: E741 (a type variable, and the only one here)


def extract(item_type: type[I], root: LexborHTMLParser | LexborNode, url: str) -> I:
    """An *item_type* with each field filled by its rule. Nothing is raised for what fails its type.

    A required field that was not found is left unset, and one that cannot be converted keeps its text: both are
    rejected, with the reason, when the item is emitted.
    """
    plan = plan_of(item_type)
    values: dict[str, Any] = {rule.name: _value(root, rule) for rule in plan.rules}  # Any: of each field's type
    if plan.takes_url:
        values["url"] = url
    for name in plan.required:
        values.setdefault(name, msgspec.UNSET)
    return item_type(**values)


def _value(root: LexborHTMLParser | LexborNode, rule: FieldRule) -> Any:
    css = rule.css
    if css.many:
        matches = [_match(css, text) for text in texts(root, css.query)]
        found = [match for match in matches if match is not None]
        return rule.convert(found if css.then is None else [css.then(match) for match in found])
    match = _first_match(root, css)
    if match is not None:
        if css.then is None:
            return match if rule.is_text else rule.convert(match)
        return rule.convert(css.then(match))
    if css.default is not MISSING:
        return copy(css.default)  # a list of its own for each item
    return None if rule.allows_none else msgspec.UNSET


def _first_match(root: LexborHTMLParser | LexborNode, css: Css) -> str | None:
    known = first_texts(root, css.query)
    if known is None:
        return None
    for text in known:
        match = _match(css, text)
        if match is not None:
            return match
    rest = (_match(css, text) for text in texts(root, css.query)[len(known) :])
    return next((match for match in rest if match is not None), None)


def _match(css: Css, text: str) -> str | None:
    if css.pattern is None:
        return text.strip()
    match = css.pattern.search(text)
    if match is None:
        return None
    return (match[1] if css.pattern.groups and match[1] is not None else match[0]).strip()
