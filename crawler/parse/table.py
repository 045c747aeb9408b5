"""Tables as records: the cells where they stand after their spans (the HTML Standard, 4.9.12, "Forming a table").

Rule 1: a record has every column, an empty text where there is no cell. Rule 2: names of columns are unique and never
empty. Rule 3: what a table becomes is bounded by its slots, for a span is a bomb of four characters.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

from crawler.parse.select import Element, Tree, select

MAX_SLOTS = 200_000
"""Rows times columns, once the spans are laid out: some 0.3 s of work. The longest lists of Wikipedia have 20,000."""
_MOST_COLUMNS, _MOST_ROWS = 1_000, 65_534
"""What one cell may span at the most. The Standard's."""
_SPACE = re.compile(r"\s+")
_INTEGER = re.compile(r"[ \t\n\f\r]*\+?([0-9]{1,9})")
_SECTIONS = frozenset({"thead", "tbody", "tfoot"})
_UNREAD = frozenset({"script", "style", "template"})
_INLINE = frozenset(
    {"a", "abbr", "b", "bdi", "bdo", "big", "cite", "code", "data", "del", "dfn", "em", "font", "i", "ins", "kbd", "mark",
     "q", "s", "samp", "small", "span", "strike", "strong", "sub", "sup", "time", "tt", "u", "var", "wbr"}
)  # fmt: skip
"""Elements in the middle of a word; at any other one a word ends."""


class Cell(NamedTuple):
    """What stands in a slot; a cell that spans several is the same object in each."""

    text: str
    is_header: bool


class Row(NamedTuple):
    cells: list[Cell | None]
    """By column; None where there is no cell."""
    is_head: bool
    """Whether it stands in a ``<thead>``."""


Header: TypeAlias = Sequence[str] | int | None


def table_of(tree: Tree, css: str, url: str) -> Element:
    """The first table that *css* names, or the first one inside of what it names.

    :raises ValueError: there is none; the message says which there are
    """
    for node in select(tree, css):
        if node.tag == "table" and node.is_element:
            return node.raw
        inner = node.raw.css_first("table") if node.is_element else None
        if inner is not None:
            return inner
    tables = tree.tags("table")
    there_are = ", ".join(_called(table) for table in tables[:10]) or "none"
    raise ValueError(f"{url} has no table {css!r}; its tables: {there_are}")


def records(table: Element, header: Header = None) -> list[dict[str, str]]:
    """A dict for each row: the name of the column -> its text.

    :raises ValueError: *header* does not fit, or the table has too many slots
    """
    rows = grid(table)
    names, data = _header(rows, header)
    width = max([len(row.cells) for row in rows], default=0)
    names = unique([*names, *[""] * (width - len(names))])
    return [
        {
            name: "" if index >= len(row.cells) or (cell := row.cells[index]) is None else cell.text
            for index, name in enumerate(names)
        }
        for row in data
    ]


def pairs(table: Element) -> dict[str, str]:
    """A table of names and values: in each row, what follows a ``th`` is its value; without any, what follows the first
    cell. A name that is there before gets a number; one without a value is left out.
    """
    names: list[str] = []
    values: list[str] = []
    for row in grid(table):
        cells = [
            cell for index, cell in enumerate(row.cells) if cell and (not index or cell is not row.cells[index - 1])
        ]
        has_names = any(cell.is_header for cell in cells)
        parts: list[list[str]] = []
        for index, cell in enumerate(cells):
            if cell.is_header or (index == 0 and not has_names):
                parts.append([cell.text])
            elif parts:
                parts[-1].append(cell.text)
        for name, *rest in parts:
            if rest:
                names.append(name)
                values.append(" ".join(rest).strip())
    return dict(zip(unique(names), values, strict=True))


def grid(table: Element) -> list[Row]:
    """The rows that have cells, with each cell in every slot that it spans.

    :raises ValueError: they have too many slots
    """
    found: list[Row] = []
    left = MAX_SLOTS
    for section, is_head in _sections(table):
        growing: dict[int, tuple[Cell, int]] = {}  # column -> a cell from above, and how many more rows it has
        for position, row in enumerate(section):
            cells = _lay(row, growing, len(section) - position, left)
            left -= len(cells)
            if any(cell is not None for cell in cells):
                found.append(Row(cells, is_head))
    return found


def unique(names: Sequence[str]) -> list[str]:
    """*names*, the empty ones called by their place, repeated ones with a number: ``Price``, ``Price 2``."""
    theirs, taken = set(names), set[str]()
    numbers: dict[str, int] = {}
    found: list[str] = []
    for place, name in enumerate(names, 1):
        base = name or f"column {place}"
        called, number = base, numbers.get(base, 1)
        while called in taken or (called in theirs and called != name):
            number += 1
            called = f"{base} {number}"
        numbers[base] = number
        taken.add(called)
        found.append(called)
    return found


