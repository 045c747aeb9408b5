"""Is an item what its type says? From an item to a record, or to a reject with its reason."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any

import msgspec

from crawler.items.types import URL_PATTERN, foreign
from crawler.outcome import Record, Reject

_PATH = re.compile(r" - at (`key` in )?`\$\.?(.*)`$")
_MISSING = re.compile(r"missing required field `(.*?)`")
_NO_URL = f"Expected `str` matching regex {URL_PATTERN!r}"
_MISMATCH = re.compile(r"UnexpectedValue\((Expected .*?) - .*?field_name='(.*?)'.*?input_type=(\w+)", re.DOTALL)
_UNWRITABLE = (TypeError, ValueError, OverflowError, RecursionError)  # UnicodeEncodeError is a ValueError
_DEPTH = 50
"""Levels that are searched for what is wrong in an item."""
_NESTED, _MANY = 5, 1_000
"""Levels of a reject, and values in each, that are shown one by one if they cannot be written together."""
_PLAIN = frozenset((str, int, float, bool, type(None), bytes))


def to_record(item: Any, url: str) -> Record | Reject:  # Any: whatever type the user's items have
    """*item* (a dict, dataclass, attrs class, ``msgspec.Struct``, pydantic model or ``Item``) as a record.

    What has types is checked against them, strictly: ``"12"`` is no int.
    """
    item_type: type = type(item)
    return _way(item_type)(item, url)


def item_of(record: Record) -> Any:  # Any: the spider's own item type
    """The item as the spider made it; one from a parse process is made again from its record."""
    if record.item is not None:
        return record.item
    plain = msgspec.json.decode(record.data)
    if record.type is None:
        return plain
    try:
        if hasattr(record.type, "model_validate"):
            return record.type.model_validate(plain)
        return msgspec.convert(plain, record.type)
    except (ValueError, TypeError):  # it was checked when it was emitted; its own validators may expect other text
        return plain


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


@lru_cache(maxsize=256)
def _way(item_type: type) -> Callable[[Any, str], Record | Reject]:
    """How an item of that type becomes a record: asked of each type once."""
    if issubclass(item_type, dict):
        return _from_dict
    if hasattr(item_type, "model_dump_json"):
        return _from_pydantic
    if issubclass(item_type, Mapping):
        return _from_mapping
    return _from_attrs if hasattr(item_type, "__attrs_attrs__") else _from_typed


def _from_dict(item: dict[Any, Any], url: str) -> Record | Reject:
    return _encoded(item, item.copy(), None, url)  # the spider may go on changing its own


def _from_mapping(item: Mapping[Any, Any], url: str) -> Record | Reject:
    return _encoded(dict(item), item, None, url)


def _from_attrs(item: Any, url: str) -> Record | Reject:
    return _checked(_encoded(_in_order(item), item, type(item), url), item, url)


def _from_typed(item: Any, url: str) -> Record | Reject:
    return _checked(_encoded(item, item, type(item), url), item, url)


def _checked(outcome: Record | Reject, item: Any, url: str) -> Record | Reject:
    """*outcome*, if what was written is what the item's type says."""
    if isinstance(outcome, Reject):
        return outcome
    item_type: type = type(item)
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
    for path, model in _models(item):
        for name, field in type(model).model_fields.items():
            problem = _problem(vars(model).get(name, msgspec.UNSET), field)
            if problem:
                return _reject(item, url, _joined(path, name), problem)
    try:
        return _record(item.model_dump_json(warnings="error").encode(), item, url)
    except _UNWRITABLE as error:
        path, message = _innermost(item, str(error))
        mismatch = _MISMATCH.search(message)
        if mismatch:
            return _reject(item, url, _joined(path, mismatch[2]), f"{mismatch[1]}, got `{mismatch[3]}`")
        return _reject(item, url, *_culprit(item, str(error)))


def _models(value: Any, path: str = "", depth: int = 0) -> Iterator[tuple[str, Any]]:
    """Each pydantic model in *value*, itself included, with its path."""
    if hasattr(type(value), "model_fields"):
        yield path, value
    elif not isinstance(value, (list, tuple, dict)):
        return
    if depth < _DEPTH:
        for step, inner in _parts(value):
            if type(inner) not in _PLAIN:
                yield from _models(inner, (path + step).removeprefix("."), depth + 1)


def _innermost(model: Any, message: str) -> tuple[str, str]:
    """(path, message) of the model in *model* that cannot be written itself; *message* says why *model* cannot."""
    found = "", message
    for path, inner in _models(model):
        if path.startswith(found[0]) and path:
            try:
                inner.model_dump_json(warnings="error")
            except _UNWRITABLE as error:
                found = path, str(error)
            else:
                continue
    return found


def _joined(*parts: str) -> str:
    return ".".join(part for part in parts if part)


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
        return _joined(field, missing[1]), "nothing was found, and it has no default"
    return field, "it is no absolute http(s) URL" if reason == _NO_URL else reason


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


def _shown(value: Any, depth: int = 0) -> Any:
    """*value* as it can be written into a rejects file: as it is, where that can be written."""
    try:
        return msgspec.json.decode(_RAW_ENCODER.encode(value))
    except RecursionError:
        depth = _NESTED
    except _UNWRITABLE:
        pass
    if depth < _NESTED and isinstance(value, (list, tuple)):
        return [_shown(inner, depth + 1) for inner in value[:_MANY]]
    if depth < _NESTED and (fields := _fields(value)):
        shown = [
            (_clean(name), _shown(inner, depth + 1)) for name, inner in fields[:_MANY] if inner is not msgspec.UNSET
        ]
        return dict(shown)
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
        return value.model_dump(mode="json", warnings="error")
    if type(value).__name__ == "URL":  # yarl's
        return str(value)
    raise TypeError(f"{type(value).__name__} is no type that JSON has")


def _raw_hook(value: Any) -> Any:
    """The same of a reject, whose pydantic models need not be right."""
    return value.model_dump(mode="json", warnings=False) if hasattr(value, "model_dump") else _hook(value)


@lru_cache(maxsize=256)
def _decoder(item_type: type) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(item_type, dec_hook=foreign)


_ENCODER = msgspec.json.Encoder(enc_hook=_hook)
_RAW_ENCODER = msgspec.json.Encoder(enc_hook=_raw_hook)
