"""The annotations of a class that is being defined, text among them made what it names. Pure.

``from __future__ import annotations`` makes text of all of them, and classes in a function name others there, which
nobody finds later.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any, get_type_hints


def annotations_of(namespace: Mapping[str, Any]) -> dict[str, Any]:  # Any: type expressions
    """Those of a class body that is not a class yet."""
    found: dict[str, Any] | None = namespace.get("__annotations__")
    if found is None and sys.version_info >= (3, 14):
        import annotationlib

        annotate = annotationlib.get_annotate_from_class_namespace(namespace)
        if annotate is not None:
            found = annotationlib.call_annotate_function(annotate, annotationlib.Format.FORWARDREF)
    return dict(found or {})


class _Hinted:
    """Something that has annotations: what typing asks for."""

    def __init__(self, annotations: dict[str, Any]) -> None:
        self.__annotations__ = annotations


def resolve(annotations: dict[str, Any], names: dict[str, Any], local: Mapping[str, Any]) -> dict[str, Any]:
    """*annotations*, those that are text as what they name; as text, if that is nowhere yet."""
    resolved = dict(annotations)
    for field, annotation in annotations.items():
        if isinstance(annotation, str):
            try:
                hints = get_type_hints(_Hinted({field: annotation}), names, dict(local), include_extras=True)
            except Exception:  # noqa: S110 - a name that is nowhere yet, or a ClassVar, which msgspec reads
                pass
            else:
                resolved[field] = hints[field]
    return resolved
