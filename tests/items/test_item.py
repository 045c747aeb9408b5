"""``Item`` and ``css()``: what a field is, and where it stands."""

from __future__ import annotations

import dataclasses
import pickle
import re
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from crawler.errors import ItemDefinitionError
from crawler.items.item import Item, plan_of, reaches
from crawler.items.rules import MISSING, Css, css
from crawler.items.types import Url


class Book(Item):
    url: str
    title: str = css("h1::text")
    price: float = css(".price::text", re=r"[\d.]+")
    stock: int = css(".stock::text", re=re.compile(r"(\d+) left", re.IGNORECASE), default=0)
    tags: list[str] = css(".tag::text", many=True)
    slug: str | None = css("a::attr(href)", then=str.upper)
    author: Author | None = None


class Author(msgspec.Struct):
    """Named by an annotation above it."""

    name: str


class Priced(Book, frozen=True):
    price: Decimal
    title: str = "fixed"
    isbn: str = css(".isbn::text")


def rules(item_type: type[Item]) -> dict[str, Css]:
    return {rule.name: rule.css for rule in plan_of(item_type).rules}


def test_a_rule_says_where_the_value_stands() -> None:
    found = rules(Book)["title"]
    assert found == Css("h1::text", None, MISSING, many=False, then=None)
    assert repr(found.default) == "MISSING"


@pytest.mark.parametrize(
    ("field", "pattern", "flags"),
    [("price", r"[\d.]+", re.UNICODE), ("stock", r"(\d+) left", re.UNICODE | re.IGNORECASE)],
)
def test_a_pattern_is_a_text_or_compiled_already(field: str, pattern: str, flags: int) -> None:
    compiled = rules(Book)[field].pattern
    assert compiled is not None
    assert (compiled.pattern, compiled.flags) == (pattern, flags)


def test_a_pattern_that_cannot_be_read_is_an_error_at_once() -> None:
    with pytest.raises(re.error):
        css("h1", re="(")


def test_a_rule_may_have_a_function_of_the_text() -> None:
    then = rules(Book)["slug"].then
    assert then is not None
    assert then("a") == "A"


def test_fields_with_rules_are_ordinary_fields() -> None:
    book = Book(url="u", title="t", price=1.0, slug=None)
    assert (book.stock, book.tags, book.author) == (0, [], None)
    with pytest.raises(TypeError, match="Missing required argument"):
        Book(url="u")  # type: ignore[call-arg]


def test_a_repeated_field_is_a_new_list_each_time() -> None:
    first = Book(url="u", title="t", price=1.0, slug=None)
    first.tags.append("x")
    assert Book(url="u", title="t", price=1.0, slug=None).tags == []


def test_an_item_crosses_processes() -> None:
    book = Book(url="u", title="t", price=1.0, slug=None, author=Author("a"))
    assert pickle.loads(pickle.dumps(book)) == book


def test_the_plan_has_each_field_that_has_a_rule() -> None:
    plan = plan_of(Book)
    shown = [(rule.name, rule.type, rule.is_text, rule.allows_none) for rule in plan.rules]
    assert shown == [
        ("title", str, True, False),
        ("price", float, False, False),
        ("stock", int, False, False),
        ("tags", list[str], False, False),
        ("slug", str | None, True, True),
    ]
    assert plan_of(Book) is plan


def test_a_field_named_url_gets_the_page_s_unless_it_has_a_rule() -> None:
    class Own(Item):
        url: str = css("link::attr(href)")

    class Bare(Item):
        title: str

    assert [plan_of(kind).takes_url for kind in (Book, Priced, Own, Bare)] == [True, True, False, False]


def test_rules_are_inherited_a_type_may_be_narrowed_and_a_plain_value_replaces_a_rule() -> None:
    types = {rule.name: rule.type for rule in plan_of(Priced).rules}
    assert types == {"price": Decimal, "isbn": str, "stock": int, "tags": list[str], "slug": str | None}
    item = Priced(url="u", price=Decimal(1), isbn="i", slug=None)
    assert item.title == "fixed"


def test_a_subclass_leaves_its_base_alone() -> None:
    assert (rules(Book)["price"].query, "isbn" in rules(Book), "title" in rules(Book)) == (".price::text", False, True)


def test_a_later_rule_replaces_an_earlier_one() -> None:
    class Other(Book):
        title: str = css("h2::text", default="untitled")

    assert (rules(Other)["title"].query, rules(Other)["title"].default) == ("h2::text", "untitled")


def test_rules_come_from_every_base() -> None:
    class Marked:
        """A mix-in without fields."""

    class Left(Item):
        a: str = css(".a")

    class Middle(Left):
        b: str = css(".b")

    class Right(Marked, Middle):
        c: str = css(".c")

    assert {name: rule.query for name, rule in rules(Right).items()} == {"a": ".a", "b": ".b", "c": ".c"}


