"""Filling an ``Item`` from a page or from a part of one."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec
from selectolax.lexbor import LexborHTMLParser, LexborNode

from crawler.items.item import MISSING, FieldRule, Item, plan_of
from crawler.parse.select import first_values

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
    for name in item_type.__struct_fields__:
        if name not in values and not _has_default(item_type, name):
            values[name] = msgspec.UNSET
    return item_type(**values)


def _value(root: LexborHTMLParser | LexborNode, rule: FieldRule) -> Any:
    css = rule.css
    found = []
    for text in first_values(root, css.query):
        if css.pattern is not None:
            match = css.pattern.search(text)
            if match is None:
                continue
            text = match[1] if css.pattern.groups and match[1] is not None else match[0]
        text = text.strip()
        found.append(text if css.then is None else css.then(text))
        if not css.many:
            break
    if css.many:
        return rule.convert(found)
    if found:
        return rule.convert(found[0])
    if css.default is not MISSING:
        return css.default
    return None if rule.allows_none else msgspec.UNSET


def _has_default(item_type: type[Item], name: str) -> bool:
    for field in msgspec.structs.fields(item_type):
        if field.name == name:
            return not field.required
    return True
