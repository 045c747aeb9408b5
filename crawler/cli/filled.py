"""How well the fields are filled, in a few lines: those that lack something, the emptiest first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from crawler.outcome import Filled

_TYPES = 5
"""Types of items that get a line: of more one would not read them all."""
_FIELDS = 8
"""Fields that are named: two lines of a terminal."""


def filled_in_words(filled: Mapping[str, Filled]) -> Iterator[str]:
    """A line for each type: ``Book: subtitle 12 %, isbn 97 %, the other 5 fields 100 %``."""
    shown = sorted(filled.items(), key=lambda entry: -entry[1].items)
    for name, of_type in shown[:_TYPES]:
        yield f"{name if name != 'dict' else 'items'}: {_fields_in_words(of_type)}"
    if len(shown) > _TYPES:
        yield f"and {len(shown) - _TYPES:,} more types of items"


def _fields_in_words(of_type: Filled) -> str:
    total, fields = of_type.items, of_type.fields
    lacking = sorted((count, name) for name, count in fields.items() if count < total)
    words = [f"{name} {percent(count, total)}" for count, name in lacking[:_FIELDS]]
    if len(lacking) > _FIELDS:
        words.append(f"{len(lacking) - _FIELDS:,} more below 100 %")
    whole = len(fields) - len(lacking)
    if whole:
        number = "" if lacking and whole == 1 else f"{whole:,} "
        words.append(
            f"{'the other ' if lacking else 'all ' if whole > 1 else ''}{number}field{'s' * (whole > 1)} 100 %"
        )
    return ", ".join(words) or "no fields"


def percent(part: int, whole: int) -> str:
    """Rounded, but never to what is not so: 100 % is each one, 0 % none."""
    if part in (0, whole):
        return "0 %" if part == 0 else "100 %"
    exact = 100 * part / whole
    return "<1 %" if exact < 1 else f"{min(round(exact), 99)} %"
