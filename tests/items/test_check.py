"""Is an item what its type says? Each kind of item, good and bad."""

from __future__ import annotations

import dataclasses
import json
from collections import OrderedDict, UserDict, defaultdict
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from types import MappingProxyType, SimpleNamespace
from typing import Any
from uuid import UUID

import attrs
import msgspec
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from crawler.items.check import is_item, reject_line, to_record
from crawler.items.item import Item
from crawler.items.rules import css
from crawler.outcome import Record, Reject

PAGE = "http://a.example/page"


@dataclasses.dataclass
class DataclassBook:
    title: str
    price: float = 1.0
    author: Author | None = None
    tags: list[str] = dataclasses.field(default_factory=list)


@attrs.define
class AttrsBook:
    title: str
    price: float = 1.0
    author: Author | None = None
    tags: list[str] = attrs.field(factory=list)


class StructBook(msgspec.Struct):
    title: str
    price: float = 1.0
    author: Author | None = None
    tags: list[str] = []


class ItemBook(Item):
    title: str = css("h1::text")
    price: float = css(".price::text", default=1.0)
    author: Author | None = None
    tags: list[str] = css(".tag::text", many=True)


class Author(msgspec.Struct):
    """Named by annotations above it."""

    name: str


class PydanticBook(pydantic.BaseModel):
    title: str
    price: float = 1.0
    author: PydanticAuthor | None = None
    tags: list[str] = []


class PydanticAuthor(pydantic.BaseModel):
    name: str


class Colour(Enum):
    RED = "red"


class Text(str):
    """A text of its own kind, as lxml gives them."""

    __slots__ = ()


class Real(float):
    """A number of its own kind, as numpy gives them."""

    __slots__ = ()


class Whole(int):
    """As numpy once gave them."""


class Found:
    """As a Selection: it has ``getall``."""

    def getall(self) -> list[str]:
        return ["a"]

    def __repr__(self) -> str:
        return "<Found>"


class Speechless:
    def __repr__(self) -> str:
        raise RuntimeError("no words")


TYPED = (DataclassBook, AttrsBook, StructBook, ItemBook)
ALL = (*TYPED, PydanticBook)


def unchecked(kind: Any, **values: Any) -> Any:
    """An item that skipped whatever its own type would have said."""
    return kind.model_construct(**values) if hasattr(kind, "model_construct") else kind(**values)


def rejected(item: Any) -> Reject:
    outcome = to_record(item, PAGE)
    assert isinstance(outcome, Reject), outcome
    json.loads(reject_line(outcome))  # it can always be written
    return outcome


def recorded(item: Any) -> Record:
    outcome = to_record(item, PAGE)
    assert isinstance(outcome, Record), outcome
    return outcome


@pytest.mark.parametrize("kind", ALL)
def test_a_good_item_of_every_kind_becomes_a_record(kind: Any) -> None:
    book = kind(title="Žluťoučký — 漢字 🦊", price=2.5, tags=["a"])
    record = recorded(book)
    text = '{"title":"Žluťoučký — 漢字 🦊","price":2.5,"author":null,"tags":["a"]}'
    assert (record.data.decode(), record.item, record.type) == (text, book, kind)


@pytest.mark.parametrize("kind", ALL)
@pytest.mark.parametrize(
    ("values", "field", "reason"),
    [
        ({"title": None}, "title", "got `null`"),
        ({"title": 7}, "title", "got `int`"),
        ({"title": "t", "price": "cheap"}, "price", "got `str`"),
        ({"title": "t", "price": "12"}, "price", "got `str`"),
        ({"title": "t", "tags": ["a", 1]}, "tags[1]", "got `int`"),
        ({"title": "t", "author": "Kafka"}, "author", "got `str`"),
    ],
)
def test_a_bad_item_of_every_kind_is_rejected_by_field_and_reason(
    kind: Any, values: dict[str, Any], field: str, reason: str
) -> None:
    reject = rejected(unchecked(kind, **values))
    if kind is PydanticBook:  # it names the field alone
        field = field.partition("[")[0]
    wrong = field.partition("[")[0]
    assert (reject.url, reject.item_type, reject.field) == (PAGE, kind.__name__, field)
    assert (reason in reject.reason, reject.values[wrong]) == (True, values[wrong])


