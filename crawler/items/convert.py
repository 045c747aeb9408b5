"""From foreign data to items: a row of a file, or an object of an API, as the type that a spider names."""

from __future__ import annotations

import dataclasses
from typing import Any

import msgspec

from crawler.errors import UsageError
from crawler.items.check import explain, reject_of


def converted(row: Any, item_type: Any, url: str, *, is_text: bool = False) -> Any:  # Any: data, a type, an item
    """*row* as an *item_type*, or a reject with the reason. What the type does not know of is left out.

    :param is_text: the values are texts, as those of CSV: ``"12"`` is a number, and an empty text None, where the type
        says so
    """
    try:
        if hasattr(item_type, "model_validate"):
            return item_type.model_validate(row)
        return _from_text(row, item_type) if is_text else msgspec.convert(row, item_type)
    except msgspec.ValidationError as error:
        return reject_of(row, item_type, url, *explain(str(error)))
    except ValueError as error:  # pydantic's own
        return reject_of(row, item_type, url, *_first_of(error))


def _from_text(row: Any, item_type: Any) -> Any:  # Any: as above
    """A field that is no text cannot be an empty one: that is None to it, or else as if it were not there.

    :raises msgspec.ValidationError: something does not fit
    """
    while True:
        try:
            return msgspec.convert(row, item_type, strict=False)
        except msgspec.ValidationError as error:
            field, _ = explain(str(error))
            if not isinstance(row, dict) or row.get(field, "something") not in ("", None):
                raise
            value = row[field]
            row = {name: inner for name, inner in row.items() if name != field}
            if value == "":
                row[field] = None


def check_item_type(item_type: Any, where: str) -> None:  # Any: whatever a user gave
    """
    :raises UsageError: *item_type* is no type that a row could become; *where* says who names it
    """
    if item_type is None or hasattr(item_type, "model_validate"):
        return
    is_known = isinstance(item_type, type) and (
        issubclass(item_type, msgspec.Struct)
        or dataclasses.is_dataclass(item_type)
        or hasattr(item_type, "__attrs_attrs__")
    )
    if not is_known:
        raise UsageError(
            f"{where} is {item_type!r}: give the class of an item (Item, msgspec.Struct, dataclass, attrs, pydantic)"
        )
    try:
        msgspec.convert({}, item_type)
    except msgspec.ValidationError:
        pass  # a field is missing, as it should be
    except (TypeError, NameError) as error:
        raise UsageError(f"{where}: {item_type.__name__} cannot be filled: {error}") from None


def _first_of(error: ValueError) -> tuple[str, str]:
    """(field, reason) of a pydantic ValidationError."""
    errors = getattr(error, "errors", None)
    if errors is None:
        return "", str(error)
    first = errors()[0]
    return ".".join(map(str, first["loc"])), str(first["msg"])
