"""``Item`` and ``css()``: what a field is, and where on the page it stands."""

from __future__ import annotations

import re as regex
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final, dataclass_transform

import msgspec


class _Missing:
    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final = _Missing()
"""Stands for "no default": None is a default like any other."""


class Css(msgspec.Struct, frozen=True):
    """The rule of one field. Made by :func:`css`."""

    query: str
    pattern: regex.Pattern[str] | None
    default: Any  # of the field's type
    many: bool
    then: Callable[[str], Any] | None  # Any: of the field's type


def css(
    query: str,
    *,
    re: str | regex.Pattern[str] | None = None,
    default: Any = MISSING,  # Any: of the field's type, as in dataclasses.field
    many: bool = False,
    then: Callable[[str], Any] | None = None,
) -> Any:
    """Where the value of an :class:`Item`'s field stands on the page.

    :param query: a CSS query; end it with ``::text`` or ``::attr(name)``, or the value is the element's HTML
    :param re: the value is this pattern's first group in the text (the whole match if it has no group); texts are
        tried in document order, the first match counts
    :param default: the value if nothing was found; without it the field is required, unless its type allows None
    :param many: every match instead of the first one; the field is a list, empty if nothing was found
    :param then: a function of the found text (of each one, with *many*) that gives the value
    """
    pattern = regex.compile(re) if isinstance(re, str) else re
    return Css(query, pattern, default, many, then)


@dataclass_transform(kw_only_default=True, field_specifiers=(css,))
class _ItemMeta(msgspec.StructMeta):
    """Takes the ``css()`` rules out of the class body, so that the fields are ordinary ones."""

    __rules__: dict[str, Css]

    def __new__(
        mcls, name: str, bases: tuple[type, ...], namespace: dict[str, Any], **options: Any
    ) -> Any:  # Any: what a class body and msgspec's options hold
        rules = {field: value for field, value in namespace.items() if isinstance(value, Css)}
        for field, rule in rules.items():
            if rule.default is MISSING and not rule.many:
                del namespace[field]
            else:
                namespace[field] = [] if rule.many else rule.default
        options.setdefault("kw_only", True)
        cls: Any = super().__new__(mcls, name, bases, namespace, **options)
        for field in rules:
            if field not in cls.__struct_fields__:
                raise TypeError(f"{name}.{field} has a rule but no type: write {field}: str = css(...)")
        inherited = {field: rule for base in reversed(bases) for field, rule in getattr(base, "__rules__", {}).items()}
        kept = {field: rule for field, rule in inherited.items() if field not in namespace}  # a plain value replaces it
        cls.__rules__ = {**kept, **rules}
        return cls


class Item(msgspec.Struct, metaclass=_ItemMeta):
    """A typed record of a page: annotated fields, each with the place where it stands.

    ::

        class Book(Item):
            url: str                                                     # filled with the page's URL
            title: str = css(".product_main h1::text")
            price: float = css(".price_color::text", re=r"[\\d.]+")      # text becomes a float
            in_stock: int = css(".availability::text", re=r"\\d+", default=0)

    ``page.extract(Book)`` fills it. What fails its type is not an error of the page: the item goes to
    ``*.rejects.jsonl``, with the reason, when it is emitted.
    """


class FieldRule(msgspec.Struct, frozen=True):
    """How one field of an item is filled."""

    name: str
    css: Css
    type: Any  # a type expression
    is_text: bool
    """Whether the type is plain ``str``, which needs no conversion."""
    allows_none: bool

    def convert(self, found: Any) -> Any:  # Any: text or what the rule's function made of it
        """*found* as the field's type; as it is, where it cannot be, so that the reject shows it."""
        if self.is_text and type(found) is str:
            return found
        try:
            return msgspec.convert(found, self.type, strict=False)
        except msgspec.ValidationError:
            return found


class Plan(msgspec.Struct, frozen=True):
    """How an item type is filled from a page."""

    rules: tuple[FieldRule, ...]
    required: tuple[str, ...]
    """Fields that have neither a rule nor a default."""
    takes_url: bool
    """Whether a field named ``url``, without a rule of its own, gets the page's URL."""


@lru_cache(maxsize=256)
def plan_of(item_type: type[Item]) -> Plan:
    """Worked out once for each type, when it is first used: annotations may name types that come later."""
    css_rules: dict[str, Css] = getattr(item_type, "__rules__", {})
    fields = msgspec.structs.fields(item_type)
    rules = [
        FieldRule(field.name, css_rules[field.name], field.type, field.type is str, _allows_none(field.type))
        for field in fields
        if field.name in css_rules
    ]
    others = [field for field in fields if field.name not in css_rules]
    required = tuple(field.name for field in others if field.required)
    return Plan(tuple(rules), required, any(field.name == "url" for field in others))


def _allows_none(annotation: Any) -> bool:  # Any: a type expression
    try:
        msgspec.convert(None, annotation)
    except msgspec.ValidationError:
        return False
    return True