def _lay(row: Element, growing: dict[int, tuple[Cell, int]], rows_left: int, most: int) -> list[Cell | None]:
    """The slots of one row; *growing* is brought to the next one."""
    slots = _from_above(growing)
    column = 0
    for element in row.iter():
        if element.tag not in ("td", "th"):
            continue
        while column in slots:
            column += 1
        across, down = _span(element, "colspan", _MOST_COLUMNS) or 1, _span(element, "rowspan", _MOST_ROWS)
        down = rows_left if down == 0 else min(1 if down is None else down, rows_left)
        cell = Cell(text_of(element), element.tag == "th")
        if column + across > most:
            raise ValueError(f"the table has more than {MAX_SLOTS} cells when its colspans and rowspans are laid out")
        for _ in range(across):
            if column in slots:  # two cells would overlap: the one that came from above stays
                break
            slots[column] = cell
            if down > 1:
                growing[column] = (cell, down - 1)
            column += 1
    width = max(slots, default=-1) + 1
    if width > most:
        raise ValueError(f"the table has more than {MAX_SLOTS} cells when its colspans and rowspans are laid out")
    return [slots.get(column) for column in range(width)]


def _from_above(growing: dict[int, tuple[Cell, int]]) -> dict[int, Cell]:
    """The cells that reach into the next row, by column."""
    slots = {column: cell for column, (cell, _) in growing.items()}
    for column, (cell, more) in list(growing.items()):
        if more > 1:
            growing[column] = (cell, more - 1)
        else:
            del growing[column]
    return slots


def _sections(table: Element) -> list[tuple[list[Element], bool]]:
    """The groups of rows, feet last; rows of the table itself are a group of their own."""
    groups: list[tuple[list[Element], bool]] = []
    feet: list[tuple[list[Element], bool]] = []
    loose: list[Element] | None = None
    for child in table.iter():
        if child.tag == "tr":
            if loose is None:
                loose = []
                groups.append((loose, False))
            loose.append(child)
        elif child.tag in _SECTIONS:
            loose = None
            rows = [row for row in child.iter() if row.tag == "tr"]
            (feet if child.tag == "tfoot" else groups).append((rows, child.tag == "thead"))
    return groups + feet


def _span(cell: Element, name: str, most: int) -> int | None:
    """None: it says nothing that could be read. The Standard's rules for parsing non-negative integers."""
    found = _INTEGER.match(cell.attrs.get(name) or "")
    return None if found is None else min(int(found[1]), most)


def _header(rows: list[Row], header: Header) -> tuple[list[str], list[Row]]:
    """The names of the columns, and the rows that are records."""
    if isinstance(header, int):
        if not 0 <= header < len(rows):
            raise ValueError(f"header={header} names no row: the table has {len(rows)}, counted from 0")
        return _names([rows[header]]), rows[header + 1 :]
    heads = [row for row in rows if row.is_head]
    data = [row for row in rows if not row.is_head]
    if not heads:
        count = 0
        while count < len(rows) and all(cell is None or cell.is_header for cell in rows[count].cells):
            count += 1
        count = 1 if count == len(rows) or (count == 0 and header is None) else count
        heads, data = rows[:count], rows[count:]
    if header is None:
        return _names(heads), data
    if isinstance(header, str):
        raise TypeError(f"header is a list of names or the number of a row, not {header!r}")
    return list(header), data


def _names(heads: Sequence[Row]) -> list[str]:
    """Of several rows the texts above each other, each once: ``Price net``, ``Price gross``."""
    width = max([len(row.cells) for row in heads], default=0)
    columns = [[row.cells[index] for row in heads if index < len(row.cells)] for index in range(width)]
    return [
        " ".join(dict.fromkeys([cell.text for cell in column if cell is not None and cell.text])) for column in columns
    ]


def text_of(element: Element) -> str:
    """The text of *element* as a reader sees it: lines and blocks are words apart, scripts are none."""
    child = element.first_child
    if child is None:
        return ""
    if child.next is None and child.is_text_node:
        return _SPACE.sub(" ", child.text_content or "").strip()
    parts: list[str] = []
    at: Element | None = child
    while at is not None:
        inner = None
        if at.is_text_node:
            parts.append(at.text_content or "")
        elif at.is_element_node and at.tag not in _UNREAD:
            parts.append("" if at.tag in _INLINE else " ")
            inner = at.first_child
        at = inner if inner is not None else _after(at, element, parts)
    return _SPACE.sub(" ", "".join(parts)).strip()


def _after(at: Element, top: Element, parts: list[str]) -> Element | None:
    """What comes after *at* and all in it, inside of *top*."""
    above: Element | None = at
    while above is not None and above.mem_id != top.mem_id:
        if above.is_element_node and above.tag not in _INLINE:
            parts.append(" ")
        if above.next is not None:
            return above.next
        above = above.parent
    return None


def _called(table: Element) -> str:
    attrs = table.attrs
    identity, classes = attrs.get("id"), (attrs.get("class") or "").split()
    return "table" + (f"#{identity}" if identity else "") + "".join(f".{name}" for name in classes)
