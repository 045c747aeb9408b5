"""``srcset``: a list of images of different sizes. The HTML Standard, "parsing a srcset attribute". Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

_ADDRESS = re.compile(r"[\t\n\f\r ,]*+([^\t\n\f\r ]++)")
_DESCRIPTORS = re.compile(r"(?:[^,(]|\((?:[^)]*+\)|[^)]*+\Z))*+")
"""Up to the next comma that is not in parentheses, or to the end."""
_DESCRIPTOR = re.compile(r"(?:[1-9][0-9]*w|[1-9][0-9]*h|-?(?:[0-9]+|[0-9]*\.[0-9]+)(?:[eE][+-]?[0-9]+)?x)\Z")


def candidates(value: str) -> Iterator[str]:
    """The addresses in *value*; those whose size cannot be read are left out, as browsers do."""
    position = 0
    while (match := _ADDRESS.match(value, position)) is not None:
        address, position = match[1], match.end()
        if address[-1] == ",":
            yield address.rstrip(",")
            continue
        end = _DESCRIPTORS.match(value, position)
        assert end is not None  # it may be empty
        if _is_size(value[position : end.end()].split()):
            yield address
        position = end.end()


def _is_size(descriptors: list[str]) -> bool:
    """One width, or one density, or a width with a height; or nothing, which is a density of 1."""
    if not all(_DESCRIPTOR.match(descriptor) and descriptor[0] != "-" for descriptor in descriptors):
        return False
    return "".join(sorted(descriptor[-1] for descriptor in descriptors)) in ("", "w", "x", "hw")