def test_a_rule_without_a_type_is_an_error_that_says_what_to_write() -> None:
    with pytest.raises(TypeError) as raised:

        class Broken(Item):
            title = css("h1::text")

    assert str(raised.value) == "Broken.title has a rule but no type: write title: str = css(...)"


def test_several_are_meant_where_the_type_is_a_list() -> None:
    class Several(Item):
        many: list[str] = css("a")
        sets: set[str] = css("a")
        later: list[LaterItem] = css("a")
        perhaps: list[str] | None = css("a")
        words: list[str] = css("a", then=str.split)
        one: str = css("a")

    shown = {rule.name: rule.css.many for rule in plan_of(Several).rules}
    assert shown == {"many": True, "sets": True, "later": True, "perhaps": True, "words": False, "one": False}
    assert Several(words=[], one="a").many == []


class LaterItem(Item):
    name: str = css("b")


def test_types_that_a_function_names_are_found_and_a_class_may_name_itself() -> None:
    class Author(Item):
        name: str = css("b::text")

    class Comment(Item):
        author: Author = css(".author")
        replies: list[Comment] = css(".comment")
        link: Url | None = css("a::attr(href)")

    shown = [(rule.name, rule.item, rule.allows_none, rule.is_url) for rule in plan_of(Comment).rules]
    assert shown == [("author", Author, False, False), ("replies", Comment, False, False), ("link", None, True, True)]


def test_an_inner_item_without_a_rule_is_filled_from_the_same_place_unless_it_has_a_default() -> None:
    class Outer(Item):
        inner: LaterItem
        maybe: LaterItem | None
        never: LaterItem | None = None
        several: list[LaterItem]

    plan = plan_of(Outer)
    assert ([(rule.name, rule.css.query) for rule in plan.rules], plan.required) == (
        [("inner", ""), ("maybe", "")],
        ("several",),
    )


@dataclasses.dataclass
class Plain:
    name: str


def defined(annotation: Any, rule: Any) -> type[Item]:
    return type(Item)(
        "Broken", (Item,), {"__annotations__": {"field": annotation}, "field": rule, "__module__": __name__}
    )


@pytest.mark.parametrize(
    ("annotation", "rule", "told"),
    [
        (str, css("a", many=True), "many=True gives a list: write field: list[str]"),
        (Decimal, css("a", many=True), "many=True gives a list: write field: list[Decimal]"),
        (LaterItem, css("a", many=True), "many=True gives a list: write field: list[LaterItem]"),
        (list[str], css("a", many=False), "many=False gives one value, and the type is a list: leave many out"),
        (LaterItem, css("a::text"), "an item is filled from an element: leave the ::text or ::attr() out"),
        (list[LaterItem], css("a::attr(b)"), "an item is filled from an element: leave the ::text or ::attr() out"),
        (LaterItem, css("a", re="b"), "re= and then= are for text"),
        (list[LaterItem], css("a", then=len), "re= and then= are for text"),
        (Author, css("a"), "Author is no Item: derive it from crawler.Item, or make it of the text with then="),
        (list[Plain], css("a"), "Plain is no Item: derive it from crawler.Item"),
    ],
)
def test_a_rule_that_does_not_fit_its_type_is_an_error_of_the_class(annotation: Any, rule: Any, told: str) -> None:
    with pytest.raises(TypeError, match=re.escape(f"Broken.field: {told}")) as raised:
        defined(annotation, rule)
    assert isinstance(raised.value, ItemDefinitionError)


@pytest.mark.parametrize("query", ["", "  ", None, 7])
def test_a_rule_needs_a_query(query: Any) -> None:
    with pytest.raises(TypeError, match="needs a CSS query, as in"):
        css(query)


class Endless(Item):
    inner: EndlessInner


class EndlessInner(Item):
    name: str = css("b")
    outer: Endless | None


def test_items_that_would_be_filled_from_one_place_without_end_are_an_error() -> None:
    with pytest.raises(ItemDefinitionError) as raised:
        plan_of(Endless)
    assert str(raised.value) == (
        "Endless.inner would be filled from where the item itself is, and so on without end: give it css(), or a default"
    )


def test_a_type_that_is_nowhere_is_an_error_of_the_class_that_names_it() -> None:
    class Lost(Item):
        inner: Nowhere = css("a")  # type: ignore[name-defined]  # noqa: F821

    with pytest.raises(ItemDefinitionError, match=r"^Lost: name 'Nowhere' is not defined: a type that comes later"):
        plan_of(Lost)


def test_which_items_may_be_in_which() -> None:
    class Inner(Item):
        name: str = css("b")

    class Middle(Item):
        inner: list[Inner] = css("i")

    class Outer(Item):
        middle: Middle | None = css("m")

    found = [reaches(Outer, Inner), reaches(Middle, Inner), reaches(Inner, Middle), reaches(Middle, Middle)]
    assert found == [True, True, False, False]
