from __future__ import annotations

import time
from typing import Any

import pytest
from a_page import a_page

from crawler.parse.table import unique

BOOK = """<table class="table table-striped"><tr><th>UPC</th><td>a897fe39b1053632</td></tr>
<tr><th>Price (excl. tax)</th><td>£51.77</td></tr><tr><th>Tax</th><td>£0.00</td></tr></table>"""

RECORDS: list[tuple[str, list[dict[str, str]]]] = [
    (
        "<thead><tr><th>a<th>b<tbody><tr><td>1<td>2<tr><td>3<td>4",
        [{"a": "1", "b": "2"}, {"a": "3", "b": "4"}],
    ),
    ("<thead><tr><td>a<td>b<tbody><tr><th>1<td>2", [{"a": "1", "b": "2"}]),  # a head is one, whatever its cells are
    ("<tr><th>a<th>b<tr><th>1<td>2", [{"a": "1", "b": "2"}]),  # names of rows stay
    ("<tr><td>a<td>b<tr><td>1<td>2", [{"a": "1", "b": "2"}]),
    ("<tr><th>a<th>b<tr><td>1", [{"a": "1", "b": ""}]),
    ("<tr><th>a<tr><td>1<td>2<td>3", [{"a": "1", "column 2": "2", "column 3": "3"}]),
    ("<tr><th>a<th><th>a<tr><td>1<td>2<td>3", [{"a": "1", "column 2": "2", "a 2": "3"}]),
    ("<tr><th>a<tr><tr><td>1", [{"a": "1"}]),  # a row without cells is none
    ("<tr><th colspan=2>a<th>b<tr><td>1<td>2<td>3", [{"a": "1", "a 2": "2", "b": "3"}]),
    (
        "<thead><tr><th rowspan=2>Name<th colspan=2>Price<tr><th>net<th>gross<tbody><tr><td>x<td>1<td>2",
        [{"Name": "x", "Price net": "1", "Price gross": "2"}],
    ),
    (
        "<tr><th>a<th>b<tr><td rowspan=2>1<td>2<tr><td>3<tr><td>4<td>5",
        [{"a": "1", "b": "2"}, {"a": "1", "b": "3"}, {"a": "4", "b": "5"}],
    ),
    ("<tr><th>a<th>b<tr><td rowspan=0>1<td>2<tr><td>3", [{"a": "1", "b": "2"}, {"a": "1", "b": "3"}]),
    ("<tr><th>a<th>b<tr><td rowspan=9 colspan=2>1<tr>", [{"a": "1", "b": "1"}, {"a": "1", "b": "1"}]),
    (  # a span ends with its group of rows
        "<thead><tr><th>a<th>b<tbody><tr><td rowspan=5>1<td>2<tbody><tr><td>3<td>4",
        [{"a": "1", "b": "2"}, {"a": "3", "b": "4"}],
    ),
    (
        "<tr><th>a<th>b<tr><td colspan=x>1<td colspan=-1>2<tr><td colspan=0>3",
        [{"a": "1", "b": "2"}, {"a": "3", "b": ""}],
    ),
    ("<tfoot><tr><td>9</tfoot><thead><tr><th>a</thead><tr><td>1", [{"a": "1"}, {"a": "9"}]),  # a foot is last
    ("<caption>c</caption><colgroup><col></colgroup><tr><th>a<tr><td>1", [{"a": "1"}]),
    (
        "<tr><th>a<th>b<tr><td>1<table><tr><td>inner<td>cell</table><td>2",
        [{"a": "1 inner cell", "b": "2"}],
    ),
    (
        "<tr><th>a<tr><td> x&nbsp;<b>y</b>z<br>w<p>v</p>u<script>s</script><ul><li>1<li>2</ul>",
        [{"a": "x yz w v u 1 2"}],
    ),
    ("<tr><th>a", []),
    ("", []),
]


