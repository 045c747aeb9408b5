"""XML: well-formed whatever the records hold, and read back as text."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree

from crawler.export.formats import Making, NotReadable
from crawler.export.xml import _name
from tests.export.datasets import HARD, read, written


def as_text(value: Any) -> Any:
    """What a record is when it has been read back, by the rules of the format."""
    if isinstance(value, dict):
        return {clean(name): as_text(inner) for name, inner in value.items() if inner is not None} or ""
    if isinstance(value, list):
        return [None if inner is None else as_text(inner) for inner in value] or ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return clean(value) if isinstance(value, str) else value


def clean(text: str) -> str:
    return "".join(["\ufffd" if (ch < " " and ch not in "\t\n\r") or ch in "\ufffe\uffff" else ch for ch in text])


def numbers_as_text(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: numbers_as_text(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [numbers_as_text(inner) for inner in value]
    return str(value) if isinstance(value, int) else value


def test_an_element_is_a_record_and_has_one_for_each_field(tmp_path: Path) -> None:
    records = [
        {"title": "A & B <c> ]]>", "price": 1.5, "is_new": True, "none": None, "tags": ["x", None, "y"]},
        {"author": {"name": "é", "born": 1900}, "rows": [{"a": 1}, [2]], "empty": "", "no": [], "dc:date": "2026"},
    ]
    path = written(tmp_path / "items.xml", records)
    assert path.read_text("utf-8") == (
        '<?xml version="1.0" encoding="UTF-8"?>\n<items>\n'
        "<item><title>A &amp; B &lt;c&gt; ]]&gt;</title><price>1.5</price><is_new>true</is_new>"
        '<tags><value>x</value><value nil="true"/><value>y</value></tags></item>\n'
        "<item><author><name>é</name><born>1900</born></author><rows><value><a>1</a></value><value><value>2</value>"
        '</value></rows><empty></empty><no></no><field name="dc:date">2026</field></item>\n'
        "</items>\n"
    )


@pytest.mark.parametrize(
    ("name", "root"), [("Book", "Book"), ("items", "items"), ("a b", "items"), ("xmlThing", "items")]
)
def test_the_root_is_named_after_the_item_type(name: str, root: str, tmp_path: Path) -> None:
    path = written(tmp_path / "items.xml", [{"a": 1}], Making(name))
    assert etree.parse(path).getroot().tag == root


NAMES = [
    "",
    "a b",
    "1a",
    "-a",
    "a:b",
    "xml",
    "XmlX",
    "field",
    "value",
    'a"b',
    "a\nb",
    "a\tb\r",
    "a<b",
    "a\x00b",
    "ⸯ",
    "a.b",
    "été",
    "東京",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_that_xml_does_not_allow_is_an_attribute(name: str, tmp_path: Path) -> None:
    path = written(tmp_path / "items.xml", [{name: {name: ["x"]}}])
    element = etree.parse(path).getroot()[0][0]
    assert (element.get("name") or element.tag) == (clean(name) or "field")
    assert read(path) == [{clean(name): {clean(name): ["x"]}}]


def test_every_character_of_a_plain_name_is_one_to_other_parsers_too(tmp_path: Path) -> None:
    letters = [chr(code) for code in range(0x10000) if _name().fullmatch(chr(code))]
    assert len(letters) > 30_000
    names = ["a" + "".join(letters[start : start + 5_000]) for start in range(0, len(letters), 5_000)] + letters[::97]
    path = written(tmp_path / "items.xml", [dict.fromkeys(names, "x")])
    assert [element.tag for element in etree.parse(path, etree.XMLParser(huge_tree=True)).getroot()[0]] == names
    assert read(path) == [dict.fromkeys(names, "x")]


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=10)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(records=st.lists(st.dictionaries(TEXT, VALUES, max_size=4), max_size=4))
def test_any_records_are_well_formed_and_read_back_as_text(records: list[dict[str, Any]], tmp_path: Path) -> None:
    path = tmp_path / "items.xml"
    path.unlink(missing_ok=True)
    written(path, records)
    assert len(etree.parse(path).getroot()) == len(records)
    if all(is_distinct(record) for record in records):
        assert read(path) == [numbers_as_text(as_text(record)) or {} for record in records]


def is_distinct(value: Any) -> bool:
    """Whether its names are still different ones when what XML cannot hold is replaced."""
    if isinstance(value, dict):
        return len(set(map(clean, value))) == len(value) and all(map(is_distinct, value.values()))
    return all(map(is_distinct, value)) if isinstance(value, list) else True


def test_lxml_finds_the_same_text(tmp_path: Path) -> None:
    path = written(tmp_path / "items.xml", HARD)
    found = [item.findtext("text") for item in etree.parse(path).getroot()]
    assert found == [None if record.get("text") is None else clean(record["text"]) for record in HARD]


def test_the_lists_of_others_are_lists(tmp_path: Path) -> None:
    path = tmp_path / "books.xml"
    path.write_text(
        "<books>\n <book id='1'>\n  <author>A</author> <author>B</author>\n  <author>C</author><t>x</t></book>\n</books>"
    )
    assert read(path) == [{"author": ["A", "B", "C"], "t": "x"}]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("<items><item><a>1</a></item>", "it is no whole XML document: no element found"),
        ("<items><item><a>1</b></item></items>", "it is no whole XML document: mismatched tag"),
        ("<!DOCTYPE a [<!ENTITY x 'y'>]><items><item><a>&x;</a></item></items>", "it has a document type declaration"),
        ("<items>text<item/></items>", "text stands between its records in line 1"),
        ("<items><item>text<a>1</a></item></items>", "text stands beside elements before line 1"),
        ("<items>\n<item><a>text<b>1</b></a></item></items>", "text stands beside elements before line 2"),
        ("<items><item><a id='5'>1</a></item></items>", "line 1 has the attribute 'id', which no field can hold"),
        ("<items><item><a><b>1</b><value>2</value></a></item></items>", "a <value> stands beside fields before line 1"),
        ("<items><item><value>2</value></item></items>", "a <value> stands beside fields before line 1"),
    ],
)
def test_what_is_no_dataset_is_told(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "items.xml"
    path.write_text(text)
    with pytest.raises(NotReadable, match=said):
        read(path)