@pytest.mark.parametrize("kind", TYPED)
def test_the_path_leads_into_what_is_nested(kind: Any) -> None:
    reject = rejected(kind(title="t", author=Author(name=3)))  # type: ignore[arg-type]
    assert (reject.field, reject.reason) == ("author.name", "Expected `str`, got `int`")


def test_a_required_field_that_was_not_found_is_named() -> None:
    reject = rejected(ItemBook(title=msgspec.UNSET, price=2.0))  # type: ignore[arg-type]
    assert (reject.field, reject.reason) == ("title", "nothing was found, and it has no default")
    assert reject.values == {"price": 2.0, "author": None, "tags": []}


@pytest.mark.parametrize("kind", TYPED)
def test_and_so_it_is_when_it_is_nested(kind: Any) -> None:
    reject = rejected(kind(title="t", author={}))
    assert (reject.field, reject.reason) == ("author.name", "nothing was found, and it has no default")


def test_a_pydantic_model_that_lacks_a_field_is_rejected() -> None:
    reject = rejected(PydanticBook.model_construct(price=2.0))
    assert (reject.field, reject.reason, reject.values) == (
        "title",
        "it has no value",
        {"price": 2.0, "author": None, "tags": []},
    )


def test_a_pydantic_model_that_was_changed_is_checked_again() -> None:
    book = PydanticBook(title="t")
    book.price = "cheap"  # type: ignore[assignment]
    assert rejected(book).field == "price"


class Sloppy(pydantic.BaseModel):
    title: str = None  # type: ignore[assignment]
    price: pydantic.PositiveFloat | None = 1
    both: date | datetime = date(2026, 1, 1)


def test_a_default_of_a_pydantic_model_is_its_author_s_business() -> None:
    assert recorded(Sloppy(price=None)).data == b'{"title":null,"price":null,"both":"2026-01-01"}'
    assert recorded(Sloppy.model_construct(both=None)).data == b'{"title":null,"price":1.0,"both":null}'


@attrs.define
class Private:
    b: int
    _a: int = 1


def test_private_fields_of_attrs_are_not_part_of_the_record() -> None:
    assert recorded(Private(2, 3)).data == b'{"b":2}'


class Parsed(pydantic.BaseModel, extra="forbid"):
    price: float = pydantic.Field(alias="Price")
    secret: str = pydantic.Field("x", exclude=True)

    @pydantic.field_validator("price", mode="before")
    @classmethod
    def without_sign(cls, value: str) -> str:
        return value.removeprefix("£")

    @pydantic.computed_field  # type: ignore[prop-decorator]
    @property
    def cents(self) -> int:
        return round(self.price * 100)


def test_pydantic_validates_once_and_aliases_and_computed_fields_are_no_hindrance() -> None:
    assert recorded(Parsed(Price="£2.50")).data == b'{"price":2.5,"cents":250}'


def test_a_base_class_s_fields_are_checked_too() -> None:
    class Signed(ItemBook):
        by: str = css(".by::text")

    reject = rejected(Signed(title=1, by="me"))  # type: ignore[arg-type]
    assert (reject.item_type, reject.field) == ("Signed", "title")
    assert recorded(Signed(title="t", by="me")).data.endswith(b'"by":"me"}')


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (float("nan"), None),
        (float("inf"), None),
        (datetime(2026, 1, 2, 3, tzinfo=UTC), "2026-01-02T03:00:00Z"),
        (date(2026, 1, 2), "2026-01-02"),
        (Decimal("1.50"), "1.50"),
        (Colour.RED, "red"),
        (b"\x00\xff", "AP8="),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (URL("http://a.example/ö"), "http://a.example/%C3%B6"),
        (Text("ä"), "ä"),
        (Real(1.5), 1.5),
        (Whole(7), 7),
        (10**30, 10**30),
        ((1, 2), [1, 2]),
        ({1}, [1]),
        (UserDict(a=1), {"a": 1}),
        (PydanticAuthor(name="a"), {"name": "a"}),
        (DataclassBook("t"), {"title": "t", "price": 1.0, "author": None, "tags": []}),
        ("\u2028</script>\x00", "\u2028</script>\x00"),
    ],
)
def test_a_dict_may_hold_what_can_be_written_as_json(value: Any, written: Any) -> None:
    record = recorded({"value": value})
    assert (json.loads(record.data), record.type) == ({"value": written}, None)


