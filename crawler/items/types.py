"""What an annotation says of the text that is found for it: ``Url``, and how text becomes a number, a date, an enum.

Rule 1: a number is what JSON calls one: ``12``, ``-0.5``, ``1e3``. "1,234.50" and "£51.77" are none: nobody but the
author of a spider knows which sign parts the thousands, and ``re=`` or ``then=`` says it.
Rule 2: dates and times are ISO 8601, as HTML's ``<time datetime>`` has them; a bare number is none.
Rule 3: what cannot be converted stays as it was found, and nothing is raised: the reject shows it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Sequence
from collections.abc import Set as AbstractSet
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from math import isfinite
from types import NoneType, UnionType
from typing import Annotated, Any, Final, NamedTuple, TypeAlias, Union, get_args, get_origin

import msgspec

Annotation: TypeAlias = Any  # a type expression has no type of its own
Convert: TypeAlias = Callable[[Any], Any]  # of what was found, or of what a function made of it

URL_PATTERN: Final = r"^https?://[^/?#\s]\S*$"
_URL: Final = msgspec.Meta(pattern=URL_PATTERN, extra_json_schema={"format": "uri"})

Url = Annotated[str, _URL]
"""An absolute http(s) URL, kept as a ``str``. In an ``Item`` it is joined by the page's base, as a link is; in every kind
of item but pydantic's, which has ``HttpUrl`` for it, it is checked when the item is emitted."""

_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?", re.ASCII)
"""RFC 8259, section 6."""
_MINUTES = re.compile(r"(\d\d\d\d-\d\d-\d\d[T ]|)(\d\d:\d\d)(Z|[+-]\d\d:\d\d|)", re.ASCII)
"""A time without seconds, as HTML allows it and RFC 3339 does not."""
_SEVERAL: Final[dict[Annotation, Callable[[Any], Any]]] = {
    list: list,
    set: set,
    frozenset: frozenset,
    tuple: tuple,
    Sequence: list,
    Collection: list,
    Iterable: list,
    AbstractSet: set,
}
"""Types of several, and what one is made by."""
_SINGLE = (str, int, float, bool, bytes, Decimal, date, time, timedelta, Enum, dict)
_WRONG = (msgspec.ValidationError, ValueError, TypeError, ArithmeticError)


class Kind(NamedTuple):
    """An annotation, taken apart."""

    core: Annotation
    """Without ``None``, constraints and aliases: for ``list[Url] | None`` it is ``list[Url]``."""
    element: Annotation
    """Where there may be several: what each is. Else None."""
    allows_none: bool
    is_url: bool
    """Whether it is a Url, or several."""

    @property
    def is_single(self) -> bool:
        """Whether it can be no list, whatever is found."""
        return isinstance(self.core, type) and issubclass(self.core, _SINGLE)


def kind_of(annotation: Annotation) -> Kind:
    """What *annotation* is about."""
    core, allows_none, is_url = _bare(annotation)
    element = None
    if (_origin(core) or core) in _SEVERAL:
        element = next(iter(get_args(core)), Any)
        is_url = _bare(element)[2]
    return Kind(core, element, allows_none, is_url)


def _bare(annotation: Annotation) -> tuple[Annotation, bool, bool]:
    """(core, whether it allows None, whether it is a Url)."""
    allows_none, is_url = annotation in (None, Any, object), False
    while True:
        origin = _origin(annotation)
        if origin is Annotated:
            is_url = is_url or _URL in annotation.__metadata__
            annotation = annotation.__origin__
        elif origin in (Union, UnionType) and NoneType in get_args(annotation):
            allows_none = True
            annotation = Union[tuple(part for part in get_args(annotation) if part is not NoneType)]  # noqa: UP007
        elif hasattr(annotation, "__supertype__"):  # a NewType
            annotation = annotation.__supertype__
        elif hasattr(annotation, "__value__"):  # a type statement
            annotation = annotation.__value__
        else:
            return annotation, allows_none, is_url


def converter_of(annotation: Annotation) -> Convert | None:
    """What makes a value of that type out of found text; None where it is text already, or anything."""
    kind = kind_of(annotation)
    if kind.core in (str, Any, object):
        return None
    if kind.element is not None and not _is_fixed(kind.core):
        return _of_several(_SEVERAL[_origin(kind.core) or kind.core], converter_of(kind.element))
    if isinstance(kind.core, type) and kind.core in _BY_TYPE:
        return _tried(_BY_TYPE[kind.core], kind.core)
    return _tried(None, kind.core)


def foreign(kind: Annotation, value: Any) -> Any:  # Any: of whatever type other libraries have
    """*value*, plain, as a type that msgspec does not know: a pydantic model, yarl's URL, a class of texts or numbers.

    :raises TypeError: it is none of these
    """
    if hasattr(kind, "model_validate"):
        return kind.model_validate(value)
    name = getattr(kind, "__name__", str(kind))
    if name == "URL" or (isinstance(kind, type) and issubclass(kind, (str, int, float))):
        return kind(value)
    raise TypeError(f"{name} is no type that JSON has")


def _origin(annotation: Annotation) -> Annotation:
    return get_origin(annotation)


def _is_fixed(core: Annotation) -> bool:
    """Whether it is a tuple with a type for each place."""
    return _origin(core) is tuple and get_args(core)[-1] is not Ellipsis


def _of_several(container: Callable[[Any], Any], convert: Convert | None) -> Convert:
    def several(found: Any) -> Any:
        if not isinstance(found, (list, tuple, set, frozenset)):
            return found
        values = found if convert is None else [convert(one) for one in found]
        try:
            return container(values)
        except TypeError:  # of a set, an element that has no hash
            return values

    return several


def _tried(read: Callable[[str], Any] | None, kind: Annotation) -> Convert:
    """*read* for text, and msgspec for the rest."""

    def convert(found: Any) -> Any:
        try:
            if read is not None and type(found) is str:
                return read(found)
            return msgspec.convert(found, kind, strict=False, dec_hook=foreign)
        except _WRONG:
            return found

    return convert


def _integer(text: str) -> int:
    if text.isascii() and text.isdigit() and (text[0] != "0" or text == "0"):
        return int(text)
    return msgspec.convert(_number(text), int, strict=False)  # "12.0" is whole, too


def _real(text: str) -> float:
    value = float(_number(text))
    if not isfinite(value):
        raise ValueError("too large")
    return value


def _decimal(text: str) -> Decimal:
    return Decimal(_number(text))


def _number(text: str) -> str:
    if _NUMBER.fullmatch(text) is None:
        raise ValueError("no number as JSON has them")
    return text


def _datetime(text: str) -> datetime:
    return msgspec.convert(_with_seconds(text), datetime)


def _time(text: str) -> time:
    return msgspec.convert(_with_seconds(text), time)


def _with_seconds(text: str) -> str:
    return _MINUTES.sub(r"\1\2:00\3", text) if _MINUTES.fullmatch(text) else text


_BY_TYPE: Final[dict[type, Callable[[str], Any]]] = {
    int: _integer,
    float: _real,
    Decimal: _decimal,
    datetime: _datetime,
    time: _time,
    date: lambda text: msgspec.convert(text, date),
    timedelta: lambda text: msgspec.convert(text, timedelta),
}
"""Where msgspec would take more than one wants, or less."""
