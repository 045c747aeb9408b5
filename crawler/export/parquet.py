"""Apache Parquet, compressed with Zstandard; the ``parquet`` extra. https://parquet.apache.org/docs/file-format/

What becomes of a field is in ``export/columns.py``: text, int64 (uint64, decimal), double, boolean, date, time,
timestamp in microseconds (in UTC where there are offsets), list, struct, and JSON text for what is none of them. A field
that a record does not have is null, as one that is null.

Rule 1: a row group has as many records as are 10,000, 8 MB of JSON and 8,000,000 cells at most: that is what is in
memory, however many records there are. Where many columns of many records would be too many chunks, it has more of them.
Rule 2: columns of JSON text, and decimals that are whole numbers, say so in their metadata (``crawler``), so that reading
gives what was written.
"""

from __future__ import annotations

import datetime
import sys
from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from itertools import accumulate, chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, ClassVar, Literal

import msgspec

from crawler.errors import MissingExtra
from crawler.export.columns import Type, distinct, survey, type_of
from crawler.export.kinds import Lines, Making, NotReadable, NotWritable
from crawler.export.lines import decoded, groups_of

if TYPE_CHECKING:
    from arro3.core import Array, DataType, Field, RecordBatch, Schema

NO_FIELDS = "no_fields"
"""The column of a file whose records have none: readers want one."""
_MOST_CELLS = 8_000_000
_MOST_CHUNKS = 250_000
"""Columns times row groups of a file. Until it is written each has some 1,200 bytes in memory (measured)."""
_STRETCH = 8
"""How many times a row group may be larger than it should be, so that there are not more of them."""
_MARK = "crawler"
"""The key of a column's metadata: its *kind*, where the type alone does not say it."""
_MARKED = ("json", "large")

_json: Callable[[Any], bytes] = msgspec.json.Encoder(decimal_format="string").encode


class Parquet:
    """A file of columns."""

    is_made: ClassVar[Literal[True]] = True

    def __init__(self) -> None:
        """
        :raises MissingExtra: arro3 is not installed
        """
        try:
            import arro3.core
            import arro3.io
        except ImportError:
            raise MissingExtra("a .parquet needs the parquet extra: pip install arro3-core arro3-io") from None
        self._core = arro3.core
        self._io = arro3.io

    def write(self, lines: Lines, target: Path, making: Making) -> None:
        found = survey(lines(), making.schema)
        objects = found.records.objects
        types = {name: type_of(column, objects) for name, column in found.columns().items()}
        types = types or {NO_FIELDS: Type("text")}
        most = _group(objects, found.group, _width(Type("object", fields=types)))
        schema = self._core.Schema(_fields(types))
        with target.open("xb") as file:
            watched = _Watched(file)
            batches = _Batches(_batches(lines(), most, types, schema), watched)
            reader = self._core.RecordBatchReader.from_batches(schema, batches)
            try:
                self._io.write_parquet(
                    reader,
                    watched,  # type: ignore[arg-type]  # what it calls of a file, it has
                    compression="zstd(3)",  # as the tool's own
                    max_row_group_size=most,
                    created_by="crawler",
                )
            except Exception:
                if batches.error is None:
                    raise
            error = watched.error or batches.error
            if error is not None:
                raise error

    def read(self, path: Path) -> Iterator[bytes]:
        if not path.stat().st_size:
            return
        _check_ends(path)
        try:
            reader = self._io.read_parquet(path, batch_size=1_000)
            schema = reader.schema
            fields = [schema.field(place) for place in range(len(schema))]
            batches = iter(reader)
        except BaseException as error:
            raise _refusal(error) from None
        while True:
            try:
                batch = next(batches, None)
            except BaseException as error:
                raise _refusal(error) from None
            if batch is None:
                return
            yield from _records(batch, fields)

    def take_over(self, path: Path, making: Making) -> Iterator[bytes]:
        return self.read(path)


