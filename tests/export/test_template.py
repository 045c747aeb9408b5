"""Names of outputs with places to fill in."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.errors import OutputError
from crawler.export.template import ABSENT, Template, component
from crawler.http.filename import is_plain


@pytest.mark.parametrize(
    ("text", "places", "path"),
    [
        ("a.jsonl", (), "a.jsonl"),
        ("a{{b}}.jsonl", (), "a{b}.jsonl"),
        ("{item}.jsonl", ("item",), "Book.jsonl"),
        ("out/{kind}/{item}-{part}.csv", ("kind", "item", "part"), "out/crime/Book-00007.csv"),
        ("kind={kind}/{kind}.csv", ("kind",), "kind=crime/crime.csv"),
        ("{{{kind}}}.csv", ("kind",), "{crime}.csv"),
        ("{data-id}.csv", ("data-id",), "9.csv"),
    ],
)
def test_places_are_filled_in(text: str, places: tuple[str, ...], path: str) -> None:
    template = Template(text)
    assert (template.places, template.is_single) == (places, not places)
    assert template.path("Book", {"kind": "crime", "data-id": 9}, 7) == path


def test_what_is_known_of_the_whole_crawl_is_filled_in_once_and_braces_of_a_name_are_kept() -> None:
    filled = Template("{spider}-{started}-{{x}}-{kind}.jsonl").filled(spider="b{o}oks", started="2026")
    assert filled.text == "b{{o}}oks-2026-{{x}}-{kind}.jsonl"
    assert filled.path("", {"kind": "crime"}, 1) == "b{o}oks-2026-{x}-crime.jsonl"


@pytest.mark.parametrize("text", ["{", "a}", "{}", "{0}.csv", "{a.b}", "{a!r}", "{a:>3}", "{a b}"])
def test_braces_that_name_no_field_are_told(text: str) -> None:
    with pytest.raises(OutputError, match="a brace itself is written twice"):
        Template(text)


@pytest.mark.parametrize(
    ("text", "rotated"),
    [
        ("a.jsonl", "a-{part}.jsonl"),
        ("out.d/a.jsonl.gz", "out.d/a-{part}.jsonl.gz"),
        ("{part}/a.csv", "{part}/a.csv"),
        ("{item}.csv", "{item}-{part}.csv"),
    ],
)
def test_a_place_for_the_number_comes_before_the_ending(text: str, rotated: str) -> None:
    assert Template(text).rotated().text == rotated


@pytest.mark.parametrize(
    ("text", "collective"),
    [
        ("/out/a.jsonl", "/out/a.jsonl"),
        ("/out/a-{part}.jsonl", "/out/a.jsonl"),
        ("/out/{part}.jsonl", "/out/{part}.jsonl"),
        ("/out/{kind}/a-{part}.csv", "/out/{kind}-a.csv"),
        ("/o/kind={kind}/{item}.csv", "/o/kind={kind}-{item}.csv"),
        ("{item}.csv", "{item}.csv"),
    ],
)
def test_all_its_files_have_a_name_together(text: str, collective: str) -> None:
    assert Template(text).collective == collective


def test_a_path_tells_whether_it_is_one_of_its_files() -> None:
    item = Template("/out/{kind}/{item}-{part}.csv").item_in()
    found = [item(path) for path in ("/out/x/Book-00001.csv", "/out/Book-00001.csv", "/out/a/b/Book-00001.csv", "")]
    assert found == ["Book", None, None, None]
    assert Template("/out/{kind}.csv").item_in()("/out/x.csv") == ""
    assert Template("/out/{item}/{item}.csv").item_in()("/out/Book/Book.csv") == "Book"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("Science Fiction", "Science Fiction"),
        ("Krimi ä", "Krimi ä"),
        (None, ABSENT),
        ("", ABSENT),
        (7, "7"),
        (1.5, "1.5"),
        (True, "true"),
        ("..", "%2E%2E"),
        (".", "%2E"),
        ("a/b", "a%2Fb"),
        ("a\\b", "a%5Cb"),
        ("../../etc/passwd", "%2E%2E%2F%2E%2E%2Fetc%2Fpasswd"),
        ("con", "_con"),
        ("50 %", "50 %25"),
        (" x ", "%20x%20"),
        ("a\nb", "a%0Ab"),
        ("-rf", "_-rf"),
    ],
)
def test_what_fills_a_place_is_one_plain_component(value: object, expected: str) -> None:
    assert component(value) == expected


@given(st.one_of(st.text(), st.integers(), st.floats(allow_nan=False), st.lists(st.text(max_size=5)), st.booleans()))
def test_no_value_leaves_its_component(value: object) -> None:
    filled = component(value)
    assert is_plain(filled)
    assert len(filled.encode()) <= 110
    assert Path(Template("/a/{x}/b").path("", {"x": value}, 1)).parts == ("/", "a", filled, "b")


@given(st.text(min_size=1), st.text(min_size=1))
def test_different_texts_fill_a_place_differently(one: str, other: str) -> None:
    assert (component(one) == component(other)) == (one == other)
