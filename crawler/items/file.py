"""``File``: the record of a file that was downloaded."""

from __future__ import annotations

from collections.abc import Mapping
from keyword import iskeyword
from types import new_class
from typing import Any, cast

import msgspec

from crawler.errors import SpiderError
from crawler.items.item import Item

_SHAPES = 100
"""Types with fields of their own that are made in one process. Who takes the *names* of fields from pages gets dicts."""
_made: dict[tuple[type, tuple[str, ...]], type[File]] = {}


class File(Item):
    """A file that was downloaded, as the dataset has it. The ``fields`` of its ``Download`` come after these.

    A subclass says what types those have; ``Spider.file_type`` names it::

        class Cover(File):
            isbn: str

        class Books(Spider):
            file_type = Cover
    """

    url: str
    """The one that gave it, after redirects."""
    path: str
    """From the project's folder on; absolute if it lies outside of that."""
    bytes: int
    sha256: str
    media_type: str = ""
    referrer: str | None = None
    """The page that it was found on."""


def file_record(kind: type[File], known: Mapping[str, Any], fields: Mapping[str, Any]) -> File | dict[str, Any]:
    """A *kind* of what is *known* of a file, and of the *fields* of its download.

    Those that *kind* does not name are in a type of the same name that has them too; where they cannot be the fields of
    a type, the record is a dict.

    :raises SpiderError: *kind* is no File, or needs a field that is not there
    """
    if not (isinstance(kind, type) and issubclass(kind, File)):
        raise SpiderError(f"file_type is {kind!r:.80}; write a subclass of crawler.File")
    names = tuple(name for name in fields if name not in kind.__struct_fields__)
    shape = _shape(kind, names) if names else kind
    if shape is None:
        return {**known, **fields}
    try:
        return shape(**known, **fields)
    except TypeError as error:  # "Missing required argument 'isbn'"
        raise SpiderError(f"{kind.__name__} cannot be made: {error}; Download(..., fields={{...}}) gives it") from None


def _shape(kind: type[File], names: tuple[str, ...]) -> type[File] | None:
    """*kind* with more fields, which have any type; None if they cannot be its fields."""
    shape = _made.get((kind, names))
    if shape is not None:
        return shape
    if len(_made) >= _SHAPES or not all(map(_is_free, names)):
        return None
    body: dict[str, Any] = dict.fromkeys(names, msgspec.UNSET)  # not required: other downloads may have others
    body |= {"__module__": kind.__module__, "__annotations__": dict.fromkeys(names, Any | msgspec.UnsetType)}
    made = cast("type[File]", new_class(kind.__name__, (kind,), exec_body=lambda space: space.update(body)))
    _made[kind, names] = made
    return made


def _is_free(name: str) -> bool:
    """Whether a field can have that *name*."""
    return name.isidentifier() and not iskeyword(name) and not name.startswith("_")
