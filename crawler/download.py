"""What is wanted of a file that is saved rather than parsed, and what became of it. Plain data."""

from __future__ import annotations

import re
from string import Formatter
from typing import Any

import msgspec

PLACEHOLDERS = ("name", "stem", "ext", "host", "sha256", "spider")
"""What a template may name beside the fields of its download."""
RECORDED = ("url", "path", "bytes", "sha256", "media_type", "referrer")
"""The fields of a record that the file itself fills."""
_FOLDERS = 16
"""Folders in a template. Deeper trees than that are made by titles with slashes in them."""
_TYPE = re.compile(r"[\w.+-]+/(?:[\w.+-]+|\*)|\*/\*", re.ASCII)
_SEPARATOR = re.compile(r"[/\\]")

Piece = tuple[str, str | None]
"""A text that stands as it is, and the placeholder after it, if there is one."""


class DownloadSpec(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """How the body of a request is saved. :func:`crawler.Download` makes it."""

    to: str = ""
    """The path below the folder ``downloads``, as a template: ``{host}/{name}``. Empty: by content,
    ``{sha256[:2]}/{sha256}{ext}``, so that the same content is one file."""
    max_bytes: int | None = None
    """Bytes past which it is given up; None: the setting ``max_download``."""
    types: tuple[str, ...] = ()
    """Media types that are saved, as ``application/pdf`` or ``image/*``; empty: any."""
    fields: dict[str, Any] = {}
    """Yours: JSON types, which come into the record, and can be named in ``to``."""
    referrer: str = ""
    """The page that it was found on, if that is known."""

    def __post_init__(self) -> None:
        if self.max_bytes is not None and (not isinstance(self.max_bytes, int) or self.max_bytes < 1):
            raise ValueError(f"max_bytes is a number of bytes, 1 or more, not {self.max_bytes!r}")
        for media_type in self.types:
            if not isinstance(media_type, str) or not _TYPE.fullmatch(media_type):
                raise ValueError(f'types has {media_type!r}; write media types, as in ["application/pdf", "image/*"]')
        for name in self.fields:
            if name in RECORDED:
                raise ValueError(f"fields has {name!r}, which a record of a file has itself: call yours otherwise")
        if self.to:
            components(self.to, self.fields)


class Saved(msgspec.Struct, frozen=True, gc=False):
    """A file that is on disk as a whole."""

    path: str
    """As a record has it: from the project's folder on, with ``/``; absolute if it lies outside of that."""
    file: str
    """The same, absolute: to be opened."""
    bytes: int
    sha256: str
    """64 hexadecimal digits."""
    media_type: str = ""
    """What the server calls it, in lower case and without parameters; empty if it does not say."""
    name: str = ""
    """What the server or the URL calls it, as a plain name."""
    is_duplicate: bool = False
    """Whether the file was there already, with this content: of another URL, of an earlier crawl, or of a try that was
    killed before it counted."""
    received: int = 0
    """Bytes that came over the network this time: fewer where an earlier try had left a part."""


def components(template: str, fields: dict[str, Any]) -> list[list[Piece]]:
    """*template*, folder by folder and the name last, each as its pieces.

    :raises ValueError: it cannot be read, names what there is not, leads elsewhere, or has too many folders
    """
    try:
        read = list(Formatter().parse(template))
    except ValueError as error:
        raise ValueError(f"to = {template!r} cannot be read: {error} (a brace is written twice: {{{{)") from None
    if template.startswith(("/", "\\")) or ".." in _SEPARATOR.split(template):
        raise ValueError(
            f"to = {template!r} leads out of the folder of downloads; the setting `downloads` says where that is"
        )
    parts: list[list[Piece]] = [[]]
    for literal, name, form, conversion in read:
        first, *others = _SEPARATOR.split(literal)
        parts[-1].append((first, None))
        parts += [[(other, None)] for other in others]
        if name is None:
            continue
        if form or conversion or (name not in PLACEHOLDERS and name not in fields):
            known = ", ".join(f"{{{each}}}" for each in (*PLACEHOLDERS, *fields))
            raise ValueError(f"to = {template!r} names {{{name}}}; there are {known}, as they stand")
        parts[-1].append(("", name))
    parts = [part for part in parts if any(literal or name for literal, name in part)]
    if len(parts) > _FOLDERS + 1:
        raise ValueError(f"to = {template!r} has {len(parts) - 1} folders; no more than {_FOLDERS} are made")
    if not parts:
        raise ValueError(f"to = {template!r} names no file")
    return parts