@pytest.mark.parametrize(
    "item", [{"a": [1]}, OrderedDict(a=[1]), defaultdict(list, a=[1]), UserDict(a=[1]), MappingProxyType({"a": [1]})]
)
def test_every_mapping_is_a_dict(item: Any) -> None:
    record = recorded(item)
    assert (record.data, record.item == item, record.type) == (b'{"a":[1]}', True, None)


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


def cycle() -> dict[str, Any]:
    value: dict[str, Any] = {}
    value["self"] = value
    return value


SELECTION = "it is a Found, not text: add .get() or .getall()"
DEEP = "it contains itself, or is nested too deeply"


@pytest.mark.parametrize(
    ("value", "field", "reason"),
    [
        (Found(), "value", SELECTION),
        ([Found()], "value[0]", SELECTION),
        ({"a": [1, {"b": Found()}]}, "value.a[1].b", SELECTION),
        (DataclassBook("t", tags=[Found()]), "value.tags[0]", SELECTION),  # type: ignore[list-item]
        (AttrsBook(Found()), "value.title", SELECTION),  # type: ignore[arg-type]
        (StructBook(Found()), "value.title", SELECTION),  # type: ignore[arg-type]
        (object(), "value", "a object cannot be written as JSON: object is no type that JSON has"),
        ({(1, 2): 3}, "value", "a dict cannot be written as JSON: tuple is no type that JSON has"),
        ("a\ud800", "value", "surrogates not allowed"),
        (cycle(), "value", DEEP),
        (nested(100_000), "value", DEEP),
        (Speechless(), "value", "Speechless is no type that JSON has"),
    ],
)
def test_what_cannot_be_written_is_named_by_its_path(value: Any, field: str, reason: str) -> None:
    reject = rejected({"fine": 1, "value": value})
    assert (reject.field, reason in reject.reason, reject.values["fine"]) == (field, True, 1)


@pytest.mark.parametrize("kind", ALL)
def test_a_selection_in_a_typed_field_is_named_too(kind: Any) -> None:
    reject = rejected(unchecked(kind, title=Found()))
    if kind is PydanticBook:
        assert (reject.field, "Found" in reject.reason) == ("title", True)
    else:
        assert (reject.field, reject.reason, reject.values["title"]) == ("title", SELECTION, "<Found>")


def test_a_search_for_what_is_wrong_ends_somewhere() -> None:
    value: Any = Found()
    for _ in range(80):
        value = [value]
    assert rejected({"value": value}).field == "value" + "[0]" * 49


@pytest.mark.parametrize("item", [{(1, 2): 3}, {"\ud800": 1}])
def test_a_key_that_cannot_be_written_is_the_item_s_own_fault(item: dict[Any, Any]) -> None:
    assert rejected(item).field == ""


def test_half_a_character_is_written_out_in_the_reject() -> None:
    assert rejected({"\ud800": 1, "b": "x\udfff"}).values == {"\\ud800": 1, "b": "'x\\udfff'"}


def test_what_has_no_words_is_shown_by_its_type() -> None:
    values = rejected({"a": Speechless(), "b": nested(100_000)}).values
    assert values == {"a": "<Speechless>", "b": "<list>"}


def test_a_long_value_is_cut_short() -> None:
    assert len(rejected({"a": ["\ud800" + "x" * 5000]}).values["a"]) <= 1005


@dataclasses.dataclass
class Keyed:
    stock: dict[int, int]


@pytest.mark.parametrize(
    ("stock", "field", "reason"),
    [
        ({"x": 1}, "stock", "Expected `int`, got `str` as a key"),
        ({1: "x"}, "stock[...]", "Expected `int`, got `str`"),
    ],
)
def test_keys_and_values_of_a_dict_are_checked(stock: Any, field: str, reason: str) -> None:
    reject = rejected(Keyed(stock))
    assert (reject.field, reject.reason) == (field, reason)


