"""Keys: which items are one and the same, and which of them stays.

A digest is made of the record as it is written, so that it is the same in every process and after every restart.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal, TypeAlias
from weakref import WeakSet

import msgspec
import xxhash

from crawler.errors import ItemDefinitionError
from crawler.outcome import Record

Keep: TypeAlias = Literal["first", "last"]

_KEYED: WeakSet[type] = WeakSet()


class Key(msgspec.Struct, frozen=True):
    """What tells the items of a type apart."""

    fields: tuple[str, ...]
    keep: Keep
    """Which item of those with one key is kept."""
    prefix: bytes
    """The name of the type, with which each digest begins: two types never share a key."""
    decoder: msgspec.json.Decoder[Any]  # of a Struct that is made for it
    """Reads the fields of the key, as they are written, and skips the rest."""

    def digest(self, data: bytes) -> bytes | None:
        """16 bytes of the record *data*; None if it has null in every field of the key: that names nothing."""
        values = msgspec.structs.astuple(self.decoder.decode(data))
        written = b",".join([bytes(value) for value in values])
        if not written.replace(b"null", b"").strip(b","):
            return None
        return xxhash.xxh3_128_digest(self.prefix + written + b"]")


def keyed(
    item_type: type[msgspec.Struct], key: str | Sequence[str] | None, keep: Keep | None, inherited: Key | None
) -> Key | None:
    """The key of *item_type*, by what its class statement says; where it says nothing, *inherited*.

    :raises ItemDefinitionError: there is no such field, or no such word
    """
    name = item_type.__name__
    if keep not in (None, "first", "last"):
        raise ItemDefinitionError(f'{name}: keep={keep!r} is neither "first" nor "last"')
    if key is None and inherited is None:
        if keep is not None:
            raise ItemDefinitionError(
                f'{name}: keep={keep!r} needs a key: class {name}(Item, key="url", keep={keep!r})'
            )
        return None
    fields = inherited.fields if key is None and inherited is not None else _fields_of(name, key, item_type)
    kept: Keep = keep or (inherited.keep if inherited is not None else "last")
    if not fields:
        return None
    written = dict(zip(item_type.__struct_fields__, item_type.__struct_encode_fields__, strict=True))
    made = msgspec.structs.replace(key_named(name, [written[field] for field in fields], kept), fields=fields)
    _KEYED.add(item_type)
    return made


def key_named(name: str, fields: Sequence[str], keep: Keep) -> Key:
    """The key of the type *name*, by what is known of it where its class is not at hand."""
    parts = [(f"f{number}", msgspec.Raw, msgspec.Raw(b"null")) for number in range(len(fields))]
    reader = msgspec.defstruct("KeyOnly", parts, rename={f"f{number}": field for number, field in enumerate(fields)})
    return Key(tuple(fields), keep, b"%s\0[" % name.encode(), msgspec.json.Decoder(reader))


def keyed_types() -> list[type]:
    """The Item classes with a key that there are in this process."""
    return list(_KEYED)


def key_fields(item_type: type) -> tuple[str, ...]:
    """The fields of its key, in the order in which it names them; empty if it has none."""
    key = getattr(item_type, "__key__", None)
    return key.fields if isinstance(key, Key) else ()


def keep_of(item_type: type) -> Keep:
    """Which item of those with one key is kept; ``last`` where there is no key."""
    key = getattr(item_type, "__key__", None)
    return key.keep if isinstance(key, Key) else "last"


def key_of(record: Record) -> tuple[Keep, bytes] | None:
    """Which item is kept, and the digest of the key; None if *record* has no key."""
    kind = record.type
    if kind is None:
        return None
    key: Key | None = getattr(kind, "__key__", None)
    if key is None or type(key) is not Key:
        return None
    digest = key.digest(record.data)
    return None if digest is None else (key.keep, digest)


def settled(records: Iterable[Record]) -> list[Record]:
    """*records* without those that others of their key replace. The last one of a key stands where it came."""
    found: dict[bytes | int, Record] = {}
    for number, record in enumerate(records):
        key = key_of(record)
        if key is None:
            found[number] = record
        elif key[0] == "last":
            found.pop(key[1], None)
            found[key[1]] = record
        else:
            found.setdefault(key[1], record)
    return list(found.values())


def _fields_of(name: str, key: object, item_type: type[msgspec.Struct]) -> tuple[str, ...]:
    fields = (key,) if isinstance(key, str) else tuple(key) if isinstance(key, (tuple, list)) else None
    if fields is None or len(set(map(str, fields))) < len(fields):
        raise ItemDefinitionError(f"{name}: key={key!r} is neither the name of a field nor a tuple of different ones")
    for field in fields:
        if field not in item_type.__struct_fields__:
            known = ", ".join(item_type.__struct_fields__) or "none"
            raise ItemDefinitionError(f"{name} has no field {field!r} to be its key; its fields are: {known}")
    return fields
