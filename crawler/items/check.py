"""Is an item what its type says? From an item to a record, or to a reject with its reason."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

import msgspec

from crawler.outcome import Record, Reject

_PATH = re.compile(r" - at (`key` in )?`\$\.?(.*)`$")
_MISSING = re.compile(r"missing required field `(.*?)`")
_MISMATCH = re.compile(r"UnexpectedValue\((Expected .*?) - .*?field_name='(.*?)'.*?input_type=(\w+)", re.DOTALL)
_UNWRITABLE = (TypeError, ValueError, OverflowError, RecursionError)  # UnicodeEncodeError is a ValueError
_DEPTH = 50
"""Levels that are searched for what is wrong in an item."""


def to_record(item: Any, url: str) -> Record | Reject:  # Any: whatever type the user's items have
    """*item* (a dict, dataclass, attrs class, ``msgspec.Struct``, pydantic model or ``Item``) as a record.

    What has types is checked against them, strictly: ``"12"`` is no int.
    """
    if isinstance(item, dict):
        return _encoded(item, item.copy(), None, url)  # the spider may go on changing its own
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
    item_type: type = type(item)
    plain = _in_order(item) if hasattr(item_type, "__attrs_attrs__") else item
    outcome = _encoded(plain, item, item_type, url)
    if isinstance(outcome, Reject):
        return outcome
    try:
        decoder = _decoder(item_type)
    except (TypeError, NameError) as error:  # an annotation that msgspec does not know, or a name that is nowhere
        return _reject(item, url, "", f"its type cannot be checked: {error}")
    try:
        decoder.decode(outcome.data)
    except msgspec.ValidationError as error:
        return _reject(item, url, *explain(str(error)))
    return outcome


def _in_order(item: Any) -> dict[str, Any]:
    """The public fields of an attrs class as they were declared; msgspec writes those of a slotted one by alphabet."""
    return {name: value for name, value in _fields(item) if not name.startswith("_")}


def _from_pydantic(item: Any, url: str) -> Record | Reject:
    """By what pydantic itself says when it writes the model; it need not be installed.

    Validated it was when it was made, and a second time might fail: a validator that strips a currency sign expects
    text. What is caught is a model that went round it, by ``model_construct()`` or by an assignment.
    """
    for name, field in type(item).model_fields.items():
        problem = _problem(vars(item).get(name, msgspec.UNSET), field)
        if problem:
            return _reject(item, url, name, problem)
    try:
        return _record(item.model_dump_json(warnings="error").encode(), item, url)
    except _UNWRITABLE as error:
        mismatch = _MISMATCH.search(str(error))
        if mismatch:
            return _reject(item, url, mismatch[2], f"{mismatch[1]}, got `{mismatch[3]}`")
        return _reject(item, url, *_culprit(item, str(error)))


def _problem(value: Any, field: Any) -> str:  # Any: pydantic's FieldInfo
    """What pydantic does not mind when it writes a model; empty if all is well."""
    if value is msgspec.UNSET:
        return "it has no value"
    if value is None and field.default is not None:
        try:
            msgspec.convert(None, field.annotation)
        except msgspec.ValidationError as error:
            return str(error)
        except TypeError:
            pass  # an annotation that only pydantic knows
    return ""


def _encoded(plain: Any, item: Any, item_type: type | None, url: str) -> Record | Reject:
    try:
        data = _ENCODER.encode(plain)
    except _UNWRITABLE as error:
        return _reject(item, url, *_culprit(plain, str(error)))
    return Record(data, item, None) if item_type is None else _record(data, item, url)


def _record(data: bytes, item: Any, url: str) -> Record | Reject:
    if not data.startswith(b"{"):
        return _reject(item, url, "", "it is not written as a JSON object: an item has named fields")
    return Record(data, item, type(item))


def explain(message: str) -> tuple[str, str]:
    """(field, reason) of a message of msgspec's."""
    path = _PATH.search(message)
    reason = message[: path.start()] if path else message
    if path and path[1]:
        reason += " as a key"
    field = path[2] if path else ""
    missing = _MISSING.search(reason)
    if missing:
        return ".".join(part for part in (field, missing[1]) if part), "nothing was found, and it has no default"
    return field, reason


