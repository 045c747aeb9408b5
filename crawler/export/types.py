"""What types of items a dataset has: their schemas and keys, for its manifest and for formats with typed columns."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from crawler.errors import OutputError, SinkError
from crawler.export.manifest import ItemType
from crawler.export.sink import why
from crawler.items.keys import keep_of, key_fields
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

    async def note(self, records: Sequence[Record]) -> None:
        """Take in the types of *records*, before they are written.

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

    def _save(self, file: Path) -> None:
        new = file.with_name(f"new-{file.name}")
        try:
            new.write_bytes(msgspec.json.encode(self.known))
            os.replace(new, file)
        except OSError as error:
            raise SinkError(str(file), why(error)) from error