class _Watched:
    """A file for arro3, which panics when one raises: what went wrong is kept, and the bytes go nowhere."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.error: OSError | None = None

    def write(self, data: bytes) -> int:
        if self.error is None:
            try:
                self._file.write(data)
            except OSError as error:
                self.error = error
        return len(data)

    def flush(self) -> None:
        if self.error is None:
            try:
                self._file.flush()
            except OSError as error:
                self.error = error

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()


class _Batches:
    """An iterator that keeps what it raised, for arro3 makes a text of it; it ends when the file cannot be written."""

    def __init__(self, batches: Iterator[RecordBatch], file: _Watched) -> None:
        self._batches = batches
        self._file = file
        self.error: Exception | None = None

    def __iter__(self) -> _Batches:
        return self

    def __next__(self) -> RecordBatch:
        if self._file.error is not None:
            raise StopIteration
        try:
            return next(self._batches)
        except StopIteration:
            raise
        except Exception as error:
            self.error = error
            raise


def _batches(lines: Iterable[bytes], most: int, types: dict[str, Type], schema: Schema) -> Iterator[RecordBatch]:
    from arro3.core import RecordBatch

    for group in groups_of(lines, most, sys.maxsize):
        records = decoded(group)
        columns = [_array([record.get(name) for record in records], kind) for name, kind in types.items()]
        yield RecordBatch.from_arrays(columns, schema=schema)


def _group(records: int, most: int, columns: int) -> int:
    """Records of a row group; *most* are as many as fit by their bytes.

    :raises NotWritable: there are too many columns for so many records
    """
    fit = max(1, min(most, _MOST_CELLS // columns))
    needed = -(-records * columns // _MOST_CHUNKS)
    if needed > fit * _STRETCH:
        raise NotWritable(
            f"{records:,} records with {columns:,} different fields are too many for a Parquet file: JSON lines (.jsonl) "
            "hold them"
        )
    return max(fit, needed)


def _width(kind: Type) -> int:
    """Columns of Parquet that *kind* takes: an object is as many as its fields."""
    inner = [*kind.fields.values(), *([kind.values] if kind.values else [])]
    return sum(map(_width, inner)) if inner else 1


def _fields(types: dict[str, Type]) -> list[Field]:
    names = distinct(types)
    return [_field(names[name], kind) for name, kind in types.items()]


def _field(name: str, kind: Type, *, is_nullable: bool | None = None) -> Field:
    from arro3.core import Field

    nullable = kind.is_nullable if is_nullable is None else is_nullable
    return Field(
        name, _arrow(kind), nullable=nullable, metadata={_MARK: str(kind.kind)} if kind.kind in _MARKED else None
    )


def _arrow(kind: Type) -> DataType:
    """The type of Arrow, which is written into the file as one of Parquet's."""
    from arro3.core import DataType

    if kind.kind == "list" and kind.values is not None:
        return DataType.list(_field("element", kind.values, is_nullable=True))  # the name that Parquet's text has
    if kind.kind == "object":
        names = distinct(kind.fields)
        fields = [_field(names[name], inner, is_nullable=True) for name, inner in kind.fields.items()]
        return DataType.struct(fields)
    simple: dict[str, Callable[[], DataType]] = {
        "text": DataType.utf8,
        "json": DataType.utf8,
        "flag": DataType.bool,
        "whole": DataType.int64,
        "unsigned": DataType.uint64,
        "large": lambda: DataType.decimal128(38, 0),
        "decimal": lambda: DataType.decimal128(kind.precision, kind.scale),
        "real": DataType.float64,
        "date": DataType.date32,
        "time": lambda: DataType.time64("us"),
        "moment": lambda: DataType.timestamp("us"),
        "utc": lambda: DataType.timestamp("us", tz="UTC"),
    }
    return simple[kind.kind]()


