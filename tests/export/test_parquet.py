"""A Parquet dataset, read as its users read it: with pyarrow and with DuckDB."""

import datetime
import json
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crawler import Item
from crawler.errors import MissingExtra, OutputError
from crawler.export import parquet as parquet_module
from crawler.export.formats import Making, NotReadable, NotWritable, format_of
from crawler.export.parquet import Parquet
from crawler.items.schema import schema_of
from tests.export.datasets import HARD, lines_of, read, without_nulls, written


def by_pyarrow(path: Path) -> list[dict[str, Any]]:
    """The records as pyarrow has them, JSON text decoded by what the schema says of it."""
    table = pq.read_table(path)
    columns = [
        [restored(value, field) for value in column.to_pylist()]
        for column, field in zip(table.columns, table.schema, strict=True)
    ]
    names = table.schema.names
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def restored(value: Any, field: pa.Field) -> Any:
    if value is None:
        return None
    mark = (field.metadata or {}).get(b"crawler")
    if mark:
        return json.loads(value) if mark == b"json" else int(value)
    if pa.types.is_list(field.type):
        return [restored(inner, field.type.value_field) for inner in value]
    if pa.types.is_struct(field.type):
        return {inner.name: restored(value[inner.name], inner) for inner in field.type}
    return value


def by_duckdb(path: Path) -> list[tuple[Any, ...]]:
    with duckdb.connect() as database:
        return database.execute("SELECT * FROM read_parquet(?)", [str(path)]).fetchall()


def types_by_duckdb(path: Path) -> dict[str, str]:
    with duckdb.connect() as database:
        rows = database.execute("DESCRIBE SELECT * FROM read_parquet(?)", [str(path)]).fetchall()
    return {row[0]: row[1] for row in rows}


def plain(records: list[dict[str, Any]]) -> list[Any]:
    return [
        without_nulls({name.replace("\0", "\u2400"): value for name, value in record.items()}) for record in records
    ]


def test_pyarrow_reads_what_was_written_record_for_record(tmp_path: Path) -> None:
    path = written(tmp_path / "items.parquet", HARD)
    assert [without_nulls(record) for record in by_pyarrow(path)] == plain(HARD)


def test_duckdb_reads_what_was_written_record_for_record(tmp_path: Path) -> None:
    path = written(tmp_path / "items.parquet", HARD)
    schema = pq.read_schema(path)
    rows = by_duckdb(path)
    records = [{field.name: restored(value, field) for value, field in zip(row, schema, strict=True)} for row in rows]
    assert [without_nulls(record) for record in records] == plain(HARD)


NAMES = st.sampled_from("abc") | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=5)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)
LIKE = st.lists(st.integers() | st.none()) | st.lists(
    st.lists(st.fixed_dictionaries({}, optional={"x": st.integers(), "y": st.lists(TEXT)}))
)
"""Values of one type, which :data:`VALUES` seldom are."""


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    records=st.lists(st.dictionaries(NAMES, VALUES, max_size=4), max_size=5)
    | st.lists(
        st.fixed_dictionaries({}, optional={"a": LIKE, "b": st.floats(-1, 1) | st.integers(), "c": TEXT}), max_size=6
    )
)
def test_any_records_are_what_pyarrow_reads(records: list[dict[str, Any]], tmp_path: Path) -> None:
    path = tmp_path / "items.parquet"
    path.unlink(missing_ok=True)
    found = by_pyarrow(written(path, records))
    found = [{} if list(record) == ["no_fields"] and "no_fields" not in records[0] else record for record in found]
    assert [without_nulls(record) for record in found] == plain(records)
    assert [without_nulls(record) for record in read(path)] == plain(records)


class Offer(msgspec.Struct):
    shop: str
    price: Decimal
    seen: datetime.datetime


class Book(Item):
    title: str
    pages: int
    weight: float
    is_new: bool
    price: Decimal
    published: datetime.date
    added: datetime.datetime
    local: datetime.datetime
    opens: datetime.time
    offers: list[Offer] = []
    tags: list[str] = []
    rating: int | None = None


