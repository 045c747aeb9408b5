"""``Item`` and ``css()``: what a field is, and where it stands."""

from __future__ import annotations

import pickle
import re
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from crawler.items.item import MISSING, Css, FieldRule, Item, css, plan_of


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
        ("slug", str | None, False, True),
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


@pytest.mark.parametrize(
    ("annotation", "found", "converted"),
    [
        (str, "a", "a"),
        (str, 7, 7),
        (int, "12", 12),
        (int, "1.0", 1),
        (int, "1,234", "1,234"),
        (int, "9" * 30, int("9" * 30)),
        (float, "12.5", 12.5),
        (float, "cheap", "cheap"),
        (bool, "true", True),
        (Decimal, "1.50", Decimal("1.50")),
        (int | None, "12", 12),
        (str | None, "null", "null"),
        (list[int], ["1", "2"], [1, 2]),
        (list[int], ["1", "x"], ["1", "x"]),
        (set[str], ["a", "a"], {"a"}),
        (Any, "a", "a"),
    ],
)
def test_text_becomes_the_field_s_type_or_stays_for_the_reject_to_show(
    annotation: Any, found: Any, converted: Any
) -> None:
    rule = FieldRule("value", css("p"), annotation, is_text=annotation is str, allows_none=False)
    made = rule.convert(found)
    assert (made, type(made)) == (converted, type(converted))
