"""The JSON Schema of an item type, as far as columns need it.

``msgspec.json.schema`` leaves out that a text is a date and time if the type does not ask for an offset; this one says
it. Of what columns do not ask for (bounds, patterns, titles, defaults) it says nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from msgspec import inspect

_SCALARS: dict[type[inspect.Type], dict[str, str]] = {
    inspect.BoolType: {"type": "boolean"},
    inspect.IntType: {"type": "integer"},
    inspect.FloatType: {"type": "number"},
    inspect.StrType: {"type": "string"},
    inspect.BytesType: {"type": "string"},
    inspect.ByteArrayType: {"type": "string"},
    inspect.MemoryViewType: {"type": "string"},
    inspect.DateType: {"type": "string", "format": "date"},
    inspect.DateTimeType: {"type": "string", "format": "date-time"},
    inspect.TimeType: {"type": "string", "format": "time"},
    inspect.TimeDeltaType: {"type": "string", "format": "duration"},
    inspect.DecimalType: {"type": "string", "format": "decimal"},
    inspect.UUIDType: {"type": "string", "format": "uuid"},
    inspect.NoneType: {"type": "null"},
}
_JSON_TYPES: dict[type, str] = {str: "string", int: "integer"}


def schema_of(item_type: type) -> dict[str, Any] | None:
    """JSON Schema of the records of *item_type*: an ``Item``, Struct, dataclass, attrs class, TypedDict or pydantic model.

    None if its annotations cannot be understood: then the records alone say what their columns are.
    """
    if hasattr(item_type, "model_json_schema"):
        return _of_pydantic(item_type)
    try:
        info = inspect.type_info(item_type)
    except (TypeError, NameError, ValueError):
        return None
    defined: dict[str, Any] = {}
    node = _node(info, defined)
    return {**node, "$defs": defined} if defined else node


def _of_pydantic(model: Any) -> dict[str, Any] | None:  # Any: pydantic need not be installed
    try:
        schema: dict[str, Any] = model.model_json_schema(mode="serialization", by_alias=False)
    except Exception:  # of pydantic, and of the model's own code
        return None
    return schema


def _node(info: Any, defined: dict[str, Any]) -> dict[str, Any]:  # Any: an inspect.Type; their union is not public
    if type(info) in _SCALARS:
        return dict(_SCALARS[type(info)])
    make = _NODES.get(type(info))
    return make(info, defined) if make else {}


def _of_values(values: Iterable[Any]) -> dict[str, Any]:
    kinds = {_JSON_TYPES.get(type(value), "null" if value is None else "") for value in values}
    return {"type": sorted(kinds)}


def _list(info: Any, defined: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": _node(info.item_type, defined)}


def _object(info: Any, defined: dict[str, Any]) -> dict[str, Any]:
    if getattr(info, "array_like", False):
        return {"type": "array"}
    name = f"{info.cls.__module__}.{info.cls.__qualname__}"
    reference = {"$ref": f"#/$defs/{name}"}
    if name in defined:  # it may be within itself
        return reference
    properties: dict[str, Any] = {}
    defined[name] = {"type": "object", "properties": properties}
    if getattr(info, "tag_field", None) is not None:
        properties[info.tag_field] = _of_values([info.tag])
    for field in info.fields:
        properties[field.encode_name] = _node(field.type, defined)
    return reference


_NODES: dict[type[inspect.Type], Callable[[Any, dict[str, Any]], dict[str, Any]]] = {
    inspect.UnionType: lambda info, defined: {"anyOf": [_node(choice, defined) for choice in info.types]},
    inspect.Metadata: lambda info, defined: _node(info.type, defined),
    inspect.ListType: _list,
    inspect.SetType: _list,
    inspect.FrozenSetType: _list,
    inspect.VarTupleType: _list,
    inspect.TupleType: lambda info, defined: {"type": "array"},
    inspect.DictType: lambda info, defined: {
        "type": "object",
        "additionalProperties": _node(info.value_type, defined),
    },
    inspect.LiteralType: lambda info, defined: _of_values(info.values),
    inspect.EnumType: lambda info, defined: _of_values([member.value for member in info.cls]),
    inspect.NamedTupleType: lambda info, defined: {"type": "array"},
    inspect.StructType: _object,
    inspect.DataclassType: _object,
    inspect.TypedDictType: _object,
}
