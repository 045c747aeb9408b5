"""What types of items a dataset has: their schemas and keys, for its manifest and for formats with typed columns."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import msgspec

from crawler.errors import OutputError, SinkError
from crawler.export.manifest import ItemType
from crawler.export.sink import why
from crawler.export.spool import label
from crawler.items.keys import Keep, keep_of, key_fields, key_named
from crawler.items.schema import schema_of
from crawler.outcome import Record

FILE = "types.part"
"""In the job's folder: a run that goes on may meet no item of a type that an earlier one has met."""


class ItemTypes:
    """The types that have been met, by their names. Bounded by what a program defines."""

    def __init__(self, job: Path | None) -> None:
        """*job* is the job's folder; None if there is no job."""
        self.known: dict[str, ItemType] = {}
        self._file = job / FILE if job is not None else None
        self._met: set[type] = set()

    def restore(self) -> None:
        """Take up what an earlier run has met.

        :raises OutputError: it cannot be read
        """
        if self._file is None or not self._file.exists():
            return
        try:
            self.known = msgspec.json.decode(self._file.read_bytes(), type=dict[str, ItemType])
        except (OSError, msgspec.DecodeError) as error:
            raise OutputError(f"{self._file} cannot be read: {error}") from error

    def schema(self, name: str) -> dict[str, Any] | None:
        """The JSON Schema of the type *name*, if it is known."""
        return self.known[name].schema or None if name in self.known else None

    async def note(self, records: Sequence[Record]) -> list[str]:
        """Take in the types of *records*, before they are written. The names of those that are new.

        :raises SinkError: they cannot be written down
        """
        new = {record.type for record in records if record.type not in self._met} - {None}
        for item_type in new:
            assert item_type is not None
            self._met.add(item_type)
            self.known[item_type.__name__] = ItemType(
                schema=schema_of(item_type) or {}, key=list(key_fields(item_type)), keep=keep_of(item_type)
            )
        if new and self._file is not None:
            await asyncio.to_thread(self._save, self._file)
        return [item_type.__name__ for item_type in new if item_type is not None]

    def _save(self, file: Path) -> None:
        new = file.with_name(f"new-{file.name}")
        try:
            new.write_bytes(msgspec.json.encode(self.known))
            os.replace(new, file)
        except OSError as error:
            raise SinkError(str(file), why(error)) from error


class Labels:
    """What stands in a spool before the records of an earlier dataset."""

    def __init__(self, types: Mapping[str, ItemType], item: str) -> None:
        """*item* is the type of all of them; empty if that is to be seen from each."""
        self._item = item
        self._name_of = recognizer(types)
        self._keys = {
            name: key_named(name, known.key, cast(Keep, known.keep)) for name, known in types.items() if known.key
        }

    def of(self, line: bytes) -> bytes:
        name = self._item or self._name_of(msgspec.json.decode(line))
        key = self._keys.get(name)
        if key is None:
            return label(name) if name else b""
        return label(name, key.keep, key.digest(line))


def keys_of(types: Mapping[str, ItemType]) -> Callable[[Mapping[str, Any]], Sequence[str]] | None:
    """Gives the key of a record, by its type; None if none of *types* has one."""
    keys = {name: known.key for name, known in types.items() if known.key}
    if not keys:
        return None
    name_of = recognizer(types)
    return lambda record: keys.get(name_of(record), ())


def recognizer(types: Mapping[str, ItemType]) -> Callable[[Mapping[str, Any]], str]:
    """Tells which of *types* a record is of, by its fields; an empty name if none fits, or several do.

    What is null counts as missing: a table has a cell for it.
    """
    shapes = [(name, *_fields_of(known.schema)) for name, known in types.items()]

    def name_of(record: Mapping[str, Any]) -> str:
        there = {field for field, value in record.items() if value is not None and value != ""}
        fitting = [
            name for name, required, known in shapes if not known or (there <= known and required <= record.keys())
        ]
        fuller = [name for name, required, _ in shapes if name in fitting and required <= there]
        found = fuller or fitting
        return found[0] if len(found) == 1 else ""

    return name_of


def _fields_of(schema: Mapping[str, Any]) -> tuple[frozenset[str], frozenset[str]]:
    """The fields that a record must have, and those that it may have; none of these: nobody knows."""
    target = schema
    if "$ref" in schema:
        target = schema.get("$defs", {}).get(str(schema["$ref"]).rpartition("/")[2], {})
    return frozenset(target.get("required", ())), frozenset(target.get("properties", ()))
