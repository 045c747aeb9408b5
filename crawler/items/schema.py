"""JSON Schema of an item type: what its records look like as they are written, for whoever reads the dataset. Pure."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, get_args

import msgspec

DIALECT = "https://json-schema.org/draft/2020-12/schema"


@lru_cache(maxsize=256)
def schema_of(item_type: type) -> dict[str, Any] | None:
    """The JSON Schema (2020-12) of the records of *item_type*; None for a dict, and where it cannot be told.

    What is always written is required, though it may have a default. The result is shared: copy it to change it.
    """
    try:
        if hasattr(item_type, "model_json_schema"):
            return {"$schema": DIALECT, **_of_pydantic(item_type)}
        if not _has_fields(item_type):
            return None
        schema = msgspec.json.schema(item_type, schema_hook=_foreign)
    except Exception:  # an annotation that nobody can write down, in the words of whichever library met it
        return None
    for kind in _kinds_in(msgspec.inspect.type_info(item_type)):
        written = schema.get("$defs", {}).get(kind.__name__)
        if written is not None and "properties" in written:
            _require_what_is_written(written, kind)
    return {"$schema": DIALECT, **schema}


def _has_fields(kind: type) -> bool:
    return issubclass(kind, msgspec.Struct) or dataclasses.is_dataclass(kind) or hasattr(kind, "__attrs_attrs__")


def _of_pydantic(model: Any) -> dict[str, Any]:  # Any: a pydantic class
    is_by_alias = bool(model.model_config.get("serialize_by_alias"))
    schema: dict[str, Any] = model.model_json_schema(mode="serialization", by_alias=is_by_alias)
    for written in (schema, *schema.get("$defs", {}).values()):
        if "properties" in written:
            written["required"] = list(written["properties"])  # a default is written, too
    return schema


def _require_what_is_written(schema: dict[str, Any], kind: type) -> None:
    """Make *schema* say what a record of *kind* always has."""
    properties = schema["properties"]
    for field in msgspec.inspect.type_info(kind).fields:  # type: ignore[attr-defined]  # a type with fields, as above
        if field.encode_name in properties:
            _date_times(properties[field.encode_name], field.type)
    if hasattr(kind, "__attrs_attrs__"):
        for name in [name for name in properties if name.startswith("_")]:
            del properties[name]  # not part of a record
    optional = _may_be_left_out(kind)
    schema["required"] = [name for name in properties if name not in optional]


def _date_times(written: dict[str, Any], described: Any) -> None:  # Any: as msgspec.inspect describes a type
    """Say that a text is a time, or a date and time, also where the type does not ask for an offset: so does pydantic."""
    kinds = msgspec.inspect
    if isinstance(described, (kinds.ListType, kinds.SetType, kinds.FrozenSetType, kinds.VarTupleType)):
        _date_times(written.get("items", {}), described.item_type)
    choices = described.types if isinstance(described, kinds.UnionType) else (described,)
    texts = [choice for choice in choices if isinstance(choice, (kinds.StrType, kinds.DateTimeType, kinds.TimeType))]
    if len(texts) == 1 and not isinstance(texts[0], kinds.StrType):
        form = "time" if isinstance(texts[0], kinds.TimeType) else "date-time"
        for one in written.get("anyOf", [written]):
            if one.get("type") == "string":
                one.setdefault("format", form)


def _may_be_left_out(kind: type) -> set[str]:
    if not issubclass(kind, msgspec.Struct):
        return set()
    omits = kind.__struct_config__.omit_defaults
    fields = msgspec.structs.fields(kind)
    return {
        field.encode_name
        for field in fields
        if (omits and not field.required) or msgspec.UnsetType in get_args(field.type)
    }


def _kinds_in(described: Any) -> Iterator[type]:  # Any: a type as msgspec.inspect describes it
    """Each class with fields that is named somewhere in it."""
    waiting, seen = [described], set()
    while waiting:
        at = waiting.pop()
        kind = getattr(at, "cls", None)
        if isinstance(at, (msgspec.inspect.StructType, msgspec.inspect.DataclassType)):
            if kind in seen:
                continue
            seen.add(kind)
            yield at.cls
        for name in getattr(at, "__struct_fields__", ()):
            inner = getattr(at, name)
            waiting += [one for one in (inner if isinstance(inner, tuple) else (inner,)) if _is_described(one)]


def _is_described(value: object) -> bool:
    return isinstance(value, (msgspec.inspect.Type, msgspec.inspect.Field))


def _foreign(kind: Any) -> dict[str, Any]:  # Any: a type that msgspec does not know
    """As ``crawler.items.check`` writes it."""
    if hasattr(kind, "model_json_schema"):
        schema = _of_pydantic(kind)
        return {} if "$defs" in schema else schema  # what it refers to would be nowhere
    if getattr(kind, "__name__", "") == "URL":
        return {"type": "string", "format": "uri"}
    for base, name in ((str, "string"), (int, "integer"), (float, "number")):
        if isinstance(kind, type) and issubclass(kind, base):
            return {"type": name}
    raise TypeError(f"{kind!r} is no type that JSON has")
