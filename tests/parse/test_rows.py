"""Rows of CSV, JSON lines and XML."""

import gzip

import pytest

from crawler.parse.rows import MAX_CELL, MAX_PARTS, Faults, csv_rows, json_rows, text_of, xml_rows
from crawler.parse.xml import Broken


def csv(text: str, **options: object) -> tuple[list[dict[str, str]], Faults]:
    faults = Faults()
    return list(csv_rows(text, faults, **options)), faults


def test_the_first_line_names_the_columns():
    rows, faults = csv('name,price\r\n"A, ""quoted""\nname",1\r\n\r\nb,2')
    assert rows == [{"name": 'A, "quoted"\nname', "price": "1"}, {"name": "b", "price": "2"}]
    assert faults.count == 0


def test_columns_delimiter_and_quotes_can_be_told():
    rows, _ = csv("'a;1';2\n", delimiter=";", quotechar="'", headers=["x", "y"])
    assert rows == [{"x": "a;1", "y": "2"}]


def test_a_row_that_does_not_fit_is_counted_and_the_others_are_read():
    rows, faults = csv(f"a,b\n1\n2,3\n4,5,6\n7,{'x' * (MAX_CELL + 1)}\n8,9\n")
    assert rows == [{"a": "2", "b": "3"}, {"a": "8", "b": "9"}]
    assert (faults.count, faults.first) == (3, "line 2: 1 cells for 2 columns")


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ("a,,b\n", "without a name"),
        ("a,b,a\n", "'a' twice"),
        ("", "without a name"),
        ("," * (MAX_PARTS + 1), "columns"),
    ],
)
def test_a_header_that_names_no_columns_is_an_error(header, said):
    with pytest.raises(ValueError, match=said):
        csv(header)


@pytest.mark.parametrize("is_packed", [False, True])
def test_lines_of_json_come_as_they_are_or_packed(is_packed):
    body = b'{"a":1}\n\nnonsense\r\n[1]\n{"a":"\xc3\xa9"}'
    faults = Faults()
    assert list(json_rows(gzip.compress(body) if is_packed else body, faults)) == [{"a": 1}, {"a": "é"}]
    assert (faults.count, faults.first.partition(":")[0]) == (2, "line 3")


def test_a_packed_file_that_breaks_off_is_broken():
    body = gzip.compress(b'{"a":1}\n' * 1_000)[:-20]
    with pytest.raises(Broken, match="ends early"):
        list(json_rows(body, Faults()))
    with pytest.raises(Broken, match="ends early"):
        text_of(body, "utf-8", "text/csv")


def test_a_line_without_an_end_is_broken():
    with pytest.raises(Broken, match="a line of more than"):
        list(json_rows(b'"' + b"x" * 3_000_000, Faults()))


def test_a_text_file_is_decoded_by_its_encoding_and_has_no_mark_before_it():
    assert text_of("\ufeffé".encode(), "utf-8", "") == "é"
    assert text_of("é".encode("windows-1252"), "windows-1252", "") == "é"
    assert text_of(gzip.compress("é".encode("iso-8859-1")), "utf-8", "text/csv; charset=iso-8859-1") == "é"


@pytest.mark.parametrize(
    ("inside", "row"),
    [
        ("<name>A</name><price>1</price>", {"name": "A", "price": "1"}),
        ("<name> A &amp; B </name>", {"name": "A & B"}),
        ("<name><![CDATA[<b>]]></name>", {"name": "<b>"}),
        ("<tag>x</tag><tag>y</tag><tag>z</tag>", {"tag": ["x", "y", "z"]}),
        ('<price currency="EUR">1</price>', {"price": {"@currency": "EUR", "#text": "1"}}),
        ("<size><w>1</w><h>2</h></size>", {"size": {"w": "1", "h": "2"}}),
        ("<g:price>1</g:price>", {"price": "1"}),
        ("<empty/>", {"empty": ""}),
        ("plain", {"#text": "plain"}),
        ("", {}),
    ],
)
def test_an_element_becomes_a_dict(inside, row):
    body = f'<shop><product xmlns:g="g">{inside}</product><other/></shop>'.encode()
    faults = Faults()
    assert list(xml_rows(body, "Product", faults)) == [{"@g": "g", **row}]
    assert faults.count == 0


def test_an_element_that_is_far_too_large_is_counted():
    large = "<x/>" * MAX_PARTS
    long = "x" * 2_000_000
    faults = Faults()
    rows = xml_rows(f"<s><p>{large}</p><p>1</p><p>{long}</p><p>2</p></s>".encode(), "p", faults)
    assert list(rows) == [{"#text": "1"}, {"#text": "2"}]
    assert faults.count == 2
    assert faults.first.endswith("a <p> that is far too large")


@pytest.mark.parametrize(
    "body", [b"<s><p>1</p><p>", b"not xml", b'<!DOCTYPE s [<!ENTITY a "b">]><s><p>&a;</p></s>', b"<s>" + b"<a>" * 200]
)
def test_what_is_no_whole_xml_is_broken(body):
    with pytest.raises(Broken):
        list(xml_rows(body, "p", Faults()))