@dataclasses.dataclass
class Linked:
    link: URL
    label: Text
    author: PydanticAuthor | None = None


def test_fields_of_other_libraries_types_are_checked_by_them() -> None:
    good = Linked(URL("http://a.example/"), Text("a"), PydanticAuthor(name="a"))
    assert recorded(good).data == b'{"link":"http://a.example/","label":"a","author":{"name":"a"}}'
    assert rejected(Linked(3, Text("a"))).field == "link"  # type: ignore[arg-type]
    assert rejected(Linked(URL("/"), Text("a"), {"name": 1})).field == "author"  # type: ignore[arg-type]


@dataclasses.dataclass
class Odd:
    value: Found


@dataclasses.dataclass
class Called:
    value: Callable[[], int]


@pytest.mark.parametrize("kind", [Odd, Called])
def test_a_field_of_a_type_that_json_has_not_is_rejected(kind: Any) -> None:
    reject = rejected(kind(3))
    assert (reject.field, "is no type that JSON has" in reject.reason) == ("value", True)


@dataclasses.dataclass
class Ambiguous:
    when: date | datetime


def test_a_type_that_cannot_be_checked_is_a_reason_not_an_error() -> None:
    @dataclasses.dataclass
    class Local:
        author: Nowhere  # type: ignore[name-defined]  # noqa: F821

    starts = [rejected(item).reason[:40] for item in (Ambiguous(date(2026, 1, 1)), Local(1))]
    assert starts == ["its type cannot be checked: Type unions ", "its type cannot be checked: name 'Nowher"]


class Row(msgspec.Struct, array_like=True):
    title: str


@pytest.mark.parametrize("item", [Row("t"), pydantic.RootModel[list[int]]([1])])
def test_an_item_without_named_fields_is_none(item: Any) -> None:
    assert rejected(item).reason == "it is not written as a JSON object: an item has named fields"


def test_a_pydantic_model_that_cannot_be_written_says_so() -> None:
    assert (rejected(PydanticBook.model_construct(title="\ud800")).field) == "title"


def test_types_made_on_every_page_do_not_fill_the_memory() -> None:
    from crawler.items.check import _decoder

    for number in range(300):
        recorded(msgspec.defstruct(f"Book{number}", [("title", str)])("t"))
    assert _decoder.cache_info().currsize <= 256


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({}, True),
        (UserDict(), True),
        *((unchecked(kind, title="t"), True) for kind in ALL),
        *((kind, False) for kind in ALL),
        (None, False),
        ("text", False),
        ([{}], False),
        (7, False),
        (SimpleNamespace(a=1), False),
    ],
)
def test_which_values_are_items(value: Any, expected: bool) -> None:
    assert is_item(value) == expected


def test_a_reject_is_one_line_of_json() -> None:
    line = reject_line(Reject(PAGE, "Book", "title", "a\nb", {"title": "ä"}))
    assert line.decode() == (
        '{"url":"http://a.example/page","item_type":"Book","field":"title","reason":"a\\nb","values":{"title":"ä"}}'
    )


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()) | st.binary() | st.just(Found()),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(st.characters()) | st.integers() | st.tuples(st.integers()), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.text(st.characters()) | st.integers(), ANYTHING, max_size=3))
def test_whatever_a_dict_holds_is_a_record_or_a_reject_of_one_line(item: dict[Any, Any]) -> None:
    outcome = to_record(item, PAGE)
    line = outcome.data if isinstance(outcome, Record) else reject_line(outcome)
    assert (isinstance(json.loads(line), dict), b"\n" in line) == (True, False)


@given(st.sampled_from(TYPED), ANYTHING, ANYTHING)
def test_whatever_a_typed_item_holds_is_a_record_or_a_reject_of_one_line(kind: Any, title: Any, price: Any) -> None:
    outcome = to_record(kind(title=title, price=price), PAGE)
    if isinstance(outcome, Record):
        assert isinstance(json.loads(outcome.data)["title"], str)
    else:
        assert json.loads(reject_line(outcome))["url"] == PAGE