@pytest.mark.parametrize(("rows", "expected"), RECORDS)
def test_a_table_is_a_record_for_each_row(rows: str, expected: list[dict[str, str]]) -> None:
    assert a_page(f"<table>{rows}</table>").table() == expected


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (["x"], [{"x": "1", "column 2": "2"}]),
        (["x", "y", "z"], [{"x": "1", "y": "2", "z": ""}]),
        ([], [{"column 1": "1", "column 2": "2"}]),
        (0, [{"a": "1", "b": "2"}]),
        (1, []),
    ],
)
def test_the_header_may_be_given(header: Any, expected: list[dict[str, str]]) -> None:
    assert a_page("<table><tr><th>a<th>b<tr><td>1<td>2</table>").table(header=header) == expected


def test_with_names_given_the_first_row_of_plain_cells_is_a_record() -> None:
    assert a_page("<table><tr><td>1<tr><td>2</table>").table(header=["x"]) == [{"x": "1"}, {"x": "2"}]


def test_a_title_above_the_header_is_passed_by_its_number() -> None:
    page = a_page("<table><tr><td colspan=2>Prices<tr><td>a<td>b<tr><td>1<td>2</table>")
    assert page.table(header=1) == [{"a": "1", "b": "2"}]


@pytest.mark.parametrize("header", [2, -1, 99])
def test_a_header_that_is_no_row_is_an_error(header: int) -> None:
    with pytest.raises(ValueError, match="the table has 2"):
        a_page("<table><tr><td>a<tr><td>b</table>").table(header=header)


def test_one_text_is_no_header() -> None:
    with pytest.raises(TypeError, match="a list of names"):
        a_page(BOOK).table(header="UPC")


PAIRS: list[tuple[str, dict[str, str]]] = [
    (BOOK, {"UPC": "a897fe39b1053632", "Price (excl. tax)": "£51.77", "Tax": "£0.00"}),
    ("<table><tr><td>a<td>1<tr><td>b<td>2<td>3</table>", {"a": "1", "b": "2 3"}),
    ("<table><tr><th>a<td>1<th>b<td>2</table>", {"a": "1", "b": "2"}),
    ("<table><tr><th>a<td>1<tr><th>a<td>2</table>", {"a": "1", "a 2": "2"}),
    ("<table><tr><th colspan=2>Title<tr><th>a<td colspan=3>1</table>", {"a": "1"}),
    ("<table><tr><th>a<td></table>", {"a": ""}),
    ("<table><tr><td>x<th>a<td>1</table>", {"a": "1"}),
]


@pytest.mark.parametrize(("html", "expected"), PAIRS)
def test_a_table_of_names_and_values_is_one_dict(html: str, expected: dict[str, str]) -> None:
    assert a_page(html).table(vertical=True) == expected


def test_a_table_is_found_by_css_around_or_as_itself() -> None:
    page = a_page("<table><tr><td>no</table><div class=box><table id=t class='x y'><tr><th>a<tr><td>1</table></div>")
    assert page.table(".box") == page.table("#t") == page.table("table.x") == [{"a": "1"}]
    with pytest.raises(ValueError, match=r"has no table '#absent'; its tables: table, table#t\.x\.y"):
        page.table("#absent")
    with pytest.raises(ValueError, match="its tables: none"):
        a_page("<p>").table()


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["a", "a", "a"], ["a", "a 2", "a 3"]),
        (["a", "a 2", "a"], ["a", "a 2", "a 3"]),
        (["", ""], ["column 1", "column 2"]),
        (["", "column 1"], ["column 1 2", "column 1"]),
        (["a", "a", "a 2"], ["a", "a 3", "a 2"]),
        ([], []),
    ],
)
def test_names_become_unique(names: list[str], expected: list[str]) -> None:
    assert unique(names) == expected
    assert len(set(unique(names))) == len(names)


@pytest.mark.parametrize(
    "html",
    [
        "<tr>" + "<td colspan=1000 rowspan=65534>x" * 50 + "<tr>" * 2_000,
        ("<tr>" + "<td colspan=1000>x" * 10) * 300,
        "<tr>" + "<td rowspan=65534>x" * 1_000 + "<tr>" * 2_000,
    ],
)
def test_spans_without_end_are_an_error_in_time(html: str) -> None:
    page = a_page(f"<table>{html}</table>")
    assert page.tree
    began = time.process_time()
    with pytest.raises(ValueError, match="more than 200000 cells"):
        page.table()
    assert time.process_time() - began < 3.0  # 0.1 to 0.4 s
