"""Where a saved file goes: which names it may have, below the folder that it never leaves. Pure.

Rule 1: every part of a path is a plain name (:mod:`crawler.http.filename`), whoever chose it: no separator, no dots in
front, no device. What is filled into a template adds no folder.
Rule 2: two files that are to have one name both get one: the second one has eight digits of its digest in it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from crawler.download import DownloadSpec, components
from crawler.http.filename import clean

Path = tuple[str, ...]
"""Folders, and the name of the file last."""
_SEPARATORS = re.compile(r"[/\\\u2044\u2215\u2216\u29f5\u29f8\ufe68\uff0f\uff3c]+")
_DIGITS = 8
"""Of a digest: enough to tell the files of one name apart. Where they are not, all 64 do."""
_MEDIA_TYPE = re.compile(r"[\w.+-]{1,80}/[\w.+-]{1,80}", re.ASCII)


def media_type_of(content_type: str) -> str:
    """``text/html`` of ``Text/HTML; charset=utf-8``; empty if it is none."""
    media_type = content_type[:256].partition(";")[0].strip().lower()
    return media_type if _MEDIA_TYPE.fullmatch(media_type) else ""


def admits(types: tuple[str, ...], media_type: str) -> bool:
    """Whether a body of *media_type* is wanted by who names *types*. Without any of them all are."""
    kind = media_type.partition("/")[0]
    return not types or any(wanted.lower() in (media_type, f"{kind}/*", "*/*") for wanted in types)


def places(spec: DownloadSpec, known: Mapping[str, Any]) -> list[Path]:
    """Where the file may go, the first choice first. By content there is but one place.

    :param known: the values of ``PLACEHOLDERS``
    """
    digest = known["sha256"]
    if not spec.to:
        return [(digest[:2], f"{digest}{known['ext']}")]
    values = {**spec.fields, **known}
    *folders, name = [
        _component("".join([literal + ("" if field is None else _value(values[field])) for literal, field in part]))
        for part in components(spec.to, spec.fields)
    ]
    return [(*folders, each) for each in (name, _told_apart(name, digest[:_DIGITS]), _told_apart(name, digest))]


def _value(given: Any) -> str:  # Any: what a field may have
    """Something from the web: it makes no folders."""
    return _SEPARATORS.sub("_", "" if given is None else str(given))


def _component(text: str) -> str:
    return clean(_SEPARATORS.sub("_", text)) or "_"


def _told_apart(name: str, digits: str) -> str:
    stem, dot, ending = name.rpartition(".")
    return clean(f"{stem}-{digits}.{ending}" if stem and dot else f"{name}-{digits}")