def books() -> list[Book]:
    utc, summer = datetime.UTC, datetime.timezone(datetime.timedelta(hours=2))
    noon = datetime.datetime(2026, 12, 1, 12, 0, 0, 123456)
    offers = [
        Offer("A", Decimal("9.99"), noon.replace(tzinfo=utc)),
        Offer("B", Decimal("-0.001"), noon.replace(tzinfo=summer)),
    ]
    first = Book(title="Übung", pages=3, weight=2, is_new=True, price=Decimal("12.50"), published=noon.date(), added=noon.replace(tzinfo=summer), local=noon, opens=datetime.time(9, 30), offers=offers)  # fmt: skip
    early, late = datetime.datetime(1, 1, 1), datetime.datetime(9999, 12, 31, 23, 59, 59, 999999)
    second = Book(title="", pages=-1, weight=0.1, is_new=False, price=Decimal("1E+3"), published=early.date(), added=late.replace(tzinfo=utc), local=early, opens=datetime.time(23, 59, 59, 1), tags=["x"])  # fmt: skip
    return [first, second]


def of_books(path: Path) -> Path:
    lines = [msgspec.json.encode(book) for book in books()]
    Parquet().write(lambda: lines, path, Making("Book", schema_of(Book)))
    return path


def test_a_type_says_which_columns_are_dates_times_and_decimals(tmp_path: Path) -> None:
    path = of_books(tmp_path / "items.parquet")
    assert {field.name: str(field.type) for field in pq.read_schema(path)} == {
        "title": "string",
        "pages": "int64",
        "weight": "double",
        "is_new": "bool",
        "price": "decimal128(6, 2)",
        "published": "date32[day]",
        "added": "timestamp[us, tz=UTC]",
        "local": "timestamp[us]",
        "opens": "time64[us]",
        "offers": "list<element: struct<shop: string, price: decimal128(4, 3), seen: timestamp[us, tz=UTC]>>",
        "tags": "list<element: string>",
        "rating": "int64",
    }
    nullable = [field.name for field in pq.read_schema(path) if field.nullable]
    assert nullable == ["rating"]
    assert types_by_duckdb(path)["added"] == "TIMESTAMP WITH TIME ZONE"
    assert types_by_duckdb(path)["price"] == "DECIMAL(6,2)"


def test_dates_times_and_decimals_are_the_same_values(tmp_path: Path) -> None:
    found = by_pyarrow(of_books(tmp_path / "items.parquet"))
    assert found == [
        msgspec.structs.asdict(book) | {"offers": [msgspec.structs.asdict(offer) for offer in book.offers]}
        for book in books()
    ]
    again = [msgspec.convert(record, Book) for record in read(tmp_path / "items.parquet")]
    assert again == books()


def test_datasets_of_one_type_have_one_schema_whatever_fields_were_found(tmp_path: Path) -> None:
    class Page(Item):
        url: str
        title: str | None = None
        words: list[str] = []
        score: float = 0

    full = msgspec.json.encode(Page(url="a", title="t", words=["w"], score=0.5))
    bare = msgspec.json.encode(Page(url="a"))
    for number, line in enumerate([full, bare]):
        Parquet().write(lambda line=line: [line], tmp_path / f"{number}.parquet", Making("Page", schema_of(Page)))
    first, second = (pq.read_schema(tmp_path / f"{number}.parquet") for number in range(2))
    assert [(field.name, field.type) for field in first] == [(field.name, field.type) for field in second]


def test_a_file_is_compressed_and_its_row_groups_are_bounded(tmp_path: Path) -> None:
    path = written(tmp_path / "items.parquet", ({"n": number, "t": "x"} for number in range(25_000)))
    found = pq.ParquetFile(path).metadata
    assert [found.row_group(number).num_rows for number in range(found.num_row_groups)] == [10_000, 10_000, 5_000]
    assert found.row_group(0).column(0).compression == "ZSTD"
    assert pq.read_table(path)["n"].to_pylist() == list(range(25_000))


