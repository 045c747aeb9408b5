"""Whether a record fits a JSON Schema (draft 2020-12), as far as the schemas of item types go.

Known are the keywords that msgspec and pydantic write for a type, and those of an inferred schema. One that is not known
says nothing: annotations such as ``title`` and ``format`` do not, by the standard (2020-12, validation, 7.2.1).
A library that knows the whole standard takes some 100 µs a record; this takes 2.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

Check = Callable[[Any], str]  # Any: whatever JSON holds
"""What is wrong with a value, with the path to it: ``price is a string, not a number``; empty if nothing is."""
_Rule = Callable[[Any], str]

_TYPES: dict[str, Callable[[Any], bool]] = {
    "string": lambda value: type(value) is str,
    "integer": lambda value: type(value) is int or (type(value) is float and value.is_integer()),
    "number": lambda value: type(value) is float or type(value) is int,
    "boolean": lambda value: type(value) is bool,
    "null": lambda value: value is None,
    "array": lambda value: type(value) is list,
    "object": lambda value: type(value) is dict,
}
_KINDS = {str: "string", int: "integer", float: "number", bool: "boolean", type(None): "null", list: "array"}


def checker(schemas: Sequence[Mapping[str, Any]]) -> Check:
    """A function that says why a record fits none of *schemas*; if there is none of them, all fits.

    :raises ValueError: a ``$ref`` leads nowhere, or a pattern is no regular expression
    """
    if not schemas:
        return lambda _: ""
    checks = [_Compiler(schema).check(schema) for schema in schemas]
    check = checks[0] if len(checks) == 1 else _any_of(checks)

    def run(record: Any) -> str:
        try:
            return check(record)
        except RecursionError:
            return "is nested too deeply to be checked, or its schema refers to itself"

    return run


class _Compiler:
    """The rules of one schema and of what it refers to."""

    def __init__(self, root: Mapping[str, Any]) -> None:
        self._root = root
        self._refs: dict[str, Check] = {}

    def check(self, schema: Any) -> Check:  # Any: a mapping, or True or False (2020-12, core, 4.3.2)
        if schema is False:
            return lambda _: "is not allowed"
        if not isinstance(schema, Mapping):
            return lambda _: ""
        rules = [make(self, schema) for keyword, make in _KEYWORDS.items() if keyword in schema]
        if len(rules) == 1:
            return rules[0]

        def run(value: Any) -> str:
            for rule in rules:
                if problem := rule(value):
                    return problem
            return ""

        return run

    def ref(self, schema: Mapping[str, Any]) -> Check:
        """A type may refer to itself: what is behind the reference is looked up when it is needed."""
        name = schema["$ref"]
        if name not in self._refs:
            self._refs[name] = self._later(name)
            self._refs[name] = self.check(self._found(name))
        return self._refs[name]

    def _later(self, name: str) -> Check:
        def run(value: Any) -> str:
            return self._refs[name](value)

        return run

    def _found(self, name: str) -> Any:  # Any: a schema
        if not name.startswith("#"):
            raise ValueError(f"the schema refers to {name!r}, which is outside of it")
        found: Any = self._root
        try:
            for step in name.removeprefix("#").split("/")[1:]:
                found = found[step.replace("~1", "/").replace("~0", "~")]
        except (KeyError, TypeError):
            raise ValueError(f"the schema refers to {name!r}, which it does not have") from None
        return found


def _type(_: _Compiler, schema: Mapping[str, Any]) -> _Rule:
    names = [schema["type"]] if isinstance(schema["type"], str) else [*schema["type"]]
    tests = [_TYPES[name] for name in names if name in _TYPES]
    words = " or ".join(names)
    first, several = (tests[0], len(tests) > 1) if tests else (lambda _: True, False)

    def rule(value: Any) -> str:
        if first(value) or (several and any(test(value) for test in tests)):
            return ""
        return f"is {_KINDS.get(type(value), 'object')}, not {words}"

    return rule


def _properties(compiler: _Compiler, schema: Mapping[str, Any]) -> _Rule:
    checks = [(name, compiler.check(inner)) for name, inner in schema["properties"].items()]

    def rule(value: Any) -> str:
        if type(value) is dict:
            for name, check in checks:
                if name in value and (problem := check(value[name])):
                    return _under(name, problem)
        return ""

    return rule


def _required(_: _Compiler, schema: Mapping[str, Any]) -> _Rule:
    names = frozenset(schema["required"])

    def rule(value: Any) -> str:
        if type(value) is not dict or names <= value.keys():
            return ""
        return f"has no {min(names - value.keys())!r}"

    return rule


def _additional(compiler: _Compiler, schema: Mapping[str, Any]) -> _Rule:
    known = frozenset(schema.get("properties", ()))
    check = compiler.check(schema["additionalProperties"])

    def rule(value: Any) -> str:
        if type(value) is dict and not value.keys() <= known:
            for name in value.keys() - known:
                if problem := check(value[name]):
                    return _under(name, problem)
        return ""

    return rule


def _items(compiler: _Compiler, schema: Mapping[str, Any]) -> _Rule:
    first = [compiler.check(inner) for inner in schema.get("prefixItems", ())]
    rest = compiler.check(schema.get("items", True))

    def rule(value: Any) -> str:
        if type(value) is list:
            for place, inner in enumerate(value):
                check = first[place] if place < len(first) else rest
                if problem := check(inner):
                    return _under(f"[{place}]", problem)
        return ""

    return rule


def _any_of(checks: Sequence[Check]) -> Check:
    """What fits none is told by the one that came furthest: whose problem is not about the value as a whole."""

    def rule(value: Any) -> str:
        problems = []
        for check in checks:
            problem = check(value)
            if not problem:
                return ""
            problems.append(problem)
        return max(problems, key=lambda problem: not problem.startswith(("is ", "has ")))

    return rule


def _all_of(checks: Sequence[Check]) -> Check:
    return lambda value: next((problem for check in checks if (problem := check(value))), "")


def _one_of(checks: Sequence[Check]) -> Check:
    fits_any = _any_of(checks)

    def rule(value: Any) -> str:
        fitting = sum(not check(value) for check in checks)
        return "fits several of what it may be one of" if fitting > 1 else fits_any(value)

    return rule


def _enum(_: _Compiler, schema: Mapping[str, Any]) -> _Rule:
    allowed = [_exact(value) for value in (schema["enum"] if "enum" in schema else [schema["const"]])]
    return lambda value: "" if _exact(value) in allowed else "is none of the values that are allowed"


def _exact(value: Any) -> Any:
    """*value*, with truth values apart from 0 and 1."""
    if isinstance(value, list):
        return [_exact(inner) for inner in value]
    if isinstance(value, dict):
        return {name: _exact(inner) for name, inner in value.items()}
    return ("boolean", value) if isinstance(value, bool) else value


def _pattern(_: _Compiler, schema: Mapping[str, Any]) -> _Rule:
    try:
        search = re.compile(schema["pattern"]).search
    except re.error as error:
        raise ValueError(f"the schema's pattern {schema['pattern']!r} is no regular expression: {error}") from None
    return lambda value: "" if type(value) is not str or search(value) else "does not match its pattern"


def _bound(keyword: str, is_of: Callable[[Any], bool], fits: Callable[[Any, Any], bool]) -> Callable[..., _Rule]:
    """A rule about values that *is_of* says yes to."""

    def make(_: _Compiler, schema: Mapping[str, Any]) -> _Rule:
        limit = schema[keyword]
        return lambda value: "" if not is_of(value) or fits(value, limit) else f"does not keep {keyword} {limit}"

    return make


def _is_multiple(value: Any, of: Any) -> bool:
    if type(value) is int and type(of) is int:
        return value % of == 0
    ratio = value / of
    return math.isfinite(ratio) and ratio == round(ratio)


_number, _text, _list, _object = _TYPES["number"], _TYPES["string"], _TYPES["array"], _TYPES["object"]
_KEYWORDS: dict[str, Callable[[_Compiler, Mapping[str, Any]], _Rule]] = {
    "$ref": lambda compiler, schema: compiler.ref(schema),
    "type": _type,
    "enum": _enum,
    "const": _enum,
    "required": _required,
    "properties": _properties,
    "additionalProperties": _additional,
    "items": _items,
    "prefixItems": lambda compiler, schema: _items(compiler, schema) if "items" not in schema else lambda _: "",
    "anyOf": lambda compiler, schema: _any_of([compiler.check(inner) for inner in schema["anyOf"]]),
    "oneOf": lambda compiler, schema: _one_of([compiler.check(inner) for inner in schema["oneOf"]]),
    "allOf": lambda compiler, schema: _all_of([compiler.check(inner) for inner in schema["allOf"]]),
    "pattern": _pattern,
    "minimum": _bound("minimum", _number, lambda value, limit: value >= limit),
    "maximum": _bound("maximum", _number, lambda value, limit: value <= limit),
    "exclusiveMinimum": _bound("exclusiveMinimum", _number, lambda value, limit: value > limit),
    "exclusiveMaximum": _bound("exclusiveMaximum", _number, lambda value, limit: value < limit),
    "multipleOf": _bound("multipleOf", _number, _is_multiple),
    "minLength": _bound("minLength", _text, lambda value, limit: len(value) >= limit),
    "maxLength": _bound("maxLength", _text, lambda value, limit: len(value) <= limit),
    "minItems": _bound("minItems", _list, lambda value, limit: len(value) >= limit),
    "maxItems": _bound("maxItems", _list, lambda value, limit: len(value) <= limit),
    "minProperties": _bound("minProperties", _object, lambda value, limit: len(value) >= limit),
    "maxProperties": _bound("maxProperties", _object, lambda value, limit: len(value) <= limit),
}
"""A row is a keyword. Those that fail oftenest come first."""


def _under(name: str, problem: str) -> str:
    """The path grows from the inside: ``author.name is null, not string``, ``tags[2] is ...``."""
    dot = "" if problem.startswith(("[", "is ", "has ", "does ", "fits ")) else "."
    return f"{name}{dot or ('' if problem.startswith('[') else ' ')}{problem}"
