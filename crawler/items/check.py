"""Is an item what its type says? From an item to a record, or to a reject with its reason."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from typing import Any

import msgspec

from crawler.outcome import Record, Reject

_PATH = re.compile(r" - at `\$\.?(.*)`$")
_MISSING = re.compile(r"missing required field `(.*?)`")


def to_record(item: Any, url: str) -> Record | Reject:  # Any: whatever type the user's items have
    """*item* (a dict, dataclass, attrs class, ``msgspec.Struct``, pydantic model or ``Item``) as a record.

    What has types is checked against them, strictly: ``"12"`` is no int.
    """
    if isinstance(item, dict):
        return _encoded(item, item, None, url)
    if hasattr(item, "model_dump_json"):
        return _from_pydantic(item, url)
    if isinstance(item, Mapping):
        return _encoded(dict(item), item, None, url)
    return _from_typed(item, url)


def is_item(value: Any) -> bool:  # Any: whatever a callback yields
    """Whether *value* is of a kind that :func:`to_record` takes."""
    return (
        isinstance(value, (dict, msgspec.Struct, Mapping))
        or (dataclasses.is_dataclass(value) and not isinstance(value, type))
        or hasattr(type(value), "__attrs_attrs__")
        or hasattr(type(value), "model_dump_json")
    )


def reject_line(reject: Reject) -> bytes:
    """One line of a ``*.rejects.jsonl``, without its end."""
    return _ENCODER.encode(reject)


def _from_typed(item: Any, url: str) -> Record | Reject:
    item_type = type(item)
    outcome = _encoded(item, item, item_type, url)
    if isinstance(outcome, Reject):
        return outcome
    try:
        _decoder(item_type).decode(outcome.data)
    except msgspec.ValidationError as error:
        return _reject(item, url, *_explain(str(error)))
    return outcome


def _from_pydantic(item: Any, url: str) -> Record | Reject:
    """Through pydantic's own methods: it need not be installed, and a model that skipped validation is caught."""
    try:
        type(item).model_validate(item.model_dump())
        return Record(item.model_dump_json().encode(), item, type(item))
    except ValueError as error:  # pydantic's ValidationError and its serialization error are both
        problems = error.errors() if hasattr(error, "errors") else []
        field = ".".join(str(part) for part in problems[0]["loc"]) if problems else ""
        return _reject(item, url, field, problems[0]["msg"] if problems else str(error))


def _encoded(plain: Any, item: Any, item_type: type | None, url: str) -> Record | Reject:
    try:
        return Record(_ENCODER.encode(plain), item, item_type)
    except (TypeError, ValueError, UnicodeEncodeError, RecursionError) as error:
        field, reason = _culprit(plain, str(error))
        return _reject(item, url, field, reason)


def _explain(message: str) -> tuple[str, str]:
    """(field, reason) of a message of msgspec's."""
    path = _PATH.search(message)
    reason = message[: path.start()] if path else message
    field = path[1] if path else ""
    missing = _MISSING.search(reason)
    if missing:
        return ".".join(part for part in (field, missing[1]) if part), "nothing was found, and it has no default"
    return field, reason


def _culprit(plain: Any, message: str) -> tuple[str, str]:
    """The first field that cannot be written as JSON, and why."""
    for name, value in _fields(plain):
        try:
            _ENCODER.encode(value)
        except (TypeError, ValueError, UnicodeEncodeError, RecursionError) as error:
            kind = type(value).__name__
            if hasattr(value, "getall"):
                return name, f"it is a {kind}, not text: add .get() or .getall()"
            return name, f"a {kind} cannot be written as JSON: {error}"
    return "", message


def _fields(plain: Any) -> list[tuple[str, Any]]:
    if isinstance(plain, Mapping):
        return [(str(name), value) for name, value in plain.items()]
    if isinstance(plain, msgspec.Struct):
        return [(name, getattr(plain, name, None)) for name in plain.__struct_fields__]
    if dataclasses.is_dataclass(plain):
        return [(field.name, getattr(plain, field.name, None)) for field in dataclasses.fields(plain)]
    return [(field.name, getattr(plain, field.name, None)) for field in getattr(plain, "__attrs_attrs__", ())]


def _reject(item: Any, url: str, field: str, reason: str) -> Reject:
    values = {name: _shown(value) for name, value in _fields(item) if value is not msgspec.UNSET}
    if not values and hasattr(item, "__dict__"):
        values = {name: _shown(value) for name, value in vars(item).items() if not name.startswith("_")}
    return Reject(url, type(item).__name__, field, reason, values)


def _shown(value: Any) -> Any:
    """*value* as it can be written into a rejects file."""
    try:
        return msgspec.to_builtins(value)
    except (TypeError, ValueError, UnicodeEncodeError, RecursionError):
        return repr(value)[:1000]


def _hook(value: Any) -> Any:
    """What msgspec does not write by itself."""
    if type(value).__name__ == "URL":  # yarl's
        return str(value)
    raise TypeError(f"{type(value).__name__} is no type that JSON has")


def _decoder(item_type: type) -> msgspec.json.Decoder[Any]:
    decoder = _DECODERS.get(item_type)
    if decoder is None:
        decoder = _DECODERS[item_type] = msgspec.json.Decoder(item_type)
    return decoder


_ENCODER = msgspec.json.Encoder(enc_hook=_hook)
_DECODERS: dict[type, msgspec.json.Decoder[Any]] = {}