def test_row_groups_of_large_records_and_of_many_columns_are_smaller(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    large = written(tmp_path / "large.parquet", ({"t": chr(65 + number) * 1_000_000} for number in range(20)))
    assert pq.ParquetFile(large).metadata.row_group(0).num_rows == 5
    assert by_duckdb(large) == [(chr(65 + number) * 1_000_000,) for number in range(20)]
    monkeypatch.setattr(parquet_module, "_MOST_CELLS", 90)
    many = written(
        tmp_path / "many.parquet", ({"o": {f"f{inner}": number for inner in range(30)}} for number in range(7))
    )
    assert pq.ParquetFile(many).metadata.row_group(0).num_rows == 3
    assert [record["o"]["f29"] for record in by_pyarrow(many)] == list(range(7))


@pytest.mark.parametrize(
    ("records", "most", "columns", "group"),
    [
        (1_000_000, 10_000, 6, 10_000),
        (0, 10_000, 1, 10_000),
        (100_000, 500, 6, 500),
        (10_000, 10_000, 3_000, 2_666),
        (500_000, 10_000, 3_000, 6_000),
        (10**9, 10_000, 10, 40_000),
    ],
)
def test_a_row_group_has_as_many_records_as_are_in_memory(records: int, most: int, columns: int, group: int) -> None:
    assert parquet_module._group(records, most, columns) == group


def test_too_many_columns_for_so_many_records_are_told() -> None:
    with pytest.raises(NotWritable, match=r"1,000,000 records with 9,000 different fields are too many for a Parquet"):
        parquet_module._group(1_000_000, 10_000, 9_000)


def test_many_columns_are_read_back(tmp_path: Path) -> None:
    records = [{f"f{number}": number for number in range(start, start + 1_000)} for start in range(0, 3_000, 500)]
    path = written(tmp_path / "items.parquet", records)
    assert [without_nulls(record) for record in by_pyarrow(path)] == records
    assert len(types_by_duckdb(path)) == 3_500
    with pytest.raises(NotWritable, match="more than 16,384 different fields"):
        written(tmp_path / "wide.parquet", [{f"f{number}": 1 for number in range(20_000)}])


def test_what_goes_wrong_in_the_second_pass_is_raised_as_it_is(tmp_path: Path) -> None:
    passes = iter([lines_of([{"a": 1}]), [b"{torn"]])
    with pytest.raises(msgspec.DecodeError):
        Parquet().write(lambda: next(passes), tmp_path / "items.parquet", Making())


def test_parquet_files_of_others_are_read(tmp_path: Path) -> None:
    path = tmp_path / "other.parquet"
    moment = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    table = pa.table({
        "small": pa.array([1, None], pa.int16()),
        "single": pa.array([0.5, 1], pa.float32()),
        "when": pa.array([moment, None], pa.timestamp("ms", "UTC")),
        "amount": pa.array([Decimal("1.50"), None]),
        "kind": pa.array(["a", "b"]).dictionary_encode(),
        "long": pa.array([["x"], []], pa.large_list(pa.large_string())),
        "bytes": pa.array([b"\x00\xff", None]),
    })  # fmt: skip
    pq.write_table(table, path)
    assert read(path) == [
        {"small": 1, "single": 0.5, "when": "2026-01-01T00:00:00Z", "amount": "1.50", "kind": "a", "long": ["x"], "bytes": "AP8="},
        {"small": None, "single": 1, "when": None, "amount": None, "kind": "b", "long": [], "bytes": None},
    ]  # fmt: skip


def test_a_file_whose_middle_is_damaged_is_told(tmp_path: Path) -> None:
    path = written(tmp_path / "items.parquet", HARD)
    whole = bytearray(path.read_bytes())
    middle = len(whole) - 2_000
    whole[middle : middle + 1_900] = b"\xff" * 1_900
    path.write_bytes(bytes(whole))
    with pytest.raises(NotReadable, match="it is a damaged Parquet file"):
        read(path)


@pytest.fixture
def without_arro3(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("arro3", "arro3.core", "arro3.io"):
        monkeypatch.setitem(sys.modules, name, None)


@pytest.mark.usefixtures("without_arro3")
def test_without_the_extra_the_error_says_how_to_install_it() -> None:
    said = r"a \.parquet needs the parquet extra: pip install arro3-core arro3-io"
    with pytest.raises(MissingExtra, match=said):
        Parquet()
    with pytest.raises(OutputError, match=rf"^items\.parquet: {said}"):
        format_of("items.parquet")