def _culprit(value: Any, message: str, path: str = "", depth: int = 0) -> tuple[str, str]:
    """(field, reason) of the innermost part of *value* that cannot be written as JSON; *message* says why it cannot."""
    for step, inner in _parts(value):
        where = (path + step).removeprefix(".")
        try:
            _ENCODER.encode(inner)
        except RecursionError:
            return where, "it contains itself, or is nested too deeply"
        except _UNWRITABLE as error:
            if depth < _DEPTH:
                return _culprit(inner, str(error), where, depth + 1)
    if not path:
        return path, message
    kind = type(value).__name__
    if hasattr(value, "cr_code"):
        value.close()  # said here, it need not be said by Python a second time
        return path, f"it is the coroutine {value.__qualname__}() that nobody awaited: write await before the call"
    if hasattr(value, "getall"):
        return path, f"it is a {kind}, not text: add .get() or .getall()"
    return path, f"a {kind} cannot be written as JSON: {message}"


def _parts(value: Any) -> Iterable[tuple[str, Any]]:
    """What *value* is made of, each part with its step of a path."""
    if isinstance(value, (list, tuple)):
        return [(f"[{index}]", inner) for index, inner in enumerate(value)]
    return [(f".{name}", inner) for name, inner in _fields(value)]


def _fields(value: Any) -> list[tuple[str, Any]]:
    if isinstance(value, Mapping):
        return [(str(name), inner) for name, inner in value.items()]
    if isinstance(value, msgspec.Struct):
        return [(name, getattr(value, name, None)) for name in value.__struct_fields__]
    if dataclasses.is_dataclass(value):
        return [(field.name, getattr(value, field.name, None)) for field in dataclasses.fields(value)]
    if hasattr(value, "model_dump_json"):
        return list(vars(value).items())
    return [(field.name, getattr(value, field.name, None)) for field in getattr(value, "__attrs_attrs__", ())]


def reject_of(row: Any, item_type: type, url: str, field: str, reason: str) -> Reject:  # Any: foreign data
    """A reject of *row*, which could not become an *item_type*."""
    values = row if isinstance(row, Mapping) else {"value": row}
    return _reject(values, url, field, reason, item_type.__name__)


def _reject(item: Any, url: str, field: str, reason: str, kind: str = "") -> Reject:
    values = {_clean(name): _shown(value) for name, value in _fields(item) if value is not msgspec.UNSET}
    return Reject(url, kind or type(item).__name__, _clean(field), _clean(reason), values)


def _shown(value: Any) -> Any:
    """*value* as it can be written into a rejects file."""
    try:
        return msgspec.json.decode(_ENCODER.encode(value))
    except _UNWRITABLE:
        pass
    try:
        return _clean(repr(value)[:1000])
    except Exception:  # a __repr__ of the user's, or one that nests too deeply
        return f"<{type(value).__name__}>"


def _clean(text: str) -> str:
    """*text* with each half of a character written out, as UTF-8 has none."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def _hook(value: Any) -> Any:
    """What msgspec does not write by itself."""
    if isinstance(value, str):  # of a subclass, as lxml has it; so numpy's float64 below
        return str.__str__(value)
    if isinstance(value, (int, float)):
        return int(value) if isinstance(value, int) else float(value)
    if isinstance(value, Mapping):
        return dict(value)
    if hasattr(value, "model_dump"):  # a pydantic model inside another item
        return value.model_dump(mode="json")
    if type(value).__name__ == "URL":  # yarl's
        return str(value)
    raise TypeError(f"{type(value).__name__} is no type that JSON has")


@lru_cache(maxsize=256)
def _decoder(item_type: type) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(item_type, dec_hook=_dec_hook)


def _dec_hook(kind: Any, value: Any) -> Any:
    """The way back of :func:`_hook`, for a field of such a type."""
    if hasattr(kind, "model_validate"):
        return kind.model_validate(value)
    name = getattr(kind, "__name__", str(kind))
    if name == "URL" or (isinstance(kind, type) and issubclass(kind, (str, int, float))):
        return kind(value)
    raise TypeError(f"{name} is no type that JSON has")


_ENCODER = msgspec.json.Encoder(enc_hook=_hook)
