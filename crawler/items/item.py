"""``Item``: a typed record of a page, whose fields say where they stand on it."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from functools import lru_cache, partial
from typing import Any, ClassVar, dataclass_transform

import msgspec

from crawler.errors import ItemDefinitionError
from crawler.items.annotations import annotations_of, resolve
from crawler.items.keys import Keep, Key, keyed
from crawler.items.rules import HERE, MISSING, Css, FieldRule, css, fitted, fresh, is_item_type, is_many
from crawler.items.types import kind_of

_HERE_RULE = Css(HERE, None, MISSING, many=False, then=None)


class _ItemMeta(msgspec.StructMeta):
    """Takes the ``css()`` rules out of the class body, so that the fields are ordinary ones."""

    __rules__: dict[str, Css]
    __key__: Key | None

    def __new__(
        mcls,
        name: str,
        bases: tuple[type, ...],
        namespace: dict[str, Any],  # Any: what a class body holds
        *,
        key: str | Sequence[str] | None = None,
        keep: Keep | None = None,
        **options: Any,  # Any: msgspec's
    ) -> Any:
        scope = sys._getframe(1)  # noqa: SLF001 - where the class is defined, which may be a function
        annotations = resolve(annotations_of(namespace), scope.f_globals, scope.f_locals)
        if "__annotations__" in namespace:
            namespace["__annotations__"] = annotations
        rules = {field: value for field, value in namespace.items() if isinstance(value, Css)}
        for field, rule in rules.items():
            if field not in annotations:
                raise ItemDefinitionError(f"{name}.{field} has a rule but no type: write {field}: str = css(...)")
            if rule.default is not MISSING:
                given = fresh(rule.default)
                namespace[field] = msgspec.field(default_factory=given) if isinstance(given, partial) else rule.default
            elif is_many(rule, annotations[field]):
                namespace[field] = []
            else:
                del namespace[field]
        options.setdefault("kw_only", True)
        cls: Any = super().__new__(mcls, name, bases, namespace, **options)
        if "__annotations__" in namespace:  # the class can name itself now
            annotations = resolve(annotations, scope.f_globals, {**scope.f_locals, name: cls})
            cls.__annotations__ = annotations
        for field, rule in rules.items():
            if not isinstance(annotations[field], str):
                fitted(name, field, rule, annotations[field])
        inherited = {field: rule for base in reversed(bases) for field, rule in getattr(base, "__rules__", {}).items()}
        kept = {field: rule for field, rule in inherited.items() if field not in namespace}  # a plain value replaces it
        cls.__rules__ = {**kept, **rules}
        cls.__key__ = keyed(cls, key, keep, next((base.__key__ for base in bases if hasattr(base, "__key__")), None))
        return cls


@dataclass_transform(kw_only_default=True, field_specifiers=(css,))
class Item(msgspec.Struct, metaclass=_ItemMeta):
    """A typed record of a page: annotated fields, each with the place where it stands.

    ::

        class Review(Item):
            by: str = css(".by::text")
            stars: int = css("::attr(data-stars)")

        class Book(Item, key="url"):                                     # one record for each URL: the last one
            url: str                                                     # filled with the page's URL
            title: str = css(".product_main h1::text")
            price: float = css(".price_color::text", re=r"[\\d.]+")      # text becomes a float
            in_stock: int = css(".availability::text", re=r"\\d+", default=0)
            reviews: list[Review] = css("article.review")                # each filled from inside its element

    ``page.extract(Book)`` fills it. What fails its type is not an error of the page: the item goes to
    ``*.rejects.jsonl``, with the reason, when it is emitted.

    Keywords of the class statement: *key* (a field, or a tuple of fields: items that agree in them are one and the
    same) and *keep* (``"last"``: a later one replaces it; ``"first"``: later ones are dropped), both inherited; and
    those of :class:`msgspec.Struct`.
    """

    __rules__: ClassVar[dict[str, Css]]
    __key__: ClassVar[Key | None]


class Plan(msgspec.Struct, frozen=True):
    """How an item type is filled from a page."""

    rules: tuple[FieldRule, ...]
    required: tuple[str, ...]
    """Fields that have neither a rule nor a default."""
    takes_url: bool
    """Whether a field named ``url``, without a rule of its own, gets the page's URL."""


@lru_cache(maxsize=256)
def plan_of(item_type: type[Item]) -> Plan:
    """Worked out once for each type, when it is first used: annotations may name types that come later.

    :raises ItemDefinitionError: a rule and its type do not fit, or a type names something that is nowhere
    """
    name = item_type.__name__
    try:
        fields = msgspec.structs.fields(item_type)
    except NameError as error:
        raise ItemDefinitionError(
            f"{name}: {error}: a type that comes later can be named where both are at the top of a module"
        ) from None
    css_rules = dict(item_type.__rules__)
    for field in fields:
        if field.required and field.name not in css_rules and is_item_type(kind_of(field.type).core):
            css_rules[field.name] = _HERE_RULE
    rules = [fitted(name, field.name, css_rules[field.name], field.type) for field in fields if field.name in css_rules]
    others = [field for field in fields if field.name not in css_rules]
    required = tuple(field.name for field in others if field.required)
    _refuse_endless(item_type, rules)
    return Plan(tuple(rules), required, any(field.name == "url" for field in others))


def reaches(start: type[Item], end: type[Item]) -> bool:
    """Whether an item of *start* may have one of *end* in it, however deep."""
    waiting, seen = [start], {start}
    while waiting:
        for rule in plan_of(waiting.pop()).rules:
            if rule.item is end:
                return True
            if rule.item is not None and rule.item not in seen:
                seen.add(rule.item)
                waiting.append(rule.item)
    return False


def _refuse_endless(item_type: type[Item], rules: Sequence[FieldRule]) -> None:
    """Items in each other, all of them filled from the same place."""
    for rule in rules:
        if rule.css.query == HERE and any(inner is item_type for inner in _all_here(rule.item)):
            raise ItemDefinitionError(
                f"{item_type.__name__}.{rule.name} would be filled from where the item itself is, and so on without end: "
                "give it css(), or a default"
            )


def _all_here(item_type: type[Item]) -> Iterator[type[Item]]:
    """*item_type*, and those that are filled from the same place."""
    waiting, seen = [item_type], {item_type}
    while waiting:
        at = waiting.pop()
        yield at
        for field in msgspec.structs.fields(at):
            inner = kind_of(field.type).core
            if field.required and field.name not in at.__rules__ and is_item_type(inner) and inner not in seen:
                seen.add(inner)
                waiting.append(inner)
