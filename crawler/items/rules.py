"""``css()``: where on the page a field stands, and whether that fits the field's type. Pure."""

from __future__ import annotations

import dataclasses
import re as regex
from collections.abc import Callable
from copy import deepcopy
from functools import partial
from typing import Any, Final

import msgspec

from crawler.errors import ItemDefinitionError
from crawler.items.types import Annotation, converter_of, kind_of


class _Missing:
    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final = _Missing()
"""Stands for "no default": None is a default like any other."""
HERE: Final = ""
"""The query of a nested item that is filled from where the outer one is."""


class Css(msgspec.Struct, frozen=True):
    """The rule of one field. Made by :func:`css`."""

    query: str
    pattern: regex.Pattern[str] | None
    default: Any  # of the field's type
    many: bool | None
    """None: as the field's type has it."""
    then: Callable[[str], Any] | None  # Any: of the field's type


def css(
    query: str,
    *,
    re: str | regex.Pattern[str] | None = None,
    default: Any = MISSING,  # Any: of the field's type, as in dataclasses.field
    many: bool | None = None,
    then: Callable[[str], Any] | None = None,
) -> Any:
    """Where the value of an :class:`Item`'s field stands on the page.

    :param query: a CSS query; end it with ``::text`` or ``::attr(name)``, or the value is the element's HTML. For a field
        whose type is an Item it names the element that the inner item is filled from
    :param re: the value is this pattern's first group in the text (the whole match if it has no group); texts are
        tried in document order, the first match counts
    :param default: the value if nothing was found; without it the field is required, unless its type allows None
    :param many: every match instead of the first one: a list, empty if nothing was found. It goes without saying where
        the type is a list (or tuple, set, Sequence ...) and there is no *then*, which may make a list of one text
    :param then: a function of the found text (of each one, with *many*) that gives the value
    :raises TypeError: the query is no text, or is empty
    """
    if not isinstance(query, str) or not query.strip():
        raise TypeError(f"css() needs a CSS query, as in css('h1::text'), not {query!r}")
    pattern = regex.compile(re) if isinstance(re, str) else re
    return Css(query, pattern, default, many, then)


def fresh(default: Any) -> Callable[[], Any]:  # Any: of a field's type
    """What gives *default*: one of its own for each item, if it can be changed."""
    if isinstance(default, (list, dict, set, msgspec.Struct)):
        return partial(deepcopy, default)
    return lambda: default


class FieldRule(msgspec.Struct, frozen=True):
    """How one field of an item is filled."""

    name: str
    css: Css
    type: Annotation
    is_text: bool
    """Whether the type is plain ``str``, which needs no conversion."""
    allows_none: bool
    item: Any = None  # type[Item] | None, which this file does not know
    """The type of the inner item, or items."""
    is_url: bool = False
    """Whether what is found is joined by the page's base."""

    def convert(self, found: Any) -> Any:  # Any: text or what the rule's function made of it
        """*found* as the field's type; as it is, where it cannot be, so that the reject shows it."""
        convert = converter_of(self.type)
        return found if convert is None else convert(found)


def fitted(where: str, name: str, css: Css, annotation: Annotation) -> FieldRule:
    """The rule of the field *name* of a class called *where*.

    :raises ItemDefinitionError: rule and type do not fit each other
    """
    kind = kind_of(annotation)
    is_several = kind.element is not None
    inner = kind_of(kind.element).core if is_several else kind.core
    item = inner if is_item_type(inner) else None
    many = (is_several and css.then is None) if css.many is None else css.many
    problem = _problem_of_item(css) if item is not None else _problem_of_value(css, inner)
    if many and not is_several and (item is not None or kind.is_single):
        problem = f"many=True gives a list: write {name}: list[{_name(inner)}]"
    elif is_several and not many and css.then is None:
        problem = "many=False gives one value, and the type is a list: leave many out"
    elif is_several and item is not None and css.query == HERE:
        problem = f'css() must say which elements they are: {name}: {_name(kind.core)} = css("...")'
    if problem:
        raise ItemDefinitionError(f"{where}.{name}: {problem}")
    rule = msgspec.structs.replace(css, many=many)
    return FieldRule(name, rule, annotation, kind.core is str and not kind.is_url, kind.allows_none, item, kind.is_url)


def is_many(rule: Css, annotation: Annotation) -> bool:
    """Whether *rule* gives several; *annotation* may be text yet, if it names what comes later."""
    if rule.many is not None:
        return rule.many
    if isinstance(annotation, str):
        return rule.then is None and annotation.startswith(("list[", "List[", "typing.List["))
    return rule.then is None and kind_of(annotation).element is not None


def is_item_type(kind: Annotation) -> bool:
    """Whether *kind* is an Item class."""
    return isinstance(kind, type) and hasattr(kind, "__rules__")


def _problem_of_item(css: Css) -> str:
    if "::" in css.query:
        return "an item is filled from an element: leave the ::text or ::attr() out"
    if css.pattern is not None or css.then is not None:
        return "re= and then= are for text, and an item is filled from an element: give them to its own fields"
    return ""


def _problem_of_value(css: Css, inner: Annotation) -> str:
    if css.then is None and _has_fields(inner):
        return f"{_name(inner)} is no Item: derive it from crawler.Item, or make it of the text with then="
    return ""


def _has_fields(kind: Annotation) -> bool:
    return isinstance(kind, type) and (
        issubclass(kind, msgspec.Struct)
        or dataclasses.is_dataclass(kind)
        or hasattr(kind, "__attrs_attrs__")
        or hasattr(kind, "model_fields")
    )


def _name(annotation: Annotation) -> str:
    return (
        annotation.__name__ if isinstance(annotation, type) and not hasattr(annotation, "__args__") else str(annotation)
    )
