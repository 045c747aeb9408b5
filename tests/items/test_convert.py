"""Foreign data as items: what fits is one, what does not is a reject with its reason."""

from dataclasses import dataclass
from datetime import date

import attrs
import msgspec
import pydantic
import pytest

from crawler.errors import UsageError
from crawler.items.convert import check_item_type, converted
from crawler.items.item import Item
from crawler.outcome import Reject

URL = "http://a.test/"


class Offer(Item):
    name: str
    price: float
    stock: int | None = None
    sold: int = 0


@dataclass
class Plain:
    name: str


@attrs.define
class Attrs:
    name: str


class Model(pydantic.BaseModel):
    name: str
    price: float = 0.0


def test_what_fits_is_an_item_and_what_its_type_does_not_know_is_left_out():
    assert converted({"name": "a", "price": 1, "other": []}, Offer, URL) == Offer(name="a", price=1.0)
    assert converted({"name": "a"}, Plain, URL) == Plain("a")
    assert converted({"name": "a"}, Attrs, URL) == Attrs("a")
    assert converted({"name": "a"}, Model, URL) == Model(name="a")


@pytest.mark.parametrize(
    ("row", "item_type", "field", "reason"),
    [
        ({"name": "a", "price": "1"}, Offer, "price", "Expected `float`, got `str`"),
        ({"name": "a"}, Offer, "price", "nothing was found, and it has no default"),
        ({"name": "a", "price": "x"}, Model, "price", "Input should be a valid number"),
        ([1], Offer, "", "Expected `object`, got `array`"),
    ],
)
def test_what_does_not_fit_is_a_reject(row, item_type, field, reason):
    reject = converted(row, item_type, URL)
    assert isinstance(reject, Reject)
    assert (reject.url, reject.item_type, reject.field) == (URL, item_type.__name__, field)
    assert reject.reason.startswith(reason)
    assert reject.values == (row if isinstance(row, dict) else {"value": row})


def test_texts_become_what_the_type_says():
    class Dated(msgspec.Struct):
        day: date
        count: int
        is_new: bool

    row = {"day": "2026-01-31", "count": "12", "is_new": "true"}
    assert converted(row, Dated, URL, is_text=True) == Dated(date(2026, 1, 31), 12, True)


def test_an_empty_text_is_no_number():
    row = {"name": "", "price": "1.5", "stock": "", "sold": ""}
    assert converted(row, Offer, URL, is_text=True) == Offer(name="", price=1.5, stock=None, sold=0)
    reject = converted({**row, "price": ""}, Offer, URL, is_text=True)
    assert (reject.field, reject.reason) == ("price", "nothing was found, and it has no default")


@pytest.mark.parametrize("item_type", [None, Offer, Plain, Attrs, Model])
def test_every_kind_of_item_is_known(item_type):
    check_item_type(item_type, "item")


@pytest.mark.parametrize("item_type", [int, "Offer", Offer(name="a", price=1.0), list[Offer]])
def test_what_is_no_item_is_refused(item_type):
    with pytest.raises(UsageError, match="give the class of an item"):
        check_item_type(item_type, "Shop.item")