def _array(values: list[Any], kind: Type) -> Array:
    """A column of *values*, column by column where they are objects."""
    from arro3.core import Array, DataType, list_array, struct_array

    if kind.kind == "list" and kind.values is not None:
        offsets = Array([0, *accumulate([len(value) if value else 0 for value in values])], DataType.int32())
        inner = _array(list(chain.from_iterable(filter(None, values))), kind.values)
        return list_array(offsets, inner, type=_arrow(kind), mask=_mask(values))
    if kind.kind == "object":
        arrays = [_array([v.get(name) if v else None for v in values], inner) for name, inner in kind.fields.items()]
        arrow = _arrow(kind)
        return struct_array(arrays, fields=arrow.fields, mask=_mask(values))
    if kind.kind == "json":
        texts = [None if value is None else _json(value).decode() for value in values]
        return Array(texts, DataType.utf8())
    if kind.kind in _PARSED:
        return _cast(values, kind)
    return Array(values, _arrow(kind))


def _mask(values: list[Any]) -> Array | None:
    from arro3.core import Array, DataType

    return Array([value is None for value in values], DataType.bool()) if None in values else None


_PARSED: dict[str, Callable[[str], str]] = {
    "large": str,
    "decimal": lambda text: format(Decimal(text), "f"),
    "date": lambda text: msgspec.convert(text, datetime.date).isoformat(),
    "time": lambda text: msgspec.convert(text, datetime.time).isoformat(),
    "moment": lambda text: msgspec.convert(text, datetime.datetime).isoformat(),
    "utc": lambda text: msgspec.convert(text, datetime.datetime).isoformat(),
}
"""Kinds that Arrow reads from text, with the one way to write each that it surely reads."""


def _cast(values: list[Any], kind: Type) -> Array:
    from arro3.core import Array, DataType

    texts = [value if value is None or type(value) is str else str(value) for value in values]
    column = Array(texts, DataType.utf8()).cast(_arrow(kind))
    if column.null_count == texts.count(None):
        return column
    plain = [None if text is None else _PARSED[kind.kind](text) for text in texts]  # 1e3 is a decimal, and not to Arrow
    return Array(plain, DataType.utf8()).cast(_arrow(kind))


def _check_ends(path: Path) -> None:
    """A file that is cut off has no end: it is told before arro3, which panics, sees it.

    :raises NotReadable: it does not begin and end as a Parquet file does
    """
    with path.open("rb") as file:
        beginning = file.read(4)
        size = file.seek(0, 2)
        file.seek(max(size - 8, 0))
        end = file.read(8)
    if beginning != b"PAR1" or end[4:] != b"PAR1" or int.from_bytes(end[:4], "little") > size - 12:
        raise NotReadable("it is no whole Parquet file: it does not begin and end as one does")


def _refusal(error: BaseException) -> BaseException:
    """arro3 raises plain exceptions and panics."""
    if type(error) is Exception or type(error).__name__ == "PanicException":
        return NotReadable(f"it is a damaged Parquet file: {error}")
    return error


def _records(batch: RecordBatch, fields: list[Field]) -> Iterator[bytes]:
    columns = [_restored(batch.column(place).to_pylist(), field) for place, field in enumerate(fields)]
    names = [field.name for field in fields]
    if names == [NO_FIELDS]:
        names = []
    for cells in zip(*columns, strict=True):
        yield _json(dict(zip(names, cells, strict=False)))


def _restored(values: Any, field: Field) -> list[Any]:
    """*values* of a column, with those that are marked as what they were, wherever it stands within them."""
    if not _has_mark(field):
        return list(values)
    restore = _RESTORED.get(field.metadata_str.get(_MARK, ""))
    if restore is not None:
        return [value if value is None else restore(value) for value in values]
    if field.type.value_field is not None:
        inner = field.type.value_field
        return [value if value is None else _restored(value, inner) for value in values]
    for inner in field.type.fields:
        for value in values:
            if value is not None:
                value[inner.name] = _restored([value[inner.name]], inner)[0]
    return list(values)


_RESTORED: dict[str, Callable[[Any], Any]] = {"json": msgspec.json.Decoder().decode, "large": int}


def _has_mark(field: Field) -> bool:
    """Whether it, or one within it, is not what its type alone says."""
    from arro3.core import DataType

    if field.metadata_str.get(_MARK):
        return True
    if field.type.value_field is not None:
        return _has_mark(field.type.value_field)
    return DataType.is_struct(field.type) and any(map(_has_mark, field.type.fields))
